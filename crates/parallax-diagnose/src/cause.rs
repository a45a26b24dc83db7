//! Why: how much each clue speaks for and against each cause, and the posterior over the causes.
//!
//! Clues of one family are clipped together, so that ten copies of one clue count once. The posterior is a little less sure than
//! it could be: on simulated worlds it is right more often than it says, and real sites are less clear than those.

use std::collections::BTreeMap;

use parallax_model::{Cause, CauseKind, Confidence};

/// Number of causes.
const CAUSES: usize = 9;
/// Causes with their prior probability, in the order of a clue's weights.
const PRIORS: [(CauseKind, f64); CAUSES] = [
    (CauseKind::Overload, 0.25),
    (CauseKind::Network, 0.15),
    (CauseKind::Firewall, 0.08),
    (CauseKind::Misconfiguration, 0.15),
    (CauseKind::DnsChange, 0.07),
    (CauseKind::Tls, 0.05),
    (CauseKind::CdnEdge, 0.05),
    (CauseKind::OriginCrash, 0.2),
    (CauseKind::Maintenance, 0.05),
];
/// No family of clues moves a cause by more nats than this.
const FAMILY_LIMIT: f64 = 3.0;
/// Scores are divided by this before they become probabilities.
const TEMPERATURE: f64 = 1.0;
/// A cause is sure enough to stand alone from this probability …
const PUBLISH: f64 = 0.6;
/// … and this lead over the next.
const PUBLISH_LEAD: f64 = 0.2;
/// A clue is told when it moves the cause by at least this many nats.
const WORTH_TELLING: f64 = 0.5;

/// Nats for each cause, in the order of the model's words: overload, network, firewall, misconfiguration, dns-change, tls,
/// cdn-edge, origin-crash, maintenance.
pub(crate) type Weights = [f64; CAUSES];

/// What kind of clue it is; clues of one family are clipped together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Scope,
    Pattern,
    Latency,
    Status,
    Reset,
    Policy,
    Filter,
    Static,
    Names,
    Record,
    Serial,
    Http3,
    Certificate,
    Address,
    Answered,
    Host,
    Handshake,
    Content,
    Announced,
    SameHost,
    SameNetwork,
    Change,
}

/// A kind of clue: what it says about each cause when every failing result shows it.
#[derive(Debug)]
pub(crate) struct Sign {
    family: Family,
    weights: Weights,
}

impl Sign {
    pub(crate) const fn new(family: Family, weights: Weights) -> Self {
        Self { family, weights }
    }

    #[cfg(test)]
    pub(crate) const fn weights(&self) -> &Weights {
        &self.weights
    }
}

/// One thing that was seen, the share of the failing results that show it, and the sentence that tells it with its counts.
#[derive(Debug, Clone)]
pub(crate) struct Clue {
    pub(crate) sign: &'static Sign,
    pub(crate) share: f64,
    pub(crate) sentence: String,
}

impl Clue {
    fn nats(&self, cause: usize) -> f64 {
        self.sign.weights[cause] * self.share
    }
}

/// The likeliest cause, and the sentence that names the next one when the first does not stand alone.
pub(crate) fn likeliest(clues: &[Clue]) -> (Cause, Option<String>) {
    let posterior = posterior(clues);
    let mut order: Vec<usize> = (0..CAUSES).collect();
    order.sort_by(|a, b| posterior[*b].total_cmp(&posterior[*a]));
    let (first, second) = (order[0], order[1]);
    let told = |wanted: fn(f64) -> bool| -> Vec<String> {
        let mut told: Vec<(f64, &str)> = clues
            .iter()
            .map(|clue| (clue.nats(first), clue.sentence.as_str()))
            .filter(|(weight, _)| wanted(*weight))
            .collect();
        told.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        told.into_iter().map(|(_, sentence)| sentence.to_owned()).collect()
    };
    let cause = Cause {
        kind: PRIORS[first].0,
        confidence: Confidence::new((posterior[first] * 1e4).round() / 1e4),
        evidence_for: told(|weight| weight >= WORTH_TELLING),
        evidence_against: told(|weight| weight <= -WORTH_TELLING),
    };
    let alone = posterior[first] >= PUBLISH && posterior[first] - posterior[second] >= PUBLISH_LEAD;
    let runner_up = (!alone).then(|| {
        format!(
            "The cause is not sure: {} at {:.0} %, {} at {:.0} %.",
            spoken(PRIORS[first].0),
            posterior[first] * 100.0,
            spoken(PRIORS[second].0),
            posterior[second] * 100.0
        )
    });
    (cause, runner_up)
}

