//! Why an answer failed, as far as the answer alone says.

use std::fmt;

/// Why, in the words `parallax explain` answers with. What many answers together say is `parallax-diagnose`'s affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResponseCause {
    /// More work than there is room for, or deliberately not serving.
    Overload,
    /// A hop could not reach the next.
    Network,
    /// A firewall, filter or bot check refused.
    Firewall,
    /// A wrong setting: nothing is there, or the wrong thing.
    Misconfigured,
    /// A hop could not resolve the next.
    Dns,
    /// A certificate, or TLS itself, between two hops or towards us.
    Tls,
    /// The request was at fault.
    Client,
    /// Credentials are wanted.
    Auth,
    /// The site's program failed.
    App,
    /// The answer does not say.
    Unknown,
}

impl ResponseCause {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Network => "network",
            Self::Firewall => "firewall",
            Self::Misconfigured => "misconfigured",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Client => "client",
            Self::Auth => "auth",
            Self::App => "app",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for ResponseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The cause a mark names, else what the status alone makes likely.
pub(super) fn of(status: Option<u16>, marked: Option<ResponseCause>) -> ResponseCause {
    use ResponseCause as C;
    if let Some(cause) = marked {
        return cause;
    }
    match status {
        Some(400 | 405 | 408 | 411..=417 | 425 | 431 | 494 | 499 | 505) => C::Client,
        Some(401 | 407) => C::Auth,
        Some(403 | 406 | 418 | 429 | 444 | 451 | 493 | 999) => C::Firewall,
        Some(404 | 410 | 421 | 497) => C::Misconfigured,
        Some(495 | 496 | 525 | 526) => C::Tls,
        Some(500 | 501) => C::App,
        Some(502 | 504 | 520..=524 | 530) => C::Network,
        // A maintenance page is a decision, and so is shedding load; both are "not now".
        Some(503 | 509 | 529) => C::Overload,
        _ => C::Unknown,
    }
}

/// What a proxy error type means (RFC 9209, 2.3).
pub(super) fn of_proxy_error(error: &str) -> ResponseCause {
    use ResponseCause as C;
    match error {
        "dns_timeout" | "dns_error" => C::Dns,
        "tls_protocol_error" | "tls_certificate_error" | "tls_alert_received" => C::Tls,
        "destination_unavailable" | "connection_limit_reached" => C::Overload,
        "http_request_denied" | "destination_ip_prohibited" => C::Firewall,
        "http_request_error" => C::Client,
        "destination_not_found" | "proxy_configuration_error" | "proxy_loop_detected" => C::Misconfigured,
        "proxy_internal_error" | "proxy_internal_response" => C::Unknown,
        e if e.starts_with("http_") || e.starts_with("connection_") || e.starts_with("destination_ip") => {
            C::Network
        }
        _ => C::Unknown,
    }
}
