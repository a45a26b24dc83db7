//! What is said of a site in one sentence. In English it is the diagnosis's own sentence; other languages build theirs from
//! verdict, scopes and cause, so that both say the same.

use std::collections::BTreeMap;

use parallax_aggregator::{CheckRow, VantagePoint};
use parallax_model::{Asn, CauseKind, Diagnosis, Host, NetworkKind, Scope, Vantage, Verdict};

use super::gazetteer::country_name;
use super::place;
use crate::escape::neutral;
use crate::say::Lang;

/// A confidence from which a headline says "is" instead of "looks": the one of the diagnosis's own sentences.
const SAYS_IS: f64 = 0.9;

/// Networks by number, as their customers call them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(BTreeMap<Asn, String>);

impl Names {
    /// The names that rows know.
    pub(crate) fn of_rows(rows: &[CheckRow]) -> Self {
        Self::of(rows.iter().map(|row| &row.vantage))
    }

    /// The names that testers know.
    pub(crate) fn of_points(points: &[VantagePoint]) -> Self {
        Self::of(points.iter().map(|point| &point.vantage))
    }

    fn of<'a>(vantages: impl Iterator<Item = &'a Vantage>) -> Self {
        let named = vantages.filter_map(|v| Some((v.asn?, v.isp.as_ref()?.to_string())));
        Self(named.collect())
    }

    /// A network's name, else its number.
    pub(crate) fn of_asn(&self, asn: Asn) -> String {
        self.0.get(&asn).map_or_else(|| asn.to_string(), |name| neutral(name).into_owned())
    }
}

/// The sentence as a headline, without a full stop.
pub(crate) fn headline(t: Lang, host: &Host, diagnosis: &Diagnosis, names: &Names) -> String {
    match t {
        Lang::En => english(diagnosis),
        Lang::De => built(t, host.as_str(), diagnosis, names),
    }
}

/// The diagnosis's sentence with the codes of its scopes' countries as names.
pub(crate) fn english(diagnosis: &Diagnosis) -> String {
    let mut text = neutral(diagnosis.sentence.trim().trim_end_matches('.')).into_owned();
    for code in diagnosis.scopes.iter().filter_map(|scope| scope.country.as_ref()) {
        if let Some(name) = country_name(code.as_str()) {
            text = text.replace(&format!(" in {code}"), &format!(" in {name}"));
        }
    }
    text
}

/// Sentences of the diagnosis that say what its fields do not, by their fixed English.
const FIXED: [(&str, &str); 3] = [
    ("say-no-site", "There is no site called "),
    ("say-maintenance", " says it is under maintenance"),
    ("say-reports-only", "People report trouble with "),
];

/// The sentence built from what was found.
pub(crate) fn built(t: Lang, host: &str, diagnosis: &Diagnosis, names: &Names) -> String {
    let said = |key: &'static str| t.with(key).s("host", host);
    let sure = diagnosis.confidence.get() >= SAYS_IS;
    let everyone = diagnosis.scopes.iter().any(|scope| scope.all) || diagnosis.scopes.is_empty();
    let who = || {
        let groups: Vec<String> = diagnosis.scopes.iter().map(|scope| people(t, scope, names)).collect();
        groups.join(", ")
    };
    for (key, english) in FIXED {
        if diagnosis.sentence.contains(english) {
            return said(key).text();
        }
    }
    if let Some(text) = t.told_headline(diagnosis.sentence.trim_end_matches('.')) {
        return text;
    }
    let stale = diagnosis.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::DnsChange);
    match diagnosis.verdict {
        Verdict::Up => said("say-up").text(),
        Verdict::Down => said(if sure { "say-down-is" } else { "say-down-looks" }).text(),
        Verdict::Flaky => said("say-flaky").text(),
        Verdict::Degraded if everyone => said("say-slow").text(),
        Verdict::Degraded => said("say-slow-for").s("who", who()).text(),
        Verdict::Blocked if everyone => said("say-refuses").text(),
        Verdict::Blocked => said("say-refuses-some").s("who", who()).text(),
        Verdict::Partial if stale => said("say-stale").text(),
        Verdict::Partial => {
            let key = if sure { "say-partly-is" } else { "say-partly-looks" };
            match diagnosis.scopes.as_slice() {
                [] => said("say-some").text(),
                [scope] => one_thing(t, host, scope).unwrap_or_else(|| said(key).s("who", who()).text()),
                _ => said(key).s("who", who()).text(),
            }
        }
        Verdict::Unknown => said("say-unknown").text(),
    }
}

