//! What pages and JSON show, ready to print: made from the words of the model, with no decision of its own.

pub(crate) mod advice;
pub(crate) mod band;
pub(crate) mod board;
pub(crate) mod chart;
pub(crate) mod clues;
pub(crate) mod facts;
pub(crate) mod failure;
pub(crate) mod gazetteer;
pub(crate) mod glyph;
pub(crate) mod hops;
pub(crate) mod incident;
pub(crate) mod map;
pub(crate) mod matrix;
pub(crate) mod place;
pub(crate) mod row;
pub(crate) mod sentence;
pub(crate) mod shares;
pub(crate) mod site;
pub(crate) mod when;
