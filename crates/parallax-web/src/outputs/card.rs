//! `/s/{host}/og.png`: what messengers show when somebody pastes a link to a site's page. A picture outlives the moment, so it says
//! in UTC when it was measured.
//!
//! Drawing costs tens of milliseconds, so one card is drawn at a time, off the threads that answer, and kept until the site is said
//! to be something else.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use parallax_aggregator::SiteView;
use parallax_model::{Host, UnixMicros, Verdict};
use resvg::{tiny_skia, usvg};

use super::words::{headline, utc};
use super::{answer, ink, site, xml};
use crate::api::error::ApiError;
use crate::escape::neutral;
use crate::state::App;

/// The size messengers ask for, in pixels.
const SIZE: (u32, u32) = (1_200, 630);
/// Cards that are kept; 40 KiB each.
const MAX_KEPT: usize = 256;
/// How long a card's time may be behind while nothing else on it changes, in seconds.
const FRESH_S: i64 = 600;
/// Widest line of text, in pixels.
const MEASURE: f32 = 1_040.0;
/// Lines of a headline at most.
const MAX_LINES: usize = 3;
/// Size of the headline's letters, in pixels.
const HEADLINE: f32 = 44.0;

/// What a card says. The same words make the same picture.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    host: String,
    verdict: Verdict,
    headline: String,
    counts: String,
}

#[derive(Debug)]
struct Kept {
    words: Words,
    drawn_at: UnixMicros,
    png: Bytes,
}

/// The cards that are kept, and what is needed to draw.
#[derive(Debug)]
pub(crate) struct Cards {
    kept: Mutex<HashMap<Host, Kept>>,
    /// Held while one is drawn.
    drawing: tokio::sync::Mutex<()>,
    fonts: Arc<usvg::fontdb::Database>,
}

impl Default for Cards {
    fn default() -> Self {
        let mut fonts = usvg::fontdb::Database::new();
        fonts.load_font_data(include_bytes!("../../../../web/card/regular.ttf").to_vec());
        fonts.load_font_data(include_bytes!("../../../../web/card/bold.ttf").to_vec());
        Self { kept: Mutex::default(), drawing: tokio::sync::Mutex::default(), fonts: Arc::new(fonts) }
    }
}

impl Words {
    fn of(view: &SiteView) -> Self {
        let d = &view.diagnosis;
        let counts = match d.agents {
            0 => "No tester could say anything".to_owned(),
            all => format!("{} of {all} testers reach it", all.saturating_sub(d.failing)),
        };
        Self { host: view.host.to_string(), verdict: d.verdict, headline: headline(d), counts }
    }
}

impl Cards {
    fn find(&self, host: &Host, words: &Words, now: UnixMicros) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let card = kept.get(host).filter(|card| card.words == *words)?;
        (now < card.drawn_at.plus_secs(FRESH_S)).then(|| card.png.clone())
    }

    fn keep(&self, host: &Host, card: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT && !kept.contains_key(host) {
            let oldest = kept.iter().min_by_key(|(_, card)| card.drawn_at).map(|(host, _)| host.clone());
            oldest.map(|oldest| kept.remove(&oldest));
        }
        kept.insert(host.clone(), card);
    }
}

/// `GET /s/{host}/og.png`.
pub(crate) async fn show(
    State(app): App,
    Path(typed): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = site(&app, &typed)?;
    let words = Words::of(&view);
    let now = app.read.now();
    if let Some(png) = app.cards.find(&view.host, &words, now) {
        return Ok(answer("image/png", png, &headers));
    }
    let _drawing = app.cards.drawing.lock().await;
    if let Some(png) = app.cards.find(&view.host, &words, now) {
        return Ok(answer("image/png", png, &headers));
    }
    let fonts = Arc::clone(&app.cards.fonts);
    let said = words.clone();
    let measured = utc(view.at);
    let drawn = tokio::task::spawn_blocking(move || drawn(&svg(&said, &measured), fonts)).await;
    let Ok(Some(png)) = drawn else {
        tracing::error!(site = %view.host, "a share card could not be drawn");
        return Err(ApiError::internal());
    };
    app.cards.keep(&view.host, Kept { words, drawn_at: now, png: png.clone() });
    Ok(answer("image/png", png, &headers))
}

