//! Agents and an aggregator on one thread and a clock that stands unless nothing else is to do: an hour takes a moment, and the same
//! scenario takes the same course each time.
//!
//! Real here are everything of an agent between a result and the wire (spool with its files, session, link with its waits), HTTP/2 and
//! gRPC. Played are the aggregator ([`world`]: identity, journal by place, acks after a while), the lines (cut one way or both ways;
//! nothing tells either end) and the prober. What the real aggregator does with the same things is tested where it is real.

mod scenarios;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parallax_model::{Outcome, ProbeResult, Target, UnixMicros, Vantage};
use parallax_runtime::{Clock, seeded};
use tokio::io::DuplexStream;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::agent::LinkState;
use crate::config::SourceSection;
use crate::dial::{DialError, channel_over};
use crate::fake::{Authority, NOW_US};
use crate::identity::{DataDir, Identity, certificate_request};
use crate::link::{History, Link, Place};
use crate::spool::{Bounds, Lane, Spool, SpoolSettings};
use world::{Lines, World};

/// Bytes that a line holds while nobody takes them.
const LINE_BYTES: usize = 1 << 20;
/// How long after its last act a scenario goes on, so that everything can come home: the longest wait of an agent, and a while.
const HOMECOMING: Duration = Duration::from_mins(6);

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Nothing passes between this agent and the aggregator any more, and nobody is told.
    Cut(usize),
    /// What the agent sends is held up; what it is sent comes.
    CutUp(usize),
    /// What the agent is sent is held up; what it sends comes.
    CutDown(usize),
    /// The line is whole; what was held up comes now.
    Mend(usize),
    /// The aggregator is gone: connections break, nobody answers. What it has on disk stays.
    AggregatorDies,
    /// It is there again.
    AggregatorStarts,
    /// The agent is killed and started again with what is on its disk.
    Restart(usize),
    /// A second process with a copy of the agent's folder is started.
    Copy(usize),
    /// The agent's wall clock jumps by so many seconds.
    StepClock(usize, i64),
}

/// A course of events, and what must come of it. What never may: a result lost, a result there twice, an old one taken for new.
#[derive(Debug)]
struct Scenario {
    name: &'static str,
    agents: usize,
    /// How often each agent sees something.
    every: Duration,
    /// What happens, and when.
    acts: &'static [(Duration, Act)],
    /// How many sessions each agent has at most, all its processes together.
    sessions: usize,
    /// Whether in the end nothing waits any more: not where two processes go on taking each other's place.
    settles: bool,
    /// After the last act, every agent has a session again within this.
    back_within: Duration,
}

/// A wall clock that goes with the runtime's and can be wrong.
#[derive(Debug)]
struct SimClock {
    began: Instant,
    wrong_by: AtomicI64,
}

impl Clock for SimClock {
    fn now_micros(&self) -> i64 {
        let passed = i64::try_from(self.began.elapsed().as_micros()).expect("short");
        NOW_US + passed + self.wrong_by.load(Ordering::SeqCst)
    }
}

/// An agent's process.
struct Process {
    spool: Spool,
    tasks: JoinSet<()>,
    link: AbortHandle,
    state: watch::Receiver<LinkState>,
}

/// A machine on which an agent runs.
struct Machine {
    folder: tempfile::TempDir,
    clock: Arc<SimClock>,
    line: watch::Sender<Lines>,
    processes: Vec<Process>,
    starts: u64,
}

/// One run of a scenario.
struct Simulation {
    began: Instant,
    authority: Authority,
    world: World,
    machines: Vec<Machine>,
    next_round: Instant,
    /// Results by number: when each was seen.
    seen: BTreeMap<u64, Instant>,
}

/// Opens a connection to the world.
pub(crate) async fn dial(lines: &mpsc::Sender<DuplexStream>) -> Result<Channel, DialError> {
    let (ours, theirs) = tokio::io::duplex(LINE_BYTES);
    // A world without an aggregator takes no connection: what is dropped here breaks at the first word.
    drop(lines.send(theirs).await);
    channel_over(ours).await.map_err(DialError::Http2)
}

