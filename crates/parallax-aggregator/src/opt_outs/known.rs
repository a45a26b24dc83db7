//! What is known of owners' records, and which are to be asked for. Pure: moments and answers come in.
//!
//! A domain is opted out from the answer that says so until one that says that the record is gone. An answer that says neither changes
//! nothing. Neither does a resolver's that contradicts what the zone's own servers said lately: resolvers may keep what was true before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use parallax_model::{Host, UnixMicros};
use parallax_policy::opt_out_domains;

/// Domains remembered at most: three for each target there can be. Beyond it the one asked for longest ago goes.
pub(crate) const MAX_DOMAINS: usize = 60_000;
/// A domain that is opted out and of which no site is known is asked for until nobody wanted to test it for so long.
const KEPT: Duration = Duration::from_hours(24);
/// An answer that says nothing is good for a part of the time that one is which says something: so many of them go into it.
const UNCLEAR_PART: u32 = 4;

/// For so long what a zone's own servers said counts more than what a resolver says, who may keep "there is no such record": RFC 2308, 5
/// finds one to three hours sensible. A zone whose servers do not answer us any more is not held to its last word for longer.
const ZONES_WORD: Duration = Duration::from_hours(1);

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The zone's own servers: it is so now.
    Zone,
    /// A resolver: it was so some time ago.
    Resolver,
}

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The owner asks not to be tested.
    OptedOut,
    /// There is no such record.
    Absent,
    /// Nobody said: no answer in time, or an error.
    Unclear,
}

#[derive(Debug, Clone, Copy)]
struct Noted {
    opted_out: bool,
    /// When it was asked for last.
    asked_at: UnixMicros,
    /// Whether that question had an answer.
    clear: bool,
    /// When the zone's own servers said so last.
    zone_said_at: Option<UnixMicros>,
    /// When somebody wanted to test it last, or a site of it was known.
    wanted_at: UnixMicros,
}

/// What is known of each domain.
#[derive(Debug)]
pub(crate) struct Known {
    every: Duration,
    domains: BTreeMap<Host, Noted>,
}

impl Known {
    /// Nothing is known; what will be known is good for `every`.
    pub(crate) const fn new(every: Duration) -> Self {
        Self { every, domains: BTreeMap::new() }
    }

    /// Takes up who was opted out before a restart.
    pub(crate) fn resume(&mut self, opted_out: Vec<Host>, now: UnixMicros) {
        for domain in opted_out {
            self.note(&domain, (Answer::OptedOut, Source::Resolver), now);
        }
    }

    /// The domains that may speak for a host somebody wants to test, as far as they are to be asked for before that.
    pub(crate) fn unknown_of(&mut self, host: &Host, now: UnixMicros) -> Vec<Host> {
        let mut domains = opt_out_domains(host);
        domains.retain(|domain| {
            let noted = self.domains.get_mut(domain);
            noted.is_none_or(|noted| {
                noted.wanted_at = now;
                !is_fresh(noted, self.every, now)
            })
        });
        domains
    }

