//! Hours of one site: what is found, how fast it is said and taken back, and how often something is said of a site that works. The
//! course of a site is the aggregator's own; windows hold each agent's last three results, as there.

use std::time::Duration;

use parallax_diagnose::{Course, Subject, World, diagnose, is_bad};
use parallax_lab::baselines::Baseline;
use parallax_lab::score::{Coverage, Hits, poisson_interval, quantile};
use parallax_lab::worlds::stream::{INTERVAL_S, Recent, Shape, Stream};
use parallax_lab::worlds::{Kind, Params};
use parallax_model::{Diagnosis, Host, IncidentId, Scope, UnixMicros, Verdict};
use serde_json::{Value, json};

use crate::crew;
use crate::plan::Plan;
use crate::table::{Findings, Table, number, of, say};

/// Seconds between two evaluations of a site that breaks. The aggregator looks whenever something came, so it can only be faster.
const EVERY_S: u32 = 10;
/// The same of a site that works, of which there are days.
const HEALTHY_EVERY_S: u32 = 30;
/// A recovery must last this long, as for a target that is probed once a minute.
const RECOVER: Duration = Duration::from_mins(3);
/// Something said up to this many seconds after a fault's end is still of the fault.
const AFTERMATH_S: u32 = 180;
/// Minutes of a target-day.
const DAY_MIN: u32 = 24 * 60;
/// Hours of one healthy site; a day is several sites.
const HEALTHY_MIN: u32 = 6 * 60;
/// Rules that are watched beside ours.
const OTHERS: [Baseline; 4] =
    [Baseline::Majority, Baseline::TwoOfThree, Baseline::TenPercent, Baseline::HalfOfValue];
/// Kinds of faults that are watched, each at every strength.
const KINDS: [Kind; 12] = [
    Kind::Asn,
    Kind::Region,
    Kind::Pop,
    Kind::V6,
    Kind::AsnRegion,
    Kind::AsnProtocol,
    Kind::RegionFamily,
    Kind::PopProtocol,
    Kind::Down,
    Kind::Down,
    Kind::Down,
    Kind::Down,
];
const STRENGTHS: [f64; 3] = [0.95, 0.7, 0.5];
/// False incidents that are listed.
const OPENINGS_SHOWN: usize = 12;
/// Seeds of the healthy sites begin here.
const HEALTHY_SEEDS: u32 = 100_000;

/// What was said of one stream, second by second.
#[derive(Debug, Default)]
struct Watched {
    /// When each incident was first said.
    opened: Vec<u32>,
    /// What each said at first.
    openings: Vec<String>,
    /// When one was last closed.
    closed: Option<u32>,
    /// Whether what was said just before the fault's end named whom it hit.
    scope_right: bool,
    /// When each other rule began to alarm.
    alarms: [Vec<u32>; OTHERS.len()],
}

/// Measures faults that come and go, and sites that work.
pub(crate) fn measure(plan: &Plan, findings: &mut Findings) {
    found(plan, findings);
    shapes(plan, findings);
    healthy(plan, findings);
}

fn watch(mut stream: Stream, every_s: u32) -> Watched {
    let host: Host = "example.com".parse().expect("a host");
    let mut course = Course::new(host, None);
    let mut recent = Recent::new(&stream.panel);
    let mut watched = Watched::default();
    let mut alarmed = [false; OTHERS.len()];
    let ends = stream.episode.as_ref().map(|e| e.until_s);
    let mut ids = 0_u128;
    for minute in 0..stream.minutes {
        let mut came = stream.minute(minute).into_iter().peekable();
        for now in (1..=INTERVAL_S / every_s).map(|n| minute * INTERVAL_S + n * every_s) {
            while let Some((at, agent, result)) = came.next_if(|(at, _, _)| *at < now) {
                recent.add(at, agent, result);
            }
            let world = World { id: now.to_string(), ..recent.world(&stream.panel, now) };
            let before = course.open_incident().map(|i| i.id);
            let id = || {
                ids += 1;
                IncidentId(ids)
            };
            let found = diagnose(&world, Subject::default());
            recent.settle(found.verdict == Verdict::Up);
            course.find(found, UnixMicros(0).plus_secs(now.into()), RECOVER, id);
            match (before, course.open_incident().map(|i| i.id)) {
                (None, Some(_)) => {
                    watched.opened.push(now);
                    watched.openings.extend(course.said().map(told));
                }
                (Some(_), None) => watched.closed = Some(now),
                _ => {}
            }
            for (n, guess) in Baseline::guesses(&OTHERS, &world).iter().enumerate() {
                let alarm = guess.verdict != Verdict::Up;
                if alarm && !alarmed[n] {
                    watched.alarms[n].push(now);
                }
                alarmed[n] = alarm;
            }
            if ends.is_some_and(|end| (now..now + every_s).contains(&end)) {
                watched.scope_right = names_it(&stream, &course, &world);
            }
        }
    }
    watched
}

