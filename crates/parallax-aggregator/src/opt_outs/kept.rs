//! Who is opted out, across a restart: a list of domains in a file of the data directory. Without it every agent would be given every
//! target again until the owners' records are asked for anew, and for longer where nobody answers. It is no part of a backup: what it
//! says is found out again.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use parallax_model::Host;

use super::known::MAX_DOMAINS;

/// The file.
const FILE: &str = "opt-outs.json";

/// The domains that were opted out when they were written last; none where there is no such file, or it cannot be read.
pub(super) fn read(dir: &Path) -> Vec<Host> {
    let read = fs::read(dir.join(FILE))
        .and_then(|text| serde_json::from_slice::<Vec<String>>(&text).map_err(io::Error::from));
    match read {
        // A name that is none any more takes no other with it.
        Ok(domains) => domains.iter().filter_map(|name| name.parse().ok()).take(MAX_DOMAINS).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(%error, file = FILE, "who was opted out cannot be read; it will be found out anew");
            Vec::new()
        }
    }
}

/// Writes them in the place of those before: the whole list or, when that fails, none of it.
pub(super) fn write(dir: &Path, domains: &[Host]) -> io::Result<()> {
    let next = dir.join(format!("{FILE}.next"));
    let mut file = File::create(&next)?;
    file.write_all(&serde_json::to_vec(domains)?)?;
    file.sync_all()?;
    fs::rename(next, dir.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_damage_is_nobody() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(read(dir.path()), []);
        let domains: Vec<Host> =
            ["a.com", "xn--bcher-kva.example"].map(|name| name.parse().expect("a host")).into();
        write(dir.path(), &domains).expect("it is written");
        write(dir.path(), &domains[1..]).expect("and again");
        assert_eq!(read(dir.path()), domains[1..]);
        fs::write(dir.path().join(FILE), "[\"not a host\", \"a.com\"]").expect("it is written");
        assert_eq!(read(dir.path()), domains[..1]);
        for damaged in ["", "[\"a.com\"", "{}"] {
            fs::write(dir.path().join(FILE), damaged).expect("it is written");
            assert_eq!(read(dir.path()), [], "{damaged:?}");
        }
    }
}
