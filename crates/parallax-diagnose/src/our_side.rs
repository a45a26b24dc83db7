//! The breaker: when most sites break at the same moment for most agents, it is not the sites.
//!
//! Pure: what each site shows comes in, whether to believe it goes out. Sites that can fail together for a reason of their own (one
//! network prefix, one CDN's error page) count as one.
//!
//! Rules
//! 1. A site takes part when it was said to be up a moment ago ([`MOMENT`]), and breaks when most agents that answer fail.
//! 2. With at least [`LEAST_SITES`] of them, and more than half of them broken, or with the lines of most agents broken, or most
//!    agents gone at once, the problem is ours: nothing is said of any site.
//! 3. While many break ([`SUSPICIOUS_OF`]) and it is not clear yet, nothing bad is said newly, for at most [`MOMENT`].
//! 4. It ends by itself: when no more than a quarter of what broke is still broken for [`CALM`], or after [`LONGEST`] while the
//!    agents' own lines work: then it is the sites after all.

use std::collections::BTreeMap;
use std::time::Duration;

use parallax_model::UnixMicros;
use serde::{Deserialize, Serialize};

/// Sites that broke within this time broke together.
pub const MOMENT: Duration = Duration::from_mins(2);
/// Fewer sites (and agents) than this show nothing of ourselves.
pub const LEAST_SITES: usize = 5;
/// Fewer agents than this show nothing of ourselves.
pub const LEAST_AGENTS: usize = 5;
/// One in so many that breaks at once is suspicious.
const SUSPICIOUS_OF: usize = 4;
/// How long most must work again before verdicts are trusted.
pub const CALM: Duration = Duration::from_secs(30);
/// How long sites that fail alone, with the agents' lines in order, keep the breaker open.
pub const LONGEST: Duration = Duration::from_mins(10);

/// What one site shows now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteNow {
    /// What it shares its fate with: its network prefix, its CDN; sites of one group count as one.
    pub group: String,
    /// Whether it was said to be up within the last [`MOMENT`].
    pub was_up: bool,
    /// Agents with a fresh answer.
    pub agents: usize,
    /// Of those, the ones that fail.
    pub failing: usize,
}

/// What the agents show of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgentsNow {
    /// Agents that were heard lately.
    pub heard: usize,
    /// Of those, the ones whose own line does not work: their beacons fail.
    pub broken_lines: usize,
    /// Agents that were connected a moment ago.
    pub were_online: usize,
    /// Of those, the ones that are gone.
    pub gone: usize,
}

/// Whether what is found of sites may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It may.
    Sound,
    /// Many sites break at once: nothing bad is said newly until it is clear.
    Doubtful,
    /// Our own side has a problem: nothing is said at all.
    Broken {
        /// Since when.
        since: UnixMicros,
        /// What shows it.
        why: Why,
    },
}

/// What shows that the problem is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// So many of so many sites broke at the same moment.
    Sites(usize, usize),
    /// The lines of so many of so many agents are broken.
    Lines(usize, usize),
    /// So many of so many agents are gone at once.
    Gone(usize, usize),
}

impl Why {
    /// One plain sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::Sites(broken, of) => {
                format!(
                    "Our own side has a problem: {broken} of {of} unrelated sites seemed to fail at the same moment"
                )
            }
            Self::Lines(broken, of) => {
                format!("Our own side has a problem: the lines of {broken} of our {of} testers do not work")
            }
            Self::Gone(gone, of) => {
                format!("Our own side has a problem: {gone} of our {of} testers were lost at the same moment")
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    since: UnixMicros,
    why: Why,
    /// The groups that were broken when it opened.
    groups: Vec<String>,
    calm_since: Option<UnixMicros>,
    /// Since when nothing but the sites speaks for it.
    sites_alone_since: UnixMicros,
}

/// The breaker over all sites.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Breaker {
    open: Option<Open>,
    /// Since when many sites are found to break at once.
    doubt_since: Option<UnixMicros>,
    /// Until when it stays closed: what it was open for turned out to be the sites'.
    believed_until: Option<UnixMicros>,
}

