//! The agents' port as strangers and clumsy agents meet it: thousands of connections that say nothing, handshakes that stop half-way,
//! identities that come again and again, and words that no agent should say. Agents that behave are served meanwhile.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parallax_lab::load::{Fleet, FleetError, Voucher};
use parallax_proto::AGGREGATOR_NAME;
use parallax_proto::v1::agent::agent_service_client::AgentServiceClient;
use parallax_proto::v1::agent::session_request::Message as Up;
use parallax_proto::v1::agent::session_response::Message as Down;
use parallax_proto::v1::agent::{Gap, Heartbeat, Hello, ResultBatch, SessionRequest, SessionResponse};
use parallax_proto::v1::types::Vantage;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status, Streaming};

use crate::ingest::{SIZE, cargo, counted, good};
use crate::support::page;
use crate::support::program::Program;

/// Connections that say nothing; as many as the system lets one program have, where that is less.
const SILENT: u32 = 10_000;
/// They come from so many addresses.
const ADDRESSES: u32 = 100;
/// Connections that this program gives back when the system lets it have no more.
const GIVEN_BACK: usize = 200;
/// Strangers for whom there is room.
const ROOM: u64 = 2_000;
/// How soon agents are served beside them.
const SERVED: Duration = Duration::from_secs(5);
/// How soon a connection is ended that goes no further.
const ENDED: Duration = Duration::from_secs(30);
/// Connections that one identity may have.
const OF_ONE: usize = 4;
/// How long an answer may take: a stream that says nothing is ended after ten seconds.
const ANSWER: Duration = Duration::from_secs(20);
/// A certificate that ends in 2049.
const GOOD_UNTIL_S: u64 = 2_493_072_000;

async fn connect_from(address: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((address, 0).into())?;
    socket.connect(to).await
}

#[tokio::test]
async fn ten_thousand_connections_that_say_nothing_keep_no_agent_out() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let mut program = Program::up(&data, &["--agents", "0"]).await?;
    let mut silent = Vec::new();
    for number in 0..SILENT {
        let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 9, 0, 1)) + number % ADDRESSES);
        match connect_from(from, program.agents).await {
            Ok(stream) => silent.push(stream),
            Err(error) if error.raw_os_error().is_some() => {
                println!("{error}: {} connections it is", silent.len());
                silent.truncate(silent.len().saturating_sub(GIVEN_BACK));
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let began = Instant::now();
    let mut fleet = Fleet::connect(program.agents, &Voucher::open(&data)?, 20).await?;
    fleet.send(&cargo([good()]), 1).await?;
    let took = began.elapsed();
    println!("20 agents are served after {} ms beside {} strangers", took.as_millis(), silent.len());
    assert!(took < SERVED, "{took:?}");
    let (status, _) = page::show(program.page, "/").await?;
    assert_eq!(status.as_u16(), 200);
    let away = "parallax_agent_connections_turned_away_total{reason=\"crowd\"}";
    let expected = (silent.len() as u64).saturating_sub(ROOM);
    let (away, late) =
        (counted(&program, away).await?, counted(&program, &away.replace("crowd", "late")).await?);
    assert!(away + late >= expected, "{away} and {late} of {} were sent away", silent.len());
    let (status, _) = program.interrupt().await?;
    assert_eq!(status.code(), Some(0), "a clean end beside them");
    Ok(())
}

fn trusting(data: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(data.join("ca.pem"))?)?;
    Ok(roots)
}

fn builder(
    data: &Path,
) -> anyhow::Result<rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(versions.with_root_certificates(trusting(data)?))
}

fn with_alpn(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

fn client_hello(data: &Path) -> anyhow::Result<Vec<u8>> {
    let config = with_alpn(builder(data)?.with_no_client_auth());
    let mut connection = ClientConnection::new(config, ServerName::try_from(AGGREGATOR_NAME)?)?;
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes)?;
    Ok(bytes)
}

/// Waits until a connection is ended; what is said on it until then is read.
async fn ended(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> anyhow::Result<()> {
    let mut bytes = [0; 4_096];
    let end = async {
        loop {
            match stream.read(&mut bytes).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof | ErrorKind::ConnectionAborted => {
                        return Ok(());
                    }
                    _ => return Err(error),
                },
            }
        }
    };
    Ok(timeout(ENDED, end).await.context("it is not ended")??)
}

