//! The hostile site of the test, on public addresses: redirects, hints and advertisements that lead where nothing may go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::names::HINTED;

/// Where the site stands.
pub(super) const PUBLIC: (Ipv4Addr, Ipv6Addr) =
    (Ipv4Addr::new(185, 199, 108, 10), Ipv6Addr::new(0x2606, 0x50c0, 0x8000, 0, 0, 0, 0, 0x10));
/// Largest request head that is read.
const MAX_HEAD: usize = 8 * 1_024;

/// Where the site redirects to.
pub(super) const REDIRECTS: [&str; 26] = [
    "http://127.0.0.1/",
    "http://[::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://168.63.129.16/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "https://100.100.100.200/",
    "http://[fd00:ec2::254]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2a01:4f8:1:201::9]/",
    "http://185.12.64.7/",
    "http://185.12.65.9/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://localhost/",
    "http://metadata.google.internal/",
    "//127.0.0.1/",
    "\\\\127.0.0.1\\",
    "http://user@127.0.0.1/",
    "http://site.weapon.com:22/",
    "http://private-1.weapon.com/",
    "http://chain-1.weapon.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
];

/// Headers that advertise other places (RFC 7838, RFC 8336) or ask for another one by other means.
const HINTS: &str = "Alt-Svc: h3=\"127.0.0.1:443\", h3=\"10.0.0.1:443\"; ma=86400, h3=\":22\", h2=\"[::1]:443\", \
    h3=\"printer.local:443\", h3=\"private-2.weapon.com:443\", h3=\":443\"\r\n\
    Refresh: 0; url=http://127.0.0.1/\r\n\
    Link: <http://10.0.0.1/x.css>; rel=preload\r\n";

/// A certificate for the site, and whom to trust for it.
pub(super) struct Papers {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    pub(super) root: CertificateDer<'static>,
}

impl Papers {
    pub(super) fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key)?.der().clone();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate()?;
        let leaf = CertificateParams::new([HINTED.to_owned()])?.signed_by(&key, &issuer)?;
        let chain = vec![leaf.der().clone(), root.clone()];
        Ok(Self { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()), root })
    }

    fn config(&self, alpn: &[&[u8]]) -> anyhow::Result<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), PrivateKeyDer::Pkcs8(self.key.clone_key()))?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

/// Serves the site over HTTP, HTTPS and QUIC on `tasks`.
pub(super) async fn serve(papers: &Papers, tasks: &mut JoinSet<()>) -> anyhow::Result<()> {
    let tls = TlsAcceptor::from(Arc::new(papers.config(&[b"http/1.1"])?));
    for ip in [IpAddr::V4(PUBLIC.0), IpAddr::V6(PUBLIC.1)] {
        let plain = TcpListener::bind((ip, 80)).await.context("port 80")?;
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = plain.accept().await {
                while open.try_join_next().is_some() {}
                open.spawn(talk(stream));
            }
        });
        let secure = TcpListener::bind((ip, 443)).await.context("port 443")?;
        let tls = tls.clone();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = secure.accept().await {
                while open.try_join_next().is_some() {}
                let tls = tls.clone();
                open.spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        talk(stream).await;
                    }
                });
            }
        });
        serve_quic(papers, ip, tasks)?;
    }
    Ok(())
}

/// A QUIC server that prefers to be met at a private address (RFC 9000, 9.6). It answers no request: what matters is where the
/// client's packets go.
fn serve_quic(papers: &Papers, ip: IpAddr, tasks: &mut JoinSet<()>) -> anyhow::Result<()> {
    let tls = quinn::crypto::rustls::QuicServerConfig::try_from(papers.config(&[b"h3"])?)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(tls));
    config.preferred_address_v4(Some(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 443)));
    config.preferred_address_v6(Some(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 443, 0, 0)));
    let endpoint = quinn::Endpoint::server(config, (ip, 443).into()).context("port 443 of UDP")?;
    tasks.spawn(async move {
        while let Some(incoming) = endpoint.accept().await {
            if let Ok(connection) = incoming.await {
                connection.close(0_u32.into(), b"");
            }
        }
    });
    Ok(())
}

/// Answers one request: `/to/N` redirects, everything else is fine and full of hints.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        match stream.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let number = head.split_once("/to/").and_then(|(_, after)| after.split(['?', ' ']).next());
    let to = number.and_then(|number| number.parse::<usize>().ok()).and_then(|n| REDIRECTS.get(n));
    let answer = match to {
        Some(to) => format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\n{HINTS}Content-Length: 0\r\nConnection: close\r\n\r\n"
        ),
        None => format!("HTTP/1.1 200 OK\r\n{HINTS}Content-Length: 2\r\nConnection: close\r\n\r\nok"),
    };
    // A client that hangs up has seen what it wanted.
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}
