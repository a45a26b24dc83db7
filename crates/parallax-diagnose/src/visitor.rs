//! What one visitor is told: whether it is only them, their provider, or a scope they are in.

use std::collections::BTreeSet;

use parallax_model::{Asn, BeaconState, FailureKind, HttpFailure, Scope, Verdict, VisitorVerdict};

use crate::candidate::network_cost;
use crate::evidence::{Evidence, Influence};
use crate::observe::{Channel, Observation, Observations};
use crate::place::{Place, part};
use crate::reports::network_nats;
use crate::rules::{Ruling, plural};
use crate::world::{BrowserState, WorldVisitor};

/// "Your provider" needs this gain, in nats …
const ISP_GAIN: f64 = 4.0;
/// … while elsewhere at most this share of probes is hit.
const ELSEWHERE_STRENGTH: f64 = 0.1;
/// A browser's failure is worth this much of an agent's.
const VISITOR_WEIGHT: f64 = 0.5;
/// How often a browser's test fails by itself.
const VISITOR_BASELINE: f64 = 0.05;
/// "Just you" needs so many agents of the visitor's own network …
const OWN_NETWORK_AGENTS: usize = 3;
/// … or, where there are fewer, so many in the country.
const OWN_COUNTRY_AGENTS: usize = 12;
/// "Just you" needs this probability …
const JUST_YOU_SURE: f64 = 0.95;
/// … that a fault of the provider would hit less than this share of its customers.
const JUST_YOU_STRENGTH: f64 = 0.3;
/// How many of a provider's customers fail when nothing is known: mean .05, worth two results.
const ISP_PRIOR: (f64, f64) = (0.1, 1.9);

/// What the visitor is told, and what was missing to say more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) verdict: VisitorVerdict,
    pub(crate) missing: Option<String>,
}

/// Whether a place has every value of the scope.
pub fn covers(scope: &Scope, place: &Scope) -> bool {
    Place::of(place).is_in(scope)
}

/// Rules, in this order:
///
/// 0. where every tester is refused, only their own failing browser says that they are affected;
/// 1. in a published scope: affected, or your-isp when the scope names their network; unless their browser contradicts it;
/// 2. their browser fails and our beacon works there: your-isp when their network fails by its own results, reports and this
///    browser; just-you when enough others of their network work;
/// 3. everything works, or fails elsewhere only: not-affected;
/// 4. else unknown.
pub(crate) fn tell(ruling: &Ruling<'_>, observations: &Observations<'_>, visitor: &WorldVisitor) -> Told {
    let told = |verdict| Told { verdict, missing: None };
    let browser_fails = matches!(visitor.browser, Some(BrowserState::Error | BrowserState::Timeout));
    let line_works = visitor.beacon == Some(BeaconState::Ok);
    let line_broken = visitor.beacon == Some(BeaconState::Failed);
    if ruling.verdict == Verdict::Blocked && ruling.scopes.iter().any(|scope| scope.all) && !browser_fails {
        // That our testers are refused says nothing of people.
        return told(VisitorVerdict::Unknown);
    }
    match in_scopes(ruling, observations, visitor, browser_fails) {
        Some(true) if contradicts(ruling, observations, visitor) => {
            return told(VisitorVerdict::NotAffected);
        }
        Some(true) => {
            let own = ruling.scopes.iter().any(|s| s.asn.is_some() && s.asn == visitor.asn);
            return told(if own { VisitorVerdict::YourIsp } else { VisitorVerdict::Affected });
        }
        None => return told(VisitorVerdict::Unknown),
        Some(false) => {}
    }
    if browser_fails && line_works {
        return only_them(observations, visitor);
    }
    if browser_fails || line_broken || ruling.verdict == Verdict::Unknown {
        let missing = (browser_fails || line_broken)
            .then(|| "whether your own line works: the test of our beacon did not work there".to_owned());
        return Told { verdict: VisitorVerdict::Unknown, missing };
    }
    told(VisitorVerdict::NotAffected)
}

