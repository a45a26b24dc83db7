//! What it costs: one result's update, a full evaluation, and how both grow.

use std::hint::black_box;

use parallax_diagnose::{Evidence, Influence, Subject, World, diagnose};
use parallax_lab::score::quantile;
use parallax_lab::worlds::{Params, snapshot};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::plan::Plan;
use crate::table::{Findings, Table, number, say};

/// Results whose influence is added in one go.
const UPDATES: u32 = 200_000;
/// Scopes that one result counts for: nine attributes and fourteen pairs, of which a result has most.
const KEYS: usize = 22;
/// Results of the evaluation that is timed.
const AGENTS: usize = 2_000;
/// Worlds that are timed of each size: so many that the 99th percentile is not the slowest of them, but the third.
const TIMED: u32 = 200;
/// Turns of which the best counts, of each world: they lie so far apart that what disturbs the machine for a while disturbs one of them.
const TURNS: usize = 5;
/// Attributes of a world, in the order in which they are taken away.
const STRIP: [fn(&mut World); 9] = [
    |w| w.results.iter_mut().for_each(|r| r.resolver = None),
    |w| w.results.iter_mut().for_each(|r| r.protocol = None),
    |w| w.results.iter_mut().for_each(|r| r.pop = None),
    |w| w.results.iter_mut().for_each(|r| r.address = None),
    |w| w.agents.iter_mut().for_each(|a| a.network = None),
    |w| w.agents.iter_mut().for_each(|a| a.country = None),
    |w| w.results.iter_mut().for_each(|r| r.family = None),
    |w| w.agents.iter_mut().for_each(|a| a.region = None),
    |w| w.agents.iter_mut().for_each(|a| a.asn = None),
];

/// Measures on one thread.
pub(crate) fn measure(plan: &Plan, findings: &mut Findings) {
    let update = update_ns();
    say(format_args!("\nCost in CPU time of one core"));
    say(format_args!("  one result weighed and added to {KEYS} scopes: {update:.0} ns"));
    let title =
        format!("Full evaluation, milliseconds, over {TIMED} worlds (of each the best of {TURNS} turns)");
    let mut table = Table::new(&title, &["agents", "results", "attributes", "p50", "p99"]);
    let mut most = 0.0;
    for agents in [50, 100, 200, 500, 1_000, AGENTS] {
        let (p50, p99, results) = evaluation_ms(plan, agents, 0);
        most = p99;
        table.row([agents.to_string(), results.to_string(), "9".to_owned(), number(p50), number(p99)]);
    }
    for taken in [2, 4, 6] {
        let (p50, p99, results) = evaluation_ms(plan, AGENTS, taken);
        let left = STRIP.len() - taken;
        table.row([AGENTS.to_string(), results.to_string(), left.to_string(), number(p50), number(p99)]);
    }
    table.say();
    findings.at_most("update of one result, ns", update, 300.0);
    findings.at_most("full evaluation at 2,000 results, p99 in ms", most, 1.0);
    findings.keep("speed", json!({ "update_ns": update, "evaluation_p99_ms": most }));
}

/// Seconds of CPU time that this thread has had: others on the machine do not count.
fn worked() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn update_ns() -> f64 {
    let mut scopes = [Evidence::default(); KEYS];
    let started = worked();
    for n in 0..UPDATES {
        let y = f64::from(u8::from(n % 7 == 0));
        let influence = Influence::new(black_box(y), black_box(0.02), black_box(0.5));
        for scope in &mut scopes {
            scope.add(&influence);
        }
        black_box(&mut scopes);
    }
    (worked() - started) * 1e9 / f64::from(UPDATES)
}

/// Median and 99th percentile over worlds of every kind, and the results of a usual one.
fn evaluation_ms(plan: &Plan, agents: usize, taken: usize) -> (f64, f64, usize) {
    // Nothing is missing, so that the number of results is the number of agents.
    let params = Params { agents, missing: (0.0, 0.0), ..plan.params() };
    let world = |n| {
        let mut world = snapshot(plan.seed(n), &params).world;
        STRIP[..taken].iter().for_each(|strip| strip(&mut world));
        world
    };
    let worlds: Vec<World> = (0..TIMED).map(world).collect();
    let mut took = vec![f64::INFINITY; worlds.len()];
    for _ in 0..TURNS {
        for (took, world) in took.iter_mut().zip(&worlds) {
            // Once before, for what is asked is the cost of the work, not of a cache that others emptied.
            black_box(diagnose(black_box(world), Subject::default()));
            let started = worked();
            black_box(diagnose(black_box(world), Subject::default()));
            *took = took.min((worked() - started) * 1_000.0);
        }
    }
    let results = worlds.iter().map(|world| world.results.len()).max().unwrap_or(0);
    (quantile(&mut took, 0.5), quantile(&mut took, 0.99), results)
}
