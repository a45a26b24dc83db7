//! Structured logs on standard error.
//!
//! Levels: ERROR someone should wake up, WARN someone might act, INFO a state changed, DEBUG one line a probe or request, TRACE one
//! a packet. Identifiers are dotted fields (`agent.id`, `target.host`), units are in their names (`took_ms`). Visitors' addresses
//! and the hosts they look up are never logged above DEBUG.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging with a filter such as `info,parallax_agent=debug`. Only the first call has an effect, so tests may call it
/// freely. A filter that cannot be read is replaced by `info`, and said.
pub fn init(filter: &str, format: LogFormat) {
    let (parsed, bad) = match EnvFilter::try_new(filter) {
        Ok(parsed) => (parsed, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_span_events(FmtSpan::NONE)
        .with_target(true);
    let set = match format {
        LogFormat::Text => builder.compact().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let (Ok(()), Some(error)) = (set, bad) {
        tracing::warn!(filter, %error, "the log filter cannot be read; logging at info");
    }
}
