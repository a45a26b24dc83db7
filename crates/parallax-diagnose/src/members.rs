//! Sets of probes, one bit each.

/// A power of two.
const TURNS: usize = 8;

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

    /// The sets of all that have the same number; those of number 0 are in none.
    pub(crate) fn by_number(numbers: &[u32], sets: usize) -> Self {
        let words = words(numbers.len());
        // Who is in no set is written behind all, by turns: one place would have to be read again each time before it is written.
        let nowhere = sets * words;
        let mut bits = vec![0; nowhere + TURNS];
        for (member, number) in numbers.iter().enumerate() {
            let word = *number as usize * words + member / 64;
            bits[if *number == 0 { nowhere + member % TURNS } else { word }] |= 1 << (member % 64);
        }
        Self { words, bits }
    }

    pub(crate) fn of(&self, set: usize) -> &[u64] {
        &self.bits[set * self.words..(set + 1) * self.words]
    }

    pub(crate) fn insert(&mut self, set: usize, probe: usize) {
        self.bits[set * self.words + probe / 64] |= 1 << (probe % 64);
    }

    /// Fills an empty set with those that are in both.
    pub(crate) fn fill(&mut self, set: usize, (a, b): (&[u64], &[u64])) {
        let words = &mut self.bits[set * self.words..(set + 1) * self.words];
        for (word, (a, b)) in words.iter_mut().zip(a.iter().zip(b)) {
            *word = a & b;
        }
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

pub(crate) fn has(set: &[u64], probe: usize) -> bool {
    set[probe / 64] >> (probe % 64) & 1 == 1
}

pub(crate) fn remove(set: &mut [u64], probe: usize) {
    set[probe / 64] &= !(1 << (probe % 64));
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

/// Those in the first and not in the second.
pub(crate) fn without<'a>(a: &'a [u64], b: &'a [u64]) -> impl Iterator<Item = usize> + 'a {
    a.iter().zip(b).enumerate().flat_map(|(place, (a, b))| bits(a & !b, place))
}

/// Those in both.
pub(crate) fn both<'a>(a: &'a [u64], b: &'a [u64]) -> impl Iterator<Item = usize> + 'a {
    a.iter().zip(b).enumerate().flat_map(|(place, (a, b))| bits(a & b, place))
}

/// Those in all three.
pub(crate) fn in_all<'a>(a: &'a [u64], b: &'a [u64], c: &'a [u64]) -> impl Iterator<Item = usize> + 'a {
    a.iter().zip(b).zip(c).enumerate().flat_map(|(place, ((a, b), c))| bits(a & b & c, place))
}

/// How many are in both.
pub(crate) fn shared(a: &[u64], b: &[u64]) -> u32 {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum()
}

/// How many are in all three.
pub(crate) fn shared_by_three(a: &[u64], b: &[u64], c: &[u64]) -> u32 {
    a.iter().zip(b).zip(c).map(|((a, b), c)| (a & b & c).count_ones()).sum()
}

/// How many are in all four.
pub(crate) fn shared_by_pairs((a, b): (&[u64], &[u64]), (c, d): (&[u64], &[u64])) -> u32 {
    a.iter().zip(b).zip(c.iter().zip(d)).map(|((a, b), (c, d))| (a & b & c & d).count_ones()).sum()
}

/// So many of a word's members are written in one go.
const AT_ONCE: usize = 4;

/// Lists of members, one after the other.
///
/// Who is a member cannot be foreseen, and a processor that guesses wrong loses more than the work: each that may be one is written,
/// and stays when it is one.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// Longer than what is written, so that there is always room.
    rows: Vec<u32>,
    written: usize,
}

impl Lists {
    /// Where the next list begins.
    pub(crate) const fn end(&self) -> usize {
        self.written
    }

    /// What was written from there on.
    pub(crate) fn since(&self, start: usize) -> &[u32] {
        &self.rows[start..self.written]
    }

    pub(crate) fn list(&self, start: u32, length: u32) -> &[u32] {
        &self.rows[start as usize..][..length as usize]
    }

