//! How other sites fare from the same networks, through the same edge, on the same hosts: a clue to whose fault it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use parallax_diagnose::Elsewhere;
use parallax_model::{Asn, Layer, Pop, Region, Scope};

use crate::window::{Seen, Track, Window};

/// Fewer other sites than this tell nothing.
const LEAST_SITES: u32 = 2;

/// What sites can have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Common {
    Network(Asn),
    Region(Region),
    /// A CDN's edge, by its name and point of presence.
    Pop(String, Pop),
    Cdn(String),
    Host(IpAddr),
}

/// Answers of one site that have something in common, and how many of them fail.
type Tallies = BTreeMap<Common, (u32, u32)>;

fn common(track: &Track, result: &Seen) -> Vec<Common> {
    let mut common = Vec::with_capacity(5);
    common.extend(track.vantage().asn.map(Common::Network));
    common.extend(track.vantage().region.clone().map(Common::Region));
    common.extend(result.address.map(Common::Host));
    if let Some(edge) = result.emitter.as_ref().filter(|emitter| emitter.layer == Layer::Edge) {
        common.extend(edge.pop.clone().map(|pop| Common::Pop(edge.name.to_string(), pop)));
        common.push(Common::Cdn(edge.name.to_string()));
    }
    common
}

fn tallies(window: &Window) -> (Tallies, (u32, u32)) {
    let (mut tallies, mut whole) = (Tallies::new(), (0, 0));
    for track in window.newest() {
        let Some(result) = track.newest() else { continue };
        let fails = u32::from(track.fails());
        whole = (whole.0 + 1, whole.1 + fails);
        for common in common(track, result) {
            let (all, failing) = tallies.entry(common).or_default();
            *all += 1;
            *failing += fails;
        }
    }
    (tallies, whole)
}

fn fails((all, failing): (u32, u32)) -> bool {
    2 * failing > all
}

/// Whether what these testers see says anything of what they have in common: a site that fails for the others too
/// fails by itself, not by their network or edge. Where nobody else is asked, and of a host or a whole CDN, it does.
fn speaks(common: &Common, inside: (u32, u32), whole: (u32, u32)) -> bool {
    let others = (whole.0 - inside.0, whole.1 - inside.1);
    match common {
        Common::Network(_) | Common::Region(_) | Common::Pop(..) => {
            others.0 == 0 || !fails(inside) || !fails(others)
        }
        Common::Cdn(_) | Common::Host(_) => true,
    }
}

/// For everything sites have in common: of how many sites there are answers, and how many of those fail there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Neighbourhood(BTreeMap<Common, (u32, u32)>);

