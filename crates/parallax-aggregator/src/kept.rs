//! A check's events as bytes: the messages of the public contract, so that a kept check is read like a live one.

use std::sync::Arc;
use std::time::Duration;

use parallax_model::UnixMicros;
use parallax_proto::v1::check::check_response::Event;
use parallax_proto::v1::check::{
    CheckAgent, CheckDone, CheckResponse, CheckRow as WireRow, CheckStarted, GetCheckResponse,
};
use parallax_proto::{
    WireError, diagnosis_from_wire, diagnosis_to_wire, result_from_wire, result_to_wire, target_from_wire,
    target_to_wire, vantage_from_wire, vantage_to_wire,
};
use prost::Message as _;

use crate::read::{CheckEvent, CheckRow, PanelMember};

/// One event as a message. `joined` is told in the first one.
pub(crate) fn to_wire(event: &CheckEvent, joined: bool) -> CheckResponse {
    let event = match event {
        CheckEvent::Started { id, target, panel, at } => Event::Started(CheckStarted {
            check_id: id.to_string(),
            target: Some(target_to_wire(target)),
            panel: panel.iter().map(member_to_wire).collect(),
            joined,
            started_at_us: at.0,
        }),
        CheckEvent::SoFar(row) => Event::SoFar(row_to_wire(row)),
        CheckEvent::Row(row) => Event::Row(row_to_wire(row)),
        CheckEvent::Verdict(diagnosis) => Event::Verdict(diagnosis_to_wire(diagnosis)),
        CheckEvent::Done { took, answered, asked } => {
            Event::Done(CheckDone { took_us: micros(*took), answered: *answered, asked: *asked })
        }
    };
    CheckResponse { event: Some(event) }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn row_to_wire(row: &CheckRow) -> WireRow {
    WireRow {
        agent_id: row.agent.to_string(),
        vantage: Some(vantage_to_wire(&row.vantage)),
        result: Some(result_to_wire(&row.result)),
        after_us: micros(row.after),
    }
}

fn member_to_wire(member: &PanelMember) -> CheckAgent {
    CheckAgent { agent_id: member.agent.to_string(), vantage: Some(vantage_to_wire(&member.vantage)) }
}

fn from_wire(response: &CheckResponse) -> Result<CheckEvent, WireError> {
    let agent = |id: &str| id.parse().map_err(|_| WireError::Missing("agent_id"));
    let place = |v: Option<&parallax_proto::v1::types::Vantage>| {
        v.map(vantage_from_wire).transpose().map(Option::unwrap_or_default)
    };
    let row = |r: &WireRow| {
        Ok::<_, WireError>(Box::new(CheckRow {
            agent: agent(&r.agent_id)?,
            vantage: place(r.vantage.as_ref())?,
            result: result_from_wire(r.result.as_ref().ok_or(WireError::Missing("result"))?)?,
            after: Duration::from_micros(r.after_us),
        }))
    };
    Ok(match response.event.as_ref().ok_or(WireError::Missing("event"))? {
        Event::Started(s) => {
            let member = |m: &CheckAgent| {
                Ok(PanelMember { agent: agent(&m.agent_id)?, vantage: place(m.vantage.as_ref())? })
            };
            CheckEvent::Started {
                id: s.check_id.parse().map_err(|_| WireError::Missing("check_id"))?,
                target: target_from_wire(s.target.as_ref())?,
                panel: s.panel.iter().map(member).collect::<Result<_, WireError>>()?,
                at: UnixMicros(s.started_at_us),
            }
        }
        Event::SoFar(r) => CheckEvent::SoFar(row(r)?),
        Event::Row(r) => CheckEvent::Row(row(r)?),
        Event::Verdict(d) => CheckEvent::Verdict(Box::new(diagnosis_from_wire(d)?)),
        Event::Done(d) => {
            CheckEvent::Done { took: Duration::from_micros(d.took_us), answered: d.answered, asked: d.asked }
        }
    })
}

/// All events of a check as bytes.
pub(crate) fn write(events: &[Arc<CheckEvent>]) -> Vec<u8> {
    GetCheckResponse { events: events.iter().map(|e| to_wire(e, false)).collect() }.encode_to_vec()
}

/// Reads what [`write`](fn@write) wrote; `None` when the bytes are something else.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<Arc<CheckEvent>>> {
    let kept = GetCheckResponse::decode(bytes).ok()?;
    kept.events.iter().map(|e| from_wire(e).ok().map(Arc::new)).collect()
}

#[cfg(test)]
mod tests {
    use parallax_model::{CheckId, Diagnosis, Vantage};

    use super::*;
    use crate::window::tests::result;

    #[test]
    fn a_kept_check_reads_as_it_was() {
        let agent: parallax_model::AgentId = "a".parse().expect("an id");
        let row = CheckRow {
            agent: agent.clone(),
            vantage: Vantage::default(),
            result: result(502).as_ref().clone(),
            after: Duration::from_millis(7),
        };
        let events = [
            CheckEvent::Started {
                id: CheckId(5),
                target: result(200).target.clone(),
                panel: vec![PanelMember { agent, vantage: Vantage::default() }],
                at: UnixMicros(9),
            },
            CheckEvent::SoFar(Box::new(row.clone())),
            CheckEvent::Row(Box::new(row)),
            CheckEvent::Verdict(Box::new(Diagnosis::unknown("We cannot tell.", vec!["testers".to_owned()]))),
            CheckEvent::Done { took: Duration::from_secs(1), answered: 1, asked: 1 },
        ]
        .map(Arc::new);
        let read = read(&write(&events)).expect("own bytes");
        assert_eq!(format!("{read:?}"), format!("{:?}", events.to_vec()));
        assert!(super::read(b"no check").is_none());
    }
}
