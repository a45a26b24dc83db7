//! Counting results into minutes, so that history is read without touching raw results.
//!
//! Pure: moments come in, finished minutes go out.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use parallax_model::{Host, Micros, UnixMicros};
use parallax_proto::batch::Results;

const MINUTE_US: i64 = 60_000_000;
/// Times to the first byte kept of one minute; their median is what stays. Later ones of a busy minute are not looked at.
const MAX_SAMPLES: usize = 1_024;

/// One finished minute of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Minute {
    /// Whose.
    pub site: Host,
    /// Its start.
    pub at: UnixMicros,
    /// How many results.
    pub results: u32,
    /// How many of them failed.
    pub failures: u32,
    /// Median time to the first byte of those that were ok.
    pub first_byte: Option<Micros>,
}

#[derive(Debug, Clone, Default)]
struct Counting {
    results: u32,
    failures: u32,
    first_bytes: Vec<u32>,
}

impl Counting {
    fn add(&mut self, results: &Results, row: usize) {
        let outcome = results.outcome(row);
        let own = outcome.kind().is_some_and(parallax_model::FailureKind::is_agent)
            || results.beacon(row) == parallax_model::BeaconState::Failed;
        if own {
            return;
        }
        self.results += 1;
        if outcome.is_ok() {
            if let (Some(us), true) = (results.first_byte(row), self.first_bytes.len() < MAX_SAMPLES) {
                self.first_bytes.push(us.0);
            }
        } else {
            self.failures += 1;
        }
    }
}

/// Minutes that are still being counted: by the minute in which results came, then by that in which they were seen. What came in one
/// minute is taken together, late results too: so one moment tells what is counted.
#[derive(Debug, Default)]
pub(crate) struct Minutes {
    open: BTreeMap<UnixMicros, HashMap<(UnixMicros, Host), Counting, RandomState>>,
}

/// The start of the minute that `at` is in.
const fn minute_of(at: UnixMicros) -> UnixMicros {
    UnixMicros(at.0.div_euclid(MINUTE_US) * MINUTE_US)
}

/// Until when everything that came is counted, once [`Minutes::take`] took the same.
pub(crate) const fn counted_until(now: UnixMicros, all: bool) -> UnixMicros {
    if all { now.plus_micros(1) } else { minute_of(now) }
}

impl Minutes {
    /// Counts one target's rows, each batch's with the moment at which it came, into the minutes in which they were seen. The agent's
    /// own failures count as nothing: they say nothing about the site.
    pub(crate) fn add<'a>(
        &mut self,
        site: &Host,
        batches: impl IntoIterator<Item = (&'a Results, &'a [u32], UnixMicros)>,
    ) {
        // Rows beside each other are mostly of the same minute.
        let mut latest: Option<((UnixMicros, UnixMicros), &mut Counting)> = None;
        for (results, rows, received_at) in batches {
            for row in rows.iter().map(|row| *row as usize) {
                let key = (minute_of(received_at), minute_of(results.seen_at(row, received_at)));
                let counting = match latest {
                    Some((same, counting)) if same == key => counting,
                    _ => self.open.entry(key.0).or_default().entry((key.1, site.clone())).or_default(),
                };
                counting.add(results, row);
                latest = Some((key, counting));
            }
        }
    }

    /// The minutes that are counted so far and not taken yet, by site.
    pub(crate) fn running(&self) -> BTreeMap<Host, Vec<Minute>> {
        let mut running: BTreeMap<Host, Vec<Minute>> = BTreeMap::new();
        for ((at, site), counting) in self.open.values().flatten() {
            running.entry(site.clone()).or_default().push(finish(*at, site.clone(), counting.clone()));
        }
        for minutes in running.values_mut() {
            minutes.sort_unstable_by_key(|minute| minute.at);
        }
        running
    }

    /// Takes what came in minutes that ended before `now`; with `all` also in the one that runs, at the process's end.
    pub(crate) fn take(&mut self, now: UnixMicros, all: bool) -> Vec<Minute> {
        let later = if all { BTreeMap::new() } else { self.open.split_off(&minute_of(now)) };
        let ended = std::mem::replace(&mut self.open, later);
        let minutes = ended.into_values().flatten();
        let mut minutes: Vec<Minute> =
            minutes.map(|((at, site), counting)| finish(at, site, counting)).collect();
        minutes.sort_unstable_by(|a, b| (a.at, &a.site).cmp(&(b.at, &b.site)));
        minutes
    }
}

fn finish(at: UnixMicros, site: Host, mut counting: Counting) -> Minute {
    counting.first_bytes.sort_unstable();
    let first_byte = counting.first_bytes.get(counting.first_bytes.len() / 2).copied().map(Micros);
    Minute { site, at, results: counting.results, failures: counting.failures, first_byte }
}

#[cfg(test)]
mod tests {
    use parallax_proto::batch::{Known, encode};

    use super::*;
    use crate::window::tests::result;

    fn host() -> Host {
        "example.com".parse().expect("a host")
    }

    #[test]
    fn results_are_counted_into_their_minute() {
        let (mut minutes, host) = (Minutes::default(), host());
        let at = |s: i64| UnixMicros(0).plus_secs(s);
        for (s, status) in [(1, 200), (2, 502), (59, 200), (61, 200)] {
            let one = Results::from_results(&[result(status).as_ref().clone()]).expect("it travels");
            minutes.add(&host, [(&one, [0].as_slice(), at(s))]);
        }
        let running = minutes.running();
        let counts: Vec<_> = running.values().flatten().map(|m| (m.at, m.results, m.failures)).collect();
        assert_eq!(counts, [(at(0), 3, 1), (at(60), 1, 0)]);
        let ended = minutes.take(at(62), false);
        let shape: Vec<_> = ended.iter().map(|m| (m.at, m.results, m.failures, m.first_byte)).collect();
        assert_eq!(shape, [(at(0), 3, 1, Some(Micros(20_000)))]);
        assert_eq!(minutes.take(at(62), true).len(), 1);
        assert_eq!(minutes.take(at(62), true).len(), 0);
    }

    /// A crash in between finds either all of a minute's arrivals written, or none.
    #[test]
    fn late_results_are_taken_with_what_came_in_the_same_minute() {
        let at = |s: i64| UnixMicros(0).plus_secs(s);
        let mut columns = encode(&[result(200).as_ref().clone()]);
        columns.waited_s = 3_600;
        let late = Results::new(columns, &Known::default()).expect("own batch");
        let on_time = Results::from_results(&[result(200).as_ref().clone()]).expect("it travels");
        let (mut minutes, host) = (Minutes::default(), host());
        for came in [&late, &on_time] {
            minutes.add(&host, [(came, [0].as_slice(), at(7_210))]);
        }
        assert_eq!(minutes.take(at(7_259), false), []);
        assert_eq!(counted_until(at(7_259), false), at(7_200));
        let taken: Vec<_> = minutes.take(at(7_260), false).iter().map(|m| m.at).collect();
        assert_eq!(taken, [at(3_600), at(7_200)]);
        assert_eq!(counted_until(at(7_260), false), at(7_260));
        assert_eq!(counted_until(at(7_261), true), at(7_261).plus_micros(1));
    }
}
