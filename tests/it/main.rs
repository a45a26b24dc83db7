//! End to end: the real program against real servers, on loopback, on ports the system picks.
//!
//! Every test starts what it needs and ends it by its process id. What a program wrote is shown when a test fails. A test whose
//! outside program (nginx, haproxy, a browser) is not installed says so in one line and passes, unless
//! `PARALLAX_TESTS_SKIP_NOTHING` is set, as `cargo xtask test` does.

#![expect(clippy::print_stdout, reason = "what a test says is shown when it fails")]

mod agents_away;
mod agents_port;
mod browser;
mod causes;
mod data_dir;
mod dead_site;
mod forbidden;
mod fuzz;
mod gateways;
mod herd;
mod hostile;
mod http3;
mod ingest;
mod kill_9;
mod memory;
mod no_internet;
mod one_isp;
mod opt_out;
mod our_side;
mod refusals;
mod snapshot;
mod support;
mod up_demo;
