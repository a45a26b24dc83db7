//! Every row of the registries, against ranges written down a second time, by hand and in another form: first and last address,
//! from the texts of the RFCs and of the cloud providers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use parallax_model::{Host, Port};
use parallax_policy::{Policy, embedded_v4};
use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// What nothing may connect to.
const FORBIDDEN_V4: [&str; 18] = [
    "0.0.0.0 0.255.255.255",       // RFC 1122, 3.2.1.3: this network
    "10.0.0.0 10.255.255.255",     // RFC 1918
    "100.64.0.0 100.127.255.255",  // RFC 6598; Alibaba's metadata at 100.100.100.200
    "127.0.0.0 127.255.255.255",   // RFC 1122, 3.2.1.3: loopback
    "168.63.129.16 168.63.129.16", // Azure's WireServer
    "169.254.0.0 169.254.255.255", // RFC 3927; cloud metadata
    "172.16.0.0 172.31.255.255",   // RFC 1918
    "192.0.0.0 192.0.0.255",       // RFC 6890, 2.1; Oracle's metadata at 192.0.0.192
    "192.0.2.0 192.0.2.255",       // RFC 5737
    "192.31.196.0 192.31.196.255", // RFC 7535
    "192.52.193.0 192.52.193.255", // RFC 7450
    "192.88.99.0 192.88.99.255",   // RFC 7526
    "192.168.0.0 192.168.255.255", // RFC 1918
    "192.175.48.0 192.175.48.255", // RFC 7534
    "198.18.0.0 198.19.255.255",   // RFC 2544
    "198.51.100.0 198.51.100.255", // RFC 5737
    "203.0.113.0 203.0.113.255",   // RFC 5737
    "224.0.0.0 255.255.255.255",   // RFC 1112: multicast, reserved, limited broadcast (RFC 919)
];

/// The same for IPv6, with everything that lies outside 2000::/3.
const FORBIDDEN_V6: [&str; 7] = [
    ":: 1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:: 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", // RFC 2928, with Teredo, ORCHID, AMT, AS112 and others inside
    "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", // RFC 3849
    "2002:: 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", // RFC 3056
    "2620:4f:8000:: 2620:4f:8000:ffff:ffff:ffff:ffff:ffff", // RFC 7534
    "3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", // RFC 9637
    "4000:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

const FILES: [(&str, &str); 3] = [
    ("iana-ipv4-special.csv", include_str!("../registries/iana-ipv4-special.csv")),
    ("iana-ipv6-special.csv", include_str!("../registries/iana-ipv6-special.csv")),
    ("beyond-iana.csv", include_str!("../registries/beyond-iana.csv")),
];

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// What the lists above say.
fn forbidden(ip: IpAddr) -> bool {
    let lines: &[&str] = if ip.is_ipv4() { &FORBIDDEN_V4 } else { &FORBIDDEN_V6 };
    let listed = lines.iter().any(|line| {
        let ends: Vec<IpAddr> = line.split(' ').map(|end| end.parse().expect("an address")).collect();
        (number(ends[0])..=number(ends[1])).contains(&number(ip))
    });
    let hidden = match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => isatap(v6),
    };
    listed || hidden.is_some_and(|v4| forbidden(v4.into()))
}

/// The IPv4 address of an ISATAP address (RFC 5214, 6.1), the only disguise within 2000::/3 that no block covers.
fn isatap(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., flag, mark, high, low] = v6.segments();
    (flag & !0x200 == 0 && mark == 0x5efe).then(|| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

/// What the policy says to a name that resolves to the address.
fn refused(ip: IpAddr) -> bool {
    let host: Host = "example.com".parse().expect("a host");
    Policy::public().vet(&host, Port::new(443).expect("not zero"), &[ip]).is_err()
}

/// What the policy says to somebody who typed the address.
fn refused_typed(ip: IpAddr) -> bool {
    let typed = if ip.is_ipv4() { ip.to_string() } else { format!("[{ip}]") };
    Policy::public().parse_target(&typed).is_err()
}

/// The blocks of a file, read without the code under test.
fn blocks(file: &str) -> Vec<(IpAddr, u32)> {
    let cell = |line: &str| match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().map(str::to_owned),
        None => line.split(',').next().map(str::to_owned),
    };
    let cells: Vec<String> = file.lines().skip(1).filter_map(cell).collect();
    let block = |text: &str| {
        let (address, length) = text.split_once('/').expect("a block has a length");
        (address.parse().expect("an address"), length.parse().expect("a length"))
    };
    cells.iter().flat_map(|cell| cell.split(", ").map(block).collect::<Vec<_>>()).collect()
}

/// The first, the last, the one before and the one after of a block.
fn edges((address, length): (IpAddr, u32)) -> Vec<IpAddr> {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let first = number(address);
    let last = first | (u128::MAX.checked_shr(length + 128 - bits).unwrap_or(0));
    let around = [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)];
    let ip = |n: u128| match address {
        IpAddr::V4(_) => u32::try_from(n).ok().map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(_) => Some(IpAddr::V6(n.into())),
    };
    around.into_iter().flatten().filter_map(ip).collect()
}

