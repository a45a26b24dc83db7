//! Fuzz targets: what strangers send goes in, and what must hold whatever it is gets asserted.
//!
//! Each target is an ordinary function of bytes that panics when something does not hold. Two callers drive them: the programs
//! under `fuzz_targets/` (`cargo xtask fuzz`, as long as wanted), and `tests/it/fuzz.rs`, which replays every seed and a bounded
//! number of mutations of each with the stable compiler. `seeds/<target>/` holds where both begin.
//!
//! Nothing here opens a socket or reads a clock.

mod answer;
mod batch;
mod certificate;
mod dns;
mod journal;
mod messages;
mod redirect;
mod text;
mod typed;
mod vetting;
mod world;

pub use answer::answer;
pub use batch::batch;
pub use certificate::certificate;
pub use dns::dns;
pub use journal::journal;
pub use messages::{messages, token};
pub use redirect::redirect;
pub use typed::typed;
pub use vetting::vetting;
pub use world::world;

/// The body of a target.
pub type Body = fn(&[u8]);

/// Every target with its name, which is also the name of its program and of its folder of seeds.
pub const TARGETS: [(&str, Body); 11] = [
    ("answer", answer),
    ("batch", batch),
    ("certificate", certificate),
    ("dns", dns),
    ("journal", journal),
    ("messages", messages),
    ("redirect", redirect),
    ("token", token),
    ("typed", typed),
    ("vetting", vetting),
    ("world", world),
];
