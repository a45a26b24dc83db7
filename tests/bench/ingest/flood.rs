//! What 99 agents feel of one that floods: how long their acks take without it and with it, turn by turn.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use parallax_lab::load::{Fleet, Voucher};
use tokio::time::Instant;

use crate::report::say;
use crate::server::Server;
use crate::{cargo_of, quantile_ms};

/// Agents, the flooding one among them.
const AGENTS: usize = 100;
/// What the others send at once, and how often.
const BATCH: usize = 100;
const EVERY: Duration = Duration::from_millis(250);
/// Batches of each of the others in a turn: five seconds.
const EACH: usize = 20;
/// Turns of each kind.
const TURNS: usize = 5;

pub(crate) async fn measure(program: &Path) -> anyhow::Result<()> {
    for flood in [1, 1_000] {
        let (cargo, sites) = cargo_of(BATCH);
        let (flood_cargo, _) = cargo_of(flood);
        let server = Server::start(program, &sites, None).await?;
        let voucher = Voucher::open(&server.data())?;
        let mut fleet = Fleet::connect(server.agents, &voucher, AGENTS).await?;
        fleet.send(&cargo, 1).await?;
        let mut flooder = fleet.split_one().context("an agent")?;
        let lasts = EVERY * u32::try_from(EACH)?;
        let (mut quiet, mut loud, mut taken) = (Vec::new(), Vec::new(), 0);
        // Of each kind the processor's time and the clock's: the last of a flood is taken after the others are done.
        let (mut quiet_used, mut loud_used) =
            ((Duration::ZERO, Duration::ZERO), (Duration::ZERO, Duration::ZERO));
        for _ in 0..TURNS {
            let (before, began) = (server.process.cpu()?, Instant::now());
            quiet.extend(fleet.send_paced(&cargo, EACH, EVERY).await?);
            let (between, went_on) = (server.process.cpu()?, Instant::now());
            let (acks, acked) =
                tokio::join!(fleet.send_paced(&cargo, EACH, EVERY), flooder.flood(&flood_cargo, lasts));
            loud.extend(acks?);
            taken += acked?;
            quiet_used.0 += between.since(&before).all();
            quiet_used.1 += went_on - began;
            loud_used.0 += server.process.cpu()?.since(&between).all();
            loud_used.1 += went_on.elapsed();
        }
        quiet.sort_unstable();
        loud.sort_unstable();
        for (what, acks, (cpu, span)) in [("without", &quiet, quiet_used), ("with", &loud, loud_used)] {
            say(format_args!(
                "99 agents {what} one that floods with batches of {flood}: acks p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms; {:.0} % of a processor",
                quantile_ms(acks, 50),
                quantile_ms(acks, 90),
                quantile_ms(acks, 99),
                100.0 * cpu.as_secs_f64() / span.as_secs_f64(),
            ));
        }
        say(format_args!(
            "the flood: {:.0} batches a second were taken",
            taken as f64 / loud_used.1.as_secs_f64()
        ));
        fleet.join(flooder);
        let acked = fleet.acked();
        drop(fleet);
        server.kill_and_check(&acked).await?;
    }
    Ok(())
}
