//! Third step: the ruling with its cause, its sentences, and what it stands on.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash};

use parallax_model::{
    Cause, CauseKind, Confidence, Diagnosis, DnsFailure, FailureKind, Host, Scope, Verdict, VisitorVerdict,
};

use crate::analyse::{Analysis, Tally};
use crate::cause::{likeliest, ranked};
use crate::clue::clues;
use crate::column::Mix;
use crate::observe::{Channel, Observation, Observations, SetAside, count};
use crate::reports::surge;
use crate::rules::{Ruling, plural, rule};
use crate::sentence::{Names, code, happens, inside};
use crate::visitor::tell;

/// "Under maintenance" is said from this probability of the cause on.
const SURE_OF_MAINTENANCE: f64 = 0.6;

/// What the sentences are about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The site; without one the sentences say "the site".
    pub host: Option<&'a Host>,
}

/// Third step: the verdict with its scopes, cause, sentences and what is missing.
pub fn judge(analysis: &Analysis, observations: &Observations<'_>, subject: Subject<'_>) -> Diagnosis {
    let ruling = rule(analysis);
    let names = Names::new(subject.host, observations);
    let affected = Affected::of(&ruling, observations);
    let told = observations.visitor.map(|visitor| tell(&ruling, observations, visitor));
    let (cause, runner_up) = cause(&ruling, observations, &affected);
    let sentence = match special_sentence(&ruling, observations, &names, told.as_ref().map(|t| t.verdict)) {
        Some(sentence) => sentence,
        None => match ruling.verdict {
            Verdict::Unknown => unknown_sentence(analysis, observations, &names),
            Verdict::Down => down_sentence(&ruling, &affected, cause.as_ref(), &names),
            _ => names.verdict(&ruling, affected.is_stale()),
        },
    };
    let mut evidence = evidence(&ruling, &affected);
    evidence.extend(same_coverage_line(&ruling));
    evidence.extend(refused_line(&ruling, analysis));
    evidence.extend(runner_up);
    evidence.extend(report_line(observations));
    let mut missing = ruling.missing.clone();
    if ruling.verdict == Verdict::Unknown {
        missing.extend(set_aside_lines(observations.set_aside));
    }
    missing.extend(told.as_ref().and_then(|told| told.missing.clone()));
    Diagnosis {
        verdict: ruling.verdict,
        confidence: ruling.confidence,
        scopes: ruling.scopes.clone(),
        same_coverage: ruling.same_coverage.clone(),
        cause,
        visitor: told.as_ref().map(|told| told.verdict),
        sentence,
        operator_sentence: operator_sentence(&ruling, analysis, &affected),
        evidence,
        missing,
        agents: analysis.coverage.answered,
        failing: failing(&ruling, &affected),
    }
}

/// How many testers are said to fail. What comes and goes fails for each of them now and then, and most of their
/// results may be fine: of that, everyone who saw it fail is counted, as the operator's sentence does.
fn failing(ruling: &Ruling<'_>, affected: &Affected<'_>) -> u32 {
    match ruling.verdict {
        Verdict::Flaky => distinct(affected.results.iter()),
        _ => ruling.scan.everyone.mostly_failing,
    }
}

/// Every cause of what the analysis finds broken, the likeliest first; empty when nothing is found.
pub fn causes(analysis: &Analysis, observations: &Observations<'_>) -> Vec<(CauseKind, Confidence)> {
    let ruling = rule(analysis);
    if matches!(ruling.verdict, Verdict::Up | Verdict::Unknown) {
        return Vec::new();
    }
    ranked(&clues(&ruling, observations, &Affected::of(&ruling, observations).results))
}

fn cause(
    ruling: &Ruling<'_>,
    observations: &Observations<'_>,
    affected: &Affected<'_>,
) -> (Option<Cause>, Option<String>) {
    if matches!(ruling.verdict, Verdict::Up | Verdict::Unknown) {
        return (None, None);
    }
    let (cause, runner_up) = likeliest(&clues(ruling, observations, &affected.results));
    (Some(cause), runner_up)
}

