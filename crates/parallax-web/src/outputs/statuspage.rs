//! `/s/{host}/api/v2/…`: a site's state in the words of Atlassian Statuspage, so that what reads those pages reads ours.
//!
//! What we cannot see is never called operational: the component stays at what was last known to be wrong, else at degraded, and
//! our own field `parallax` says what is the matter.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use data_encoding::HEXLOWER;
use parallax_aggregator::{CheckRow, SiteView};
use parallax_model::{Incident, IncidentStep, UnixMicros, Verdict};
use ring::digest;
use serde_json::{Value, json};

use super::words::{headline, network, region, stamp, told};
use super::{answer, site};
use crate::api::error::ApiError;
use crate::state::{App, Shared};

/// Incidents a list holds at most, as there.
const MAX_INCIDENTS: u32 = 50;
/// The two groups components stand in.
const GROUPS: [&str; 2] = ["Regions", "Networks"];

/// A component's state there, and what it makes of the whole page.
const fn state(verdict: Verdict) -> Option<(&'static str, &'static str)> {
    match verdict {
        Verdict::Up => Some(("operational", "none")),
        Verdict::Degraded => Some(("degraded_performance", "minor")),
        Verdict::Partial | Verdict::Flaky => Some(("partial_outage", "major")),
        Verdict::Down => Some(("major_outage", "critical")),
        Verdict::Blocked | Verdict::Unknown => None,
    }
}

/// What stands for something we cannot see.
const UNSEEN: (&str, &str) = ("degraded_performance", "minor");

/// Everything an answer is made of.
struct Summary {
    base: String,
    view: std::sync::Arc<SiteView>,
    incidents: Vec<Incident>,
    now: UnixMicros,
}

impl Summary {
    async fn of(app: &Shared, typed: &str) -> Result<Self, ApiError> {
        let view = site(app, typed)?;
        let incidents = app.read.incidents(Some(&view.host), false, MAX_INCIDENTS).await?;
        Ok(Self { base: app.base_url.clone(), view, incidents, now: app.read.now() })
    }

    fn page(&self) -> Value {
        let host = self.view.host.as_str();
        json!({
            "id": id(&[host]),
            "name": host,
            "url": format!("{}/s/{host}", self.base),
            "time_zone": "Etc/UTC",
            "updated_at": stamp(self.view.at),
        })
    }

    /// The state of the whole, what we cannot see replaced by what was last known to be wrong.
    fn whole(&self) -> (&'static str, &'static str) {
        let steps = self.incidents.iter().flat_map(|incident| incident.steps.iter().rev());
        let mut known = std::iter::once(self.view.diagnosis.verdict)
            .chain(steps.map(|step| step.diagnosis.verdict).filter(|verdict| *verdict != Verdict::Up));
        known.find_map(state).unwrap_or(UNSEEN)
    }

    fn status(&self) -> Value {
        let (_, indicator) = self.whole();
        json!({ "indicator": indicator, "description": headline(&self.view.diagnosis) })
    }

    fn ours(&self) -> Value {
        let d = &self.view.diagnosis;
        json!({
            "verdict": d.verdict,
            "seen": state(d.verdict).is_some(),
            "testers": d.agents,
            "failing": d.failing,
            "url": format!("{}/s/{}", self.base, self.view.host),
        })
    }

    /// Two groups, and under each its regions or networks.
    fn components(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let names: [fn(&CheckRow) -> String; 2] = [|row| region(&row.vantage), |row| network(&row.vantage)];
        for (group, name) in GROUPS.into_iter().zip(names) {
            let group_id = id(&[self.view.host.as_str(), group]);
            let mut members: BTreeMap<String, Vec<&CheckRow>> = BTreeMap::new();
            for row in &self.view.rows {
                members.entry(name(row)).or_default().push(row);
            }
            let ids: Vec<String> =
                members.keys().map(|name| id(&[self.view.host.as_str(), group, name])).collect();
            let mut header = self.component(&group_id, group, self.whole().0);
            header["group"] = true.into();
            header["components"] = ids.clone().into();
            header["position"] = (all.len() + 1).into();
            all.push(header);
            for ((name, rows), own) in members.iter().zip(ids) {
                let verdict = verdict(rows);
                let mut member = self.component(&own, name, state(verdict).unwrap_or(UNSEEN).0);
                member["group_id"] = group_id.clone().into();
                member["position"] = (all.len() + 1).into();
                member["parallax"] =
                    json!({ "verdict": verdict, "seen": state(verdict).is_some(), "testers": rows.len() });
                all.push(member);
            }
        }
        all
    }

    fn component(&self, id: &str, name: &str, status: &str) -> Value {
        json!({
            "id": id,
            "name": name,
            "status": status,
            "created_at": stamp(self.view.since),
            "updated_at": stamp(self.view.at),
            "position": 1,
            "description": null,
            "showcase": false,
            "start_date": null,
            "group_id": null,
            "page_id": self.page()["id"],
            "group": false,
            "only_show_if_degraded": false,
        })
    }

