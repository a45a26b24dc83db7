//! Down for everyone, or just for you? What was seen from here beside what the testers saw, as one answer. Pure: it asks nobody.

use parallax_model::{
    BeaconState, BlockedFailure, Diagnosis, FailureKind, HttpFailure, Outcome, ProbeResult, RetryOutcome,
    Verdict,
};
use serde::Serialize;

use crate::words;

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Word {
    /// Nobody reaches it.
    DownForEveryone,
    /// Some do not reach it.
    DownForSome,
    /// Everybody else reaches it.
    JustYou,
    /// It works.
    Up,
    /// It refuses: a bot check, a block page, a law.
    Blocked,
    /// It cannot be told.
    Unknown,
}

/// What was seen from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Here {
    /// It works.
    Works,
    /// It fails, and our own line works.
    Fails(FailureKind),
    /// It answers, but refuses.
    Refuses(FailureKind),
    /// It fails, and so do the test pages: our own line says nothing about the site.
    LineBroken(FailureKind),
    /// Nothing was asked, and why.
    NotProbed(String),
}

impl Here {
    /// What a result from here says. What works the second time works: a hiccup is no outage.
    pub(crate) fn of(result: &ProbeResult) -> Self {
        let Outcome::Failed(failure) = result.outcome else { return Self::Works };
        if result.retry == Some(RetryOutcome::Ok) {
            return Self::Works;
        }
        let detail = || {
            result.detail.as_ref().map_or_else(|| failure.kind.to_string(), |d| words::plain(d).into_owned())
        };
        if result.outcome.is_not_applicable() {
            return Self::NotProbed(
                "nothing here gets through over UDP, so HTTP/3 cannot be judged.".to_owned(),
            );
        }
        match failure.kind {
            FailureKind::Agent(_)
            | FailureKind::Blocked(BlockedFailure::Address)
            | FailureKind::Http(HttpFailure::RedirectBlocked) => Self::NotProbed(detail()),
            kind @ FailureKind::Blocked(_) => Self::Refuses(kind),
            kind if result.beacon == BeaconState::Failed => Self::LineBroken(kind),
            kind => Self::Fails(kind),
        }
    }

    /// This side in one sentence.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Works => "it works.".to_owned(),
            Self::Fails(kind) => format!("it fails ({kind}), and your own line works."),
            Self::Refuses(kind) => format!("it answers, but refuses ({kind})."),
            Self::LineBroken(kind) => {
                format!(
                    "it fails ({kind}), but so do our test pages: your own line may be the reason, so this says nothing."
                )
            }
            Self::NotProbed(why) => format!("not probed: {why}"),
        }
    }
}

/// Both sides together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// In one word.
    pub word: Word,
    /// In one sentence.
    pub sentence: String,
}

/// What both sides together say of a site. `world` is `None` when no aggregator could be asked.
pub(crate) fn conclude(site: &str, here: &Here, world: Option<&Diagnosis>) -> Answer {
    let Some(world) = world else { return alone(site, here) };
    match world.verdict {
        Verdict::Up | Verdict::Degraded => works_elsewhere(site, here, world),
        Verdict::Down => down_elsewhere(site, here, world),
        Verdict::Partial | Verdict::Flaky => partly(site, here, world),
        Verdict::Blocked => refused_elsewhere(site, here),
        Verdict::Unknown => untold(site, here),
    }
}

fn answer(word: Word, sentence: String) -> Answer {
    Answer { word, sentence }
}

