use parallax_diagnose::WorldOutcome;
use parallax_model::{CauseKind, Scope, Verdict};

use super::fault::{MIX, OLD_ADDRESS};
use super::liars::{Plot, plot};
use super::signature::signature;
use super::stream::{Recent, Shape, Stream};
use super::*;

/// A world without dirt: what fails, fails because of the fault.
fn clean() -> Params {
    Params {
        strengths: [1.0; 3],
        noise: (0.0, 0.0),
        flaky_agents: 0.0,
        broken_agents: 0.0,
        always_ok: 0.0,
        always_fail: 0.0,
        misplaced: (0.0, 0.0),
        offline: 0.0,
        refused: 0.0,
        blip: 0.0,
        collusion: 0.0,
        missing: (0.0, 0.0),
        rumour: 0.0,
        remembers: 0.0,
        ..Params::default()
    }
}

fn test_seed(index: u32) -> u64 {
    seed(Purpose::Test, 0, index)
}

/// What the observer knows of where a result was made.
fn place(case: &Case, n: usize) -> Scope {
    let result = &case.world.results[n];
    let agent = case.world.agents.iter().find(|a| a.agent == result.agent).expect("every agent is listed");
    seen_at(agent, result)
}

#[test]
fn a_seed_makes_one_world() {
    let json =
        |seed| serde_json::to_string(&snapshot(seed, &Params::default()).world).expect("a world is JSON");
    assert_eq!(json(test_seed(9)), json(test_seed(9)));
    assert_ne!(json(test_seed(9)), json(test_seed(9 + (1 << 27))));
}

#[test]
fn worlds_are_valid_and_of_the_kind_whose_turn_it_is() {
    for index in 0..84 {
        let case = snapshot(test_seed(index), &Params::default().with_rounds(2));
        assert!(case.world.validate().is_ok());
        assert_eq!(case.truth.kind, Kind::turn(index), "world {index}");
        assert_eq!(case.truth.scopes.is_empty(), matches!(case.truth.verdict, Verdict::Up));
        assert!(case.truth.scopes.iter().all(|s| s.validate().is_ok()));
    }
}

#[test]
fn in_a_clean_world_exactly_those_in_the_scopes_are_hit() {
    for index in 0..210 {
        let case = snapshot(test_seed(index), &clean());
        let (kind, scopes) = (case.truth.kind, &case.truth.scopes);
        if matches!(kind, Kind::Flaky | Kind::SlowAll | Kind::SlowPart) {
            continue;
        }
        for (n, result) in case.world.results.iter().enumerate() {
            let place = place(&case, n);
            let inside = scopes.iter().any(|scope| contains(scope, &place));
            let failed = result.outcome != WorldOutcome::Ok;
            // A probe that failed early does not know its PoP or protocol, and agents fail by themselves now and then.
            let told = place.pop.is_some() && place.protocol.is_some();
            assert!(!inside || failed, "world {index} ({kind:?}): a probe of {scopes:?} works");
            if failed && told && result.retry.is_some() {
                let own =
                    !inside && !matches!(result.outcome, WorldOutcome::Failed(kind) if kind.is_timeout());
                assert!(!own, "world {index} ({kind:?}): {:?} fails outside {scopes:?}", result.outcome);
            }
        }
    }
}

#[test]
fn every_kind_occurs_and_its_truth_says_so() {
    for kind in MIX.iter().flat_map(|part| part.iter().copied()) {
        let case = snapshot_of(test_seed(3), &Params::default(), kind);
        assert_eq!(case.truth.kind, kind);
        assert_eq!(
            case.truth.scopes.len(),
            match kind {
                Kind::Healthy | Kind::FewAgents => 0,
                Kind::Two => 2,
                _ => 1,
            }
        );
        if kind == Kind::OldAddress {
            assert_eq!(case.truth.scopes[0].address, Some(OLD_ADDRESS));
            assert_eq!(case.truth.cause, Some(CauseKind::DnsChange));
        }
        assert_eq!(kind.is_partial(), case.truth.scopes.iter().any(|s| !s.all), "{kind:?}");
    }
}

