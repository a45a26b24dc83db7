//! Who is affected: a conjunction of attribute values.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::result::{Family, Protocol};
use crate::word::words;
use crate::{Asn, Country, NetworkKind, Pop, Region};

words! {
    /// What a scope can be said in.
    pub enum Attribute ("attribute") {
        /// Everybody.
        All = "all",
        /// One network.
        Asn = "asn",
        /// One region.
        Region = "region",
        /// One country.
        Country = "country",
        /// One point of presence.
        Pop = "pop",
        /// One IP family.
        Family = "family",
        /// One address of the site.
        Address = "address",
        /// One HTTP version.
        Protocol = "protocol",
        /// One resolver.
        Resolver = "resolver",
        /// One kind of line.
        Network = "network",
    }
}

/// A scope that says nothing, or `all` and something else.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a scope names `all` alone or at least one attribute")]
pub struct ScopeError;

/// Who is affected: everybody, or whoever has every value that is set here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Everybody; no other attribute is set then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Customers of this network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<Asn>,
    /// People in this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// People in this country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Whoever is answered by this PoP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop: Option<Pop>,
    /// Whoever uses this IP family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Whoever is sent to this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Whoever speaks this HTTP version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Whoever asks this resolver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<String>,
    /// Whoever has this kind of line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkKind>,
}

impl Scope {
    /// The scope of everybody.
    pub fn everybody() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// The attributes that are set, in the order of [`Attribute`].
    pub fn attributes(&self) -> Vec<Attribute> {
        let set = [
            (self.all, Attribute::All),
            (self.asn.is_some(), Attribute::Asn),
            (self.region.is_some(), Attribute::Region),
            (self.country.is_some(), Attribute::Country),
            (self.pop.is_some(), Attribute::Pop),
            (self.family.is_some(), Attribute::Family),
            (self.address.is_some(), Attribute::Address),
            (self.protocol.is_some(), Attribute::Protocol),
            (self.resolver.is_some(), Attribute::Resolver),
            (self.network.is_some(), Attribute::Network),
        ];
        set.into_iter().filter_map(|(on, attribute)| on.then_some(attribute)).collect()
    }

    /// The scope in a few words: `AS64500 in eu-west`, `PoP FRA`, `IPv6`, `everyone`. Codes stay codes: this is for who runs sites.
    pub fn in_words(&self) -> String {
        if self.all {
            return "everyone".to_owned();
        }
        let who = [
            self.asn.map(|asn| asn.to_string()),
            self.pop.as_ref().map(|pop| format!("PoP {pop}")),
            self.address.map(|address| format!("address {address}")),
            self.family.map(|family| family.to_string()),
            self.protocol.map(|protocol| protocol.in_words().to_owned()),
            self.resolver.as_deref().map(|resolver| format!("resolver {resolver}")),
            self.network.map(|network| lines(network).to_owned()),
        ];
        let places =
            [self.region.as_ref().map(ToString::to_string), self.country.as_ref().map(ToString::to_string)];
        let who = who.into_iter().flatten().collect::<Vec<_>>().join(" with ");
        let places = places.into_iter().flatten().collect::<Vec<_>>().join(", ");
        match (who.is_empty(), places.is_empty()) {
            (false, false) => format!("{who} in {places}"),
            (false, true) => who,
            (true, _) => places,
        }
    }

    /// Checks that the scope says something, and `all` only alone.
    pub fn validate(&self) -> Result<(), ScopeError> {
        let set = self.attributes();
        let alone = set.len() == 1 || !self.all;
        if set.is_empty() || !alone { Err(ScopeError) } else { Ok(()) }
    }
}

const fn lines(kind: NetworkKind) -> &'static str {
    match kind {
        NetworkKind::Home => "home lines",
        NetworkKind::Mobile => "mobile networks",
        NetworkKind::Hosting => "data centres",
        NetworkKind::Unknown => "lines of unknown kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_named_by_what_they_share() {
        let cases = [
            (r#"{"all":true}"#, "everyone"),
            (r#"{"asn":64500,"region":"eu-west"}"#, "AS64500 in eu-west"),
            (r#"{"country":"DE"}"#, "DE"),
            (r#"{"pop":"FRA","family":6}"#, "PoP FRA with IPv6"),
            (r#"{"address":"192.0.2.1"}"#, "address 192.0.2.1"),
            (r#"{"protocol":"h3"}"#, "HTTP/3"),
            (r#"{"network":"mobile","country":"DE"}"#, "mobile networks in DE"),
        ];
        for (json, expected) in cases {
            assert_eq!(serde_json::from_str::<Scope>(json).unwrap().in_words(), expected);
        }
    }
}
