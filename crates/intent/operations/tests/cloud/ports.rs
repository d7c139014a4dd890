//! What a project may do to ports.

use crate::lab::{ANY, Cloud, User, parse};
use ipam::IpamError;
use model::{
    AllocationStrategy, Family, FixedIp, Mac, Network, Port, PortStatus, Subnet, Timestamp,
};
use operations::ports::{
    self, AddressPairRequest, DhcpOptionRequest, FixedIpRequest, NewPort, PortChanges, Reported,
};
use operations::subnets::NewSubnet;
use operations::{Defaults, OpError, Quota};
use std::collections::BTreeSet;
use std::net::IpAddr;

fn fixed(subnet: &Subnet, address: &str) -> FixedIp {
    FixedIp {
        subnet_id: subnet.id,
        ip_address: parse(address),
    }
}

fn with_ips(network: &Network, requests: &[FixedIpRequest]) -> NewPort {
    NewPort {
        fixed_ips: Some(requests.to_vec()),
        ..NewPort::new(network.id)
    }
}

fn subnets_of(port: &Port) -> Vec<model::SubnetId> {
    port.fixed_ips.iter().map(|fixed| fixed.subnet_id).collect()
}

fn eui64(subnet: &Subnet, mac: Mac) -> FixedIp {
    FixedIp {
        subnet_id: subnet.id,
        ip_address: ipam::eui64_address(subnet, mac).expect("a /64"),
    }
}

pub(crate) fn pair(cidr: &str) -> AddressPairRequest {
    AddressPairRequest {
        ip_address: parse(cidr),
        mac_address: None,
    }
}

fn dhcp(name: &str, value: Option<&str>) -> DhcpOptionRequest {
    DhcpOptionRequest {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        family: Family::V4,
    }
}

/// A network with a subnet of each kind.
struct Full {
    network: Network,
    v4: Subnet,
    v6: Subnet,
    slaac: Subnet,
}

fn full(user: User) -> Full {
    let network = user.network();
    Full {
        v4: user.subnet(&network, "10.0.0.0/24"),
        v6: user.subnet(&network, "2001:db8:1::/64"),
        slaac: user.slaac(&network, "2001:db8:2::/64"),
        network,
    }
}

#[test]
fn an_address_named_later_is_not_given_to_an_earlier_want() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let subnet = red
        .new_subnet(NewSubnet {
            allocation_strategy: AllocationStrategy::Lowest,
            ..NewSubnet::new(network.id, parse("10.0.0.0/24"))
        })
        .expect("a subnet");
    let any = FixedIpRequest::OfSubnet(subnet.id);
    let named = FixedIpRequest::Address(parse("10.0.0.2"));
    let port = red.new_port(with_ips(&network, &[any, named, any]));
    let expected = ["10.0.0.3", "10.0.0.2", "10.0.0.4"].map(|address| fixed(&subnet, address));
    assert_eq!(port.expect("a port").fixed_ips, expected);
}

#[test]
fn a_port_that_asks_for_nothing_gets_one_address_of_each_kind() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let full = full(red);
    red.subnet(&full.network, "10.0.1.0/24");
    let port = red.port(full.network.id);
    assert_eq!(subnets_of(&port), [full.v4.id, full.v6.id, full.slaac.id]);
    assert_eq!(port.fixed_ips[2], eui64(&full.slaac, port.mac_address));
    assert_eq!(port.status, PortStatus::Down);
    assert_eq!(port.binding.vnic_type, "normal");
    assert!(port.admin_state_up && port.port_security_enabled);
    let bare = red.port(red.network().id);
    assert_eq!(bare.fixed_ips, [], "a network without subnets");
}

