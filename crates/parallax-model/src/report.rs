//! What visitors tell us.

use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// What a visitor's screen says. There is no free text: nothing a stranger writes is shown to others.
    pub enum ReportCategory ("report category") {
        /// The name can't be found.
        CannotBeFound = "cannot-be-found",
        /// It takes too long.
        TooSlow = "too-slow",
        /// An error page with a number.
        ErrorPage = "error-page",
        /// "Not secure" warning.
        NotSecure = "not-secure",
        /// It loads but is broken or blank.
        LoadsBroken = "loads-broken",
        /// Only logging in fails.
        LogIn = "log-in",
        /// Only the app fails.
        AppOnly = "app-only",
        /// Only paying fails.
        Payment = "payment",
        /// Something else.
        Other = "other",
    }
}

words! {
    /// Where people and our testers do not say the same.
    pub enum Disagreement ("disagreement") {
        /// People report problems, our testers reach it.
        PeopleOnly = "people-only",
        /// Our testers fail, nobody complains.
        TestersOnly = "testers-only",
    }
}

impl Disagreement {
    /// The sentence for people.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::PeopleOnly => {
                "People report problems, our testers reach it: what fails may lie behind the first page, or with one provider."
            }
            Self::TestersOnly => {
                "Our testers see it fail, and nobody has reported a problem: people may not notice it."
            }
        }
    }
}

/// Distinct reporters in the current window, beside what is usual for this hour of the week.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ReportCounts {
    /// How many say "I have a problem".
    pub problem: u32,
    /// How many say "works for me".
    pub works: u32,
    /// How many problem reports are usual.
    pub expected: f64,
    /// Whether there are far more problem reports than usual.
    #[serde(default)]
    pub surge: bool,
}
