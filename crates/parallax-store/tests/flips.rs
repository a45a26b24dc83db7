//! Every byte of a small store wrong in turn: it opens and serves the rest, and says that something is lost; or it says why it cannot
//! be opened. What it serves is what was kept, or it is missing. Never something else, never a panic.
//!
//! By default every 97th byte of the database and every 997th of a log that was not folded in. `PARALLAX_FLIPS=all` takes all of them:
//! `cargo xtask soak flips`.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parallax_model::{
    Asn, CheckId, Diagnosis, Epoch, Incident, IncidentId, IncidentStep, Micros, ReportCategory, Seq,
    UnixMicros,
};
use parallax_store::{
    CheckRecord, Depth, JOINED_SPAN_S, Join, JournalBatch, MinuteRow, RESERVE_BYTES, ReportRow, SiteState,
    Store, StoreError, TargetRecord, TokenRecord,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const NOW: UnixMicros = UnixMicros(1_767_225_600_000_000);
const SITES: [&str; 2] = ["a.example", "b.example"];
/// Minutes of each site: more than one page of them.
const MINUTES: u32 = 70;
/// A store's page has 4,096 bytes. With the smallest pages there are, a small store has as many of them as a large one of the others,
/// and few bytes: all can be flipped.
const PAGE_BYTES: u32 = 512;
/// How a store's file is known as one, so that one with such pages can be made before it is opened.
const APPLICATION_ID: i64 = 0x504c_5831;
/// Bytes of the database between two that are flipped, unless all are.
const STRIDE: usize = 97;
/// Bytes of the log.
const WAL_STRIDE: usize = 997;

/// Everything a store answers, each answer by its question: the words of the value, or `None` for an error.
type Picture = BTreeMap<String, Option<Vec<String>>>;

/// Fills a store and notes after each step what it answers: all that was ever kept.
async fn fill(store: &Store, known: &mut Picture) -> Result<(), StoreError> {
    let agent = |n: u64| format!("agent-{n}").parse().expect("an id");
    for n in 0..3 {
        let token = TokenRecord {
            hash: [n; 32],
            agent: agent(n.into()),
            created_at: NOW,
            expires_at: NOW.plus_secs(60),
        };
        store.create_token(token).await?;
        store.redeem_token([n; 32], [n + 1; 32], NOW).await.expect("a good token");
    }
    note(store, known).await;
    for seq in 0..12_u64 {
        let columns: Vec<u8> = (0..600_u64).map(|i| (i * seq).to_le_bytes()[0]).collect();
        let (agent, received_at) = (agent(seq % 3), NOW.plus_secs(i64::try_from(seq).expect("small")));
        let (epoch, first_seq) = (Epoch(7), Seq(1 + seq / 3 * 10));
        store
            .append(JournalBatch { agent, epoch, first_seq, count: 10, received_at, columns: columns.into() })
            .await?;
        note(store, known).await;
    }
    fill_sites(store, known).await?;
    store.roll_hours(NOW.plus_secs(2 * 3_600)).await?;
    note(store, known).await;
    join(store, known).await
}

/// Makes blocks of all batches but one agent's, which came too late for it.
async fn join(store: &Store, known: &mut Picture) -> Result<(), StoreError> {
    let late = NOW.plus_secs(2 * JOINED_SPAN_S);
    let columns = vec![9; 700].into();
    let agent = "agent-0".parse().expect("an id");
    let batch =
        JournalBatch { agent, epoch: Epoch(7), first_seq: Seq(41), count: 10, received_at: late, columns };
    store.append(batch).await?;
    let concatenate: Join =
        Arc::new(|all| Some(all.iter().flat_map(|e| e.batch.columns.to_vec()).collect::<Vec<u8>>().into()));
    let joined = store.join_batches(late, &concatenate).await?;
    assert_eq!((joined.batches, joined.blocks), (12, 3));
    note(store, known).await;
    Ok(())
}

async fn fill_sites(store: &Store, known: &mut Picture) -> Result<(), StoreError> {
    for (n, site) in (0..).zip(SITES) {
        let site: parallax_model::Host = site.parse().expect("a host");
        let target = parallax_model::Target::site_default(site.clone());
        store
            .put_target(TargetRecord {
                target: target.clone(),
                interval: Duration::from_secs(30),
                added_at: NOW,
            })
            .await?;
        let minute = |m: u32| MinuteRow {
            site: site.clone(),
            minute: NOW.plus_secs(60 * i64::from(m)),
            results: 100 + m,
            failures: m,
            first_byte: Some(Micros(20_000 + m)),
        };
        store.add_counted((0..MINUTES).map(minute).collect(), NOW.plus_secs(60 * i64::from(MINUTES))).await?;
        let diagnosis = Diagnosis::unknown("Nobody can tell.", vec!["agents".to_owned()]);
        let steps = vec![IncidentStep { at: NOW, diagnosis }];
        let incident = Incident {
            id: IncidentId(n),
            site: site.clone(),
            opened_at: NOW,
            closed_at: None,
            onset: None,
            steps,
        };
        store.put_incident(&incident).await?;
        store.put_site_state(SiteState { site: site.clone(), state: "{\"said\":\"up\"}".to_owned() }).await?;
        store.put_check(CheckRecord { id: CheckId(n), at: NOW, target, events: vec![3; 40] }).await?;
        for reporter in 0..4 {
            let problem = Some(ReportCategory::ALL[0]);
            store
                .add_report(ReportRow {
                    site: site.clone(),
                    at: NOW,
                    problem,
                    reporter,
                    asn: Some(Asn(64_500)),
                })
                .await?;
        }
        note(store, known).await;
    }
    Ok(())
}

async fn note(store: &Store, known: &mut Picture) {
    for (question, answer) in picture(store).await {
        let answer = answer.expect("a whole store answers");
        known.entry(question).or_insert_with(|| Some(Vec::new())).as_mut().expect("an answer").extend(answer);
    }
}

fn words<T: Debug>(answer: Result<Vec<T>, StoreError>) -> Option<Vec<String>> {
    answer.ok().map(|all| all.iter().map(|one| format!("{one:?}")).collect())
}

async fn picture(store: &Store) -> Picture {
    let mut picture = Picture::new();
    let mut put = |question: String, answer| drop(picture.insert(question, answer));
    put("agents".into(), words(store.agents().await));
    put("targets".into(), words(store.targets().await));
    put("site states".into(), words(store.site_states().await));
    put("incidents".into(), words(store.incidents(None, false, 10).await));
    put("open incidents".into(), words(store.open_incidents().await));
    for n in 0..3_u64 {
        let agent = format!("agent-{n}").parse().expect("an id");
        let acked = store.acked_through(&agent, Epoch(7)).await;
        // Zero is what is said of an epoch that nothing is known of.
        put(
            format!("acked {n}"),
            words(acked.map(|seq| Some(seq).filter(|seq| seq.0 > 0).into_iter().collect())),
        );
        put(
            format!("incident {n}"),
            words(store.incident(IncidentId(n.into())).await.map(|i| i.into_iter().collect())),
        );
        put(
            format!("check {n}"),
            words(store.check(CheckId(n.into())).await.map(|c| c.into_iter().collect())),
        );
    }
    for site in SITES {
        let host = site.parse().expect("a host");
        let (since, until) = (NOW.plus_secs(-86_400), NOW.plus_secs(86_400));
        put(format!("minutes {site}"), words(store.minutes(&host, since, until).await));
        put(format!("hours {site}"), words(store.hours(&host, since, until).await));
        let networks = store.report_networks(&host, since).await;
        let reporters = networks
            .map(|all| all.iter().flat_map(|(asn, count)| (0..*count).map(move |n| (*asn, n))).collect());
        put(format!("reports {site}"), words(reporters));
    }
    put("journal".into(), words(journal(store).await));
    put("counted".into(), words(store.counted_until().await.map(|until| until.into_iter().collect())));
    picture
}

async fn journal(store: &Store) -> Result<Vec<parallax_store::JournalEntry>, StoreError> {
    let mut reader = store.journal_since(NOW).await?;
    let mut all = Vec::new();
    while let Some(page) = reader.next_page().await? {
        all.extend(page.entries);
    }
    Ok(all)
}

/// How a damaged store answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Same,
    LessAndSaid,
    Salvaged,
    Refused,
}