/// Whether the visitor is in a published scope; `None` when that cannot be told.
fn in_scopes(
    ruling: &Ruling<'_>,
    observations: &Observations<'_>,
    visitor: &WorldVisitor,
    browser_fails: bool,
) -> Option<bool> {
    let place = place_of(visitor, observations);
    let mut untold = false;
    for scope in &ruling.scopes {
        let set = scope.attributes();
        let known = |scope_part: &Scope| place.part(&scope_part.attributes()) != Scope::default();
        let parts: Vec<Scope> = set.iter().map(|attribute| part(scope, &[*attribute])).collect();
        if parts.iter().all(|p| place.is_in(p)) {
            return Some(true);
        }
        let outside = parts.iter().any(|p| known(p) && !place.is_in(p));
        untold |= !outside;
    }
    // Another name of the same coverage may tell what the shown one cannot: the country for the PoP.
    if let [_] = ruling.scopes.as_slice() {
        for alias in
            ruling.same_coverage.iter().filter(|alias| place.part(&alias.attributes()) != Scope::default())
        {
            if place.is_in(alias) {
                return Some(true);
            }
            untold = false;
        }
    }
    // Where PoP, address or resolver of the visitor are not known, their own failing browser puts them inside.
    match visitor.browser {
        _ if !untold => Some(false),
        Some(_) => Some(browser_fails),
        None => None,
    }
}

/// What is known of the visitor's place; the region follows from the country when all agents there are in one region.
fn place_of<'a>(visitor: &'a WorldVisitor, observations: &Observations<'a>) -> Place<'a> {
    let near =
        |o: &&Observation<'_>| visitor.country.is_some() && o.place.country == visitor.country.as_ref();
    let regions: BTreeSet<_> =
        observations.usable.iter().filter(near).filter_map(|o| o.place.region).collect();
    let region = if regions.len() == 1 { regions.into_iter().next() } else { None };
    Place {
        asn: visitor.asn.filter(|asn| asn.0 != 0),
        country: visitor.country.as_ref(),
        family: visitor.family,
        region,
        ..Place::default()
    }
}

/// A browser that got an answer contradicts a scope in which nothing answers. It cannot contradict a 502: its fetch is opaque.
fn contradicts(ruling: &Ruling<'_>, observations: &Observations<'_>, visitor: &WorldVisitor) -> bool {
    if visitor.browser != Some(BrowserState::Ok) || ruling.channel != Channel::Failing {
        return false;
    }
    let inside = |o: &&Observation<'_>| ruling.scopes.iter().any(|scope| o.place.is_in(scope));
    let kinds = observations.usable.iter().filter(inside).filter_map(Observation::kind);
    let (mut answered, mut all) = (0_u32, 0_u32);
    for kind in kinds {
        all += 1;
        answered += u32::from(matches!(kind, FailureKind::Http(HttpFailure::Status(_))));
    }
    2 * answered < all
}

/// The visitor's browser fails, our beacon works there, and no published scope has them.
fn only_them(observations: &Observations<'_>, visitor: &WorldVisitor) -> Told {
    let of_network = |o: &&Observation<'_>| visitor.asn.is_some() && o.place.asn == visitor.asn;
    let of_country =
        |o: &&Observation<'_>| visitor.country.is_some() && o.place.country == visitor.country.as_ref();
    let says = |o: &&Observation<'_>| o.says(Channel::Failing).is_some();
    let (own, others): (Vec<&Observation<'_>>, Vec<&Observation<'_>>) =
        observations.usable.iter().filter(says).partition(of_network);
    if let Some(asn) = visitor.asn.filter(|_| isp_gain(observations, visitor, &own) >= ISP_GAIN) {
        return your_isp(asn, &others);
    }
    let country: Vec<&Observation<'_>> = observations.usable.iter().filter(says).filter(of_country).collect();
    let covered = agents(&own) >= OWN_NETWORK_AGENTS;
    let (peers, enough) = if covered {
        (own, true)
    } else {
        let enough = agents(&country) >= OWN_COUNTRY_AGENTS;
        (country, enough)
    };
    if enough && mostly_works(&peers) {
        let missing = (!covered).then(|| "a tester in your own network: it may be your provider".to_owned());
        return Told { verdict: VisitorVerdict::JustYou, missing };
    }
    let missing = match agents(&peers) {
        0 => "a tester in your network or country".to_owned(),
        n => format!(
            "only {} near you; at least {OWN_NETWORK_AGENTS} in your network are needed",
            plural(crate::observe::count(n), "tester")
        ),
    };
    Told { verdict: VisitorVerdict::Unknown, missing: (!enough).then_some(missing) }
}

