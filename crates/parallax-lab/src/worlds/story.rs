//! What faults look like from outside: each story is one way a site breaks, told by what probes see, not by what any method
//! looks for. Sources: RFC 9110 (15.6), RFC 6585, RFC 7725, Cloudflare's 5xx pages, and the five causes of an operator's "502".

use parallax_diagnose::ChangeKind;
use parallax_model::CauseKind;

/// Whom a story can happen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named as the attribute it sets")]
pub enum Spot {
    All,
    Asn,
    AsnRegion,
    Region,
    Country,
    Pop,
    V6,
    H3,
    Resolver,
    Address,
    OldAddress,
    Hosting,
    AnyPair,
}

/// What a fault does to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It fails.
    Fails,
    /// It is refused.
    Refuses,
    /// It works, late.
    Slows,
}

/// What else can be seen failing at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// Nothing that was looked at.
    Fine,
    /// Other sites from the same network.
    Network,
    /// Other sites through the same PoP or CDN.
    Pop,
}

/// One way a site breaks.
#[derive(Debug)]
pub struct Story {
    /// Why; `None` where outside probes cannot know even with perfect sight.
    pub cause: Option<CauseKind>,
    /// What it does.
    pub harm: Harm,
    /// Whom it can happen to.
    pub spots: &'static [Spot],
    /// Whether it takes a CDN (or the lack of one).
    pub cdn: Option<bool>,
    /// What probes that are hit see, by weight.
    pub sees: &'static [(&'static str, f64)],
    /// Who signs the error page, one of these.
    pub signs: &'static [&'static str],
    /// Share of probes it hits.
    pub strength: (f64, f64),
    /// How often a second try passes.
    pub retry_passes: f64,
    /// Share of 503 answers with Retry-After.
    pub retry_after: f64,
    /// What the page is, and how often that can be told.
    pub page: Option<(&'static str, f64)>,
    /// How often a static path works while this one does not; `None` when no path works.
    pub static_works: Option<f64>,
    /// Times the usual time to the first byte, for probes that pass.
    pub slows: (f64, f64),
    /// The change that set it off, and how often it was noticed.
    pub change: Option<(ChangeKind, f64)>,
    /// What else fails.
    pub neighbours: Neighbours,
}

/// The plain story: sudden, complete, with no word about itself.
const PLAIN: Story = Story {
    cause: None,
    harm: Harm::Fails,
    spots: &[],
    cdn: None,
    sees: &[],
    signs: &["unknown"],
    strength: (0.85, 1.0),
    retry_passes: 0.03,
    retry_after: 0.0,
    page: None,
    static_works: None,
    slows: (0.9, 1.15),
    change: None,
    neighbours: Neighbours::Fine,
};

const FRONTS: &[&str] = &["nginx", "haproxy", "envoy", "unknown"];
const EDGES: &[&str] = &["cloudflare", "fastly", "unknown"];

