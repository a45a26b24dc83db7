//! One hop: connect, handshake, one exchange, and what the answer means.

use parallax_model::{Protocol, Scheme, StatusCode, Target};
use parallax_policy::VettedAddr;

use crate::connect::connect;
use crate::emitter::emitter;
use crate::exchange::{Answer, exchange};
use crate::judge::judge;
use crate::progress::{Progress, Stage, StageFailure};
use crate::settings::ProberSettings;
use crate::tls::Tls;

/// What one hop needs to know.
pub(crate) struct Hop<'a> {
    pub(crate) target: &'a Target,
    /// The HTTP version that was asked for.
    pub(crate) forced: Option<Protocol>,
    pub(crate) settings: &'a ProberSettings,
    pub(crate) tls: &'a Tls,
}

/// How a hop ended when it got an answer.
pub(crate) enum HopEnd {
    /// The answer stands.
    Final,
    /// It leads elsewhere.
    Elsewhere { status: StatusCode, location: Vec<u8> },
}

impl Hop<'_> {
    /// Runs the hop on addresses of one target. Everything seen goes into the progress.
    pub(crate) async fn run(
        &self,
        vetted: &[VettedAddr],
        progress: &mut Progress,
    ) -> Result<HopEnd, StageFailure> {
        progress.begin(Stage::Connect);
        let stream = connect(vetted, self.settings, progress).await?;
        progress.end();
        let answer = match self.target.scheme {
            Scheme::Http => {
                let protocol = self.forced.unwrap_or(Protocol::H1);
                Box::pin(exchange(stream, protocol, self, progress)).await?
            }
            Scheme::Https => {
                progress.begin(Stage::Tls);
                let limit = self.settings.deadlines.tls;
                let secured = Box::pin(self.tls.secure(stream, &self.target.host, self.forced, limit)).await;
                progress.end();
                let secured = match secured {
                    Ok(secured) => secured,
                    Err(broken) => {
                        progress.result.tls = broken.facts;
                        return Err(broken.failure);
                    }
                };
                progress.result.tls = secured.facts;
                Box::pin(exchange(secured.stream, secured.protocol, self, progress)).await?
            }
        };
        Ok(conclude(answer, progress))
    }
}

/// Turns an answer into the end of the hop.
fn conclude(answer: Answer, progress: &mut Progress) -> HopEnd {
    let Answer { status, headers, location, body } = answer;
    progress.result.status = Some(status);
    if let Some(location) = location {
        return HopEnd::Elsewhere { status, location };
    }
    // A page is only searched where something went wrong: on a good answer the headers say enough.
    let page: &[u8] = if status.get() >= 400 { &body.prefix } else { &[] };
    let explained = emitter(Some(status.get()), &headers, page);
    progress.result.outcome = judge(status, &explained);
    progress.result.retry_after_s = headers
        .get(http::header::RETRY_AFTER)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.trim().parse().ok());
    progress.result.body = Some(body.facts);
    progress.result.emitter = Some(explained.emitter);
    HopEnd::Final
}
