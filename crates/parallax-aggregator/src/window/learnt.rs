//! What is learnt of a target over longer than its window reaches back, as a message that outlives the process: how often each agent
//! fails by itself, what is usual for it, the way its last good answer took, what it is used to see.
//!
//! Pure. A cell that is only remembered has no result: it says nothing until its agent does.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use parallax_model::{AgentId, Pop, Protocol, UnixMicros, Vantage};
use prost::encoding::{decode_varint, encode_varint};

use super::seen::Look;
use super::{FORGOTTEN_AFTER, Track, Window, memory};

/// Agents whose identity still holds and which were heard lately, by name.
pub(crate) type Known<'a> = HashMap<&'a str, (&'a AgentId, &'a Arc<Vantage>), RandomState>;

/// Reads the numbers of a cell, in the order in which [`Writer`] wrote them. Moments are distances back from [`Kept::base`]: small.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    base: UnixMicros,
}

impl<'a> Reader<'a> {
    pub(super) fn number(&mut self) -> Option<u32> {
        u32::try_from(decode_varint(&mut self.bytes).ok()?).ok()
    }

    /// A distance may be negative, when a clock was set back: its sign is its lowest bit.
    fn before(&mut self, base: i64) -> Option<i64> {
        let coded = decode_varint(&mut self.bytes).ok()?;
        Some(base.wrapping_sub((coded >> 1).cast_signed() ^ -(coded & 1).cast_signed()))
    }

    pub(super) fn moment(&mut self) -> Option<UnixMicros> {
        self.before(self.base.0).map(UnixMicros)
    }

    pub(super) fn second(&mut self) -> Option<u32> {
        u32::try_from(self.before(self.base.as_secs())?).ok()
    }

    pub(super) fn float(&mut self) -> Option<f32> {
        self.number().map(|bits| f32::from_bits(bits.reverse_bits()))
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        self.bytes.split_off(..count)
    }

    fn word(&mut self) -> Option<&'a str> {
        let length = self.number()? as usize;
        std::str::from_utf8(self.bytes(length)?).ok()
    }
}

/// Writes the numbers of a cell.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    base: UnixMicros,
}

impl Writer<'_> {
    pub(super) fn number(&mut self, number: u32) {
        encode_varint(number.into(), self.bytes);
    }

    fn before(&mut self, base: i64, at: i64) {
        let distance = base.wrapping_sub(at);
        encode_varint((distance << 1 ^ distance >> 63).cast_unsigned(), self.bytes);
    }

    pub(super) fn moment(&mut self, at: UnixMicros) {
        self.before(self.base.0, at.0);
    }

    pub(super) fn second(&mut self, at: u32) {
        self.before(self.base.as_secs(), at.into());
    }

    /// Small whole numbers have their bits at the front.
    pub(super) fn float(&mut self, number: f32) {
        self.number(number.to_bits().reverse_bits());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn word(&mut self, word: &str) {
        self.number(u32::try_from(word.len()).unwrap_or(u32::MAX));
        self.bytes(word.as_bytes());
    }
}

/// The ways that good answers took, each once: a PoP and a protocol, where they are known.
#[derive(Debug, Default)]
pub(super) struct Ways {
    looks: Vec<Arc<Look>>,
    places: HashMap<(Option<Pop>, Option<Protocol>), u32>,
}

impl Ways {
    pub(super) fn get(&self, place: u32) -> Option<&Arc<Look>> {
        self.looks.get(place as usize)
    }

    pub(super) fn place(&mut self, look: &Look) -> u32 {
        let way = (look.pop().cloned(), look.protocol);
        *self.places.entry(way).or_insert_with_key(|(pop, protocol)| {
            self.looks.push(Arc::new(Look::of_way(pop.clone(), *protocol)));
            u32::try_from(self.looks.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// `None` when one is there twice: the places would be wrong.
    fn read(kept: &[KeptWay]) -> Option<Self> {
        let mut ways = Self::default();
        for way in kept {
            ways.place(&Look::of_way(way.pop.parse().ok(), way.protocol.parse().ok()));
        }
        (ways.looks.len() == kept.len()).then_some(ways)
    }

    fn keep(&self) -> Vec<KeptWay> {
        let kept = |look: &Arc<Look>| KeptWay {
            pop: look.pop().map(ToString::to_string).unwrap_or_default(),
            protocol: look.protocol.map(|protocol| protocol.to_string()).unwrap_or_default(),
        };
        self.looks.iter().map(kept).collect()
    }
}

/// One of them; empty what is not known.
#[derive(Clone, PartialEq, prost::Message)]
struct KeptWay {
    #[prost(string, tag = "1")]
    pop: String,
    #[prost(string, tag = "2")]
    protocol: String,
}

/// What is learnt of a target by all its agents.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Kept {
    /// The moment from which all others are told, in microseconds since 1970.
    #[prost(sint64, tag = "1")]
    base: i64,
    /// Until when results are counted in it, in microseconds since 1970.
    #[prost(sint64, tag = "2")]
    settled_at: i64,
    /// What agents are used to see is kept as hashes. With others than these it would look as if everything had changed.
    #[prost(fixed32, tag = "3")]
    canary: u32,
    /// What cells name by its place.
    #[prost(message, repeated, tag = "4")]
    ways: Vec<KeptWay>,
    /// Cells one after the other, each with its agent's name before it.
    #[prost(bytes = "bytes", tag = "5")]
    cells: Bytes,
}

impl Window {
    /// Takes up what was learnt before the process last ended, of agents that are known and not forgotten: at most so many cells. To be
    /// called before results are added. Returns how many cells there are; `None`, and nothing is taken up, when it cannot be read.
    pub(crate) fn recall(
        &mut self,
        kept: &Kept,
        known: &Known<'_>,
        room: usize,
        now: UnixMicros,
    ) -> Option<usize> {
        let ways = Ways::read(&kept.ways).filter(|_| kept.canary == memory::canary())?;
        let mut cells = Reader { bytes: &kept.cells, base: UnixMicros(kept.base) };
        let mut tracks = Vec::with_capacity(known.len().min(room));
        let forgotten = u64::try_from(FORGOTTEN_AFTER.as_micros()).unwrap_or(u64::MAX);
        while !cells.bytes.is_empty() {
            let agent = known.get(cells.word()?);
            let remembered = Track::recalled(&mut cells, &ways)?;
            if let Some((agent, vantage)) = agent
                && tracks.len() < room
                && now.since(remembered.heard()) <= forgotten
            {
                tracks.push(Box::new(remembered.of(agent, vantage)));
            }
        }
        let recalled = tracks.len();
        for track in tracks {
            self.take_in(track);
        }
        self.shared.settled_until = UnixMicros(kept.settled_at);
        Some(recalled)
    }

    /// What is learnt until now.
    pub(crate) fn learnt(&self, now: UnixMicros) -> Kept {
        let (mut bytes, mut ways) = (Vec::new(), Ways::default());
        for track in self.in_order().filter(|track| track.has_learnt()) {
            let mut cell = Writer { bytes: &mut bytes, base: now };
            cell.word(track.agent().as_str());
            track.keep(&mut cell, &mut ways);
        }
        Kept {
            base: now.0,
            settled_at: self.settled_at.0,
            canary: memory::canary(),
            ways: ways.keep(),
            cells: bytes.into(),
        }
    }
}
