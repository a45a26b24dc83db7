//! An owner who does not want to be tested says so in the DNS, and is heard: by visitors, by agents that are connected, by agents that
//! come later; until the record is gone, and not because a question had no answer.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::StatusCode;
use parallax_lab::load::Voucher;
use parallax_proto::target_from_wire;
use parallax_proto::v1::admin::AddTargetRequest;
use parallax_proto::v1::admin::admin_service_client::AdminServiceClient;
use parallax_proto::v1::agent::agent_service_client::AgentServiceClient;
use parallax_proto::v1::agent::{
    Assign, Hello, SessionRequest, SessionResponse, session_request, session_response,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Streaming};

use crate::kill_9::by_operator;
use crate::support::api::Api;
use crate::support::dns::{Resolver, Texts};
use crate::support::program::Program;
use crate::support::{page, until};

/// Whose record it is, and what is tested of theirs.
const OWNER: &str = "owner.com";
const SITE: &str = "http://www.owner.com/";
/// Somebody else, who did not ask for anything.
const OTHER: &str = "http://www.other.com/";
/// How long what is said may take: records are asked for every 200 ms here.
const HEARD: Duration = Duration::from_secs(20);

/// What is answered to everybody by a wildcard, and what it says of the owner.
fn wildcard() -> Texts {
    Texts { of_all: Some("v=spf1 -all".to_owned()), ..Texts::default() }
}

fn record() -> (String, String) {
    (format!("_parallax-optout.{OWNER}"), "parallax-optout=yes".to_owned())
}

/// An agent that only listens.
struct Listener {
    _hello: mpsc::Sender<SessionRequest>,
    told: Streaming<SessionResponse>,
    /// What it would probe now.
    targets: BTreeSet<String>,
}

impl Listener {
    async fn connect(program: &Program, data: &Path, name: &str) -> anyhow::Result<Self> {
        let tls = Voucher::open(data)?.identity(&name.parse()?)?;
        let endpoint = Endpoint::from_shared(format!("https://{}", program.agents))?.tls_config(tls)?;
        let (hello, messages) = mpsc::channel(1);
        let first = Hello { version: "1.2.3".to_owned(), epoch: 1, next_seq: 1, ..Hello::default() };
        hello.send(SessionRequest { message: Some(session_request::Message::Hello(first)) }).await?;
        let mut client = AgentServiceClient::new(endpoint.connect().await?);
        let told = client.session(ReceiverStream::new(messages)).await?.into_inner();
        let mut listener = Self { _hello: hello, told, targets: BTreeSet::new() };
        // Its share may be told before the whole schedule.
        while !listener.next().await?.reset {}
        Ok(listener)
    }

    /// The next change of the schedule.
    async fn next(&mut self) -> anyhow::Result<Assign> {
        loop {
            let message = timeout(HEARD, self.told.message()).await.context("nothing is said")??;
            let message = message.context("the stream ended")?.message;
            let Some(session_response::Message::Assign(assign)) = message else { continue };
            if assign.reset {
                self.targets.clear();
            }
            for target in &assign.unset {
                self.targets.remove(&target_from_wire(Some(target))?.to_string());
            }
            for set in &assign.set {
                self.targets.insert(target_from_wire(set.target.as_ref())?.to_string());
            }
            return Ok(assign);
        }
    }

    /// Listens until it would probe these.
    async fn probes(&mut self, targets: &[&str]) -> anyhow::Result<()> {
        while !self.targets.iter().eq(targets) {
            self.next().await?;
        }
        Ok(())
    }
}

async fn watch(api: &Api, data: &Path, site: &str) -> anyhow::Result<()> {
    let target = AddTargetRequest { site: site.to_owned(), interval_ms: 60_000 };
    AdminServiceClient::new(api.channel()).add_target(by_operator(data, target)?).await?;
    Ok(())
}

/// What a check is refused with: the code, and the sentence.
async fn refusal(api: &Api, site: &str) -> anyhow::Result<(String, String)> {
    let status = api.start_check(site).await.map(drop).err().context("it is tested")?;
    ensure!(status.code() == Code::InvalidArgument, "{status}");
    let code = status.metadata().get("parallax-code").context("a code")?.to_str()?;
    Ok((code.to_owned(), status.message().to_owned()))
}

