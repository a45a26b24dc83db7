//! Who is asked next when a check is undecided: the agents about whom the two best answers do not agree.
//!
//! After Trinocular (Quan, Heidemann, Pradkin 2013): the probe that is worth most is the one whose outcome the hypotheses predict
//! differently. An agent in one of the two answers and not in the other is such a probe; one in both or in neither tells nothing
//! about which of them is right.

use parallax_model::{AgentId, Scope};

use crate::analyse::{Analysis, Scan};
use crate::place::part;
use crate::visitor::covers;

/// How much an agent tells two answers apart, the most telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tells {
    /// One answer has it, the other has not.
    Apart,
    /// What is not known of its place decides.
    Perhaps,
    /// Both answers say the same of it.
    Nothing,
}

/// Whether a scope has an agent of whom only this much is known; `None` when that is not told by it.
fn holds(scope: &Scope, place: &Scope) -> Option<bool> {
    if scope.all {
        return Some(true);
    }
    let parts = scope.attributes().into_iter().map(|attribute| (attribute, part(scope, &[attribute])));
    let mut untold = false;
    for (attribute, wanted) in parts {
        if part(place, &[attribute]) == Scope::default() {
            untold = true;
        } else if !covers(&wanted, place) {
            return Some(false);
        }
    }
    (!untold).then_some(true)
}

/// Whether an answer has an agent.
fn has(answer: &[Scope], place: &Scope) -> Option<bool> {
    let told: Vec<Option<bool>> = answer.iter().map(|scope| holds(scope, place)).collect();
    if told.contains(&Some(true)) {
        return Some(true);
    }
    (!told.contains(&None)).then_some(false)
}

fn tells(best: &[Scope], second: &[Scope], place: &Scope) -> Tells {
    match (has(best, place), has(second, place)) {
        (Some(a), Some(b)) if a != b => Tells::Apart,
        (Some(_), Some(_)) => Tells::Nothing,
        _ => Tells::Perhaps,
    }
}

/// The question that is least decided: what fails where something does, else what refuses.
fn undecided(analysis: &Analysis) -> &Scan {
    let Analysis { failing, blocked, .. } = analysis;
    if failing.everyone.failing == 0 && blocked.everyone.failing > 0 { blocked } else { failing }
}

/// At most `most` of the candidates, the most telling first; among equals in the order they come in. A candidate's place is what is
/// known of an agent that was not asked yet: its network, region, country and kind of line.
pub fn next_probes(analysis: &Analysis, candidates: &[(AgentId, Scope)], most: usize) -> Vec<AgentId> {
    let scan = undecided(analysis);
    let best: Vec<Scope> = scan.findings.iter().map(|finding| finding.scope.clone()).collect();
    let mut ranked: Vec<(Tells, &AgentId)> =
        candidates.iter().map(|(agent, place)| (tells(&best, &scan.second, place), agent)).collect();
    ranked.sort_by_key(|(tells, _)| *tells);
    ranked.into_iter().take(most).map(|(_, agent)| agent.clone()).collect()
}

#[cfg(test)]
mod tests {
    use parallax_model::{Asn, Pop, Region};

    use super::*;
    use crate::analyse::{Finding, Tally};

    fn place(asn: u32, region: &str) -> Scope {
        let region: Region = region.parse().expect("a region");
        Scope { asn: Some(Asn(asn)), region: Some(region), ..Scope::default() }
    }

    fn analysis(best: Vec<Scope>, second: Vec<Scope>) -> Analysis {
        let finding = |scope| Finding {
            scope,
            same_coverage: Vec::new(),
            gain: 5.0,
            strength: 0.9,
            beyond: Tally::default(),
            tally: Tally::default(),
        };
        let findings = best.into_iter().map(finding).collect();
        let everyone = Tally { failing: 3, ..Tally::default() };
        Analysis { failing: Scan { findings, everyone, second, ..Scan::default() }, ..Analysis::default() }
    }

    fn candidates() -> Vec<(AgentId, Scope)> {
        let of = |name: &str, asn, region| (name.parse().expect("an id"), place(asn, region));
        vec![
            of("other", 2, "us-east"),
            of("both", 1, "eu-west"),
            of("apart1", 1, "us-east"),
            of("also-other", 3, "eu-west"),
            of("apart2", 1, "ap-south"),
        ]
    }

    fn asked(analysis: &Analysis, most: usize) -> Vec<String> {
        next_probes(analysis, &candidates(), most).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn those_are_asked_about_whom_the_two_best_answers_differ() {
        let network = Scope { asn: Some(Asn(1)), ..Scope::default() };
        let in_a_region = place(1, "eu-west");
        let told = analysis(vec![in_a_region.clone()], vec![network.clone()]);
        assert_eq!(asked(&told, 2), ["apart1", "apart2"]);
        let turned = analysis(vec![network.clone()], vec![in_a_region]);
        assert_eq!(asked(&turned, 2), ["apart1", "apart2"]);
        let nothing = analysis(Vec::new(), vec![network]);
        assert_eq!(asked(&nothing, 3), ["both", "apart1", "apart2"]);
        let everybody = analysis(vec![Scope::everybody()], vec![place(1, "eu-west")]);
        assert_eq!(asked(&everybody, 9), ["other", "apart1", "also-other", "apart2", "both"]);
    }

    #[test]
    fn where_the_place_does_not_tell_an_agent_comes_after_those_that_do() {
        let pop: Pop = "FRA".parse().expect("a PoP");
        let pop = Scope { pop: Some(pop), region: "us-east".parse().ok(), ..Scope::default() };
        let told = analysis(vec![pop], vec![Scope { asn: Some(Asn(1)), ..Scope::default() }]);
        // Those of the region may or may not stand behind the PoP; the others certainly do not.
        assert_eq!(asked(&told, 9), ["both", "apart2", "other", "apart1", "also-other"]);
    }

    #[test]
    fn without_any_answer_the_order_stays() {
        let order = ["other", "both", "apart1", "also-other", "apart2"];
        assert_eq!(asked(&analysis(Vec::new(), Vec::new()), 9), order);
    }
}
