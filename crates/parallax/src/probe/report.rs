//! One result for people: what came out, every fact, and where the time went.

use std::io;

use anstyle::Style;
use parallax_model::{
    BlockedFailure, DnsFacts, Emitter, FailureKind, H3Advert, Layer, Micros, Outcome, Party, Phases,
    ProbeResult, Protocol, Scheme, TlsFacts, UnixMicros,
};

use super::{facts, ties};
use crate::{term, words};

/// Width of the column with the facts' names.
const NAME: usize = 12;
/// Width of the bar of the longest phase, in characters.
const BAR: u64 = 50;
/// Parts of a character a bar is drawn in.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Writes the whole report.
pub(super) fn write(result: &ProbeResult, now: UnixMicros) -> io::Result<()> {
    let (style, headline) = headline(result);
    term::line(format_args!("{}{headline}{}", style.render(), style.render_reset()))?;
    for (name, value) in facts_of(result, now) {
        for line in words::wrapped(&format!("{name:NAME$}"), &value) {
            term::line(line)?;
        }
    }
    if result.phases.total.0 > 0 {
        term::line("")?;
        for line in phases(&result.phases, result.protocol) {
            term::line(line)?;
        }
    }
    Ok(())
}

fn headline(result: &ProbeResult) -> (Style, String) {
    let total = words::length(result.phases.total);
    match result.outcome {
        Outcome::Ok => {
            let status = result.status.map(|s| format!("{s} ")).unwrap_or_default();
            (term::GOOD, format!("● Works: {status}in {total}"))
        }
        outcome if outcome.is_not_applicable() => {
            let why =
                "nothing here gets through over UDP, so HTTP/3 cannot be judged; over TCP the site answers";
            (term::DIM, format!("○ Not applicable: {why} ({outcome} after {total})"))
        }
        Outcome::Failed(failure) => {
            let whose = match failure.party {
                Party::Target => ", the target's failure",
                Party::Resolver => ", the resolver's failure",
                Party::AccessNetwork => ", the network's on the way",
                Party::Agent => ", on this side",
                Party::Unknown => "",
            };
            let (style, glyph, word) = match failure.kind {
                FailureKind::Blocked(BlockedFailure::Address) | FailureKind::Agent(_) => {
                    (term::DIM, '○', "Not probed")
                }
                FailureKind::Blocked(_) => (term::WARN, '◆', "Refuses"),
                _ => (term::BAD, '■', "Fails"),
            };
            (style, format!("{glyph} {word}: {} after {total}{whose}", failure.kind))
        }
    }
}

/// Every fact that is known, in the order of the probe.
fn facts_of(result: &ProbeResult, now: UnixMicros) -> Vec<(&'static str, String)> {
    let redirects = result.redirects.iter().map(|r| ("Redirect", format!("{} → {}", r.status, r.to)));
    let mut facts = vec![("URL", result.target.to_string())];
    facts.extend(redirects);
    facts.extend(dns(&result.dns).map(|text| ("DNS", text)));
    facts.extend(addresses(result).map(|text| ("Address", text)));
    facts.extend(protocol(result).map(|text| ("Protocol", text)));
    facts.extend(h3_advert(result).map(|text| ("HTTP/3", text)));
    facts.extend(result.tls.as_ref().map(|t| ("TLS", tls(t, now))));
    facts.extend(result.emitter.as_ref().map(|e| ("Written by", emitter(e))));
    facts.extend(result.body.as_ref().map(|body| {
        let more = if body.truncated { ", and there was more" } else { "" };
        let hash = facts::sha256(body);
        ("Body", format!("{} bytes{more}, SHA-256 {}…", body.length, hash.get(..16).unwrap_or_default()))
    }));
    facts.extend(result.retry_after_s.map(|s| ("Retry-After", format!("{s} s"))));
    facts.extend(ties::ties(result));
    facts.extend(result.detail.as_ref().map(|detail| ("Detail", words::plain(detail).into_owned())));
    if result.outcome.kind() == Some(FailureKind::Blocked(BlockedFailure::Address)) {
        facts.push(("Hint", "--allow-cidr RANGE lifts this for ranges of your own".to_owned()));
    }
    facts
}

fn dns(dns: &DnsFacts) -> Option<String> {
    let resolver = dns.resolver.as_ref()?;
    let who = match resolver.as_ref() {
        "isp" => "this machine's own resolver".to_owned(),
        name => words::plain(name).into_owned(),
    };
    let aliases: String = dns.cnames.iter().flat_map(|alias| [" → ", alias.as_ref()]).collect();
    let ttl = dns.ttl_left_s.map(|ttl| format!(", good for {ttl} s")).unwrap_or_default();
    Some(format!("answered by {who}{}{ttl}", words::plain(&aliases)))
}

fn addresses(result: &ProbeResult) -> Option<String> {
    let used = result.address.map(|ip| ip.to_string());
    let others: Vec<String> = result
        .dns
        .addresses
        .iter()
        .filter(|ip| Some(**ip) != result.address)
        .map(ToString::to_string)
        .collect();
    match (used, others.is_empty()) {
        (Some(used), true) => Some(used),
        (Some(used), false) => Some(format!("{used}, also {}", others.join(" "))),
        (None, false) => Some(format!("none of {}", others.join(" "))),
        (None, true) => None,
    }
}

