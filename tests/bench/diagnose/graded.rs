//! One answer to one world, graded: ours and every baseline's by the same rules.

use std::time::Duration;

use parallax_diagnose::{Subject, diagnose};
use parallax_lab::baselines::Baseline;
use parallax_lab::score::{Coverage, Forecast, Hits, brier, ece, log_loss};
use parallax_lab::worlds::{Case, Kind};
use parallax_model::{Diagnosis, Scope, Verdict};
use tokio::time::Instant;

/// Two coverages with this overlap are the same answer.
const SAME: f64 = 0.9;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// parallax-diagnose.
    Ours,
    /// Another.
    Other(Baseline),
}

impl Method {
    /// Ours first.
    pub(crate) fn all() -> Vec<Self> {
        std::iter::once(Self::Ours).chain(Baseline::ALL.map(Self::Other)).collect()
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "Parallax",
            Self::Other(baseline) => baseline.name(),
        }
    }

    /// Whether it says how sure it is.
    pub(crate) fn is_probabilistic(self) -> bool {
        self == Self::Ours
    }
}

/// One graded answer.
#[derive(Debug, Clone)]
pub(crate) struct Graded {
    pub(crate) kind: Kind,
    pub(crate) truth: Verdict,
    pub(crate) said: Verdict,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) right: bool,
    /// Whether even the oracle is unsure.
    pub(crate) unsure: bool,
    pub(crate) exact: Hits,
    pub(crate) alike: Hits,
    pub(crate) jaccard: f64,
    /// Probability of the whole answer (verdict and coverage); none when it says "unknown".
    pub(crate) whole: Option<Forecast>,
    /// Probability of the verdict alone.
    pub(crate) verdict: Option<Forecast>,
    pub(crate) took: Duration,
}

impl Graded {
    /// Asks a method and grades what it says.
    pub(crate) fn of(method: Method, case: &Case, seen: &Coverage) -> Self {
        let started = Instant::now();
        let (said, scopes, sure) = match method {
            Method::Ours => {
                let Diagnosis { verdict, scopes, confidence, .. } = diagnose(&case.world, Subject::default());
                (verdict, scopes, confidence.get())
            }
            Method::Other(baseline) => {
                let guess = baseline.guess(&case.world);
                (guess.verdict, guess.scopes, 1.0)
            }
        };
        let took = started.elapsed();
        let truth = &case.truth;
        let jaccard = seen.jaccard(&scopes, &truth.scopes);
        let answers = said != Verdict::Unknown;
        let verdict_right = said == truth.verdict;
        Self {
            kind: truth.kind,
            truth: truth.verdict,
            said,
            right: truth.is_right(said),
            unsure: truth.is_unsure(),
            exact: Hits::exact(&scopes, &truth.scopes),
            alike: Hits::alike(&scopes, &truth.scopes, seen),
            jaccard,
            whole: answers.then_some((sure, verdict_right && jaccard >= SAME)),
            verdict: answers.then_some((sure, verdict_right)),
            scopes,
            took,
        }
    }

    /// Whether a site that works was called anything but "up" or "unknown".
    pub(crate) fn is_flagged(&self) -> bool {
        self.kind == Kind::Healthy && !matches!(self.said, Verdict::Up | Verdict::Unknown)
    }
}

/// What tables show with an interval.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Measure {
    /// Share of verdicts that are right.
    Accuracy,
    /// F1 of scopes by exact name, over worlds that have a scope to find.
    Exact,
    /// The same by the agents they cover.
    Alike,
    /// Share of healthy worlds called otherwise.
    Flagged,
    /// Brier score of whole answers.
    Brier,
    /// Calibration error of whole answers.
    Ece,
}

/// What is said of many graded answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sum<'a> {
    graded: &'a [Graded],
    drawn: &'a [usize],
}

impl<'a> Sum<'a> {
    /// Of these answers; `drawn` may name some twice.
    pub(crate) const fn new(graded: &'a [Graded], drawn: &'a [usize]) -> Self {
        Self { graded, drawn }
    }

    pub(crate) fn value(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Accuracy => Self::share(self.answers().map(|g| g.right)),
            Measure::Exact => self.exact().f1(),
            Measure::Alike => self.alike().f1(),
            Measure::Flagged => {
                Self::share(self.answers().filter(|g| g.kind == Kind::Healthy).map(Graded::is_flagged))
            }
            Measure::Brier => brier(&self.whole()),
            Measure::Ece => ece(&self.whole()),
        }
    }

    fn answers(&self) -> impl Iterator<Item = &'a Graded> {
        self.drawn.iter().map(|n| &self.graded[*n])
    }

    fn partial(&self) -> impl Iterator<Item = &'a Graded> {
        self.answers().filter(|g| g.kind.is_partial())
    }

    fn share(of: impl Iterator<Item = bool>) -> f64 {
        let (mut yes, mut all) = (0_u32, 0_u32);
        for said in of {
            all += 1;
            yes += u32::from(said);
        }
        f64::from(yes) / f64::from(all.max(1))
    }

    pub(crate) fn exact(&self) -> Hits {
        self.partial().fold(Hits::default(), |sum, g| sum.plus(g.exact))
    }

    fn alike(&self) -> Hits {
        self.partial().fold(Hits::default(), |sum, g| sum.plus(g.alike))
    }

    pub(crate) fn jaccard(&self) -> f64 {
        let all: Vec<f64> = self.partial().map(|g| g.jaccard).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    }

    /// Where "unknown" is never right.
    pub(crate) fn strict_accuracy(&self) -> f64 {
        Self::share(self.answers().map(|g| g.said == g.truth))
    }

    /// How often "unknown" is said where the oracle is unsure, and where it is sure.
    pub(crate) fn unknown(&self) -> (f64, f64) {
        let said = |unsure: bool| {
            Self::share(self.answers().filter(|g| g.unsure == unsure).map(|g| g.said == Verdict::Unknown))
        };
        (said(true), said(false))
    }

    fn whole(&self) -> Vec<Forecast> {
        self.answers().filter_map(|g| g.whole).collect()
    }

    fn verdict(&self) -> Vec<Forecast> {
        self.answers().filter_map(|g| g.verdict).collect()
    }

    pub(crate) fn verdict_calibration(&self) -> (f64, f64, f64) {
        let said = self.verdict();
        (brier(&said), ece(&said), log_loss(&said))
    }

    pub(crate) fn median_ms(&self) -> f64 {
        let mut took: Vec<f64> = self.answers().map(|g| g.took.as_secs_f64() * 1_000.0).collect();
        parallax_lab::score::quantile(&mut took, 0.5)
    }
}
