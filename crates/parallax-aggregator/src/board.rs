//! Everything evaluation knows: a window and a course for each target. Pure: results, moments and ids come in; incidents to keep
//! and views to publish go out.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use parallax_bus::Published;
use parallax_diagnose::{AgentsNow, Breaker, MOMENT, Trust, Why, is_bad};
use parallax_model::{
    AgentFailure, AgentId, BeaconState, Diagnosis, FailureKind, Host, Incident, IncidentId, Path, Target,
    UnixMicros, Vantage,
};
use parallax_proto::batch::Results;

use crate::elsewhere::Neighbourhood;
use crate::minutes::{Minute, Minutes};
use crate::read::{NetworkState, OurSide, SiteView};
use crate::reported::Reported;
use crate::silence::Silence;
use crate::window::{Around, ROUNDS};
pub(crate) use cells::Cells;
use entry::{Entry, Found, Urgency};
pub(crate) use gathered::Gathered;

mod cells;
mod entry;
mod gathered;
mod learning;

/// Sites that only checks made known are forgotten after this time without a result.
const UNWATCHED_KEPT: Duration = Duration::from_hours(24);
/// Targets known at most; a check of one more makes the longest untouched unwatched one go.
const MAX_TARGETS: usize = 20_000;
/// An agent's own line is judged by what it said within this time.
const LINE_KNOWN: Duration = Duration::from_mins(2);
/// How other sites fare is counted anew this often, while something is bad.
const NEIGHBOURHOOD_FOR: Duration = Duration::from_secs(5);

/// What an evaluation changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Incidents that opened, changed or closed.
    pub incidents: Vec<Incident>,
    /// Sites whose verdict or scopes are said differently from now on.
    pub said: Vec<(Target, Diagnosis, UnixMicros)>,
    /// Targets that were evaluated.
    pub evaluated: usize,
}

/// Windows and courses of all targets.
#[derive(Debug, Default)]
pub(crate) struct Board {
    // Found by its hash for every row of every batch; where the order matters, it is made.
    entries: HashMap<Target, Entry, RandomState>,
    cells: Cells,
    /// Batches with a target that nobody watches and nobody asked for as a site.
    unasked: u64,
    minutes: Minutes,
    last_incidents: BTreeMap<Host, Incident>,
    /// Hosts that had to make room since the last [`Board::forget`].
    displaced: Vec<Host>,
    /// Incidents that were joined with another one of the same site, not handed out yet.
    joined: Vec<Incident>,
    /// Whether each agent's own line works, and when it said so.
    lines: BTreeMap<AgentId, (UnixMicros, bool)>,
    silence: Silence,
    breaker: Breaker,
    our_side: Option<(UnixMicros, Why)>,
    /// Whether so many sites begin to break that it may be us.
    doubtful: bool,
    neighbourhood: Option<(UnixMicros, Arc<Neighbourhood>)>,
    /// Whether something bad was found since other sites were looked at last.
    found_bad: bool,
}

/// What an evaluation is made with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn<'a> {
    /// The moment.
    pub now: UnixMicros,
    /// What visitors reported, by site.
    pub reports: &'a BTreeMap<Host, Arc<Reported>>,
    /// Agents that are connected, with their places; in the order of the agents.
    pub connected: &'a [(AgentId, Arc<Vantage>)],
}

/// A batch while its rows are taken up.
struct Batch<'a> {
    published: &'a Published,
    /// Whether its results are counted into minutes.
    count: bool,
    /// When the agent said last whether its own line works, and whether it does.
    line: Cell<Option<(UnixMicros, bool)>>,
}

impl<'a> Batch<'a> {
    const fn new(published: &'a Published, count: bool) -> Self {
        Self { published, count, line: Cell::new(None) }
    }
}

/// One target's rows of a batch.
struct Part<'a> {
    batch: &'a Batch<'a>,
    rows: &'a [u32],
}

impl<'a> Part<'a> {
    fn results(&self) -> &'a Results {
        &self.batch.published.results
    }

    const fn received_at(&self) -> UnixMicros {
        self.batch.published.received_at
    }
}

