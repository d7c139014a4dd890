//! What a project may do to subnets.

use crate::lab::{ANY, Cloud, User, parse};
use model::{
    AddressRange, Family, FixedIp, HostRoute, Ipv6Mode, Network, NetworkId, Subnet, SubnetId,
};
use operations::ports::{FixedIpRequest, NewPort};
use operations::subnets::{self, NewSubnet, SubnetChanges};
use operations::{Defaults, Expect, OpError, Quota};

fn new(network: &Network, cidr: &str) -> NewSubnet {
    NewSubnet::new(network.id, parse(cidr))
}

fn pool(start: &str, end: &str) -> AddressRange {
    AddressRange::new(parse(start), parse(end)).expect("a range")
}

fn route(destination: &str, nexthop: &str) -> HostRoute {
    HostRoute {
        destination: parse(destination),
        nexthop: parse(nexthop),
    }
}

fn update(user: User, subnet: &Subnet, changes: SubnetChanges) -> Result<Subnet, OpError> {
    user.run(|tx, ctx| subnets::update(tx, ctx, subnet.id, ANY, changes.clone()))
}

fn delete(user: User, subnet: SubnetId) -> Result<(), OpError> {
    user.run(|tx, ctx| subnets::delete(tx, ctx, subnet, ANY))
}

/// Asks for a subnet of a fresh network and says why it is refused.
fn refusal(cidr: &str, edit: impl Fn(&mut NewSubnet)) -> OpError {
    let cloud = Cloud::in_memory(1);
    let red = cloud.user("red");
    let mut new = new(&red.network(), cidr);
    edit(&mut new);
    red.new_subnet(new).expect_err("a refusal")
}

#[test]
fn a_subnet_that_asks_for_nothing_gets_the_defaults() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let subnet = red.subnet(&network, "10.0.0.0/24");
    assert_eq!(subnet.gateway_ip, Some(parse("10.0.0.1")));
    assert_eq!(subnet.allocation_pools, [pool("10.0.0.2", "10.0.0.254")]);
    assert!(subnet.enable_dhcp);
    let v6 = red.subnet(&network, "2001:db8::/64");
    assert_eq!(v6.gateway_ip, Some(parse("2001:db8::1")));
    assert_eq!((v6.ipv6_ra_mode, v6.ipv6_address_mode), (None, None));
}

#[test]
fn a_cidr_must_be_one_a_subnet_can_have() {
    let host_bits = OpError::CidrHostBits {
        given: parse("10.0.0.5/24"),
        corrected: parse("10.0.0.0/24"),
    };
    assert_eq!(refusal("10.0.0.5/24", |_| ()), host_bits);
    for cidr in [
        "0.0.0.0/0",
        "::/0",
        "224.0.0.0/24",
        "ff00::/64",
        "127.0.0.0/8",
        "10.0.0.0/31",
        "10.0.0.0/32",
        "2001:db8::/127",
    ] {
        let refused = refusal(cidr, |_| ());
        assert!(
            matches!(&refused, OpError::CidrUnusable { cidr: c, .. } if *c == parse(cidr)),
            "{cidr}: {refused}"
        );
    }
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let small = NewSubnet {
        enable_dhcp: Some(false),
        ..new(&red.network(), "10.0.0.0/31")
    };
    assert!(red.new_subnet(small).is_ok(), "RFC 3021 without DHCP");
}

#[test]
fn subnets_of_a_network_do_not_overlap() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let (network, other) = (red.network(), red.network());
    let first = red.subnet(&network, "10.0.0.0/24");
    for cidr in ["10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/16"] {
        let overlap = OpError::SubnetOverlap {
            cidr: parse(cidr),
            network: network.id,
            other: first.id,
            other_cidr: first.cidr,
        };
        assert_eq!(red.new_subnet(new(&network, cidr)), Err(overlap));
    }
    red.subnet(&network, "10.0.1.0/24");
    red.subnet(&other, "10.0.0.0/24");
}

