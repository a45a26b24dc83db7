//! The catalogues: the same messages in every language, none without use, none that is missing, and no prose beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;

/// Every message of a language with the placeables it names.
fn messages(t: Lang) -> BTreeMap<String, BTreeSet<String>> {
    let mut messages = BTreeMap::new();
    for source in t.sources() {
        FluentResource::try_new(source.to_owned()).unwrap_or_else(|(_, errors)| panic!("{t:?}: {errors:?}"));
        let mut key = String::new();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" =").filter(|_| !line.starts_with(' ')) {
                name.clone_into(&mut key);
                assert!(messages.insert(key.clone(), BTreeSet::new()).is_none(), "{t:?}: {key} twice");
            }
            for (at, _) in line.match_indices("{ $") {
                let name = line[at + 3..].split([' ', '}']).next().unwrap();
                messages.get_mut(&key).unwrap().insert(name.to_owned());
            }
        }
    }
    messages
}

/// Templates and sources, each with its text; tests are left out.
fn texts() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src"), root.join("../../web/templates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

#[test]
fn every_language_says_the_same_things() {
    let english = messages(Lang::En);
    assert!(english.len() > 800, "{} messages", english.len());
    for t in Lang::ALL {
        let other = messages(t);
        let keys = |all: &BTreeMap<String, BTreeSet<String>>| all.keys().cloned().collect::<BTreeSet<_>>();
        let difference: Vec<_> = keys(&english).symmetric_difference(&keys(&other)).cloned().collect();
        assert_eq!(difference, Vec::<String>::new(), "{t:?}");
        for (key, placeables) in &english {
            assert_eq!(&other[key], placeables, "{key} in {t:?}");
        }
    }
}

#[test]
fn messages_are_text_and_need_no_escaping() {
    for t in Lang::ALL {
        for source in t.sources() {
            for line in source.lines().filter(|line| !line.starts_with('#')) {
                let text = line.replace("->", "");
                assert!(!text.contains(['<', '>', '&', '"', '\u{2068}', '\u{2069}']), "{t:?}: {line}");
                assert!(!text.contains('\''), "{t:?}, a typewriter's apostrophe: {line}");
            }
        }
    }
}

#[test]
fn every_message_is_used_and_every_used_one_is_there() {
    let known = messages(Lang::En);
    let texts = texts();
    for (path, text) in &texts {
        for call in [".say(\"", ".text(\"", ".with(\""] {
            for (at, _) in text.match_indices(call) {
                let key = text[at + call.len()..].split('"').next().unwrap();
                assert!(known.contains_key(key), "{} says {key}", path.display());
            }
        }
    }
    let all: String = texts.into_iter().map(|(_, text)| text).collect();
    // `format!("cell-{kind}")` uses every message that begins so.
    let families: Vec<&str> = all
        .match_indices("format!(\"")
        .filter_map(|(at, _)| all[at + 9..].split('{').next())
        .filter(|start| start.ends_with('-') && !start.contains([' ', '"']))
        .collect();
    let unused: Vec<&String> = known
        .keys()
        .filter(|key| !all.contains(&format!("\"{key}\"")))
        .filter(|key| !families.iter().any(|start| key.starts_with(start)))
        .collect();
    assert_eq!(unused, Vec::<&String>::new());
}

/// What a reader would see of a template with every tag and expression taken away.
fn prose(template: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['<', '{']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = if rest.starts_with("{{") {
            rest.find("}}").map(|i| i + 2)
        } else if rest.starts_with("{%") {
            rest.find("%}").map(|i| i + 2)
        } else if rest.starts_with('<') {
            Some(end_of_tag(rest))
        } else {
            Some(1)
        };
        rest = &rest[end.unwrap_or(rest.len())..];
        text.push(' ');
    }
    text.push_str(rest);
    text
}

/// Where the tag that `text` begins with ends: expressions within may hold the same signs.
fn end_of_tag(text: &str) -> usize {
    let mut at = 1;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("{%") {
            let close = if rest.starts_with("{{") { "}}" } else { "%}" };
            at += rest.find(close).map_or(rest.len(), |i| i + 2);
        } else if rest.starts_with('>') {
            return at + 1;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[test]
fn no_template_holds_prose_of_its_own() {
    /// Names and units, which are the same in every language, and the commands of the API page.
    const SAME: [&str; 22] = [
        "Parallax",
        "AS",
        "s",
        "502",
        "503",
        "504",
        "520–526",
        "gRPC",
        "curl",
        "H",
        "d",
        "N",
        "api",
        "v1",
        "checks",
        "ID",
        "events",
        "sites",
        "site",
        "example",
        "com",
        "content",
    ];
    const ALSO: [&str; 9] =
        ["type", "application", "json", "error", "code", "message", "BUSY", "doctype", "nbsp"];
    for (path, text) in texts().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "html"))
    {
        // What outputs are embedded elsewhere speak English, as the API does.
        if path.ends_with("embed.html") {
            continue;
        }
        let prose = prose(&text);
        let words: Vec<&str> = prose
            .split(|c: char| !c.is_alphanumeric() && c != '–')
            .filter(|word| word.chars().any(char::is_alphabetic))
            .filter(|word| !SAME.contains(word) && !ALSO.contains(word))
            .collect();
        assert_eq!(words, Vec::<&str>::new(), "{}", path.display());
        for attribute in ["aria-label=\"", "title=\"", "alt=\"", "content=\""] {
            for (at, _) in text.match_indices(attribute) {
                let value = text[at + attribute.len()..].split('"').next().unwrap();
                let fixed =
                    ["noindex", "website", "1200", "630", "summary", "width=", "#", "60", "0;url", "curl"];
                let fine =
                    value.is_empty() || value.starts_with("{{") || fixed.iter().any(|f| value.starts_with(f));
                assert!(fine, "{}: {attribute}{value}", path.display());
            }
        }
    }
}

#[test]
fn placeables_are_kept_apart_and_cannot_be_markup() {
    let said = Lang::En.with("band-checking").s("host", "<b>\u{202e}evil");
    assert_eq!(said.html().0, "Checking <bdi>&#60;b&#62;\u{fffd}evil</bdi>");
    assert_eq!(said.text(), "Checking <b>\u{fffd}evil");
    let counted = |n: u32| Lang::En.with("calm").n("n", n).html().0;
    assert_eq!(counted(1), "Nothing we test is down right now: <bdi>one site</bdi>.");
    assert_eq!(counted(9), "Nothing we test is down right now: <bdi>9 sites</bdi>.");
    assert_eq!(Lang::De.with("home-more").n("n", 1_u32).text(), "Eine weitere Störung");
    assert_eq!(apart("a.example is up", "a.example").0, "<bdi>a.example</bdi> is up");
    assert_eq!(Lang::De.decimal(2.44, 1), "2,4");
}

#[test]
fn the_language_stands_in_the_address() {
    for (path, t, rest) in [
        ("/", Lang::En, "/"),
        ("/de", Lang::De, "/"),
        ("/de/", Lang::De, "/"),
        ("/de/s/a.example", Lang::De, "/s/a.example"),
        ("/define", Lang::En, "/define"),
    ] {
        assert_eq!(Lang::of_path(path), (t, rest), "{path}");
    }
}
