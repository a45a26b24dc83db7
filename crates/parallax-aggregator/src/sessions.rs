//! Which agents are connected, where they stand, and how to reach them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parallax_model::{AgentId, Epoch, Vantage};
use parallax_proto::v1::agent::SessionResponse;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::twins::{Met, Twins};

/// Messages that wait for one agent to read them; when it is full the agent is too slow to be asked.
pub(crate) const OUTBOX: usize = 256;

/// What a connected agent's stream writes from.
pub(crate) type Outbox = mpsc::Sender<Result<SessionResponse, Status>>;

/// One connected agent.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Where it stands, by its connection's address.
    pub vantage: Arc<Vantage>,
    /// What it said its program's version is.
    pub version: String,
    outbox: Outbox,
    end: CancellationToken,
    generation: u64,
}

/// A place in the list; dropping it leaves, however a session ends.
#[derive(Debug)]
pub(crate) struct Seat {
    sessions: Sessions,
    agent: AgentId,
    generation: u64,
    /// Cancelled when the session must end: replaced by a newer one, revoked, or the process stops.
    pub end: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    sessions: BTreeMap<AgentId, Session>,
    revoked: BTreeSet<AgentId>,
    twins: Twins,
    generation: u64,
}

/// The list of connected agents. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sessions {
    // A std mutex: held for map operations only, never across an await.
    state: Arc<Mutex<State>>,
}

impl Sessions {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an agent that says hello. When it is found to be two machines, the one that is connected is told to end.
    pub(crate) fn meet(&self, agent: &AgentId, epoch: Epoch, now: Instant) -> Met {
        let mut state = self.state();
        let met = state.twins.meet(agent, epoch, now);
        if met == Met::Two
            && let Some(session) = state.sessions.remove(agent)
        {
            session.end.cancel();
        }
        met
    }

    /// Lists a connected agent. An older session of the same agent is told to end: the newest wins. `None` when the agent is
    /// revoked.
    pub(crate) fn join(
        &self,
        agent: &AgentId,
        vantage: Arc<Vantage>,
        version: String,
        outbox: Outbox,
    ) -> Option<Seat> {
        let mut state = self.state();
        if state.revoked.contains(agent) {
            return None;
        }
        state.generation += 1;
        let generation = state.generation;
        let end = CancellationToken::new();
        let session = Session { vantage, version, outbox, end: end.clone(), generation };
        if let Some(older) = state.sessions.insert(agent.clone(), session) {
            older.end.cancel();
        }
        drop(state);
        Some(Seat { sessions: self.clone(), agent: agent.clone(), generation, end })
    }

    /// Refuses an agent from now on and ends its session.
    pub(crate) fn revoke(&self, agent: &AgentId) {
        let mut state = self.state();
        state.revoked.insert(agent.clone());
        state.twins.forget(agent);
        if let Some(session) = state.sessions.remove(agent) {
            session.end.cancel();
        }
    }

    /// Whether an agent is refused.
    pub(crate) fn is_revoked(&self, agent: &AgentId) -> bool {
        self.state().revoked.contains(agent)
    }

    /// Every connected agent with its place.
    pub(crate) fn online(&self) -> Vec<(AgentId, Arc<Vantage>)> {
        self.state().sessions.iter().map(|(a, s)| (a.clone(), Arc::clone(&s.vantage))).collect()
    }

    /// One connected agent.
    pub(crate) fn session(&self, agent: &AgentId) -> Option<Session> {
        self.state().sessions.get(agent).cloned()
    }

    /// Sends to one agent without waiting; `false` when it is gone or does not read.
    pub(crate) fn send(&self, agent: &AgentId, message: SessionResponse) -> bool {
        let outbox = self.state().sessions.get(agent).map(|s| s.outbox.clone());
        outbox.is_some_and(|o| o.try_send(Ok(message)).is_ok())
    }

    /// How many agents are connected.
    pub(crate) fn count(&self) -> usize {
        self.state().sessions.len()
    }

    /// Sends to every agent without waiting. One that does not read is told to end: it missed a change and must come back.
    pub(crate) fn send_all(&self, message: &SessionResponse) {
        let sessions: Vec<Session> = self.state().sessions.values().cloned().collect();
        for session in sessions {
            if session.outbox.try_send(Ok(message.clone())).is_err() {
                session.end.cancel();
            }
        }
    }
}

impl Drop for Seat {
    /// Takes the agent off the list, unless a newer session has its place.
    fn drop(&mut self) {
        let mut state = self.sessions.state();
        if state.sessions.get(&self.agent).is_some_and(|s| s.generation == self.generation) {
            state.sessions.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(sessions: &Sessions, name: &str) -> Option<Seat> {
        let (outbox, _) = mpsc::channel(1);
        sessions.join(&name.parse().expect("an id"), Arc::default(), "1".to_owned(), outbox)
    }

    #[test]
    fn the_newest_session_of_an_agent_wins() {
        let sessions = Sessions::default();
        let older = join(&sessions, "a").expect("not revoked");
        let newer = join(&sessions, "a").expect("not revoked");
        assert!(older.end.is_cancelled() && !newer.end.is_cancelled());
        drop(older);
        assert_eq!(sessions.online().len(), 1);
        drop(newer);
        assert_eq!(sessions.online().len(), 0);
    }

    #[test]
    fn an_agent_that_is_two_machines_is_ended() {
        let sessions = Sessions::default();
        let (agent, now) = ("a".parse().expect("an id"), Instant::now());
        let mut seats = Vec::new();
        for epoch in [1, 2, 1, 2] {
            assert_eq!(sessions.meet(&agent, Epoch(epoch), now), Met::One);
            seats.extend(join(&sessions, "a"));
        }
        assert_eq!(sessions.meet(&agent, Epoch(1), now), Met::Two);
        assert!(seats.iter().all(|seat| seat.end.is_cancelled()));
        assert_eq!((seats.len(), sessions.online().len()), (4, 0));
    }

    #[test]
    fn a_revoked_agent_is_ended_and_stays_out() {
        let sessions = Sessions::default();
        let seat = join(&sessions, "a").expect("not revoked");
        sessions.revoke(&"a".parse().expect("an id"));
        assert!(seat.end.is_cancelled());
        assert!(join(&sessions, "a").is_none());
    }
}
