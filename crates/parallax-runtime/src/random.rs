//! Randomness as a value: one generator a component, seeded at the edge, so that a test can choose the seed.

use rand::SeedableRng as _;

/// The generator that components hold.
pub type Rng = rand::rngs::StdRng;

/// A generator seeded by the operating system.
pub fn entropy() -> Rng {
    Rng::from_os_rng()
}

/// A generator that always yields the same numbers for the same seed.
pub fn seeded(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}
