use parallax_model::Asn;

use super::*;
use crate::fixtures::{NOW, agent, store};

fn news(name: &str, at: UnixMicros, results_added: u64) -> Heard {
    let declared = Vantage { asn: Some(Asn(64_500)), city: Some("Köln".to_owned()), ..Vantage::default() };
    let vantage = Vantage { asn: Some(Asn(64_501)), ..Vantage::default() };
    Heard { agent: agent(name), at, version: "1.2.3".to_owned(), declared, vantage, results_added }
}

#[tokio::test]
async fn what_was_heard_of_an_agent_is_kept() {
    let (_dir, store) = store();
    store.enroll(&agent("b"), [2; 32], NOW).await.unwrap();
    store.enroll(&agent("a"), [1; 32], NOW).await.unwrap();
    let (later, earlier) = (NOW.plus_secs(10), NOW.plus_secs(5));
    store.heard(vec![news("a", later, 100), news("nobody", later, 1)]).await.unwrap();
    store.heard(vec![news("a", earlier, 11)]).await.unwrap();
    let agents = store.agents().await.unwrap();
    let Heard { declared, vantage, version, .. } = news("a", later, 0);
    let a = AgentRecord {
        agent: agent("a"),
        key_fingerprint: [1; 32],
        enrolled_at: NOW,
        revoked_at: None,
        last_heard: Some(later),
        version,
        declared,
        vantage,
        results: 111,
    };
    assert_eq!(agents[0], a);
    assert_eq!((agents.len(), agents[1].last_heard, agents[1].version.as_str()), (2, None, ""));
    assert_eq!(store.agent(&agent("nobody")).await.unwrap(), None);
}

#[tokio::test]
async fn a_revocation_is_for_good() {
    let (_dir, store) = store();
    assert!(!store.revoke(&agent("a"), NOW).await.unwrap());
    store.enroll(&agent("a"), [1; 32], NOW).await.unwrap();
    assert!(store.revoke(&agent("a"), NOW.plus_secs(1)).await.unwrap());
    assert!(store.revoke(&agent("a"), NOW.plus_secs(2)).await.unwrap());
    assert_eq!(store.agent(&agent("a")).await.unwrap().unwrap().revoked_at, Some(NOW.plus_secs(1)));
    store.enroll(&agent("a"), [3; 32], NOW.plus_secs(3)).await.unwrap();
    let record = store.agent(&agent("a")).await.unwrap().unwrap();
    assert_eq!((record.revoked_at, record.key_fingerprint), (Some(NOW.plus_secs(1)), [3; 32]));
}
