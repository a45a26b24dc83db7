//! The search for the smallest set of scopes that explains what fails, and how sure it is.
//!
//! The score of a set is the sum of its members' gains in order, each on the results that the members before it do not cover.
//! Best first while it pays, with dropping and swapping after each addition; every set that was looked at takes part in the
//! posterior.

use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{Asn, Confidence, Region, Scope};

use crate::analyse::{Finding, Scan, Tally};
use crate::candidate::{Candidate, Members, Probe, candidates};
use crate::evidence::{Evidence, Influence};
use crate::observe::{Channel, Observation, Observations, count};

/// At most this many scopes are published.
const MAX_FINDINGS: usize = 3;
/// A further scope must shorten the description by this many nats.
const LEAST_GAIN: f64 = 0.5;
/// Rounds of dropping and swapping after each addition.
const MAX_REPAIRS: usize = 4;
/// Sets whose coverage overlaps by this much (Jaccard) are the same answer.
const SAME_ANSWER: f64 = 0.9;
/// Scores are divided by this before they become probabilities.
const TEMPERATURE: f64 = 1.0;
/// How often a healthy site refuses or is slow for an agent.
const OTHER_BASELINE: f64 = 0.02;

/// Asks one question of the observations.
pub(crate) fn scan(observations: &Observations, channel: Channel) -> Scan {
    let probes = probes(&observations.usable, channel);
    let candidates = candidates(&probes);
    let mut search = Search { probes: &probes, candidates: &candidates, visited: BTreeMap::new() };
    let set = search.run();
    search.report(&set)
}

fn probes(usable: &[Observation], channel: Channel) -> Vec<Probe<'_>> {
    let mut probes: Vec<Probe<'_>> = Vec::with_capacity(usable.len());
    let (mut agent, mut name) = (0, "");
    for observation in usable {
        let Some(y) = observation.says(channel) else { continue };
        if observation.result.agent.as_str() != name {
            name = observation.result.agent.as_str();
            agent += 1;
        }
        let baseline = if channel == Channel::Failing { observation.baseline } else { OTHER_BASELINE };
        let influence = Influence::new(y, baseline, observation.weight);
        probes.push(Probe { place: &observation.place, agent, y, weight: observation.weight, influence });
    }
    probes
}

/// Members of a set, in the order in which they were scored.
type Set = Vec<usize>;

struct Search<'a> {
    probes: &'a [Probe<'a>],
    candidates: &'a [Candidate],
    /// The best score of every set that was looked at, by its sorted members.
    visited: BTreeMap<Set, f64>,
}

