//! Addresses that filtering resolvers answer in place of a site's own. Nothing but a filter's page stands there, if anything, so a
//! probe that was led to one saw the filter and not the site.
//!
//! The list is short on purpose: only addresses that the filter's operator publishes or that many have described independently,
//! and none in a network that also hosts sites. It finds the well-known filters and no others; private addresses need not stand here,
//! for policy refuses them anyway.

use std::net::{IpAddr, Ipv4Addr};

/// Who answers what.
const ANSWERS: [(&str, &[Ipv4Addr]); 4] = [
    // https://docs.umbrella.com/deployment-umbrella/docs/block-page-ip-addresses
    (
        "Cisco Umbrella and OpenDNS",
        &[
            Ipv4Addr::new(146, 112, 61, 104),
            Ipv4Addr::new(146, 112, 61, 105),
            Ipv4Addr::new(146, 112, 61, 106),
            Ipv4Addr::new(146, 112, 61, 107),
            Ipv4Addr::new(146, 112, 61, 108),
            Ipv4Addr::new(146, 112, 61, 109),
            Ipv4Addr::new(146, 112, 61, 110),
        ],
    ),
    // Injected on the way at China's border: the same few for years, in OONI's fingerprints (github.com/ooni/blocking-fingerprints)
    // and in every list of such answers.
    (
        "the Great Firewall",
        &[
            Ipv4Addr::new(8, 7, 198, 45),
            Ipv4Addr::new(37, 61, 54, 158),
            Ipv4Addr::new(46, 82, 174, 68),
            Ipv4Addr::new(59, 24, 3, 173),
            Ipv4Addr::new(78, 16, 49, 15),
            Ipv4Addr::new(93, 46, 8, 89),
            Ipv4Addr::new(159, 106, 121, 75),
            Ipv4Addr::new(203, 98, 7, 65),
        ],
    ),
    // The page that law 5651 asks for (OONI's measurement 20180403T183403Z_AS9121).
    ("Turkey's providers", &[Ipv4Addr::new(195, 175, 254, 2)]),
    // internetpositif.id; in OONI's fingerprints too.
    ("Indonesia's Internet Positif", &[Ipv4Addr::new(36, 86, 63, 185)]),
];

/// The filter that answers this address, if it is a known one.
pub(crate) fn filter_at(ip: IpAddr) -> Option<&'static str> {
    let IpAddr::V4(v4) = ip else { return None };
    ANSWERS.iter().find(|(_, answers)| answers.contains(&v4)).map(|(filter, _)| *filter)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn well_known_filters_are_recognised_and_sites_are_not() {
        for (address, expected) in [
            ("146.112.61.106", Some("Cisco Umbrella and OpenDNS")),
            ("8.7.198.45", Some("the Great Firewall")),
            ("195.175.254.2", Some("Turkey's providers")),
            ("36.86.63.185", Some("Indonesia's Internet Positif")),
            ("146.112.61.103", None),
            ("1.1.1.1", None),
            ("2606:4700:4700::1111", None),
        ] {
            assert_eq!(filter_at(ip(address)), expected, "{address}");
        }
    }

    /// Public answers that the list does not know may not be told from a site's address; private ones are refused by policy.
    #[test]
    fn of_published_answers_most_are_unknown_and_none_is_connected_to_when_private() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/dns_block_answers.jsonl");
        let Ok(rows) = std::fs::read_to_string(&path) else {
            println!("the corpus of block answers is not here; skipped");
            return;
        };
        let answers = rows.lines().filter_map(|row| {
            let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
            row["answer"].as_str().expect("an answer").parse::<Ipv4Addr>().ok()
        });
        let (policy, host) = (parallax_policy::Policy::public(), "www.example.com".parse().expect("a host"));
        let port = parallax_model::Scheme::Https.default_port();
        let (mut all, mut known, mut refused) = (0, 0, 0);
        for answer in answers {
            all += 1;
            known += usize::from(filter_at(answer.into()).is_some());
            let judged = policy.vet(&host, port, &[answer.into()]);
            refused += usize::from(judged.is_err());
            assert!(!answer.is_private() || judged.is_err(), "{answer}");
        }
        println!("of {all} published block answers {known} are known and {refused} are refused by policy");
        assert!(known >= 6 && refused >= 4, "{known} known, {refused} refused, of {all}");
    }
}
