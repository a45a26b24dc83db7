//! Turns `fingerprints/*.toml` into tables that are compiled in, so that a program that probes neither reads them nor keeps them
//! on its heap. What the files must be like is said in `files`, what becomes of them in `tables`.

mod files;
mod needed;
#[path = "../src/emitter/spelling.rs"]
mod spelling;
mod tables;

use std::error::Error;
use std::path::Path;

#[expect(clippy::print_stdout, reason = "cargo listens there")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=fingerprints");
    println!("cargo::rerun-if-changed=src/emitter/spelling.rs");
    let out = std::env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?;
    let tables = tables::write(&files::read()?)?;
    std::fs::write(Path::new(&out).join("fingerprints.rs"), tables)?;
    Ok(())
}