#[test]
fn fixed_ips_in_every_form() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let Full {
        network,
        v4,
        v6,
        slaac,
    } = full(red);
    let exact = fixed(&v4, "10.0.0.200");
    for (requests, expected) in [
        (vec![], vec![]),
        (vec![FixedIpRequest::OfSubnet(v4.id)], vec![v4.id, slaac.id]),
        (
            vec![FixedIpRequest::OfSubnet(v4.id); 2],
            vec![v4.id, v4.id, slaac.id],
        ),
        (vec![FixedIpRequest::OfSubnet(slaac.id)], vec![slaac.id]),
        (
            vec![FixedIpRequest::Address(parse("2001:db8:1::99"))],
            vec![v6.id, slaac.id],
        ),
        (vec![FixedIpRequest::Exactly(exact)], vec![v4.id, slaac.id]),
    ] {
        let port = red.new_port(with_ips(&network, &requests)).expect("a port");
        assert_eq!(subnets_of(&port), expected, "{requests:?}");
    }
}

#[test]
fn an_address_that_cannot_be_had_is_refused_with_its_reason() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let Full {
        network, v4, slaac, ..
    } = full(red);
    let elsewhere = red.subnet(&red.network(), "10.9.0.0/24");
    let ask = |requests: &[FixedIpRequest]| {
        red.new_port(with_ips(&network, requests))
            .expect_err("a refusal")
    };
    let foreign = OpError::SubnetNotOnNetwork {
        subnet: elsewhere.id,
        network: network.id,
    };
    assert_eq!(ask(&[FixedIpRequest::OfSubnet(elsewhere.id)]), foreign);
    let address: IpAddr = parse("10.9.0.5");
    let not_here = OpError::AddressNotOnNetwork {
        address,
        network: network.id,
    };
    assert_eq!(ask(&[FixedIpRequest::Address(address)]), not_here);
    let outside = IpamError::AddressOutside {
        address,
        subnet: v4.id,
        cidr: v4.cidr,
    };
    let request = FixedIpRequest::Exactly(fixed(&v4, "10.9.0.5"));
    assert_eq!(ask(&[request]), outside.into());
    for text in ["10.0.0.0", "10.0.0.255"] {
        let refused = ask(&[FixedIpRequest::Address(parse(text))]);
        let OpError::Ipam(IpamError::AddressNotAssignable { .. }) = refused else {
            panic!("{text}: {refused}");
        };
    }
    let chosen = fixed(&slaac, "2001:db8:2::99");
    let automatic = OpError::AddressOnAutoSubnet {
        address: chosen.ip_address,
        subnet: slaac.id,
    };
    assert_eq!(ask(&[FixedIpRequest::Exactly(chosen)]), automatic);
    let twice = FixedIpRequest::Address(parse("10.0.0.9"));
    let duplicate = OpError::Duplicate {
        attribute: "fixed_ip",
        value: "10.0.0.9".to_owned(),
    };
    assert_eq!(ask(&[twice, twice]), duplicate);
    let holder = red.new_port(with_ips(&network, &[twice])).expect("a port");
    let taken = IpamError::AddressTaken {
        address: parse("10.0.0.9"),
        subnet: v4.id,
        holder: ipam::Owner::Port(holder.id),
    };
    assert_eq!(ask(&[twice]), taken.into());
}

#[test]
fn a_full_network_says_so() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let first = red.subnet(&network, "10.0.0.0/30");
    red.port(network.id);
    let full = red.new_port(NewPort::new(network.id));
    let exhausted = IpamError::SubnetExhausted {
        subnet: first.id,
        cidr: first.cidr,
        size: 1,
    };
    assert_eq!(full, Err(exhausted.into()));
    let second = red.subnet(&network, "10.0.1.0/30");
    assert_eq!(subnets_of(&red.port(network.id)), [second.id]);
    let full = red.new_port(NewPort::new(network.id));
    assert_eq!(full, Err(OpError::NetworkExhausted(network.id)));
}

#[test]
fn a_mac_is_unicast_and_unique_on_its_network() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let (network, other) = (red.network(), red.network());
    let mac: Mac = parse("fa:16:3e:00:00:01");
    let with = |network: &Network, mac| NewPort {
        mac_address: Some(mac),
        ..NewPort::new(network.id)
    };
    let port = red.new_port(with(&network, mac)).expect("a port");
    assert_eq!(port.mac_address, mac);
    let taken = IpamError::MacTaken {
        mac,
        network: network.id,
        holder: port.id,
    };
    assert_eq!(red.new_port(with(&network, mac)), Err(taken.into()));
    assert!(red.new_port(with(&other, mac)).is_ok());
    let multicast = parse("01:00:5e:00:00:01");
    let refused = Err(IpamError::MacNotUnicast(multicast).into());
    assert_eq!(red.new_port(with(&network, multicast)), refused);
}

