//! CPU time per probe under load, in interleaved rounds.

use serde::Serialize;

use crate::blackbox::{Blackbox, Module};
use crate::prober::{Loaded, Task, What};
use crate::process::Worker;
use crate::report::say;
use crate::statistics::{Summary, summary};

/// Probes in flight when saturated, as in the limits that are measured over bare sockets.
const SATURATED: usize = 64;
/// Probes in flight when saturated, of the peer: more only wait in its queue.
const PEER_SATURATED: usize = 16;
/// 1,000 targets every 15 s.
const PACE_US: u64 = 15_000_000 / 1_000;

/// One kind of load.
struct Kind {
    name: &'static str,
    what: What,
    in_flight: usize,
    every_us: Option<u64>,
    /// Probes a round; chosen so that a round takes about a second.
    probes: usize,
    peer: Option<(Module, usize, usize)>,
    bare: bool,
    /// The design's goal, milliseconds of CPU time.
    goal_ms: Option<f64>,
}

const KINDS: [Kind; 8] = [
    Kind {
        name: "HTTP, 64 in flight",
        what: What::Http,
        in_flight: SATURATED,
        every_us: None,
        probes: 6_000,
        peer: Some((Module::Http, PEER_SATURATED, 1_000)),
        bare: true,
        goal_ms: Some(0.12),
    },
    Kind {
        name: "HTTP, one at a time",
        what: What::Http,
        in_flight: 1,
        every_us: None,
        probes: 3_000,
        peer: Some((Module::Http, 1, 600)),
        bare: true,
        goal_ms: None,
    },
    Kind {
        name: "HTTP by name, 64 in flight",
        what: What::HttpByName,
        in_flight: SATURATED,
        every_us: None,
        probes: 3_000,
        peer: None,
        bare: false,
        goal_ms: None,
    },
    Kind {
        name: "HTTPS (h1), 64 in flight",
        what: What::Https,
        in_flight: SATURATED,
        every_us: None,
        probes: 1_500,
        peer: Some((Module::Https, PEER_SATURATED, 500)),
        bare: true,
        goal_ms: Some(0.55),
    },
    Kind {
        name: "HTTPS (h1), one at a time",
        what: What::Https,
        in_flight: 1,
        every_us: None,
        probes: 1_000,
        peer: Some((Module::Https, 1, 300)),
        bare: true,
        goal_ms: None,
    },
    Kind {
        name: "HTTPS (h2), 64 in flight",
        what: What::Https2,
        in_flight: SATURATED,
        every_us: None,
        probes: 1_500,
        peer: Some((Module::Https2, PEER_SATURATED, 500)),
        bare: false,
        goal_ms: None,
    },
    Kind {
        name: "HTTP, 67 a second",
        what: What::Http,
        in_flight: 1,
        every_us: Some(PACE_US),
        probes: 200,
        peer: Some((Module::Http, 1, 200)),
        bare: false,
        goal_ms: None,
    },
    Kind {
        name: "HTTPS (h1), 67 a second",
        what: What::Https,
        in_flight: 1,
        every_us: Some(PACE_US),
        probes: 200,
        peer: Some((Module::Https, 1, 200)),
        bare: false,
        goal_ms: None,
    },
];

/// What one kind of load cost, in milliseconds of CPU time per probe.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) name: &'static str,
    pub(crate) goal_ms: Option<f64>,
    pub(crate) parallax: Option<Summary>,
    pub(crate) bare_sockets: Option<Summary>,
    pub(crate) blackbox: Option<Summary>,
    /// Bytes of one encoded result, of the last round.
    pub(crate) result_bytes: f64,
}

#[derive(Default)]
struct Rounds {
    parallax: Vec<f64>,
    bare_sockets: Vec<f64>,
    blackbox: Vec<f64>,
    result_bytes: f64,
}

/// Runs every kind of load `rounds` times, ours, the bare sockets and the peer in turn.
pub(crate) async fn measure(
    rounds: u32,
    prober: &mut Worker,
    peer: Option<&Blackbox>,
) -> anyhow::Result<Vec<Cost>> {
    let mut all: Vec<Rounds> = KINDS.iter().map(|_| Rounds::default()).collect();
    for round in 0..=rounds {
        say(format_args!("round {round} of {rounds}{}", if round == 0 { " (not counted)" } else { "" }));
        for (kind, kept) in KINDS.iter().zip(&mut all) {
            let seen = kind.round(prober, peer).await?;
            if round > 0 {
                kept.parallax.extend(seen.parallax);
                kept.bare_sockets.extend(seen.bare_sockets);
                kept.blackbox.extend(seen.blackbox);
                kept.result_bytes = seen.result_bytes;
            }
        }
    }
    let cost = |(kind, kept): (&Kind, &Rounds)| Cost {
        name: kind.name,
        goal_ms: kind.goal_ms,
        parallax: summary(&kept.parallax),
        bare_sockets: summary(&kept.bare_sockets),
        blackbox: summary(&kept.blackbox),
        result_bytes: kept.result_bytes,
    };
    Ok(KINDS.iter().zip(&all).map(cost).collect())
}

impl Kind {
    async fn round(&self, prober: &mut Worker, peer: Option<&Blackbox>) -> anyhow::Result<Rounds> {
        let mut seen = Rounds::default();
        let Self { what, in_flight, every_us, probes, .. } = *self;
        let load = Task::Load { what, probes, in_flight, every_us };
        let (ms, loaded) = cost(prober, &load, probes).await?;
        seen.parallax.push(ms);
        seen.result_bytes = loaded.encoded_bytes as f64 / probes as f64;
        if self.bare {
            let secure = what == What::Https;
            let (ms, _) = cost(prober, &Task::Bare { secure, probes, in_flight }, probes).await?;
            seen.bare_sockets.push(ms);
        }
        if let (Some(peer), Some((module, in_flight, probes))) = (peer, self.peer) {
            let before = peer.process.cpu()?;
            peer.load(module, probes, in_flight, every_us).await?;
            seen.blackbox.push(per_probe(peer.process.cpu()?.since(&before)?, probes));
        }
        Ok(seen)
    }
}

/// Lets the prober work and says what it cost, milliseconds of CPU time per probe.
async fn cost(worker: &mut Worker, task: &Task, probes: usize) -> anyhow::Result<(f64, Loaded)> {
    let before = worker.process.cpu()?;
    worker.tell(task).await?;
    let loaded = worker.hear().await?;
    Ok((per_probe(worker.process.cpu()?.since(&before)?, probes), loaded))
}

fn per_probe(used: std::time::Duration, probes: usize) -> f64 {
    used.as_secs_f64() * 1_000.0 / probes as f64
}
