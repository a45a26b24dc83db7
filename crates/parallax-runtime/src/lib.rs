//! What every long-running program of Parallax needs and nothing of what it is about: clock and randomness as values that are
//! handed down, a lifecycle that owns every task, configuration loading, logging, health.
//!
//! It knows no word of the model. It is also the only crate that reads the machine's clock, its environment and its entropy; all
//! others take them as arguments (clippy.toml enforces it).

#![forbid(unsafe_code)]

mod clock;
pub mod config;
mod exit;
mod health;
mod lifecycle;
mod logging;
mod random;

pub use clock::{Clock, ManualClock, SystemClock};
pub use exit::ExitCode;
pub use health::{Health, HealthPart, PartState};
pub use lifecycle::{DRAIN_DEADLINE, DrainError, Lifecycle, Tasks};
pub use logging::{LogFormat, init as init_logging};
pub use random::{Rng, entropy, seeded};
