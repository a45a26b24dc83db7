//! What each break looks like from outside: real gateways before broken servers, broken servers alone, bad certificates, no name.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use parallax_lab::tls::Authority;
use parallax_lab::{CertificateFlaw, Fault, FaultServer, Identity};
use parallax_model::{FailureKind, StatusCode, Verdict};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::api::Api;
use crate::support::gateway::Gateway;
use crate::support::outside::needed;
use crate::support::program::{Program, ask};

/// What the demo's agents may probe beside the demo.
pub(crate) const LOOPBACK: &str = "127.0.0.0/8";
/// How many agents the demo has.
pub(crate) const DEMO_AGENTS: usize = 30;

/// A broken thing and what must be said of it.
struct Case {
    what: &'static str,
    site: String,
    /// What every agent saw: one of these.
    kinds: Vec<FailureKind>,
    /// Who wrote the answer.
    emitter: Option<&'static str>,
    /// What the answer says in words.
    words: &'static [&'static str],
}

fn status(code: u16) -> Vec<FailureKind> {
    vec![FailureKind::status(StatusCode::new(code).expect("a status"))]
}

fn kinds(names: &[&str]) -> Vec<FailureKind> {
    names.iter().map(|name| name.parse().expect("a failure kind")).collect()
}

/// The demo, with agents that may probe loopback.
pub(crate) async fn demo(dir: &Path) -> anyhow::Result<(Program, Api)> {
    let program = Program::up(&dir.join("data"), &["--demo", "--allow-cidr", LOOPBACK]).await?;
    let api = Api::of(&program).await?;
    api.online(DEMO_AGENTS).await?;
    Ok((program, api))
}

fn proxy(upstream: impl std::fmt::Display) -> String {
    format!(
        "server {{ listen LISTEN; location / {{ proxy_pass http://{upstream}; proxy_read_timeout 1s; }} }}"
    )
}

/// Streams one address may hold.
const STREAMS: usize = 6;
const NO_SERVER: &str = "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 1s\n\
    frontend door\n bind LISTEN\n default_backend nobody\nbackend nobody\n";