#[tokio::test]
async fn an_owner_who_does_not_want_to_be_tested_is_heard() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let resolver = Resolver::start(wildcard()).await?;
    let config = format!("[opt_out]\nresolvers = [\"{}\"]\nevery_ms = 200\n", resolver.address);
    let mut program = Program::aggregator(&data, &config).await?;
    let api = Api::of(&program).await?;
    watch(&api, &data, SITE).await?;
    watch(&api, &data, OTHER).await?;
    let mut agent = Listener::connect(&program, &data, "listens").await?;
    agent.probes(&[OTHER, SITE]).await.context("a wildcard's text is no record")?;
    api.start_check(SITE).await?;

    resolver.change(|texts| texts.of.extend([record()]));
    agent.probes(&[OTHER]).await.context("the target is not taken away")?;
    let (code, sentence) = refusal(&api, SITE).await?;
    assert_eq!(code, "OPTED_OUT");
    let said = "owner.com is not tested because its owner asked for that with a DNS record at \
        _parallax-optout.owner.com: type another site.";
    assert_eq!(sentence, said);
    assert_eq!(
        refusal(&api, "HTTPS://SHOP.OWNER.COM./").await?,
        (code, said.to_owned()),
        "below, and first asked about now"
    );
    let (status, html) = page::submit(program.page, "owner.com").await?;
    assert_eq!((status, page::resolved(&html).contains(said)), (StatusCode::UNPROCESSABLE_ENTITY, true));
    let (status, json) = page::show(program.page, "/api/v1/sites/www.owner.com").await?;
    assert_eq!((status, json.contains("\"OPTED_OUT\"")), (StatusCode::UNPROCESSABLE_ENTITY, true), "{json}");
    let later = Listener::connect(&program, &data, "comes-later").await?;
    assert!(later.targets.iter().eq([OTHER]), "who comes later is given {:?}", later.targets);
    assert!(watch(&api, &data, "https://owner.com/").await.is_err(), "the operator is told too");

    resolver.change(|texts| texts.broken = true);
    // Three domains are asked for in a round: of each of them there was an answer that says nothing.
    resolver.asked(12).await?;
    assert_eq!(refusal(&api, SITE).await?.0, "OPTED_OUT", "no answer is no change of mind");
    program.kill().await?;
    let program = Program::aggregator(&data, &config).await?;
    let api = Api::of(&program).await?;
    let mut agent = Listener::connect(&program, &data, "listens").await?;
    assert!(agent.targets.iter().eq([OTHER]), "after a restart it is given {:?}", agent.targets);
    assert_eq!(refusal(&api, SITE).await?.0, "OPTED_OUT", "nor is a restart");

    resolver.change(|texts| *texts = wildcard());
    agent.probes(&[OTHER, SITE]).await.context("the target does not come back")?;
    api.start_check(SITE).await?;
    Ok(())
}

#[tokio::test]
async fn an_owner_is_heard_before_the_first_test() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let texts = Texts { of: [record()].into(), ..Texts::default() };
    let resolver = Resolver::start(texts).await?;
    // Only a visitor's wish makes it ask: the rounds are far apart.
    let config = format!("[opt_out]\nresolvers = [\"{}\"]\nevery_ms = 150000\n", resolver.address);
    let program = Program::aggregator(&data, &config).await?;
    let api = Api::of(&program).await?;
    let (first, second) = tokio::join!(refusal(&api, SITE), refusal(&api, SITE));
    assert_eq!((first?.0.as_str(), second?.0.as_str()), ("OPTED_OUT", "OPTED_OUT"));
    api.start_check(OTHER).await?;
    resolver.change(|texts| texts.broken = true);
    api.start_check("http://www.third.com/").await.context("who says nothing is tested")?;
    let shown = async || {
        let (status, html) = page::show(program.page, "/s/www.owner.com").await?;
        ensure!(
            status == StatusCode::OK && page::resolved(&html).contains("asked us not to test"),
            "{status}"
        );
        Ok(())
    };
    until(HEARD, shown).await
}
