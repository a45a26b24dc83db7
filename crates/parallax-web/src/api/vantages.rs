//! `GET /api/v1/vantages`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use parallax_aggregator::VantagePoint;
use parallax_model::Vantage;
use serde::Serialize;
use serde_json::json;

use crate::state::App;
use crate::view::incident::Moment;

/// One vantage point.
#[derive(Debug, Serialize)]
struct VantageJson<'a> {
    agent: &'a str,
    online: bool,
    last_heard: Moment,
    version: &'a str,
    #[serde(flatten)]
    vantage: &'a Vantage,
}

impl<'a> From<&'a VantagePoint> for VantageJson<'a> {
    fn from(point: &'a VantagePoint) -> Self {
        Self {
            agent: point.agent.as_str(),
            online: point.online,
            last_heard: Moment::new(point.last_heard),
            version: &point.version,
            vantage: &point.vantage,
        }
    }
}

/// Every vantage point of the last seven days.
pub(crate) async fn list(State(app): App, headers: HeaderMap) -> Response {
    let points = app.read.vantages();
    let vantages: Vec<VantageJson<'_>> = points.iter().map(VantageJson::from).collect();
    super::json(&json!({ "vantages": vantages }), &headers)
}
