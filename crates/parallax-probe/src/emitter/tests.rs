use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::known::{EXPRESSIONS, MARKS, Mark};
use super::*;

/// The files again, for the answers that stand in them.
const FILES: [&str; 8] = [
    include_str!("../../fingerprints/edges.toml"),
    include_str!("../../fingerprints/gateways.toml"),
    include_str!("../../fingerprints/firewalls.toml"),
    include_str!("../../fingerprints/platforms.toml"),
    include_str!("../../fingerprints/origins.toml"),
    include_str!("../../fingerprints/middleboxes.toml"),
    include_str!("../../fingerprints/blockpages.toml"),
    include_str!("../../fingerprints/regulators.toml"),
];

#[derive(Deserialize)]
struct File {
    emitter: Vec<Sampled>,
}

/// What only the tests want of a fingerprint.
#[derive(Deserialize)]
struct Sampled {
    name: String,
    source: String,
    #[serde(default)]
    sample: Vec<Sample>,
}

/// An answer with what must be found in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// The writer, when it is another.
    emitter: Option<String>,
    /// Where the writer stands, when it is not where such emitters usually do.
    layer: Option<Layer>,
    pop: Option<String>,
    #[serde(default)]
    via: Vec<String>,
    cause: Option<ResponseCause>,
    kind: Option<String>,
}

/// Every fingerprint with its samples.
fn all() -> Vec<(&'static Fingerprint, Sampled)> {
    let read = |text: &str| toml::from_str::<File>(text).expect("a fingerprint file").emitter;
    let all: Vec<_> = FINGERPRINTS.iter().zip(FILES.into_iter().flat_map(read)).collect();
    assert_eq!(all.len(), FINGERPRINTS.len());
    assert!(all.iter().all(|(known, sampled)| known.name == sampled.name), "the order is the files'");
    all
}

