//! Sets of probes, one bit each.

/// Sets of probes of one scan, side by side.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    /// Words of one set.
    words: usize,
    bits: Vec<u64>,
}

impl Sets {
    /// So many empty sets.
    pub(crate) fn new(rows: usize, sets: usize) -> Self {
        Self { words: words(rows), bits: vec![0; sets * words(rows)] }
    }

    pub(crate) fn of(&self, set: usize) -> &[u64] {
        &self.bits[set * self.words..(set + 1) * self.words]
    }

    pub(crate) fn insert(&mut self, set: usize, probe: usize) {
        self.bits[set * self.words + probe / 64] |= 1 << (probe % 64);
    }
}

/// A set without members.
pub(crate) fn none(probes: usize) -> Vec<u64> {
    vec![0; words(probes)]
}

const fn words(probes: usize) -> usize {
    probes.div_ceil(64)
}

pub(crate) fn insert(set: &mut [u64], probe: usize) {
    set[probe / 64] |= 1 << (probe % 64);
}

/// Adds the members of another set.
pub(crate) fn unite(set: &mut [u64], other: &[u64]) {
    for (mine, theirs) in set.iter_mut().zip(other) {
        *mine |= theirs;
    }
}

/// The members.
pub(crate) fn each(set: &[u64]) -> impl Iterator<Item = usize> + '_ {
    set.iter().enumerate().flat_map(|(place, word)| bits(*word, place))
}

/// Those in both.
pub(crate) fn both<'a>(a: &'a [u64], b: &'a [u64]) -> impl Iterator<Item = usize> + 'a {
    a.iter().zip(b).enumerate().flat_map(|(place, (a, b))| bits(a & b, place))
}

/// Those in the first and not in the second.
pub(crate) fn without<'a>(a: &'a [u64], b: &'a [u64]) -> impl Iterator<Item = usize> + 'a {
    a.iter().zip(b).enumerate().flat_map(|(place, (a, b))| bits(a & !b, place))
}

/// How many are in both.
pub(crate) fn shared(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}

/// The members that one word holds.
pub(crate) fn bits(mut left: u64, place: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (left != 0).then(|| {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            place * 64 + bit
        })
    })
}