fn works_elsewhere(site: &str, here: &Here, world: &Diagnosis) -> Answer {
    let slow = if world.verdict == Verdict::Degraded { ", but slowly" } else { "" };
    match here {
        Here::Works => answer(Word::Up, format!("{site} works for everyone we asked and for you{slow}.")),
        Here::Fails(kind) => answer(
            Word::JustYou,
            format!(
                "It is just you, or your line: {site} works for everyone we asked{slow}, and fails from here ({kind})."
            ),
        ),
        Here::Refuses(kind @ FailureKind::Blocked(BlockedFailure::BlockPage)) => answer(
            Word::JustYou,
            format!(
                "It is just you, or your network: {site} works for everyone we asked, and from here a filter answers ({kind})."
            ),
        ),
        Here::Refuses(kind) => answer(
            Word::Blocked,
            format!("{site} works for everyone we asked{slow}, but refuses you ({kind})."),
        ),
        Here::LineBroken(_) | Here::NotProbed(_) => answer(
            Word::Up,
            format!("{site} works for everyone we asked{slow}; from here nothing can be said."),
        ),
    }
}

fn down_elsewhere(site: &str, here: &Here, world: &Diagnosis) -> Answer {
    match here {
        Here::Works => answer(
            Word::DownForSome,
            format!(
                "{site} is down for all {}, but it works from here.",
                words::plural(world.agents, "tester")
            ),
        ),
        Here::Fails(_) => answer(
            Word::DownForEveryone,
            format!("It is not just you: {site} is down for everyone we asked."),
        ),
        Here::Refuses(_) | Here::LineBroken(_) | Here::NotProbed(_) => {
            answer(Word::DownForEveryone, format!("{site} is down for everyone we asked."))
        }
    }
}

fn partly(site: &str, here: &Here, world: &Diagnosis) -> Answer {
    let whom = if world.scopes.is_empty() || world.scopes.iter().any(|scope| scope.all) {
        "some people".to_owned()
    } else {
        words::scopes(&world.scopes)
    };
    let how = if world.verdict == Verdict::Flaky { "comes and goes" } else { "is down" };
    let sentence = match here {
        Here::Works => format!("{site} {how} for {whom}; it works for you."),
        Here::Fails(_) => format!("It is not just you: {site} {how} for {whom}, and it fails from here too."),
        Here::Refuses(kind) => format!("{site} {how} for {whom}; from here it refuses ({kind})."),
        Here::LineBroken(_) | Here::NotProbed(_) => {
            format!("{site} {how} for {whom}; whether for you cannot be told from here.")
        }
    };
    answer(Word::DownForSome, sentence)
}

fn refused_elsewhere(site: &str, here: &Here) -> Answer {
    match here {
        Here::Works => {
            answer(Word::Up, format!("{site} works for you; it refuses our testers, which is no outage."))
        }
        Here::Fails(kind) => answer(
            Word::Unknown,
            format!(
                "{site} fails from here ({kind}), and refuses our testers, so they cannot say whether it is just you."
            ),
        ),
        Here::Refuses(_) | Here::LineBroken(_) | Here::NotProbed(_) => {
            answer(Word::Blocked, format!("{site} refuses our testers: that is not the same as down."))
        }
    }
}

fn untold(site: &str, here: &Here) -> Answer {
    let sentence = match here {
        Here::Works => format!("{site} works from here; the testers cannot tell about others."),
        Here::Fails(kind) => {
            format!("{site} fails from here ({kind}); the testers cannot tell whether it is just you.")
        }
        Here::Refuses(kind) => {
            format!("{site} refuses from here ({kind}); the testers cannot tell about others.")
        }
        Here::LineBroken(_) | Here::NotProbed(_) => {
            format!("Nothing can be said about {site}, from here or from the testers.")
        }
    };
    answer(Word::Unknown, sentence)
}

/// No aggregator: this side only.
fn alone(site: &str, here: &Here) -> Answer {
    let sentence = match here {
        Here::Works => format!("{site} works from here; nobody else could be asked."),
        Here::Fails(kind) => {
            format!("{site} fails from here ({kind}); whether it is just you cannot be told without testers.")
        }
        Here::Refuses(kind) => format!("{site} refuses from here ({kind}); nobody else could be asked."),
        Here::LineBroken(_) | Here::NotProbed(_) => {
            format!("Nothing can be said about {site}: nobody could be asked.")
        }
    };
    answer(Word::Unknown, sentence)
}

