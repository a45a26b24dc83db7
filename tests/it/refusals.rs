//! What is refused, and in which words: the same at the page, over gRPC and on the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use anyhow::Context as _;
use http::StatusCode;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::api::Api;
use crate::support::page;
use crate::support::program::{Program, ask, ask_with, command};

/// Longest input of the table that is tried: longer ones are cut by shells and browsers on their own.
const MAX_INPUT: usize = 300;

/// Inputs that the policy's own table refuses.
fn inputs() -> anyhow::Result<Vec<String>> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/parallax-policy/vectors/inputs.json");
    let table: Vec<Value> = serde_json::from_str(&fs::read_to_string(&table).context("the policy's table")?)?;
    let refused = table.iter().filter(|row| row["code"].is_string()).filter_map(|row| row["input"].as_str());
    Ok(refused.filter(|input| input.len() <= MAX_INPUT).map(str::to_owned).collect())
}

/// Reason and sentence that the command line has for each input, all in one run.
async fn on_the_command_line(inputs: &[String]) -> anyhow::Result<Vec<(String, String)>> {
    let lines = inputs.iter().enumerate().map(|(id, input)| json!({"id": id.to_string(), "input": input}));
    let lines: Vec<String> = lines.map(|line| line.to_string()).collect();
    let output = ask_with(command(&["target", "--jsonl"]), &lines.join("\n")).await?;
    let answers = String::from_utf8(output.stdout)?;
    let read = |line: &str| {
        let answer: Value = serde_json::from_str(line)?;
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        Ok((text("reason"), text("message")))
    };
    answers.lines().map(read).collect()
}

#[tokio::test]
async fn a_bad_input_gets_the_same_sentence_everywhere() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let program = Program::up(&dir.path().join("data"), &["--agents", "0"]).await?;
    let api = Api::of(&program).await?;
    let inputs = inputs()?;
    assert!(inputs.len() >= 40, "the table is read: {}", inputs.len());
    let said = on_the_command_line(&inputs).await?;
    assert_eq!(said.len(), inputs.len(), "one answer a line");
    let mut wrong = Vec::new();
    let mut one_of_each = BTreeMap::new();
    for (input, (reason, sentence)) in inputs.iter().zip(&said) {
        if sentence.is_empty() {
            wrong.push(format!("{input:?}: `target` does not refuse it"));
        }
        let status = api.start_check(input).await.map(drop).err();
        let over_grpc = status.as_ref().map(|s| (s.code(), s.message()));
        if over_grpc != Some((Code::InvalidArgument, sentence)) {
            wrong.push(format!("{input:?}: gRPC says {over_grpc:?}, `target` {sentence:?}"));
        }
        let (status, html) = page::submit(program.page, input).await?;
        if status != StatusCode::UNPROCESSABLE_ENTITY || !page::resolved(&html).contains(sentence.as_str()) {
            wrong.push(format!("{input:?}: the page answers {status} without {sentence:?}"));
        }
        if !input.contains('\0') && !input.starts_with('-') {
            one_of_each.entry(reason).or_insert((input, sentence));
        }
    }
    for (input, sentence) in one_of_each.into_values() {
        let output = ask(&["check", input, "--server", &program.url()]).await?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() != Some(65) || !stderr.contains(sentence.as_str()) {
            wrong.push(format!(
                "{input:?}: `check` ends with {} and {stderr:?}, not {sentence:?}",
                output.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), inputs.len(), wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn every_error_of_a_configuration_is_listed_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("aggregator.toml");
    let text = "listen = \"127.0.0.1:8080\"\nagents_listen = \"127.0.0.1:8080\"\nown_names = [\"not a host\"]\n\
        [opt_out]\nevery_ms = 300000\n\
        [[target]]\nsite = \"ftp://example.com\"\n[[target]]\nsite = \"example.com\"\ninterval_ms = 1\n";
    fs::write(&file, text)?;
    let file = file.to_str().context("a path in UTF-8")?;
    for args in [&["aggregator", "--config", file][..], &["aggregator", "--config", file, "--check-config"]] {
        let output = ask(args).await?;
        let stderr = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(78), "{stderr}");
        let names =
            ["agents_listen", "own_names[0]", "opt_out.every_ms", "target[0].site", "target[1].interval_ms"];
        let silent: BTreeSet<&str> = names.into_iter().filter(|name| !stderr.contains(name)).collect();
        assert!(silent.is_empty(), "not listed: {silent:?} in {stderr}");
    }
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_changes_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let data = dir.path().join("data");
    let data = data.to_str().context("a path in UTF-8")?;
    for (flag, other) in [("--listen", "--agents-listen"), ("--agents-listen", "--listen")] {
        let output = ask(&["up", flag, &address, other, "127.0.0.1:0", "--data-dir", data]).await?;
        let stderr = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(69), "{stderr}");
        assert!(stderr.contains(&address), "names the port: {stderr}");
        assert!(stderr.contains(&format!(" {flag}")), "names {flag}: {stderr}");
    }
    Ok(())
}

#[tokio::test]
async fn a_data_directory_in_use_is_left_alone() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let _program = Program::up(&data, &["--agents", "0"]).await?;
    let data = data.to_str().context("a path in UTF-8")?;
    let output =
        ask(&["up", "--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0", "--data-dir", data]).await?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains(data), "names the directory: {stderr}");
    Ok(())
}