/// The sentence for a scope of one attribute that is no group of people.
fn one_thing(t: Lang, host: &str, scope: &Scope) -> Option<String> {
    if scope.attributes().len() != 1 {
        return None;
    }
    let said = |key: &'static str, what: String| Some(t.with(key).s("host", host).s("what", what).text());
    match scope {
        Scope { pop: Some(pop), .. } => said("say-pop", pop.to_string()),
        Scope { family: Some(family), .. } => said("say-only-over", family.to_string()),
        Scope { protocol: Some(protocol), .. } => said("say-only-over", protocol.in_words().to_owned()),
        Scope { address: Some(address), .. } => said("say-address", address.to_string()),
        _ => None,
    }
}

/// Who is in a scope, as people: `customers of Example Net in western Europe`.
pub(crate) fn people(t: Lang, scope: &Scope, names: &Names) -> String {
    if scope.all {
        return t.text("who-everyone");
    }
    let who = match (scope.asn, scope.network) {
        (Some(asn), _) => t.with("who-customers").s("isp", names.of_asn(asn)).text(),
        (None, Some(NetworkKind::Home)) => t.text("who-home"),
        (None, Some(NetworkKind::Mobile)) => t.text("who-mobile"),
        (None, Some(NetworkKind::Hosting)) => t.text("who-hosting"),
        (None, _) => t.text("who-people"),
    };
    let put = |key: &'static str, what: String| t.with(key).s("what", what).text();
    let parts = [
        scope.region.as_ref().map(|r| put("who-in", place::region_long(t, r.as_str()))),
        scope.country.as_ref().map(|c| put("who-in", place::country_long(t, c.as_str()))),
        scope.pop.as_ref().map(|pop| put("who-through", pop.to_string())),
        scope.address.map(|address| put("who-sent-to", address.to_string())),
        scope.family.map(|family| put("who-over", family.to_string())),
        scope.protocol.map(|protocol| put("who-over", protocol.in_words().to_owned())),
        scope.resolver.as_ref().map(|resolver| put("who-resolver", resolver.clone())),
    ];
    parts
        .into_iter()
        .flatten()
        .fold(who, |left, right| t.with("who-phrase").s("left", left).s("right", right).text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample_sites;

    /// English built from the same findings says what the diagnosis said itself, so what other languages say is no other thing.
    #[test]
    fn built_sentences_say_what_the_diagnosis_says() {
        for view in sample_sites() {
            let names = Names::of_rows(&view.rows);
            let own = headline(Lang::En, &view.host, &view.diagnosis, &names);
            assert_eq!(built(Lang::En, view.host.as_str(), &view.diagnosis, &names), own, "{}", view.host);
        }
    }

    #[test]
    fn a_name_that_is_not_there_and_maintenance_are_told_apart_from_an_outage() {
        for (english, german) in [
            ("There is no site called a.example", "Eine Website namens a.example gibt es nicht"),
            ("a.example says it is under maintenance", "a.example wird nach eigener Auskunft gewartet"),
            (
                "People report trouble with a.example, our tests do not show it",
                "Menschen melden Ärger mit a.example, unsere Tests zeigen ihn nicht",
            ),
        ] {
            let mut diagnosis = Diagnosis::unknown(english, Vec::new());
            diagnosis.verdict = Verdict::Down;
            assert_eq!(built(Lang::De, "a.example", &diagnosis, &Names::default()), german);
            assert_eq!(built(Lang::En, "a.example", &diagnosis, &Names::default()), english);
        }
    }

    #[test]
    fn every_kind_of_scope_has_words_in_every_language() {
        let scopes = [
            (
                "{\"pop\":\"FRA\"}",
                "a.example fails through one CDN site: FRA",
                "a.example scheitert über einen CDN-Standort: FRA",
            ),
            ("{\"family\":6}", "a.example fails over IPv6 only", "a.example scheitert nur über IPv6"),
            (
                "{\"asn\":64500,\"region\":\"eu-west\"}",
                "a.example is down for customers of AS64500 in western Europe",
                "a.example ist gestört für Kunden von AS64500 in Westeuropa",
            ),
            (
                "{\"network\":\"mobile\",\"country\":\"CH\"}",
                "a.example is down for people on mobile networks in Switzerland",
                "a.example ist gestört für Menschen in Mobilfunknetzen in der Schweiz",
            ),
        ];
        for (scope, en, de) in scopes {
            let mut diagnosis = Diagnosis::unknown("", Vec::new());
            diagnosis.verdict = Verdict::Partial;
            diagnosis.confidence = parallax_model::Confidence::new(0.95);
            diagnosis.scopes = vec![serde_json::from_str(scope).unwrap()];
            let said = |t| built(t, "a.example", &diagnosis, &Names::default());
            assert_eq!((said(Lang::En).as_str(), said(Lang::De).as_str()), (en, de));
        }
    }
}
