use parallax_model::{CheckId, Micros};

use super::*;
use crate::test_site::{NAME, NOW, Site, prober, settings, target};
use crate::{Deadlines, ProberSettings};

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
    // The second request of the site is the retry's, the third asks for a path that needs no application.
    assert_eq!((site.accepted(), beacon.accepted()), (3, 2));
    assert_eq!(result.tie_breakers.static_ok, Some(false));
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

#[test]
fn a_beacon_is_believed_only_when_it_answers_as_it_is_known_to() {
    let success =
        parallax_model::BodyFacts { length: 8, sha256: Some(SUCCESS_TXT), truncated: false, page: None };
    let page = parallax_model::BodyFacts { sha256: Some([7; 32]), ..success };
    let beacon = |url: &str, status, body: Option<&parallax_model::BodyFacts>, led: Option<&str>| {
        let to = led.map(target);
        let redirects =
            to.map(|to| parallax_model::Redirect { status: StatusCode::new(302).expect("in range"), to });
        let result = ProbeResult {
            status: StatusCode::new(status).ok(),
            body: body.cloned(),
            redirects: redirects.into_iter().collect(),
            ..ProbeResult::new(target(url), NOW, Outcome::Ok)
        };
        is_beacons_answer(&target(url), &result)
    };
    let (no_content, text) = ("http://c.example.com/generate_204", "http://d.example.com/success.txt");
    assert!(beacon(no_content, 204, None, None));
    assert!(!beacon(no_content, 200, Some(&page), None), "a login page");
    assert!(
        !beacon(no_content, 204, None, Some("http://portal.example.net/login")),
        "a login page elsewhere"
    );
    assert!(beacon(text, 200, Some(&success), None));
    assert!(!beacon(text, 200, Some(&page), None), "a login page");
    assert!(beacon("http://e.example.com/", 200, Some(&page), None));
    assert!(beacon("http://e.example.com/", 200, None, Some("https://e.example.com/")));
    assert_eq!(ring::digest::digest(&ring::digest::SHA256, b"success\n").as_ref(), SUCCESS_TXT);
}

#[tokio::test]
async fn a_login_page_on_the_way_is_no_working_line() {
    const LOGIN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nlogin!";
    let (site, portal) = (Site::answering(BAD).await, Site::answering(LOGIN).await);
    let beacon = target(&format!("{}generate_204", portal.target()));
    let result = with_care(ProberSettings { beacons: vec![beacon], ..settings() }, site.target()).await;
    assert_eq!((result.beacon, party(&result)), (BeaconState::Failed, Some(Party::Agent)));
}

#[tokio::test]
async fn when_most_sites_fail_at_once_the_line_is_suspected() {
    let (good, beacon) = (Site::answering(OK).await, Site::answering(OK).await);
    let rules = (0..5).map(|n| format!("site{n}.example{n}.com:80:127.0.0.1").parse().expect("a rule"));
    let port = good.addr.port();
    let to = format!("site0.example0.com:80:127.0.0.1:{port}").parse().expect("a rule");
    let settings = ProberSettings {
        resolve: rules.collect(),
        connect_to: vec![to, ":80:127.0.0.77:9".parse().expect("a rule")],
        beacons: vec![beacon.target()],
        ..settings()
    };
    let prober = prober(settings);
    let mut parties = Vec::new();
    for n in 0..5 {
        let request = ProbeRequest::new(target(&format!("http://site{n}.example{n}.com/")));
        let result = prober.probe_with_care(&request, NOW, Duration::ZERO).await;
        parties.push((result.outcome.to_string(), party(&result), result.beacon));
    }
    let refused = |party, beacon| ("connect-refused".to_owned(), Some(party), beacon);
    assert_eq!(parties[0], ("ok".to_owned(), None, BeaconState::Untested));
    assert_eq!(parties[3], refused(Party::Target, BeaconState::Ok), "three of four are too few to tell");
    assert_eq!(parties[4], refused(Party::Agent, BeaconState::Failed), "four of five are not");
}

