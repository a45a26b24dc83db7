//! When what is probed: a pure core. Every function takes the moment it is called at, on a monotonic clock that began with the
//! agent; nothing here waits, asks a clock or draws a random number.
//!
//! 1. A target's probes stand on a grid of its interval, moved by a hash of agent and target, so that neither an agent's targets
//!    nor a target's agents come all at once.
//! 2. What a check asks for goes first.
//! 3. Strangers' machines are met as the agent's [`Level`](crate::config::Level) allows ([`Manners`]): so many a second, so many
//!    at the same time, so many bytes a day, and a gap between two probes of one host and port, and of one address as far as
//!    earlier probes of the host told it. Checks wait only for checks. The operator's own machines are met at will.
//! 4. No stranger's target is probed more often than the agent's share of what one site may get from all agents allows
//!    ([`Schedule::share`]); the aggregator reckons it, and can only stretch what was asked for.
//! 5. All probes together keep to [`MAX_PROBES_PER_SECOND`] and to the configured number at the same time.
//! 6. Every fourth round a target is asked over HTTP/3 where it says that it speaks it, and every fourth over IPv4 where IPv6 is
//!    the usual way: what fails one way only is found without a probe more.
//! 7. What waits too long is given up and said to be so; what was missed is never made up for.
//!
//! All of this is compiled in (threats.md T21): an aggregator, mistaken or hostile, cannot loosen it, and the agent's own
//! configuration only chooses the level.

mod manners;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use parallax_model::{AgentId, Family, Host, Outcome, Port, ProbeResult, Protocol, Target};
use parallax_probe::ProbeRequest;
use ring::digest;

pub(crate) use manners::Manners;
use manners::Rate;

#[cfg(test)]
mod tests;

/// Most probes started in a second, whatever they are for.
pub(crate) const MAX_PROBES_PER_SECOND: u32 = 200;
/// Probes that may start at the same moment after a quiet while.
const BURST: u32 = 20;
/// Most targets an agent takes.
pub(crate) const MAX_TARGETS: usize = 10_000;
/// Most probes for checks that wait.
pub(crate) const MAX_ASKED: usize = 256;
/// Each other way to a target takes the place of one round in so many.
const OTHER_WAY_EVERY: u32 = 4;
/// When a target is looked at again that waits for a stranger's probe to end.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Shortest interval of a target; shorter ones are stretched, for strangers to the gap between two probes.
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

/// Other ways to a target than the one that is chosen by itself, as its last good answer showed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ways {
    /// It says that it speaks HTTP/3.
    pub(crate) h3: bool,
    /// It was met over IPv6 and has IPv4 addresses, too.
    pub(crate) v4: bool,
}

impl Ways {
    /// The ways a result shows; `None` when it was no good answer of a probe that chose its way by itself.
    pub(crate) fn shown(request: &ProbeRequest, result: &ProbeResult) -> Option<Self> {
        let chosen = request.protocol.is_none() && request.family.is_none();
        let met_v6 = result.family == Some(Family::V6);
        (chosen && result.outcome == Outcome::Ok).then(|| Self {
            h3: result.h3_advert.is_some(),
            v4: met_v6 && result.dns.addresses.iter().any(IpAddr::is_ipv4),
        })
    }

    /// The probe of a round.
    fn request(self, target: Target, round: u32) -> ProbeRequest {
        let mut request = ProbeRequest::new(target);
        match round % OTHER_WAY_EVERY {
            1 if self.h3 => request.protocol = Some(Protocol::H3),
            3 if self.v4 => request.family = Some(Family::V4),
            _ => {}
        }
        request
    }
}

#[derive(Debug)]
struct Slot {
    /// What was asked for.
    wanted: Duration,
    /// What it is probed at.
    interval: Duration,
    owner: Owner,
    /// The moment of the grid that is being waited for.
    tick: Duration,
    /// When it is looked at: the tick, or later when its host must be left alone so long.
    due: Duration,
    busy: bool,
    ways: Ways,
    round: u32,
}

