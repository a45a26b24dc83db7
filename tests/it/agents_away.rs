//! Agents that come back after long, whose clock is wrong, or whose line dies without a word.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_agent::{AgentConfig, AgentParts, start};
use parallax_lab::load::{Papers, Voucher};
use parallax_proto::batch::{Known, read};
use parallax_proto::v1::admin::AddTargetRequest;
use parallax_proto::v1::admin::RevokeAgentRequest;
use parallax_proto::v1::admin::admin_service_client::AdminServiceClient;
use parallax_proto::v1::agent::agent_service_client::AgentServiceClient;
use parallax_proto::v1::agent::{Hello, RenewRequest, SessionRequest, session_request};
use parallax_proto::v1::network::ListVantagesRequest;
use parallax_proto::v1::network::network_service_client::NetworkServiceClient;
use parallax_runtime::{Clock, Lifecycle, SystemClock, seeded};
use rcgen::{CertificateParams, KeyPair};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::kill_9::{agent, by_operator, enrol, journal};
use crate::support::api::Api;
use crate::support::line::Line;
use crate::support::program::Program;
use crate::support::site::Site;
use crate::support::until;

/// A day.
const DAY_S: u64 = 24 * 3_600;
/// A line that is dead is noticed by then: after 45 s of silence, or sooner.
const NOTICED: Duration = Duration::from_secs(55);
/// How far the moment of a result may be from when it was seen, in microseconds.
const EXACT_US: u64 = 15_000_000;

/// The papers of an agent whose certificate ended so many days ago.
fn lapsed(voucher: &Voucher, name: &str, days: u64) -> anyhow::Result<Papers> {
    let now_s = u64::try_from(SystemClock.now_micros())? / 1_000_000;
    Ok(voucher.papers(&name.parse()?, now_s - days * DAY_S)?)
}

async fn connected(program: &Program, papers: &Papers) -> anyhow::Result<AgentServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("https://{}", program.agents))?.tls_config(papers.tls())?;
    Ok(AgentServiceClient::new(endpoint.connect().await?))
}

/// Asks for a new certificate for this key.
async fn renew(program: &Program, papers: &Papers, key_pem: &str) -> anyhow::Result<Result<(), Status>> {
    let request = CertificateParams::default().serialize_request(&KeyPair::from_pem(key_pem)?)?;
    let request = RenewRequest { csr_der: request.der().to_vec().into() };
    Ok(match connected(program, papers).await {
        Ok(mut client) => client.renew(request).await.map(drop),
        Err(error) => Err(Status::unavailable(format!("{error:#}"))),
    })
}

#[tokio::test]
async fn an_agent_that_was_away_longer_than_its_certificate_lives_renews_it_by_itself() -> anyhow::Result<()>
{
    let dir = tempfile::tempdir()?;
    let (data, own) = (dir.path().join("data"), dir.path().join("agent"));
    let program = Program::up(&data, &["--agents", "0"]).await?;
    let voucher = Voucher::open(&data)?;
    let papers = lapsed(&voucher, "long-away", 29)?;
    enrol(&program, &data, &own, "long-away").await?;
    papers.write(&own)?;
    agent::configure(&own, program.agents)?;
    let mut process = agent::start(&own)?;
    let api = Api::of(&program).await?;
    api.online(1).await.context("it does not come back")?;
    let kept = |name| std::fs::read_to_string(own.join(name));
    assert_ne!(kept("chain.pem")?, papers.chain_pem, "its certificate is a new one");
    assert_eq!(kept("key.pem")?, papers.key_pem, "for the key it always had");
    process.kill().await?;
    // The next start needs no renewal.
    let chain = kept("chain.pem")?;
    let mut process = agent::start(&own)?;
    api.online(1).await?;
    assert_eq!(kept("chain.pem")?, chain);
    process.kill().await?;
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_good_for_its_own_renewal_alone() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let program = Program::up(&data, &["--agents", "0"]).await?;
    let voucher = Voucher::open(&data)?;
    let papers = lapsed(&voucher, "away", 29)?;
    let other = KeyPair::generate()?.serialize_pem();

    let hello = Hello { version: "1.2.3".to_owned(), epoch: 1, next_seq: 1, ..Hello::default() };
    let hello = SessionRequest { message: Some(session_request::Message::Hello(hello)) };
    let session = connected(&program, &papers).await?.session(tokio_stream::iter([hello])).await;
    assert_eq!(session.map(drop).map_err(|status| status.code()), Err(Code::Unauthenticated));
    let code = |renewed: Result<(), Status>| renewed.map_err(|status| status.code());
    assert_eq!(code(renew(&program, &papers, &other).await?), Err(Code::Unauthenticated), "another key");
    assert_eq!(code(renew(&program, &papers, &papers.key_pem).await?), Ok(()), "its own");

    let too_late = lapsed(&voucher, "away", 31)?;
    let renewed = renew(&program, &too_late, &too_late.key_pem).await?;
    ensure!(renewed.is_err(), "after 31 days a new token is needed");

    let revoke = by_operator(&data, RevokeAgentRequest { agent_id: "away".to_owned() })?;
    enrol(&program, &data, &dir.path().join("agent"), "away").await?;
    let api = Api::of(&program).await?;
    AdminServiceClient::new(api.channel()).revoke_agent(revoke).await?;
    assert_eq!(
        code(renew(&program, &papers, &papers.key_pem).await?),
        Err(Code::PermissionDenied),
        "revoked"
    );
    Ok(())
}

