//! Failures in people's words, short for a cell and long for a line.

use parallax_model::{
    AgentFailure, BlockedFailure, ConnectFailure, DnsFailure, FailureKind, HttpFailure, QuicFailure,
    TlsFailure,
};

/// A failure for a cell of the matrix: at most nine characters.
pub(crate) fn short(kind: FailureKind) -> String {
    let word = match kind {
        FailureKind::Http(HttpFailure::Status(code)) => return code.to_string(),
        FailureKind::Dns(DnsFailure::Nxdomain | DnsFailure::Nodata) => "no name",
        FailureKind::Dns(_) => "DNS",
        FailureKind::Connect(ConnectFailure::Refused) => "refused",
        FailureKind::Connect(ConnectFailure::Unreachable) => "no route",
        FailureKind::Connect(ConnectFailure::Reset)
        | FailureKind::Tls(TlsFailure::Reset)
        | FailureKind::Http(HttpFailure::Reset) => "cut off",
        FailureKind::Tls(TlsFailure::Handshake) => "TLS",
        FailureKind::Tls(k) if k != TlsFailure::Timeout => "bad cert",
        FailureKind::Quic(QuicFailure::Handshake | QuicFailure::Closed) => "QUIC",
        FailureKind::Http(HttpFailure::RedirectLoop | HttpFailure::RedirectBlocked) => "redirect",
        FailureKind::Http(HttpFailure::Protocol | HttpFailure::TooLarge) => "garbled",
        FailureKind::Blocked(BlockedFailure::Challenge) => "bot check",
        FailureKind::Blocked(_) => "blocked",
        FailureKind::Agent(_) => "no test",
        _ => "timeout",
    };
    word.to_owned()
}

/// A failure for a line of text, able to follow "it gets" or stand alone.
pub(crate) fn long(kind: FailureKind) -> String {
    match kind {
        FailureKind::Http(HttpFailure::Status(code)) => match code.reason() {
            None => format!("HTTP status {code}"),
            // These are a CDN's own words, said of the server behind it.
            Some(reason) if code.get() >= 520 => format!("{code} {reason} (from the CDN)"),
            Some(reason) => format!("{code} {reason}"),
        },
        FailureKind::Dns(k) => dns(k).to_owned(),
        FailureKind::Connect(k) => connect(k).to_owned(),
        FailureKind::Tls(k) => tls(k).to_owned(),
        FailureKind::Quic(_) => "no answer over HTTP/3".to_owned(),
        FailureKind::Blocked(k) => blocked(k).to_owned(),
        FailureKind::Agent(AgentFailure::Offline) => "the tester's own line was down".to_owned(),
        FailureKind::Agent(AgentFailure::Policy) => "the tester may not test this address".to_owned(),
        FailureKind::Agent(AgentFailure::Overloaded) => "the tester had no time".to_owned(),
        FailureKind::Http(k) => http(k).to_owned(),
    }
}

fn dns(kind: DnsFailure) -> &'static str {
    match kind {
        DnsFailure::Nxdomain => "the name is not in the DNS",
        DnsFailure::Nodata => "the name has no address",
        DnsFailure::Servfail => "the name lookup failed",
        DnsFailure::Refused => "the name lookup was refused",
        DnsFailure::Timeout => "the name lookup got no answer",
        DnsFailure::Bogus => "the name's signature does not check out",
        DnsFailure::Loop => "the name leads in circles",
    }
}

fn connect(kind: ConnectFailure) -> &'static str {
    match kind {
        ConnectFailure::Refused => "the machine is there, but no web server listens",
        ConnectFailure::Timeout => "nothing answers at the address",
        ConnectFailure::Unreachable => "there is no route to the address",
        ConnectFailure::Reset => "the connection was cut at once",
    }
}

fn tls(kind: TlsFailure) -> &'static str {
    match kind {
        TlsFailure::Expired => "the certificate ran out",
        TlsFailure::NotYetValid => "the certificate is not valid yet",
        TlsFailure::NameMismatch => "the certificate is for another name",
        TlsFailure::Untrusted => "the certificate is not trusted",
        TlsFailure::SelfSigned => "the certificate signed itself",
        TlsFailure::Revoked => "the certificate was withdrawn",
        TlsFailure::Handshake => "no secure line could be agreed on",
        TlsFailure::Timeout => "the secure line was not set up in time",
        TlsFailure::Reset => "the line was cut as soon as the name was spoken",
    }
}

fn blocked(kind: BlockedFailure) -> &'static str {
    match kind {
        BlockedFailure::Address => "the address may not be tested",
        BlockedFailure::Challenge => "a bot check",
        BlockedFailure::BlockPage => "a block page",
        BlockedFailure::Legal => "a page that says it is closed for legal reasons",
    }
}

fn http(kind: HttpFailure) -> &'static str {
    match kind {
        HttpFailure::Timeout => "connected, then no answer in time",
        HttpFailure::Reset => "the answer was cut off",
        HttpFailure::Protocol => "an answer that is not HTTP",
        HttpFailure::TooLarge => "headers beyond every limit",
        HttpFailure::RedirectLoop => "a redirect in circles",
        HttpFailure::RedirectBlocked => "a redirect to where we may not go",
        HttpFailure::Status(_) => "an error status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_words_that_fit() {
        let cases = [
            ("http-502", "502", "502 Bad Gateway"),
            ("http-522", "522", "522 Connection Timed Out (from the CDN)"),
            ("http-599", "599", "HTTP status 599"),
            ("dns-nxdomain", "no name", "the name is not in the DNS"),
            ("connect-timeout", "timeout", "nothing answers at the address"),
            ("tls-reset", "cut off", "the line was cut as soon as the name was spoken"),
            ("tls-timeout", "timeout", "the secure line was not set up in time"),
            ("tls-expired", "bad cert", "the certificate ran out"),
            ("blocked-challenge", "bot check", "a bot check"),
            ("agent-offline", "no test", "the tester's own line was down"),
        ];
        for (word, cell, line) in cases {
            let kind: FailureKind = word.parse().unwrap();
            assert_eq!((short(kind).as_str(), long(kind).as_str()), (cell, line), "{word}");
            assert!(short(kind).len() <= 9);
        }
    }
}
