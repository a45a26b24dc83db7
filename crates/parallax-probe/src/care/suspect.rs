//! When most of what an agent looks at seems broken at once, it is the agent that is.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How long a result speaks about the line.
pub const SUSPECT_WINDOW: Duration = Duration::from_secs(30);
/// The share of domains, in percent, that may fail at the same time without the line being suspected.
pub const SUSPECT_PERCENT: usize = 60;
/// Fewer domains than these say nothing: two sites of an operator that fail together are the likelier tale.
pub const SUSPECT_LEAST: usize = 5;
/// Most domains that are remembered.
const MAX_DOMAINS: usize = 1_024;

/// Remembers how each domain last fared. The line is suspected when
///
/// 1. at least [`SUSPECT_LEAST`] domains were looked at within [`SUSPECT_WINDOW`], and
/// 2. of these, more than [`SUSPECT_PERCENT`] failed in a way that a broken line could make them fail.
///
/// Names of one registrable domain count once: they often stand on one server.
#[derive(Debug, Default)]
pub(crate) struct SelfSuspect {
    domains: BTreeMap<Box<str>, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    failed: bool,
}

impl SelfSuspect {
    /// Takes note of a domain's last result.
    pub(crate) fn note(&mut self, domain: &str, failed: bool, now: Instant) {
        let seen = Seen { at: now, failed };
        if let Some(before) = self.domains.get_mut(domain) {
            *before = seen;
            return;
        }
        if self.domains.len() >= MAX_DOMAINS {
            self.domains.retain(|_, seen| is_fresh(*seen, now));
        }
        if self.domains.len() < MAX_DOMAINS {
            self.domains.insert(domain.into(), seen);
        }
    }

    /// Whether the line is suspected.
    pub(crate) fn is_suspect(&self, now: Instant) -> bool {
        let fresh = self.domains.values().filter(|seen| is_fresh(**seen, now));
        let (all, failed) =
            fresh.fold((0, 0), |(all, failed), seen| (all + 1, failed + usize::from(seen.failed)));
        all >= SUSPECT_LEAST && 100 * failed > SUSPECT_PERCENT * all
    }
}

fn is_fresh(seen: Seen, now: Instant) -> bool {
    now.saturating_duration_since(seen.at) <= SUSPECT_WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(results: &[(&str, bool, u64)]) -> (SelfSuspect, Instant) {
        let (mut suspect, began) = (SelfSuspect::default(), Instant::now());
        for (domain, failed, at_s) in results {
            suspect.note(domain, *failed, began + Duration::from_secs(*at_s));
        }
        (suspect, began)
    }

    #[test]
    fn most_domains_failing_at_once_make_the_line_suspect() {
        type Results = &'static [(&'static str, bool, u64)];
        let cases: [(&str, Results, u64, bool); 7] = [
            ("nothing was seen", &[], 0, false),
            (
                "four domains are too few",
                &[("a", true, 0), ("b", true, 0), ("c", true, 0), ("d", true, 0)],
                0,
                false,
            ),
            (
                "three of five are not more than 60 %",
                &[("a", true, 0), ("b", true, 0), ("c", true, 0), ("d", false, 0), ("e", false, 0)],
                0,
                false,
            ),
            (
                "four of five are",
                &[("a", true, 0), ("b", true, 0), ("c", true, 0), ("d", true, 0), ("e", false, 0)],
                30,
                true,
            ),
            (
                "but not after half a minute",
                &[("a", true, 0), ("b", true, 0), ("c", true, 0), ("d", true, 0), ("e", false, 0)],
                31,
                false,
            ),
            (
                "one domain counts once",
                &[("a", true, 0), ("a", true, 1), ("a", true, 2), ("b", false, 2), ("c", false, 2)],
                2,
                false,
            ),
            (
                "the last result of a domain counts",
                &[
                    ("a", true, 0),
                    ("b", true, 0),
                    ("c", true, 0),
                    ("d", true, 0),
                    ("e", true, 0),
                    ("a", false, 1),
                    ("b", false, 1),
                ],
                2,
                false,
            ),
        ];
        for (what, results, asked_at, expected) in cases {
            let (suspect, began) = noted(results);
            assert_eq!(suspect.is_suspect(began + Duration::from_secs(asked_at)), expected, "{what}");
        }
    }

    #[test]
    fn a_full_memory_makes_room_for_what_is_new() {
        let (mut suspect, began) = (SelfSuspect::default(), Instant::now());
        for n in 0..2 * MAX_DOMAINS {
            suspect.note(&format!("domain{n}"), false, began);
        }
        assert_eq!(suspect.domains.len(), MAX_DOMAINS);
        let later = began + SUSPECT_WINDOW + Duration::from_secs(1);
        for n in 0..SUSPECT_LEAST {
            suspect.note(&format!("new{n}"), true, later);
        }
        assert_eq!((suspect.domains.len(), suspect.is_suspect(later)), (SUSPECT_LEAST, true));
    }
}
