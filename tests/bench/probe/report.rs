//! What was measured, as a table and as JSON.

use std::fmt;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::load::Cost;
use crate::process::Memory;
use crate::statistics::Summary;
use crate::timing::Phase;

/// Writes one line at once. When nobody reads it any more, the measurement goes on: the file still tells.
pub(crate) fn say(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// When it began, microseconds since 1970.
    taken_at_us: i64,
    rounds: u32,
    versions: Vec<(&'static str, String)>,
    /// CPU time per probe, milliseconds.
    pub(crate) load: Vec<Cost>,
    /// Milliseconds off.
    pub(crate) timing: Vec<Phase>,
    pub(crate) memory: Vec<Memory>,
}

impl Report {
    pub(crate) fn new(taken_at_us: i64, rounds: u32) -> Self {
        Self {
            taken_at_us,
            rounds,
            versions: Vec::new(),
            load: Vec::new(),
            timing: Vec::new(),
            memory: Vec::new(),
        }
    }

    pub(crate) fn note_version(&mut self, program: &'static str, version: Option<String>) {
        self.versions.push((program, version.unwrap_or_else(|| "left out".to_owned())));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (program, version) in &self.versions {
            writeln!(f, "{program} {version}")?;
        }
        writeln!(
            f,
            "\nCPU time per probe in ms, median (least to most) of {} interleaved rounds",
            self.rounds
        )?;
        writeln!(
            f,
            "{:<28}{:<22}{:<22}{:<22}{:>6}  {:>7}  {:>12}",
            "", "parallax", "bare sockets", "blackbox_exporter", "goal", "peer is", "bytes/result"
        )?;
        for cost in &self.load {
            cost.row(f)?;
        }
        writeln!(f, "\nwhat is told less what the server's clock says in ms, median / p95 / most")?;
        writeln!(
            f,
            "{:<48}{:<30}{:<30}{:<30}{:<30}",
            "", "server's clock", "parallax", "curl", "blackbox_exporter"
        )?;
        for phase in &self.timing {
            let Phase { name, held, parallax, curl, blackbox } = phase;
            write!(f, "{name:<48}{:<30}", three(held.as_ref(), false))?;
            for told in [parallax, curl, blackbox] {
                write!(f, "{:<30}", three(told.as_ref(), true))?;
            }
            writeln!(f)?;
        }
        writeln!(f, "\nmemory in MiB, resident / most ever")?;
        for Memory { whose, resident_kib, most_kib } in &self.memory {
            let mib = |kib: &u64| *kib as f64 / 1_024.0;
            writeln!(f, "{whose:<40}{:>6.1} / {:.1}", mib(resident_kib), mib(most_kib))?;
        }
        Ok(())
    }
}

impl Cost {
    fn row(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = |cost: &Option<Summary>| {
            cost.map_or_else(|| "-".to_owned(), |c| format!("{:.3} ({:.3}-{:.3})", c.median, c.least, c.most))
        };
        let goal = self.goal_ms.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.2}"));
        let ratio =
            self.parallax.zip(self.blackbox).map(|(ours, peer)| format!("{:.1}x", peer.median / ours.median));
        writeln!(
            f,
            "{:<28}{:<22}{:<22}{:<22}{:>6}  {:>7}  {:>12.1}",
            self.name,
            spread(&self.parallax),
            spread(&self.bare_sockets),
            spread(&self.blackbox),
            goal,
            ratio.as_deref().unwrap_or("-"),
            self.result_bytes
        )
    }
}

fn three(summary: Option<&Summary>, signed: bool) -> String {
    match summary {
        None => "-".to_owned(),
        Some(s) if signed => format!("{:+.3} / {:+.3} / {:+.3}", s.median, s.p95, s.most),
        Some(s) => format!("{:.3} / {:.3} / {:.3}", s.median, s.p95, s.most),
    }
}
