//! Which verdict an analysis allows, and what is missing when it allows none.

use parallax_model::{Confidence, Scope, Verdict};

use crate::analyse::{Analysis, Coverage, Finding, Scan, Variation};
use crate::observe::Channel;

/// A verdict needs a posterior of at least this.
const SURE: f64 = 0.8;
/// Scopes that cover more than this share of the weighted results are everybody.
const EVERYBODY_SHARE: f64 = 0.85;
/// A fault weaker than this is flaky, not down.
const DOWN_STRENGTH: f64 = 0.55;
/// To say "for everybody": so many networks must fail …
const DOWN_NETWORKS: u32 = 3;
/// … in so many regions.
const DOWN_REGIONS: u32 = 2;
/// To name a scope: so many agents in it …
const SCOPE_AGENTS: u32 = 4;
/// … of which so many fail …
const SCOPE_FAILING: u32 = 3;
/// … in so many networks, unless the scope names one.
const SCOPE_NETWORKS: u32 = 2;
/// To say "up": so many healthy agents …
const UP_AGENTS: u32 = 8;
/// … in so many networks …
const UP_NETWORKS: u32 = 4;
/// … and so many regions.
const UP_REGIONS: u32 = 3;
/// Flaky by retries that worked: among at least so many agents …
const WAVERING_OF: u32 = 10;
/// … one in so many.
const WAVERING_SHARE: u32 = 10;
/// What comes and goes does so for one tester too: one in so many of the failing ones gets through at another try …
const VARYING_OF_TRIES: u32 = 5;
/// … and one in so many where most were asked more than once.
const VARYING_OF_ROUNDS: u32 = 2;
/// A part is named only where fewer than one in so many fail outside of it …
const OUTSIDE_FAILING: u32 = 8;
/// … of those inside one in so many fail, or the same tester fails now and then …
const INSIDE_FAILING: u32 = 3;
/// … and one in so many testers reach the site from beyond the network that most of the healthy stand in.
const HEALTHY_ELSEWHERE: u32 = 10;
/// An early verdict needs a posterior of at least this …
const DECIDED_CONFIDENCE: f64 = 0.95;
/// … and a lead over the next answer of so many nats.
const DECIDED_LEAD: f64 = 3.0;

/// What the rules allow to be said.
#[derive(Debug, Clone)]
pub(crate) struct Ruling<'a> {
    pub(crate) verdict: Verdict,
    pub(crate) confidence: Confidence,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) same_coverage: Vec<Scope>,
    /// The question that decided, and its scan.
    pub(crate) channel: Channel,
    pub(crate) scan: &'a Scan,
    /// What would have been needed to say more.
    pub(crate) missing: Vec<String>,
}

/// Whether more results would hardly change the verdict, so that a check may stop early: a posterior of at least .95, a lead
/// of at least 3 nats, and enough coverage for the verdict's own rule.
pub fn decided(analysis: &Analysis) -> bool {
    let ruling = rule(analysis);
    ruling.verdict != Verdict::Unknown
        && ruling.confidence.get() >= DECIDED_CONFIDENCE
        && ruling.scan.lead >= DECIDED_LEAD
}

/// The rules, in this order:
///
/// 1. what fails: down, flaky, partial; but "everyone" is not said of the few that are let in where most are refused;
/// 2. what refuses us: blocked;
/// 3. retries that work: flaky;
/// 4. what is slow: degraded;
/// 5. enough healthy agents and nothing found to fail: up;
/// 6. else unknown.
pub(crate) fn rule(analysis: &Analysis) -> Ruling<'_> {
    let (failing, blocked, slow) = (&analysis.failing, &analysis.blocked, &analysis.slow);
    let mut missing = Vec::new();
    let fails = found(failing, Channel::Failing, &mut missing)
        .filter(|ruling| is_no_mere_say_so(ruling, analysis, &mut missing));
    let mostly_refused = blocked.everyone.failing > failing.everyone.failing;
    let speaks_for_few = |ruling: &Ruling<'_>| mostly_refused && ruling.scopes.iter().any(|scope| scope.all);
    let (few, firm) = match fails {
        Some(ruling) if speaks_for_few(&ruling) => (Some(ruling), None),
        other => (None, other),
    };
    // Where more fail than are refused, and nothing can be said of those, the few are not the news.
    let drowned = !failing.findings.is_empty() && !mostly_refused;
    let refused = |missing: &mut Vec<String>| {
        found(blocked, Channel::Blocked, missing).filter(|ruling| !drowned || ruling.scopes[0].all)
    };
    if let Some(ruling) = firm.or_else(|| refused(&mut missing)).or(few) {
        return ruling;
    }
    if wavers(analysis) {
        let confidence = Confidence::new(failing.nothing.get().max(SURE));
        return Ruling { confidence, ..everybody(Verdict::Flaky, failing, Channel::Failing) };
    }
    if let Some(ruling) = found(slow, Channel::Slow, &mut missing) {
        return ruling;
    }
    up_or_unknown(analysis, missing)
}

