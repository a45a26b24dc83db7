//! How far a number may be off: bootstrap over worlds, exact intervals of counts, quantiles.

use crate::worlds::chance::Chance;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1_000;
/// Seed of the resampling: the same worlds give the same interval.
const RESAMPLING: u64 = 0x0b00_7572_a900;
/// Steps of the bisection for exact limits.
const BISECTIONS: u32 = 200;
/// Share left out on each side of a 95 % interval.
const TAIL: f64 = 0.025;

/// The 95 % percentile interval of a statistic of `n` worlds; `of` gets the numbers of the worlds of one resample.
pub fn bootstrap(n: usize, of: impl Fn(&[usize]) -> f64) -> (f64, f64) {
    let mut chance = Chance::new(RESAMPLING);
    let mut drawn = vec![0; n];
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            for place in &mut drawn {
                *place = chance.below(n);
            }
            of(&drawn)
        })
        .collect();
    (quantile(&mut values, TAIL), quantile(&mut values, 1.0 - TAIL))
}

/// The value below which a share `q` of the values lies (nearest rank); 0 of no values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank is between 0 and the number of values"
)]
pub fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (q * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).or_else(|| values.last()).copied().unwrap_or(0.0)
}

/// The exact 95 % interval of a Poisson mean of which `count` were seen (Garwood 1936).
pub fn poisson_interval(count: u32) -> (f64, f64) {
    let low = if count == 0 { 0.0 } else { solve(count - 1, 1.0 - TAIL) };
    (low, solve(count, TAIL))
}

/// The mean at which `count` or fewer have this probability.
fn solve(count: u32, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 10.0 * f64::from(count) + 20.0);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if at_most(count, middle) > probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// `P(Poisson(mean) ≤ count)`.
fn at_most(count: u32, mean: f64) -> f64 {
    // In logarithms: e^−mean alone is no number any more when a thousand are expected.
    let mut log_term = -mean;
    let mut sum = log_term.exp();
    for n in 1..=count {
        log_term += (mean / f64::from(n)).ln();
        sum += log_term.exp();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_limits_are_those_of_the_tables() {
        let near = |got: (f64, f64), want: (f64, f64)| {
            assert!((got.0 - want.0).abs() < 1e-3 && (got.1 - want.1).abs() < 1e-3, "{got:?}");
        };
        near(poisson_interval(0), (0.0, 3.689));
        near(poisson_interval(1), (0.0253, 5.572));
        near(poisson_interval(10), (4.795, 18.390));
        // Beyond the tables: √n is near enough.
        let (low, high) = poisson_interval(1_000);
        assert!((low - 938.97).abs() < 0.5 && (high - 1_063.97).abs() < 0.5, "{low} {high}");
    }

    #[test]
    fn quantiles_are_values() {
        let mut values = [3.0, 1.0, 2.0, 4.0];
        assert!((quantile(&mut values, 0.5) - 2.0).abs() < 1e-12);
        assert!((quantile(&mut values, 0.99) - 4.0).abs() < 1e-12);
        assert!(quantile(&mut [], 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_bootstrap_holds_the_mean_and_narrows() {
        let width = |n: usize| {
            let (low, high) =
                bootstrap(n, |drawn| drawn.iter().filter(|i| *i % 2 == 0).count() as f64 / n as f64);
            assert!(low <= 0.5 && high >= 0.5);
            high - low
        };
        assert!((0.1..0.3).contains(&width(100)) && width(1_000) < width(100));
    }
}
