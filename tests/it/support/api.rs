//! The public gRPC API, asked as any program would.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use parallax_model::{AgentId, Diagnosis, ProbeResult};
use parallax_proto::v1::check::check_response::Event;
use parallax_proto::v1::check::check_service_client::CheckServiceClient;
use parallax_proto::v1::check::{CheckRequest, CheckResponse};
use parallax_proto::v1::incident::incident_service_client::IncidentServiceClient;
use parallax_proto::v1::incident::{Incident, ListRequest};
use parallax_proto::v1::network::ListVantagesRequest;
use parallax_proto::v1::network::network_service_client::NetworkServiceClient;
use parallax_proto::v1::site::site_service_client::SiteServiceClient;
use parallax_proto::v1::site::{HistoryMinute, ListHistoryRequest, ListSitesRequest};
use parallax_proto::{diagnosis_from_wire, result_from_wire};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use super::program::Program;
use super::until;

/// How long a whole check may take: it ends by itself after 20 s.
const CHECK_DEADLINE: Duration = Duration::from_secs(30);
/// How long agents beside the aggregator may take until they are online.
const ONLINE_DEADLINE: Duration = Duration::from_secs(30);

/// A connection to the public API.
#[derive(Clone)]
pub(crate) struct Api(Channel);

/// What a check found out.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) diagnosis: Diagnosis,
    pub(crate) rows: BTreeMap<AgentId, ProbeResult>,
}

impl Api {
    pub(crate) async fn of(program: &Program) -> anyhow::Result<Self> {
        Ok(Self(Endpoint::from_shared(program.url())?.connect().await?))
    }

    pub(crate) fn channel(&self) -> Channel {
        self.0.clone()
    }

    /// What is said of each watched site, by host.
    pub(crate) async fn sites(&self) -> anyhow::Result<BTreeMap<String, Diagnosis>> {
        let list = SiteServiceClient::new(self.channel())
            .list_sites(ListSitesRequest { page_size: 1_000, ..ListSitesRequest::default() })
            .await?
            .into_inner();
        let read = |site: parallax_proto::v1::site::Site| {
            let diagnosis = site.diagnosis.context("a site has a diagnosis")?;
            Ok((site.host, diagnosis_from_wire(&diagnosis)?))
        };
        list.sites.into_iter().map(read).collect()
    }

    pub(crate) async fn incidents(&self) -> anyhow::Result<Vec<Incident>> {
        let all = ListRequest { page_size: 1_000, ..ListRequest::default() };
        Ok(IncidentServiceClient::new(self.channel()).list(all).await?.into_inner().incidents)
    }

    pub(crate) async fn history(&self, site: &str) -> anyhow::Result<Vec<HistoryMinute>> {
        let request = ListHistoryRequest { site: site.to_owned(), since_us: 0 };
        Ok(SiteServiceClient::new(self.channel()).list_history(request).await?.into_inner().minutes)
    }

    /// Waits until so many agents are online.
    pub(crate) async fn online(&self, wanted: usize) -> anyhow::Result<()> {
        let online = async || {
            let list =
                NetworkServiceClient::new(self.channel()).list_vantages(ListVantagesRequest {}).await?;
            let online = list.into_inner().vantages.iter().filter(|v| v.online).count();
            if online < wanted {
                bail!("{online} of {wanted} agents are online");
            }
            Ok(())
        };
        until(ONLINE_DEADLINE, online).await
    }

    /// Starts a check; the stream of its events, or why not.
    pub(crate) async fn start_check(&self, site: &str) -> Result<Streaming<CheckResponse>, Status> {
        let request = CheckRequest { site: site.to_owned() };
        CheckServiceClient::new(self.channel()).check(request).await.map(tonic::Response::into_inner)
    }

    /// A check from its start to its end.
    pub(crate) async fn check(&self, site: &str) -> anyhow::Result<Checked> {
        let mut events = self.start_check(site).await?;
        let read = async {
            let (mut verdict, mut rows) = (None, BTreeMap::new());
            while let Some(CheckResponse { event: Some(event) }) = events.message().await? {
                match event {
                    Event::Row(row) => {
                        let result = row.result.context("a row has a result")?;
                        rows.insert(row.agent_id.parse()?, result_from_wire(&result)?);
                    }
                    Event::Verdict(said) => verdict = Some(diagnosis_from_wire(&said)?),
                    Event::Started(_) | Event::SoFar(_) => {}
                    Event::Done(_) => break,
                }
            }
            let diagnosis = verdict.context("the check said no verdict")?;
            anyhow::Ok(Checked { diagnosis, rows })
        };
        timeout(CHECK_DEADLINE, read).await.with_context(|| format!("the check of {site} does not end"))?
    }
}
