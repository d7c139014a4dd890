//! Clouds as rows, put into a store directly: the sizes wanted here would take operations minutes.

use anyhow::Result;
use model::{
    AgentId, AllocationStrategy, Binding, Direction, Family, FixedIp, Host, HostName, Mac, Meta,
    Mtu, Network, NetworkId, Port, PortId, PortStatus, Remote, RuleId, SecurityGroup,
    SecurityGroupId, SecurityGroupRule, Subnet, SubnetId, Timestamp, Vni,
};
use operations::tables::{Hosts, Networks, Ports, Rules, SecurityGroups, Subnets};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use store::{Revision, Store, Tx};
use uuid::Uuid;

/// Rows written in one transaction while a cloud is built.
const CHUNK: u32 = 2_000;

fn meta(name: String) -> Result<Meta> {
    let project = "bench".parse()?;
    Ok(Meta::new(
        project,
        name,
        String::new(),
        Timestamp::UNIX_EPOCH,
    ))
}

/// Ids that are spread like random ones and can be computed from a number.
fn id(kind: u64, number: u32) -> Uuid {
    let mut z = (kind << 32 | u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    Uuid::from_u64_pair(z ^ (z >> 31), kind << 32 | u64::from(number))
}

pub(super) fn host_name(number: u32) -> Result<HostName> {
    Ok(format!("sim-{number}").parse()?)
}

/// The tunnel address of a host, in 10.0.0.0/8.
pub(super) fn tunnel_address(number: u32) -> IpAddr {
    Ipv4Addr::from(0x0a00_0001 + number).into()
}

pub(super) fn network_id(number: u32) -> NetworkId {
    NetworkId(id(1, number))
}

pub(super) fn port_id(number: u32) -> PortId {
    PortId(id(2, number))
}

pub(super) fn group_id(number: u32) -> SecurityGroupId {
    SecurityGroupId(id(3, number))
}

/// Runs one transaction that nobody contends with.
pub(super) async fn write(store: &Store, f: impl Fn(&mut Tx) + Send + Sync) -> Result<Revision> {
    let done = store.transact(|tx| {
        f(tx);
        Ok::<_, Infallible>(())
    });
    Ok(done.await?.revision)
}

/// Puts `count` rows or groups of rows, in chunks.
async fn put_all<T>(
    store: &Store,
    count: u32,
    make: impl Fn(u32) -> Result<T>,
    put: impl Fn(&mut Tx, &T) + Send + Sync,
) -> Result<()>
where
    T: Sync,
{
    for start in (0..count).step_by(CHUNK as usize) {
        let end = count.min(start + CHUNK);
        let rows = (start..end).map(&make).collect::<Result<Vec<_>>>()?;
        write(store, |tx| rows.iter().for_each(|row| put(tx, row))).await?;
    }
    Ok(())
}

pub(super) async fn put_hosts(store: &Store, count: u32) -> Result<()> {
    let make = |number| {
        Ok(Host {
            name: host_name(number)?,
            agent_id: AgentId(id(4, number)),
            tunnel_address: tunnel_address(number),
            admin_state_up: true,
            description: String::new(),
            registered_at: Timestamp::UNIX_EPOCH,
        })
    };
    put_all(store, count, make, |tx, host| {
        tx.put::<Hosts>(host.name.clone(), host.clone());
    })
    .await
}

/// Networks with one IPv4 subnet each.
pub(super) async fn put_networks(store: &Store, count: u32) -> Result<()> {
    let make = |number| {
        let network = Network {
            id: network_id(number),
            meta: meta(format!("network-{number}"))?,
            admin_state_up: true,
            shared: false,
            mtu: Mtu::DEFAULT,
            port_security_enabled: true,
            vni: Vni::new(number + 1)?,
        };
        Ok((network, subnet(number)?))
    };
    put_all(store, count, make, |tx, (network, subnet)| {
        tx.put::<Networks>(network.id, network.clone());
        tx.put::<Subnets>((network.id, subnet.id), subnet.clone());
    })
    .await
}

fn subnet(number: u32) -> Result<Subnet> {
    Ok(Subnet {
        id: SubnetId(id(5, number)),
        network_id: network_id(number),
        meta: meta(format!("subnet-{number}"))?,
        cidr: "172.16.0.0/12".parse()?,
        gateway_ip: Some("172.16.0.1".parse()?),
        allocation_pools: Vec::new(),
        enable_dhcp: true,
        dns_nameservers: Vec::new(),
        host_routes: Vec::new(),
        ipv6_ra_mode: None,
        ipv6_address_mode: None,
        allocation_strategy: AllocationStrategy::Random,
    })
}

/// Groups that allow everything out and let their own members in.
pub(super) async fn put_groups(store: &Store, count: u32) -> Result<()> {
    let make = |number| {
        let group = SecurityGroup {
            id: group_id(number),
            meta: meta(format!("group-{number}"))?,
            stateful: true,
            is_default: false,
        };
        let out = rule(number * 2, group.id, Direction::Egress, Remote::Any)?;
        let within = rule(
            number * 2 + 1,
            group.id,
            Direction::Ingress,
            Remote::Group(group.id),
        )?;
        Ok((group, [out, within]))
    };
    put_all(store, count, make, |tx, (group, rules)| {
        tx.put::<SecurityGroups>(group.id, group.clone());
        for rule in rules {
            tx.put::<Rules>((group.id, rule.id), rule.clone());
        }
    })
    .await
}

fn rule(
    number: u32,
    group: SecurityGroupId,
    direction: Direction,
    remote: Remote,
) -> Result<SecurityGroupRule> {
    Ok(SecurityGroupRule {
        id: RuleId(id(6, number)),
        security_group_id: group,
        meta: meta(String::new())?,
        direction,
        family: Family::V4,
        protocol: None,
        l4: model::L4Match::Any,
        remote,
    })
}

/// Where a port of a given number is.
pub(super) struct Place {
    pub(super) network: u32,
    pub(super) group: u32,
    pub(super) host: Option<u32>,
}

pub(super) fn port(number: u32, place: &Place) -> Result<Port> {
    let [_, a, b, c] = number.to_be_bytes();
    let host = place.host.map(host_name).transpose()?;
    Ok(Port {
        id: port_id(number),
        network_id: network_id(place.network),
        meta: meta(format!("port-{number}"))?,
        mac_address: Mac([0xfa, 0x16, 0x3e, a, b, c]),
        admin_state_up: true,
        fixed_ips: vec![FixedIp {
            subnet_id: SubnetId(id(5, place.network)),
            ip_address: Ipv4Addr::from(0xac10_0002 + number).into(),
        }],
        device_id: id(7, number).to_string(),
        device_owner: "compute:nova".to_owned(),
        binding: Binding {
            host,
            vnic_type: "normal".to_owned(),
            profile: serde_json::Map::new(),
        },
        allowed_address_pairs: Vec::new(),
        port_security_enabled: true,
        security_groups: BTreeSet::from([group_id(place.group)]),
        extra_dhcp_opts: Vec::new(),
        status: PortStatus::Active,
    })
}

pub(super) async fn put_ports(
    store: &Store,
    count: u32,
    place: impl Fn(u32) -> Place,
) -> Result<()> {
    let make = |number| port(number, &place(number));
    put_all(store, count, make, put_port).await
}

pub(super) fn put_port(tx: &mut Tx, port: &Port) {
    tx.put::<Ports>((port.network_id, port.id), port.clone());
}