/// Opens the store in `dir` and compares it with what was kept.
async fn judge(dir: &Path, kept: &Kept) -> Result<Outcome, String> {
    let store = match Store::open(dir) {
        Ok(store) => store,
        Err(error) => return refused(&error),
    };
    let found = picture(&store).await;
    let mut less = Vec::new();
    for (question, answer) in &found {
        let (Some(answer), Some(known)) = (answer, kept.picture[question].as_ref()) else {
            less.push(question.clone());
            continue;
        };
        if let Some(wrong) =
            answer.iter().find(|value| !kept.known[question].as_ref().is_some_and(|all| all.contains(value)))
        {
            return Err(format!("{question}: {wrong} was never kept"));
        }
        if answer != known {
            less.push(question.clone());
        }
    }
    let salvaged = store.salvaged().is_some();
    let lost = store.salvaged().is_some_and(parallax_store::Salvage::lost_something);
    let report = store.inspect(Depth::Thorough).await;
    let noticed = lost
        || store.mended_bytes() > 0
        || store.is_damaged()
        || store.damaged_rows() + store.damaged_batches() + store.lost_commits() + store.cut_frames() > 0
        || report.as_ref().map_or(true, |report| !report.is_whole());
    drop(store);
    match (less.is_empty(), noticed, salvaged) {
        (false, false, _) => Err(format!("{less:?} lost in silence")),
        (_, _, true) => Ok(Outcome::Salvaged),
        (true, ..) => Ok(Outcome::Same),
        (false, true, false) => Ok(Outcome::LessAndSaid),
    }
}

