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
use tonic::server::NamedService as _;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

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
    let (reporter, health) = tonic_health::server::health_reporter();
    core.tasks.spawn("grpc-health", tell_health(reporter, core.tasks.soft().clone()));
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

/// Says of the process and of every service that it serves, until the process is told to stop: whoever asks then goes elsewhere.
/// Before that there is nobody to ask, for the port is opened when everything is ready.
async fn tell_health(reporter: HealthReporter, soft: CancellationToken) {
    let services = [
        "",
        CheckServiceServer::<check::Check>::NAME,
        SiteServiceServer::<site::Site>::NAME,
        IncidentServiceServer::<incident::Incidents>::NAME,
        NetworkServiceServer::<network::Network>::NAME,
        AdminServiceServer::<admin::Admin>::NAME,
    ];
    for service in services {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    soft.cancelled().await;
    for service in services {
        reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
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
    use futures_util::FutureExt as _;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_server::Health as _;
    use tonic_health::server::HealthService;

    use super::*;

    #[tokio::test]
    async fn every_service_is_said_to_serve_until_the_process_stops() {
        let reporter = HealthReporter::new();
        let health = HealthService::from_health_reporter(reporter.clone());
        let check = async |service: &str| {
            let request = HealthCheckRequest { service: service.to_owned() };
            let answer = health.check(tonic::Request::new(request)).await;
            answer.map(|answer| answer.into_inner().status().as_str_name()).map_err(|status| status.code())
        };
        let soft = CancellationToken::new();
        let mut telling = std::pin::pin!(tell_health(reporter, soft.clone()));
        // Polled once, it has said what there is to say and waits for the end.
        assert!(telling.as_mut().now_or_never().is_none());
        for service in ["", "parallax.check.v1.CheckService", "parallax.admin.v1.AdminService"] {
            assert_eq!(check(service).await, Ok("SERVING"), "{service}");
        }
        assert_eq!(
            check("parallax.agent.v1.AgentService").await,
            Err(Code::NotFound),
            "on the other listener"
        );
        soft.cancel();
        telling.await;
        for service in ["", "parallax.check.v1.CheckService", "parallax.admin.v1.AdminService"] {
            assert_eq!(check(service).await, Ok("NOT_SERVING"), "{service}");
        }
    }

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
