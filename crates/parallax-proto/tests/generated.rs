//! The checked-in code under `src/gen` is what the files under `proto/` say. With `PARALLAX_GEN=write` (`cargo xtask gen`) the
//! code is written anew instead of compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prost::Message as _;

const FILES: [&str; 7] = ["types", "agent", "check", "incident", "site", "network", "admin"];

fn proto_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")
}

fn gen_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen")
}

/// Name and content of every generated file.
fn generate() -> BTreeMap<String, Vec<u8>> {
    let files = FILES.map(|area| proto_root().join(format!("parallax/{area}/v1/{area}.proto")));
    let descriptors = protox::compile(files, [proto_root()]).expect("the proto files compile");
    let out = tempfile::tempdir().expect("a temporary directory");
    let mut made = BTreeMap::from([("descriptors.bin".to_owned(), descriptors.encode_to_vec())]);
    tonic_prost_build::configure()
        .out_dir(out.path())
        .bytes(".")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)
        .expect("the generator accepts the files");
    for entry in std::fs::read_dir(out.path()).expect("the directory is readable") {
        let path = entry.expect("the entry is readable").path();
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        made.insert(name, std::fs::read(&path).expect("the file is readable"));
    }
    made
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the one switch between writing and comparing")]
fn the_generated_code_is_what_the_proto_files_say() {
    let write = std::env::var("PARALLAX_GEN").is_ok_and(|v| v == "write");
    for (name, content) in generate() {
        let path = gen_root().join(&name);
        if write {
            std::fs::write(&path, &content).expect("src/gen is writable");
        }
        let checked_in = std::fs::read(&path).unwrap_or_default();
        assert!(checked_in == content, "src/gen/{name} is out of date: run `cargo xtask gen`");
    }
}
