//! What holds between the rows of a cloud after any commit.

use ipam::Owner;
use model::{Port, Remote, Subnet};
use operations::tables::{
    Addresses, Cursors, DefaultGroups, Hosts, Macs, Networks, Ports, Rules, SecurityGroups,
    Subnets, Vnis,
};
use std::collections::BTreeMap;
use store::Snapshot;

pub(crate) fn check(cloud: &Snapshot) {
    taken_things_belong_to_their_holders(cloud);
    for row in cloud.scan::<Subnets>(()) {
        assert_eq!(row.key, (row.value.network_id, row.value.id));
        assert!(cloud.get::<Networks>(&row.value.network_id).is_some());
        check_subnet(&row.value);
    }
    for row in cloud.scan::<Ports>(()) {
        assert_eq!(row.key, (row.value.network_id, row.value.id));
        check_port(cloud, &row.value);
    }
    for row in cloud.scan::<Cursors>(()) {
        assert!(subnet(cloud, row.key).is_some(), "a cursor without subnet");
    }
    check_groups(cloud);
}

fn taken_things_belong_to_their_holders(cloud: &Snapshot) {
    let ports: Vec<_> = cloud.scan::<Ports>(()).collect();
    let addresses = ports.iter().flat_map(|row| {
        let held = row.value.fixed_ips.iter();
        held.map(|f| ((f.subnet_id, f.ip_address), Owner::Port(row.value.id)))
    });
    let addresses: Vec<_> = addresses.collect();
    let held: BTreeMap<_, _> = addresses.iter().copied().collect();
    assert_eq!(held.len(), addresses.len(), "an address has two holders");
    let rows = cloud.scan::<Addresses>(()).map(|row| (row.key, row.value));
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), held);

    let macs = ports.iter().map(|row| {
        let port = &row.value;
        ((port.network_id, port.mac_address), port.id)
    });
    let macs: Vec<_> = macs.collect();
    let held: BTreeMap<_, _> = macs.iter().copied().collect();
    assert_eq!(held.len(), macs.len(), "a MAC has two holders on a network");
    let rows = cloud.scan::<Macs>(()).map(|row| (row.key, row.value));
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), held);

    let networks = cloud.scan::<Networks>(());
    let vnis: Vec<_> = networks.map(|row| (row.value.vni.get(), row.key)).collect();
    let held: BTreeMap<_, _> = vnis.iter().copied().collect();
    assert_eq!(held.len(), vnis.len(), "a VNI has two holders");
    let rows = cloud.scan::<Vnis>(()).map(|row| (row.key, row.value));
    assert_eq!(rows.collect::<BTreeMap<_, _>>(), held);
}

fn check_subnet(subnet: &Subnet) {
    assert_eq!(subnet.cidr, subnet.cidr.trunc());
    for pool in &subnet.allocation_pools {
        assert!(subnet.cidr.contains(&pool.start) && subnet.cidr.contains(&pool.end));
        assert!(
            subnet
                .gateway_ip
                .is_none_or(|gateway| !pool.contains(gateway))
        );
    }
    for pair in subnet.allocation_pools.windows(2) {
        assert!(
            pair[0].end < pair[1].start,
            "pools overlap or are unordered"
        );
    }
}

fn check_port(cloud: &Snapshot, port: &Port) {
    assert!(cloud.get::<Networks>(&port.network_id).is_some());
    for fixed in &port.fixed_ips {
        let key = (port.network_id, fixed.subnet_id);
        let subnet = cloud
            .get::<Subnets>(&key)
            .expect("the subnet of an address");
        assert!(ipam::is_assignable(subnet.value.cidr, fixed.ip_address));
        if subnet.value.is_auto_addressed() && port.device_owner.is_empty() {
            let automatic = ipam::eui64_address(&subnet.value, port.mac_address);
            assert_eq!(automatic, Ok(fixed.ip_address), "it follows from the MAC");
        }
    }
    for group in &port.security_groups {
        assert!(
            cloud.get::<SecurityGroups>(group).is_some(),
            "a group is gone"
        );
    }
    if !port.port_security_enabled {
        assert!(port.security_groups.is_empty() && port.allowed_address_pairs.is_empty());
    }
    if let Some(host) = &port.binding.host {
        assert!(
            cloud.get::<Hosts>(host).is_some(),
            "a bound port's host is gone"
        );
    }
}

fn check_groups(cloud: &Snapshot) {
    let groups = cloud.scan::<SecurityGroups>(());
    let defaults = groups.filter(|row| row.value.is_default);
    let defaults = defaults.map(|row| (row.value.meta.project_id.clone(), row.key));
    let rows = cloud.scan::<DefaultGroups>(());
    let rows: BTreeMap<_, _> = rows.map(|row| (row.key.clone(), row.value)).collect();
    assert_eq!(defaults.collect::<BTreeMap<_, _>>(), rows);
    for row in cloud.scan::<Rules>(()) {
        assert_eq!(row.key, (row.value.security_group_id, row.value.id));
        assert!(
            cloud.get::<SecurityGroups>(&row.key.0).is_some(),
            "an orphan rule"
        );
        if let Remote::Group(group) = row.value.remote {
            assert!(
                cloud.get::<SecurityGroups>(&group).is_some(),
                "a remote group is gone"
            );
        }
    }
}

fn subnet(cloud: &Snapshot, id: model::SubnetId) -> Option<Subnet> {
    let mut found = cloud.lookup::<Subnets>("id", &id.to_string());
    found.next().map(|row| row.value.clone())
}
