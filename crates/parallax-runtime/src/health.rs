//! Whether the process is fit to work, part by part.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a part says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    /// Not ready yet.
    Starting,
    /// Works.
    Ok,
    /// Works in part; the text says what is missing.
    Degraded(String),
}

/// The health of the whole process. Clones share the same parts.
#[derive(Debug, Clone, Default)]
pub struct Health {
    // A std mutex: held for one map operation, never across an await.
    parts: Arc<Mutex<BTreeMap<&'static str, PartState>>>,
}

/// A part's handle to its own state.
#[derive(Debug, Clone)]
pub struct HealthPart {
    health: Health,
    name: &'static str,
}

impl Health {
    /// Adds a part, which is starting.
    pub fn part(&self, name: &'static str) -> HealthPart {
        let part = HealthPart { health: self.clone(), name };
        part.set(PartState::Starting);
        part
    }

    /// Every part with its state, by name.
    pub fn parts(&self) -> BTreeMap<&'static str, PartState> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether no part is still starting: the process may be sent traffic.
    pub fn ready(&self) -> bool {
        self.parts().values().all(|s| *s != PartState::Starting)
    }
}

impl HealthPart {
    /// Says how this part is.
    pub fn set(&self, state: PartState) {
        self.health.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_no_part_is_starting() {
        let health = Health::default();
        let (store, web) = (health.part("store"), health.part("web"));
        assert!(!health.ready());
        store.set(PartState::Ok);
        web.set(PartState::Degraded("no geo database".to_owned()));
        assert!(health.ready());
    }
}
