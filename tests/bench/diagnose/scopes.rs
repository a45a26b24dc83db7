//! Moments: verdict, scopes and probabilities of ours and of every baseline, on the same worlds.

use std::collections::BTreeMap;

use parallax_diagnose::Line;
use parallax_lab::score::{Coverage, bootstrap};
use parallax_lab::worlds::{Case, Kind, snapshot};
use parallax_model::Verdict;
use serde_json::{Value, json};

use crate::crew;
use crate::graded::{Graded, Measure, Method, Sum};
use crate::plan::Plan;
use crate::table::{Findings, Table, number, of, say, with_interval};

/// Rounds that are measured: one result per agent, and three.
const ROUNDS: [u32; 2] = [1, 3];
/// Confusions that are shown of a kind.
const CONFUSIONS: usize = 3;

/// Measures both sizes of windows.
pub(crate) fn measure(plan: &Plan, findings: &mut Findings) {
    for rounds in ROUNDS {
        let answers = answers(plan, rounds);
        let size = if rounds == 1 { "one result per agent" } else { "three results per agent" };
        say_methods(&answers, size, findings, rounds);
        say_differences(&answers);
        say_kinds(&answers[0].1);
        say_calibration(&answers[0].1);
        findings.keep(&format!("scopes.{rounds}"), json_of(&answers));
    }
}

type Answers = Vec<(Method, Vec<Graded>)>;

fn answers(plan: &Plan, rounds: u32) -> Answers {
    let params = plan.params().with_rounds(rounds);
    let wanted =
        |case: &Case| plan.kind.as_ref().is_none_or(|name| *name == format!("{:?}", case.truth.kind));
    let graded = crew::over(plan.worlds, |n| {
        let case = snapshot(plan.seed(n), &params);
        let seen = Coverage::of(&case.world);
        let answers: Vec<Graded> =
            Method::all().into_iter().map(|method| Graded::of(method, &case, &seen)).collect();
        let ours = &answers[0];
        let wrong = !ours.right || ours.exact.wrong + ours.exact.missed > 0 && case.truth.kind.is_partial();
        let shown = (wrong && plan.show_wrong > 0 && wanted(&case)).then(|| wrong_line(&case, rounds));
        (answers, shown)
    });
    let shown = graded.iter().filter_map(|(_, shown)| shown.as_ref());
    for line in shown.take(plan.show_wrong) {
        say(format_args!("{line}"));
    }
    let of_method = |(n, method): (usize, Method)| {
        (method, graded.iter().map(|(answers, _)| answers[n].clone()).collect())
    };
    Method::all().into_iter().enumerate().map(of_method).collect()
}

/// A world that was answered wrongly, with truth and answer.
fn wrong_line(case: &Case, rounds: u32) -> Value {
    let truth = &case.truth;
    json!({
        "seed": format!("{:#x}", case.seed),
        "rounds": rounds,
        "kind": format!("{:?}", truth.kind),
        "truth": { "verdict": truth.verdict, "scopes": truth.scopes, "strengths": truth.strengths,
            "cause": truth.cause, "oracle": truth.oracle },
        "answer": Line(case.world.clone()).answer(),
        "world": case.world,
    })
}

fn say_methods(answers: &Answers, size: &str, findings: &mut Findings, rounds: u32) {
    let worlds = answers[0].1.len();
    let all: Vec<usize> = (0..worlds).collect();
    let head = [
        "method",
        "verdict",
        "scope F1 (exact)",
        "P",
        "R",
        "F1 (same agents)",
        "Jaccard",
        "healthy flagged",
        "Brier",
        "ECE",
        "ms",
    ];
    let mut table = Table::new(&format!("{worlds} worlds, {size}"), &head);
    for (method, graded) in answers {
        let sum = Sum::new(graded, &all);
        let shown = |measure| with_interval(sum.value(measure), interval(graded, measure));
        let chance =
            |measure| if method.is_probabilistic() { number(sum.value(measure)) } else { "-".to_owned() };
        table.row([
            method.name().to_owned(),
            shown(Measure::Accuracy),
            shown(Measure::Exact),
            number(sum.exact().precision()),
            number(sum.exact().recall()),
            shown(Measure::Alike),
            number(sum.jaccard()),
            shown(Measure::Flagged),
            chance(Measure::Brier),
            chance(Measure::Ece),
            number(sum.median_ms()),
        ]);
    }
    table.say();
    let ours = Sum::new(&answers[0].1, &all);
    let goal = if rounds == 1 { 0.85 } else { 0.92 };
    findings.at_least(&format!("scope F1, {size}"), ours.value(Measure::Exact), goal);
    findings.at_least(&format!("verdict accuracy, {size}"), ours.value(Measure::Accuracy), 0.93);
    findings.at_most(&format!("healthy worlds flagged, {size}"), ours.value(Measure::Flagged), 0.05);
    findings.at_most(&format!("Brier, {size}"), ours.value(Measure::Brier), 0.08);
    findings.at_most(&format!("ECE, {size}"), ours.value(Measure::Ece), 0.05);
}

/// Ours minus the best baseline, over the same resampled worlds.
fn say_differences(answers: &Answers) {
    let worlds = answers[0].1.len();
    let all: Vec<usize> = (0..worlds).collect();
    for (name, measure) in [("verdict accuracy", Measure::Accuracy), ("scope F1", Measure::Exact)] {
        let value = |graded: &[Graded], drawn: &[usize]| Sum::new(graded, drawn).value(measure);
        let best = answers[1..].iter().max_by(|a, b| value(&a.1, &all).total_cmp(&value(&b.1, &all)));
        let Some((method, graded)) = best else { continue };
        let ahead = |drawn: &[usize]| value(&answers[0].1, drawn) - value(graded, drawn);
        let text = with_interval(ahead(&all), bootstrap(worlds, ahead));
        say(format_args!("  {name}: ahead of the best baseline ({}) by {text}, paired", method.name()));
    }
}

