use super::*;

fn host(text: &str) -> Host {
    text.parse().expect(text)
}

fn port(number: u16) -> Port {
    Port::new(number).expect("not zero")
}

#[test]
fn rules_survive_their_own_text() {
    for text in
        ["example.com:443:192.0.2.1", "example.com:80:[2001:db8::1],192.0.2.1", "[2001:db8::1]:443:192.0.2.1"]
    {
        assert_eq!(text.parse::<ResolveRule>().expect(text).to_string(), text);
    }
    for text in [
        "a.example:443:b.example:8443",
        ":::",
        "a.example::[2001:db8::1]:",
        "::127.0.0.1:8080",
        "[2001:db8::1]:443::",
    ] {
        assert_eq!(text.parse::<ConnectTo>().expect(text).to_string(), text);
    }
    for text in [
        "demo.example=127.0.0.1:5353",
        "demo.example=[::1]:53",
        "demo.example=127.0.0.1:5353,public-one",
        "demo.example=127.0.0.1:5353,isp,127.0.0.1:53",
        "demo.example=127.0.0.1:5353,isp,[::1]:53",
    ] {
        assert_eq!(text.parse::<ZoneResolver>().expect(text).to_string(), text);
    }
}

#[test]
fn texts_that_are_no_rules_are_refused_with_the_right_form() {
    for text in [
        "",
        "example.com",
        "example.com:443",
        "example.com:443:",
        "example.com:0:192.0.2.1",
        "example.com:443:b.example",
        "a b:443:192.0.2.1",
        "[::1:443:192.0.2.1",
    ] {
        let told = text.parse::<ResolveRule>().expect_err(text).to_string();
        assert!(told.contains("example.com:443:192.0.2.1"), "{told}");
    }
    for text in [
        "",
        "a.example:443",
        "a.example:443:b.example",
        "a.example:x:b.example:80",
        "a.example:443:b.example:0",
    ] {
        let told = text.parse::<ConnectTo>().expect_err(text).to_string();
        assert!(told.contains("HOST1:PORT1:HOST2:PORT2"), "{told}");
    }
    for text in [
        "",
        "demo.example",
        "demo.example=127.0.0.1",
        "=127.0.0.1:53",
        "127.0.0.1=127.0.0.1:53",
        "demo.example=127.0.0.1:53,",
        "demo.example=127.0.0.1:53,isp,",
        "demo.example=127.0.0.1:53,isp,127.0.0.1",
        "demo.example=127.0.0.1:53,,127.0.0.1:53",
    ] {
        let told = text.parse::<ZoneResolver>().expect_err(text).to_string();
        assert!(told.contains("ZONE=ADDRESS:PORT"), "{told}");
    }
}

#[test]
fn connect_to_keeps_what_it_does_not_name() {
    let cases = [
        ("a.example:443:b.example:8443", "a.example", 443, Some(("b.example", 8443))),
        ("a.example:443:b.example:8443", "a.example", 80, None),
        ("a.example:443:b.example:8443", "c.example", 443, None),
        ("::b.example:", "c.example", 80, Some(("b.example", 80))),
        ("a.example:::8080", "a.example", 80, Some(("a.example", 8080))),
        (":::", "a.example", 80, Some(("a.example", 80))),
    ];
    for (rule, from, from_port, expected) in cases {
        let got = rule.parse::<ConnectTo>().expect(rule).apply(&host(from), port(from_port));
        assert_eq!(got, expected.map(|(h, p)| (host(h), port(p))), "{rule} on {from}:{from_port}");
    }
}

#[test]
fn a_zone_holds_its_own_name_and_what_is_below_it() {
    let zone: ZoneResolver = "demo.example=127.0.0.1:53".parse().expect("a zone");
    for (name, expected) in
        [("demo.example", true), ("a.demo.example", true), ("notdemo.example", false), ("example", false)]
    {
        assert_eq!(zone.holds(&host(name)), expected, "{name}");
    }
}
