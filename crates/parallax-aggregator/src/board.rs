//! Everything evaluation knows: a window and a course for each target. Pure: results, moments and ids come in; incidents to keep
//! and views to publish go out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parallax_bus::Published;
use parallax_diagnose::{Course, Subject, World, is_bad};
use parallax_model::{Diagnosis, Host, Incident, IncidentId, ReportCounts, Target, UnixMicros, Verdict};

use crate::minutes::{Minute, Minutes};
use crate::read::SiteView;
use crate::reported::Reported;
use crate::window::{Connected, Window};

/// Sites that only checks made known are forgotten after this time without a result.
const UNWATCHED_KEPT: Duration = Duration::from_hours(24);
/// Targets known at most; a check of one more makes the longest untouched unwatched one go.
const MAX_TARGETS: usize = 20_000;
/// A recovery must last this many intervals.
const RECOVER_INTERVALS: u32 = 3;
/// And of an unwatched site this long.
const RECOVER_UNWATCHED: Duration = Duration::from_mins(1);

#[derive(Debug)]
struct Entry {
    window: Window,
    course: Course,
    dirty: bool,
    touched: UnixMicros,
    /// The reports it was evaluated with.
    reported: Arc<Reported>,
    /// What is shown of it: made when it is evaluated, shared with every reader.
    view: Option<Arc<SiteView>>,
}

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
    entries: BTreeMap<Target, Entry>,
    minutes: Minutes,
    last_incidents: BTreeMap<Host, Incident>,
    /// Hosts that had to make room since the last [`Board::forget`].
    displaced: Vec<Host>,
}

impl Board {
    /// A board that knows the incidents that were open when the process last ended.
    pub(crate) fn new(open: Vec<Incident>) -> Self {
        let last_incidents = open.into_iter().map(|i| (i.site.clone(), i)).collect();
        Self { last_incidents, ..Self::default() }
    }

    fn entry(&mut self, target: &Target, now: UnixMicros) -> &mut Entry {
        if !self.entries.contains_key(target) && self.entries.len() >= MAX_TARGETS {
            let unwatched = self.entries.iter().filter(|(_, e)| e.window.interval().is_none());
            if let Some(oldest) = unwatched.min_by_key(|(_, e)| e.touched).map(|(t, _)| t.clone()) {
                self.entries.remove(&oldest);
                self.displaced.push(oldest.host);
            }
        }
        let last = self.last_incidents.get(&target.host);
        self.entries.entry(target.clone()).or_insert_with(|| Entry {
            window: Window::new(None),
            course: Course::new(target.host.clone(), last.cloned()),
            reported: Arc::default(),
            dirty: false,
            touched: now,
            view: None,
        })
    }

    /// Watches a target: it is known from now on even without results.
    pub(crate) fn watch(&mut self, target: &Target, interval: Duration, now: UnixMicros) {
        let entry = self.entry(target, now);
        entry.window.set_interval(Some(interval));
        entry.dirty = true;
    }

