//! Every address of a name, each with a probe of its own.

use std::net::IpAddr;

use futures_util::future::join_all;
use parallax_model::{DnsFacts, Family, H3Advert, ProbeResult, UnixMicros};

use super::Follow;
use crate::progress::Progress;
use crate::{ProbeRequest, Prober};

#[cfg(test)]
mod tests;

/// Most addresses of one name that are probed at the same time.
pub const MAX_ADDRESSES_AT_ONCE: usize = 4;

/// An address that stands for a whole name, and what the name lookup said.
#[derive(Debug)]
pub(super) struct Pin {
    pub(super) address: IpAddr,
    pub(super) dns: DnsFacts,
    pub(super) h3_advert: Option<H3Advert>,
}

impl Prober {
    /// One request to one address in the name of the target, instead of asking a resolver, as curl's `--resolve`. The policy
    /// judges the address as every other.
    pub(crate) async fn probe_address(&self, request: &ProbeRequest, address: IpAddr) -> ProbeResult {
        let dns = DnsFacts { addresses: vec![address], ..DnsFacts::default() };
        let request = ProbeRequest { family: Some(Family::of(address)), ..request.clone() };
        let pin = Pin { address, dns, h3_advert: None };
        self.attempt(&request, Some(&pin), Follow::Nothing, UnixMicros::default()).await
    }

    /// One probe of each address of the target, of the family that is asked for or of both, at most `limit` of them and
    /// [`MAX_ADDRESSES_AT_ONCE`] at the same time. The name is looked up once: every result holds the whole answer and the
    /// address it was pinned to, in the order a probe would try them. When there is nothing to connect to, the one result says why.
    pub async fn probe_each_address(
        &self,
        request: &ProbeRequest,
        now: UnixMicros,
        limit: usize,
    ) -> Vec<ProbeResult> {
        let mut progress = Progress::new(request, now);
        let found = async {
            self.check(request)?;
            self.find(request, &request.target, None, &mut progress).await
        };
        let found = match tokio::time::timeout(self.settings.deadlines.whole, found).await {
            Ok(Ok(found)) => found,
            Ok(Err(failure)) => return vec![progress.finish(Err(failure))],
            Err(_) => {
                let failure = progress.out_of_time();
                return vec![progress.finish(Err(failure))];
            }
        };
        let pins: Vec<Pin> = found
            .iter()
            .take(limit)
            .map(|vetted| Pin {
                address: vetted.socket_addr().ip(),
                dns: progress.result.dns.clone(),
                h3_advert: progress.result.h3_advert,
            })
            .collect();
        let mut results = Vec::with_capacity(pins.len());
        for some in pins.chunks(MAX_ADDRESSES_AT_ONCE) {
            results.extend(
                join_all(some.iter().map(|pin| self.attempt(request, Some(pin), Follow::Redirects, now)))
                    .await,
            );
        }
        results
    }
}
