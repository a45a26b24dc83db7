//! Where a `Location` leads (RFC 9110, 10.2.2), and whether it may be followed.

use parallax_model::{BlockedFailure, FailureKind, Host, HttpFailure, Party, Target};
use parallax_policy::{Policy, registrable_domain};
use url::Url;

use crate::progress::StageFailure;

#[cfg(test)]
mod tests;

/// Longest `Location` that is looked at, in bytes. What is longer cannot be a target anyway.
const MAX_LOCATION_BYTES: usize = 8 * 1_024;

/// What became of a `Location`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Led {
    to: Option<Target>,
    refusal: Option<String>,
}

impl Led {
    /// Where it leads, as far as that can be written as a target; also when it may not be followed.
    pub(crate) fn target(&self) -> Option<&Target> {
        self.to.as_ref()
    }

    /// The target to follow it to.
    pub(crate) fn allowed(self) -> Result<Target, StageFailure> {
        match (self.to, self.refusal) {
            (Some(to), None) => Ok(to),
            (_, refusal) => {
                let why = refusal.as_deref().unwrap_or("the Location leads nowhere");
                Err(blocked().said(why))
            }
        }
    }
}

/// A redirect that may not be followed.
pub(crate) fn blocked() -> StageFailure {
    StageFailure::new(FailureKind::Http(HttpFailure::RedirectBlocked), Party::Target)
}

/// On the way of a redirect, a refused address is a refused redirect.
pub(crate) fn of_redirect(failure: StageFailure) -> StageFailure {
    if failure.failure.kind == FailureKind::Blocked(BlockedFailure::Address) {
        blocked().because(failure.detail)
    } else {
        failure
    }
}

/// Whether a `Location` leads to another site: another registrable domain, or an address that is not the target's.
pub(crate) fn leaves_site(from: &Target, location: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&location[..location.len().min(MAX_LOCATION_BYTES)]);
    let to = Url::parse(&from.to_string()).and_then(|base| base.join(&text));
    let Ok(Some(host)) = to.map(|url| url.host_str().and_then(|host| host.parse::<Host>().ok())) else {
        return false;
    };
    match (registrable_domain(&from.host), registrable_domain(&host)) {
        (Some(here), Some(there)) => here != there,
        _ => from.host != host,
    }
}

/// Resolves a `Location` against the target that sent it and asks the policy.
pub(crate) fn resolve(policy: &Policy, from: &Target, location: &[u8]) -> Led {
    let nowhere = |why: &str| Led { to: None, refusal: Some(why.to_owned()) };
    if location.len() > MAX_LOCATION_BYTES {
        return nowhere("the Location is too long");
    }
    let Ok(base) = Url::parse(&from.to_string()) else { return nowhere("the Location has no base") };
    let Ok(mut url) = base.join(&String::from_utf8_lossy(location)) else {
        return nowhere("the Location is not a URL");
    };
    url.set_fragment(None);
    let text = url.as_str();
    let written: Option<Target> = text.parse().ok();
    match policy.parse_target(text) {
        Err(refusal) => Led { to: written, refusal: Some(refusal.to_string()) },
        Ok(parsed) => match policy.check_target(&parsed.target) {
            Ok(()) => Led { to: Some(parsed.target), refusal: None },
            Err(refusal) => Led { to: Some(parsed.target), refusal: Some(refusal.to_string()) },
        },
    }
}