impl Search<'_> {
    fn run(&mut self) -> Set {
        self.visited.insert(Set::new(), 0.0);
        // Everybody takes part in the posterior even when too few fail to publish it: it is what "up" must be sure against.
        self.visit(&[], 0.0, 0, self.candidates[0].gain());
        let mut set = Set::new();
        let mut score = 0.0;
        while set.len() < MAX_FINDINGS {
            let Some((best, gain)) = self.best_addition(&set, score) else { break };
            if gain <= LEAST_GAIN {
                break;
            }
            set.push(best);
            score += gain;
            for _ in 0..MAX_REPAIRS {
                let Some((repaired, better)) = self.repair(&set, score) else { break };
                (set, score) = (repaired, better);
            }
        }
        set
    }

    /// The candidate that adds most to the set.
    fn best_addition(&mut self, set: &[usize], score: f64) -> Option<(usize, f64)> {
        let covered = self.coverage(set);
        let mut best: Option<(usize, f64)> = None;
        for (index, candidate) in self.candidates.iter().enumerate() {
            if !candidate.live || set.contains(&index) {
                continue;
            }
            let gain = self.evidence_beyond(candidate, set, &covered).gain(candidate.cost);
            self.visit(set, score, index, gain);
            if best.is_none_or(|(_, most)| gain > most) {
                best = Some((index, gain));
            }
        }
        best
    }

    /// A better set that drops or swaps one member, if there is one.
    fn repair(&mut self, set: &[usize], score: f64) -> Option<(Set, f64)> {
        let mut best: Option<(Set, f64)> = None;
        for place in 0..set.len() {
            let mut rest = set.to_vec();
            rest.remove(place);
            let rest_score = self.score(&rest);
            if !rest.is_empty() {
                let known = self.visited.entry(sorted(&rest)).or_insert(rest_score);
                *known = known.max(rest_score);
            }
            let swap = self.best_addition(&rest, rest_score);
            let (better, better_score) = match swap {
                Some((index, gain)) if gain > 0.0 => {
                    ([rest.as_slice(), &[index]].concat(), rest_score + gain)
                }
                _ => (rest, rest_score),
            };
            let least = best.as_ref().map_or(score, |(_, most)| *most);
            if better_score > least + 1e-9 {
                best = Some((better, better_score));
            }
        }
        best
    }

    fn visit(&mut self, set: &[usize], score: f64, added: usize, gain: f64) {
        let known = self.visited.entry(sorted(&[set, &[added]].concat())).or_insert(f64::NEG_INFINITY);
        *known = known.max(score + gain);
    }

    fn score(&self, set: &[usize]) -> f64 {
        (0..set.len())
            .map(|n| {
                let candidate = &self.candidates[set[n]];
                let covered = self.coverage(&set[..n]);
                self.evidence_beyond(candidate, &set[..n], &covered).gain(candidate.cost)
            })
            .sum()
    }

    fn coverage(&self, set: &[usize]) -> Members {
        let mut covered = Members::none(self.probes.len());
        for index in set {
            covered.add(&self.candidates[*index].members);
        }
        covered
    }

    /// The evidence of a candidate's results that the set before it does not cover.
    fn evidence_beyond(&self, candidate: &Candidate, before: &[usize], covered: &Members) -> Evidence {
        if before.is_empty() {
            return candidate.evidence;
        }
        let mut evidence = Evidence::default();
        for probe in candidate.probes.iter().filter(|probe| !covered.contains(**probe)) {
            evidence.add(&self.probes[*probe].influence);
        }
        evidence
    }

    fn report(&self, set: &[usize]) -> Scan {
        let answer = self.coverage(set);
        let score = self.visited.get(&sorted(set)).copied().unwrap_or(0.0);
        let (mut total, mut same, mut next) = (0.0, 0.0, f64::NEG_INFINITY);
        for (other, other_score) in &self.visited {
            let weight = ((other_score - score) / TEMPERATURE).exp();
            total += weight;
            if self.coverage(other).jaccard(&answer) >= SAME_ANSWER {
                same += weight;
            } else {
                next = next.max(*other_score);
            }
        }
        let nothing = (-score / TEMPERATURE).exp() / total;
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..self.probes.len()).partition(|probe| answer.contains(*probe));
        let everyone: Vec<usize> = (0..self.probes.len()).collect();
        Scan {
            findings: (0..set.len()).map(|n| self.finding(set, n)).collect(),
            everyone: self.tally(&everyone),
            covered: self.tally(&inside),
            outside: self.tally(&outside),
            strength: rounded(self.evidence_of(&inside).strength()),
            confidence: Confidence::new(rounded(same / total)),
            nothing: Confidence::new(rounded(nothing)),
            lead: if next.is_finite() { rounded(score - next) } else { MOST_LEAD },
        }
    }

    fn finding(&self, set: &[usize], n: usize) -> Finding {
        let candidate = &self.candidates[set[n]];
        let evidence = self.evidence_beyond(candidate, &set[..n], &self.coverage(&set[..n]));
        let (scope, tally) = self.narrowed(candidate);
        Finding {
            scope,
            same_coverage: candidate.aliases.clone(),
            gain: rounded(evidence.gain(candidate.cost)),
            strength: rounded(evidence.strength()),
            tally,
        }
    }

    /// A scope that names no network but fails in one network only is said of that network only.
    fn narrowed(&self, candidate: &Candidate) -> (Scope, Tally) {
        let tally = self.tally(&candidate.probes);
        let failing = candidate.probes.iter().filter(|probe| self.probes[**probe].y >= 0.5);
        let asns: BTreeSet<Option<Asn>> = failing.map(|probe| self.probes[*probe].place.asn).collect();
        let mut scope = candidate.scope.clone();
        let (Some(asn), 1, None, false) = (asns.first().copied().flatten(), asns.len(), scope.asn, scope.all)
        else {
            return (scope, tally);
        };
        scope.asn = Some(asn);
        let of_network = |probe: &usize| self.probes[*probe].place.asn == Some(asn);
        let probes: Vec<usize> = candidate.probes.iter().copied().filter(of_network).collect();
        (scope, self.tally(&probes))
    }

    fn evidence_of(&self, probes: &[usize]) -> Evidence {
        let mut evidence = Evidence::default();
        for probe in probes {
            evidence.add(&self.probes[*probe].influence);
        }
        evidence
    }

    fn tally(&self, probes: &[usize]) -> Tally {
        let mut agents: BTreeMap<u32, (f64, u32)> = BTreeMap::new();
        let (mut asns, mut regions, mut networks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut weight, mut failing) = (0.0, BTreeSet::new());
        for probe in probes.iter().map(|probe| &self.probes[*probe]) {
            let (yes, said) = agents.entry(probe.agent).or_default();
            *yes += probe.y;
            *said += 1;
            weight += probe.weight;
            if probe.y >= 0.5 {
                failing.insert(probe.agent);
                asns.extend(probe.place.asn);
                networks.insert(network(probe.place));
                regions.extend(probe.place.region.clone());
            }
        }
        let total: f64 = self.probes.iter().map(|probe| probe.weight).sum();
        let mostly = agents.values().filter(|(yes, said)| *yes >= 0.5 * f64::from(*said)).count();
        Tally {
            agents: count(agents.len()),
            failing: count(failing.len()),
            mostly_failing: count(mostly),
            failing_networks: count(networks.len()),
            failing_asns: count(asns.len()),
            failing_regions: count(regions.len()),
            share: if total > 0.0 { rounded(weight / total) } else { 0.0 },
        }
    }
}

/// What makes two agents stand in different networks: the ASN, or the region where no ASN is known.
pub(crate) fn network(place: &Scope) -> (Option<Asn>, Option<&Region>) {
    match place.asn {
        Some(asn) => (Some(asn), None),
        None => (None, place.region.as_ref()),
    }
}

/// Lead over nothing at all, in nats: more than any real lead.
const MOST_LEAD: f64 = 1e6;

fn sorted(set: &[usize]) -> Set {
    let mut set = set.to_vec();
    set.sort_unstable();
    set
}

/// Four decimals: what is shown does not depend on the last bits of a platform's logarithm.
fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}
