//! Writing to people: results on standard output, what went wrong on standard error. Colour only where the terminal wants it
//! (NO_COLOR and pipes are respected); no state is told by colour alone.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use parallax_model::Verdict;
use parallax_runtime::ExitCode;

/// Something went wrong: one sentence, and the code the program ends with.
pub(crate) fn failed(sentence: &str, code: ExitCode) -> ExitCode {
    // When standard error is gone there is nobody to tell.
    drop(writeln!(anstream::stderr(), "parallax: {sentence}"));
    code
}

/// Like [`failed`], with the whole chain of causes behind the sentence.
pub(crate) fn failed_because(sentence: &str, error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    failed(&format!("{sentence}: {}", chain(error)), code)
}

/// An error with its causes, separated by colons.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Writes one line of result. A closed pipe ends the program quietly, like every filter.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(anstream::stdout().lock(), "{text}")
}

/// How bad words look.
pub(crate) const BAD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// How warnings look.
pub(crate) const WARN: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
/// How good words look.
pub(crate) const GOOD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Cyan)));
/// How side remarks look.
pub(crate) const DIM: Style = Style::new().dimmed();

/// The style of a verdict's word.
pub(crate) const fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Up => GOOD,
        Verdict::Down => BAD,
        Verdict::Partial | Verdict::Flaky | Verdict::Degraded | Verdict::Blocked => WARN,
        Verdict::Unknown => DIM,
    }
}

/// What a command comes to once everything is written. A reader that has gone is no failure: `parallax … | head` ends well.
pub(crate) fn ended(written: io::Result<ExitCode>) -> ExitCode {
    match written {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::Ok,
        Err(error) => failed_because("cannot write the answer", &error, ExitCode::Failed),
    }
}
