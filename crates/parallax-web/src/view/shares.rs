//! Reports divided: by what the screen says and by provider, each with how sure the share is.

use parallax_aggregator::ReportShares;

use super::sentence::Names;
use crate::say::Lang;

/// How many providers are listed.
const MAX_NETWORKS: usize = 8;
/// Fewer reports than this say nothing of shares.
const LEAST: u32 = 3;
/// The two-sided 95 % point of the normal distribution.
const Z: f64 = 1.959_964;

/// One share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) label: String,
    pub(crate) count: u32,
    /// `62 %`.
    pub(crate) percent: String,
    /// `48–74 %`: where the share lies, 19 times of 20.
    pub(crate) between: String,
    /// 0 to 100, for the bar.
    pub(crate) bar: u32,
}

/// Both divisions; empty when there are too few reports to divide.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shares {
    pub(crate) categories: Vec<Share>,
    pub(crate) networks: Vec<Share>,
}

impl Shares {
    pub(crate) fn new(t: Lang, shares: &ReportShares, names: &Names) -> Self {
        let categories = shares.categories.iter().map(|(c, n)| (t.text(&format!("category-{c}")), *n));
        let networks = shares.networks.iter().map(|(asn, n)| (names.of_asn(*asn), *n));
        Self {
            categories: divide(categories.collect()),
            networks: divide(networks.take(MAX_NETWORKS).collect()),
        }
    }
}

fn divide(counts: Vec<(String, u32)>) -> Vec<Share> {
    let total: u32 = counts.iter().map(|(_, n)| n).sum();
    if total < LEAST {
        return Vec::new();
    }
    let share = |(label, count): (String, u32)| {
        let (low, high) = wilson(count, total);
        Share {
            label,
            count,
            percent: format!("{:.0} %", f64::from(count) * 100.0 / f64::from(total)),
            between: format!("{:.0}–{:.0} %", low * 100.0, high * 100.0),
            bar: count * 100 / total,
        }
    };
    counts.into_iter().map(share).collect()
}

/// Wilson's interval for `k` of `n` (E. B. Wilson, 1927), which is right for small numbers too.
fn wilson(k: u32, n: u32) -> (f64, f64) {
    let n = f64::from(n);
    let p = f64::from(k) / n;
    let z2 = Z * Z;
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_with_their_intervals() {
        let shares = divide(vec![("a".to_owned(), 6), ("b".to_owned(), 2)]);
        let told: Vec<_> = shares.iter().map(|s| (s.percent.as_str(), s.between.as_str(), s.bar)).collect();
        assert_eq!(told, [("75 %", "41–93 %", 75), ("25 %", "7–59 %", 25)]);
        assert_eq!(divide(vec![("a".to_owned(), 2)]), [], "two say nothing");
        assert_eq!(divide(Vec::new()), []);
    }
}
