//! What agents, aggregators and clients say to each other beside results.

use std::fmt::Debug;

use parallax_proto::batch::unpack;
use parallax_proto::v1::agent::session_request::Message as Up;
use parallax_proto::v1::agent::session_response::Message as Down;
use parallax_proto::v1::agent::{SessionRequest, SessionResponse};
use parallax_proto::v1::{incident, types};
use parallax_proto::{
    EnrollToken, WireError, check_id_from_wire, diagnosis_from_wire, diagnosis_to_wire, incident_from_wire,
    incident_to_wire, scope_from_wire, scope_to_wire, target_from_wire, target_to_wire, vantage_from_wire,
    vantage_to_wire,
};
use prost::Message;

use super::batch;
use super::text::assert_plain;

/// Longest text of a vantage, in bytes: a city of 80 characters.
const MAX_PLACE_BYTES: usize = 320;

/// Reads bytes as each message of a session, and as each thing that is said of a site. What is accepted says the same when it is sent
/// on.
pub fn messages(bytes: &[u8]) {
    if let Ok(SessionRequest { message: Some(up) }) = SessionRequest::decode(bytes) {
        match up {
            Up::Hello(hello) => hello.declared.iter().for_each(vantage),
            Up::Results(results) => unpack(&results.columns).iter().for_each(batch::columns),
            Up::Heartbeat(_) | Up::SoFar(_) => {}
        }
    }
    if let Ok(SessionResponse { message: Some(down) }) = SessionResponse::decode(bytes) {
        match down {
            Down::Welcome(welcome) => welcome.vantage.iter().for_each(vantage),
            Down::Assign(assign) => {
                assign.set.iter().filter_map(|set| set.target.as_ref()).for_each(target);
                assign.unset.iter().for_each(target);
            }
            Down::ProbeNow(now) => {
                now.target.iter().for_each(target);
                let id = check_id_from_wire(&now.check_id);
                assert_eq!(id.is_ok(), now.check_id.len() == 16);
            }
            _ => {}
        }
    }
    stays::<types::Scope, _>(bytes, scope_from_wire, scope_to_wire);
    stays::<types::Diagnosis, _>(bytes, diagnosis_from_wire, diagnosis_to_wire);
    stays::<incident::Incident, _>(bytes, incident_from_wire, incident_to_wire);
}

/// Asserts that what was read from the wire reads the same when it is written and read again.
fn stays<W: Message + Default, M: Debug + PartialEq>(
    bytes: &[u8],
    read: fn(&W) -> Result<M, WireError>,
    write: fn(&M) -> W,
) {
    let Ok(wire) = W::decode(bytes) else { return };
    match read(&wire) {
        Ok(said) => {
            let again = W::decode(write(&said).encode_to_vec().as_slice()).expect("what was written");
            assert_eq!(read(&again).as_ref(), Ok(&said), "it changed on the way");
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "an error is one line: {error}"),
    }
}

fn target(wire: &types::Target) {
    if let Ok(target) = target_from_wire(Some(wire)) {
        assert_eq!(target_from_wire(Some(&target_to_wire(&target))).as_ref(), Ok(&target));
        assert_eq!(target.to_string().parse().as_ref(), Ok(&target), "a target survives its own text");
    }
}

fn vantage(wire: &types::Vantage) {
    let Ok(place) = vantage_from_wire(wire) else { return };
    assert_eq!(vantage_from_wire(&vantage_to_wire(&place)).as_ref(), Ok(&place));
    assert!(place.families.len() <= 2, "{} IP families", place.families.len());
    let isp = place.isp.as_ref().map(parallax_model::IspName::as_str);
    for text in place.city.as_deref().into_iter().chain(isp) {
        assert_plain("a place", text, MAX_PLACE_BYTES);
    }
}

/// Reads bytes as an enrolment token. One that is accepted is written in exactly one way, and its `Debug` keeps the secret.
pub fn token(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match text.parse::<EnrollToken>() {
        Ok(token) => {
            assert_eq!(token.reveal(), text.trim(), "two texts are one token");
            let secret = text.trim().split('.').nth(1).expect("a secret");
            let shown = format!("{token:?}");
            // The hash is no secret; a token may have the same bytes twice.
            let hides =
                token.secret() == token.ca_sha256() || !shown.contains(&format!("{:?}", token.secret()));
            assert!(hides && !shown.contains(secret), "Debug tells the secret");
        }
        Err(error) => {
            let told = error.to_string();
            assert_plain("a token's error", &told, 160);
        }
    }
}
