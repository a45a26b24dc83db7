//! That every row is sound as data, and that what is hard to see is what it says it is.

use std::collections::BTreeSet;

use hickory_proto::rr::RecordType;
use parallax_model::FailureKind;
use tokio::io::AsyncReadExt;

use super::identity::Flaw;
use super::*;
use crate::tls::Authority;
use crate::visitor::{Visitor, question};

#[test]
fn rows_are_sound() {
    let mut names = BTreeSet::new();
    for row in behaviours() {
        assert!(names.insert(row.name), "{} stands twice", row.name);
        assert!(row.host().parse::<parallax_model::Host>().is_ok(), "{} is no label", row.name);
        assert!(!row.name.contains('.'), "{} is two labels", row.name);
        for word in row.ends {
            assert!(*word == "ok" || word.parse::<FailureKind>().is_ok(), "{}: {word}", row.name);
        }
    }
}

const AT: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 2);
const HOST: &str = "a.site-under-test.com";

fn chain(forge: &Forge, flaw: Flaw) -> Vec<usize> {
    let (chain, _) = forge.chain(HOST, flaw).unwrap();
    chain.iter().map(|certificate| certificate.len()).collect()
}

#[test]
fn chains_are_as_long_and_as_large_as_they_say() {
    /// Most bytes of one handshake message that rustls takes.
    const MAX_MESSAGE: usize = 0xffff;
    let forge = Forge::new().unwrap();
    for (flaw, certificates) in [
        (Flaw::None, 1),
        (Flaw::ChainOf(3), 3),
        (Flaw::ChainOf(100), 100),
        (Flaw::SameNameChain(8), 9),
        (Flaw::MissingIntermediate, 1),
        (Flaw::Absent, 0),
        (Flaw::Twice, 2),
    ] {
        assert_eq!(chain(&forge, flaw).len(), certificates, "{flaw:?}");
    }
    for (flaw, least, most) in [
        (Flaw::Names(1_000), 20_000, MAX_MESSAGE),
        (Flaw::Names(10_000), MAX_MESSAGE, 1 << 20),
        (Flaw::LongName(16_384), 16_384, 20_000),
        (Flaw::RsaKey(16_384), 16_384 / 8, 4_096),
        (Flaw::RsaIssuer(16_384), 16_384 / 8, 4_096),
    ] {
        let leaf = chain(&forge, flaw)[0];
        assert!((least..most).contains(&leaf), "{flaw:?}: {leaf} bytes");
    }
}

#[test]
fn digests_are_named_inside_and_outside_of_what_is_signed() {
    let forge = Forge::new().unwrap();
    // sha1WithRSAEncryption and md5WithRSAEncryption.
    for number in [5, 4] {
        let (chain, _) = forge.chain(HOST, Flaw::Digest(number)).unwrap();
        let oid = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, number];
        assert_eq!(chain[0].windows(oid.len()).filter(|window| *window == oid).count(), 2, "{number}");
    }
}

fn visitor() -> Visitor {
    Visitor::new(AT, Authority::new("Nobody").unwrap().pem(), "h2")
}

/// What a resolver says to a question for A.
async fn asked(name: &str) -> hickory_proto::op::Message {
    let forge = Forge::new().unwrap();
    let behaviour = behaviours().into_iter().find(|behaviour| behaviour.name == name).expect(name);
    let server = HostileServer::start(AT, &behaviour, &forge).await.unwrap();
    visitor().ask_tcp(server.resolver().expect(name), &question(HOST, RecordType::A)).await
}

#[tokio::test]
async fn resolvers_answer_what_they_say() {
    for (name, addresses, aliases) in [
        ("dns-4000-addresses", 4_000, 0),
        ("dns-public-and-private", 2, 0),
        ("dns-20-aliases", 1, 20),
        ("dns-alias-circle", 0, 2),
        ("dns-empty", 0, 0),
        ("dns-nxdomain-with-address", 1, 0),
    ] {
        let answer = asked(name).await;
        let of = |kind| answer.answers.iter().filter(|record| record.record_type() == kind).count();
        assert_eq!((of(RecordType::A), of(RecordType::CNAME)), (addresses, aliases), "{name}");
    }
    assert!(asked("dns-always-truncated").await.metadata.truncation);
}

#[tokio::test]
async fn only_the_first_visitor_is_served_and_strays_are_counted() {
    let forge = Forge::new().unwrap();
    let all = behaviours();
    let named = |name| all.iter().find(|behaviour| behaviour.name == name).expect(name);
    let server = HostileServer::start(AT, named("only-first-visitor"), &forge).await.unwrap();
    let visitor = visitor();
    for status in [200, 403, 403] {
        assert_eq!(visitor.plain(server.address(), HOST).await.status(), Some(status));
    }
    let server = HostileServer::start(AT, named("to-loopback"), &forge).await.unwrap();
    let seen = visitor.plain(server.address(), HOST).await;
    let led = seen.header("location").expect("a location");
    assert_eq!(server.strayed(), 0);
    let witness = led.trim_start_matches("http://").trim_end_matches('/').parse().expect(led);
    let mut stray = visitor.connect(witness).await.unwrap();
    // Nobody serves there: once the connection is seen, it is closed.
    assert_eq!(stray.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(server.strayed(), 1);
}

/// How a QUIC client that trusts the forge fares in the handshake.
async fn shaken(name: &str) -> Result<(), String> {
    let forge = Forge::new().unwrap();
    let behaviour = behaviours().into_iter().find(|behaviour| behaviour.name == name).expect(name);
    let server = HostileServer::start(AT, &behaviour, &forge).await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(forge.root().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let endpoint = quinn::Endpoint::client(SocketAddr::from((AT, 0))).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(tls));
    let connecting = endpoint.connect_with(config, server.address(), &behaviour.host()).unwrap();
    connecting.await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn packets_made_by_hand_are_believed() {
    assert_eq!(shaken("quic-parameters-sound-then-silence").await, Ok(()));
    assert_eq!(shaken("quic-unknown-parameter").await, Ok(()));
    for (name, word) in [
        ("quic-ack-delay-exponent-21", "illegal value"),
        ("quic-parameters-of-another", "CID authentication failure"),
        ("quic-refused", "refused to accept a new connection"),
        ("quic-version-negotiation", "doesn't implement any supported version"),
    ] {
        let told = shaken(name).await.expect_err(name);
        assert!(told.contains(word), "{name}: {told}");
    }
}
