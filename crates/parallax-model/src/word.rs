//! Closed vocabularies: an enum whose members have exactly one spelling each.

use thiserror::Error;

/// A word that is not in the vocabulary it was read as.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{got:?} is not a {what}; known are: {known}")]
pub struct UnknownWord {
    /// Which vocabulary was expected, e.g. `"verdict"`.
    pub what: &'static str,
    /// The text that was read, cut to 64 characters.
    pub got: String,
    /// Every word of the vocabulary, separated by commas.
    pub known: String,
}

impl UnknownWord {
    pub(crate) fn new(what: &'static str, got: &str, known: &[&str]) -> Self {
        Self { what, got: got.chars().take(64).collect(), known: known.join(", ") }
    }
}

/// Declares a field-less enum with one spelling per member: `as_str`, `ALL`, `Display`, `FromStr` and serde as that spelling.
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $name:ident ($what:literal) { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every member, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling of this word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::UnknownWord::new($what, other, &[$($text),+])),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// Serde, `Display` and `FromStr` through a type's canonical text, for newtypes that are checked when parsed.
macro_rules! canonical_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {canonical_text, words};