/// What is said to this visitor, or of reports, instead of the verdict's own sentence.
fn special_sentence(
    ruling: &Ruling<'_>,
    observations: &Observations<'_>,
    names: &Names<'_>,
    visitor: Option<VisitorVerdict>,
) -> Option<String> {
    if !matches!(ruling.verdict, Verdict::Up | Verdict::Unknown) {
        return None;
    }
    let own_network = observations.visitor.and_then(|visitor| visitor.asn);
    match (visitor, own_network) {
        (Some(VisitorVerdict::JustYou), _) => {
            Some(names.headline(|host| format!("{host} works for everyone we asked; it may be only you")))
        }
        (Some(VisitorVerdict::YourIsp), Some(asn)) => {
            let isp = names.isp(asn);
            Some(names.headline(|host| format!("{host} looks down for customers of {isp}")))
        }
        _ if ruling.verdict == Verdict::Up && observations.reports.is_some_and(surge) => {
            Some(names.headline(|host| {
                format!("People report trouble with {}, our tests do not show it", inside(host))
            }))
        }
        _ => None,
    }
}

/// Down for everyone, in the words of what everyone sees where those say more.
fn down_sentence(
    ruling: &Ruling<'_>,
    affected: &Affected<'_>,
    cause: Option<&Cause>,
    names: &Names<'_>,
) -> String {
    let kind = affected.commonest.map(|(kind, _)| kind);
    if kind == Some(FailureKind::Dns(DnsFailure::Nxdomain)) {
        return match names.host() {
            Some(_) => names.headline(|host| format!("There is no site called {host}")),
            None => "There is no site of this name".to_owned(),
        };
    }
    if cause.is_some_and(|c| c.kind == CauseKind::Maintenance && c.confidence.get() >= SURE_OF_MAINTENANCE) {
        return names.headline(|host| format!("{host} says it is under maintenance"));
    }
    names.verdict(ruling, false)
}

/// Says why nothing can be said.
fn unknown_sentence(analysis: &Analysis, observations: &Observations<'_>, names: &Names<'_>) -> String {
    let aside = observations.set_aside;
    let (asked, answered) = (analysis.coverage.asked, analysis.coverage.answered);
    let failing = analysis.failing.everyone.mostly_failing;
    if asked == 0 {
        return "We cannot tell: no tester was asked".to_owned();
    }
    if answered == 0 && aside.own_line > 0 && aside.own_line + aside.silent == asked {
        return "We cannot tell: our testers' own lines are down".to_owned();
    }
    if answered == 0 && aside.policy > 0 {
        return names.headline(|host| {
            format!("We cannot tell: our testers' policy forbids them to connect to {}", inside(host))
        });
    }
    let refused = analysis.blocked.everyone.failing;
    match (failing, refused) {
        (0, 0) if answered < asked => {
            format!("We cannot tell: only {answered} of {} answered", plural(asked, "tester"))
        }
        (0, 0) if answered == 1 => "We cannot tell: one tester is too few".to_owned(),
        (0, 0) => format!("We cannot tell: {answered} testers are too few"),
        (0, _) => {
            format!("We cannot tell: {refused} of {} are refused", plural(answered, "tester"))
        }
        _ => format!(
            "We cannot tell: {failing} of {} fail, too few to say for whom",
            plural(answered, "tester")
        ),
    }
}

/// The failing results of the published scopes (the refused or slow ones, as the question is).
#[derive(Clone)]
struct Affected<'a> {
    results: Vec<&'a Observation<'a>>,
    /// What most of them see, and who wrote it.
    commonest: Option<(FailureKind, Option<&'a str>)>,
}

impl<'a> Affected<'a> {
    fn of(ruling: &Ruling<'_>, observations: &'a Observations<'a>) -> Self {
        let results = observations.usable.iter().filter(|o| o.says(ruling.channel).is_some_and(|y| y > 0.0));
        Self::new(
            results.filter(|o| ruling.scopes.is_empty() || ruling.scopes.iter().any(|s| o.place.is_in(s))),
        )
    }

