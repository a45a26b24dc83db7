//! `cargo xtask`: what is done to the workspace as a whole. Testing, linting, generating, picturing, measuring, building what
//! is shipped.
//!
//! It calls cargo and other programs and reports how they ended; it knows nothing of what Parallax does.

#![forbid(unsafe_code)]

mod bench;
mod child;
mod fuzz;
mod needs;
mod parts;
mod shots;
mod soak;
mod tidy;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench::Bench;
use crate::child::say;
use crate::fuzz::Fuzz;
use crate::soak::Soak;
use crate::workspace::cargo;

/// What is done to the workspace as a whole.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what the tests need (as root, what is missing), then run every test there is.
    Test {
        /// For the inner loop: install nothing, leave out the end-to-end and browser tests.
        #[arg(long)]
        fast: bool,
    },
    /// Formatting, repository rules and clippy, all as strict as in `test`.
    Lint,
    /// Write the code under crates/parallax-proto/src/gen anew from the files under proto/.
    Gen,
    /// Start the demo and take pictures of its pages, narrow and wide, light and dark.
    Shots {
        /// The folder the pictures go to.
        dir: PathBuf,
    },
    /// Measure, beside the programs others wrote; without a name, say what can be measured.
    Bench {
        #[command(subcommand)]
        bench: Option<Bench>,
    },
    /// Run the fuzz targets for as long as asked; fails when one finds something.
    Fuzz(Fuzz),
    /// Do for long what tests do for a moment.
    Soak {
        #[command(subcommand)]
        soak: Soak,
    },
    /// Build the two programs as they are shipped.
    Dist,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test { fast } => parts::run(parts::of_test(fast)).await,
        Task::Lint => parts::run(parts::of_lint()).await,
        Task::Gen => {
            let generate = ["test", "-p", "parallax-proto", "--test", "generated"];
            let mut command = cargo(&generate);
            command.env("PARALLAX_GEN", "write");
            child::run(command, child::BUILD_DEADLINE).await
        }
        Task::Shots { dir } => shots::take(&dir).await,
        Task::Bench { bench } => bench::run(bench).await,
        Task::Fuzz(fuzz) => fuzz::run(fuzz).await,
        Task::Soak { soak } => soak::run(soak).await,
        Task::Dist => {
            let build = ["build", "--profile", "dist", "--bin", "parallax", "--bin", "parallax-agent"];
            child::run(cargo(&build), child::BUILD_DEADLINE).await
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
