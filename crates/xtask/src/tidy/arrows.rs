//! Who may know whom, and which crates stay pure.

use std::collections::BTreeSet;

use serde_json::Value;

/// Which of our crates each may use, outside its tests. `None`: any.
const ARROWS: [(&str, Option<&[&str]>); 15] = [
    ("parallax-model", Some(&[])),
    ("parallax-policy", Some(&["parallax-model"])),
    ("parallax-diagnose", Some(&["parallax-model"])),
    ("parallax-proto", Some(&["parallax-model"])),
    ("parallax-runtime", Some(&[])),
    ("parallax-probe", Some(&["parallax-model", "parallax-policy"])),
    ("parallax-store", Some(&["parallax-model", "parallax-proto"])),
    ("parallax-bus", Some(&["parallax-model", "parallax-proto"])),
    (
        "parallax-agent",
        Some(&["parallax-model", "parallax-policy", "parallax-probe", "parallax-proto", "parallax-runtime"]),
    ),
    (
        "parallax-aggregator",
        Some(&[
            "parallax-bus",
            "parallax-diagnose",
            "parallax-model",
            "parallax-policy",
            "parallax-proto",
            "parallax-runtime",
            "parallax-store",
        ]),
    ),
    ("parallax-web", Some(&["parallax-aggregator", "parallax-model", "parallax-policy", "parallax-runtime"])),
    ("parallax-lab", Some(&["parallax-diagnose", "parallax-model", "parallax-proto"])),
    ("parallax", None),
    ("parallax-tests", None),
    ("xtask", Some(&["parallax-lab"])),
];

/// Only these may use the lab, their tests included.
const LAB_USERS: [&str; 4] = ["parallax", "parallax-tests", "parallax-lab", "xtask"];
const LAB: &str = "parallax-lab";

/// Crates that do no I/O and know neither clock nor chance.
pub(super) const PURE: [&str; 3] = ["parallax-model", "parallax-policy", "parallax-diagnose"];
/// What a pure crate is never built with.
const IMPURE: [&str; 13] = [
    "tokio",
    "hyper",
    "hyper-util",
    "tonic",
    "rand",
    "getrandom",
    "socket2",
    "mio",
    "axum",
    "rustls",
    "quinn",
    "hickory-resolver",
    "rusqlite",
];

/// What is wrong with the workspace as `cargo metadata --no-deps` describes it.
pub(super) fn judge(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    packages.iter().flat_map(|package| folder(package).into_iter().chain(uses(package))).collect()
}

/// A crate lives in the folder of its name; the end-to-end tests live in `tests`.
fn folder(package: &Value) -> Option<String> {
    let name = text(&package["name"]);
    let manifest = text(&package["manifest_path"]);
    let expected = if name == "parallax-tests" {
        "/tests/Cargo.toml".to_owned()
    } else {
        format!("/crates/{name}/Cargo.toml")
    };
    (!manifest.ends_with(&expected)).then(|| format!("{name}: its folder must be named as the crate is"))
}

fn uses(package: &Value) -> Vec<String> {
    let name = text(&package["name"]);
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
        return vec![format!("{name}: say in xtask's tidy rules whom it may use")];
    };
    let mut wrong = BTreeSet::new();
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let used = text(&dependency["name"]);
        let ours = !dependency["path"].is_null();
        let in_tests = dependency["kind"] == "dev";
        if ours && !in_tests && allowed.is_some_and(|a| !a.contains(&used)) {
            wrong.insert(format!("{name}: must not use {used}: arrows run one way"));
        }
        if used == LAB && !LAB_USERS.contains(&name) {
            wrong.insert(format!("{name}: must not use {LAB}, not in its tests either"));
        }
    }
    wrong.into_iter().collect()
}

/// What makes a pure crate impure, from the lines of its dependency tree (`name vX.Y.Z …`).
pub(super) fn impure(package: &str, tree: &str) -> Vec<String> {
    let built_with: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let found = IMPURE.iter().filter(|name| built_with.contains(*name));
    found.map(|name| format!("{package}: is pure and must not be built with {name}")).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str, folder: &str, uses: &[(&str, &str)]) -> Value {
        let dependency = |(name, kind): &(&str, &str)| json!({"name": name, "kind": kind, "path": "x"});
        json!({"packages": [{
            "name": name,
            "manifest_path": format!("/x/{folder}/Cargo.toml"),
            "dependencies": uses.iter().map(dependency).collect::<Vec<_>>(),
        }]})
    }

    #[test]
    fn arrows_run_one_way() {
        let wrong =
            |name: &str, uses: &[(&str, &str)]| judge(&package(name, &format!("crates/{name}"), uses));
        assert_eq!(wrong("parallax-policy", &[("parallax-model", "")]), [""; 0]);
        assert_eq!(wrong("parallax-policy", &[("parallax-probe", "dev")]), [""; 0]);
        assert_eq!(
            wrong("parallax-model", &[("parallax-policy", "")]),
            ["parallax-model: must not use parallax-policy: arrows run one way"]
        );
        assert_eq!(
            wrong("parallax-agent", &[("parallax-lab", "dev")]),
            ["parallax-agent: must not use parallax-lab, not in its tests either"]
        );
        assert_eq!(wrong("parallax", &[("parallax-lab", "")]), [""; 0]);
        assert_eq!(wrong("parallax-new", &[]), ["parallax-new: say in xtask's tidy rules whom it may use"]);
    }

    #[test]
    fn folders_are_named_as_their_crates() {
        assert_eq!(judge(&package("parallax-tests", "tests", &[])), [""; 0]);
        assert_eq!(
            judge(&package("parallax-model", "crates/model", &[])),
            ["parallax-model: its folder must be named as the crate is"]
        );
    }

    #[test]
    fn a_pure_crate_has_no_runtime() {
        assert_eq!(impure("a", "a v0.0.0 (/x)\nserde v1.0.0\nidna v1.0.0 (*)\n"), [""; 0]);
        assert_eq!(impure("a", "a v0.0.0\ntokio v1.0.0\n"), ["a: is pure and must not be built with tokio"]);
    }
}
