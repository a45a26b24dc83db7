//! The way to an aggregator: a channel to its public gRPC, and what each refusal means for the person who asked.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use parallax_runtime::ExitCode;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Status};

use crate::{term, words};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one answer may take, streams excepted.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a silent connection is asked whether it still lives, and how long its answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Largest answer that is read, in bytes: a thousand incidents with their courses fit.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why there is no answer: one sentence for the person who asked, and the code the program ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// What is wrong and what to do.
    pub sentence: String,
    /// How the program ends.
    pub code: ExitCode,
}

impl Failed {
    /// A failure in one sentence.
    pub(crate) fn new(sentence: impl Into<String>, code: ExitCode) -> Self {
        Self { sentence: sentence.into(), code }
    }

    /// Says it on standard error.
    pub(crate) fn say(&self) -> ExitCode {
        term::failed(&self.sentence, self.code)
    }
}

/// A server that was named, and the channel to it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: String,
}

impl Server {
    /// The server at this address; nothing is connected yet.
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned() }
    }

    /// Its address without a final slash.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether what is sent there goes over a network in clear text.
    pub(crate) fn is_overheard(&self) -> bool {
        let Some(host) = self.url.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http")) else {
            return false;
        };
        let host = host.host().unwrap_or_default().trim_matches(['[', ']']);
        host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// Connects within five seconds: HTTP/2 in plain text for `http`, over TLS with the web's roots for `https`.
    pub(crate) async fn connect(&self) -> Result<Channel, Failed> {
        // A URI may be no more than a name; without this, `--server zz` would be an aggregator that does not answer.
        let is_web = self.url.starts_with("http://") || self.url.starts_with("https://");
        let endpoint = self.endpoint().ok().filter(|_| is_web).ok_or_else(|| {
            let sentence =
                format!("--server {} is not an address like http://127.0.0.1:8080", words::plain(&self.url));
            Failed::new(sentence, ExitCode::Usage)
        })?;
        endpoint.connect().await.map_err(|error| {
            tracing::info!(server.url = self.url, error = term::chain(&error), "connecting failed");
            self.unreachable()
        })
    }

    fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(self.url.clone())?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        if !self.url.starts_with("https:") {
            return Ok(endpoint);
        }
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
        endpoint.tls_config(ClientTlsConfig::new().trust_anchors(roots).timeout(CONNECT_TIMEOUT))
    }

    /// Nobody answers there.
    pub(crate) fn unreachable(&self) -> Failed {
        let url = words::plain(&self.url);
        let sentence = format!(
            "no aggregator answers at {url}; start one with `parallax up`, or name another with --server"
        );
        Failed::new(sentence, ExitCode::Unavailable)
    }

    /// What a status means for the person who asked.
    pub(crate) fn refused(&self, status: &Status) -> Failed {
        let url = words::plain(&self.url);
        let said = words::plain(status.message());
        match status.code() {
            Code::InvalidArgument | Code::NotFound => Failed::new(said, ExitCode::BadInput),
            Code::ResourceExhausted => Failed::new(busy(status, &said), ExitCode::Unavailable),
            Code::Unauthenticated | Code::PermissionDenied => {
                let sentence = format!("the aggregator at {url} does not accept this key: {said}");
                Failed::new(sentence, ExitCode::BadConfig)
            }
            // A status with a source was made on this side: the connection broke. Without one the aggregator itself said it.
            _ if std::error::Error::source(status).is_some() => self.unreachable(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Failed::new(
                format!("the aggregator at {url} cannot answer now: {said}"),
                ExitCode::Unavailable,
            ),
            Code::Unimplemented | Code::Unknown | Code::Internal => {
                let sentence = format!("what answers at {url} does not speak this API: {said}");
                Failed::new(sentence, ExitCode::Unavailable)
            }
            code => {
                Failed::new(format!("the aggregator at {url} failed ({code:?}): {said}"), ExitCode::Failed)
            }
        }
    }

    /// An answer that cannot be read: an aggregator of another version.
    pub(crate) fn unreadable(&self, error: &parallax_proto::WireError) -> Failed {
        let sentence = format!(
            "the aggregator at {} gave an answer that cannot be read: {error}",
            words::plain(&self.url)
        );
        Failed::new(sentence, ExitCode::Unavailable)
    }

    /// One call with its time limit.
    pub(crate) async fn call<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, Failed> {
        match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.refused(&status)),
            Err(_) => Err(self.silent(CALL_TIMEOUT)),
        }
    }

    /// It answered the connection and nothing else.
    pub(crate) fn silent(&self, waited: Duration) -> Failed {
        let sentence = format!(
            "the aggregator at {} did not answer within {} s",
            words::plain(&self.url),
            waited.as_secs()
        );
        Failed::new(sentence, ExitCode::Unavailable)
    }
}

/// The aggregator's sentence, with when to come back where it does not say so itself.
fn busy(status: &Status, said: &str) -> String {
    let seconds = status
        .metadata()
        .get("retry-after")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u32>().ok());
    match seconds {
        Some(s) if !said.contains("try again") => format!("{said}; try again in {s} s"),
        _ => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_code() {
        let server = Server::new("http://127.0.0.1:1/");
        let mut exhausted = Status::resource_exhausted("shop.example is busy");
        exhausted.metadata_mut().insert("retry-after", 40.into());
        let cases = [
            (Status::invalid_argument("This is private."), ExitCode::BadInput, "This is private."),
            (
                Status::not_found("there is no incident of this id"),
                ExitCode::BadInput,
                "there is no incident of this id",
            ),
            (exhausted, ExitCode::Unavailable, "shop.example is busy; try again in 40 s"),
            (
                Status::unavailable("the store cannot be read"),
                ExitCode::Unavailable,
                "the aggregator at http://127.0.0.1:1 cannot answer now: the store cannot be read",
            ),
            (
                Status::unauthenticated("the key is needed"),
                ExitCode::BadConfig,
                "the aggregator at http://127.0.0.1:1 does not accept this key: the key is needed",
            ),
        ];
        for (status, code, sentence) in cases {
            assert_eq!(server.refused(&status), Failed::new(sentence, code));
        }
    }

    #[test]
    fn clear_text_is_overheard_anywhere_but_here() {
        let cases = [
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080", false),
            ("http://localhost:8080/", false),
            ("https://status.example", false),
            ("http://status.example", true),
            ("http://192.0.2.7:8080", true),
            ("http://localhost.example", true),
        ];
        for (url, overheard) in cases {
            assert_eq!(Server::new(url).is_overheard(), overheard, "{url}");
        }
    }

    #[tokio::test]
    async fn what_is_no_address_is_wrong_usage() {
        for url in ["not an address", "zz", "127.0.0.1:8080", "ftp://127.0.0.1"] {
            let failed = Server::new(url).connect().await.expect_err("no address");
            assert_eq!(failed.code, ExitCode::Usage, "{url}");
        }
    }
}
