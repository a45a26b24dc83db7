//! Two machines with one identity: a disk image that was copied with its key on it.
//!
//! The newest stream of an identity wins, so two copies throw each other out for as long as both run. Each has a spool of its own,
//! and a spool's epochs never come back once another has begun: an identity that says an epoch again which another one followed is
//! two machines. After a few such returns neither is let in for a while, and it is said why. A machine that starts again and again
//! says a new epoch each time and is never taken for two.
//!
//! Pure: who comes, and when, is told.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parallax_model::{AgentId, Epoch};
use tokio::time::Instant;

/// So many returns …
const RETURNS: usize = 3;
/// … within this time are two machines.
const WITHIN: Duration = Duration::from_mins(5);
/// How long neither is let in.
pub(crate) const HELD: Duration = Duration::from_mins(10);
/// Epochs of an identity that are remembered.
const EPOCHS: usize = 4;

/// What is known of every identity that came; there are as many as were enrolled.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    identities: BTreeMap<AgentId, Identity>,
}

#[derive(Debug, Default)]
struct Identity {
    /// Newest last.
    epochs: VecDeque<Epoch>,
    returns: VecDeque<Instant>,
    held_until: Option<Instant>,
}

/// What is to be done with who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// Nothing speaks against it.
    One,
    /// It is two machines, as was found now.
    Two,
    /// It is two machines, as was found a while ago.
    Held,
}

impl Twins {
    /// Takes note of an identity that says hello.
    pub(crate) fn meet(&mut self, agent: &AgentId, epoch: Epoch, now: Instant) -> Met {
        let known = self.identities.entry(agent.clone()).or_default();
        if known.held_until.is_some_and(|until| now < until) {
            return Met::Held;
        }
        if known.epochs.back() == Some(&epoch) {
            return Met::One;
        }
        let returns = known.epochs.contains(&epoch);
        known.epochs.retain(|before| *before != epoch);
        known.epochs.push_back(epoch);
        if known.epochs.len() > EPOCHS {
            known.epochs.pop_front();
        }
        known.returns.retain(|at| now.saturating_duration_since(*at) < WITHIN);
        known.returns.extend(returns.then_some(now));
        if known.returns.len() < RETURNS {
            return Met::One;
        }
        *known = Identity { held_until: Some(now + HELD), ..Identity::default() };
        Met::Two
    }

    /// Forgets an identity that is refused from now on.
    pub(crate) fn forget(&mut self, agent: &AgentId) {
        self.identities.remove(agent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An epoch, and how many seconds after the hello before it is said.
    type Hello = (u64, u64);

    /// What is made of hellos: `.` one machine, `2` two, `h` held.
    fn met(hellos: &[Hello]) -> String {
        let (mut twins, start) = (Twins::default(), Instant::now());
        let agent: AgentId = "a".parse().expect("an id");
        let mut at = start;
        let word = |met| match met {
            Met::One => '.',
            Met::Two => '2',
            Met::Held => 'h',
        };
        let mut meet = |(epoch, after): &Hello| {
            at += Duration::from_secs(*after);
            word(twins.meet(&agent, Epoch(*epoch), at))
        };
        hellos.iter().map(&mut meet).collect()
    }

    #[test]
    fn two_machines_throw_each_other_out() {
        let cases: [(&[Hello], &str, &str); 7] = [
            (&[(1, 0), (2, 1), (1, 1), (2, 1), (1, 1), (2, 1)], "....2h", "two copies"),
            (&[(1, 0), (1, 1), (1, 1), (1, 1), (1, 1)], ".....", "one whose line breaks"),
            (
                &[(1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)],
                "......",
                "one that is killed again and again",
            ),
            (&[(1, 0), (2, 150), (1, 150), (2, 150), (1, 150), (2, 150)], "......", "seldom"),
            (&[(1, 0), (2, 1), (1, 1), (2, 1), (3, 1), (1, 1)], ".....2", "one of the two starts anew"),
            (&[(1, 0), (2, 1), (1, 1), (2, 1), (1, 1), (1, 599), (1, 1)], "....2h.", "held for ten minutes"),
            (&[(1, 0), (2, 1), (1, 1), (2, 1), (1, 1), (2, 600), (1, 1)], "....2..", "and looked at anew"),
        ];
        for (hellos, want, why) in cases {
            assert_eq!(met(hellos), want, "{why}");
        }
    }

    #[test]
    fn identities_are_told_apart_and_forgotten() {
        let mut twins = Twins::default();
        let now = Instant::now();
        let meet = |twins: &mut Twins, agent: &str, epoch| {
            twins.meet(&agent.parse().expect("an id"), Epoch(epoch), now)
        };
        for epoch in [1, 2, 1, 2] {
            assert_eq!(meet(&mut twins, "a", epoch), Met::One);
            assert_eq!(meet(&mut twins, "b", epoch), Met::One);
        }
        assert_eq!(meet(&mut twins, "a", 1), Met::Two);
        assert_eq!(meet(&mut twins, "b", 3), Met::One);
        twins.forget(&"a".parse().expect("an id"));
        assert_eq!(meet(&mut twins, "a", 2), Met::One);
    }
}
