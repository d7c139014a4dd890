//! One dual-stack port for the tests of the services.

use ipnet::IpNet;
use model::{Ipv6Mode, Mac, Mtu, NetworkId, PortId, SubnetId, Vni};
use plan::{Endpoint, EndpointAddress, Segment, SubnetServices};
use std::net::IpAddr;
use uuid::Uuid;

pub(crate) const MAC: Mac = Mac([0xfa, 0x16, 0x3e, 0, 0, 0x0a]);

pub(crate) fn network() -> NetworkId {
    NetworkId(Uuid::from_u128(0x1111_2222_3333_4444_5555_6677_8899_aabb))
}

fn subnet(id: u128, cidr: &str, gateway: &str, mode: Option<Ipv6Mode>) -> SubnetServices {
    SubnetServices {
        subnet: SubnetId(Uuid::from_u128(id)),
        cidr: cidr.parse::<IpNet>().expect("a prefix"),
        gateway: Some(gateway.parse().expect("an address")),
        enable_dhcp: true,
        dns_nameservers: Vec::new(),
        host_routes: Vec::new(),
        ra_mode: mode,
        address_mode: mode,
    }
}

/// 10.0.0.0/24 and 2001:db8::/64 with the given mode; DNS servers on both.
pub(crate) fn segment(mode: Ipv6Mode) -> Segment {
    let mut v4 = subnet(4, "10.0.0.0/24", "10.0.0.1", None);
    v4.dns_nameservers = vec!["10.0.0.53".parse().expect("an address")];
    let mut v6 = subnet(6, "2001:db8::/64", "2001:db8::1", Some(mode));
    v6.dns_nameservers = vec!["2001:db8::53".parse().expect("an address")];
    Segment {
        network: network(),
        vni: Vni::new(5).expect("a VNI"),
        mtu: Mtu::DEFAULT,
        admin_up: true,
        subnets: vec![v4, v6],
    }
}

/// 10.0.0.10 and 2001:db8::a.
pub(crate) fn endpoint() -> Endpoint {
    let address = |text: &str, subnet| EndpointAddress {
        address: text.parse::<IpAddr>().expect("an address"),
        subnet: SubnetId(Uuid::from_u128(subnet)),
    };
    Endpoint {
        port: PortId(Uuid::from_u128(1)),
        network: network(),
        device: "tap0".into(),
        mac: MAC,
        admin_up: true,
        port_security: true,
        addresses: vec![address("10.0.0.10", 4), address("2001:db8::a", 6)],
        pairs: Vec::new(),
        groups: Vec::new(),
        dhcp_options: Vec::new(),
    }
}