    /// The domains to ask for in a round, those asked for longest ago first: of every host that is probed or shown, and those that are
    /// opted out, for their owners may have changed their minds. What nobody needs is forgotten.
    pub(crate) fn round<'a>(
        &mut self,
        hosts: impl IntoIterator<Item = &'a Host>,
        now: UnixMicros,
    ) -> Vec<Host> {
        let needed: BTreeSet<Host> = hosts.into_iter().flat_map(opt_out_domains).collect();
        let every = self.every;
        self.domains.retain(|domain, noted| {
            if needed.contains(domain) {
                noted.wanted_at = now;
            }
            let kept = if noted.opted_out { KEPT } else { every };
            lately(noted.wanted_at, kept, now)
        });
        let opted_out = self.domains.iter().filter(|(_, noted)| noted.opted_out);
        let opted_out: Vec<Host> = opted_out.map(|(domain, _)| domain.clone()).collect();
        let mut due: Vec<Host> = needed.into_iter().chain(opted_out).collect();
        // Stable: of those never asked for, and of the same moment, by name.
        due.sort();
        due.dedup();
        // Whose servers were silent comes last: they must not hold up owners whose servers answer.
        due.sort_by_key(|domain| self.domains.get(domain).map(|noted| (!noted.clear, noted.asked_at)));
        due.truncate(MAX_DOMAINS);
        due
    }

    /// Takes an answer; `true` when a domain is opted out by it, or any is so no longer.
    pub(crate) fn note(
        &mut self,
        domain: &Host,
        (answer, source): (Answer, Source),
        now: UnixMicros,
    ) -> bool {
        let full = !self.domains.contains_key(domain) && self.domains.len() >= MAX_DOMAINS;
        let forgotten = full && self.forget_one();
        let fresh =
            Noted { opted_out: false, asked_at: now, clear: false, zone_said_at: None, wanted_at: now };
        let noted = self.domains.entry(domain.clone()).or_insert(fresh);
        let before = noted.opted_out;
        noted.asked_at = now;
        noted.clear = answer != Answer::Unclear;
        let zone_knows = noted.zone_said_at.is_some_and(|at| lately(at, ZONES_WORD, now));
        if answer != Answer::Unclear && (source == Source::Zone || !zone_knows) {
            noted.opted_out = answer == Answer::OptedOut;
            noted.zone_said_at = Some(now).filter(|_| source == Source::Zone);
        }
        forgotten || noted.opted_out != before
    }

    /// Domains whose owners ask not to be tested.
    pub(crate) fn opted_out(&self) -> impl Iterator<Item = &Host> {
        self.domains.iter().filter(|(_, noted)| noted.opted_out).map(|(domain, _)| domain)
    }

    /// Makes room: what is opted out goes last. Returns whether it was.
    fn forget_one(&mut self) -> bool {
        let oldest = self.domains.iter().min_by_key(|(_, noted)| (noted.opted_out, noted.asked_at));
        let oldest = oldest.map(|(domain, _)| domain.clone());
        oldest.and_then(|domain| self.domains.remove(&domain)).is_some_and(|noted| noted.opted_out)
    }
}

/// Whether an answer is still good. One from the future is none: the clock was set back.
fn is_fresh(noted: &Noted, every: Duration, now: UnixMicros) -> bool {
    let good = if noted.clear { every } else { every / UNCLEAR_PART };
    noted.asked_at <= now && lately(noted.asked_at, good, now)
}