#[test]
fn a_changed_mac_takes_its_automatic_addresses_along() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    cloud.admin().host("h1", "192.0.2.1");
    let full = full(red);
    let port = red.port(full.network.id);
    let mac = parse("fa:16:3e:00:00:01");
    let change = PortChanges {
        mac_address: Some(mac),
        ..PortChanges::default()
    };
    let changed = red.change_port(&port, change.clone()).expect("a change");
    assert_eq!(changed.fixed_ips[..2], port.fixed_ips[..2]);
    assert_eq!(changed.fixed_ips[2], eui64(&full.slaac, mac));
    assert_eq!(red.change_port(&port, change), Ok(changed), "nothing new");
    let bind = PortChanges {
        host: Some(Some(parse("h1"))),
        ..PortChanges::default()
    };
    red.change_port(&port, bind).expect("a binding");
    let other = PortChanges {
        mac_address: Some(parse("fa:16:3e:00:00:02")),
        ..PortChanges::default()
    };
    let bound = OpError::PortBound {
        port: port.id,
        mac,
        host: parse("h1"),
    };
    assert_eq!(red.change_port(&port, other), Err(bound));
}

#[test]
fn an_update_keeps_the_addresses_that_still_fit() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let Full {
        network, v4, slaac, ..
    } = full(red);
    let port = red.port(network.id);
    let change = |requests: Vec<FixedIpRequest>| {
        let changes = PortChanges {
            fixed_ips: Some(requests),
            ..PortChanges::default()
        };
        red.change_port(&port, changes)
    };
    let of_v4 = FixedIpRequest::OfSubnet(v4.id);
    let kept = change(vec![of_v4]).expect("a change");
    assert_eq!(kept.fixed_ips, [port.fixed_ips[0], port.fixed_ips[2]]);
    let exact = fixed(&v4, "10.0.0.250");
    let more = change(vec![of_v4, FixedIpRequest::Exactly(exact)]).expect("a change");
    assert_eq!(
        more.fixed_ips,
        [port.fixed_ips[0], exact, port.fixed_ips[2]]
    );
    let echo = more.fixed_ips.iter().copied().map(FixedIpRequest::Exactly);
    assert_eq!(
        change(echo.collect()),
        Ok(more.clone()),
        "its own list changes nothing"
    );
    let moved = change(vec![FixedIpRequest::Exactly(exact), of_v4]).expect("a change");
    assert_eq!(
        moved.fixed_ips,
        [exact, port.fixed_ips[0], port.fixed_ips[2]]
    );
    let none = change(vec![]).expect("a change");
    assert_eq!(none.fixed_ips, []);
    let back = change(vec![FixedIpRequest::Exactly(exact)]).expect("a change");
    assert_eq!(back.fixed_ips, [exact, eui64(&slaac, port.mac_address)]);
}

