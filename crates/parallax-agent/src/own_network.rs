//! The network the agent stands in: what it must never probe, whoever asks (threats.md T3).
//!
//! A volunteer's phones and printers often have global IPv6 addresses, which no list of special addresses covers. So the agent
//! refuses
//!
//! 1. what the system says: its addresses, on-link prefixes, gateways and resolvers, and the /56 around each global IPv6 one;
//! 2. the address that the aggregator sees it come from, which is the router's in front of a NAT: the /32, or the /56;
//! 3. what was either of these a while ago, for addresses change and neighbours keep theirs;
//! 4. IPv4 addresses in the disguise of this network's own NAT64 prefix (RFC 7050).
//!
//! The system is asked again every [`POLL_EVERY`], and a change holds from the next decision of the policy on; the prober is
//! told to ask the system's resolver of now. All of the refusing only tightens: an aggregator that lies about the address it
//! sees has one address more refused. What the operator allowed by hand stays allowed.

mod told;

use std::collections::VecDeque;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};
use parallax_policy::{LivePolicy, NAT64_NAME, Policy, nat64_prefixes};
use parallax_probe::Prober;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

pub use told::OwnNetworkError;
use told::{Told, site_of};

use crate::config::Level;

#[cfg(test)]
mod tests;

/// How often the system is asked what its network is.
const POLL_EVERY: Duration = Duration::from_secs(5);
/// Ranges that were ours and are not any more which stay refused.
const MAX_LEFT: usize = 64;
/// Addresses the aggregator saw us come from which stay refused.
const MAX_SEEN: usize = 16;
/// How often the resolver is asked for this network's NAT64 prefix, beside when the network changes.
const NAT64_EVERY: Duration = Duration::from_hours(1);
/// When it is asked again after it did not answer.
const NAT64_AGAIN: Duration = Duration::from_mins(1);

/// What is known about the network, and the policy that is made of it.
#[derive(Debug)]
pub(crate) struct OwnNetwork {
    /// The policy without any of this.
    base: Policy,
    live: LivePolicy,
    told: Told,
    left: VecDeque<IpNet>,
    seen: VecDeque<IpNet>,
    nat64: Vec<Ipv6Net>,
}

impl OwnNetwork {
    /// Reads the network and tightens `live`, which holds what the operator allows. At home an agent does not run where it cannot
    /// know what to keep away from.
    pub(crate) fn read(live: LivePolicy, level: Level) -> Result<Self, OwnNetworkError> {
        let told = match (Told::read(), level) {
            (Ok(told), _) => told,
            (Err(error), Level::Home) => return Err(error),
            (Err(error), Level::Operator) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "only public addresses are known not to be the agent's own"
                );
                Told::default()
            }
        };
        let base = Policy::clone(&live.current());
        let mut own = Self {
            base,
            live,
            told: Told::default(),
            left: VecDeque::new(),
            seen: VecDeque::new(),
            nat64: Vec::new(),
        };
        own.told(told);
        Ok(own)
    }

    /// Follows the network until it is told to stop. `seen` is where the aggregator sees us.
    pub(crate) async fn follow(
        mut self,
        prober: Arc<Prober>,
        mut seen: watch::Receiver<Option<IpAddr>>,
        stop: CancellationToken,
    ) {
        let mut poll = interval(POLL_EVERY);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ask_nat64_at = Instant::now();
        let mut asking = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = poll.tick() => {
                    // What was known stays refused while the system does not tell.
                    if Told::read().is_ok_and(|told| self.told(told)) {
                        follow_resolver(&prober);
                        asking = JoinSet::new();
                        ask_nat64_at = Instant::now();
                    }
                }
                Ok(()) = seen.changed() => {
                    let seen = *seen.borrow_and_update();
                    if let Some(ip) = seen {
                        self.seen_from(ip);
                    }
                }
                () = sleep_until(ask_nat64_at), if self.told.speaks_v6 && asking.is_empty() => {
                    asking.spawn(ask_nat64(Arc::clone(&prober)));
                }
                Some(answered) = asking.join_next() => {
                    let answered = answered.ok().flatten();
                    ask_nat64_at = Instant::now() + if answered.is_some() { NAT64_EVERY } else { NAT64_AGAIN };
                    if let Some(prefixes) = answered {
                        self.translated(prefixes);
                    }
                }
            }
        }
    }

    /// Takes what the system says now; says whether it is something else than before.
    fn told(&mut self, told: Told) -> bool {
        let before = std::mem::replace(&mut self.told, told);
        if before == self.told {
            return false;
        }
        for range in before.ranges.difference(&self.told.ranges) {
            keep(&mut self.left, *range, MAX_LEFT);
        }
        tracing::info!(ranges = self.told.ranges.len(), "this is the agent's own network now");
        self.tighten();
        true
    }

    fn seen_from(&mut self, ip: IpAddr) {
        let range = match ip.to_canonical() {
            IpAddr::V4(v4) => Some(IpNet::from(IpAddr::V4(v4))),
            IpAddr::V6(v6) => site_of(v6, 128),
        };
        if let Some(range) = range.filter(|range| !self.seen.contains(range)) {
            keep(&mut self.seen, range, MAX_SEEN);
            self.tighten();
        }
    }

    /// Takes the NAT64 prefixes of the network. Those of another network that was left mean nothing any more.
    fn translated(&mut self, prefixes: Vec<Ipv6Net>) {
        if self.nat64 != prefixes {
            tracing::info!(prefixes = prefixes.len(), "this network translates IPv6 to IPv4 (NAT64)");
            self.nat64 = prefixes;
            self.tighten();
        }
    }

    fn tighten(&self) {
        let ranges = self.told.ranges.iter().chain(&self.left).chain(&self.seen).copied();
        self.live.replace(self.base.clone().refusing_ranges(ranges).with_nat64(self.nat64.iter().copied()));
    }
}

/// Puts a range last, once, and drops the first when there are too many.
fn keep(kept: &mut VecDeque<IpNet>, range: IpNet, most: usize) {
    kept.retain(|other| *other != range);
    kept.push_back(range);
    if kept.len() > most {
        kept.pop_front();
    }
}

/// Lets the prober ask whom the system asks for names now.
fn follow_resolver(prober: &Prober) {
    if let Err(error) = prober.follow_system_resolver() {
        let error: &dyn Error = &error;
        tracing::warn!(error, "the system's resolver cannot be read; the one before is asked as ever");
    }
}

/// The network's NAT64 prefixes; `None` when the resolver did not answer.
async fn ask_nat64(prober: Arc<Prober>) -> Option<Vec<Ipv6Net>> {
    let name = NAT64_NAME.parse().ok()?;
    Some(nat64_prefixes(&prober.ask_v6(&name).await?))
}