/// Agents of a group's sites, and whether one of them was up.
#[derive(Default)]
struct Group {
    was_up: bool,
    agents: usize,
    failing: usize,
}

impl Group {
    fn is_broken(&self) -> bool {
        2 * self.failing > self.agents
    }
}

impl Breaker {
    /// Since when it is open, and until when it is believed that it is the sites: worth remembering over a restart when it changes.
    pub fn stands(&self) -> (Option<UnixMicros>, Option<UnixMicros>) {
        (self.open.as_ref().map(|open| open.since), self.believed_until)
    }

    /// Takes what is seen now and says whether it may be believed.
    pub fn look(&mut self, sites: &[SiteNow], agents: AgentsNow, now: UnixMicros) -> Trust {
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        for site in sites.iter().filter(|site| site.agents > 0) {
            let group = groups.entry(&site.group).or_default();
            group.was_up |= site.was_up;
            group.agents += site.agents;
            group.failing += site.failing;
        }
        if self.open.is_some() {
            return self.watch(&groups, agents, now);
        }
        let fresh: Vec<(&str, &Group)> =
            groups.iter().filter(|(_, g)| g.was_up).map(|(n, g)| (*n, g)).collect();
        let broken: Vec<&str> = fresh.iter().filter(|(_, g)| g.is_broken()).map(|(name, _)| *name).collect();
        let believed = self.believed_until.is_some_and(|until| now < until);
        let many = fresh.len() >= LEAST_SITES && !believed;
        let sites = (many && 2 * broken.len() > fresh.len()).then_some(Why::Sites(broken.len(), fresh.len()));
        if let Some(why) = of_agents(agents).or(sites) {
            let groups = broken.iter().map(|name| (*name).to_owned()).collect();
            self.open = Some(Open { since: now, why, groups, calm_since: None, sites_alone_since: now });
            self.doubt_since = None;
            return Trust::Broken { since: now, why };
        }
        let breaking = fresh.iter().filter(|(_, g)| SUSPICIOUS_OF * g.failing >= g.agents && g.failing > 0);
        if !many || SUSPICIOUS_OF * breaking.count() <= fresh.len() {
            self.doubt_since = None;
            return Trust::Sound;
        }
        let since = *self.doubt_since.get_or_insert(now);
        if now.since(since) < micros(MOMENT) { Trust::Doubtful } else { Trust::Sound }
    }

    fn watch(&mut self, groups: &BTreeMap<&str, Group>, agents: AgentsNow, now: UnixMicros) -> Trust {
        let Some(open) = self.open.as_mut() else { return Trust::Sound };
        let still = open.groups.iter().filter(|name| groups.get(name.as_str()).is_some_and(Group::is_broken));
        let lines = of_agents(agents);
        // In the first moments after a restart nothing is seen of any site: that shows no calm.
        let blind = groups.is_empty() && !open.groups.is_empty();
        let calm = lines.is_none() && !blind && 4 * still.count() <= open.groups.len();
        let calm_since = calm.then(|| open.calm_since.unwrap_or(now));
        open.calm_since = calm_since;
        let over = calm_since.is_some_and(|since| now.since(since) >= micros(CALM));
        if lines.is_some() {
            open.sites_alone_since = now;
        }
        let too_long = now.since(open.sites_alone_since) >= micros(LONGEST);
        if !over && !too_long {
            let why = lines.unwrap_or(open.why);
            open.why = why;
            return Trust::Broken { since: open.since, why };
        }
        if too_long {
            // What was said up before it opened is not said up now: a moment later it no longer counts as broken at once.
            self.believed_until = Some(now.plus_micros(i64::try_from(2 * MOMENT.as_micros()).unwrap_or(0)));
        }
        self.open = None;
        Trust::Sound
    }
}

fn of_agents(agents: AgentsNow) -> Option<Why> {
    let AgentsNow { heard, broken_lines, were_online, gone } = agents;
    if heard >= LEAST_AGENTS && 2 * broken_lines > heard {
        return Some(Why::Lines(broken_lines, heard));
    }
    (were_online >= LEAST_AGENTS && 2 * gone > were_online).then_some(Why::Gone(gone, were_online))
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
