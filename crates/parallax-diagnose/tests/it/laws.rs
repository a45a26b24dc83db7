//! Laws: the order of results and repeated deliveries change nothing; refusals are never "down"; no world makes it panic.

use parallax_diagnose::{Subject, World, WorldAgent, WorldResult, diagnose};
use parallax_model::{Asn, Family, Verdict};
use proptest::prelude::*;

const OUTCOMES: [&str; 8] =
    ["ok", "ok", "ok", "http-502", "connect-timeout", "blocked-challenge", "agent-offline", "dns-nxdomain"];

fn world() -> impl Strategy<Value = World> {
    let agent = (64_500..64_506_u32, 0..4_usize, 0.0..0.3_f64);
    let result = (0..OUTCOMES.len(), 0..3_u32, 0..90_000_u64, 0..3_usize, any::<bool>(), any::<bool>());
    let one = (agent, prop::collection::vec(result, 0..4));
    prop::collection::vec(one, 0..40).prop_map(|agents| {
        let mut world = World::default();
        for (index, ((asn, region, fail_rate), results)) in agents.into_iter().enumerate() {
            let name: parallax_model::AgentId = format!("a{index}").parse().expect("an agent id");
            world.agents.push(WorldAgent {
                asn: Some(Asn(asn)),
                region: Some(format!("region-{region}").parse().expect("a region")),
                fail_rate: Some(fail_rate),
                ..WorldAgent::new(name.clone())
            });
            for (outcome, attempt, age_ms, pop, v6, has_pop) in results {
                world.results.push(WorldResult {
                    attempt: Some(attempt),
                    age_ms: Some(age_ms),
                    pop: has_pop.then(|| format!("P{pop}").parse().expect("a PoP")),
                    family: Some(if v6 { Family::V6 } else { Family::V4 }),
                    ..WorldResult::new(name.clone(), OUTCOMES[outcome].parse().expect("an outcome"))
                });
            }
        }
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repeated_delivery_change_nothing(
        (world, shuffled) in world().prop_flat_map(|w| {
            let mut results = w.results.clone();
            results.extend(w.results.iter().take(20).cloned());
            (Just(w), Just(results).prop_shuffle())
        })
    ) {
        let mut late = world.clone();
        late.results = shuffled;
        late.agents.reverse();
        let (on_time, late) = (diagnose(&world, Subject::default()), diagnose(&late, Subject::default()));
        prop_assert_eq!(on_time, late);
    }

    #[test]
    fn refusals_and_broken_lines_are_never_down(mut world in world()) {
        for result in &mut world.results {
            let refused = result.family == Some(Family::V6);
            let outcome = if refused { "http-403" } else { "agent-offline" };
            result.outcome = outcome.parse().expect("an outcome");
        }
        let verdict = diagnose(&world, Subject::default()).verdict;
        prop_assert!(matches!(verdict, Verdict::Blocked | Verdict::Unknown), "{verdict}");
    }

    #[test]
    fn what_is_said_holds_together(world in world()) {
        let said = diagnose(&world, Subject::default());
        let names_somebody = !matches!(said.verdict, Verdict::Up | Verdict::Unknown);
        prop_assert_eq!(!said.scopes.is_empty(), names_somebody);
        prop_assert_eq!(said.cause.is_some(), names_somebody);
        prop_assert!(said.scopes.iter().all(|scope| scope.validate().is_ok()));
        prop_assert!(said.sentence.chars().count() <= 90, "{}", said.sentence);
        prop_assert!(!said.missing.is_empty() || said.verdict != Verdict::Unknown);
        prop_assert!(said.missing.is_empty() || said.verdict != Verdict::Up);
        prop_assert!(said.failing <= said.agents);
    }
}
