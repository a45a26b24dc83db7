//! `parallax check`: asks an aggregator's testers and looks from here at the same time, then says both sides and what they come
//! to. Rows stream as they come.

mod event;
mod here;
mod screen;

use std::io;
use std::time::Duration;

use parallax_model::{CheckId, Diagnosis};
use parallax_proto::v1::check::check_service_client::CheckServiceClient;
use parallax_proto::v1::check::{CheckRequest, CheckResponse};
use parallax_runtime::ExitCode;
use tokio::time::Instant;
use tonic::Streaming;

use self::event::Event;
use self::here::{HereSide, Looker};
use self::screen::{Conclusion, Screen};
use crate::answer;
use crate::cli::CheckOptions;
use crate::client::{Failed, Server};
use crate::term;

/// How often `--watch` asks again: an aggregator sends no new probes to a site before that.
const WATCH_INTERVAL: Duration = Duration::from_mins(1);
/// A check ends after this even if the aggregator does not end it; its own deadline is 20 s.
const CHECK_LIMIT: Duration = Duration::from_secs(30);

/// Asks, once or until ^C.
pub(crate) async fn check(options: CheckOptions) -> ExitCode {
    let looker = match Looker::new(&options.site, &options.probe) {
        Ok(looker) => looker,
        Err(failed) => return failed.say(),
    };
    let server = Server::new(&options.server.server);
    if !options.watch {
        return term::ended(once(&options, &server, &looker).await);
    }
    loop {
        let next = Instant::now() + WATCH_INTERVAL;
        let turn = async {
            let written = once(&options, &server, &looker).await;
            if matches!(written, Ok(ExitCode::Ok | ExitCode::Unavailable)) {
                tokio::time::sleep_until(next).await;
            }
            written
        };
        let written = tokio::select! {
            written = turn => written,
            _ = tokio::signal::ctrl_c() => return ExitCode::Ok,
        };
        match written {
            Ok(ExitCode::Ok | ExitCode::Unavailable) => {}
            ended => return term::ended(ended),
        }
    }
}

/// What the testers said.
#[derive(Debug, Default)]
struct World {
    /// Its permalink's id, once the check runs.
    id: Option<CheckId>,
    /// What was probed, as the aggregator reads what was typed.
    site: Option<String>,
    /// The last verdict.
    diagnosis: Option<Diagnosis>,
}

/// One question. The error is of writing; everything else is said and becomes the code.
async fn once(options: &CheckOptions, server: &Server, looker: &Looker) -> io::Result<ExitCode> {
    let screen = Screen::new(options.json, server.url());
    let mut world = World::default();
    let mut seen: Option<HereSide> = None;
    let looking = looker.look();
    tokio::pin!(looking);
    let asked = {
        let asking = ask(&options.site, server, &mut world, &screen);
        tokio::pin!(asking);
        loop {
            tokio::select! {
                asked = &mut asking => break asked?,
                side = &mut looking, if seen.is_none() => seen = Some(screen.here(side)?),
            }
        }
    };
    let code = match &asked {
        Ok(()) => ExitCode::Ok,
        Err(failed) if failed.code == ExitCode::Unavailable => failed.say(),
        Err(failed) => return Ok(failed.say()),
    };
    let here = match seen {
        Some(here) => here,
        None => screen.here(looking.await)?,
    };
    let site = world.site.clone().unwrap_or_else(|| looker.site().to_owned());
    let diagnosis = world.diagnosis.as_ref().filter(|_| asked.is_ok());
    let answer = answer::conclude(&site, &here.here, diagnosis);
    let id = world.id;
    screen.answer(&Conclusion { site: &site, id, diagnosis, side: &here, answer: &answer })?;
    Ok(code)
}

/// Lets the testers look and shows what they say. The outer error is of writing.
async fn ask(
    site: &str,
    server: &Server,
    world: &mut World,
    screen: &Screen<'_>,
) -> io::Result<Result<(), Failed>> {
    let mut events = match open(site, server).await {
        Ok(events) => events,
        Err(failed) => return Ok(Err(failed)),
    };
    let limit = Instant::now() + CHECK_LIMIT;
    loop {
        let event = match tokio::time::timeout_at(limit, events.message()).await {
            Err(_) => return Ok(Err(server.silent(CHECK_LIMIT))),
            Ok(Err(status)) => return Ok(Err(server.refused(&status))),
            Ok(Ok(None)) => return Ok(Err(server.unreachable())),
            Ok(Ok(Some(response))) => match Event::read(&response) {
                // An event of a later version; the rest still counts.
                Ok(None) => continue,
                Ok(Some(event)) => event,
                Err(error) => return Ok(Err(server.unreadable(&error))),
            },
        };
        screen.event(&event)?;
        match event {
            Event::Started(started) => {
                world.id = started.id.parse().ok();
                world.site = Some(started.target.authority());
            }
            Event::Verdict { diagnosis } => world.diagnosis = Some(*diagnosis),
            Event::Row(_) => {}
            Event::Done { .. } => return Ok(Ok(())),
        }
    }
}

async fn open(site: &str, server: &Server) -> Result<Streaming<CheckResponse>, Failed> {
    let mut client = CheckServiceClient::new(server.connect().await?);
    server.call(client.check(CheckRequest { site: site.to_owned() })).await
}
