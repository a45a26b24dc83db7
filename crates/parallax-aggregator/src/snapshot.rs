//! What readers see: every known site and every vantage point as of the last change, shared without locks.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parallax_model::{Host, Verdict};
use tokio::sync::watch;

use crate::board::Cells;
use crate::minutes::Minute;
use crate::read::{NetworkState, SiteView, VantagePoint};

/// The published state. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    sites: Arc<ArcSwap<Sites>>,
    vantages: Arc<ArcSwap<Vec<VantagePoint>>>,
    running: Arc<ArcSwap<BTreeMap<Host, Vec<Minute>>>>,
    network: Arc<ArcSwap<NetworkState>>,
    cells: Arc<ArcSwap<Cells>>,
    changes: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Sites {
    by_host: BTreeMap<Host, Arc<SiteView>>,
    list: Arc<Vec<Arc<SiteView>>>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            sites: Arc::default(),
            vantages: Arc::default(),
            running: Arc::default(),
            network: Arc::default(),
            cells: Arc::default(),
            changes: Arc::new(watch::Sender::new(0)),
        }
    }
}

/// Order of a list of sites: what is worst first.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Down => 0,
        Verdict::Partial => 1,
        Verdict::Flaky => 2,
        Verdict::Degraded => 3,
        Verdict::Blocked => 4,
        Verdict::Unknown => 5,
        Verdict::Up => 6,
    }
}

impl Snapshot {
    /// Replaces the sites.
    pub(crate) fn publish_sites(&self, by_host: BTreeMap<Host, Arc<SiteView>>) {
        let mut list: Vec<Arc<SiteView>> = by_host.values().cloned().collect();
        list.sort_by(|a, b| (rank(a.diagnosis.verdict), &a.host).cmp(&(rank(b.diagnosis.verdict), &b.host)));
        self.sites.store(Arc::new(Sites { by_host, list: Arc::new(list) }));
        self.changes.send_modify(|n| *n += 1);
    }

    /// Replaces the vantage points.
    pub(crate) fn publish_vantages(&self, vantages: Vec<VantagePoint>) {
        self.vantages.store(Arc::new(vantages));
    }

    /// Replaces how our own side is; readers are told when it is news.
    pub(crate) fn publish_network(&self, network: NetworkState) {
        if **self.network.load() != network {
            self.network.store(Arc::new(network));
            self.changes.send_modify(|n| *n += 1);
        }
    }

    /// How our own side is.
    pub(crate) fn network(&self) -> Arc<NetworkState> {
        self.network.load_full()
    }

    /// Replaces how full the windows are.
    pub(crate) fn publish_cells(&self, cells: Cells) {
        self.cells.store(Arc::new(cells));
    }

    /// How full the windows are.
    pub(crate) fn cells(&self) -> Cells {
        **self.cells.load()
    }

    /// Replaces the minutes that are not written yet.
    pub(crate) fn publish_running(&self, running: BTreeMap<Host, Vec<Minute>>) {
        self.running.store(Arc::new(running));
    }

    /// A site's minutes that are not written yet, oldest first.
    pub(crate) fn running(&self, host: &Host) -> Vec<Minute> {
        self.running.load().get(host).cloned().unwrap_or_default()
    }

    /// Every known site, worst first.
    pub(crate) fn sites(&self) -> Arc<Vec<Arc<SiteView>>> {
        Arc::clone(&self.sites.load().list)
    }

    /// One site.
    pub(crate) fn site(&self, host: &Host) -> Option<Arc<SiteView>> {
        self.sites.load().by_host.get(host).cloned()
    }

    /// Every vantage point.
    pub(crate) fn vantages(&self) -> Arc<Vec<VantagePoint>> {
        self.vantages.load_full()
    }

    /// Changes its number with every publication of sites.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
