//! Made-up sites: one for each thing that is worth looking at.

use std::sync::Arc;
use std::time::Duration;

use parallax_aggregator::{CheckRow, HistoryMinute, ReportShares, SiteView, VantagePoint};
use parallax_model::{
    Asn, BeaconState, Cause, CauseKind, Confidence, Diagnosis, Disagreement, DnsFacts, Emitter, Failure,
    FailureKind, Family, Host, Incident, IncidentId, IncidentStep, Layer, Micros, Onset, Outcome, Party,
    Phases, ProbeResult, Protocol, ReportCategory, ReportCounts, RetryOutcome, Scope, StatusCode, Target,
    TlsFacts, UnixMicros, Verdict,
};

use super::SAMPLE_NOW;
use super::testers::sample_testers;

/// One minute in seconds.
const MINUTE: i64 = 60;

/// What a site's testers see: the failure of a tester, if it has one.
type Sees = fn(&VantagePoint) -> Option<&'static str>;

struct Plot {
    host: &'static str,
    verdict: Verdict,
    sentence: &'static str,
    operator: &'static str,
    scope: Option<Scope>,
    cause: Option<(CauseKind, f64)>,
    minutes: i64,
    problems: u32,
    sees: Sees,
}

/// Seven sites, trouble first.
pub fn sample_sites() -> Vec<SiteView> {
    plots().into_iter().map(|plot| site(&plot)).collect()
}

fn plots() -> Vec<Plot> {
    let mut all = troubled();
    for host in ["news.example", "wiki.example", "forum.example"] {
        all.push(Plot {
            host,
            verdict: Verdict::Up,
            sentence: "",
            operator: "Every tester reaches it; no retry was needed.",
            scope: None,
            cause: None,
            minutes: 4_000,
            problems: 0,
            sees: |_| None,
        });
    }
    all
}

fn troubled() -> Vec<Plot> {
    let region = |text: &str| text.parse().ok();
    vec![
        Plot {
            host: "bank-north.example",
            verdict: Verdict::Down,
            sentence: "bank-north.example is down for everyone we asked",
            operator: "503 with Retry-After from every network and region; the front server answers in 21 ms.",
            scope: Some(Scope::everybody()),
            cause: Some((CauseKind::Overload, 0.72)),
            minutes: 52,
            problems: 61,
            sees: |_| Some("http-503"),
        },
        Plot {
            host: "videohub.example",
            verdict: Verdict::Partial,
            sentence: "videohub.example is down for people in central Europe",
            operator: "eu-central: 504 written by an edge at FRA on 6 of 6 testers; elsewhere 0 of 21 fail.",
            scope: Some(Scope { region: region("eu-central"), ..Scope::default() }),
            cause: Some((CauseKind::CdnEdge, 0.64)),
            minutes: 14,
            problems: 38,
            sees: |v| (v.vantage.region.as_ref()?.as_str() == "eu-central").then_some("http-504"),
        },
        Plot {
            host: "games.example",
            verdict: Verdict::Partial,
            sentence: "games.example is down for customers of Bluewater Cable in the eastern USA",
            operator: "AS64503 in us-east: connections are reset after the client hello; other networks there are fine.",
            scope: Some(Scope { asn: Some(Asn(64_503)), region: region("us-east"), ..Scope::default() }),
            cause: Some((CauseKind::Firewall, 0.55)),
            minutes: 131,
            problems: 7,
            sees: |v| {
                let there = v.vantage.region.as_ref()?.as_str() == "us-east";
                (v.vantage.asn == Some(Asn(64_503)) && there).then_some("tls-reset")
            },
        },
        Plot {
            host: "shop.example",
            verdict: Verdict::Blocked,
            sentence: "We cannot see shop.example: it refuses our testers",
            operator: "A bot check answers every tester with 403.",
            scope: Some(Scope::everybody()),
            cause: None,
            minutes: 183,
            problems: 0,
            sees: |_| Some("blocked-challenge"),
        },
    ]
}

