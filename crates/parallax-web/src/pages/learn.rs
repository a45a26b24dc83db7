//! The guide to errors.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::AskBox;
use super::error::missing;
use crate::render::{Frame, page};
use crate::state::App;

/// What a page says of one status.
#[derive(Debug)]
pub(crate) struct Lesson {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    /// The headline's second half.
    pub(crate) what: &'static str,
    pub(crate) short: &'static str,
    /// What the site's server does, on the drawing.
    pub(crate) origin: &'static str,
    pub(crate) visitor: &'static [&'static str],
    pub(crate) owner: &'static [&'static str],
    pub(crate) evidence: &'static str,
}

/// The pages there are.
pub(crate) const LESSONS: [Lesson; 3] = [
    Lesson {
        code: "502",
        name: "Bad Gateway",
        what: "the front server got a broken answer",
        short: "Big sites have a front server that talks to you and a machine behind it that does the work. A 502 says: I am here, I \
                asked the machine behind me, and what came back was broken or nothing.",
        origin: "Gives a broken answer, or none",
        visitor: &[
            "Try again in a minute: many 502s are a restart.",
            "If you just sent a form or paid, look whether it went through before you send it again.",
            "Clearing caches or changing your DNS does not help: the answer came from the site itself.",
        ],
        owner: &[
            "Is the backend running? Look for a crash or restart at that minute, and for out of memory.",
            "Does the proxy talk to the right port and protocol (HTTP or HTTPS, HTTP/1.1 or h2c)?",
            "Are the answer’s headers larger than the proxy’s buffer? Its error log says so in these words.",
            "Does the backend close idle connections sooner than the proxy thinks? Then the first request on one gets a reset.",
        ],
        evidence: "Who wrote the 502 (a CDN’s edge, a gateway), whether every place gets it, whether a second try passes, and whether it \
                   came at once or after a wait.",
    },
    Lesson {
        code: "503",
        name: "Service Unavailable",
        what: "it is too busy, or closed for work",
        short: "A 503 says: I am here and understood you, and I will not serve you now. It is either overload, or maintenance that somebody \
                switched on, or a balancer that has no healthy machine left.",
        origin: "Busy, or closed for work",
        visitor: &[
            "Wait ten minutes. Reloading again and again makes an overload worse.",
            "If the page says when it is back, believe it: that is what Retry-After is for.",
        ],
        owner: &[
            "Is a maintenance flag set, and meant to be?",
            "Are all health checks red? Then the balancer answers for an empty pool.",
            "Overload: CPU, database connections, queue length, and what changed in the traffic.",
            "Shed load, cache, limit rates; send Retry-After so that clients do not come back at once.",
        ],
        evidence: "Retry-After and its value, how long answers took before it, whether every place gets it, and whether it rises and falls \
                   with the hour.",
    },
    Lesson {
        code: "504",
        name: "Gateway Timeout",
        what: "the front server waited and gave up",
        short: "A 504 says: I am here, I passed your request on to the machine behind me, and it did not answer in the time I allow. The \
                machine may still be working on it.",
        origin: "Does not answer in time",
        visitor: &[
            "Retry later.",
            "A payment or order may still have gone through: check before you repeat it.",
        ],
        owner: &[
            "Which request waits? A slow query, a dependency, a lock.",
            "Can the front server reach the origin at all? If only some edges get 504, look at the way from them to you.",
            "Is the proxy’s timeout below the application’s own?",
        ],
        evidence: "Which edge wrote the 504, after how many seconds, and whether other edges of the same CDN reach the origin.",
    },
];

#[derive(Template)]
#[template(path = "pages/learn.html")]
pub(crate) struct Learn {
    pub(crate) frame: Frame,
    pub(crate) lesson: &'static Lesson,
    pub(crate) ask: AskBox,
}

/// `GET /learn/{code}`.
pub(crate) async fn show(State(app): App, Path(code): Path<String>, request: HeaderMap) -> Response {
    match LESSONS.iter().find(|lesson| lesson.code == code) {
        Some(lesson) => {
            let view = Learn { frame: Frame::new(&app, "/learn/502"), lesson, ask: AskBox::default() };
            page(&view, StatusCode::OK, &request)
        }
        None => missing(
            &app,
            &request,
            ("There is no such page in the guide", "There are pages about 502, 503 and 504."),
        ),
    }
}
