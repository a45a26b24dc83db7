//! Failures in people's words, short for a cell and long for a line.

use parallax_model::{FailureKind, HttpFailure};

use crate::say::Lang;

/// A failure for a cell of the matrix: at most eleven characters.
pub(crate) fn short(t: Lang, kind: FailureKind) -> String {
    match kind {
        FailureKind::Http(HttpFailure::Status(code)) => code.to_string(),
        _ => t.text(&format!("cell-{kind}")),
    }
}

/// A failure for a line of text, able to follow "it gets" or stand alone. Names of statuses stay as servers write them.
pub(crate) fn long(t: Lang, kind: FailureKind) -> String {
    let FailureKind::Http(HttpFailure::Status(code)) = kind else { return t.text(&format!("fail-{kind}")) };
    match code.reason() {
        None => t.with("fail-status").n("code", code.get()).text(),
        // These are a CDN's own words, said of the server behind it.
        Some(reason) if code.get() >= 520 => {
            t.with("fail-status-cdn").n("code", code.get()).s("reason", reason).text()
        }
        Some(reason) => format!("{code} {reason}"),
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
            ("agent-offline", "no test", "the tester’s own line was down"),
        ];
        for (word, cell, line) in cases {
            let kind: FailureKind = word.parse().unwrap();
            assert_eq!(
                (short(Lang::En, kind).as_str(), long(Lang::En, kind).as_str()),
                (cell, line),
                "{word}"
            );
        }
    }

    /// Every kind there is has words in every language, and those for a cell fit into it.
    #[test]
    fn no_failure_is_without_words() {
        use parallax_model::{
            AgentFailure, BlockedFailure, ConnectFailure, DnsFailure, QuicFailure, TlsFailure,
        };
        let mut kinds: Vec<FailureKind> = DnsFailure::ALL.iter().map(|k| FailureKind::Dns(*k)).collect();
        kinds.extend(ConnectFailure::ALL.iter().map(|k| FailureKind::Connect(*k)));
        kinds.extend(TlsFailure::ALL.iter().map(|k| FailureKind::Tls(*k)));
        kinds.extend(QuicFailure::ALL.iter().map(|k| FailureKind::Quic(*k)));
        kinds.extend(BlockedFailure::ALL.iter().map(|k| FailureKind::Blocked(*k)));
        kinds.extend(AgentFailure::ALL.iter().map(|k| FailureKind::Agent(*k)));
        for word in ["http-timeout", "http-reset", "http-protocol", "http-too-large", "http-redirect-loop"] {
            kinds.push(word.parse().unwrap());
        }
        for kind in kinds {
            for t in Lang::ALL {
                assert!(t.has(&format!("cell-{kind}")) && t.has(&format!("fail-{kind}")), "{kind} in {t:?}");
                assert!(short(t, kind).chars().count() <= 11, "{kind} in {t:?}");
            }
        }
    }
}
