//! Where an agent stands.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::result::Family;
use crate::word::{canonical_text, words};

/// Why a text is not a part of a vantage.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VantageError {
    /// Regions are 1 to 32 characters of `a-z`, `0-9` and `-`.
    #[error("a region is 1 to 32 characters of a-z, 0-9 and '-', got {0:?}")]
    Region(String),
    /// Countries are two upper-case letters (ISO 3166-1 alpha-2).
    #[error("a country is two upper-case letters as in ISO 3166-1, got {0:?}")]
    Country(String),
    /// Names of ISPs are 1 to 80 bytes without control characters.
    #[error("an ISP's name is 1 to 80 bytes of text, got {0:?}")]
    Isp(String),
}

/// An autonomous system's number (RFC 6793). Zero is "not known" everywhere outside this type and never stored in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Asn(pub u32);

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

macro_rules! checked_text {
    ($(#[$meta:meta])* $name:ident, $error:ident, $ok:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = VantageError;

            fn from_str(text: &str) -> Result<Self, VantageError> {
                let ok: fn(&str) -> bool = $ok;
                if ok(text) { Ok(Self(text.into())) } else { Err(VantageError::$error(text.chars().take(100).collect())) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        canonical_text!($name);
    };
}

checked_text! {
    /// A part of a continent, in the words of cloud regions: `eu-west`, `us-east`.
    Region, Region,
    |t| (1..=32).contains(&t.len()) && t.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
impl Region {
    /// The region as people say it: `western Europe` for `eu-west`, `the eastern USA` for `us-east`. A code that is not made of the
    /// usual parts stays as it is.
    pub fn in_words(&self) -> String {
        let code = self.as_str();
        let (area, side) = code.split_once('-').unwrap_or((code, ""));
        let area = match area {
            "eu" => "Europe",
            "us" => "the USA",
            "na" | "ca" => "North America",
            "sa" => "South America",
            "ap" | "as" | "asia" => "Asia",
            "af" => "Africa",
            "me" => "the Middle East",
            "oc" | "au" => "Oceania",
            _ => return code.to_owned(),
        };
        let side = match side {
            "" => return area.to_owned(),
            "north" => "northern",
            "south" => "southern",
            "east" => "eastern",
            "west" => "western",
            "central" => "central",
            "northeast" => "north-eastern",
            "northwest" => "north-western",
            "southeast" => "south-eastern",
            "southwest" => "south-western",
            _ => return code.to_owned(),
        };
        match area.strip_prefix("the ") {
            Some(bare) => format!("the {side} {bare}"),
            None => format!("{side} {area}"),
        }
    }
}

checked_text! {
    /// A country, ISO 3166-1 alpha-2: `DE`.
    Country, Country,
    |t| t.len() == 2 && t.bytes().all(|b| b.is_ascii_uppercase())
}
checked_text! {
    /// The name people know a network operator by: `Example Net`.
    IspName, Isp,
    |t| (1..=80).contains(&t.len()) && !t.chars().any(char::is_control)
}

words! {
    /// What kind of line an agent has.
    pub enum NetworkKind ("network") {
        /// A household's fixed line.
        Home = "home",
        /// A mobile network.
        Mobile = "mobile",
        /// A data centre.
        Hosting = "hosting",
        /// Not known.
        Unknown = "unknown",
    }
}

words! {
    /// The continents as people name them.
    pub enum Continent ("continent") {
        /// Africa.
        Africa = "africa",
        /// Antarctica.
        Antarctica = "antarctica",
        /// Asia.
        Asia = "asia",
        /// Europe.
        Europe = "europe",
        /// North America with Central America and the Caribbean.
        NorthAmerica = "north-america",
        /// Australia and the Pacific islands.
        Oceania = "oceania",
        /// South America.
        SouthAmerica = "south-america",
    }
}

/// Where an agent stands. Unknown parts are `None` and shown as unknown, never guessed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vantage {
    /// Continent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continent: Option<Continent>,
    /// Region within the continent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// City, for people to read; never a scope by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The network the agent's packets leave from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<Asn>,
    /// That network's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isp: Option<IspName>,
    /// What kind of line it is.
    #[serde(default = "unknown_network")]
    pub network: NetworkKind,
    /// IP families that work from there.
    #[serde(default)]
    pub families: Vec<Family>,
}

fn unknown_network() -> NetworkKind {
    NetworkKind::Unknown
}

#[expect(clippy::derivable_impls, reason = "the enum is declared by a macro that takes no #[default]")]
impl Default for NetworkKind {
    fn default() -> Self {
        Self::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_said_as_people_say_them() {
        let cases = [
            ("eu-west", "western Europe"),
            ("us-east", "the eastern USA"),
            ("me", "the Middle East"),
            ("ap-southeast", "south-eastern Asia"),
            ("mars-north", "mars-north"),
            ("eu-1", "eu-1"),
        ];
        for (code, words) in cases {
            assert_eq!(code.parse::<Region>().map(|r| r.in_words()), Ok(words.to_owned()));
        }
    }
}
