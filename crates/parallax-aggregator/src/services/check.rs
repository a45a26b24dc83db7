//! `CheckService`.

use std::pin::Pin;

use parallax_proto::v1::check::check_service_server::CheckService;
use parallax_proto::v1::check::{CheckRequest, CheckResponse, GetCheckRequest, GetCheckResponse};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::{refused, unread};
use crate::kept::to_wire;
use crate::read::{CheckStream, ReadSide as _};
use crate::reader::Reader;

/// Checks over the read side.
#[derive(Debug)]
pub(super) struct Check(pub(super) Reader);

#[tonic::async_trait]
impl CheckService for Check {
    type CheckStream = Pin<Box<dyn Stream<Item = Result<CheckResponse, Status>> + Send>>;

    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<Self::CheckStream>, Status> {
        let from = request.remote_addr().map(|peer| peer.ip());
        let events = self.0.check(&request.into_inner().site, from).await.map_err(|r| refused(&r))?;
        // Pulled by the reader: a slow one holds nothing but its own place in the check's bounded queue.
        let stream = futures_util::stream::unfold(events, |mut events: CheckStream| async {
            let event = events.next().await?;
            let joined = events.joined;
            Some((Ok(to_wire(&event, joined)), events))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_check(
        &self,
        request: Request<GetCheckRequest>,
    ) -> Result<Response<GetCheckResponse>, Status> {
        let id = request.into_inner().check_id.parse();
        let id = id.map_err(|e: parallax_model::IdError| Status::invalid_argument(e.to_string()))?;
        let found = self.0.find_check(id).await.map_err(|e| unread(&e))?;
        let check = found.ok_or_else(|| {
            Status::not_found("there is no check of this id; checks are kept for seven days")
        })?;
        Ok(Response::new(GetCheckResponse {
            events: check.past().iter().map(|e| to_wire(e, true)).collect(),
        }))
    }
}
