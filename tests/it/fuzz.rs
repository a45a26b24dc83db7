//! The fuzz targets' short run: every seed as it is, and a fixed number of mutations of each, the same in every run.
//!
//! `cargo xtask fuzz` runs the same targets for as long as wanted, led by what of the code an input reaches. What it finds becomes a
//! seed, so it stays found.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

#[expect(unreachable_pub, reason = "it is also the library that the fuzz programs are built with")]
#[path = "../fuzz/src/lib.rs"]
mod targets;

/// Longest mutation, in bytes.
const MAX_BYTES: usize = 4_096;
/// Most changes made to a seed at once.
const MAX_CHANGES: usize = 6;
/// Pieces that parsers have opinions about.
const PIECES: [&[u8]; 24] = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"%00",
    b"@",
    b"\\",
    b"//",
    b"::",
    b"[",
    b"..",
    b":",
    b"xn--",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80",
    b"65536",
    b"-1",
    b"\xff\xff\xff\xff\x0f",
    b"\xc0\x0c",
];

/// One test a target, with how many mutations of each seed it gets: what one run costs decides.
macro_rules! short_runs {
    ($($target:ident: $mutations:literal),+ $(,)?) => {
        $(#[test] fn $target() { replay(stringify!($target), targets::$target, $mutations); })+

        #[test]
        fn every_target_has_a_short_run() {
            let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(known, [$(stringify!($target)),+]);
            for name in known {
                let program = manifest().join(format!("fuzz/fuzz_targets/{name}.rs"));
                assert!(program.is_file(), "{} is missing", program.display());
            }
        }
    };
}

short_runs! {
    answer: 80,
    batch: 600,
    certificate: 2_000,
    dns: 2_000,
    journal: 10,
    messages: 600,
    redirect: 300,
    token: 3_000,
    typed: 400,
    vetting: 600,
    world: 200,
}

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn replay(target: &str, body: targets::Body, mutations: u64) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for (at, (name, seed)) in seeds.iter().enumerate() {
        check(body, seed, name);
        let mut rng = StdRng::seed_from_u64(at as u64);
        for number in 1..=mutations {
            let other = &seeds[rng.random_range(0..seeds.len())].1;
            let input = mutated(seed, other, &mut rng);
            check(body, &input, &format!("{name}, mutation {number}"));
        }
    }
}

/// Every seed of a target, in the order of their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = manifest().join("fuzz/seeds").join(target);
    let mut seeds: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a seed"))
        })
        .collect();
    seeds.sort();
    seeds
}

fn check(body: targets::Body, input: &[u8], what: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(input))) {
        println!("{what}: b\"{}\"", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

fn mutated(seed: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..=MAX_CHANGES) {
        change(&mut bytes, other, rng);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

/// Makes one change: bits, bytes, pieces, stretches of itself or of another seed.
fn change(bytes: &mut Vec<u8>, other: &[u8], rng: &mut StdRng) {
    let at = rng.random_range(0..=bytes.len());
    let end = rng.random_range(at..=bytes.len().min(at + 64));
    match rng.random_range(0..7) {
        0 => drop(bytes.drain(at..end)),
        1 => drop(bytes.splice(at..at, PIECES[rng.random_range(0..PIECES.len())].iter().copied())),
        2 => {
            let stretch = bytes[at..end].to_vec();
            let to = rng.random_range(0..=bytes.len());
            bytes.splice(to..to, stretch);
        }
        3 => {
            let from = rng.random_range(0..=other.len());
            let to = rng.random_range(from..=other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        4 => bytes.truncate(at),
        kind => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = if kind == 5 { *byte ^ (1 << rng.random_range(0..8)) } else { rng.random() };
            }
        }
    }
}
