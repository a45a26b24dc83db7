//! Why something may not be probed: a reason, a machine code, and one sentence for the person who asked.

use std::fmt;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// Longest piece of somebody's input that a message repeats, in characters.
const MAX_ECHO_CHARS: usize = 48;

/// Declares a field-less enum with one spelling per member, as [`Reason`] and [`Code`] are.
macro_rules! labels {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every member, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

labels! {
    /// What is wrong, in fine grain: the `reason` of `parallax target --jsonl`.
    pub enum Reason {
        /// Nothing was typed.
        Empty = "empty",
        /// Not UTF-8.
        BadEncoding = "bad_encoding",
        /// More than [`MAX_INPUT_BYTES`](crate::MAX_INPUT_BYTES), or a path longer than a target's may be.
        InputTooLong = "input_too_long",
        /// A C1 control character or a line separator.
        ControlChar = "control_char",
        /// An ASCII control character, or a space where none may be.
        ControlOrSpace = "control_or_space",
        /// A backslash, which parsers read in different ways.
        Backslash = "backslash",
        /// Two parsers would read two different hosts.
        ParserDifferential = "parser_differential",
        /// `http:host`, `http:/host`, `http:///host`.
        MalformedSchemeSeparator = "malformed_scheme_separator",
        /// Not `http` or `https`.
        SchemeNotAllowed = "scheme_not_allowed",
        /// A user name or password before `@`.
        Userinfo = "userinfo",
        /// No host at all.
        NoHost = "no_host",
        /// Two dots in a row, or a dot at the beginning.
        EmptyLabel = "empty_label",
        /// A character no host name has.
        BadHostChar = "bad_host_char",
        /// A label begins or ends with a hyphen.
        Hyphen = "hyphen",
        /// A label longer than 63 octets.
        LabelTooLong = "label_too_long",
        /// A name longer than 253 octets.
        HostTooLong = "host_too_long",
        /// An `xn--` label that is no punycode.
        BadPunycode = "bad_punycode",
        /// Not an international name (UTS 46).
        IdnaError = "idna_error",
        /// Left-to-right and right-to-left letters mixed against RFC 5893.
        IdnaBidi = "idna_bidi",
        /// An invisible character that turns the reading direction.
        IdnaBidiControl = "idna_bidi_control",
        /// A joiner where none may stand (RFC 5892, appendix A).
        IdnaContextJ = "idna_contextj",
        /// An invisible character.
        IdnaIgnoredChar = "idna_ignored_char",
        /// Digits of another script, mixed with plain ones.
        UnicodeDigits = "unicode_digits",
        /// The last label is a number.
        NumericTld = "numeric_tld",
        /// Ends in a number but is no IPv4 address.
        BadIpv4 = "bad_ipv4",
        /// No IPv6 address in brackets.
        BadIpv6 = "bad_ipv6",
        /// An IPv6 address with a zone.
        Ipv6Zone = "ipv6_zone",
        /// An IPv4 address not written as four plain decimal numbers.
        IpShortForm = "ip_short_form",
        /// A private or special address.
        IpSpecial = "ip_special",
        /// An address of the agent's own network.
        LocalNetwork = "local_network",
        /// One label: a name of somebody's own network.
        SingleLabel = "single_label",
        /// A name that is kept out of the public DNS.
        SpecialUseTld = "special_use_tld",
        /// Only a public suffix, such as `co.uk`.
        PublicSuffix = "public_suffix",
        /// Not a port's number.
        BadPort = "bad_port",
        /// Not port 80 of `http` or port 443 of `https`.
        PortNotAllowed = "port_not_allowed",
        /// One of our own hosts.
        SelfTarget = "self_target",
        /// On the operator's list of names that are not probed.
        Blocklisted = "blocklisted",
        /// The site asked not to be probed.
        OptedOut = "opted_out",
        /// Not a URL for a reason that no other member names.
        UrlParseFailure = "url_parse_failure",
    }
}

labels! {
    /// The machine code a program branches on: coarser than [`Reason`], and stable.
    pub enum Code {
        /// Nothing was typed.
        Empty = "EMPTY",
        /// Not UTF-8.
        BadEncoding = "BAD_ENCODING",
        /// Too long.
        TooLong = "TOO_LONG",
        /// A character that may stand nowhere.
        BadChar = "BAD_CHAR",
        /// Not the shape of an address.
        BadSyntax = "BAD_SYNTAX",
        /// Not `http` or `https`.
        SchemeNotAllowed = "SCHEME_NOT_ALLOWED",
        /// A user name or password.
        UserinfoNotAllowed = "USERINFO_NOT_ALLOWED",
        /// Not a host name.
        BadHost = "BAD_HOST",
        /// A name of private networks.
        PrivateName = "PRIVATE_NAME",
        /// One label.
        SingleLabel = "SINGLE_LABEL",
        /// Only a public suffix.
        PublicSuffix = "PUBLIC_SUFFIX",
        /// An address not in its one canonical form.
        AddressFormNotAllowed = "ADDRESS_FORM_NOT_ALLOWED",
        /// A private or special address was typed.
        PrivateAddress = "PRIVATE_ADDRESS",
        /// A name resolved to a private or special address.
        BlockedAddress = "BLOCKED_ADDRESS",
        /// An address of the agent's own network.
        BlockedLocal = "BLOCKED_LOCAL",
        /// Not a port's number.
        BadPort = "BAD_PORT",
        /// A port that is not probed.
        PortNotAllowed = "PORT_NOT_ALLOWED",
        /// One of our own hosts.
        SelfTarget = "SELF_TARGET",
        /// On the operator's list.
        Blocklisted = "BLOCKLISTED",
        /// The site asked not to be probed.
        OptedOut = "OPTED_OUT",
    }
}

impl Reason {
    /// The code that goes with the reason where the place it was found in does not ask for another.
    const fn usual_code(self) -> Code {
        match self {
            Self::Empty => Code::Empty,
            Self::BadEncoding => Code::BadEncoding,
            Self::InputTooLong => Code::TooLong,
            Self::ControlChar
            | Self::ControlOrSpace
            | Self::Backslash
            | Self::ParserDifferential
            | Self::IdnaBidiControl
            | Self::IdnaContextJ
            | Self::IdnaIgnoredChar => Code::BadChar,
            Self::MalformedSchemeSeparator | Self::UrlParseFailure => Code::BadSyntax,
            Self::SchemeNotAllowed => Code::SchemeNotAllowed,
            Self::Userinfo => Code::UserinfoNotAllowed,
            Self::NoHost
            | Self::EmptyLabel
            | Self::BadHostChar
            | Self::Hyphen
            | Self::LabelTooLong
            | Self::HostTooLong
            | Self::BadPunycode
            | Self::IdnaError
            | Self::IdnaBidi
            | Self::NumericTld
            | Self::BadIpv4
            | Self::BadIpv6
            | Self::Ipv6Zone => Code::BadHost,
            Self::UnicodeDigits | Self::IpShortForm => Code::AddressFormNotAllowed,
            Self::IpSpecial => Code::PrivateAddress,
            Self::LocalNetwork => Code::BlockedLocal,
            Self::SingleLabel => Code::SingleLabel,
            Self::SpecialUseTld => Code::PrivateName,
            Self::PublicSuffix => Code::PublicSuffix,
            Self::BadPort => Code::BadPort,
            Self::PortNotAllowed => Code::PortNotAllowed,
            Self::SelfTarget => Code::SelfTarget,
            Self::Blocklisted => Code::Blocklisted,
            Self::OptedOut => Code::OptedOut,
        }
    }
}

/// Why something may not be probed. Its `Display` is one sentence for a visitor: what is wrong, why, what to type instead.
/// It holds no credentials and no control characters, whatever was typed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{subject}{message}")]
pub struct Refusal {
    reason: Reason,
    code: Code,
    /// Empty, or a piece of the input with a space after it.
    subject: String,
    message: String,
}

impl Refusal {
    /// A refusal whose whole sentence is `message`. The sentence must not repeat the input.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, code: reason.usual_code(), subject: String::new(), message: message.into() }
    }

    /// A refusal whose sentence begins with a piece of the input.
    pub(crate) fn about(reason: Reason, subject: impl fmt::Display, predicate: impl Into<String>) -> Self {
        Self { subject: format!("{} ", echo(&subject.to_string())), ..Self::new(reason, predicate) }
    }

    /// The same refusal under another code.
    pub(crate) fn coded(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same refusal without a piece of the input, where that may hold a password.
    pub(crate) fn without_echo(mut self) -> Self {
        if !self.subject.is_empty() {
            "This address ".clone_into(&mut self.subject);
        }
        self
    }

    /// What is wrong, in fine grain.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The machine code.
    pub const fn code(&self) -> Code {
        self.code
    }
}

/// A piece of somebody's input as a message may repeat it: cut, and every character that is neither a letter, a digit nor
/// visible ASCII shown as `\u{…}`, so that nothing moves a cursor or turns the reading direction.
fn echo(text: &str) -> String {
    let mut shown = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == MAX_ECHO_CHARS {
            shown.push('…');
            break;
        }
        if c.is_ascii_graphic() || c == ' ' || (!c.is_ascii() && c.is_alphanumeric()) {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    shown
}
