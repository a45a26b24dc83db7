//! What each column of a batch costs, plain and packed.

use parallax_proto::batch::pack;
use parallax_proto::v1::agent::ResultColumns;
use prost::Message as _;
use serde::Serialize;

/// Bytes of one column.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Share {
    pub(crate) column: &'static str,
    /// Encoded.
    pub(crate) plain: f64,
    /// How much smaller the packed batch is without it.
    pub(crate) packed: f64,
}

macro_rules! shares {
    ($batches:expr, $($field:ident),+ $(,)?) => {
        vec![$(share($batches, stringify!($field), |c| { c.$field = Default::default(); })),+]
    };
}

/// The columns that cost something, bytes per result.
pub(crate) fn shares(batches: &[ResultColumns]) -> Vec<Share> {
    let mut shares = shares![
        batches,
        targets,
        addresses,
        emitters,
        dns,
        tls,
        checks,
        digests,
        redirects,
        started,
        target_ref,
        check_ref,
        failure,
        party,
        status,
        dns_us,
        connect_us,
        tls_us,
        first_byte_us,
        body_us,
        total_us,
        address_ref,
        family,
        protocol,
        emitter_ref,
        dns_ref,
        ttl_left_s,
        tls_ref,
        retry_after_s,
        retry,
        beacon,
        h3_advert,
        redirects_ref,
        body_length,
        body_truncated,
        body_page,
        digest_ref,
        extras,
    ];
    shares.retain(|s| s.plain > 0.0);
    shares
}

fn share(batches: &[ResultColumns], column: &'static str, clear: impl Fn(&mut ResultColumns)) -> Share {
    let (mut plain, mut packed, mut results) = (0_i64, 0_i64, 0_i64);
    for batch in batches {
        let mut without = batch.clone();
        clear(&mut without);
        plain += batch.encoded_len().cast_signed() as i64 - without.encoded_len().cast_signed() as i64;
        packed += pack(batch).len().cast_signed() as i64 - pack(&without).len().cast_signed() as i64;
        results += i64::from(batch.count);
    }
    let each = |bytes: i64| bytes as f64 / results.max(1) as f64;
    Share { column, plain: each(plain), packed: each(packed) }
}
