use parallax_diagnose::{WorldAgent, WorldReports, WorldResult};
use parallax_model::Asn;

use super::*;

/// Of every network so many agents, of which so many fail; regions take turns.
fn world(networks: &[(u32, usize, usize)]) -> World {
    let mut world = World { id: "w".to_owned(), ..World::default() };
    for (asn, agents, failing) in networks {
        for n in 0..*agents {
            let id: parallax_model::AgentId = format!("a{asn}-{n}").parse().expect("a name");
            let mut agent = WorldAgent::new(id.clone());
            agent.asn = Some(Asn(*asn));
            agent.region = ["eu-west", "us-east", "ap-south"][n % 3].parse().ok();
            agent.fail_rate = Some(0.02);
            let outcome = if n < *failing { "http-502" } else { "ok" };
            world.results.push(WorldResult::new(id, outcome.parse().expect("a word")));
            world.agents.push(agent);
        }
    }
    world
}

fn network(asn: u32) -> Scope {
    Scope { asn: Some(Asn(asn)), ..Scope::default() }
}

#[test]
fn majority_counts_agents() {
    assert_eq!(Baseline::Majority.guess(&world(&[(1, 10, 5)])).verdict, Verdict::Up);
    assert_eq!(Baseline::Majority.guess(&world(&[(1, 10, 6)])), Guess::down());
}

#[test]
fn ten_percent_is_enough_for_something_and_half_for_down() {
    let verdict = |failing| Baseline::TenPercent.guess(&world(&[(1, 20, failing)])).verdict;
    assert_eq!((verdict(1), verdict(2), verdict(11)), (Verdict::Up, Verdict::Partial, Verdict::Down));
}

#[test]
fn two_of_three_sees_what_all_see_and_seldom_what_one_sees() {
    assert_eq!(Baseline::TwoOfThree.guess(&world(&[(1, 9, 9)])), Guess::down());
    assert_eq!(Baseline::TwoOfThree.guess(&world(&[(1, 9, 0)])), Guess::up());
    let mut one = world(&[(1, 40, 1)]);
    for n in 0..50 {
        one.id = n.to_string();
        assert_eq!(Baseline::TwoOfThree.guess(&one), Guess::up());
    }
}

#[test]
fn half_of_a_value_names_it() {
    let guess = Baseline::HalfOfValue.guess(&world(&[(1, 6, 3), (2, 12, 0)]));
    assert_eq!(guess, Guess::partial(vec![network(1)]));
    let few = Baseline::HalfOfValue.guess(&world(&[(1, 3, 3), (2, 12, 0)]));
    assert_eq!(few, Guess::up());
}

#[test]
fn reports_are_counted() {
    let reported = |problem| {
        let reports = WorldReports { problem, expected: 4.0, ..WorldReports::default() };
        let world = World { reports: Some(reports), ..World::default() };
        (Baseline::ReportCount.guess(&world).verdict, Baseline::ReportTimes.guess(&world).verdict)
    };
    assert_eq!(reported(9), (Verdict::Up, Verdict::Up));
    assert_eq!(reported(11), (Verdict::Down, Verdict::Up));
    assert_eq!(reported(12), (Verdict::Down, Verdict::Down));
}

#[test]
fn localisers_name_the_network_that_fails() {
    let broken = world(&[(1, 12, 12), (2, 20, 0), (3, 20, 0)]);
    for baseline in [Baseline::Adtributor, Baseline::RiskLoc] {
        assert_eq!(baseline.guess(&broken), Guess::partial(vec![network(1)]), "{}", baseline.name());
    }
}

#[test]
fn localisers_keep_silent_without_an_alarm_and_say_everybody_when_most_fail() {
    for baseline in [Baseline::Adtributor, Baseline::RiskLoc] {
        assert_eq!(baseline.guess(&world(&[(1, 50, 1), (2, 50, 1)])), Guess::up());
        assert_eq!(baseline.guess(&world(&[(1, 20, 20), (2, 20, 15)])), Guess::down());
    }
}
