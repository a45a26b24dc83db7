//! Logarithms and exponentials of several numbers at once, which is most of what evidence costs.
//!
//! Written so that the compiler does two or more in one go: no branch, no table, no call. What they give is within two units in
//! the last place, and the same on every platform, which that of the system's mathematics library is not.

use std::f64::consts::LOG2_E;

/// The bits of a number below its exponent.
const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
/// The exponent of 1 as it is stored.
const BIAS: u64 = 1023;
/// Mantissas are taken from the square root of a half on, whose upper bits these are, so that their logarithm is near 0.
const LEAST_MANTISSA: u64 = 0x3fe6_a09e << 32;
/// 2^52: the bits of a whole number below that, put into its mantissa, are that number.
const WHOLE: f64 = 4_503_599_627_370_496.0;
/// 1.5 · 2^52: what is added to it is rounded to a whole number, which stands in its lowest bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// The logarithm of 2 in two parts; the first ends in zeros, so that its multiples are exact.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// `(ln((1+s)/(1−s)) − 2s) / s` in powers of s⁴ as FreeBSD's libm fits it, highest first: those times s⁴, and those times s².
const EVERY_FOURTH: [f64; 3] = [0.153_138_376_992_093_73, 0.222_221_984_321_497_84, 0.399_999_999_994_094_2];
const BETWEEN: [f64; 4] =
    [0.147_981_986_051_165_86, 0.181_835_721_616_180_5, 0.285_714_287_436_623_9, 0.666_666_666_666_673_5];
/// `1/n!` for even n from 12 down, and for odd n from 11 down.
const EVEN: [f64; 7] =
    [1.0 / 479_001_600.0, 1.0 / 3_628_800.0, 1.0 / 40_320.0, 1.0 / 720.0, 1.0 / 24.0, 0.5, 1.0];
const ODD: [f64; 6] = [1.0 / 39_916_800.0, 1.0 / 362_880.0, 1.0 / 5_040.0, 1.0 / 120.0, 1.0 / 6.0, 1.0];

/// A polynomial of which the factors are given, the highest first. Two short ones are faster than one long one: neither waits for the
/// other.
#[inline]
fn polynomial(factors: &[f64], x: f64) -> f64 {
    factors.iter().fold(0.0, |sum, factor| sum * x + factor)
}

/// The natural logarithms of positive, normal numbers.
#[inline]
pub(crate) fn ln<const N: usize>(mut numbers: [f64; N]) -> [f64; N] {
    for number in &mut numbers {
        let shifted = number.to_bits().wrapping_add((BIAS << MANTISSA_BITS) - LEAST_MANTISSA);
        let exponent = f64::from_bits((shifted >> MANTISSA_BITS) | WHOLE.to_bits()) - (WHOLE + BIAS as f64);
        let beyond = f64::from_bits((shifted & MANTISSA) + LEAST_MANTISSA) - 1.0;
        let s = beyond / (2.0 + beyond);
        let square = s * s;
        let fourth = square * square;
        let rest = fourth * polynomial(&EVERY_FOURTH, fourth) + square * polynomial(&BETWEEN, fourth);
        let half_square = 0.5 * beyond * beyond;
        let low = exponent * LN_2_LOW;
        *number = s * (half_square + rest) + low - half_square + beyond + exponent * LN_2_HIGH;
    }
    numbers
}

/// e to the power of numbers between −700 and 700.
#[inline]
pub(crate) fn exp<const N: usize>(mut numbers: [f64; N]) -> [f64; N] {
    for number in &mut numbers {
        let rounded = *number * LOG2_E + ROUNDER;
        let whole = rounded - ROUNDER;
        let rest = *number - whole * LN_2_HIGH - whole * LN_2_LOW;
        let square = rest * rest;
        let power = polynomial(&EVEN, square) + rest * polynomial(&ODD, square);
        let scale = f64::from_bits((rounded.to_bits() << MANTISSA_BITS).wrapping_add(BIAS << MANTISSA_BITS));
        *number = power * scale;
    }
    numbers
}

/// So many logarithms are taken in one go.
const LANES: usize = 8;

/// The sum of `weight · ln(number)` over pairs of a number and its weight.
pub(crate) fn sum_of_logs(pairs: &[(f64, f64)]) -> f64 {
    let of_lanes = |pairs: &[(f64, f64)]| {
        let (mut numbers, mut weights) = ([1.0; LANES], [0.0; LANES]);
        for (lane, (number, weight)) in pairs.iter().enumerate() {
            (numbers[lane], weights[lane]) = (*number, *weight);
        }
        ln(numbers).iter().zip(weights).map(|(log, weight)| weight * log).sum::<f64>()
    };
    pairs.chunks(LANES).map(of_lanes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_library() {
        for n in -600_000..600_000 {
            let number = (f64::from(n) * 1.17e-3 + 1e-7).exp();
            let [got] = ln([number]);
            let close = 1e-15 * number.ln().abs().max(0.3);
            assert!((got - number.ln()).abs() <= close, "ln {number} is {}, not {got}", number.ln());
        }
    }

    #[test]
    fn exponentials_are_those_of_the_library() {
        for n in -600_000..600_000 {
            let number = f64::from(n) * 1.16e-3 + 1e-7;
            let [got] = exp([number]);
            assert!((got / number.exp() - 1.0).abs() <= 1e-15, "exp {number} is {}, not {got}", number.exp());
        }
    }

    #[test]
    fn a_sum_of_any_length_is_the_sum() {
        for length in 0..20 {
            let pairs: Vec<(f64, f64)> =
                (0..length).map(|n| (f64::from(n) * 0.7 + 0.1, f64::from(n) + 0.5)).collect();
            let want: f64 = pairs.iter().map(|(number, weight)| weight * number.ln()).sum();
            let got = sum_of_logs(&pairs);
            assert!((got - want).abs() < 1e-12, "{length}: {got}, not {want}");
        }
    }
}