/// The testers' side in one sentence.
pub(crate) fn testers(world: &Diagnosis) -> String {
    let verb =
        |count: u32, word: &str, plural: &str| format!("{count}{}", if count == 1 { word } else { plural });
    match (world.verdict, world.agents, world.failing) {
        (_, 0, _) => "no answer that counts.".to_owned(),
        (Verdict::Blocked, _, _) => {
            "it refuses them: they see a bot check, a block page or a legal notice.".to_owned()
        }
        (_, 1, 0) => "it reaches it.".to_owned(),
        (_, 1, _) => "it fails there.".to_owned(),
        (_, _, 0) => "all reach it.".to_owned(),
        (_, agents, failing) if failing >= agents => "all fail.".to_owned(),
        (_, agents, failing) => {
            let reach = verb(agents - failing, " reaches it", " reach it");
            format!("{reach}, {}.", verb(failing, " fails", " fail"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(verdict: Verdict) -> Diagnosis {
        let mut world = Diagnosis::unknown("", Vec::new());
        world.verdict = verdict;
        world.agents = 24;
        if verdict == Verdict::Partial {
            world.scopes =
                vec![serde_json::from_str(r#"{"asn":64500,"region":"eu-west"}"#).expect("a scope")];
        }
        world
    }

    #[test]
    fn the_two_sides_make_one_answer() {
        use Verdict as V;
        use Word as W;
        let kind = |word: &str| word.parse::<FailureKind>().expect("a kind");
        let heres = [
            Here::Works,
            Here::Fails(kind("connect-timeout")),
            Here::Refuses(kind("blocked-challenge")),
            Here::LineBroken(kind("dns-timeout")),
            Here::NotProbed("This address is private.".to_owned()),
        ];
        let cases = [
            (V::Up, [W::Up, W::JustYou, W::Blocked, W::Up, W::Up]),
            (V::Degraded, [W::Up, W::JustYou, W::Blocked, W::Up, W::Up]),
            (
                V::Down,
                [
                    W::DownForSome,
                    W::DownForEveryone,
                    W::DownForEveryone,
                    W::DownForEveryone,
                    W::DownForEveryone,
                ],
            ),
            (V::Partial, [W::DownForSome; 5]),
            (V::Flaky, [W::DownForSome; 5]),
            (V::Blocked, [W::Up, W::Unknown, W::Blocked, W::Blocked, W::Blocked]),
            (V::Unknown, [W::Unknown; 5]),
        ];
        for (verdict, words) in cases {
            let got = heres.each_ref().map(|here| conclude("a.example", here, Some(&world(verdict))).word);
            assert_eq!(got, words, "{verdict}");
        }
        assert!(heres.iter().all(|here| conclude("a.example", here, None).word == W::Unknown));
    }

    #[test]
    fn a_block_page_of_ones_own_network_is_just_you() {
        let here = Here::Refuses("blocked-block-page".parse().expect("a kind"));
        assert_eq!(conclude("a.example", &here, Some(&world(Verdict::Up))).word, Word::JustYou);
    }

    #[test]
    fn sentences_name_the_site_and_whom() {
        let partial = conclude("a.example", &Here::Works, Some(&world(Verdict::Partial)));
        assert_eq!(partial.sentence, "a.example is down for AS64500 in eu-west; it works for you.");
        let down = conclude("a.example", &Here::Works, Some(&world(Verdict::Down)));
        assert_eq!(down.sentence, "a.example is down for all 24 testers, but it works from here.");
        assert_eq!(testers(&world(Verdict::Up)), "all reach it.");
        let some = Diagnosis { failing: 1, ..world(Verdict::Partial) };
        assert_eq!(testers(&some), "23 reach it, 1 fails.");
    }
}
