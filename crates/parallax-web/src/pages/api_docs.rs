//! How programs ask: every call of the REST API, rendered from the OpenAPI file that is also handed out.

use std::sync::LazyLock;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::render::{Frame, page};
use crate::say::{Lang, Visit};
use crate::state::App;

/// The description of the REST API, OpenAPI 3.1.
const OPENAPI: &str = include_str!("../../../../web/openapi.json");

/// One parameter of a call.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    /// `path`, `query`, `body`.
    pub(crate) place: String,
    pub(crate) required: bool,
    pub(crate) says: String,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its anchor.
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) summary: String,
    pub(crate) says: String,
    pub(crate) parameters: Vec<Parameter>,
    /// A command that works when the address is put in.
    pub(crate) curl: String,
    /// An answer, cut where it repeats itself.
    pub(crate) sample: String,
    /// Status and meaning.
    pub(crate) answers: Vec<(String, String)>,
}

/// Calls under one heading.
#[derive(Debug, Clone)]
pub(crate) struct Chapter {
    pub(crate) title: String,
    pub(crate) calls: Vec<Call>,
}

/// Read once from what was compiled in; it never changes.
static CHAPTERS: LazyLock<Vec<Chapter>> = LazyLock::new(|| chapters(OPENAPI));

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn chapters(openapi: &str) -> Vec<Chapter> {
    // A test reads the file; one that cannot be read makes an empty page.
    let read: Value = serde_json::from_str(openapi).unwrap_or_default();
    let tags = read["tags"].as_array().into_iter().flatten();
    let of = |tag: &Value| {
        let title = text(tag, "name");
        let calls = calls(&read).into_iter().filter(|(of, _)| *of == title).map(|(_, call)| call);
        Chapter { calls: calls.collect(), title }
    };
    tags.map(of).collect()
}

/// Every call with its chapter.
fn calls(read: &Value) -> Vec<(String, Call)> {
    let mut calls = Vec::new();
    for (path, methods) in read["paths"].as_object().into_iter().flatten() {
        for (method, call) in methods.as_object().into_iter().flatten() {
            let tag = call["tags"][0].as_str().unwrap_or_default().to_owned();
            calls.push((tag, one_call(path, method, call)));
        }
    }
    calls
}

fn one_call(path: &str, method: &str, call: &Value) -> Call {
    let parameter = |p: &Value| Parameter {
        name: text(p, "name"),
        place: text(p, "in"),
        required: p["required"].as_bool().unwrap_or_default(),
        says: text(p, "description"),
    };
    let body = &call["requestBody"]["content"]["application/json"]["schema"];
    let needed = |name: &str| body["required"].as_array().into_iter().flatten().any(|n| n == name);
    let of_body = body["properties"].as_object().into_iter().flatten().map(|(name, schema)| Parameter {
        name: name.clone(),
        place: "body".to_owned(),
        required: needed(name),
        says: text(schema, "description"),
    });
    let answers = call["responses"].as_object();
    let mut good = answers.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    let contents = good.find_map(|(_, answer)| answer["content"].as_object()?.values().next());
    let sample = match contents.map(|content| &content["example"]) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(json) => serde_json::to_string_pretty(json).unwrap_or_default(),
    };
    Call {
        id: text(call, "operationId"),
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        summary: text(call, "summary"),
        says: text(call, "description"),
        parameters: call["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(parameter)
            .chain(of_body)
            .collect(),
        curl: text(call, "x-curl"),
        sample,
        answers: answers.into_iter().flatten().map(|(s, a)| (s.clone(), text(a, "description"))).collect(),
    }
}

#[derive(Template)]
#[template(path = "pages/api.html")]
pub(crate) struct ApiDocs {
    pub(crate) t: Lang,
    pub(crate) frame: Frame,
    /// The address to put before the paths.
    pub(crate) base: String,
    pub(crate) chapters: &'static [Chapter],
}

impl ApiDocs {
    /// A command with this page's address in it.
    fn command(&self, call: &Call) -> String {
        call.curl.replace("BASE", &self.base)
    }
}

/// What stands before the paths when the operator named no public address.
const NOWHERE: &str = "http://127.0.0.1:8080";

/// `GET /api`.
pub(crate) async fn show(State(app): App, visit: Visit, request: HeaderMap) -> Response {
    let base = if app.base_url.is_empty() { NOWHERE } else { &app.base_url };
    let view = ApiDocs {
        t: visit.t,
        frame: Frame::new(&app, &visit, "/api"),
        base: base.to_owned(),
        chapters: &CHAPTERS,
    };
    page(&view, StatusCode::OK, &request)
}

/// `GET /api/openapi.json`.
pub(crate) async fn openapi() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, OPENAPI).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_described() {
        let calls: Vec<&Call> = CHAPTERS.iter().flat_map(|chapter| &chapter.calls).collect();
        let read: Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(calls.len(), super::calls(&read).len(), "every call has a chapter");
        for call in calls {
            let name = format!("{} {}", call.method, call.path);
            assert!(!call.id.is_empty() && !call.summary.is_empty(), "{name}");
            assert!(call.curl.contains("BASE"), "{name} has a command");
            assert!(!call.sample.is_empty(), "{name} has a sample");
            assert!(!call.answers.is_empty(), "{name} says what it answers");
            for part in call.path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let named = part.trim_end_matches('}');
                assert!(
                    call.parameters.iter().any(|p| p.name == named && p.place == "path"),
                    "{name}: {named}"
                );
            }
            assert!(call.parameters.iter().all(|p| !p.says.is_empty()), "{name}: parameters are explained");
        }
    }

    /// The routes of the REST API, read from where they are made, are those that are described.
    #[test]
    fn what_is_described_is_what_there_is() {
        let routes = include_str!("../routes.rs");
        let there: std::collections::BTreeSet<&str> = routes
            .match_indices("\"/api/v1/")
            .filter_map(|(at, _)| routes[at + 1..].split('"').next())
            .collect();
        let described: std::collections::BTreeSet<&str> =
            CHAPTERS.iter().flat_map(|chapter| &chapter.calls).map(|call| call.path.as_str()).collect();
        assert_eq!(there.difference(&described).collect::<Vec<_>>(), Vec::<&&str>::new(), "not described");
        let gone: Vec<_> =
            described.iter().filter(|path| path.starts_with("/api/v1/") && !there.contains(*path)).collect();
        assert_eq!(gone, Vec::<&&str>::new(), "not there");
    }
}
