//! Charts drawn by the server: numbers become rectangles, the words around them are HTML.

use std::collections::BTreeSet;

use parallax_aggregator::{HistoryHour, HistoryMinute};
use parallax_model::{Incident, UnixMicros};

use super::when;
use crate::say::Lang;

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
    pub(crate) fn new(t: Lang, quarters: &[u32], usual: f64, now: UnixMicros) -> Self {
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
            usual: t.decimal(usual, 1),
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
    pub(crate) fn new(t: Lang, minutes: &[HistoryMinute], now: UnixMicros) -> Self {
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
            value: t.with("tests-failed").n("failing", q.1).n("total", q.0).text(),
        };
        Self {
            bars,
            entries: failed.map(entry).collect(),
            results: quarters.iter().map(|q| q.0).sum(),
            failures: quarters.iter().map(|q| q.1).sum(),
        }
    }
}

/// Days of the long strip.
pub(crate) const DAYS: usize = 90;
/// One day in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Tests of an hour or of a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tests {
    pub(crate) at: UnixMicros,
    pub(crate) results: u64,
    pub(crate) failures: u64,
}

/// One hour in microseconds.
const HOUR_US: i64 = 3_600_000_000;

impl Tests {
    /// Hours where there are some, and the minutes outside of them: the last hours are not made yet, and those of long ago may have
    /// been kept as minutes alone. No test counts twice.
    pub(crate) fn of(hours: &[HistoryHour], minutes: &[HistoryMinute]) -> Vec<Self> {
        let made: BTreeSet<i64> = hours.iter().map(|hour| hour.at.0.div_euclid(HOUR_US)).collect();
        let whole =
            hours.iter().map(|hour| Self { at: hour.at, results: hour.results, failures: hour.failures });
        let rest = minutes.iter().filter(|minute| !made.contains(&minute.at.0.div_euclid(HOUR_US)));
        let rest = rest.map(|minute| Self {
            at: minute.at,
            results: minute.results.into(),
            failures: minute.failures.into(),
        });
        whole.chain(rest).collect()
    }
}

/// One day of the long strip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Day {
    /// `22 Nov`.
    pub(crate) at: String,
    pub(crate) value: String,
}

/// Ninety days: from the tests that are kept, and from the incidents where those are gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Days {
    pub(crate) bars: Vec<Bar>,
    /// Days with trouble, newest first.
    pub(crate) exceptions: Vec<Day>,
    /// Days of which there are tests.
    pub(crate) known: usize,
    pub(crate) results: u64,
    pub(crate) failures: u64,
    /// Share of tests that worked, `99.95 %`; empty without tests.
    pub(crate) worked: String,
}

impl Days {
    /// The strip of the 90 days that end with the one `now` is in. A day without tests is drawn as a gap, never as good.
    pub(crate) fn new(t: Lang, incidents: &[Incident], tests: &[Tests], now: UnixMicros) -> Self {
        let today = now.0.div_euclid(DAY_US);
        let first = today - i64::try_from(DAYS - 1).unwrap_or(0);
        let mut days = [(0_u64, 0_u64, 0_u64); DAYS];
        for some in tests {
            let place = usize::try_from(some.at.0.div_euclid(DAY_US) - first).ok();
            if let Some(day) = place.and_then(|i| days.get_mut(i)) {
                day.0 += some.results;
                day.1 += some.failures;
            }
        }
        for (i, day) in (0_i64..).zip(days.iter_mut()) {
            let (begin, end) = ((first + i) * DAY_US, (first + i + 1) * DAY_US);
            let inside = |incident: &Incident| {
                let until = incident.closed_at.unwrap_or(now).0.min(end);
                u64::try_from(until - incident.opened_at.0.max(begin)).unwrap_or(0)
            };
            day.2 = incidents.iter().map(inside).sum();
        }
        let bars = days.iter().enumerate().map(|(i, day)| day_bar(i, *day)).collect();
        let trouble = days.iter().enumerate().rev().filter(|(_, day)| day.1 > 0 || day.2 > 0);
        let told = |(i, day): (usize, &(u64, u64, u64))| {
            let at = UnixMicros((first + i64::try_from(i).unwrap_or(0)) * DAY_US);
            let value = match day {
                (0, _, incident) => t.with("day-incident").s("lasted", when::span(t, *incident)),
                (results, failures, 0) => t.with("tests-failed").n("failing", failures).n("total", results),
                (results, failures, incident) => t
                    .with("day-both")
                    .n("failing", failures)
                    .n("total", results)
                    .s("lasted", when::span(t, *incident)),
            };
            Day { at: when::day(t, at), value: value.text() }
        };
        let (results, failures) = days.iter().fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
        let share = |good: f64| format!("{} %", t.decimal((good * 10_000.0).floor() / 100.0, 2));
        Self {
            bars,
            exceptions: trouble.map(told).collect(),
            known: days.iter().filter(|day| day.0 > 0).count(),
            results,
            failures,
            worked: if results == 0 { String::new() } else { share(1.0 - failures as f64 / results as f64) },
        }
    }
}

