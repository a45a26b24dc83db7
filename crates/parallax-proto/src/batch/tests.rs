use std::net::{IpAddr, Ipv4Addr};

use parallax_model::{
    BeaconState, BodyFacts, CheckId, Emitter, Failure, FailureKind, Family, H3Advert, Layer, Party, Protocol,
    Redirect, RetryOutcome, StatusCode, Target, TlsFacts,
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn target(n: u8) -> Target {
    format!("https://site{n}.example.com/").parse().expect("canonical")
}

fn status(code: u16) -> StatusCode {
    StatusCode::new(code).expect("in range")
}

prop_compose! {
    fn result()(
        n in 0..4_u8, started in any::<i32>(), failed in any::<bool>(), code in 500..600_u16, dns in any::<Option<u32>>(),
        total in any::<u32>(), check in any::<Option<u128>>(), ttl in any::<Option<u16>>(), rich in any::<bool>(),
    ) -> ProbeResult {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, n));
        ProbeResult {
            target: target(n),
            check: check.map(CheckId),
            started_at: UnixMicros(1_795_000_000_000_000 + i64::from(started)),
            outcome: if failed {
                Outcome::Failed(Failure { kind: FailureKind::status(status(code)), party: Party::Target })
            } else {
                Outcome::Ok
            },
            status: Some(status(if failed { code } else { 200 })),
            phases: Phases { dns: dns.map(|d| Micros(d.min(u32::MAX - 1))), total: Micros(total), ..Phases::default() },
            address: Some(address),
            family: Some(Family::V4),
            protocol: rich.then_some(Protocol::H2),
            emitter: failed.then(|| Emitter { name: "nginx".into(), layer: Layer::Gateway, pop: None, via: vec!["varnish".into()] }),
            dns: DnsFacts { addresses: vec![address], cnames: vec!["a.example.net".into()], ttl_left_s: ttl.map(u32::from), resolver: Some("isp".into()) },
            tls: rich.then(|| TlsFacts {
                version: "TLSv1.3".into(), alpn: Some("h2".into()), subject: "CN=a".into(), issuer: "CN=b".into(),
                not_after: UnixMicros(1_800_000_000_000_000), names: vec!["a.example.com".into()],
            }),
            body: rich.then_some(BodyFacts { length: 3, sha256: [7; 32], truncated: false }),
            redirects: if rich { vec![Redirect { status: status(301), to: target(n) }] } else { Vec::new() },
            retry_after_s: rich.then_some(60),
            retry: failed.then_some(RetryOutcome::Fail),
            beacon: if failed { BeaconState::Ok } else { BeaconState::Untested },
            h3_advert: rich.then_some(H3Advert::HttpsRecord),
            tie_breakers: if failed {
                TieBreakers { address_current: Some(rich), soa_serial: dns, other_address: Some(address), ..TieBreakers::default() }
            } else {
                TieBreakers::default()
            },
            detail: rich.then(|| "peer closed early".into()),
        }
    }
}

proptest! {
    #[test]
    fn batches_survive_the_wire(results in proptest::collection::vec(result(), 0..40)) {
        let bytes = encode(&results).encode_to_vec();
        let columns = ResultColumns::decode(bytes.as_slice()).expect("own bytes");
        prop_assert_eq!(decode(&columns).expect("own batch"), results);
    }
}

#[test]
fn batches_that_contradict_themselves_are_refused() {
    let good = encode(&[sample()]);
    let cases: [(&str, ResultColumns, WireError); 4] = [
        (
            "too many",
            ResultColumns { count: 1_001, ..good.clone() },
            WireError::TooMany { got: 1_001, limit: 1_000 },
        ),
        (
            "short column",
            ResultColumns { status: vec![1, 2, 3], ..good.clone() },
            WireError::Column { field: "status", got: 3, want: 1 },
        ),
        (
            "reference outside",
            ResultColumns { target_ref: vec![9], ..good.clone() },
            WireError::Reference { field: "target_ref", got: 9, size: 1 },
        ),
        ("no target", ResultColumns { target_ref: vec![0], ..good }, WireError::Missing("target_ref")),
    ];
    for (name, columns, want) in cases {
        assert_eq!(decode(&columns), Err(want), "{name}");
    }
}

fn sample() -> ProbeResult {
    ProbeResult {
        status: Some(status(200)),
        phases: Phases { total: Micros(5), ..Phases::default() },
        ..ProbeResult::new(target(1), UnixMicros(1_795_000_000_000_000), Outcome::Ok)
    }
}
