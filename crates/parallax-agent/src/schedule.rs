//! When what is probed: a pure core. Every function takes the moment it is called at, on a monotonic clock that began with the
//! agent; nothing here waits, asks a clock or draws a random number.
//!
//! 1. A target's probes stand on a grid of its interval, moved by a hash of agent and target, so that neither an agent's targets
//!    nor a target's agents come all at once.
//! 2. What a check asks for goes first.
//! 3. The same host and port is met at most once in [`HOST_GAP`], unless it is the operator's own. Checks wait only for checks.
//! 4. All probes together keep to [`MAX_PROBES_PER_SECOND`] and to the configured number at the same time.
//! 5. What waits too long is given up and said to be so; what was missed is never made up for.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use parallax_model::{AgentId, Host, Port, Target};
use parallax_probe::ProbeRequest;
use ring::digest;

#[cfg(test)]
mod tests;

/// Shortest time between two probes of one host and port that are not the operator's own.
pub(crate) const HOST_GAP: Duration = Duration::from_secs(1);
/// Most probes started in a second, whatever they are for.
pub(crate) const MAX_PROBES_PER_SECOND: u32 = 200;
/// Probes that may start at the same moment after a quiet while.
const BURST: u32 = 20;
/// Most targets an agent takes.
pub(crate) const MAX_TARGETS: usize = 10_000;
/// Most probes for checks that wait.
pub(crate) const MAX_ASKED: usize = 256;
/// Shortest interval of a target; shorter ones are stretched.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// Longest interval of a target; longer ones are shortened.
const MAX_INTERVAL: Duration = Duration::from_hours(24);
/// A longer silence between two calls than this means that the process slept: nothing that became due meanwhile waited for us.
const NAP: Duration = Duration::from_secs(5);

/// Whose machine a target is, as far as this agent's own configuration tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Somebody else's: we are guests there.
    Stranger,
    /// Our operator's: the gap between probes is theirs to choose.
    Operator,
}

/// One target to be probed again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub(crate) target: Target,
    pub(crate) interval: Duration,
    pub(crate) owner: Owner,
}

/// One probe for a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) request: ProbeRequest,
    pub(crate) owner: Owner,
    /// When its result is of no use any more.
    pub(crate) expires: Duration,
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Make this probe and say when it has ended.
    Probe(ProbeRequest),
    /// It could not be made in time.
    GiveUp(ProbeRequest),
}

#[derive(Debug)]
struct Slot {
    interval: Duration,
    owner: Owner,
    /// The moment of the grid that is being waited for.
    tick: Duration,
    /// When it is looked at: the tick, or later when its host must be left alone so long.
    due: Duration,
    busy: bool,
}

/// When a host was last met.
#[derive(Debug, Clone, Copy)]
struct Met {
    any: Duration,
    asked: Option<Duration>,
}

/// The schedule of one agent.
#[derive(Debug)]
pub(crate) struct Schedule {
    agent: AgentId,
    max_in_flight: usize,
    slots: BTreeMap<Target, Slot>,
    due: BTreeSet<(Duration, Target)>,
    asked: VecDeque<Asked>,
    met: HashMap<(Host, Port), Met>,
    /// When the pace would be kept exactly if the next probe started then (the generic cell rate algorithm).
    pace: Duration,
    in_flight: usize,
    called: Duration,
    awake_since: Duration,
}

impl Schedule {
    pub(crate) fn new(agent: AgentId, max_in_flight: usize) -> Self {
        Self {
            agent,
            max_in_flight,
            slots: BTreeMap::new(),
            due: BTreeSet::new(),
            asked: VecDeque::new(),
            met: HashMap::new(),
            pace: Duration::ZERO,
            in_flight: 0,
            called: Duration::ZERO,
            awake_since: Duration::ZERO,
        }
    }

    /// Replaces all targets. Those that stay keep their place on the grid.
    pub(crate) fn reset(&mut self, set: Vec<Assigned>, now: Duration) -> usize {
        let mut before = std::mem::take(&mut self.slots);
        self.due.clear();
        let refused = self.set(set, now);
        for (target, slot) in &mut self.slots {
            slot.busy = before.remove(target).is_some_and(|old| old.busy);
        }
        refused
    }

    /// Adds targets, or changes their interval; says how many were refused for want of room.
    pub(crate) fn set(&mut self, set: Vec<Assigned>, now: Duration) -> usize {
        let mut refused = 0;
        for Assigned { target, interval, owner } in set {
            let busy = self.unset(&target);
            if self.slots.len() >= MAX_TARGETS {
                refused += 1;
                continue;
            }
            let interval = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
            let tick = next_tick(self.offset(&target, interval), interval, now);
            self.due.insert((tick, target.clone()));
            self.slots.insert(target, Slot { interval, owner, tick, due: tick, busy });
        }
        refused
    }

    /// Takes a target out; says whether a probe of it is on its way.
    pub(crate) fn unset(&mut self, target: &Target) -> bool {
        let Some(slot) = self.slots.remove(target) else { return false };
        self.due.remove(&(slot.due, target.clone()));
        slot.busy
    }

    /// Puts a probe for a check before all others; gives it back when too many wait.
    pub(crate) fn ask(&mut self, asked: Asked) -> Result<(), Asked> {
        if self.asked.len() >= MAX_ASKED {
            return Err(asked);
        }
        self.asked.push_back(asked);
        Ok(())
    }

