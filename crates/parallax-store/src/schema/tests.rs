use std::fs;

use rusqlite::Connection;

use super::*;
use crate::Store;
use crate::fixtures::store;

/// Opens what `sql` makes of a store and gives the error's text; the file must be as it was.
fn refusal(sql: &str, fresh: bool) -> String {
    let (dir, store) = store();
    drop(store);
    let path = dir.path().join("parallax.db");
    if fresh {
        fs::remove_file(&path).unwrap();
    }
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
    let before = fs::read(&path).unwrap();
    let refused = Store::open(dir.path()).unwrap_err().to_string();
    assert_eq!(fs::read(&path).unwrap(), before, "{sql}");
    refused.replace(&path.display().to_string(), "DB")
}

#[test]
fn a_newer_store_is_refused_with_both_versions_and_left_alone() {
    let newer = SCHEMA_VERSION + 1;
    let expected = format!(
        "DB has store version {newer}, this program knows versions up to {SCHEMA_VERSION}: use a newer one"
    );
    assert_eq!(refusal(&format!("PRAGMA user_version = {newer}"), false), expected);
}

#[test]
fn a_foreign_database_is_refused_and_left_alone() {
    let expected = "DB is a database of another program (application id 0x0)";
    assert_eq!(refusal("CREATE TABLE theirs (x)", true), expected);
    let expected = "DB is a database of another program (application id 0x2a)";
    assert_eq!(refusal("PRAGMA application_id = 42", true), expected);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let (dir, store) = store();
    drop(store);
    let path = dir.path().join("parallax.db");
    fs::write(&path, vec![b'x'; 8192]).unwrap();
    let refused = Store::open(dir.path()).unwrap_err().to_string();
    let expected =
        "DB is damaged, file is not a database: `parallax data restore` puts a backup in its place";
    assert_eq!(refused.replace(&path.display().to_string(), "DB"), expected);
    assert_eq!(fs::read(&path).unwrap(), vec![b'x'; 8192]);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = Store::open(&file.join("store")).unwrap_err();
    assert_eq!(refused.to_string(), format!("create directory {}", file.join("store").display()));
}

/// A migration that was cut off half-way left nothing: its tables, its version and the application id are one transaction.
#[test]
fn a_migration_that_fails_leaves_the_store_as_it_was() {
    let mut connection = Connection::open_in_memory().unwrap();
    let half = format!("{} CREATE TABLE journal (twice);", MIGRATIONS[0]);
    assert!(migrate(&mut connection, 1, &half).is_err());
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!((tables, version), (0, 0));
    migrate(&mut connection, 1, MIGRATIONS[0]).unwrap();
}

/// A store whose rows have checksums keeps them: made anew they would call a damaged row whole.
#[test]
fn a_migration_calls_no_damaged_row_whole() {
    let mut connection = Connection::open_in_memory().unwrap();
    whole::define(&connection, &Damaged::default()).unwrap();
    let (older, newer) = MIGRATIONS.split_at(4);
    for migration in older {
        connection.execute_batch(migration).unwrap();
    }
    whole::seal(&connection).unwrap();
    connection.execute("INSERT INTO targets VALUES ('https://a.example/', 1, 2, 3)", []).unwrap();
    for (at, migration) in newer.iter().enumerate() {
        migrate(&mut connection, older.len() + at + 1, migration).unwrap();
    }
    let checksum: i64 = connection.query_row("SELECT checksum FROM targets", [], |row| row.get(0)).unwrap();
    assert_eq!(checksum, 3);
    connection.prepare("SELECT checksum FROM counted").unwrap();
}