fn headers(pairs: &BTreeMap<String, String>) -> HeaderMap {
    let pairs = pairs.iter().filter_map(|(name, value)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    pairs.collect()
}

fn via_of(told: &Explained) -> Vec<&str> {
    told.emitter.via.iter().map(|v| &**v).collect()
}

#[test]
fn every_emitter_has_a_source_and_its_samples_are_told() {
    let mut wrong = Vec::new();
    for (known, Sampled { source, sample, .. }) in all() {
        assert!(!source.is_empty(), "{} has no source", known.name);
        assert!(!sample.is_empty(), "{} has no sample", known.name);
        for (at, sample) in sample.iter().enumerate() {
            let told = emitter(Some(sample.status), &headers(&sample.headers), sample.body.as_bytes());
            let usual = || known.layer.layer(Some(sample.status));
            let right = *told.emitter.name == *sample.emitter.as_deref().unwrap_or(known.name)
                && told.emitter.layer == sample.layer.unwrap_or_else(usual)
                && told.emitter.pop.as_ref().map(Pop::as_str) == sample.pop.as_deref()
                && via_of(&told) == sample.via
                && sample.cause.is_none_or(|cause| told.cause == cause)
                && (sample.kind.is_none() || told.kind.map(|kind| kind.to_string()) == sample.kind);
            if !right {
                wrong.push(format!("{} sample {at}: {told:?}", known.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nobody else may claim a sample as firmly as the one it belongs to.
#[test]
fn a_sample_is_recognised_by_its_own_fingerprint_and_by_no_other() {
    let mut wrong = Vec::new();
    for (known, Sampled { sample, .. }) in all() {
        for sample in sample.iter().filter(|sample| sample.emitter.is_none()) {
            let pairs = headers(&sample.headers);
            let answer = Answer::new(Some(sample.status), &pairs, sample.body.as_bytes());
            assert_eq!(index::missed(&answer).len(), 0, "the index passes over marks of {}", known.name);
            let fits = index::fits(&answer);
            let own = fits.iter().find(|fit| fit.known.name == known.name).map_or(0, |fit| fit.weight);
            let rivals = fits.iter().filter(|fit| fit.known.name != known.name && fit.weight >= own);
            wrong.extend(rivals.map(|fit| (known.name, own, fit.known.name, fit.weight)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn names_of_emitters_are_unique_and_marks_weigh_something() {
    let mut names: Vec<&str> = FINGERPRINTS.iter().map(|known| known.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FINGERPRINTS.len());
    let sound = |mark: &Mark| (mark.passes || (1..=100).contains(&mark.weight)) && mark.looks();
    for mark in &MARKS {
        assert!(sound(mark), "{}: {mark:?}", FINGERPRINTS[usize::from(mark.who)].name);
    }
}

/// They are made ready when they are first needed, which is too late to learn that one is broken.
#[test]
fn every_expression_can_be_made_ready() {
    for expression in &EXPRESSIONS {
        assert!(!expression.fits(b""), "{expression:?} fits nothing at all");
    }
}

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

/// One answer of `fingerprints/cases.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    emitter: String,
    layer: Layer,
    #[serde(default)]
    via: Vec<String>,
    pop: Option<String>,
    cause: Option<ResponseCause>,
    kind: Option<String>,
}

#[test]
fn whole_answers_are_told_and_look_alikes_are_no_blocks() {
    let cases: Cases = toml::from_str(include_str!("../../fingerprints/cases.toml")).expect("the cases");
    for case in cases.case {
        let told = emitter(Some(case.status), &headers(&case.headers), case.body.as_bytes());
        let which = format!("{}: {told:?}", case.name);
        assert_eq!(*told.emitter.name, *case.emitter, "{which}");
        assert_eq!(told.emitter.layer, case.layer, "{which}");
        assert_eq!(via_of(&told), case.via, "{which}");
        assert_eq!(told.emitter.pop.as_ref().map(Pop::as_str), case.pop.as_deref(), "{which}");
        assert_eq!(told.cause, case.cause.unwrap_or(ResponseCause::Unknown), "{which}");
        assert_eq!(told.kind.map(|k| k.to_string()), case.kind, "{which}");
    }
}

#[test]
fn proxy_status_decides_over_every_other_mark() {
    let pairs = [
        ("server", "nginx"),
        ("proxy-status", "origin-cache.example, \"Cloudflare-Proxy\";error=dns_error, ExampleCDN"),
        ("cf-ray", "9f00aa11bb22cc33-FRA"),
    ];
    let pairs = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter().collect();
    let told = emitter(Some(502), &headers(&pairs), b"<center>nginx</center>");
    assert_eq!(&*told.emitter.name, "cloudflare");
    assert_eq!(told.emitter.layer, Layer::Edge);
    assert_eq!(told.emitter.pop.as_ref().map(Pop::as_str), Some("FRA"));
    assert_eq!(told.cause, ResponseCause::Dns);
    assert_eq!(via_of(&told), ["examplecdn", "origin-cache.example", "nginx"]);
    assert_eq!(told.kind.map(|k| k.to_string()).as_deref(), Some("http-502"));
}

#[test]
fn nothing_known_is_unknown() {
    let told = emitter(Some(502), &HeaderMap::new(), b"something nobody else writes");
    assert_eq!(told.emitter, Emitter::unknown());
    assert_eq!(told.confidence.get().to_bits(), 0.0_f64.to_bits());
    assert_eq!(emitter(None, &HeaderMap::new(), b"").kind, None);
}

#[test]
fn a_hostile_head_and_page_are_no_matter() {
    let pairs: BTreeMap<String, String> = (0..64)
        .map(|n| (format!("x-{n}"), "*".repeat(512)))
        .chain([("server".to_owned(), "*".to_owned())])
        .collect();
    let flood = "<title>access denied blocked доступ к ресурсу ".repeat(4_000);
    let told = emitter(Some(503), &headers(&pairs), flood.as_bytes());
    assert!(told.evidence.len() <= MAX_EVIDENCE && told.emitter.via.len() <= MAX_VIA);
    assert!(emitter(Some(200), &headers(&pairs), &[0xD0; 9_000]).kind.is_none());
}
