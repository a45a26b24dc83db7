//! What was met before: the same targets, answers and certificates come with every batch, and reading them costs more than all the
//! rows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::{fmt, io};

use foldhash::fast::RandomState;
use parallax_model::{DnsFacts, Emitter, Target, TlsFacts};
use prost::Message;
use zstd::bulk::Decompressor;

use super::MAX_BATCH_BYTES;
use crate::WireError;
use crate::v1::types;

/// Values of one kind that are remembered; when there are more, all are forgotten and met anew.
const MAX_VALUES: usize = 16_384;
/// Bytes of encoded values of one kind that are remembered, likewise; read, they take about three times as much.
const MAX_SHELF_BYTES: usize = 4 * 1024 * 1024;
/// Longer encoded values are read every time.
const MAX_BYTES: usize = 1_024;

/// Decompressors that are kept; each holds about 150 KiB, and at most as many are in use as there are threads that decode.
const MAX_DECOMPRESSORS: usize = 16;

/// Dictionary values that were met before, by the bytes they came as. Good for batches of any agent.
#[derive(Default)]
pub struct Known {
    decompressors: Mutex<Vec<Decompressor<'static>>>,
    pub(super) targets: Shelf<types::Target, Target>,
    pub(super) emitters: Shelf<types::Emitter, Arc<Emitter>>,
    pub(super) dns: Shelf<types::DnsFacts, Arc<DnsFacts>>,
    pub(super) tls: Shelf<types::TlsFacts, Arc<TlsFacts>>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

impl Known {
    /// What a zstd frame holds, at most [`MAX_BATCH_BYTES`].
    pub(super) fn decompress(&self, frame: &[u8]) -> io::Result<Vec<u8>> {
        let told = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten();
        let size = told.and_then(|size| usize::try_from(size).ok()).unwrap_or(MAX_BATCH_BYTES);
        let kept = self.decompressors().pop();
        let mut decompressor = kept.map_or_else(Decompressor::new, Ok)?;
        let plain = decompressor.decompress(frame, size.min(MAX_BATCH_BYTES));
        let mut kept = self.decompressors();
        if kept.len() < MAX_DECOMPRESSORS {
            kept.push(decompressor);
        }
        plain
    }

    fn decompressors(&self) -> MutexGuard<'_, Vec<Decompressor<'static>>> {
        self.decompressors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Values of one kind.
#[derive(Debug)]
pub(super) struct Shelf<Wire, Value> {
    // Held for map operations only, once or twice a batch.
    values: RwLock<Remembered<Value>>,
    wire: std::marker::PhantomData<fn() -> Wire>,
}

/// Values by the bytes they came as.
#[derive(Debug)]
struct Remembered<Value> {
    values: HashMap<Box<[u8]>, Value, RandomState>,
    /// Of the encoded values.
    bytes: usize,
}

impl<Value> Default for Remembered<Value> {
    fn default() -> Self {
        Self { values: HashMap::default(), bytes: 0 }
    }
}

impl<Wire, Value> Default for Shelf<Wire, Value> {
    fn default() -> Self {
        Self { values: RwLock::default(), wire: std::marker::PhantomData }
    }
}

impl<Wire: Message + Default, Value: Clone> Shelf<Wire, Value> {
    /// Reads a dictionary.
    pub(super) fn read(
        &self,
        entries: &[&[u8]],
        convert: impl Fn(&Wire) -> Result<Value, WireError>,
    ) -> Result<Vec<Value>, WireError> {
        let mut fresh = Vec::new();
        let values = self.values.read().unwrap_or_else(PoisonError::into_inner);
        let value = |entry: &&[u8]| {
            if let Some(value) = values.values.get(*entry) {
                return Ok(value.clone());
            }
            let wire = Wire::decode(*entry).map_err(|e| WireError::invalid("dictionary", e))?;
            let value = convert(&wire)?;
            if entry.len() <= MAX_BYTES {
                fresh.push((Box::from(*entry), value.clone()));
            }
            Ok(value)
        };
        let read = entries.iter().map(value).collect::<Result<Vec<_>, _>>();
        drop(values);
        if !fresh.is_empty() {
            self.remember(fresh);
        }
        read
    }

    fn remember(&self, fresh: Vec<(Box<[u8]>, Value)>) {
        let mut kept = self.values.write().unwrap_or_else(PoisonError::into_inner);
        let bytes: usize = fresh.iter().map(|(encoded, _)| encoded.len()).sum();
        if kept.values.len() + fresh.len() > MAX_VALUES || kept.bytes + bytes > MAX_SHELF_BYTES {
            *kept = Remembered::default();
        }
        // One that another batch brought meanwhile is counted twice: then a little less is remembered.
        kept.bytes += bytes;
        kept.values.extend(fresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::target_from_wire;

    fn entries(from: usize, count: usize) -> Vec<Vec<u8>> {
        let target = |n: usize| types::Target {
            scheme: 1,
            host: format!("h{n}.example.com"),
            port: 80,
            path: "/".to_owned(),
        };
        (from..from + count).map(|n| target(n).encode_to_vec()).collect()
    }

    fn slices(entries: &[Vec<u8>]) -> Vec<&[u8]> {
        entries.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn what_was_met_before_is_read_once_and_shared() {
        let shelf = Shelf::<types::Target, Target>::default();
        let read = |entries: &[Vec<u8>], convert: fn(&types::Target) -> Result<Target, WireError>| {
            shelf.read(&slices(entries), convert)
        };
        let first = read(&entries(1, 2), |t| target_from_wire(Some(t))).expect("good targets");
        let again = read(&entries(1, 2), |_| Err(WireError::Missing("asked again"))).expect("known");
        assert_eq!(first, again);
        assert!(std::ptr::eq(first[0].host.as_str(), again[0].host.as_str()));
        assert_eq!(read(&entries(9, 1), |_| Err(WireError::Missing("new"))), Err(WireError::Missing("new")));
        assert!(read(&[b"\xff".to_vec()], |t| target_from_wire(Some(t))).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let shelf = Shelf::<types::Target, Target>::default();
        for n in 0..5 {
            shelf
                .read(&slices(&entries(n * 10_000, 10_000)), |t| target_from_wire(Some(t)))
                .expect("good targets");
        }
        let kept = shelf.values.read().expect("not poisoned");
        assert!(kept.values.len() <= MAX_VALUES && kept.bytes <= MAX_SHELF_BYTES);
    }
}
