use parallax_diagnose::{ChangeKind, Subject, diagnose};
use parallax_model::{
    Asn, BeaconState, BodyFacts, Failure, FailureKind, Micros, Outcome, PageKind, Party, Phases, Protocol,
    StatusCode,
};
use proptest::prelude::*;

use super::*;

/// A result of `https://example.com/` that is ok or failed with `status`.
pub(crate) fn result(status: u16) -> Arc<ProbeResult> {
    let code = StatusCode::new(status).expect("in range");
    let failed = Outcome::Failed(Failure { kind: FailureKind::status(code), party: Party::Target });
    Arc::new(ProbeResult {
        status: Some(code),
        phases: Phases { first_byte: Some(Micros(20_000)), total: Micros(30_000), ..Phases::default() },
        beacon: BeaconState::Ok,
        ..ProbeResult::new(
            "https://example.com/".parse().expect("canonical"),
            UnixMicros(0),
            if status >= 500 { failed } else { Outcome::Ok },
        )
    })
}

impl Window {
    /// Adds one result, as a batch of its own.
    #[expect(clippy::needless_pass_by_value, reason = "the tests make each of them in the call")]
    pub(crate) fn add(
        &mut self,
        agent: AgentId,
        vantage: &Arc<Vantage>,
        at: UnixMicros,
        result: Arc<ProbeResult>,
    ) {
        let batch = Results::from_results(std::slice::from_ref(result.as_ref())).expect("it travels");
        let cell = self.cell_of(&agent).unwrap_or_else(|| self.open(&agent, vantage));
        self.add_row(cell, vantage, at, (&batch, 0));
    }
}

/// A world of nothing but the window.
fn world(window: &Window, now: UnixMicros) -> World {
    let (reported, silent) = (Reported::default(), BTreeSet::new());
    window.world(now, &Around { reported: &reported, connected: &[], silent: &silent })
}

fn window() -> (Window, AgentId, Arc<Vantage>) {
    (Window::new(Some(Duration::from_secs(10))), "a".parse().expect("an id"), Arc::default())
}

#[test]
fn three_rounds_count() {
    let (mut window, agent, vantage) = window();
    for s in 0..5 {
        window.add(agent.clone(), &vantage, UnixMicros(0).plus_secs(s), result(200));
    }
    let world = world(&window, UnixMicros(0).plus_secs(5));
    let ages: Vec<_> = world.results.iter().filter_map(|r| r.age_ms).collect();
    assert_eq!(ages, [3_000, 2_000, 1_000]);
}

#[test]
fn old_results_leave_and_silence_is_no_failure() {
    let (mut window, agent, vantage) = window();
    window.add(agent, &vantage, UnixMicros(0), result(502));
    assert!(!window.expire(UnixMicros(0).plus_secs(120)));
    assert!(window.expire(UnixMicros(0).plus_secs(121)));
    assert!(window.is_empty());
    assert_eq!(world(&window, UnixMicros(0).plus_secs(121)).agents, []);
}

#[test]
fn only_results_of_good_times_make_the_baseline() {
    let (mut window, agent, vantage) = window();
    let rate = |w: &Window| world(w, UnixMicros(0)).agents[0].fail_rate;
    window.add(agent.clone(), &vantage, UnixMicros(0), result(502));
    window.settle(false, at(0));
    assert_eq!(rate(&window), Some(0.02));
    window.add(agent, &vantage, at(1), result(502));
    window.settle(true, at(0));
    assert_eq!(rate(&window), Some(1.4 / 21.0));
}

#[test]
fn a_failure_is_told_the_way_the_agents_last_good_answer_took() {
    let vantage = Arc::new(Vantage::default());
    let agent: AgentId = "a1".parse().expect("an id");
    let mut window = Window::new(Some(Duration::from_secs(15)));
    let mut good = (*result(200)).clone();
    good.emitter = Some(Emitter {
        name: "an-edge".into(),
        layer: parallax_model::Layer::Edge,
        pop: "FRA".parse().ok(),
        via: Vec::new(),
    });
    good.protocol = Some(Protocol::H2);
    window.add(agent.clone(), &vantage, UnixMicros(0), Arc::new(good));
    window.add(agent, &vantage, UnixMicros(0).plus_secs(15), result(502));
    let ways = |now_s: i64| -> Vec<(Option<String>, Option<Protocol>)> {
        let world = world(&window, UnixMicros(0).plus_secs(now_s));
        world.results.iter().map(|r| (r.pop.as_ref().map(ToString::to_string), r.protocol)).collect()
    };
    let known = (Some("FRA".to_owned()), Some(Protocol::H2));
    assert_eq!(ways(20), [known.clone(), known.clone()]);
    assert_eq!(ways(24 * 3_600 + 1), [known, (None, None)]);
}

