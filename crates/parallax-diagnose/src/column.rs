//! Attribute values as small numbers, so that scopes are counted by number and not by name.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

use parallax_model::{Attribute, Family};

use crate::observe::{Observation, count};

/// The observations by columns, a row each: attribute values as numbers from 1; 0 is "missing", which is never a scope.
#[derive(Debug)]
pub(crate) struct Columns {
    values: Vec<Column>,
    /// Number of each one's agent, from 1; the rows of one agent stand together.
    pub(crate) agents: Vec<u32>,
    pub(crate) weights: Vec<f64>,
    /// Whether no agent has more than one row.
    pub(crate) lone: bool,
}

/// The values of one attribute, a number for each row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Column {
    pub(crate) ids: Vec<u32>,
    /// One more than the largest number.
    pub(crate) values: usize,
}

impl Columns {
    pub(crate) fn of(usable: &[Observation<'_>]) -> Self {
        Self {
            values: Column::of_places(usable),
            agents: usable.iter().map(|observation| observation.agent).collect(),
            weights: usable.iter().map(|observation| observation.weight).collect(),
            lone: usable.windows(2).all(|pair| pair[0].agent != pair[1].agent),
        }
    }

    pub(crate) fn column(&self, attribute: Attribute) -> &Column {
        &self.values[attribute as usize]
    }

    /// A number for the network that a row stands in, or for its region where the ASN is not known, and one more than the largest.
    pub(crate) fn network(&self, row: usize) -> usize {
        let asns = self.column(Attribute::Asn);
        match asns.ids[row] {
            0 => asns.values + self.column(Attribute::Region).ids[row] as usize,
            asn => asn as usize,
        }
    }

    pub(crate) fn networks(&self) -> usize {
        self.column(Attribute::Asn).values + self.column(Attribute::Region).values
    }
}

impl Column {
    /// The columns of all attributes, in their order. One pass: an observation is large, and its values stand side by side.
    fn of_places(usable: &[Observation<'_>]) -> Vec<Self> {
        let mut columns: Vec<Self> = Attribute::ALL
            .iter()
            .map(|attribute| Self {
                ids: Vec::with_capacity(usable.len()),
                values: Self::numbers(*attribute),
            })
            .collect();
        let [mut region, mut country, mut pop, mut address, mut resolver, mut asn] =
            std::array::from_fn(|_| Interner::new());
        for place in usable.iter().map(|observation| &observation.place) {
            let mut put = |attribute: Attribute, id: u32| columns[attribute as usize].ids.push(id);
            put(Attribute::Asn, asn.number(place.asn.map(|asn| Value::Number(asn.0))));
            put(Attribute::Region, region.number(place.region.map(|region| Value::Text(region.as_str()))));
            put(
                Attribute::Country,
                country.number(place.country.map(|country| Value::Text(country.as_str()))),
            );
            put(Attribute::Pop, pop.number(place.pop.map(|pop| Value::Text(pop.as_str()))));
            put(Attribute::Address, address.number(place.address.map(Value::Address)));
            put(Attribute::Resolver, resolver.number(place.resolver.map(Value::Text)));
            put(Attribute::Family, place.family.map_or(0, |family| 1 + u32::from(family == Family::V6)));
            put(Attribute::Protocol, place.protocol.map_or(0, |protocol| 1 + protocol as u32));
            put(Attribute::Network, place.network.map_or(0, |network| 1 + network as u32));
        }
        let mut close = |attribute: Attribute, of: &Interner<'_>| {
            columns[attribute as usize].values = of.known.len() + 1;
        };
        close(Attribute::Asn, &asn);
        close(Attribute::Region, &region);
        close(Attribute::Country, &country);
        close(Attribute::Pop, &pop);
        close(Attribute::Address, &address);
        close(Attribute::Resolver, &resolver);
        columns
    }

