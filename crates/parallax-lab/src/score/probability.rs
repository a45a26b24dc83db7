//! Whether probabilities mean what they say.

/// Fewest forecasts in one bin of the calibration error.
const LEAST_IN_BIN: usize = 15;
/// Bins at most.
const MOST_BINS: usize = 10;
/// No forecast is taken as surer than this by the log loss.
const SUREST: f64 = 1e-6;

/// A probability that was said, and whether it came true.
pub type Forecast = (f64, bool);

/// Mean squared distance between what was said and what came (Brier 1950); 0 when nothing was said.
pub fn brier(forecasts: &[Forecast]) -> f64 {
    mean(forecasts, |p, came| (p - came).powi(2))
}

/// Mean of `−log` of the probability that was given to what came; 0 when nothing was said.
pub fn log_loss(forecasts: &[Forecast]) -> f64 {
    mean(forecasts, |p, came| {
        let p = p.clamp(SUREST, 1.0 - SUREST);
        -(came * p.ln() + (1.0 - came) * (1.0 - p).ln())
    })
}

/// Expected calibration error over bins of equal mass with at least 15 forecasts each.
pub fn ece(forecasts: &[Forecast]) -> f64 {
    if forecasts.is_empty() {
        return 0.0;
    }
    let mut sorted = forecasts.to_vec();
    // Among equal probabilities the order must not sort hits from misses, or a bin edge between them makes an error of nothing.
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bins = (sorted.len() / LEAST_IN_BIN).clamp(1, MOST_BINS);
    let edge = |n: usize| n * sorted.len() / bins;
    let error = |n: usize| {
        let bin = &sorted[edge(n)..edge(n + 1)];
        let said: f64 = bin.iter().map(|(p, _)| p).sum();
        let came = bin.iter().filter(|(_, came)| *came).count() as f64;
        (said - came).abs()
    };
    (0..bins).map(error).sum::<f64>() / sorted.len() as f64
}

fn mean(forecasts: &[Forecast], of: impl Fn(f64, f64) -> f64) -> f64 {
    let sum: f64 = forecasts.iter().map(|(p, came)| of(*p, if *came { 1.0 } else { 0.0 })).sum();
    sum / forecasts.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hand_made_forecasts_have_the_scores_of_the_textbook() {
        let half = [(0.5, true), (0.5, false)];
        assert!((brier(&half) - 0.25).abs() < 1e-12);
        assert!((log_loss(&half) - 2.0_f64.ln()).abs() < 1e-12);
        assert!(ece(&half).abs() < 1e-12);
        assert!((brier(&[(1.0, true), (1.0, false)]) - 0.5).abs() < 1e-12);
        assert!((ece(&[(0.9, true), (0.9, false)]) - 0.4).abs() < 1e-12);
    }

    #[test]
    fn bins_have_equal_mass() {
        let mut forecasts = vec![(0.2, false); 15];
        forecasts.extend([(0.8, true); 15]);
        assert!((ece(&forecasts) - 0.2).abs() < 1e-12);
        forecasts.truncate(29);
        // One bin only: 15 × .2 + 14 × .8 said, 14 came.
        assert!((ece(&forecasts) - (14.2 - 14.0) / 29.0).abs() < 1e-12);
    }
}
