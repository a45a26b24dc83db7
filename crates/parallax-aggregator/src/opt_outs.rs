//! Owners who do not want to be tested: what they ask for by a TXT record (`parallax_policy::OPT_OUT_LABEL`) is found out before a site
//! is tested first, and again and again for every site that is known. The policy refuses who is out; agents are told to leave them.
//!
//! What an answer means and what is due is pure (`known`); asking is `records`. A question without an answer changes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::stream::{self, StreamExt as _};
use parallax_model::{Host, Target, UnixMicros};
use parallax_policy::{NameList, Policy};
use parallax_proto::target_to_wire;
use parallax_proto::v1::agent::SessionResponse;
use parallax_proto::v1::agent::session_response::Message;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::budget::{Budget, Busy};
use crate::config::OptOutSection;
use crate::core::{Core, assignment, lock};
use known::{Answer, Known, Source};
use records::Records;

mod kept;
mod known;
mod records;
mod zone;

/// Questions that are on their way at the same time: of a round, and again so many that somebody waits for.
const AT_ONCE: usize = 32;
/// How long a visitor waits for what an owner says before the first test; what is said later counts from then on.
const FIRST_WAIT: Duration = Duration::from_millis(1_500);

/// Who wants to test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A visitor, who may ask as often as they may test.
    Visitors,
    /// The operator, who has the key.
    Operators,
}

/// How a record is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Of resolvers: somebody waits.
    Short,
    /// Of the zone's own servers, for what resolvers say of a known domain may have been so long ago.
    Thorough,
}

/// What owners say.
#[derive(Debug)]
pub(crate) struct OptOuts {
    // A std mutex: held while agents are told too, which waits for nobody, so that they hear of changes in their order.
    state: Mutex<State>,
    /// What may be probed, whatever owners say.
    usual: Policy,
    /// What may be probed now.
    policy: ArcSwap<Policy>,
    records: Records,
    every: Duration,
    at_once: Semaphore,
    /// Where it is kept who is out.
    dir: PathBuf,
}

#[derive(Debug)]
struct State {
    known: Known,
    /// Visitors' sites that are being asked about; each ends when its sender is dropped.
    asking: BTreeMap<Host, watch::Receiver<()>>,
    /// How often may be asked because visitors want to test: as often as they may test.
    budget: Budget,
}

impl OptOuts {
    /// What was known when the process last ended, read from the data directory; it is found out anew every so often.
    pub(crate) fn open(usual: Policy, config: &OptOutSection, dir: PathBuf, now: UnixMicros) -> Self {
        let every = Duration::from_millis(config.every_ms.into());
        let mut known = Known::new(every);
        known.resume(kept::read(&dir), now);
        Self {
            policy: ArcSwap::from_pointee(policy(&usual, &known)),
            state: Mutex::new(State { known, asking: BTreeMap::new(), budget: Budget::default() }),
            usual,
            records: Records::new(config.resolvers.clone()),
            every,
            at_once: Semaphore::new(AT_ONCE),
            dir,
        }
    }

    fn opted_out(&self) -> Vec<Host> {
        lock(&self.state).known.opted_out().cloned().collect()
    }

    /// Writes who is out, if those are others than were `written` last.
    async fn keep(&self, written: &mut Vec<Host>) {
        let (now, dir) = (self.opted_out(), self.dir.clone());
        if now == *written {
            return;
        }
        let wrote = tokio::task::spawn_blocking(move || kept::write(&dir, &now).map(|()| now)).await;
        match wrote.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(now) => *written = now,
            Err(error) => tracing::error!(%error, "who is opted out cannot be kept across a restart"),
        }
    }

    /// What may be probed, whatever owners say: for an operator who takes something away.
    pub(crate) const fn usual_policy(&self) -> &Policy {
        &self.usual
    }
}

/// The usual policy without those who are out.
fn policy(usual: &Policy, known: &Known) -> Policy {
    usual.clone().refusing(NameList::OptedOut, known.opted_out().cloned())
}

