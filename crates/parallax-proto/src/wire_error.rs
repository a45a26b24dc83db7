//! What can be wrong with a message.

use thiserror::Error;

/// A message that cannot be read. Every variant names the field as in the proto files.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// A part that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part has a value it cannot have; `why` says what is wrong with it.
    #[error("{field}: {why}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A column has neither no entries nor one for each result.
    #[error("column {field} has {got} entries for {want} results")]
    Column {
        /// Which column.
        field: &'static str,
        /// Its entries.
        got: usize,
        /// The batch's results.
        want: usize,
    },
    /// A reference points outside its dictionary.
    #[error("{field} points to entry {got} of {size}")]
    Reference {
        /// Which column.
        field: &'static str,
        /// The entry it wants, 1-based.
        got: u32,
        /// The dictionary's size.
        size: usize,
    },
    /// More results than a batch may hold.
    #[error("a batch holds at most {limit} results, this one has {got}")]
    TooMany {
        /// How many there are.
        got: u32,
        /// How many there may be.
        limit: u32,
    },
}

impl WireError {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors and format_args! are handed over as they are made"
    )]
    pub(crate) fn invalid(field: &'static str, why: impl ToString) -> Self {
        Self::Invalid { field, why: why.to_string() }
    }
}