    /// Stops watching a target.
    pub(crate) fn unwatch(&mut self, target: &Target) {
        if let Some(entry) = self.entries.get_mut(target) {
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
        for result in published.results.iter() {
            if count {
                self.minutes.add(result, published.received_at);
            }
            let entry = self.entry(&result.target, published.received_at);
            entry.window.add(
                published.agent.clone(),
                &published.vantage,
                published.received_at,
                Arc::new(result.clone()),
            );
            entry.dirty = true;
            entry.touched = published.received_at;
        }
    }

    /// Evaluates every target that has something new or lost something to age.
    pub(crate) fn evaluate(
        &mut self,
        now: UnixMicros,
        reports: &BTreeMap<Host, Arc<Reported>>,
        connected: &Connected,
        mut new_id: impl FnMut() -> IncidentId,
    ) -> Changes {
        let mut changes = Changes::default();
        for (target, entry) in &mut self.entries {
            let aged = entry.window.expire(now);
            let reported = reports.get(&target.host).cloned().unwrap_or_default();
            if !(entry.dirty || aged || entry.reported != reported) {
                continue;
            }
            entry.dirty = false;
            changes.evaluated += 1;
            let world = entry.window.world(now, &reported, connected);
            let found = find(entry, target, &world);
            entry.window.settle(found.verdict == Verdict::Up);
            let before = entry.course.said().map(|d| (d.verdict, d.scopes.clone()));
            let patience = entry.window.interval().map_or(RECOVER_UNWATCHED, |i| i * RECOVER_INTERVALS);
            if let Some(incident) = entry.course.find(found, now, patience, &mut new_id) {
                self.last_incidents.insert(target.host.clone(), incident.clone());
                changes.incidents.push(incident);
            }
            let after = entry.course.said();
            if let Some(said) = after.filter(|d| before != Some((d.verdict, d.scopes.clone()))) {
                changes.said.push((target.clone(), said.clone(), entry.course.since()));
            }
            entry.view = view(target, entry, now, reported.counts);
            entry.reported = reported;
        }
        changes
    }

    /// Forgets unwatched targets that nobody asked for in a day. Returns the hosts of which no target is known any more.
    pub(crate) fn forget(&mut self, now: UnixMicros) -> BTreeSet<Host> {
        let kept = u64::try_from(UNWATCHED_KEPT.as_micros()).unwrap_or(u64::MAX);
        let old = |_: &Target, e: &mut Entry| e.window.interval().is_none() && now.since(e.touched) >= kept;
        let mut gone: BTreeSet<Host> =
            self.entries.extract_if(.., old).map(|(target, _)| target.host).collect();
        gone.extend(self.displaced.drain(..));
        if !gone.is_empty() {
            let known: BTreeSet<&Host> = self.entries.keys().map(|target| &target.host).collect();
            gone.retain(|host| !known.contains(host));
            self.last_incidents.retain(|host, last| last.closed_at.is_none() || !gone.contains(host));
        }
        gone
    }

    /// Ends incidents that nothing will ever end: of hosts of which no target is known any more and nothing was said for a day.
    pub(crate) fn end_orphans(&mut self, now: UnixMicros) -> Vec<Incident> {
        let kept = u64::try_from(UNWATCHED_KEPT.as_micros()).unwrap_or(u64::MAX);
        let known: BTreeSet<&Host> = self.entries.keys().map(|target| &target.host).collect();
        let quiet = |i: &Incident| i.latest().is_none_or(|step| now.since(step.at) >= kept);
        let orphan =
            |host: &Host, i: &mut Incident| i.closed_at.is_none() && !known.contains(host) && quiet(i);
        let ended = self.last_incidents.extract_if(.., orphan).map(|(_, incident)| incident);
        ended.map(|incident| Incident { closed_at: Some(now), ..incident }).collect()
    }

    /// Minutes that ended before `now`; with `all` the running one too.
    pub(crate) fn take_minutes(&mut self, now: UnixMicros, all: bool) -> Vec<Minute> {
        self.minutes.take(now, all)
    }

    /// Minutes that are counted so far and not taken yet, by site.
    pub(crate) fn running_minutes(&self) -> BTreeMap<Host, Vec<Minute>> {
        self.minutes.running()
    }

    /// One view a host: its watched target before an unwatched one, what is touched later before what is touched earlier.
    pub(crate) fn views(&self) -> BTreeMap<Host, Arc<SiteView>> {
        let weight = |e: &Entry| (e.window.interval().is_some(), e.touched);
        let mut chosen: BTreeMap<&Host, &Entry> = BTreeMap::new();
        for (target, entry) in self.entries.iter().filter(|(_, e)| e.view.is_some()) {
            if chosen.get(&target.host).is_none_or(|other| weight(entry) > weight(other)) {
                chosen.insert(&target.host, entry);
            }
        }
        chosen
            .into_iter()
            .filter_map(|(host, e)| Some((host.clone(), Arc::clone(e.view.as_ref()?))))
            .collect()
    }
}

/// What is shown of a target; nothing until something is said.
fn view(target: &Target, entry: &Entry, now: UnixMicros, reports: ReportCounts) -> Option<Arc<SiteView>> {
    let diagnosis = entry.course.said().cloned()?;
    let lasts = is_bad(diagnosis.verdict) || diagnosis.verdict == Verdict::Unknown;
    Some(Arc::new(SiteView {
        host: target.host.clone(),
        target: target.clone(),
        incident: entry.course.open_incident().filter(|_| lasts).cloned(),
        diagnosis,
        at: now,
        since: entry.course.since(),
        rows: entry.window.rows(now),
        reports,
        interval: entry.window.interval(),
    }))
}

/// What is found out about a target now. An empty window says nothing new about an unwatched site: what was said stays, with its
/// age beside it.
fn find(entry: &Entry, target: &Target, world: &World) -> Diagnosis {
    if let (true, None, Some(said)) = (entry.window.is_empty(), entry.window.interval(), entry.course.said())
    {
        return said.clone();
    }
    parallax_diagnose::diagnose(world, Subject { host: Some(&target.host) })
}

#[cfg(test)]
mod tests {
    use parallax_model::{Asn, Region, Vantage};

