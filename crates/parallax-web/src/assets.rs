//! The static files: embedded, named by their content, kept by browsers for ever.

use std::sync::OnceLock;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::digest;

use crate::compress::{self, Coding};
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
    /// The compressed form, made when somebody first asks for it; `None` for what is compressed in itself.
    brotli: Option<OnceLock<Bytes>>,
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
            let brotli = (extension != "woff2").then(OnceLock::new);
            files.push(Asset { name: name.clone(), content_type, bytes: bytes.into(), brotli });
            name
        };
        let next = include_bytes!("../../../web/static/fonts/next.woff2");
        let mono = include_bytes!("../../../web/static/fonts/mono.woff2");
        let land = include_str!("../../../web/static/land.svg");
        let font = add("next", "woff2", "font/woff2", next.to_vec());
        let mono = add("mono", "woff2", "font/woff2", mono.to_vec());
        let css = include_str!("../../../web/static/site.css")
            .replace("fonts/next.woff2", &font)
            .replace("fonts/mono.woff2", &mono)
            .replace("url(land.svg)", &inlined(land));
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

/// A drawing as part of the stylesheet, which saves a request: 1.5 KiB compressed.
fn inlined(svg: &str) -> String {
    let escaped = svg
        .trim()
        .replace('%', "%25")
        .replace('#', "%23")
        .replace('<', "%3C")
        .replace('>', "%3E")
        .replace('"', "'");
    format!("url(\"data:image/svg+xml,{escaped}\")")
}

/// `GET /static/{name}`.
pub(crate) async fn file(State(app): App, Path(name): Path<String>, request: HeaderMap) -> Response {
    match app.assets.find(&name) {
        Some(asset) => {
            let headers = [(header::CONTENT_TYPE, asset.content_type), (header::CACHE_CONTROL, IMMUTABLE)];
            // Who does not know brotli is given gzip by the layer that compresses whatever goes out.
            match &asset.brotli {
                Some(small) if Coding::wanted(&request) == Coding::Brotli => {
                    let small = small.get_or_init(|| compress::brotli(&asset.bytes, compress::THOROUGH));
                    let coding = [(header::CONTENT_ENCODING, "br"), (header::VARY, "accept-encoding")];
                    (headers, coding, small.clone()).into_response()
                }
                _ => (headers, asset.bytes.clone()).into_response(),
            }
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

/// The content's tag, and whether the client has it already (RFC 9110, 13.1.2).
pub(crate) fn tag(body: &[u8], request: &HeaderMap) -> (String, bool) {
    let hash = HEXLOWER.encode(&digest::digest(&digest::SHA256, body).as_ref()[..10]);
    let tag = format!("\"{hash}\"");
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    let matches = known.flat_map(|v| v.split(',')).any(|t| is_same(t.trim().trim_start_matches("W/"), &tag));
    (tag, matches)
}

/// Whether a client's tag names this content in any coding.
fn is_same(known: &str, tag: &str) -> bool {
    known == "*"
        || [Coding::Identity, Coding::Brotli, Coding::Gzip].iter().any(|c| known == compress::tag_of(tag, *c))
}