fn site(plot: &Plot) -> SiteView {
    let host: Host = plot.host.parse().expect("hosts of the table are hosts");
    let target = Target::site_default(host.clone());
    let rows: Vec<CheckRow> =
        sample_testers().iter().enumerate().map(|(i, v)| row(&target, (i, v), (plot.sees)(v))).collect();
    let diagnosis = diagnosis(plot, &host, &rows);
    let since = SAMPLE_NOW.plus_secs(-MINUTE * plot.minutes);
    let incident = (plot.verdict != Verdict::Up).then(|| incident(&host, &diagnosis, since));
    SiteView {
        host,
        target,
        diagnosis,
        at: SAMPLE_NOW.plus_secs(-20),
        since,
        rows: rows.into(),
        reports: ReportCounts {
            problem: plot.problems,
            works: plot.problems / 9,
            expected: 2.4,
            surge: plot.problems > 20,
        },
        incident,
        interval: Some(Duration::from_mins(1)),
        disagreement: (plot.problems > 20 && plot.verdict == Verdict::Up).then_some(Disagreement::PeopleOnly),
    }
}

/// A site that works for every tester.
pub(super) fn up_site(host: Host) -> SiteView {
    let target = Target::site_default(host.clone());
    let rows: Vec<CheckRow> =
        sample_testers().iter().enumerate().map(|(i, v)| row(&target, (i, v), None)).collect();
    let mut diagnosis = Diagnosis::unknown(format!("{host} is up everywhere we looked"), Vec::new());
    diagnosis.verdict = Verdict::Up;
    diagnosis.agents = count(rows.len());
    SiteView {
        host,
        target,
        diagnosis,
        at: SAMPLE_NOW,
        since: SAMPLE_NOW,
        rows: rows.into(),
        reports: ReportCounts::default(),
        incident: None,
        interval: None,
        disagreement: None,
    }
}