    use super::*;
    use crate::window::tests::result;

    /// Ten agents in five networks and four regions; those of AS2 see `status`, the others 200.
    fn round(status: u16, at: UnixMicros) -> Vec<Published> {
        let regions = ["eu-west", "eu-central", "us-east", "ap-south"];
        let one = |n: u32| {
            let region: Region = regions[n as usize % 4].parse().expect("a region");
            let vantage = Vantage { asn: Some(Asn(n % 5)), region: Some(region), ..Vantage::default() };
            let seen = if n % 5 == 2 { status } else { 200 };
            Published {
                agent: format!("a{n}").parse().expect("an id"),
                vantage: Arc::new(vantage),
                received_at: at,
                results: Arc::new([result(seen).as_ref().clone()]),
            }
        };
        (0..20).map(one).collect()
    }

    #[test]
    fn a_network_that_fails_becomes_an_incident_with_its_scope() {
        let mut board = Board::default();
        let target: Target = "https://example.com/".parse().expect("canonical");
        board.watch(&target, Duration::from_secs(10), UnixMicros(0));
        let none = BTreeMap::new();
        let mut said = Vec::new();
        for s in [1_i64, 11, 21, 31] {
            let now = UnixMicros(0).plus_secs(s);
            for published in round(502, now) {
                board.add(&published, true);
            }
            let changes = board.evaluate(now, &none, &[], || IncidentId(1));
            said.extend(changes.said.iter().map(|(_, d, _)| (s, d.verdict, d.scopes.clone())));
        }
        let scope = parallax_model::Scope { asn: Some(Asn(2)), ..Default::default() };
        assert_eq!(
            said.last().map(|(_, v, scopes)| (*v, scopes.clone())),
            Some((Verdict::Partial, vec![scope]))
        );
        let views = board.views();
        let view = views.get(&target.host).expect("known");
        assert_eq!(view.incident.as_ref().map(|i| i.id), Some(IncidentId(1)));
        assert_eq!(view.rows.len(), 20);
        assert_eq!(board.take_minutes(UnixMicros(0).plus_secs(60), false)[0].failures, 16);
    }

    #[test]
    fn a_watched_site_without_results_is_unknown() {
        let mut board = Board::default();
        let target: Target = "https://example.com/".parse().expect("canonical");
        board.watch(&target, Duration::from_secs(10), UnixMicros(0));
        board.evaluate(UnixMicros(0), &BTreeMap::new(), &[], || IncidentId(1));
        let views = board.views();
        assert_eq!(views.get(&target.host).map(|v| v.diagnosis.verdict), Some(Verdict::Unknown));
    }

    #[test]
    fn an_unwatched_site_is_forgotten_a_day_after_its_last_result() {
        let mut board = Board::default();
        let target: Target = "https://a.example/".parse().expect("canonical");
        let watched: Target = "https://b.example/".parse().expect("canonical");
        let at = |hours: i64| UnixMicros(0).plus_secs(hours * 3_600);
        board.entry(&target, at(0));
        board.watch(&watched, Duration::from_secs(10), at(0));
        assert_eq!(board.forget(at(23)), BTreeSet::new());
        assert_eq!(board.forget(at(24)), BTreeSet::from([target.host]));
        assert_eq!(board.forget(at(48)), BTreeSet::new());
    }

    #[test]
    fn an_incident_whose_site_is_gone_ends_after_a_day() {
        let mut found = Diagnosis::unknown("", Vec::new());
        found.verdict = Verdict::Down;
        let step = parallax_model::IncidentStep { at: UnixMicros(0), diagnosis: found };
        let site: Host = "gone.example.com".parse().expect("a host");
        let open = Incident {
            id: IncidentId(1),
            site,
            opened_at: UnixMicros(0),
            closed_at: None,
            steps: vec![step],
        };
        let mut board = Board::new(vec![open]);
        let at = |hours: i64| UnixMicros(0).plus_secs(hours * 3_600);
        assert_eq!(board.end_orphans(at(23)), []);
        let ended: Vec<_> = board.end_orphans(at(24)).into_iter().map(|i| (i.id, i.closed_at)).collect();
        assert_eq!(ended, [(IncidentId(1), Some(at(24)))]);
        assert_eq!(board.end_orphans(at(48)), []);
    }
}
