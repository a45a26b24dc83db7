//! One target on the board: its window, its course, and what the one says to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parallax_diagnose::{Course, Flaps, MOMENT, SiteNow, Subject, disagreement, is_bad};
use parallax_model::{AgentId, Diagnosis, Host, Incident, IncidentId, Layer, Target, UnixMicros, Verdict};

use super::learning::{Failed, KEEP_EVERY, SUMMARY_VERSION, Summary};
use crate::elsewhere::Neighbourhood;
use crate::read::SiteView;
use crate::reported::Reported;
use crate::window::{Around, Known, ONSET_KEPT, Window};

/// A recovery must last this many intervals.
const RECOVER_INTERVALS: u32 = 3;
/// And of an unwatched site this long.
const RECOVER_UNWATCHED: Duration = Duration::from_mins(1);
/// So many of the agents that failed must get through again before a recovery is believed (diagnosis.md 5.10).
const RECOVERED_AGENTS: usize = 3;
/// Agents that failed and were not heard for so long are not waited for.
const WAITED_FOR: Duration = Duration::from_hours(1);

/// How soon a target is to be evaluated.
pub(super) type Urgency = u64;

/// One target.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) window: Window,
    pub(super) course: Course,
    pub(super) dirty: bool,
    pub(super) touched: UnixMicros,
    /// Whether nothing is said of it because our own side is broken.
    pub(super) suspended: bool,
    /// The reports it is evaluated with.
    pub(super) reported: Arc<Reported>,
    /// What is shown of it: made when it is evaluated, shared with every reader.
    pub(super) view: Option<Arc<SiteView>>,
    /// Agents with an answer, and of those the ones that fail now.
    tally: (usize, usize),
    /// How many failed when it was evaluated last.
    failing_before: usize,
    /// Until when it was said to be up, when it is not any more.
    up_until: Option<UnixMicros>,
    /// The network prefix of its servers, as most agents met them when it was up.
    servers: Option<String>,
    /// Agents that failed since it is in trouble, and when they did last.
    failed: BTreeMap<AgentId, UnixMicros>,
    /// When what is learnt of it was kept last.
    pub(super) kept_at: UnixMicros,
}

/// What came of an evaluation.
pub(super) struct Found {
    /// What is said differently from now on.
    pub(super) said: Option<Diagnosis>,
    /// The incident, when it opened, changed or closed.
    pub(super) incident: Option<Incident>,
}

impl Entry {
    pub(super) fn new(target: &Target, last: Option<Incident>, now: UnixMicros) -> Self {
        Self {
            window: Window::new(None),
            course: Course::new(target.host.clone(), last),
            dirty: false,
            touched: now,
            suspended: false,
            reported: Arc::default(),
            view: None,
            tally: (0, 0),
            failing_before: 0,
            up_until: None,
            servers: None,
            failed: BTreeMap::new(),
            kept_at: now,
        }
    }

    /// What is learnt of it until now.
    pub(super) fn learnt(&mut self, now: UnixMicros) -> Summary {
        self.kept_at = now;
        let flaps = self.course.flaps();
        let failed = |(agent, at): (&AgentId, &UnixMicros)| Failed { agent: agent.to_string(), at: at.0 };
        Summary {
            version: SUMMARY_VERSION,
            servers: self.servers.clone().unwrap_or_default(),
            up_until: self.up_until.map(|at| at.0),
            failed: self.failed.iter().map(failed).collect(),
            flaps: if *flaps == Flaps::default() {
                String::new()
            } else {
                serde_json::to_string(flaps).unwrap_or_default()
            },
            cells: Some(self.window.learnt(now)),
        }
    }

    /// Takes up what was learnt before the process last ended, at most so many cells. Returns how many; `None` when it cannot be read.
    pub(super) fn recall(
        &mut self,
        summary: Summary,
        known: &Known<'_>,
        room: usize,
        now: UnixMicros,
    ) -> Option<usize> {
        let Summary { version: SUMMARY_VERSION, servers, up_until, failed, flaps, cells: Some(cells) } =
            summary
        else {
            return None;
        };
        let recalled = self.window.recall(&cells, known, room, now)?;
        self.servers = Some(servers).filter(|servers| !servers.is_empty());
        self.up_until = up_until.map(UnixMicros);
        let failed = failed.into_iter().filter_map(|f| Some((f.agent.parse().ok()?, UnixMicros(f.at))));
        self.failed = failed.collect();
        if let Ok(flaps) = serde_json::from_str(&flaps) {
            self.course.resume_flaps(flaps);
        }
        Some(recalled)
    }

