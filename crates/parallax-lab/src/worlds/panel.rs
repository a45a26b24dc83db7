//! Who looks at what: the agents with their places and habits, and the site with its addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use parallax_diagnose::WorldAgent;
use parallax_model::{Asn, Country, Family, NetworkKind, Pop, Protocol, Region, Scope};

use super::chance::Chance;
use super::params::Params;

/// Regions with their countries and the PoP that is nearest.
const REGIONS: [(&str, [&str; 3], &str); 8] = [
    ("eu-west", ["GB", "FR", "NL"], "LHR"),
    ("eu-central", ["DE", "PL", "CZ"], "FRA"),
    ("us-east", ["US", "CA", "MX"], "IAD"),
    ("us-west", ["US", "CA", "MX"], "SEA"),
    ("sa-east", ["BR", "AR", "CL"], "GRU"),
    ("ap-south", ["IN", "BD", "LK"], "BOM"),
    ("ap-northeast", ["JP", "KR", "TW"], "NRT"),
    ("oc", ["AU", "NZ", "FJ"], "SYD"),
];
/// How agents of a region spread over its countries.
const COUNTRY_SHARES: [f64; 3] = [0.6, 0.25, 0.15];
/// How unevenly a network spreads over regions: small is uneven.
const REGION_SPREAD: f64 = 0.35;
/// Share of agents that are sent to some other region's PoP.
const STRAYS: f64 = 0.1;
/// Share of agents that use IPv6.
const IPV6: f64 = 0.3;
/// Shares of HTTP/1.1, HTTP/2, HTTP/3.
const PROTOCOLS: [(Protocol, f64); 3] = [(Protocol::H1, 0.15), (Protocol::H2, 0.55), (Protocol::H3, 0.3)];
/// Shares of resolvers: the network's own, and three public ones.
const RESOLVERS: [(&str, f64); 4] = [("isp", 0.55), ("google", 0.2), ("cloudflare", 0.15), ("quad9", 0.1)];
/// Shares of kinds of line, drawn once a network.
const LINES: [(NetworkKind, f64); 3] =
    [(NetworkKind::Home, 0.6), (NetworkKind::Mobile, 0.2), (NetworkKind::Hosting, 0.2)];
/// First of the networks' numbers: the private range of RFC 6996.
const FIRST_ASN: u32 = 64_512;
/// Share of sites behind a CDN.
const CDN: f64 = 0.7;
/// Share of sites whose name is answered by region; the others are answered at random.
const GEO_DNS: f64 = 0.5;
/// Share of agents of which no history is known.
const NEW_AGENTS: f64 = 0.05;
/// The belief that a history starts from: this many results at this rate of failures.
const HISTORY_PRIOR: (f64, f64) = (20.0, 0.02);

/// What an agent makes of what it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Says what it sees.
    Honest,
    /// Says "ok".
    AlwaysOk,
    /// Says "fails".
    AlwaysFail,
    /// Its own line is down, and its beacon says so.
    Offline,
    /// The site has taken it for a robot.
    Refused,
}

/// One agent as it is, and as it is shown.
#[derive(Debug, Clone)]
pub struct Agent {
    /// What the observer is told of it; places may be wrong.
    pub shown: WorldAgent,
    /// Every attribute it truly has towards this site.
    pub place: Scope,
    /// How often it fails this site while the site is fine.
    pub rate: f64,
    /// What it makes of what it sees.
    pub habit: Habit,
    /// Its usual time to the first byte, in milliseconds.
    pub first_byte_ms: f64,
}

/// The site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Whether a CDN stands before it.
    pub cdn: bool,
    /// Its addresses, both families.
    pub addresses: Vec<IpAddr>,
    /// Problem reports in a usual window.
    pub reports: f64,
}

/// Site and agents.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What is looked at.
    pub site: Site,
    /// Who looks.
    pub agents: Vec<Agent>,
}

impl Panel {
    /// Draws a site and the agents that look at it.
    pub fn draw(params: &Params, chance: &mut Chance) -> Self {
        let (v4, v6) = (1 + chance.below(4), 1 + chance.below(2));
        let addresses = (0..v4)
            .map(|n| IpAddr::V4(Ipv4Addr::new(192, 0, 2, octet(n))))
            .chain((0..v6).map(|n| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, octet(n).into()))))
            .collect();
        let reports = chance.log_normal(4.0, 1.0).min(60.0);
        let site = Site { cdn: chance.happens(CDN), addresses, reports };
        let mut draw = Draw::new(params, chance);
        let agents = (0..params.agents).map(|n| draw.agent(n, &site, chance)).collect();
        Self { site, agents }
    }
}

/// A small number as the last part of an address, from 1.
fn octet(n: usize) -> u8 {
    u8::try_from(n + 1).unwrap_or(u8::MAX)
}

/// The places there are.
struct Places {
    regions: Vec<(Region, Vec<Country>, Pop)>,
}

impl Places {
    fn all() -> Self {
        let place = |(region, countries, pop): &(&str, [&str; 3], &str)| {
            let countries = countries.iter().filter_map(|c| c.parse().ok()).collect();
            Some((region.parse().ok()?, countries, pop.parse().ok()?))
        };
        Self { regions: REGIONS.iter().filter_map(place).collect() }
    }
}

struct Draw<'a> {
    params: &'a Params,
    places: Places,
    sizes: Vec<f64>,
    /// Of each network: its spread over regions and its kind of line.
    networks: Vec<(Vec<f64>, NetworkKind)>,
    noise: f64,
    misplaced: f64,
    geo_dns: bool,
    first_byte_ms: f64,
}

