//! How often one network may ask for what costs work (threats T50, T51), told in headers before it bites.
//!
//! A client is its address and the networks around it, each with a limit of its own: who has a whole /48 to choose addresses from
//! has more than one house, and less than all of them together. Pages are not counted: they are made once for everybody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::outputs;
use crate::serve::Peer;
use crate::state::App;

mod calls;

pub(crate) use calls::every_call;

/// Networks that are counted at once; beyond it a new one is not counted, and the budgets of the aggregator must do. 64 bytes each.
pub(crate) const MAX_COUNTED: usize = 200_000;
/// How often ended windows are looked for when there is no room.
const SWEEP: Duration = Duration::from_secs(1);

/// What is counted, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    /// Checks that were started or joined.
    Checks,
    /// Reports that were sent, whether they counted or not.
    Reports,
    /// What programs read: the API, feeds, badges, cards.
    Reads,
}

impl Kind {
    /// What a request counts as; pages and static files count as nothing.
    fn of(request: &Request) -> Option<Self> {
        let path = request.uri().path();
        if request.method() == Method::POST {
            return match path {
                "/api/v1/checks" => Some(Self::Checks),
                _ if path.ends_with("/check") => Some(Self::Checks),
                _ if path.ends_with("/report") => Some(Self::Reports),
                _ => None,
            };
        }
        let fixed = path.starts_with("/static/") || path == "/favicon.svg";
        let read = path.starts_with("/api/v1/") || outputs::is_one(path);
        (read && !fixed).then_some(Self::Reads)
    }

    /// How many one address (an IPv6 /64) may do in how many seconds.
    const fn limit(self) -> (u32, u64) {
        match self {
            Self::Checks => (30, 60),
            Self::Reports => (60, 3_600),
            Self::Reads => (1_200, 60),
        }
    }

    /// Whether an answer shows that it was done. A check that was refused costs nothing.
    fn was_done(self, status: StatusCode) -> bool {
        match self {
            Self::Checks => status == StatusCode::SEE_OTHER || status.is_success(),
            Self::Reports | Self::Reads => true,
        }
    }
}

/// The networks around an address, widest first, each with how many times the limit of one address it has.
pub(crate) fn networks(address: IpAddr) -> impl Iterator<Item = (u128, u8, u32)> {
    let (bits, widths): (u128, [(u8, u32); 3]) = match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, [(24, 4), (32, 1), (32, 1)]),
        IpAddr::V6(v6) => (v6.to_bits(), [(48, 8), (56, 4), (64, 1)]),
    };
    let family = u8::from(address.to_canonical().is_ipv6()) << 7;
    let mut last = 0;
    widths.into_iter().filter_map(move |(width, times)| {
        let again = std::mem::replace(&mut last, width) == width;
        (!again).then(|| (bits >> (128 - width) << (128 - width), family | width, times))
    })
}

type Key = (Kind, u8, u128);

#[derive(Debug)]
struct Window {
    ends: Instant,
    used: u32,
}

#[derive(Debug, Default)]
struct Counted {
    windows: HashMap<Key, Window>,
    swept: Option<Instant>,
}

/// Who did how much lately.
#[derive(Debug, Default)]
pub(crate) struct Limits(Mutex<Counted>);

/// What is left to a client of the tightest of its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    limit: u32,
    seconds: u64,
    remaining: u32,
    reset: Duration,
}

impl Limits {
    /// What is left now.
    fn left(&self, kind: Kind, address: IpAddr, now: Instant) -> Left {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (each, seconds) = kind.limit();
        let whole = Duration::from_secs(seconds);
        let left = networks(address).map(|(bits, width, times)| {
            let limit = each * times;
            let window = counted.windows.get(&(kind, width, bits)).filter(|window| window.ends > now);
            Left {
                limit,
                seconds,
                remaining: window.map_or(limit, |window| limit.saturating_sub(window.used)),
                reset: window.map_or(whole, |window| window.ends - now),
            }
        });
        let all = Left { limit: each, seconds, remaining: each, reset: whole };
        left.min_by_key(|left| (left.remaining, std::cmp::Reverse(left.reset))).unwrap_or(all)
    }