/// The provider's failure is its own only when others work.
fn your_isp(asn: Asn, others: &[&Observation<'_>]) -> Told {
    let elsewhere = evidence_of(others);
    if others.is_empty() || elsewhere.strength() < ELSEWHERE_STRENGTH {
        return Told { verdict: VisitorVerdict::YourIsp, missing: None };
    }
    let missing = format!("whether others than {asn} are affected too");
    Told { verdict: VisitorVerdict::Unknown, missing: Some(missing) }
}

/// How much a fault of the visitor's network would explain: its agents, the visitor at half weight, and its reports.
fn isp_gain(observations: &Observations<'_>, visitor: &WorldVisitor, own: &[&Observation<'_>]) -> f64 {
    let mut evidence = evidence_of(own);
    evidence.add(&Influence::new(1.0, VISITOR_BASELINE, VISITOR_WEIGHT));
    let networks: BTreeSet<Option<Asn>> = observations.usable.iter().map(|o| o.place.asn).collect();
    let reported = observations.reports.zip(visitor.asn).map_or(0.0, |(reports, asn)| {
        network_nats(reports.by_asn.get(&asn).copied().unwrap_or(0), reports.expected)
    });
    evidence.gain(network_cost(networks.len())) + reported
}

fn evidence_of(observations: &[&Observation<'_>]) -> Evidence {
    let mut evidence = Evidence::default();
    for observation in observations {
        if let Some(y) = observation.says(Channel::Failing) {
            evidence.add(&Influence::new(y, observation.baseline, observation.weight));
        }
    }
    evidence
}

fn agents(observations: &[&Observation<'_>]) -> usize {
    observations.iter().map(|o| o.result.agent.as_str()).collect::<BTreeSet<_>>().len()
}

/// `P(share of the network's customers that fail < .3 | results) ≥ .95`.
fn mostly_works(peers: &[&Observation<'_>]) -> bool {
    let failing: f64 = peers.iter().filter_map(|o| o.says(Channel::Failing)).sum();
    let working = peers.len() as f64 - failing;
    beta_below(JUST_YOU_STRENGTH, ISP_PRIOR.0 + failing, ISP_PRIOR.1 + working) >= JUST_YOU_SURE
}

/// `P(X < x)` of a Beta(a, b), by the midpoint rule after `u = t^a`, which takes the pole at 0 away.
fn beta_below(x: f64, a: f64, b: f64) -> f64 {
    const STEPS: u32 = 2_000;
    let integral = |from: f64, to: f64| -> f64 {
        let width = (to - from) / f64::from(STEPS);
        let middle = |step: u32| from + (f64::from(step) + 0.5) * width;
        (0..STEPS).map(|step| (1.0 - middle(step).powf(1.0 / a)).max(0.0).powf(b - 1.0)).sum::<f64>() * width
    };
    let edge = x.powf(a);
    let below = integral(0.0, edge);
    below / (below + integral(edge, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beta_integral_agrees_with_closed_forms() {
        // Beta(1, n): P(X < x) = 1 − (1−x)^n; Beta(n, 1): x^n.
        assert!((beta_below(0.3, 1.0, 7.0) - (1.0 - 0.7_f64.powi(7))).abs() < 1e-4);
        assert!((beta_below(0.3, 3.0, 1.0) - 0.027).abs() < 1e-4);
    }

    #[test]
    fn one_failing_peer_among_three_leaves_doubt() {
        let (a, b) = ISP_PRIOR;
        assert!(beta_below(JUST_YOU_STRENGTH, a, b + 3.0) >= JUST_YOU_SURE);
        assert!(beta_below(JUST_YOU_STRENGTH, a + 1.0, b + 2.0) < JUST_YOU_SURE);
    }
}