impl<'a> Draw<'a> {
    fn new(params: &'a Params, chance: &mut Chance) -> Self {
        let zipf = chance.between(params.zipf.0, params.zipf.1);
        let lines: Vec<f64> = LINES.iter().map(|(_, share)| *share).collect();
        let places = Places::all();
        let network = |_| {
            let spread = chance.dirichlet(REGION_SPREAD, places.regions.len());
            (spread, LINES[chance.weighted(&lines)].0)
        };
        let networks = (0..params.networks).map(network).collect();
        Self {
            params,
            sizes: (1..=params.networks).map(|rank| (rank as f64).powf(-zipf)).collect(),
            networks,
            noise: chance.between(params.noise.0, params.noise.1),
            misplaced: chance.between(params.misplaced.0, params.misplaced.1),
            geo_dns: chance.happens(GEO_DNS),
            first_byte_ms: chance.log_normal(90.0, 0.6),
            places,
        }
    }

    fn agent(&mut self, n: usize, site: &Site, chance: &mut Chance) -> Agent {
        let place = self.place(site, chance);
        let (habit, rate, known_rate) = self.habit(chance);
        let mut shown = WorldAgent {
            asn: place.asn,
            isp: None,
            region: place.region.clone(),
            country: place.country.clone(),
            network: place.network,
            fail_rate: known(known_rate, chance),
            agent: name(n),
        };
        if chance.happens(self.misplaced) {
            if chance.happens(0.5) {
                shown.asn = Some(asn(chance.below(self.params.networks)));
            } else {
                let (region, countries, _) = chance.one_of(&self.places.regions);
                shown.region = Some(region.clone());
                shown.country = Some(chance.one_of(countries).clone());
            }
        }
        let first_byte_ms = chance.log_normal(self.first_byte_ms, 0.4);
        Agent { shown, place, rate, habit, first_byte_ms }
    }

    fn place(&self, site: &Site, chance: &mut Chance) -> Scope {
        let network = chance.weighted(&self.sizes);
        let (spread, line) = &self.networks[network];
        let region = chance.weighted(spread);
        let country = &self.places.regions[region].1[chance.weighted(&COUNTRY_SHARES)];
        let stray = chance.happens(STRAYS);
        let pop = if stray { chance.below(self.places.regions.len()) } else { region };
        let family = if chance.happens(IPV6) { Family::V6 } else { Family::V4 };
        let of_family: Vec<IpAddr> =
            site.addresses.iter().copied().filter(|a| Family::of(*a) == family).collect();
        let turn = if self.geo_dns { region } else { chance.below(of_family.len()) };
        Scope {
            all: false,
            asn: Some(asn(network)),
            region: Some(self.places.regions[region].0.clone()),
            country: Some(country.clone()),
            pop: site.cdn.then(|| self.places.regions[pop].2.clone()),
            family: Some(family),
            address: of_family.get(turn % of_family.len().max(1)).copied(),
            protocol: Some(shared(&PROTOCOLS, chance)),
            resolver: Some(shared(&RESOLVERS, chance).to_owned()),
            network: Some(*line),
        }
    }

    /// What the agent makes of what it sees, how often it fails by itself now, and how often it did so far.
    fn habit(&self, chance: &mut Chance) -> (Habit, f64, f64) {
        let p = self.params;
        let steady = (self.noise * chance.gamma(2.0) / 2.0).clamp(0.001, 0.2);
        let shares = [p.flaky_agents, p.broken_agents, p.always_ok, p.always_fail, p.offline, p.refused];
        let rest = 1.0 - shares.iter().sum::<f64>();
        match chance.weighted(&[&shares[..], &[rest]].concat()) {
            0 => {
                let rate = chance.between(0.15, 0.3);
                (Habit::Honest, rate, rate)
            }
            1 => (Habit::Honest, 0.97, 0.97),
            2 => (Habit::AlwaysOk, steady, 0.0),
            3 => (Habit::AlwaysFail, steady, if chance.happens(0.5) { steady } else { 0.99 }),
            4 => (Habit::Offline, steady, steady),
            5 => (Habit::Refused, steady, steady),
            _ => (Habit::Honest, steady, steady),
        }
    }
}

/// What a history of 50 to 2,000 results says of a rate; nothing for new agents.
fn known(rate: f64, chance: &mut Chance) -> Option<f64> {
    if chance.happens(NEW_AGENTS) {
        return None;
    }
    let results = (50 + chance.below(1_950)) as f64;
    // The rarer side is drawn, so that a rate near 1 does not scatter beyond it.
    let rarer = rate.min(1.0 - rate);
    let rarely = f64::from(chance.poisson(results * rarer)).min(results);
    let fails = if rate <= 0.5 { rarely } else { results - rarely };
    let (strength, mean) = HISTORY_PRIOR;
    Some((fails + strength * mean) / (results + strength))
}

fn shared<T: Copy>(list: &[(T, f64)], chance: &mut Chance) -> T {
    let weights: Vec<f64> = list.iter().map(|(_, share)| *share).collect();
    list[chance.weighted(&weights)].0
}

fn asn(network: usize) -> Asn {
    Asn(FIRST_ASN + u32::try_from(network).unwrap_or(0))
}

fn name(n: usize) -> parallax_model::AgentId {
    format!("a{n:04}").parse().expect("a letter and digits are an agent's name")
}
