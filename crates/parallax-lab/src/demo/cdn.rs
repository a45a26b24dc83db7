//! The CDN of the demonstration: four PoPs, one address each, and who is sent where.

use std::net::{IpAddr, Ipv4Addr};

use parallax_model::Pop;

use super::agents::place_of;

/// A PoP of the CDN, by the code of its city's airport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PopCode {
    Fra,
    Lhr,
    Iad,
    Sin,
}

/// The PoP that fails.
pub(super) const FAILING: PopCode = PopCode::Fra;
/// Where strangers are sent, so that a look from one's own browser works.
const FOR_STRANGERS: PopCode = PopCode::Lhr;

impl PopCode {
    pub(super) const ALL: [Self; 4] = [Self::Fra, Self::Lhr, Self::Iad, Self::Sin];

    /// Its address.
    pub(super) const fn address(self) -> Ipv4Addr {
        match self {
            Self::Fra => Ipv4Addr::new(127, 80, 3, 1),
            Self::Lhr => Ipv4Addr::new(127, 80, 3, 2),
            Self::Iad => Ipv4Addr::new(127, 80, 3, 3),
            Self::Sin => Ipv4Addr::new(127, 80, 3, 4),
        }
    }

    /// What its cache calls itself in `X-Served-By`.
    pub(super) const fn cache(self) -> &'static str {
        match self {
            Self::Fra => "cache-fra-rvl8230051-FRA",
            Self::Lhr => "cache-lhr-rvl7360024-LHR",
            Self::Iad => "cache-iad-rvl2210113-IAD",
            Self::Sin => "cache-sin-rvl4150008-SIN",
        }
    }

    /// Its name in `Proxy-Status` (RFC 9209), on good answers.
    pub(super) const fn proxy_status(self) -> &'static str {
        match self {
            Self::Fra => "edge-fra.riverlight.example",
            Self::Lhr => "edge-lhr.riverlight.example",
            Self::Iad => "edge-iad.riverlight.example",
            Self::Sin => "edge-sin.riverlight.example",
        }
    }

    /// Its code as the model has it.
    pub(super) fn pop(self) -> Pop {
        let code = match self {
            Self::Fra => "FRA",
            Self::Lhr => "LHR",
            Self::Iad => "IAD",
            Self::Sin => "SIN",
        };
        code.parse().expect("airport codes are PoPs")
    }
}

/// Which PoP an asker is sent to.
pub(super) fn pop_for(asker: IpAddr) -> PopCode {
    place_of(asker).map_or(FOR_STRANGERS, |place| place.pop)
}
