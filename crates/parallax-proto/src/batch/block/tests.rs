use parallax_model::{Micros, Outcome, ProbeResult};
use proptest::prelude::*;

use super::*;
use crate::batch::tests::result;
use crate::batch::{decode, encode, read, unpack};

fn part(results: &[ProbeResult], skip: u32, at: i64) -> Part {
    let columns = ResultColumns { waited_s: 7, ..encode(results) };
    Part { count: columns.count, columns: pack(&columns), skip, received_at: UnixMicros(at) }
}

fn results(part: &Part) -> Vec<ProbeResult> {
    let read = read(&part.columns, part.count, &Known::default()).expect("own batch");
    read.without_first(part.skip as usize).iter().collect()
}

proptest! {
    #[test]
    fn a_block_gives_back_its_batches(
        batches in proptest::collection::vec((proptest::collection::vec(result(), 17..40), 0..17_u32), 1..8),
    ) {
        let at = |n: i64| 1_795_000_000_123_000 + n * 1_000_000;
        let parts: Vec<Part> = (0..).zip(&batches).map(|(n, (batch, skip))| part(batch, *skip, at(n))).collect();
        let block = join(&parts, &Known::default()).expect("good batches");
        let again = split(&block).expect("own block");
        for (again, part) in again.iter().zip(&parts) {
            prop_assert_eq!(results(again), results(part));
            prop_assert_eq!((again.received_at, again.count, again.skip), (part.received_at, part.count - part.skip, 0));
            prop_assert_eq!(unpack(&again.columns).expect("own batch").waited_s, 7);
        }
        prop_assert_eq!(again.len(), parts.len());
    }

    #[test]
    fn small_batches_lose_their_last_digits_only(batches in proptest::collection::vec(proptest::collection::vec(result(), 1..16), 1..8)) {
        let parts: Vec<Part> = batches.iter().map(|batch| part(batch, 0, 0)).collect();
        let again = split(&join(&parts, &Known::default()).expect("good batches")).expect("own block");
        let near = |got: Micros, want: Micros| (f64::from(got.0) - f64::from(want.0)).abs() <= f64::from(want.0) * 0.0079;
        for (got, want) in again.iter().flat_map(results).zip(parts.iter().flat_map(results)) {
            prop_assert!(near(got.phases.total, want.phases.total), "{:?} {:?}", got.phases, want.phases);
            prop_assert!(got.phases.dns.zip(want.phases.dns).is_none_or(|(got, want)| near(got, want)));
            prop_assert_eq!(got.started_at.as_millis() / 10, want.started_at.as_millis() / 10);
            prop_assert_eq!(&got.target, &want.target);
            prop_assert_eq!((&got.dns, &got.tls, &got.detail, got.status), (&want.dns, &want.tls, &want.detail, want.status));
            let digest = |r: &ProbeResult| r.body.as_ref().and_then(|b| b.sha256).filter(|_| r.outcome != Outcome::Ok);
            prop_assert_eq!(got.body.as_ref().and_then(|b| b.sha256), digest(&want));
        }
        prop_assert_eq!(again.len(), parts.len());
    }

    #[test]
    fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        bytes.splice(0..0, MAGIC);
        drop(split(&bytes));
    }
}

#[test]
fn what_is_no_batch_is_not_joined() {
    let good = part(&decode(&encode(&[sample()])).expect("own batch"), 0, 0);
    let known = Known::default();
    assert!(join(std::slice::from_ref(&good), &known).is_ok());
    let cases = [
        Part { columns: Bytes::from_static(b"no batch"), ..good.clone() },
        Part { count: 2, ..good.clone() },
        Part { skip: 1, ..good.clone() },
        Part { columns: pack(&ResultColumns { address_ref: vec![9], ..encode(&[sample()]) }), ..good },
    ];
    for case in cases {
        assert!(join(std::slice::from_ref(&case), &known).is_err(), "{case:?}");
    }
}

/// However little it is when it is compressed.
#[test]
fn a_block_that_inflates_is_refused() {
    let bomb =
        Bytes::from(zstd::bulk::compress(&vec![0; MAX_PLAIN_BYTES / 2 + 1], LEVEL).expect("compresses"));
    let one = Block { columns: vec![bomb.clone()], batches: Bytes::new() };
    let block = |block: &Block| [MAGIC.to_vec(), block.encode_to_vec()].concat();
    assert!(split(&block(&one)).is_err_and(|e| !e.to_string().contains("larger")));
    let two = Block { columns: vec![bomb.clone(), bomb], ..one };
    assert!(two.encode_to_vec().len() < 4_096);
    assert!(split(&block(&two)).is_err_and(|e| e.to_string().contains("larger")));
}

/// Batches that are small on the wire and large in a dictionary stay as they are.
#[test]
fn batches_that_inflate_are_not_joined() {
    let long = |n: u32| Part {
        columns: pack(&ResultColumns {
            addresses: vec![vec![n.to_le_bytes()[0]; 250_000].into()],
            address_ref: vec![2],
            ..encode(&[sample()])
        }),
        count: 1,
        skip: 0,
        received_at: UnixMicros(0),
    };
    let parts: Vec<Part> = (1..40).map(long).collect();
    assert!(parts.iter().map(|p| p.columns.len()).sum::<usize>() < 10_000);
    assert!(join(&parts[..20], &Known::default()).is_ok());
    assert!(join(&parts, &Known::default()).is_err_and(|e| e.to_string().contains("more than")));
}

fn sample() -> ProbeResult {
    ProbeResult::new("https://a.example/".parse().expect("canonical"), UnixMicros(0), Outcome::Ok)
}
