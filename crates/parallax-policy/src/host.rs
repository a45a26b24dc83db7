//! Names of hosts: from what was typed to canonical ASCII, and which names are not public.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use parallax_model::Host;

use crate::{Code, Reason, Refusal};

/// Longest label, in octets (RFC 1035, 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Names, and all below them, that the public DNS does not have: RFC 6761 and its registry (which has `arpa` names one by one;
/// none is a site), RFC 6762 with its appendix G, RFC 7686, RFC 9476, ICANN's `internal`, I2P, and the names that systems
/// give themselves in their hosts file.
const SPECIAL_USE: [&str; 18] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "i2p",
    "internal",
    "intranet",
    "invalid",
    "ip6-localhost",
    "ip6-loopback",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
    "test",
];

/// How much of an address was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A host, perhaps with port and path: typed by hand, so it has to be plain.
    Bare,
    /// With `http://` or `https://`: copied from somewhere, so soft hyphens and zeros before the port are read as the URL
    /// Standard reads them.
    Url,
}

/// What the text between `//` and the port names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// A name in lower-case ASCII without a final dot. Its syntax is right; whether it is public is not yet known.
    Name(Host),
    /// An IPv4 address; `plain` when it was typed as four decimal numbers.
    V4 { ip: Ipv4Addr, plain: bool },
    /// An IPv6 address that stood in brackets.
    V6(Ipv6Addr),
}

/// Reads the host as it was typed. Nothing in here knows a list or an address range.
pub(crate) fn read(typed: &str, form: Form) -> Result<Named, Refusal> {
    if let Some(bracketed) = typed.strip_prefix('[') {
        return read_v6(bracketed);
    }
    let decoded = percent_decode(typed)?;
    check_characters(&decoded, form)?;
    let ascii = Uts46::new()
        .to_ascii(decoded.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::Ignore)
        .map_err(|_| idna_refusal(&decoded))?;
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    if name.split('.').any(str::is_empty) {
        return Err(Refusal::about(
            Reason::EmptyLabel,
            &decoded,
            "has a dot at the beginning or two dots in a row: type a name such as example.com.",
        ));
    }
    if ends_in_number(name) {
        return read_v4(&ascii, &decoded, typed);
    }
    check_labels(name)?;
    check_digits(name)?;
    name.parse().map(Named::Name).map_err(|_| bad_character(&decoded))
}

/// Refuses names that the public DNS does not have, or that nobody can have a site at.
pub(crate) fn check_public(name: &str) -> Result<(), Refusal> {
    if SPECIAL_USE.iter().any(|special| is_at_or_below(name, special)) {
        return Err(Refusal::about(
            Reason::SpecialUseTld,
            name,
            "is a name for private networks or special uses, not of the public Internet: type a public host name.",
        ));
    }
    let suffix = psl::suffix(name.as_bytes()).filter(|s| s.is_known() && s.typ() == Some(psl::Type::Icann));
    if suffix.is_some_and(|suffix| suffix.as_bytes() == name.as_bytes()) {
        return Err(Refusal::about(
            Reason::PublicSuffix,
            name,
            "is an ending under which others register their names, not a site: type the whole name, with what stands before it.",
        ));
    }
    if !name.contains('.') {
        return Err(Refusal::about(
            Reason::SingleLabel,
            name,
            "has no dot, and such names only mean something inside one network: type the whole name, such as example.com.",
        ));
    }
    Ok(())
}

/// The part of a name that somebody can register, by the public suffix list: `example.co.uk` of `www.example.co.uk`. `None` for
/// addresses and for names that are a public suffix themselves. Budgets are counted by it.
pub fn registrable_domain(host: &Host) -> Option<&str> {
    if host.ip().is_some() { None } else { psl::domain_str(host.as_str()) }
}

fn is_at_or_below(name: &str, above: &str) -> bool {
    name.strip_suffix(above).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn percent_decode(typed: &str) -> Result<Cow<'_, str>, Refusal> {
    if !typed.contains('%') {
        return Ok(Cow::Borrowed(typed));
    }
    let mut decoded = Vec::with_capacity(typed.len());
    let mut bytes = typed.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit =
            || bytes.next().and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(bad_character(typed));
        };
        decoded.push(high * 16 + low);
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| bad_character(typed))
}

/// Looks for characters that mapping would drop or turn into others.
fn check_characters(decoded: &str, form: Form) -> Result<(), Refusal> {
    for c in decoded.chars() {
        let reason = match c {
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                Reason::IdnaBidiControl
            }
            '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => Reason::IdnaIgnoredChar,
            '\u{ad}' if form == Form::Bare => Reason::IdnaIgnoredChar,
            _ => continue,
        };
        return Err(Refusal::new(
            reason,
            "There is an invisible character in the name, which can make one site look like another: type the name by hand.",
        ));
    }
    if decoded.contains(' ') {
        return Err(Refusal::new(
            Reason::ControlOrSpace,
            "There is a space in the name, and no host name has one: type one address, such as example.com.",
        )
        .coded(Code::BadHost));
    }
    let plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if decoded.chars().all(plain) { Ok(()) } else { Err(bad_character(decoded)) }
}

