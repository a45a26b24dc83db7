//! `parallax snapshot DIR`: the first page and every site's page as plain files, for a second host that serves them while we are
//! down. A status page that falls with what it watches helps nobody.
//!
//! Everything is fetched before anything is written, and each file is replaced as a whole: what a host serves is never half new.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parallax_model::Host;
use parallax_runtime::{Clock as _, ExitCode, SystemClock};
use serde::Deserialize;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::SnapshotOptions;
use crate::term;

/// Sites whose pages are kept at most, the troubled ones first.
const MAX_SITES: usize = 1_000;
/// Longest page or file.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How long one answer may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Pages beside the sites' own.
const PAGES: [&str; 2] = ["/", "/outages"];
/// Where a page's own words begin.
const MAIN: &str = "<main id=\"main\" class=\"wrap\">";

/// Why there is no copy.
#[derive(Debug, Error)]
enum SnapshotError {
    /// The address that was named is none.
    #[error("`{0}` is no address: name it as http://HOST:PORT or https://HOST")]
    Address(String),
    /// Nobody answers there.
    #[error("{url} cannot be reached")]
    Connect {
        /// What was asked for.
        url: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The answer broke off.
    #[error("{url} does not answer as it should")]
    Exchange {
        /// What was asked for.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is not the page.
    #[error("{url} answers {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// What came.
        status: StatusCode,
    },
    /// The answer takes too long.
    #[error("{0} takes too long")]
    Late(String),
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// The list of sites as far as it matters here.
#[derive(Debug, Deserialize)]
struct Sites {
    sites: Vec<Site>,
}

#[derive(Debug, Deserialize)]
struct Site {
    host: Host,
}

/// Fetches, then writes.
pub(crate) async fn snapshot(options: SnapshotOptions) -> ExitCode {
    match take(&options).await {
        Ok((pages, files)) => {
            let text = format!("{pages} pages and {files} files are in {}", options.dir.display());
            term::ended(term::line(text).map(|()| ExitCode::Ok))
        }
        Err(error) => {
            let code = match error {
                SnapshotError::Address(_) => ExitCode::Usage,
                SnapshotError::Write { .. } => ExitCode::Failed,
                _ => ExitCode::Unavailable,
            };
            term::failed(&term::chain(&error), code)
        }
    }
}

async fn take(options: &SnapshotOptions) -> Result<(usize, usize), SnapshotError> {
    let from = options.from.trim_end_matches('/');
    let live = options.live.as_deref().unwrap_or(from).trim_end_matches('/');
    let listed = fetch(from, "/api/v1/sites").await?;
    let listed: Sites = serde_json::from_slice(&listed).map_err(|source| SnapshotError::Exchange {
        url: format!("{from}/api/v1/sites"),
        source: source.into(),
    })?;
    let sites = listed.sites.iter().take(MAX_SITES).map(|site| format!("/s/{}", site.host));
    let paths: BTreeSet<String> = PAGES.iter().map(|path| (*path).to_owned()).chain(sites).collect();
    let mut pages = BTreeMap::new();
    for path in &paths {
        let page = fetch(from, path).await?;
        pages.insert(path.clone(), String::from_utf8_lossy(&page).into_owned());
    }
    let mut files = BTreeMap::new();
    let mut wanted: Vec<String> =
        pages.values().flat_map(|page| named(&without_scripts(page), "\"/static/", "/static/")).collect();
    while let Some(path) = wanted.pop() {
        if files.contains_key(&path) {
            continue;
        }
        let file = fetch(from, &path).await?;
        if Path::new(&path).extension().is_some_and(|end| end == "css") {
            // A stylesheet names its fonts relative to itself.
            wanted.extend(named(&String::from_utf8_lossy(&file), "url(", "/static/"));
        }
        files.insert(path, file);
    }
    let now = this_minute();
    let counts = (pages.len(), files.len());
    for (path, page) in pages {
        let copy = copied(&page, &paths, live, &now);
        write(&options.dir, &format!("{}/index.html", path.trim_end_matches('/')), copy.as_bytes())?;
    }
    for (path, file) in files {
        write(&options.dir, &path, &file)?;
    }
    Ok(counts)
}

/// Now, to the minute, as everybody reads it.
fn this_minute() -> String {
    let now =
        jiff::Timestamp::from_microsecond(SystemClock.now_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    now.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Every name that follows `lead` in a text, behind `folder`. Names of our static files hold letters, digits, `-` and `.` alone.
fn named(text: &str, lead: &str, folder: &str) -> Vec<String> {
    let name = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect()
    };
    let names = text.match_indices(lead).map(|(at, _)| name(&text[at + lead.len()..]));
    names.filter(|name| name.contains('.')).map(|name| format!("{folder}{name}")).collect()
}

/// A page as a file: it says what it is, its script is gone, and what is not copied is linked where it lives.
fn copied(page: &str, paths: &BTreeSet<String>, live: &str, now: &str) -> String {
    let mut copy = String::with_capacity(page.len() + 256);
    let mut rest = page;
    while let Some((at, lead)) = next_address(rest) {
        let (before, address) = rest.split_at(at + lead.len());
        copy.push_str(before);
        let end = address.find('"').unwrap_or(address.len());
        let bare = address[..end].split(['#', '?']).next().unwrap_or_default();
        let here = lead != " action=\"" && (paths.contains(bare) || bare.starts_with("/static/"));
        if !here {
            copy.push_str(live);
        }
        copy.push_str(&address[..end]);
        rest = &address[end..];
    }
    copy.push_str(rest);
    let copy = without_scripts(&copy);
    let notice = format!(
        "{MAIN}<p class=\"ours\"><b>This is a copy of {now}.</b> The page itself may be out of reach just now: \
         <a href=\"{live}/\">{live}</a></p>"
    );
    copy.replacen(MAIN, &notice, 1)
}

/// The next address of ours in a link or a form, and what stands before it.
fn next_address(text: &str) -> Option<(usize, &'static str)> {
    let leads = [" href=\"", " action=\"", " src=\""];
    let found = leads.into_iter().filter_map(|lead| {
        let ours = text.match_indices(lead).find(|(at, _)| text[at + lead.len()..].starts_with('/'));
        ours.map(|(at, _)| (at, lead))
    });
    found.min_by_key(|(at, _)| *at)
}

/// A copy does not change, so what keeps a page fresh would only ask a host that is down.
fn without_scripts(page: &str) -> String {
    let mut kept = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(start) = rest.find("<script") {
        kept.push_str(&rest[..start]);
        let end = rest[start..].find("</script>").map_or(rest.len(), |end| start + end + "</script>".len());
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// Puts a file in its place as a whole.
fn write(dir: &Path, path: &str, bytes: &[u8]) -> Result<(), SnapshotError> {
    let file = dir.join(path.trim_start_matches('/'));
    let failed = |source| SnapshotError::Write { path: file.display().to_string(), source };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let coming = file.with_extension("coming");
    std::fs::write(&coming, bytes).map_err(failed)?;
    std::fs::rename(&coming, &file).map_err(failed)
}

async fn fetch(from: &str, path: &str) -> Result<Bytes, SnapshotError> {
    let url = format!("{from}{path}");
    let uri: Uri = url.parse().map_err(|_| SnapshotError::Address(from.to_owned()))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(SnapshotError::Address(from.to_owned()));
    };
    let secure = match scheme {
        "http" => false,
        "https" => true,
        _ => return Err(SnapshotError::Address(from.to_owned())),
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let answer = async {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let unreached = |source| SnapshotError::Connect { url: url.clone(), source };
        let stream = TcpStream::connect((bare, port)).await.map_err(unreached)?;
        if !secure {
            return exchange(stream, &uri).await;
        }
        let name = rustls::pki_types::ServerName::try_from(bare.to_owned())
            .map_err(|_| SnapshotError::Address(from.to_owned()))?;
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        exchange(connector.connect(name, stream).await.map_err(unreached)?, &uri).await
    };
    timeout(DEADLINE, answer).await.map_err(|_| SnapshotError::Late(url.clone()))?
}

async fn exchange<S>(stream: S, uri: &Uri) -> Result<Bytes, SnapshotError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let url = uri.to_string();
    let broken = |source: Box<dyn std::error::Error + Send + Sync>| SnapshotError::Exchange {
        url: url.clone(),
        source,
    };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.into()))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path).header(header::HOST, host).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| broken(error.into()))?;
    let broken = &broken;
    // The sender ends with the answer, and with it the connection, whoever of the two closes first.
    let answer = async move {
        let response = sender.send_request(request).await.map_err(|error| broken(error.into()))?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(SnapshotError::Status { url: uri.to_string(), status });
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.map_err(broken)?;
        Ok(body.to_bytes())
    };
    let (answer, _ended) = tokio::join!(answer, connection);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_says_what_it_is_and_leads_to_what_is_not_copied() {
        let page = "<head><link href=\"/static/site-1.css\"><script type=\"module\" src=\"/static/live-1.js\"></script></head>\
                    <main id=\"main\" class=\"wrap\"><a href=\"/s/a.example#x\">a</a><a href=\"/about\">b</a>\
                    <a href=\"https://else.example/\">c</a><form action=\"/check\" method=\"post\"></form></main>";
        let paths = ["/", "/s/a.example"].map(str::to_owned).into();
        let copy = copied(page, &paths, "https://live.example", "2026-11-22 20:58 UTC");
        for kept in [
            "href=\"/static/site-1.css\"",
            "href=\"/s/a.example#x\"",
            "href=\"https://live.example/about\"",
            "href=\"https://else.example/\"",
            "action=\"https://live.example/check\"",
            "This is a copy of 2026-11-22 20:58 UTC.",
        ] {
            assert!(copy.contains(kept), "{kept}: {copy}");
        }
        assert!(!copy.contains("script"), "{copy}");
    }

    #[test]
    fn names_of_files_are_found_and_nothing_else() {
        let css = "@font-face{src:url(next-1a.woff2)}.map{mask:url(\"data:image/svg+xml,%3Csvg\")}";
        assert_eq!(named(css, "url(", "/static/"), ["/static/next-1a.woff2"]);
        assert_eq!(
            named("<link href=\"/static/site-1.css\">", "\"/static/", "/static/"),
            ["/static/site-1.css"]
        );
    }

    #[test]
    fn files_are_replaced_as_a_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        for text in ["one", "two"] {
            write(dir.path(), "/s/a.example/index.html", text.as_bytes()).expect("written");
            let file = dir.path().join("s/a.example/index.html");
            assert_eq!(std::fs::read_to_string(&file).expect("there"), text);
            assert_eq!(std::fs::read_dir(file.parent().expect("a folder")).expect("listed").count(), 1);
        }
    }
}