async fn shaken_hands(at: SocketAddr, config: Arc<ClientConfig>) -> anyhow::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(at).await?;
    Ok(TlsConnector::from(config).connect(ServerName::try_from(AGGREGATOR_NAME)?, tcp).await?)
}

#[tokio::test]
async fn a_connection_that_goes_no_further_is_ended() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let program = Program::up(&data, &["--agents", "0"]).await?;
    let hello = client_hello(&data)?;
    let half = hello.get(..hello.len() / 2).context("half of it")?.to_vec();
    let cases: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("one byte", vec![0x16]),
        ("a record of sixteen KiB that does not come", vec![0x16, 3, 1, 0x40, 0]),
        ("half a ClientHello", half),
        ("a ClientHello and nothing more", hello),
        ("HTTP", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec()),
    ];
    let mut waiting = JoinSet::new();
    for (name, bytes) in cases {
        let mut stream = TcpStream::connect(program.agents).await?;
        stream.write_all(&bytes).await?;
        waiting.spawn(async move { ended(&mut stream).await.context(name) });
    }
    let nobody = with_alpn(builder(&data)?.with_no_client_auth());
    for (name, words) in [
        ("TLS", &b""[..]),
        ("TLS and the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    ] {
        let mut stream = shaken_hands(program.agents, Arc::clone(&nobody)).await?;
        stream.write_all(words).await?;
        waiting.spawn(async move { ended(&mut stream).await.context(name) });
    }
    waiting.join_all().await.into_iter().collect()
}

#[tokio::test]
async fn one_identity_has_a_few_connections_and_one_session() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let program = Program::up(&data, &["--agents", "0"]).await?;
    let voucher = Voucher::open(&data)?;
    let papers = voucher.papers(&"load-0".parse()?, GOOD_UNTIL_S)?;
    let chain = CertificateDer::pem_slice_iter(papers.chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(papers.key_pem.as_bytes())?;
    let config = with_alpn(builder(&data)?.with_client_auth_cert(chain, key)?);
    let mut idle = Vec::new();
    for _ in 0..3 * OF_ONE {
        idle.push(shaken_hands(program.agents, Arc::clone(&config)).await?);
    }
    let rest = idle.split_off(2 * OF_ONE);
    for mut older in idle {
        ended(&mut older).await?;
    }
    // A session takes the place of the oldest of the rest; the newest session wins.
    let mut older = Fleet::connect(program.agents, &voucher, 1).await?;
    older.send(&cargo([good()]), 1).await?;
    let mut newer = Fleet::connect(program.agents, &voucher, 1).await?;
    newer.send(&cargo([good()]), 2).await?;
    let Err(FleetError::Stream { source, .. }) = older.send(&cargo([good()]), 1).await else {
        bail!("two sessions of one identity");
    };
    assert_eq!(source.code(), Code::Aborted, "{source}");
    newer.send(&cargo([good()]), 1).await?;
    assert_eq!(counted(&program, "parallax_results_total").await?, 3 * SIZE, "what came twice counts once");
    drop(rest);
    Ok(())
}

/// One stream of an agent of this name; what it is told first after `words`.
async fn told(
    program: &Program,
    voucher: &Voucher,
    words: Vec<Up>,
) -> anyhow::Result<Result<Vec<Down>, Status>> {
    let tls = voucher.identity(&"rude".parse()?)?;
    let endpoint = Endpoint::from_shared(format!("https://{}", program.agents))?.tls_config(tls)?;
    let channel = endpoint.connect().await?;
    let (out, requests) = mpsc::channel(words.len().max(1));
    let wanted = words.len().max(1);
    for word in words {
        out.send(SessionRequest { message: Some(word) }).await?;
    }
    let answers = async {
        let mut client = AgentServiceClient::new(channel);
        let mut inbound: Streaming<SessionResponse> =
            client.session(ReceiverStream::new(requests)).await?.into_inner();
        let mut answers = Vec::new();
        while answers.len() < wanted {
            match inbound.message().await? {
                Some(SessionResponse { message: None | Some(Down::Assign(_)) }) => {}
                Some(SessionResponse { message: Some(answer) }) => answers.push(answer),
                None => break,
            }
        }
        Ok(answers)
    };
    let told = timeout(ANSWER, answers).await.context("no answer")?;
    drop(out);
    Ok(told)
}