/// Verdict and kinds of scopes.
fn told(said: &Diagnosis) -> String {
    let scope = |scope: &Scope| scope.attributes().iter().map(|a| a.as_str()).collect::<Vec<_>>().join("*");
    let scopes: Vec<String> = said.scopes.iter().map(scope).collect();
    format!("{} {} ({:.3})", said.verdict, scopes.join("+"), said.confidence.get())
}

/// Whether what is said covers those whom the fault hits, and no others.
fn names_it(stream: &Stream, course: &Course, world: &World) -> bool {
    let Some(said) = course.said().filter(|said| is_bad(said.verdict)) else { return false };
    let truth: Vec<Scope> =
        stream.episode.iter().flat_map(|e| e.faults.iter().map(|f| f.scope.clone())).collect();
    let hits = Hits::alike(&said.scopes, &truth, &Coverage::of(world));
    hits.wrong == 0 && hits.missed == 0
}

struct Found {
    kind: Kind,
    strength: f64,
    from_s: u32,
    until_s: u32,
    watched: Watched,
}

impl Found {
    fn within(&self, at: u32) -> bool {
        (self.from_s..=self.until_s + AFTERMATH_S).contains(&at)
    }

    /// Seconds until it was said.
    fn delay(&self) -> Option<u32> {
        self.watched.opened.iter().find(|at| self.within(**at)).map(|at| at - self.from_s)
    }
}

fn play(plan: &Plan, n: u32, kind: Kind, (strength, shape): (f64, Shape)) -> Option<Found> {
    let params = Params { strengths: [strength; 3], ..plan.params() };
    let stream = Stream::faulty(plan.seed(n), &params, kind, shape);
    let (from_s, until_s) = stream.episode.as_ref().map(|e| (e.from_s, e.until_s))?;
    Some(Found { kind, strength, from_s, until_s, watched: watch(stream, EVERY_S) })
}

fn found(plan: &Plan, findings: &mut Findings) {
    let count = u32::try_from(KINDS.len() * STRENGTHS.len()).unwrap_or(0);
    let played: Vec<Found> = crew::over(count, |n| {
        let (kind, strength) = (KINDS[n as usize / STRENGTHS.len()], STRENGTHS[n as usize % STRENGTHS.len()]);
        play(plan, n, kind, (strength, Shape::Step))
    })
    .into_iter()
    .flatten()
    .collect();
    let mut delays: Vec<f64> = played.iter().filter_map(Found::delay).map(|s| f64::from(s) / 60.0).collect();
    let seen = delays.len();
    let (median, p90) = (quantile(&mut delays, 0.5), quantile(&mut delays, 0.9));
    let scoped = played.iter().filter(|f| f.watched.scope_right).count();
    let mut closings: Vec<f64> = played
        .iter()
        .filter(|f| f.delay().is_some())
        .filter_map(|f| f.watched.closed.map(|at| f64::from(at.saturating_sub(f.until_s)) / 60.0))
        .collect();
    let splits: usize = played
        .iter()
        .map(|f| f.watched.opened.iter().filter(|at| f.within(**at)).count().saturating_sub(1))
        .sum();
    let mut table = Table::new(
        &format!("{} faults of one site, 200 agents, one result a minute", played.len()),
        &["method", "found", "median delay (rounds)", "p90"],
    );
    table.row(["Parallax".to_owned(), of(seen, played.len()), number(median), number(p90)]);
    for (n, other) in OTHERS.iter().enumerate() {
        let first = |f: &Found| f.watched.alarms[n].iter().find(|at| f.within(**at)).map(|at| at - f.from_s);
        let mut delays: Vec<f64> = played.iter().filter_map(first).map(|s| f64::from(s) / 60.0).collect();
        let seen = delays.len();
        let cells = [quantile(&mut delays, 0.5), quantile(&mut delays, 0.9)].map(number);
        table.row([other.name().to_owned(), of(seen, played.len())].into_iter().chain(cells));
    }
    table.say();
    say(format_args!(
        "  whom it hits is right at the end of {scoped} of {}; closed {:.1} min after the end (median); {splits} splits",
        played.len(),
        quantile(&mut closings, 0.5)
    ));
    for missed in played.iter().filter(|f| f.delay().is_none()) {
        say(format_args!("  not found: {:?} at strength {}", missed.kind, missed.strength));
    }
    findings.at_least("faults found, of 36", seen as f64, 34.0);
    findings.at_most("median delay in rounds", median, 1.0);
    findings.keep(
        "streams.faults",
        json!({ "faults": played.len(), "found": seen, "median_rounds": median, "p90_rounds": p90,
            "scope_right": scoped, "splits": splits }),
    );
}

