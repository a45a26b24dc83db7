use super::*;

/// A small seeded stream of numbers (PCG's output function would be more than is needed here).
struct Numbers(u64);

impl Numbers {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > limit && count < 10_000 {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// A gamma number of shape 2 and mean 1.
    fn gamma2(&mut self) -> f64 {
        -(self.unit() * self.unit()).ln() / 2.0
    }
}

/// Eight weeks and one of a site with so many reports a day: busy by day, quiet by night, scattered beyond Poisson.
fn stream(a_day: f64, seed: u64) -> BTreeMap<i64, u32> {
    let mut numbers = Numbers(seed);
    let shape = |quarter: i64| 1.0 + 0.8 * (std::f64::consts::TAU * (quarter % 96) as f64 / 96.0).sin();
    (0..PAST_QUARTERS + 7 * 96)
        .map(|quarter| {
            let mean = a_day / 96.0 * shape(quarter) * numbers.gamma2();
            (quarter, numbers.poisson(mean))
        })
        .collect()
}

fn learn(counts: &BTreeMap<i64, u32>) -> Usual {
    Usual::learn(Past { counts, known: &(0..PAST_QUARTERS), incidents: &[] })
}

/// Whether an alarm is up at each quarter of the last week, with `extra` times the usual added in the quarters of `surge`.
fn alarms(
    usual: &Usual,
    counts: &BTreeMap<i64, u32>,
    surge: &Range<i64>,
    extra: f64,
    seed: u64,
) -> Vec<(i64, bool)> {
    let mut numbers = Numbers(seed);
    let mut before: Vec<u32> = Vec::new();
    let mut ups = Vec::new();
    for quarter in PAST_QUARTERS..PAST_QUARTERS + 7 * 96 {
        let more =
            if surge.contains(&quarter) { numbers.poisson((extra - 1.0) * usual.mean(quarter)) } else { 0 };
        let count = counts[&quarter] + more;
        ups.push((quarter, usual.alarm(quarter, &before, count).surge));
        before.push(count);
    }
    ups
}

#[test]
fn the_usual_week_is_learned_by_hour() {
    let usual = learn(&stream(960.0, 1));
    // 10 a quarter on average, 18 at the height of the day (06:00), 2 in its depth (18:00); eight weeks draw both to the middle.
    let (height, depth) = (usual.mean(24), usual.mean(72));
    assert!((12.0..20.0).contains(&height), "{height}");
    assert!((2.0..6.5).contains(&depth), "{depth}");
    assert!((1.0..4.0).contains(&usual.dispersion), "{}", usual.dispersion);
}

#[test]
fn quiet_weeks_raise_no_alarm_and_surges_are_found() {
    // Reports a day, how many times the usual a surge is, how many of 20 surges of two hours must be found.
    for (a_day, times, least) in [(20.0, 16.0, 18), (200.0, 8.0, 18), (2_000.0, 4.0, 18), (2_000.0, 8.0, 20)]
    {
        let mut found = 0;
        let mut false_alarms = 0;
        for seed in 0..20 {
            let counts = stream(a_day, 100 + seed);
            let usual = learn(&counts);
            let begin = PAST_QUARTERS + 3 * 96 + 16;
            let surge = begin..begin + 8;
            let said = alarms(&usual, &counts, &surge, times, seed);
            found += u32::from(said.iter().any(|(q, up)| *up && surge.contains(q)));
            // An alarm may hold on for a while after its surge.
            let quiet = |q: &i64| *q < surge.start || *q >= surge.end + 16;
            let rises = said.windows(2).filter(|pair| !pair[0].1 && pair[1].1 && quiet(&pair[1].0));
            false_alarms += rises.count();
        }
        assert!(found >= least, "{a_day} a day, {times} times: {found} of 20 found");
        assert!(
            false_alarms <= 6,
            "{a_day} a day: {false_alarms} false alarms in 140 days, 0.05 a day at most"
        );
        println!("{a_day} a day, {times} times: {found} of 20 found, {false_alarms} false in 140 days");
    }
}

#[test]
fn an_outage_of_the_past_does_not_become_usual() {
    let mut counts = stream(200.0, 7);
    let clean = learn(&counts);
    for quarter in 1_000..1_016 {
        counts.insert(quarter, 500);
    }
    let told = Usual::learn(Past {
        counts: &counts,
        known: &(0..PAST_QUARTERS),
        incidents: std::slice::from_ref(&(1_000..1_016)),
    });
    let untold = learn(&counts);
    for quarter in 1_000..1_016 {
        assert!(told.mean(quarter) < 1.3 * clean.mean(quarter), "told");
        assert!(untold.mean(quarter) < 2.0 * clean.mean(quarter), "not told, and cut");
    }
}

#[test]
fn a_site_nobody_knows_needs_five_reporters() {
    let usual = Usual::unknown();
    assert!(!usual.alarm(0, &[], 4).surge);
    assert!(usual.alarm(0, &[], 5).surge);
    assert_eq!(Usual::learn(Past { counts: &BTreeMap::new(), known: &(5..5), incidents: &[] }), usual);
}