impl Core {
    /// What may be probed now.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.opt_outs.policy.load_full()
    }

    /// Finds out what the owner of a host says that somebody wants to test, if that is not known. Waits [`FIRST_WAIT`] at most; those who
    /// want to test the same wait for the same answer.
    pub(crate) async fn ask_owner(self: &Arc<Self>, host: &Host, wish: Wish) -> Result<(), Busy> {
        let Some(mut asking) = self.asking(host, wish)? else { return Ok(()) };
        // No answer in time is none, and the sender's end is the answer's arrival.
        drop(tokio::time::timeout(FIRST_WAIT, asking.changed()).await);
        Ok(())
    }

    /// The question about a host that is on its way, begun now unless it was before; `None` when nothing is to be asked.
    fn asking(self: &Arc<Self>, host: &Host, wish: Wish) -> Result<Option<watch::Receiver<()>>, Busy> {
        let now = self.now();
        let mut state = lock(&self.opt_outs.state);
        if let Some(asking) = state.asking.get(host) {
            return Ok(Some(asking.clone()));
        }
        let unknown = state.known.unknown_of(host, now);
        if unknown.is_empty() {
            return Ok(None);
        }
        if wish == Wish::Visitors {
            state.budget.charge(&Target::site_default(host.clone()), now)?;
        }
        let (arrives, asking) = watch::channel(());
        state.asking.insert(host.clone(), asking.clone());
        drop(state);
        let (core, host) = (Arc::clone(self), host.clone());
        self.tasks.spawn("opt-out", async move {
            tokio::select! {
                () = core.ask_all(unknown, Way::Short) => {}
                () = core.tasks.soft().cancelled() => {}
            }
            lock(&core.opt_outs.state).asking.remove(&host);
            drop(arrives);
        });
        Ok(Some(asking))
    }

    /// Asks for the records of these domains, [`AT_ONCE`] together, and does what the answers say.
    async fn ask_all(self: &Arc<Self>, domains: Vec<Host>, way: Way) {
        let zone_first = (way == Way::Thorough).then_some(&self.opt_outs.usual);
        stream::iter(domains)
            .for_each_concurrent(AT_ONCE, async |domain| {
                // Never closed. Rounds have bounds of their own, and nobody who waits stands behind one.
                let _room = match way {
                    Way::Short => self.opt_outs.at_once.acquire().await.ok(),
                    Way::Thorough => None,
                };
                let answer = self.opt_outs.records.ask(&domain, zone_first).await;
                self.take_answer(&domain, answer);
            })
            .await;
    }

    fn take_answer(&self, domain: &Host, (answer, source): (Answer, Source)) {
        let now = self.now();
        let mut state = lock(&self.opt_outs.state);
        if !state.known.note(domain, (answer, source), now) {
            return;
        }
        tracing::info!(opted_out = answer == Answer::OptedOut, "an owner's wish changed");
        self.refuse_anew(&state);
    }

    /// Refuses who is out now, and nobody else, and tells agents.
    fn refuse_anew(&self, state: &State) {
        metrics::gauge!("parallax_opted_out_domains").set(state.known.opted_out().count() as f64);
        let after = Arc::new(policy(&self.opt_outs.usual, &state.known));
        let before = self.opt_outs.policy.swap(Arc::clone(&after));
        self.schedule_dirty.notify_one();
        self.tell_agents(&before, &after);
    }

    /// The domains to ask for in a round; who is forgotten is not refused any longer.
    fn next_round(&self) -> Vec<Host> {
        let watched = self.watched();
        let shown = self.snapshot.sites();
        let hosts = watched.keys().map(|target| &target.host).chain(shown.iter().map(|site| &site.host));
        let mut state = lock(&self.opt_outs.state);
        let before = state.known.opted_out().count();
        let due = state.known.round(hosts, self.now());
        if state.known.opted_out().count() != before {
            self.refuse_anew(&state);
        }
        due
    }

    /// Takes from every agent what is not probed any more, and gives back what is again.
    fn tell_agents(&self, before: &Policy, after: &Policy) {
        let mut change = self.no_change();
        for (target, watched) in lock(&self.schedule).iter() {
            match (before.is_opted_out(&target.host), after.is_opted_out(&target.host)) {
                (false, true) => change.unset.push(target_to_wire(target)),
                (true, false) => change.set.push(assignment(target, watched.interval)),
                _ => {}
            }
        }
        if !(change.set.is_empty() && change.unset.is_empty()) {
            self.sessions.send_all(&SessionResponse { message: Some(Message::Assign(change)) });
        }
    }
}

/// Asks again for every site that is known, until the soft signal.
pub(crate) async fn keep_asking(core: Arc<Core>) {
    let soft = core.tasks.soft().clone();
    let mut rounds = tokio::time::interval(core.opt_outs.every);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = core.opt_outs.opted_out();
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = soft.cancelled() => return core.opt_outs.keep(&mut written).await,
        }
        core.opt_outs.records.follow_system();
        let due = core.next_round();
        let began = Instant::now();
        // Who is not reached in this time is asked for first in the next round.
        let asking = tokio::time::timeout(core.opt_outs.every, core.ask_all(due, Way::Thorough));
        tokio::select! {
            asked = asking => if asked.is_err() {
                tracing::warn!("too many owners' name servers are silent: not every record was asked for in this round");
            },
            () = soft.cancelled() => return core.opt_outs.keep(&mut written).await,
        }
        metrics::histogram!("parallax_opt_out_round_seconds").record(began.elapsed().as_secs_f64());
        // An agent that was given its schedule in the moment of a change may have missed it.
        core.tell_agents(core.opt_outs.usual_policy(), &core.policy());
        core.opt_outs.keep(&mut written).await;
    }
}