/// Faults that grow, flap or move: told, without a goal.
fn shapes(plan: &Plan, findings: &mut Findings) {
    let mut table = Table::new(
        "Faults that are not steps, 12 each",
        &["shape", "found", "incidents opened", "scope right at the end", "median delay (rounds)"],
    );
    let mut kept = Vec::<Value>::new();
    for (place, shape) in (1_u32..).zip([Shape::Ramp, Shape::Flaps, Shape::Moves]) {
        let played: Vec<Found> = crew::over(12, |n| {
            let kind = if shape == Shape::Moves { Kind::Two } else { KINDS[n as usize] };
            play(plan, place * 1_000 + n, kind, (0.95, shape))
        })
        .into_iter()
        .flatten()
        .collect();
        let mut delays: Vec<f64> =
            played.iter().filter_map(Found::delay).map(|s| f64::from(s) / 60.0).collect();
        let opened: usize = played.iter().map(|f| f.watched.opened.len()).sum();
        let scoped = played.iter().filter(|f| f.watched.scope_right).count();
        kept.push(json!({ "shape": format!("{shape:?}"), "found": delays.len(), "opened": opened }));
        // What has moved away is no more: the names of both halves together are never right.
        let scoped = if shape == Shape::Moves { "-".to_owned() } else { scoped.to_string() };
        table.row([
            format!("{shape:?}"),
            of(delays.len(), played.len()),
            opened.to_string(),
            scoped,
            number(quantile(&mut delays, 0.5)),
        ]);
    }
    table.say();
    findings.keep("streams.shapes", Value::Array(kept));
}

fn healthy(plan: &Plan, findings: &mut Findings) {
    if plan.target_days == 0 {
        return;
    }
    let sites = plan.target_days * (DAY_MIN / HEALTHY_MIN);
    let params = plan.params();
    let (counts, openings): (Vec<[u32; OTHERS.len() + 1]>, Vec<Vec<String>>) = crew::over(sites, |n| {
        let stream = Stream::healthy(plan.seed(HEALTHY_SEEDS + n), &params, HEALTHY_MIN);
        let watched = watch(stream, HEALTHY_EVERY_S);
        let mut counts = [0; OTHERS.len() + 1];
        counts[0] = u32::try_from(watched.opened.len()).unwrap_or(u32::MAX);
        for (count, alarms) in counts[1..].iter_mut().zip(&watched.alarms) {
            *count = u32::try_from(alarms.len()).unwrap_or(u32::MAX);
        }
        let openings = watched.openings.iter().map(|said| format!("{said} in world {n}"));
        (counts, openings.collect())
    })
    .into_iter()
    .unzip();
    let mut table = Table::new(
        &format!("{} target-days of sites that work", plan.target_days),
        &["method", "false incidents", "per target-day", "95 %"],
    );
    let days = f64::from(plan.target_days);
    let names = std::iter::once("Parallax").chain(OTHERS.iter().map(|o| o.name()));
    for (n, name) in names.enumerate() {
        let count: u32 = counts.iter().map(|c| c[n]).sum();
        let (low, high) = poisson_interval(count);
        table.row([
            name.to_owned(),
            count.to_string(),
            number(f64::from(count) / days),
            format!("{:.3} to {:.3}", low / days, high / days),
        ]);
    }
    table.say();
    for said in openings.iter().flatten().take(OPENINGS_SHOWN) {
        say(format_args!("  said of a site that works: {said}"));
    }
    let ours: u32 = counts.iter().map(|c| c[0]).sum();
    findings.at_most("false incidents per target-day", f64::from(ours) / days, 0.05);
    findings.keep(
        "streams.healthy",
        json!({ "target_days": plan.target_days, "false_incidents": ours,
            "per_target_day_95": poisson_interval(ours).1 / days }),
    );
}
