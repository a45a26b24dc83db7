//! Places and networks in people's words.

use parallax_model::{Continent, NetworkKind, Vantage};

use crate::say::Lang;

/// A region's code in words for a column: `eu-west` is `Europe W`. Codes nobody knows are shown as they are.
pub(crate) fn region_short(t: Lang, code: &str) -> String {
    let (area, side) = code.split_once('-').unwrap_or((code, ""));
    let area = format!("area-{area}");
    let known = t.has(&area) && (side.is_empty() || t.has(&format!("side-{side}")));
    match (known, side) {
        (false, _) => code.to_owned(),
        (true, "") => t.text(&area),
        (true, side) => format!("{} {}", t.text(&area), t.text(&format!("side-{side}"))),
    }
}

/// A region as it stands in a sentence after "in": `western Europe`. Codes nobody knows are shown as they are.
pub(crate) fn region_long(t: Lang, code: &str) -> String {
    let key = format!("region-{code}");
    if t.has(&key) { t.text(&key) } else { code.to_owned() }
}

/// A country as it stands in a sentence after "in".
pub(crate) fn country_long(t: Lang, code: &str) -> String {
    let key = format!("country-{code}");
    if t.has(&key) { t.text(&key) } else { code.to_owned() }
}

/// The region a vantage is listed under.
pub(crate) fn region(t: Lang, vantage: &Vantage) -> String {
    match (&vantage.region, vantage.continent) {
        (Some(region), _) => region_short(t, region.as_str()),
        (None, Some(continent)) => continent_name(t, continent),
        (None, None) => t.text("place-elsewhere"),
    }
}

/// The network a vantage is listed under: its operator's name, else its number, else what kind of line it is.
pub(crate) fn network(t: Lang, vantage: &Vantage) -> String {
    match (&vantage.isp, vantage.asn) {
        (Some(isp), _) => isp.to_string(),
        (None, Some(asn)) => asn.to_string(),
        (None, None) => match vantage.network {
            NetworkKind::Unknown => t.text("network-unknown"),
            kind => kind_name(t, kind),
        },
    }
}

/// City and country, as far as known: `Frankfurt, DE`.
pub(crate) fn city(t: Lang, vantage: &Vantage) -> String {
    match (&vantage.city, &vantage.country) {
        (Some(city), Some(country)) => format!("{city}, {country}"),
        (Some(city), None) => city.clone(),
        (None, Some(country)) => country.to_string(),
        (None, None) => t.text("place-unknown"),
    }
}

/// What kind of line it is.
pub(crate) fn kind_name(t: Lang, kind: NetworkKind) -> String {
    t.text(&format!("line-{kind}"))
}

/// A continent's name.
pub(crate) fn continent_name(t: Lang, continent: Continent) -> String {
    t.text(&format!("continent-{continent}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_regions_get_names_and_others_stay() {
        for (code, name) in [
            ("eu-west", "Europe W"),
            ("us-east", "USA E"),
            ("ap-southeast", "Asia SE"),
            ("af", "Africa"),
            ("moon-base", "moon-base"),
            ("eu-west2", "eu-west2"),
        ] {
            assert_eq!(region_short(Lang::En, code), name);
        }
    }

    #[test]
    fn regions_in_sentences_are_called_as_the_model_calls_them() {
        for code in ["eu-west", "us-east", "us", "ap-southeast", "oc-south", "moon-base"] {
            let region: parallax_model::Region = code.parse().unwrap();
            assert_eq!(region_long(Lang::En, code), region.in_words(), "{code}");
        }
        assert_eq!(region_long(Lang::De, "eu-west"), "Westeuropa");
        assert_eq!(country_long(Lang::De, "CH"), "der Schweiz");
    }
}