    /// Takes up the site's incident as another target of it left it.
    pub(super) fn take_up(&mut self, last: Option<&Incident>, others_troubled: bool) {
        let state = |i: &Incident| (i.id, i.closed_at, i.onset, i.steps.len());
        let news = last.map(state) != self.course.last_incident().map(state);
        self.course.share(last.filter(|_| news).cloned(), others_troubled);
    }

    /// Whether it is to be evaluated.
    pub(super) const fn is_due(&self) -> bool {
        self.dirty || self.suspended
    }

    /// The longer it waits, and the more or fewer agents fail than when it was evaluated last, the sooner. So where a fault begins or
    /// ends it is told at once, and nobody waits for ever.
    pub(super) fn urgency(&self, now: UnixMicros) -> Urgency {
        let Some(view) = self.view.as_ref().filter(|_| !self.suspended) else { return Urgency::MAX };
        let news = self.tally.1.abs_diff(self.failing_before) as u64;
        now.since(view.at).saturating_mul(news + 1).min(Urgency::MAX - 1)
    }

    /// Drops what is old and takes up what people report.
    pub(super) fn freshen(&mut self, reported: &Arc<Reported>, silent: &BTreeSet<AgentId>, now: UnixMicros) {
        self.dirty |= self.window.expire(now);
        if self.reported != *reported {
            self.reported = Arc::clone(reported);
            self.dirty = true;
        }
        if self.dirty {
            self.tally = self.window.tally(silent);
        }
    }

    /// What it shows to whoever asks whether the problem is ours; only watched sites do.
    pub(super) fn site_now(&self, target: &Target, now: UnixMicros) -> Option<SiteNow> {
        self.window.interval()?;
        let (agents, failing) = self.tally;
        let lately = |at: UnixMicros| now.since(at) < u64::try_from(MOMENT.as_micros()).unwrap_or(u64::MAX);
        let is_up = self.course.said().is_some_and(|said| said.verdict == Verdict::Up);
        let was_up = is_up || self.up_until.is_some_and(lately);
        let cdn = (2 * failing > agents).then(|| failing_edge(&self.window)).flatten();
        let group = cdn.or_else(|| self.servers.clone()).unwrap_or_else(|| target.host.to_string());
        Some(SiteNow { group, was_up, agents, failing })
    }

    /// What is found out about it now. An empty window says nothing new about an unwatched site: what was said stays, with its age
    /// beside it. A recovery is believed when those that failed get through again: that they are silent is none.
    pub(super) fn look(
        &mut self,
        target: &Target,
        around: &Around<'_>,
        neighbourhood: Option<&Neighbourhood>,
        now: UnixMicros,
    ) -> Diagnosis {
        self.dirty = false;
        self.suspended = false;
        self.failing_before = self.tally.1;
        if let (true, None, Some(said)) = (self.window.is_empty(), self.window.interval(), self.course.said())
        {
            return said.clone();
        }
        let subject = Subject { host: Some(&target.host) };
        let mut world = self.window.world(now, around);
        let mut found = parallax_diagnose::diagnose(&world, subject);
        if let (true, Some(neighbourhood)) = (is_bad(found.verdict), neighbourhood) {
            // Who is affected says whose neighbours are asked, and they say why.
            world.elsewhere = Some(neighbourhood.elsewhere(&self.window, &found.scopes));
            found = parallax_diagnose::diagnose(&world, subject);
        }
        self.window.settle(found.verdict == Verdict::Up, now);
        if is_bad(found.verdict) {
            self.failed.extend(self.window.failing().map(|agent| (agent.clone(), now)));
        }
        if found.verdict == Verdict::Up && !self.has_recovered(now) {
            silent_witnesses(&target.host)
        } else {
            found
        }
    }

