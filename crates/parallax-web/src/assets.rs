//! The static files: embedded, named by their content, kept by browsers for ever.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::digest;

use crate::state::App;

/// How long a file whose name holds its content's hash may be kept.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// How many hexadecimal digits of the content's SHA-256 stand in the name.
const HASH_DIGITS: usize = 12;

/// One file as it is sent.
struct Asset {
    /// `site-0123456789ab.css`.
    name: String,
    content_type: &'static str,
    bytes: Bytes,
}

/// Every static file, and the addresses pages name them by.
pub(crate) struct Assets {
    files: Vec<Asset>,
    /// Address of the stylesheet.
    pub(crate) css: String,
    /// Address of the script.
    pub(crate) js: String,
    /// Address of the text font, for preloading.
    pub(crate) font: String,
}

impl Assets {
    /// The files of web/static as compiled in. The stylesheet's own references are rewritten to hashed names.
    pub(crate) fn embedded() -> Self {
        let mut files = Vec::new();
        let mut add = |stem: &str, extension: &str, content_type, bytes: Vec<u8>| {
            let hash = HEXLOWER.encode(digest::digest(&digest::SHA256, &bytes).as_ref());
            let name = format!("{stem}-{}.{extension}", &hash[..HASH_DIGITS]);
            files.push(Asset { name: name.clone(), content_type, bytes: bytes.into() });
            name
        };
        let next = include_bytes!("../../../web/static/fonts/next.woff2");
        let mono = include_bytes!("../../../web/static/fonts/mono.woff2");
        let land = include_bytes!("../../../web/static/land.svg");
        let font = add("next", "woff2", "font/woff2", next.to_vec());
        let mono = add("mono", "woff2", "font/woff2", mono.to_vec());
        let land = add("land", "svg", "image/svg+xml", land.to_vec());
        let css = include_str!("../../../web/static/site.css")
            .replace("fonts/next.woff2", &font)
            .replace("fonts/mono.woff2", &mono)
            .replace("land.svg", &land);
        let css = add("site", "css", "text/css; charset=utf-8", css.into_bytes());
        let js = include_bytes!("../../../web/static/live.js");
        let js = add("live", "js", "text/javascript; charset=utf-8", js.to_vec());
        let url = |name: String| format!("/static/{name}");
        Self { files, css: url(css), js: url(js), font: url(font) }
    }

    fn find(&self, name: &str) -> Option<&Asset> {
        self.files.iter().find(|asset| asset.name == name)
    }
}

/// `GET /static/{name}`.
pub(crate) async fn file(State(app): App, Path(name): Path<String>) -> Response {
    match app.assets.find(&name) {
        Some(asset) => {
            let headers = [(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, IMMUTABLE)];
            (headers, asset.bytes.clone()).into_response()
        }
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

/// `GET /favicon.svg`.
pub(crate) async fn favicon() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, include_str!("../../../web/static/favicon.svg"))
}

/// `GET /fonts/OFL.txt`: the fonts' licence, which goes where they go.
pub(crate) async fn font_licence() -> &'static str {
    include_str!("../../../web/static/fonts/OFL.txt")
}

/// `GET /robots.txt`: everything may be read but what costs work or means nothing later.
pub(crate) async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /check\nDisallow: /c/\nDisallow: /api/\n"
}

/// The content's tag, and whether the client has it already (RFC 9110, 13.1.2).
pub(crate) fn tag(body: &[u8], request: &HeaderMap) -> (String, bool) {
    let hash = HEXLOWER.encode(&digest::digest(&digest::SHA256, body).as_ref()[..10]);
    let tag = format!("\"{hash}\"");
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let matches = known.flat_map(|v| v.split(',')).any(|t| t.trim().trim_start_matches("W/") == tag);
    (tag, matches)
}
