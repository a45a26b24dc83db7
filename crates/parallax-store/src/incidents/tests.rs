use parallax_model::{Diagnosis, IncidentStep, UnixMicros};

use super::*;
use crate::fixtures::{NOW, host, store};

fn incident_of(id: u128, site: &str, opened_at: UnixMicros, closed_at: Option<UnixMicros>) -> Incident {
    let diagnosis = Diagnosis::unknown("„Umlaut“ 'quote'", vec!["three agents".to_owned()]);
    let steps = vec![IncidentStep { at: opened_at, diagnosis }];
    Incident { id: IncidentId(id), site: host(site), opened_at, closed_at, onset: None, steps }
}

#[tokio::test]
async fn incidents_come_back_as_they_were_newest_first() {
    let (_dir, store) = store();
    let at = |s| NOW.plus_secs(s);
    let first = incident_of(u128::MAX, "a.example", at(1), Some(at(2)));
    let second = incident_of(2, "b.example", at(3), None);
    let third = incident_of(3, "a.example", at(5), None);
    for incident in [&second, &first, &third] {
        store.put_incident(incident).await.unwrap();
    }
    let all = [third.clone(), second.clone(), first.clone()];
    assert_eq!(store.incidents(None, false, 10).await.unwrap(), all);
    assert_eq!(store.incidents(None, false, 2).await.unwrap(), all[..2]);
    assert_eq!(store.incidents(None, true, 10).await.unwrap(), all[..2]);
    let a = host("a.example");
    assert_eq!(store.incidents(Some(&a), false, 10).await.unwrap(), [third.clone(), first.clone()]);
    assert_eq!(store.incidents(Some(&a), true, 10).await.unwrap(), std::slice::from_ref(&third));
    assert_eq!(store.open_incidents().await.unwrap(), [second.clone(), third]);
    assert_eq!(store.incident(first.id).await.unwrap(), Some(first));
    assert_eq!(store.incident(IncidentId(9)).await.unwrap(), None);
    assert_eq!(store.incidents(Some(&host("c.example")), false, 10).await.unwrap(), []);

    let onset = Some(Onset { at: at(2), earliest: at(1), latest: at(3) });
    let closed = Incident { closed_at: Some(at(9)), onset, ..second };
    store.put_incident(&closed).await.unwrap();
    assert_eq!(store.incident(closed.id).await.unwrap(), Some(closed));
    assert_eq!(store.open_incidents().await.unwrap().len(), 1);
}
