//! What an agent that watches a hundred sites sees, as results: mostly well, each site with its own usual times, a few per cent
//! failures. A pure function of the seed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use parallax_model::{
    BeaconState, BodyFacts, ConnectFailure, DnsFacts, Emitter, Failure, FailureKind, Family, H3Advert, Layer,
    Micros, Outcome, Party, Phases, ProbeResult, Protocol, Redirect, RetryOutcome, StatusCode, Target,
    TlsFacts, UnixMicros,
};

use crate::worlds::chance::Chance;

/// How often each site is probed, in microseconds.
const ROUND_US: i64 = 15_000_000;
/// Moments of a round at which a site's turn may begin, a millisecond apart.
const ROUND_STEPS: usize = 15_000;
/// Share of probes that fail.
const FAILING: f64 = 0.03;
/// Share of sites whose page is another one at every visit.
const CHANGING: f64 = 0.3;
/// Share of sites that send visitors on to another address first.
const REDIRECTING: f64 = 0.1;

/// One site and what is usual there.
#[derive(Debug, Clone)]
struct Site {
    target: Target,
    dns: [DnsFacts; 2],
    addresses: [IpAddr; 2],
    emitter: Option<Emitter>,
    tls: TlsFacts,
    redirects: Vec<Redirect>,
    /// Medians of dns, connect, tls, first byte and body, in µs.
    usual_us: [f64; 5],
    body: BodyFacts,
    /// What the resolver's cache says; each round less, until the answer is asked for again.
    ttl_left_s: u32,
    changing: bool,
    protocol: Protocol,
    offset_us: i64,
}

/// The sites one agent watches.
#[derive(Debug, Clone)]
pub struct Mix {
    sites: Vec<Site>,
    chance: Chance,
    round: i64,
    start: UnixMicros,
}

impl Mix {
    /// `sites` sites, the same for every seed, as an agent of this seed sees them from `start` on.
    pub fn new(seed: u64, sites: usize, start: UnixMicros) -> Self {
        let chance = Chance::new(seed);
        let sites = (0..sites).map(|n| site(n, &mut chance.fork(n as u64))).collect();
        Self { sites, chance, round: 0, start }
    }

    /// The next `count` results: round after round, in each round every site once.
    pub fn results(&mut self, count: usize) -> Vec<ProbeResult> {
        let mut results = Vec::with_capacity(count + self.sites.len());
        while results.len() < count {
            let begin = self.start.plus_micros(self.round * ROUND_US);
            let chance = &mut self.chance;
            results.extend(self.sites.iter_mut().map(|site| {
                site.ttl_left_s = site.ttl_left_s.checked_sub(15).unwrap_or(300);
                probe(site, begin, chance)
            }));
            self.round += 1;
        }
        results.truncate(count);
        results
    }
}

fn site(n: usize, agent: &mut Chance) -> Site {
    // What a site is does not depend on who looks at it.
    let mut own = Chance::new(n as u64 ^ 0x517e);
    let host =
        format!("www.{}-{n}.example.com", own.one_of(&["bank", "news", "shop", "cloud", "mail", "social"]));
    let target: Target =
        format!("https://{host}/").parse().expect("made of letters, digits, dots and hyphens");
    let byte = |c: &mut Chance| u8::try_from(c.below(250)).unwrap_or(0) + 1;
    let v4 = |c: &mut Chance| IpAddr::V4(Ipv4Addr::new(203, 0, byte(c), byte(c)));
    let v6 = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, u16::from(byte(&mut own)), 0, 0, 0, 0, 1));
    let addresses = [v4(&mut own), v4(&mut own)];
    let behind_cdn = own.happens(0.6);
    let cnames = if behind_cdn { vec![Arc::from(format!("{host}.edge.example.net"))] } else { Vec::new() };
    let facts = |first: usize| DnsFacts {
        addresses: vec![addresses[first], addresses[1 - first], v6],
        cnames: cnames.clone(),
        ttl_left_s: None,
        resolver: Some("isp".into()),
    };
    let issuer = *own.one_of(&[
        "CN=R11, O=Let's Encrypt, C=US",
        "CN=WE1, O=Google Trust Services, C=US",
        "CN=DigiCert TLS RSA SHA256 2020 CA1, O=DigiCert Inc, C=US",
    ]);
    let seen = |chance: &mut Chance, median: f64, sigma: f64| chance.log_normal(median, sigma);
    Site {
        dns: [facts(0), facts(1)],
        addresses,
        emitter: emitter(behind_cdn, &mut own, agent),
        tls: TlsFacts {
            version: "TLSv1.3".into(),
            alpn: Some("h2".into()),
            subject: format!("CN={host}").into(),
            issuer: issuer.into(),
            not_after: UnixMicros(1_800_000_000_000_000)
                .plus_secs(i64::try_from(own.below(7_000_000)).unwrap_or(0)),
            names: vec![host.as_str().into(), host.trim_start_matches("www.").into()],
        },
        redirects: redirects(&host, own.happens(REDIRECTING)),
        usual_us: [
            seen(agent, 1_500.0, 0.8),
            seen(agent, 15_000.0, 0.7),
            seen(agent, 18_000.0, 0.7),
            seen(agent, 60_000.0, 0.7),
            seen(agent, 1_200.0, 0.8),
        ],
        body: body(&mut own),
        ttl_left_s: u32::try_from(own.below(300)).unwrap_or(0),
        changing: own.happens(CHANGING),
        protocol: if own.happens(0.85) { Protocol::H2 } else { Protocol::H1 },
        offset_us: i64::try_from(agent.below(ROUND_STEPS)).unwrap_or(0) * 1_000,
        target,
    }
}

