//! Rules about texts, file by file.

use std::collections::BTreeSet;
use std::path::Path;

/// Lines a file may have without its tests.
const MAX_LINES: usize = 500;
/// Files that may be longer, each with a reason; meant to become fewer.
const LONGER: [&str; 1] = [
    // One message after the other, there and back: nothing in it depends on anything else in it.
    "crates/parallax-proto/src/convert.rs",
];
/// Words that say nothing about what is in a module.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "manager", "misc", "data"];
/// Folders of a machine. They are put together here so that this file may keep its own rule.
const MACHINE: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
/// Files that speak of machines by their nature: where packages are put inside an image is no path of ours.
const MACHINE_MAY: [&str; 1] = ["deploy/"];
/// Generated code follows its generator's rules.
const GENERATED: &str = "/src/gen/";
/// Where pages are.
const TEMPLATES: &str = "web/templates/";
/// Written so that this file may keep its own rule.
const ALLOW: &str = concat!("#[", "allow(");
const INNER_ALLOW: &str = concat!("#![", "allow(");

/// What is wrong with one file.
pub(super) fn judge(file: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if file.contains(GENERATED) {
        return wrong;
    }
    if MACHINE.iter().any(|path| text.contains(path)) && !MACHINE_MAY.iter().any(|may| file.starts_with(may))
    {
        wrong.push(format!("{file}: names a folder of one machine"));
    }
    if file.starts_with(TEMPLATES) && text.replace(' ', "").contains("|safe") {
        wrong.push(format!("{file}: switches escaping off with |safe"));
    }
    if is_rust(file) {
        wrong.extend(rust(file, text));
    }
    wrong
}

fn is_rust(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "rs")
}

fn rust(file: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    // Unit tests are introduced by the module they lie under.
    let introduced = file.contains("/src/") && is_test(file);
    if !introduced && !text.starts_with("//!") {
        wrong.push(format!("{file}: must begin with //! and say what it is"));
    }
    let lines = production_lines(file, text);
    if lines > MAX_LINES && !LONGER.contains(&file) {
        wrong.push(format!("{file}: has {lines} lines without its tests, {MAX_LINES} are enough"));
    }
    if text.contains(ALLOW) || text.contains(INNER_ALLOW) {
        wrong.push(format!("{file}: use expect with a reason instead of allow"));
    }
    if let Some(name) = EMPTY_NAMES.iter().find(|name| module_names(file).contains(*name)) {
        wrong.push(format!("{file}: a module named {name} says nothing about what is in it"));
    }
    wrong
}

fn is_test(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/") || file.starts_with("tests/")
}

/// Lines before the tests at the end of the file.
fn production_lines(file: &str, text: &str) -> usize {
    if is_test(file) {
        return 0;
    }
    let all: Vec<&str> = text.lines().collect();
    let tests = all
        .windows(2)
        .position(|two| two[0] == "#[cfg(test)]" && two[1].starts_with("mod ") && two[1].ends_with('{'));
    tests.unwrap_or(all.len())
}

/// The file's own name and the folders under `src` it lies in.
fn module_names(file: &str) -> Vec<&str> {
    let inside = file.split_once("/src/").map_or(file, |(_, inside)| inside);
    inside.trim_end_matches(".rs").split('/').collect()
}

/// Source files that no module declaration leads to.
pub(super) fn unreferenced(files: &[String], read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let known: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    let is_source = |file: &&String| is_rust(file) && file.contains("/src/") && !file.contains(GENERATED);
    let lost = files.iter().filter(is_source).filter(|file| !is_declared(file, &known, read));
    lost.map(|file| format!("{file}: no `mod` leads to it")).collect()
}

fn is_declared(file: &str, known: &BTreeSet<&str>, read: &dyn Fn(&str) -> Option<String>) -> bool {
    let Some((krate, inside)) = file.split_once("/src/") else { return true };
    if ["lib.rs", "main.rs"].contains(&inside) || inside.starts_with("bin/") {
        return true;
    }
    let path = inside.trim_end_matches(".rs").trim_end_matches("/mod");
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parents = if parent.is_empty() {
        vec![format!("{krate}/src/lib.rs"), format!("{krate}/src/main.rs")]
    } else {
        vec![format!("{krate}/src/{parent}.rs"), format!("{krate}/src/{parent}/mod.rs")]
    };
    let declares = |text: String| text.lines().any(|line| declaration(line) == Some(name));
    parents.iter().filter(|p| known.contains(p.as_str())).filter_map(|p| read(p)).any(declares)
}

/// The name in `mod name;` or `pub mod name;`.
fn declaration(line: &str) -> Option<&str> {
    let line = line.trim().strip_suffix(';')?;
    let (visibility, name) = line.rsplit_once("mod ")?;
    (visibility.is_empty() || visibility.starts_with("pub")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_what_it_forbids() {
        let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
        let cases = [
            ("crates/a/src/b.rs", "//! Fine.\n".to_owned(), None),
            ("crates/a/src/b.rs", "use x;\n".to_owned(), Some("must begin with //!")),
            ("crates/a/src/b.rs", long.clone(), Some("has 501 lines")),
            ("crates/a/src/b/tests.rs", long.clone(), None),
            ("crates/a/src/b/tests.rs", "use super::*;\n".to_owned(), None),
            ("tests/it/b.rs", "use super::*;\n".to_owned(), Some("must begin with //!")),
            ("crates/a/src/gen/b.rs", long, None),
            ("crates/a/src/util.rs", "//! Odds and ends.\n".to_owned(), Some("named util")),
            ("crates/a/src/common/b.rs", "//! Odds and ends.\n".to_owned(), Some("named common")),
            ("crates/a/src/b.rs", format!("//! B.\n{ALLOW}dead_code)]\n"), Some("expect with a reason")),
            ("README.md", format!("see {}here\n", MACHINE[0]), Some("one machine")),
            ("web/templates/a.html", "{{ text | safe }}".to_owned(), Some("|safe")),
            ("web/templates/a.html", "{{ text }}".to_owned(), None),
        ];
        for (file, text, expected) in cases {
            let wrong = judge(file, &text);
            assert_eq!(wrong.len(), usize::from(expected.is_some()), "{file}: {wrong:?}");
            assert!(expected.is_none_or(|e| wrong[0].contains(e)), "{file}: {wrong:?}");
        }
    }

    #[test]
    fn tests_at_the_end_do_not_count() {
        let text = format!("//! A.\nfn a() {{}}\n\n#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(600));
        assert_eq!(production_lines("crates/a/src/lib.rs", &text), 3);
        assert_eq!(
            production_lines("crates/a/src/lib.rs", "//! A.\n#[cfg(test)]\nmod tests;\nfn a() {}\n"),
            4
        );
    }

    #[test]
    fn a_file_that_nothing_leads_to_is_found() {
        let files =
            ["lib.rs", "a.rs", "a/b.rs", "a/c.rs", "d/mod.rs", "e.rs"].map(|f| format!("crates/x/src/{f}"));
        let read = |file: &str| {
            let text = match file.rsplit("/src/").next()? {
                "lib.rs" => "pub mod a;\nmod d;\n",
                "a.rs" => "pub(crate) mod b;\n#[cfg(test)]\nmod tests;\n",
                _ => "",
            };
            Some(text.to_owned())
        };
        assert_eq!(
            unreferenced(&files, &read),
            ["crates/x/src/a/c.rs: no `mod` leads to it", "crates/x/src/e.rs: no `mod` leads to it"]
        );
    }
}
