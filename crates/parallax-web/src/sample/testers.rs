//! Made-up testers on numbers and addresses kept for documentation (RFC 5398, RFC 5737).

use parallax_aggregator::VantagePoint;
use parallax_model::{Asn, Continent, Family, NetworkKind, Vantage};

use super::SAMPLE_NOW;

use Continent::{Africa, Asia, Europe, NorthAmerica, Oceania, SouthAmerica};
use NetworkKind::{Home, Hosting, Mobile};

type Isp = (u32, &'static str, NetworkKind);
type City = (&'static str, &'static str, &'static str, Continent);

const FERNHILL: Isp = (64_500, "Fernhill Broadband", Home);
const NORRLIGHT: Isp = (64_501, "Norrlight Fibre", Home);
const MERIDIAN: Isp = (64_502, "Meridian Mobile", Mobile);
const BLUEWATER: Isp = (64_503, "Bluewater Cable", Home);
const KESTREL: Isp = (64_504, "Kestrel Telecom", Mobile);
const GRANITE: Isp = (64_505, "Granite Hosting", Hosting);

const LONDON: City = ("London", "GB", "eu-west", Europe);
const PARIS: City = ("Paris", "FR", "eu-west", Europe);
const FRANKFURT: City = ("Frankfurt", "DE", "eu-central", Europe);
const WARSAW: City = ("Warsaw", "PL", "eu-central", Europe);
const NEW_YORK: City = ("New York", "US", "us-east", NorthAmerica);
const BOSTON: City = ("Boston", "US", "us-east", NorthAmerica);
const SEATTLE: City = ("Seattle", "US", "us-west", NorthAmerica);
const LOS_ANGELES: City = ("Los Angeles", "US", "us-west", NorthAmerica);
const MUMBAI: City = ("Mumbai", "IN", "ap-south", Asia);
const TOKYO: City = ("Tokyo", "JP", "ap-northeast", Asia);
const SAO_PAULO: City = ("São Paulo", "BR", "sa-east", SouthAmerica);
const JOHANNESBURG: City = ("Johannesburg", "ZA", "af-south", Africa);
const SYDNEY: City = ("Sydney", "AU", "oc-south", Oceania);

const PLACES: [(Isp, City); 27] = [
    (FERNHILL, LONDON),
    (FERNHILL, PARIS),
    (FERNHILL, FRANKFURT),
    (FERNHILL, NEW_YORK),
    (FERNHILL, SYDNEY),
    (NORRLIGHT, FRANKFURT),
    (NORRLIGHT, WARSAW),
    (NORRLIGHT, LONDON),
    (NORRLIGHT, SEATTLE),
    (MERIDIAN, PARIS),
    (MERIDIAN, WARSAW),
    (MERIDIAN, MUMBAI),
    (MERIDIAN, SAO_PAULO),
    (MERIDIAN, JOHANNESBURG),
    (BLUEWATER, NEW_YORK),
    (BLUEWATER, BOSTON),
    (BLUEWATER, LOS_ANGELES),
    (BLUEWATER, SAO_PAULO),
    (KESTREL, MUMBAI),
    (KESTREL, TOKYO),
    (KESTREL, FRANKFURT),
    (KESTREL, LOS_ANGELES),
    (GRANITE, FRANKFURT),
    (GRANITE, NEW_YORK),
    (GRANITE, TOKYO),
    (GRANITE, SAO_PAULO),
    (GRANITE, SYDNEY),
];

/// Twenty-seven testers in six networks; two of them have been quiet for a while.
pub fn sample_testers() -> Vec<VantagePoint> {
    PLACES.iter().enumerate().map(|(i, place)| tester(i, *place)).collect()
}

fn tester(i: usize, ((asn, isp, network), (city, country, region, continent)): (Isp, City)) -> VantagePoint {
    let word = |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect() };
    let first = isp.split(' ').next().unwrap_or_default();
    let name = format!("{}-{}", word(first), word(city)).to_ascii_lowercase();
    let online = i % 13 != 12;
    VantagePoint {
        agent: name.parse().expect("names of the table are agent ids"),
        vantage: Vantage {
            continent: Some(continent),
            region: Some(region.parse().expect("regions of the table are regions")),
            country: Some(country.parse().expect("countries of the table are countries")),
            city: Some(city.to_owned()),
            asn: Some(Asn(asn)),
            isp: Some(isp.parse().expect("names of the table are names")),
            network,
            families: if i.is_multiple_of(3) { vec![Family::V4, Family::V6] } else { vec![Family::V4] },
        },
        online,
        last_heard: SAMPLE_NOW.plus_secs(if online { -4 } else { -3_100 }),
        version: "0.1.0".to_owned(),
    }
}