/// The 95 % interval of a measure over resampled worlds.
fn interval(graded: &[Graded], measure: Measure) -> (f64, f64) {
    bootstrap(graded.len(), |drawn| Sum::new(graded, drawn).value(measure))
}

fn say_kinds(graded: &[Graded]) {
    let mut kinds: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
    for (n, answer) in graded.iter().enumerate() {
        kinds.entry(answer.kind).or_default().push(n);
    }
    let head = ["kind", "verdict right", "unsure", "F1", "F1 (same agents)", "what is said instead"];
    let mut table = Table::new("Parallax by kind of world", &head);
    for (kind, members) in &kinds {
        let sum = Sum::new(graded, members);
        let right = members.iter().filter(|n| graded[**n].right).count();
        let unsure = members.iter().filter(|n| graded[**n].unsure).count();
        let f1 = |f1: f64| if kind.is_partial() { number(f1) } else { "-".to_owned() };
        table.row([
            format!("{kind:?}"),
            of(right, members.len()),
            unsure.to_string(),
            f1(sum.value(Measure::Exact)),
            f1(sum.value(Measure::Alike)),
            confusions(members.iter().map(|n| &graded[*n])),
        ]);
    }
    table.say();
}

/// The commonest wrong answers: another verdict, or the right one with other scopes.
fn confusions<'a>(answers: impl Iterator<Item = &'a Graded>) -> String {
    let mut wrong: BTreeMap<String, u32> = BTreeMap::new();
    for answer in answers {
        let miss = answer.kind.is_partial() && answer.exact.wrong + answer.exact.missed > 0;
        if answer.right && !miss {
            continue;
        }
        let scopes: Vec<String> = answer.scopes.iter().map(attributes).collect();
        let scopes = if scopes.is_empty() { String::new() } else { format!(" {}", scopes.join("+")) };
        let alike = if miss && answer.alike.wrong + answer.alike.missed == 0 { " (same agents)" } else { "" };
        *wrong.entry(format!("{}{scopes}{alike}", answer.said)).or_default() += 1;
    }
    let mut wrong: Vec<(String, u32)> = wrong.into_iter().collect();
    wrong.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let told = wrong.iter().take(CONFUSIONS).map(|(what, count)| format!("{count} {what}"));
    told.collect::<Vec<_>>().join(", ")
}

fn attributes(scope: &parallax_model::Scope) -> String {
    scope.attributes().iter().map(|a| a.as_str()).collect::<Vec<_>>().join("*")
}

fn say_calibration(graded: &[Graded]) {
    let all: Vec<usize> = (0..graded.len()).collect();
    let sum = Sum::new(graded, &all);
    let (brier, ece, log_loss) = sum.verdict_calibration();
    let (unsure, sure) = sum.unknown();
    say(format_args!(
        "  verdict alone: Brier {brier:.3}, ECE {ece:.3}, log loss {log_loss:.3}; strictly right {:.3}; \"unknown\" is said in \
         {unsure:.2} of worlds where the oracle is unsure and {sure:.3} where it is sure",
        sum.strict_accuracy()
    ));
    let mut confusion: BTreeMap<(Verdict, Verdict), usize> = BTreeMap::new();
    for answer in graded {
        *confusion.entry((answer.truth, answer.said)).or_default() += 1;
    }
    let names: Vec<&str> = Verdict::ALL.iter().map(|v| v.as_str()).collect();
    let mut matrix =
        Table::new("Confusion: truth down, said across", &[&["truth"], names.as_slice()].concat());
    for truth in Verdict::ALL {
        let counts = Verdict::ALL.iter().map(|said| confusion.get(&(*truth, *said)).copied().unwrap_or(0));
        let cells = counts.map(|n| if n == 0 { ".".to_owned() } else { n.to_string() });
        matrix.row(std::iter::once(truth.to_string()).chain(cells));
    }
    matrix.say();
}

fn json_of(answers: &Answers) -> Value {
    let one = |(method, graded): &(Method, Vec<Graded>)| {
        let all: Vec<usize> = (0..graded.len()).collect();
        let sum = Sum::new(graded, &all);
        let value = |measure| sum.value(measure);
        let interval = |measure| interval(graded, measure);
        let chance = |measure| method.is_probabilistic().then(|| (value(measure), interval(measure)));
        let (brier, ece) = (chance(Measure::Brier), chance(Measure::Ece));
        json!({
            "method": method.name(),
            "worlds": graded.len(),
            "verdict_accuracy": value(Measure::Accuracy),
            "verdict_accuracy_95": interval(Measure::Accuracy),
            "scope_f1": value(Measure::Exact),
            "scope_f1_95": interval(Measure::Exact),
            "scope_precision": sum.exact().precision(),
            "scope_recall": sum.exact().recall(),
            "scope_f1_same_agents": value(Measure::Alike),
            "jaccard": sum.jaccard(),
            "healthy_flagged": value(Measure::Flagged),
            "healthy_flagged_95": interval(Measure::Flagged),
            "brier": brier.map(|(value, _)| value),
            "brier_95": brier.map(|(_, interval)| interval),
            "ece": ece.map(|(value, _)| value),
            "ece_95": ece.map(|(_, interval)| interval),
            "median_ms": sum.median_ms(),
        })
    };
    Value::Array(answers.iter().map(one).collect())
}

/// For other parts that show shares.
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
