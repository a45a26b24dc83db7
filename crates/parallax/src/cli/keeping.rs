//! The words after `data`: what can be asked of what is kept.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `data`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  parallax data status\n  parallax data backup /backup/parallax-today.db     while the aggregator runs\n  \
    parallax data check --thorough\n  parallax data check /backup/parallax-today.db\n  \
    parallax data restore /backup/parallax-today.db    with the aggregator stopped\n\n\
    Exit codes: 0 whole, 65 damaged or no backup of ours, 69 no store there, 75 the store is in use."
)]
pub(crate) struct DataOptions {
    /// What to do.
    #[command(subcommand)]
    pub action: DataAction,
}

/// What can be done with a data directory.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DataAction {
    /// How large the store is, what it holds, how large it will become.
    Status {
        /// Where and how.
        #[command(flatten)]
        place: DataPlace,
    },
    /// Copy the store to a new file while it works, keys included: keep the file secret.
    Backup {
        /// The file, which must not be there yet.
        file: PathBuf,
        /// Where and how.
        #[command(flatten)]
        place: DataPlace,
    },
    /// Put a backup in the store's place; what was there is moved aside. The aggregator must be stopped.
    Restore {
        /// A backup.
        file: PathBuf,
        /// Where and how.
        #[command(flatten)]
        place: DataPlace,
    },
    /// Join all batches of raw results into blocks now, instead of two hours later. The aggregator must be stopped.
    Compact {
        /// Where and how.
        #[command(flatten)]
        place: DataPlace,
    },
    /// Look for damage: every page, every row's checksum.
    Check {
        /// A backup, instead of the store.
        file: Option<PathBuf>,
        /// Also whether indexes agree with their tables.
        #[arg(long)]
        thorough: bool,
        /// Where and how.
        #[command(flatten)]
        place: DataPlace,
    },
}

/// Which data directory, and how to answer.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataPlace {
    /// Where everything is kept [default: data, else data/demo].
    #[arg(long, env = "PARALLAX_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}
