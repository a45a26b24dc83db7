//! From what a visitor typed to a target.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use parallax_model::{Host, Path, PathError, Port, Scheme, Target};
use url::Url;

use crate::address::Origin;
use crate::host::{self, Form, Named};
use crate::vet::port_refusal;
use crate::{Code, Note, Policy, Reason, Refusal, lookalike, raw};

/// Schemes written as `scheme:user@host`, so that the `@` in them is no password's.
const MAIL_LIKE: [&str; 6] = ["mailto", "sip", "sips", "xmpp", "acct", "im"];

/// Parts of the names of query parameters that carry secrets.
const SECRET_KEYS: [&str; 9] =
    ["token", "passw", "pwd", "secret", "apikey", "api_key", "auth", "signature", "session"];

/// A target with what the visitor should know about how it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedTarget {
    /// What will be probed.
    pub target: Target,
    /// What to tell the visitor, at most one of each kind.
    pub notes: Vec<Note>,
}

impl ParsedTarget {
    /// The target as a public page shows it: without its query, which may be somebody's secret.
    pub fn shown(&self) -> String {
        let mut text = self.target.to_string();
        text.truncate(text.find('?').unwrap_or(text.len()));
        text
    }
}

impl Policy {
    /// Reads what a visitor typed. A bare host means `https://host/`, a bare host with port 80 `http://host/`.
    pub fn parse_target(&self, input: &str) -> Result<ParsedTarget, Refusal> {
        let text = raw::check(input)?;
        // With an '@' somewhere, any part may turn out to be somebody's password.
        self.read(text).map_err(|refusal| if text.contains('@') { refusal.without_echo() } else { refusal })
    }

    /// [`Policy::parse_target`] for bytes that may not be text.
    pub fn parse_target_bytes(&self, input: &[u8]) -> Result<ParsedTarget, Refusal> {
        if input.len() > 2 * raw::MAX_INPUT_BYTES {
            return Err(raw::too_long());
        }
        self.parse_target(raw::decode(input)?)
    }

    /// Judges a target that is canonical already: what an agent was told, where a redirect leads, what is stored.
    pub fn check_target(&self, target: &Target) -> Result<(), Refusal> {
        if target.host.ip().is_none()
            && host::read(target.host.as_str(), Form::Bare)? != Named::Name(target.host.clone())
        {
            return Err(Refusal::about(Reason::IpShortForm, &target.host, "is not in its canonical form."));
        }
        self.check_host(&target.host)?;
        self.check_port(target)
    }

    /// Judges a host by itself: a target's, or a CNAME on the way to its addresses.
    pub fn check_host(&self, host: &Host) -> Result<(), Refusal> {
        self.check_lists(host.as_str())?;
        match host.ip() {
            Some(ip) => self.judge_address(ip, Origin::Typed),
            None => host::check_public(host.as_str()),
        }
    }

    fn read(&self, text: &str) -> Result<ParsedTarget, Refusal> {
        if let Ok(v6) = text.parse::<Ipv6Addr>() {
            return Err(self.unbracketed(v6));
        }
        let (scheme, rest) = split_scheme(text)?;
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        check_authority(authority, after)?;
        let (typed_host, typed_port) = Self::split_port(authority)?;
        let form = if scheme.is_some() { Form::Url } else { Form::Bare };
        let host = self.canonical_host(host::read(typed_host, form)?)?;
        self.check_host(&host)?;
        let port = read_port(typed_port, form)?;
        let scheme = match (scheme, port) {
            (Some(scheme), _) => scheme,
            (None, Some(port)) if port == Scheme::Http.default_port() => Scheme::Http,
            (None, _) => Scheme::Https,
        };
        let url = parse_url(scheme, authority, after, &host)?;
        let path = read_path(&url)?;
        let target = Target { scheme, host, port: port.unwrap_or_else(|| scheme.default_port()), path };
        self.check_port(&target)?;
        let notes = notes(&target, typed_host, &url);
        Ok(ParsedTarget { target, notes })
    }

    fn unbracketed(&self, v6: Ipv6Addr) -> Refusal {
        let refusal = match self.judge_address(v6.into(), Origin::Typed) {
            Err(special) => special,
            Ok(()) => Refusal::new(Reason::BadIpv6, format!("An IPv6 address is typed in brackets: [{v6}].")),
        };
        refusal.coded(Code::BadHost)
    }