    fn incidents(&self, open_only: bool) -> Vec<Value> {
        let wanted = self.incidents.iter().filter(|incident| !open_only || incident.closed_at.is_none());
        wanted.map(|incident| self.incident(incident)).collect()
    }

    fn incident(&self, incident: &Incident) -> Value {
        let own = incident.id.to_string();
        let update = |n: usize, status: &str, at: UnixMicros, body: String| {
            json!({
                "id": id(&[&own, &n.to_string()]),
                "status": status,
                "body": body,
                "incident_id": own,
                "created_at": stamp(at),
                "updated_at": stamp(at),
                "display_at": stamp(at),
                "affected_components": null,
            })
        };
        let steps = incident.steps.iter().enumerate();
        let mut updates: Vec<Value> = steps
            .map(|(n, step)| update(n, progress(step), step.at, step.diagnosis.sentence.clone()))
            .collect();
        if let Some(closed) = incident.closed_at {
            updates.push(update(
                updates.len(),
                "resolved",
                closed,
                format!("{} works again.", incident.site),
            ));
        }
        updates.reverse();
        let last = incident.steps.last();
        let status =
            if incident.closed_at.is_some() { "resolved" } else { last.map_or("investigating", progress) };
        let changed = incident.closed_at.or_else(|| last.map(|step| step.at)).unwrap_or(incident.opened_at);
        let monitoring =
            incident.steps.iter().find(|step| progress(step) == "monitoring").map(|step| step.at);
        json!({
            "id": own,
            "name": told(incident, self.now).headline,
            "status": status,
            "impact": state(incident.worst()).unwrap_or(UNSEEN).1,
            "created_at": stamp(incident.opened_at),
            "started_at": stamp(incident.opened_at),
            "updated_at": stamp(changed),
            "monitoring_at": monitoring.map(stamp),
            "resolved_at": incident.closed_at.map(stamp),
            "shortlink": format!("{}/i/{own}", self.base),
            "page_id": self.page()["id"],
            "incident_updates": updates,
            "components": [],
        })
    }
}

/// How far an incident is, in the words there.
const fn progress(step: &IncidentStep) -> &'static str {
    match (step.diagnosis.verdict, &step.diagnosis.cause) {
        (Verdict::Up, _) => "monitoring",
        (_, Some(_)) => "identified",
        _ => "investigating",
    }
}

/// What testers of one region or network see of the site; agents' own failures say nothing of it.
fn verdict(rows: &[&CheckRow]) -> Verdict {
    let seen: Vec<_> = rows.iter().map(|row| row.result.outcome.about_target()).collect();
    let ok = seen.iter().filter(|outcome| outcome.is_ok()).count();
    let kinds: Vec<_> =
        seen.iter().filter_map(|outcome| outcome.kind()).filter(|kind| !kind.is_agent()).collect();
    let failing = kinds.iter().filter(|kind| !kind.is_blocked()).count();
    match (ok, failing) {
        (0, 0) if kinds.is_empty() => Verdict::Unknown,
        (0, 0) => Verdict::Blocked,
        (_, 0) => Verdict::Up,
        (0, _) => Verdict::Down,
        _ => Verdict::Partial,
    }
}

/// Twelve characters that stay the same for the same thing.
fn id(parts: &[&str]) -> String {
    let hash = digest::digest(&digest::SHA256, parts.join("\n").as_bytes());
    HEXLOWER.encode(&hash.as_ref()[..6])
}

fn written(value: &Value, headers: &HeaderMap) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(value).map_err(|_| ApiError::internal())?;
    Ok(answer("application/json", body, headers))
}

/// `GET /s/{host}/api/v2/{what}` and `…/{what}/{which}`.
async fn give(app: &Shared, host: &str, what: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let summary = Summary::of(app, host).await?;
    let page = summary.page();
    let value = match what {
        "summary.json" => json!({
            "page": page,
            "components": summary.components(),
            "incidents": summary.incidents(true),
            "scheduled_maintenances": [],
            "status": summary.status(),
            "parallax": summary.ours(),
        }),
        "status.json" => json!({ "page": page, "status": summary.status(), "parallax": summary.ours() }),
        "components.json" => json!({ "page": page, "components": summary.components() }),
        "incidents.json" => json!({ "page": page, "incidents": summary.incidents(false) }),
        "incidents/unresolved.json" => json!({ "page": page, "incidents": summary.incidents(true) }),
        // Nobody can announce maintenance here yet, so there is none.
        "scheduled-maintenances.json"
        | "scheduled-maintenances/upcoming.json"
        | "scheduled-maintenances/active.json" => json!({ "page": page, "scheduled_maintenances": [] }),
        _ => return Err(ApiError::not_found("answer")),
    };
    written(&value, headers)
}

/// `GET /s/{host}/api/v2/{what}`.
pub(crate) async fn one(
    State(app): App,
    Path((host, what)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    give(&app, &host, &what, &headers).await
}

/// `GET /s/{host}/api/v2/{what}/{which}`.
pub(crate) async fn part(
    State(app): App,
    Path((host, what, which)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    give(&app, &host, &format!("{what}/{which}"), &headers).await
}