fn protocol(result: &ProbeResult) -> Option<String> {
    match (result.protocol, result.family) {
        (Some(protocol), Some(family)) => Some(format!("{} over {family}", protocol.in_words())),
        (Some(protocol), None) => Some(protocol.in_words().to_owned()),
        (None, family) => family.map(|family| family.to_string()),
    }
}

/// Whether the site says that it speaks HTTP/3; nothing where it could not have said so, or need not.
fn h3_advert(result: &ProbeResult) -> Option<String> {
    let over_tcp = result.status.is_some() && result.protocol != Some(Protocol::H3);
    let asked = result.target.scheme == Scheme::Https && over_tcp;
    let said = match result.h3_advert {
        Some(H3Advert::AltSvc) => "advertised by an Alt-Svc header",
        Some(H3Advert::HttpsRecord) => "advertised by an HTTPS record",
        None => "not advertised",
    };
    (asked || result.h3_advert.is_some()).then(|| said.to_owned())
}

fn tls(tls: &TlsFacts, now: UnixMicros) -> String {
    let ends = match facts::days_left(tls, now) {
        days @ 0.. => format!("ends in {days} days"),
        days => format!("ended {} days ago", -days),
    };
    let alpn = tls.alpn.as_deref().map(|alpn| format!(", ALPN {}", words::plain(alpn))).unwrap_or_default();
    let day = words::short_moment(tls.not_after);
    let subject = if tls.subject.is_empty() { String::new() } else { format!(" of {}", tls.subject) };
    let names: Vec<&str> = tls.names.iter().map(AsRef::as_ref).collect();
    format!(
        "{}{alpn}; certificate{} by {}, {ends} ({}), for {}",
        words::plain(&tls.version),
        words::plain(&subject),
        words::plain(&tls.issuer),
        day.get(..10).unwrap_or(&day),
        words::plain(&names.join(" ")),
    )
}

/// Who wrote an answer, in one line: `nginx (gateway, PoP FRA), passed on by varnish`.
pub(crate) fn emitter(emitter: &Emitter) -> String {
    let layer = (emitter.layer != Layer::Unknown).then(|| emitter.layer.to_string());
    let pop = emitter.pop.as_ref().map(|pop| format!("PoP {pop}"));
    let known: Vec<String> = [layer, pop].into_iter().flatten().collect();
    let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    let via: Vec<&str> = emitter.via.iter().map(AsRef::as_ref).collect();
    let via = if via.is_empty() { String::new() } else { format!(", passed on by {}", via.join(", ")) };
    words::plain(&format!("{}{known}{via}", emitter.name)).into_owned()
}

/// The phases that were reached, each with its bar.
fn phases(phases: &Phases, protocol: Option<Protocol>) -> Vec<String> {
    let handshake = if protocol == Some(Protocol::H3) { "quic" } else { "tls" };
    let named = [
        ("dns", phases.dns),
        ("connect", phases.connect),
        (handshake, phases.tls),
        ("first byte", phases.first_byte),
        ("body", phases.body),
        ("total", Some(phases.total)),
    ];
    let longest = phases.total.0.max(1);
    let line = |(name, us): (&str, Micros)| {
        format!("{name:NAME$}{:>9}  {}", words::length(us), bar(us.0, longest)).trim_end().to_owned()
    };
    named.into_iter().filter_map(|(name, us)| us.map(|us| line((name, us)))).collect()
}

/// A bar of `value` where `longest` is [`BAR`] characters, to an eighth of a character; nothing that took time is left blank.
fn bar(value: u32, longest: u32) -> String {
    let eighths = (u64::from(value.min(longest)) * BAR * 8).div_ceil(u64::from(longest));
    let whole = usize::try_from(eighths / 8).unwrap_or_default();
    let mut bar = "█".repeat(whole);
    if let Some(part) = usize::try_from(eighths % 8).ok().and_then(|rest| rest.checked_sub(1)) {
        bar.push(EIGHTHS[part]);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_proportional() {
        assert_eq!(bar(0, 100), "");
        assert_eq!(bar(100, 100), "█".repeat(50));
        assert_eq!(bar(50, 100), "█".repeat(25));
        assert_eq!(bar(1, 1_000_000), "▏");
        assert_eq!(bar(200, 100), "█".repeat(50));
    }

    #[test]
    fn reached_phases_have_a_line() {
        let reached = Phases {
            connect: Some(Micros(500)),
            first_byte: Some(Micros(1_500)),
            total: Micros(2_000),
            ..Phases::default()
        };
        let half = "█".repeat(12);
        let expected = [
            format!("connect        500 µs  {half}▌"),
            format!("first byte    1.50 ms  {}▌", "█".repeat(37)),
            format!("total         2.00 ms  {}", "█".repeat(50)),
        ];
        assert_eq!(phases(&reached, None), expected);
        let quic = Phases { tls: Some(Micros(7)), total: Micros(7), ..Phases::default() };
        assert!(phases(&quic, Some(Protocol::H3))[0].starts_with("quic             7 µs"));
    }
}
