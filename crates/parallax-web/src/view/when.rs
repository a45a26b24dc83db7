//! Moments and spans for people and for machines. Always UTC, and said so.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use parallax_model::UnixMicros;

use crate::say::Lang;

/// A moment as RFC 3339 with whole seconds, for `<time datetime>` and JSON.
pub(crate) fn rfc3339(at: UnixMicros) -> String {
    stamp(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A moment for people: `22 Nov 20:58 UTC`, `22. Nov. 20:58 UTC`.
pub(crate) fn day_and_time(t: Lang, at: UnixMicros) -> String {
    let (day, time) = (day(t, at), time_of_day(at));
    format!("{day} {time} UTC")
}

/// A day for people: `22 Nov`.
pub(crate) fn day(t: Lang, at: UnixMicros) -> String {
    let at = stamp(at).to_zoned(TimeZone::UTC);
    t.with("day").n("day", i32::from(at.day())).s("month", t.text(&format!("month-{}", at.month()))).text()
}

/// A moment's time of day: `20:58`.
pub(crate) fn time_of_day(at: UnixMicros) -> String {
    stamp(at).to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
}

/// Moments outside jiff's years become the epoch.
fn stamp(at: UnixMicros) -> Timestamp {
    Timestamp::from_second(at.as_secs()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A span for people, in its largest unit: `40 s`, `14 min`, `2 h 5 min`, `3 days`.
pub(crate) fn span(t: Lang, micros: u64) -> String {
    let s = micros / 1_000_000;
    let (min, h) = (s / 60, s / 3_600);
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{min} min"),
        3_600..86_400 if min % 60 == 0 => format!("{h} h"),
        3_600..86_400 => format!("{h} h {} min", min % 60),
        _ => t.with("span-days").n("days", h / 24).text(),
    }
}

/// How long from `earlier` to `now`, for people.
pub(crate) fn between(t: Lang, earlier: UnixMicros, now: UnixMicros) -> String {
    span(t, now.since(earlier))
}

/// A duration with one decimal: `1.6 s`; below one second in milliseconds.
pub(crate) fn seconds(t: Lang, d: Duration) -> String {
    if d < Duration::from_secs(1) {
        format!("{} ms", d.as_millis())
    } else {
        format!("{} s", t.decimal(d.as_secs_f64(), 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_moments_read_as_people_say_them() {
        for (s, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (7_500, "2 h 5 min"),
            (86_400, "1 day"),
            (864_000, "10 days"),
        ] {
            assert_eq!(span(Lang::En, s * 1_000_000), text);
        }
        let at = UnixMicros(1_795_381_123_456_789);
        assert_eq!(rfc3339(at), "2026-11-22T20:58:43Z");
        assert_eq!(day_and_time(Lang::En, at), "22 Nov 20:58 UTC");
        assert_eq!(day_and_time(Lang::De, at), "22. Nov. 20:58 UTC");
        assert_eq!(span(Lang::De, 864_000_000_000), "10 Tage");
        assert_eq!(rfc3339(UnixMicros(i64::MAX)), "1970-01-01T00:00:00Z");
        assert_eq!(seconds(Lang::En, Duration::from_millis(1_640)), "1.6 s");
    }
}
