//! `IncidentService`.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use parallax_model::{Host, Incident, IncidentId};
use parallax_proto::incident_to_wire;
use parallax_proto::v1::incident::incident_service_server::IncidentService;
use parallax_proto::v1::incident::{
    GetRequest, GetResponse, ListRequest, ListResponse, WatchRequest, WatchResponse,
};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{refused, told, unread};
use crate::read::{ReadSide as _, SiteView};
use crate::reader::Reader;

/// Incidents of one answer when the caller names no number.
const DEFAULT_PAGE: u32 = 50;
/// Most incidents of one answer.
const MAX_PAGE: u32 = 1_000;
/// Changes a watcher may be behind before its task waits for it.
const WATCH_QUEUE: usize = 64;

/// Incidents over the read side.
#[derive(Debug)]
pub(super) struct Incidents(pub(super) Reader);

fn site(reader: &Reader, typed: &str) -> Result<Option<Host>, Status> {
    if typed.is_empty() {
        Ok(None)
    } else {
        reader.parse(typed).map(|t| Some(t.host)).map_err(|r| refused(&r))
    }
}

#[tonic::async_trait]
impl IncidentService for Incidents {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let request = request.into_inner();
        let site = site(&self.0, &request.site)?;
        let limit = if request.page_size == 0 { DEFAULT_PAGE } else { request.page_size.min(MAX_PAGE) };
        let found = self.0.incidents(site.as_ref(), request.open, limit).await.map_err(|e| unread(&e))?;
        Ok(Response::new(ListResponse { incidents: found.iter().map(incident_to_wire).collect() }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let id = request.into_inner().incident_id.parse();
        let id = id.map_err(|e: parallax_model::IdError| Status::invalid_argument(e.to_string()))?;
        let found = self.0.incident(id).await.map_err(|e| unread(&e))?;
        let found = found.ok_or_else(|| Status::not_found("there is no incident of this id"))?;
        Ok(Response::new(GetResponse { incident: Some(incident_to_wire(&found)) }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let site = site(&self.0, &request.into_inner().site)?;
        let (sender, stream) = mpsc::channel(WATCH_QUEUE);
        let reader = self.0.clone();
        self.0.tasks().spawn("incident-watch", async move { follow(&reader, site, &sender).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Sends what is open, then whatever changed, until the reader or the process goes.
async fn follow(reader: &Reader, site: Option<Host>, sender: &mpsc::Sender<Result<WatchResponse, Status>>) {
    let mut changes = reader.changes();
    let soft = reader.tasks().soft().clone();
    let mut sent = Open::new();
    loop {
        let open = open(reader, site.as_ref());
        let mut news: Vec<Incident> =
            open.iter().filter_map(|(id, view)| changed(sent.get(id), view)).collect();
        for gone in sent.keys().filter(|id| !open.contains_key(*id)) {
            if let Ok(Some(closed)) = reader.incident(*gone).await {
                news.push(closed);
            }
        }
        for incident in news {
            if !told(sender, WatchResponse { incident: Some(incident_to_wire(&incident)) }, &soft).await {
                return;
            }
        }
        sent = open;
        tokio::select! {
            next = changes.changed() => if next.is_err() { return },
            () = sender.closed() => return,
            () = soft.cancelled() => return,
        }
    }
}

/// The sites that have an open incident, by its id: the published views themselves, since every watcher keeps such a list.
type Open = BTreeMap<IncidentId, Arc<SiteView>>;

fn open(reader: &Reader, site: Option<&Host>) -> Open {
    let sites = reader.sites();
    let wanted = sites.iter().filter(|view| site.is_none_or(|host| *host == view.host));
    wanted.filter_map(|view| Some((view.incident.as_ref()?.id, Arc::clone(view)))).collect()
}

/// The incident as it is now, where it is not as it was sent.
fn changed(sent: Option<&Arc<SiteView>>, now: &Arc<SiteView>) -> Option<Incident> {
    let same = sent.is_some_and(|sent| Arc::ptr_eq(sent, now) || sent.incident == now.incident);
    if same { None } else { now.incident.clone() }
}
