//! Where a result stands: every attribute value that is known of it, borrowed from the world it came with.

use std::net::IpAddr;

use parallax_model::{Asn, Attribute, Country, Family, NetworkKind, Pop, Protocol, Region, Scope};
use serde::Serialize;

/// Every attribute value that is known of one result. A [`Scope`] says who is affected; this says who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Place<'a> {
    /// The agent's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<Asn>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<&'a Region>,
    /// Its country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<&'a Country>,
    /// The PoP that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pop: Option<&'a Pop>,
    /// The IP family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// The address of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The HTTP version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The resolver that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<&'a str>,
    /// The agent's kind of line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkKind>,
}

impl<'a> Place<'a> {
    /// A place of which a scope's values are known.
    pub fn of(scope: &'a Scope) -> Self {
        Self {
            asn: scope.asn,
            region: scope.region.as_ref(),
            country: scope.country.as_ref(),
            pop: scope.pop.as_ref(),
            family: scope.family,
            address: scope.address,
            protocol: scope.protocol,
            resolver: scope.resolver.as_deref(),
            network: scope.network,
        }
    }

    /// Whether it has every value of the scope.
    pub fn is_in(&self, scope: &Scope) -> bool {
        #[inline]
        fn fits<T: Copy + PartialEq>(wanted: Option<T>, here: Option<T>) -> bool {
            wanted.is_none() || wanted == here
        }
        scope.all
            || fits(scope.asn, self.asn)
                && fits(scope.family, self.family)
                && fits(scope.protocol, self.protocol)
                && fits(scope.network, self.network)
                && fits(scope.address, self.address)
                && fits(scope.region.as_ref(), self.region)
                && fits(scope.country.as_ref(), self.country)
                && fits(scope.pop.as_ref(), self.pop)
                && fits(scope.resolver.as_deref(), self.resolver)
    }

    /// The scope of all who share these attributes with this place; one that is not known here is not set there.
    pub(crate) fn part(&self, attributes: &[Attribute]) -> Scope {
        let mut scope = Scope::default();
        for attribute in attributes {
            match attribute {
                Attribute::All => {}
                Attribute::Asn => scope.asn = self.asn,
                Attribute::Region => scope.region = self.region.cloned(),
                Attribute::Country => scope.country = self.country.cloned(),
                Attribute::Pop => scope.pop = self.pop.cloned(),
                Attribute::Family => scope.family = self.family,
                Attribute::Address => scope.address = self.address,
                Attribute::Protocol => scope.protocol = self.protocol,
                Attribute::Resolver => scope.resolver = self.resolver.map(str::to_owned),
                Attribute::Network => scope.network = self.network,
            }
        }
        scope
    }
}

/// A copy of `scope` with only these attributes.
pub(crate) fn part(scope: &Scope, attributes: &[Attribute]) -> Scope {
    let all = scope.all && attributes.contains(&Attribute::All);
    Scope { all, ..Place::of(scope).part(attributes) }
}