/// A probe that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) request: ProbeRequest,
    pub(crate) owner: Owner,
    /// The address that was connected to last.
    pub(crate) address: Option<IpAddr>,
    /// How much of a body was read.
    pub(crate) bytes: u64,
    /// The other ways that it showed.
    pub(crate) ways: Option<Ways>,
}

/// Whom a gap is kept to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Host(Host, Port),
    Address(IpAddr),
}

/// When a place was last met.
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
    met: HashMap<Place, Met>,
    /// The address at which a stranger's host was met last.
    leads: HashMap<Host, IpAddr>,
    pace: Rate,
    in_flight: usize,
    manners: Manners,
    /// Shortest interval of a stranger's target, so that all agents together keep to what one site may get.
    share: Duration,
    /// Strangers' probes a second.
    strangers_pace: Rate,
    /// Strangers' bytes a day.
    strangers_bytes: Rate,
    strangers_in_flight: usize,
    called: Duration,
    awake_since: Duration,
}

impl Schedule {
    pub(crate) fn new(agent: AgentId, max_in_flight: usize, manners: Manners) -> Self {
        Self {
            agent,
            max_in_flight,
            manners,
            slots: BTreeMap::new(),
            due: BTreeSet::new(),
            asked: VecDeque::new(),
            met: HashMap::new(),
            leads: HashMap::new(),
            pace: Rate::new(Duration::from_secs(1) / MAX_PROBES_PER_SECOND * (BURST - 1)),
            in_flight: 0,
            share: Duration::ZERO,
            strangers_pace: manners.pace(),
            strangers_bytes: Manners::bytes(),
            strangers_in_flight: 0,
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
            if let Some(old) = before.remove(target) {
                (slot.busy, slot.ways, slot.round) = (old.busy, old.ways, old.round);
            }
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
            let (wanted, interval) = (interval, self.interval(interval, owner));
            let tick = next_tick(self.offset(&target, interval), interval, now);
            self.due.insert((tick, target.clone()));
            self.slots.insert(
                target,
                Slot { wanted, interval, owner, tick, due: tick, busy, ways: Ways::default(), round: 0 },
            );
        }
        refused
    }

    /// The interval a target is probed at.
    fn interval(&self, wanted: Duration, owner: Owner) -> Duration {
        let least = match owner {
            Owner::Stranger => self.manners.host_gap.max(self.share),
            Owner::Operator => MIN_INTERVAL,
        };
        wanted.max(least).clamp(MIN_INTERVAL, MAX_INTERVAL)
    }

