//! Every address of a name in a table, and which family works.

use std::io;

use parallax_model::{Family, Micros, Outcome, ProbeResult};

use crate::{term, words};

/// Writes the table and its conclusion.
pub(super) fn write(results: &[ProbeResult]) -> io::Result<()> {
    for line in table(results) {
        term::line(line)?;
    }
    if let Some(line) = conclusion(results) {
        term::line("")?;
        term::line(line)?;
    }
    Ok(())
}

fn table(results: &[ProbeResult]) -> Vec<String> {
    let heads = ["ADDRESS", "FAMILY", "OUTCOME", "CONNECT", "TOTAL"].map(str::to_owned).to_vec();
    let length = |us: Option<Micros>| us.map_or_else(|| "–".to_owned(), words::length);
    let row = |result: &ProbeResult| {
        // Over QUIC, connecting is the handshake.
        let connected = result.phases.connect.or(result.phases.tls);
        vec![
            result.address.map_or_else(|| "–".to_owned(), |ip| ip.to_string()),
            result.family.map_or_else(|| "–".to_owned(), |family| family.to_string()),
            outcome(result),
            length(connected),
            length(Some(result.phases.total)),
        ]
    };
    words::table(&std::iter::once(heads).chain(results.iter().map(row)).collect::<Vec<_>>())
}

fn outcome(result: &ProbeResult) -> String {
    match (result.outcome, result.status) {
        (outcome, _) if outcome.is_not_applicable() => "not applicable".to_owned(),
        (Outcome::Ok, Some(status)) => format!("ok {status}"),
        (outcome, _) => outcome.to_string(),
    }
}

/// How many addresses of each family work, and whether one family alone fails; nothing to say when nothing was connected to.
fn conclusion(results: &[ProbeResult]) -> Option<String> {
    let judged: Vec<&ProbeResult> =
        results.iter().filter(|r| r.address.is_some() && !r.outcome.is_not_applicable()).collect();
    let count = |family: Family| {
        let of = judged.iter().filter(|r| r.family == Some(family));
        (of.clone().filter(|r| r.outcome.is_ok()).count(), of.count())
    };
    let families = [Family::V6, Family::V4].map(|family| (family, count(family)));
    let known: Vec<String> = families
        .iter()
        .filter(|(_, (_, all))| *all > 0)
        .map(|(family, (ok, all))| {
            format!("{family}: {ok} of {all} {}", if *all == 1 { "works" } else { "work" })
        })
        .collect();
    let alone = match families {
        [(bad, (0, 1..)), (good, (1.., _))] | [(good, (1.., _)), (bad, (0, 1..))] => {
            format!(". {bad} fails while {good} works.")
        }
        _ => ".".to_owned(),
    };
    (!known.is_empty()).then(|| format!("{}{alone}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use parallax_model::{ConnectFailure, Failure, FailureKind, Party, Phases, StatusCode, UnixMicros};

    use super::*;

    /// Addresses, and whether each works.
    type Addresses<'a> = &'a [(&'a str, bool)];

    fn result(ip: &str, ok: bool) -> ProbeResult {
        let kind = FailureKind::Connect(ConnectFailure::Refused);
        let refused = Outcome::Failed(Failure { kind, party: Party::Target });
        let target = "https://example.com/".parse().expect("a target");
        let ip: IpAddr = ip.parse().expect("an address");
        ProbeResult {
            address: Some(ip),
            family: Some(Family::of(ip)),
            status: ok.then(|| StatusCode::new(200).expect("a status")),
            phases: Phases { connect: Some(Micros(1_500)), total: Micros(12_345), ..Phases::default() },
            ..ProbeResult::new(target, UnixMicros(0), if ok { Outcome::Ok } else { refused })
        }
    }

    #[test]
    fn a_line_for_each_address() {
        let expected = [
            "ADDRESS      FAMILY  OUTCOME          CONNECT  TOTAL",
            "2001:db8::1  IPv6    connect-refused  1.50 ms  12.3 ms",
            "192.0.2.1    IPv4    ok 200           1.50 ms  12.3 ms",
        ];
        assert_eq!(table(&[result("2001:db8::1", false), result("192.0.2.1", true)]), expected);
    }

    #[test]
    fn a_family_that_fails_alone_is_named() {
        let (bad6, good6, good4) = (("2001:db8::1", false), ("2001:db8::2", true), ("192.0.2.1", true));
        let cases: [(Addresses<'_>, Option<&str>); 5] = [
            (&[], None),
            (&[good4], Some("IPv4: 1 of 1 works.")),
            (&[bad6, good4], Some("IPv6: 0 of 1 works, IPv4: 1 of 1 works. IPv6 fails while IPv4 works.")),
            (
                &[good6, ("192.0.2.9", false)],
                Some("IPv6: 1 of 1 works, IPv4: 0 of 1 works. IPv4 fails while IPv6 works."),
            ),
            (&[bad6, good6, good4], Some("IPv6: 1 of 2 work, IPv4: 1 of 1 works.")),
        ];
        for (addresses, expected) in cases {
            let results: Vec<_> = addresses.iter().map(|(ip, ok)| result(ip, *ok)).collect();
            assert_eq!(conclusion(&results).as_deref(), expected);
        }
    }
}
