//! What every clue says about every cause, in nats.
//!
//! The starting values are those of the method's reference. They were fitted by maximum likelihood (gradient descent, with a
//! penalty of 0.003 nats a square nat of distance from the start, so that what few worlds show stays where it was) on 12,000
//! signatures of the simulated worlds' training seeds, 4,000 each: batches 60 (usual), 61 (wide) and 62 (failing results carry
//! the agent's last good way). No weight may change its sign or leave 0, none may pass 4 nats; clues that no such world gives
//! keep their starting values. What the fit reaches is measured on other seeds by `cargo xtask bench diagnose --only causes`.

use crate::cause::{Family, Sign};

macro_rules! signs {
    ($($name:ident $family:ident [$($nats:literal)+])+) => {
        $(pub(super) static $name: Sign = Sign::new(Family::$family, [$($nats),+]);)+

        #[cfg(test)]
        const ALL: &[(&str, &Sign)] = &[$((stringify!($name), &$name)),+];
    };
}

signs! {
    //                                            overload  network firewall  misconf      dns      tls      cdn    crash    maint
    EVERYBODY                       Scope        [    1.20    -1.50    -0.40     0.80    -1.10     0.90    -1.10     1.20     1.10]
    ONE_NETWORK                     Scope        [   -2.00     2.30      0.0    -1.60      0.0    -1.10    -1.00    -2.10    -2.00]
    ONE_REGION                      Scope        [   -2.00     2.40      0.0    -1.60      0.0    -1.00     0.40    -2.00    -2.00]
    ONE_COUNTRY_REFUSED             Scope        [   -2.00     2.20     1.40    -1.50      0.0    -1.00    -1.00    -2.00    -2.00]
    ONE_POP                         Scope        [   -1.60     0.20    -1.10    -0.90    -1.00    -0.60     3.00    -2.20    -2.00]
    OLD_ADDRESS                     Scope        [   -2.00    -1.00    -1.00      0.0     3.50      0.0    -1.00    -1.10    -2.00]
    ONE_ADDRESS                     Scope        [    0.50     0.80      0.0     0.90    -1.00     0.70     0.40     1.30    -1.00]
    ONE_RESOLVER                    Scope        [   -2.00     1.00      0.0      0.0     1.00    -1.00    -1.00    -2.00    -2.00]
    ONE_FAMILY                      Scope        [   -2.00     2.20     0.20     1.60     0.40    -1.00      0.0    -1.30    -2.00]
    OTHER_FAMILY_WORKS              Scope        [   -2.00     1.50     0.50     1.00     0.50    -1.00      0.0    -1.00    -2.00]
    WITHOUT_HTTP3_WORKS             Http3        [   -1.50     0.70     0.70     1.00    -1.50      0.0     0.50    -1.50    -1.50]
    HTTP3                           Scope        [   -2.00     1.40     1.40     1.90    -2.00      0.0     0.90    -2.00    -2.00]
    OLDER_HTTP                      Scope        [   -2.00    -0.50     0.50     1.50    -2.00      0.0     1.00    -1.00    -2.00]
    DATA_CENTRES                    Scope        [   -1.00    -1.00     3.00    -1.00    -1.00    -1.00    -1.00    -2.00    -1.00]
    HOME_LINES                      Scope        [   -1.00     1.50     1.00    -1.00      0.0    -1.00    -1.00    -2.00    -2.00]
    OTHER_ADDRESS_WORKS             Address      [   -1.00    -0.50    -0.50     0.50     1.00     0.50      0.0     0.50    -2.00]
    ANSWERED_IN_ONE_PLACE           Answered     [    0.50    -2.00     0.50     0.50    -0.50    -0.50     0.50     0.50    -0.50]
    ANSWERED_BY_A_CDN_IN_ONE_PLACE  Answered     [   -1.00    -2.60    -0.50    -0.50    -1.00    -0.50     2.60    -1.00    -1.00]
    PARTLY_AND_RETRIES_PASS         Pattern      [    2.00     0.50    -1.10    -1.10      0.0    -1.00      0.0    -0.60    -3.00]
    ALL_FAIL_ALIKE                  Pattern      [   -0.90      0.0      0.0      0.0      0.0      0.0      0.0      0.0     1.10]
    TTFB_RISEN                      Latency      [    2.90     0.40    -1.00    -1.10    -1.00    -1.00      0.0      0.0    -2.00]
    TTFB_AS_USUAL                   Latency      [   -1.30     0.60     0.80     0.60     0.30     0.90     1.10     0.80      0.0]
    RETRY_AFTER                     Status       [    2.00    -2.00     0.50      0.0    -2.00    -2.00      0.0    -1.00     3.10]
    TOO_MANY_REQUESTS               Status       [    2.00    -2.00     0.50      0.0    -2.00    -2.00      0.0    -1.00    -1.00]
    UNAVAILABLE                     Status       [    1.00    -1.10      0.0      0.0    -1.00    -1.00      0.0     0.40     0.50]
    WAITED_FOR                      Status       [    1.50     0.50     0.50      0.0    -1.00    -2.00      0.0      0.0    -2.00]
    GONE_AT_ONCE                    Status       [   -0.60    -1.20     0.30     0.70      0.0    -1.10      0.0     2.80    -2.00]
    SOMETIMES_GONE                  Status       [    0.50    -1.00     0.50     0.50      0.0    -1.00      0.0     1.00    -2.00]
    REFUSED_BUT_HOST_ALIVE          Host         [   -0.50    -1.50     0.50     0.50    -0.50    -0.50      0.0     1.00    -0.50]
    GONE                            Status       [     0.0    -0.50     0.20     0.50      0.0    -1.00      0.0     1.00    -2.00]
    EDGE_CANNOT_CONNECT             Status       [    0.50     1.00     1.00     0.50     1.00    -2.00      0.0     0.50    -2.00]
    EDGE_TLS                        Status       [   -2.00    -2.00    -1.00     0.70    -1.00     3.10      0.0    -1.10    -3.00]
    BROKEN_ANSWER                   Status       [     0.0    -1.30    -0.60     1.80    -1.00    -0.60      0.0     0.80    -1.50]
    NO_ANSWER                       Status       [     0.0     1.10     0.40    -0.70      0.0    -1.00      0.0    -0.50    -2.00]
    NO_ANSWER_BUT_NEIGHBOURS        Status       [     0.0      0.0     1.70     0.10    -1.00    -1.00      0.0     0.90    -2.00]
    UNREACHABLE                     Status       [   -1.00     2.30     0.40    -1.20      0.0    -1.00      0.0    -1.00    -2.00]
    DATA_CENTRES_DROPPED            Reset        [   -1.00    -0.50     2.00    -0.50    -0.50    -0.50    -0.50    -1.00    -1.00]
    CUT_IN_ONE_PLACE                Reset        [   -2.00      0.0     3.10    -1.00    -1.00     0.50    -1.00    -2.00    -3.00]
    REFUSED_BY_POLICY               Policy       [   -2.00    -2.00     3.00      0.0    -1.00    -2.00      0.0    -2.10    -2.00]
    FILTER_PAGE                     Filter       [   -1.00    -1.00     1.20    -1.60    -1.00    -1.00    -0.50    -1.00    -1.00]
    HANDSHAKE_FAILS                 Handshake    [   -2.00    -1.00    -0.50      0.0    -1.00     2.40      0.0    -2.00    -3.00]
    STATIC_WORKS                    Static       [    1.00    -2.00      0.0     1.20    -2.00    -2.00      0.0     0.80    -1.00]
    STATIC_FAILS_TOO                Static       [   -0.60     0.20      0.0    -0.60      0.0     0.60     0.90     0.40     0.60]
    NO_NAME                         Names        [   -2.00    -0.50    -2.00     2.60     0.50    -2.00    -2.00    -2.00    -3.00]
    RECORD_CHANGED                  Record       [   -1.00    -1.00    -1.00     0.40     3.00      0.0      0.0    -0.60    -1.00]
    SERVERS_DISAGREE                Serial       [   -0.50    -0.50    -0.50     0.50     1.50      0.0      0.0    -0.50    -0.50]
    CERTIFICATE                     Certificate  [   -3.00    -3.00    -2.00     0.80    -1.00     4.00      0.0    -3.00    -3.00]
    CERTIFICATE_AT_ONE_ADDRESS      Certificate  [   -3.00    -2.00      0.0     1.00     2.00     2.00     0.50    -3.00    -3.00]
    CERTIFICATE_AT_CURRENT_ADDRESS  Certificate  [   -3.00    -3.00    -1.00     0.80    -1.00     3.10     0.50    -3.00    -3.00]
    CERTIFICATE_AT_OLD_ADDRESS      Certificate  [   -3.00    -2.00    -1.00     0.50     3.00     0.50      0.0    -3.00    -3.00]
    WRONG_PAGE                      Content      [   -2.00    -2.10    -1.00     3.30     1.00      0.0      0.0    -2.10    -2.00]
    WRONG_PAGE_AT_OLD_ADDRESS       Content      [   -2.00    -2.00    -1.00     0.50     2.50      0.0      0.0    -2.00    -2.00]
    SAYS_MAINTENANCE                Announced    [   -1.00    -3.00    -2.00    -1.10    -3.00    -3.00    -2.00    -2.00     3.10]
    NEIGHBOURS_FAIL                 SameHost     [   -1.00     0.90    -1.00    -2.00    -1.00    -1.00     2.60    -1.00    -1.00]
    NETWORK_FAILS                   SameNetwork  [   -2.00     3.00      0.0    -2.00    -1.00    -2.00      0.0    -2.00    -2.00]
    DNS_CHANGED                     Change       [   -0.50    -0.90    -0.50     0.90     2.00    -0.50    -0.50    -0.50    -0.50]
    CERTIFICATE_CHANGED             Change       [   -0.50    -1.00    -0.50     0.80    -0.50     2.10    -0.50    -0.50    -0.50]
    SOFTWARE_CHANGED                Change       [   -0.50    -0.90    -0.50     2.30    -0.50    -0.50    -0.50      0.0    -0.50]
    CDN_CHANGED                     Change       [   -0.50    -1.00     0.40     2.00    -0.50     0.50     0.50    -0.40    -0.50]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clue_speaks_for_something_and_none_decides_alone() {
        for (name, sign) in ALL {
            assert!(sign.weights().iter().any(|nats| *nats > 0.0), "{name}");
            assert!(sign.weights().iter().all(|nats| nats.abs() <= 4.0), "{name}");
        }
    }
}
