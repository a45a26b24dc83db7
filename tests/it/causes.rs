//! Why a site fails: each cause of an operator's "502" as a real break, and what `parallax check` makes of it.
//!
//! A wrong upstream port behind a gateway is no case here: from outside it is a 502 at once, as when the program is gone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use parallax_lab::{DemoAgent, DemoLab, DemoOptions, Fault, FaultServer};
use parallax_model::{Asn, CauseKind, Diagnosis, NetworkKind, Scope, Verdict};
use serde::Deserialize as _;
use serde_json::Value;
use tokio::time::Instant;

use crate::gateways::{LOOPBACK, demo};
use crate::support::gateway::Gateway;
use crate::support::outside::needed;
use crate::support::program::{Program, ask};

/// Meridian Mobile, whose customers live in four regions.
const CUT_OFF: Asn = Asn(64_502);
/// How long the overloaded program needs for one answer: thirty at once are too many for four at a time.
const WORK: Duration = Duration::from_millis(250);
/// What must be said of a break.
struct Expected {
    verdict: Verdict,
    scope: Scope,
    cause: CauseKind,
}

impl Expected {
    fn everybody(verdict: Verdict, cause: CauseKind) -> Self {
        Self { verdict, scope: Scope::everybody(), cause }
    }

    fn data_centres(verdict: Verdict) -> Self {
        let scope = Scope { network: Some(NetworkKind::Hosting), ..Scope::default() };
        Self { verdict, scope, cause: CauseKind::Firewall }
    }

    /// Asks the demo's agents, through the command line, and compares.
    async fn of(self, site: &str, program: &Program) -> anyhow::Result<()> {
        let start = Instant::now();
        let server = program.url();
        let output = ask(&["check", site, "--json", "--server", &server, "--allow-cidr", LOOPBACK]).await?;
        let text = String::from_utf8(output.stdout)?;
        let last = text.lines().filter_map(verdict).next_back();
        let said = last.with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
        let cause = said.cause.as_ref();
        println!(
            "{:.1} s: {} {} {cause:?} {:?}",
            start.elapsed().as_secs_f64(),
            said.verdict,
            said.operator_sentence,
            said.evidence
        );
        assert_eq!(said.verdict, self.verdict, "{}", said.operator_sentence);
        assert_eq!(said.scopes, [self.scope], "{}", said.operator_sentence);
        assert_eq!(cause.map(|c| c.kind), Some(self.cause), "{cause:#?}");
        Ok(())
    }
}

/// The diagnosis of a line that tells one.
fn verdict(line: &str) -> Option<Diagnosis> {
    let event: Value = serde_json::from_str(line).ok()?;
    Diagnosis::deserialize(event.get("diagnosis")?).ok()
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/")
}

/// The demo's agents of whom something is so.
async fn those_who(are: impl Fn(&DemoAgent) -> bool) -> anyhow::Result<Vec<DemoAgent>> {
    let lab = DemoLab::start(DemoOptions::default()).await?;
    let them = lab.world().agents.iter().filter(|agent| are(agent)).cloned().collect();
    lab.stop().await;
    Ok(them)
}

async fn data_centres() -> anyhow::Result<Vec<DemoAgent>> {
    those_who(|agent| agent.vantage.network == NetworkKind::Hosting).await
}