/// What is said after the first rows that were all fine.
pub(super) fn up_so_far(view: &SiteView) -> Diagnosis {
    let mut diagnosis = Diagnosis::unknown(format!("{} looks up so far", view.host), Vec::new());
    diagnosis.verdict = Verdict::Up;
    diagnosis.agents = 4;
    diagnosis
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn diagnosis(plot: &Plot, host: &Host, rows: &[CheckRow]) -> Diagnosis {
    let failing = rows.iter().filter(|row| !row.result.outcome.is_ok()).count();
    let sentence = if plot.sentence.is_empty() {
        format!("{host} is up everywhere we looked")
    } else {
        plot.sentence.to_owned()
    };
    let cause = plot.cause.map(|(kind, p)| Cause {
        kind,
        confidence: Confidence::new(p),
        evidence_for: vec![
            format!("{failing} of {failing} failing answers were written before the site’s own program."),
            "Errors come at once (median 21 ms), not after a wait.".to_owned(),
        ],
        evidence_against: vec!["No change of DNS or certificate in the last 24 hours.".to_owned()],
    });
    let evidence = match failing {
        0 => vec![format!("{} of {} testers reach it in 6 networks.", rows.len(), rows.len())],
        n => vec![
            format!("{n} of {} testers fail; the one retry failed for {n} of {n}.", rows.len()),
            format!("The testers’ own lines worked before and after: {n} of {n}."),
            format!("{} testers elsewhere reach it in the same minute.", rows.len() - n),
        ],
    };
    let missing = if failing == 0 {
        Vec::new()
    } else {
        vec!["A tester on IPv6 in eu-west: whether IPv6 fails there is not known.".to_owned()]
    };
    Diagnosis {
        verdict: plot.verdict,
        confidence: Confidence::new(0.97),
        scopes: plot.scope.clone().into_iter().collect(),
        same_coverage: Vec::new(),
        cause,
        visitor: None,
        sentence,
        operator_sentence: plot.operator.to_owned(),
        evidence,
        missing,
        agents: count(rows.len()),
        failing: count(failing),
    }
}

fn incident(host: &Host, now: &Diagnosis, since: UnixMicros) -> Incident {
    let mut first = Diagnosis::unknown(format!("{host} fails for some testers"), Vec::new());
    first.verdict = Verdict::Flaky;
    first.agents = 9;
    first.failing = 2;
    Incident {
        id: incident_id(host),
        site: host.clone(),
        opened_at: since,
        closed_at: None,
        onset: Some(Onset { at: since, earliest: since.plus_secs(-MINUTE), latest: since.plus_secs(MINUTE) }),
        steps: vec![
            IncidentStep { at: since, diagnosis: first },
            IncidentStep { at: since.plus_secs(2 * MINUTE), diagnosis: now.clone() },
        ],
    }
}

fn incident_id(host: &Host) -> IncidentId {
    IncidentId(super::FakeReadSide::check_id(host).0.rotate_left(64))
}

/// What is over already.
pub(super) fn past_incidents() -> Vec<Incident> {
    let mut plots = troubled();
    plots.truncate(2);
    let over = |(i, plot): (i64, &Plot)| {
        let view = site(plot);
        let opened = SAMPLE_NOW.plus_secs(-MINUTE * 1_440 * (i * 9 + 4));
        let mut past = incident(&view.host, &view.diagnosis, opened);
        let closed = opened.plus_secs(47 * MINUTE);
        past.id = IncidentId(past.id.0 ^ 1);
        past.closed_at = Some(closed);
        past.steps.push(IncidentStep { at: closed, diagnosis: up_site(view.host).diagnosis });
        past
    };
    (0_i64..).zip(&plots).map(over).collect()
}

fn row(target: &Target, (i, tester): (usize, &VantagePoint), fails: Option<&str>) -> CheckRow {
    let failure: Option<FailureKind> =
        fails.map(|word| word.parse().expect("words of the table are failures"));
    let spread = u32::try_from((i * 7_919) % 97).unwrap_or(0);
    CheckRow {
        agent: tester.agent.clone(),
        vantage: tester.vantage.clone(),
        result: result(target, i, spread, failure),
        after: Duration::from_millis(u64::from(spread) * 90),
    }
}

fn result(target: &Target, i: usize, spread: u32, failure: Option<FailureKind>) -> ProbeResult {
    let status = |n| StatusCode::new(n).ok();
    let (outcome, status) = match failure {
        None => (Outcome::Ok, status(200)),
        Some(kind) => {
            let code = match kind {
                FailureKind::Http(parallax_model::HttpFailure::Status(code)) => Some(code),
                FailureKind::Blocked(_) => status(403),
                _ => None,
            };
            (Outcome::Failed(Failure { kind, party: Party::Target }), code)
        }
    };
    let address: std::net::IpAddr =
        std::net::Ipv4Addr::new(192, 0, 2, 10 + u8::from(i.is_multiple_of(4))).into();
    let answered = status.is_some();
    let ms = |n: u32| Some(Micros(n * 1_000));
    let waits = if status.is_some_and(|s| s.get() == 504) { 900 } else { 0 };
    ProbeResult {
        status,
        phases: Phases {
            dns: ms(3 + spread / 9),
            connect: ms(12 + spread),
            tls: ms(22 + spread),
            first_byte: answered.then(|| Micros((30 + spread * 3 + waits) * 1_000)),
            body: answered.then_some(Micros(1_400)),
            total: Micros((70 + spread * 5 + waits) * 1_000),
        },
        address: Some(address),
        family: Some(Family::V4),
        protocol: answered.then_some(if i.is_multiple_of(5) { Protocol::H1 } else { Protocol::H2 }),
        emitter: answered.then(|| Emitter {
            name: "fernedge".into(),
            layer: if failure.is_some() { Layer::Edge } else { Layer::Origin },
            pop: ["FRA", "IAD", "SIN"][i % 3].parse().ok(),
            via: Vec::new(),
        }),
        dns: DnsFacts {
            addresses: vec![address],
            cnames: Vec::new(),
            ttl_left_s: Some(120 + spread),
            resolver: Some(if i.is_multiple_of(6) { "public-one" } else { "isp" }.into()),
        },
        tls: answered.then(|| tls(target)),
        retry: failure.map(|_| RetryOutcome::Fail),
        beacon: if failure.is_some() { BeaconState::Ok } else { BeaconState::Untested },
        ..ProbeResult::new(target.clone(), SAMPLE_NOW.plus_secs(-20), outcome)
    }
}

fn tls(target: &Target) -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".into(),
        alpn: Some("h2".into()),
        subject: target.host.as_str().into(),
        issuer: "Sample Trust R3".into(),
        not_after: SAMPLE_NOW.plus_secs(51 * 86_400),
        names: vec![target.host.as_str().into()],
    }
}