#[test]
fn every_row_begins_and_ends_where_it_should() {
    let mut judged = 0;
    for (name, file) in FILES {
        let blocks = blocks(file);
        assert!(blocks.len() > 10, "{name} is read");
        for block in blocks {
            let edges = edges(block);
            assert!(refused(edges[0]) && refused(edges[1]) || name_of_nat64(block), "{block:?} of {name}");
            for ip in edges {
                // NAT64 under the well-known prefix is allowed to a resolver where the IPv4 address inside is.
                let nat64 = matches!(ip, IpAddr::V6(v6) if u128::from(v6) >> 32 == 0x64_ff9b_u128 << 64);
                assert!(nat64 || refused(ip) == forbidden(ip), "{ip} beside {block:?} of {name}");
                assert_eq!(refused_typed(ip), forbidden(ip), "{ip} typed, beside {block:?} of {name}");
                judged += 1;
            }
        }
    }
    assert!(judged > 200, "{judged}");
}

fn name_of_nat64((address, length): (IpAddr, u32)) -> bool {
    address == IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)) && length == 96
}

#[test]
fn the_ranges_begin_and_end_where_the_policy_says() {
    for line in FORBIDDEN_V4.iter().chain(&FORBIDDEN_V6) {
        let ends: Vec<IpAddr> = line.split(' ').map(|end| end.parse().expect("an address")).collect();
        let [first, last] = [number(ends[0]), number(ends[1])];
        for n in [Some(first), Some(last), first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
            let ip: IpAddr = match ends[0] {
                IpAddr::V4(_) => match u32::try_from(n) {
                    Ok(n) => Ipv4Addr::from(n).into(),
                    Err(_) => continue,
                },
                IpAddr::V6(_) => Ipv6Addr::from(n).into(),
            };
            assert_eq!(refused_typed(ip), forbidden(ip), "{ip}");
        }
    }
}

#[test]
fn random_addresses_are_judged_as_the_ranges_say() {
    let mut rng = StdRng::seed_from_u64(6_890);
    for _ in 0..100_000 {
        let v4 = Ipv4Addr::from(rng.random::<u32>());
        assert_eq!(refused(v4.into()), forbidden(v4.into()), "{v4}");
        let v6 = Ipv6Addr::from((rng.random::<u128>() >> 3) | (1 << 125));
        assert_eq!(refused(v6.into()), forbidden(v6.into()), "{v6}");
    }
}

#[test]
fn each_disguise_of_each_address_is_seen_through() {
    let hidden = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.100.100.200", "8.8.8.8"];
    let policy = Policy::public().with_nat64(["2a02:898:64::/96".parse().expect("a prefix")]);
    let reached = |v6: Ipv6Addr| {
        let host: Host = "example.com".parse().expect("a host");
        policy.vet(&host, Port::new(443).expect("not zero"), &[v6.into()]).is_ok()
    };
    for v4 in hidden {
        let public = v4 == "8.8.8.8";
        let v4: Ipv4Addr = v4.parse().expect("an address");
        let [a, b, c, d] = v4.octets().map(u16::from);
        let [high, low] = [a << 8 | b, c << 8 | d];
        // The form, whether a resolver may answer it when the address inside is public, whether it is one of the known forms.
        let forms = [
            ("compatible", Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low), false, true),
            ("mapped", Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low), false, true),
            ("translated", Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low), false, true),
            ("NAT64", Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low), true, true),
            ("local NAT64, /96", Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low), false, true),
            ("local NAT64, /48", Ipv6Addr::new(0x64, 0xff9b, 1, high, c, d << 8, 0, 0), false, true),
            ("own NAT64", Ipv6Addr::new(0x2a02, 0x898, 0x64, 0, 0, 0, high, low), true, false),
            ("6to4", Ipv6Addr::new(0x2002, high, low, 1, 0, 0, 0, 1), false, true),
            (
                "Teredo client",
                Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low),
                false,
                true,
            ),
            (
                "Teredo server",
                Ipv6Addr::new(0x2001, 0, high, low, 0x8000, 0x63bf, 0xf7f7, 0xf7f7),
                false,
                false,
            ),
            ("ISATAP", Ipv6Addr::new(0x2a00, 0x1450, 1, 2, 0, 0x5efe, high, low), true, true),
            ("ISATAP, unique", Ipv6Addr::new(0x2a00, 0x1450, 1, 2, 0x200, 0x5efe, high, low), true, true),
        ];
        for (form, v6, may, known) in forms {
            assert_eq!(reached(v6), may && public, "{form} {v6} of {v4}");
            if known {
                assert_eq!(embedded_v4(v6), Some(v4), "{form} {v6}");
            }
        }
    }
}
