//! HTTP/3 as people meet it: Caddy, which speaks it to everybody, and a network that carries no UDP.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_lab::tls::Authority;
use parallax_lab::{CertificateFlaw, Fault, FaultServer, Identity};
use serde_json::Value;
use tokio::net::UdpSocket;

use crate::support::gateway::Gateway;
use crate::support::outside::needed;
use crate::support::program::ask;
use crate::support::until;

const NAME: &str = "site.example.org";
/// What may be probed here.
const ALLOWED: [&str; 4] = ["--allow-cidr", "127.0.0.0/8", "--allow-cidr", "::1/128"];
/// How long Caddy may take to make its authority.
const AUTHORITY_DEADLINE: Duration = Duration::from_secs(10);

/// Caddy with a page, a broken path, and its own authority.
struct Site {
    caddy: Gateway,
    ca: PathBuf,
    _dead: FaultServer,
}

impl Site {
    async fn start(program: &Path, dir: &Path) -> anyhow::Result<Self> {
        let dead = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::Refuses)?;
        let sites = format!(
            "https://{NAME}:LISTEN_PORT {{\nbind 127.0.0.1 ::1\ntls internal\n\
             handle /broken {{\nreverse_proxy {}\n}}\nhandle {{\nrespond \"hello\"\n}}\n}}",
            dead.address()
        );
        let caddy = Gateway::caddy(program, dir, &sites).await?;
        let ca = dir.join("pki/authorities/local/root.crt");
        until(AUTHORITY_DEADLINE, async || std::fs::metadata(&ca).map(drop)).await?;
        Ok(Self { caddy, ca, _dead: dead })
    }

    /// Asks for a path at these addresses of the name, and gives what was written.
    async fn probe(&self, path: &str, addresses: &str, options: &[&str]) -> anyhow::Result<String> {
        let port = self.caddy.address.port();
        let (url, resolve) = (format!("https://{NAME}:{port}{path}"), format!("{NAME}:{port}:{addresses}"));
        let ca = self.ca.to_str().context("a path in UTF-8")?;
        let common = ["probe", &url, "--ca", ca, "--resolve", &resolve];
        said(&[&common, &ALLOWED[..], options].concat()).await
    }

    async fn facts(&self, path: &str, options: &[&str]) -> anyhow::Result<Value> {
        let text = self.probe(path, "127.0.0.1", &[&["--json"], options].concat()).await?;
        serde_json::from_str(&text).context(text)
    }
}

/// What a command wrote, when it ended well.
async fn said(args: &[&str]) -> anyhow::Result<String> {
    let output = ask(args).await?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success(),
        "{args:?}: {}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

#[tokio::test]
async fn caddy_is_probed_over_http_3() -> anyhow::Result<()> {
    let Some([caddy]) = needed(["caddy"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let site = Site::start(&caddy, dir.path()).await?;
    let over_tcp = site.facts("/", &[]).await?;
    assert_eq!(
        (&over_tcp["protocol"], &over_tcp["h3_advert"]),
        (&"h2".into(), &"alt-svc".into()),
        "{over_tcp}"
    );
    let seen = site.facts("/", &["--http", "3"]).await?;
    let expected = ("ok", 200, "h3", "TLSv1.3", "h3", 5, false);
    let found = (
        seen["outcome"].as_str().unwrap_or_default(),
        seen["status"].as_u64().unwrap_or_default(),
        seen["protocol"].as_str().unwrap_or_default(),
        seen["tls"]["version"].as_str().unwrap_or_default(),
        seen["tls"]["alpn"].as_str().unwrap_or_default(),
        seen["body"]["length"].as_u64().unwrap_or_default(),
        seen["not_applicable"].as_bool().unwrap_or(true),
    );
    assert_eq!(found, expected, "{seen}");
    assert!(seen["phases_us"]["connect"].is_null() && seen["phases_us"]["tls"].is_u64(), "{seen}");
    assert_eq!(seen["emitter"]["name"], "caddy", "{seen}");
    let broken = site.facts("/broken", &["--http", "3"]).await?;
    assert_eq!((&broken["outcome"], &broken["protocol"]), (&"http-502".into(), &"h3".into()), "{broken}");
    for (http, lines) in
        [("3", ["HTTP/3 over IPv4", "\nquic  "]), ("2", ["advertised by an Alt-Svc header", "\ntls  "])]
    {
        let text = site.probe("/", "127.0.0.1", &["--http", http]).await?;
        assert!(lines.iter().all(|line| text.contains(line)), "{lines:?}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn every_address_has_a_line() -> anyhow::Result<()> {
    let Some([caddy]) = needed(["caddy"]) else { return Ok(()) };
    let dir = tempfile::tempdir()?;
    let site = Site::start(&caddy, dir.path()).await?;
    for http in ["1.1", "2", "3"] {
        let options = ["--every-address", "--http", http, "--timeout", "3"];
        let text = site.probe("/", "127.0.0.1,127.0.0.2,[::1]", &options).await?;
        let row =
            |ip: &str| text.lines().find(|line| line.starts_with(&format!("{ip} "))).unwrap_or_default();
        assert!(row("127.0.0.1").contains("IPv4") && row("127.0.0.1").contains("ok 200"), "{text}");
        assert!(row("::1").contains("IPv6") && row("::1").contains("ok 200"), "{text}");
        let nobody = if http == "3" { "quic-timeout" } else { "connect-refused" };
        assert!(row("127.0.0.2").contains(nobody), "{text}");
    }
    let text = site.probe("/", "127.0.0.2,[::1]", &["--every-address"]).await?;
    assert!(text.contains("IPv4 fails while IPv6 works."), "{text}");
    let text = site.probe("/", "127.0.0.1", &["--every-address", "--json"]).await?;
    assert_eq!(text.lines().count(), 1, "{text}");
    let seen: Value = serde_json::from_str(&text)?;
    assert_eq!((&seen["address"], &seen["family"]), (&"127.0.0.1".into(), &4.into()), "{seen}");
    Ok(())
}

/// A site that answers over TCP and whose UDP port takes packets and says nothing: what a network without UDP looks like.
#[tokio::test]
async fn a_path_without_udp_is_not_applicable() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let authority = Authority::new("Trusted in this test")?;
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, authority.pem())?;
    let identity = Identity { authority: &authority, name: NAME, flaw: CertificateFlaw::None };
    let server = FaultServer::start_tls(Ipv4Addr::LOCALHOST, Fault::None, identity)?;
    let _silent = UdpSocket::bind(server.address()).await?;
    let port = server.address().port();
    let (url, resolve) = (format!("https://{NAME}:{port}/"), format!("{NAME}:{port}:127.0.0.1"));
    let ca = ca.to_str().context("a path in UTF-8")?;
    let common = ["probe", &url, "--resolve", &resolve, "--ca", ca, "--http", "3", "--timeout", "2"];
    let common = [&common, &ALLOWED[..]].concat();
    let text = said(&[&common[..], &["--json"]].concat()).await?;
    let seen: Value = serde_json::from_str(&text)?;
    assert_eq!(
        (&seen["outcome"], &seen["not_applicable"], &seen["tie_breakers"]["without_h3_ok"]),
        (&"quic-timeout".into(), &true.into(), &true.into()),
        "{seen}"
    );
    let text = said(&common).await?;
    assert!(text.contains("Not applicable: ") && !text.contains("Fails"), "{text}");
    Ok(())
}
