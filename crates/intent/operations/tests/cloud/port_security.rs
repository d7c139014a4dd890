//! Port security: what a port may send, and the groups that filter it.

use crate::lab::Cloud;
use crate::ports::pair;
use operations::networks::NewNetwork;
use operations::ports::{AddressPairRequest, NewPort, PortChanges};
use operations::{OpError, Quota};
use std::collections::BTreeSet;

#[test]
fn without_port_security_there_are_no_groups_and_no_pairs() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let group = red.group("web");
    let open = NewPort {
        port_security_enabled: Some(false),
        ..NewPort::new(network.id)
    };
    let port = red.new_port(open.clone()).expect("a port");
    assert!(port.security_groups.is_empty());
    let pairs = NewPort {
        allowed_address_pairs: vec![pair("10.0.0.9/32")],
        ..open.clone()
    };
    let needs = OpError::AddressPairsNeedPortSecurity;
    assert_eq!(red.new_port(pairs), Err(needs.clone()));
    let groups = NewPort {
        security_groups: Some(BTreeSet::from([group.id])),
        ..open
    };
    let refused = OpError::SecurityGroupsNeedPortSecurity;
    assert_eq!(red.new_port(groups), Err(refused.clone()));
    let add = PortChanges {
        security_groups: Some(BTreeSet::from([group.id])),
        ..PortChanges::default()
    };
    assert_eq!(red.change_port(&port, add), Err(refused));
    let secure = red.port(network.id);
    let disable = PortChanges {
        port_security_enabled: Some(false),
        ..PortChanges::default()
    };
    let has_groups = OpError::PortHasSecurityGroups(secure.id);
    assert_eq!(red.change_port(&secure, disable.clone()), Err(has_groups));
    let strip = PortChanges {
        security_groups: Some(BTreeSet::new()),
        ..disable
    };
    assert!(red.change_port(&secure, strip).is_ok());
}

#[test]
fn port_security_follows_the_network_and_the_owner() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let open = NewNetwork {
        port_security_enabled: Some(false),
        ..NewNetwork::default()
    };
    let open = red.new_network(open).expect("a network");
    assert!(!red.port(open.id).port_security_enabled);
    let service = NewPort {
        device_owner: "network:router_interface".to_owned(),
        ..NewPort::new(red.network().id)
    };
    let service = red.new_port(service).expect("a port");
    assert!(!service.port_security_enabled && service.security_groups.is_empty());
}

#[test]
fn security_groups_are_the_projects_own() {
    let cloud = Cloud::new();
    let (red, blue) = (cloud.user("red"), cloud.user("blue"));
    let (mine, foreign) = (red.group("web"), blue.group("web"));
    let network = red.network();
    let with = |groups: &[_]| NewPort {
        security_groups: Some(groups.iter().copied().collect()),
        ..NewPort::new(network.id)
    };
    assert!(
        red.new_port(with(&[]))
            .expect("a port")
            .security_groups
            .is_empty()
    );
    let not_found = OpError::SecurityGroupNotFound(foreign.id);
    assert_eq!(
        red.new_port(with(&[mine.id, foreign.id])),
        Err(not_found.clone())
    );
    let port = red.new_port(with(&[mine.id])).expect("a port");
    let add = PortChanges {
        security_groups: Some(BTreeSet::from([mine.id, foreign.id])),
        ..PortChanges::default()
    };
    assert_eq!(red.change_port(&port, add.clone()), Err(not_found));
    let by_admin = cloud.admin().change_port(&port, add.clone());
    assert_eq!(by_admin.expect("a change").security_groups.len(), 2);
    assert!(
        red.change_port(&port, add).is_ok(),
        "what it has already may stay"
    );
}

#[test]
fn address_pairs_default_to_the_ports_mac_and_are_limited() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let with = |pairs: Vec<AddressPairRequest>| NewPort {
        allowed_address_pairs: pairs,
        ..NewPort::new(network.id)
    };
    let port = red.new_port(with(vec![pair("10.0.0.9/32"), pair("::/0")]));
    let port = port.expect("a port");
    let macs = port.allowed_address_pairs.iter().map(|p| p.mac_address);
    assert!(macs.into_iter().all(|mac| mac == port.mac_address));
    let refused = red.new_port(with(vec![pair("10.0.0.9/24")]));
    assert!(matches!(refused, Err(OpError::CidrHostBits { .. })));
    let refused = red.new_port(with(vec![pair("10.0.0.9/32"), pair("10.0.0.9/32")]));
    assert!(matches!(refused, Err(OpError::Duplicate { .. })));
    let many = (0..11).map(|n| pair(&format!("10.0.{n}.0/24"))).collect();
    let over = OpError::OverQuota {
        quota: Quota::AddressPairs,
        limit: 10,
    };
    assert_eq!(red.new_port(with(many)), Err(over));
}
