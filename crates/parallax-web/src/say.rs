//! The words of the pages: Fluent messages in every language, chosen by the address's first segment.
//!
//! A message holds text alone, never markup: where a placeable is put in, its own direction is kept apart with `<bdi>`. The API
//! speaks English; what it says comes from the same messages.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::sync::LazyLock;

use askama::filters::{Escaper, Html, Safe};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

use crate::escape::neutral;
use crate::view::glyph::Glyph;

/// First strong isolate and its end: what Fluent puts around a placeable.
const ISOLATE: char = '\u{2068}';
const END: char = '\u{2069}';

/// A language the pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) enum Lang {
    /// English, without a prefix.
    #[default]
    En,
    /// German, under `/de/`.
    De,
}

type Bundle = FluentBundle<FluentResource>;

/// The catalogues, read once from what was compiled in. They never change, so they are no state.
static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| Lang::En.bundle());
static GERMAN: LazyLock<Bundle> = LazyLock::new(|| Lang::De.bundle());

impl Lang {
    /// Every language.
    pub(crate) const ALL: [Self; 2] = [Self::En, Self::De];

    /// The code of `lang` and `hreflang`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// What stands before every path.
    pub(crate) fn base(self) -> &'static str {
        match self {
            Self::En => "",
            Self::De => "/de",
        }
    }

    /// The language's name for itself.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::De => "Deutsch",
        }
    }

    /// The language of that code; English when there is none.
    pub(crate) fn of_code(code: &str) -> Self {
        Self::ALL.into_iter().find(|lang| lang.code() == code).unwrap_or_default()
    }

    /// The language of an address, and the address as it is in English.
    pub(crate) fn of_path(path: &str) -> (Self, &str) {
        let other = Self::ALL.into_iter().filter(|lang| !lang.base().is_empty());
        for lang in other {
            if let Some(rest) = path.strip_prefix(lang.base()).filter(|r| r.is_empty() || r.starts_with('/'))
            {
                return (lang, if rest.is_empty() { "/" } else { rest });
            }
        }
        (Self::En, path)
    }

    /// The texts of the catalogue.
    pub(crate) fn sources(self) -> [&'static str; 6] {
        match self {
            Self::En => [
                include_str!("../../../web/messages/en/pages.ftl"),
                include_str!("../../../web/messages/en/views.ftl"),
                include_str!("../../../web/messages/en/learn.ftl"),
                include_str!("../../../web/messages/en/advice.ftl"),
                include_str!("../../../web/messages/en/places.ftl"),
                include_str!("../../../web/messages/en/told.ftl"),
            ],
            Self::De => [
                include_str!("../../../web/messages/de/pages.ftl"),
                include_str!("../../../web/messages/de/views.ftl"),
                include_str!("../../../web/messages/de/learn.ftl"),
                include_str!("../../../web/messages/de/advice.ftl"),
                include_str!("../../../web/messages/de/places.ftl"),
                include_str!("../../../web/messages/de/told.ftl"),
            ],
        }
    }

    fn bundle(self) -> Bundle {
        let language: LanguageIdentifier = self.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![language]);
        for source in self.sources() {
            // A test reads every catalogue without an error; what could be read is used in any case.
            let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(read, _)| read);
            bundle.add_resource_overriding(resource);
        }
        bundle
    }

    fn catalogue(self) -> &'static Bundle {
        match self {
            Self::En => &ENGLISH,
            Self::De => &GERMAN,
        }
    }

    fn format(self, key: &str, args: Option<&FluentArgs<'_>>) -> Cow<'static, str> {
        let bundle = self.catalogue();
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return Cow::Owned(key.to_owned());
        };
        let mut errors = Vec::new();
        match bundle.format_pattern(pattern, args, &mut errors) {
            Cow::Borrowed(text) => Cow::Borrowed(text),
            Cow::Owned(text) => Cow::Owned(text),
        }
    }

    /// A message without placeables, for a template. It holds no markup and nothing that would need escaping.
    pub(crate) fn say(self, key: &str) -> Safe<Cow<'static, str>> {
        Safe(self.format(key, None))
    }

    /// A message without placeables, as text.
    pub(crate) fn text(self, key: &str) -> String {
        self.format(key, None).into_owned()
    }

    /// A message whose placeables follow.
    pub(crate) fn with(self, key: impl Into<Cow<'static, str>>) -> Message {
        Message { lang: self, key: key.into(), args: FluentArgs::new() }
    }

    /// Whether there is such a message.
    pub(crate) fn has(self, key: &str) -> bool {
        self.catalogue().has_message(key)
    }

    /// A state in a word or two.
    pub(crate) fn glyph(self, state: impl IsGlyph) -> Safe<Cow<'static, str>> {
        self.say(state.glyph().key())
    }

    /// A number with this many decimals, with the language's sign between.
    pub(crate) fn decimal(self, number: f64, decimals: usize) -> String {
        let text = format!("{number:.decimals$}");
        match self {
            Self::En => text,
            Self::De => text.replace('.', ","),
        }
    }
}