#[test]
fn a_status_over_tls_was_not_written_by_the_line() {
    let failed = |url: &str, kind: &str| {
        let failure = Failure { kind: kind.parse().expect(kind), party: Party::Unknown };
        may_be_the_line(&ProbeResult::new(target(url), NOW, Outcome::Failed(failure)))
    };
    for (url, kind, expected) in [
        ("https://a.example.com/", "http-502", false),
        ("http://a.example.com/", "http-502", true),
        ("https://a.example.com/", "connect-timeout", true),
        ("https://a.example.com/", "dns-nxdomain", true),
        ("https://a.example.com/", "blocked-challenge", false),
        ("https://a.example.com/", "agent-overloaded", false),
    ] {
        assert_eq!(failed(url, kind), expected, "{kind} of {url}");
    }
}

#[test]
fn a_probe_that_was_led_to_a_filter_did_not_see_the_site() {
    let seen = |address: &str, resolver: Option<&str>| {
        let dns = parallax_model::DnsFacts { resolver: resolver.map(Into::into), ..Default::default() };
        let address = Some(address.parse().expect("an address"));
        let result = ProbeResult::new(target("https://a.example.com/"), NOW, Outcome::Ok);
        filter_met(&ProbeResult { address, dns, ..result })
    };
    assert_eq!(seen("195.175.254.2", Some("isp")), Some("Turkey's providers"));
    assert_eq!(seen("195.175.254.2", None), None, "nobody was led there by a resolver");
    assert_eq!(seen("192.0.2.1", Some("isp")), None);
}

/// What a probe for a check tells while it goes on, and its result.
async fn told(settings: ProberSettings, target: Target) -> (Vec<ProbeResult>, ProbeResult) {
    let told = Mutex::new(Vec::new());
    let request = ProbeRequest { check: Some(CheckId(7)), ..ProbeRequest::new(target) };
    let tell = |so_far| told.lock().expect("told").push(so_far);
    let result = prober(settings).probe_telling(&request, NOW, Duration::ZERO, &tell).await;
    (told.into_inner().expect("told"), result)
}

#[tokio::test]
async fn a_check_hears_of_the_first_failure_before_the_second_attempt() {
    let (site, beacon) =
        (Site::answering_in_turn(vec![BAD.into(), OK.into()]).await, Site::answering(OK).await);
    let (told, result) =
        told(ProberSettings { beacons: vec![beacon.target()], ..settings() }, site.target()).await;
    let [first] = &told[..] else { panic!("once: {told:?}") };
    assert_eq!((first.outcome.to_string().as_str(), first.retry), ("http-502", None));
    assert_eq!(
        (first.check, first.beacon, party(first)),
        (Some(CheckId(7)), BeaconState::Ok, Some(Party::Target))
    );
    assert_eq!(result.retry, Some(RetryOutcome::Ok));
}

#[tokio::test]
async fn nothing_is_told_while_our_own_line_is_broken() {
    let (site, beacon) = (Site::answering(BAD).await, Site::cutting().await);
    let (told, result) =
        told(ProberSettings { beacons: vec![beacon.target()], ..settings() }, site.target()).await;
    assert_eq!((told.len(), party(&result)), (0, Some(Party::Agent)));
}

#[tokio::test]
async fn a_check_hears_that_nothing_has_come_long_before_the_probe_gives_up() {
    let site = Site::talking(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let patience = Duration::from_millis(20);
    let deadlines = Deadlines { patience, first_byte: Duration::from_millis(200), ..Deadlines::default() };
    let (told, result) = told(ProberSettings { deadlines, ..settings() }, site.target()).await;
    let outcomes: Vec<String> = told.iter().map(|so_far| so_far.outcome.to_string()).collect();
    assert_eq!(
        outcomes,
        ["http-timeout", "http-timeout"],
        "out of patience, and when the first attempt failed"
    );
    assert_eq!(told[0].phases.total, Micros::from(patience));
    assert_eq!((told[0].address, told[0].family), (Some(site.addr.ip()), Some(Family::V4)));
    assert!(told[1].phases.total >= Micros::from(deadlines.first_byte), "the attempt went on");
    assert_eq!(result.outcome.to_string(), "http-timeout");
}