#[test]
fn a_gateway_is_a_host_address_outside_of_the_pools() {
    let cidr = "10.0.0.0/24";
    for gateway in ["10.0.0.0", "10.0.0.255", "10.0.1.1"] {
        let invalid = OpError::GatewayInvalid {
            gateway: parse(gateway),
            cidr: parse(cidr),
        };
        let refused = refusal(cidr, |new| new.gateway_ip = Some(Some(parse(gateway))));
        assert_eq!(refused, invalid);
    }
    let family = OpError::FamilyMismatch {
        attribute: "gateway_ip",
        value: "2001:db8::1".to_owned(),
        expected: Family::V4,
    };
    let refused = refusal(cidr, |new| {
        new.gateway_ip = Some(Some(parse("2001:db8::1")))
    });
    assert_eq!(refused, family);
    let in_pool = OpError::GatewayInPool {
        gateway: parse("10.0.0.1"),
        pool: pool("10.0.0.1", "10.0.0.9"),
    };
    let refused = refusal(cidr, |new| {
        new.allocation_pools = Some(vec![pool("10.0.0.1", "10.0.0.9")]);
    });
    assert_eq!(refused, in_pool);
}

#[test]
fn pools_lie_within_the_subnet_side_by_side() {
    let cidr = "10.0.0.0/24";
    for outside in [
        pool("10.0.0.0", "10.0.0.9"),
        pool("10.0.0.9", "10.0.0.255"),
        pool("10.0.0.9", "10.0.1.9"),
        pool("2001:db8::1", "2001:db8::2"),
    ] {
        let refused = refusal(cidr, |new| new.allocation_pools = Some(vec![outside]));
        let bounds = OpError::PoolOutOfBounds {
            pool: outside,
            cidr: parse(cidr),
        };
        assert_eq!(refused, bounds);
    }
    let (one, other) = (
        pool("10.0.0.10", "10.0.0.20"),
        pool("10.0.0.20", "10.0.0.30"),
    );
    let refused = refusal(cidr, |new| new.allocation_pools = Some(vec![other, one]));
    assert_eq!(refused, OpError::PoolsOverlap { one, other });
}

#[test]
fn ipv6_modes_agree_with_the_subnet_and_each_other() {
    let slaac = Some(Ipv6Mode::Slaac);
    let stateful = Some(Ipv6Mode::Dhcpv6Stateful);
    let refused = refusal("10.0.0.0/24", |new| new.ipv6_ra_mode = slaac);
    assert_eq!(refused, OpError::Ipv6ModeOnIpv4);
    let refused = refusal("2001:db8::/64", |new| {
        new.ipv6_address_mode = slaac;
        new.enable_dhcp = Some(false);
    });
    assert_eq!(refused, OpError::Ipv6ModeWithoutDhcp);
    let refused = refusal("2001:db8::/64", |new| {
        new.ipv6_ra_mode = stateful;
        new.ipv6_address_mode = slaac;
    });
    let differ = OpError::Ipv6ModesDiffer {
        ra: Ipv6Mode::Dhcpv6Stateful,
        address: Ipv6Mode::Slaac,
    };
    assert_eq!(refused, differ);
    for mode in [Ipv6Mode::Slaac, Ipv6Mode::Dhcpv6Stateless] {
        let refused = refusal("2001:db8::/80", |new| new.ipv6_address_mode = Some(mode));
        let cidr = parse("2001:db8::/80");
        assert_eq!(refused, OpError::PrefixNotForEui64 { cidr, mode });
    }
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let fits = NewSubnet {
        ipv6_ra_mode: stateful,
        ipv6_address_mode: stateful,
        ..new(&red.network(), "2001:db8::/80")
    };
    assert!(red.new_subnet(fits).is_ok());
}