/// The system's clock, wrong by so many seconds.
#[derive(Debug)]
struct WrongClock(i64);

impl Clock for WrongClock {
    fn now_micros(&self) -> i64 {
        SystemClock.now_micros() + self.0 * 1_000_000
    }
}

async fn watch(program: &Program, data: &Path, site: &Site) -> anyhow::Result<()> {
    let target = AddTargetRequest { site: format!("http://{}/", site.address), interval_ms: 5_000 };
    let api = Api::of(program).await?;
    AdminServiceClient::new(api.channel()).add_target(by_operator(data, target)?).await?;
    Ok(())
}

#[tokio::test]
async fn an_agent_whose_clock_is_wrong_by_days_is_heard_and_its_results_have_their_moment()
-> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let mut program = Program::up(&data, &["--agents", "0", "--allow-cidr", "127.0.0.0/8"]).await?;
    let mut site = Site::start().await?;
    watch(&program, &data, &site).await?;
    let lifecycle = Lifecycle::new();
    let day = DAY_S.cast_signed();
    let clocks =
        [("day-behind", -day), ("day-ahead", day), ("never-set", -SystemClock.now_micros() / 1_000_000)];
    for (name, wrong_by) in clocks {
        let own = dir.path().join(name);
        enrol(&program, &data, &own, name).await?;
        let mut config =
            AgentConfig { aggregator: program.agents.to_string(), data_dir: own, ..AgentConfig::default() };
        config.probe.allow_cidr = vec!["127.0.0.0/8".parse()?];
        config.probe.beacons = Vec::new();
        let clock = Arc::new(WrongClock(wrong_by));
        start(config, AgentParts { clock, rng: seeded(1), tasks: lifecycle.tasks() }).await?;
    }
    let api = Api::of(&program).await?;
    api.online(clocks.len()).await?;
    site.asked(3 * clocks.len() as u64).await?;
    ensure!(lifecycle.drain().await.is_ok(), "the agents do not end");
    program.interrupt().await?;
    let mut heard = std::collections::BTreeSet::new();
    for entry in journal(&data).await? {
        let results = read(&entry.batch.columns, entry.batch.count, &Known::default())?;
        for row in 0..results.len() {
            let seen = results.seen_at(row, entry.batch.received_at);
            let apart = entry.batch.received_at.since(seen);
            assert!(apart < EXACT_US, "{}: {apart} µs before it came", entry.batch.agent);
        }
        heard.insert(entry.batch.agent.to_string());
    }
    assert_eq!(heard.len(), clocks.len(), "{heard:?}");
    Ok(())
}

#[tokio::test]
async fn a_line_that_dies_without_a_word_is_noticed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (data, own) = (dir.path().join("data"), dir.path().join("agent"));
    let program = Program::up(&data, &["--agents", "0"]).await?;
    let line = Line::to(program.agents).await?;
    enrol(&program, &data, &own, "half-open").await?;
    agent::configure(&own, line.address)?;
    let mut process = agent::start(&own)?;
    let api = Api::of(&program).await?;
    api.online(1).await?;
    line.cut();
    let offline = async || {
        let list = NetworkServiceClient::new(api.channel()).list_vantages(ListVantagesRequest {}).await?;
        ensure!(list.into_inner().vantages.iter().all(|vantage| !vantage.online), "it is said to be there");
        Ok(())
    };
    until(NOTICED, offline).await?;
    line.mend();
    api.online(1).await.context("it does not come back")?;
    process.kill().await?;
    Ok(())
}
