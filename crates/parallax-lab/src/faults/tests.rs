//! Every fault as a client meets it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::visitor::{Seen, Visitor};

const HOST: &str = "site.example";
const AT: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn authority() -> Authority {
    Authority::new("Test CA").unwrap()
}

fn brief(seen: &Seen) -> String {
    match seen {
        Seen::Answer(status, ..) => {
            format!("{} {} {:?}", status.as_u16(), seen.header("server").unwrap_or("-"), seen.body())
        }
        Seen::Broken(kind) => format!("{kind:?}"),
        Seen::Tls(words) => words.clone(),
    }
}

#[tokio::test]
async fn faults_look_as_they_should() {
    let authority = authority();
    let visitor = Visitor::new(AT, authority.pem(), "http/1.1");
    let nginx = Fault::Answers {
        status: StatusCode::BAD_GATEWAY,
        server: Some(HeaderValue::from_static("nginx")),
        body: Bytes::from_static(b"<h1>502</h1>"),
    };
    for (fault, plain, secure) in [
        (Fault::None, "200 - \"well\\n\"", "200 - \"well\\n\""),
        (Fault::Refuses, "ConnectionRefused", "ConnectionRefused"),
        (Fault::ResetsOnAccept, "ConnectionReset", "ConnectionReset"),
        (Fault::ResetsAfterHello, "ConnectionReset", "ConnectionReset"),
        (Fault::SlowFirstByte(Duration::from_millis(1)), "200 - \"well\\n\"", "200 - \"well\\n\""),
        (nginx, "502 nginx \"<h1>502</h1>\"", "502 nginx \"<h1>502</h1>\""),
    ] {
        let server = FaultServer::start(AT, fault.clone()).unwrap();
        assert_eq!(brief(&visitor.plain(server.address(), HOST).await), plain, "{fault:?}, plain");
        let identity = Identity { authority: &authority, name: HOST, flaw: CertificateFlaw::None };
        let server = FaultServer::start_tls(AT, fault.clone(), identity).unwrap();
        assert_eq!(brief(&visitor.secure(server.address(), HOST).await), secure, "{fault:?}, TLS");
    }
}

#[tokio::test]
async fn flawed_certificates_are_refused_for_their_flaw() {
    let authority = authority();
    let visitor = Visitor::new(AT, authority.pem(), "h2");
    for (flaw, word) in [
        (CertificateFlaw::WrongName, "not valid for name"),
        (CertificateFlaw::Expired, "expired"),
        (CertificateFlaw::NotYetValid, "not valid yet"),
        (CertificateFlaw::SelfSigned, "UnknownIssuer"),
    ] {
        let server =
            FaultServer::start_tls(AT, Fault::None, Identity { authority: &authority, name: HOST, flaw })
                .unwrap();
        let seen = brief(&visitor.secure(server.address(), HOST).await);
        assert!(seen.contains(word), "{flaw:?}: {seen}");
    }
}

#[tokio::test]
async fn a_slow_server_waits_as_long_as_it_says() {
    let authority = authority();
    let visitor = Visitor::new(AT, authority.pem(), "h2");
    let delay = Duration::from_millis(40);
    let server = FaultServer::start(AT, Fault::SlowFirstByte(delay)).unwrap();
    let started = tokio::time::Instant::now();
    assert_eq!(visitor.plain(server.address(), HOST).await.status(), Some(200));
    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn a_silent_server_says_nothing_and_a_dropped_one_is_gone() {
    let authority = authority();
    let visitor = Visitor::new(AT, authority.pem(), "h2");
    let server = FaultServer::start(AT, Fault::Silent).unwrap();
    let address = server.address();
    let mut open = visitor.connect(address).await.unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nhost: site.example\r\n\r\n").await.unwrap();
    let talkative = FaultServer::start(AT, Fault::None).unwrap();
    for _ in 0..4 {
        // Each exchange with another server gives the silent one time to speak.
        assert_eq!(visitor.plain(talkative.address(), HOST).await.status(), Some(200));
    }
    drop(server);
    // The end of the open connection shows that the server's tasks are gone; nothing was said before it.
    let end = open.read(&mut [0; 8]).await;
    assert!(matches!(end, Ok(0)) || end.is_err(), "{end:?}");
    assert_eq!(brief(&visitor.plain(address, HOST).await), "ConnectionRefused");
}
