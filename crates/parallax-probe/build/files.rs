//! The fingerprint files: who is known, and by which marks.

use std::collections::BTreeMap;
use std::error::Error;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The files, in the order in which the first of equally heavy marks wins.
const FILES: [&str; 8] =
    ["edges", "gateways", "firewalls", "platforms", "origins", "middleboxes", "blockpages", "regulators"];

/// What a mark weighs that looks at the page, or at where the answer leads, unless it says so itself.
const PAGE_WEIGHT: u8 = 95;
/// What a mark weighs that looks at headers alone.
pub(crate) const HEADER_WEIGHT: u8 = 85;
/// What a mark weighs that looks at nothing but `Server`: what many set on whatever they pass on.
const SERVER_WEIGHT: u8 = 60;
/// What a trace weighs on a refusal: more than a `Server` header that many send, less than any page.
const TRACE_WEIGHT: u8 = 65;
/// Statuses that refuse rather than fail.
const REFUSALS: [u16; 9] = [403, 405, 406, 418, 429, 444, 451, 493, 999];

/// Reads every known emitter.
pub(crate) fn read() -> Result<Vec<Fingerprint>, Box<dyn Error>> {
    let mut all = Vec::new();
    for name in FILES {
        let path = format!("fingerprints/{name}.toml");
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let file: File = toml::from_str(&text).map_err(|e| format!("{path}: {e}"))?;
        all.extend(file.emitter.into_iter().map(Fingerprint::settled));
    }
    Ok(all)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    emitter: Vec<Fingerprint>,
}

/// One known emitter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    /// What results call it.
    pub(crate) name: String,
    /// Where it stands.
    pub(crate) layer: String,
    /// Where the marks are documented, for whoever edits the files.
    #[serde(rename = "source")]
    _source: IgnoredAny,
    /// What it calls itself in `Proxy-Status`, as patterns.
    #[serde(default)]
    pub(crate) proxy_status: Vec<String>,
    pub(crate) pop: Option<PopRule>,
    /// Why it writes what it writes, unless a mark says otherwise.
    pub(crate) cause: Option<String>,
    /// Whether it is there to refuse: what it writes with a status of 400 or more keeps people out.
    #[serde(default)]
    pub(crate) refuses: bool,
    /// Each shows that it wrote the answer.
    #[serde(default)]
    pub(crate) mark: Vec<Mark>,
    /// Each shows only that the answer went through it.
    #[serde(default)]
    pub(crate) pass: Vec<Mark>,
    /// Headers it leaves on whatever goes through it. A refusal that nobody else claims is its own.
    #[serde(default)]
    trace: Vec<BTreeMap<String, String>>,
    /// Answers it wrote, for the tests.
    #[serde(default, rename = "sample")]
    _sample: Option<IgnoredAny>,
}

/// Where the name of the point of presence stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PopRule {
    pub(crate) header: String,
    /// It begins after the last of these; without, the whole value counts.
    pub(crate) after: Option<String>,
    /// It has this many characters; without, it goes to the end.
    pub(crate) length: Option<usize>,
}

/// What an answer must have, all of it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// How much it shows, 1 to 100.
    #[serde(default)]
    pub(crate) weight: u8,
    /// One of these statuses.
    #[serde(default)]
    pub(crate) status: Vec<u16>,
    /// Patterns for values of headers; any line of a header may fit.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Headers that must be missing.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// Pieces of the page, each anywhere; `*` within a piece stands for a short stretch of anything.
    #[serde(default)]
    pub(crate) body: Vec<String>,
    /// The whole page; white space counts as one.
    pub(crate) body_is: Option<String>,
    /// A regular expression that fits somewhere in the searched part of the page. Only tried where `body` is found.
    pub(crate) shape: Option<String>,
    /// Regular expressions for where the answer leads: `Location`, or the refresh or frame that is all there is of a page.
    #[serde(default)]
    pub(crate) leads: Vec<String>,
    /// Regular expressions of which none may fit where the answer leads.
    #[serde(default)]
    pub(crate) leads_not: Vec<String>,
    /// Counts only on a page that is not an article, a shop or an application: words alone could be about someone else.
    #[serde(default)]
    pub(crate) plain: bool,
    pub(crate) layer: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) kind: Option<String>,
}

impl Fingerprint {
    /// Fills in what the files leave out, so that nobody after this has to know it.
    fn settled(mut self) -> Self {
        for headers in std::mem::take(&mut self.trace) {
            let status = REFUSALS.to_vec();
            self.mark.push(Mark {
                weight: TRACE_WEIGHT,
                status,
                headers: headers.clone(),
                ..Mark::default()
            });
            self.pass.push(Mark { headers, ..Mark::default() });
        }
        for mark in &mut self.mark {
            if mark.weight == 0 {
                mark.weight = match () {
                    () if mark.reads_page() => PAGE_WEIGHT,
                    () if mark.is_server_alone() => SERVER_WEIGHT,
                    () => HEADER_WEIGHT,
                };
            }
        }
        // A `Server` that a hop writes on whatever passes is a trace of it when the page is another's.
        let Self { mark, pass, .. } = &mut self;
        pass.extend(mark.iter().filter(|mark| mark.is_server_alone() && mark.status.is_empty()).map(
            |mark| {
                let (headers, without) = (mark.headers.clone(), mark.without.clone());
                Mark { headers, without, ..Mark::default() }
            },
        ));
        self
    }
}

impl Mark {
    /// Whether it looks at nothing but `Server`.
    fn is_server_alone(&self) -> bool {
        !self.reads_page() && self.headers.len() == 1 && self.headers.contains_key("server")
    }

    /// Whether it looks at what only the writer of the page can have put there.
    fn reads_page(&self) -> bool {
        !self.body.is_empty() || self.body_is.is_some() || !self.leads.is_empty()
    }
}
