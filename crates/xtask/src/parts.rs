//! The parts of a test run: in order, each timed, up to the first that fails, with a table at the end.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use crate::child::{self, BUILD_DEADLINE, TEST_DEADLINE, say};
use crate::workspace::{cargo, find};
use crate::{needs, tidy};

/// The end-to-end package, whose tests start servers.
const END_TO_END: &str = "parallax-tests";
/// How many end-to-end tests run at a time; `.config/nextest.toml` says the same for nextest.
const END_TO_END_THREADS: &str = "2";
/// Tests that need a program say so and pass when it is absent; with this variable set they fail instead.
const NOTHING_ABSENT: (&str, &str) = ("PARALLAX_TESTS_SKIP_NOTHING", "1");

/// One part.
pub(crate) struct Part {
    name: &'static str,
    work: Vec<Work>,
}

enum Work {
    Install,
    Tidy,
    Cargo { args: Vec<&'static str>, deadline: Duration },
}

/// What `cargo xtask test` does.
pub(crate) fn of_test(fast: bool) -> Vec<Part> {
    let mut parts = of_lint();
    parts.extend([
        part("build", [build(["build", "--workspace", "--all-targets"])]),
        part("unit tests", [unit_tests()]),
        part("doc tests", [test(["test", "--doc", "--workspace"])]),
    ]);
    if !fast {
        parts.insert(0, part("install", [Work::Install]));
        parts.push(part("end to end", [end_to_end(Only::Servers)]));
        parts.push(part("browser", [end_to_end(Only::Browser)]));
    }
    parts
}

/// What `cargo xtask lint` does.
pub(crate) fn of_lint() -> Vec<Part> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    vec![
        part("format", [build(["fmt", "--all", "--", "--check", "--color=never"])]),
        part("tidy", [Work::Tidy]),
        part("clippy", [build(clippy)]),
        part("docs", [build(["doc", "--workspace", "--no-deps", "--document-private-items"])]),
    ]
}

/// Runs parts in order until one fails.
pub(crate) async fn run(parts: Vec<Part>) -> anyhow::Result<()> {
    let names: Vec<&str> = parts.iter().map(|p| p.name).collect();
    let mut took: Vec<Duration> = Vec::new();
    let mut failure = None;
    for part in parts {
        say(format_args!("==> {}", part.name));
        let start = Instant::now();
        let done = part.run().await;
        took.push(start.elapsed());
        if let Err(error) = done {
            say(format_args!("    {error:#}"));
            failure = Some(part.name);
            break;
        }
    }
    say(table(&names, &took, failure.is_some()));
    match failure {
        Some(name) => bail!("failed: {name}"),
        None => Ok(()),
    }
}

impl Part {
    async fn run(&self) -> anyhow::Result<()> {
        for work in &self.work {
            match work {
                Work::Install => needs::install().await?,
                Work::Tidy => tidy::run().await?,
                Work::Cargo { args, deadline } => {
                    let mut command = cargo(args);
                    command.envs([NOTHING_ABSENT]);
                    child::run(command, *deadline).await?;
                }
            }
        }
        Ok(())
    }
}

/// One line a part: what became of it and how long it took.
fn table(names: &[&str], took: &[Duration], failed: bool) -> String {
    let mut lines = vec!["\npart           outcome   seconds".to_owned()];
    for (n, name) in names.iter().enumerate() {
        let outcome = match took.len() {
            ran if n >= ran => "not run",
            ran if failed && n + 1 == ran => "FAILED",
            _ => "passed",
        };
        let seconds = took.get(n).map(|t| format!("{:.1}", t.as_secs_f64())).unwrap_or_default();
        lines.push(format!("{name:<14} {outcome:<8} {seconds:>8}"));
    }
    let all: Duration = took.iter().sum();
    lines.push(format!("{:<14} {:<8} {:>8.1}", "all", "", all.as_secs_f64()));
    lines.join("\n")
}

#[derive(Clone, Copy)]
enum Only {
    Servers,
    Browser,
}

fn part<const N: usize>(name: &'static str, work: [Work; N]) -> Part {
    Part { name, work: work.into() }
}

fn build<const N: usize>(args: [&'static str; N]) -> Work {
    Work::Cargo { args: args.into(), deadline: BUILD_DEADLINE }
}

fn test<const N: usize>(args: [&'static str; N]) -> Work {
    Work::Cargo { args: args.into(), deadline: TEST_DEADLINE }
}

// The whole workspace is named each time and tests are chosen by filter: choosing packages would change which features
// dependencies are built with, and build them again.
fn unit_tests() -> Work {
    if find("cargo-nextest").is_some() {
        test(["nextest", "run", "--workspace", "-E", "not package(parallax-tests)"])
    } else {
        test(["test", "--workspace", "--lib", "--bins", "--tests", "--exclude", END_TO_END])
    }
}

fn end_to_end(only: Only) -> Work {
    match (only, find("cargo-nextest").is_some()) {
        (Only::Servers, true) => {
            test(["nextest", "run", "--workspace", "-E", "package(parallax-tests) - test(/^browser::/)"])
        }
        (Only::Browser, true) => {
            test(["nextest", "run", "--workspace", "-E", "package(parallax-tests) & test(/^browser::/)"])
        }
        (Only::Servers, false) => test([
            "test",
            "--workspace",
            "--test",
            "it",
            "--",
            "--skip",
            "browser::",
            "--test-threads",
            END_TO_END_THREADS,
        ]),
        (Only::Browser, false) => test([
            "test",
            "--workspace",
            "--test",
            "it",
            "browser::",
            "--",
            "--test-threads",
            END_TO_END_THREADS,
        ]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_failed_and_what_did_not_run() {
        let took = [Duration::from_millis(1_250), Duration::from_secs(61)];
        let expected = "\npart           outcome   seconds\n\
            format         passed        1.2\n\
            tidy           FAILED       61.0\n\
            clippy         not run          \n\
            all                         62.2";
        assert_eq!(table(&["format", "tidy", "clippy"], &took, true), expected);
    }

    #[test]
    fn the_fast_run_starts_no_server_and_installs_nothing() {
        let names = |fast| of_test(fast).iter().map(|p| p.name).collect::<Vec<_>>();
        assert_eq!(names(true), ["format", "tidy", "clippy", "docs", "build", "unit tests", "doc tests"]);
        assert_eq!(names(false)[0], "install");
        assert_eq!(names(false)[8..], ["end to end", "browser"]);
    }
}
