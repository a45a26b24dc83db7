//! Marks that are damaged. A wrong one would make results be taken for known that never came: such a mark goes, and comes back
//! from the journal.

use std::collections::BTreeMap;

use parallax_model::AgentId;
use rusqlite::Connection;

use crate::journal;

#[derive(Debug, Clone, Copy, Default)]
struct Found {
    through: u64,
    results: u64,
    updated_at: i64,
}

/// Removes marks that are not what was written and makes them, or with `all` every mark, at least what the journal says.
/// Answers how many were damaged.
pub(crate) fn mend(connection: &Connection, all: bool) -> rusqlite::Result<u64> {
    let sql = "DELETE FROM marks WHERE NOT is_whole('marks', checksum, agent, epoch, through, missing, results, updated_at)";
    let damaged = connection.execute(sql, [])? as u64;
    if damaged > 0 {
        tracing::error!(store.marks = damaged, "damaged marks of what was acked: made anew from the journal");
    }
    if damaged > 0 || all {
        for ((agent, epoch), found) in in_journal(connection)? {
            let sql = "INSERT INTO marks (agent, epoch, through, missing, results, updated_at) VALUES (?1, ?2, ?3, 0, ?4, ?5)
                ON CONFLICT (agent, epoch) DO UPDATE SET through = excluded.through
                WHERE excluded.through > through";
            connection.prepare_cached(sql)?.execute((
                agent.as_str(),
                epoch.cast_signed(),
                found.through.cast_signed(),
                found.results.cast_signed(),
                found.updated_at,
            ))?;
        }
    }
    Ok(damaged)
}

/// How far each epoch is kept, by the batches that are whole.
fn in_journal(connection: &Connection) -> rusqlite::Result<BTreeMap<(AgentId, u64), Found>> {
    let mut epochs = BTreeMap::<_, Found>::new();
    for table in journal::RAW {
        let sql = format!("SELECT coalesce(max(id), 0) FROM {table}");
        let last: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        let mut next = 1;
        while next <= last {
            let (page, after) = journal::page(connection, table, next, last)?;
            for entry in page.entries {
                let batch = entry.batch;
                let found = epochs.entry((batch.agent, batch.epoch.0)).or_default();
                found.through = found.through.max(batch.first_seq.0 + u64::from(batch.count) - 1);
                found.results += u64::from(batch.count - entry.skip);
                found.updated_at = found.updated_at.max(batch.received_at.0);
            }
            next = after;
        }
    }
    Ok(epochs)
}