    /// Those of one of so many scopes.
    fn in_scope(&self, scope: &Scope, scopes: usize) -> Cow<'_, Self> {
        match scopes {
            1 => Cow::Borrowed(self),
            _ => Cow::Owned(Self::new(self.results.iter().copied().filter(|o| o.place.is_in(scope)))),
        }
    }

    fn new(results: impl Iterator<Item = &'a Observation<'a>>) -> Self {
        let results: Vec<_> = results.collect();
        let commonest = commonest(&results);
        Self { results, commonest }
    }

    fn is_stale(&self) -> bool {
        let stale = self.results.iter().filter(|o| o.result.address_current == Some(false)).count();
        stale > 0 && 2 * stale >= self.results.len()
    }

    /// How many agents see exactly this.
    fn agents_with(&self, kind: FailureKind) -> u32 {
        distinct(self.results.iter().filter(|o| o.kind() == Some(kind)))
    }
}

/// What most of these see, and who wrote it.
fn commonest<'a>(results: &[&'a Observation<'a>]) -> Option<(FailureKind, Option<&'a str>)> {
    let kind = most_of(results.iter().filter_map(|o| o.kind()))?;
    let named = |o: &&'a Observation<'a>| {
        o.result.emitter.as_deref().filter(|name| *name != "unknown" && !name.is_empty())
    };
    let emitter = most_of(results.iter().filter(|o| o.kind() == Some(kind)).map(named))?;
    Some((kind, emitter))
}

/// So many different values are looked through, which is faster than to hash each: mostly there are no more.
const FEW_VALUES: usize = 8;

/// What there is most of; among equals the least.
fn most_of<T: Copy + Ord + Hash>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut few: Vec<(T, u32)> = Vec::with_capacity(FEW_VALUES);
    let mut others: HashMap<T, u32, BuildHasherDefault<Mix>> = HashMap::default();
    for value in values {
        match few.iter().position(|(known, _)| *known == value) {
            Some(place) => few[place].1 += 1,
            None if few.len() < FEW_VALUES => few.push((value, 1)),
            None => *others.entry(value).or_default() += 1,
        }
    }
    let counts = few.into_iter().chain(others);
    counts.max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0))).map(|(value, _)| value)
}

/// How many agents; the observations of one agent stand together.
fn distinct<'a>(observations: impl Iterator<Item = &'a &'a Observation<'a>>) -> u32 {
    let mut agents: Vec<u32> = observations.map(|o| o.agent).collect();
    agents.dedup();
    count(agents.len())
}

fn operator_sentence(ruling: &Ruling<'_>, analysis: &Analysis, affected: &Affected<'_>) -> String {
    let healthy = analysis.coverage.healthy;
    match ruling.verdict {
        Verdict::Up => {
            return format!("{healthy} of {} agents reach it", analysis.coverage.answered);
        }
        Verdict::Unknown => {
            return format!(
                "{} of {} agents could tell, {healthy} of them reach it: no verdict",
                analysis.coverage.answered, analysis.coverage.asked
            );
        }
        _ => {}
    }
    let what = match affected.commonest {
        Some((kind, Some(emitter))) => format!("{} from {emitter}", code(kind)),
        Some((kind, None)) => code(kind),
        None => "slow first byte".to_owned(),
    };
    let whom: Vec<String> = ruling.scopes.iter().map(Scope::in_words).collect();
    let everyone = ruling.scopes.iter().any(|scope| scope.all);
    let asked = if everyone { ruling.scan.everyone.agents } else { ruling.scan.covered.agents };
    let hit = distinct(affected.results.iter());
    let text = format!("{what} for {}: {hit} of {asked} agents", whom.join(" and "));
    let outside = &ruling.scan.outside;
    if everyone || outside.agents == 0 {
        return text;
    }
    let fine = outside.agents - outside.mostly_failing;
    format!("{text}; elsewhere {fine} of {} succeed", outside.agents)
}