    /// Counts one more.
    fn count(&self, kind: Kind, address: IpAddr, now: Instant) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = now + Duration::from_secs(kind.limit().1);
        for (bits, width, _) in networks(address) {
            let key = (kind, width, bits);
            if counted.windows.len() >= MAX_COUNTED && !counted.windows.contains_key(&key) {
                let rested = counted.swept.is_none_or(|swept| now - swept >= SWEEP);
                if rested {
                    counted.swept = Some(now);
                    counted.windows.retain(|_, window| window.ends > now);
                }
                if counted.windows.len() >= MAX_COUNTED {
                    return;
                }
            }
            let window = counted.windows.entry(key).or_insert(Window { ends, used: 0 });
            if window.ends <= now {
                *window = Window { ends, used: 0 };
            }
            window.used += 1;
        }
    }
}

impl Left {
    /// The three headers most programs know, and the policy behind them (draft-ietf-httpapi-ratelimit-headers).
    fn tell(self, headers: &mut HeaderMap) {
        let number = |n: u64| HeaderValue::from(n);
        headers.insert(HeaderName::from_static("ratelimit-limit"), number(self.limit.into()));
        headers.insert(HeaderName::from_static("ratelimit-remaining"), number(self.remaining.into()));
        headers.insert(HeaderName::from_static("ratelimit-reset"), number(self.reset.as_secs().max(1)));
        if let Ok(policy) = HeaderValue::try_from(format!("{};w={}", self.limit, self.seconds)) {
            headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
        }
    }
}

/// Refuses who did too much, counts what was done, says what is left.
pub(crate) async fn every_request(
    State(app): App,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let Some(kind) = Kind::of(&request) else { return next.run(request).await };
    let left = app.limits.left(kind, peer.ip(), Instant::now());
    if left.remaining == 0 {
        let wait = left.reset.as_secs().max(1);
        let says = format!("your network asks too often; come back in {wait} s\n");
        let mut refused = (StatusCode::TOO_MANY_REQUESTS, says).into_response();
        refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        refused.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        left.tell(refused.headers_mut());
        return refused;
    }
    let mut response = next.run(request).await;
    let now = Instant::now();
    if kind.was_done(response.status()) {
        app.limits.count(kind, peer.ip(), now);
    }
    app.limits.left(kind, peer.ip(), now).tell(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_limit_and_its_network_a_wider_one() {
        let limits = Limits::default();
        let now = Instant::now();
        let spend = |address: IpAddr, most: u32| {
            (0..most)
                .take_while(|_| limits.left(Kind::Checks, address, now).remaining > 0)
                .inspect(|_| limits.count(Kind::Checks, address, now))
                .count()
        };
        assert_eq!(spend(ip("192.0.2.1"), 1_000), 30);
        assert_eq!(limits.left(Kind::Reads, ip("192.0.2.1"), now).remaining, 1_200, "counted by itself");
        let others: usize = (2..=250).map(|n| spend(ip(&format!("192.0.2.{n}")), 1_000)).sum();
        assert_eq!(others, 90, "all of the /24 together");
        assert_eq!(spend(ip("::ffff:192.0.3.1"), 1_000), 30, "another network");
        let later = now + Duration::from_mins(1);
        assert_eq!(limits.left(Kind::Checks, ip("192.0.2.1"), later).remaining, 30, "a minute later");
    }

    #[tokio::test(start_paused = true)]
    async fn a_million_addresses_of_one_48_are_one_network() {
        let limits = Limits::default();
        let now = Instant::now();
        let mut done = 0;
        for n in 0..1_000_000_u128 {
            // Spread over the 80 bits that the owner of a /48 is free to choose.
            let chosen = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & ((1 << 80) - 1);
            let address = IpAddr::V6((ip_bits("2001:db8:7::") | chosen).into());
            if limits.left(Kind::Checks, address, now).remaining > 0 {
                limits.count(Kind::Checks, address, now);
                done += 1;
            }
        }
        assert_eq!(done, 240);
        assert!(limits.0.lock().unwrap().windows.len() <= 3 * 240);
    }

    fn ip_bits(text: &str) -> u128 {
        text.parse::<std::net::Ipv6Addr>().unwrap().to_bits()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_counted_is_bounded_and_makes_room_again() {
        let limits = Limits::default();
        let now = Instant::now();
        for n in 0..u32::try_from(MAX_COUNTED).unwrap() {
            limits.count(Kind::Reads, IpAddr::V4((n << 8).into()), now);
        }
        assert_eq!(limits.0.lock().unwrap().windows.len(), MAX_COUNTED);
        limits.count(Kind::Reads, ip("2001:db8::1"), now + Duration::from_mins(2));
        assert_eq!(limits.0.lock().unwrap().windows.len(), 3);
    }
}
