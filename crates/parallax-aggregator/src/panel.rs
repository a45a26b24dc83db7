//! Who is asked in a check: agents spread over region × network, never more than one wave's worth.
//!
//! Pure: the candidates and a number to break ties with come in, a list goes out.

use std::collections::BTreeMap;

use parallax_model::{AgentId, Asn, Region, Vantage};

/// Most agents one target is asked by within 60 seconds, whoever wants to know (threats.md G3).
pub(crate) const MAX_PANEL: usize = 40;
/// How many agents look first at a name nobody asked for in 24 hours, so that thousands of names that all lead to one address
/// do not become thousands of waves.
pub(crate) const SCOUTS: usize = 3;

/// Picks at most `size` agents: one from each region × network before a second from any, scouts (the first [`SCOUTS`]) from
/// different regions where there are any. `salt` decides between equals, so that not the same agents work always.
pub(crate) fn pick(candidates: &[(AgentId, Vantage)], size: usize, salt: u64) -> Vec<AgentId> {
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
        pick(candidates, size, 0).iter().map(ToString::to_string).collect()
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
        assert_eq!(pick(&[], 5, 0), []);
    }

    #[test]
    fn never_more_than_asked_for() {
        let many: Vec<_> = (0..100).map(|n| agent(&format!("a{n}"), "eu", n)).collect();
        assert_eq!(pick(&many, MAX_PANEL, 7).len(), MAX_PANEL);
    }
}
