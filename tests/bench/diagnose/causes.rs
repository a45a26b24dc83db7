//! Why: the likeliest cause, and the next, on sites that break for a reason that is known.

use std::collections::BTreeMap;

use parallax_diagnose::{Subject, analyse, causes, judge, observe};
use parallax_lab::score::{Forecast, bootstrap, brier, ece};
use parallax_lab::worlds::signature::signature;
use parallax_model::{CauseKind, Scope, Verdict};
use serde_json::json;

use crate::crew;
use crate::plan::Plan;
use crate::scopes::share;
use crate::table::{Findings, Table, of, say, with_interval};

/// Wrong causes that are shown of a cause.
const CONFUSIONS: usize = 4;

struct Answer {
    truth: CauseKind,
    said: Option<(CauseKind, f64)>,
    next: Option<CauseKind>,
    verdict: Verdict,
    /// Whether the scope that the cause was judged by is the true one.
    scope_right: bool,
}

impl Answer {
    fn first(&self) -> bool {
        self.said.is_some_and(|(kind, _)| kind == self.truth)
    }

    fn among_two(&self) -> bool {
        self.first() || self.said.is_some() && self.next == Some(self.truth)
    }
}

/// Measures causes with three results per agent.
pub(crate) fn measure(plan: &Plan, findings: &mut Findings) {
    let params = plan.params().with_rounds(3);
    let answers: Vec<Answer> = crew::over(plan.worlds, |n| {
        let case = signature(plan.seed(n), &params);
        let observations = observe(&case.world);
        let analysis = analyse(&observations);
        let diagnosis = judge(&analysis, &observations, Subject::default());
        let sorted = |scopes: &[Scope]| {
            let mut scopes = scopes.to_vec();
            scopes.sort();
            scopes
        };
        case.truth.cause.map(|truth| Answer {
            truth,
            said: diagnosis.cause.as_ref().map(|cause| (cause.kind, cause.confidence.get())),
            next: causes(&analysis, &observations).get(1).map(|(kind, _)| *kind),
            verdict: diagnosis.verdict,
            scope_right: sorted(&diagnosis.scopes) == sorted(&case.truth.scopes),
        })
    })
    .into_iter()
    .flatten()
    .collect();
    let prior = answers.iter().filter(|a| a.truth == CauseKind::Overload).count();
    let count = answers.len();
    let rate = |of: fn(&Answer) -> bool| {
        let value = share(answers.iter().filter(|a| of(a)).count(), count);
        let interval =
            bootstrap(count, |drawn| share(drawn.iter().filter(|n| of(&answers[**n])).count(), count));
        (value, interval)
    };
    let (first, first_95) = rate(Answer::first);
    let (two, two_95) = rate(Answer::among_two);
    let forecasts: Vec<Forecast> =
        answers.iter().filter_map(|a| a.said.map(|(_, sure)| (sure, a.first()))).collect();
    say_causes(&answers);
    say(format_args!(
        "  top-1 {}, top-2 {}; always the likeliest beforehand: {:.3}; Brier {:.3}, \
         ECE {:.3}",
        with_interval(first, first_95),
        with_interval(two, two_95),
        share(prior, count),
        brier(&forecasts),
        ece(&forecasts)
    ));
    findings.at_least("cause, top-1", first, 0.8);
    findings.at_least("cause, top-2", two, 0.93);
    findings.keep(
        "causes",
        json!({ "worlds": count, "top_1": first, "top_1_95": first_95, "top_2": two, "top_2_95": two_95,
            "brier": brier(&forecasts), "ece": ece(&forecasts) }),
    );
}

fn say_causes(answers: &[Answer]) {
    let head = ["cause", "first", "among two", "not answered", "scope right", "what is said instead"];
    let mut table =
        Table::new(&format!("Causes of {} signatures, three results per agent", answers.len()), &head);
    for truth in CauseKind::ALL {
        let mine: Vec<&Answer> = answers.iter().filter(|a| a.truth == *truth).collect();
        let count = |of: fn(&Answer) -> bool| mine.iter().filter(|a| of(a)).count();
        let mut wrong: BTreeMap<String, usize> = BTreeMap::new();
        for answer in mine.iter().filter(|a| !a.first()) {
            let said = answer.said.map_or_else(|| answer.verdict.to_string(), |(kind, _)| kind.to_string());
            *wrong.entry(said).or_default() += 1;
        }
        let mut wrong: Vec<(String, usize)> = wrong.into_iter().collect();
        wrong.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let told = wrong.iter().take(CONFUSIONS).map(|(what, count)| format!("{count} {what}"));
        table.row([
            truth.to_string(),
            of(count(Answer::first), mine.len()),
            of(count(Answer::among_two), mine.len()),
            count(|a| a.said.is_none()).to_string(),
            of(count(|a| a.scope_right), mine.len()),
            told.collect::<Vec<_>>().join(", "),
        ]);
    }
    table.say();
}