#[test]
fn unknown_is_right_only_where_the_oracle_is_unsure() {
    let mut case = snapshot_of(test_seed(1), &clean(), Kind::Down);
    assert!(case.truth.oracle > 0.999);
    assert!(case.truth.is_right(Verdict::Down) && !case.truth.is_right(Verdict::Unknown));
    case.truth.oracle = 0.8;
    assert!(case.truth.is_right(Verdict::Unknown) && !case.truth.is_right(Verdict::Up));
}

#[test]
fn causes_take_turns() {
    for index in 0..36 {
        let case = signature(test_seed(index), &Params::default());
        assert_eq!(case.truth.cause, Some(CauseKind::ALL[index as usize % 9]), "{index}");
    }
}

#[test]
fn a_fifth_lies_or_one_network_does() {
    let fails = |case: &Case| {
        let failing = case.world.results.iter().filter(|r| r.outcome != WorldOutcome::Ok).count();
        failing as f64 / case.world.results.len() as f64
    };
    let (case, network) = plot(test_seed(1), &clean(), Plot::SpreadFails);
    assert!(network.is_none() && (0.1..0.3).contains(&fails(&case)));
    let (case, _) = plot(test_seed(1), &clean(), Plot::SpreadOk);
    assert!((0.7..0.9).contains(&fails(&case)));
    let (case, network) = plot(test_seed(1), &clean(), Plot::NetworkFails);
    let network = network.expect("one network lies");
    for n in 0..case.world.results.len() {
        let lies = contains(&network, &place(&case, n));
        assert!(!lies || case.world.results[n].outcome != WorldOutcome::Ok);
    }
}

#[test]
fn a_stream_breaks_and_recovers_when_it_says() {
    let mut stream = Stream::faulty(test_seed(5), &clean(), Kind::Down, Shape::Step);
    let episode = stream.episode.clone().expect("it breaks");
    let mut recent = Recent::new(&stream.panel);
    for minute in 0..stream.minutes {
        for (at, agent, result) in stream.minute(minute) {
            let down = (episode.from_s..episode.until_s).contains(&at);
            if down {
                assert_ne!(result.outcome, WorldOutcome::Ok, "second {at}");
            }
            recent.add(at, agent, result);
        }
    }
    let world = recent.world(&stream.panel, stream.minutes * 60);
    assert!(world.validate().is_ok());
    let failing = world.results.iter().filter(|r| r.outcome != WorldOutcome::Ok).count();
    assert!(world.results.len() > 400 && failing < world.results.len() / 20);
    assert!(recent.world(&stream.panel, stream.minutes * 60 + 300).results.is_empty());
}

/// Of a group that has two names nobody could tell which one broke.
#[test]
fn what_breaks_has_one_name() {
    for index in 0..60 {
        let case = snapshot_of(test_seed(index), &clean(), Kind::PopProtocol);
        let truth = &case.truth.scopes[0];
        let of = |scope: &Scope| {
            let inside = |n: &usize| contains(scope, &place(&case, *n));
            (0..case.world.results.len()).filter(inside).collect::<Vec<_>>()
        };
        let region = of(truth).first().and_then(|n| place(&case, *n).region);
        let other = Scope { region, protocol: truth.protocol, ..Scope::default() };
        assert_ne!(of(truth), of(&other), "world {index}");
    }
}

#[test]
fn plain_worlds_fail_in_known_ways() {
    for index in 0..60 {
        let kind = snapshot(test_seed(index), &Params::reference()).truth.kind;
        assert_eq!(kind, Kind::plain_turn(index));
        assert!(kind != Kind::AnyPair && !matches!(kind.verdict(), Verdict::Degraded | Verdict::Blocked));
    }
}
