//! Each agent's share of what a watched site may get from all agents together: a pure core.
//!
//! Not here: the visitors' checks, whose waves `budget` bounds, and the agents' own manners, which hold whatever is said here.

use std::time::Duration;

/// Scheduled probes one site of strangers gets in a minute, however many agents there are (threats.md T9): agents take
/// their turns by hash, so any one minute may see some more, and with this number seldom more than 40.
pub(crate) const SITE_PROBES_PER_MINUTE: u32 = 32;
/// The crowd is counted in steps of about an eighth, so that an agent more or less is not told to everyone.
const STEPS: usize = 8;

/// How many agents are reckoned with: at least as many as there are, and fewer again only when a quarter has gone.
pub(crate) fn crowd(before: usize, online: usize) -> usize {
    let step = (online.next_power_of_two() / STEPS).max(1);
    let wanted = online.next_multiple_of(step);
    if wanted > before || wanted * 4 <= before * 3 { wanted } else { before }
}

/// The shortest interval for each of so many agents, in milliseconds.
pub(crate) fn least_interval_ms(crowd: usize) -> u32 {
    let minute = Duration::from_mins(1) / SITE_PROBES_PER_MINUTE;
    let least = minute.saturating_mul(u32::try_from(crowd).unwrap_or(u32::MAX));
    u32::try_from(least.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_never_gets_more_than_its_share_and_seldom_much_less() {
        for online in 1..=5_000_usize {
            let crowd = crowd(0, online);
            let per_minute = online as f64 * 60_000.0 / f64::from(least_interval_ms(crowd));
            let most = f64::from(SITE_PROBES_PER_MINUTE);
            assert!(per_minute <= most && per_minute >= most * 0.79, "{online}: {per_minute}");
        }
    }

    #[test]
    fn one_agent_more_or_less_is_seldom_told() {
        // (before, online, reckoned with)
        let cases = [
            (0, 0, 0),
            (0, 1, 1),
            (40, 40, 40),
            (40, 41, 48),
            (48, 45, 48),
            (48, 36, 48),
            (48, 32, 32),
            (1_024, 1_000, 1_024),
            (1_024, 700, 768),
            (1_024, 0, 0),
        ];
        for (before, online, expected) in cases {
            assert_eq!(crowd(before, online), expected, "{before} {online}");
        }
        let told = (1..=1_000).scan(0, |before, online| {
            let now = crowd(*before, online);
            Some(std::mem::replace(before, now) != now)
        });
        assert_eq!(told.filter(|told| *told).count(), 36);
    }
}
