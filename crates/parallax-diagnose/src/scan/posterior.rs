//! How sure the answer is among all that were looked at.

use std::rc::Rc;

use super::{
    Base, Key, NEGLIGIBLE, NOBODY, SAME_ANSWER, Search, TEMPERATURE, UNSEEN, Visit, key, members_of,
};

/// How sure a set is among all that were looked at.
pub(super) struct Posterior {
    /// Share of those that are the same answer.
    pub(super) same: f64,
    /// Share of nothing at all.
    pub(super) nothing: f64,
    /// The best score of another answer.
    pub(super) next: f64,
    /// That answer.
    pub(super) second: Key,
}

impl Search<'_> {
    /// The best score of a set that was looked at.
    pub(super) fn best_score(&self, set: &[usize]) -> f64 {
        let members = key(set, None);
        let scores = self.visited.iter().filter(|visit| visit.members == members && visit.rough.is_none());
        scores.map(|visit| visit.score).fold(f64::NEG_INFINITY, f64::max)
    }

    pub(super) fn posterior(&mut self, score: f64, answer: &[u64]) -> Posterior {
        let answer = (answer, answer.iter().map(|word| word.count_ones()).sum());
        let visited = std::mem::take(&mut self.visited);
        let is_near = |visit: &Visit| visit.score >= score - NEGLIGIBLE;
        let (near, mut far): (Vec<Visit>, Vec<Visit>) = visited.into_iter().partition(is_near);
        let told = |visit: Visit| (visit, self.is_same(visit.members, answer));
        let (rough, mut near): (Vec<_>, Vec<_>) =
            near.into_iter().map(told).partition(|(visit, _)| visit.rough.is_some());
        best_of_each(&mut near);
        let weight = |visit: &Visit| ((visit.score - score) / TEMPERATURE).exp();
        let others = |visits: &[(Visit, bool)]| -> f64 {
            visits.iter().filter(|(_, same)| !same).map(|(visit, _)| weight(visit)).sum()
        };
        if rough.is_empty() || others(&near) + others(&rough) < UNSEEN {
            far.extend(rough.into_iter().map(|(visit, _)| visit));
        } else {
            let exact =
                |(visit, same)| (Visit { score: self.exact_score(&visit), rough: None, ..visit }, same);
            near.extend(rough.into_iter().map(exact));
            best_of_each(&mut near);
        }
        let (mut total, mut same) = (0.0, 0.0);
        let (mut next, mut second) = (f64::NEG_INFINITY, key(&[], None));
        for (visit, is_same) in &near {
            total += weight(visit);
            if *is_same {
                same += weight(visit);
            } else if visit.score > next {
                (next, second) = (visit.score, visit.members);
            }
        }
        for visit in &far {
            if visit.score > next && !self.is_same(visit.members, answer) {
                let exact = self.exact_score(visit);
                if exact > next {
                    (next, second) = (exact, visit.members);
                }
            }
        }
        let nothing = (-score / TEMPERATURE).exp();
        Posterior { same: same / total, nothing: nothing / total, next, second }
    }

    fn exact_score(&mut self, visit: &Visit) -> f64 {
        let Some((base, added)) = visit.rough else { return visit.score };
        let Base { score, covered, .. } = &self.bases[base];
        let (score, covered) = (*score, Rc::clone(covered));
        score + self.gain_beyond(added, &covered)
    }

    /// Whether a set that was looked at is the same answer.
    fn is_same(&self, other: Key, (answer, answers): (&[u64], u32)) -> bool {
        let sizes = || members_of(other).map(|n| self.candidates.list[n].size());
        let (largest, all) = (sizes().max().unwrap_or(0), sizes().sum::<u32>());
        if f64::from(all) < SAME_ANSWER * f64::from(answers)
            || SAME_ANSWER * f64::from(largest) > f64::from(answers)
        {
            return false;
        }
        // Everybody is the first, and covers all that anybody covers.
        if other[0] == 0 {
            return f64::from(answers) / f64::from(self.candidates.list[0].size()) >= SAME_ANSWER;
        }
        let sets = other.map(|n| if n == NOBODY { self.nobody.as_slice() } else { self.members(n as usize) });
        let covers = |place: usize| sets[0][place] | sets[1][place] | sets[2][place];
        if answer.iter().enumerate().all(|(place, theirs)| covers(place) == *theirs) {
            return true;
        }
        let (mut both, mut either) = (0, 0);
        for (place, theirs) in answer.iter().enumerate() {
            both += (covers(place) & theirs).count_ones();
            either += (covers(place) | theirs).count_ones();
        }
        f64::from(both) / f64::from(either) >= SAME_ANSWER
    }
}

/// Of each set only the order that scores best, and whether it is the same answer.
fn best_of_each(visits: &mut Vec<(Visit, bool)>) {
    visits.sort_unstable_by(|(a, _), (b, _)| a.members.cmp(&b.members).then(b.score.total_cmp(&a.score)));
    visits.dedup_by_key(|(visit, _)| visit.members);
}