fn lately(then: UnixMicros, span: Duration, now: UnixMicros) -> bool {
    now.since(then) < u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_mins(2);

    fn host(name: &str) -> Host {
        name.parse().expect("a host")
    }

    fn hosts(names: &[&str]) -> Vec<Host> {
        names.iter().map(|name| host(name)).collect()
    }

    fn at(s: i64) -> UnixMicros {
        UnixMicros(1_780_272_000_000_000).plus_secs(s)
    }

    const fn said(answer: Answer) -> (Answer, Source) {
        (answer, Source::Resolver)
    }

    #[test]
    fn a_resolver_does_not_contradict_what_the_zone_said_lately() {
        use Answer::{Absent, OptedOut, Unclear};
        let mut known = Known::new(EVERY);
        for (second, answer, source, out) in [
            (0, Absent, Source::Resolver, false),
            (1, OptedOut, Source::Zone, true),
            (2, Absent, Source::Resolver, true),
            (3, Unclear, Source::Resolver, true),
            (3_600, Absent, Source::Resolver, true),
            (3_601, Absent, Source::Resolver, false),
            (3_602, OptedOut, Source::Resolver, true),
            (3_603, Absent, Source::Zone, false),
            (3_604, OptedOut, Source::Resolver, false),
            (3_605, OptedOut, Source::Zone, true),
        ] {
            known.note(&host("example.com"), (answer, source), at(second));
            assert_eq!(known.opted_out().count() == 1, out, "{second}");
        }
    }

    #[test]
    fn an_owner_is_out_from_one_clear_answer_to_the_next() {
        let mut known = Known::new(EVERY);
        for (second, answer, changed, out) in [
            (0, Answer::Unclear, false, false),
            (1, Answer::Absent, false, false),
            (2, Answer::OptedOut, true, true),
            (3, Answer::Unclear, false, true),
            (4, Answer::OptedOut, false, true),
            (5, Answer::Absent, true, false),
            (6, Answer::Unclear, false, false),
        ] {
            assert_eq!(known.note(&host("example.com"), said(answer), at(second)), changed, "{second}");
            assert_eq!(known.opted_out().count() == 1, out, "{second}");
        }
    }

    #[test]
    fn a_visitor_waits_for_what_is_not_known() {
        let mut known = Known::new(EVERY);
        let www = host("www.example.com");
        let both = hosts(&["example.com", "www.example.com"]);
        assert_eq!(known.unknown_of(&www, at(0)), both);
        known.note(&both[0], said(Answer::Absent), at(0));
        known.note(&both[1], said(Answer::Unclear), at(0));
        for (second, unknown) in [(29, &both[..0]), (30, &both[1..]), (119, &both[1..]), (120, &both[..])] {
            assert_eq!(known.unknown_of(&www, at(second)), unknown, "{second}");
        }
        assert_eq!(known.unknown_of(&www, at(-1)), both, "the clock was set back");
        assert_eq!(known.unknown_of(&host("192.0.2.1"), at(0)), hosts(&[]));
    }

    #[test]
    fn a_round_asks_for_what_is_needed_and_the_oldest_first() {
        let mut known = Known::new(EVERY);
        let sites = hosts(&["www.b.com", "a.com"]);
        assert_eq!(known.round(&sites, at(0)), hosts(&["a.com", "b.com", "www.b.com"]));
        known.note(&host("a.com"), said(Answer::Absent), at(2));
        known.note(&host("b.com"), said(Answer::Absent), at(1));
        // Whose servers are silent comes last, however long ago they were asked.
        known.note(&host("www.b.com"), said(Answer::Unclear), at(0));
        known.note(&host("out.com"), said(Answer::OptedOut), at(0));
        known.note(&host("visited.com"), said(Answer::Absent), at(3));
        let due = known.round(&sites, at(100));
        assert_eq!(due, hosts(&["out.com", "b.com", "a.com", "www.b.com"]));
        assert_eq!(known.domains.len(), 5, "a visitor's answer is good for two minutes");
        known.round(&sites, at(200));
        assert_eq!(known.domains.len(), 4);
        assert_eq!(known.round(&[], at(86_399)), hosts(&["out.com"]), "somebody may still want to test it");
        assert_eq!(known.round(&[], at(86_400)), hosts(&[]));
    }

    #[test]
    fn a_site_that_is_known_stays_out_for_as_long_as_its_owner_asks() {
        let mut known = Known::new(EVERY);
        let sites = hosts(&["out.com"]);
        known.note(&sites[0], said(Answer::OptedOut), at(0));
        for day in 1..=3 {
            assert_eq!(known.round(&sites, at(day * 86_400 - 1)), sites, "{day}");
        }
        assert_eq!(known.opted_out().collect::<Vec<_>>(), [&sites[0]]);
    }

    #[test]
    fn domains_are_bounded_and_what_is_out_goes_last() {
        let mut known = Known::new(EVERY);
        known.note(&host("out.com"), said(Answer::OptedOut), at(0));
        for n in 0..MAX_DOMAINS {
            known.note(&host(&format!("n{n}.com")), said(Answer::Absent), at(1));
        }
        assert_eq!(known.domains.len(), MAX_DOMAINS);
        assert!(!known.domains.contains_key(&host("n0.com")));
        assert_eq!(known.opted_out().count(), 1);
        known.domains.retain(|_, noted| noted.opted_out);
        for n in 1..MAX_DOMAINS {
            known.note(&host(&format!("n{n}.com")), said(Answer::OptedOut), at(2));
        }
        assert!(known.note(&host("one.more"), said(Answer::Absent), at(3)), "one is out no longer");
    }
}