#[test]
fn an_agent_that_is_away_for_a_day_is_forgotten_and_the_others_keep_their_order() {
    let mut window = Window::new(Some(Duration::from_secs(10)));
    for (n, s) in [(2, 0), (0, 100), (3, 100), (1, 90)] {
        window.add(format!("a{n}").parse().expect("an id"), &Arc::default(), at(s), result(200));
    }
    let agents = |w: &Window| -> Vec<String> { w.newest().map(|t| t.agent().to_string()).collect() };
    assert_eq!(agents(&window), ["a0", "a1", "a2", "a3"]);
    assert_eq!(window.forget(at(24 * 3_600)), 0);
    assert_eq!(window.forget(at(24 * 3_600 + 1)), 1);
    assert_eq!(agents(&window), ["a0", "a1", "a3"]);
    window.close_longest_unheard();
    assert_eq!(agents(&window), ["a0", "a3"]);
    window.add("a1".parse().expect("an id"), &Arc::default(), at(200), result(502));
    assert_eq!(window.failing().map(ToString::to_string).collect::<Vec<_>>(), ["a1"]);
    assert_eq!((window.cells(), window.tally(&BTreeSet::new())), (3, (3, 1)));
}

fn at(s: i64) -> UnixMicros {
    UnixMicros(0).plus_secs(s)
}

#[test]
fn results_stand_in_the_order_in_which_they_were_seen_each_once() {
    let (mut window, agent, vantage) = window();
    for s in [30, 10, 20, 10, 0, 30] {
        let mut seen = result(200).as_ref().clone();
        seen.started_at = at(s);
        window.add(agent.clone(), &vantage, at(s), Arc::new(seen));
    }
    let ages: Vec<_> = world(&window, at(40)).results.iter().filter_map(|r| r.age_ms).collect();
    assert_eq!(ages, [30_000, 20_000, 10_000]);
}

#[test]
fn a_404_fails_only_where_it_is_news() {
    let (mut window, agent, vantage) = window();
    let outcome = |w: &Window, s| world(w, at(s)).results.last().map(|r| r.outcome.to_string());
    let see = |w: &mut Window, s: i64, status| {
        w.add(agent.clone(), &vantage, at(s), result(status));
        w.settle(outcome(w, s).as_deref() == Some("ok"), at(s));
    };
    see(&mut window, 0, 404);
    assert_eq!(outcome(&window, 0).as_deref(), Some("ok"), "nothing is known of it yet");
    for s in 1..=20 {
        see(&mut window, s, 200);
    }
    see(&mut window, 21, 404);
    assert_eq!(outcome(&window, 21).as_deref(), Some("http-404"));
    assert_eq!(window.tally(&BTreeSet::new()), (1, 1));
    let (mut always, ..) = self::window();
    for s in 0..30 {
        see(&mut always, s, 404);
    }
    assert_eq!(outcome(&always, 30).as_deref(), Some("ok"), "the page is made so");
}

#[test]
fn what_results_carry_reaches_the_clues() {
    let tls = |kind| Outcome::Failed(Failure { kind: FailureKind::Tls(kind), party: Party::Target });
    let agent: AgentId = "a1".parse().expect("an id");
    let told = |change: fn(&mut ProbeResult)| {
        let mut seen = result(503).as_ref().clone();
        change(&mut seen);
        world_result(&agent, &seen, Duration::ZERO)
    };
    let maintenance = told(|seen| {
        let page = Some(PageKind::Maintenance);
        seen.body = Some(BodyFacts { length: 9, sha256: None, truncated: false, page });
    });
    assert_eq!(maintenance.kind.as_deref(), Some("maintenance"));
    assert_eq!(told(|seen| seen.status = StatusCode::new(421).ok()).kind.as_deref(), Some("wrong-host"));
    assert_eq!(told(|_| {}).kind, None);
    let mut expired = result(503).as_ref().clone();
    expired.outcome = tls(TlsFailure::Expired);
    let expired = world_result(&agent, &expired, Duration::ZERO);
    assert_eq!(expired.cert_problem, Some(CertProblem::Named("expired".to_owned())));
    assert_eq!(told(|seen| seen.outcome = Outcome::Ok).cert_problem, None);
    let ties = told(|seen| {
        seen.tie_breakers.without_h3_ok = Some(true);
        seen.tie_breakers.soa_serial = Some(7);
    });
    assert_eq!((ties.without_h3_ok, ties.soa_serial), (Some(true), Some(7)));
}