    fn has_recovered(&mut self, now: UnixMicros) -> bool {
        if !self.course.is_troubled() {
            self.failed.clear();
            return true;
        }
        let waited = u64::try_from(WAITED_FOR.as_micros()).unwrap_or(u64::MAX);
        self.failed.retain(|_, at| now.since(*at) < waited);
        let back = self.failed.keys().filter(|agent| self.window.works_for(agent)).count();
        back >= RECOVERED_AGENTS.min(self.failed.len())
    }

    /// Says it, with patience.
    pub(super) fn say(
        &mut self,
        found: Diagnosis,
        now: UnixMicros,
        new_id: &mut impl FnMut() -> IncidentId,
    ) -> Found {
        let before = self.course.said().map(|said| (said.verdict, said.scopes.clone()));
        let was_up = before.as_ref().is_some_and(|(verdict, _)| *verdict == Verdict::Up);
        let last_end = self.course.last_incident().and_then(|incident| incident.closed_at);
        let patience = self.window.interval().map_or(RECOVER_UNWATCHED, |i| i * RECOVER_INTERVALS);
        let mut incident = self.course.find(found, now, patience, new_id);
        let after = self.course.said().cloned();
        if let (Some(said), Some(opened)) = (&after, incident.as_ref().filter(|i| i.steps.len() == 1)) {
            let kept = i64::try_from(ONSET_KEPT.as_micros()).unwrap_or(i64::MAX);
            let earliest = last_end.unwrap_or_default().max(now.plus_micros(-kept));
            let onset = self.window.onset(said.verdict, &said.scopes, earliest);
            let placed = onset.and_then(|onset| self.course.place_onset(onset).cloned());
            incident = Some(placed.unwrap_or_else(|| opened.clone()));
        }
        match &after {
            Some(said) if said.verdict == Verdict::Up => {
                self.up_until = None;
                self.servers = self.servers.take().or_else(|| servers(&self.window));
            }
            _ if was_up => self.up_until = Some(now),
            _ => {}
        }
        let said = after.filter(|said| before != Some((said.verdict, said.scopes.clone())));
        if said.is_some() {
            // Who fails is learnt now: it is to be kept soon.
            self.kept_at = self.kept_at.plus_micros(-i64::try_from(KEEP_EVERY.as_micros()).unwrap_or(0));
        }
        Found { said, incident }
    }

    /// Makes what is shown of it; nothing until something is said.
    pub(super) fn show(&mut self, target: &Target, last: Option<&Incident>, now: UnixMicros) {
        let Some(diagnosis) = self.course.said().cloned() else { return };
        let reports = self.reported.counts;
        let since = self.course.since();
        self.view = Some(Arc::new(SiteView {
            host: target.host.clone(),
            target: target.clone(),
            incident: last.filter(|incident| incident.closed_at.is_none()).cloned(),
            disagreement: disagreement(diagnosis.verdict, Duration::from_micros(now.since(since)), &reports),
            diagnosis,
            at: now,
            since,
            rows: self.window.rows(target, now),
            reports,
            interval: self.window.interval(),
        }));
    }
}

fn silent_witnesses(host: &Host) -> Diagnosis {
    Diagnosis::unknown(
        format!("We cannot tell whether {host} works again: the testers that saw it fail are silent"),
        vec!["an answer of the testers that saw it fail".to_owned()],
    )
}

/// The CDN whose edge wrote most of the failures: sites behind it fail together.
fn failing_edge(window: &Window) -> Option<String> {
    let failing = window.newest().filter(|track| track.fails());
    let edges = failing.map(|track| {
        let emitter = track.newest()?.emitter.as_ref()?;
        (emitter.layer == Layer::Edge).then(|| format!("the CDN {}", emitter.name))
    });
    most(edges)
}

/// The network prefix that most agents meet.
fn servers(window: &Window) -> Option<String> {
    most(window.newest().map(|track| track.newest()?.address.map(prefix)))
}

fn prefix(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// The value that more than half have.
fn most(values: impl Iterator<Item = Option<String>>) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = 0;
    for value in values {
        all += 1;
        if let Some(value) = value {
            *counts.entry(value).or_default() += 1;
        }
    }
    counts.into_iter().find(|(_, n)| 2 * n > all).map(|(value, _)| value)
}