/// The picture of an SVG; `None` when there is a mistake in it.
fn drawn(svg: &str, fonts: Arc<usvg::fontdb::Database>) -> Option<Bytes> {
    let options = usvg::Options {
        fontdb: fonts,
        font_family: "Atkinson Hyperlegible Next".to_owned(),
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(svg, &options).ok()?;
    let mut picture = tiny_skia::Pixmap::new(SIZE.0, SIZE.1)?;
    resvg::render(&tree, tiny_skia::Transform::identity(), &mut picture.as_mut());
    picture.encode_png().ok().map(Bytes::from)
}

/// Paper, a bar in the state's ink at the edge, the state as shape and word, the site, the sentence, the time.
fn svg(words: &Words, measured: &str) -> String {
    let colour = ink(words.verdict);
    let host = neutral(&words.host);
    let host_size = (MEASURE / width(&host) * 0.98).min(76.0);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\"><rect width=\"100%\" height=\"100%\" fill=\"#f6f4ee\"/>\
         <rect width=\"28\" height=\"100%\" fill=\"{colour}\"/>\
         <g transform=\"translate(80 62) scale(2.2)\" fill=\"none\" stroke=\"#00517a\" stroke-width=\"2.4\" stroke-linecap=\"round\">\
         <path d=\"M4.2 8.5a8.6 8.6 0 1 1-.3 6.5M8.2 12.5l2.6 2.600 5.200-5.700\"/></g>\
         <text x=\"146\" y=\"104\" font-size=\"40\" font-weight=\"700\" fill=\"#16222b\">Parallax</text>\
         <text x=\"80\" y=\"222\" font-size=\"{host_size:.1}\" font-weight=\"700\" fill=\"#16222b\">{}</text>\
         <g transform=\"translate(80 258) scale(3)\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.200\" stroke-linecap=\"round\" stroke-linejoin=\"round\">{}</g>\
         <text x=\"170\" y=\"316\" font-size=\"56\" font-weight=\"700\" fill=\"{colour}\">{}</text>",
        SIZE.0,
        SIZE.1,
        xml(&host),
        shape(words.verdict),
        words.verdict.in_words(),
    );
    for (n, line) in (0_u16..).zip(lines(&neutral(&words.headline))) {
        let y = 392 + n * 54;
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "<text x=\"80\" y=\"{y}\" font-size=\"{HEADLINE}\" fill=\"#16222b\">{}</text>",
            xml(&line)
        );
    }
    let _ = write!(
        text,
        "<text x=\"80\" y=\"582\" font-size=\"30\" fill=\"#4a5963\">{} · measured {}</text></svg>",
        xml(&words.counts),
        xml(measured),
    );
    text
}

/// The state's icon, as on the pages.
const fn shape(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "<circle cx=\"12\" cy=\"12\" r=\"9\"/><path d=\"M8 12.500l2.800 2.700L16 9.500\"/>",
        Verdict::Degraded => "<path d=\"M12 3 22 20H2zM12 10v4M12 17h.01\"/>",
        Verdict::Partial | Verdict::Flaky => {
            "<path d=\"M12 2.500l9.500 9.500-9.500 9.500L2.500 12z\"/><path fill=\"#97390b\" stroke=\"none\" d=\"M12 2.500l9.500 9.500-9.500 9.500z\"/>"
        }
        Verdict::Down => {
            "<rect x=\"3\" y=\"3\" width=\"18\" height=\"18\" rx=\"2\" fill=\"#6e0b22\"/><path stroke=\"#f6f4ee\" d=\"M8.500 8.500l7 7m0-7l-7 7\"/>"
        }
        Verdict::Blocked => "<path d=\"M12 2.500 20 6v6c0 5-3.500 8-8 9.500C7.500 20 4 17 4 12V6zM8 12h8\"/>",
        Verdict::Unknown => "<circle cx=\"12\" cy=\"12\" r=\"9\" stroke-dasharray=\"3 3.300\"/>",
    }
}

