//! `cargo xtask bench diagnose`: who is affected and why, on simulated worlds, beside what others make of the same worlds.
//!
//! Worlds are made from seeds: `--seed` takes another batch, `--seeds training` those that things may be fitted on. Nothing that is
//! printed here was fitted on the seeds it is printed of. `--show-wrong N` prints worlds that were answered wrongly, each as one
//! line of JSON whose `world` can be given to `parallax diagnose --jsonl`.

mod causes;
mod crew;
mod graded;
mod hours;
mod lies;
mod plan;
mod scopes;
mod speed;
mod table;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::time::Instant;

use crate::plan::{Part, Plan};
use crate::table::{Findings, say};

/// Measures one part.
type MeasurePart = fn(&Plan, &mut Findings);

fn main() -> ExitCode {
    let plan = Plan::parse();
    match measure(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("bench diagnose: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: &Plan) -> anyhow::Result<()> {
    let mut findings = Findings::default();
    say(format_args!(
        "Parallax's diagnosis on simulated worlds, {} seeds, batch {}",
        plan.purpose(),
        plan.seed
    ));
    let parts: [(Part, MeasurePart); 5] = [
        (Part::Scopes, scopes::measure),
        (Part::Causes, causes::measure),
        (Part::Streams, hours::measure),
        (Part::Liars, lies::measure),
        (Part::Speed, speed::measure),
    ];
    for (part, measure) in parts.into_iter().filter(|(part, _)| plan.wants(*part)) {
        let started = Instant::now();
        measure(plan, &mut findings);
        say(format_args!("  ({part:?}: {:.1} s)", started.elapsed().as_secs_f64()));
    }
    findings.say_goals();
    if let Some(file) = &plan.json {
        let text = serde_json::to_string_pretty(&findings.json()).context("writing the numbers as JSON")?;
        std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
