//! A copy of the pages that hold the schema, in a file of its own. One wrong bit in them and SQLite reads nothing of a database;
//! with them put back, everything else is read as before. They change with migrations only.
//!
//! The file: CRC-32 of the rest, schema cookie, page size (4 bytes each), then each page's number and bytes. Little endian.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rusqlite::Connection;

/// The schema fits into this many pages many times over.
const MAX_PAGES: usize = 64;
/// Where the database header keeps its change counter, and the counter's value at which its size was valid. With the two apart
/// SQLite takes the size from the file instead.
const CHANGE_COUNTER: usize = 24;
const SIZE_VALID_AT: usize = 92;
/// More wrong bytes than this are another schema.
const MAX_WRONG: usize = 8;
/// Change counter, and what goes with it.
const COUNTERS: [std::ops::Range<usize>; 2] = [24..28, 92..100];
/// Where the header keeps the version.
const VERSION: std::ops::Range<usize> = 60..64;
/// A version that is higher by up to so many is one to come.
const NEXT_VERSIONS: u32 = 64;
/// A file whose header has fewer bytes than this in common with the copy's is something else, and not touched.
const MIN_ALIKE: usize = 50;
/// What else in the header changes without a migration: size, first free page, number of free pages.
const CHANGING: std::ops::Range<usize> = 28..40;

/// Puts the pages back where a few bytes of them are wrong; answers how many were. Nobody may have the database open.
///
/// 1. More than [`MAX_WRONG`] bytes are no accident but another schema: a migration, or another's hand.
/// 2. A version that may be one of the next is left to who looks at versions.
pub(crate) fn mend(copy: &Path, database: &Path) -> io::Result<usize> {
    let Some(kept) = read(copy).filter(|_| database.exists()) else { return Ok(0) };
    let mut file = File::open(database)?;
    let (mut wrong, mut newer) = (0, false);
    for (number, page) in &kept.pages {
        let mut found = vec![0; page.len()];
        file.seek(SeekFrom::Start(place(*number, kept.page_size)))?;
        if file.read_exact(&mut found).is_err() {
            return Ok(0);
        }
        let changes =
            |at: usize| *number == 1 && (CHANGING.contains(&at) || COUNTERS.iter().any(|c| c.contains(&at)));
        let differs = |at: &usize| page[*at] != found[*at] && !changes(*at);
        wrong += (0..page.len()).filter(differs).count();
        if *number == 1 {
            let version = |page: &[u8]| u32::from_be_bytes(page[VERSION].try_into().unwrap_or_default());
            newer = (1..=NEXT_VERSIONS).contains(&version(&found).wrapping_sub(version(page)));
        }
    }
    if wrong == 0 || wrong > MAX_WRONG || newer || !put_back(copy, database)? {
        return Ok(0);
    }
    Ok(wrong)
}

/// Copies the schema's pages of a database that has just been checkpointed, unless the copy is of this schema already.
pub(crate) fn keep(connection: &Connection, database: &Path, copy: &Path) -> io::Result<()> {
    let ask = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0)).map_err(io::Error::other)
    };
    let (cookie, size) = (ask("schema_version")?, ask("page_size")?);
    if read(copy).is_some_and(|kept| kept.cookie == cookie) {
        return Ok(());
    }
    let sql = "SELECT pageno FROM dbstat WHERE name IN ('sqlite_schema', 'sqlite_master') ORDER BY pageno";
    let mut statement = connection.prepare(sql).map_err(io::Error::other)?;
    let numbers = statement.query_map([], |row| row.get::<_, u32>(0)).map_err(io::Error::other)?;
    let mut file = File::open(database)?;
    let mut body = [cookie.to_le_bytes(), size.to_le_bytes()].concat();
    for number in numbers.take(MAX_PAGES) {
        let number = number.map_err(io::Error::other)?;
        let mut page = vec![0; size as usize];
        file.seek(SeekFrom::Start(place(number, size)))?;
        file.read_exact(&mut page)?;
        body.extend(number.to_le_bytes());
        body.extend(page);
    }
    let mut written = copy.as_os_str().to_owned();
    written.push(".new");
    let mut to = File::create(&written)?;
    to.write_all(&crc32fast::hash(&body).to_le_bytes())?;
    to.write_all(&body)?;
    to.sync_all()?;
    fs::rename(&written, copy)
}

/// Puts the pages back into a database that nobody has open; `false` when there is no good copy.
pub(crate) fn put_back(copy: &Path, database: &Path) -> io::Result<bool> {
    let Some(kept) = read(copy) else { return Ok(false) };
    let mut file = File::options().read(true).write(true).open(database)?;
    let mut header = [0; 100];
    file.read_exact(&mut header)?;
    let first = kept.pages.iter().find(|(number, _)| *number == 1).map(|(_, page)| page.as_slice());
    if first.is_none_or(|page| page.iter().zip(&header).filter(|(a, b)| a == b).count() < MIN_ALIKE) {
        return Ok(false);
    }
    for (number, mut page) in kept.pages {
        if number == 1 {
            page[CHANGING].copy_from_slice(&header[CHANGING]);
            page[CHANGE_COUNTER..][..4].copy_from_slice(&1_u32.to_be_bytes());
            page[SIZE_VALID_AT..][..4].copy_from_slice(&0_u32.to_be_bytes());
        }
        file.seek(SeekFrom::Start(place(number, kept.page_size)))?;
        file.write_all(&page)?;
    }
    file.sync_all().map(|()| true)
}

struct Kept {
    cookie: u32,
    page_size: u32,
    pages: Vec<(u32, Vec<u8>)>,
}

/// The copy; `None` when there is none or it is damaged itself.
fn read(copy: &Path) -> Option<Kept> {
    let bytes = fs::read(copy).ok()?;
    let (crc, body) = bytes.split_first_chunk::<4>()?;
    let (cookie, rest) = body.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let page_size = u32::from_le_bytes(*size);
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) || page_size < 512 {
        return None;
    }
    let page = |chunk: &[u8]| {
        let (number, page) = chunk.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*number), page.to_vec()))
    };
    let pages: Option<Vec<_>> = rest.chunks(4 + page_size as usize).map(page).collect();
    let pages = pages.filter(|all| all.iter().all(|(n, page)| *n > 0 && page.len() == page_size as usize))?;
    Some(Kept { cookie: u32::from_le_bytes(*cookie), page_size, pages })
}

fn place(number: u32, size: u32) -> u64 {
    u64::from(number - 1) * u64::from(size)
}
