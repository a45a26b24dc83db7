//! The pages: for each one its view and its handler.

pub(crate) mod about;
pub(crate) mod api_docs;
pub(crate) mod check;
pub(crate) mod error;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod incident;
pub(crate) mod learn;
pub(crate) mod network;
pub(crate) mod outages;
pub(crate) mod site;
pub(crate) mod you;

/// The box in which a site is typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct AskBox {
    /// What stands in it.
    pub(crate) typed: String,
    /// What is wrong with that; empty when nothing is.
    pub(crate) error: String,
}

impl AskBox {
    /// A box with a site in it.
    pub(crate) fn of(typed: impl Into<String>) -> Self {
        Self { typed: typed.into(), error: String::new() }
    }
}

/// What a page gives back when it cannot be made.
pub(crate) type PageResult = Result<axum::response::Response, error::PageError>;

#[cfg(test)]
mod tests;
