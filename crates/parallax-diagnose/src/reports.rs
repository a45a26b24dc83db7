//! What visitors' reports are worth. They can raise a question and back an answer; alone they never say "down".

use std::time::Duration;

use parallax_model::{Disagreement, ReportCounts, Verdict};

use crate::world::WorldReports;

/// Reports move no scope by more nats than this.
const MOST_NATS: f64 = 4.0;
/// Shape of the negative binomial: how much report counts scatter beyond Poisson at the worst.
const DISPERSION: f64 = 2.0;
/// A surge is this many times the usual number.
const SURGE_TIMES: f64 = 3.0;
/// A surge is told from this many nats on …
const SURGE_NATS: f64 = 3.0;
/// … and this many reporters.
const SURGE_REPORTERS: u32 = 5;
/// Fewer reporters of one network are not counted for it.
const LEAST_REPORTERS: u32 = 3;
/// Usual counts below this are read as this: a site that nobody reports has no certain baseline.
const LEAST_EXPECTED: f64 = 0.5;

/// Whether people report much more trouble than usual.
pub(crate) fn surge(reports: &WorldReports) -> bool {
    reports.surge.unwrap_or_else(|| {
        reports.problem >= SURGE_REPORTERS && surge_nats(reports.problem, reports.expected) >= SURGE_NATS
    })
}

/// An outage that nobody reports must last this long to be called unheard: as long as reports are counted.
pub const UNHEARD: Duration = Duration::from_mins(15);
/// So many who say "works for me", and more than complain, speak against an outage at once.
const CONTRADICTING: u32 = 3;

/// Where people and testers do not say the same: people report a surge of problems while the testers reach the site (or cannot
/// tell), or the testers see it fail for `lasted` and people say nothing, or say that it works.
pub fn disagreement(verdict: Verdict, lasted: Duration, reports: &ReportCounts) -> Option<Disagreement> {
    match verdict {
        Verdict::Up | Verdict::Unknown => reports.surge.then_some(Disagreement::PeopleOnly),
        Verdict::Down | Verdict::Partial => {
            let unheard = reports.problem == 0 && lasted >= UNHEARD;
            let contradicted = reports.works >= CONTRADICTING && reports.works > reports.problem;
            (unheard || contradicted).then_some(Disagreement::TestersOnly)
        }
        Verdict::Degraded | Verdict::Flaky | Verdict::Blocked => None,
    }
}

/// What the reports of one network say for a fault of that network, 0 to 4 nats. The whole site's usual count stands for the
/// network's, which can only be smaller.
pub(crate) fn network_nats(reporters: u32, expected: f64) -> f64 {
    if reporters < LEAST_REPORTERS { 0.0 } else { surge_nats(reporters, expected) }
}

/// `log NB(y; 3µ) − log NB(y; µ)`, clipped to 0..4.
fn surge_nats(reporters: u32, expected: f64) -> f64 {
    let usual = expected.max(LEAST_EXPECTED);
    let surged = SURGE_TIMES * usual;
    let per_report = (surged / (DISPERSION + surged)).ln() - (usual / (DISPERSION + usual)).ln();
    let base = DISPERSION * ((DISPERSION + usual) / (DISPERSION + surged)).ln();
    (f64::from(reporters) * per_report + base).clamp(0.0, MOST_NATS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_number_is_no_surge_and_ten_times_it_is() {
        let reports = |problem| WorldReports { problem, expected: 10.0, ..WorldReports::default() };
        assert!(!surge(&reports(10)));
        assert!(!surge(&reports(20)));
        assert!(surge(&reports(100)));
    }

    #[test]
    fn people_and_testers_may_disagree() {
        use Disagreement::{PeopleOnly, TestersOnly};
        let of = |problem, works, surge| ReportCounts { problem, works, expected: 1.0, surge };
        let minutes = |n| Duration::from_mins(n);
        let cases = [
            (Verdict::Up, 60, of(40, 1, true), Some(PeopleOnly)),
            (Verdict::Unknown, 60, of(40, 1, true), Some(PeopleOnly)),
            (Verdict::Up, 60, of(2, 0, false), None),
            (Verdict::Down, 60, of(40, 1, true), None),
            (Verdict::Down, 15, of(0, 0, false), Some(TestersOnly)),
            (Verdict::Down, 14, of(0, 0, false), None),
            (Verdict::Partial, 1, of(1, 3, false), Some(TestersOnly)),
            (Verdict::Partial, 1, of(3, 3, false), None),
            (Verdict::Blocked, 60, of(0, 9, false), None),
        ];
        for (verdict, lasted, reports, expected) in cases {
            assert_eq!(
                disagreement(verdict, minutes(lasted), &reports),
                expected,
                "{verdict} {lasted} {reports:?}"
            );
        }
    }

    #[test]
    fn reports_are_capped() {
        assert!((network_nats(1_000_000, 0.0) - MOST_NATS).abs() < 1e-9);
        assert!(network_nats(2, 0.0).abs() < 1e-9);
    }
}
