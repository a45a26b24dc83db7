//! What a resolver's answers and errors mean. Nothing here asks anybody.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_net::{DnsError, NetError};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RData;
use hickory_resolver::lookup::Lookup;
use parallax_model::{DnsFacts, DnsFailure, FailureKind, MAX_ADDRESSES, Party};

use super::MAX_CNAMES;
use crate::progress::StageFailure;

/// Longest alias that a result keeps, in bytes: what the aggregator takes. A name of odd bytes is longer in text (`\DDD` for each, so
/// it is ASCII and can be cut anywhere), and one such text would cost the whole batch it travels in.
const MAX_ALIAS_BYTES: usize = 255;

/// Puts the answers together. One that holds addresses counts more than any error; of errors the most telling is kept.
pub(super) fn join(answers: &[Result<Lookup, NetError>]) -> Result<DnsFacts, StageFailure> {
    let mut facts = DnsFacts::default();
    for lookup in answers.iter().flatten() {
        read(lookup, &mut facts);
    }
    if facts.cnames.len() > MAX_CNAMES {
        return Err(failed(DnsFailure::Loop));
    }
    if !facts.addresses.is_empty() {
        return Ok(facts);
    }
    let worst = answers.iter().filter_map(|answer| answer.as_ref().err()).map(classify);
    let worst = worst.min_by_key(|f| match f.failure.kind {
        FailureKind::Dns(DnsFailure::Bogus | DnsFailure::Nxdomain | DnsFailure::Loop) => 0,
        FailureKind::Dns(DnsFailure::Servfail | DnsFailure::Refused) => 1,
        FailureKind::Dns(DnsFailure::Timeout) => 2,
        _ => 3,
    });
    Err(worst.unwrap_or_else(|| failed(DnsFailure::Nodata)))
}

/// Takes addresses, aliases and the smallest TTL out of an answer.
pub(crate) fn read(lookup: &Lookup, facts: &mut DnsFacts) {
    for record in lookup.answers() {
        let ip: IpAddr = match &record.data {
            RData::A(a) => a.0.into(),
            RData::AAAA(aaaa) => aaaa.0.into(),
            RData::CNAME(alias) => {
                let mut alias = alias.0.to_ascii();
                alias.truncate(MAX_ALIAS_BYTES);
                let alias: Arc<str> = alias.trim_end_matches('.').into();
                if facts.cnames.len() <= MAX_CNAMES && !facts.cnames.contains(&alias) {
                    facts.cnames.push(alias);
                }
                facts.ttl_left_s = Some(facts.ttl_left_s.map_or(record.ttl, |ttl| ttl.min(record.ttl)));
                continue;
            }
            _ => continue,
        };
        facts.ttl_left_s = Some(facts.ttl_left_s.map_or(record.ttl, |ttl| ttl.min(record.ttl)));
        if facts.addresses.len() < MAX_ADDRESSES && !facts.addresses.contains(&ip) {
            facts.addresses.push(ip);
        }
    }
}

/// What a resolver's error means. One that cannot be reached (its port is closed, or there is no way to it) said no at once, which
/// is something else than saying nothing.
fn classify(error: &NetError) -> StageFailure {
    use std::io::ErrorKind::TimedOut;
    let unreachable = || failed(DnsFailure::Refused).said("the resolver cannot be reached");
    match error {
        NetError::Timeout => failed(DnsFailure::Timeout),
        NetError::Io(e) if e.kind() == TimedOut => failed(DnsFailure::Timeout),
        NetError::Io(_) | NetError::NoConnections => unreachable(),
        NetError::Busy => failed(DnsFailure::Timeout).told(error),
        NetError::Dns(DnsError::DnssecBogus) => failed(DnsFailure::Bogus),
        NetError::Dns(DnsError::ResponseCode(code)) => failed(of_code(*code)),
        NetError::Dns(DnsError::NoRecordsFound(none)) => failed(of_code(none.response_code)),
        _ => failed(DnsFailure::Servfail).told(error),
    }
}

/// What a response code without addresses means (RFC 1035, 4.1.1; RFC 2308, 2).
fn of_code(code: ResponseCode) -> DnsFailure {
    match code {
        ResponseCode::NXDomain => DnsFailure::Nxdomain,
        ResponseCode::NoError => DnsFailure::Nodata,
        ResponseCode::Refused => DnsFailure::Refused,
        _ => DnsFailure::Servfail,
    }
}

/// A failed lookup. That a name does not exist is the name's own affair; all else is the resolver's until a beacon says more.
pub(super) fn failed(kind: DnsFailure) -> StageFailure {
    let party = match kind {
        DnsFailure::Nxdomain | DnsFailure::Nodata | DnsFailure::Bogus | DnsFailure::Loop => Party::Target,
        DnsFailure::Servfail | DnsFailure::Refused | DnsFailure::Timeout => Party::Resolver,
    };
    StageFailure::new(FailureKind::Dns(kind), party)
}