#[test]
fn name_servers_and_routes_are_limited_distinct_and_of_the_family() {
    let cidr = "10.0.0.0/24";
    let refused = refusal(cidr, |new| {
        new.dns_nameservers = (1..=6).map(|n| parse(&format!("10.0.0.{n}"))).collect();
    });
    let quota = Quota::DnsNameservers;
    assert_eq!(refused, OpError::OverQuota { quota, limit: 5 });
    let refused = refusal(cidr, |new| {
        new.host_routes = (0..21)
            .map(|n| route(&format!("10.1.{n}.0/24"), "10.0.0.9"))
            .collect();
    });
    let quota = Quota::HostRoutes;
    assert_eq!(refused, OpError::OverQuota { quota, limit: 20 });
    let refused = refusal(cidr, |new| {
        new.dns_nameservers = vec![parse("10.0.0.9"), parse("10.0.0.9")];
    });
    let duplicate = |attribute, value: &str| OpError::Duplicate {
        attribute,
        value: value.to_owned(),
    };
    assert_eq!(refused, duplicate("nameserver", "10.0.0.9"));
    let refused = refusal(cidr, |new| {
        new.host_routes = vec![
            route("10.1.0.0/24", "10.0.0.9"),
            route("10.1.0.0/24", "10.0.0.8"),
        ];
    });
    assert_eq!(refused, duplicate("host_route destination", "10.1.0.0/24"));
    for (attribute, edit) in [
        (
            "dns_nameserver",
            Box::new(|new: &mut NewSubnet| new.dns_nameservers = vec![parse("::1")])
                as Box<dyn Fn(&mut NewSubnet)>,
        ),
        (
            "host_route destination",
            Box::new(|new| new.host_routes = vec![route("2001:db8::/64", "10.0.0.9")]),
        ),
        (
            "host_route nexthop",
            Box::new(|new| new.host_routes = vec![route("10.1.0.0/24", "2001:db8::1")]),
        ),
    ] {
        let refused = refusal(cidr, edit);
        assert!(
            matches!(refused, OpError::FamilyMismatch { attribute: a, .. } if a == attribute),
            "{refused}"
        );
    }
    let refused = refusal(cidr, |new| {
        new.host_routes = vec![route("10.1.0.9/24", "10.0.0.9")];
    });
    assert!(matches!(refused, OpError::CidrHostBits { .. }), "{refused}");
}

#[test]
fn limits_count_the_network_and_the_project() {
    let mut defaults = Defaults::default();
    defaults.limits.subnets_per_network = Some(1);
    defaults.limits.subnets_per_project = Some(2);
    let cloud = Cloud::with(defaults);
    let red = cloud.user("red");
    let (one, two, three) = (red.network(), red.network(), red.network());
    red.subnet(&one, "10.0.0.0/24");
    let over = |quota, limit| Err(OpError::OverQuota { quota, limit });
    let second = red.new_subnet(new(&one, "10.0.1.0/24"));
    assert_eq!(second, over(Quota::SubnetsPerNetwork, 1));
    red.subnet(&two, "10.0.0.0/24");
    let third = red.new_subnet(new(&three, "10.0.0.0/24"));
    assert_eq!(third, over(Quota::Subnet, 2));
}

#[test]
fn subnets_are_made_by_the_networks_owner() {
    let cloud = Cloud::new();
    let (admin, red) = (cloud.admin(), cloud.user("red"));
    let shared = admin.shared_network();
    let refused = OpError::NotNetworkOwner {
        network: shared.id,
        attribute: "subnets",
    };
    assert_eq!(red.new_subnet(new(&shared, "10.0.0.0/24")), Err(refused));
    let hidden = admin.network();
    let not_found = OpError::NetworkNotFound(hidden.id);
    assert_eq!(red.new_subnet(new(&hidden, "10.0.0.0/24")), Err(not_found));
    let nowhere: NetworkId = parse("00000000-0000-0000-0000-00000000000f");
    let subnet = NewSubnet::new(nowhere, parse("10.0.0.0/24"));
    assert_eq!(
        red.new_subnet(subnet),
        Err(OpError::NetworkNotFound(nowhere))
    );
}

