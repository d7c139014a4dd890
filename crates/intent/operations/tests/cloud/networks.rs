//! What a project may do to networks.

use crate::lab::{ANY, Cloud, User, parse};
use ipam::{IpamError, VniRange};
use model::{Mtu, Network, Vni};
use operations::networks::{self, NetworkChanges, NewNetwork};
use operations::ports::NewPort;
use operations::subnets::NewSubnet;
use operations::tables::{Subnets, Vnis};
use operations::{Defaults, Expect, OpError, Quota};

fn vni(value: u32) -> Vni {
    Vni::new(value).expect("a VNI")
}

fn mtu(value: u32) -> Mtu {
    Mtu::new(value).expect("an MTU")
}

fn update(user: User, network: &Network, changes: NetworkChanges) -> Result<Network, OpError> {
    user.run(|tx, ctx| networks::update(tx, ctx, network.id, ANY, changes.clone()))
}

fn delete(user: User, network: &Network) -> Result<(), OpError> {
    user.run(|tx, _| networks::delete(tx, network.id, ANY))
}

#[test]
fn a_network_that_asks_for_nothing_gets_the_defaults() {
    let cloud = Cloud::new();
    let network = cloud.user("red").network();
    assert_eq!(network.mtu, Mtu::DEFAULT);
    assert!(network.admin_state_up && network.port_security_enabled && !network.shared);
    assert_eq!(network.meta.project_id, parse("red"));
    assert_eq!(network.meta.revision_number, 0);
}

#[test]
fn a_vni_is_given_once_and_comes_back() {
    let range = VniRange::between(vni(10), vni(11));
    let cloud = Cloud::with(Defaults {
        vnis: range,
        ..Defaults::default()
    });
    let red = cloud.user("red");
    let (one, _other) = (red.network(), red.network());
    let exhausted = IpamError::VnisExhausted {
        first: vni(10),
        last: vni(11),
    };
    assert_eq!(
        red.new_network(NewNetwork::default()),
        Err(exhausted.into())
    );
    let named = NewNetwork {
        vni: Some(one.vni),
        ..NewNetwork::default()
    };
    let taken = IpamError::VniTaken {
        vni: one.vni,
        holder: one.id,
    };
    assert_eq!(red.new_network(named), Err(taken.into()));
    assert_eq!(delete(red, &one), Ok(()));
    assert_eq!(red.network().vni, one.vni);
}

#[test]
fn a_network_with_ports_stays_and_one_without_takes_its_subnets_along() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    red.subnet(&network, "10.0.0.0/24");
    let port = red.port(network.id);
    let in_use = OpError::NetworkInUse {
        network: network.id,
        port: port.id,
    };
    assert_eq!(delete(red, &network), Err(in_use));
    red.delete_port(&port).expect("the port goes");
    assert_eq!(delete(red, &network), Ok(()));
    assert_eq!(cloud.snapshot().len::<Subnets>(), 0);
    assert_eq!(cloud.snapshot().len::<Vnis>(), 0);
    assert_eq!(
        delete(red, &network),
        Err(OpError::NetworkNotFound(network.id))
    );
}

#[test]
fn an_mtu_fits_the_underlay_and_ipv6() {
    let cloud = Cloud::with(Defaults {
        max_mtu: mtu(1450),
        ..Defaults::default()
    });
    let red = cloud.user("red");
    let with = |mtu| NewNetwork {
        mtu: Some(mtu),
        ..NewNetwork::default()
    };
    let too_large = OpError::MtuTooLarge {
        mtu: mtu(1451),
        max: mtu(1450),
    };
    assert_eq!(red.new_network(with(mtu(1451))), Err(too_large.clone()));
    let small = red.new_network(with(mtu(1279))).expect("a network");
    let v6 = NewSubnet::new(small.id, parse("2001:db8::/64"));
    let too_small = OpError::MtuTooSmallForIpv6(mtu(1279));
    assert_eq!(red.new_subnet(v6.clone()), Err(too_small.clone()));
    let change = |value| NetworkChanges {
        mtu: Some(mtu(value)),
        ..NetworkChanges::default()
    };
    assert!(update(red, &small, change(1280)).is_ok());
    red.new_subnet(v6).expect("now it fits");
    assert_eq!(update(red, &small, change(1279)), Err(too_small));
    assert_eq!(update(red, &small, change(1451)), Err(too_large));
}

