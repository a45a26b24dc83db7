use super::*;

fn says(lines: &[&str]) -> bool {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(ALT_SVC, line.parse().expect("a value"));
    }
    let host = "www.example.com".parse().expect("a host");
    says_h3(&headers, &host, Port::new(443).expect("a port"))
}

#[test]
fn only_http_3_at_the_same_place_counts() {
    let cases = [
        (r#"h3=":443""#, true),
        (r#"h3=":443"; ma=86400, h3-29=":443"; ma=86400"#, true),
        (r#"h2="alt.example.com:443", h3=":443""#, true),
        (r#"h3="www.example.com:443""#, true),
        (r#"h3="WWW.Example.COM:443"; persist=1"#, true),
        (r#"  h3=":443" ; ma=60 "#, true),
        (r#"quic=":443"; v="46,43", h3=":443""#, true),
        (r#"h3=":8443""#, false),
        (r#"h3="alt.example.com:443""#, false),
        (r#"h3="127.0.0.1:443""#, false),
        (r#"h3="[::1]:443""#, false),
        (r#"h3=":+443""#, false),
        (r#"h3=":0443""#, true),
        (r#"h3=":65979""#, false),
        (r#"h3=":""#, false),
        ("h3=443", false),
        (r#"h3-29=":443""#, false),
        (r#"H3=":443""#, false),
        (r#"x="a, h3=\":443\"""#, false),
        (r#"h3=":443"; ma=0"#, false),
        ("clear", false),
        (r#"h3=":443", clear"#, false),
        ("", false),
        (",,;=\"", false),
        ("\"\\", false),
    ];
    for (line, expected) in cases {
        assert_eq!(says(&[line]), expected, "{line}");
    }
}

#[test]
fn lines_are_one_list_and_bounded() {
    assert!(says(&[r#"h2=":443""#, r#"h3=":443""#]));
    assert!(!says(&[r#"h3=":443""#, "clear"]));
    let long = "x".repeat(MAX_BYTES);
    assert!(!says(&[&long, r#"h3=":443""#]));
    let many = format!("{}h3=\":443\"", "h2=\":443\",".repeat(MAX_ALTERNATIVES));
    assert!(!says(&[&many]));
}
