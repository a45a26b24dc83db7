//! Seeds, apart by construction: what a number was used for stands in its top bits.

/// What worlds of a seed may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Unit tests.
    Test = 1,
    /// Fitting weights, prices and temperatures, and everything that is looked at while doing so.
    Training = 2,
    /// Measuring. Nothing is ever chosen by what happens here.
    Evaluation = 3,
}

/// The seed of the `index`-th world of a batch. Seeds of one purpose lie in `purpose << 60 ..`, batches `1 << 28` apart, so no
/// two purposes and no two batches share a world.
pub const fn seed(purpose: Purpose, batch: u32, index: u32) -> u64 {
    ((purpose as u64) << 60) | ((batch as u64) << 28) | (index as u64 & 0x0fff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_batches_never_meet() {
        assert_eq!(seed(Purpose::Test, 0, 0), 0x1000_0000_0000_0000);
        assert_eq!(seed(Purpose::Training, 1, 2), 0x2000_0000_1000_0002);
        assert!(seed(Purpose::Training, u32::MAX, u32::MAX) < seed(Purpose::Evaluation, 0, 0));
        assert!(seed(Purpose::Test, u32::MAX, u32::MAX) < seed(Purpose::Training, 0, 0));
    }
}
