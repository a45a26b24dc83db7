//! The same exchanges over bare sockets: connect, shake hands, write, read, close. Nothing is measured, parsed or judged, so this
//! is what no prober of this build can do without.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use parallax_lab::load::PAGE_BYTES;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::prober::Loaded;
use crate::world::LOAD_NAME;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: load.site-under-test.com\r\nAccept: */*\r\n\r\n";

/// A full handshake with a verified certificate every time.
pub(crate) fn connector(roots: &[CertificateDer<'static>]) -> anyhow::Result<TlsConnector> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

pub(crate) async fn load(
    sites: &Arc<[SocketAddr]>,
    tls: Option<TlsConnector>,
    exchanges: usize,
    in_flight: usize,
) -> anyhow::Result<Loaded> {
    let began = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        let (sites, tls, next) = (Arc::clone(sites), tls.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= exchanges {
                    return Ok(());
                }
                one(sites[number % sites.len()], tls.as_ref()).await?;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        let done: anyhow::Result<()> = ended?;
        done?;
    }
    Ok(Loaded { wall_us: u64::try_from(began.elapsed().as_micros())?, encoded_bytes: 0 })
}

async fn one(site: SocketAddr, tls: Option<&TlsConnector>) -> anyhow::Result<()> {
    let stream = TcpStream::connect(site).await.context("connecting")?;
    stream.set_nodelay(true)?;
    match tls {
        None => exchange(stream).await,
        Some(tls) => {
            let name = ServerName::try_from(LOAD_NAME)?;
            exchange(tls.connect(name, stream).await.context("shaking hands")?).await
        }
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> anyhow::Result<()> {
    stream.write_all(REQUEST).await?;
    stream.flush().await?;
    let mut answer = [0; PAGE_BYTES + 1_024];
    let mut length = 0;
    while length < PAGE_BYTES {
        let more = stream.read(&mut answer[length..]).await?;
        ensure!(more > 0, "the answer ended early");
        length += more;
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "no good answer");
    Ok(())
}
