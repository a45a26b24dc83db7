//! Loading configuration: a TOML file, then the environment, then what the command line said; each component gets its own section.
//!
//! Every section is a struct with `#[serde(deny_unknown_fields)]` and a [`Section::validate`] that names each bad value. All errors
//! are gathered and told at once ([`ConfigErrors`]); nothing starts with a configuration that has one.

use std::fmt;
use std::path::Path;

use figment::providers::{Env, Format as _, Serialized, Toml};
use figment::{Figment, Provider as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Environment variables that set configuration begin with this; `PARALLAX_STORE__DATA_DIR` sets `store.data_dir`.
pub const ENV_PREFIX: &str = "PARALLAX_";

/// One section of a configuration.
pub trait Section {
    /// Adds one line for every value that cannot be used, named by its full key (`prefix.key`).
    fn validate(&self, prefix: &str, errors: &mut ConfigErrors);
}

/// Everything that is wrong with a configuration, one sentence each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigErrors {
    lines: Vec<String>,
}

impl ConfigErrors {
    /// Adds `key: what is wrong and what is right`.
    pub fn push(&mut self, key: impl fmt::Display, problem: impl fmt::Display) {
        self.lines.push(format!("{key}: {problem}"));
    }

    /// The sentences in the order they were found.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// `Err` when anything was found.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.lines.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, s) = (self.lines.len(), if self.lines.len() == 1 { "" } else { "s" });
        write!(f, "the configuration has {n} error{s}:")?;
        self.lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Reads a configuration whose defaults are `C::default()`: file (if named), environment, then `overrides` (what the command line
/// set, as the same shape with only the set keys).
///
/// Each top-level key is read by itself first, so that one wrong value does not hide the next one. Variables with our prefix that
/// are no keys of this configuration are left alone: they are other programs' options.
pub fn load<C>(file: Option<&Path>, overrides: impl Serialize) -> Result<C, ConfigErrors>
where
    C: Serialize + DeserializeOwned + Default + Section,
{
    let mut errors = ConfigErrors::default();
    let defaults = Figment::from(Serialized::defaults(C::default()));
    let known = keys(&defaults, &mut errors);
    let mut given = Figment::new();
    if let Some(path) = file {
        if !path.is_file() {
            errors
                .push(path.display(), if path.exists() { "it is no file" } else { "there is no such file" });
            return Err(errors);
        }
        given = given.merge(Toml::file_exact(path));
    }
    let ours = Env::prefixed(ENV_PREFIX).split("__").filter(move |key| {
        let top = key.as_str().split('.').next().unwrap_or_default();
        known.iter().any(|k| k.eq_ignore_ascii_case(top))
    });
    given = given.merge(ours).merge(Serialized::defaults(overrides));
    let mut good = defaults.clone();
    for key in keys(&given, &mut errors) {
        let Ok(value) = given.find_value(&key) else { continue };
        match defaults.clone().merge((key.clone(), &value)).extract::<C>() {
            Ok(_) => good = good.merge((key, value)),
            Err(found) => tell(found, &mut errors),
        }
    }
    match good.extract::<C>() {
        Ok(config) => {
            config.validate("", &mut errors);
            errors.into_result(config)
        }
        Err(found) => {
            tell(found, &mut errors);
            Err(errors)
        }
    }
}

/// The top-level keys that are set. A file that is no TOML has none and is told.
fn keys(figment: &Figment, errors: &mut ConfigErrors) -> Vec<String> {
    match figment.data() {
        Ok(profiles) => profiles.into_values().flat_map(figment::value::Dict::into_keys).collect(),
        Err(found) => {
            tell(found, errors);
            Vec::new()
        }
    }
}

fn tell(found: figment::Error, errors: &mut ConfigErrors) {
    for error in found {
        let key = if error.path.is_empty() { "configuration".to_owned() } else { error.path.join(".") };
        errors.push(key, &error.kind);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        port: u16,
        name: String,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { port: 8080, name: "x".to_owned() }
        }
    }

    impl Section for Sample {
        fn validate(&self, _: &str, errors: &mut ConfigErrors) {
            if self.port == 0 {
                errors.push("port", "0 cannot be listened on here");
            }
            if self.name.is_empty() {
                errors.push("name", "must not be empty");
            }
        }
    }

    fn file_with(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("writable");
        file
    }

    fn from_text(text: &str) -> Result<Sample, ConfigErrors> {
        load(Some(file_with(text).path()), nothing())
    }

    fn nothing() -> std::collections::BTreeMap<String, String> {
        std::collections::BTreeMap::new()
    }

    #[test]
    fn the_file_overrides_defaults() {
        assert_eq!(from_text("port = 1"), Ok(Sample { port: 1, name: "x".to_owned() }));
    }

    #[test]
    fn every_error_is_told_at_once() {
        let errors = from_text("port = 0\nname = ''").expect_err("two bad values");
        assert_eq!(errors.lines(), ["port: 0 cannot be listened on here", "name: must not be empty"]);
    }

    #[test]
    fn one_wrong_value_does_not_hide_another() {
        let errors = from_text("port = 'x'\nname = 7\nprot = 1").expect_err("three bad keys");
        let keys: Vec<_> = errors.lines().iter().map(|l| l.split(':').next().unwrap_or_default()).collect();
        assert_eq!(keys, ["name", "port", "prot"], "{errors}");
    }

    #[test]
    fn unknown_keys_and_missing_files_are_errors() {
        assert!(from_text("prot = 1").is_err());
        let missing: Result<Sample, _> = load(Some(Path::new("no-such-file.toml")), nothing());
        assert_eq!(missing.expect_err("missing").lines(), ["no-such-file.toml: there is no such file"]);
    }
}
