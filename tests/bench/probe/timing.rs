//! Phases against known delays: what a program says, less what the server's own clock says.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use parallax_lab::load::{ExactSite, Held};
use serde::Serialize;

use crate::blackbox::Blackbox;
use crate::curl;
use crate::prober::{Seen, Task};
use crate::process::Worker;
use crate::report::say;
use crate::statistics::{Summary, summary};
use crate::world::{DNS_DELAY, Timed};

/// Probes of one turn, and how many turns each program has.
const PROBES: usize = 15;
const TURNS: usize = 4;

/// One phase: how far off each program is, in milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// What the server's clock says; of the name lookup, what was asked of it.
    pub(crate) held: Option<Summary>,
    pub(crate) parallax: Option<Summary>,
    pub(crate) curl: Option<Summary>,
    pub(crate) blackbox: Option<Summary>,
}

/// What one program said, with what was true.
#[derive(Debug, Default)]
struct Told(Vec<(Seen, Held)>);

#[derive(Debug, Default)]
struct Programs {
    parallax: Told,
    curl: Told,
    blackbox: Told,
}

/// Probes the sites with known delays, each program in its turn.
pub(crate) async fn measure(
    timed: &Timed,
    prober: &mut Worker,
    peer: Option<&Blackbox>,
) -> anyhow::Result<Vec<Phase>> {
    let folder = tempfile::tempdir().context("making a folder for a root")?;
    let root = folder.path().join("root.pem");
    std::fs::write(&root, &timed.root).context("writing a root")?;
    let has_curl = curl::version().await.is_some();
    if !has_curl {
        say("curl is left out: it is not installed");
    }
    let mut both = [Programs::default(), Programs::default()];
    for turn in 1..=TURNS {
        say(format_args!("known delays, turn {turn} of {TURNS}"));
        for (secure, programs) in [false, true].into_iter().zip(&mut both) {
            let site = if secure { &timed.secure } else { &timed.plain };
            drop(site.take_held());
            prober.tell(&Task::Timed { secure, probes: PROBES }).await?;
            programs.parallax.add(prober.hear().await?, site).await?;
            if has_curl {
                let seen = curl::timed(secure, site.address(), &root, PROBES).await?;
                programs.curl.add(seen, site).await?;
            }
            if let Some(peer) = peer {
                let scheme = if secure { "https" } else { "http" };
                let seen = peer.timed(&format!("{scheme}://{}/", site.address()), PROBES).await?;
                programs.blackbox.add(seen, site).await?;
            }
        }
    }
    let [http, https] = both;
    Ok(phases(&http, &https))
}

fn phases(http: &Programs, https: &Programs) -> Vec<Phase> {
    let asked = |_: &Held| DNS_DELAY;
    vec![
        http.phase("DNS (A and AAAA), 30 ms", |seen| seen.dns, asked),
        http.phase("HTTP: connect, 0 ms", |seen| seen.connect, |_| Duration::ZERO),
        http.phase("HTTP: first byte, 50 ms", |seen| seen.first_byte, |held| held.first_byte),
        http.phase("HTTP: body, 40 ms", |seen| seen.body, |held| held.body),
        https.phase("HTTPS: handshake, 30 ms and the server's work", |seen| seen.tls, |held| held.tls),
        https.phase("HTTPS: first byte, 50 ms", |seen| seen.first_byte, |held| held.first_byte),
        https.phase("HTTPS: body, 40 ms", |seen| seen.body, |held| held.body),
    ]
}

impl Programs {
    fn phase(
        &self,
        name: &'static str,
        said: impl Fn(&Seen) -> Option<f64>,
        held: impl Fn(&Held) -> Duration,
    ) -> Phase {
        let off = |told: &Told| {
            let one = |(seen, truth): &(Seen, Held)| Some(said(seen)? - ms(held(truth)));
            summary(&told.0.iter().filter_map(one).collect::<Vec<_>>())
        };
        let truth: Vec<f64> = self.parallax.0.iter().map(|(_, truth)| ms(held(truth))).collect();
        Phase {
            name,
            held: summary(&truth),
            parallax: off(&self.parallax),
            curl: off(&self.curl),
            blackbox: off(&self.blackbox),
        }
    }
}

impl Told {
    /// Puts what a program said beside what the site kept. The site is done with an exchange only after the client is.
    async fn add(&mut self, seen: Vec<Seen>, site: &ExactSite) -> anyhow::Result<()> {
        let mut held = site.take_held();
        for _ in 0..MAX_LOOKS {
            if held.len() >= seen.len() {
                break;
            }
            tokio::time::sleep(LOOK).await;
            held.extend(site.take_held());
        }
        ensure!(held.len() == seen.len(), "{} exchanges were seen, {} were held", seen.len(), held.len());
        self.0.extend(seen.into_iter().zip(held));
        Ok(())
    }
}

/// How often the site is asked for its last exchange, and the wait in between.
const MAX_LOOKS: usize = 100;
const LOOK: Duration = Duration::from_millis(10);

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