    /// Parts host and port at the colon; brackets keep their own colons.
    fn split_port(authority: &str) -> Result<(&str, &str), Refusal> {
        if authority.starts_with('[') {
            let end = authority.find(']').ok_or_else(host::bad_v6)?;
            let (host, after) = authority.split_at(end + 1);
            return match after.strip_prefix(':') {
                Some(port) => Ok((host, port)),
                None if after.is_empty() => Ok((host, "")),
                None => Err(host::bad_v6()),
            };
        }
        match authority.split_once(':') {
            None => Ok((authority, "")),
            Some((_, port)) if port.contains(':') => {
                let v6 = authority.contains("::") || authority.parse::<Ipv6Addr>().is_ok();
                Err(if v6 { host::bad_v6() } else { bad_port() })
            }
            Some(parts) => Ok(parts),
        }
    }

    fn canonical_host(&self, named: Named) -> Result<Host, Refusal> {
        match named {
            Named::Name(host) => Ok(host),
            Named::V6(ip) => Ok(Host::from(IpAddr::V6(ip))),
            Named::V4 { ip, plain: true } => Ok(Host::from(IpAddr::V4(ip))),
            Named::V4 { ip, plain: false } => Err(self.unusual_form(ip)),
        }
    }

    fn unusual_form(&self, ip: Ipv4Addr) -> Refusal {
        let (reason, predicate) = match self.judge_address(ip.into(), Origin::Typed) {
            Ok(()) => (
                Reason::IpShortForm,
                "is written here in an unusual way: type it as four plain decimal numbers.",
            ),
            Err(_) => (
                Reason::IpSpecial,
                "is written here in an unusual way and is not a public address: type a public host name.",
            ),
        };
        Refusal::about(reason, ip, predicate).coded(Code::AddressFormNotAllowed)
    }

    /// Port 80 of `http`, port 443 of `https`; any port where the operator allowed the address. A name's addresses are not
    /// known yet, so where any range is allowed the port waits for [`Policy::vet`].
    fn check_port(&self, target: &Target) -> Result<(), Refusal> {
        let lifted = match target.host.ip() {
            Some(ip) => self.allows_range(ip),
            None => self.allows_some_range(),
        };
        if lifted || target.port == target.scheme.default_port() {
            Ok(())
        } else {
            Err(port_refusal(target.port))
        }
    }
}

/// Takes the scheme off. `None` where a bare host was typed; what is left begins with the authority.
fn split_scheme(text: &str) -> Result<(Option<Scheme>, &str), Refusal> {
    let Some((scheme, after)) = typed_scheme(text) else {
        raw::check_backslash(text)?;
        return Ok((None, text.strip_prefix("//").unwrap_or(text)));
    };
    let known = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => {
            if !after.starts_with("//") && !MAIL_LIKE.contains(&other) && has_userinfo(after) {
                return Err(userinfo());
            }
            return Err(Refusal::about(
                Reason::SchemeNotAllowed,
                format!("{scheme}:"),
                "is not probed, only http:// and https:// are: type the site's name, such as example.com.",
            ));
        }
    };
    raw::check_backslash(text)?;
    match after.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') && !rest.trim_start_matches('/').is_empty() => {
            Err(malformed_separator())
        }
        Some(rest) => Ok((Some(known), rest)),
        None if has_userinfo(after.trim_start_matches('/')) => Err(userinfo()),
        None => Err(malformed_separator()),
    }
}

/// The scheme and what follows its colon, where the text begins with one: `localhost:3000` and `example.com:x` do not.
fn typed_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, after) = text.split_once(':')?;
    let shape = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-'));
    let port = after.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = port.bytes().all(|b| b.is_ascii_digit()) && !after.starts_with('/') && !port.is_empty();
    (shape && !is_port).then_some((scheme, after))
}