    /// A probe has ended.
    pub(crate) fn ended(&mut self, request: &ProbeRequest) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if request.check.is_none()
            && let Some(slot) = self.slots.get_mut(&request.target)
        {
            slot.busy = false;
        }
    }

    /// What is to be done now, one thing a call; `None` when there is nothing until [`Schedule::wake_at`].
    pub(crate) fn next(&mut self, now: Duration) -> Option<Next> {
        if now.saturating_sub(self.called) > NAP {
            self.awake_since = now;
        }
        self.called = now;
        if let Some(place) = self.asked.iter().position(|asked| asked.expires <= now) {
            return self.asked.remove(place).map(|asked| Next::GiveUp(asked.request));
        }
        if let Some(late) = self.give_up_late(now) {
            return Some(late);
        }
        if self.in_flight >= self.max_in_flight || self.pace_ready() > now {
            return None;
        }
        let request = self.start_asked(now).or_else(|| self.start_due(now))?;
        self.in_flight += 1;
        self.pace = self.pace.max(now) + Duration::from_secs(1) / MAX_PROBES_PER_SECOND;
        Some(Next::Probe(request))
    }

    /// When [`Schedule::next`] has something to do again, if nothing else happens before.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        let expiry = self.asked.iter().map(|asked| asked.expires).min();
        let first_due = self.due.first();
        let start = if self.in_flight >= self.max_in_flight {
            // Looked at often enough not to be taken for a nap.
            first_due.and_then(|(_, target)| self.late_at(target)).map(|late| late.min(self.called + NAP / 2))
        } else {
            let asked = self.asked.iter().map(|asked| self.host_ready_for_check(asked)).min();
            let start = [asked, first_due.map(|(due, _)| *due)].into_iter().flatten().min();
            start.map(|start| start.max(self.pace_ready()))
        };
        [expiry, start].into_iter().flatten().min()
    }

    /// Gives up the target that has waited longest, when it waited a whole interval while we were awake. One whose own probe is
    /// still on its way waits for nothing: it is passed over.
    fn give_up_late(&mut self, now: Duration) -> Option<Next> {
        loop {
            let (_, target) = self.due.first()?;
            if self.late_at(target)? > now {
                return None;
            }
            let target = target.clone();
            let busy = self.slots.get(&target)?.busy;
            self.move_to_next_tick(&target, now);
            if !busy {
                return Some(Next::GiveUp(ProbeRequest::new(target)));
            }
        }
    }

    fn late_at(&self, target: &Target) -> Option<Duration> {
        let slot = self.slots.get(target)?;
        Some(slot.tick.max(self.awake_since) + slot.interval)
    }

    fn start_asked(&mut self, now: Duration) -> Option<ProbeRequest> {
        let place = self.asked.iter().position(|asked| self.host_ready_for_check(asked) <= now)?;
        let asked = self.asked.remove(place)?;
        self.meet(&asked.request.target, now, true);
        Some(asked.request)
    }

    fn start_due(&mut self, now: Duration) -> Option<ProbeRequest> {
        loop {
            let (due, target) = self.due.first().filter(|(due, _)| *due <= now)?.clone();
            let slot = self.slots.get_mut(&target)?;
            let met = self.met.get(&(target.host.clone(), target.port));
            let ready = met.filter(|_| slot.owner == Owner::Stranger).map_or(now, |met| met.any + HOST_GAP);
            if slot.busy {
                self.move_to_next_tick(&target, now);
            } else if ready > now {
                self.due.remove(&(due, target.clone()));
                slot.due = ready;
                self.due.insert((ready, target));
            } else {
                slot.busy = true;
                self.move_to_next_tick(&target, now);
                self.meet(&target, now, false);
                return Some(ProbeRequest::new(target));
            }
        }
    }

    fn move_to_next_tick(&mut self, target: &Target, now: Duration) {
        let Some(slot) = self.slots.get(target) else { return };
        let tick =
            next_tick(self.offset(target, slot.interval), slot.interval, now + Duration::from_nanos(1));
        let Some(slot) = self.slots.get_mut(target) else { return };
        self.due.remove(&(slot.due, target.clone()));
        (slot.tick, slot.due) = (tick, tick);
        self.due.insert((tick, target.clone()));
    }

    fn meet(&mut self, target: &Target, now: Duration, for_check: bool) {
        if self.met.len() > MAX_TARGETS {
            self.met.retain(|_, met| met.any + HOST_GAP > now);
        }
        let met = self.met.entry((target.host.clone(), target.port)).or_insert(Met { any: now, asked: None });
        met.any = now;
        if for_check {
            met.asked = Some(now);
        }
    }

    fn host_ready_for_check(&self, asked: &Asked) -> Duration {
        let target = &asked.request.target;
        let met = self.met.get(&(target.host.clone(), target.port)).and_then(|met| met.asked);
        met.filter(|_| asked.owner == Owner::Stranger).map_or(Duration::ZERO, |met| met + HOST_GAP)
    }

    fn pace_ready(&self) -> Duration {
        let burst = Duration::from_secs(1) / MAX_PROBES_PER_SECOND * (BURST - 1);
        self.pace.saturating_sub(burst)
    }

    /// A target's place within its interval: the same for ever for the same agent and target.
    fn offset(&self, target: &Target, interval: Duration) -> Duration {
        let named = format!("{}\0{target}", self.agent);
        let hash = digest::digest(&digest::SHA256, named.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(u64::from_be_bytes(first) % nanos)
    }
}

/// The first moment `offset + n × interval` that is not before `now`.
fn next_tick(offset: Duration, interval: Duration, now: Duration) -> Duration {
    let rounds = now.saturating_sub(offset).as_nanos().div_ceil(interval.as_nanos());
    offset + interval * u32::try_from(rounds).unwrap_or(u32::MAX)
}