/// A count of anything, behind any number of references: templates hand both over.
pub(crate) trait Count {
    /// The count; numbers beyond the range become the largest.
    fn count(&self) -> i64;
}

macro_rules! count {
    ($($kind:ty),+) => { $(impl Count for $kind {
        fn count(&self) -> i64 {
            i64::try_from(*self).unwrap_or(i64::MAX)
        }
    })+ };
}
count!(u16, u32, u64, usize, i32, i64);

impl<T: Count + ?Sized> Count for &T {
    fn count(&self) -> i64 {
        (**self).count()
    }
}

/// A state, behind any number of references.
pub(crate) trait IsGlyph {
    fn glyph(&self) -> Glyph;
}

impl IsGlyph for Glyph {
    fn glyph(&self) -> Glyph {
        *self
    }
}

impl<T: IsGlyph + ?Sized> IsGlyph for &T {
    fn glyph(&self) -> Glyph {
        (**self).glyph()
    }
}

/// A message that is being put together.
#[derive(Debug)]
pub(crate) struct Message {
    lang: Lang,
    key: Cow<'static, str>,
    args: FluentArgs<'static>,
}

impl Message {
    /// Puts a text in; what could play tricks with direction is made visible.
    pub(crate) fn s(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        let text = neutral(&value.to_string()).into_owned();
        self.args.set(name, FluentValue::String(text.into()));
        self
    }

    /// Puts a count in; plural forms follow it.
    pub(crate) fn n(mut self, name: &'static str, value: impl Count) -> Self {
        self.args.set(name, FluentValue::from(value.count()));
        self
    }

    fn told(&self) -> Cow<'static, str> {
        self.lang.format(&self.key, Some(&self.args))
    }

    /// As plain text, for attributes, titles and programs.
    pub(crate) fn text(&self) -> String {
        self.told().chars().filter(|c| !matches!(*c, ISOLATE | END)).collect()
    }

    /// As HTML: escaped, each placeable that is no number in a `<bdi>` of its own.
    pub(crate) fn html(&self) -> Safe<String> {
        let told = self.told();
        let mut out = String::with_capacity(told.len() + 32);
        let mut parts = told.split(ISOLATE);
        put(&mut out, parts.next().unwrap_or_default());
        let mut open = Vec::new();
        for part in parts {
            let bare = part.split(END).next().unwrap_or_default();
            let number = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit());
            open.push(!number);
            if !number {
                out.push_str("<bdi>");
            }
            let mut ends = part.split(END);
            put(&mut out, ends.next().unwrap_or_default());
            for rest in ends {
                if open.pop() == Some(true) {
                    out.push_str("</bdi>");
                }
                put(&mut out, rest);
            }
        }
        Safe(out)
    }
}

fn put(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = Html.write_escaped_str(&mut *out, text);
}

/// A sentence about a host with the host kept apart: for headlines that were made elsewhere.
pub(crate) fn apart(sentence: &str, host: &str) -> Safe<String> {
    let mut out = String::with_capacity(sentence.len() + 11);
    let clean = neutral(sentence);
    match clean.split_once(host).filter(|_| !host.is_empty()) {
        Some((before, after)) => {
            put(&mut out, before);
            let _ = write!(out, "<bdi>");
            put(&mut out, host);
            let _ = write!(out, "</bdi>");
            put(&mut out, after);
        }
        None => put(&mut out, &clean),
    }
    Safe(out)
}

/// Which page in which language is asked for: from the address alone, so that a page is the same for everybody.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// The language.
    pub(crate) t: Lang,
    /// The path as it is in English.
    pub(crate) path: String,
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let (t, path) = Lang::of_path(parts.uri.path());
        Ok(Self { t, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests;
