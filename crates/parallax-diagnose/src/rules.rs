//! Which verdict an analysis allows, and what is missing when it allows none.

use parallax_model::{Confidence, Scope, Verdict};

use crate::analyse::{Analysis, Coverage, Finding, Scan, Variation};
use crate::observe::Channel;

mod lies;

/// A verdict needs a posterior of at least this …
const SURE: f64 = 0.8;
/// … and "up" of at least this: what it says is what is usual.
const UP_SURE: f64 = 0.65;
/// A part is named for sure where chance explains it less than this: a site that works is looked at thousands of times a day.
const CHANCE: f64 = 0.001;
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
/// What comes and goes does so for one tester too: one in so many of the failing ones gets through at another try, beyond those who
/// would anyway …
const VARYING_OF_TRIES: f64 = 6.0;
/// … and one in so many where most were asked more than once.
const VARYING_OF_ROUNDS: u32 = 2;
/// A part is named only where fewer than one in so many fail outside of it …
const OUTSIDE_FAILING: u32 = 8;
/// … of those inside one in so many fail (where they are most of all: two in five), or the same tester fails now and then …
const INSIDE_FAILING: u32 = 3;
/// … and one in so many testers, and half of those who reach the site, do so from beyond the network that most of them stand in.
const HEALTHY_ELSEWHERE: u32 = 10;
/// A part beside others must explain so much beyond them, in nats …
const BESIDE_GAIN: f64 = 2.0;
/// … so much if one of the others is a network that fails as a whole: some who stand, or lie, there may be shown elsewhere …
const BESIDE_WHOLE_GAIN: f64 = 8.0;
/// … from this strength on …
const WHOLE: f64 = 0.9;
/// … and beyond those before it hit so many …
const BESIDE_FAILING: u32 = 4;
/// … so strongly.
const BESIDE_STRENGTH: f64 = 0.3;
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

/// Whether what fails is the verdict, whoever is refused or slow: [`rule`]'s first answer.
pub(crate) fn fails_firmly(analysis: &Analysis) -> bool {
    let (failing, missing) = (&analysis.failing, &mut Vec::new());
    let mostly_refused = analysis.blocked.everyone.failing > failing.everyone.failing;
    found(failing, Channel::Failing, missing)
        .filter(|ruling| is_no_mere_say_so(ruling, analysis, missing))
        .is_some_and(|ruling| !mostly_refused || !ruling.scopes.iter().any(|scope| scope.all))
}

/// Whether nothing of what fails or refuses is the verdict, so that it depends on what is slow.
pub(crate) fn works_so_far(analysis: &Analysis) -> bool {
    matches!(rule(analysis).verdict, Verdict::Up | Verdict::Unknown)
}

/// What a fifth of all testers, or all of one network, could make us believe by saying the same each time is not believed.
fn is_no_mere_say_so(ruling: &Ruling<'_>, analysis: &Analysis, missing: &mut Vec<String>) -> bool {
    let lacks = match ruling.verdict {
        Verdict::Flaky | Verdict::Partial if !varies(&analysis.variation) && hits_few(ruling) => {
            "the testers that fail do so each time and have nothing in common; more testers would tell"
        }
        Verdict::Flaky if lies::may_vary_by_chance(&analysis.variation, ruling.scan.everyone.agents) => {
            "hardly any of the testers that fail gets through at another try; a second round would tell"
        }
        Verdict::Partial if !varies(&analysis.variation) && lies::may_be_spread(ruling) => {
            "those who fail may be testers that fail always, anywhere; more testers would tell"
        }
        Verdict::Partial if many_outside(ruling) => {
            "many fail outside of every part that could be named; more testers would tell"
        }
        Verdict::Partial
            if analysis.coverage.healthy_elsewhere * HEALTHY_ELSEWHERE < analysis.coverage.answered
                || analysis.coverage.healthy_elsewhere * 2 < analysis.coverage.healthy =>
        {
            "nearly all testers that reach it stand in one network; more networks would tell"
        }
        _ => return true,
    };
    missing.push(lacks.to_owned());
    false
}

/// Whether one in so many fails of those who are in no part that is named.
fn many_outside(ruling: &Ruling<'_>) -> bool {
    let (failing, agents) = lies::unnamed(ruling);
    failing * OUTSIDE_FAILING > agents
}

/// Everybody, or a part of which most get through.
fn hits_few(ruling: &Ruling<'_>) -> bool {
    let (covered, everyone) = (&ruling.scan.covered, &ruling.scan.everyone);
    let few = if 2 * covered.agents > everyone.agents {
        5 * covered.mostly_failing < 2 * covered.agents
    } else {
        INSIDE_FAILING * covered.mostly_failing < covered.agents
    };
    ruling.verdict == Verdict::Flaky || few
}

fn varies(variation: &Variation) -> bool {
    let Variation { failing, varying, repeated, by_themselves } = *variation;
    if 2 * repeated > failing {
        return varying * VARYING_OF_ROUNDS >= failing;
    }
    (f64::from(varying) - by_themselves) * VARYING_OF_TRIES >= f64::from(failing)
}

fn up_or_unknown(analysis: &Analysis, mut missing: Vec<String>) -> Ruling<'_> {
    let failing = &analysis.failing;
    let nothing_found = failing.findings.is_empty() && failing.nothing.get() >= UP_SURE;
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
    let named: Vec<&Finding> = (0..scan.findings.len())
        .filter(|n| may_be_named(&scan.findings[*n]) && stands_beside(scan, *n))
        .filter(|n| !lies::may_be_one_network(scan, *n))
        .map(|n| &scan.findings[n])
        .collect();
    if named.is_empty() {
        let finding = &scan.findings[0];
        missing.push(format!(
            "{}, of {} who could see it; at least {SCOPE_AGENTS} in the same place, {SCOPE_FAILING} of them failing, are needed",
            counted(finding.tally.failing, channel),
            finding.tally.agents
        ));
        return None;
    }
    let by_chance =
        (scan.nothing.get() > CHANCE).then(|| "another round, to be sure that it is no chance".to_owned());
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
        missing: Vec::from_iter(by_chance),
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

/// Whether what a finding shows beyond the others is enough to name it beside them.
fn stands_beside(scan: &Scan, n: usize) -> bool {
    let finding = &scan.findings[n];
    let whole = |other: &Finding| {
        other.scope.asn.is_some() && other.scope.asn != finding.scope.asn && other.strength >= WHOLE
    };
    let beside_whole = scan.findings.iter().any(whole);
    let least = if beside_whole { BESIDE_WHOLE_GAIN } else { BESIDE_GAIN };
    let first = n == 0
        || finding.strength >= BESIDE_STRENGTH
            && finding.beyond.failing >= BESIDE_FAILING
            && finding.beyond.agents >= SCOPE_AGENTS;
    scan.findings.len() == 1 || finding.gain >= least && first
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
