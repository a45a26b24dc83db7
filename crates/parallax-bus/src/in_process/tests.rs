use std::future::ready;
use std::sync::Arc;

use parallax_model::{AgentId, UnixMicros, Vantage};

use super::*;

/// An empty lot, told apart by its time.
fn lot(at: i64) -> Published {
    let agent: AgentId = "a".parse().unwrap();
    let vantage = Arc::new(Vantage::default());
    Published { agent, vantage, received_at: UnixMicros(at), results: Arc::default() }
}

/// True when the future is not done after one poll.
async fn waits<T>(future: impl Future<Output = T>) -> bool {
    tokio::select! {
        biased;
        _ = future => false,
        () = ready(()) => true,
    }
}

/// Through the seam, as whoever does not care which bus it is.
async fn in_order<B: Bus>(bus: B) -> Vec<i64> {
    let (publisher, mut subscriber) = bus.split();
    for at in 1..=3 {
        publisher.publish(lot(at)).await.unwrap();
    }
    drop(publisher);
    let mut came = Vec::new();
    while let Some(published) = subscriber.next().await {
        came.push(published.received_at.0);
    }
    came
}

#[tokio::test]
async fn order_is_kept_and_the_end_comes_when_all_publishers_are_gone() {
    assert_eq!(in_order(ResultBus::new()).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_full_bus_makes_publishers_wait() {
    let (publisher, mut subscriber) = ResultBus::with_capacity(2).split();
    publisher.publish(lot(1)).await.unwrap();
    publisher.publish(lot(2)).await.unwrap();
    assert_eq!(publisher.waiting(), 2);
    let mut third = Box::pin(publisher.publish(lot(3)));
    assert!(waits(third.as_mut()).await);
    assert_eq!(subscriber.next().await, Some(lot(1)));
    third.await.unwrap();
    assert_eq!(subscriber.next().await, Some(lot(2)));
    assert_eq!(subscriber.next().await, Some(lot(3)));
    assert!(waits(subscriber.next()).await);
}

#[tokio::test]
async fn the_default_capacity_is_the_named_one() {
    let (publisher, _subscriber) = ResultBus::default().split();
    for at in 0..i64::try_from(CAPACITY).unwrap() {
        publisher.publish(lot(at)).await.unwrap();
    }
    assert!(waits(publisher.publish(lot(-1))).await);
}

#[tokio::test]
async fn closing_refuses_what_is_new_and_drains_what_is_there() {
    let (publisher, mut subscriber) = ResultBus::with_capacity(4).split();
    publisher.publish(lot(1)).await.unwrap();
    publisher.publish(lot(2)).await.unwrap();
    Subscribe::close(&mut subscriber);
    let refused = publisher.publish(lot(3)).await.unwrap_err();
    assert_eq!(refused.to_string(), "publish 0 results of a: the bus is closed");
    assert_eq!(subscriber.next().await, Some(lot(1)));
    assert_eq!(subscriber.next().await, Some(lot(2)));
    assert_eq!(subscriber.next().await, None);
}