#[tokio::test]
async fn every_break_is_told_apart() -> anyhow::Result<()> {
    let Some([nginx, haproxy]) = needed(["nginx", "haproxy"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (_program, api) = demo(dir.path()).await?;
    let local = |fault| FaultServer::start(Ipv4Addr::LOCALHOST, fault);
    let (dead, silent, reset) =
        (local(Fault::Refuses)?, local(Fault::Silent)?, local(Fault::ResetsAfterHello)?);
    let bad_gateway = Gateway::nginx(&nginx, &dir.path().join("502"), &proxy(dead.address())).await?;
    let late_gateway = Gateway::nginx(&nginx, &dir.path().join("504"), &proxy(silent.address())).await?;
    let no_server = Gateway::haproxy(&haproxy, &dir.path().join("503"), NO_SERVER).await?;
    let authority = Authority::new("Nobody trusts this")?;
    let identity = Identity { authority: &authority, name: "127.0.0.1", flaw: CertificateFlaw::Expired };
    let untrusted = FaultServer::start_tls(Ipv4Addr::LOCALHOST, Fault::None, identity)?;
    let site = |address| format!("http://{address}/");
    let case = |what, site, kinds, emitter, words| Case { what, site, kinds, emitter, words };
    let cases = [
        case(
            "nginx, upstream refuses",
            site(bad_gateway.address),
            status(502),
            Some("nginx"),
            &["502", "nginx"],
        ),
        case(
            "nginx, upstream silent",
            site(late_gateway.address),
            status(504),
            Some("nginx"),
            &["504", "nginx"],
        ),
        case("HAProxy, no server", site(no_server.address), status(503), Some("haproxy"), &["503"]),
        case("refused", site(dead.address()), kinds(&["connect-refused"]), None, &["refused"]),
        case("reset", site(reset.address()), kinds(&["connect-reset", "http-reset"]), None, &["reset"]),
        case(
            "bad certificate",
            format!("https://{}/", untrusted.address()),
            kinds(&["tls-expired", "tls-untrusted"]),
            None,
            &["certificate"],
        ),
        case("no such name", "gone.demo".to_owned(), kinds(&["dns-nxdomain"]), None, &["name"]),
    ];
    let mut judging = JoinSet::new();
    let mut wrong = Vec::new();
    for case in cases {
        // One address may read so many checks at once (threat T59).
        if judging.len() == STREAMS {
            wrong.extend(judging.join_next().await);
        }
        let api = api.clone();
        judging.spawn(async move { judge(&case, &api).await.with_context(|| case.what) });
    }
    wrong.extend(judging.join_all().await.into_iter().map(Ok));
    let wrong = wrong.into_iter().flatten().collect::<anyhow::Result<Vec<_>>>()?.concat();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What is wrong with the answer to a case.
async fn judge(case: &Case, api: &Api) -> anyhow::Result<Vec<String>> {
    let start = Instant::now();
    let checked = api.check(&case.site).await?;
    println!("{}: {:.1} s, {}", case.what, start.elapsed().as_secs_f64(), checked.diagnosis.sentence);
    let said = &checked.diagnosis;
    let mut wrong = Vec::new();
    if said.verdict != Verdict::Down {
        wrong.push(format!("expected down, found {}: {}", said.verdict, said.sentence));
    }
    if checked.rows.len() != DEMO_AGENTS {
        wrong.push(format!("{} of {DEMO_AGENTS} agents answered", checked.rows.len()));
    }
    for (agent, row) in &checked.rows {
        let kind = row.outcome.kind();
        if !kind.is_some_and(|kind| case.kinds.contains(&kind)) {
            wrong.push(format!("{agent} saw {kind:?}"));
        }
        let emitter = row.emitter.as_ref().map(|e| e.name.to_lowercase());
        if case.emitter.is_some_and(|name| emitter.as_deref() != Some(name)) {
            wrong.push(format!("{agent} names {:?}", row.emitter));
        }
    }
    let mut text = vec![said.sentence.clone(), said.operator_sentence.clone()];
    text.extend(said.evidence.iter().cloned());
    let text = text.join(" ").to_lowercase();
    let silent = case.words.iter().filter(|word| !text.contains(**word));
    wrong.extend(silent.map(|word| format!("does not say {word:?}: {text}")));
    Ok(wrong.into_iter().map(|w| format!("{}: {w}", case.what)).collect())
}

#[tokio::test]
async fn the_command_line_names_the_gateway() -> anyhow::Result<()> {
    let Some([nginx]) = needed(["nginx"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let dead = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::Refuses)?;
    let gateway = Gateway::nginx(&nginx, &dir.path().join("nginx"), &proxy(dead.address())).await?;
    let (site, server) = (format!("http://{}/", gateway.address), program.url());
    let args = ["check", &site, "--json", "--server", &server, "--allow-cidr", LOOPBACK];
    let output = ask(&args).await?;
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let last =
        lines.last().with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?.to_string();
    for expected in ["\"down\"", "502", "nginx"] {
        assert!(last.contains(expected), "{expected} is not in the last line: {last}");
    }
    assert!(text.contains("http-502"), "no row says http-502: {text}");
    Ok(())
}

/// From here, with the signer trusted, each flaw of a certificate has its own name.
#[tokio::test]
async fn a_probe_names_the_flaw_of_a_certificate() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let authority = Authority::new("Trusted in this test")?;
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, authority.pem())?;
    let cases = [
        (CertificateFlaw::None, None),
        (CertificateFlaw::WrongName, Some("tls-name-mismatch")),
        (CertificateFlaw::Expired, Some("tls-expired")),
        (CertificateFlaw::NotYetValid, Some("tls-not-yet-valid")),
        (CertificateFlaw::SelfSigned, Some("tls-self-signed")),
    ];
    for (flaw, expected) in cases {
        let identity = Identity { authority: &authority, name: "site.example.org", flaw };
        let server = FaultServer::start_tls(Ipv4Addr::LOCALHOST, Fault::None, identity)?;
        let port = server.address().port();
        let (url, resolve) =
            (format!("https://site.example.org:{port}/"), format!("site.example.org:{port}:127.0.0.1"));
        let ca = ca.to_str().context("a path in UTF-8")?;
        let args = ["probe", &url, "--resolve", &resolve, "--ca", ca, "--allow-cidr", LOOPBACK, "--json"];
        let output = ask(&args).await?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let seen: Value = serde_json::from_str(&text)
            .with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
        match expected {
            None => assert!(seen.to_string().contains("\"ok\""), "{flaw:?}: {seen}"),
            Some(kind) => assert!(seen.to_string().contains(kind), "{flaw:?} is not {kind}: {seen}"),
        }
    }
    Ok(())
}

/// The whole page of a slow gateway comes in time: nothing here waits longer than the gateway itself.
#[tokio::test]
async fn a_slow_answer_is_no_failure() -> anyhow::Result<()> {
    let slow = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::SlowFirstByte(Duration::from_millis(700)))?;
    let url = format!("http://{}/", slow.address());
    let output = ask(&["probe", &url, "--allow-cidr", LOOPBACK, "--json"]).await?;
    let seen: Value = serde_json::from_slice(&output.stdout)?;
    let text = seen.to_string();
    assert!(text.contains("\"ok\""), "{text}");
    Ok(())
}
