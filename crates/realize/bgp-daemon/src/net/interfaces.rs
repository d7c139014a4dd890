//! What this host's interfaces say about a connection: its link, and our other addresses there.

use ipnet::IpNet;
use nix::sys::socket::SockaddrStorage;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

/// Addresses of the interface that a connection's local address is on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) interface: Option<String>,
    /// One of ours in the other IP version.
    pub(crate) other: Option<IpAddr>,
    pub(crate) link_local: Option<Ipv6Addr>,
    /// The subnet that both ends are on; link-local addresses have none.
    pub(crate) shared: Option<IpNet>,
}

/// Looks for the interface with `local`, of that name if it is given (link-local addresses are on many).
pub(crate) fn link_of(local: IpAddr, remote: IpAddr, interface: Option<&str>) -> io::Result<Link> {
    let mut all = Vec::new();
    for entry in nix::ifaddrs::getifaddrs()? {
        let address = entry.address.as_ref().and_then(ip_of);
        let mask = entry.netmask.as_ref().and_then(ip_of);
        if let (Some(address), Some(mask)) = (address, mask)
            && let Ok(net) = IpNet::with_netmask(address, mask)
        {
            all.push((entry.interface_name, net));
        }
    }
    Ok(among(&all, local, remote, interface))
}

fn among(all: &[(String, IpNet)], local: IpAddr, remote: IpAddr, interface: Option<&str>) -> Link {
    let wanted = |name: &str| interface.is_none_or(|interface| interface == name);
    let own = all
        .iter()
        .find(|(name, net)| net.addr() == local && wanted(name));
    let Some((interface, net)) = own else {
        return Link::default();
    };
    let here = || {
        all.iter()
            .filter(|(name, _)| name == interface)
            .map(|(_, net)| net.addr())
    };
    let is_link_local = |address: IpAddr| match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
        _ => None,
    };
    let other = |address: &IpAddr| {
        address.is_ipv4() != local.is_ipv4() && is_link_local(*address).is_none()
    };
    let shared = is_link_local(local).is_none() && net.contains(&remote);
    Link {
        interface: Some(interface.clone()),
        other: here().find(other),
        // Only of use to a neighbour on the link (RFC 2545 3).
        link_local: here()
            .find_map(is_link_local)
            .filter(|_| shared || is_link_local(local).is_some()),
        shared: shared.then(|| net.trunc()),
    }
}

pub(super) fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Vec<(String, IpNet)> {
        [
            ("lo", "127.0.0.1/8"),
            ("lo", "192.0.2.1/32"),
            ("eth0", "198.51.100.1/24"),
            ("eth0", "2001:db8::1/64"),
            ("eth0", "fe80::1/64"),
            ("eth1", "fe80::1/64"),
            ("eth1", "203.0.113.1/31"),
        ]
        .map(|(name, net)| (name.to_owned(), net.parse().expect("a net")))
        .to_vec()
    }

    fn link(local: &str, remote: &str, interface: Option<&str>) -> Link {
        let address = |text: &str| text.parse().expect("an address");
        among(&host(), address(local), address(remote), interface)
    }

    #[test]
    fn a_shared_subnet_has_link_local_and_the_other_version() {
        let found = link("198.51.100.1", "198.51.100.2", None);
        assert_eq!(found.interface.as_deref(), Some("eth0"));
        assert_eq!(
            found.other,
            Some("2001:db8::1".parse().expect("an address"))
        );
        assert_eq!(
            found.link_local,
            Some("fe80::1".parse().expect("an address"))
        );
        assert_eq!(
            found.shared,
            Some("198.51.100.0/24".parse().expect("a net"))
        );
    }

    #[test]
    fn a_loopback_shares_no_subnet() {
        let found = link("192.0.2.1", "192.0.2.9", None);
        assert_eq!((found.shared, found.link_local), (None, None));
    }

    #[test]
    fn a_link_local_address_is_told_by_its_interface() {
        let found = link("fe80::1", "fe80::2", Some("eth1"));
        assert_eq!(found.interface.as_deref(), Some("eth1"));
        assert_eq!(
            found.other,
            Some("203.0.113.1".parse().expect("an address"))
        );
        assert_eq!(found.shared, None);
        assert_eq!(link("10.0.0.1", "10.0.0.2", None), Link::default());
    }
}
