//! The registries of special addresses, as their CSV files.
//!
//! IANA's two are kept in IANA's own notation (RFC 6890 with its updates), so that they can be compared with the originals;
//! `beyond-iana.csv` holds what stands in no registry: multicast, deprecated IPv6 forms, cloud metadata services.

use std::sync::LazyLock;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const FILES: [&str; 3] = [
    include_str!("../registries/iana-ipv4-special.csv"),
    include_str!("../registries/iana-ipv6-special.csv"),
    include_str!("../registries/beyond-iana.csv"),
];

/// Blocks of addresses that are not probed, each with its registered name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) v4: Vec<(Ipv4Net, String)>,
    pub(crate) v6: Vec<(Ipv6Net, String)>,
}

/// All rows of all files.
pub(crate) static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::default();
    for row in FILES.into_iter().flat_map(|file| file.lines().skip(1)) {
        registry.add(row);
    }
    registry
});

impl Registry {
    /// Adds one row. One row may name several blocks, as IANA's does for 192.0.0.170 and 192.0.0.171.
    fn add(&mut self, row: &str) {
        let mut cells = cells(row).into_iter();
        let blocks = cells.next().unwrap_or_default();
        let name = cells.next().unwrap_or_default();
        for block in blocks.split(", ") {
            match block.parse().expect("the files are compiled in and every row is tested") {
                IpNet::V4(net) => self.v4.push((net, name.clone())),
                IpNet::V6(net) => self.v6.push((net, name.clone())),
            }
        }
    }
}

/// The cells of one line of CSV (RFC 4180) without line breaks in cells.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            _ => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(c);
                }
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_cells_keep_their_commas() {
        assert_eq!(
            cells(r#""192.0.0.170/32, 192.0.0.171/32",NAT64,"[RFC7050], Section 2.2",,"#),
            ["192.0.0.170/32, 192.0.0.171/32", "NAT64", "[RFC7050], Section 2.2", "", ""]
        );
    }

    #[test]
    fn every_row_is_read() {
        assert_eq!(REGISTRY.v4.len(), 26 + 6);
        assert_eq!(REGISTRY.v6.len(), 25 + 6);
        assert!(REGISTRY.v4.iter().all(|(net, name)| *net == net.trunc() && !name.is_empty()));
        assert!(REGISTRY.v6.iter().all(|(net, name)| *net == net.trunc() && !name.is_empty()));
    }
}
