use std::os::unix::fs::PermissionsExt as _;

use parallax_runtime::ManualClock;
use tokio::task::JoinSet;

use super::*;
use crate::fake::{Fake, NOW_US, usual};
use parallax_proto::AGGREGATOR_NAME;

fn config(folder: &std::path::Path, aggregator: &str) -> AgentConfig {
    AgentConfig {
        aggregator: aggregator.to_owned(),
        data_dir: folder.join("agent"),
        ..AgentConfig::default()
    }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(NOW_US))
}

#[tokio::test]
async fn the_right_pin_makes_an_identity_that_only_its_owner_can_read() {
    let (folder, mut tasks) = (tempfile::tempdir().expect("a folder"), JoinSet::new());
    let (fake, _opened, address) = usual(&mut tasks).await;
    let config = config(folder.path(), &address);
    assert!(!is_enrolled(&config));
    enroll(&config, &fake.token().reveal(), clock()).await.expect("enrolled");
    assert!(is_enrolled(&config));
    let identity = DataDir::new(&config.data_dir).identity().expect("an identity");
    assert_eq!(identity.id.as_str(), "agent-7");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&config.data_dir).expect("a folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().expect("a name"));
    }
    names.sort();
    assert_eq!(names, ["agent-id", "ca.pem", "chain.pem", "key.pem", "lock"]);
}

#[tokio::test]
async fn a_clock_that_was_never_set_is_no_hindrance() {
    let (folder, mut tasks) = (tempfile::tempdir().expect("a folder"), JoinSet::new());
    let (fake, _opened, address) = usual(&mut tasks).await;
    let config = config(folder.path(), &address);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
    enroll(&config, &fake.token().reveal(), clock).await.expect("enrolled");
}

#[tokio::test]
async fn a_wrong_pin_or_name_is_refused_before_the_token_is_shown() {
    for (right_pin, name) in [(false, AGGREGATOR_NAME), (true, "other.example")] {
        let (folder, mut tasks) = (tempfile::tempdir().expect("a folder"), JoinSet::new());
        let (fake, _opened) = Fake::new(2040);
        let address = fake.serve_tls(name, &mut tasks).await;
        let token = if right_pin { fake.token() } else { EnrollToken::new([7; 32], [9; 32]) };
        let config = config(folder.path(), &address);
        let error = enroll(&config, &token.reveal(), clock()).await.expect_err("not the right one");
        assert!(matches!(error, EnrollError::Dial(DialError::Tls { .. })), "{right_pin} {error:?}");
        assert!(!is_enrolled(&config));
    }
}

#[tokio::test]
async fn a_retry_uses_the_same_key() {
    let (folder, mut tasks) = (tempfile::tempdir().expect("a folder"), JoinSet::new());
    let (fake, _opened, address) = usual(&mut tasks).await;
    let config = config(folder.path(), &address);
    let bad = EnrollToken::new([8; 32], fake.token().ca_sha256());
    let error = enroll(&config, &bad.reveal(), clock()).await.expect_err("a bad token");
    assert!(matches!(&error, EnrollError::Refused(_)), "{error:?}");
    assert_eq!(error.to_string(), "the aggregator refused: this token is not good");
    let dir = DataDir::new(&config.data_dir);
    let key = dir.pending_key().expect("a key").serialize_pem();
    enroll(&config, &fake.token().reveal(), clock()).await.expect("enrolled");
    assert_eq!(std::fs::read_to_string(dir.path("key.pem")).expect("a key"), key);
}

#[tokio::test]
async fn nobody_there_is_said_and_so_is_a_bad_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let config = config(folder.path(), &address);
    let token = EnrollToken::new([7; 32], [9; 32]).reveal();
    let error = enroll(&config, &token, clock()).await.expect_err("nobody there");
    assert!(matches!(error, EnrollError::Dial(DialError::Connect { .. })), "{error:?}");
    let error = enroll(&config, "plx1", clock()).await.expect_err("no token");
    assert!(matches!(error, EnrollError::Token(_)), "{error:?}");
}
