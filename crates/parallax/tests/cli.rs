//! The program as people and scripts meet it: what it writes to which stream, and the code it ends with. Everything happens on
//! loopback; aggregators and sites are made here on ports the system picks.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use parallax_model::{Diagnosis, Verdict};
use parallax_proto::v1::check::check_response::Event;
use parallax_proto::v1::check::check_service_server::{CheckService, CheckServiceServer};
use parallax_proto::v1::check::{
    CheckAgent, CheckDone, CheckRequest, CheckResponse, CheckRow, CheckStarted, GetCheckRequest,
    GetCheckResponse,
};
use parallax_proto::v1::types;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// Runs the program with `input` on standard input, in an empty directory so that no key is found.
fn run_in(directory: &std::path::Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parallax"))
        .args(args)
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    std::thread::scope(|scope| {
        // Beside the reading, for pipes hold less than a corpus. A program that refuses its options ends without reading.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("the program ends")
    })
}

fn run(args: &[&str], input: &[u8]) -> Output {
    run_in(tempfile::tempdir().expect("a directory").path(), args, input)
}

/// The same from a test with a runtime, whose servers must go on.
async fn run_beside(args: &[&str]) -> Output {
    let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
    tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>(), b""))
        .await
        .expect("the program ends")
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn json_lines(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

// --- lines in, lines out

#[test]
fn target_answers_each_line_in_order() {
    let input = b"{\"id\":\"a\",\"input\":\"Example.COM\",\"more\":1}\n\n{\"id\":2,\"input\":\"http://127.0.0.1/\"}\n{\"id\":\"c\"}\nnot json\n\
        {\"id\":\"e\",\"input\":\"\xff\"}\n{\"id\":\"f\",\"input\":\"http://[2606:4700::1]/a?b\"}";
    let output = run(&["target", "--jsonl"], input);
    let lines: Vec<&str> = out(&output).lines().collect();
    assert_eq!(
        lines[0],
        r#"{"id":"a","ok":true,"scheme":"https","host":"example.com","port":443,"path":"/"}"#
    );
    let refused: Value = serde_json::from_str(lines[1]).expect("JSON");
    assert_eq!(
        (&refused["id"], &refused["ok"], &refused["reason"]),
        (&json!(2), &json!(false), &json!("ip_special"))
    );
    assert_eq!(lines[2], r#"{"id":"c","error":"missing field `input`"}"#);
    assert_eq!(lines[3], r#"{"id":null,"error":"expected ident"}"#);
    assert!(lines[4].starts_with(r#"{"id":null,"error":"#), "{}", lines[4]);
    assert_eq!(
        lines[5],
        r#"{"id":"f","ok":true,"scheme":"http","host":"[2606:4700::1]","port":80,"path":"/a?b"}"#
    );
    assert_eq!((lines.len(), code(&output)), (6, 65));
}

#[test]
fn refused_inputs_are_answers_and_no_failure() {
    let output = run(&["target", "--jsonl"], b"{\"id\":1,\"input\":\"localhost\"}\n");
    assert_eq!((code(&output), err(&output)), (0, ""));
}

#[test]
fn one_target_is_said_or_refused() {
    let cases: [(&[&str], &str, &str, i32); 4] = [
        (&["target", "example.com"], "https://example.com/\n", "", 0),
        (
            &["target", "http://127.0.0.1:8000/", "--allow-cidr", "127.0.0.0/8"],
            "http://127.0.0.1:8000/\n",
            "",
            0,
        ),
        (&["target", "http://127.0.0.1:8000/"], "", "--allow-cidr 127.0.0.1/32", 65),
        (&["target", "ftp://example.com/"], "", "parallax: ", 65),
    ];
    for (args, stdout, stderr, expected) in cases {
        let output = run(args, b"");
        assert_eq!((out(&output), code(&output)), (stdout, expected), "{args:?}");
        assert!(err(&output).contains(stderr), "{args:?}: {}", err(&output));
    }
    let output = run(&["target", "localhost", "--json"], b"");
    assert_eq!((&json_lines(&output)[0]["ok"], code(&output)), (&json!(false), 65));
}

#[test]
fn diagnose_answers_each_world_in_order() {
    let world = r#"{"id":"w1","agents":[{"agent":"a1"}],"results":[{"agent":"a1","outcome":"ok"}]}"#;
    let input = format!("{world}\n{{\"id\":\"w2\",\"colour\":1}}\nnope\n{}\n", world.replace("w1", "w4"));
    let output = run(&["diagnose", "--jsonl"], input.as_bytes());
    let lines = json_lines(&output);
    let ids: Vec<&Value> = lines.iter().map(|line| &line["id"]).collect();
    assert_eq!(ids, [&json!("w1"), &json!("w2"), &Value::Null, &json!("w4")]);
    let keys: Vec<&str> = out(&output)
        .lines()
        .next()
        .expect("a line")
        .split('"')
        .filter(|k| ["id", "verdict", "confidence"].contains(k))
        .collect();
    assert_eq!(keys, ["id", "verdict", "confidence"], "in the order of the contract");
    assert!(lines[1]["error"].as_str().is_some_and(|e| e.contains("colour")), "{}", lines[1]);
    assert!(lines[2]["error"].is_string());
    assert_eq!(code(&output), 65);
    assert_eq!(code(&run(&["diagnose", "--jsonl"], world.as_bytes())), 0);
}

const NGINX_502: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n\
    <hr><center>nginx/1.29.1</center>\r\n</body>\r\n</html>\r\n";

#[test]
fn explain_reads_lines_with_one_value_or_several() {
    let lines = [
        json!({"id": "one", "status": 502, "headers": {"Server": "nginx/1.29.1"}, "body_prefix": NGINX_502}),
        json!({"id": "two", "status": 502, "headers": {"Server": ["nginx/1.29.1"]}, "body_prefix": NGINX_502}),
        json!({"id": "bare", "status": 404}),
        json!({"id": "bad", "status": "many"}),
    ];
    let input = lines.map(|line| line.to_string()).join("\n");
    let output = run(&["explain", "--jsonl"], input.as_bytes());
    let lines: Vec<&str> = out(&output).lines().collect();
    let start = r#"{"id":"one","kind":"http-502","emitter":"nginx","layer":"gateway","pop":null,"via":[],"cause":"network","confidence":"#;
    assert!(lines[0].starts_with(start), "{}", lines[0]);
    assert_eq!(lines[1], lines[0].replace("one", "two"));
    assert_eq!(
        lines[2],
        r#"{"id":"bare","kind":"ok","emitter":"unknown","layer":"unknown","pop":null,"via":[],"cause":"misconfigured","confidence":0.0,"evidence":[]}"#
    );
    let bad: Value = serde_json::from_str(lines[3]).expect("JSON");
    assert_eq!((&bad["id"], bad["error"].is_string()), (&json!("bad"), true));
    assert_eq!((lines.len(), code(&output)), (4, 65));
}

#[test]
fn explain_reads_what_curl_prints() {
    let curl = format!(
        "HTTP/1.1 301 Moved Permanently\r\nLocation: /a\r\n\r\nHTTP/2 502 \r\nserver: nginx/1.29.1\r\n\r\n{NGINX_502}"
    );
    let output = run(&["explain"], curl.as_bytes());
    let lines: Vec<&str> = out(&output).lines().collect();
    assert_eq!(
        lines[..3],
        ["Written by  nginx (gateway)", "Status      502, which counts as http-502", "Cause       network"]
    );
    assert_eq!(code(&output), 0);
    let told = &json_lines(&run(&["explain", "--json"], curl.as_bytes()))[0];
    assert_eq!(
        (&told["emitter"], &told["kind"], told.get("id")),
        (&json!("nginx"), &json!("http-502"), None)
    );
    for (input, sentence) in
        [("", "nothing on standard input"), ("hello\n", "does not begin with a status line")]
    {
        let output = run(&["explain"], input.as_bytes());
        assert!(err(&output).contains(sentence), "{}", err(&output));
        assert_eq!((code(&output), out(&output)), (65, ""));
    }
}

#[test]
fn the_corpora_are_answered_line_by_line() {
    let corpora = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora");
    let mut read = 0;
    for (command, file) in
        [("explain", "emitters.jsonl"), ("explain", "blockpages.jsonl"), ("target", "urls.jsonl")]
    {
        let Ok(input) = std::fs::read(format!("{corpora}/{file}")) else { continue };
        let output = run(&[command, "--jsonl"], &input);
        let ids: Vec<Value> = input
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice::<Value>(l).expect("JSON")["id"].clone())
            .collect();
        let answered: Vec<Value> = json_lines(&output).into_iter().map(|line| line["id"].clone()).collect();
        assert_eq!((answered == ids, code(&output)), (true, 0), "{file}");
        read += 1;
    }
    if read == 0 {
        println!("the corpora are not here");
    }
}

// --- usage

#[test]
fn help_names_every_command_and_wrong_usage_is_64() {
    let output = run(&["--help"], b"");
    let commands = [
        "up",
        "aggregator",
        "check",
        "probe",
        "explain",
        "diagnose",
        "target",
        "token",
        "agents",
        "targets",
        "incidents",
    ];
    for command in commands {
        assert!(
            out(&output).lines().any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{command}"
        );
    }
    let unwrapped = out(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    let codes = "Exit codes: 0 fine, 1 failed, 64 wrong usage, 65 bad input, 69 unavailable, 75 data in use, 78 bad configuration.";
    assert!(unwrapped.ends_with(codes), "{unwrapped}");
    for command in ["check", "probe", "explain", "diagnose", "target"] {
        let help = run(&[command, "--help"], b"");
        assert!(out(&help).contains("Example"), "{command}");
        assert!(out(&help).lines().all(|line| line.chars().count() <= 110), "{command}");
        assert_eq!(code(&help), 0);
    }
    for args in [
        &["nonsense"][..],
        &["probe"],
        &["probe", "a.example", "--http", "9"],
        &["probe", "a.example", "--resolve", "x"],
    ] {
        let output = run(args, b"");
        assert_eq!((code(&output), out(&output)), (64, ""), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let lines = "{\"id\":1,\"input\":\"example.com\"}\n".repeat(20_000);
    let mut child = Command::new(env!("CARGO_BIN_EXE_parallax"))
        .args(["target", "--jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    drop(child.stdin.take().expect("piped").write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!((code(&output), err(&output)), (0, ""));
}

// --- probe

/// A site on loopback that answers every connection the same way, until the set is dropped.
async fn site(answer: &'static str) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            if stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                drop(stream.write_all(answer.as_bytes()).await);
            }
        }
    });
    (address, tasks)
}

const FINE: &str = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
const BROKEN: &str = "HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_every_fact() {
    let (address, _site) = site(FINE).await;
    let url = format!("http://{address}/a");
    let output = run_beside(&["probe", &url, "--allow-cidr", "127.0.0.0/8", "--json"]).await;
    assert_eq!((code(&output), err(&output)), (0, ""));
    let facts = &json_lines(&output)[0];
    let expected = [
        ("target", json!(url)),
        ("outcome", json!("ok")),
        ("party", Value::Null),
        ("status", json!(200)),
        ("address", json!("127.0.0.1")),
        ("addresses", json!(["127.0.0.1"])),
        ("family", json!(4)),
        ("protocol", json!("h1")),
        ("tls", Value::Null),
        ("redirects", json!([])),
        (
            "body",
            json!({"length": 5, "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "truncated": false}),
        ),
        ("retry_after_s", Value::Null),
        ("detail", Value::Null),
    ];
    for (key, value) in expected {
        assert_eq!(facts[key], value, "{key}");
    }
    let phases = &facts["phases_us"];
    assert!(
        ["connect", "first_byte", "body", "total"].iter().all(|phase| phases[phase].is_u64()),
        "{phases}"
    );
    assert!(["dns", "tls"].iter().all(|phase| phases[phase].is_null()), "{phases}");
    assert_eq!(facts["emitter"]["name"], json!("nginx"));

    let text = run_beside(&["probe", &url, "--allow-cidr", "127.0.0.0/8"]).await;
    assert!(out(&text).starts_with("● Works: 200 in "), "{}", out(&text));
    for part in [
        "URL         http://",
        "Address     127.0.0.1",
        "Protocol    HTTP/1.1 over IPv4",
        "Body        5 bytes, SHA-256 2cf24dba5fb0a30e…",
        "\nconnect ",
    ] {
        assert!(out(&text).contains(part), "{part}: {}", out(&text));
    }
    assert!(!out(&text).contains('\u{1b}'), "no colour in a pipe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_fails_is_a_good_probe() {
    let (address, _site) = site(BROKEN).await;
    let url = format!("http://{address}/");
    let output = run_beside(&["probe", &url, "--allow-cidr", "127.0.0.1/32", "--json"]).await;
    let facts = &json_lines(&output)[0];
    assert_eq!((&facts["outcome"], &facts["party"]), (&json!("http-502"), &json!("target")));
    assert_eq!((&facts["retry_after_s"], code(&output)), (&json!(7), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_ports_are_lent_as_with_curl() {
    let (address, _site) = site(FINE).await;
    let to = format!("example.com:80:127.0.0.1:{}", address.port());
    let output = run_beside(&[
        "probe",
        "http://example.com/",
        "--connect-to",
        &to,
        "--allow-cidr",
        "127.0.0.0/8",
        "--json",
    ])
    .await;
    assert_eq!(json_lines(&output)[0]["outcome"], json!("ok"));
    let rule = format!("example.com:{}:127.0.0.1", address.port());
    let url = format!("http://example.com:{}/", address.port());
    let output =
        run_beside(&["probe", &url, "--resolve", &rule, "--allow-cidr", "127.0.0.0/8", "--json"]).await;
    assert_eq!(json_lines(&output)[0]["outcome"], json!("ok"));
}

#[test]
fn what_policy_forbids_is_refused_with_the_way_out() {
    let output = run(&["probe", "http://127.0.0.1:9/"], b"");
    assert_eq!((code(&output), out(&output)), (65, ""));
    assert!(err(&output).contains("--allow-cidr 127.0.0.1/32 lifts this"), "{}", err(&output));
    let output = run(&["probe", "http://127.0.0.1:9/", "--http", "3", "--allow-cidr", "127.0.0.0/8"], b"");
    assert_eq!(code(&output), 0);
    assert!(out(&output).starts_with("○ Not probed: agent-policy"), "{}", out(&output));
    assert!(out(&output).contains("HTTP/3 is spoken over https alone"), "{}", out(&output));
    let output = run(&["probe", "https://example.com/", "--ca", "/nowhere.pem"], b"");
    assert_eq!(code(&output), 78);
}

// --- check

/// An aggregator with two testers: one that gets a 502 and one that is fine.
#[derive(Debug)]
struct FakeAggregator;

const CHECK_ID: &str = "0123456789abcdef0123456789abcdef";

fn vantage(asn: u32, isp: &str) -> types::Vantage {
    types::Vantage {
        asn,
        isp: isp.to_owned(),
        region: "eu-west".to_owned(),
        country: "DE".to_owned(),
        ..Default::default()
    }
}

fn row(agent: &str, asn: u32, isp: &str, status: u32) -> CheckRow {
    let target = parallax_proto::target_to_wire(&"https://shop.example/".parse().expect("a target"));
    let failure = if status >= 500 { types::FailureKind::HttpStatus as i32 } else { 0 };
    let result = types::ProbeResult {
        target: Some(target),
        failure,
        party: i32::from(failure != 0),
        status,
        phases: Some(types::Phases { total_us: 12_345, ..Default::default() }),
        emitter: Some(types::Emitter { name: "nginx".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    CheckRow {
        agent_id: agent.to_owned(),
        vantage: Some(vantage(asn, isp)),
        result: Some(result),
        after_us: 20_000,
    }
}

fn partial() -> Diagnosis {
    let mut diagnosis = Diagnosis::unknown(
        "shop.example is down for customers of Example Net\u{1b}[2J.",
        vec!["a tester on IPv6".to_owned()],
    );
    diagnosis.verdict = Verdict::Partial;
    diagnosis.scopes = vec![serde_json::from_value(json!({"asn": 64500})).expect("a scope")];
    diagnosis.evidence = vec!["1 of 1 testers in AS64500 fails.".to_owned()];
    (diagnosis.agents, diagnosis.failing) = (2, 1);
    diagnosis
}

fn events() -> Vec<Event> {
    let agent = |id: &str, asn, isp| CheckAgent { agent_id: id.to_owned(), vantage: Some(vantage(asn, isp)) };
    vec![
        Event::Started(CheckStarted {
            check_id: CHECK_ID.to_owned(),
            target: Some(parallax_proto::target_to_wire(&"https://shop.example/".parse().expect("a target"))),
            panel: vec![agent("a1", 64500, "Example Net"), agent("a2", 64501, "Other Net")],
            joined: false,
            started_at_us: 1,
        }),
        Event::Row(row("a1", 64500, "Example Net", 502)),
        Event::Row(row("a2", 64501, "Other Net", 200)),
        Event::Verdict(parallax_proto::diagnosis_to_wire(&partial())),
        Event::Done(CheckDone { took_us: 30_000, answered: 2, asked: 2 }),
    ]
}

#[tonic::async_trait]
impl CheckService for FakeAggregator {
    type CheckStream = tokio_stream::Iter<std::vec::IntoIter<Result<CheckResponse, Status>>>;

    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<Self::CheckStream>, Status> {
        let mut events = match request.into_inner().site.as_str() {
            "localhost" => {
                return Err(Status::invalid_argument("localhost is a name of somebody's own network."));
            }
            "busy.local" => {
                let mut status = Status::resource_exhausted("busy.local is asked for too often");
                status.metadata_mut().insert("retry-after", 40.into());
                return Err(status);
            }
            "cut.local" => events()[..3].to_vec(),
            _ => events(),
        };
        let answer: Vec<_> = events.drain(..).map(|event| Ok(CheckResponse { event: Some(event) })).collect();
        Ok(Response::new(tokio_stream::iter(answer)))
    }

    async fn get_check(&self, _: Request<GetCheckRequest>) -> Result<Response<GetCheckResponse>, Status> {
        Err(Status::not_found("there is no check of this id"))
    }
}

async fn aggregator() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let server = tonic::transport::Server::builder().add_service(CheckServiceServer::new(FakeAggregator));
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.expect("the server runs");
    });
    (url, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_shows_both_sides() {
    let (server, _aggregator) = aggregator().await;
    let (address, _site) = site(FINE).await;
    let url = format!("http://{address}/");
    let output = run_beside(&["check", &url, "--server", &server, "--allow-cidr", "127.0.0.0/8"]).await;
    assert_eq!((code(&output), err(&output)), (0, ""));
    let lines: Vec<&str> = out(&output).lines().collect();
    let expected = [
        "Checking https://shop.example/: 2 testers asked.",
        "■ Fails    Example Net AS64500       eu-west DE     http-502              12.3 ms  nginx",
        "● Works    Other Net AS64501         eu-west DE     200                   12.3 ms  nginx",
        "  so far: shop.example is down for customers of Example Net [2J.",
        "",
        "Partly down: shop.example is down for customers of Example Net [2J.",
        "Who: AS64500",
        "  · 1 of 1 testers in AS64500 fails.",
        "Missing: a tester on IPv6",
        "",
    ];
    assert_eq!(lines[..10], expected);
    assert!(
        lines[10].starts_with("From here: it works (200 in ")
            && lines[10].ends_with("written by nginx (origin))."),
        "{}",
        lines[10]
    );
    assert_eq!(lines[11], "From 2 testers: 1 reaches it, 1 fails.");
    assert_eq!(lines[12], "shop.example is down for AS64500; it works for you.");
    assert_eq!(lines[13], format!("{server}/c/{CHECK_ID}"));
    assert!(
        !out(&output).contains('\u{1b}') && lines.iter().all(|line| line.chars().count() <= 100),
        "{}",
        out(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_streams_its_events_as_json() {
    let (server, _aggregator) = aggregator().await;
    let output = run_beside(&["check", "http://10.0.0.1/", "--server", &server, "--json"]).await;
    assert_eq!((code(&output), err(&output)), (0, ""));
    let lines = json_lines(&output);
    let name = |line: &Value| line["event"].as_str().unwrap_or_default().to_owned();
    let world: Vec<String> = lines.iter().map(name).filter(|event| event != "here").collect();
    assert_eq!(world, ["started", "row", "row", "verdict", "done", "answer"]);
    let here = lines.iter().find(|line| line["event"] == "here").expect("the look from here");
    assert_eq!((&here["probed"], &here["state"]), (&json!(false), &json!("not-probed")));
    let row = lines.iter().find(|line| line["event"] == "row").expect("a row");
    assert_eq!(
        (&row["agent"], &row["vantage"]["asn"], &row["result"]["outcome"]),
        (&json!("a1"), &json!(64500), &json!("http-502"))
    );
    let answer = lines.last().expect("an answer");
    for (key, value) in [
        ("site", json!("shop.example")),
        ("verdict", json!("partial")),
        ("answer", json!("down-for-some")),
        ("sentence", json!("shop.example is down for AS64500; whether for you cannot be told from here.")),
        ("id", json!(CHECK_ID)),
        ("permalink", json!(format!("{server}/c/{CHECK_ID}"))),
    ] {
        assert_eq!(answer[key], value, "{key}");
    }
    assert_eq!(
        (&answer["here"]["state"], &answer["diagnosis"]["scopes"]),
        (&json!("not-probed"), &json!([{"asn": 64500}]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_an_aggregator_are_told() {
    let (server, _aggregator) = aggregator().await;
    let cases = [
        ("localhost", 65, "parallax: localhost is a name of somebody's own network.\n"),
        ("busy.local", 69, "parallax: busy.local is asked for too often; try again in 40 s\n"),
    ];
    for (site, expected, sentence) in cases {
        let output = run_beside(&["check", site, "--server", &server]).await;
        assert_eq!((code(&output), err(&output)), (expected, sentence), "{site}");
    }
    let output = run_beside(&["check", "cut.local", "--server", &server, "--json"]).await;
    let answer = json_lines(&output).pop().expect("an answer");
    assert_eq!((code(&output), &answer["answer"], &answer["verdict"]), (69, &json!("unknown"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_aggregator_this_side_is_still_told() {
    let (address, _site) = site(FINE).await;
    let url = format!("http://{address}/");
    // Bound and dropped: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let server = format!("http://{nobody}");
    let output = run_beside(&["check", &url, "--server", &server, "--allow-cidr", "127.0.0.0/8"]).await;
    assert_eq!(code(&output), 69);
    assert_eq!(
        err(&output),
        format!(
            "parallax: no aggregator answers at {server}; start one with `parallax up`, or name another with --server\n"
        )
    );
    assert!(out(&output).starts_with("From here: it works (200 in "), "{}", out(&output));
    assert!(
        out(&output).ends_with(&format!("{address} works from here; nobody else could be asked.\n")),
        "{}",
        out(&output)
    );
}

// --- an operator's work

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_needs_a_key() {
    let output = run_beside(&["agents", "list"]).await;
    assert_eq!((code(&output), out(&output)), (78, ""));
    assert!(err(&output).contains("--key-file"), "{}", err(&output));
}

#[test]
fn an_id_that_is_none_is_bad_input() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = run_in(directory.path(), &["incidents", "show", "x"], b"");
    assert_eq!(code(&output), 65);
    assert!(err(&output).contains("32 lower-case hexadecimal digits"), "{}", err(&output));
}
