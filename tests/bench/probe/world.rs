//! What is probed: sites under load in a process of their own, and the sites and names whose delays are known.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use parallax_lab::load::{Delays, ExactNames, ExactSite, LoadSites};
use parallax_lab::tls::Authority;
use serde::{Deserialize, Serialize};

use crate::process::Answer;

/// The name of the sites under load. It is an outsider's to no policy, and rules lead it to loopback.
pub(crate) const LOAD_NAME: &str = "load.site-under-test.com";
/// The name of the sites with known delays.
pub(crate) const TIMED_NAME: &str = "timed.site-under-test.com";

/// How long a name lookup of [`TIMED_NAME`] takes.
pub(crate) const DNS_DELAY: Duration = Duration::from_millis(30);
/// How long the steps of an exchange take.
pub(crate) const DELAYS: Delays = Delays {
    tls: Duration::from_millis(30),
    first_byte: Duration::from_millis(50),
    body: Duration::from_millis(40),
};

/// Where the sites under load are.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct World {
    pub(crate) http: Vec<SocketAddr>,
    pub(crate) https: Vec<SocketAddr>,
    /// Answers at once, with the address of the first HTTP site.
    pub(crate) names: SocketAddr,
    /// Who signed the sites' certificate, PEM.
    pub(crate) root: String,
}

/// Serves the sites under load until standard input ends.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let authority = Authority::new("Parallax load")?;
    let sites = LoadSites::start(&authority, LOAD_NAME)?;
    let names = ExactNames::start(Ipv4Addr::new(127, 0, 1, 1), Duration::ZERO)?;
    let world = World {
        http: sites.http.clone(),
        https: sites.https.clone(),
        names: names.address(),
        root: authority.pem().to_owned(),
    };
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(&Answer::Done(world))?)?;
    out.flush()?;
    // Whoever started this holds the other end, and lets it go however it ends.
    tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await?;
    Ok(())
}

/// The sites and names with known delays. They live in the measuring process, whose CPU time nobody counts.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) names: ExactNames,
    pub(crate) plain: ExactSite,
    pub(crate) secure: ExactSite,
    /// Who signed the certificate, PEM.
    pub(crate) root: String,
}

impl Timed {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let authority = Authority::new("Parallax timed")?;
        Ok(Self {
            names: ExactNames::start(Ipv4Addr::LOCALHOST, DNS_DELAY)?,
            plain: ExactSite::plain(DELAYS)?,
            secure: ExactSite::secure(DELAYS, &authority, TIMED_NAME)?,
            root: authority.pem().to_owned(),
        })
    }
}