#[test]
fn only_a_network_nobody_else_uses_stops_being_shared() {
    let cloud = Cloud::new();
    let (admin, blue) = (cloud.admin(), cloud.user("blue"));
    let network = admin.shared_network();
    let port = blue.port(network.id);
    let unshare = NetworkChanges {
        shared: Some(false),
        ..NetworkChanges::default()
    };
    let refused = OpError::NetworkSharedInUse {
        network: network.id,
        port: port.id,
        project: parse("blue"),
    };
    assert_eq!(update(admin, &network, unshare.clone()), Err(refused));
    blue.delete_port(&port).expect("the port goes");
    assert!(update(admin, &network, unshare).is_ok());
    let hidden = blue.new_port(NewPort::new(network.id));
    assert_eq!(hidden, Err(OpError::NetworkNotFound(network.id)));
}

#[test]
fn a_revision_counts_changes_and_guards_them() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let rename = NetworkChanges {
        name: Some("blue-net".to_owned()),
        ..NetworkChanges::default()
    };
    let renamed = update(red, &network, rename.clone()).expect("a change");
    assert_eq!(renamed.meta.revision_number, 1);
    assert!(renamed.meta.updated_at > renamed.meta.created_at);
    assert_eq!(
        update(red, &network, rename.clone()),
        Ok(renamed),
        "nothing new"
    );
    let expect = Expect {
        revision_number: Some(0),
    };
    let mismatch = OpError::RevisionMismatch {
        expected: 0,
        found: 1,
    };
    let late = red.run(|tx, ctx| networks::update(tx, ctx, network.id, expect, rename.clone()));
    assert_eq!(late, Err(mismatch.clone()));
    let late = red.run(|tx, _| networks::delete(tx, network.id, expect));
    assert_eq!(late, Err(mismatch));
    red.subnet(&network, "10.0.0.0/24");
    let expect = Expect {
        revision_number: Some(2),
    };
    let known = red.run(|tx, _| networks::delete(tx, network.id, expect));
    assert_eq!(known, Ok(()), "a new subnet is a change of its network");
}

#[test]
fn quotas_and_foreign_projects() {
    let mut defaults = Defaults::default();
    defaults.limits.networks_per_project = Some(1);
    let cloud = Cloud::with(defaults);
    let red = cloud.user("red");
    red.network();
    let over = OpError::OverQuota {
        quota: Quota::Network,
        limit: 1,
    };
    assert_eq!(red.new_network(NewNetwork::default()), Err(over));
    cloud.user("blue").network();
    let for_green = NewNetwork {
        project_id: Some(parse("green")),
        ..NewNetwork::default()
    };
    let refused = Err(OpError::ForeignProject(parse("green")));
    assert_eq!(red.new_network(for_green.clone()), refused);
    let network = cloud.admin().new_network(for_green).expect("a network");
    assert_eq!(network.meta.project_id, parse("green"));
}

#[test]
fn a_bulk_request_is_all_or_nothing() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let named = NewNetwork {
        vni: Some(vni(5)),
        ..NewNetwork::default()
    };
    let outcome = red.run(|tx, ctx| {
        let first = networks::create(tx, ctx, named.clone())?;
        networks::create(tx, ctx, named.clone())?;
        Ok(first)
    });
    assert!(matches!(
        outcome,
        Err(OpError::Ipam(IpamError::VniTaken { .. }))
    ));
}
