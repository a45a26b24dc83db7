//! Every line the diagnosis can write is known, and says the same.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

/// Headlines that are built from verdict, scopes and cause (`view::sentence`).
const BUILT: [&str; 4] = [
    "People report trouble with , our tests do not show it",
    "There is no site called",
    "There is no site of this name",
    "says it is under maintenance",
];

const GERMAN: [(&str, &str); 30] = [
    ("0 of 1 tester reaches it.", "0 von einem Prüfer erreicht sie."),
    ("24 of 30 testers reach it.", "24 von 30 Prüfern erreichen sie."),
    ("Elsewhere 25 of 25 testers reach it.", "Anderswo erreichen sie 25 von 25 Prüfern."),
    (
        "AS64501 with PoP FRA in eu-central, DE: 5 of 5 testers get 502 Bad Gateway, written by nginx.",
        "AS64501 mit PoP FRA in eu-central, DE: 5 von 5 Prüfern: 502 Bad Gateway, geschrieben von nginx.",
    ),
    (
        "address 2001:db8::1: 5 of 6 testers have their connection refused.",
        "Adresse 2001:db8::1: 5 von 6 Prüfern: Verbindung abgelehnt.",
    ),
    ("3 of 3 testers get no answer from the name servers.", "3 von 3 Prüfern: keine Antwort der Nameserver."),
    (
        "home lines in us-east: 3 of 4 testers wait far longer than usual for the first byte.",
        "Anschlüsse zu Hause in us-east: 3 von 4 Prüfern: weit länger als sonst auf das erste Byte gewartet.",
    ),
    (
        "The same testers are those of AS64501 and of PoP FRA: it cannot be told apart.",
        "Dieselben Prüfer sind auch die von AS64501 und von PoP FRA: Das lässt sich nicht auseinanderhalten.",
    ),
    ("1 tester did not answer", "Ein Prüfer: keine Antwort"),
    (
        "2 visitors report a problem, 1 that it works; 0.4 problem reports are usual.",
        "Ein Problem melden 2 Besucher, dass es geht, 1; üblich sind 0,4 Problemmeldungen.",
    ),
    (
        "2 testers fail, of 5 who could see it; at least 3 in the same place, 3 of them failing, are needed",
        "2 Prüfer scheitern, von 5, die es sehen könnten; nötig sind mindestens 3 am selben Ort, von denen 3 scheitern",
    ),
    (
        "1 tester is refused, in 1 network and 1 region; 3 networks in 2 regions must agree to speak for everyone",
        "Ein Prüfer wird abgewiesen, und zwar in einem Netz und einer Region; um für alle zu sprechen, müssen 3 Netze in 2 Regionen übereinstimmen",
    ),
    (
        "only 2 testers answered; at least 3 in 2 networks are needed",
        "Antworten kamen nur von 2 Prüfern; nötig sind mindestens 3 in 2 Netzen",
    ),
    (
        "the testers that reach it stand in 1 region; at least 2 are needed",
        "Die Prüfer, die sie erreichen, stehen in einer Region; nötig sind mindestens 2",
    ),
    (
        "1 tester finds it slow; that may be chance, and a second round would tell",
        "Ein Prüfer findet sie langsam; das kann Zufall sein, eine zweite Runde würde es klären",
    ),
    (
        "The cause is not sure: overload at 41 %, a crash behind the front server at 38 %.",
        "Die Ursache ist nicht sicher: Überlast mit 41 %, ein Absturz hinter dem Front-Server mit 38 %.",
    ),
    ("It is seen by visitors: 3 of 4 results there.", "Sichtbar für visitors: 3 von 4 Ergebnissen dort."),
    (
        "It is seen by mobile networks in eu-west: 15 of 15 results there.",
        "Sichtbar für Mobilfunknetze in eu-west: 15 von 15 Ergebnissen dort.",
    ),
    (
        "4 of 9 results fail, and 2 of 4 retries pass.",
        "4 von 9 Tests scheitern; beim zweiten Versuch gelingen 2 von 4.",
    ),
    (
        "12 successes take 3.4 times as long as usual to the first byte.",
        "12 gelungene Tests brauchen bis zum ersten Byte 3,4-mal so lange wie sonst.",
    ),
    (
        "3 of 4 failing results still use an old address (changed 120 s ago).",
        "3 von 4 gescheiterten Tests benutzen noch eine alte Adresse (geändert vor 120 s).",
    ),
    (
        "The zone's own servers do not agree: their serials go from 7 to 9.",
        "Die Nameserver der Zone sind sich nicht einig: Ihre Seriennummern reichen von 7 bis 9.",
    ),
    (
        "25 % of other sites fail from the same network.",
        "25 % der anderen Websites scheitern aus demselben Netz.",
    ),
    (
        "The site's DNS record changed 300 s ago.",
        "Vor 300 s hat sich etwas an der Website geändert: der DNS-Eintrag.",
    ),
    (
        "15 of 15 failing results are 502 or 521 at once.",
        "15 von 15 gescheiterten Tests: 502 oder 521, und zwar sofort.",
    ),
    (
        "1 of 2 failing results are 500 or 520: the site's program failed.",
        "1 von 2 gescheiterten Tests: 500 oder 520, das Programm der Website ist gescheitert.",
    ),
    ("24 of 30 agents reach it", "24 von 30 Prüfern erreichen sie"),
    (
        "502 from nginx for AS64501 and data centres in us-east: 5 of 5 agents; elsewhere 25 of 25 succeed",
        "502 von nginx für AS64501 und Rechenzentren in us-east: 5 von 5 Prüfern; anderswo gelingt es 25 von 25",
    ),
    ("slow first byte for everyone: 5 of 6 agents", "spätes erstes Byte für alle: 5 von 6 Prüfern"),
    ("what no version ever wrote", ""),
];

