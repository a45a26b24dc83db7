//! Reading what an aggregator asks for. What cannot be read is left out and logged: one bad entry must not cost the others.

use std::time::Duration;

use parallax_model::{Family, Protocol};
use parallax_probe::{ProbeRequest, ResolverChoice};
use parallax_proto::v1::agent::{Assign, Assignment, ProbeNow};
use parallax_proto::v1::types;
use parallax_proto::{WireError, check_id_from_wire, target_from_wire};

use crate::runner::Order;

/// How long a check's probe is of use when its message does not say.
const USUAL_USE: Duration = Duration::from_secs(10);
/// The longest it may be of use, whatever its message says.
const LONGEST_USE: Duration = Duration::from_mins(1);

/// A change of the schedule as orders, in the order they must be followed.
pub(crate) fn assign_orders(assign: &Assign) -> Vec<Order> {
    let share = Order::Share(Duration::from_millis(assign.least_interval_ms.into()));
    let set = assign.set.iter().filter_map(|assignment| readable(read_assignment(assignment))).collect();
    if assign.reset {
        return vec![share, Order::Reset(set)];
    }
    let unset = assign.unset.iter().filter_map(|target| readable(target_from_wire(Some(target)))).collect();
    vec![share, Order::Unset(unset), Order::Set(set)]
}

fn read_assignment(assignment: &Assignment) -> Result<(parallax_model::Target, Duration), WireError> {
    let target = target_from_wire(assignment.target.as_ref())?;
    Ok((target, Duration::from_millis(assignment.interval_ms.into())))
}

fn readable<T>(read: Result<T, WireError>) -> Option<T> {
    read.inspect_err(|error| tracing::warn!(%error, "an assignment cannot be read")).ok()
}

/// A check's probe.
pub(crate) fn probe_order(probe: &ProbeNow) -> Result<Order, WireError> {
    let request = ProbeRequest {
        target: target_from_wire(probe.target.as_ref())?,
        check: Some(check_id_from_wire(&probe.check_id)?),
        family: match probe.family() {
            types::Family::V4 => Some(Family::V4),
            types::Family::V6 => Some(Family::V6),
            types::Family::Unspecified => None,
        },
        protocol: match probe.protocol() {
            types::Protocol::H1 => Some(Protocol::H1),
            types::Protocol::H2 => Some(Protocol::H2),
            types::Protocol::H3 => Some(Protocol::H3),
            types::Protocol::Unspecified => None,
        },
        resolver: ResolverChoice::Own,
    };
    let useful = match probe.deadline_ms {
        0 => USUAL_USE,
        ms => Duration::from_millis(ms.into()).min(LONGEST_USE),
    };
    Ok(Order::Probe(request, useful))
}

#[cfg(test)]
mod tests {
    use parallax_model::{CheckId, Target};
    use parallax_proto::target_to_wire;

    use super::*;

    fn target(text: &str) -> Target {
        text.parse().expect("a target")
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let good =
            Assignment { target: Some(target_to_wire(&target("https://a.example/"))), interval_ms: 1_500 };
        let bad = Assignment { target: None, interval_ms: 1 };
        let assign =
            Assign { reset: true, set: vec![bad, good.clone()], least_interval_ms: 9, ..Assign::default() };
        let [Order::Share(share), Order::Reset(set)] = &assign_orders(&assign)[..] else {
            panic!("one reset")
        };
        assert_eq!(*share, Duration::from_millis(9));
        assert_eq!(*set, [(target("https://a.example/"), Duration::from_millis(1_500))]);
        let assign = Assign { set: vec![good], unset: vec![types::Target::default()], ..Assign::default() };
        let [Order::Share(_), Order::Unset(unset), Order::Set(set)] = &assign_orders(&assign)[..] else {
            panic!("three orders")
        };
        assert_eq!((unset.len(), set.len()), (0, 1));
    }

