//! Who is asked in a check: agents spread over region × network, never more than one wave's worth.
//!
//! Pure: the candidates and a number to break ties with come in, a list goes out.

use std::collections::BTreeMap;

use parallax_model::{AgentId, Asn, Country, Region, Vantage};

/// Most agents one target is asked by within 60 seconds, whoever wants to know (threats.md G3).
pub(crate) const MAX_PANEL: usize = 40;
/// How many agents are asked at first; the others of [`MAX_PANEL`] are for what the first ones leave open.
pub(crate) const FIRST_WAVE: usize = 30;
/// Most agents that are asked about what is left open.
pub(crate) const SECOND_WAVE: usize = 15;
/// How many agents look first at a name nobody asked for in 24 hours, so that thousands of names that all lead to one address
/// do not become thousands of waves.
pub(crate) const SCOUTS: usize = 3;

/// Most agents of a panel that are picked because they stand near whoever asks (diagnosis.md 5.9).
const MAX_NEAR: usize = 4;

/// Whose view matters most: the networks and the country of whoever asks, or of those who report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Near {
    /// Networks, the most wanted first.
    pub(crate) asns: Vec<Asn>,
    /// A country.
    pub(crate) country: Option<Country>,
}

/// Picks at most `size` agents: [`SCOUTS`] spread ones, up to four near whoever asks, then the others spread.
pub(crate) fn pick(candidates: &[(AgentId, Vantage)], size: usize, salt: u64, near: &Near) -> Vec<AgentId> {
    let spread = spread(candidates, size + MAX_NEAR, salt);
    let mut close: Vec<(usize, &AgentId)> =
        candidates.iter().filter_map(|(agent, vantage)| Some((near.rank(vantage)?, agent))).collect();
    close.sort_by_key(|(rank, agent)| (*rank, mix(agent, salt)));
    let close = close.into_iter().map(|(_, agent)| agent.clone()).take(MAX_NEAR);
    let (first, rest) = spread.split_at(SCOUTS.min(spread.len()));
    let mut picked: Vec<AgentId> = Vec::new();
    for agent in first.iter().cloned().chain(close).chain(rest.iter().cloned()) {
        if picked.len() < size && !picked.contains(&agent) {
            picked.push(agent);
        }
    }
    picked
}

impl Near {
    /// How near a place is: its network's turn, after all of them its country; `None` when it is not near.
    fn rank(&self, vantage: &Vantage) -> Option<usize> {
        let network = vantage.asn.and_then(|asn| self.asns.iter().position(|near| *near == asn));
        let country = (self.country.is_some() && vantage.country == self.country).then_some(self.asns.len());
        network.or(country)
    }
}

/// At most `size` agents in an order in which any first few stand far apart: one from each region × network before a second from
/// any, the first ones from different regions where there are any. `salt` decides between equals, so that not the same agents work
/// always.
fn spread(candidates: &[(AgentId, Vantage)], size: usize, salt: u64) -> Vec<AgentId> {
    type Cell = (Option<Region>, Option<Asn>);
    let mut cells: BTreeMap<Cell, Vec<&AgentId>> = BTreeMap::new();
    for (agent, vantage) in candidates {
        cells.entry((vantage.region.clone(), vantage.asn)).or_default().push(agent);
    }
    for agents in cells.values_mut() {
        agents.sort_by_key(|a| mix(a, salt));
    }
    // Regions take turns, so that the first few agents stand far apart.
    let mut regions: BTreeMap<Option<Region>, Vec<Vec<&AgentId>>> = BTreeMap::new();
    for ((region, _), agents) in cells {
        regions.entry(region).or_default().push(agents);
    }
    let mut picked = Vec::new();
    for depth in 0.. {
        let before = picked.len();
        let widest = regions.values().map(Vec::len).max().unwrap_or(0);
        for nth in 0..widest {
            for cells in regions.values() {
                picked.extend(cells.get(nth).and_then(|agents| agents.get(depth)).map(|a| (*a).clone()));
            }
        }
        if picked.len() == before || picked.len() >= size {
            break;
        }
    }
    picked.truncate(size);
    picked
}

/// FNV-1a over the agent's name, stirred with the salt: an order that nobody chose.
fn mix(agent: &AgentId, salt: u64) -> u64 {
    agent
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325 ^ salt, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, region: &str, asn: u32) -> (AgentId, Vantage) {
        let vantage = Vantage {
            region: Some(region.parse().expect("a region")),
            asn: Some(Asn(asn)),
            ..Vantage::default()
        };
        (name.parse().expect("an id"), vantage)
    }

    fn picked(candidates: &[(AgentId, Vantage)], size: usize) -> Vec<String> {
        pick(candidates, size, 0, &Near::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn those_near_the_asker_come_after_the_scouts() {
        let mut all: Vec<_> = (1..=20).map(|n| agent(&format!("a{n}"), "eu", n)).collect();
        all.extend((0..6).map(|n| agent(&format!("near{n}"), "us", 64_500)));
        let near = Near { asns: vec![Asn(64_500)], country: None };
        let picked = pick(&all, 10, 7, &near);
        let is_near = |agent: &AgentId| agent.as_str().starts_with("near");
        let places: Vec<usize> = (0..10).filter(|n| is_near(&picked[*n])).collect();
        assert_eq!(picked.len(), 10);
        // One of them may be a scout already; four beyond the spread ones are asked.
        assert!(places.len() >= MAX_NEAR && places.contains(&SCOUTS), "{places:?}");
        let of_nobody = pick(&all, 10, 7, &Near::default());
        assert!(of_nobody.iter().filter(|a| is_near(a)).count() < MAX_NEAR, "{of_nobody:?}");
    }

    #[test]
    fn the_first_ones_stand_in_different_regions() {
        let all = [
            agent("a", "eu", 1),
            agent("b", "eu", 2),
            agent("c", "us", 1),
            agent("d", "us", 2),
            agent("e", "ap", 3),
        ];
        assert_eq!(picked(&all, 3), ["e", "a", "c"]);
        assert_eq!(picked(&all, 9), ["e", "a", "c", "b", "d"]);
    }

    #[test]
    fn a_second_agent_of_a_cell_comes_after_every_cell() {
        let all = [agent("a", "eu", 1), agent("b", "eu", 1), agent("c", "us", 1)];
        assert_eq!(picked(&all, 2).len(), 2);
        assert!(picked(&all, 2).contains(&"c".to_owned()));
        assert_eq!(pick(&[], 5, 0, &Near::default()), []);
    }

    #[test]
    fn never_more_than_asked_for() {
        let many: Vec<_> = (0..100).map(|n| agent(&format!("a{n}"), "eu", n)).collect();
        assert_eq!(pick(&many, MAX_PANEL, 7, &Near::default()).len(), MAX_PANEL);
    }
}