fn redirects(host: &str, any: bool) -> Vec<Redirect> {
    let to = format!("https://{host}/start").parse();
    match (any, StatusCode::new(301), to) {
        (true, Ok(status), Ok(to)) => vec![Redirect { status, to }],
        _ => Vec::new(),
    }
}

fn emitter(behind_cdn: bool, own: &mut Chance, agent: &mut Chance) -> Option<Emitter> {
    let pop = *agent.one_of(&["FRA", "AMS", "LHR", "IAD", "SIN"]);
    match (behind_cdn, own.happens(0.8)) {
        (true, _) => Some(Emitter {
            name: (*own.one_of(&["cloudflare", "fastly", "cloudfront"])).into(),
            layer: Layer::Edge,
            pop: pop.parse().ok(),
            via: Vec::new(),
        }),
        (false, true) => {
            Some(Emitter { name: "nginx".into(), layer: Layer::Unknown, pop: None, via: Vec::new() })
        }
        (false, false) => None,
    }
}

fn body(chance: &mut Chance) -> BodyFacts {
    let mut sha256 = [0; 32];
    for part in sha256.chunks_mut(8) {
        part.copy_from_slice(&chance.next().to_le_bytes());
    }
    let length = u32::try_from(chance.below(90_000)).unwrap_or(0);
    BodyFacts { length: length.min(65_536), sha256: Some(sha256), truncated: length > 65_536, page: None }
}

/// The same page with other ads: a little longer or shorter.
fn another(page: &BodyFacts, chance: &mut Chance) -> BodyFacts {
    let length = whole(chance.log_normal(f64::from(page.length), 0.02));
    BodyFacts { length: length.min(65_536), ..body(chance) }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as saturates, and nothing here is negative"
)]
const fn whole(number: f64) -> u32 {
    number as u32
}

fn probe(site: &Site, begin: UnixMicros, chance: &mut Chance) -> ProbeResult {
    let jitter = i64::try_from(chance.below(3_000)).unwrap_or(0);
    let mut result =
        ProbeResult::new(site.target.clone(), begin.plus_micros(site.offset_us + jitter), Outcome::Ok);
    let way = usize::from(chance.happens(0.2));
    result.address = site.addresses.get(way).copied();
    result.family = Some(Family::V4);
    let ttl_left_s = Some(site.ttl_left_s);
    result.dns = DnsFacts { ttl_left_s, ..site.dns[way].clone() };
    let [dns, connect, tls, first_byte, read] =
        site.usual_us.map(|usual| Micros(whole(chance.log_normal(usual, 0.2))));
    if !chance.happens(FAILING) {
        answered(&mut result, site, chance);
        phases(&mut result, &[dns, connect, tls, first_byte, read]);
    } else if chance.happens(0.5) {
        answered(&mut result, site, chance);
        phases(&mut result, &[dns, connect, tls, first_byte, read]);
        result.status = StatusCode::new(502).ok();
        result.outcome =
            failed(result.status.map_or(FailureKind::Connect(ConnectFailure::Reset), FailureKind::status));
        result.redirects = Vec::new();
        after_failure(&mut result);
    } else {
        phases(&mut result, &[dns, Micros(5_000_000)]);
        result.outcome = failed(FailureKind::Connect(ConnectFailure::Timeout));
        after_failure(&mut result);
    }
    result
}

fn answered(result: &mut ProbeResult, site: &Site, chance: &mut Chance) {
    result.status = StatusCode::new(200).ok();
    result.protocol = Some(site.protocol);
    result.emitter.clone_from(&site.emitter);
    result.tls = Some(site.tls.clone());
    result.redirects.clone_from(&site.redirects);
    result.body = Some(if site.changing { another(&site.body, chance) } else { site.body.clone() });
    result.h3_advert = site.emitter.as_ref().filter(|e| e.layer == Layer::Edge).map(|_| H3Advert::AltSvc);
}

fn phases(result: &mut ProbeResult, took: &[Micros]) {
    let at = |n: usize| took.get(n).copied();
    let total = took.iter().map(|m| m.0).sum::<u32>().saturating_add(150);
    result.phases = Phases {
        dns: at(0),
        connect: at(1),
        tls: at(2),
        first_byte: at(3),
        body: at(4),
        total: Micros(total),
    };
}

fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure { kind, party: Party::Target })
}

fn after_failure(result: &mut ProbeResult) {
    result.beacon = BeaconState::Ok;
    result.retry = Some(RetryOutcome::Fail);
    result.tie_breakers.other_port_open = Some(true);
}