    #[test]
    fn a_checks_probe_is_read() {
        let mut probe = ProbeNow {
            check_id: 7_u128.to_be_bytes().to_vec().into(),
            target: Some(target_to_wire(&target("http://a.example/"))),
            family: types::Family::V6 as i32,
            protocol: types::Protocol::H1 as i32,
            deadline_ms: 250,
        };
        let expected = ProbeRequest {
            target: target("http://a.example/"),
            check: Some(CheckId(7)),
            family: Some(Family::V6),
            protocol: Some(Protocol::H1),
            resolver: ResolverChoice::Own,
        };
        for (deadline_ms, useful) in
            [(250, Duration::from_millis(250)), (0, USUAL_USE), (u32::MAX, LONGEST_USE)]
        {
            probe.deadline_ms = deadline_ms;
            let Ok(Order::Probe(request, found)) = probe_order(&probe) else { panic!("a probe") };
            assert_eq!((request, found), (expected.clone(), useful));
        }
        probe.check_id = Vec::new().into();
        assert!(probe_order(&probe).is_err());
    }

    /// The rows that page, aggregator and agent answer alike.
    const VECTORS: &str = include_str!("../../parallax-policy/vectors/inputs.json");

    /// What an aggregator sends that parses nothing itself: the pieces of the text as they stand.
    fn as_it_stands(input: &str) -> types::Target {
        let (scheme, rest) = match input.split_once("://") {
            Some(("http", rest)) => (types::Scheme::Http, rest),
            Some(("https", rest)) => (types::Scheme::Https, rest),
            // There is no other scheme on the wire.
            _ => (types::Scheme::Https, input.strip_prefix("//").unwrap_or(input)),
        };
        let usual = if scheme == types::Scheme::Http { 80 } else { 443 };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.contains("::") => {
                (host, port.parse().unwrap_or(usual))
            }
            _ => (authority, usual),
        };
        let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = v6.filter(|v6| v6.contains(':')).unwrap_or(host);
        let path = rest.find('/').map_or("/", |slash| &rest[slash..]).split('#').next().unwrap_or_default();
        types::Target { scheme: scheme as i32, host: host.to_owned(), port, path: path.to_owned() }
    }

    /// What becomes of a target: it is not read, or the policy answers.
    fn answered(target: types::Target) -> Result<(), Option<String>> {
        let probe = ProbeNow {
            check_id: 7_u128.to_be_bytes().to_vec().into(),
            target: Some(target),
            ..ProbeNow::default()
        };
        let Ok(Order::Probe(request, _)) = probe_order(&probe) else { return Err(None) };
        let judged = parallax_policy::Policy::public().check_target(&request.target);
        judged.map_err(|refusal| Some(refusal.code().to_string()))
    }

    #[test]
    fn every_row_of_the_policys_table_is_answered_here_too() {
        let rows: Vec<serde_json::Value> = serde_json::from_str(VECTORS).expect("the vectors are JSON");
        let (mut allowed, mut refused, mut wrong) = (0, 0, Vec::new());
        for row in &rows {
            if row["ok"].is_object() {
                let text = format!(
                    "{}://{}:{}{}",
                    row["ok"]["scheme"].as_str().expect("a scheme"),
                    bracketed(row["ok"]["host"].as_str().expect("a host")),
                    row["ok"]["port"],
                    row["ok"]["path"].as_str().expect("a path")
                );
                assert_eq!(answered(target_to_wire(&target(&text))), Ok(()), "{row}");
                allowed += 1;
            } else if let Some(input) = row["input"].as_str() {
                let code = answered(as_it_stands(input)).err();
                // What is no host at all is not read; what is one gets the code of the table, where that is about hosts.
                let about_shape = ["BAD_SYNTAX", "SCHEME_NOT_ALLOWED", "BAD_HOST", "BAD_PORT"];
                let fine = match &code {
                    None => false,
                    Some(None) => true,
                    Some(Some(code)) => {
                        row["code"] == **code || about_shape.iter().any(|c| row["code"] == *c)
                    }
                };
                if !fine {
                    wrong.push(format!("{row}: {code:?}"));
                }
                refused += 1;
            }
        }
        assert!(allowed > 25 && refused > 120, "{allowed} {refused}");
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn bracketed(host: &str) -> String {
        if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
    }
}
