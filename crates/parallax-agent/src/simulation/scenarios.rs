//! What happens, as data, and that nothing comes of it that may not.

use std::time::Duration;

use super::Act::{AggregatorDies, AggregatorStarts, Copy, Cut, CutDown, CutUp, Mend, Restart, StepClock};
use super::{Act, Scenario, run};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

const fn at(seconds: u64, act: Act) -> (Duration, Act) {
    (Duration::from_secs(seconds), act)
}

/// The longest wait between two tries, and what a try may take that is not answered.
const LONGEST_WAY_BACK: Duration = Duration::from_secs(120 + 20);

const SCENARIOS: [Scenario; 10] = [
    Scenario {
        name: "nothing happens for ten minutes",
        agents: 3,
        every: Duration::from_millis(500),
        acts: &[],
        sessions: 1,
        settles: true,
        back_within: Duration::from_secs(2),
    },
    Scenario {
        name: "a partition of ten minutes, of one agent of three",
        agents: 3,
        every: Duration::from_millis(500),
        acts: &[at(60, Cut(1)), at(660, Mend(1))],
        sessions: 20,
        settles: true,
        back_within: LONGEST_WAY_BACK,
    },
    Scenario {
        name: "a partition so short that the connection outlives it",
        agents: 2,
        every: Duration::from_millis(500),
        acts: &[at(60, Cut(0)), at(75, Mend(0))],
        sessions: 1,
        settles: true,
        back_within: Duration::from_secs(1),
    },
    Scenario {
        name: "what the agent sends is held up, what it is sent comes",
        agents: 2,
        every: Duration::from_millis(500),
        acts: &[at(60, CutUp(0)), at(360, Mend(0))],
        sessions: 20,
        settles: true,
        back_within: LONGEST_WAY_BACK,
    },
    Scenario {
        name: "what the agent is sent is held up: results come twice and count once",
        agents: 2,
        every: Duration::from_millis(500),
        acts: &[at(60, CutDown(0)), at(360, Mend(0))],
        sessions: 20,
        settles: true,
        back_within: LONGEST_WAY_BACK,
    },
    Scenario {
        name: "two processes with one identity and a copied spool",
        agents: 2,
        every: Duration::from_millis(500),
        acts: &[at(50, Cut(0)), at(100, Copy(0)), at(110, Mend(0))],
        sessions: 100,
        settles: false,
        back_within: LONGEST_WAY_BACK,
    },
    Scenario {
        name: "the wall clock jumps an hour ahead and two back, on a whole line and behind a backlog",
        agents: 2,
        every: Duration::from_millis(500),
        acts: &[
            at(60, StepClock(0, HOUR_S)),
            at(120, StepClock(0, -2 * HOUR_S)),
            at(180, Cut(0)),
            at(300, StepClock(0, HOUR_S)),
            at(420, StepClock(0, -HOUR_S)),
            at(600, Mend(0)),
        ],
        sessions: 20,
        settles: true,
        back_within: LONGEST_WAY_BACK,
    },
    Scenario {
        name: "the wall clock jumps a day ahead and two back, on a whole line and behind a backlog",
        agents: 2,
        every: Duration::from_millis(500),
        acts: &[
            at(60, StepClock(0, DAY_S)),
            at(120, StepClock(0, -2 * DAY_S)),
            at(180, Cut(0)),
            at(300, StepClock(0, 2 * DAY_S)),
            at(420, StepClock(0, -DAY_S)),
            at(600, Mend(0)),
        ],
        sessions: 20,
        settles: true,
        back_within: LONGEST_WAY_BACK,
    },
    Scenario {
        name: "a restart behind a cut line, with a clock that went back an hour",
        agents: 2,
        every: Duration::from_millis(500),
        acts: &[at(60, Cut(0)), at(300, StepClock(0, -HOUR_S)), at(301, Restart(0)), at(420, Mend(0))],
        sessions: 20,
        settles: true,
        back_within: LONGEST_WAY_BACK,
    },
    Scenario {
        name: "an aggregator that dies again and again",
        agents: 5,
        every: Duration::from_millis(500),
        acts: &[
            at(60, AggregatorDies),
            at(61, AggregatorStarts),
            at(62, AggregatorDies),
            at(70, AggregatorStarts),
            at(71, Restart(3)),
            at(72, AggregatorDies),
            at(100, AggregatorStarts),
            at(104, AggregatorDies),
            at(105, AggregatorStarts),
        ],
        sessions: 12,
        settles: true,
        back_within: LONGEST_WAY_BACK,
    },
];

const HERD: Scenario = Scenario {
    name: "a thousand agents whose aggregator was away for an hour",
    agents: 1_000,
    every: Duration::from_mins(10),
    acts: &[at(60, AggregatorDies), at(60 + 3_600, AggregatorStarts)],
    sessions: 2,
    settles: true,
    // A minute is left for whoever has to try twice.
    back_within: Duration::from_mins(4),
};

#[tokio::test(start_paused = true)]
async fn no_course_of_events_loses_a_result_or_shows_one_twice() {
    for scenario in &SCENARIOS {
        check(scenario).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_agents_come_back_within_five_minutes() {
    check(&HERD).await;
}

async fn check(scenario: &Scenario) {
    let came = run(scenario).await;
    println!("{}: {came:?}", scenario.name);
    assert_eq!((came.lost, came.twice, came.passed_for_new), (0, 0, 0), "{}", scenario.name);
    if scenario.settles {
        assert_eq!(came.waiting, 0, "{}", scenario.name);
        assert!(came.live_after < Duration::from_secs(10), "{}: {came:?}", scenario.name);
    }
    assert!(came.most_sessions <= scenario.sessions, "{}: {came:?}", scenario.name);
    assert!(came.back_after <= scenario.back_within, "{}: {came:?}", scenario.name);
}
