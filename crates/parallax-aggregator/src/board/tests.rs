use parallax_model::{Asn, CheckId, Disagreement, ProbeResult, Region, Scope, Verdict};

use super::*;
use crate::window::tests::result;

mod learning;

/// Twenty agents in five networks and four regions, and what they look at.
struct Play {
    board: Board,
    agents: Vec<(AgentId, Arc<Vantage>)>,
    targets: Vec<Target>,
    reports: BTreeMap<Host, Arc<Reported>>,
    ids: u128,
    incidents: Vec<Incident>,
    said: Vec<(i64, Host, Verdict, Vec<Scope>)>,
    /// Everything that came, as the journal has it.
    came: Vec<Published>,
}

const ROUND_S: i64 = 10;

fn at(s: i64) -> UnixMicros {
    UnixMicros(0).plus_secs(s)
}

fn url(text: &str) -> Target {
    text.parse().expect("canonical")
}

impl Play {
    fn new(targets: &[&str]) -> Self {
        let regions = ["eu-west", "eu-central", "us-east", "ap-south"];
        let one = |n: u32| {
            let region: Region = regions[n as usize % 4].parse().expect("a region");
            let vantage = Vantage { asn: Some(Asn(1 + n % 5)), region: Some(region), ..Vantage::default() };
            (format!("a{n}").parse().expect("an id"), Arc::new(vantage))
        };
        let targets: Vec<Target> = targets.iter().map(|text| url(text)).collect();
        let mut board = Board::default();
        for target in &targets {
            board.watch(target, Duration::from_secs(10), at(0));
        }
        let (incidents, said, reports) = (Vec::new(), Vec::new(), BTreeMap::new());
        let agents = (0..20).map(one).collect();
        Self { board, agents, targets, reports, ids: 0, incidents, said, came: Vec::new() }
    }

