//! Where the demonstration's agents stand.
//!
//! Invented providers on AS numbers kept for documentation (RFC 5398). Providers span regions, countries lie in several
//! networks, every provider has customers that ask a public resolver, and the CDN sends some to a PoP their region is not
//! usually sent to: so that one network, one region, one PoP and one resolver never mean the same agents.

use std::net::{IpAddr, Ipv4Addr};

use parallax_model::{Asn, Continent, Country, Family, IspName, NetworkKind, Region, Vantage};

use super::cdn::PopCode;
use NetworkKind::{Home, Hosting, Mobile};
use PopCode::{Fra, Iad, Lhr, Sin};
use Resolver::{Isp, PublicOne};

/// Which resolver an agent asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolver {
    /// The one of its own provider.
    Isp,
    /// A public one that all providers' customers can ask.
    PublicOne,
}

impl Resolver {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Isp => "isp",
            Self::PublicOne => "public-one",
        }
    }
}

/// A network operator that does not exist.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Provider {
    pub(super) asn: u32,
    name: &'static str,
}

pub(super) static FERNHILL: Provider = Provider { asn: 64_500, name: "Fernhill Broadband" };
pub(super) static NORRLIGHT: Provider = Provider { asn: 64_501, name: "Norrlight Fibre" };
static MERIDIAN: Provider = Provider { asn: 64_502, name: "Meridian Mobile" };
pub(super) static BLUEWATER: Provider = Provider { asn: 64_503, name: "Bluewater Cable" };
pub(super) static KESTREL: Provider = Provider { asn: 64_504, name: "Kestrel Telecom" };
static GRANITE: Provider = Provider { asn: 64_505, name: "Granite Hosting" };
static OPENFIELD: Provider = Provider { asn: 64_506, name: "Openfield Cloud" };

/// A city with all that follows from it.
#[derive(Debug)]
struct City(&'static str, &'static str, &'static str, Continent);

static LONDON: City = City("London", "GB", "eu-west", Continent::Europe);
static PARIS: City = City("Paris", "FR", "eu-west", Continent::Europe);
static FRANKFURT: City = City("Frankfurt", "DE", "eu-central", Continent::Europe);
static WARSAW: City = City("Warsaw", "PL", "eu-central", Continent::Europe);
static NEW_YORK: City = City("New York", "US", "us-east", Continent::NorthAmerica);
static BOSTON: City = City("Boston", "US", "us-east", Continent::NorthAmerica);
static MONTREAL: City = City("Montreal", "CA", "us-east", Continent::NorthAmerica);
static TORONTO: City = City("Toronto", "CA", "us-east", Continent::NorthAmerica);
static SEATTLE: City = City("Seattle", "US", "us-west", Continent::NorthAmerica);
static LOS_ANGELES: City = City("Los Angeles", "US", "us-west", Continent::NorthAmerica);
static MUMBAI: City = City("Mumbai", "IN", "ap-south", Continent::Asia);
static COLOMBO: City = City("Colombo", "LK", "ap-south", Continent::Asia);
static SAO_PAULO: City = City("São Paulo", "BR", "sa-east", Continent::SouthAmerica);
static BUENOS_AIRES: City = City("Buenos Aires", "AR", "sa-east", Continent::SouthAmerica);

/// One agent's place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) provider: &'static Provider,
    city: &'static City,
    pub(super) network: NetworkKind,
    pub(super) resolver: Resolver,
    /// The PoP of the CDN that its resolver is told.
    pub(super) pop: PopCode,
}

