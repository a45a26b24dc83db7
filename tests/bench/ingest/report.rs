//! What was measured, as tables and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::blocks::Blocks;
use crate::columns::Share;

/// Writes text at once. When nobody reads it any more, the measurement goes on: the file still tells.
pub(crate) fn say(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// One run of the aggregator.
#[derive(Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) streams: usize,
    pub(crate) batch: usize,
    pub(crate) results: usize,
    /// CPU time of the aggregator per result, everything included until it rested for a moment.
    pub(crate) cpu_ns: f64,
    /// Of it, in the kernel.
    pub(crate) system_ns: f64,
    /// How long the turns of evaluation lasted by the clock, others' work on the machine included: they go by time and by site, not by
    /// result.
    pub(crate) evaluation_ns: f64,
    /// CPU time after that, per result: sites that it put off are evaluated once more when the load is over, however long it was.
    pub(crate) later_ns: f64,
    pub(crate) threads_ns: BTreeMap<String, f64>,
    /// Acked results per second, agents and aggregator on the same machine.
    pub(crate) per_second: f64,
    /// CPU time of the aggregator per agent that connects: handshake, welcome, schedule.
    pub(crate) connect_ms: f64,
    /// Median and 99th percentile.
    pub(crate) ack_ms: [f64; 2],
    /// Bytes of the message.
    pub(crate) wire_bytes: f64,
    /// Bytes of the batches in the journal.
    pub(crate) blob_bytes: f64,
    /// Bytes of the store's file.
    pub(crate) file_bytes: f64,
    pub(crate) most_resident_mib: f64,
    /// Agents that were told that there is no room for them.
    pub(crate) refused: usize,
    /// What the aggregator's limits sum up to.
    pub(crate) sum_mib: f64,
    /// Agents whose acked seqs were found in the journal after SIGKILL: all.
    pub(crate) checked: usize,
}

/// One peer.
#[derive(Debug, Serialize)]
pub(crate) struct Peer {
    pub(crate) what: String,
    pub(crate) results: usize,
    pub(crate) cpu_ns: f64,
    pub(crate) per_second: f64,
    pub(crate) wire_bytes: f64,
    pub(crate) disk: Vec<(&'static str, f64)>,
    pub(crate) durable: bool,
}

/// Everything.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) columns: Vec<Share>,
    pub(crate) loads: Vec<Load>,
    /// What raw results are on disk once they are joined into blocks.
    pub(crate) blocks: Vec<Blocks>,
    pub(crate) peers: Vec<Peer>,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>5} agents, batches of {:>4}: {:>5.0} ns CPU per result ({:.0} in the kernel; evaluation lasted {:.0} by the clock; {:.0} more to evaluate what was put off), {:>9.0} results/s, ack p50 {:.1} p99 {:.1} ms, \
             connect {:.2} ms, wire {:.1} B, journal {:.1} B, file {:.1} B, {:.0} MiB at most, limits sum up to {:.0}; {} agents refused; {} agents' acked seqs all there;",
            self.streams,
            self.batch,
            self.cpu_ns,
            self.system_ns,
            self.evaluation_ns,
            self.later_ns,
            self.per_second,
            self.ack_ms[0],
            self.ack_ms[1],
            self.connect_ms,
            self.wire_bytes,
            self.blob_bytes,
            self.file_bytes,
            self.most_resident_mib,
            self.sum_mib,
            self.refused,
            self.checked,
        )?;
        self.threads_ns
            .iter()
            .filter(|(_, ns)| **ns >= 1.0)
            .try_for_each(|(name, ns)| write!(f, " {name} {ns:.0}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nBytes per result of each column: encoded, and by how much the packed batch shrinks without it"
        )?;
        for share in &self.columns {
            writeln!(f, "  {:<16} {:>6.2} {:>6.2}", share.column, share.plain, share.packed)?;
        }
        writeln!(f, "\nIngest")?;
        self.loads.iter().try_for_each(|load| writeln!(f, "  {load}"))?;
        self.blocks.iter().try_for_each(|blocks| writeln!(f, "  {blocks}"))?;
        for peer in &self.peers {
            write!(
                f,
                "  {}: {:.0} ns CPU per result, {:.0} results/s, wire {:.1} B, {}",
                peer.what,
                peer.cpu_ns,
                peer.per_second,
                peer.wire_bytes,
                if peer.durable { "on disk before the answer" } else { "not synced before the answer" },
            )?;
            peer.disk.iter().try_for_each(|(what, bytes)| write!(f, ", {what} {bytes:.1} B"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}