impl Simulation {
    fn start(scenario: &Scenario) -> Self {
        let began = Instant::now();
        let mut simulation = Self {
            began,
            authority: Authority::new(),
            world: World::start(began),
            machines: Vec::new(),
            next_round: began,
            seen: BTreeMap::new(),
        };
        for name in 0..scenario.agents {
            let (line, _) = watch::channel(Lines::default());
            let clock = Arc::new(SimClock { began, wrong_by: AtomicI64::new(0) });
            let folder = tempfile::tempdir().expect("a folder");
            let machine = Machine { folder, clock, line, processes: Vec::new(), starts: 0 };
            simulation.machines.push(machine);
            simulation.start_agent(name);
        }
        simulation
    }

    fn start_agent(&mut self, name: usize) {
        let machine = &mut self.machines[name];
        machine.starts += 1;
        // A copy runs beside the first, from a folder of its own.
        let folder = machine.folder.path().join(format!("spool-{}", machine.processes.len()));
        let bounds = Bounds { max_bytes: 16 << 20, max_age: Duration::from_hours(24) };
        let rng = seeded(1_000 * machine.starts + name as u64);
        let mut tasks = JoinSet::new();
        let spool = Spool::open_inline(SpoolSettings { folder, bounds }, rng, &mut tasks);
        let lines = self.world.lines(name, machine.line.subscribe(), &mut tasks);
        let (orders, mut ignored) = mpsc::channel(64);
        tasks.spawn(async move { while ignored.recv().await.is_some() {} });
        let (state_sender, state) = watch::channel(LinkState::Connecting);
        let link = Link {
            place: Place {
                aggregator: String::new(),
                source: SourceSection::default(),
                declared: Vantage::default(),
                lines: Some(lines),
            },
            dir: DataDir::new(machine.folder.path()),
            identity: identity(&self.authority, name),
            spool: spool.clone(),
            orders,
            so_far: broadcast::channel(1).0,
            clock: Arc::clone(&machine.clock) as Arc<dyn Clock>,
            rng: seeded(1_000_000 * machine.starts + name as u64),
            state: state_sender,
            seen: watch::channel(None).0,
            history: History::default(),
        };
        let link = tasks.spawn(link.run(CancellationToken::new()));
        machine.processes.push(Process { spool, tasks, link, state });
    }

    /// Lets time pass; every agent sees something every so often.
    async fn run_until(&mut self, end: Instant, every: Duration) {
        while self.next_round < end {
            sleep_until(self.next_round).await;
            self.next_round += every;
            self.see().await;
        }
        sleep_until(end).await;
    }

    async fn see(&mut self) {
        for machine in &self.machines {
            for process in &machine.processes {
                let number = self.seen.len() as u64;
                let target = format!("https://example.com/{number}").parse().expect("a target");
                let began = UnixMicros(machine.clock.now_micros());
                process.spool.push(ProbeResult::new(target, began, Outcome::Ok)).await.expect("alive");
                self.seen.insert(number, Instant::now());
            }
        }
    }

