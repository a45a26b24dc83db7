use parallax_model::Asn;
use proptest::prelude::*;

use super::*;
use crate::observe::observe;
use crate::{World, WorldAgent, WorldResult};

/// Agents of a few networks and regions; so many in a hundred are refused by the site, in one network more.
fn world() -> impl Strategy<Value = World> {
    let agent = (0..8_u32, 0..3_usize, 0..100_u32, 0..120_000_u64, 0..3_usize);
    (0..12_u32, 0..60_u32, prop::collection::vec(agent, 0..200)).prop_map(|(everywhere, there, agents)| {
        let mut world = World::default();
        for (n, (asn, region, luck, age_ms, pop)) in agents.into_iter().enumerate() {
            let name: parallax_model::AgentId = format!("a{n}").parse().expect("an agent id");
            world.agents.push(WorldAgent {
                asn: Some(Asn(64_500 + asn)),
                region: Some(format!("region-{region}").parse().expect("a region")),
                ..WorldAgent::new(name.clone())
            });
            let refused = luck < if asn == 3 { there } else { everywhere };
            let outcome = match (refused, luck) {
                (true, _) => ["http-403", "blocked-challenge"][n % 2],
                (false, 90..) => "connect-timeout",
                _ => "ok",
            };
            world.results.push(WorldResult {
                age_ms: Some(age_ms),
                pop: Some(format!("P{pop}").parse().expect("a PoP")),
                ..WorldResult::new(name, outcome.parse().expect("an outcome"))
            });
        }
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn where_it_is_quiet_a_search_finds_nothing(world in world()) {
        let observations = observe(&world);
        let columns = Columns::of(&observations.usable);
        let mut probes = Probes::of(&observations.usable, &columns, Channel::Blocked);
        probes.weigh();
        let looks = Looks::of(&probes);
        if Quiet::of(&probes, &looks, LEAST_GAIN - ROUNDING).is_some() {
            prop_assert_eq!(search(&probes, looks, Tally::default()).findings, Vec::new());
        }
    }
}

#[test]
fn a_few_refusals_among_many_are_quiet_and_a_refused_network_is_not() {
    let asked = |refused: fn(u32) -> bool| {
        let mut world = World::default();
        for n in 0..60_u32 {
            let name: parallax_model::AgentId = format!("a{n}").parse().expect("an agent id");
            world.agents.push(WorldAgent { asn: Some(Asn(n % 6)), ..WorldAgent::new(name.clone()) });
            let outcome = if refused(n) { "http-403" } else { "ok" };
            world.results.push(WorldResult::new(name, outcome.parse().expect("an outcome")));
        }
        let observations = observe(&world);
        let columns = Columns::of(&observations.usable);
        let probes = Probes::of(&observations.usable, &columns, Channel::Blocked);
        Quiet::of(&probes, &Looks::of(&probes), LEAST_GAIN - ROUNDING).is_some()
    };
    assert!(asked(|n| n == 7 || n == 20));
    assert!(!asked(|n| n % 6 == 1));
}
