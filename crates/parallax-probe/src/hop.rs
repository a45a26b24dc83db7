//! One hop: connect, handshake, one exchange, and what the answer means.

use parallax_model::{BodyFacts, FailureKind, H3Advert, Protocol, Scheme, StatusCode, Target};
use parallax_policy::VettedAddr;

use crate::advert;
use crate::connect::connect;
use crate::emitter::emitter;
use crate::emitter::retry_after::retry_after_s;
use crate::exchange::{Answer, exchange};
use crate::judge::judge;
use crate::page_kind::page_kind;
use crate::progress::{Progress, Stage, StageFailure};
use crate::quic::{self, UdpPaths};
use crate::redirect;
use crate::settings::ProberSettings;
use crate::tls::Tls;

/// What one hop needs to know.
pub(crate) struct Hop<'a> {
    pub(crate) target: &'a Target,
    /// The HTTP version that was asked for.
    pub(crate) forced: Option<Protocol>,
    pub(crate) settings: &'a ProberSettings,
    pub(crate) tls: &'a Tls,
    pub(crate) udp: &'a UdpPaths,
    /// Whether this is still the host and port that was asked for: only there an advert speaks for the target.
    pub(crate) own: bool,
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
        // HTTP/3 is https alone: a redirect to http is followed as whoever follows it must.
        if self.forced == Some(Protocol::H3) && self.target.scheme == Scheme::Https {
            // Known before the first packet: a failure of HTTP/3 must be told from one of TCP.
            progress.result.protocol = Some(Protocol::H3);
            let session = Box::pin(quic::connect(vetted, self, progress)).await?;
            let answer = Box::pin(quic::exchange(session, self, progress)).await?;
            return Ok(self.conclude(answer, progress));
        }
        progress.begin(Stage::Connect);
        let stream = connect(vetted, self.settings, progress).await?;
        progress.end();
        let answer = match self.target.scheme {
            Scheme::Http => {
                let protocol = self.forced.filter(|p| *p != Protocol::H3).unwrap_or(Protocol::H1);
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
        Ok(self.conclude(answer, progress))
    }

    /// Turns an answer into the end of the hop.
    fn conclude(&self, answer: Answer, progress: &mut Progress) -> HopEnd {
        let Answer { status, headers, location, body } = answer;
        progress.result.status = Some(status);
        let Target { scheme, host, port, .. } = self.target;
        if self.own && *scheme == Scheme::Https && advert::says_h3(&headers, host, *port) {
            progress.result.h3_advert.get_or_insert(H3Advert::AltSvc);
        }
        // A filter's page often comes with 200, or is where a redirect leads.
        let explained = emitter(Some(status.get()), &headers, &body.prefix);
        if let Some(location) = location {
            // Where it leads to no public place, that says more: a site can send everybody to an address of its own network.
            let notice = matches!(explained.kind, Some(FailureKind::Blocked(_)))
                && redirect::leaves_site(self.target, &location)
                && redirect::resolve(&self.settings.policy.current(), self.target, &location)
                    .allowed()
                    .is_ok();
            if !notice {
                return HopEnd::Elsewhere { status, location };
            }
        }
        progress.result.outcome = judge(status, &explained);
        let now = u64::try_from(progress.result.started_at.as_secs()).unwrap_or_default();
        progress.result.retry_after_s = retry_after_s(&headers, now);
        let page = page_kind(status, &body.prefix);
        progress.result.body = Some(BodyFacts { page, ..body.facts });
        progress.result.emitter = Some(explained.emitter);
        HopEnd::Final
    }
}
