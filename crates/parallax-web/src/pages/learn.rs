//! The guide to errors: what each means, for visitors and for who runs the site, and which sites have it now.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use parallax_aggregator::SiteView;
use parallax_model::{CauseKind, FailureKind, HttpFailure, TlsFailure, Verdict};

use super::AskBox;
use super::error::{Part, missing};
use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::state::App;
use crate::view::advice::ONLY_YOU;
use crate::view::board::Board;
use crate::view::glyph::Glyph;

/// A page of the guide. Its texts are the messages `learn-{slug}-…`.
#[derive(Debug)]
pub(crate) struct Lesson {
    pub(crate) slug: &'static str,
    /// The error's name as servers write it; empty where the subject is no status.
    pub(crate) name: &'static str,
    /// How many steps there are for the visitor and for the owner.
    steps: (usize, usize),
    /// The states of the five hops on the drawing.
    hops: [Glyph; 5],
}

use Glyph::{Down, Hidden, Partly, Unknown, Up};

/// A status that a front server writes about the machine behind it.
const BEHIND: [Glyph; 5] = [Up, Up, Up, Partly, Down];

const fn lesson(slug: &'static str, name: &'static str, steps: (usize, usize), hops: [Glyph; 5]) -> Lesson {
    Lesson { slug, name, steps, hops }
}

/// The pages there are.
pub(crate) const LESSONS: [Lesson; 15] = [
    lesson("502", "Bad Gateway", (3, 4), BEHIND),
    lesson("503", "Service Unavailable", (2, 4), BEHIND),
    lesson("504", "Gateway Timeout", (2, 3), BEHIND),
    lesson("520", "Web Server Returned an Unknown Error", (2, 3), BEHIND),
    lesson("521", "Web Server Is Down", (2, 3), BEHIND),
    lesson("522", "Connection Timed Out", (2, 3), BEHIND),
    lesson("523", "Origin Is Unreachable", (2, 3), BEHIND),
    lesson("524", "A Timeout Occurred", (2, 3), BEHIND),
    lesson("525", "SSL Handshake Failed", (2, 3), BEHIND),
    lesson("526", "Invalid SSL Certificate", (2, 3), BEHIND),
    lesson("dns-change", "", (3, 4), [Up, Partly, Unknown, Unknown, Unknown]),
    lesson("tls", "", (4, 4), [Up, Up, Up, Down, Unknown]),
    lesson("blocked", "", (3, 3), [Up, Up, Partly, Hidden, Unknown]),
    lesson("only-you", "", (0, 3), [Down, Up, Up, Up, Up]),
    lesson("vpn", "", (4, 3), [Up, Up, Partly, Up, Up]),
];

/// One hop on the drawing.
pub(crate) struct Drawn {
    pub(crate) state: Glyph,
    pub(crate) name: String,
    pub(crate) says: String,
}

/// A line of the index and of the table.
pub(crate) struct Entry {
    pub(crate) slug: &'static str,
    pub(crate) title: String,
    pub(crate) what: String,
}

/// How many sites the live line names.
const MAX_NAMED: usize = 8;

#[derive(Template)]
#[template(path = "pages/learn.html")]
pub(crate) struct Learn {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) title: String,
    pub(crate) what: String,
    pub(crate) short: String,
    pub(crate) fault: String,
    pub(crate) hops: Vec<Drawn>,
    pub(crate) visitor: Vec<String>,
    pub(crate) owner: Vec<String>,
    pub(crate) evidence: String,
    /// What is counted now.
    pub(crate) live: String,
    /// Sites that have it now, with their addresses.
    pub(crate) sites: Vec<(String, String)>,
    /// Whether the table of statuses belongs here.
    pub(crate) statuses: bool,
    pub(crate) others: Vec<Entry>,
    pub(crate) ask: AskBox,
}

#[derive(Template)]
#[template(path = "pages/learn_index.html")]
pub(crate) struct Index {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    pub(crate) entries: Vec<Entry>,
    pub(crate) ask: AskBox,
}

impl Lesson {
    fn entry(&self, t: Lang) -> Entry {
        let key = |what: &str| format!("learn-{}-{what}", self.slug);
        Entry { slug: self.slug, title: self.title(t), what: t.text(&key("what")) }
    }

    /// `502 Bad Gateway`, or the subject's own title.
    fn title(&self, t: Lang) -> String {
        if self.name.is_empty() {
            t.text(&format!("learn-{}-title", self.slug))
        } else {
            format!("{} {}", self.slug, self.name)
        }
    }

    fn is_status(&self) -> bool {
        !self.name.is_empty()
    }

