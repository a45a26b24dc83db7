//! Charts drawn by the server: numbers become rectangles, the words around them are HTML.

use parallax_aggregator::HistoryMinute;
use parallax_model::UnixMicros;

use super::when;

/// Quarter hours of a day.
const QUARTERS: usize = 96;
/// Microseconds of a quarter hour.
const QUARTER_US: i64 = 900_000_000;
/// The charts' inner width per quarter hour.
const STEP: usize = 10;
/// The charts' inner height.
const HEIGHT: u32 = 100;

/// One bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) x: usize,
    pub(crate) y: u32,
    pub(crate) height: u32,
    /// Its class: `lo`, `hi`, `ok`, `some`, `bad`, `none`.
    pub(crate) class: &'static str,
}

/// One line of a chart's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it begins, `20:45`.
    pub(crate) at: String,
    pub(crate) value: String,
}

/// Problem reports of 24 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportChart {
    pub(crate) bars: Vec<Bar>,
    /// The highest quarter hour, as the axis says it.
    pub(crate) max: u32,
    pub(crate) total: u32,
    /// Height from the top at which the usual number lies.
    pub(crate) usual_y: u32,
    /// The usual number of a quarter hour, for people.
    pub(crate) usual: String,
    /// Quarter hours that have reports.
    pub(crate) entries: Vec<Entry>,
}

impl ReportChart {
    /// The chart of `quarters`, oldest first, ending at `now`. Bars above `usual` are inked.
    pub(crate) fn new(quarters: &[u32], usual: f64, now: UnixMicros) -> Self {
        let last = &quarters[quarters.len().saturating_sub(QUARTERS)..];
        let max = last.iter().copied().max().unwrap_or(0);
        let top = max.max(ceil(usual)).max(4);
        let scaled = |n: f64| (f64::from(HEIGHT) * n / f64::from(top)).round();
        let offset = QUARTERS - last.len();
        let mut bars = Vec::new();
        let mut entries = Vec::new();
        for (i, n) in last.iter().copied().enumerate().filter(|(_, n)| *n > 0) {
            let height = to_u32(scaled(f64::from(n))).max(2);
            let class = if f64::from(n) > usual { "hi" } else { "lo" };
            bars.push(Bar { x: (offset + i) * STEP, y: HEIGHT - height, height, class });
            entries.push(Entry { at: quarter_start(now, offset + i), value: n.to_string() });
        }
        entries.reverse();
        Self {
            bars,
            max: top,
            total: last.iter().sum(),
            usual_y: HEIGHT - to_u32(scaled(usual)).min(HEIGHT),
            usual: format!("{usual:.1}"),
            entries,
        }
    }
}

/// Tests of 24 hours in quarter hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strip {
    pub(crate) bars: Vec<Bar>,
    /// Quarter hours with failures, newest first.
    pub(crate) entries: Vec<Entry>,
    pub(crate) results: u32,
    pub(crate) failures: u32,
}

impl Strip {
    /// The strip of `minutes`, ending at `now`. A quarter hour without results is drawn as a gap, never as good.
    pub(crate) fn new(minutes: &[HistoryMinute], now: UnixMicros) -> Self {
        let begin = quarter_of(now) - back_from_now(0);
        let mut quarters = [(0_u32, 0_u32); QUARTERS];
        for minute in minutes {
            let place = usize::try_from(quarter_of(minute.at).saturating_sub(begin)).ok();
            if let Some(quarter) = place.and_then(|i| quarters.get_mut(i)) {
                quarter.0 = quarter.0.saturating_add(minute.results);
                quarter.1 = quarter.1.saturating_add(minute.failures);
            }
        }
        let bars = quarters.iter().enumerate().map(|(i, q)| strip_bar(i, *q)).collect();
        let failed = quarters.iter().enumerate().rev().filter(|(_, q)| q.1 > 0);
        let entry = |(i, q): (usize, &(u32, u32))| Entry {
            at: quarter_start(now, i),
            value: format!("{} of {} tests failed", q.1, q.0),
        };
        Self {
            bars,
            entries: failed.map(entry).collect(),
            results: quarters.iter().map(|q| q.0).sum(),
            failures: quarters.iter().map(|q| q.1).sum(),
        }
    }
}

fn strip_bar(i: usize, (results, failures): (u32, u32)) -> Bar {
    let share = if results == 0 { 0.0 } else { f64::from(failures) / f64::from(results) };
    let (height, class) = match (results, failures) {
        (0, _) => (3, "none"),
        (_, 0) => (8, "ok"),
        _ if share < 0.5 => (to_u32(20.0 + 70.0 * share), "some"),
        _ => (to_u32(30.0 + 70.0 * share), "bad"),
    };
    Bar { x: i * STEP, y: HEIGHT - height, height, class }
}

fn quarter_of(at: UnixMicros) -> i64 {
    at.0.div_euclid(QUARTER_US)
}

/// When the `i`-th of the 96 quarter hours that end with the current one begins.
fn quarter_start(now: UnixMicros, i: usize) -> String {
    when::time_of_day(UnixMicros((quarter_of(now) - back_from_now(i)).saturating_mul(QUARTER_US)))
}

/// How many quarter hours the `i`-th of the 96 lies before the current one.
fn back_from_now(i: usize) -> i64 {
    i64::try_from(QUARTERS - 1 - i.min(QUARTERS - 1)).unwrap_or(0)
}

fn ceil(n: f64) -> u32 {
    to_u32(n.ceil())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to the type's range before the cast"
)]
fn to_u32(n: f64) -> u32 {
    n.clamp(0.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMicros = UnixMicros(1_795_381_200_000_000); // 21:00 UTC

    #[test]
    fn bars_above_the_usual_are_inked_and_the_newest_is_at_the_right() {
        let mut quarters = [0; 96];
        quarters[94] = 2;
        quarters[95] = 10;
        let chart = ReportChart::new(&quarters, 3.0, NOW);
        assert_eq!((chart.max, chart.total, chart.usual_y), (10, 12, 70));
        let expected =
            [Bar { x: 940, y: 80, height: 20, class: "lo" }, Bar { x: 950, y: 0, height: 100, class: "hi" }];
        assert_eq!(chart.bars, expected);
        assert_eq!(chart.entries[0], Entry { at: "21:00".to_owned(), value: "10".to_owned() });
        assert_eq!(ReportChart::new(&[], 0.0, NOW).bars, []);
    }

    #[test]
    fn a_quarter_hour_without_tests_is_a_gap() {
        let minute = |ago: i64, results, failures| HistoryMinute {
            at: NOW.plus_secs(-60 * ago),
            results,
            failures,
            first_byte: None,
        };
        let strip = Strip::new(&[minute(16, 10, 0), minute(1, 10, 10), minute(2_000, 9, 9)], NOW);
        let classes: Vec<&str> = strip.bars[93..].iter().map(|bar| bar.class).collect();
        assert_eq!(classes, ["ok", "bad", "none"]);
        assert_eq!((strip.results, strip.failures), (20, 10));
        assert_eq!(strip.entries.len(), 1);
        assert_eq!(strip.entries[0].at, "20:45");
    }
}