impl Board {
    /// A board that knows the incidents that were open when the process last ended, and keeps so many cells at most.
    pub(crate) fn new(open: Vec<Incident>, cells: Cells) -> Self {
        let mut board = Self { cells, ..Self::default() };
        for incident in open {
            // A site has one incident: of several the oldest goes on, the others end where it goes on.
            if let Some(first) = board.last_incidents.get(&incident.site) {
                let closed_at = Some(incident.latest().map_or(first.opened_at, |step| step.at));
                board.joined.push(Incident { closed_at, ..incident });
            } else {
                board.last_incidents.insert(incident.site.clone(), incident);
            }
        }
        board
    }

    fn entry(&mut self, target: &Target, now: UnixMicros) -> &mut Entry {
        if !self.entries.contains_key(target) && self.entries.len() >= MAX_TARGETS {
            let unwatched = self.entries.iter().filter(|(_, e)| e.window.interval().is_none());
            if let Some(oldest) = unwatched.min_by_key(|(t, e)| (e.touched, *t)).map(|(t, _)| t.clone()) {
                let gone = self.entries.remove(&oldest);
                self.cells.free(gone.map_or(0, |entry| entry.window.cells()));
                self.displaced.push(oldest.host);
            }
        }
        let last = self.last_incidents.get(&target.host).cloned();
        self.entries.entry(target.clone()).or_insert_with(|| Entry::new(target, last, now))
    }

    /// Watches a target: it is known from now on even without results.
    pub(crate) fn watch(&mut self, target: &Target, interval: Duration, now: UnixMicros) {
        let entry = self.entry(target, now);
        entry.window.set_interval(Some(interval));
        entry.dirty = true;
    }

    /// Stops watching every target that is not to be watched.
    pub(crate) fn unwatch(&mut self, is_watched: impl Fn(&Target) -> bool) {
        for (_, entry) in self.entries.iter_mut().filter(|(target, _)| !is_watched(target)) {
            entry.window.set_interval(None);
        }
    }

    /// Takes up what was said of a target before the process last ended.
    pub(crate) fn resume(&mut self, target: &Target, said: Diagnosis, since: UnixMicros, at: UnixMicros) {
        let entry = self.entry(target, at);
        entry.course.resume(said, since);
    }

    /// Adds results. `count` also counts them into minutes; a replay of the journal counts only what was not written before.
    pub(crate) fn add(&mut self, published: &Published, count: bool) {
        let batch = Batch::new(published, count);
        for seen in published.results.by_target().iter() {
            self.take_up(seen.target, &[Part { batch: &batch, rows: seen.rows }]);
        }
        self.hear(&batch);
    }

    /// Adds many batches, which is cheaper together; `count` says of which of them results are counted into minutes.
    pub(crate) fn add_all(&mut self, gathered: &Gathered, count: impl Fn(&Published) -> bool) {
        let batches: Vec<Batch<'_>> = gathered.batches().iter().map(|b| Batch::new(b, count(b))).collect();
        let mut parts = Vec::new();
        for (target, places) in gathered.by_target() {
            parts.clear();
            parts.extend(places.map(|(batch, rows)| Part { batch: &batches[batch], rows }));
            self.take_up(target, &parts);
        }
        for batch in &batches {
            self.hear(batch);
        }
    }