    /// Whether a site has now what the lesson is about.
    fn concerns(&self, view: &SiteView) -> bool {
        let diagnosis = &view.diagnosis;
        let kinds = || view.rows.iter().filter_map(|row| row.result.outcome.about_target().kind());
        let partial = diagnosis.verdict == Verdict::Partial;
        match self.slug {
            "dns-change" => diagnosis.cause.as_ref().is_some_and(|cause| cause.kind == CauseKind::DnsChange),
            "tls" => kinds().any(|kind| {
                matches!(kind, FailureKind::Tls(k) if !matches!(k, TlsFailure::Reset | TlsFailure::Timeout))
            }),
            "blocked" => diagnosis.verdict == Verdict::Blocked,
            "only-you" => diagnosis.verdict == Verdict::Up,
            "vpn" => partial && diagnosis.scopes.iter().any(|s| s.asn.is_some() || s.region.is_some() || s.country.is_some() || s.pop.is_some()),
            code => match Board::of_site(view).commonest_failure() {
                Some((FailureKind::Http(HttpFailure::Status(status)), _)) => status.to_string() == code,
                _ => false,
            },
        }
    }

    fn steps_of(&self, t: Lang, who: &str, n: usize) -> Vec<String> {
        (1..=n).map(|i| t.text(&format!("learn-{}-{who}-{i}", self.slug))).collect()
    }

    fn drawn(&self, t: Lang) -> Vec<Drawn> {
        let names = ["hop-you", "hop-dns", "hop-network", "hop-front", "hop-origin"];
        let drawn = |(i, (state, name)): (usize, (&Glyph, &str))| {
            let own = format!("learn-{}-hop-{}", self.slug, i + 1);
            let usual = match (i, state) {
                (_, Unknown) => "learn-hop-later",
                (0, _) => "learn-hop-you",
                (1, _) => "learn-hop-dns",
                (2, _) => "learn-hop-network",
                (3, Up) => "learn-hop-front-up",
                (3, _) => "learn-hop-front",
                (_, Up) => "learn-hop-origin-up",
                _ => "learn-hop-origin",
            };
            let says = if t.has(&own) { t.text(&own) } else { t.text(usual) };
            Drawn { state: *state, name: t.text(name), says }
        };
        self.hops.iter().zip(names).enumerate().map(drawn).collect()
    }
}

/// `GET /learn`.
pub(crate) async fn index(State(app): App, visit: Visit, request: HeaderMap) -> Response {
    let view = Index {
        t: visit.t,
        frame: Frame::new(&app, &visit, "/learn"),
        entries: LESSONS.iter().map(|lesson| lesson.entry(visit.t)).collect(),
        ask: AskBox::default(),
    };
    page(&view, StatusCode::OK, &request)
}

/// `GET /learn/{slug}`.
pub(crate) async fn show(State(app): App, visit: Visit, Part(slug): Part, request: HeaderMap) -> Response {
    let t = visit.t;
    let Some(lesson) = LESSONS.iter().find(|lesson| lesson.slug == slug) else {
        return missing(&app, (&visit, &request), ("missing-lesson", "missing-lesson-why"));
    };
    let text = |what: &str| t.text(&format!("learn-{}-{what}", lesson.slug));
    let all = app.read.sites();
    let having: Vec<_> = all.iter().filter(|view| lesson.concerns(view)).collect();
    let (_, owner) = lesson.steps;
    let visitor = match lesson.slug {
        "only-you" => ONLY_YOU.iter().map(|key| t.text(key)).collect(),
        _ => lesson.steps_of(t, "visitor", lesson.steps.0),
    };
    let live = match lesson.slug {
        "dns-change" | "tls" | "blocked" | "only-you" | "vpn" => {
            t.with(format!("learn-{}-live", lesson.slug))
        }
        code => t.with("learn-status-live").s("code", code),
    };
    let named = having.iter().take(MAX_NAMED);
    let view = Learn {
        t,
        frame: Frame::new(&app, &visit, "/learn"),
        title: lesson.title(t),
        what: text("what"),
        short: text("short"),
        fault: if lesson.is_status() { t.text("learn-status-fault") } else { text("fault") },
        hops: lesson.drawn(t),
        visitor,
        owner: lesson.steps_of(t, "owner", owner),
        evidence: text("evidence"),
        live: live.n("n", having.len()).n("total", all.len()).text(),
        sites: named.map(|v| (v.host.to_string(), format!("{}/s/{}", t.base(), v.host))).collect(),
        statuses: lesson.is_status(),
        others: LESSONS
            .iter()
            .filter(|other| other.slug != lesson.slug)
            .map(|other| other.entry(t))
            .collect(),
        ask: AskBox::default(),
    };
    page(&view, StatusCode::OK, &request)
}
