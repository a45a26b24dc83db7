//! What the parser wants to tell the visitor about an address it accepted.

use std::fmt;

use serde::Serialize;

/// Something the visitor should know about what was made of their input. `Display` is one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum Note {
    /// There is a query, and what is probed is public.
    QueryIsPublic,
    /// The query looks like a secret (`token=`, `password=`).
    QueryLooksSecret,
    /// The part after `#` never reaches a server and was left out.
    FragmentDropped,
    /// Some characters were folded to plain ones, or dropped.
    Respelled {
        /// How it was read, in ASCII.
        read: String,
    },
    /// An international name, shown both ways.
    International {
        /// As the DNS knows it.
        ascii: String,
        /// As people write it. Only set when it cannot be taken for another name.
        unicode: String,
    },
    /// The name looks like another one; only its ASCII form may be shown.
    LookAlike {
        /// As the DNS knows it.
        ascii: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueryIsPublic => f.write_str("The part after '?' is sent to the site by every probe: checks are public."),
            Self::QueryLooksSecret => {
                f.write_str("The part after '?' looks like a secret, and checks are public: better check the site without it.")
            }
            Self::FragmentDropped => f.write_str("The part after '#' never leaves a browser and was left out."),
            Self::Respelled { read } => write!(f, "Some characters were unusual; this was read as {read}."),
            Self::International { ascii, unicode } => write!(f, "{unicode} is {ascii} in the DNS."),
            Self::LookAlike { ascii } => {
                write!(f, "{ascii} is written with letters that look like others: make sure it is the site you mean.")
            }
        }
    }
}