/// 24 hours of minutes: quiet, then as the site's page says.
pub(super) fn history(view: &SiteView, since: UnixMicros) -> Vec<HistoryMinute> {
    let testers = count(view.rows.len());
    let failing = view.diagnosis.failing;
    let minute = |ago: i64| {
        let at = SAMPLE_NOW.plus_secs(-MINUTE * ago);
        // An hour without tests, to show what that looks like.
        let tested = !(600..660).contains(&ago) && at >= since;
        let trouble = at >= view.since && failing > 0;
        let blip = (1_000..1_020).contains(&ago) && failing > 0;
        let failures = if trouble { failing } else { u32::from(blip) * 3 };
        tested.then_some(HistoryMinute { at, results: testers, failures, first_byte: Some(Micros(84_000)) })
    };
    (0..1_440).rev().filter_map(minute).collect()
}

/// 24 hours of reports in quarters: some always, many since the trouble began.
pub(super) fn quarters(view: &SiteView) -> Vec<u32> {
    let since = usize::try_from(SAMPLE_NOW.since(view.since) / 900_000_000).unwrap_or(usize::MAX);
    let problem = view.reports.problem;
    let quarter = |ago: usize| {
        let usual = count((ago * ago * 7 + ago / 5) % 4) / 2 + u32::from(ago.is_multiple_of(29)) * 3;
        if problem > 0 && ago <= since {
            problem.saturating_sub(count(ago) * problem / 6).max(usual)
        } else {
            usual
        }
    };
    (0..96).rev().map(quarter).collect()
}

/// What people say and where they are: most see the error, half of them are with one provider.
pub(super) fn shares(view: &SiteView) -> ReportShares {
    let problem = view.reports.problem;
    let of = |n: u32| problem * n / 10;
    let categories = [
        (ReportCategory::ErrorPage, of(6)),
        (ReportCategory::TooSlow, of(3)),
        (ReportCategory::LogIn, of(1)),
    ];
    let networks = [(Asn(64_501), of(5)), (Asn(64_500), of(2)), (Asn(64_504), of(1))];
    ReportShares {
        categories: categories.into_iter().filter(|(_, n)| *n > 0).collect(),
        networks: networks.into_iter().filter(|(_, n)| *n > 0).collect(),
    }
}

/// A site whose every free text is an attack on the page that shows it.
pub fn hostile_site(payload: &str) -> SiteView {
    let mut view = site(&Plot {
        host: "hostile.example",
        verdict: Verdict::Partial,
        sentence: "",
        operator: "",
        scope: None,
        cause: Some((CauseKind::Tls, 0.5)),
        minutes: 10,
        problems: 3,
        sees: |v| (v.vantage.asn == Some(Asn(64_500))).then_some("http-502"),
    });
    let text: Arc<str> = payload.into();
    for row in &mut view.rows {
        row.vantage.city = Some(payload.to_owned());
        if let Ok(isp) = payload.parse() {
            row.vantage.isp = Some(isp);
        }
        let result = &mut row.result;
        result.detail = Some(Arc::clone(&text));
        result.dns.resolver = Some(Arc::clone(&text));
        if let Some(emitter) = &mut result.emitter {
            emitter.name = Arc::clone(&text);
        }
        if let Some(tls) = &mut result.tls {
            tls.subject = Arc::clone(&text);
            tls.issuer = Arc::clone(&text);
            tls.version = Arc::clone(&text);
        }
    }
    let told = &mut view.diagnosis;
    payload.clone_into(&mut told.sentence);
    payload.clone_into(&mut told.operator_sentence);
    told.evidence = vec![payload.to_owned()];
    told.missing = vec![payload.to_owned()];
    if let Some(cause) = &mut told.cause {
        cause.evidence_for = vec![payload.to_owned()];
        cause.evidence_against = vec![payload.to_owned()];
    }
    let diagnosis = view.diagnosis.clone();
    if let Some(incident) = &mut view.incident {
        for step in &mut incident.steps {
            step.diagnosis = diagnosis.clone();
        }
    }
    view
}
