//! `parallax data`: what an operator does with a data directory. Its size, backups and the way back, damage.
//!
//! No aggregator is asked: the files are read, beside one that runs where that is safe.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parallax_aggregator::{KEPT_FILES, joining};
use parallax_model::UnixMicros;
use parallax_runtime::ExitCode;
use parallax_store::{
    Copied, Depth, Expected, Inspection, Joined, Progress, Store, StoreError, StoreStatus, backup,
    inspect_file, restore, status,
};
use serde_json::{Value, json};

use crate::cli::{DataAction, DataOptions, DataPlace};
use crate::{term, words};

/// Data directories that are looked for when none is named: where `up` and `up --demo` keep theirs.
const DIRECTORIES: [&str; 2] = ["data", "data/demo"];
/// The store's file in a data directory.
const DATABASE: &str = "parallax.db";
/// Progress is told each time another so many per cent are done.
const PROGRESS_STEP: u64 = 10;

/// Does what is asked of a data directory.
pub(crate) async fn data(options: &DataOptions) -> ExitCode {
    let outcome = match &options.action {
        DataAction::Status { place } => say_status(place),
        DataAction::Backup { file, place } => make_backup(file, place),
        DataAction::Restore { file, place } => put_back(file, place),
        DataAction::Compact { place } => compact(place).await,
        DataAction::Check { file, thorough, place } => look(file.as_deref(), *thorough, place),
    };
    match outcome {
        Ok(written) => term::ended(written),
        Err(error) => term::failed(&term::chain(&error), code(&error)),
    }
}

type Outcome = Result<io::Result<ExitCode>, StoreError>;

/// The code a failure ends with.
fn code(error: &StoreError) -> ExitCode {
    match error {
        StoreError::InUse { .. } => ExitCode::InUse,
        StoreError::Newer { .. } | StoreError::Foreign { .. } | StoreError::Damaged { .. } => {
            ExitCode::BadInput
        }
        StoreError::Directory { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            ExitCode::Unavailable
        }
        _ => ExitCode::Failed,
    }
}

fn directory(place: &DataPlace) -> PathBuf {
    let usual = || DIRECTORIES.iter().map(PathBuf::from).find(|dir| dir.join(DATABASE).exists());
    place.data_dir.clone().or_else(usual).unwrap_or_else(|| PathBuf::from(DIRECTORIES[0]))
}

fn say_status(place: &DataPlace) -> Outcome {
    let dir = directory(place);
    let status = status(&dir)?;
    let expected = Expected::of(&status.load);
    if place.json {
        return Ok(term::line(status_json(&dir, &status, &expected)).map(|()| ExitCode::Ok));
    }
    Ok(status_lines(&dir, &status, &expected).iter().try_for_each(term::line).map(|()| ExitCode::Ok))
}

fn status_json(dir: &Path, status: &StoreStatus, expected: &Expected) -> Value {
    let span = |span: Option<(UnixMicros, UnixMicros)>| {
        span.map(|(first, last)| json!({ "first": words::moment(first), "last": words::moment(last) }))
    };
    let tables = status.tables.iter().map(|t| json!({ "table": t.table, "rows": t.rows, "bytes": t.bytes }));
    let aside = status.aside.iter().map(|(path, bytes)| json!({ "path": path, "bytes": bytes }));
    json!({
        "data_dir": dir, "version": status.version,
        "file_bytes": status.file_bytes, "free_bytes": status.free_bytes,
        "wal_bytes": status.wal_bytes, "reserve_bytes": status.reserve_bytes,
        "results": status.results, "sites": status.sites,
        "raw": span(status.journal), "minutes": span(status.minutes), "hours": span(status.hours),
        "tables": tables.collect::<Vec<_>>(),
        "expected_bytes": {
            "raw": expected.journal, "minutes": expected.minutes, "hours": expected.hours,
            "fixed": expected.fixed, "all": expected.total(),
        },
        "damage": status.damage, "aside": aside.collect::<Vec<_>>(),
    })
}

