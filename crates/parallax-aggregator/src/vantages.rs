//! The published list of vantage points: everybody who was heard in the last seven days.

use std::sync::Arc;
use std::time::Duration;

use crate::core::{Core, store_failed};
use crate::read::VantagePoint;
use parallax_store::StoreError;

/// How long an agent stays on the list after it was last heard, in microseconds: seven days.
const KEPT_US: u64 = 7 * 24 * 3_600 * 1_000_000;
/// The list is made anew at least this often, so that "last heard" grows old on it.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// Changes within this time share one new list: after a restart everybody connects at once.
const GATHER: Duration = Duration::from_millis(200);

/// Makes the list from the store and the open sessions.
pub(crate) async fn publish(core: &Core) -> Result<(), StoreError> {
    let now = core.now();
    let mut list = Vec::new();
    for record in core.store.agents().await?.into_iter().filter(|a| a.revoked_at.is_none()) {
        let session = core.sessions.session(&record.agent);
        let last_heard = if session.is_some() { Some(now) } else { record.last_heard };
        let Some(last_heard) = last_heard.filter(|t| now.since(*t) < KEPT_US) else { continue };
        let (vantage, version) = match &session {
            Some(s) => (s.vantage.as_ref().clone(), s.version.clone()),
            None => (record.vantage, record.version),
        };
        list.push(VantagePoint {
            agent: record.agent,
            vantage,
            online: session.is_some(),
            last_heard,
            version,
        });
    }
    metrics::gauge!("parallax_agents_online").set(list.iter().filter(|v| v.online).count() as f64);
    core.snapshot.publish_vantages(list);
    Ok(())
}

/// Keeps the list fresh until the soft signal.
pub(crate) async fn keep_fresh(core: Arc<Core>) {
    let soft = core.tasks.soft().clone();
    loop {
        if let Err(error) = publish(&core).await {
            drop(store_failed("list agents", &error));
        }
        tokio::select! {
            () = core.vantages_dirty.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(REFRESH_EVERY) => {}
            () = soft.cancelled() => return,
        }
    }
}