#[test]
fn a_binding_names_a_registered_host_and_resets_the_status() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let network = admin.network();
    let unknown = NewPort {
        host: Some(parse("h1")),
        ..NewPort::new(network.id)
    };
    let refused = OpError::UnknownHost(parse("h1"));
    assert_eq!(admin.new_port(unknown.clone()), Err(refused));
    admin.host("h1", "192.0.2.1");
    admin.host("h2", "192.0.2.2");
    let port = admin.new_port(unknown).expect("known now");
    let acknowledge = |host: &str| {
        let reports = [(port.id, parse(host), PortStatus::Active)];
        admin.run(|tx, ctx| Ok(ports::report(tx, ctx.now, &reports)))
    };
    acknowledge("h1").expect("a report");
    assert_eq!(cloud.port(port.id).status, PortStatus::Active);
    let bind = |host: Option<&str>| PortChanges {
        host: Some(host.map(parse)),
        ..PortChanges::default()
    };
    let same = admin
        .change_port(&port, bind(Some("h1")))
        .expect("no change");
    assert_eq!(same.status, PortStatus::Active);
    let nowhere = admin.change_port(&port, bind(Some("h3")));
    assert_eq!(nowhere, Err(OpError::UnknownHost(parse("h3"))));
    let moved = admin.change_port(&port, bind(Some("h2"))).expect("a move");
    assert_eq!(moved.status, PortStatus::Down);
    acknowledge("h2").expect("a report");
    let unbound = admin.change_port(&port, bind(None)).expect("an unbinding");
    assert_eq!(
        (unbound.binding.host, unbound.status),
        (None, PortStatus::Down)
    );
}

#[test]
fn a_report_counts_only_from_the_ports_own_host() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let network = admin.network();
    admin.host("h1", "192.0.2.1");
    let bound = NewPort {
        host: Some(parse("h1")),
        ..NewPort::new(network.id)
    };
    let (port, free) = (
        admin.new_port(bound).expect("a port"),
        admin.port(network.id),
    );
    let report = |reports: Vec<(model::PortId, &str, PortStatus)>| {
        let reports: Vec<_> = reports
            .into_iter()
            .map(|(id, host, status)| (id, parse(host), status))
            .collect();
        admin
            .run(|tx, _| Ok(ports::report(tx, Timestamp::UNIX_EPOCH, &reports)))
            .expect("a report is never refused as a whole")
    };
    let nobody = parse("00000000-0000-0000-0000-00000000000f");
    let outcome = report(vec![
        (port.id, "h1", PortStatus::Active),
        (free.id, "h1", PortStatus::Active),
        (nobody, "h1", PortStatus::Active),
    ]);
    let expected = Reported {
        changed: vec![port.id],
        refused: vec![free.id, nobody],
    };
    assert_eq!(outcome, expected);
    let revision = cloud.snapshot().revision();
    let again = report(vec![
        (port.id, "h1", PortStatus::Active),
        (port.id, "h2", PortStatus::Error),
    ]);
    let expected = Reported {
        changed: vec![],
        refused: vec![port.id],
    };
    assert_eq!(again, expected);
    assert_eq!(cloud.snapshot().revision(), revision, "nothing was written");
    report(vec![(port.id, "h1", PortStatus::Error)]);
    assert_eq!(cloud.port(port.id).status, PortStatus::Error);
}

#[test]
fn dhcp_options_are_known_and_merged_by_number() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let with = |options: Vec<DhcpOptionRequest>| NewPort {
        extra_dhcp_opts: options,
        ..NewPort::new(network.id)
    };
    let refused = red.new_port(with(vec![dhcp("no-such-option", Some("x"))]));
    let unknown = OpError::DhcpOptionUnknown("no-such-option".to_owned());
    assert_eq!(refused, Err(unknown));
    let long = "x".repeat(256);
    for value in ["", "a\nb", "a\0b", &long] {
        let refused = red.new_port(with(vec![dhcp("67", Some(value))]));
        assert_eq!(refused, Err(OpError::DhcpOptionValue("67".to_owned())));
    }
    let options = vec![
        dhcp("bootfile-name", Some("a.img")),
        dhcp("tftp-server", Some("10.0.0.9")),
    ];
    let port = red.new_port(with(options)).expect("a port");
    let changes = PortChanges {
        extra_dhcp_opts: Some(vec![dhcp("67", Some("b.img")), dhcp("tftp-server", None)]),
        ..PortChanges::default()
    };
    let changed = red.change_port(&port, changes).expect("a change");
    let left = changed.extra_dhcp_opts.iter();
    let left: Vec<_> = left.map(|o| (o.name.as_str(), o.value.as_str())).collect();
    assert_eq!(left, [("67", "b.img")], "the same option by its number");
}

