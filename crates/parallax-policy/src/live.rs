//! A policy that may change while probes run.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::Policy;

/// The policy that holds now, shared by everybody who asks it and the one who learns of a change. Whoever asks takes
/// [`LivePolicy::current`] anew for each decision, so that a change holds from the next decision on, also within a probe that
/// is on its way. Asking never waits.
#[derive(Debug, Clone)]
pub struct LivePolicy(Arc<ArcSwap<Policy>>);

impl LivePolicy {
    /// The policy that holds now.
    pub fn current(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    /// Puts another policy in its place, for everybody who shares it.
    pub fn replace(&self, policy: Policy) {
        self.0.store(Arc::new(policy));
    }
}

impl From<Policy> for LivePolicy {
    fn from(policy: Policy) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(policy)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_holds_for_everybody_who_shares_it() {
        let live = LivePolicy::from(Policy::public());
        let shared = live.clone();
        assert!(shared.current().parse_target("8.8.8.8").is_ok());
        live.replace(Policy::public().refusing_ranges(["8.8.8.0/24".parse().expect("a range")]));
        assert!(shared.current().parse_target("8.8.8.8").is_err());
    }
}
