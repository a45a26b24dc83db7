//! Counting agents, networks and regions.

use parallax_model::Attribute;

use crate::analyse::Tally;
use crate::observe::count;
use crate::probes::Probes;

/// Distinct numbers, of which the largest possible is known.
pub(crate) struct Distinct(Vec<bool>);

impl Distinct {
    pub(crate) fn below(limit: usize) -> Self {
        Self(vec![false; limit])
    }

    pub(crate) fn insert(&mut self, number: usize) {
        self.0[number] = true;
    }

    /// How many; a missing value, which is number 0 of a column, is none.
    pub(crate) fn count_known(&self) -> u32 {
        count(self.0.iter().skip(1).filter(|seen| **seen).count())
    }
}

/// Who these rows are, and who of them fails; `total_weight` is that of all that say something.
pub(crate) fn tally(probes: &Probes<'_>, total_weight: f64, rows: impl Iterator<Item = usize>) -> Tally {
    let columns = probes.columns;
    let (asn, region) = (columns.column(Attribute::Asn), columns.column(Attribute::Region));
    let (mut asns, mut regions) = (Distinct::below(asn.values), Distinct::below(region.values));
    // Of each network, how many fail, and how many there are.
    let mut networks = vec![(0_u32, 0_u32); columns.most_networks()];
    let (mut weight, mut tally) = (0.0, Tally::default());
    let mut agent = OneAgent::default();
    for row in rows {
        let (says, network) = (probes.says[row], &mut networks[columns.networks[row] as usize]);
        weight += columns.weights[row];
        if says >= 0.5 {
            asns.insert(asn.ids[row] as usize);
            regions.insert(region.ids[row] as usize);
        }
        if columns.lone {
            let fails = u32::from(says >= 0.5);
            *network = (network.0 + fails, network.1 + 1);
            tally.agents += 1;
            tally.failing += fails;
            continue;
        }
        if columns.agents[row] != agent.number {
            agent.add_to(&mut tally);
            agent = OneAgent { number: columns.agents[row], ..OneAgent::default() };
            network.1 += 1;
        }
        agent.yes += says;
        agent.results += 1;
        if says >= 0.5 {
            network.0 += u32::from(!agent.fails);
            agent.fails = true;
        }
    }
    agent.add_to(&mut tally);
    if columns.lone {
        tally.mostly_failing = tally.failing;
    }
    Tally {
        failing_networks: count(networks.iter().filter(|(failing, _)| *failing > 0).count()),
        failing_elsewhere: tally.failing - networks.iter().map(|(failing, _)| *failing).max().unwrap_or(0),
        whole_network: networks.iter().filter(|network| is_whole(**network)).map(|n| n.0).max().unwrap_or(0),
        failing_asns: asns.count_known(),
        failing_regions: regions.count_known(),
        share: if total_weight > 0.0 { rounded(weight / total_weight) } else { 0.0 },
        ..tally
    }
}

/// Whether a network fails as a whole: nine in ten do, since some who are said to stand there stand elsewhere.
const fn is_whole((failing, agents): (u32, u32)) -> bool {
    failing * 10 >= agents * 9
}

/// What the results of one agent say so far.
#[derive(Default)]
struct OneAgent {
    /// 0 before the first one.
    number: u32,
    yes: f64,
    results: u32,
    fails: bool,
}

impl OneAgent {
    fn add_to(&self, tally: &mut Tally) {
        if self.number != 0 {
            tally.agents += 1;
            tally.failing += u32::from(self.fails);
            tally.mostly_failing += u32::from(self.yes >= 0.5 * f64::from(self.results));
        }
    }
}

/// Four decimals: what is shown does not depend on the last bits of a platform's logarithm.
pub(crate) fn rounded(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}