#[test]
fn a_maintenance_page_is_said_to_be_one() {
    let mut window = Window::new(Some(Duration::from_secs(10)));
    for n in 0..12_u32 {
        let region = ["eu-west", "us-east", "ap-south"][n as usize % 3].parse().ok();
        let vantage = Arc::new(Vantage { asn: Some(Asn(n)), region, ..Vantage::default() });
        let mut seen = result(503).as_ref().clone();
        let page = Some(PageKind::Maintenance);
        seen.body = Some(BodyFacts { length: 9, sha256: None, truncated: false, page });
        window.add(format!("a{n}").parse().expect("an id"), &vantage, at(0), Arc::new(seen));
    }
    let host = "example.com".parse().expect("a host");
    let said = diagnose(&world(&window, at(1)), Subject { host: Some(&host) });
    assert_eq!(said.sentence, "example.com says it is under maintenance");
}

#[test]
fn a_change_that_most_agents_notice_is_in_the_world() {
    let mut window = Window::new(Some(Duration::from_secs(10)));
    for s in 0..70 {
        for n in 0..4 {
            let mut seen = result(200).as_ref().clone();
            let address = if s < 65 { "192.0.2.1" } else { "198.51.100.1" };
            seen.dns.addresses = vec![address.parse().expect("an address")];
            let agent = format!("a{n}").parse().expect("an id");
            window.add(agent, &Arc::default(), at(s * 10), Arc::new(seen));
        }
    }
    let changes = world(&window, at(700)).changes;
    let told: Vec<_> = changes.iter().map(|change| (change.what, change.ago_s)).collect();
    assert_eq!(told, [(ChangeKind::Dns, 50.0)]);
}

/// Some agents' results over a minute and more, each with what it says and how late it came.
fn seen() -> impl Strategy<Value = Vec<(u8, i64, u16)>> {
    let status = prop_oneof![Just(200), Just(200), Just(502), Just(404), Just(503)];
    proptest::collection::vec((0..6_u8, 0..100_i64, status), 1..60)
}

fn filled(results: &[(u8, i64, u16)]) -> Window {
    let mut window = Window::new(Some(Duration::from_secs(10)));
    for (n, s, status) in results {
        let region = ["eu-west", "us-east", "ap-south"][usize::from(*n) % 3].parse().ok();
        let vantage = Arc::new(Vantage { asn: Some(Asn(u32::from(*n))), region, ..Vantage::default() });
        let mut seen = result(*status).as_ref().clone();
        seen.started_at = at(*s);
        window.add(format!("a{n}").parse().expect("an id"), &vantage, at(*s), Arc::new(seen));
    }
    window
}

proptest! {
    /// No order, duplication or late arrival of results changes what is found: the same results make the same world, the same
    /// rows and the same onset, whenever and however often each of them came.
    #[test]
    fn neither_order_nor_repetition_nor_lateness_changes_the_world(
        (results, mixed) in seen().prop_flat_map(|results| {
            let twice: Vec<_> = results.iter().chain(&results[..results.len() / 2]).copied().collect();
            (Just(results), Just(twice).prop_shuffle())
        })
    ) {
        let (plain, mixed) = (filled(&results), filled(&mixed));
        let now = at(110);
        prop_assert_eq!(world(&plain, now), world(&mixed, now));
        let rows = |w: &Window| format!("{:?}", w.rows(&result(200).target, now).to_vec());
        prop_assert_eq!(rows(&plain), rows(&mixed));
        let onset = |w: &Window| w.onset(Verdict::Down, &[Scope::everybody()], at(0));
        prop_assert_eq!(onset(&plain), onset(&mixed));
        prop_assert_eq!(plain.tally(&BTreeSet::new()), mixed.tally(&BTreeSet::new()));
    }
}
