//! A bounded crowd of connections, in groups: when it is full, the oldest of the largest group must leave.
//!
//! So who comes with a thousand connections takes the places of its own, and who comes with one is let through. What a group is (an
//! address before anybody knows who it is, an identity afterwards) is the caller's choice.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use crate::core::lock;

/// Of an IPv6 address, the part that a household is given: the rest is its own choice.
const V6_GROUP_BITS: u32 = 64;

/// Who is in it. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Crowd<K: Ord> {
    // A std mutex: held for map operations only, never across an await.
    state: Arc<Mutex<State<K>>>,
    most: usize,
    most_of_group: usize,
}

#[derive(Debug)]
struct State<K> {
    /// By group, oldest first; no group is empty.
    groups: BTreeMap<K, VecDeque<(u64, CancellationToken)>>,
    count: usize,
    next: u64,
}

/// A place in the crowd; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place<K: Ord> {
    crowd: Crowd<K>,
    group: K,
    number: u64,
    end: CancellationToken,
}

impl<K: Ord + Clone> Crowd<K> {
    /// A crowd of `most`, of whom no group has more than `most_of_group`.
    pub(crate) fn new(most: usize, most_of_group: usize) -> Self {
        let state = State { groups: BTreeMap::new(), count: 0, next: 0 };
        Self { state: Arc::new(Mutex::new(state)), most, most_of_group }
    }

    /// Takes a place; somebody else must leave when there is none.
    pub(crate) fn enter(&self, group: K) -> Place<K> {
        let end = CancellationToken::new();
        let mut state = lock(&self.state);
        if state.groups.get(&group).is_some_and(|own| own.len() >= self.most_of_group) {
            state.send_away(&group);
        } else if state.count >= self.most {
            state.send_away_of_largest();
        }
        let number = state.next;
        state.next += 1;
        state.count += 1;
        state.groups.entry(group.clone()).or_default().push_back((number, end.clone()));
        drop(state);
        Place { crowd: self.clone(), group, number, end }
    }

    /// Sends one away although there is room.
    pub(crate) fn send_one_away(&self) {
        lock(&self.state).send_away_of_largest();
    }
}

impl<K: Ord + Clone> State<K> {
    /// The oldest of the largest group; of groups of the same size, the one that has waited longest.
    fn send_away_of_largest(&mut self) {
        let oldest =
            |members: &VecDeque<(u64, CancellationToken)>| members.front().map(|(number, _)| *number);
        let largest = self.groups.iter().max_by_key(|(_, members)| (members.len(), Reverse(oldest(members))));
        if let Some(group) = largest.map(|(group, _)| group.clone()) {
            self.send_away(&group);
        }
    }

    fn send_away(&mut self, group: &K) {
        let Some(members) = self.groups.get_mut(group) else { return };
        if let Some((_, end)) = members.pop_front() {
            end.cancel();
            self.count -= 1;
        }
        if members.is_empty() {
            self.groups.remove(group);
        }
    }
}

impl<K: Ord> Place<K> {
    /// Waits until it must be left.
    pub(crate) async fn must_be_left(&self) {
        self.end.cancelled().await;
    }
}

impl<K: Ord> Drop for Place<K> {
    fn drop(&mut self) {
        let mut state = lock(&self.crowd.state);
        let Some(members) = state.groups.get_mut(&self.group) else { return };
        // Whoever was sent away is out of it already.
        let Some(at) = members.iter().position(|(number, _)| *number == self.number) else { return };
        members.remove(at);
        if members.is_empty() {
            state.groups.remove(&self.group);
        }
        state.count -= 1;
    }
}

/// The group of an address: an IPv4 address alone, or the IPv6 addresses of one household.
pub(crate) fn neighbours(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> V6_GROUP_BITS << V6_GROUP_BITS).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets these come one after the other; says who of them is still there.
    fn stay(crowd: &Crowd<char>, come: &str) -> String {
        let places: Vec<_> = come.chars().map(|group| (group, crowd.enter(group))).collect();
        places.iter().filter(|(_, place)| !place.end.is_cancelled()).map(|(group, _)| *group).collect()
    }

    #[test]
    fn the_oldest_of_the_largest_group_must_leave() {
        let cases = [
            ("abcd", "abcd", "room for all"),
            ("abcde", "bcde", "all alone: who waited longest"),
            ("baaaa", "baaa", "who comes often takes its own places"),
            ("aaaab", "aaab", "and makes room for others"),
            ("aabbc", "abbc", "of two as large, the one that waited longer"),
        ];
        for (come, left, why) in cases {
            assert_eq!(stay(&Crowd::new(4, 4), come), left, "{why}");
        }
        assert_eq!(stay(&Crowd::new(9, 2), "aaabbab"), "abab", "no more than two of a group");
    }

    #[test]
    fn a_place_is_given_back_once() {
        let crowd = Crowd::new(2, 2);
        for _ in 0..10 {
            let (first, second) = (crowd.enter('a'), crowd.enter('b'));
            let third = crowd.enter('a');
            assert!(first.end.is_cancelled() && !second.end.is_cancelled());
            drop((first, second));
            assert_eq!(lock(&crowd.state).count, 1);
            crowd.send_one_away();
            crowd.send_one_away();
            assert!(third.end.is_cancelled());
            drop(third);
            let state = lock(&crowd.state);
            assert_eq!((state.count, state.groups.len()), (0, 0));
        }
    }

    #[test]
    fn a_household_is_one() {
        let group = |text: &str| neighbours(text.parse().expect("an address")).to_string();
        assert_eq!(group("192.0.2.7"), "192.0.2.7");
        assert_eq!(group("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(group("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
