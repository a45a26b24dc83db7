//! What is said of a site, between wire and model: scopes, diagnoses, incidents.

use parallax_model as model;
use parallax_model::UnixMicros;

use super::{
    address_from_wire, address_to_wire, cause_from_wire, cause_to_wire, family_to_wire,
    http_version_from_wire, ip_family_from_wire, network_from_wire, network_to_wire, optional,
    protocol_to_wire, short, verdict_from_wire, verdict_to_wire, visitor_from_wire, visitor_to_wire,
};
use crate::WireError;
use crate::v1::{incident, types};

/// Writes a scope.
pub fn scope_to_wire(scope: &model::Scope) -> types::Scope {
    types::Scope {
        all: scope.all,
        asn: scope.asn.map_or(0, |a| a.0),
        region: scope.region.as_ref().map(|r| r.as_str().to_owned()).unwrap_or_default(),
        country: scope.country.as_ref().map(|c| c.as_str().to_owned()).unwrap_or_default(),
        pop: scope.pop.as_ref().map(|p| p.as_str().to_owned()).unwrap_or_default(),
        family: scope.family.map_or(0, family_to_wire),
        address: scope.address.map(address_to_wire).unwrap_or_default(),
        protocol: scope.protocol.map_or(0, protocol_to_wire),
        resolver: scope.resolver.clone().unwrap_or_default(),
        network: scope.network.map_or(0, |n| network_to_wire(n) as i32),
    }
}

/// Reads a scope.
pub fn scope_from_wire(scope: &types::Scope) -> Result<model::Scope, WireError> {
    let resolver =
        if scope.resolver.is_empty() { None } else { Some(short("scope.resolver", &scope.resolver)?) };
    let read = model::Scope {
        all: scope.all,
        asn: (scope.asn != 0).then_some(model::Asn(scope.asn)),
        region: optional("scope.region", &scope.region)?,
        country: optional("scope.country", &scope.country)?,
        pop: optional("scope.pop", &scope.pop)?,
        family: ip_family_from_wire(scope.family),
        address: address_from_wire("scope.address", &scope.address)?,
        protocol: http_version_from_wire(scope.protocol),
        resolver: resolver.map(|r| r.as_ref().to_owned()),
        network: network_from_wire(scope.network),
    };
    read.validate().map_err(|e| WireError::invalid("scope", e))?;
    Ok(read)
}

/// Writes a diagnosis.
pub fn diagnosis_to_wire(d: &model::Diagnosis) -> types::Diagnosis {
    types::Diagnosis {
        verdict: verdict_to_wire(d.verdict) as i32,
        confidence: d.confidence.get(),
        scopes: d.scopes.iter().map(scope_to_wire).collect(),
        same_coverage: d.same_coverage.iter().map(scope_to_wire).collect(),
        cause: d.cause.as_ref().map(|c| types::Cause {
            kind: cause_to_wire(c.kind) as i32,
            confidence: c.confidence.get(),
            evidence_for: c.evidence_for.clone(),
            evidence_against: c.evidence_against.clone(),
        }),
        visitor: d.visitor.map_or(0, |v| visitor_to_wire(v) as i32),
        sentence: d.sentence.clone(),
        operator_sentence: d.operator_sentence.clone(),
        evidence: d.evidence.clone(),
        missing: d.missing.clone(),
        agents: d.agents,
        failing: d.failing,
    }
}

/// Reads a diagnosis.
pub fn diagnosis_from_wire(d: &types::Diagnosis) -> Result<model::Diagnosis, WireError> {
    let scopes = |list: &[types::Scope]| list.iter().map(scope_from_wire).collect::<Result<Vec<_>, _>>();
    let cause = d.cause.as_ref().and_then(|c| {
        Some(model::Cause {
            kind: cause_from_wire(c.kind)?,
            confidence: model::Confidence::new(c.confidence),
            evidence_for: c.evidence_for.clone(),
            evidence_against: c.evidence_against.clone(),
        })
    });
    Ok(model::Diagnosis {
        verdict: verdict_from_wire(d.verdict).unwrap_or(model::Verdict::Unknown),
        confidence: model::Confidence::new(d.confidence),
        scopes: scopes(&d.scopes)?,
        same_coverage: scopes(&d.same_coverage)?,
        cause,
        visitor: visitor_from_wire(d.visitor),
        sentence: d.sentence.clone(),
        operator_sentence: d.operator_sentence.clone(),
        evidence: d.evidence.clone(),
        missing: d.missing.clone(),
        agents: d.agents,
        failing: d.failing,
    })
}

/// Writes an incident.
pub fn incident_to_wire(i: &model::Incident) -> incident::Incident {
    let step = |s: &model::IncidentStep| incident::IncidentStep {
        at_us: s.at.0,
        diagnosis: Some(diagnosis_to_wire(&s.diagnosis)),
    };
    incident::Incident {
        incident_id: i.id.to_string(),
        site: i.site.as_str().to_owned(),
        opened_at_us: i.opened_at.0,
        closed_at_us: i.closed_at.map_or(0, |t| t.0),
        steps: i.steps.iter().map(step).collect(),
        onset: i.onset.map(|onset| incident::Onset {
            at_us: onset.at.0,
            earliest_us: onset.earliest.0,
            latest_us: onset.latest.0,
        }),
    }
}

/// Reads an incident.
pub fn incident_from_wire(i: &incident::Incident) -> Result<model::Incident, WireError> {
    let step = |s: &incident::IncidentStep| {
        let diagnosis = s.diagnosis.as_ref().ok_or(WireError::Missing("steps.diagnosis"))?;
        Ok(model::IncidentStep { at: UnixMicros(s.at_us), diagnosis: diagnosis_from_wire(diagnosis)? })
    };
    Ok(model::Incident {
        id: i.incident_id.parse().map_err(|e| WireError::invalid("incident_id", e))?,
        site: i.site.parse().map_err(|e| WireError::invalid("site", e))?,
        opened_at: UnixMicros(i.opened_at_us),
        closed_at: (i.closed_at_us != 0).then_some(UnixMicros(i.closed_at_us)),
        steps: i.steps.iter().map(step).collect::<Result<_, WireError>>()?,
        onset: i.onset.map(|onset| model::Onset {
            at: UnixMicros(onset.at_us),
            earliest: UnixMicros(onset.earliest_us),
            latest: UnixMicros(onset.latest_us),
        }),
    })
}