#[tokio::test]
async fn a_program_that_is_gone_has_crashed() -> anyhow::Result<()> {
    let Some([nginx]) = needed(["nginx"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let gone = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::Refuses)?;
    let http = format!("server {{ listen LISTEN; location / {{ proxy_pass http://{}; }} }}", gone.address());
    let gateway = Gateway::nginx(&nginx, &dir.path().join("nginx"), &http).await?;
    Expected::everybody(Verdict::Down, CauseKind::OriginCrash).of(&url(gateway.address), &program).await
}

#[tokio::test]
async fn a_full_queue_is_overload() -> anyhow::Result<()> {
    let Some([haproxy]) = needed(["haproxy"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let busy = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::SlowFirstByte(WORK))?;
    let configuration = format!(
        "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n timeout queue 900ms\n \
         http-error status 503 content-type text/html string busy hdr Retry-After 30\n\
         frontend door\n bind LISTEN\n default_backend work\n\
         backend work\n server one {} maxconn 4\n",
        busy.address()
    );
    let gateway = Gateway::haproxy(&haproxy, &dir.path().join("haproxy"), &configuration).await?;
    Expected::everybody(Verdict::Flaky, CauseKind::Overload).of(&url(gateway.address), &program).await
}

#[tokio::test]
async fn one_provider_whose_way_times_out_is_the_network() -> anyhow::Result<()> {
    let Some([nginx]) = needed(["nginx"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let good = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::None)?;
    let silent = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::Silent)?;
    let customers = those_who(|agent| agent.vantage.asn == Some(CUT_OFF)).await?;
    let lost: Vec<String> =
        customers.iter().map(|agent| format!("{} {};\n", agent.source, silent.address())).collect();
    let lost = lost.concat();
    // The gateway is more patient than the agents: theirs is the time-out, and it must be told before the check ends.
    let http = format!(
        "map $remote_addr $behind {{\ndefault {};\n{lost}}}\n\
         server {{ listen LISTEN; location / {{ proxy_pass http://$behind; proxy_read_timeout 60s; }} }}",
        good.address()
    );
    let gateway = Gateway::nginx(&nginx, &dir.path().join("nginx"), &http).await?;
    let scope = Scope { asn: Some(CUT_OFF), ..Scope::default() };
    let expected = Expected { verdict: Verdict::Partial, scope, cause: CauseKind::Network };
    expected.of(&url(gateway.address), &program).await
}

#[tokio::test]
async fn data_centres_that_are_refused_meet_a_firewall() -> anyhow::Result<()> {
    let Some([nginx]) = needed(["nginx"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let good = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::None)?;
    let refused: Vec<String> =
        data_centres().await?.iter().map(|agent| format!("deny {};\n", agent.source)).collect();
    let refused = refused.concat();
    let http = format!(
        "server {{ listen LISTEN;\n{refused}location / {{ proxy_pass http://{}; }} }}",
        good.address()
    );
    let gateway = Gateway::nginx(&nginx, &dir.path().join("nginx"), &http).await?;
    Expected::data_centres(Verdict::Blocked).of(&url(gateway.address), &program).await
}

#[tokio::test]
async fn data_centres_that_are_cut_meet_a_firewall() -> anyhow::Result<()> {
    let Some([haproxy]) = needed(["haproxy"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let good = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::None)?;
    let sources: Vec<String> = data_centres().await?.iter().map(|agent| agent.source.to_string()).collect();
    let configuration = format!(
        "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n\
         frontend door\n bind LISTEN\n tcp-request connection reject if {{ src {} }}\n default_backend work\n\
         backend work\n server one {}\n",
        sources.join(" "),
        good.address()
    );
    let gateway = Gateway::haproxy(&haproxy, &dir.path().join("haproxy"), &configuration).await?;
    Expected::data_centres(Verdict::Partial).of(&url(gateway.address), &program).await
}

#[tokio::test]
async fn a_redirect_to_itself_is_a_wrong_setting() -> anyhow::Result<()> {
    let Some([nginx]) = needed(["nginx"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let http = "server { listen LISTEN; location / { return 301 http://$http_host/; } }";
    let gateway = Gateway::nginx(&nginx, &dir.path().join("nginx"), http).await?;
    let expected = Expected::everybody(Verdict::Down, CauseKind::Misconfiguration);
    expected.of(&url(gateway.address), &program).await
}

#[tokio::test]
async fn tls_asked_of_a_plain_port_is_told_as_tls() -> anyhow::Result<()> {
    let Some([nginx]) = needed(["nginx"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let http = "server { listen LISTEN; location / { return 200; } }";
    let gateway = Gateway::nginx(&nginx, &dir.path().join("nginx"), http).await?;
    let expected = Expected::everybody(Verdict::Down, CauseKind::Tls);
    expected.of(&format!("https://{}/", gateway.address), &program).await
}

/// The demo's bank has moved; resolvers of two providers still give the address where nobody answers.
#[tokio::test]
async fn an_old_address_is_a_dns_change() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (program, _) = demo(dir.path()).await?;
    let lab = DemoLab::start(DemoOptions::default()).await?;
    let bank = lab.world().sites.iter().find(|site| site.cause == Some(CauseKind::DnsChange)).cloned();
    lab.stop().await;
    let bank = bank.context("the demo has a site that moved")?;
    let [scope] = <[Scope; 1]>::try_from(bank.scopes).ok().context("at one old address")?;
    let expected = Expected { verdict: Verdict::Partial, scope, cause: CauseKind::DnsChange };
    expected.of(bank.target.host.as_str(), &program).await
}