#[test]
fn on_a_shared_network_others_may_not_take_what_is_not_theirs() {
    let cloud = Cloud::new();
    let (admin, red) = (cloud.admin(), cloud.user("red"));
    let network = admin.shared_network();
    let subnet = admin.subnet(&network, "10.0.0.0/24");
    let plain = || NewPort::new(network.id);
    let address = FixedIpRequest::Address(parse("10.0.0.9"));
    for (attribute, new) in [
        (
            "mac_address",
            NewPort {
                mac_address: Some(parse("fa:16:3e:00:00:01")),
                ..plain()
            },
        ),
        ("fixed_ips", with_ips(&network, &[address])),
        (
            "port_security_enabled",
            NewPort {
                port_security_enabled: Some(false),
                ..plain()
            },
        ),
        (
            "allowed_address_pairs",
            NewPort {
                allowed_address_pairs: vec![pair("10.0.0.9/32")],
                ..plain()
            },
        ),
        (
            "device_owner",
            NewPort {
                device_owner: "network:dhcp".to_owned(),
                ..plain()
            },
        ),
    ] {
        let refused = OpError::NotNetworkOwner {
            network: network.id,
            attribute,
        };
        assert_eq!(red.new_port(new.clone()), Err(refused));
        assert!(admin.new_port(new).is_ok(), "{attribute}");
    }
    let requests = [FixedIpRequest::OfSubnet(subnet.id)];
    let port = red.new_port(with_ips(&network, &requests)).expect("a port");
    let echo = PortChanges {
        fixed_ips: Some(vec![FixedIpRequest::Exactly(port.fixed_ips[0])]),
        mac_address: Some(port.mac_address),
        ..PortChanges::default()
    };
    assert_eq!(red.change_port(&port, echo), Ok(port.clone()));
    let steal = PortChanges {
        fixed_ips: Some(vec![FixedIpRequest::Address(parse("10.0.0.77"))]),
        ..PortChanges::default()
    };
    let refused = red.change_port(&port, steal);
    assert!(matches!(refused, Err(OpError::NotNetworkOwner { .. })));
}

#[test]
fn limits_of_ports_and_addresses() {
    let mut defaults = Defaults::default();
    defaults.limits.ports_per_project = Some(1);
    defaults.limits.fixed_ips_per_port = Some(2);
    let cloud = Cloud::with(defaults);
    let red = cloud.user("red");
    let network = red.network();
    let subnet = red.subnet(&network, "10.0.0.0/24");
    let over = |quota, limit| Err(OpError::OverQuota { quota, limit });
    let three = [FixedIpRequest::OfSubnet(subnet.id); 3];
    let refused = red.new_port(with_ips(&network, &three));
    assert_eq!(refused, over(Quota::FixedIpsPerPort, 2));
    let port = red.port(network.id);
    assert_eq!(red.new_port(NewPort::new(network.id)), over(Quota::Port, 1));
    red.delete_port(&port).expect("the port goes");
    assert_eq!(red.delete_port(&port), Err(OpError::PortNotFound(port.id)));
    red.port(network.id);
}

#[test]
fn a_plain_update_touches_once_and_a_stale_one_is_refused() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let port = red.port(red.network().id);
    let changes = PortChanges {
        name: Some("web".to_owned()),
        device_id: Some("vm-1".to_owned()),
        device_owner: Some("compute:nova".to_owned()),
        admin_state_up: Some(false),
        tags: Some(BTreeSet::from(["blue".to_owned()])),
        ..PortChanges::default()
    };
    let changed = red.change_port(&port, changes).expect("a change");
    assert_eq!(changed.meta.revision_number, 1);
    assert_eq!(
        (changed.meta.name.as_str(), changed.admin_state_up),
        ("web", false)
    );
    let stale = operations::Expect {
        revision_number: Some(0),
    };
    let refused = red.run(|tx, _| ports::delete(tx, port.id, stale));
    assert!(matches!(refused, Err(OpError::RevisionMismatch { .. })));
    assert_eq!(red.run(|tx, _| ports::delete(tx, port.id, ANY)), Ok(()));
}
