//! What the extra probes after a failure said, each in a line.

use parallax_model::{Family, ProbeResult};

/// The tie-breakers that were asked, under the names of a report's column.
pub(super) fn ties(result: &ProbeResult) -> Vec<(&'static str, String)> {
    let ties = &result.tie_breakers;
    let mut lines = Vec::new();
    let mut say = |name: &'static str, known: Option<bool>, yes: &str, no: &str| {
        lines.extend(known.map(|known| (name, if known { yes } else { no }.to_owned())));
    };
    if let Some(used) = result.family {
        let other = match used {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        };
        let (yes, no) = (format!("{used} fails, {other} works"), format!("{used} fails, and {other} too"));
        say("Families", ties.other_family_ok, &yes, &no);
    }
    say("Over TCP", ties.without_h3_ok, "the site answers without HTTP/3", "no answer either");
    say("/robots.txt", ties.static_ok, "answered: it is the application that fails", "fails too");
    say("Other port", ties.other_port_open, "open: the host is there", "silent too");
    let now =
        ["the zone's own servers still give this address", "the zone's own servers give another address now"];
    say("Zone", ties.address_current, now[0], now[1]);
    lines.extend(ties.soa_serial.map(|serial| ("SOA serial", serial.to_string())));
    lines.extend(ties.other_address.map(|ip| ("Elsewhere", format!("{ip} answers"))));
    lines
}

#[cfg(test)]
mod tests {
    use parallax_model::{Outcome, TieBreakers, UnixMicros};

    use super::*;

    #[test]
    fn what_was_asked_has_a_line() {
        let target = "https://example.com/".parse().expect("a target");
        let mut result = ProbeResult::new(target, UnixMicros(0), Outcome::Ok);
        assert_eq!(ties(&result), []);
        result.family = Some(Family::V6);
        result.tie_breakers = TieBreakers {
            address_current: Some(false),
            soa_serial: Some(7),
            other_address: Some([192, 0, 2, 7].into()),
            other_family_ok: Some(true),
            without_h3_ok: Some(false),
            ..TieBreakers::default()
        };
        let expected = [
            ("Families", "IPv6 fails, IPv4 works"),
            ("Over TCP", "no answer either"),
            ("Zone", "the zone's own servers give another address now"),
            ("SOA serial", "7"),
            ("Elsewhere", "192.0.2.7 answers"),
        ];
        assert_eq!(ties(&result), expected.map(|(name, text)| (name, text.to_owned())));
    }
}
