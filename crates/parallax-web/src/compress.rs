//! Text made smaller on its way out: brotli where the client knows it, else gzip.
//!
//! Only whole answers are touched. What streams (server-sent events, a check as it runs) goes out as it comes: a compressor would
//! hold rows back.

use std::io::Write as _;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

/// Below this size an answer fits one packet whether compressed or not.
const LEAST_BYTES: u64 = 860;
/// Above this size an answer goes out as it is: no page and no list comes near.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// How hard brotli tries on answers that are made for one request or kept for a second, 0 to 11.
pub(crate) const QUICK: i32 = 5;
/// How hard it tries on files that never change.
pub(crate) const THOROUGH: i32 = 11;
/// The longest reach of a reference, as a power of two: no page is longer than 4 MiB.
const WINDOW: i32 = 22;

/// How the bytes of an answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    Identity,
    /// RFC 7932.
    Brotli,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// Every coding.
    pub(crate) const ALL: [Self; 3] = [Self::Identity, Self::Brotli, Self::Gzip];

    /// The best coding the client takes (RFC 9110, 12.5.3). A coding with weight zero is refused; weights are not compared otherwise.
    pub(crate) fn wanted(request: &HeaderMap) -> Self {
        let mut best = Self::Identity;
        for line in request.get_all(header::ACCEPT_ENCODING) {
            let Ok(line) = line.to_str() else { continue };
            for entry in line.split(',') {
                let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
                if is_zero(weight) {
                    continue;
                }
                match name.trim() {
                    "br" => return Self::Brotli,
                    "gzip" => best = Self::Gzip,
                    _ => {}
                }
            }
        }
        best
    }

    /// Its name in `Content-Encoding`; none for bytes as they are.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
        }
    }

    /// What tells its tag from the others': one tag names one sequence of bytes (RFC 9110, 8.8.3).
    const fn suffix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Brotli => "-br",
            Self::Gzip => "-gz",
        }
    }
}

fn is_zero(weight: &str) -> bool {
    weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>() == Ok(0.0))
}

/// `tag` (with its quotes) as that of the same content in another coding.
pub(crate) fn tag_of(tag: &str, coding: Coding) -> String {
    format!("{}{}\"", tag.trim_end_matches('"'), coding.suffix())
}

/// Brotli at an effort of [`QUICK`] or [`THOROUGH`].
pub(crate) fn brotli(bytes: &[u8], effort: i32) -> Bytes {
    let params = BrotliEncoderParams {
        quality: effort,
        lgwin: WINDOW,
        size_hint: bytes.len(),
        ..BrotliEncoderParams::default()
    };
    let mut out = Vec::with_capacity(bytes.len() / 3);
    match brotli::BrotliCompress(&mut &*bytes, &mut out, &params) {
        Ok(_) => out.into(),
        // Writing to memory does not fail; were it to, an empty text would be a lie.
        Err(error) => {
            tracing::error!(%error, "an answer could not be compressed");
            Bytes::new()
        }
    }
}

/// gzip at its usual effort.
pub(crate) fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::default());
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(out) => out.into(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be compressed");
            Bytes::new()
        }
    }
}

/// Whether a content of this type gets smaller.
fn is_text(kind: Option<&HeaderValue>) -> bool {
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    // gRPC and event streams are neither; fonts and pictures are compressed already.
    (kind.starts_with("text/") && kind != "text/event-stream")
        || matches!(kind, "application/json" | "application/atom+xml" | "application/xml" | "image/svg+xml")
}

/// Compresses whole answers of text that are not compressed yet.
pub(crate) async fn answers(request: Request, next: Next) -> Response {
    let coding = Coding::wanted(request.headers());
    let whole = request.method() != Method::HEAD;
    let response = next.run(request).await;
    let size = response.body().size_hint().exact();
    let fits = size.is_some_and(|size| (LEAST_BYTES..=MOST_BYTES).contains(&size));
    let head = response.headers();
    if !whole
        || !fits
        || head.contains_key(header::CONTENT_ENCODING)
        || !is_text(head.get(header::CONTENT_TYPE))
    {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let varies = |v: &HeaderValue| v.as_bytes().eq_ignore_ascii_case(b"accept-encoding");
    if !head.headers.get_all(header::VARY).iter().any(varies) {
        head.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    let Some(name) = coding.name() else { return Response::from_parts(head, body) };
    let plain = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be read");
            head.status = StatusCode::INTERNAL_SERVER_ERROR;
            return Response::from_parts(head, Body::empty());
        }
    };
    let small = if coding == Coding::Brotli { brotli(&plain, QUICK) } else { gzip(&plain) };
    if small.is_empty() {
        return Response::from_parts(head, Body::from(plain));
    }
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    let tag = head.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(|tag| tag_of(tag, coding));
    if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        head.headers.insert(header::ETAG, tag);
    }
    Response::from_parts(head, Body::from(small))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_client_says_what_it_takes() {
        for (said, expected) in [
            ("", Coding::Identity),
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("gzip", Coding::Gzip),
            ("br;q=0, gzip;q=0.5", Coding::Gzip),
            ("br;q=0.000", Coding::Identity),
            ("deflate, *", Coding::Identity),
            ("brotli", Coding::Identity),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::ACCEPT_ENCODING, said.parse().unwrap());
            assert_eq!(Coding::wanted(&request), expected, "{said:?}");
        }
    }

    #[test]
    fn what_is_compressed_can_be_read_again_and_has_its_own_tag() {
        let text = "the same words again and again, ".repeat(100);
        let mut read = String::new();
        for effort in [QUICK, THOROUGH] {
            let small = brotli(text.as_bytes(), effort);
            assert!(small.len() < 100, "{} bytes at {effort}", small.len());
            read.clear();
            brotli::Decompressor::new(&*small, 4_096).read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
        read.clear();
        flate2::read::GzDecoder::new(&*gzip(text.as_bytes())).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        assert_eq!(tag_of("\"ab\"", Coding::Brotli), "\"ab-br\"");
        assert_eq!(tag_of("\"ab\"", Coding::Identity), "\"ab\"");
    }
}