fn has_userinfo(authority: &str) -> bool {
    authority.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn check_authority(authority: &str, after: &str) -> Result<(), Refusal> {
    if authority.contains('@') {
        return Err(if authority.contains(' ') {
            Refusal::new(
                Reason::ParserDifferential,
                "This has a space and an '@', and programs disagree about which site it names: type only the site's name.",
            )
        } else {
            userinfo()
        });
    }
    let doubled = authority.eq_ignore_ascii_case("https:") || authority.eq_ignore_ascii_case("http:");
    if doubled && after.starts_with("//") {
        return Err(malformed_separator().coded(Code::BadHost));
    }
    if authority.ends_with(':') && after.starts_with("//") {
        return Err(Refusal::new(
            Reason::ParserDifferential,
            "What stands before '://' is neither http nor https alone, and programs disagree about which site that names: type only the site's name.",
        )
        .coded(Code::BadHost));
    }
    if authority.is_empty() || (authority.starts_with(':') && !authority.starts_with("::")) {
        return Err(Refusal::new(
            Reason::NoHost,
            "There is no site in this address: type its name, such as example.com.",
        )
        .coded(Code::BadHost));
    }
    Ok(())
}

fn read_port(typed: &str, form: Form) -> Result<Option<Port>, Refusal> {
    if typed.is_empty() {
        return Ok(None);
    }
    let digits = typed.bytes().all(|b| b.is_ascii_digit());
    if !digits || (form == Form::Bare && typed.starts_with('0')) {
        return Err(bad_port());
    }
    typed.trim_start_matches('0').parse().ok().and_then(Port::new).map(Some).ok_or_else(bad_port)
}

/// Has the URL Standard's parser read the same text. It must see the same host; its path is the canonical one.
fn parse_url(scheme: Scheme, authority: &str, after: &str, host: &Host) -> Result<Url, Refusal> {
    let url = Url::parse(&format!("{scheme}://{authority}{after}")).map_err(|_| {
        Refusal::new(
            Reason::UrlParseFailure,
            "This cannot be read as an address: type one such as example.com.",
        )
    })?;
    let same = match url.host() {
        Some(url::Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name) == host.as_str(),
        Some(url::Host::Ipv4(v4)) => host.ip() == Some(IpAddr::V4(v4)),
        Some(url::Host::Ipv6(v6)) => host.ip() == Some(IpAddr::V6(v6)),
        None => false,
    };
    if same {
        Ok(url)
    } else {
        Err(Refusal::new(
            Reason::ParserDifferential,
            "Programs disagree about which site this names: type only the site's name.",
        ))
    }
}

fn read_path(url: &Url) -> Result<Path, Refusal> {
    let path = match url.query() {
        Some(query) if !query.is_empty() => format!("{}?{query}", url.path()).parse(),
        _ => url.path().parse(),
    };
    path.map_err(|error| match error {
        PathError::TooLong => raw::too_long(),
        PathError::NoSlash | PathError::Character => Refusal::new(
            Reason::UrlParseFailure,
            "The part after the host cannot be sent to a site: type only the site's name.",
        ),
    })
}

fn notes(target: &Target, typed_host: &str, url: &Url) -> Vec<Note> {
    let mut notes = Vec::new();
    let ascii = target.host.as_str();
    if target.host.ip().is_none() {
        let (unicode, _) = idna::domain_to_unicode(ascii);
        let typed = typed_host.strip_suffix('.').unwrap_or(typed_host).to_lowercase();
        if typed != ascii && typed != unicode {
            notes.push(Note::Respelled { read: ascii.to_owned() });
        }
        if unicode != ascii {
            notes.push(if lookalike::looks_like_another(&unicode) {
                Note::LookAlike { ascii: ascii.to_owned() }
            } else {
                Note::International { ascii: ascii.to_owned(), unicode }
            });
        }
    }
    if url.query().is_some_and(|query| !query.is_empty()) {
        let secret = |key: &str| SECRET_KEYS.iter().any(|part| key.to_ascii_lowercase().contains(part));
        let looks_secret = url.query_pairs().any(|(key, _)| secret(&key));
        notes.push(if looks_secret { Note::QueryLooksSecret } else { Note::QueryIsPublic });
    }
    if url.fragment().is_some_and(|fragment| !fragment.is_empty()) {
        notes.push(Note::FragmentDropped);
    }
    notes
}

fn userinfo() -> Refusal {
    Refusal::new(
        Reason::Userinfo,
        "There is a user name or password before an '@', and checks are public: type the address without that part.",
    )
}

fn malformed_separator() -> Refusal {
    Refusal::new(
        Reason::MalformedSchemeSeparator,
        "After http: or https: come exactly two slashes and then the site's name: type it as in https://example.com.",
    )
}

fn bad_port() -> Refusal {
    Refusal::new(
        Reason::BadPort,
        "What stands after the ':' is not a port number from 1 to 65535: leave the port out.",
    )
}

#[cfg(test)]
mod tests;