    /// Forgets what was written from there on.
    pub(crate) fn forget(&mut self, start: usize) {
        self.written = start;
    }

    fn make_room(&mut self, more: usize) {
        let wanted = self.written + more + AT_ONCE;
        if self.rows.len() < wanted {
            self.rows.resize(wanted.max(2 * self.rows.len()), 0);
        }
    }

    /// Writes the members of a set, of which the words are given.
    pub(crate) fn write(&mut self, words: impl ExactSizeIterator<Item = u64>) {
        self.make_room(64 * words.len());
        let mut end = self.written;
        for (first, mut left) in (0..).step_by(64).zip(words) {
            let (mut at, next) = (end, end + left.count_ones() as usize);
            loop {
                for slot in &mut self.rows[at..at + AT_ONCE] {
                    *slot = first + left.trailing_zeros();
                    left &= left.wrapping_sub(1);
                }
                at += AT_ONCE;
                if at >= next {
                    break;
                }
            }
            end = next;
        }
        self.written = end;
    }

    /// Of what was written from there on, each that was a place in a list becomes what stands there.
    pub(crate) fn rename(&mut self, start: usize, list: &[u32]) {
        for row in &mut self.rows[start..self.written] {
            *row = list[*row as usize];
        }
    }

    /// Writes those of a set that are in another set, or those that are not.
    pub(crate) fn write_shared(&mut self, own: &[u64], set: &[u64], inside: bool) {
        let unwanted = if inside { 0 } else { u64::MAX };
        self.write(own.iter().zip(set).map(|(own, other)| own & (other ^ unwanted)));
    }

    /// Writes those of these rows that are in a set, or those that are not.
    pub(crate) fn pick(&mut self, rows: &[u32], set: &[u64], inside: bool) {
        self.make_room(rows.len());
        let unwanted = if inside { 0 } else { u64::MAX };
        let mut end = 0;
        let room = &mut self.rows[self.written..][..rows.len()];
        for row in rows {
            room[end] = *row;
            end += ((set[*row as usize / 64] ^ unwanted) >> (row % 64) & 1) as usize;
        }
        self.written += end;
    }
}

/// The members that one word holds.
fn bits(mut left: u64, place: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (left != 0).then(|| {
            let bit = left.trailing_zeros() as usize;
            left &= left - 1;
            place * 64 + bit
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(probes: usize, has: impl Fn(usize) -> bool) -> Vec<u64> {
        let mut set = none(probes);
        (0..probes).filter(|probe| has(*probe)).for_each(|probe| insert(&mut set, probe));
        set
    }

    #[test]
    fn a_list_has_the_members_in_order_however_it_is_written() {
        let probes = 300;
        let members: [fn(usize) -> bool; 5] = [
            |_| false,
            |probe| probe == 0 || probe == 299,
            |probe| probe % 7 == 3,
            |probe| !(64..200).contains(&probe),
            |_| true,
        ];
        let mut lists = Lists::default();
        for (has, also) in members.iter().flat_map(|has| members.iter().map(move |also| (has, also))) {
            let (own, other) = (set(probes, has), set(probes, also));
            let rows: Vec<u32> = (0..).zip(0..probes).filter(|(_, p)| has(*p)).map(|(row, _)| row).collect();
            lists.forget(0);
            lists.write(own.iter().copied());
            assert_eq!(lists.since(0), rows);
            for inside in [true, false] {
                let want: Vec<u32> =
                    rows.iter().copied().filter(|row| also(*row as usize) == inside).collect();
                let start = lists.end();
                lists.pick(&rows, &other, inside);
                assert_eq!(lists.since(start), want);
                let start = lists.end();
                lists.write_shared(&own, &other, inside);
                assert_eq!(lists.since(start), want);
            }
        }
    }

    #[test]
    fn those_in_all_four_are_counted() {
        let [a, b, c, d] = [2, 3, 5, 1].map(|of| set(300, |probe| probe % of == 0));
        assert_eq!(shared_by_pairs((&a, &b), (&c, &d)), 10);
        assert_eq!(shared(&a, &b), 50);
    }
}
