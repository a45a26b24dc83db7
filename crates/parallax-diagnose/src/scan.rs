//! The search for the smallest set of scopes that explains what fails, and how sure it is.
//!
//! The score of a set is the sum of its members' gains in order, each on the results that the members before it do not cover.
//! Best first while it pays, with dropping and swapping after each addition, then every pair of the best; every set that was looked
//! at takes part in the posterior.

use std::collections::BTreeMap;
use std::rc::Rc;

use parallax_model::{Attribute, Confidence, Scope};

use crate::analyse::{Finding, Scan, Tally};
use crate::candidate::{Candidate, Candidates, Quiet};
use crate::column::Columns;
use crate::evidence::Evidence;
use crate::look::Looks;
use crate::members::{self, Lists};
use crate::observe::{Channel, Observations, count};
use crate::probes::Probes;
use crate::tally::{rounded, tally};

mod pairs;
mod posterior;

use posterior::Posterior;

/// A network is ill, or lies, as a whole when a fault of this strength hits it …
const WHOLE: f64 = 0.9;
/// … and then a scope beyond it needs this evidence of others, in nats: two who fail are not enough.
const BEYOND_WHOLE: f64 = 8.0;
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
/// A set that scores so many nats less than another has no share in the posterior.
pub(crate) const NEGLIGIBLE: f64 = 20.0;
/// … and all others together that weigh less than this beside it are not seen in what is said of it.
const UNSEEN: f64 = 1e-7;
/// What is summed in another order may differ by so many nats.
const ROUNDING: f64 = 1e-6;
/// Lead over nothing at all, in nats: more than any real lead.
const MOST_LEAD: f64 = 1e6;

/// One question, and what everyone says to it.
pub(crate) struct Question<'a> {
    probes: Probes<'a>,
    /// Whoever says something to it.
    everyone: Tally,
}

impl<'a> Question<'a> {
    pub(crate) fn of(observations: &'a Observations<'_>, channel: Channel, columns: &'a Columns) -> Self {
        let probes = Probes::of(&observations.usable, columns, channel);
        let everyone = tally(&probes, total(&probes), members::each(&probes.all));
        Self { probes, everyone }
    }

    /// How many say yes, without a search for who they are.
    pub(crate) fn counted(&self) -> Scan {
        Scan { everyone: self.everyone, outside: self.everyone, ..Scan::default() }
    }

    /// Who they are.
    pub(crate) fn scan(mut self) -> Scan {
        let looks = Looks::of(&self.probes);
        if let Some(quiet) = Quiet::of(&self.probes, &looks, LEAST_GAIN - ROUNDING) {
            return self.nothing_found(&quiet);
        }
        self.probes.weigh();
        search(&self.probes, looks, self.everyone)
    }

    /// The answer where nothing can be found; the posterior is of the scopes before those of one coverage are merged.
    fn nothing_found(&self, quiet: &Quiet) -> Scan {
        let nothing = Confidence::new(rounded(1.0 / (1.0 + quiet.others)));
        Scan {
            strength: rounded(Evidence::NONE.strength()),
            confidence: nothing,
            nothing,
            lead: rounded(-quiet.best),
            second: vec![quiet.name.scope(&self.probes)],
            ..self.counted()
        }
    }
}

/// The weight of all that say something.
fn total(probes: &Probes<'_>) -> f64 {
    members::each(&probes.all).map(|row| probes.columns.weights[row]).sum()
}

fn search(probes: &Probes<'_>, looks: Looks, everyone: Tally) -> Scan {
    let candidates = Candidates::of(probes, &looks);
    let mut search = Search {
        probes,
        candidates: &candidates,
        looks,
        nobody: members::none(probes.rows()),
        own_gains: vec![None; candidates.list.len()],
        nothing_left: Evidence::NONE.gain(0.0),
        scratch: Vec::new(),
        rows: Lists::default(),
        score: 0.0,
        visited: Vec::with_capacity(4 * candidates.list.len()),
        bases: Vec::new(),
        additions: BTreeMap::new(),
    };
    let set = search.run();
    search.report(&set, everyone)
}