    /// From now on strangers' targets are probed no more often than this, whatever their interval.
    pub(crate) fn share(&mut self, share: Duration, now: Duration) {
        self.share = share;
        let targets: Vec<Target> = self.slots.keys().cloned().collect();
        for target in targets {
            let Some(slot) = self.slots.get(&target) else { continue };
            let interval = self.interval(slot.wanted, slot.owner);
            if interval != slot.interval {
                self.slots.entry(target.clone()).and_modify(|slot| slot.interval = interval);
                self.move_to_next_tick(&target, now);
            }
        }
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
    pub(crate) fn ended(&mut self, Ended { request, owner, address, bytes, ways }: Ended, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if owner == Owner::Stranger {
            self.strangers_in_flight = self.strangers_in_flight.saturating_sub(1);
            self.strangers_bytes.charge(now, self.manners.time_of(bytes));
            if let Some(address) = address {
                self.learn(&request, address, now);
            }
        }
        if request.check.is_none()
            && let Some(slot) = self.slots.get_mut(&request.target)
        {
            slot.busy = false;
            slot.ways = ways.unwrap_or(slot.ways);
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
        if self.in_flight >= self.max_in_flight || self.pace.ready() > now {
            return None;
        }
        let (request, owner) = self.start_asked(now).or_else(|| self.start_due(now))?;
        self.in_flight += 1;
        self.pace.charge(now, Duration::from_secs(1) / MAX_PROBES_PER_SECOND);
        if owner == Owner::Stranger {
            self.strangers_in_flight += 1;
            self.strangers_pace.charge(now, self.manners.between);
        }
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
            let asked = self.asked.iter().filter_map(|asked| self.ready_for_check(asked)).min();
            let start = [asked, first_due.map(|(due, _)| *due)].into_iter().flatten().min();
            start.map(|start| start.max(self.pace.ready()))
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

    fn start_asked(&mut self, now: Duration) -> Option<(ProbeRequest, Owner)> {
        let ready = |asked: &Asked| self.ready_for_check(asked).is_some_and(|ready| ready <= now);
        let place = self.asked.iter().position(ready)?;
        let asked = self.asked.remove(place)?;
        self.meet(&asked.request.target, now, true);
        Some((asked.request, asked.owner))
    }

    fn start_due(&mut self, now: Duration) -> Option<(ProbeRequest, Owner)> {
        loop {
            let (due, target) = self.due.first().filter(|(due, _)| *due <= now)?.clone();
            let (owner, busy) = self.slots.get(&target).map(|slot| (slot.owner, slot.busy))?;
            let ready = match owner {
                Owner::Operator => now,
                Owner::Stranger => {
                    self.ready_for_stranger(&target, |met| Some(met.any)).unwrap_or(now + LOOK_AGAIN)
                }
            };
            if busy {
                self.move_to_next_tick(&target, now);
            } else if ready > now {
                self.due.remove(&(due, target.clone()));
                self.slots.get_mut(&target)?.due = ready;
                self.due.insert((ready, target));
            } else {
                let slot = self.slots.get_mut(&target)?;
                slot.busy = true;
                let request = slot.ways.request(target.clone(), slot.round);
                slot.round = slot.round.wrapping_add(1);
                self.move_to_next_tick(&target, now);
                self.meet(&target, now, false);
                return Some((request, owner));
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
        for place in self.places(target).into_iter().flatten() {
            self.meet_place(place, now, for_check);
        }
    }

    fn meet_place(&mut self, place: Place, now: Duration, for_check: bool) {
        if self.met.len() > MAX_TARGETS {
            let longest = self.manners.host_gap.max(self.manners.address_gap);
            self.met.retain(|_, met| met.any + longest > now);
        }
        let met = self.met.entry(place).or_insert(Met { any: now, asked: None });
        met.any = now;
        if for_check {
            met.asked = Some(now);
        }
    }

    /// Notes where a stranger's host was met, so that another name of the same address leaves it alone, too.
    fn learn(&mut self, request: &ProbeRequest, address: IpAddr, now: Duration) {
        if self.leads.len() >= MAX_TARGETS {
            self.leads.clear();
        }
        self.leads.insert(request.target.host.clone(), address);
        self.meet_place(Place::Address(address), now, request.check.is_some());
    }

    /// Whom a probe of a target meets, as far as that is known before it.
    fn places(&self, target: &Target) -> [Option<Place>; 2] {
        let address = target.host.ip().or_else(|| self.leads.get(&target.host).copied());
        [Some(Place::Host(target.host.clone(), target.port)), address.map(Place::Address)]
    }

    fn ready_for_check(&self, asked: &Asked) -> Option<Duration> {
        match asked.owner {
            Owner::Operator => Some(Duration::ZERO),
            Owner::Stranger => self.ready_for_stranger(&asked.request.target, |met| met.asked),
        }
    }

    /// When a stranger may be met again; `None` while as many are being met as may be.
    fn ready_for_stranger(
        &self,
        target: &Target,
        last: impl Fn(&Met) -> Option<Duration>,
    ) -> Option<Duration> {
        if self.strangers_in_flight >= self.manners.in_flight {
            return None;
        }
        let gaps = self.places(target).into_iter().flatten().filter_map(|place| {
            let gap = match place {
                Place::Host(..) => self.manners.host_gap,
                Place::Address(_) => self.manners.address_gap,
            };
            Some(last(self.met.get(&place)?)? + gap)
        });
        gaps.chain([self.strangers_pace.ready(), self.strangers_bytes.ready()]).max()
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