/// A sentence in lines that fit, the last one cut where there is too much.
fn lines(sentence: &str) -> Vec<String> {
    let fits = |line: &str| width(line) * HEADLINE <= MEASURE;
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let cut = lines.len() > MAX_LINES;
    lines.truncate(MAX_LINES);
    for line in &mut lines {
        while !fits(line) {
            line.pop();
        }
    }
    if let Some(last) = lines.last_mut().filter(|_| cut) {
        last.push('…');
    }
    lines
}

/// How wide a text is about, in parts of its letters' size; never too little.
fn width(text: &str) -> f32 {
    let each = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '|' | '\'' | '’' | ' ' | '!' => 0.31,
        'f' | 't' | 'r' | '-' | '(' | ')' | '/' => 0.42,
        'm' | 'w' | 'M' | 'W' | '@' => 0.92,
        'A'..='Z' => 0.70,
        c if c.is_ascii() => 0.60,
        _ => 0.75,
    };
    text.chars().map(each).sum::<f32>().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(host: &str, verdict: Verdict, headline: &str) -> Bytes {
        let words = Words {
            host: host.to_owned(),
            verdict,
            headline: headline.to_owned(),
            counts: "3 of 27 testers reach it".to_owned(),
        };
        drawn(&svg(&words, "2026-11-22 21:12 UTC"), Cards::default().fonts).unwrap()
    }

    #[test]
    fn cards_have_the_size_messengers_ask_for_and_are_small() {
        let long = "m".repeat(60) + "." + &"example".repeat(9) + ".example";
        let sentence = "videohub.example is down for some people: mobile networks in western Europe <b>&amp;</b> \u{202e}and more and \
             more and more and more and more and more and more and more and more and more and more and more";
        for (host, verdict, headline) in [
            ("a.example", Verdict::Up, "a.example is up everywhere we looked"),
            ("videohub.example", Verdict::Partial, sentence),
            (&long, Verdict::Down, &long),
            ("a.example", Verdict::Unknown, ""),
            ("a.example", Verdict::Blocked, "\u{4f60}\u{597d}"),
        ] {
            let png = card(host, verdict, headline);
            assert!(png.starts_with(b"\x89PNG"), "{host}");
            let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
            assert_eq!((size(16), size(20)), SIZE, "{host}");
            assert!(png.len() <= 60 * 1_024, "{host}: {} bytes", png.len());
        }
    }

    #[test]
    fn the_words_are_on_it_and_a_sentence_is_cut_at_three_lines() {
        let said = |headline| card("a.example", Verdict::Up, headline);
        assert!(said("one") != said("two"), "there is a font");
        let many = lines(&"word ".repeat(200));
        assert_eq!(many.len(), MAX_LINES);
        assert!(many[2].ends_with("word…") && many[0].ends_with("word"), "{many:?}");
        assert_eq!(lines(""), Vec::<String>::new());
    }

    #[test]
    fn so_many_cards_are_kept_and_no_more() {
        let cards = Cards::default();
        let words = Words {
            host: String::new(),
            verdict: Verdict::Up,
            headline: String::new(),
            counts: String::new(),
        };
        let now = UnixMicros(0);
        for n in 0..=MAX_KEPT {
            let at = now.plus_secs(i64::try_from(n).unwrap());
            cards.keep(
                &format!("s{n}.example").parse().unwrap(),
                Kept { words: words.clone(), drawn_at: at, png: Bytes::new() },
            );
        }
        let kept =
            |n: usize, now| cards.find(&format!("s{n}.example").parse().unwrap(), &words, now).is_some();
        assert!(!kept(0, now) && kept(1, now) && kept(MAX_KEPT, now));
        assert!(!kept(1, now.plus_secs(FRESH_S + 1)), "its time is too old");
        let other = Words { verdict: Verdict::Down, ..words.clone() };
        assert!(
            cards.find(&"s1.example".parse().unwrap(), &other, now).is_none(),
            "it says something else now"
        );
    }
}
