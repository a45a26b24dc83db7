//! `parallax incidents`: stretches of time in which a site was not up. Everybody may read them.

use std::io;

use parallax_model::{Incident, IncidentId, UnixMicros};
use parallax_proto::incident_from_wire;
use parallax_proto::v1::incident::incident_service_client::IncidentServiceClient;
use parallax_proto::v1::incident::{GetRequest, ListRequest};
use parallax_runtime::ExitCode;
use serde_json::json;
use tonic::transport::Channel;

use super::{Written, ended, listed};
use crate::cli::{IncidentsAction, IncidentsOptions};
use crate::client::{Failed, MAX_ANSWER_BYTES, Server};
use crate::{probe, term, words};

/// Lists incidents, or shows one.
pub(crate) async fn incidents(options: IncidentsOptions) -> ExitCode {
    ended(match options.action {
        IncidentsAction::List { site, open, limit, server, json } => {
            let request = ListRequest { site: site.unwrap_or_default(), open, page_size: limit };
            list(request, &Server::new(&server.server), json).await
        }
        IncidentsAction::Show { id, server, json } => show(&id, &Server::new(&server.server), json).await,
    })
}

async fn connected(server: &Server) -> Result<IncidentServiceClient<Channel>, Failed> {
    let channel = server.connect().await?;
    Ok(IncidentServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES))
}

async fn list(request: ListRequest, server: &Server, json: bool) -> Written {
    let found = server.call(connected(server).await?.list(request)).await?.incidents;
    let read: Result<Vec<Incident>, _> = found.iter().map(incident_from_wire).collect();
    let incidents = read.map_err(|e| server.unreadable(&e))?;
    if json {
        return Ok(term::line(json!({ "incidents": incidents })));
    }
    let now = probe::now();
    let row = |incident: &Incident| {
        let lasted = lasted(incident, now);
        let (site, opened) = (incident.site.to_string(), words::short_moment(incident.opened_at));
        vec![incident.id.to_string(), incident.worst().to_string(), opened, lasted, site]
    };
    let head = ["INCIDENT", "WORST", "OPENED (UTC)", "LASTED", "SITE"];
    Ok(listed(&head, incidents.iter().map(row).collect(), "No incident is known."))
}

/// How long it lasted, or lasts.
fn lasted(incident: &Incident, now: UnixMicros) -> String {
    match incident.closed_at {
        Some(closed) => words::span(closed.since(incident.opened_at)),
        None => format!("{}, lasts", words::span(now.since(incident.opened_at))),
    }
}

async fn show(id: &str, server: &Server, json: bool) -> Written {
    let id: IncidentId = id.parse().map_err(|e| Failed::new(format!("{e}"), ExitCode::BadInput))?;
    let request = GetRequest { incident_id: id.to_string() };
    let found = server.call(connected(server).await?.get(request)).await?.incident.unwrap_or_default();
    let incident = incident_from_wire(&found).map_err(|e| server.unreadable(&e))?;
    Ok(if json { term::line(json!(incident)) } else { course(&incident) })
}

/// The incident with what was said from when on.
fn course(incident: &Incident) -> io::Result<()> {
    let opened = words::short_moment(incident.opened_at);
    let lasted = lasted(incident, probe::now());
    term::line(format_args!("{} was not up from {opened} UTC on ({lasted}).", incident.site))?;
    for step in &incident.steps {
        let diagnosis = &step.diagnosis;
        term::line("")?;
        let style = term::style(diagnosis.verdict);
        let at = words::short_moment(step.at);
        term::line(format_args!("{at}  {}{}{}", style.render(), diagnosis.verdict, style.render_reset()))?;
        let mut lines = words::wrapped("  ", &diagnosis.sentence);
        if !diagnosis.scopes.is_empty() {
            lines.extend(words::wrapped("  Who: ", &words::scopes(&diagnosis.scopes)));
        }
        if let Some(cause) = &diagnosis.cause {
            let why = format!("{}, {:.0} % sure", cause.kind, cause.confidence.get() * 100.0);
            lines.extend(words::wrapped("  Why: ", &why));
        }
        lines.extend(diagnosis.evidence.iter().flat_map(|line| words::wrapped("    · ", line)));
        lines.iter().try_for_each(term::line)?;
    }
    Ok(())
}