#[test]
fn lines_are_said_in_german_and_english_stays_to_the_letter() {
    for (english, german) in GERMAN {
        let known = !german.is_empty();
        let expected = Told { text: if known { german } else { english }.to_owned(), foreign: !known };
        assert_eq!(Lang::De.told(english), expected);
        assert_eq!(Lang::En.told(english), Told { text: english.to_owned(), foreign: false });
        let again = said(Lang::En, lines::LINES, english);
        assert_eq!(again, known.then(|| english.replace('\'', "’")), "read and said again in English");
    }
}

#[test]
fn headlines_of_what_cannot_be_told_say_why() {
    for (english, german) in [
        (
            "We cannot tell: only 3 of 9 testers answered",
            "Wir können es nicht sagen: Nur 3 von 9 Prüfern haben geantwortet",
        ),
        ("a.example looks up so far", "a.example scheint bis jetzt erreichbar"),
        (
            "We cannot tell how a.example is: our own side has a problem",
            "Wir können nicht sagen, wie es um a.example steht: Das Problem liegt bei uns",
        ),
    ] {
        assert_eq!(Lang::De.told_headline(english).as_deref(), Some(german));
        assert_eq!(Lang::En.told_headline(english).as_deref(), Some(english));
    }
    assert_eq!(Lang::De.told_headline("a.example is up everywhere we looked"), None);
}

/// A line that is made to be slow to read is read in no time all the same.
#[test]
fn a_hostile_line_is_bounded() {
    let line = format!("{}: 1 of 1 testers get x.", "a in b with c and d: ".repeat(40));
    assert!(Lang::De.told(&line).text.len() <= 2 * MAX_LINE);
    let long = "x".repeat(MAX_LINE + 1);
    assert_eq!(Lang::De.told(&long), Told { text: long, foreign: true });
}

/// The texts that the diagnosis's sources write as lines, with `{…}` where something is put in.
fn written() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../parallax-diagnose/src");
    let mut found = BTreeSet::new();
    for file in ["judge.rs", "rules.rs", "clue.rs", "cause.rs", "our_side.rs"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>();
        let code = code.join("\n");
        found.extend(code.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    found
}

/// Literals that end a sentence of the evidence, or begin what is missing, have a message each: a new one fails here first.
#[test]
fn every_sentence_in_the_sources_of_the_diagnosis_is_known() {
    let stripped = |text: &str| {
        let mut out = String::new();
        let mut depth = 0;
        for c in text.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 0 => out.push(c),
                _ => {}
            }
        }
        out.replace('\'', "’").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let known: Vec<String> = PATTERNS
        .values()
        .map(|(first, rest)| {
            let rest: String = rest.iter().map(|(_, after)| after.as_str()).collect();
            format!("{first}{rest}").split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect();
    let squeezed = |text: &str| text.replace([' ', '.'], "");
    let unknown: Vec<String> = written()
        .iter()
        .map(|text| stripped(text))
        .filter(|text| text.split(' ').count() >= 4 && !BUILT.contains(&text.as_str()))
        .filter(|text| !known.iter().any(|k| squeezed(k).contains(&squeezed(text))))
        .collect();
    assert_eq!(unknown, Vec::<String>::new());
}