impl Neighbourhood {
    /// Of these sites' newest answers.
    pub(crate) fn of<'a>(windows: impl Iterator<Item = &'a Window>) -> Self {
        let mut sites: BTreeMap<Common, (u32, u32)> = BTreeMap::new();
        for window in windows {
            let (tallies, whole) = tallies(window);
            for (common, tally) in tallies {
                if !speaks(&common, tally, whole) {
                    continue;
                }
                let (all, failing) = sites.entry(common).or_default();
                *all += 1;
                *failing += u32::from(fails(tally));
            }
        }
        Self(sites)
    }

    /// How other sites fare where this one fails.
    pub(crate) fn elsewhere(&self, own: &Window, scopes: &[Scope]) -> Elsewhere {
        let (own, whole) = tallies(own);
        let everywhere = scopes.iter().any(|scope| scope.all);
        let named = |common: &Common| match common {
            Common::Network(asn) => scopes.iter().any(|scope| scope.asn == Some(*asn)),
            Common::Region(region) => {
                scopes.iter().any(|scope| scope.asn.is_none() && scope.region.as_ref() == Some(region))
            }
            Common::Pop(_, pop) => scopes.iter().any(|scope| scope.pop.as_ref() == Some(pop)),
            Common::Cdn(_) => everywhere,
            Common::Host(address) => everywhere || scopes.iter().any(|scope| scope.address == Some(*address)),
        };
        let failing: BTreeSet<&Common> =
            own.iter().filter(|(common, tally)| fails(**tally) && named(common)).map(|(c, _)| c).collect();
        // The worst of what is shared: one common host that fails is enough of a clue.
        let share = |of: fn(&Common) -> bool| {
            let counted = |common: &Common| speaks(common, own[common], whole);
            let shares = failing.iter().filter(|common| of(common));
            let shares = shares.filter_map(|common| self.share(common, counted(common)));
            shares.reduce(f64::max)
        };
        Elsewhere {
            same_asn_failing: share(|common| matches!(common, Common::Network(_) | Common::Region(_))),
            same_pop_failing: share(|common| matches!(common, Common::Pop(..) | Common::Cdn(_))),
            same_host_failing: share(|common| matches!(common, Common::Host(_))),
        }
    }

    /// The share of the other sites that fail there; the one that asks fails there itself and is taken out if it was
    /// counted.
    fn share(&self, common: &Common, counted: bool) -> Option<f64> {
        let (all, failing) = self.0.get(common)?;
        let own = u32::from(counted);
        let (others, failing) = (all.saturating_sub(own), failing.saturating_sub(own));
        (others >= LEAST_SITES).then(|| f64::from(failing) / f64::from(others))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parallax_model::{Emitter, UnixMicros, Vantage};

    use super::*;
    use crate::window::tests::result;

    /// A site at this address behind this PoP; the agents of AS1 see `inside`, those of AS2 `outside`.
    fn site(address: &str, pop: &str, inside: u16, outside: u16) -> Window {
        let mut window = Window::new(None);
        for n in 0..6_u32 {
            let asn = 1 + n % 2;
            let vantage = Vantage { asn: Some(Asn(asn)), ..Vantage::default() };
            let mut seen = result(if asn == 1 { inside } else { outside }).as_ref().clone();
            seen.address = address.parse().ok();
            let (name, via) = ("an-edge".into(), Vec::new());
            seen.emitter = Some(Emitter { name, layer: Layer::Edge, pop: pop.parse().ok(), via });
            let agent = format!("a{n}").parse().expect("an id");
            window.add(agent, &Arc::new(vantage), UnixMicros(0), Arc::new(seen));
        }
        window
    }

    fn told(own: &Window, others: &[Window], scope: Scope) -> [Option<f64>; 3] {
        let all = others.iter().chain(std::iter::once(own));
        let told = Neighbourhood::of(all).elsewhere(own, &[scope]);
        [told.same_asn_failing, told.same_pop_failing, told.same_host_failing]
    }

    #[test]
    fn other_sites_tell_whether_it_is_the_network_the_edge_or_the_host() {
        let network = Scope { asn: Some(Asn(1)), ..Scope::default() };
        let own = site("192.0.2.1", "FRA", 502, 200);
        let others = [
            site("192.0.2.2", "AMS", 502, 200),
            site("192.0.2.3", "AMS", 502, 200),
            site("192.0.2.4", "AMS", 200, 200),
            site("192.0.2.5", "AMS", 200, 502),
        ];
        assert_eq!(told(&own, &others, network.clone()), [Some(0.5), None, None]);
        // What fails from everywhere tells nothing of this network.
        let dead = site("192.0.2.6", "AMS", 502, 502);
        let with_dead: Vec<Window> = others.into_iter().chain([dead]).collect();
        assert_eq!(told(&own, &with_dead, network), [Some(0.5), None, None]);

        let pop = Scope { pop: "FRA".parse().ok(), ..Scope::default() };
        let own = site("192.0.2.1", "FRA", 502, 502);
        let others = [site("192.0.2.2", "FRA", 502, 502), site("192.0.2.3", "FRA", 200, 200)];
        assert_eq!(told(&own, &others, pop), [None, Some(0.5), None]);

        let others = [site("192.0.2.1", "FRA", 502, 502), site("192.0.2.1", "AMS", 502, 502)];
        let shares = told(&own, &others, Scope::everybody());
        assert_eq!(shares, [None, Some(1.0), Some(1.0)]);
        assert_eq!(
            told(&own, &others[..1], Scope::everybody()),
            [None, None, None],
            "one other site is too few"
        );
    }
}