const fn place(
    name: &'static str,
    (provider, network): (&'static Provider, NetworkKind),
    city: &'static City,
    resolver: Resolver,
    pop: PopCode,
) -> Place {
    Place { name, provider, city, network, resolver, pop }
}

/// Every agent's place.
pub(super) static PLACES: [Place; 30] = [
    place("fernhill-london", (&FERNHILL, Home), &LONDON, Isp, Lhr),
    place("fernhill-paris", (&FERNHILL, Home), &PARIS, Isp, Fra),
    place("fernhill-newyork", (&FERNHILL, Home), &NEW_YORK, Isp, Iad),
    place("fernhill-frankfurt", (&FERNHILL, Home), &FRANKFURT, PublicOne, Fra),
    place("norrlight-frankfurt", (&NORRLIGHT, Home), &FRANKFURT, Isp, Fra),
    place("norrlight-warsaw", (&NORRLIGHT, Home), &WARSAW, PublicOne, Fra),
    place("norrlight-london", (&NORRLIGHT, Home), &LONDON, Isp, Lhr),
    place("norrlight-montreal", (&NORRLIGHT, Mobile), &MONTREAL, PublicOne, Iad),
    place("norrlight-seattle", (&NORRLIGHT, Home), &SEATTLE, Isp, Sin),
    place("meridian-paris", (&MERIDIAN, Mobile), &PARIS, Isp, Lhr),
    place("meridian-warsaw", (&MERIDIAN, Mobile), &WARSAW, Isp, Lhr),
    place("meridian-mumbai", (&MERIDIAN, Mobile), &MUMBAI, PublicOne, Sin),
    place("meridian-saopaulo", (&MERIDIAN, Mobile), &SAO_PAULO, Isp, Iad),
    place("bluewater-newyork", (&BLUEWATER, Home), &NEW_YORK, Isp, Iad),
    place("bluewater-boston", (&BLUEWATER, Home), &BOSTON, PublicOne, Iad),
    place("bluewater-montreal", (&BLUEWATER, Home), &MONTREAL, Isp, Lhr),
    place("bluewater-toronto", (&BLUEWATER, Mobile), &TORONTO, Isp, Iad),
    place("bluewater-seattle", (&BLUEWATER, Home), &SEATTLE, Isp, Iad),
    place("bluewater-losangeles", (&BLUEWATER, Home), &LOS_ANGELES, PublicOne, Sin),
    place("bluewater-saopaulo", (&BLUEWATER, Mobile), &SAO_PAULO, Isp, Iad),
    place("kestrel-mumbai", (&KESTREL, Home), &MUMBAI, Isp, Fra),
    place("kestrel-colombo", (&KESTREL, Mobile), &COLOMBO, Isp, Sin),
    place("kestrel-buenosaires", (&KESTREL, Home), &BUENOS_AIRES, Isp, Iad),
    place("kestrel-frankfurt", (&KESTREL, Home), &FRANKFURT, PublicOne, Lhr),
    place("kestrel-losangeles", (&KESTREL, Mobile), &LOS_ANGELES, PublicOne, Iad),
    place("granite-frankfurt", (&GRANITE, Hosting), &FRANKFURT, PublicOne, Fra),
    place("granite-newyork", (&GRANITE, Hosting), &NEW_YORK, Isp, Iad),
    place("granite-mumbai", (&GRANITE, Hosting), &MUMBAI, Isp, Sin),
    place("openfield-london", (&OPENFIELD, Hosting), &LONDON, Isp, Lhr),
    place("openfield-saopaulo", (&OPENFIELD, Hosting), &SAO_PAULO, PublicOne, Iad),
];

/// The agents' addresses are 127.64.0.1, 127.64.0.2 … in the order of [`PLACES`].
const SOURCES: [u8; 3] = [127, 64, 0];

/// The address an agent's packets leave from.
pub(super) fn source(index: usize) -> Ipv4Addr {
    let last = u8::try_from(index + 1).expect("there are fewer than 255 places");
    Ipv4Addr::new(SOURCES[0], SOURCES[1], SOURCES[2], last)
}

/// Which agent stands behind an address; `None` for a stranger, such as a person's own browser.
pub(super) fn index_of(peer: IpAddr) -> Option<usize> {
    let IpAddr::V4(v4) = peer else { return None };
    let [a, b, c, last] = v4.octets();
    let index = usize::from(last).checked_sub(1)?;
    ([a, b, c] == SOURCES && index < PLACES.len()).then_some(index)
}

/// The place behind an address.
pub(super) fn place_of(peer: IpAddr) -> Option<&'static Place> {
    index_of(peer).map(|index| &PLACES[index])
}

impl Place {
    pub(super) fn region(&self) -> &'static str {
        self.city.2
    }

    /// The place in the words of the model.
    pub(super) fn vantage(&self) -> Vantage {
        let City(city, country, region, continent) = self.city;
        Vantage {
            continent: Some(*continent),
            region: Some(region.parse::<Region>().expect("regions of the table are regions")),
            country: Some(country.parse::<Country>().expect("countries of the table are countries")),
            city: Some((*city).to_owned()),
            asn: Some(Asn(self.provider.asn)),
            isp: Some(self.provider.name.parse::<IspName>().expect("providers have names")),
            network: self.network,
            families: vec![Family::V4],
        }
    }
}