/// A refusal names the file and what to do.
fn refused(error: &StoreError) -> Result<Outcome, String> {
    match error {
        StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Foreign { .. } => {
            Ok(Outcome::Refused)
        }
        other => Err(format!("refused without saying what to do: {other:?}")),
    }
}

struct Kept {
    files: Vec<(PathBuf, Vec<u8>)>,
    /// What it answers.
    picture: Picture,
    /// What it ever answered while it was filled: a log that ends early tells of an earlier moment.
    known: Picture,
}

/// A store on disk; with `open` as a process leaves it that was killed, its log not folded in.
async fn kept(open: bool) -> Kept {
    let dir = scratch();
    small_pages(&dir.path().join("parallax.db")).expect("an empty database");
    let store = Store::open(dir.path()).expect("a new store");
    let mut known = Picture::new();
    fill(&store, &mut known).await.expect("a store that can be written");
    let picture = picture(&store).await;
    if !open {
        store.clone().close().await.expect("a clean end");
    }
    let mut files = Vec::new();
    for name in ["parallax.db", "parallax.db-wal", "parallax.schema"] {
        if let Ok(bytes) = fs::read(dir.path().join(name)) {
            files.push((PathBuf::from(name), bytes));
        }
    }
    Kept { files, picture, known }
}

fn small_pages(path: &Path) -> rusqlite::Result<()> {
    let database = rusqlite::Connection::open(path)?;
    database.pragma_update(None, "page_size", PAGE_BYTES)?;
    database.pragma_update(None, "application_id", APPLICATION_ID)
}

/// Memory where there is some: a flip needs no disk.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory")
}

fn flip_all(kept: &Kept, file: &str, stride: usize) -> BTreeMap<String, usize> {
    let at = kept.files.iter().position(|(name, _)| name == Path::new(file)).expect("a file");
    let mut places: Vec<usize> = (0..kept.files[at].1.len()).step_by(stride).collect();
    // One byte again that was found wrong.
    if let Some(place) = std::env::var_os("PARALLAX_FLIP_AT").and_then(|place| place.to_str()?.parse().ok()) {
        places = vec![place];
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let runtime = Runtime::new().expect("a runtime");
        let mut outcomes = Vec::new();
        while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
            let dir = scratch();
            // Space that is set aside already: writing it would take most of the time.
            let reserve = fs::File::create(dir.path().join("parallax.reserve")).expect("room");
            reserve.set_len(RESERVE_BYTES).expect("a sparse file");
            for (n, (name, bytes)) in kept.files.iter().enumerate() {
                let mut bytes = bytes.clone();
                if n == at {
                    bytes[*place] ^= 0x55;
                }
                fs::write(dir.path().join(name), bytes).expect("room");
            }
            let outcome = runtime.block_on(judge(dir.path(), kept));
            outcomes.push(outcome.map_err(|why| format!("byte {place} of {file}: {why}")));
        }
        outcomes
    };
    let outcomes: Vec<Result<Outcome, String>> = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().flat_map(|t| t.join().expect("no flip panics")).collect()
    });
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(outcome) => *counts.entry(format!("{outcome:?}")).or_insert(0) += 1,
            Err(why) => wrong.push(why),
        }
    }
    assert!(wrong.is_empty(), "{} flips are wrong, {counts:?} are not:\n{}", wrong.len(), wrong.join("\n"));
    counts
}

fn stride(usual: usize) -> usize {
    if std::env::var_os("PARALLAX_FLIPS").is_some_and(|how| how == "all") { 1 } else { usual }
}

#[test]
fn a_flipped_byte_of_the_database_loses_little_and_is_said() {
    let kept = Runtime::new().expect("a runtime").block_on(kept(false));
    let counts = flip_all(&kept, "parallax.db", stride(STRIDE));
    let all: usize = counts.values().sum();
    println!("{all} bytes of the database's {} flipped, one at a time: {counts:?}", kept.files[0].1.len());
    assert!(counts.get("Refused").copied().unwrap_or(0) * 100 <= all, "{counts:?}");
    assert!(counts["LessAndSaid"] > 0 && counts["Salvaged"] > 0, "{counts:?}");
}

#[test]
fn a_flipped_byte_of_the_log_is_said() {
    let kept = Runtime::new().expect("a runtime").block_on(kept(true));
    let counts = flip_all(&kept, "parallax.db-wal", stride(WAL_STRIDE));
    println!("{} bytes of the log flipped, one at a time: {counts:?}", counts.values().sum::<usize>());
    assert!(counts["LessAndSaid"] > 0, "{counts:?}");
}

#[test]
fn a_flipped_byte_of_the_copy_of_the_schema_changes_nothing() {
    let kept = Runtime::new().expect("a runtime").block_on(kept(false));
    let counts = flip_all(&kept, "parallax.schema", stride(STRIDE));
    println!(
        "{} bytes of the copy of the schema flipped, one at a time: {counts:?}",
        counts.values().sum::<usize>()
    );
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["Same"]);
}
