use std::net::{IpAddr, Ipv4Addr};

use parallax_model::{
    BeaconState, BodyFacts, CheckId, DnsFacts, Emitter, Failure, FailureKind, Family, H3Advert, Layer,
    Micros, Outcome, PageKind, Party, Phases, Protocol, Redirect, RetryOutcome, StatusCode, Target,
    TieBreakers, TlsFacts, UnixMicros,
};
use proptest::prelude::*;

use super::*;

fn target(n: u8) -> Target {
    format!("https://site{n}.example.com/").parse().expect("canonical")
}

fn status(code: u16) -> StatusCode {
    StatusCode::new(code).expect("in range")
}

prop_compose! {
    pub(super) fn result()(
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
            body: rich.then_some(BodyFacts {
                length: 3,
                sha256: Some([7; 32]),
                truncated: false,
                page: Some(PageKind::Maintenance),
            }),
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
    fn small_batches_survive_the_wire_whole(results in proptest::collection::vec(result(), 0..=EXACT_RESULTS)) {
        let batch = message(1, 1, &encode(&results));
        let read = read(&batch.columns, batch.count, &Known::default()).expect("own batch");
        prop_assert_eq!(read.iter().collect::<Vec<_>>(), results);
    }

    #[test]
    fn large_batches_keep_all_but_the_last_digits(results in proptest::collection::vec(result(), EXACT_RESULTS + 1..60)) {
        let columns = encode(&results);
        let once = decode(&columns).expect("own batch");
        let near = |got: u32, want: u32| (f64::from(got) - f64::from(want)).abs() <= f64::from(want) * 0.0079;
        for (got, want) in once.iter().zip(&results) {
            prop_assert!(near(got.phases.total.0, want.phases.total.0));
            let dns = |r: &ProbeResult| r.phases.dns.map(|m| m.0);
            prop_assert!(dns(got).zip(dns(want)).is_none_or(|(got, want)| near(got, want)));
            prop_assert_eq!(dns(got).is_some(), dns(want).is_some());
            prop_assert_eq!(got.started_at.as_millis() / 10, want.started_at.as_millis() / 10);
            let untimed = |r: &ProbeResult| ProbeResult {
                started_at: UnixMicros(0),
                phases: Phases::default(),
                body: r.body.clone().map(|b| BodyFacts { sha256: None, ..b }),
                ..r.clone()
            };
            prop_assert_eq!(untimed(got), untimed(want));
        }
        // What was rounded once stays as it is.
        prop_assert_eq!(decode(&encode(&once)).expect("own batch"), once);
    }
}

#[test]
fn a_large_batch_tells_digests_of_failures_only() {
    let seen = |n: u8| ProbeResult {
        body: Some(BodyFacts { length: n.into(), sha256: Some([n; 32]), truncated: false, page: None }),
        outcome: if n == 1 {
            Outcome::Failed(Failure { kind: FailureKind::status(status(502)), party: Party::Target })
        } else {
            Outcome::Ok
        },
        status: Some(status(if n == 1 { 502 } else { 200 })),
        ..sample()
    };
    let digests = |count: u8| -> Vec<Option<u8>> {
        let results: Vec<_> = (0..count).map(seen).collect();
        let read = decode(&encode(&results)).expect("own batch");
        read.iter().take(3).map(|r| r.body.as_ref().and_then(|b| b.sha256).map(|d| d[0])).collect()
    };
    assert_eq!(digests(16), [Some(0), Some(1), Some(2)]);
    assert_eq!(digests(17), [None, Some(1), None]);
}

#[test]
fn rows_are_found_by_their_target() {
    let at = |n: u8| ProbeResult::new(target(n), UnixMicros(0), Outcome::Ok);
    let results = Results::from_results(&[2, 1, 2, 3, 1].map(at)).expect("own batch");
    let rows = |results: &Results| -> Vec<(String, Vec<u32>)> {
        results.by_target().iter().map(|t| (t.target.host.to_string(), t.rows.to_vec())).collect()
    };
    let site = |n: u8| format!("site{n}.example.com");
    assert_eq!(rows(&results), [(site(2), vec![0, 2]), (site(1), vec![1, 4]), (site(3), vec![3])]);
    let fresh = results.without_first(2);
    assert_eq!(rows(&fresh), [(site(2), vec![2]), (site(1), vec![4]), (site(3), vec![3])]);
    assert_eq!((fresh.len(), fresh.iter().count()), (3, 3));
    assert_eq!(fresh.without_first(9).len(), 0);
}

#[test]
fn a_late_result_was_seen_when_the_agents_clock_says() {
    let at = |s: i64| ProbeResult::new(target(1), UnixMicros(0).plus_secs(s), Outcome::Ok);
    let mut columns = encode(&[at(0), at(50), at(70)]);
    let received = UnixMicros(0).plus_secs(10_000);
    let seen = |columns: &ResultColumns| -> Vec<i64> {
        let results = Results::new(columns.clone(), &Known::default()).expect("own batch");
        (0..3).map(|row| received.as_secs() - results.seen_at(row, received).as_secs()).collect()
    };
    assert_eq!(seen(&columns), [0, 0, 0]);
    columns.waited_s = 50;
    assert_eq!(seen(&columns), [120, 70, 0]);
}

#[test]
fn what_cannot_be_unpacked_is_refused() {
    let many: Vec<_> = (0..200).map(|_| sample()).collect();
    let packed = pack(&encode(&many));
    assert!(packed.starts_with(&ZSTD_MAGIC));
    assert_eq!(read(&packed, 200, &Known::default()).map(|r| r.len()), Ok(200));
    assert!(
        read(&packed, 199, &Known::default())
            .is_err_and(|e| e.to_string().contains("says 199, the columns hold 200"))
    );
    assert!(unpack(&packed[..packed.len() / 2]).is_err());
    let bomb = zstd::bulk::compress(&vec![0; MAX_BATCH_BYTES + 1], 3).expect("compresses");
    assert!(bomb.len() < 1_000 && unpack(&bomb).is_err());
    assert!(unpack(&vec![0x0a; MAX_BATCH_BYTES + 1]).is_err());
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
