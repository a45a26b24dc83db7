//! `parallax probe`: one probe from here, without an aggregator; and the prober that `check` looks from here with.

mod addresses;
mod facts;
mod report;
mod ties;

use std::fmt::Display;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use parallax_model::{Family, MAX_ADDRESSES, ProbeResult, Protocol, UnixMicros};
use parallax_policy::{ParsedTarget, Policy, Refusal};
use parallax_probe::{Deadlines, ProbeRequest, Prober, ProberSettings};
use parallax_runtime::{Clock as _, ExitCode, SystemClock};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

pub(crate) use self::facts::ProbeFacts;
pub(crate) use self::report::emitter;
use crate::cli::{ProbeOptions, ProbeSettings};
use crate::client::Failed;
use crate::term;

/// One probe from here.
pub(crate) async fn probe(options: ProbeOptions) -> ExitCode {
    match look(&options).await {
        Ok(written) => term::ended(written),
        Err(failed) => failed.say(),
    }
}

async fn look(options: &ProbeOptions) -> Result<std::io::Result<ExitCode>, Failed> {
    let settings = settings(&options.probe)?;
    let protocol = protocol(&options.probe);
    let parsed =
        parse(&settings.policy.current(), &options.url).map_err(|refusal| refused(&refusal, &options.url))?;
    let request =
        ProbeRequest { family: family(&options.probe), protocol, ..ProbeRequest::new(parsed.target) };
    let now = now();
    let prober = prober(settings)?;
    if options.every_address {
        return Ok(every_address(&prober, &request, options.json).await);
    }
    let mut result = prober.probe(&request, now).await;
    prober.settle_udp(&mut result, now).await;
    ask_other_family(&prober, &request, &mut result).await;
    Ok(if options.json {
        let facts = ProbeFacts::new(&result, now);
        serde_json::to_string(&facts).map_err(Into::into).and_then(term::line).map(|()| ExitCode::Ok)
    } else {
        report::write(&result, now).map(|()| ExitCode::Ok)
    })
}

/// When no family was asked for and one of them failed: whether the other works.
async fn ask_other_family(prober: &Prober, request: &ProbeRequest, result: &mut ProbeResult) {
    let (None, Some(kind), Some(used)) = (request.family, result.outcome.kind(), result.family) else {
        return;
    };
    let other = match used {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    };
    let has_other =
        result.redirects.is_empty() && result.dns.addresses.iter().any(|ip| Family::of(*ip) == other);
    if !has_other || kind.is_agent() || result.outcome.is_not_applicable() {
        return;
    }
    let request = ProbeRequest { family: Some(other), ..request.clone() };
    let works = prober.probe(&request, now()).await.outcome.is_ok();
    result.tie_breakers.other_family_ok = Some(works);
}

/// Each address with a probe of its own.
async fn every_address(prober: &Prober, request: &ProbeRequest, json: bool) -> std::io::Result<ExitCode> {
    let now = now();
    let mut results = prober.probe_each_address(request, now, MAX_ADDRESSES).await;
    for result in &mut results {
        prober.settle_udp(result, now).await;
    }
    if !json {
        return addresses::write(&results).map(|()| ExitCode::Ok);
    }
    for result in &results {
        term::line(serde_json::to_string(&ProbeFacts::new(result, now))?)?;
    }
    Ok(ExitCode::Ok)
}

/// The wall clock's time.
pub(crate) fn now() -> UnixMicros {
    UnixMicros(SystemClock.now_micros())
}

/// The policy of this machine's owner: public, with the ranges they lift by hand.
pub(crate) fn policy(allow_cidr: &[ipnet::IpNet]) -> Policy {
    if allow_cidr.is_empty() { Policy::public() } else { Policy::allowing(allow_cidr.to_vec()) }
}

/// What was typed as a target.
pub(crate) fn parse(policy: &Policy, typed: &str) -> Result<ParsedTarget, Refusal> {
    policy.parse_target(typed)
}

/// A refusal for who may lift it: where `--allow-cidr` would, it says so.
pub(crate) fn refused(refusal: &Refusal, typed: &str) -> Failed {
    let sentence = match lifted_by(typed) {
        Some(range) => format!("{refusal} On a machine of your own, --allow-cidr {range} lifts this."),
        None => refusal.to_string(),
    };
    Failed::new(sentence, ExitCode::BadInput)
}