fn status_lines(dir: &Path, status: &StoreStatus, expected: &Expected) -> Vec<String> {
    let mut lines = vec![
        format!("{}, store version {}", dir.display(), status.version),
        format!(
            "{} on disk ({} of it free to be used again), {} of log, {} set aside",
            bytes(status.file_bytes),
            bytes(status.free_bytes),
            bytes(status.wal_bytes),
            bytes(status.reserve_bytes)
        ),
        format!("{} results were kept so far, {} sites have a history", status.results, status.sites),
        String::new(),
    ];
    let kept = [
        ("raw results", "7 days", status.journal, expected.journal),
        ("minutes", "30 days", status.minutes, expected.minutes),
        ("hours", "400 days", status.hours, expected.hours),
    ];
    let head = ["KEPT", "FOR", "FROM (UTC)", "TO (UTC)", "WILL BE"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for (what, how_long, span, will_be) in kept {
        let (from, to) = span
            .map_or_else(Default::default, |(from, to)| (words::short_moment(from), words::short_moment(to)));
        rows.push(vec![what.to_owned(), how_long.to_owned(), from, to, bytes(will_be)]);
    }
    lines.extend(words::table(&rows));
    lines.push(format!(
        "With {:.1} results a second of {} watched targets it will be {}.",
        status.load.results_per_s,
        status.load.sites,
        bytes(expected.total())
    ));
    if !status.tables.is_empty() {
        let head = ["TABLE", "ROWS", "SIZE"].map(str::to_owned).to_vec();
        let row = |t: &parallax_store::TableSize| vec![t.table.clone(), t.rows.to_string(), bytes(t.bytes)];
        lines.push(String::new());
        lines.extend(words::table(
            &std::iter::once(head).chain(status.tables.iter().map(row)).collect::<Vec<_>>(),
        ));
    }
    if let Some(why) = &status.damage {
        lines.push(format!("It is damaged, the next start salvages it: {}", words::plain(why)));
    }
    lines.extend(status.aside.iter().map(|(path, size)| {
        format!("{} ({}) was moved aside; nothing needs it any more but you", path.display(), bytes(*size))
    }));
    lines
}

fn make_backup(file: &Path, place: &DataPlace) -> Outcome {
    let dir = directory(place);
    let copied = backup(&dir, &KEPT_FILES, file, &mut told("copied"))?;
    let code = if copied.report.is_whole() { ExitCode::Ok } else { ExitCode::BadInput };
    if place.json {
        return Ok(term::line(copied_json(&dir, file, &copied)).map(|()| code));
    }
    let whole = match copied.report.first_finding() {
        None => "every page and row of it is whole".to_owned(),
        Some(finding) => format!("but the store is damaged: {finding}"),
    };
    let said = term::line(format_args!("{} holds {}, {whole}.", file.display(), bytes(copied.bytes)));
    let secret =
        || term::line("It holds the keys of operator and agents: keep it where only you can read it.");
    Ok(said.and_then(|()| secret()).map(|()| code))
}

async fn compact(place: &DataPlace) -> Outcome {
    let (dir, join) = (directory(place), joining());
    let path = dir.join(DATABASE);
    if let Err(error) = path.metadata() {
        return Err(StoreError::Directory { op: "open database", path, source: Arc::new(error) });
    }
    let store = Store::open(&dir)?;
    let (before, mut joined) = (store.used_bytes().await?, Joined::default());
    loop {
        // As if everything had been there for long.
        let one = store.join_batches(UnixMicros(i64::MAX), &join).await?;
        joined.batches += one.batches;
        joined.blocks += one.blocks;
        joined.results += one.results;
        if !one.more {
            break;
        }
    }
    let after = store.used_bytes().await?;
    store.close().await?;
    if place.json {
        let said = json!({
            "data_dir": dir, "batches": joined.batches, "blocks": joined.blocks, "results": joined.results,
            "used_bytes_before": before, "used_bytes": after,
        });
        return Ok(term::line(said).map(|()| ExitCode::Ok));
    }
    let Joined { batches, blocks, results, .. } = joined;
    let said = term::line(format_args!(
        "{batches} batches with {results} results are {blocks} blocks now: the store uses {}, before it were {}.",
        bytes(after),
        bytes(before)
    ));
    Ok(said.map(|()| ExitCode::Ok))
}

fn put_back(file: &Path, place: &DataPlace) -> Outcome {
    let dir = directory(place);
    let copied = restore(&dir, &KEPT_FILES, file, &mut told("restored"))?;
    if place.json {
        return Ok(term::line(copied_json(&dir, file, &copied)).map(|()| ExitCode::Ok));
    }
    let said = term::line(format_args!("{} is what {} holds.", dir.display(), file.display()));
    let aside = || match &copied.aside {
        Some(aside) => term::line(format_args!("What was there is {} now.", aside.display())),
        None => Ok(()),
    };
    Ok(said.and_then(|()| aside()).map(|()| ExitCode::Ok))
}

fn copied_json(dir: &Path, file: &Path, copied: &Copied) -> Value {
    json!({
        "data_dir": dir, "file": file, "bytes": copied.bytes, "aside": copied.aside,
        "whole": copied.report.is_whole(), "finding": copied.report.first_finding(),
    })
}

fn look(file: Option<&Path>, thorough: bool, place: &DataPlace) -> Outcome {
    let path = file.map_or_else(|| directory(place).join(DATABASE), Path::to_path_buf);
    let report = inspect_file(&path, if thorough { Depth::Thorough } else { Depth::Quick })?;
    let code = if report.is_whole() { ExitCode::Ok } else { ExitCode::BadInput };
    let written = if place.json {
        term::line(report_json(&path, &report))
    } else {
        report_lines(&path, &report).iter().try_for_each(term::line)
    };
    Ok(written.map(|()| code))
}

fn report_json(path: &Path, report: &Inspection) -> Value {
    let tables = report.tables.iter().map(
        |t| json!({ "table": t.table, "rows": t.rows, "damaged": t.damaged, "unreadable": t.unreadable }),
    );
    json!({
        "file": path, "whole": report.is_whole(), "structure": report.structure,
        "tables": tables.collect::<Vec<_>>(),
    })
}

fn report_lines(path: &Path, report: &Inspection) -> Vec<String> {
    let head = ["TABLE", "ROWS", "DAMAGED", ""].map(str::to_owned).to_vec();
    let row = |t: &parallax_store::InspectedTable| {
        let why = t.unreadable.as_deref().map(|why| format!("reading ended: {}", words::plain(why)));
        vec![t.table.clone(), t.rows.to_string(), t.damaged.to_string(), why.unwrap_or_default()]
    };
    let mut lines =
        words::table(&std::iter::once(head).chain(report.tables.iter().map(row)).collect::<Vec<_>>());
    lines.extend(report.structure.iter().map(|finding| format!("structure: {}", words::plain(finding))));
    lines.push(if report.is_whole() {
        format!("{} is whole.", path.display())
    } else if report.structure.is_empty() {
        format!("{} has damaged rows: they are left out, the rest is served.", path.display())
    } else {
        format!(
            "{} is damaged: the next start of the aggregator salvages what can be read, or restore a backup.",
            path.display()
        )
    });
    lines
}

/// Tells progress on standard error, each time another step is done.
fn told(what: &'static str) -> impl FnMut(Progress) {
    let mut next = PROGRESS_STEP;
    move |Progress { done, all }| {
        let percent = (done * 100).checked_div(all).unwrap_or(100);
        if percent >= next {
            next = percent / PROGRESS_STEP * PROGRESS_STEP + PROGRESS_STEP;
            // When standard error is gone there is nobody to tell.
            drop(writeln!(anstream::stderr(), "{percent:>3} % of {} {what}", bytes(all)));
        }
    }
}

/// Bytes as people read them.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64;
    let mut unit = 0;
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_at_a_glance() {
        let cases = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (10 << 30, "10.0 GiB"),
            (1 << 60, "1048576.0 TiB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }
}
