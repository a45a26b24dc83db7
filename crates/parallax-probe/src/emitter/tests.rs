use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use super::*;

fn headers(pairs: &BTreeMap<String, String>) -> HeaderMap {
    let pairs = pairs.iter().filter_map(|(name, value)| {
        Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    pairs.collect()
}

#[test]
fn every_emitter_has_a_source_and_its_samples_are_told() {
    for known in known::all() {
        assert!(!known.source.is_empty(), "{} has no source", known.name);
        assert!(!known.sample.is_empty(), "{} has no sample", known.name);
        for (at, sample) in known.sample.iter().enumerate() {
            let told = emitter(Some(sample.status), &headers(&sample.headers), sample.body.as_bytes());
            let which = format!("{} sample {at}: {told:?}", known.name);
            assert_eq!(&*told.emitter.name, sample.emitter.as_deref().unwrap_or(&known.name), "{which}");
            assert_eq!(told.emitter.layer, sample.layer, "{which}");
            assert_eq!(told.emitter.pop.as_ref().map(Pop::as_str), sample.pop.as_deref(), "{which}");
            let via: Vec<&str> = told.emitter.via.iter().map(|v| &**v).collect();
            assert_eq!(via, sample.via, "{which}");
            if let Some(cause) = sample.cause {
                assert_eq!(told.cause, cause, "{which}");
            }
            if let Some(kind) = &sample.kind {
                assert_eq!(told.kind.map(|k| k.to_string()).as_deref(), Some(kind.as_str()), "{which}");
            }
        }
    }
}

#[test]
fn names_of_emitters_are_unique_and_marks_weigh_something() {
    let mut names: Vec<&str> = known::all().iter().map(|k| k.name.as_str()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for known in known::all() {
        assert!(known.is_sound(), "{}", known.name);
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
    assert_eq!(
        told.emitter.via.iter().map(|v| &**v).collect::<Vec<_>>(),
        ["examplecdn", "origin-cache.example", "nginx"]
    );
    assert_eq!(told.kind.map(|k| k.to_string()).as_deref(), Some("http-502"));
}

#[test]
fn nothing_known_is_unknown() {
    let told = emitter(Some(502), &HeaderMap::new(), b"something nobody else writes");
    assert_eq!(told.emitter, Emitter::unknown());
    assert_eq!(told.confidence.get().to_bits(), 0.0_f64.to_bits());
    assert_eq!(emitter(None, &HeaderMap::new(), b"").kind, None);
}

/// One row of the corpus, as much of it as is scored here.
#[derive(serde::Deserialize)]
struct Row {
    id: String,
    status: Option<u16>,
    headers: BTreeMap<String, serde_json::Value>,
    body_prefix: Option<String>,
    emitter: String,
    layer: String,
    cause_acceptable: Vec<String>,
    provenance: String,
}

#[test]
fn the_corpus_is_scored() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora/emitters.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("emitters.jsonl is not here: nothing scored");
        return;
    };
    let (mut all, mut names, mut layers, mut causes) = (0_u32, 0_u32, 0_u32, 0_u32);
    let (mut whole, mut whole_names) = (0_u32, 0_u32);
    for line in text.lines() {
        let row: Row = serde_json::from_str(line).expect("a row");
        let pairs = row
            .headers
            .iter()
            .map(|(n, v)| (n.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)));
        let told =
            emitter(row.status, &headers(&pairs.collect()), row.body_prefix.unwrap_or_default().as_bytes());
        let right = *told.emitter.name == *row.emitter;
        all += 1;
        names += u32::from(right);
        layers += u32::from(right && told.emitter.layer.as_str() == row.layer);
        causes += u32::from(row.cause_acceptable.iter().any(|c| c == told.cause.as_str()));
        if row.provenance != "fingerprint" {
            whole += 1;
            whole_names += u32::from(right);
            if !right {
                println!("{}: {} instead of {}", row.id, told.emitter.name, row.emitter);
            }
        }
    }
    println!(
        "emitter {names}/{all} strict, {whole_names}/{whole} of whole responses; name and layer {layers}/{all}; cause {causes}/{all}"
    );
    assert!(names * 100 >= all * 60, "worse than the Server header alone: {names} of {all}");
}
