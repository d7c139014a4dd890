//! Units from rows: what each kind says, and which rows it says it from.

use crate::rows::Rows;
use ipnet::IpNet;
use model::{NetworkId, Port, PortId, SecurityGroupId};
use operations::tables::Ports;
use plan::{
    Endpoint, EndpointAddress, Member, Rule, RuleSet, Segment, SetMember, SubnetServices, Tunnel,
    Unit, UnitKey,
};
use store::{Revision, Row, Table};

/// A row that a unit was computed from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowRef {
    /// The table's name.
    pub table: &'static str,
    /// The row's key within the table, its parts joined by '/'.
    pub path: String,
    /// The revision of the row's last write.
    pub revision: Revision,
}

impl RowRef {
    fn of<T: Table>(row: &Row<T>) -> Self {
        Self {
            table: T::NAME,
            path: row.path().to_owned(),
            revision: row.revision(),
        }
    }
}

impl Rows {
    /// The unit as the rows have it; `None` if they have none.
    pub(crate) fn unit(&self, key: &UnitKey) -> Option<Unit> {
        Some(match key {
            UnitKey::Tunnel(host) => Unit::Tunnel(Tunnel {
                host: host.clone(),
                address: self.hosts.get(host)?.value.tunnel_address,
            }),
            UnitKey::SetMember(group, port) => Unit::SetMember(self.set_member(*group, *port)?),
            UnitKey::RuleSet(group) => Unit::RuleSet(self.rule_set(*group)?),
            UnitKey::Segment(network) => Unit::Segment(self.segment(*network)?),
            UnitKey::Member(network, port) => {
                let port = &self.ports.get(port)?.value;
                Unit::Member(member(port).filter(|member| member.network == *network)?)
            }
            UnitKey::Endpoint(port) => Unit::Endpoint(endpoint(&self.ports.get(port)?.value)?),
        })
    }

    /// The rows that [`Rows::unit`] reads for the key.
    pub(crate) fn sources(&self, key: &UnitKey) -> Vec<RowRef> {
        match key {
            UnitKey::Tunnel(host) => self.hosts.get(host).map(|row| RowRef::of(row)),
            UnitKey::SetMember(_, port) | UnitKey::Member(_, port) | UnitKey::Endpoint(port) => {
                self.ports.get(port).map(|row| RowRef::of::<Ports>(row))
            }
            UnitKey::RuleSet(group) => {
                let group_row = self.groups.get(group).map(|row| RowRef::of(row));
                let rules = self.rules_of(*group).map(RowRef::of);
                return group_row.into_iter().chain(rules).collect();
            }
            UnitKey::Segment(network) => {
                let network_row = self.networks.get(network).map(|row| RowRef::of(row));
                let subnets = self.subnets_of(*network).map(RowRef::of);
                return network_row.into_iter().chain(subnets).collect();
            }
        }
        .into_iter()
        .collect()
    }

    fn set_member(&self, group: SecurityGroupId, port: PortId) -> Option<SetMember> {
        let port = &self.ports.get(&port)?.value;
        if !port.security_groups.contains(&group) {
            return None;
        }
        let fixed = port.fixed_ips.iter().map(|ip| IpNet::from(ip.ip_address));
        let pairs = port.allowed_address_pairs.iter();
        let prefixes = sorted(fixed.chain(pairs.map(|pair| pair.ip_address.trunc())));
        (!prefixes.is_empty()).then_some(SetMember {
            group,
            port: port.id,
            prefixes,
        })
    }

    fn rule_set(&self, group: SecurityGroupId) -> Option<RuleSet> {
        let stateful = self.groups.get(&group)?.value.stateful;
        let rules = self.rules_of(group).map(|row| Rule {
            id: row.value.id,
            direction: row.value.direction,
            family: row.value.family,
            protocol: row.value.protocol.as_ref().map(|p| p.number),
            l4: row.value.l4,
            remote: row.value.remote,
        });
        Some(RuleSet {
            group,
            stateful,
            rules: rules.collect(),
        })
    }

    fn segment(&self, network: NetworkId) -> Option<Segment> {
        let row = &self.networks.get(&network)?.value;
        let subnets = self.subnets_of(network).map(|row| SubnetServices {
            subnet: row.value.id,
            cidr: row.value.cidr,
            gateway: row.value.gateway_ip,
            enable_dhcp: row.value.enable_dhcp,
            dns_nameservers: row.value.dns_nameservers.clone(),
            host_routes: row.value.host_routes.clone(),
            ra_mode: row.value.ipv6_ra_mode,
            address_mode: row.value.ipv6_address_mode,
        });
        Some(Segment {
            network,
            vni: row.vni,
            mtu: row.mtu,
            admin_up: row.admin_state_up,
            subnets: subnets.collect(),
        })
    }
}

/// `None` for a port on no host.
fn member(port: &Port) -> Option<Member> {
    Some(Member {
        network: port.network_id,
        port: port.id,
        host: port.binding.host.clone()?,
        mac: port.mac_address,
        addresses: sorted(port.fixed_ips.iter().map(|ip| ip.ip_address)),
        pairs: sorted(port.allowed_address_pairs.iter().copied()),
    })
}

/// `None` for a port on no host.
fn endpoint(port: &Port) -> Option<Endpoint> {
    port.binding.host.as_ref()?;
    let addresses = port.fixed_ips.iter().map(|ip| EndpointAddress {
        address: ip.ip_address,
        subnet: ip.subnet_id,
    });
    Some(Endpoint {
        port: port.id,
        network: port.network_id,
        device: Port::device_name(port.id),
        mac: port.mac_address,
        admin_up: port.admin_state_up,
        port_security: port.port_security_enabled,
        addresses: sorted(addresses),
        pairs: sorted(port.allowed_address_pairs.iter().copied()),
        groups: port.security_groups.iter().copied().collect(),
        dhcp_options: port.extra_dhcp_opts.clone(),
    })
}

/// Ascending, without duplicates.
fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}
