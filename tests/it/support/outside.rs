//! Programs that are not ours: where they are, and what to do when they are not.

use std::env;
use std::path::PathBuf;

/// With this variable set nothing may be skipped.
const SKIP_NOTHING: &str = "PARALLAX_TESTS_SKIP_NOTHING";

/// Finds a program on the search path or where servers lie.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Finds programs, or says that the test is skipped; a failure where nothing may be skipped.
pub(crate) fn needed<const N: usize>(programs: [&str; N]) -> Option<[PathBuf; N]> {
    let found = programs.map(|program| find(program).ok_or(program));
    if let Some(absent) = found.iter().find_map(|f| f.as_ref().err()) {
        assert!(env::var_os(SKIP_NOTHING).is_none(), "{absent} is not installed");
        println!("skipped: {absent} is not installed");
        return None;
    }
    Some(found.map(Result::unwrap))
}
