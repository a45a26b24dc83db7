//! What the extra probes after a failure said, in sentences: for one tester, and counted over all of them.

use parallax_aggregator::CheckRow;
use parallax_model::{ProbeResult, TieBreakers};

use crate::say::Lang;

/// One thing an extra probe can say: its message when true and when false, and how it is read.
type Clue = (&'static str, &'static str, fn(&TieBreakers) -> Option<bool>);

const CLUES: [Clue; 6] = [
    ("clue-static-ok", "clue-static-fails", |t| t.static_ok),
    ("clue-address-current", "clue-address-old", |t| t.address_current),
    ("clue-family-ok", "clue-family-fails", |t| t.other_family_ok),
    ("clue-without-h3-ok", "clue-without-h3-fails", |t| t.without_h3_ok),
    ("clue-port-open", "clue-port-closed", |t| t.other_port_open),
    ("clue-other-address", "clue-other-address", |t| t.other_address.map(|_| true)),
];

/// What one tester's extra probes said.
pub(crate) fn of_result(t: Lang, result: &ProbeResult) -> Vec<String> {
    let said = |(yes, no, of): &Clue| of(&result.tie_breakers).map(|so| t.text(if so { yes } else { no }));
    CLUES.iter().filter_map(said).collect()
}

/// What all of them said: how many of those that were asked.
pub(crate) fn of_rows(t: Lang, rows: &[CheckRow]) -> Vec<String> {
    let mut lines = Vec::new();
    for (yes, no, of) in CLUES {
        let told: Vec<bool> = rows.iter().filter_map(|row| of(&row.result.tie_breakers)).collect();
        for (key, so) in [(yes, true), (no, false)] {
            let n = told.iter().filter(|said| **said == so).count();
            if n > 0 {
                let line = t.with("clue-count").n("n", n).n("total", told.len());
                lines.push(line.s("what", t.text(key)).text());
            }
        }
    }
    lines.extend(zones(t, rows));
    lines.extend(http3(t, rows));
    lines
}

/// Whether the zone's own servers say different serial numbers: a change that is on its way.
fn zones(t: Lang, rows: &[CheckRow]) -> Option<String> {
    let mut serials: Vec<u32> = rows.iter().filter_map(|row| row.result.tie_breakers.soa_serial).collect();
    serials.sort_unstable();
    serials.dedup();
    match serials.as_slice() {
        [] => None,
        [one] => Some(t.with("clue-serial-one").s("serial", one).text()),
        [first, .., last] => Some(t.with("clue-serials").s("first", first).s("last", last).text()),
    }
}

/// How many testers were told that the site speaks HTTP/3.
fn http3(t: Lang, rows: &[CheckRow]) -> Option<String> {
    let told = rows.iter().filter(|row| row.result.h3_advert.is_some()).count();
    (told > 0).then(|| t.with("clue-h3").n("n", told).n("total", rows.len()).text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample_sites;

    #[test]
    fn what_extra_probes_said_is_counted() {
        let mut view = sample_sites().remove(0);
        for (i, row) in view.rows.iter_mut().enumerate().take(3) {
            row.result.tie_breakers.static_ok = Some(i > 0);
            row.result.tie_breakers.soa_serial = Some(7);
            row.result.h3_advert = None;
        }
        for row in &mut view.rows[3..] {
            row.result.tie_breakers = TieBreakers::default();
            row.result.h3_advert = None;
        }
        assert_eq!(
            of_rows(Lang::En, &view.rows),
            [
                "2 of 3 testers: a path that needs no application was answered, so the machine and its front server work.",
                "1 of 3 testers: even a path that needs no application failed.",
                "The zone’s own servers give the serial number 7.",
            ]
        );
        assert_eq!(of_result(Lang::De, &view.rows[0].result).len(), 1);
    }
}
