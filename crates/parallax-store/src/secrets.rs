//! Small secrets that must outlive the process, such as the key that reporters are hashed with. The directory is its owner's only.

use rusqlite::OptionalExtension;

use crate::{Store, StoreError};

impl Store {
    /// A secret by its name.
    pub async fn secret(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name.to_owned();
        self.read("read secret", move |c| {
            let mut statement = c.prepare_cached("SELECT secret FROM secrets WHERE name = ?1")?;
            statement.query_row([name], |row| row.get(0)).optional()
        })
        .await
    }

    /// Keeps a secret.
    pub async fn put_secret(&self, name: &str, secret: Vec<u8>) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write("put secret", move |w| {
            let sql = "INSERT INTO secrets (name, secret) VALUES (?1, ?2)
                ON CONFLICT (name) DO UPDATE SET secret = excluded.secret";
            w.connection.prepare_cached(sql)?.execute((name, secret)).map(drop)
        })
        .await
    }
}
