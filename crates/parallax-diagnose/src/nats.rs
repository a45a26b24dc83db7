//! Logarithms and exponentials of several numbers at once, which is most of what evidence costs: [`wide`] takes [`LANES`] in one go.

use wide::f64x4;

/// So many are taken in one go.
const LANES: usize = 4;

/// The same function of every number.
#[inline]
fn each<const N: usize>(mut numbers: [f64; N], of: impl Fn(f64x4) -> f64x4) -> [f64; N] {
    for some in numbers.chunks_mut(LANES) {
        // What stands in for missing ones has both a logarithm and an exponential.
        let mut lanes = [1.0; LANES];
        lanes[..some.len()].copy_from_slice(some);
        some.copy_from_slice(&of(f64x4::new(lanes)).to_array()[..some.len()]);
    }
    numbers
}

/// The natural logarithms of positive, normal numbers.
#[inline]
pub(crate) fn ln<const N: usize>(numbers: [f64; N]) -> [f64; N] {
    each(numbers, f64x4::ln)
}

/// e to the power of numbers between −700 and 700.
#[inline]
pub(crate) fn exp<const N: usize>(numbers: [f64; N]) -> [f64; N] {
    each(numbers, f64x4::exp)
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
}