fn check_labels(name: &str) -> Result<(), Refusal> {
    for label in name.split('.') {
        if label.starts_with('-') || label.ends_with('-') {
            return Err(Refusal::about(
                Reason::Hyphen,
                label,
                "begins or ends with a hyphen, and no part of a host name may: check the spelling.",
            ));
        }
        if label.len() > MAX_LABEL_BYTES {
            return Err(Refusal::about(
                Reason::LabelTooLong,
                label,
                "is longer than the 63 characters that a part of a host name may have: check the spelling.",
            ));
        }
    }
    if name.len() > Host::MAX_BYTES {
        return Err(Refusal::about(
            Reason::HostTooLong,
            name,
            "is longer than the 253 characters that a host name may have: check the spelling.",
        ));
    }
    Ok(())
}

/// Digits of scripts that are not mapped to plain ones make a name that reads like an address and is none.
fn check_digits(name: &str) -> Result<(), Refusal> {
    let last = name.rsplit('.').next().unwrap_or(name);
    if !last.starts_with("xn--") {
        return Ok(());
    }
    let (unicode, _) = idna::domain_to_unicode(last);
    if unicode.chars().all(char::is_numeric) {
        return Err(Refusal::about(
            Reason::UnicodeDigits,
            unicode,
            "looks like a part of an address in digits of another script: type addresses in plain digits.",
        ));
    }
    Ok(())
}

/// What the URL Standard calls "ends in a number": such a host is an IPv4 address or nothing.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let digits = last.bytes().all(|b| b.is_ascii_digit());
    let hex = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    digits || hex
}

fn read_v4(ascii: &str, decoded: &str, typed: &str) -> Result<Named, Refusal> {
    let other_digit = |c: char| !c.is_ascii() && c.is_numeric();
    let mixed = |label: &str| label.contains(other_digit) && label.contains(|c: char| c.is_ascii_digit());
    if decoded.split('.').any(mixed) {
        return Err(Refusal::about(
            Reason::UnicodeDigits,
            decoded,
            "mixes plain digits with others that look like them: type addresses in plain digits.",
        ));
    }
    if let Ok(url::Host::Ipv4(ip)) = url::Host::parse(ascii) {
        return Ok(Named::V4 { ip, plain: typed == ip.to_string() });
    }
    let labels = ascii.trim_end_matches('.').split('.');
    let number = |label: &str| label.starts_with(|c: char| c.is_ascii_digit());
    let reason = if decoded.contains(other_digit) {
        Reason::UnicodeDigits
    } else if labels.clone().count() == 4 || labels.clone().all(number) {
        Reason::BadIpv4
    } else {
        Reason::NumericTld
    };
    Err(Refusal::about(
        reason,
        decoded,
        "ends in a number but is no IPv4 address: type four numbers from 0 to 255 with dots between, or a host name.",
    )
    .coded(Code::BadHost))
}

fn read_v6(bracketed: &str) -> Result<Named, Refusal> {
    let inside = bracketed.strip_suffix(']').unwrap_or(bracketed);
    if inside.contains('%') {
        return Err(Refusal::new(
            Reason::Ipv6Zone,
            "An IPv6 address with a zone ('%') only means something on one machine: type a public address or a host name.",
        ));
    }
    match inside.parse() {
        Ok(ip) if bracketed.ends_with(']') => Ok(Named::V6(ip)),
        _ => Err(bad_v6()),
    }
}

pub(crate) fn bad_v6() -> Refusal {
    Refusal::new(
        Reason::BadIpv6,
        "This is not an IPv6 address in brackets: type it as in [2606:4700:4700::1111], or type a host name.",
    )
}

fn bad_character(typed: &str) -> Refusal {
    Refusal::about(
        Reason::BadHostChar,
        typed,
        "is not a host name, for those have only letters, digits, hyphens and dots: type a name such as example.com.",
    )
}

/// UTS 46 processing says only that it failed; what the name holds tells the likeliest rule.
fn idna_refusal(decoded: &str) -> Refusal {
    let joiner = decoded.contains(['\u{200c}', '\u{200d}']);
    let right_to_left = decoded.chars().any(|c| {
        matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}')
    });
    let punycode =
        decoded.split('.').any(|label| label.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("xn--")));
    if punycode {
        Refusal::about(
            Reason::BadPunycode,
            decoded,
            "has a part that begins with xn-- but encodes no valid international name: type the name in its own script.",
        )
    } else if joiner {
        Refusal::new(
            Reason::IdnaContextJ,
            "There is an invisible joiner in the name where none may stand: type the name by hand.",
        )
    } else if right_to_left {
        Refusal::about(
            Reason::IdnaBidi,
            decoded,
            "mixes reading directions in a way no host name may: check the spelling.",
        )
    } else {
        Refusal::about(
            Reason::IdnaError,
            decoded,
            "has characters that no host name may have (UTS 46): check the spelling.",
        )
    }
}
