//! Places and networks in people's words.

use parallax_model::{Continent, NetworkKind, Vantage};

/// A region's code in words for a column: `eu-west` is `Europe W`. Codes nobody knows are shown as they are.
pub(crate) fn region_short(code: &str) -> String {
    let (area, side) = code.split_once('-').unwrap_or((code, ""));
    let area = match area {
        "eu" => "Europe",
        "us" => "USA",
        "na" | "ca" => "N. America",
        "sa" => "S. America",
        "ap" | "as" | "asia" => "Asia",
        "af" => "Africa",
        "me" => "Middle East",
        "oc" | "au" => "Oceania",
        _ => return code.to_owned(),
    };
    let side = match side {
        "" => return area.to_owned(),
        "north" => "N",
        "south" => "S",
        "east" => "E",
        "west" => "W",
        "central" => "C",
        "northeast" => "NE",
        "northwest" => "NW",
        "southeast" => "SE",
        "southwest" => "SW",
        _ => return code.to_owned(),
    };
    format!("{area} {side}")
}

/// The region a vantage is listed under.
pub(crate) fn region(vantage: &Vantage) -> String {
    match (&vantage.region, vantage.continent) {
        (Some(region), _) => region_short(region.as_str()),
        (None, Some(continent)) => continent_name(continent).to_owned(),
        (None, None) => "Elsewhere".to_owned(),
    }
}

/// The network a vantage is listed under: its operator's name, else its number, else what kind of line it is.
pub(crate) fn network(vantage: &Vantage) -> String {
    match (&vantage.isp, vantage.asn) {
        (Some(isp), _) => isp.to_string(),
        (None, Some(asn)) => asn.to_string(),
        (None, None) => match vantage.network {
            NetworkKind::Unknown => "Network not known".to_owned(),
            kind => kind_name(kind).to_owned(),
        },
    }
}

/// City and country, as far as known: `Frankfurt, DE`.
pub(crate) fn city(vantage: &Vantage) -> String {
    match (&vantage.city, &vantage.country) {
        (Some(city), Some(country)) => format!("{city}, {country}"),
        (Some(city), None) => city.clone(),
        (None, Some(country)) => country.to_string(),
        (None, None) => "place not known".to_owned(),
    }
}

/// What kind of line it is.
pub(crate) fn kind_name(kind: NetworkKind) -> &'static str {
    match kind {
        NetworkKind::Home => "home line",
        NetworkKind::Mobile => "mobile",
        NetworkKind::Hosting => "data centre",
        NetworkKind::Unknown => "not known",
    }
}

/// A continent's name.
pub(crate) fn continent_name(continent: Continent) -> &'static str {
    match continent {
        Continent::Africa => "Africa",
        Continent::Antarctica => "Antarctica",
        Continent::Asia => "Asia",
        Continent::Europe => "Europe",
        Continent::NorthAmerica => "North America",
        Continent::Oceania => "Oceania",
        Continent::SouthAmerica => "South America",
    }
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
            assert_eq!(region_short(code), name);
        }
    }
}