fn evidence(ruling: &Ruling<'_>, affected: &Affected<'_>) -> Vec<String> {
    let scan = ruling.scan;
    let mut lines = Vec::new();
    if scan.everyone.agents == 0 {
        return lines;
    }
    if ruling.scopes.is_empty() {
        let tally = scan.everyone;
        let fine = tally.agents - tally.mostly_failing;
        let verb = if tally.agents == 1 { "reaches" } else { "reach" };
        lines.push(format!("{fine} of {} {verb} it.", plural(tally.agents, "tester")));
        return lines;
    }
    if ruling.scopes.iter().any(|scope| scope.all) {
        lines.push(group_line(ruling.channel, affected, &scan.everyone, ""));
    } else {
        for scope in &ruling.scopes {
            let finding = scan.findings.iter().find(|finding| finding.scope == *scope);
            let Some(finding) = finding else { continue };
            let place = format!("{}: ", scope.in_words());
            lines.push(group_line(
                ruling.channel,
                &affected.in_scope(scope, ruling.scopes.len()),
                &finding.tally,
                &place,
            ));
        }
        let outside = &scan.outside;
        let fine = outside.agents - outside.mostly_failing;
        if outside.agents > 0 {
            let does = match ruling.channel {
                Channel::Failing => "reach it",
                Channel::Blocked => "are let in",
                Channel::Slow => "find it as fast as usual",
            };
            lines.push(format!("Elsewhere {fine} of {} {does}.", plural(outside.agents, "tester")));
        }
    }
    lines
}

/// `24 of 24 testers get 502 Bad Gateway, written by nginx.`
fn group_line(channel: Channel, affected: &Affected<'_>, tally: &Tally, place: &str) -> String {
    let all = plural(tally.agents, "tester");
    match affected.commonest {
        Some((kind, emitter)) if channel != Channel::Slow => {
            let by = emitter.map_or(String::new(), |emitter| format!(", written by {emitter}"));
            let hit = affected.agents_with(kind);
            format!("{place}{hit} of {all} {}{by}.", happens(kind))
        }
        _ => format!("{place}{} of {all} wait far longer than usual for the first byte.", tally.failing),
    }
}

/// Other names for whom it concerns.
fn same_coverage_line(ruling: &Ruling<'_>) -> Option<String> {
    let names: Vec<String> = ruling.same_coverage.iter().map(Scope::in_words).collect();
    (!names.is_empty()).then(|| {
        format!("The same testers are those of {}: it cannot be told apart.", names.join(" and of "))
    })
}

/// Refusals beside another verdict: they are told, and are no outage.
fn refused_line(ruling: &Ruling<'_>, analysis: &Analysis) -> Option<String> {
    let refused = analysis.blocked.everyone.failing;
    let told = ruling.verdict != Verdict::Blocked && refused > 0;
    told.then(|| format!("{} refused by the site, which is no outage.", plural(refused, "tester")))
}

fn report_line(observations: &Observations<'_>) -> Option<String> {
    let reports = observations.reports.filter(|reports| reports.problem > 0)?;
    Some(format!(
        "{} report a problem, {} that it works; {:.1} problem reports are usual.",
        plural(reports.problem, "visitor"),
        reports.works,
        reports.expected
    ))
}

fn set_aside_lines(aside: SetAside) -> Vec<String> {
    let lines = [
        (aside.own_line, "could not look: their own line is down"),
        (aside.policy, "may not probe this address: policy forbids it"),
        (aside.overloaded, "had no room for the probe"),
        (aside.stale, "answered too long ago"),
        (aside.silent, "did not answer"),
    ];
    let line = |(n, what): (u32, &str)| (n > 0).then(|| format!("{} {what}", plural(n, "tester")));
    lines.into_iter().filter_map(line).collect()
}
