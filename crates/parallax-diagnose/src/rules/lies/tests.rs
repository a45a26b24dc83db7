use parallax_model::{Asn, Confidence, Scope};

use super::*;
use crate::analyse::{Analysis, Coverage, Finding};
use crate::rules::rule;

/// So many of so many fail, in so many networks; so many of them outside the one with most.
fn tally(failing: u32, agents: u32, networks: u32, elsewhere: u32) -> Tally {
    Tally {
        agents,
        failing,
        mostly_failing: failing,
        failing_networks: networks,
        failing_elsewhere: elsewhere,
        failing_asns: networks,
        failing_regions: networks.min(8),
        share: f64::from(agents) / 160.0,
        ..Tally::default()
    }
}

fn finding(scope: Scope, gain: f64, strength: f64, tally: Tally) -> Finding {
    Finding { scope, same_coverage: Vec::new(), gain, strength, tally, beyond: tally }
}

fn of(asn: u32) -> Scope {
    Scope { asn: Some(Asn(asn)), ..Scope::default() }
}

fn region() -> Scope {
    Scope { region: Some("eu-west".parse().expect("a region")), ..Scope::default() }
}

/// A panel of which nobody gets through at another try, with these findings and this many beside them.
fn panel(findings: Vec<Finding>, outside: Tally, nothing: f64) -> Analysis {
    let sum = |of: fn(&Tally) -> u32| findings.iter().map(|f| of(&f.beyond)).sum::<u32>();
    let covered = tally(sum(|t| t.failing), sum(|t| t.agents), 5, 4);
    let whole = findings.iter().filter(|f| f.scope.asn.is_some()).map(|f| f.tally.failing).max();
    let everyone = Tally {
        whole_network: whole.unwrap_or(0),
        ..tally(covered.failing + outside.failing, covered.agents + outside.agents, 9, 8)
    };
    let failing = Scan {
        everyone,
        covered,
        outside,
        findings,
        confidence: Confidence::new(0.9),
        nothing: Confidence::new(nothing),
        strength: 0.4,
        ..Scan::default()
    };
    Analysis {
        coverage: Coverage {
            asked: 200,
            answered: everyone.agents,
            healthy: everyone.agents - everyone.failing,
            healthy_networks: 30,
            healthy_regions: 8,
            healthy_elsewhere: (everyone.agents - everyone.failing).saturating_sub(10),
        },
        variation: Variation { failing: everyone.failing, by_themselves: 1.0, ..Variation::default() },
        failing,
        ..Analysis::default()
    }
}

fn said(analysis: &Analysis) -> (Verdict, Vec<Scope>) {
    let ruling = rule(analysis);
    (ruling.verdict, ruling.scopes)
}

#[test]
fn a_fifth_that_lies_at_random_is_dense_somewhere() {
    // The densest parts that a search found among 34 random liars of 172: 26 of 71 there, 8 of 101 elsewhere.
    let dense = panel(vec![finding(region(), 30.0, 0.36, tally(26, 71, 7, 14))], tally(8, 101, 7, 6), 0.0);
    assert_eq!(said(&dense).0, Verdict::Unknown);
    // A fault of as many: nearly all of whom stand there.
    let fault = panel(vec![finding(region(), 60.0, 0.7, tally(30, 44, 7, 14))], tally(4, 128, 4, 3), 0.0);
    assert_eq!(said(&fault), (Verdict::Partial, vec![region()]));
    // So few fail that a fifth cannot be lying: dense or not, it is a fault.
    let small = panel(vec![finding(region(), 9.0, 0.6, tally(6, 10, 4, 3))], tally(6, 150, 5, 4), 0.0);
    assert_eq!(said(&small), (Verdict::Partial, vec![region()]));
}

#[test]
fn hiccups_beside_liars_do_not_make_a_site_flaky() {
    let everyone = tally(30, 160, 20, 25);
    let mut analysis = panel(Vec::new(), everyone, 0.0);
    analysis.failing.outside = Tally::default();
    analysis.failing.findings = vec![finding(Scope::everybody(), 60.0, 0.19, everyone)];
    (analysis.failing.everyone, analysis.failing.covered) = (everyone, everyone);
    // Eight get through at a second try where two would by themselves; a fifth of all fails each time.
    analysis.variation = Variation { failing: 38, varying: 8, repeated: 0, by_themselves: 1.9 };
    assert_eq!(said(&analysis).0, Verdict::Unknown);
    analysis.variation.varying = 16;
    assert_eq!(said(&analysis).0, Verdict::Flaky);
}

#[test]
fn liars_of_one_network_who_stand_elsewhere_are_no_second_part() {
    // Of 56 agents of one network that lie, four are listed in other networks, and all of them stand in one region.
    let beyond = |elsewhere| Finding {
        beyond: tally(elsewhere + 1, elsewhere + 2, elsewhere, elsewhere),
        ..finding(region(), 9.0, 0.6, tally(34, 37, 5, elsewhere + 1))
    };
    let liars = || finding(of(64_512), 260.0, 0.98, tally(56, 56, 1, 0));
    let few = panel(vec![liars(), beyond(3)], tally(3, 100, 3, 2), 0.0);
    assert_eq!(said(&few), (Verdict::Partial, vec![of(64_512)]));
    let many = panel(vec![liars(), beyond(6)], tally(3, 100, 3, 2), 0.0);
    assert_eq!(said(&many), (Verdict::Partial, vec![of(64_512), region()]));
}

#[test]
fn one_network_and_one_hiccup_are_no_region() {
    let part = |elsewhere, nothing| {
        panel(vec![finding(region(), 4.0, 0.6, tally(4, 6, 2, elsewhere))], tally(4, 160, 4, 3), nothing)
    };
    assert_eq!(said(&part(1, 0.02)).0, Verdict::Unknown);
    assert_eq!(said(&part(2, 0.02)), (Verdict::Partial, vec![region()]));
    assert_eq!(said(&part(1, 0.0001)), (Verdict::Partial, vec![region()]));
}

#[test]
fn a_part_that_chance_may_explain_asks_for_another_round() {
    let part = |nothing| {
        let analysis =
            panel(vec![finding(region(), 4.0, 0.6, tally(5, 7, 4, 3))], tally(4, 160, 4, 3), nothing);
        let ruling = rule(&analysis);
        (ruling.verdict, ruling.missing)
    };
    let round = "another round, to be sure that it is no chance".to_owned();
    assert_eq!(part(0.01), (Verdict::Partial, vec![round]));
    assert_eq!(part(0.0005), (Verdict::Partial, Vec::new()));
}
