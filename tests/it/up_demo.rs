//! `parallax up --demo`: within a minute every site is said to be what it is, ^C ends it, and a second start remembers.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::bail;
use http::StatusCode;
use parallax_lab::{DemoLab, DemoOptions, DemoSite};
use parallax_model::Diagnosis;
use tokio::time::Instant;

use crate::gateways::DEMO_AGENTS;
use crate::support::api::Api;
use crate::support::program::Program;
use crate::support::{page, until};

/// From the start until a newcomer sees every verdict.
const EVERYTHING_SEEN: Duration = Duration::from_mins(1);

/// What should be said, from the demo's own description.
async fn expected() -> anyhow::Result<Vec<DemoSite>> {
    let lab = DemoLab::start(DemoOptions::default()).await?;
    let sites = lab.world().sites.clone();
    lab.stop().await;
    Ok(sites)
}

/// The verdict, and the scopes: the very ones, or said to cover the same.
fn right(site: &DemoSite, said: &Diagnosis) -> bool {
    let covered = site.scopes.iter().all(|s| said.scopes.contains(s) || said.same_coverage.contains(s));
    said.verdict == site.verdict && said.scopes.len() == site.scopes.len() && covered
}

fn wrong(expected: &[DemoSite], said: &BTreeMap<String, Diagnosis>) -> Vec<String> {
    let mut wrong = Vec::new();
    for site in expected {
        let host = site.target.host.as_str();
        match said.get(host) {
            None => wrong.push(format!("{host}: not listed")),
            Some(d) if !right(site, d) => wrong.push(format!(
                "{host}: expected {} of {:?}, found {} of {:?} (same coverage {:?}): {}",
                site.verdict, site.scopes, d.verdict, d.scopes, d.same_coverage, d.sentence
            )),
            Some(_) => {}
        }
    }
    wrong
}

#[tokio::test]
async fn every_verdict_is_seen_within_a_minute_and_remembered() -> anyhow::Result<()> {
    let expected = expected().await?;
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let start = Instant::now();
    let mut first = Program::up(&data, &["--demo"]).await?;
    println!("up after {:.1} s", start.elapsed().as_secs_f64());
    let api = Api::of(&first).await?;
    let seen = until(EVERYTHING_SEEN.saturating_sub(start.elapsed()), async || {
        let wrong = wrong(&expected, &api.sites().await.map_err(|e| vec![e.to_string()])?);
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    });
    if let Err(wrong) = seen.await {
        panic!("after {} s:\n{}", EVERYTHING_SEEN.as_secs(), wrong.join("\n"));
    }
    println!("every site is right after {:.1} s", start.elapsed().as_secs_f64());
    let (status, home) = page::show(first.page, "/").await?;
    assert_eq!(status, StatusCode::OK);
    for site in &expected {
        let host = site.target.host.as_str();
        let (status, text) = page::show(first.page, &format!("/s/{host}")).await?;
        assert_eq!(status, StatusCode::OK, "{host}");
        assert!(text.contains(host) && home.contains(host), "{host} is on the home page and has its own");
    }

    let incidents = incident_ids(&api).await?;
    let (status, took) = first.interrupt().await?;
    println!("ended {:.1} s after ^C", took.as_secs_f64());
    assert_eq!(status.code(), Some(0), "a clean end");

    let mut counted = 0;
    for again in ["the second start", "the third start"] {
        let mut program = Program::up(&data, &["--demo"]).await?;
        let api = Api::of(&program).await?;
        let after = incident_ids(&api).await?;
        let forgotten: Vec<_> = incidents.iter().filter(|id| !after.contains(id)).collect();
        assert!(forgotten.is_empty(), "{again} has forgotten {forgotten:?} of {incidents:?}");
        let results = api.history("news.demo").await?.iter().map(|minute| minute.results).sum();
        assert!(results > 0, "{again} has no history of news.demo");
        assert!(results >= counted, "{again} has {results} results of news.demo, before it {counted}");
        counted = results;
        api.online(DEMO_AGENTS).await?;
        let (status, _) = program.interrupt().await?;
        assert_eq!(status.code(), Some(0), "a clean end of {again}");
    }
    Ok(())
}

/// The ids of all incidents; there must be one for each site that is not up.
async fn incident_ids(api: &Api) -> anyhow::Result<Vec<String>> {
    let incidents = api.incidents().await?;
    for site in ["shop.demo", "video.demo", "news.demo"] {
        if !incidents.iter().any(|i| i.site == site) {
            bail!("{site} has no incident");
        }
    }
    Ok(incidents.into_iter().map(|i| i.incident_id).collect())
}