fn hello() -> Hello {
    Hello { version: "1.2.3".to_owned(), epoch: 1, oldest_seq: 1, next_seq: 1, ..Hello::default() }
}

fn gaps(count: usize) -> Up {
    let gap = Gap { results: u64::MAX, from_us: i64::MIN, until_us: i64::MAX, reason: 77 };
    Up::Hello(Hello { gaps: vec![gap; count], ..hello() })
}

fn version(version: impl Into<String>) -> Up {
    Up::Hello(Hello { version: version.into(), ..hello() })
}

#[tokio::test]
async fn what_no_agent_should_say_ends_its_stream_and_nothing_else() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let program = Program::up(&data, &["--agents", "0"]).await?;
    let voucher = Voucher::open(&data)?;
    let declared = Vantage { isp: "x".repeat(100_000), ..Vantage::default() };
    let batch = |epoch, first_seq| Up::Results(ResultBatch { epoch, first_seq, ..good() });
    let cases: [(&str, Vec<Up>, Code); 12] = [
        ("nothing", vec![], Code::DeadlineExceeded),
        ("a giant hello", vec![gaps(100_000)], Code::OutOfRange),
        ("a version too long", vec![version("1".repeat(33))], Code::FailedPrecondition),
        ("no version", vec![version("")], Code::FailedPrecondition),
        ("a version with a new line", vec![version("1.0\nfake log")], Code::FailedPrecondition),
        (
            "a declared name too long",
            vec![Up::Hello(Hello { declared: Some(declared), ..hello() })],
            Code::InvalidArgument,
        ),
        ("a heartbeat first", vec![Up::Heartbeat(Heartbeat::default())], Code::InvalidArgument),
        ("results first", vec![batch(1, 1)], Code::InvalidArgument),
        ("hello twice", vec![Up::Hello(hello()), Up::Hello(hello())], Code::InvalidArgument),
        ("seq 0", vec![Up::Hello(hello()), batch(1, 0)], Code::InvalidArgument),
        ("the last seq there is", vec![Up::Hello(hello()), batch(1, u64::MAX)], Code::OutOfRange),
        ("a seq that no store can count", vec![Up::Hello(hello()), batch(1, 1 << 63)], Code::OutOfRange),
    ];
    for (name, words, code) in cases {
        match told(&program, &voucher, words).await.context(name)? {
            Err(status) => assert_eq!(status.code(), code, "{name}: {status}"),
            Ok(answers) => bail!("{name}: {answers:?}"),
        }
    }
    // Odd, and nobody's harm: many gaps, epochs that no hello told, hellos that contradict themselves.
    let backwards = Up::Hello(Hello {
        oldest_seq: u64::MAX,
        next_seq: 0,
        epoch: u64::MAX,
        clock_us: i64::MIN,
        ..hello()
    });
    let odd: [(&str, Vec<Up>, u64); 4] = [
        ("many gaps", vec![gaps(1_000)], 0),
        ("a hello that is backwards", vec![backwards, batch(u64::MAX, 1)], SIZE),
        ("epochs that were not told", vec![Up::Hello(hello()), batch(0, 1), batch(7, 1)], SIZE),
        (
            "a leap, and back again",
            vec![Up::Hello(hello()), batch(9, 1 << 50), batch(9, 1)],
            (1 << 50) + SIZE - 1,
        ),
    ];
    for (name, words, acked) in odd {
        let answers = told(&program, &voucher, words).await.context(name)?.with_context(|| name)?;
        ensure!(matches!(answers.first(), Some(Down::Welcome(_))), "{name}: {answers:?}");
        let acks = answers.iter().filter_map(|answer| match answer {
            Down::Ack(ack) => Some(ack.through_seq),
            _ => None,
        });
        assert_eq!(acks.max().unwrap_or(0), acked, "{name}");
    }
    let mut fleet = Fleet::connect(program.agents, &voucher, 1).await?;
    fleet.send(&cargo([good()]), 3).await?;
    Ok(())
}
