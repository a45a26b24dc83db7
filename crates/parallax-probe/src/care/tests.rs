use super::*;
use crate::ProberSettings;
use crate::test_site::{NAME, NOW, Site, prober, settings, target};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const BAD: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";

async fn with_care(settings: ProberSettings, target: Target) -> ProbeResult {
    prober(settings).probe_with_care(&ProbeRequest::new(target), NOW, Duration::ZERO).await
}

fn party(result: &ProbeResult) -> Option<Party> {
    match result.outcome {
        Outcome::Ok => None,
        Outcome::Failed(failure) => Some(failure.party),
    }
}

#[tokio::test]
async fn what_works_is_asked_once() {
    let site = Site::answering(OK).await;
    let result = with_care(settings(), site.target()).await;
    assert_eq!((result.outcome, result.retry, result.beacon), (Outcome::Ok, None, BeaconState::Untested));
    assert_eq!(site.accepted(), 1);
}

#[tokio::test]
async fn a_failure_with_working_beacons_is_the_targets() {
    let (site, beacon) = (Site::answering(BAD).await, Site::answering(OK).await);
    let result =
        with_care(ProberSettings { beacons: vec![beacon.target()], ..settings() }, site.target()).await;
    assert_eq!(result.outcome.to_string(), "http-502");
    assert_eq!((result.retry, result.beacon), (Some(RetryOutcome::Fail), BeaconState::Ok));
    assert_eq!(party(&result), Some(Party::Target));
    assert_eq!((site.accepted(), beacon.accepted()), (2, 2));
}

#[tokio::test]
async fn a_failure_without_a_working_beacon_is_our_own() {
    let (site, beacon) = (Site::answering(BAD).await, Site::cutting().await);
    let result =
        with_care(ProberSettings { beacons: vec![beacon.target()], ..settings() }, site.target()).await;
    assert_eq!(result.outcome.to_string(), "http-502");
    assert_eq!((result.beacon, party(&result)), (BeaconState::Failed, Some(Party::Agent)));
}

#[tokio::test]
async fn without_beacons_the_error_speaks_for_itself() {
    let site = Site::answering_in_turn(vec![BAD.into(), OK.into()]).await;
    let result = with_care(settings(), site.target()).await;
    assert_eq!((result.retry, result.beacon), (Some(RetryOutcome::Ok), BeaconState::Untested));
    assert_eq!((result.outcome.to_string().as_str(), party(&result)), ("http-502", Some(Party::Target)));
}

#[tokio::test]
async fn a_retry_that_works_stands_for_the_second_beacon() {
    let site = Site::answering_in_turn(vec![BAD.into(), OK.into()]).await;
    let beacon = Site::answering(OK).await;
    let result =
        with_care(ProberSettings { beacons: vec![beacon.target()], ..settings() }, site.target()).await;
    assert_eq!((result.retry, result.beacon), (Some(RetryOutcome::Ok), BeaconState::Ok));
    assert_eq!(beacon.accepted(), 1);
}

#[tokio::test]
async fn an_earlier_success_counts_as_the_beacon_before() {
    let (site, beacon) = (Site::answering(BAD).await, Site::answering(OK).await);
    let prober = prober(ProberSettings { beacons: vec![beacon.target()], ..settings() });
    assert_eq!(prober.beacon(Family::V4).await, BeaconState::Ok);
    assert_eq!(prober.beacon(Family::V6).await, BeaconState::Untested);
    let result = prober.probe_with_care(&ProbeRequest::new(site.target()), NOW, Duration::ZERO).await;
    assert_eq!((result.beacon, beacon.accepted()), (BeaconState::Ok, 2));
}

#[tokio::test]
async fn what_policy_refuses_is_not_tried_again() {
    let beacon = Site::answering(OK).await;
    let result = with_care(
        ProberSettings { beacons: vec![beacon.target()], ..settings() },
        target("http://169.254.169.254/"),
    )
    .await;
    assert_eq!(result.outcome.to_string(), "blocked-address");
    assert_eq!((result.retry, result.beacon, beacon.accepted()), (None, BeaconState::Untested, 0));
}

#[tokio::test]
async fn a_lookup_that_fails_is_the_resolvers_only_while_the_line_works() {
    let server = crate::dns::fake::Server::new().await;
    let resolver = server.setting();
    let beacon = Site::answering(OK).await;
    let site = target("https://servfail.site-under-test.com/");
    let by_address =
        ProberSettings { resolver: resolver.clone(), beacons: vec![beacon.target()], ..settings() };
    let result = with_care(by_address, site.clone()).await;
    assert_eq!(result.outcome.to_string(), "dns-servfail");
    assert_eq!((result.beacon, party(&result)), (BeaconState::Ok, Some(Party::Resolver)));
    let by_name =
        ProberSettings { resolver, beacons: vec![target(&format!("http://{NAME}/"))], ..settings() };
    let result = with_care(by_name, site).await;
    assert_eq!((result.beacon, party(&result)), (BeaconState::Failed, Some(Party::Agent)));
}
