use super::*;
use crate::ProberSettings;
use crate::dns::fake::{MOVED, SERIAL, Server, ZONE};
use crate::test_site::{prober, settings};

fn host(label: &str) -> Host {
    format!("{label}.{ZONE}").parse().expect("a host")
}

#[tokio::test]
async fn the_zones_own_server_knows_where_a_name_is_now() {
    let server = Server::new().await;
    let prober = prober(ProberSettings { zones: vec![server.zone()], ..settings() });
    let current = prober.authority(&host("moved"), Family::V4).await.expect("an answer");
    let expected = Authority {
        zone: ZONE.parse().expect("a host"),
        addresses: vec![MOVED[1].into()],
        alias: None,
        ttl_s: Some(60),
        steady: true,
        serial: Some(SERIAL),
        primary: Some(format!("ns1.{ZONE}").into()),
    };
    assert_eq!(current, expected);
    let asked = server.asked();
    assert_eq!(asked.len(), MAX_AUTHORITY_QUESTIONS, "{asked:?}");
    assert!(asked.iter().all(|(_, _, recursion)| !recursion), "{asked:?}");
    let large = prober.authority(&host("large"), Family::V4).await.expect("over TCP");
    assert_eq!(large.addresses, [IpAddr::from(MOVED[1])]);
}

#[tokio::test]
async fn whether_an_address_is_still_given_is_told_only_where_it_can_be() {
    let server = Server::new().await;
    let prober = prober(ProberSettings { zones: vec![server.zone()], ..settings() });
    let (old, new) = (IpAddr::from(MOVED[0]), IpAddr::from(MOVED[1]));
    let cdn = vec!["Site.CDN.example.net".into()];
    for (label, used, left, cnames, expected) in [
        ("moved", new, 60, vec![], Some(true)),
        ("moved", old, 61, vec![], Some(false)),
        ("moved", old, 60, vec![], None),
        ("lasting", old, 60, vec![], Some(false)),
        ("inside", new, 60, vec![], Some(true)),
        ("inside", old, 61, vec![], Some(false)),
        ("turns", old, 300, vec![], None),
        ("elsewhere", old, 300, cdn, None),
        ("elsewhere", old, 300, vec!["site.other-cdn.example.org".into()], Some(false)),
        ("elsewhere", old, 300, vec![], Some(false)),
        ("gone", old, 60, vec![], Some(false)),
    ] {
        let resolved = DnsFacts { cnames, ttl_left_s: Some(left), ..DnsFacts::default() };
        let zone = prober.authority(&host(label), Family::V4).await.expect(label);
        assert_eq!(zone.still_gives(used, &resolved), expected, "{label}: {zone:?}");
    }
}

#[tokio::test]
async fn servers_that_do_not_speak_for_the_zone_are_not_believed() {
    let server = Server::new().await;
    let prober = prober(ProberSettings { zones: vec![server.zone()], ..settings() });
    for label in ["lame", "refused"] {
        let error = prober.authority(&host(label), Family::V4).await.expect_err(label);
        assert_eq!(error.to_string(), format!("no server of {ZONE} answered with authority"), "{label}");
    }
    let address = "192.0.2.1".parse().expect("a host");
    let error = prober.authority(&address, Family::V4).await.expect_err("no name");
    assert_eq!(error.to_string(), "192.0.2.1 is no name of a zone");
}

#[tokio::test]
async fn a_zones_server_in_a_private_network_is_not_asked() {
    let server = Server::new().await;
    let prober = prober(ProberSettings { resolver: server.setting(), ..settings() });
    let error = prober.authority(&host("a.b.moved"), Family::V4).await.expect_err("10.0.0.1 is refused");
    assert_eq!(error, AuthorityError::NoServer { host: host("a.b.moved") });
    let walked: Vec<String> = server.asked().into_iter().map(|(label, _, _)| label).collect();
    assert_eq!(&walked[..4], ["a", "b", "moved", "site-under-test"]);
    assert!(server.asked().iter().all(|(_, _, recursion)| *recursion), "nobody else was asked");
}

#[test]
fn the_zone_is_looked_for_up_to_what_somebody_registered() {
    for (name, expected) in [
        ("example.com", vec!["example.com"]),
        ("www.example.co.uk", vec!["www.example.co.uk", "example.co.uk"]),
        (
            "a.b.c.d.example.com",
            vec!["a.b.c.d.example.com", "b.c.d.example.com", "c.d.example.com", "d.example.com"],
        ),
        ("co.uk", vec!["co.uk"]),
    ] {
        let zones: Vec<String> =
            zones_above(&name.parse().expect(name)).iter().map(ToString::to_string).collect();
        assert_eq!(zones, expected, "{name}");
    }
}
