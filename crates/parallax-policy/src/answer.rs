//! The parser's answer as page, API and command line all print it.

use parallax_model::{Path, Port, Scheme};
use serde::Serialize;

use crate::{Policy, Reason};

/// The answer to one input, as JSON: `{"ok":true,"scheme","host","port","path"}` or `{"ok":false,"reason","message"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TargetAnswer {
    /// It may be probed.
    Accepted {
        /// Always true.
        ok: bool,
        /// How it is spoken to.
        scheme: Scheme,
        /// The host as in a URL: IPv6 in brackets.
        host: String,
        /// Where it listens.
        port: Port,
        /// Path and query.
        path: Path,
    },
    /// It may not.
    Refused {
        /// Always false.
        ok: bool,
        /// What is wrong, in fine grain.
        reason: Reason,
        /// One sentence for the visitor.
        message: String,
    },
}

/// What `policy` says to `input`.
pub fn answer(policy: &Policy, input: &str) -> TargetAnswer {
    match policy.parse_target(input) {
        Ok(parsed) => {
            let target = parsed.target;
            let host = match target.host.ip() {
                Some(std::net::IpAddr::V6(v6)) => format!("[{v6}]"),
                _ => target.host.as_str().to_owned(),
            };
            TargetAnswer::Accepted {
                ok: true,
                scheme: target.scheme,
                host,
                port: target.port,
                path: target.path,
            }
        }
        Err(refusal) => {
            TargetAnswer::Refused { ok: false, reason: refusal.reason(), message: refusal.to_string() }
        }
    }
}