/// The range that would have to be allowed so that the input is accepted; `None` when no range would do.
fn lifted_by(typed: &str) -> Option<String> {
    let everything = ["0.0.0.0/0", "::/0"].iter().filter_map(|net| net.parse().ok()).collect();
    let parsed = Policy::allowing(everything).parse_target(typed).ok()?;
    Some(match parsed.target.host.ip() {
        Some(IpAddr::V4(v4)) => format!("{v4}/32"),
        Some(IpAddr::V6(v6)) => format!("{v6}/128"),
        None => "RANGE".to_owned(),
    })
}

/// The family that was asked for.
pub(crate) const fn family(options: &ProbeSettings) -> Option<Family> {
    match (options.ipv4, options.ipv6) {
        (true, _) => Some(Family::V4),
        (_, true) => Some(Family::V6),
        _ => None,
    }
}

/// The HTTP version that was asked for.
pub(crate) fn protocol(options: &ProbeSettings) -> Option<Protocol> {
    options.http.as_deref().map(|version| match version {
        "1.1" => Protocol::H1,
        "2" => Protocol::H2,
        _ => Protocol::H3,
    })
}

/// The settings of a prober from the command line.
pub(crate) fn settings(options: &ProbeSettings) -> Result<ProberSettings, Failed> {
    let mut settings = ProberSettings::new(policy(&options.allow_cidr));
    settings.resolve = parsed(&options.resolve, "--resolve")?;
    settings.connect_to = parsed(&options.connect_to, "--connect-to")?;
    if let Some(file) = &options.ca {
        settings.extra_roots = roots(file)?;
    }
    settings.deadlines = deadlines(Duration::from_secs(options.timeout));
    Ok(settings)
}

/// The prober itself.
pub(crate) fn prober(settings: ProberSettings) -> Result<Prober, Failed> {
    Prober::new(settings).map_err(|error| {
        let sentence = format!("probing from here is not possible: {}", term::chain(&error));
        Failed::new(sentence, ExitCode::BadConfig)
    })
}

fn parsed<T: FromStr>(texts: &[String], option: &str) -> Result<Vec<T>, Failed>
where
    T::Err: Display,
{
    let read = |text: &String| {
        text.parse().map_err(|error| Failed::new(format!("{option}: {error}"), ExitCode::Usage))
    };
    texts.iter().map(read).collect()
}

fn roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failed> {
    let wrong =
        |why: &dyn Display| Failed::new(format!("--ca {}: {why}", file.display()), ExitCode::BadConfig);
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match found {
        Ok(roots) if roots.is_empty() => Err(wrong(&"there is no certificate in it")),
        Ok(roots) => Ok(roots),
        Err(error) => Err(wrong(&error)),
    }
}

/// The usual deadlines, each at most `whole` long.
fn deadlines(whole: Duration) -> Deadlines {
    let usual = Deadlines::default();
    Deadlines {
        dns: usual.dns.min(whole),
        connect: usual.connect.min(whole),
        tls: usual.tls.min(whole),
        first_byte: usual.first_byte.min(whole),
        body: usual.body.min(whole),
        whole,
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_range_that_would_lift_it() {
        let cases = [
            ("http://127.0.0.1:8000/", Some("127.0.0.1/32")),
            ("http://[::1]/", Some("::1/128")),
            ("https://example.com:8443/", Some("RANGE")),
            ("ftp://example.com/", None),
            ("localhost", None),
        ];
        for (typed, expected) in cases {
            assert_eq!(lifted_by(typed).as_deref(), expected, "{typed}");
        }
    }

    #[test]
    fn a_short_timeout_shortens_every_phase() {
        let short = deadlines(Duration::from_secs(2));
        assert_eq!(
            [short.dns, short.connect, short.tls, short.first_byte, short.body],
            [Duration::from_secs(2); 5]
        );
        let long = deadlines(Duration::from_mins(1));
        assert_eq!((long.whole, long.dns), (Duration::from_mins(1), Deadlines::default().dns));
    }
}
