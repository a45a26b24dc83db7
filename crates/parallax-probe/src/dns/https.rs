//! What an HTTPS record says about HTTP/3 (RFC 9460).
//!
//! Only one thing is read out of it: whether the site speaks HTTP/3 on the very host and port that are probed. A record that
//! leads to another name or port, and every address hint, is left alone: whoever writes a zone does not choose where we connect.

use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_proto::rr::{Name, RData, Record};

use super::MAX_CNAMES;

/// The port of `https`, where HTTP/3 is looked for.
const HTTPS_PORT: u16 = 443;
/// HTTP/3 in an ALPN list (RFC 9114, 3.1).
const H3: &str = "h3";
/// Most records of one answer that are read.
const MAX_RECORDS: usize = 8;

/// Whether one of the records says that `host` speaks HTTP/3 on port 443. A record of an alias speaks for the host as the alias's
/// addresses do (RFC 9460, 2.4.1 and 3).
pub(super) fn advertises_h3(host: &Name, records: &[Record]) -> bool {
    let mut owner = host;
    for _ in 0..MAX_CNAMES {
        let alias = records.iter().find_map(|record| match &record.data {
            RData::CNAME(alias) if record.name == *owner => Some(&alias.0),
            _ => None,
        });
        match alias {
            Some(alias) => owner = alias,
            None => break,
        }
    }
    records.iter().filter(|record| record.name == *owner).take(MAX_RECORDS).any(|record| match &record.data {
        RData::HTTPS(https) => says_h3(owner, &https.0),
        _ => false,
    })
}

/// Conditions: 1. the record describes a service (priority not zero: RFC 9460, 2.4.1); 2. at its owner itself; 3. on port 443;
/// 4. with `h3` in its ALPN list; 5. without a parameter that must be understood and is not (RFC 9460, 8).
fn says_h3(owner: &Name, record: &SVCB) -> bool {
    let here = record.target_name.is_root() || record.target_name == *owner;
    let mut h3 = false;
    for (_, value) in &record.svc_params {
        match value {
            SvcParamValue::Alpn(alpn) => h3 = alpn.0.iter().any(|protocol| protocol == H3),
            SvcParamValue::Port(port) if *port != HTTPS_PORT => return false,
            SvcParamValue::Mandatory(mandatory) if !mandatory.0.iter().copied().all(is_understood) => {
                return false;
            }
            _ => {}
        }
    }
    record.svc_priority > 0 && here && h3
}

const fn is_understood(key: SvcParamKey) -> bool {
    matches!(key, SvcParamKey::Alpn | SvcParamKey::NoDefaultAlpn | SvcParamKey::Port)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::rr::rdata::svcb::{Alpn, IpHint, Mandatory};
    use hickory_proto::rr::rdata::{A, HTTPS};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect(text)
    }

    fn alpn(protocols: &[&str]) -> (SvcParamKey, SvcParamValue) {
        let list = protocols.iter().map(|&p| p.to_owned()).collect();
        (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(list)))
    }

    fn port(port: u16) -> (SvcParamKey, SvcParamValue) {
        (SvcParamKey::Port, SvcParamValue::Port(port))
    }

    fn hint() -> (SvcParamKey, SvcParamValue) {
        let loopback = IpHint(vec![A(Ipv4Addr::LOCALHOST)]);
        (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(loopback))
    }

    fn mandatory(keys: Vec<SvcParamKey>) -> (SvcParamKey, SvcParamValue) {
        (SvcParamKey::Mandatory, SvcParamValue::Mandatory(Mandatory(keys)))
    }

    #[test]
    fn http_3_counts_only_on_the_same_host_and_port() {
        let host = name("www.example.com.");
        for (what, priority, target, params, expected) in [
            ("plain", 1, ".", vec![alpn(&["h3", "h2"])], true),
            ("by its own name", 1, "www.example.com.", vec![alpn(&["h3"])], true),
            ("on 443", 1, ".", vec![alpn(&["h3"]), port(443)], true),
            ("hints are not looked at", 1, ".", vec![alpn(&["h3"]), hint()], true),
            (
                "known parameters are mandatory",
                1,
                ".",
                vec![mandatory(vec![SvcParamKey::Alpn]), alpn(&["h3"])],
                true,
            ),
            ("only HTTP/2", 1, ".", vec![alpn(&["h2"])], false),
            ("a draft", 1, ".", vec![alpn(&["h3-29"])], false),
            ("nothing said", 1, ".", vec![], false),
            ("an alias", 0, ".", vec![alpn(&["h3"])], false),
            ("port 22", 1, ".", vec![alpn(&["h3"]), port(22)], false),
            ("another host", 1, "other.example.net.", vec![alpn(&["h3"])], false),
            (
                "unknown parameters are mandatory",
                1,
                ".",
                vec![mandatory(vec![SvcParamKey::Unknown(7)]), alpn(&["h3"])],
                false,
            ),
        ] {
            let record = HTTPS(SVCB::new(priority, name(target), params));
            let record = Record::from_rdata(host.clone(), 60, RData::HTTPS(record));
            assert_eq!(advertises_h3(&host, std::slice::from_ref(&record)), expected, "{what}");
            assert!(!advertises_h3(&name("example.com."), &[record]), "{what}, for another name");
        }
    }
}
