//! Doors for fuzz targets (`tests/fuzz`): what strangers send goes in, and what a probe makes of it comes out, without a
//! connection in between. Not part of the API.

use std::sync::Arc;

use hickory_proto::op::Message;
use hickory_resolver::lookup::Lookup;
use http::HeaderMap;
use parallax_model::{DnsFacts, Outcome, StatusCode, Target, TlsFacts};
use parallax_policy::Policy;
use rustls::pki_types::CertificateDer;

use crate::{dns, emitter, judge, redirect, tls};

/// What an answer counts as.
pub fn judged(status: StatusCode, headers: &HeaderMap, page: &[u8]) -> Outcome {
    judge::judge(status, &emitter(Some(status.get()), headers, page))
}

/// Where a `Location` leads, as a result shows it, and whether it is followed; if not, why.
pub fn redirected(
    policy: &Policy,
    from: &Target,
    location: &[u8],
) -> (Option<Target>, Result<Target, Option<Arc<str>>>) {
    let led = redirect::resolve(policy, from, location);
    (led.target().cloned(), led.allowed().map_err(|failure| failure.detail))
}

/// What a leaf in DER says about itself.
pub fn certificate(der: &[u8]) -> Option<TlsFacts> {
    tls::facts_of(&CertificateDer::from(der))
}

/// What is kept of a resolver's answer; `None` for bytes that are no DNS message.
pub fn dns_answer(message: &[u8]) -> Option<DnsFacts> {
    let message = Message::from_vec(message).ok()?;
    let query = message.queries.first().cloned().unwrap_or_default();
    let mut facts = DnsFacts::default();
    dns::read(&Lookup::new_with_max_ttl(query, message.answers), &mut facts);
    Some(facts)
}
