//! Chance that is a pure function of a seed, the same on every machine and in every version: `SplitMix64` and the few
//! distributions that worlds are made of. Not for secrets.

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed. Neighbouring seeds give unrelated streams.
    pub const fn new(seed: u64) -> Self {
        let mut chance = Self(seed);
        chance.0 = chance.next() ^ seed.rotate_left(32);
        chance
    }

    /// A stream of its own, so that drawing more from one part of a world changes nothing in another.
    #[must_use]
    pub const fn fork(&self, label: u64) -> Self {
        Self::new(self.0 ^ label.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    /// 64 random bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number from `low` up to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from((u128::from(self.next()) * n as u128) >> 64).unwrap_or(0)
    }

    /// Whether something of probability `p` happens.
    pub fn happens(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of a list that is not empty.
    pub fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// An index drawn by weight; the last one when the weights are all 0.
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len().saturating_sub(1)
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Log-normal with this median; `sigma` is the deviation of the logarithm.
    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Gamma of scale 1 (Marsaglia and Tsang 2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.unit()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Shares of a whole: a symmetric Dirichlet over `n` parts.
    pub fn dirichlet(&mut self, alpha: f64, n: usize) -> Vec<f64> {
        let parts: Vec<f64> = (0..n).map(|_| self.gamma(alpha).max(1e-12)).collect();
        let sum: f64 = parts.iter().sum();
        parts.into_iter().map(|part| part / sum).collect()
    }

    /// Poisson; takes time in proportion to the mean.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let (mut left, mut n) = (mean, 0);
        loop {
            left += (1.0 - self.unit()).ln();
            if left < 0.0 || n == u32::MAX {
                return n;
            }
            n += 1;
        }
    }

    /// Negative binomial as a gamma-mixed Poisson.
    pub fn negative_binomial(&mut self, mean: f64, shape: f64) -> u32 {
        let mixed = self.gamma(shape) * mean / shape;
        self.poisson(mixed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_stream() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            (chance.next(), chance.next())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        // The known answers of SplitMix64.
        let mut known = Chance(1_234_567);
        assert_eq!((known.next(), known.next()), (6_457_827_717_110_365_317, 3_203_168_211_198_807_973));
    }

    #[test]
    fn means_are_what_they_say() {
        let mut chance = Chance::new(1);
        let mut mean = |draw: &mut dyn FnMut(&mut Chance) -> f64| {
            (0..20_000).map(|_| draw(&mut chance)).sum::<f64>() / 20_000.0
        };
        let near = |got: f64, want: f64| assert!((got - want).abs() < 0.05 * want.max(1.0), "{got} {want}");
        near(mean(&mut Chance::unit), 0.5);
        near(mean(&mut Chance::normal), 0.0);
        near(mean(&mut |c| c.gamma(0.35)), 0.35);
        near(mean(&mut |c| c.gamma(3.0)), 3.0);
        near(mean(&mut |c| f64::from(c.poisson(4.0))), 4.0);
        near(mean(&mut |c| f64::from(c.negative_binomial(6.0, 2.0))), 6.0);
        near(mean(&mut |c| c.weighted(&[1.0, 0.0, 3.0]) as f64), 1.5);
    }
}