    /// Takes up one target's rows.
    fn take_up(&mut self, target: &Target, mut parts: &[Part<'_>]) {
        let mut entry = if let Some(entry) = self.entries.get_mut(target) {
            entry
        } else {
            let unasked = parts.iter().take_while(|part| !was_asked_for(target, part)).count();
            self.unasked += unasked as u64;
            parts = parts.get(unasked..).unwrap_or_default();
            let Some(first) = parts.first() else { return };
            self.entry(target, first.received_at());
            let Some(entry) = self.entries.get_mut(target) else { return };
            entry
        };
        let counted = parts.iter().filter(|part| part.batch.count);
        self.minutes.add(&target.host, counted.map(|part| (part.results(), part.rows, part.received_at())));
        for part in parts {
            let (results, received_at) = (part.results(), part.received_at());
            let Published { agent, vantage, .. } = part.batch.published;
            let mut cell = entry.window.cell_of(agent);
            if cell.is_none() {
                cell = self.new_cell(target, agent, vantage);
                let Some(same) = self.entries.get_mut(target) else { return };
                entry = same;
            }
            entry.touched = received_at;
            for row in rows_that_count(part.rows, results).into_iter().flatten() {
                let at = results.seen_at(row, received_at);
                part.batch.line.update(|line| line.max(Some((at, line_works(results, row)))));
                if let Some(cell) = cell {
                    entry.window.add_row(cell, vantage, at, (results, row));
                    entry.dirty = true;
                }
            }
        }
    }

    /// Notes whether the agent's own line worked, by what was taken up of its batch.
    fn hear(&mut self, batch: &Batch<'_>) {
        if let Some(line) = batch.line.get() {
            let known = self.lines.entry(batch.published.agent.clone()).or_insert(line);
            *known = line.max(*known);
        }
    }

    /// A cell in a target's window for an agent that has none there, if there is room for it.
    fn new_cell(&mut self, target: &Target, agent: &AgentId, vantage: &Arc<Vantage>) -> Option<usize> {
        if self.cells.is_full() {
            return self.cell_of_another(target, agent, vantage);
        }
        self.cells.take();
        Some(self.entries.get_mut(target)?.window.open(agent, vantage))
    }

    /// A cell although all are taken, for a target that has less than its share.
    fn cell_of_another(&mut self, target: &Target, agent: &AgentId, vantage: &Arc<Vantage>) -> Option<usize> {
        let window = &self.entries.get(target)?.window;
        if window.cells() >= self.cells.share(self.entries.len()) {
            self.cells.refuse();
            return None;
        }
        // The one with the most has more than its share.
        let most = self.entries.values_mut().max_by_key(|entry| entry.window.cells())?;
        most.window.close_longest_unheard();
        self.cells.free(1);
        self.cells.take();
        Some(self.entries.get_mut(target)?.window.open(agent, vantage))
    }

    /// How often there was a target in a batch that nobody watches and nobody asked for as a site; its results are in the journal.
    pub(crate) const fn unasked(&self) -> u64 {
        self.unasked
    }

    /// How full the windows are.
    pub(crate) const fn cells(&self) -> &Cells {
        &self.cells
    }

    /// Evaluates targets that have something new or lost something to age, unless our own side is broken: the most urgent first, until
    /// it is `enough`; the others are due in the next turn. Those of which nothing, or nothing true, is said yet are evaluated in any
    /// case.
    pub(crate) fn evaluate(
        &mut self,
        turn: Turn<'_>,
        mut new_id: impl FnMut() -> IncidentId,
        mut enough: impl FnMut() -> bool,
    ) -> Changes {
        let mut changes = Changes::default();
        let silent = self.silence.silent().clone();
        self.silence.look(turn.connected, turn.now);
        if silent != *self.silence.silent() {
            self.entries.values_mut().for_each(|entry| entry.dirty = true);
        }
        self.freshen(turn);
        let trust = self.look_at_ourselves(turn.now);
        if let Trust::Broken { since, why } = trust {
            self.our_side = Some((since, why));
            self.suspend(why, turn.now, &mut changes);
            return changes;
        }
        self.our_side = None;
        self.doubtful = trust == Trust::Doubtful;
        self.look_around(turn.now);
        let due = self.entries.iter().filter(|(_, entry)| entry.is_due());
        let mut due: Vec<_> = due.map(|(t, entry)| (Reverse(entry.urgency(turn.now)), t.clone())).collect();
        due.sort_unstable();
        for (Reverse(urgency), target) in due {
            if urgency < Urgency::MAX && enough() {
                break;
            }
            self.evaluate_one(&target, turn, &mut changes, &mut new_id);
        }
        changes
    }

    /// Drops what is old and takes up what people report.
    fn freshen(&mut self, turn: Turn<'_>) {
        let silent = self.silence.silent();
        let nothing = Arc::default();
        self.entries.iter_mut().for_each(|(target, entry)| {
            entry.freshen(turn.reports.get(&target.host).unwrap_or(&nothing), silent, turn.now);
        });
    }

    fn look_at_ourselves(&mut self, now: UnixMicros) -> Trust {
        let lately =
            |at: UnixMicros| now.since(at) < u64::try_from(LINE_KNOWN.as_micros()).unwrap_or(u64::MAX);
        self.lines.retain(|_, (at, _)| lately(*at));
        let (were_online, gone) = self.silence.lost();
        let broken_lines = self.lines.values().filter(|(_, works)| !works).count();
        let agents = AgentsNow { heard: self.lines.len(), broken_lines, were_online, gone };
        let sites: Vec<_> = self.entries.iter().filter_map(|(target, e)| e.site_now(target, now)).collect();
        self.breaker.look(&sites, agents, now)
    }

    /// Says of every site that nothing can be told, and takes back what was said a moment ago.
    fn suspend(&mut self, why: Why, now: UnixMicros, changes: &mut Changes) {
        let mut entries: Vec<_> = self.entries.iter_mut().filter(|(_, entry)| !entry.suspended).collect();
        entries.sort_unstable_by_key(|(target, _)| *target);
        for (target, entry) in entries {
            if entry.window.is_empty() && entry.window.interval().is_none() {
                // What was once said of a site that nobody looks at keeps its age.
                continue;
            }
            entry.suspended = true;
            changes.evaluated += 1;
            let sentence = format!("We cannot tell how {} is: our own side has a problem", target.host);
            let reason = Diagnosis::unknown(sentence, vec![why.sentence()]);
            if let Some(incident) = entry.course.suspend(reason.clone(), now, MOMENT) {
                self.last_incidents.insert(target.host.clone(), incident.clone());
                changes.incidents.push(incident);
            }
            changes.said.push((target.clone(), reason, now));
            entry.show(target, self.last_incidents.get(&target.host), now);
        }
        self.entries.values_mut().for_each(|entry| entry.window.settle(false, now));
    }

    fn evaluate_one(
        &mut self,
        target: &Target,
        turn: Turn<'_>,
        changes: &mut Changes,
        new_id: &mut impl FnMut() -> IncidentId,
    ) {
        let others_troubled = self.others_troubled(target);
        let neighbourhood = self.neighbourhood.as_ref().map(|(_, known)| Arc::clone(known));
        let Some(entry) = self.entries.get_mut(target) else {
            return;
        };
        let around = Around {
            reported: &entry.reported.clone(),
            connected: turn.connected,
            silent: self.silence.silent(),
        };
        changes.evaluated += 1;
        entry.course.doubt(self.doubtful);
        entry.take_up(self.last_incidents.get(&target.host), others_troubled);
        let found = entry.look(target, &around, neighbourhood.as_deref(), turn.now);
        self.found_bad |= is_bad(found.verdict);
        let Found { said, incident } = entry.say(found, turn.now, new_id);
        if let Some(incident) = incident {
            self.last_incidents.insert(target.host.clone(), incident.clone());
            changes.incidents.push(incident);
        }
        if let Some(said) = said {
            changes.said.push((target.clone(), said, entry.course.since()));
        }
        entry.show(target, self.last_incidents.get(&target.host), turn.now);
    }

    /// Whether another target of the same site is in trouble.
    fn others_troubled(&self, target: &Target) -> bool {
        let lasts = self.last_incidents.get(&target.host).is_some_and(|last| last.closed_at.is_none());
        let others = self.entries.iter().filter(|(other, _)| other.host == target.host && *other != target);
        lasts && others.into_iter().any(|(_, entry)| entry.course.is_troubled())
    }

    /// Counts how other sites fare, while something is found to be wrong with one.
    fn look_around(&mut self, now: UnixMicros) {
        let good = u64::try_from(NEIGHBOURHOOD_FOR.as_micros()).unwrap_or(u64::MAX);
        let known = self.neighbourhood.as_ref().is_some_and(|(at, _)| now.since(*at) < good);
        if !std::mem::take(&mut self.found_bad) {
            self.neighbourhood = self.neighbourhood.take().filter(|_| known);
        } else if !known {
            let windows = self.entries.values().map(|entry| &entry.window);
            self.neighbourhood = Some((now, Arc::new(Neighbourhood::of(windows))));
        }
    }

    /// How our own side is.
    pub(crate) fn network(&self) -> NetworkState {
        let our_side = self.our_side.map(|(since, why)| OurSide { since, sentence: why.sentence() });
        NetworkState { our_side, notices: self.silence.notices() }
    }

    /// Forgets unwatched targets that nobody asked for in a day. Returns the hosts of which no target is known any more.
    pub(crate) fn forget(&mut self, now: UnixMicros) -> BTreeSet<Host> {
        let kept = u64::try_from(UNWATCHED_KEPT.as_micros()).unwrap_or(u64::MAX);
        let old = |_: &Target, e: &mut Entry| e.window.interval().is_none() && now.since(e.touched) >= kept;
        let forgotten: Vec<(Target, Entry)> = self.entries.extract_if(old).collect();
        self.cells.free(forgotten.iter().map(|(_, entry)| entry.window.cells()).sum());
        let mut gone: BTreeSet<Host> = forgotten.into_iter().map(|(target, _)| target.host).collect();
        self.cells.free(self.entries.values_mut().map(|entry| entry.window.forget(now)).sum());
        gone.extend(self.displaced.drain(..));
        if !gone.is_empty() {
            let known: BTreeSet<&Host> = self.entries.keys().map(|target| &target.host).collect();
            gone.retain(|host| !known.contains(host));
            self.last_incidents.retain(|host, last| last.closed_at.is_none() || !gone.contains(host));
        }
        gone
    }

    /// Ends incidents that nothing will ever end: of hosts of which no target is known any more and nothing was said for a day, and
    /// those that another one of the same site goes on for.
    pub(crate) fn end_orphans(&mut self, now: UnixMicros) -> Vec<Incident> {
        let kept = u64::try_from(UNWATCHED_KEPT.as_micros()).unwrap_or(u64::MAX);
        let known: BTreeSet<&Host> = self.entries.keys().map(|target| &target.host).collect();
        let quiet = |i: &Incident| i.latest().is_none_or(|step| now.since(step.at) >= kept);
        let orphan =
            |host: &Host, i: &mut Incident| i.closed_at.is_none() && !known.contains(host) && quiet(i);
        let ended = self.last_incidents.extract_if(.., orphan).map(|(_, incident)| incident);
        let ended = ended.map(|incident| Incident { closed_at: Some(now), ..incident });
        self.joined.drain(..).chain(ended).collect()
    }

    /// Minutes that ended before `now`; with `all` the running one too.
    pub(crate) fn take_minutes(&mut self, now: UnixMicros, all: bool) -> Vec<Minute> {
        self.minutes.take(now, all)
    }

    /// Minutes that are counted so far and not taken yet, by site.
    pub(crate) fn running_minutes(&self) -> BTreeMap<Host, Vec<Minute>> {
        self.minutes.running()
    }

    /// One view a host: its watched target before an unwatched one; of watched ones one in trouble before one that is not, of others
    /// the site's own page before another; what is touched later before what is touched earlier.
    pub(crate) fn views(&self) -> BTreeMap<Host, Arc<SiteView>> {
        let weight = |(target, entry): (&Target, &Entry)| {
            let watched = entry.window.interval().is_some();
            let (troubled, own) =
                (entry.course.is_troubled(), *target == Target::site_default(target.host.clone()));
            let (first, then) = if watched { (troubled, own) } else { (own, troubled) };
            (watched, first, then, entry.touched, Reverse(target.clone()))
        };
        let mut chosen: BTreeMap<&Host, (&Target, &Entry)> = BTreeMap::new();
        for (target, entry) in self.entries.iter().filter(|(_, e)| e.view.is_some()) {
            if chosen.get(&target.host).is_none_or(|other| weight((target, entry)) > weight(*other)) {
                chosen.insert(&target.host, (target, entry));
            }
        }
        let view = |(host, (_, entry)): (&Host, (&Target, &Entry))| Some((host.clone(), entry.view.clone()?));
        chosen.into_iter().filter_map(view).collect()
    }
}

/// Whether a target that is not watched may speak for its host: a visitor asked for it, and for the site itself rather than a page
/// of it, which may well be broken on purpose.
fn was_asked_for(target: &Target, part: &Part<'_>) -> bool {
    let by_a_check = || part.rows.iter().any(|row| part.results().check_of(*row as usize).is_some());
    target.path == Path::root() && by_a_check()
}

/// Whether the agent's own line worked when it saw this.
fn line_works(results: &Results, row: usize) -> bool {
    let offline = results.outcome(row).kind() == Some(FailureKind::Agent(AgentFailure::Offline));
    results.beacon(row) != BeaconState::Failed && !offline
}

/// Of one target's rows, oldest first, those that a window keeps: the last [`ROUNDS`] that say something, and before them the last
/// good one when none of these is good, for the way it took. The others would be pushed out at once.
fn rows_that_count(rows: &[u32], results: &Results) -> [Option<usize>; ROUNDS + 1] {
    let telling = rows.iter().map(|row| *row as usize).rev();
    let mut telling = telling.filter(|row| !results.outcome(*row).is_not_applicable());
    let mut kept = [None; ROUNDS + 1];
    for place in kept.iter_mut().skip(1).rev() {
        *place = telling.next();
    }
    if !kept.iter().flatten().any(|row| results.is_ok(*row)) {
        kept[0] = telling.find(|row| results.is_ok(*row));
    }
    kept
}

#[cfg(test)]
mod tests;
