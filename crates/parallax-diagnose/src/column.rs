//! Attribute values as small numbers, so that scopes are counted by number and not by name.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

use parallax_model::{Attribute, Family, NetworkKind, Protocol};

use crate::observe::{Observation, count};
use crate::place::Place;

/// The observations by columns, a row each: attribute values as numbers from 1; 0 is "missing", which is never a scope.
#[derive(Debug)]
pub(crate) struct Columns {
    values: Vec<Column>,
    /// Number of each one's agent, from 1; the rows of one agent stand together.
    pub(crate) agents: Vec<u32>,
    pub(crate) weights: Vec<f64>,
    /// A number for the network that each stands in, or for its region where the ASN is not known.
    pub(crate) networks: Vec<u32>,
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
        let values = Column::of_places(usable);
        let asns = &values[Attribute::Asn as usize];
        let of_row = |(asn, region): (&u32, &u32)| if *asn == 0 { count(asns.values) + region } else { *asn };
        let networks = asns.ids.iter().zip(&values[Attribute::Region as usize].ids).map(of_row).collect();
        Self {
            networks,
            values,
            agents: usable.iter().map(|observation| observation.agent).collect(),
            weights: usable.iter().map(|observation| observation.weight).collect(),
            lone: usable.windows(2).all(|pair| pair[0].agent != pair[1].agent),
        }
    }

    pub(crate) fn column(&self, attribute: Attribute) -> &Column {
        &self.values[attribute as usize]
    }

    /// Whether rows are of so many agents; those of one agent stand together.
    pub(crate) fn are_of(&self, least: u32, rows: impl Iterator<Item = usize>) -> bool {
        let (mut agent_before, mut seen) = (0, 0);
        for agent in rows.map(|row| self.agents[row]) {
            seen += u32::from(agent != agent_before);
            agent_before = agent;
            if seen == least {
                return true;
            }
        }
        false
    }

    /// One more than the largest number of a network.
    pub(crate) fn most_networks(&self) -> usize {
        self.column(Attribute::Asn).values + self.column(Attribute::Region).values
    }
}

impl Column {
    /// The columns of all attributes, in their order.
    fn of_places(usable: &[Observation<'_>]) -> Vec<Self> {
        let column = |attribute: &Attribute| match attribute {
            Attribute::All => Self::default(),
            Attribute::Asn => Self::numbered(usable, |p, of| p.asn.map(|asn| of.number(asn.0))),
            Attribute::Region => Self::numbered(usable, |p, of| p.region.map(|r| of.text(r.as_str()))),
            Attribute::Country => Self::numbered(usable, |p, of| p.country.map(|c| of.text(c.as_str()))),
            Attribute::Pop => Self::numbered(usable, |p, of| p.pop.map(|pop| of.text(pop.as_str()))),
            Attribute::Address => Self::numbered(usable, |p, of| p.address.map(|a| of.address(a))),
            Attribute::Resolver => Self::numbered(usable, |p, of| p.resolver.map(|r| of.text(r))),
            Attribute::Family => Self::known(usable, 2, |p| p.family.map(|f| u32::from(f == Family::V6))),
            Attribute::Protocol => {
                Self::known(usable, Protocol::ALL.len(), |p| p.protocol.map(|protocol| protocol as u32))
            }
            Attribute::Network => {
                Self::known(usable, NetworkKind::ALL.len(), |p| p.network.map(|network| network as u32))
            }
        };
        Attribute::ALL.iter().map(column).collect()
    }

    /// Of an attribute that may have any value.
    fn numbered<'a>(
        usable: &[Observation<'a>],
        number: impl Fn(&Place<'a>, &mut Interner<'a>) -> Option<u32>,
    ) -> Self {
        let mut interner = Interner::new();
        let ids = usable.iter().map(|o| number(&o.place, &mut interner).unwrap_or(0)).collect();
        Self { ids, values: interner.known.len() + 1 }
    }

    /// Of an attribute that has only so many values.
    fn known(usable: &[Observation<'_>], values: usize, value: impl Fn(&Place<'_>) -> Option<u32>) -> Self {
        let ids = usable.iter().map(|o| value(&o.place).map_or(0, |value| value + 1)).collect();
        Self { ids, values: values + 1 }
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

    fn number(&mut self, number: u32) -> u32 {
        self.word(Word { bits: [number.into(), 0], tag: 0 })
    }

    fn address(&mut self, address: IpAddr) -> u32 {
        self.word(match address {
            IpAddr::V4(v4) => Word { bits: [v4.to_bits().into(), 0], tag: 4 },
            IpAddr::V6(v6) => Word { bits: ends(&v6.octets()), tag: 6 },
        })
    }

    fn text(&mut self, text: &'a str) -> u32 {
        let word = match u8::try_from(text.len()) {
            Ok(tag) if text.len() <= Word::BYTES => Word { bits: ends(text.as_bytes()), tag },
            _ => {
                let next = self.long.len() as u64;
                Word { bits: [*self.long.entry(text).or_insert(next), 0], tag: Word::LONG }
            }
        };
        self.word(word)
    }

    #[inline]
    fn word(&mut self, word: Word) -> u32 {
        let Self { known, recent, .. } = self;
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

/// A value as numbers that are cheap to compare.
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
        spread(head ^ tail.rotate_left(32) ^ u64::from(self.tag))
    }
}

/// A hash of which the first bits are good for a place in a small table (Fibonacci hashing, Knuth 6.4).
pub(crate) const fn spread(word: u64) -> u64 {
    word.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The first and the last eight bytes of at most sixteen, which are all of them; of fewer than eight all in one. Bytes that are in
/// both say nothing new, and do no harm among words of one length: no loop, of which nobody can foresee how long it is.
fn ends(bytes: &[u8]) -> [u64; 2] {
    if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return [u64::from_le_bytes(*head), u64::from_le_bytes(*tail)];
    }
    if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return [u64::from(u32::from_le_bytes(*head)) << 32 | u64::from(u32::from_le_bytes(*tail)), 0];
    }
    match (bytes.first(), bytes.get(bytes.len() / 2), bytes.last()) {
        (Some(head), Some(middle), Some(tail)) => {
            [u64::from(u32::from_le_bytes([*head, *middle, *tail, 0])), 0]
        }
        _ => [0, 0],
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
