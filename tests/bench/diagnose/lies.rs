//! What lying agents can do: how often the public verdict is wrong because of them.

use parallax_diagnose::{Subject, diagnose};
use parallax_lab::baselines::Baseline;
use parallax_lab::score::poisson_interval;
use parallax_lab::worlds::liars::{Plot, plot};
use parallax_model::{Scope, Verdict};
use serde_json::{Value, json};

use crate::crew;
use crate::plan::Plan;
use crate::table::{Findings, Table, say};

/// Results of each agent.
const ROUNDS: [u32; 2] = [1, 3];

/// What became of the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// As it should be.
    Right,
    /// Nothing is said.
    Unknown,
    /// It says of the lying network alone what its agents say: no vote can contradict them there.
    OfNetwork,
    /// It is wrong for people whom no liar stands near.
    Wrong(Verdict),
}

fn fate(verdict: Verdict, scopes: &[Scope], truth: Verdict, network: Option<&Scope>) -> Fate {
    let only_network = network.is_some_and(|network| scopes.iter().all(|scope| scope.asn == network.asn));
    if verdict == truth {
        Fate::Right
    } else if verdict == Verdict::Unknown {
        Fate::Unknown
    } else if only_network && !scopes.is_empty() {
        Fate::OfNetwork
    } else {
        Fate::Wrong(verdict)
    }
}

/// Plays every plot.
pub(crate) fn measure(plan: &Plan, findings: &mut Findings) {
    let plots: Vec<(Plot, u32)> =
        Plot::ALL.into_iter().flat_map(|plot| ROUNDS.map(|rounds| (plot, rounds))).collect();
    let runs = plan.liar_runs / u32::try_from(plots.len()).unwrap_or(1);
    let head = [
        "plot",
        "right",
        "unknown",
        "of the lying network",
        "wrong",
        "wrong how",
        "wrong by majority",
        "by 10 %",
    ];
    let mut table = Table::new(&format!("Liars, {runs} worlds each"), &head);
    let (mut all_wrong, mut kept) = (0, Vec::<Value>::new());
    for (place, (played, rounds)) in (0_u32..).zip(plots) {
        let params = plan.params().with_rounds(rounds);
        let fates: Vec<(Fate, bool, bool)> = crew::over(runs, |n| {
            let (case, network) = plot(plan.seed(place * 1_000_000 + n), &params, played);
            let found = diagnose(&case.world, Subject::default());
            let wrong = |baseline: Baseline| baseline.guess(&case.world).verdict != case.truth.verdict;
            let fate = fate(found.verdict, &found.scopes, case.truth.verdict, network.as_ref());
            (fate, wrong(Baseline::Majority), wrong(Baseline::TenPercent))
        });
        let count = |of: &dyn Fn(Fate) -> bool| fates.iter().filter(|(fate, _, _)| of(*fate)).count();
        let wrong = count(&|fate| matches!(fate, Fate::Wrong(_)));
        let of_network = count(&|fate| fate == Fate::OfNetwork);
        all_wrong += wrong;
        let how = Verdict::ALL.iter().filter_map(|verdict| {
            let times = count(&|fate| fate == Fate::Wrong(*verdict));
            (times > 0).then(|| format!("{times} {verdict}"))
        });
        table.row([
            format!("{played:?}"),
            rounds.to_string(),
            count(&|fate| fate == Fate::Right).to_string(),
            count(&|fate| fate == Fate::Unknown).to_string(),
            of_network.to_string(),
            wrong.to_string(),
            how.collect::<Vec<_>>().join(", "),
            fates.iter().filter(|(_, majority, _)| *majority).count().to_string(),
            fates.iter().filter(|(_, _, ten)| *ten).count().to_string(),
        ]);
        kept.push(json!({ "plot": format!("{played:?}"), "rounds": rounds, "worlds": runs, "wrong": wrong, "of_network": of_network }));
    }
    table.say();
    let (_, most) = poisson_interval(u32::try_from(all_wrong).unwrap_or(u32::MAX));
    let total = f64::from(runs) * kept.len() as f64;
    say(format_args!("  {all_wrong} wrong in {total}: at most {:.5} of worlds (95 %)", most / total));
    findings.at_most("wrong public verdicts under liars", all_wrong as f64, 0.0);
    findings.keep("liars", Value::Array(kept));
}
