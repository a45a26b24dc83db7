//! The scale that times travel on: linear at its beginning, logarithmic above, like that of an HDR histogram.

/// Most bits that a scale may keep after the first one; from here on every number keeps all of its own.
const MAX_BITS: u32 = 31;

/// A scale that keeps some bits of a number after its first one, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    bits: u32,
}

impl Default for Scale {
    fn default() -> Self {
        Self::EXACT
    }
}

impl Scale {
    /// Numbers as they are.
    pub(crate) const EXACT: Self = Self { bits: MAX_BITS };

    /// The scale that keeps `bits` after the first one; 0 is [`Scale::EXACT`].
    pub(crate) const fn new(bits: u32) -> Self {
        if bits == 0 || bits > MAX_BITS { Self::EXACT } else { Self { bits } }
    }

    /// The number's place on the scale. Places have the order of their numbers.
    pub(crate) const fn place(self, number: u32) -> u32 {
        let length = u32::BITS - number.leading_zeros();
        if length <= self.bits + 1 {
            return number;
        }
        let shift = length - self.bits - 1;
        (shift << self.bits) + (number >> shift)
    }

    /// The number in the middle of what has this place; a place that no number has is read as [`u32::MAX`].
    pub(crate) const fn number(self, place: u32) -> u32 {
        let step = place >> self.bits;
        if step <= 1 {
            return place;
        }
        let shift = step - 1;
        if shift > MAX_BITS - self.bits {
            return u32::MAX;
        }
        // Of `bits + 1` bits, so that what is shifted in fits and half a step more does too.
        let first = place - (shift << self.bits);
        (first << shift) + (1 << (shift - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_the_order_of_their_numbers_and_keep_them_to_within_0_8_percent() {
        let scale = Scale::new(6);
        let mut before = 0;
        for number in (0..100_000).chain((0..32).map(|n| u32::MAX - (1 << n) + 1)).chain([u32::MAX]) {
            let place = scale.place(number);
            let read = scale.number(place);
            assert_eq!(scale.place(read), place, "{number}");
            let off = (f64::from(read) - f64::from(number)).abs();
            assert!(off <= f64::from(number) * 0.0079, "{number} is read as {read}");
            assert!(number >= 128 || read == number);
            if number < 100_000 {
                assert!(place >= before, "{number}");
                before = place;
            }
        }
        assert_eq!(scale.place(u32::MAX), 25 * 64 + 127);
    }

    #[test]
    fn an_exact_scale_changes_nothing() {
        for number in [0, 1, 127, 128, 5_000_000, u32::MAX - 1, u32::MAX] {
            assert_eq!(Scale::EXACT.number(Scale::EXACT.place(number)), number);
        }
    }

    #[test]
    fn a_place_from_elsewhere_is_a_number_all_the_same() {
        for bits in [1, 6, 30] {
            for place in [0, 1 << 20, 1 << 31, u32::MAX] {
                let number = Scale::new(bits).number(place);
                assert!(
                    number == place || number == u32::MAX || number > 1 << bits,
                    "{bits} {place} {number}"
                );
            }
        }
    }
}
