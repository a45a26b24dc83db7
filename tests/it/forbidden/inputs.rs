//! The rows of the policy's own table at the doors of page and aggregator: the same code, and the same rows let in.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use http::StatusCode;
use parallax_proto::v1::site::GetSiteRequest;
use parallax_proto::v1::site::site_service_client::SiteServiceClient;
use serde_json::Value;
use tonic::Code;

use crate::support::api::Api;
use crate::support::page;
use crate::support::program::Program;

/// Longest input that fits into the first line of a request; longer ones come as a form.
const MAX_IN_URL: usize = 2_000;

/// From this length on the page hangs up rather than read to the end.
const MAX_IN_FORM: usize = 4 << 10;

/// One row: what is typed, and the code of its refusal.
struct Row {
    input: Vec<u8>,
    code: Option<String>,
}

fn rows() -> anyhow::Result<Vec<Row>> {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/parallax-policy/vectors/inputs.json");
    let table: Vec<Value> = serde_json::from_str(&fs::read_to_string(&table).context("the policy's table")?)?;
    let row = |row: &Value| {
        let input = match (&row["input"], &row["parts"], &row["bytes"]) {
            (Value::String(text), ..) => text.clone().into_bytes(),
            (_, Value::Array(parts), _) => parts.iter().flat_map(repeated).collect(),
            (_, _, bytes) => serde_json::from_value(bytes.clone())?,
        };
        Ok(Row { input, code: row["code"].as_str().map(str::to_owned) })
    };
    table.iter().map(row).collect()
}

fn repeated(part: &Value) -> Vec<u8> {
    let times = part[1].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
    part[0].as_str().unwrap_or_default().repeat(times).into_bytes()
}

/// Every byte as `%XX`, so that nothing on the way reads it.
fn encoded(input: &[u8]) -> String {
    let mut text = String::new();
    for byte in input {
        write!(text, "%{byte:02x}").expect("a String");
    }
    text
}

/// What the page's own API says to a row: the code of its refusal, `None` when it is let in.
async fn at_the_page(program: &Program, row: &Row) -> anyhow::Result<Option<String>> {
    if row.input.len() * 3 > MAX_IN_URL {
        let submitted = page::submit(program.page, str::from_utf8(&row.input)?).await;
        if row.input.len() > MAX_IN_FORM && submitted.is_err() {
            return Ok(Some("TOO_LONG".to_owned()));
        }
        let (status, _) = submitted?;
        let long = [StatusCode::UNPROCESSABLE_ENTITY, StatusCode::PAYLOAD_TOO_LARGE].contains(&status);
        return Ok(long.then(|| "TOO_LONG".to_owned()));
    }
    let path = format!("/api/v1/sites/{}", encoded(&row.input));
    let (status, body) = page::show(program.page, &path).await?;
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
    Ok(match status {
        StatusCode::OK | StatusCode::NOT_FOUND => None,
        // What is not text is told so before anybody reads it.
        StatusCode::BAD_REQUEST if str::from_utf8(&row.input).is_err() => Some("BAD_ENCODING".to_owned()),
        _ => Some(code),
    })
}

/// Whether the aggregator's gRPC lets a row in.
async fn at_the_aggregator(api: &Api, text: &str) -> anyhow::Result<bool> {
    let request = GetSiteRequest { site: text.to_owned() };
    match SiteServiceClient::new(api.channel()).get_site(request).await {
        Ok(_) => Ok(true),
        Err(status) if status.code() == Code::NotFound => Ok(true),
        Err(status) if status.code() == Code::InvalidArgument => Ok(false),
        // Larger than a message may be.
        Err(status) if text.len() > MAX_IN_URL && status.code() == Code::OutOfRange => Ok(false),
        Err(status) => Err(status.into()),
    }
}

#[tokio::test]
async fn every_row_of_the_policys_table_is_answered_by_page_and_aggregator() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let program = Program::up(&dir.path().join("data"), &["--agents", "0"]).await?;
    let api = Api::of(&program).await?;
    let rows = rows()?;
    let mut wrong = Vec::new();
    for row in &rows {
        let shown: String = String::from_utf8_lossy(&row.input).chars().take(60).collect();
        let page = at_the_page(&program, row).await.with_context(|| shown.clone())?;
        // A path with nothing in it is another page.
        if page != row.code && !shown.is_empty() {
            wrong.push(format!("{shown:?}: the page says {page:?}, not {:?}", row.code));
        }
        if let Ok(text) = str::from_utf8(&row.input)
            && at_the_aggregator(&api, text).await.with_context(|| shown.clone())? != row.code.is_none()
        {
            wrong.push(format!("{shown:?}: gRPC does not agree with {:?}", row.code));
        }
    }
    assert!(rows.len() > 180, "the table is read: {}", rows.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    Ok(())
}
