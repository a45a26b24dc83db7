//! `SiteService`.

use std::pin::Pin;
use std::sync::Arc;

use parallax_model::{Host, ReportCategory, UnixMicros};
use parallax_proto::v1::site::site_service_server::SiteService;
use parallax_proto::v1::site::submit_report_request::Report;
use parallax_proto::v1::site::{
    GetSiteRequest, GetSiteResponse, HistoryMinute as WireMinute, ListHistoryRequest, ListHistoryResponse,
    ListSitesRequest, ListSitesResponse, Site as WireSite, SubmitReportRequest, SubmitReportResponse,
    WatchSiteRequest, WatchSiteResponse,
};
use parallax_proto::{
    category_from_wire, diagnosis_to_wire, disagreement_to_wire, incident_to_wire, target_to_wire,
};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{refused, told, unread};
use crate::read::{ReadSide as _, ReportInput, ReportKind, SiteView};
use crate::reader::Reader;

/// History reaches back this far, in seconds: 24 hours.
const HISTORY_S: i64 = 24 * 3_600;
/// Sites of one answer when the caller names no number.
const DEFAULT_PAGE: usize = 100;
/// Most sites of one answer.
const MAX_PAGE: usize = 1_000;
/// Changes a watcher may be behind before its task waits for it.
const WATCH_QUEUE: usize = 64;

/// Sites over the read side.
#[derive(Debug)]
pub(super) struct Site(pub(super) Reader);

fn to_wire(view: &SiteView) -> WireSite {
    WireSite {
        host: view.host.to_string(),
        target: Some(target_to_wire(&view.target)),
        diagnosis: Some(diagnosis_to_wire(&view.diagnosis)),
        at_us: view.at.0,
        since_us: view.since.0,
        reports_problem: view.reports.problem,
        reports_works: view.reports.works,
        incident: view.incident.as_ref().map(incident_to_wire),
        disagreement: view.disagreement.map_or(0, disagreement_to_wire),
    }
}

impl Site {
    fn host(&self, typed: &str) -> Result<Host, Status> {
        self.0.parse(typed).map(|t| t.host).map_err(|r| refused(&r))
    }

    fn known(&self, host: &Host) -> Result<Arc<SiteView>, Status> {
        self.0.site(host).ok_or_else(|| {
            Status::not_found(format!("nothing is known of {host} yet; a check makes it known"))
        })
    }
}

#[tonic::async_trait]
impl SiteService for Site {
    type WatchSiteStream = Pin<Box<dyn Stream<Item = Result<WatchSiteResponse, Status>> + Send>>;

    async fn get_site(&self, request: Request<GetSiteRequest>) -> Result<Response<GetSiteResponse>, Status> {
        let view = self.known(&self.host(&request.into_inner().site)?)?;
        Ok(Response::new(GetSiteResponse { site: Some(to_wire(&view)) }))
    }

    async fn list_sites(
        &self,
        request: Request<ListSitesRequest>,
    ) -> Result<Response<ListSitesResponse>, Status> {
        let ListSitesRequest { page_size, page_token } = request.into_inner();
        let most = if page_size == 0 { DEFAULT_PAGE } else { (page_size as usize).min(MAX_PAGE) };
        let sites = self.0.sites();
        // Sites come and go between two pages: a page begins after a name, not after a number.
        let rest = sites.iter().filter(|site| site.host.as_str() > page_token.as_str());
        let mut page: Vec<&Arc<SiteView>> = rest.collect();
        page.sort_unstable_by_key(|site| &site.host);
        let is_last = page.len() <= most;
        page.truncate(most);
        let next = page.last().filter(|_| !is_last).map(|last| last.host.to_string()).unwrap_or_default();
        let sites = page.into_iter().map(|site| to_wire(site)).collect();
        Ok(Response::new(ListSitesResponse { sites, next_page_token: next }))
    }

    async fn watch_site(
        &self,
        request: Request<WatchSiteRequest>,
    ) -> Result<Response<Self::WatchSiteStream>, Status> {
        let host = self.host(&request.into_inner().site)?;
        self.known(&host)?;
        let (sender, stream) = mpsc::channel(WATCH_QUEUE);
        let reader = self.0.clone();
        self.0.tasks().spawn("site-watch", async move { follow(&reader, &host, &sender).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn list_history(
        &self,
        request: Request<ListHistoryRequest>,
    ) -> Result<Response<ListHistoryResponse>, Status> {
        let request = request.into_inner();
        let host = self.host(&request.site)?;
        let earliest = self.0.now().plus_secs(-HISTORY_S);
        let since = UnixMicros(request.since_us).max(earliest);
        let minutes = self.0.history(&host, since).await.map_err(|e| unread(&e))?;
        let minute = |m: &crate::read::HistoryMinute| WireMinute {
            at_us: m.at.0,
            results: m.results,
            failures: m.failures,
            first_byte_us: m.first_byte.map_or(0, |us| us.0),
        };
        Ok(Response::new(ListHistoryResponse { minutes: minutes.iter().map(minute).collect() }))
    }

    async fn submit_report(
        &self,
        request: Request<SubmitReportRequest>,
    ) -> Result<Response<SubmitReportResponse>, Status> {
        let from = request.remote_addr().map(|a| a.ip());
        let request = request.into_inner();
        let kind = match request.report {
            Some(Report::Works(true)) => ReportKind::Works,
            Some(Report::Problem(category)) => {
                let category: Option<ReportCategory> = category_from_wire(category);
                ReportKind::Problem(
                    category
                        .ok_or_else(|| Status::invalid_argument("report.problem is no known category"))?,
                )
            }
            Some(Report::Works(false)) | None => {
                return Err(Status::invalid_argument(
                    "a report says either which problem there is, or that it works",
                ));
            }
        };
        let report = ReportInput { site: self.host(&request.site)?, kind, from };
        let counted = self.0.report(report).await.map_err(|e| unread(&e))?;
        Ok(Response::new(SubmitReportResponse { counted }))
    }
}

/// Sends the site now and whenever what is said of it changes, until the reader or the process goes.
async fn follow(reader: &Reader, host: &Host, sender: &mpsc::Sender<Result<WatchSiteResponse, Status>>) {
    let mut changes = reader.changes();
    let soft = reader.tasks().soft().clone();
    let mut said = None;
    loop {
        if let Some(view) = reader.site(host) {
            let now = (view.diagnosis.verdict, view.diagnosis.scopes.clone());
            if said.as_ref() != Some(&now) {
                said = Some(now);
                if !told(sender, WatchSiteResponse { site: Some(to_wire(&view)) }, &soft).await {
                    return;
                }
            }
        }
        tokio::select! {
            next = changes.changed() => if next.is_err() { return },
            () = sender.closed() => return,
            () = soft.cancelled() => return,
        }
    }
}