    fn line(&self, agent: usize, up: bool, down: bool) {
        self.machines[agent].line.send_replace(Lines { up, down });
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Cut(agent) => self.line(agent, false, false),
            Act::CutUp(agent) => self.line(agent, false, true),
            Act::CutDown(agent) => self.line(agent, true, false),
            Act::Mend(agent) => self.line(agent, true, true),
            Act::AggregatorDies => self.world.die(),
            Act::AggregatorStarts => self.world.live(),
            Act::Restart(agent) => {
                for mut process in std::mem::take(&mut self.machines[agent].processes) {
                    process.link.abort();
                    // What is in its queue was pushed before: a result is in a file once the push of the next has returned.
                    let _ = process.spool.report().await;
                    process.tasks.shutdown().await;
                }
                self.start_agent(agent);
            }
            Act::Copy(agent) => {
                let folder = self.machines[agent].folder.path().to_owned();
                let (from, to) = (folder.join("spool-0"), folder.join("spool-1"));
                std::fs::create_dir_all(&to).expect("a folder");
                for file in std::fs::read_dir(from).expect("a spool") {
                    let file = file.expect("an entry");
                    std::fs::copy(file.path(), to.join(file.file_name())).expect("copied");
                }
                self.start_agent(agent);
            }
            Act::StepClock(agent, seconds) => {
                self.machines[agent].clock.wrong_by.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
            }
        }
    }

    /// The numbers of what lies in the spools. No agent says anything any more.
    async fn waiting(&mut self) -> BTreeSet<u64> {
        let mut waiting = BTreeSet::new();
        for process in self.machines.iter().flat_map(|machine| &machine.processes) {
            process.link.abort();
            process.spool.report().await.expect("alive");
            for lane in [Lane::Live, Lane::Backlog] {
                while let Some(run) = process.spool.batch(lane, 1_000).await.expect("alive") {
                    waiting.extend(run.results.iter().map(|result| number(&result.target)));
                }
            }
        }
        waiting
    }

    fn connected(&self) -> usize {
        let is = |machine: &&Machine| {
            machine.processes.iter().any(|process| *process.state.borrow() == LinkState::Connected)
        };
        self.machines.iter().filter(is).count()
    }
}

/// The number of a result, from its target.
fn number(target: &Target) -> u64 {
    target.path.to_string().trim_start_matches('/').parse().expect("a number")
}

fn identity(authority: &Authority, name: usize) -> Identity {
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = authority.sign(&certificate_request(&key).expect("a request"), 2040);
    let id = format!("agent-{name}").parse().expect("an id");
    Identity::new(id, key, vec![leaf], authority.ca.clone()).expect("an identity")
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    seen: usize,
    /// Neither at the aggregator nor in a spool.
    lost: usize,
    /// In a spool still.
    waiting: usize,
    twice: usize,
    /// Results that were older than a minute and a half and were taken for one of now.
    passed_for_new: usize,
    back_after: Duration,
    /// The longest that a result waited that was seen once everybody was back.
    live_after: Duration,
    most_sessions: usize,
}

async fn run(scenario: &Scenario) -> Came {
    let mut simulation = Simulation::start(scenario);
    let mut last = simulation.began;
    for (at, act) in scenario.acts {
        last = simulation.began + *at;
        simulation.run_until(last, scenario.every).await;
        simulation.act(*act).await;
    }
    let mut back_after = None;
    let end = last + HOMECOMING;
    while Instant::now() < end {
        let step = (Instant::now() + Duration::from_secs(1)).min(end);
        simulation.run_until(step, scenario.every).await;
        if back_after.is_none() && simulation.connected() == scenario.agents {
            back_after = Some(last.elapsed());
        }
    }
    // What is seen from now on does not count: the last of it may be on its way.
    let numbers: BTreeSet<u64> = simulation.seen.keys().copied().collect();
    sleep_until(end + Duration::from_mins(1)).await;
    let kept = simulation.world.kept();
    let mut came = Came {
        seen: numbers.len(),
        lost: 0,
        waiting: 0,
        twice: 0,
        passed_for_new: 0,
        back_after: back_after.unwrap_or(HOMECOMING),
        live_after: Duration::ZERO,
        most_sessions: simulation.world.sessions().into_iter().max().unwrap_or(0),
    };
    let mut times: BTreeMap<u64, usize> = BTreeMap::new();
    for one in &kept {
        *times.entry(one.number).or_default() += 1;
        let age = one.received.saturating_duration_since(simulation.seen[&one.number]);
        came.passed_for_new += usize::from(age > Duration::from_secs(90) && one.taken_for_new);
        if simulation.seen[&one.number] > last + came.back_after {
            came.live_after = came.live_after.max(age);
        }
    }
    let waiting = simulation.waiting().await;
    let missing: Vec<u64> = numbers.into_iter().filter(|number| !times.contains_key(number)).collect();
    came.waiting = missing.iter().filter(|number| waiting.contains(number)).count();
    came.lost = missing.len() - came.waiting;
    came.twice = times.values().filter(|times| **times > 1).count();
    came
}