/// What a fifth of all testers, or all of one network, could make us believe by saying the same each time is not believed.
fn is_no_mere_say_so(ruling: &Ruling<'_>, analysis: &Analysis, missing: &mut Vec<String>) -> bool {
    let lacks = match ruling.verdict {
        Verdict::Flaky | Verdict::Partial if !varies(&analysis.variation) && hits_few(ruling) => {
            "the testers that fail do so each time and have nothing in common; more testers would tell"
        }
        Verdict::Partial
            if ruling.scan.outside.mostly_failing * OUTSIDE_FAILING > ruling.scan.outside.agents =>
        {
            "many fail outside of every part that could be named; more testers would tell"
        }
        Verdict::Partial
            if analysis.coverage.healthy_elsewhere * HEALTHY_ELSEWHERE < analysis.coverage.answered =>
        {
            "nearly all testers that reach it stand in one network; more networks would tell"
        }
        _ => return true,
    };
    missing.push(lacks.to_owned());
    false
}

/// Everybody, or a part of which most get through.
fn hits_few(ruling: &Ruling<'_>) -> bool {
    let covered = &ruling.scan.covered;
    ruling.verdict == Verdict::Flaky || covered.mostly_failing * INSIDE_FAILING < covered.agents
}

fn varies(variation: &Variation) -> bool {
    let Variation { failing, varying, repeated } = *variation;
    let one_in = if 2 * repeated > failing { VARYING_OF_ROUNDS } else { VARYING_OF_TRIES };
    varying * one_in >= failing
}

fn up_or_unknown(analysis: &Analysis, mut missing: Vec<String>) -> Ruling<'_> {
    let failing = &analysis.failing;
    let nothing_found = failing.findings.is_empty() && failing.nothing.get() >= SURE;
    let lacking = coverage_lacks(&analysis.coverage);
    let up = nothing_found && lacking.is_empty();
    if up {
        missing.clear();
    } else if missing.is_empty() && lacking.is_empty() {
        missing.push(may_be_chance(failing.everyone.failing, Channel::Failing));
    } else if missing.is_empty() {
        missing = lacking;
    }
    Ruling {
        verdict: if up { Verdict::Up } else { Verdict::Unknown },
        confidence: if up { failing.nothing } else { Confidence::default() },
        scopes: Vec::new(),
        same_coverage: Vec::new(),
        channel: Channel::Failing,
        scan: failing,
        missing,
    }
}

/// What one question's findings allow to be said; `missing` gets what is lacking when there are findings that allow nothing.
fn found<'a>(scan: &'a Scan, channel: Channel, missing: &mut Vec<String>) -> Option<Ruling<'a>> {
    if scan.findings.is_empty() {
        return None;
    }
    if scan.nothing.get() > 1.0 - SURE {
        missing.push(may_be_chance(scan.covered.failing, channel));
        return None;
    }
    if is_everybody(scan) {
        return everybody_fails(scan, channel, missing);
    }
    let named: Vec<&Finding> = scan.findings.iter().filter(|finding| may_be_named(finding)).collect();
    if named.is_empty() {
        let finding = &scan.findings[0];
        missing.push(format!(
            "{}, of {} who could see it; at least {SCOPE_AGENTS} in the same place, {SCOPE_FAILING} of them failing, are needed",
            counted(finding.tally.failing, channel),
            finding.tally.agents
        ));
        return None;
    }
    Some(Ruling {
        verdict: match channel {
            Channel::Failing => Verdict::Partial,
            Channel::Blocked => Verdict::Blocked,
            Channel::Slow => Verdict::Degraded,
        },
        confidence: scan.confidence,
        scopes: named.iter().map(|finding| finding.scope.clone()).collect(),
        same_coverage: named.iter().flat_map(|finding| finding.same_coverage.clone()).collect(),
        channel,
        scan,
        missing: Vec::new(),
    })
}