#[test]
fn an_update_is_checked_like_a_new_subnet() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let subnet = red.subnet(&red.network(), "10.0.0.0/24");
    let into_pool = SubnetChanges {
        gateway_ip: Some(Some(parse("10.0.0.9"))),
        ..SubnetChanges::default()
    };
    let refused = update(red, &subnet, into_pool.clone());
    assert!(
        matches!(refused, Err(OpError::GatewayInPool { .. })),
        "{refused:?}"
    );
    let with_room = SubnetChanges {
        allocation_pools: Some(vec![pool("10.0.0.100", "10.0.0.200")]),
        ..into_pool
    };
    let changed = update(red, &subnet, with_room.clone()).expect("a change");
    assert_eq!(changed.gateway_ip, Some(parse("10.0.0.9")));
    assert_eq!(changed.meta.revision_number, 1);
    assert_eq!(update(red, &subnet, with_room), Ok(changed), "nothing new");
    let no_gateway = SubnetChanges {
        gateway_ip: Some(None),
        name: Some("quiet".to_owned()),
        ..SubnetChanges::default()
    };
    let changed = update(red, &subnet, no_gateway).expect("a change");
    assert_eq!(
        (changed.gateway_ip, changed.meta.name.as_str()),
        (None, "quiet")
    );
    let late = Expect {
        revision_number: Some(0),
    };
    let refused = red.run(|tx, ctx| subnets::delete(tx, ctx, subnet.id, late));
    assert!(matches!(refused, Err(OpError::RevisionMismatch { .. })));
    let slaac = red.slaac(&red.network(), "2001:db8::/64");
    let no_dhcp = SubnetChanges {
        enable_dhcp: Some(false),
        ..SubnetChanges::default()
    };
    assert_eq!(
        update(red, &slaac, no_dhcp),
        Err(OpError::Ipv6ModeWithoutDhcp)
    );
}

#[test]
fn a_subnet_stays_while_a_port_has_an_address_of_it() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let subnet = red.subnet(&network, "10.0.0.0/24");
    let port = red.port(network.id);
    let in_use = OpError::SubnetInUse {
        subnet: subnet.id,
        port: port.id,
        address: port.fixed_ips[0].ip_address,
    };
    assert_eq!(delete(red, subnet.id), Err(in_use));
    red.delete_port(&port).expect("the port goes");
    assert_eq!(delete(red, subnet.id), Ok(()));
    assert_eq!(
        delete(red, subnet.id),
        Err(OpError::SubnetNotFound(subnet.id))
    );
}

#[test]
fn an_auto_addressed_subnet_comes_to_the_ports_and_goes_from_them() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let v4 = red.subnet(&network, "10.0.0.0/24");
    let port = red.port(network.id);
    let bare = NewPort {
        fixed_ips: Some(Vec::new()),
        ..NewPort::new(network.id)
    };
    let bare = red.new_port(bare).expect("a port");
    let router = NewPort {
        device_owner: "network:router_interface".to_owned(),
        fixed_ips: Some(vec![FixedIpRequest::OfSubnet(v4.id)]),
        ..NewPort::new(network.id)
    };
    let router = red.new_port(router).expect("a port");
    let slaac = red.slaac(&network, "2001:db8::/64");
    for before in [&port, &bare] {
        let after = cloud.port(before.id);
        let automatic = FixedIp {
            subnet_id: slaac.id,
            ip_address: ipam::eui64_address(&slaac, before.mac_address).expect("a /64"),
        };
        let mut expected = before.fixed_ips.clone();
        expected.push(automatic);
        assert_eq!(after.fixed_ips, expected);
        assert_eq!(after.meta.revision_number, before.meta.revision_number + 1);
    }
    assert_eq!(cloud.port(router.id).fixed_ips, router.fixed_ips);
    assert_eq!(delete(red, slaac.id), Ok(()));
    assert_eq!(cloud.port(port.id).fixed_ips, port.fixed_ips);
    assert_eq!(cloud.port(bare.id).fixed_ips, []);
}