    /// One more than the largest number of an attribute whose values are known beforehand.
    const fn numbers(attribute: Attribute) -> usize {
        match attribute {
            Attribute::Family => 3,
            Attribute::Protocol => 1 + parallax_model::Protocol::ALL.len(),
            Attribute::Network => 1 + parallax_model::NetworkKind::ALL.len(),
            _ => 0,
        }
    }
}

/// Numbers the values of one attribute, from 1, in the order in which they come.
struct Interner<'a> {
    known: HashMap<Word, u32, BuildHasherDefault<Mix>>,
    /// Numbers of texts that are longer than a word.
    long: HashMap<&'a str, u64>,
    recent: [(Word, u32); 1 << RECENT_BITS],
}

impl<'a> Interner<'a> {
    fn new() -> Self {
        Self {
            known: HashMap::default(),
            long: HashMap::new(),
            recent: [(Word::MISSING, 0); 1 << RECENT_BITS],
        }
    }

    fn number(&mut self, value: Option<Value<'a>>) -> u32 {
        let Some(value) = value else { return 0 };
        let Self { known, long, recent } = self;
        let word = Word::of(value, |text| {
            let next = long.len() as u64;
            *long.entry(text).or_insert(next)
        });
        let seen = &mut recent[(word.mixed() >> (64 - RECENT_BITS)) as usize];
        if seen.0 != word {
            let next = count(known.len() + 1);
            *seen = (word, *known.entry(word).or_insert(next));
        }
        seen.1
    }
}

/// So many bits of a word's hash say where it is found at once again.
const RECENT_BITS: u32 = 7;

/// One attribute's value.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Address(IpAddr),
}

/// The value as numbers that are cheap to compare.
#[derive(Debug, Clone, Copy, Eq)]
struct Word {
    bits: [u64; 2],
    /// Tells apart what has the same bits: the length of a text, the family of an address.
    tag: u8,
}

impl Word {
    const MISSING: Self = Self { bits: [0, 0], tag: 255 };
    const LONG: u8 = 254;
    /// Bytes of a text that has a word of its own.
    const BYTES: usize = 16;

    fn mixed(self) -> u64 {
        let [head, tail] = self.bits;
        (head ^ tail.rotate_left(32) ^ u64::from(self.tag)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The word of a value; `number` tells texts apart that are longer than a word.
    fn of<'a>(value: Value<'a>, number: impl FnOnce(&'a str) -> u64) -> Self {
        match value {
            Value::Number(number) => Self { bits: [number.into(), 0], tag: 0 },
            Value::Address(IpAddr::V4(v4)) => Self { bits: [v4.to_bits().into(), 0], tag: 4 },
            Value::Address(IpAddr::V6(v6)) => Self { bits: ends(&v6.octets()), tag: 6 },
            Value::Text(text) => match u8::try_from(text.len()) {
                Ok(tag) if text.len() <= Self::BYTES => Self { bits: ends(text.as_bytes()), tag },
                _ => Self { bits: [number(text), 0], tag: Self::LONG },
            },
        }
    }
}

/// The first and the last eight bytes of at most sixteen, which are all of them; of fewer than eight all in one.
fn ends(bytes: &[u8]) -> [u64; 2] {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(head), Some(tail)) => [u64::from_le_bytes(*head), u64::from_le_bytes(*tail)],
        _ => [bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)), 0],
    }
}

impl PartialEq for Word {
    /// All in one: most are compared with what they are equal to.
    fn eq(&self, other: &Self) -> bool {
        let [head, tail] = [self.bits[0] ^ other.bits[0], self.bits[1] ^ other.bits[1]];
        head | tail | u64::from(self.tag ^ other.tag) == 0
    }
}

impl std::hash::Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.mixed());
    }
}

/// A fast hash for the few values of an attribute. Who chooses values so that they collide gains little: a world has at most
/// [`crate::MAX_RESULTS`] of them.
#[derive(Default)]
pub(crate) struct Mix(u64);

impl Mix {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
