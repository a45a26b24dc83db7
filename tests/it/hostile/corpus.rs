//! The corpus of TLS conditions, where it lies beside the repository: which of them are played, and that both agree on how
//! each ends.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use parallax_lab::hostile::behaviours;
use serde_json::Value;

/// Which behaviour plays a condition. Rows of the corpus that are not here are counted as not played.
const PLAYED: &[(&str, &str)] = &[
    ("tls-expired", "cert-expired"),
    ("tls-untrusted-root", "cert-unknown-root"),
    ("tls-blocked-interception", "cert-unknown-root"),
    ("tls-captive-portal", "cert-unknown-root"),
    ("tls-webpack-dev-server", "cert-self-signed"),
    ("tls-pinning-test", "cert-sound"),
    ("tls-invalid-expected-sct", "cert-sound"),
    ("tls-no-sct", "cert-sound"),
    ("tls-extended-validation", "cert-sound"),
    ("tls-mozilla-intermediate", "cert-sound"),
    ("tls-upgrade", "cert-sound"),
    ("tls-long-extended-subdomain-name-containing-many-letters-and-dashes", "cert-sound"),
    ("tls-longextendedsubdomainnamewithoutdashesinordertotestwordwrapping", "cert-sound"),
    ("tls-sha1-intermediate", "cert-sha1"),
    ("tls-md5", "cert-md5"),
    ("tls-sha384", "cert-p384"),
    ("tls-rsa3072", "cert-rsa-3072"),
    ("tls-rsa4096", "cert-rsa-4096"),
    ("tls-1000-sans", "cert-1000-names"),
    ("tls-cbc", "hello-cbc"),
    ("tls-rc4", "hello-rc4"),
    ("tls-null", "hello-null"),
    ("tls-dh-composite", "hello-dhe"),
    ("tls-static-rsa", "hello-static-rsa"),
    ("tls-ssl-v2", "tls-ssl-2"),
    ("tls-tls-v1-2", "tls-1-2-only"),
    ("tls-client", "tls-client-certificate-wanted"),
    ("tls-wire-plain-http-on-443", "tls-plain-http"),
    ("tls-wire-close-after-client-hello", "tls-close-after-hello"),
    ("tls-wire-rst-after-client-hello", "tls-reset-after-hello"),
    ("tls-wire-silent-after-client-hello", "tls-silent"),
    ("tls-wire-alert-unrecognized-name", "alert-unrecognized-name"),
    ("tls-wire-alert-internal-error", "alert-internal-error"),
    ("tls-wire-name-constraint-violation", "cert-excluded"),
    ("tls-wire-ca-leaf", "cert-authority-leaf"),
    ("tls-wire-alpn-none-in-common", "tls-alpn-only-h2"),
    ("tls-wire-truncated-certificate", "tls-cut-certificate"),
    ("tls-wire-wildcard-two-levels", "cert-wildcard-two-levels"),
    ("tls-wire-fake-captive-cert", "cert-wrong-name"),
    ("tls-wire-client-cert-demanded-at-handshake", "tls-client-certificate-demanded-1-3"),
];

/// How the corpus' words for a failed handshake are said here.
fn in_our_words(kind: &str) -> &'static [&'static str] {
    match kind {
        "none" | "client_cert_required_http" => &["ok"],
        "cert_expired" => &["tls-expired"],
        "cert_not_yet_valid" => &["tls-not-yet-valid"],
        "cert_name_mismatch" => &["tls-name-mismatch"],
        "cert_self_signed" => &["tls-self-signed"],
        "cert_revoked" => &["tls-revoked"],
        "cert_unknown_issuer"
        | "cert_weak_signature"
        | "cert_ct"
        | "cert_invalid"
        | "cert_name_constraints" => &["tls-untrusted"],
        "handshake_eof" | "connection_closed" | "connection_reset" => &["tls-reset"],
        "handshake_timeout" => &["tls-timeout"],
        "captive_portal" => &["blocked-block-page"],
        _ => &["tls-handshake"],
    }
}

#[test]
fn the_corpus_and_the_servers_agree() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/tls.jsonl");
    let Ok(text) = fs::read_to_string(path) else {
        println!("skipped: the corpus is not here");
        return Ok(());
    };
    let all = behaviours();
    let (mut played, mut missing) = (0, Vec::new());
    for line in text.lines() {
        let row: Value = serde_json::from_str(line)?;
        let id = row["id"].as_str().unwrap_or_default();
        let Some((_, name)) = PLAYED.iter().find(|(row, _)| *row == id) else {
            missing.push(id.to_owned());
            continue;
        };
        let behaviour = all.iter().find(|behaviour| behaviour.name == *name);
        let Some(behaviour) = behaviour else { anyhow::bail!("{id}: nobody is called {name}") };
        let accepted = row["acceptable_error_kinds"].as_array().into_iter().flatten();
        let accepted: Vec<&str> =
            accepted.filter_map(Value::as_str).flat_map(in_our_words).copied().collect();
        for word in behaviour.ends {
            ensure!(accepted.contains(word), "{id}: {name} may end in {word}, the corpus takes {accepted:?}");
        }
        played += 1;
    }
    println!("of the corpus' TLS conditions {played} are played, not played: {missing:?}");
    ensure!(played >= 40, "only {played} conditions are played");
    Ok(())
}
