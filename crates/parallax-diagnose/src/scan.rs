//! The search for the smallest set of scopes that explains what fails, and how sure it is.
//!
//! The score of a set is the sum of its members' gains in order, each on the results that the members before it do not cover.
//! Best first while it pays, with dropping and swapping after each addition; every set that was looked at takes part in the
//! posterior.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use parallax_model::{Asn, Confidence, Region, Scope};

use crate::analyse::{Finding, Scan, Tally};
use crate::candidate::{Candidate, Columns, Members, Probe, candidates};
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
/// How strongly a fault's look is believed to be like everybody's, in failures.
const OWN_LOOK: f64 = 3.0;
/// A look says at most so much, in nats.
const MOST_LIKENESS: f64 = 300.0;
/// How often a healthy site refuses or is slow for an agent.
const OTHER_BASELINE: f64 = 0.02;

/// Asks one question of the observations.
pub(crate) fn scan(observations: &Observations, channel: Channel, columns: &OnceCell<Columns>) -> Scan {
    let usable = &observations.usable;
    let probes = probes(usable, channel);
    let columns =
        || columns.get_or_init(|| Columns::of(&usable.iter().map(|o| &o.place).collect::<Vec<_>>()));
    let mut candidates = candidates(&probes, columns);
    let looks = Looks::of(&probes);
    for candidate in &mut candidates {
        candidate.gain += looks.likeness(candidate, &Members::none(probes.len()));
    }
    let mut search = Search {
        probes: &probes,
        candidates: &candidates,
        visited: BTreeMap::new(),
        additions: BTreeMap::new(),
        looks,
    };
    let set = search.run();
    search.report(&set)
}

fn probes(usable: &[Observation], channel: Channel) -> Vec<Probe<'_>> {
    let mut probes: Vec<Probe<'_>> = Vec::with_capacity(usable.len());
    let (mut agent, mut name) = (0, "");
    let other = [0.0, 1.0].map(|y| Influence::new(y, OTHER_BASELINE, 1.0));
    for (row, observation) in usable.iter().enumerate() {
        let Some(y) = observation.says(channel) else { continue };
        if observation.result.agent.as_str() != name {
            name = observation.result.agent.as_str();
            agent += 1;
        }
        let weight = observation.weight;
        let influence = match channel {
            Channel::Failing => Influence::new(y, observation.baseline, weight),
            // These questions are answered by yes or no, and every agent has the same baseline.
            _ => other[usize::from(y >= 0.5)].times(weight),
        };
        let kind = observation.kind().filter(|_| y >= 0.5);
        probes.push(Probe { place: &observation.place, row, agent, y, weight, kind, influence });
    }
    probes
}

/// What failures look like: one fault breaks everyone in it in the same few ways, two faults in different ones.
struct Looks {
    failing: Members,
    /// Of each probe, which way it fails (0 where it does not), and its weight.
    ways: Vec<(usize, f64)>,
    /// Share of all failures that fail each way.
    shares: Vec<f64>,
}

impl Looks {
    fn of(probes: &[Probe<'_>]) -> Self {
        let mut known = BTreeMap::new();
        let (mut failing, mut ways) = (Members::none(probes.len()), Vec::with_capacity(probes.len()));
        let mut counts = vec![0.0];
        for (index, probe) in probes.iter().enumerate() {
            let way = probe.kind.map_or(0, |kind| *known.entry(kind).or_insert(counts.len()));
            if way == counts.len() {
                counts.push(0.0);
            }
            if way > 0 {
                counts[way] += probe.weight;
                failing.insert(index);
            }
            ways.push((way, probe.weight));
        }
        let all: f64 = counts.iter().sum();
        let known = counts.len() as f64;
        let shares = counts.into_iter().map(|n| (n + 1.0) / (all + known)).collect();
        Self { failing, ways, shares }
    }

    /// How much likelier a scope's failures beyond those covered are when they have a look of their own (a Dirichlet process around
    /// everybody's) than when they look like everybody's, in nats; nothing when they do.
    fn likeness(&self, candidate: &Candidate, covered: &Members) -> f64 {
        let mut seen = vec![0.0; self.shares.len()];
        let (mut nats, mut before) = (0.0, 0.0);
        for probe in candidate.members.beyond(covered, &self.failing) {
            let (way, weight) = self.ways[probe];
            let share = self.shares[way];
            nats += weight * ((OWN_LOOK * share + seen[way]) / ((OWN_LOOK + before) * share)).ln();
            seen[way] += weight;
            before += weight;
        }
        // As likely as not it has one.
        if nats > 0.0 { (0.5 + 0.5 * nats.min(MOST_LIKENESS).exp()).ln() } else { 0.0 }
    }
}

/// Members of a set, in the order in which they were scored.
type Set = Vec<usize>;
/// Members of a set in the order of their numbers, empty places last.
type Key = [usize; MAX_FINDINGS];

struct Search<'a> {
    probes: &'a [Probe<'a>],
    candidates: &'a [Candidate],
    /// The best score of every set that was looked at, by its sorted members.
    visited: BTreeMap<Key, f64>,
    /// What adds most to a set, by what the set covers, and the score it had then.
    additions: BTreeMap<Key, (f64, Option<(usize, f64)>)>,
    looks: Looks,
}

