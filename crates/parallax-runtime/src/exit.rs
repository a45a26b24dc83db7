//! How a program ends: the codes of sysexits(3) that Parallax uses.

/// An exit code of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Everything went well, or the answer was found.
    Ok,
    /// Something failed that has no code of its own; also: a task died.
    Failed,
    /// The command line is wrong (64).
    Usage,
    /// The input is wrong (65).
    BadInput,
    /// Something that is needed cannot be reached or used: a server, a port (69).
    Unavailable,
    /// The same data directory is in use by another process (75).
    InUse,
    /// The configuration is wrong (78).
    BadConfig,
}

impl ExitCode {
    /// The number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 64,
            Self::BadInput => 65,
            Self::Unavailable => 69,
            Self::InUse => 75,
            Self::BadConfig => 78,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}