    /// Sites of which each has its own name and no address that is known.
    fn sites(n: usize) -> Self {
        let urls: Vec<String> = (0..n).map(|n| format!("https://site{n}.example/")).collect();
        Self::new(&urls.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Rounds from one second to another: every agent looks at every target, a part of them in each second, and the board
    /// evaluates. `sees` says which status an agent (its number) sees of a target (its number).
    fn run(&mut self, seconds: std::ops::Range<i64>, sees: impl Fn(usize, usize) -> u16) {
        self.run_with(seconds, |agent, target| result(sees(agent, target)).as_ref().clone());
    }

    fn run_with(&mut self, seconds: std::ops::Range<i64>, sees: impl Fn(usize, usize) -> ProbeResult) {
        for s in seconds {
            let due = |n: &usize| i64::try_from(*n).is_ok_and(|n| (n * 7) % ROUND_S == s % ROUND_S);
            for n in (0..self.agents.len()).filter(due) {
                let (agent, vantage) = self.agents[n].clone();
                let look = |(place, target): (usize, &Target)| ProbeResult {
                    target: target.clone(),
                    started_at: at(s),
                    ..sees(n, place)
                };
                let results: Vec<ProbeResult> = self.targets.iter().enumerate().map(look).collect();
                let results = Arc::new(Results::from_results(&results).expect("they travel"));
                let published = Published { agent, vantage, received_at: at(s), results };
                self.board.add(&published, true);
                self.came.push(published);
            }
            self.evaluate(s);
        }
    }

    fn evaluate(&mut self, s: i64) {
        self.evaluate_some(s, usize::MAX);
    }

    /// Evaluates so many targets of which something is said already; returns how many were evaluated.
    fn evaluate_some(&mut self, s: i64, mut left: usize) -> usize {
        let Self { board, agents, reports, ids, incidents, said, .. } = self;
        let mut connected = agents.clone();
        connected.sort_by(|a, b| a.0.cmp(&b.0));
        let turn = Turn { now: at(s), reports, connected: &connected };
        let new_id = || {
            *ids += 1;
            IncidentId(*ids)
        };
        let changes = board.evaluate(turn, new_id, || {
            let enough = left == 0;
            left = left.saturating_sub(1);
            enough
        });
        incidents.extend(changes.incidents);
        let news = changes.said.into_iter();
        said.extend(news.map(|(target, d, _)| (s, target.host, d.verdict, d.scopes)));
        changes.evaluated
    }

    fn view(&self, host: &str) -> Arc<SiteView> {
        let host: Host = host.parse().expect("a host");
        Arc::clone(self.board.views().get(&host).expect("known"))
    }

    fn verdicts(&self) -> BTreeSet<Verdict> {
        self.board.views().values().map(|view| view.diagnosis.verdict).collect()
    }

    /// The incidents as they are now, each once.
    fn latest(&self) -> BTreeMap<IncidentId, Incident> {
        self.incidents.iter().map(|i| (i.id, i.clone())).collect()
    }
}

/// The agents of one network see a 502, the others a 200.
fn only(asn: u32) -> impl Fn(usize, usize) -> u16 {
    move |agent, _| if agent % 5 + 1 == asn as usize { 502 } else { 200 }
}

#[test]
fn a_network_that_fails_becomes_an_incident_with_its_scope_and_its_beginning() {
    let mut play = Play::new(&["https://example.com/"]);
    play.run(0..300, |_, _| 200);
    assert_eq!(play.verdicts(), BTreeSet::from([Verdict::Up]));
    play.run(300..360, only(2));
    let scope = Scope { asn: Some(Asn(2)), ..Scope::default() };
    let (_, _, verdict, scopes) = play.said.last().expect("it was said");
    assert_eq!((*verdict, scopes.as_slice()), (Verdict::Partial, [scope].as_slice()));
    let view = play.view("example.com");
    let incident = view.incident.as_ref().expect("one lasts");
    assert_eq!((play.latest().len(), view.rows.len()), (1, 20));
    let onset = incident.onset.expect("it began some time");
    assert!(onset.earliest < at(301) && at(300) <= onset.latest, "{onset:?}");
    assert!(onset.latest.since(onset.earliest) <= 15_000_000, "{onset:?}");
    assert_eq!(incident.opened_at, onset.at);
    assert!(play.board.take_minutes(at(400), false).iter().any(|m| m.failures > 0));
}

#[test]
fn when_most_sites_break_at_once_it_is_our_side_and_no_incident_opens() {
    let mut play = Play::sites(8);
    play.run(0..120, |_, _| 200);
    assert_eq!(play.verdicts(), BTreeSet::from([Verdict::Up]));
    play.run(120..150, |_, site| if site < 6 { 502 } else { 200 });
    assert_eq!(play.verdicts(), BTreeSet::from([Verdict::Unknown]), "{:?}", play.said);
    assert_eq!(play.incidents, []);
    let network = play.board.network();
    let sentence = network.our_side.expect("it is ours").sentence;
    assert!(
        sentence.starts_with("Our own side has a problem: ") && sentence.contains(" of 8 "),
        "{sentence}"
    );
    let said = &play.view("site0.example").diagnosis;
    assert_eq!(said.sentence, "We cannot tell how site0.example is: our own side has a problem");
    play.run(150..260, |_, _| 200);
    assert_eq!(play.board.network().our_side, None, "it ends by itself");
    assert_eq!(play.verdicts(), BTreeSet::from([Verdict::Up]), "{:?}", play.said);
    assert_eq!(play.incidents, []);
}

#[test]
fn some_sites_that_break_are_their_own_affair() {
    let mut play = Play::sites(8);
    play.run(0..120, |_, _| 200);
    play.run(120..300, |_, site| if site < 3 { 502 } else { 200 });
    assert_eq!(play.board.network().our_side, None);
    assert_eq!(play.latest().len(), 3);
    let onsets: Vec<_> = play.latest().values().filter_map(|i| i.onset).map(|o| o.at.as_secs()).collect();
    assert_eq!(onsets, [120, 120, 120], "however long it was doubted");
}

#[test]
fn an_old_outage_outlasts_a_problem_of_ours() {
    let mut play = Play::sites(8);
    play.run(0..60, |_, _| 200);
    play.run(60..240, |_, site| if site == 0 { 502 } else { 200 });
    let opened: Vec<IncidentId> = play.latest().into_keys().collect();
    assert_eq!(opened.len(), 1);
    play.run(240..280, |_, _| 502);
    assert!(play.board.network().our_side.is_some());
    play.run(280..400, |_, site| if site == 0 { 502 } else { 200 });
    assert_eq!(play.latest().into_keys().collect::<Vec<_>>(), opened);
    assert!(play.view("site0.example").incident.is_some());
    assert_eq!(play.view("site1.example").diagnosis.verdict, Verdict::Up);
}

#[test]
fn broken_lines_of_most_agents_are_our_side() {
    let mut play = Play::sites(2);
    play.run(0..60, |_, _| 200);
    let cut = |agent: usize| ProbeResult {
        beacon: if agent < 15 { BeaconState::Failed } else { BeaconState::Ok },
        ..result(if agent < 15 { 502 } else { 200 }).as_ref().clone()
    };
    play.run_with(60..90, |agent, _| cut(agent));
    let sentence = play.board.network().our_side.expect("it is ours").sentence;
    assert_eq!(sentence, "Our own side has a problem: the lines of 15 of our 20 testers do not work");
    assert_eq!((play.verdicts(), play.incidents.len()), (BTreeSet::from([Verdict::Unknown]), 0));
    play.run(90..240, |_, _| 200);
    assert_eq!((play.board.network().our_side, play.verdicts()), (None, BTreeSet::from([Verdict::Up])));
}

#[test]
fn a_network_whose_agents_fall_silent_is_a_notice_and_no_outage() {
    let mut play = Play::new(&["https://example.com/"]);
    let vantage = Arc::clone(&play.agents[1].1);
    play.agents.extend((20..24).map(|n| (format!("a{n}").parse().expect("an id"), Arc::clone(&vantage))));
    let of_the_network = |agent: usize| agent >= 20 || agent % 5 == 1;
    play.run(0..60, |_, _| 200);
    // The last thing they see is the end of their own line.
    play.run(60..62, |agent, _| if of_the_network(agent) { 502 } else { 200 });
    let mut n = 0;
    play.agents.retain(|_| {
        n += 1;
        !of_the_network(n - 1)
    });
    play.run(62..120, |_, _| 200);
    let [notice] = <[_; 1]>::try_from(play.board.network().notices).expect("one network");
    assert_eq!((notice.asn, notice.lost, notice.of), (Asn(2), 8, 8));
    assert_eq!((play.verdicts(), play.incidents.len()), (BTreeSet::from([Verdict::Up]), 0));
    let view = play.view("example.com");
    assert_eq!((view.diagnosis.agents, view.diagnosis.failing), (16, 0), "they are no part of the count");
    assert_eq!(play.board.network().our_side, None);
}

#[test]
fn no_recovery_is_believed_while_those_who_saw_it_fail_are_silent() {
    let mut play = Play::new(&["https://example.com/"]);
    play.run(0..60, |_, _| 200);
    play.run(60..300, only(2));
    assert_eq!(play.view("example.com").diagnosis.verdict, Verdict::Partial);
    // Four agents of the network are too few for a notice.
    let witnesses: Vec<_> = (0..20).filter(|n| n % 5 == 1).map(|n| play.agents[n].clone()).collect();
    play.agents.retain(|agent| !witnesses.contains(agent));
    play.run(300..600, |_, _| 200);
    let view = play.view("example.com");
    assert_eq!(view.diagnosis.verdict, Verdict::Unknown);
    assert!(view.diagnosis.sentence.ends_with("the testers that saw it fail are silent"));
    assert!(view.incident.is_some(), "not knowing ends nothing");
    play.agents.extend(witnesses);
    play.run(600..700, |_, _| 200);
    assert_eq!(play.view("example.com").diagnosis.verdict, Verdict::Up);
    assert!(play.latest().values().all(|incident| incident.closed_at.is_some()));
}

#[test]
fn a_scope_that_widens_and_a_relapse_are_one_incident() {
    let mut play = Play::new(&["https://example.com/"]);
    play.run(0..60, |_, _| 200);
    play.run(60..180, only(2));
    play.run(180..360, |_, _| 502);
    assert_eq!(play.view("example.com").diagnosis.verdict, Verdict::Down);
    play.run(360..480, |_, _| 200);
    assert!(play.latest()[&IncidentId(1)].closed_at.is_some());
    play.run(480..600, |_, _| 502);
    let all = play.latest();
    assert_eq!(all.len(), 1, "{:?}", play.said);
    let incident = &all[&IncidentId(1)];
    assert_eq!((incident.worst(), incident.closed_at), (Verdict::Down, None));
    assert!(incident.steps.len() >= 4, "partial, down, up, down");
    assert_eq!(incident.onset.map(|onset| onset.at.as_secs() / 10), Some(6), "it keeps its first beginning");
}

#[test]
fn two_targets_of_a_site_are_one_incident_that_ends_with_the_last() {
    let mut play = Play::new(&["https://example.com/", "https://example.com/login"]);
    play.run(0..60, |_, _| 200);
    play.run(60..120, |_, target| if target == 0 { 502 } else { 200 });
    play.run(120..300, |_, _| 502);
    assert_eq!(play.latest().len(), 1);
    play.run(300..400, |_, target| if target == 0 { 200 } else { 502 });
    let view = play.view("example.com");
    assert_eq!((view.diagnosis.verdict, view.target.path.as_str()), (Verdict::Down, "/login"));
    assert_eq!(view.incident.as_ref().map(|i| i.id), Some(IncidentId(1)));
    play.run(400..500, |_, _| 200);
    assert_eq!(play.latest().values().map(|i| i.closed_at.is_some()).collect::<Vec<_>>(), [true]);
    assert_eq!(play.view("example.com").incident, None);
}

#[test]
fn people_and_testers_who_disagree_are_told_of() {
    let mut play = Play::new(&["https://example.com/"]);
    let counts = parallax_model::ReportCounts { problem: 40, works: 1, expected: 1.0, surge: true };
    let reported = Arc::new(Reported { counts, ..Reported::default() });
    play.reports.insert(play.targets[0].host.clone(), reported);
    play.run(0..60, |_, _| 200);
    let view = play.view("example.com");
    assert_eq!((view.diagnosis.verdict, view.disagreement), (Verdict::Up, Some(Disagreement::PeopleOnly)));
    play.reports.clear();
    play.run(60..960, |_, _| 502);
    assert_eq!(play.view("example.com").disagreement, None, "not for a quarter of an hour yet");
    play.run(960..1_020, |_, _| 502);
    assert_eq!(play.view("example.com").disagreement, Some(Disagreement::TestersOnly));
}

#[test]
fn of_two_open_incidents_of_one_site_the_older_goes_on() {
    let incident = |id, opened: i64| {
        let diagnosis = Diagnosis::unknown("", Vec::new());
        let steps = vec![parallax_model::IncidentStep { at: at(opened + 5), diagnosis }];
        let site = "example.com".parse().expect("a host");
        Incident { id: IncidentId(id), site, opened_at: at(opened), closed_at: None, onset: None, steps }
    };
    let mut board = Board::new(vec![incident(1, 10), incident(2, 20)], Cells::default());
    board.watch(&url("https://example.com/"), Duration::from_secs(10), at(30));
    let ended: Vec<_> = board.end_orphans(at(30)).into_iter().map(|i| (i.id, i.closed_at)).collect();
    assert_eq!(ended, [(IncidentId(2), Some(at(25)))]);
    assert_eq!(board.end_orphans(at(40)), []);
}

#[test]
fn where_failures_begin_is_looked_at_first_and_nobody_waits_for_ever() {
    let mut play = Play::sites(5);
    play.run(0..1, |_, _| 200);
    assert_eq!(play.board.views().len(), 5, "in their first turn all are");
    play.run(1..60, |_, _| 200);
    // In a minute, every site has a result of every agent that is not evaluated yet, and the third one fails.
    let sees = |target: usize| if target == 3 { 502 } else { 200 };
    for (agent, vantage) in play.agents.clone() {
        let look = |(n, target): (usize, &Target)| ProbeResult {
            target: target.clone(),
            started_at: at(60),
            ..result(sees(n)).as_ref().clone()
        };
        let results: Vec<ProbeResult> = play.targets.iter().enumerate().map(look).collect();
        let results = Arc::new(Results::from_results(&results).expect("they travel"));
        play.board.add(&Published { agent, vantage, received_at: at(60), results }, true);
    }
    play.said.clear();
    assert_eq!(play.evaluate_some(60, 1), 1);
    assert_eq!(play.view("site3.example").at, at(60));
    assert_eq!(play.said.len(), 1, "{:?}", play.said);
    for s in 61..65 {
        assert_eq!(play.evaluate_some(s, 1), 1, "the others are still due");
    }
    let mut looked: Vec<_> = play.board.views().into_values().map(|view| view.at).collect();
    looked.sort_unstable();
    assert_eq!(looked, [60, 61, 62, 63, 64].map(at));
    assert_eq!(play.evaluate_some(65, 1), 0);
}

#[test]
fn a_watched_site_without_results_is_unknown() {
    let mut board = Board::default();
    let target: Target = "https://example.com/".parse().expect("canonical");
    board.watch(&target, Duration::from_secs(10), UnixMicros(0));
    let turn = Turn { now: UnixMicros(0), reports: &BTreeMap::new(), connected: &[] };
    board.evaluate(turn, || IncidentId(1), || true);
    let views = board.views();
    assert_eq!(views.get(&target.host).map(|v| v.diagnosis.verdict), Some(Verdict::Unknown));
}

#[test]
fn an_unwatched_site_is_forgotten_a_day_after_its_last_result() {
    let mut board = Board::default();
    let target: Target = "https://a.example/".parse().expect("canonical");
    let watched: Target = "https://b.example/".parse().expect("canonical");
    let at = |hours: i64| at(hours * 3_600);
    board.entry(&target, at(0));
    board.watch(&watched, Duration::from_secs(10), at(0));
    assert_eq!(board.forget(at(23)), BTreeSet::new());
    assert_eq!(board.forget(at(24)), BTreeSet::from([target.host]));
    assert_eq!(board.forget(at(48)), BTreeSet::new());
}

#[test]
fn an_incident_whose_site_is_gone_ends_after_a_day() {
    let mut found = Diagnosis::unknown("", Vec::new());
    found.verdict = Verdict::Down;
    let step = parallax_model::IncidentStep { at: UnixMicros(0), diagnosis: found };
    let site: Host = "gone.example.com".parse().expect("a host");
    let open = Incident {
        id: IncidentId(1),
        site,
        opened_at: UnixMicros(0),
        closed_at: None,
        onset: None,
        steps: vec![step],
    };
    let mut board = Board::new(vec![open], Cells::default());
    let at = |hours: i64| at(hours * 3_600);
    assert_eq!(board.end_orphans(at(23)), []);
    let ended: Vec<_> = board.end_orphans(at(24)).into_iter().map(|i| (i.id, i.closed_at)).collect();
    assert_eq!(ended, [(IncidentId(1), Some(at(24)))]);
    assert_eq!(board.end_orphans(at(48)), []);
}

/// One result of each of these targets, from one agent.
fn heard(board: &mut Board, agent: &str, targets: &[&str], s: i64) {
    let one = |text: &&str| ProbeResult { target: url(text), ..result(200).as_ref().clone() };
    let results: Vec<ProbeResult> = targets.iter().map(one).collect();
    let results = Arc::new(Results::from_results(&results).expect("they travel"));
    let (agent, vantage) = (agent.parse().expect("an id"), Arc::default());
    board.add(&Published { agent, vantage, received_at: at(s), results }, true);
}

#[test]
fn when_all_cells_are_taken_those_who_are_there_stay_and_every_target_has_its_share() {
    let cells_of = |board: &Board, text: &str| board.entries.get(&url(text)).map(|e| e.window.cells());
    let [one, two] = ["https://one.example/", "https://two.example/"];
    let mut board = Board::new(Vec::new(), Cells::of(4));
    for target in [one, two] {
        board.watch(&url(target), Duration::from_secs(10), at(0));
    }
    for n in 0..6 {
        heard(&mut board, &format!("a{n}"), &[one], n);
    }
    assert_eq!((cells_of(&board, one), board.cells().refused()), (Some(4), 2));
    let kept: Vec<_> = board.entries[&url(one)].window.newest().map(|t| t.agent().to_string()).collect();
    assert_eq!(kept, ["a0", "a1", "a2", "a3"]);
    for n in 0..6 {
        heard(&mut board, &format!("a{n}"), &[two], 10 + n);
    }
    assert_eq!((cells_of(&board, one), cells_of(&board, two)), (Some(2), Some(2)));
    assert_eq!((board.cells().taken(), board.cells().refused()), (4, 6));
    // Minutes count everybody.
    let counted: u32 = board.running_minutes().values().flatten().map(|minute| minute.results).sum();
    assert_eq!(counted, 12);
    // What is forgotten makes room.
    board.unwatch(|_| false);
    board.forget(at(2 * 24 * 3_600));
    assert_eq!(board.cells().taken(), 0);
}

#[test]
fn what_nobody_asked_for_is_not_taken_up() {
    let mut board = Board::default();
    let mut add = |text: &str, check: Option<CheckId>| {
        let one = ProbeResult { target: url(text), check, ..result(500).as_ref().clone() };
        let results = Arc::new(Results::from_results(&[one]).expect("it travels"));
        let (agent, vantage) = ("a".parse().expect("an id"), Arc::default());
        board.add(&Published { agent, vantage, received_at: at(0), results }, true);
        board.entries.contains_key(&url(text))
    };
    assert!(!add("https://invented.example/", None), "no check, not watched");
    assert!(!add("https://example.com/broken?on=purpose", Some(CheckId(1))), "a page is not the site");
    assert!(add("https://example.com/", Some(CheckId(1))));
    assert!(add("https://example.com/", None), "it is known");
    assert_eq!((board.unasked(), board.running_minutes().len()), (2, 1));
}
