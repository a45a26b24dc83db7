//! How results travel from ingest to evaluation.
//!
//! Ingest publishes what it has written to the journal; evaluation takes it from there. In one process that is a bounded queue, the
//! [`ResultBus`]. The traits [`Bus`], [`Publish`] and [`Subscribe`] are all that either side may rely on, so that a message broker
//! can stand in its place.
//!
//! The bus promises order and back-pressure, not durability: what is on it was acked and is in the journal already, and after a
//! crash evaluation starts from the journal again. It does not know what results mean.

#![forbid(unsafe_code)]

mod in_process;
mod seam;

pub use in_process::{CAPACITY, Publisher, ResultBus, Subscriber};
pub use seam::{Bus, BusError, Publish, Published, Subscribe};
