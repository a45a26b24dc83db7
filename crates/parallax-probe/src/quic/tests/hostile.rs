//! Servers that answer over QUIC and mean no good.

use super::*;

/// `HEADERS` with `:status 200`, `103`, and `HTTP/3` frames that never end.
const OK: &[u8] = &[0x01, 0x03, 0x00, 0x00, 0xd9];
const EARLY_HINTS: &[u8] = &[0x01, 0x03, 0x00, 0x00, 0xd8];
/// A frame of this type and a length of 1 GiB.
const fn endless(kind: u8) -> [u8; 9] {
    [kind, 0xc0, 0, 0, 0, 0x40, 0, 0, 0]
}

/// A server that answers the first stream with these bytes, then with `more` for as long as they are taken.
fn writing(bench: &Bench, first: Vec<u8>, more: Vec<u8>) -> H3Site {
    H3Site::raw(HERE, bench.server(), move |connection| {
        let (first, more) = (first.clone(), more.clone());
        async move {
            let Ok((mut send, _recv)) = connection.accept_bi().await else { return };
            drop(send.write_all(&first).await);
            while !more.is_empty() && send.write_all(&more).await.is_ok() {}
            drop(send.finish());
            drop(connection.closed().await);
        }
    })
}

#[tokio::test]
async fn what_is_no_http_3_is_told_so() {
    let bench = Bench::new();
    let many = |frame: &[u8], count| frame.repeat(count);
    let data = [&[0x00, 0x05][..], b"hello"].concat();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("an answer", [OK, &data].concat(), "ok"),
        ("nothing", Vec::new(), "http-protocol"),
        ("no head", data.clone(), "http-protocol"),
        ("noise", vec![0xff; 64], "http-protocol"),
        ("a push", [&[0x05, 0x04, 0x00][..], &OK[2..]].concat(), "http-protocol"),
        ("settings on a request", [&[0x04, 0x00][..], OK].concat(), "http-protocol"),
        ("five hints", [many(EARLY_HINTS, 5), OK.to_vec(), data.clone()].concat(), "ok"),
        ("six hints", [many(EARLY_HINTS, 6), OK.to_vec(), data.clone()].concat(), "http-protocol"),
        ("half a frame", [OK, &data[..4]].concat(), "http-protocol"),
    ];
    for (what, bytes, expected) in cases {
        let site = writing(&bench, bytes, Vec::new());
        let result = bench.probe(&site).await;
        assert_eq!(kind(&result), expected, "{what}: {result:?}");
        assert_eq!(site.accepted(), 1, "{what}");
    }
}

#[tokio::test]
async fn what_never_ends_is_cut_off() {
    let bench = Bench::new();
    let noise = vec![0x21; 4_096];
    let cases = [
        ("a head", endless(0x01).to_vec(), "http-too-large"),
        ("a frame without meaning", endless(0x21).to_vec(), "http-too-large"),
        ("a body", [OK, &endless(0x00)].concat(), "ok"),
        ("a frame behind the head", [OK, &endless(0x21)].concat(), "http-too-large"),
    ];
    for (what, first, expected) in cases {
        let site = writing(&bench, first, noise.clone());
        let result = bench.probe(&site).await;
        assert_eq!(kind(&result), expected, "{what}: {result:?}");
        assert!(result.phases.total.0 < 5_000_000, "{what}: {:?}", result.phases);
        if expected == "ok" {
            let length = u32::try_from(MAX_BODY_BYTES).expect("a length");
            assert_eq!(result.body.map(|b| (b.length, b.truncated)), Some((length, true)));
        }
    }
}

#[tokio::test]
async fn a_flood_before_the_handshake_is_cut_off() {
    let bench = Bench::new();
    let flooding = UdpSocket::bind((HERE, 0)).await.expect("a port");
    let addr = flooding.local_addr().expect("an address");
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        let Ok((_, peer)) = flooding.recv_from(&mut [0; 2_048]).await else { return };
        loop {
            drop(flooding.send_to(&[0; 1_200], peer).await);
            tokio::task::yield_now().await;
        }
    });
    let result = bench.prober(&[addr]).probe(&h3(at(addr)), NOW).await;
    assert_eq!(kind(&result), "quic-handshake", "{result:?}");
    assert!(result.phases.total.0 < 5_000_000, "{:?}", result.phases);
}

#[tokio::test]
async fn heads_over_the_limits_are_refused() {
    let bench = Bench::new();
    // A well-behaved library does not send what we say is too long.
    let length = [0x7f, 0xc1, 0xb7, 0x02];
    let block = [&[0x00, 0x00, 0xd9, 0x21, b'x'][..], &length, &vec![b'y'; 40_000]].concat();
    let frame_length = 0x8000_0000 | u32::try_from(block.len()).expect("a length");
    let frame = [&[0x01][..], &frame_length.to_be_bytes(), &block].concat();
    let result = bench.probe(&writing(&bench, frame, Vec::new())).await;
    assert_eq!(kind(&result), "http-too-large", "{result:?}");
    let cases = [
        ("many", vec![("x", "y"); 120], "http-too-large"),
        ("enough", vec![("x", "y"); 90], "ok"),
        ("another length", vec![("content-length", "7")], "http-protocol"),
        ("the length", vec![("content-length", "5")], "ok"),
        ("no status of ours", Vec::new(), "http-protocol"),
    ];
    for (what, lines, expected) in cases {
        let status = if lines.is_empty() { 600 } else { 200 };
        let site = H3Site::answering(HERE, bench.server(), head(status, &lines), "hello");
        let result = bench.probe(&site).await;
        assert_eq!(kind(&result), expected, "{what}: {result:?}");
    }
}

#[tokio::test]
async fn ends_before_the_answer_are_told_apart() {
    let bench = Bench::new();
    let closing = H3Site::raw(HERE, bench.server(), |connection| async move {
        connection.close(0x107_u32.into(), b"go away from 192.0.2.1");
    });
    let result = bench.probe(&closing).await;
    assert_eq!(kind(&result), "quic-closed", "{result:?}");
    assert!(!result.detail.expect("a detail").contains("192.0.2.1"));
    let resetting = H3Site::raw(HERE, bench.server(), |connection| async move {
        let Ok((mut send, _recv)) = connection.accept_bi().await else { return };
        drop(send.reset(0x10b_u32.into()));
        drop(connection.closed().await);
    });
    let result = bench.probe(&resetting).await;
    assert_eq!(kind(&result), "http-reset", "{result:?}");
}

#[tokio::test]
async fn streams_beyond_the_limit_cost_nothing() {
    let bench = Bench::new();
    let site = H3Site::raw(HERE, bench.server(), |connection| async move {
        let Ok((mut send, _recv)) = connection.accept_bi().await else { return };
        let mut open = Vec::new();
        for _ in 0..super::super::MAX_UNI_STREAMS {
            let Ok(mut stream) = connection.open_uni().await else { return };
            drop(stream.write_all(&[0x21]).await);
            open.push(stream);
        }
        let one_more = tokio::time::timeout(Duration::from_millis(100), connection.open_uni()).await;
        let bidirectional = tokio::time::timeout(Duration::from_millis(100), connection.open_bi()).await;
        let answer = if one_more.is_err() && bidirectional.is_err() { OK } else { EARLY_HINTS };
        drop(send.write_all(answer).await);
        drop(send.finish());
        drop(connection.closed().await);
    });
    let result = bench.probe(&site).await;
    assert_eq!(kind(&result), "ok", "{result:?}");
}
