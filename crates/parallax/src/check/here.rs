//! The look from here: the same probe an agent makes, under the policy of this machine's owner.

use std::time::Duration;

use parallax_agent::config::DEFAULT_BEACONS;
use parallax_model::ProbeResult;
use parallax_probe::{ProbeRequest, Prober};

use crate::answer::Here;
use crate::cli::ProbeSettings;
use crate::client::Failed;
use crate::{probe, words};

/// How long a failed probe waits before its one retry, as agents do.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The look from here ends after this, retry and beacons included.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// Longest piece of what was typed that is repeated, in characters.
const MAX_ECHO: usize = 60;

/// Looks at one site from here.
#[derive(Debug)]
pub(super) struct Looker {
    site: String,
    plan: Plan,
}

#[derive(Debug)]
enum Plan {
    Probe(Box<Prober>, Box<ProbeRequest>),
    /// The policy here forbids it, in its own sentence. The aggregator may be allowed more.
    Refused(String),
}

/// What was seen from here.
#[derive(Debug)]
pub(super) struct HereSide {
    pub(super) here: Here,
    /// The result, where something was probed.
    pub(super) result: Option<ProbeResult>,
}

impl Looker {
    /// Reads the site and the settings; nothing is asked yet.
    pub(super) fn new(typed: &str, options: &ProbeSettings) -> Result<Self, Failed> {
        let mut settings = probe::settings(options)?;
        let protocol = probe::protocol(options);
        let parsed = match probe::parse(&settings.policy.current(), typed) {
            Ok(parsed) => parsed,
            Err(refusal) => {
                let site = words::cut(&words::plain(typed), MAX_ECHO);
                return Ok(Self { site, plan: Plan::Refused(refusal.to_string()) });
            }
        };
        settings.beacons = DEFAULT_BEACONS.iter().filter_map(|beacon| beacon.parse().ok()).collect();
        let site = parsed.target.authority();
        let request =
            ProbeRequest { family: probe::family(options), protocol, ..ProbeRequest::new(parsed.target) };
        Ok(Self { site, plan: Plan::Probe(Box::new(probe::prober(settings)?), Box::new(request)) })
    }

    /// The site's name.
    pub(super) fn site(&self) -> &str {
        &self.site
    }

    /// Looks, within [`LOOK_LIMIT`].
    pub(super) async fn look(&self) -> HereSide {
        let (prober, request) = match &self.plan {
            Plan::Probe(prober, request) => (prober, request),
            Plan::Refused(sentence) => {
                return HereSide { here: Here::NotProbed(sentence.clone()), result: None };
            }
        };
        let looking = prober.probe_with_care(request, probe::now(), RETRY_AFTER);
        if let Ok(result) = tokio::time::timeout(LOOK_LIMIT, looking).await {
            HereSide { here: Here::of(&result), result: Some(result) }
        } else {
            let why = format!("the look from here did not end within {} s.", LOOK_LIMIT.as_secs());
            HereSide { here: Here::NotProbed(why), result: None }
        }
    }
}
