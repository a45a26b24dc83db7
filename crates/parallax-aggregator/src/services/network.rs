//! `NetworkService`.

use std::collections::BTreeMap;

use parallax_proto::v1::network::network_service_server::NetworkService;
use parallax_proto::v1::network::{
    Coverage, GetCoverageRequest, GetCoverageResponse, ListVantagesRequest, ListVantagesResponse,
    OurSide as WireOurSide, VantageNotice as WireNotice, VantagePoint as WirePoint,
};
use parallax_proto::vantage_to_wire;
use tonic::{Request, Response, Status};

use crate::read::{ReadSide as _, VantageNotice, VantagePoint};
use crate::reader::Reader;

/// Vantage points over the read side.
#[derive(Debug)]
pub(super) struct Network(pub(super) Reader);

#[tonic::async_trait]
impl NetworkService for Network {
    async fn list_vantages(
        &self,
        _: Request<ListVantagesRequest>,
    ) -> Result<Response<ListVantagesResponse>, Status> {
        let point = |v: &VantagePoint| WirePoint {
            agent_id: v.agent.to_string(),
            vantage: Some(vantage_to_wire(&v.vantage)),
            online: v.online,
            last_heard_us: v.last_heard.0,
            version: v.version.clone(),
        };
        Ok(Response::new(ListVantagesResponse { vantages: self.0.vantages().iter().map(point).collect() }))
    }

    async fn get_coverage(
        &self,
        _: Request<GetCoverageRequest>,
    ) -> Result<Response<GetCoverageResponse>, Status> {
        let vantages = self.0.vantages();
        let online: Vec<&VantagePoint> = vantages.iter().filter(|v| v.online).collect();
        let by_network = count(&online, |v| {
            let name = v.vantage.isp.as_ref().map(ToString::to_string).unwrap_or_default();
            v.vantage.asn.map(|a| (a.to_string(), name))
        });
        let by_region = count(&online, |v| v.vantage.region.as_ref().map(|r| (r.to_string(), String::new())));
        let by_country =
            count(&online, |v| v.vantage.country.as_ref().map(|c| (c.to_string(), String::new())));
        let state = self.0.network();
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Response::new(GetCoverageResponse {
            agents: size(online.len()),
            networks: size(by_network.len()),
            regions: size(by_region.len()),
            countries: size(by_country.len()),
            by_network,
            by_region,
            by_country,
            our_side: state
                .our_side
                .as_ref()
                .map(|our| WireOurSide { since_us: our.since.0, sentence: our.sentence.clone() }),
            notices: state.notices.iter().map(notice).collect(),
        }))
    }
}

fn notice(notice: &VantageNotice) -> WireNotice {
    WireNotice {
        asn: notice.asn.0,
        isp: notice.isp.as_ref().map(ToString::to_string).unwrap_or_default(),
        since_us: notice.since.0,
        lost: notice.lost,
        of: notice.of,
        sentence: notice.sentence.clone(),
    }
}

fn count(online: &[&VantagePoint], key: impl Fn(&VantagePoint) -> Option<(String, String)>) -> Vec<Coverage> {
    let mut counts: BTreeMap<(String, String), u32> = BTreeMap::new();
    for value in online.iter().filter_map(|v| key(v)) {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().map(|((value, name), agents)| Coverage { value, name, agents }).collect()
}
