//! The events of a check, read from the wire; and as JSON, one object a line.

use parallax_model::{Diagnosis, ProbeResult, Target, Vantage};
use parallax_proto::v1::check::check_response::Event as WireEvent;
use parallax_proto::v1::check::{CheckResponse, CheckRow, CheckStarted};
use parallax_proto::v1::types::Vantage as WireVantage;
use parallax_proto::{WireError, diagnosis_from_wire, result_from_wire, target_from_wire, vantage_from_wire};
use serde::{Serialize, Serializer};

use crate::probe::{self, ProbeFacts};

/// One event.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(super) enum Event {
    Started(Started),
    Row(Box<Row>),
    Verdict { diagnosis: Box<Diagnosis> },
    Done { took_us: u64, answered: u32, asked: u32 },
}

/// The check runs.
#[derive(Debug, Serialize)]
pub(super) struct Started {
    pub(super) id: String,
    pub(super) target: Target,
    pub(super) panel: Vec<Tester>,
    pub(super) joined: bool,
    #[serde(rename = "started_at_us")]
    at_us: i64,
}

/// One agent that was asked.
#[derive(Debug, Serialize)]
pub(super) struct Tester {
    agent: String,
    vantage: Vantage,
}

/// What one agent saw.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) agent: String,
    pub(super) vantage: Vantage,
    #[serde(serialize_with = "facts")]
    pub(super) result: ProbeResult,
    after_us: u64,
}

fn facts<S: Serializer>(result: &ProbeResult, serializer: S) -> Result<S::Ok, S::Error> {
    ProbeFacts::new(result, probe::now()).serialize(serializer)
}

impl Event {
    /// Reads one message; `None` for an event that is not told.
    pub(super) fn read(response: &CheckResponse) -> Result<Option<Self>, WireError> {
        response.event.as_ref().map_or(Ok(None), Self::of)
    }

    fn of(event: &WireEvent) -> Result<Option<Self>, WireError> {
        Ok(Some(match event {
            WireEvent::Started(started) => Self::Started(Started::of(started)?),
            WireEvent::Row(row) => Self::Row(Box::new(Row::of(row)?)),
            WireEvent::Verdict(diagnosis) => {
                Self::Verdict { diagnosis: Box::new(diagnosis_from_wire(diagnosis)?) }
            }
            WireEvent::Done(done) => {
                Self::Done { took_us: done.took_us, answered: done.answered, asked: done.asked }
            }
            // A tester is told of once, when its answer stands; the verdict has this in it already.
            WireEvent::SoFar(_) => return Ok(None),
        }))
    }
}

impl Started {
    fn of(started: &CheckStarted) -> Result<Self, WireError> {
        let tester = |agent: &parallax_proto::v1::check::CheckAgent| {
            Ok(Tester { agent: agent.agent_id.clone(), vantage: vantage(agent.vantage.as_ref())? })
        };
        Ok(Self {
            id: started.check_id.clone(),
            target: target_from_wire(started.target.as_ref())?,
            panel: started.panel.iter().map(tester).collect::<Result<_, WireError>>()?,
            joined: started.joined,
            at_us: started.started_at_us,
        })
    }
}

impl Row {
    fn of(row: &CheckRow) -> Result<Self, WireError> {
        Ok(Self {
            agent: row.agent_id.clone(),
            vantage: vantage(row.vantage.as_ref())?,
            result: result_from_wire(row.result.as_ref().ok_or(WireError::Missing("row.result"))?)?,
            after_us: row.after_us,
        })
    }
}

/// A place; an absent one is unknown in every part.
fn vantage(wire: Option<&WireVantage>) -> Result<Vantage, WireError> {
    wire.map_or_else(|| Ok(Vantage::default()), vantage_from_wire)
}
