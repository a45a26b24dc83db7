//! `GET /api/v1/network`: how our own side is.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_aggregator::VantageNotice;
use parallax_model::{Asn, IspName};
use serde::Serialize;
use serde_json::json;

use crate::state::App;
use crate::view::when::rfc3339;

/// One network whose agents fell silent at once.
#[derive(Debug, Serialize)]
struct NoticeJson<'a> {
    asn: Asn,
    isp: Option<&'a IspName>,
    since: String,
    lost: u32,
    of: u32,
    sentence: &'a str,
}

impl<'a> From<&'a VantageNotice> for NoticeJson<'a> {
    fn from(notice: &'a VantageNotice) -> Self {
        Self {
            asn: notice.asn,
            isp: notice.isp.as_ref(),
            since: rfc3339(notice.since),
            lost: notice.lost,
            of: notice.of,
            sentence: &notice.sentence,
        }
    }
}

/// Whether sites can be judged at all, and whose testers are silent.
pub(crate) async fn show(State(app): App, headers: HeaderMap) -> Response {
    let state = app.read.network();
    let notices: Vec<NoticeJson<'_>> = state.notices.iter().map(NoticeJson::from).collect();
    let our_side = state.our_side.as_ref();
    let our_side = our_side.map(|our| json!({ "since": rfc3339(our.since), "sentence": our.sentence }));
    super::json(&json!({ "our_side": our_side, "notices": notices }), &headers)
}
