//! The public gRPC services: thin shells that read a message, ask the read side or the core, and write a message.
//!
//! How a refusal becomes a status is said once, here.

mod admin;
mod check;
mod incident;
mod network;
mod site;

use std::sync::Arc;
use std::time::Duration;

use parallax_proto::v1::admin::admin_service_server::AdminServiceServer;
use parallax_proto::v1::check::check_service_server::CheckServiceServer;
use parallax_proto::v1::incident::incident_service_server::IncidentServiceServer;
use parallax_proto::v1::network::network_service_server::NetworkServiceServer;
use parallax_proto::v1::site::site_service_server::SiteServiceServer;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::service::Routes;
use tonic::{Code, Status};

use crate::core::Core;
use crate::read::{CheckRefusal, ReadError};
use crate::reader::Reader;

/// A watcher that takes nothing for so long is not there any more (T59).
const STALLED: Duration = Duration::from_secs(30);
/// Largest message of the public services, in bytes.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Every public service with health and reflection.
pub(crate) fn routes(core: &Arc<Core>, reader: &Reader) -> Result<Routes, tonic_reflection::server::Error> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(parallax_proto::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let (_, health) = tonic_health::server::health_reporter();
    let check =
        CheckServiceServer::new(check::Check(reader.clone())).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let site =
        SiteServiceServer::new(site::Site(reader.clone())).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let incident = IncidentServiceServer::new(incident::Incidents(reader.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let network = NetworkServiceServer::new(network::Network(reader.clone()))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let admin =
        AdminServiceServer::new(admin::Admin(Arc::clone(core))).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut routes = Routes::builder();
    routes.add_service(check).add_service(site).add_service(incident).add_service(network).add_service(admin);
    routes.add_service(reflection).add_service(health);
    Ok(routes.routes())
}

/// A refused check as a status: INVALID_ARGUMENT with the sentence, or RESOURCE_EXHAUSTED with `retry-after`.
fn refused(refusal: &CheckRefusal) -> Status {
    match refusal {
        CheckRefusal::Input { code, message, .. } => {
            let mut status = Status::new(Code::InvalidArgument, message.clone());
            if let Ok(code) = MetadataValue::try_from(code.as_str()) {
                status.metadata_mut().insert("parallax-code", code);
            }
            status
        }
        CheckRefusal::Busy { retry_after, .. } => {
            let mut status = Status::new(Code::ResourceExhausted, refusal.to_string());
            if let Ok(seconds) = MetadataValue::try_from(retry_after.as_secs().to_string()) {
                status.metadata_mut().insert("retry-after", seconds);
            }
            status
        }
    }
}

/// A failed read as a status; it was logged where it happened.
fn unread(error: &ReadError) -> Status {
    Status::unavailable(error.to_string())
}

/// Sends a watcher its next message; `false` when it is gone, takes nothing, or the process stops.
async fn told<T>(watcher: &mpsc::Sender<Result<T, Status>>, message: T, soft: &CancellationToken) -> bool {
    tokio::select! {
        sent = watcher.send_timeout(Ok(message), STALLED) => sent.is_ok(),
        () = soft.cancelled() => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watcher_that_takes_nothing_is_left() {
        let (watcher, mut reader) = mpsc::channel(1);
        let soft = CancellationToken::new();
        assert!(told(&watcher, 1, &soft).await, "there is room");
        assert!(!told(&watcher, 2, &soft).await, "it waited in vain");
        assert_eq!(reader.recv().await.map(|message| message.is_ok_and(|n| n == 1)), Some(true));
        assert!(told(&watcher, 3, &soft).await, "it reads again");
        soft.cancel();
        assert!(!told(&watcher, 4, &soft).await, "the process stops");
        reader.close();
    }
}