impl Search<'_> {
    fn run(&mut self) -> Set {
        self.visited.insert(key(&[], None), 0.0);
        // Everybody takes part in the posterior even when too few fail to publish it: it is what "up" must be sure against.
        self.visit(&[], 0.0, 0, self.candidates[0].gain);
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
        let known = self.additions.get(&key(set, None));
        if let Some((_, best)) = known.filter(|(known, _)| score <= *known) {
            return *best;
        }
        let covered = self.coverage(set);
        let mut best: Option<(usize, f64)> = None;
        for (index, candidate) in self.candidates.iter().enumerate() {
            if !candidate.live || set.contains(&index) {
                continue;
            }
            let gain = self.gain_beyond(candidate, &covered);
            self.visit(set, score, index, gain);
            if best.is_none_or(|(_, most)| gain > most) {
                best = Some((index, gain));
            }
        }
        self.additions.insert(key(set, None), (score, best));
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
                let known = self.visited.entry(key(&rest, None)).or_insert(rest_score);
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
        let known = self.visited.entry(key(set, Some(added))).or_insert(f64::NEG_INFINITY);
        *known = known.max(score + gain);
    }

    fn score(&self, set: &[usize]) -> f64 {
        let gain = |n: usize| self.gain_beyond(&self.candidates[set[n]], &self.coverage(&set[..n]));
        (0..set.len()).map(gain).sum()
    }

    fn coverage(&self, set: &[usize]) -> Members {
        Members::union(self.probes.len(), set.iter().map(|index| &self.candidates[*index].members))
    }

    fn gain_beyond(&self, candidate: &Candidate, covered: &Members) -> f64 {
        if candidate.members.shared(covered) == 0 {
            return candidate.gain;
        }
        self.evidence_beyond(candidate, covered).gain(candidate.cost)
            + self.looks.likeness(candidate, covered)
    }

    /// The evidence of a candidate's results that are not covered yet.
    fn evidence_beyond(&self, candidate: &Candidate, covered: &Members) -> Evidence {
        let shared = candidate.members.shared(covered) as usize;
        if 2 * shared <= candidate.probes.len() {
            let mut evidence = candidate.evidence;
            for probe in candidate.members.beside(covered, true) {
                evidence.subtract(&self.probes[probe].influence);
            }
            return evidence;
        }
        let mut evidence = Evidence::default();
        for probe in candidate.members.beside(covered, false) {
            evidence.add(&self.probes[probe].influence);
        }
        evidence
    }

    fn report(&self, set: &[usize]) -> Scan {
        let answer = self.coverage(set);
        let score = self.visited.get(&key(set, None)).copied().unwrap_or(0.0);
        let (mut total, mut same, mut next) = (0.0, 0.0, f64::NEG_INFINITY);
        for (other, other_score) in &self.visited {
            let weight = ((other_score - score) / TEMPERATURE).exp();
            total += weight;
            let members: Vec<&Members> = other
                .iter()
                .filter(|index| **index != NOBODY)
                .map(|index| &self.candidates[*index].members)
                .collect();
            if Members::jaccard_of_union(&members, &answer) >= SAME_ANSWER {
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
        let evidence = self.evidence_beyond(candidate, &self.coverage(&set[..n]));
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

    /// Of probes in their order, in which those of one agent stand together.
    fn tally(&self, probes: &[usize]) -> Tally {
        let (mut asns, mut regions, mut networks) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut weight, mut tally) = (0.0, Tally::default());
        for of_agent in probes.chunk_by(|a, b| self.probes[*a].agent == self.probes[*b].agent) {
            let (mut yes, mut fails) = (0.0, false);
            for probe in of_agent.iter().map(|probe| &self.probes[*probe]) {
                yes += probe.y;
                weight += probe.weight;
                if probe.y >= 0.5 {
                    fails = true;
                    asns.extend(probe.place.asn);
                    networks.insert(network(probe.place));
                    regions.extend(probe.place.region.as_ref());
                }
            }
            tally.agents += 1;
            tally.failing += u32::from(fails);
            tally.mostly_failing += u32::from(yes >= 0.5 * of_agent.len() as f64);
        }
        let total: f64 = self.probes.iter().map(|probe| probe.weight).sum();
        Tally {
            failing_networks: count(networks.len()),
            failing_asns: count(asns.len()),
            failing_regions: count(regions.len()),
            share: if total > 0.0 { rounded(weight / total) } else { 0.0 },
            ..tally
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

/// An empty place of a set.
const NOBODY: usize = usize::MAX;

fn key(set: &[usize], added: Option<usize>) -> Key {
    let mut key = [NOBODY; MAX_FINDINGS];
    for (place, member) in key.iter_mut().zip(set.iter().copied().chain(added)) {
        *place = member;
    }
    key.sort_unstable();
    key
}

/// Four decimals: what is shown does not depend on the last bits of a platform's logarithm.
fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}