/// Members of a set, in the order in which they were scored.
type Set = Vec<usize>;
/// Members of a set in the order of their numbers, empty places last.
type Key = [u32; MAX_FINDINGS];
/// An empty place of a set.
const NOBODY: u32 = u32::MAX;

/// A set that was looked at.
#[derive(Clone, Copy)]
struct Visit {
    members: Key,
    score: f64,
    /// The base and the candidate added to it, when the score is no more than an upper bound.
    rough: Option<(usize, usize)>,
}

/// A set to which candidates are added.
struct Base {
    set: Set,
    score: f64,
    covered: Rc<Covered>,
}

/// What a set covers.
struct Covered {
    rows: Vec<u64>,
    /// Those of the rows that speak for a fault, by their place among all that do.
    hints: Vec<u64>,
}

struct Search<'a> {
    probes: &'a Probes<'a>,
    candidates: &'a Candidates,
    looks: Looks,
    /// A set without members.
    nobody: Vec<u64>,
    /// What each candidate explains alone, with the look of its failures; as far as it was asked for.
    own_gains: Vec<Option<f64>>,
    /// What a candidate explains that is covered already, before its price.
    nothing_left: f64,
    scratch: Vec<f64>,
    /// Scratch for some rows of a candidate.
    rows: Lists,
    /// The score of the best set so far.
    score: f64,
    /// Every set that was looked at; again when it was looked at in another order.
    visited: Vec<Visit>,
    /// Sets to which candidates were added, with their scores.
    bases: Vec<Base>,
    /// What adds most to a set, by what the set covers, and the score it had then.
    additions: BTreeMap<Key, (f64, Option<(usize, f64)>)>,
}

impl<'a> Search<'a> {
    fn run(&mut self) -> Set {
        self.visit(key(&[], None), 0.0);
        // Everybody takes part in the posterior even when too few fail to publish it: it is what "up" must be sure against.
        let everybody = self.own_gain(0);
        self.visit(key(&[0], None), everybody);
        let (set, score) = self.grow(Set::new(), 0.0);
        match self.best_pair(score) {
            Some((pair, better)) => self.mend_and_grow(pair, better).0,
            None => set,
        }
    }

    /// Adds to a set what adds most, while it pays.
    fn grow(&mut self, set: Set, score: f64) -> (Set, f64) {
        if set.len() == MAX_FINDINGS {
            return (set, score);
        }
        match self.best_addition(&set, score) {
            Some((best, gain)) if gain > LEAST_GAIN => {
                self.mend_and_grow([set.as_slice(), &[best]].concat(), score + gain)
            }
            _ => (set, score),
        }
    }

    fn mend_and_grow(&mut self, mut set: Set, mut score: f64) -> (Set, f64) {
        self.score = score;
        for _ in 0..MAX_REPAIRS {
            let Some((repaired, better)) = self.repair(&set, score) else { break };
            (set, score) = (repaired, better);
            self.score = score;
        }
        self.grow(set, score)
    }