fn day_bar(i: usize, (results, failures, incident): (u64, u64, u64)) -> Bar {
    let failing = if results == 0 { 0.0 } else { failures as f64 / results as f64 };
    let share = failing.max(incident as f64 / DAY_US as f64);
    let (height, class) = match (results, incident) {
        (0, 0) => (3, "none"),
        _ if share <= 0.0 => (8, "ok"),
        // A short outage is seen too: the height grows with the root of its share of the day.
        _ => (to_u32(20.0 + 80.0 * share.sqrt()), if share < 0.1 { "some" } else { "bad" }),
    };
    Bar { x: i * STEP, y: HEIGHT.saturating_sub(height), height, class }
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
        let chart = ReportChart::new(Lang::En, &quarters, 3.0, NOW);
        assert_eq!((chart.max, chart.total, chart.usual_y), (10, 12, 70));
        let expected =
            [Bar { x: 940, y: 80, height: 20, class: "lo" }, Bar { x: 950, y: 0, height: 100, class: "hi" }];
        assert_eq!(chart.bars, expected);
        assert_eq!(chart.entries[0], Entry { at: "21:00".to_owned(), value: "10".to_owned() });
        assert_eq!(ReportChart::new(Lang::En, &[], 0.0, NOW).bars, []);
    }

    #[test]
    fn ninety_days_show_trouble_and_gaps() {
        let minute = |days_ago: i64, results, failures| HistoryMinute {
            at: NOW.plus_secs(-86_400 * days_ago),
            results,
            failures,
            first_byte: None,
        };
        let days =
            Days::new(Lang::En, &[], &Tests::of(&[], &[minute(1, 1_000, 0), minute(0, 1_000, 1)]), NOW);
        let classes: Vec<&str> = days.bars[87..].iter().map(|bar| bar.class).collect();
        assert_eq!((days.bars.len(), classes.as_slice()), (90, ["none", "ok", "some"].as_slice()));
        assert_eq!((days.known, days.worked.as_str()), (2, "99.95 %"));
        assert_eq!(
            days.exceptions,
            [Day { at: "22 Nov".to_owned(), value: "1 of 1000 tests failed".to_owned() }]
        );
        let mut incident = crate::sample::sample_sites().remove(0).incident.unwrap();
        incident.opened_at = NOW.plus_secs(-40 * 86_400);
        incident.closed_at = Some(incident.opened_at.plus_secs(7_200));
        let days = Days::new(Lang::En, &[incident], &[], NOW);
        assert_eq!((days.bars[49].class, days.exceptions[0].value.as_str()), ("some", "an incident of 2 h"));
    }

    #[test]
    fn hours_reach_back_further_than_minutes_and_no_test_counts_twice() {
        let hour = |hours_ago: i64, results| HistoryHour {
            at: NOW.plus_secs(-3_600 * hours_ago),
            results,
            failures: 1,
            first_byte: None,
        };
        let minute = |minutes_ago: i64| HistoryMinute {
            at: NOW.plus_secs(-60 * minutes_ago),
            results: 10,
            failures: 0,
            first_byte: None,
        };
        let hours = [hour(80 * 24, 600), hour(2, 600)];
        let tests = Tests::of(&hours, &[minute(90), minute(59), minute(1)]);
        let days = Days::new(Lang::En, &[], &tests, NOW);
        assert_eq!((days.results, days.failures, days.known), (1_220, 2, 2));
    }

    #[test]
    fn a_quarter_hour_without_tests_is_a_gap() {
        let minute = |ago: i64, results, failures| HistoryMinute {
            at: NOW.plus_secs(-60 * ago),
            results,
            failures,
            first_byte: None,
        };
        let strip = Strip::new(Lang::En, &[minute(16, 10, 0), minute(1, 10, 10), minute(2_000, 9, 9)], NOW);
        let classes: Vec<&str> = strip.bars[93..].iter().map(|bar| bar.class).collect();
        assert_eq!(classes, ["ok", "bad", "none"]);
        assert_eq!((strip.results, strip.failures), (20, 10));
        assert_eq!(strip.entries.len(), 1);
        assert_eq!(strip.entries[0].at, "20:45");
    }
}
