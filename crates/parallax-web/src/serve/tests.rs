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
        Body::from_stream(chunks)
    };
    let router = Router::new().route("/", get(who)).route("/endless", get(endless));
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let proxies = TrustedProxies::new(trusted.iter().map(|range| range.parse().unwrap()).collect());
    tasks.spawn(serve(listener, (router, None), proxies, MAX_CONNECTIONS, cancel.clone()));
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

/// The whole answer to one request, but for the second it was sent in.
async fn bytes_of(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let date = answer.windows(6).position(|w| w == b"date: ").unwrap();
    answer.splice(date + 6..date + 35, []);
    answer
}

#[tokio::test]
async fn a_page_from_memory_is_the_page_of_the_router_to_the_byte() {
    let reader = crate::sample::FakeReadSide::new(Duration::ZERO);
    let (router, kept) = crate::site(crate::WebState::new(Arc::new(reader)));
    let mut tasks = JoinSet::new();
    let mut addresses = Vec::new();
    // The same pages behind both, so what the first way keeps the second one has.
    for first in [None, Some(kept)] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        addresses.push(listener.local_addr().unwrap());
        let served = (router.clone(), first);
        let (proxies, cancel) = (TrustedProxies::default(), CancellationToken::new());
        tasks.spawn(serve(listener, served, proxies, MAX_CONNECTIONS, cancel));
    }
    let paths = ["/", "/de/", "/s/videohub.example", "/outages", "/learn/502", "/api", "/nothing"];
    let mut from_memory = 0;
    for (path, method, accepts) in paths.iter().flat_map(|path| {
        ["GET", "HEAD"].into_iter().flat_map(move |method| {
            ["", "accept-encoding: br\r\n", "accept-encoding: gzip\r\n"].map(|line| (path, method, line))
        })
    }) {
        let request = |known: &str| {
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{accepts}{known}\r\n")
        };
        let plain = request("");
        let router = bytes_of(addresses[0], &plain).await;
        assert_eq!(bytes_of(addresses[1], &plain).await, router, "{plain}");
        if !router.starts_with(b"HTTP/1.1 200") {
            continue;
        }
        let text = String::from_utf8_lossy(&router).into_owned();
        let Some(tag) = text.lines().find_map(|line| line.strip_prefix("etag: ")) else { continue };
        for known in [tag, "\"old\"", "*"] {
            let asked = request(&format!("if-none-match: {known}\r\n"));
            let router = bytes_of(addresses[0], &asked).await;
            assert_eq!(bytes_of(addresses[1], &asked).await, router, "{asked}");
            let status = if known == "\"old\"" { "200" } else { "304" };
            assert!(router.starts_with(format!("HTTP/1.1 {status}").as_bytes()), "{asked}");
            from_memory += 1;
        }
    }
    assert_eq!(from_memory, 6 * 6 * 3, "every page but the one that is not there");
}

#[test]
fn who_has_a_whole_64_is_one_client_and_who_has_a_48_is_eight() {
    let crowd = Crowd::default();
    let seats = |count: usize, address: &dyn Fn(usize) -> String| -> Vec<Seat> {
        (0..count).filter_map(|n| crowd.enter(address(n).parse().unwrap(), 64)).collect()
    };
    let house = seats(1_000, &|n| format!("2001:db8:7:1::{n:x}"));
    assert_eq!(house.len(), 64);
    let site = seats(10_000, &|n| format!("2001:db8:7:{n:x}::1"));
    assert_eq!(site.len(), 512 - 64, "all of the /48 together");
    assert_eq!(seats(100, &|_| "192.0.2.1".to_owned()).len(), 64);
    drop((house, site));
    assert!(crowd.0.lock().unwrap().is_empty(), "seats are given back");
}

#[tokio::test(start_paused = true)]
async fn a_connection_rests_when_nothing_is_open_on_it() {
    let (_pulse, rest) = Pulse::new();
    assert_eq!(rest.rest().await, Rest::NeverSpoke);

    let (pulse, rest) = Pulse::new();
    let began = tokio::time::Instant::now();
    let speaks = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let open = pulse.request(Version::HTTP_2);
        tokio::time::sleep(Duration::from_mins(5)).await;
        drop(open);
    };
    let (rested, ()) = tokio::join!(rest.rest(), speaks);
    assert_eq!((rested, began.elapsed()), (Rest::Idle, Duration::from_secs(301) + HTTP2_IDLE));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_came_before_anybody_waited_counts() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let (pulse, rest) = Pulse::new();
        let open = pulse.request(version);
        let waited = tokio::time::timeout(Duration::from_hours(1), rest.rest()).await;
        assert!(waited.is_err(), "{version:?}: hyper times HTTP/1.1, and the stream of HTTP/2 is open");
        drop(open);
    }
    let (pulse, rest) = Pulse::new();
    drop(pulse.request(Version::HTTP_2));
    let began = tokio::time::Instant::now();
    assert_eq!(
        (rest.rest().await, began.elapsed()),
        (Rest::Idle, HTTP2_IDLE),
        "open and shut before the wait"
    );
}
