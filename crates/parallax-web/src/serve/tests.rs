//! The accept loop against real sockets on loopback.

use std::net::Ipv4Addr;

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A server that says who asks, and has a stream that never ends by itself.
async fn start() -> (SocketAddr, CancellationToken, JoinSet<()>) {
    start_behind(&[]).await
}

/// The same behind these proxies.
async fn start_behind(trusted: &[&str]) -> (SocketAddr, CancellationToken, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let who = |ConnectInfo(peer): ConnectInfo<Peer>| async move { peer.ip().to_string() };
    let endless = || async {
        let chunks = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, Infallible>("x"), ()))
        });
        axum::body::Body::from_stream(chunks)
    };
    let router = Router::new().route("/", get(who)).route("/endless", get(endless));
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let proxies = TrustedProxies::new(trusted.iter().map(|range| range.parse().unwrap()).collect());
    tasks.spawn(serve(listener, router, proxies, cancel.clone()));
    (address, cancel, tasks)
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn handlers_know_the_peer() {
    let (address, _cancel, _tasks) = start().await;
    let mut answer = String::new();
    ask(address, "/").await.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_forged_header_is_believed_of_a_trusted_proxy_only() {
    for (trusted, expected) in
        [(&[][..], "127.0.0.1"), (&["127.0.0.0/8"], "198.51.100.1"), (&["10.0.0.0/8"], "127.0.0.1")]
    {
        let (address, _cancel, _tasks) = start_behind(trusted).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: 203.0.113.9, 198.51.100.1\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with(&format!("\r\n\r\n{expected}")), "{trusted:?}: {answer}");
    }
}

#[tokio::test]
async fn a_request_of_http_1_1_names_one_host() {
    let (address, _cancel, _tasks) = start().await;
    for (hosts, version, status) in [
        ("", "1.1", "400"),
        ("host: a\r\nhost: b\r\n", "1.1", "400"),
        ("host: a\r\n", "1.1", "200"),
        ("host:\r\n", "1.1", "200"),
        ("", "1.0", "200"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{hosts:?} HTTP/{version}: {answer}");
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken_on_the_same_port() {
    let (address, _cancel, _tasks) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "the first frame is SETTINGS");
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let (address, _cancel, _tasks) = start().await;
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS_PER_IP {
        let mut stream = ask(address, "/endless").await;
        let mut byte = [0];
        stream.read_exact(&mut byte).await.unwrap();
        held.push(stream);
    }
    let mut one_more = ask(address, "/").await;
    let mut answer = Vec::new();
    // Closed with the request unread: an end or a reset, as the kernel likes.
    let _ = one_more.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_half_a_line_is_cut() {
    let (address, _cancel, _tasks) = start().await;
    for said in ["", "PRI * HT", "GET / HTTP/1.1\r\nhost: "] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let began = tokio::time::Instant::now();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let waited = began.elapsed();
        assert!(waited >= HEADER_READ_TIMEOUT && waited < 2 * HEADER_READ_TIMEOUT, "{said:?}: {waited:?}");
    }
}

#[tokio::test]
async fn a_stream_does_not_hold_up_the_end() {
    let (address, cancel, mut tasks) = start().await;
    let mut stream = ask(address, "/endless").await;
    let mut byte = [0];
    stream.read_exact(&mut byte).await.unwrap();
    let began = tokio::time::Instant::now();
    cancel.cancel();
    tasks.join_next().await.unwrap().unwrap();
    assert!(began.elapsed() < GRACE + Duration::from_millis(500), "{:?}", began.elapsed());
}