fn everybody_fails<'a>(scan: &'a Scan, channel: Channel, missing: &mut Vec<String>) -> Option<Ruling<'a>> {
    let (networks, regions) = (scan.covered.failing_networks, scan.covered.failing_regions);
    if networks < DOWN_NETWORKS || regions < DOWN_REGIONS {
        missing.push(format!(
            "{}, in {} and {}; {DOWN_NETWORKS} networks in {DOWN_REGIONS} regions must agree to speak for everyone",
            counted(scan.covered.failing, channel),
            plural(networks, "network"),
            plural(regions, "region")
        ));
        return None;
    }
    if scan.confidence.get() < SURE {
        missing.push("more testers, to tell a part of the network from all of it".to_owned());
        return None;
    }
    let verdict = match channel {
        Channel::Failing if scan.strength > DOWN_STRENGTH => Verdict::Down,
        Channel::Failing => Verdict::Flaky,
        Channel::Blocked => Verdict::Blocked,
        Channel::Slow => Verdict::Degraded,
    };
    Some(everybody(verdict, scan, channel))
}

fn everybody(verdict: Verdict, scan: &Scan, channel: Channel) -> Ruling<'_> {
    Ruling {
        verdict,
        confidence: scan.confidence,
        scopes: vec![Scope::everybody()],
        same_coverage: Vec::new(),
        channel,
        scan,
        missing: Vec::new(),
    }
}

fn is_everybody(scan: &Scan) -> bool {
    scan.findings.iter().any(|finding| finding.scope.all) || scan.covered.share > EVERYBODY_SHARE
}

fn may_be_named(finding: &Finding) -> bool {
    let tally = &finding.tally;
    tally.agents >= SCOPE_AGENTS
        && tally.failing >= SCOPE_FAILING
        && (finding.scope.asn.is_some() || tally.failing_networks >= SCOPE_NETWORKS)
}

fn wavers(analysis: &Analysis) -> bool {
    let answered = analysis.coverage.answered;
    answered >= WAVERING_OF && analysis.wavering * WAVERING_SHARE >= answered
}

/// What is lacking to say "up".
fn coverage_lacks(coverage: &Coverage) -> Vec<String> {
    let mut lacks = Vec::new();
    if coverage.answered == 0 {
        lacks
            .push(format!("no tester could tell; at least {UP_AGENTS} in {UP_NETWORKS} networks are needed"));
    } else if coverage.answered < UP_AGENTS {
        lacks.push(format!(
            "only {} answered; at least {UP_AGENTS} in {UP_NETWORKS} networks are needed",
            plural(coverage.answered, "tester")
        ));
    } else if coverage.healthy < UP_AGENTS {
        lacks.push(format!(
            "only {} reach it; at least {UP_AGENTS} in {UP_NETWORKS} networks are needed",
            plural(coverage.healthy, "tester")
        ));
    } else if coverage.healthy_networks < UP_NETWORKS {
        lacks.push(format!(
            "the testers that reach it stand in {}; at least {UP_NETWORKS} are needed",
            plural(coverage.healthy_networks, "network")
        ));
    }
    if coverage.answered > 0 && coverage.healthy_regions < UP_REGIONS {
        lacks.push(format!(
            "the testers that reach it stand in {}; at least {UP_REGIONS} are needed",
            plural(coverage.healthy_regions, "region")
        ));
    }
    lacks
}

fn may_be_chance(agents: u32, channel: Channel) -> String {
    format!("{}; that may be chance, and a second round would tell", counted(agents, channel))
}

fn counted(agents: u32, channel: Channel) -> String {
    let (one, many) = match channel {
        Channel::Failing => ("fails", "fail"),
        Channel::Blocked => ("is refused", "are refused"),
        Channel::Slow => ("finds it slow", "find it slow"),
    };
    format!("{} {}", plural(agents, "tester"), if agents == 1 { one } else { many })
}

/// `1 tester`, `2 testers`.
pub(crate) fn plural(n: u32, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
