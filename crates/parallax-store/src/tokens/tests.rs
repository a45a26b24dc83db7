use tokio::task::JoinSet;

use super::*;
use crate::fixtures::{NOW, agent, store};

const LIFE_S: i64 = 24 * 60 * 60;

fn token(byte: u8, name: &str, created_at: UnixMicros) -> TokenRecord {
    let expires_at = created_at.plus_secs(LIFE_S);
    TokenRecord { hash: [byte; 32], agent: agent(name), created_at, expires_at }
}

fn refusal(outcome: &Result<Redeemed, RedeemError>) -> Option<TokenRefusal> {
    match outcome {
        Err(RedeemError::Refused(refusal)) => Some(*refusal),
        Ok(_) | Err(RedeemError::Store(_)) => None,
    }
}

#[tokio::test]
async fn the_first_key_has_the_token_and_keeps_it() {
    let (_dir, store) = store();
    store.create_token(token(1, "a", NOW)).await.unwrap();
    let later = NOW.plus_secs(60);
    let redeemed = |again| Redeemed { agent: agent("a"), at: NOW, again };
    assert_eq!(store.redeem_token([1; 32], [7; 32], NOW).await.unwrap(), redeemed(false));
    assert_eq!(store.redeem_token([1; 32], [7; 32], later).await.unwrap(), redeemed(true));
    assert_eq!(refusal(&store.redeem_token([1; 32], [8; 32], later).await), Some(TokenRefusal::Used));
    let record = store.agent(&agent("a")).await.unwrap().unwrap();
    assert_eq!((record.key_fingerprint, record.enrolled_at), ([7; 32], NOW));
}

#[tokio::test]
async fn tokens_that_are_no_good() {
    let (_dir, store) = store();
    store.create_token(token(1, "a", NOW)).await.unwrap();
    let redeem = |hash, after_s| store.redeem_token([hash; 32], [7; 32], NOW.plus_secs(after_s));
    assert_eq!(refusal(&redeem(2, 0).await), Some(TokenRefusal::Unknown));
    assert_eq!(refusal(&redeem(1, LIFE_S).await), Some(TokenRefusal::Expired));
    assert!(redeem(1, LIFE_S - 1).await.is_ok());
    // The same key that had it: expired all the same.
    assert_eq!(refusal(&redeem(1, LIFE_S).await), Some(TokenRefusal::Expired));
}

#[tokio::test]
async fn no_token_brings_a_revoked_agent_back() {
    let (_dir, store) = store();
    store.create_token(token(1, "a", NOW)).await.unwrap();
    store.redeem_token([1; 32], [7; 32], NOW).await.unwrap();
    let revoked_at = NOW.plus_secs(1);
    assert!(store.revoke(&agent("a"), revoked_at).await.unwrap());
    let again = store.redeem_token([1; 32], [7; 32], NOW.plus_secs(2)).await;
    assert_eq!(refusal(&again), Some(TokenRefusal::Revoked));
    assert_eq!(store.agent(&agent("a")).await.unwrap().unwrap().revoked_at, Some(revoked_at));

    store.create_token(token(2, "a", NOW.plus_secs(3))).await.unwrap();
    let anew = store.redeem_token([2; 32], [8; 32], NOW.plus_secs(4)).await;
    assert_eq!(refusal(&anew), Some(TokenRefusal::Revoked));
    let record = store.agent(&agent("a")).await.unwrap().unwrap();
    assert_eq!((record.revoked_at, record.key_fingerprint), (Some(revoked_at), [7; 32]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_one_has_it() {
    let (_dir, store) = store();
    store.create_token(token(1, "a", NOW)).await.unwrap();
    let mut tries = JoinSet::new();
    for n in 0..1_000_u16 {
        let store = store.clone();
        let mut key = [0; 32];
        key[..2].copy_from_slice(&n.to_le_bytes());
        tries.spawn(async move { store.redeem_token([1; 32], key, NOW).await });
    }
    let outcomes = tries.join_all().await;
    let used = outcomes.iter().filter(|o| matches!(o, Err(RedeemError::Refused(TokenRefusal::Used)))).count();
    let taken = outcomes.iter().filter(|o| matches!(o, Ok(Redeemed { again: false, .. }))).count();
    assert_eq!((taken, used), (1, 999));
}