    /// The candidate that adds most to the set.
    fn best_addition(&mut self, set: &[usize], score: f64) -> Option<(usize, f64)> {
        let known = self.additions.get(&key(set, None));
        if let Some((_, best)) = known.filter(|(known, _)| score <= *known) {
            return *best;
        }
        let base = self.base(set, score);
        let mut best: Option<(usize, f64)> = None;
        for index in 0..if self.candidates.live { self.candidates.list.len() } else { 0 } {
            if set.contains(&index) {
                continue;
            }
            let most = best.map_or(self.score, |(_, gain)| self.score.max(score + gain));
            if let Some(gain) = self.try_beyond(base, index, most)
                && best.is_none_or(|(_, most)| gain > most)
            {
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
                self.visit(key(&rest, None), rest_score);
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

    /// The number of a set to which candidates are added; the last one is found again.
    fn base(&mut self, set: &[usize], score: f64) -> usize {
        if self.bases.last().is_none_or(|base| base.set != set || base.score < score || base.score > score) {
            self.bases.push(Base { set: set.to_vec(), score, covered: Rc::new(self.coverage(set)) });
        }
        self.bases.len() - 1
    }

    /// What a candidate adds to a base; `None` when that set scores far less than `most`, so that nothing depends on it.
    fn try_beyond(&mut self, base: usize, index: usize, most: f64) -> Option<f64> {
        let Base { set, score, covered } = &self.bases[base];
        let (members, score) = (key(set, Some(index)), *score);
        let Candidate { ceiling, most: alone, .. } = self.candidates.list[index];
        let ceiling = score + if set.is_empty() { ceiling.min(alone) } else { ceiling } + ROUNDING;
        if ceiling < most - NEGLIGIBLE {
            self.visited.push(Visit { members, score: ceiling, rough: Some((base, index)) });
            return None;
        }
        let covered = Rc::clone(covered);
        let gain = self.gain_beyond(index, &covered);
        self.visit(members, score + gain);
        Some(gain)
    }

    fn visit(&mut self, members: Key, score: f64) {
        self.visited.push(Visit { members, score, rough: None });
    }

    fn score(&mut self, set: &[usize]) -> f64 {
        (0..set.len()).map(|n| self.gain_beyond(set[n], &self.coverage(&set[..n]))).sum()
    }

    fn coverage(&self, set: &[usize]) -> Covered {
        let Probes { hints, .. } = self.probes;
        let mut covered =
            Covered { rows: members::none(self.probes.rows()), hints: members::none(hints.len()) };
        for index in set {
            members::unite(&mut covered.rows, self.members(*index));
            members::unite(&mut covered.hints, self.candidates.hints.of(*index));
        }
        covered
    }

    fn members(&self, candidate: usize) -> &'a [u64] {
        self.candidates.sets.of(candidate)
    }

    fn own_gain(&mut self, index: usize) -> f64 {
        if let Some(known) = self.own_gains[index] {
            return known;
        }
        let weights = &self.probes.columns.weights;
        let likeness = self.looks.likeness(self.candidates.failing(index), &mut self.scratch, weights);
        *self.own_gains[index].insert(self.candidates.list[index].gain + likeness)
    }

    fn gain_beyond(&mut self, index: usize, covered: &Covered) -> f64 {
        let candidate = &self.candidates.list[index];
        let shared = members::shared(self.members(index), &covered.rows);
        if shared == 0 {
            return self.own_gain(index);
        }
        if shared == candidate.size() {
            return self.nothing_left - candidate.cost;
        }
        self.evidence_beyond(index, &covered.rows, shared).gain(candidate.cost)
            + self.likeness_beyond(index, &covered.hints)
    }

    /// The evidence of a candidate's results that are not covered yet, of which so many are.
    fn evidence_beyond(&mut self, index: usize, covered: &[u64], shared: u32) -> Evidence {
        let candidate = &self.candidates.list[index];
        if 2 * shared > candidate.size() {
            return self.probes.evidence(as_rows(self.part(index, covered, false)));
        }
        let influences = &self.probes.influences;
        let mut evidence = candidate.evidence;
        as_rows(self.part(index, covered, true)).for_each(|row| evidence.subtract(&influences[row]));
        evidence
    }

    /// The rows of a candidate that are in a set, or those that are not.
    fn part(&mut self, index: usize, set: &[u64], inside: bool) -> &[u32] {
        self.rows.forget(0);
        self.rows.write_shared(self.members(index), set, inside);
        self.rows.since(0)
    }

    /// How much the look of a candidate's failures adds of which these are covered.
    fn likeness_beyond(&mut self, index: usize, hints: &[u64]) -> f64 {
        self.rows.forget(0);
        self.rows.write(self.candidates.fails(index).zip(hints).map(|(fails, covered)| fails & !covered));
        self.rows.rename(0, &self.probes.hints);
        self.looks.likeness(self.rows.since(0), &mut self.scratch, &self.probes.columns.weights)
    }

    fn report(&mut self, set: &[usize], everyone: Tally) -> Scan {
        let answer = self.coverage(set).rows;
        let score = self.best_score(set);
        let Posterior { same, nothing, next, second } = self.posterior(score, &answer);
        let all = &self.probes.all;
        let total = total(self.probes);
        Scan {
            findings: (0..set.len()).map(|n| self.finding(set, n, total)).collect(),
            everyone,
            covered: tally(self.probes, total, members::each(&answer)),
            outside: tally(self.probes, total, members::without(all, &answer)),
            strength: rounded(self.probes.evidence(members::each(&answer)).strength()),
            confidence: Confidence::new(rounded(same)),
            nothing: Confidence::new(rounded(nothing)),
            lead: if next.is_finite() { rounded(score - next) } else { MOST_LEAD },
            second: members_of(second).map(|n| self.candidates.list[n].name.scope(self.probes)).collect(),
        }
    }

    fn finding(&mut self, set: &[usize], n: usize, total: f64) -> Finding {
        let candidate = &self.candidates.list[set[n]];
        let covered = self.coverage(&set[..n]).rows;
        let shared = members::shared(self.members(set[n]), &covered);
        let evidence = self.evidence_beyond(set[n], &covered, shared);
        let (scope, inside) = self.narrowed(set[n], total);
        Finding {
            scope,
            same_coverage: self.candidates.other_names(candidate, self.probes),
            gain: rounded(evidence.gain(candidate.cost)),
            strength: rounded(evidence.strength()),
            tally: inside,
            beyond: tally(self.probes, total, members::without(self.members(set[n]), &covered)),
        }
    }

    /// A scope that names no network is said of its worst network only, where beyond that nobody bears witness: one network may be
    /// ill, or lie, as a whole, and some of its agents stand elsewhere than they say.
    fn narrowed(&self, index: usize, total: f64) -> (Scope, Tally) {
        let members = self.members(index);
        let mut scope = self.candidates.list[index].name.scope(self.probes);
        let asns = &self.probes.columns.column(Attribute::Asn).ids;
        let worst = if scope.all || scope.asn.is_some() { None } else { self.worst_network(members) };
        let alone = |worst: &u32| {
            let part =
                |inside: bool| members::each(members).filter(move |row| (asns[*row] == *worst) == inside);
            let whole = self.probes.evidence(part(true)).strength() >= WHOLE;
            self.probes.evidence(part(false)).gain(0.0) < if whole { BEYOND_WHOLE } else { 0.0 }
        };
        let Some(worst) = worst.filter(alone) else {
            return (scope, tally(self.probes, total, members::each(members)));
        };
        let of_network = || members::each(members).filter(|row| asns[*row] == worst);
        scope.asn = of_network().next().and_then(|row| self.probes.place(row).asn);
        (scope, tally(self.probes, total, of_network()))
    }

    /// The network in which most of these fail, if it is known.
    fn worst_network(&self, members: &[u64]) -> Option<u32> {
        let asns = self.probes.columns.column(Attribute::Asn);
        let mut failing = vec![0.0; asns.values];
        for row in members::each(members).filter(|row| self.probes.says[*row] >= 0.5) {
            failing[asns.ids[row] as usize] += self.probes.columns.weights[row];
        }
        let worst = (0..).zip(failing).max_by(|(_, a), (_, b)| a.total_cmp(b));
        worst.filter(|(asn, weight)| *asn != 0 && *weight > 0.0).map(|(asn, _)| asn)
    }
}

fn as_rows(rows: &[u32]) -> impl Iterator<Item = usize> + '_ {
    rows.iter().map(|row| *row as usize)
}

fn members_of(key: Key) -> impl Iterator<Item = usize> {
    key.into_iter().take_while(|index| *index != NOBODY).map(|index| index as usize)
}

fn key(set: &[usize], added: Option<usize>) -> Key {
    let mut key = [NOBODY; MAX_FINDINGS];
    for (place, member) in key.iter_mut().zip(set.iter().copied().chain(added)) {
        *place = count(member);
    }
    key.sort_unstable();
    key
}

#[cfg(test)]
mod tests;
