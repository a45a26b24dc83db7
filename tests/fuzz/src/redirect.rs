//! Where a `Location` leads.

use parallax_model::{ProbeResult, Redirect, StatusCode, Target, UnixMicros};
use parallax_policy::Policy;
use parallax_probe::fuzzing;

use super::batch::assert_travels;
use super::text::assert_plain;

/// Longest text of a failure, in bytes.
const MAX_DETAIL_BYTES: usize = parallax_model::MAX_DETAIL_BYTES;

/// Reads the first line as the target that answered and the rest as its `Location`. What may be followed is what the policy allows,
/// and where it leads travels to the aggregator as it is.
pub fn redirect(bytes: &[u8]) {
    let (from, location) = match bytes.iter().position(|b| *b == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (&b"https://example.com/a/b?c"[..], bytes),
    };
    let Some(from) = str::from_utf8(from).ok().and_then(|text| text.parse::<Target>().ok()) else { return };
    let policy = Policy::public();
    let (shown, followed) = fuzzing::redirected(&policy, &from, location);
    match followed {
        Ok(to) => {
            assert_eq!(policy.check_target(&to), Ok(()), "{to} is followed");
            assert_eq!(shown.as_ref(), Some(&to), "shown is another target than the one that is followed");
            let read = policy.parse_target(&to.to_string()).map(|parsed| parsed.target);
            assert_eq!(read.as_ref(), Ok(&to), "a target that is followed reads as itself");
        }
        Err(detail) => {
            let detail = detail.expect("a refused redirect says why");
            assert_plain("a detail", &detail, MAX_DETAIL_BYTES);
        }
    }
    if let Some(to) = shown {
        let status = StatusCode::new(302).expect("a status");
        let outcome = parallax_model::Outcome::Ok;
        let redirects = vec![Redirect { status, to }];
        assert_travels(&ProbeResult { redirects, ..ProbeResult::new(from, UnixMicros(0), outcome) });
    }
}
