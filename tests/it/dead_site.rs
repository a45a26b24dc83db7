//! A site that takes connections and never says a word: it is called down while every tester still waits for it, and an answer that
//! comes late takes that back.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use parallax_lab::{Fault, FaultServer};
use parallax_model::{FailureKind, HttpFailure, Verdict};
use parallax_proto::v1::check::CheckResponse;
use parallax_proto::v1::check::check_response::Event;
use parallax_proto::{diagnosis_from_wire, result_from_wire};

use crate::gateways::demo;
use crate::support::api::Api;

/// What was said of a site, in order: the verdict, its sentence, and how many had answered by then.
async fn words(api: &Api, site: &str) -> anyhow::Result<Vec<(Verdict, String, usize)>> {
    let mut events = api.start_check(site).await?;
    let (mut said, mut answered) = (Vec::new(), 0);
    while let Some(CheckResponse { event: Some(event) }) = events.message().await? {
        match event {
            Event::SoFar(seen) => {
                let seen = result_from_wire(&seen.result.context("what was seen")?)?;
                let waits = Some(FailureKind::Http(HttpFailure::Timeout));
                anyhow::ensure!(seen.outcome.kind() == waits, "{}", seen.outcome);
            }
            Event::Row(_) => answered += 1,
            Event::Verdict(verdict) => {
                let verdict = diagnosis_from_wire(&verdict)?;
                said.push((verdict.verdict, verdict.sentence, answered));
            }
            Event::Started(_) | Event::Done(_) => {}
        }
    }
    Ok(said)
}

#[tokio::test]
async fn a_dead_site_is_down_while_every_tester_still_waits() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (_program, api) = demo(dir.path()).await?;
    let dead = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::Silent)?;
    let late = FaultServer::start(Ipv4Addr::LOCALHOST, Fault::SlowFirstByte(Duration::from_secs(6)))?;
    let (dead, late) = (format!("http://{}/", dead.address()), format!("http://{}/", late.address()));
    let (dead, late) = tokio::try_join!(words(&api, &dead), words(&api, &late))?;

    let (_, sentence, answered) =
        dead.iter().find(|(verdict, ..)| *verdict == Verdict::Down).context("it is down")?;
    assert!(sentence.contains("looks down for everyone"), "one round: {dead:?}");
    assert_eq!(*answered, 0, "nobody had given up: {dead:?}");
    let (verdict, sentence, _) = dead.last().context("something is said")?;
    assert_eq!(*verdict, Verdict::Down);
    assert!(sentence.contains("is down for everyone"), "the second round: {dead:?}");

    let (verdict, ..) = late.last().context("something is said")?;
    assert!(matches!(verdict, Verdict::Up | Verdict::Degraded), "{late:?}");
    assert!(late.iter().all(|(_, said, _)| !said.contains(" is down")), "{late:?}");
    Ok(())
}
