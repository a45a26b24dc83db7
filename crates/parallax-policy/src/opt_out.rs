//! How a site's owner says that it is not to be probed: a TXT record beside the name (threats.md T22).
//!
//! The record `_parallax-optout.example.com` with the text `parallax-optout=yes` speaks for `example.com` and every name below it. Only
//! who holds the zone can write it, so nothing else has to be proven, and taking it away ends it. This module says where the record
//! stands and what its text means; asking for it is the aggregator's.

use parallax_model::Host;

use crate::registrable_domain;

/// The label under a domain at which the record stands.
pub const OPT_OUT_LABEL: &str = "_parallax-optout";
/// What the record says. Another text says nothing: where a wildcard answers for every name, it answers here too.
pub const OPT_OUT_TEXT: &str = "parallax-optout=yes";
/// Most domains that are asked about one host.
pub const MAX_OPT_OUT_DOMAINS: usize = 4;

/// The domains that may speak for a host, the widest first: the domain somebody registered, those between it and the host, the host.
/// Of more than [`MAX_OPT_OUT_DOMAINS`] those nearest to the host are left out, but not the host itself. None for an address, and for a suffix under which others register.
pub fn opt_out_domains(host: &Host) -> Vec<Host> {
    if host.ip().is_some() {
        return Vec::new();
    }
    // A suffix under which others register belongs to no one site: its record would speak for all of them.
    let Some(top) = registrable_domain(host) else { return Vec::new() };
    let up = std::iter::successors(Some(host.as_str()), |name| {
        name.split_once('.').map(|(_, above)| above).filter(|above| above.len() >= top.len())
    });
    let mut domains: Vec<Host> = up.filter_map(|name| name.parse().ok()).collect();
    domains.reverse();
    if domains.len() > MAX_OPT_OUT_DOMAINS {
        domains.drain(MAX_OPT_OUT_DOMAINS - 1..domains.len() - 1);
    }
    domains
}

/// Whether a TXT record's text, its strings put together, is [`OPT_OUT_TEXT`]. Upper case, spaces around it and the quotation marks
/// that a zone file has and a provider's form wants left out are no reason to misunderstand an owner.
pub fn says_opt_out(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let bare = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    bare.trim_ascii().eq_ignore_ascii_case(OPT_OUT_TEXT.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_speaks_for_what_is_below_it_up_to_what_somebody_registered() {
        for (host, domains) in [
            ("example.com", &["example.com"][..]),
            ("www.example.com", &["example.com", "www.example.com"]),
            ("a.b.example.co.uk", &["example.co.uk", "b.example.co.uk", "a.b.example.co.uk"]),
            ("somebody.github.io", &["somebody.github.io"]),
            ("github.io", &[]),
            (
                "a.b.c.d.e.example.com",
                &["example.com", "e.example.com", "d.e.example.com", "a.b.c.d.e.example.com"],
            ),
            ("xn--bcher-kva.example.com", &["example.com", "xn--bcher-kva.example.com"]),
            ("192.0.2.1", &[]),
            ("2001:db8::1", &[]),
        ] {
            let host: Host = host.parse().expect("a host");
            let asked = opt_out_domains(&host);
            assert_eq!(asked.iter().map(Host::as_str).collect::<Vec<_>>(), domains, "{host}");
            assert!(asked.len() <= MAX_OPT_OUT_DOMAINS);
        }
    }

    #[test]
    fn only_the_text_opts_out() {
        for text in [
            "parallax-optout=yes",
            "Parallax-OptOut=YES",
            " parallax-optout=yes\t",
            "\"parallax-optout=yes\"",
        ] {
            assert!(says_opt_out(text.as_bytes()), "{text:?}");
        }
        for text in [
            "",
            "\"",
            "v=spf1 -all",
            "v=spf1 include:parallax-optout=yes -all",
            "parallax-optout",
            "parallax-optout=no",
            "parallax-optout=yes; parallax-optout=no",
            "\"parallax-optout=yes",
            "google-site-verification=parallax-optout=yes",
        ] {
            assert!(!says_opt_out(text.as_bytes()), "{text:?}");
        }
    }
}
