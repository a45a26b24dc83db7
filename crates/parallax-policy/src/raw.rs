//! Checks on the raw text, before any URL parser gets to repair it.
//!
//! The URL Standard's parser drops tabs and line breaks, turns backslashes into slashes and adds missing slashes. What it made
//! of them is not what other programs make of them, so such input is refused here.

use crate::{Reason, Refusal};

/// Longest input, in bytes without surrounding white space.
pub const MAX_INPUT_BYTES: usize = 2_048;

/// Reads bytes as text.
pub(crate) fn decode(input: &[u8]) -> Result<&str, Refusal> {
    str::from_utf8(input).map_err(|_| {
        Refusal::new(
            Reason::BadEncoding,
            "This is not text in UTF-8, so it cannot be read: type the address again.",
        )
    })
}

/// Cuts white space off both ends, where a copied address often has it, and refuses what may stand nowhere in an address.
pub(crate) fn check(input: &str) -> Result<&str, Refusal> {
    // A byte order mark is how some programs begin a text; it is no part of what was copied.
    let text = input.trim_start_matches('\u{feff}').trim_matches(|c: char| c.is_ascii_whitespace());
    if text.is_empty() {
        return Err(Refusal::new(
            Reason::Empty,
            "Nothing was typed: type the site's address, such as example.com.",
        ));
    }
    if text.len() > MAX_INPUT_BYTES {
        return Err(too_long());
    }
    if text.chars().any(|c| matches!(c, '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}')) {
        return Err(Refusal::new(
            Reason::ControlChar,
            "There is an invisible control character inside, which no address has: type the address by hand.",
        ));
    }
    if text.bytes().any(|b| b.is_ascii_control()) {
        return Err(Refusal::new(
            Reason::ControlOrSpace,
            "There is a tab, a line break or another control character inside, which no address has: type it on one line.",
        ));
    }
    Ok(text)
}

/// Refuses a backslash anywhere. With an `@` after it, browsers and other programs see different hosts.
pub(crate) fn check_backslash(text: &str) -> Result<(), Refusal> {
    match text.split_once('\\') {
        None => Ok(()),
        Some((_, after)) if after.contains('@') => Err(Refusal::new(
            Reason::ParserDifferential,
            "This has a '\\' and an '@', and programs disagree about which site it names: type only the site's name.",
        )),
        Some(_) => Err(Refusal::new(
            Reason::Backslash,
            "There is a '\\' inside, which browsers and other programs read differently: use '/' instead.",
        )),
    }
}

pub(crate) fn too_long() -> Refusal {
    Refusal::new(
        Reason::InputTooLong,
        format!(
            "This is longer than an address may be here ({MAX_INPUT_BYTES} bytes, 1,024 after the host): type only the site's name."
        ),
    )
}