/// Every story there is.
pub const STORIES: &[Story] = &[
    // Too much work: part of it passes, late; the rest is shed or waits for a limit.
    Story {
        cause: Some(CauseKind::Overload),
        spots: &[Spot::All],
        sees: &[("http-503", 0.5), ("http-504", 0.2), ("http-502", 0.1), ("http-timeout", 0.2)],
        signs: FRONTS,
        strength: (0.2, 0.85),
        retry_passes: 0.45,
        retry_after: 0.35,
        static_works: Some(0.7),
        slows: (1.5, 6.0),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Overload),
        spots: &[Spot::All],
        sees: &[("http-503", 0.65), ("http-429", 0.15), ("http-timeout", 0.2)],
        signs: FRONTS,
        strength: (0.3, 0.9),
        retry_passes: 0.35,
        retry_after: 0.6,
        slows: (1.2, 4.0),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Overload),
        spots: &[Spot::All],
        cdn: Some(true),
        sees: &[("http-524", 0.4), ("http-522", 0.3), ("http-503", 0.3)],
        signs: &["cloudflare"],
        strength: (0.3, 0.9),
        retry_passes: 0.4,
        slows: (2.0, 8.0),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Overload),
        harm: Harm::Slows,
        spots: &[Spot::All],
        strength: (0.6, 1.0),
        slows: (4.0, 12.0),
        ..PLAIN
    },
    // The way there: nothing answers, for those who share the way.
    Story {
        cause: Some(CauseKind::Network),
        spots: &[Spot::Asn, Spot::AsnRegion, Spot::Region, Spot::Country],
        sees: &[
            ("connect-timeout", 0.6),
            ("http-timeout", 0.25),
            ("connect-unreachable", 0.1),
            ("tls-timeout", 0.05),
        ],
        strength: (0.6, 1.0),
        retry_passes: 0.1,
        neighbours: Neighbours::Network,
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Network),
        spots: &[Spot::Asn, Spot::AsnRegion, Spot::Region],
        sees: &[("http-timeout", 0.5), ("tls-timeout", 0.2), ("connect-timeout", 0.2), ("http-reset", 0.1)],
        strength: (0.4, 0.8),
        retry_passes: 0.35,
        slows: (1.2, 3.0),
        neighbours: Neighbours::Network,
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Network),
        spots: &[Spot::V6],
        sees: &[("connect-timeout", 0.7), ("connect-unreachable", 0.3)],
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Network),
        harm: Harm::Slows,
        spots: &[Spot::Region, Spot::Asn],
        strength: (0.6, 1.0),
        slows: (4.0, 10.0),
        ..PLAIN
    },
    // A resolver is ill: whether its operator, the zone or the way is to blame cannot be seen from outside.
    Story {
        spots: &[Spot::Resolver],
        sees: &[("dns-timeout", 0.5), ("dns-servfail", 0.5)],
        retry_passes: 0.2,
        ..PLAIN
    },
    // HTTP/3 does not get through: UDP is blocked on the way, or the site's QUIC is ill.
    Story {
        spots: &[Spot::H3],
        sees: &[("quic-timeout", 0.7), ("quic-handshake", 0.3)],
        retry_passes: 0.05,
        ..PLAIN
    },
    // Policy: refused with a page, or cut, or dropped, for a group that somebody chose.
    Story {
        cause: Some(CauseKind::Firewall),
        harm: Harm::Refuses,
        spots: &[Spot::Hosting],
        sees: &[("http-403", 0.75), ("blocked-challenge", 0.25)],
        signs: EDGES,
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Firewall),
        harm: Harm::Refuses,
        spots: &[Spot::Country],
        sees: &[("http-451", 0.5), ("http-403", 0.3), ("blocked-legal", 0.2)],
        signs: EDGES,
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Firewall),
        harm: Harm::Refuses,
        spots: &[Spot::All],
        sees: &[("blocked-challenge", 0.7), ("http-403", 0.3)],
        signs: EDGES,
        strength: (0.75, 1.0),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Firewall),
        spots: &[Spot::Asn, Spot::Country],
        sees: &[("tls-reset", 0.85), ("connect-reset", 0.15)],
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Firewall),
        spots: &[Spot::Hosting],
        sees: &[("connect-timeout", 0.9), ("connect-refused", 0.1)],
        ..PLAIN
    },
    // A wrong setting: sudden, alike for everyone it concerns, fast, after a change.
    Story {
        cause: Some(CauseKind::Misconfiguration),
        spots: &[Spot::All],
        sees: &[("http-500", 0.7), ("http-502", 0.3)],
        signs: FRONTS,
        static_works: Some(0.6),
        change: Some((ChangeKind::Deploy, 0.75)),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Misconfiguration),
        spots: &[Spot::All],
        sees: &[("http-redirect-loop", 1.0)],
        signs: FRONTS,
        change: Some((ChangeKind::Cdn, 0.5)),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Misconfiguration),
        spots: &[Spot::All, Spot::Address],
        sees: &[("http-404", 0.8), ("http-500", 0.2)],
        signs: FRONTS,
        page: Some(("default-vhost", 0.8)),
        change: Some((ChangeKind::Deploy, 0.4)),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Misconfiguration),
        spots: &[Spot::All],
        sees: &[("dns-nxdomain", 0.8), ("dns-servfail", 0.2)],
        change: Some((ChangeKind::Dns, 0.4)),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Misconfiguration),
        spots: &[Spot::V6],
        sees: &[("connect-refused", 0.6), ("http-404", 0.4)],
        signs: FRONTS,
        page: Some(("default-vhost", 0.4)),
        change: Some((ChangeKind::Deploy, 0.4)),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Misconfiguration),
        spots: &[Spot::H3],
        sees: &[("quic-closed", 0.5), ("http-500", 0.5)],
        signs: EDGES,
        change: Some((ChangeKind::Cdn, 0.6)),
        ..PLAIN
    },
    Story {
        spots: &[Spot::AnyPair],
        sees: &[("http-500", 0.5), ("http-502", 0.3), ("http-timeout", 0.2)],
        signs: FRONTS,
        ..PLAIN
    },
    // The name moved: old answers are still about, and what they lead to is gone or another's.
    Story {
        cause: Some(CauseKind::DnsChange),
        spots: &[Spot::OldAddress],
        sees: &[("connect-timeout", 0.5), ("connect-refused", 0.5)],
        change: Some((ChangeKind::Dns, 0.7)),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::DnsChange),
        spots: &[Spot::OldAddress],
        sees: &[("http-404", 0.5), ("tls-name-mismatch", 0.5)],
        signs: FRONTS,
        page: Some(("default-page", 0.5)),
        change: Some((ChangeKind::Dns, 0.7)),
        ..PLAIN
    },
    // Certificates.
    Story { cause: Some(CauseKind::Tls), spots: &[Spot::All], sees: &[("tls-expired", 1.0)], ..PLAIN },
    Story {
        cause: Some(CauseKind::Tls),
        spots: &[Spot::All, Spot::Address],
        sees: &[("tls-untrusted", 0.8), ("tls-handshake", 0.2)],
        change: Some((ChangeKind::Certificate, 0.6)),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Tls),
        spots: &[Spot::Address],
        sees: &[("tls-name-mismatch", 0.7), ("tls-expired", 0.3)],
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::Tls),
        spots: &[Spot::All],
        cdn: Some(true),
        sees: &[("http-525", 0.5), ("http-526", 0.5)],
        signs: &["cloudflare"],
        change: Some((ChangeKind::Certificate, 0.4)),
        ..PLAIN
    },
    // A PoP is ill, and with it others' sites.
    Story {
        cause: Some(CauseKind::CdnEdge),
        spots: &[Spot::Pop],
        cdn: Some(true),
        sees: &[("http-502", 0.3), ("http-503", 0.3), ("http-520", 0.2), ("http-504", 0.2)],
        signs: EDGES,
        strength: (0.5, 1.0),
        retry_passes: 0.15,
        neighbours: Neighbours::Pop,
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::CdnEdge),
        spots: &[Spot::Pop],
        cdn: Some(true),
        sees: &[("http-timeout", 0.5), ("http-500", 0.5)],
        signs: EDGES,
        strength: (0.5, 1.0),
        retry_passes: 0.2,
        slows: (1.0, 3.0),
        neighbours: Neighbours::Pop,
        ..PLAIN
    },
    // The program is gone: refused at once, no warning before.
    Story {
        cause: Some(CauseKind::OriginCrash),
        spots: &[Spot::All],
        sees: &[("http-502", 0.9), ("http-500", 0.1)],
        signs: FRONTS,
        static_works: Some(0.4),
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::OriginCrash),
        spots: &[Spot::All],
        cdn: Some(true),
        sees: &[("http-521", 0.8), ("http-520", 0.2)],
        signs: &["cloudflare"],
        ..PLAIN
    },
    Story {
        cause: Some(CauseKind::OriginCrash),
        spots: &[Spot::All, Spot::Address],
        cdn: Some(false),
        sees: &[("connect-refused", 1.0)],
        ..PLAIN
    },
    // Closed, and says so.
    Story {
        cause: Some(CauseKind::Maintenance),
        spots: &[Spot::All],
        sees: &[("http-503", 1.0)],
        signs: FRONTS,
        strength: (0.95, 1.0),
        retry_passes: 0.0,
        retry_after: 0.7,
        page: Some(("maintenance", 0.85)),
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use parallax_diagnose::WorldOutcome;

    use super::*;

    #[test]
    fn every_story_speaks_the_vocabulary_and_can_happen_to_somebody() {
        for story in STORIES {
            assert!(!story.spots.is_empty() && !story.signs.is_empty());
            for (word, weight) in story.sees {
                assert!(word.parse::<WorldOutcome>().is_ok() && *weight > 0.0, "{word}");
            }
            assert_eq!(story.sees.is_empty(), story.harm == Harm::Slows);
        }
    }

    #[test]
    fn every_cause_and_every_spot_has_a_story() {
        let causes: BTreeSet<_> = STORIES.iter().filter_map(|s| s.cause).collect();
        assert_eq!(causes.len(), CauseKind::ALL.len());
        let spots: BTreeSet<_> = STORIES.iter().flat_map(|s| s.spots).collect();
        assert_eq!(spots.len(), 13);
    }
}