/// The cause as it is named in the middle of a sentence.
const fn spoken(kind: CauseKind) -> &'static str {
    match kind {
        CauseKind::Overload => "overload",
        CauseKind::Network => "the network",
        CauseKind::Firewall => "a firewall",
        CauseKind::Misconfiguration => "a wrong setting",
        CauseKind::DnsChange => "a move in DNS",
        CauseKind::Tls => "TLS or the certificate",
        CauseKind::CdnEdge => "a CDN’s edge",
        CauseKind::OriginCrash => "a crash behind the front server",
        CauseKind::Maintenance => "maintenance",
    }
}

/// Every cause with its probability, the likeliest first.
pub(crate) fn ranked(clues: &[Clue]) -> Vec<(CauseKind, Confidence)> {
    let posterior = posterior(clues);
    let mut ranked: Vec<(CauseKind, f64)> =
        PRIORS.iter().zip(posterior).map(|((kind, _), probability)| (*kind, probability)).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.into_iter().map(|(kind, probability)| (kind, Confidence::new(probability))).collect()
}

fn posterior(clues: &[Clue]) -> Weights {
    let mut families: BTreeMap<Family, Weights> = BTreeMap::new();
    for clue in clues {
        let sums = families.entry(clue.sign.family).or_insert([0.0; CAUSES]);
        for (cause, sum) in sums.iter_mut().enumerate() {
            *sum += clue.nats(cause);
        }
    }
    let scores: Weights = std::array::from_fn(|cause| {
        let clipped: f64 = families.values().map(|sums| sums[cause].clamp(-FAMILY_LIMIT, FAMILY_LIMIT)).sum();
        (PRIORS[cause].1.ln() + clipped) / TEMPERATURE
    });
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|score| (score - top).exp()).sum();
    scores.map(|score| (score - top).exp() / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_copies_of_one_clue_count_as_the_family_limit() {
        static CDN: Sign = Sign::new(Family::Scope, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, FAMILY_LIMIT, 0.0, 0.0]);
        let clue = Clue { sign: &CDN, share: 1.0, sentence: "a clue".to_owned() };
        let once = posterior(std::slice::from_ref(&clue));
        let often = posterior(&vec![clue; 10]);
        assert!(once.iter().zip(often).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn a_clue_that_half_of_the_results_show_counts_half() {
        static CRASH: Sign = Sign::new(Family::Status, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
        let odds = |share| {
            let ranked = ranked(&[Clue { sign: &CRASH, share, sentence: String::new() }]);
            let total: f64 = ranked.iter().map(|(_, probability)| probability.get()).sum();
            assert!((total - 1.0).abs() < 1e-12 && ranked.len() == CAUSES, "{ranked:?}");
            let of = |kind| ranked.iter().find(|(k, _)| *k == kind).map_or(0.0, |(_, p)| p.get());
            of(CauseKind::OriginCrash) / of(CauseKind::Network)
        };
        assert!((odds(1.0) / odds(0.0) - 2.0_f64.exp()).abs() < 1e-9);
        assert!((odds(0.5) / odds(0.0) - 1.0_f64.exp()).abs() < 1e-9);
    }

    #[test]
    fn without_a_clue_the_prior_answers_and_says_that_it_is_not_sure() {
        let (cause, runner_up) = likeliest(&[]);
        assert_eq!(cause.kind, CauseKind::Overload);
        assert!(cause.confidence.get() < PUBLISH);
        assert!(runner_up.is_some_and(|line| line.contains("a crash behind the front server")));
    }
}
