//! `ip route show`: prefixes, next hops and devices; `ip neigh show`: addresses and MACs. Calico and Cilium keep one route per
//! workload; under Flannel the neighbour table tells the MAC behind a pod's address.

use super::MAX_ENTRIES;
use super::text::after;
use ipnet::IpNet;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub destination: IpNet,
    /// `unicast` if not printed; `blackhole`, `unreachable`, `prohibit`, `local`, `broadcast`.
    pub kind: String,
    pub via: Option<IpAddr>,
    pub device: Option<String>,
    /// Who set it: `bird`, `kernel`, `static`, ...
    pub protocol: Option<String>,
}

const KINDS: &[&str] = &[
    "unicast",
    "local",
    "broadcast",
    "multicast",
    "throw",
    "unreachable",
    "prohibit",
    "blackhole",
    "nat",
];

/// The routes in order; `default` is the whole address space of the family its next hop has, else IPv4's.
pub fn routes(text: &str) -> Vec<Route> {
    text.lines().filter_map(route).take(MAX_ENTRIES).collect()
}

fn route(line: &str) -> Option<Route> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (kind, words) = match words.split_first()? {
        (first, rest) if KINDS.contains(first) => (*first, rest),
        _ => ("unicast", words.as_slice()),
    };
    let via: Option<IpAddr> = after(words, "via").and_then(|address| address.parse().ok());
    let destination = match *words.first()? {
        "default" if via.is_some_and(|via| via.is_ipv6()) => "::/0".parse().ok()?,
        "default" => "0.0.0.0/0".parse().ok()?,
        text => text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .ok()?,
    };
    Some(Route {
        destination,
        kind: kind.to_owned(),
        via,
        device: after(words, "dev").map(str::to_owned),
        protocol: after(words, "proto").map(str::to_owned),
    })
}

/// An entry of the neighbour table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    pub address: IpAddr,
    pub device: String,
    pub mac: model::Mac,
}

/// The neighbours with a MAC: those that answered.
pub fn neighbours(text: &str) -> Vec<Neighbour> {
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some(Neighbour {
                address: words.first()?.parse().ok()?,
                device: after(&words, "dev")?.to_owned(),
                mac: after(&words, "lladdr")?.parse().ok()?,
            })
        })
        .take(MAX_ENTRIES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_answered() {
        let found = neighbours(
            "10.244.1.3 dev cni0 lladdr 0a:58:0a:f4:01:03 STALE\n10.0.0.9 dev eth0 FAILED\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].device, "cni0");
    }

    #[test]
    fn a_calico_node() {
        let routes = routes(
            "default via 192.0.2.1 dev eth0 proto dhcp\nblackhole 10.244.1.0/26 proto bird\n10.244.1.5 dev cali123 scope link\n10.244.2.0/26 via 192.0.2.3 dev tunl0 proto bird onlink\nError: what\n",
        );
        assert_eq!(routes.len(), 4);
        assert_eq!(routes[1].kind, "blackhole");
        assert_eq!(
            routes[2].destination,
            "10.244.1.5/32".parse().expect("a prefix")
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = (routes(&text), neighbours(&text));
        }
    }
}
