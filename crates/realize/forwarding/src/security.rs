//! Anti-spoofing and security groups: may this port send, or be sent, this packet?

use crate::connections::{self, Connections, FlowKey};
use crate::packet::{Arp, Ethernet, Fragment, Ip, Payload};
use crate::transport::{self, Transport};
use crate::{DropReason, Hook, Step};
use ipnet::IpNet;
use model::{Direction, Family, L4Match, Mac, Protocol, Remote, RuleId, SecurityGroupId};
use plan::{Endpoint, HostPlan, Rule, UnitKey};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// MLD reports are sent before the sender has an address (RFC 3590).
const MLD_REPORTS: [u8; 2] = [131, 143];

// ---- anti-spoofing ----

/// True if the port may send from this MAC at all.
fn owns_mac(endpoint: &Endpoint, mac: Mac) -> bool {
    mac == endpoint.mac || endpoint.pairs.iter().any(|pair| pair.mac_address == mac)
}

/// True if the port may send from this address with this MAC: a fixed address, an allowed pair, or the MAC's link-local.
fn owns_address(endpoint: &Endpoint, mac: Mac, address: IpAddr) -> bool {
    let fixed = mac == endpoint.mac && endpoint.addresses.iter().any(|a| a.address == address);
    let link_local = owns_mac(endpoint, mac) && address == IpAddr::V6(mac.link_local());
    let paired = endpoint
        .pairs
        .iter()
        .any(|pair| pair.mac_address == mac && pair.ip_address.contains(&address));
    fixed || link_local || paired
}

/// The checks of a packet's sender; with port security only.
pub(crate) fn anti_spoof(
    endpoint: &Endpoint,
    ethernet: &Ethernet,
    payload: &Payload,
) -> Result<(), DropReason> {
    if !owns_mac(endpoint, ethernet.source) {
        return Err(DropReason::SpoofedMac);
    }
    match payload {
        Payload::Other => Err(DropReason::EtherType),
        Payload::Arp(arp) => anti_spoof_arp(endpoint, arp),
        Payload::Ip(ip) => match ip.source {
            IpAddr::V4(source) => anti_spoof_ipv4(endpoint, ethernet.source, ip, source),
            IpAddr::V6(source) => anti_spoof_ipv6(endpoint, ethernet.source, ip, source),
        },
    }
}

fn anti_spoof_arp(endpoint: &Endpoint, arp: &Arp) -> Result<(), DropReason> {
    // RFC 5227: a probe has no sender address yet.
    let is_probe = arp.is_request && arp.sender.is_unspecified();
    let allowed = if is_probe {
        owns_mac(endpoint, arp.sender_mac)
    } else {
        owns_address(endpoint, arp.sender_mac, arp.sender.into())
    };
    allowed.then_some(()).ok_or(DropReason::SpoofedArp)
}

fn anti_spoof_ipv4(
    endpoint: &Endpoint,
    mac: Mac,
    ip: &Ip,
    source: Ipv4Addr,
) -> Result<(), DropReason> {
    let udp = match ip.transport {
        Transport::Udp(ports) => Some((ports.source, ports.destination)),
        _ => None,
    };
    let is_dhcp_client = source.is_unspecified() && udp == Some((68, 67));
    if !is_dhcp_client && !owns_address(endpoint, mac, ip.source) {
        return Err(DropReason::SpoofedIpv4);
    }
    if udp == Some((67, 68)) {
        return Err(DropReason::RogueDhcpv4);
    }
    Ok(())
}

fn anti_spoof_ipv6(
    endpoint: &Endpoint,
    mac: Mac,
    ip: &Ip,
    source: Ipv6Addr,
) -> Result<(), DropReason> {
    let icmp = match ip.transport {
        Transport::Icmp(icmp) => Some(icmp),
        _ => None,
    };
    let has_no_address_yet = source.is_unspecified()
        && icmp.is_some_and(|icmp| {
            MLD_REPORTS.contains(&icmp.kind)
                || matches!(
                    icmp.kind,
                    transport::ROUTER_SOLICITATION | transport::NEIGHBOUR_SOLICITATION
                )
        });
    if !has_no_address_yet && !owns_address(endpoint, mac, ip.source) {
        return Err(DropReason::SpoofedIpv6);
    }
    match (ip.transport, icmp) {
        (Transport::Udp(ports), _) if (ports.source, ports.destination) == (547, 546) => {
            Err(DropReason::RogueDhcpv6)
        }
        (_, Some(icmp)) => anti_spoof_nd(endpoint, mac, ip, &icmp),
        _ => Ok(()),
    }
}

fn anti_spoof_nd(
    endpoint: &Endpoint,
    mac: Mac,
    ip: &Ip,
    icmp: &transport::Icmp,
) -> Result<(), DropReason> {
    let Some(neighbour) = icmp.neighbour else {
        return Ok(());
    };
    if icmp.kind == transport::ROUTER_ADVERTISEMENT {
        return Err(DropReason::RogueRouterAdvertisement);
    }
    let (claimed_mac, claimed) = if icmp.kind == transport::NEIGHBOUR_ADVERTISEMENT {
        let target = neighbour.target.map_or(ip.source, IpAddr::V6);
        (Some(neighbour.link_layer.unwrap_or(mac)), target)
    } else {
        (neighbour.link_layer, ip.source)
    };
    match claimed_mac {
        Some(claimed_mac) if !owns_address(endpoint, claimed_mac, claimed) => {
            Err(DropReason::SpoofedNd)
        }
        _ => Ok(()),
    }
}

// ---- security groups ----

/// What the rules look at.
struct Probe {
    family: Family,
    direction: Direction,
    protocol: u8,
    remote: IpAddr,
    destination_port: Option<u16>,
    icmp: Option<(u8, u8)>,
}

/// The rule that allows a packet, and of which group.
struct Match {
    group: SecurityGroupId,
    rule: RuleId,
    stateful: bool,
}

/// The first rule in the order of groups and rule ids that allows it; one of a stateful group before any other.
fn find_rule(plan: &HostPlan, endpoint: &Endpoint, probe: &Probe) -> Option<Match> {
    let mut stateless = None;
    for group in &endpoint.groups {
        let Some(set) = plan.rule_set(*group) else {
            continue;
        };
        let Some(rule) = set.rules.iter().find(|rule| matches(plan, rule, probe)) else {
            continue;
        };
        let found = Match {
            group: *group,
            rule: rule.id,
            stateful: set.stateful,
        };
        if set.stateful {
            return Some(found);
        }
        stateless.get_or_insert(found);
    }
    stateless
}

fn matches(plan: &HostPlan, rule: &Rule, probe: &Probe) -> bool {
    let l4 = match rule.l4 {
        L4Match::Any => true,
        L4Match::Ports(range) => probe.destination_port.is_some_and(|p| range.contains(p)),
        L4Match::Icmp(wanted) => probe.icmp.is_some_and(|(kind, code)| {
            kind == wanted.kind && wanted.code.is_none_or(|wanted| wanted == code)
        }),
    };
    let remote = || match rule.remote {
        Remote::Any => true,
        Remote::Prefix(prefix) => prefix.contains(&probe.remote),
        Remote::Group(group) => plan
            .set_members(group)
            .flat_map(|member| &member.prefixes)
            .any(|prefix: &IpNet| prefix.contains(&probe.remote)),
    };
    rule.direction == probe.direction
        && rule.family == probe.family
        && rule
            .protocol
            .is_none_or(|protocol| protocol == probe.protocol)
        && l4
        && remote()
}

fn probe(direction: Direction, ip: &Ip) -> Probe {
    let remote = match direction {
        Direction::Egress => ip.destination,
        Direction::Ingress => ip.source,
    };
    Probe {
        family: Family::of(remote),
        direction,
        protocol: ip.protocol,
        remote,
        destination_port: match ip.transport {
            Transport::Tcp { ports, .. } | Transport::Udp(ports) | Transport::Ports(ports) => {
                Some(ports.destination)
            }
            _ => None,
        },
        icmp: match ip.transport {
            Transport::Icmp(icmp) => Some((icmp.kind, icmp.code)),
            _ => None,
        },
    }
}

/// The first packet of a connection, as rules see it.
fn probe_of_flow(key: &FlowKey, direction: Direction) -> Probe {
    let destination_port = match direction {
        Direction::Egress => key.remote_port,
        Direction::Ingress => key.local_port,
    };
    let family = Family::of(key.remote);
    let has_ports = matches!(
        key.protocol,
        Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP | Protocol::DCCP
    );
    Probe {
        family,
        direction,
        protocol: key.protocol,
        remote: key.remote,
        destination_port: has_ports.then_some(destination_port),
        icmp: match (family, key.protocol) {
            (Family::V4, Protocol::ICMP) => Some((8, 0)),
            (Family::V6, Protocol::ICMPV6) => Some((128, 0)),
            _ => None,
        },
    }
}

/// The security groups of one port for one packet.
pub(crate) struct SecurityGroups<'a> {
    pub(crate) plan: &'a HostPlan,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) direction: Direction,
    pub(crate) hook: Hook,
    pub(crate) now: u64,
}

impl SecurityGroups<'_> {
    pub(crate) fn check(
        &self,
        ip: &Ip,
        connections: &mut Connections,
        steps: &mut Vec<Step>,
    ) -> Result<(), DropReason> {
        let port = self.endpoint.port;
        if let Fragment::Later(id) = ip.fragment {
            return connections
                .follows_fragment(port, self.direction, ip, id, self.now)
                .then_some(())
                .ok_or(DropReason::FragmentUnknown);
        }
        if let Transport::Tcp { flags, .. } = ip.transport
            && !connections::tcp_flags_are_valid(flags)
        {
            return Err(DropReason::TcpFlags);
        }
        if !self.belongs_to_flow(ip, connections, steps) {
            self.begin(ip, connections, steps)?;
        }
        if let Fragment::First(id) = ip.fragment {
            connections.begin_fragments(port, self.direction, ip, id, self.now);
        }
        Ok(())
    }

    /// A reply, a later packet, or an ICMP error about one.
    fn belongs_to_flow(
        &self,
        ip: &Ip,
        connections: &mut Connections,
        steps: &mut Vec<Step>,
    ) -> bool {
        let port = self.endpoint.port;
        if let Transport::Icmp(icmp) = ip.transport
            && let Some(quoted) = icmp.quoted
            && let Some(key) = FlowKey::quoted(port, self.direction, &quoted)
            && self.is_allowed_still(&key, connections)
        {
            self.note(
                steps,
                None,
                "an error about an allowed connection".to_owned(),
            );
            return true;
        }
        let Some(key) = FlowKey::of(port, self.direction, ip) else {
            return false;
        };
        let Some(flow) = connections.get(&key, self.now) else {
            return false;
        };
        if connections::is_reopened(&flow, &ip.transport)
            || !self.is_allowed_still(&key, connections)
        {
            connections.remove(&key);
            return false;
        }
        connections.note(&key, self.direction, &ip.transport, self.now);
        self.note(steps, None, "belongs to an allowed connection".to_owned());
        true
    }

    fn is_allowed_still(&self, key: &FlowKey, connections: &Connections) -> bool {
        connections.get(key, self.now).is_some_and(|flow| {
            let probe = probe_of_flow(key, flow.direction);
            find_rule(self.plan, self.endpoint, &probe).is_some_and(|found| found.stateful)
        })
    }

    fn begin(
        &self,
        ip: &Ip,
        connections: &mut Connections,
        steps: &mut Vec<Step>,
    ) -> Result<(), DropReason> {
        let Some(found) = find_rule(self.plan, self.endpoint, &probe(self.direction, ip)) else {
            self.note(steps, None, self.missing(ip));
            return Err(match self.direction {
                Direction::Egress => DropReason::SecurityGroupEgress,
                Direction::Ingress => DropReason::SecurityGroupIngress,
            });
        };
        if found.stateful
            && let Some(key) = FlowKey::of(self.endpoint.port, self.direction, ip)
        {
            if connections::may_begin(&ip.transport) {
                connections.begin(key, self.direction, self.now);
            } else if matches!(ip.transport, Transport::Tcp { .. }) {
                return Err(DropReason::ConnectionInvalid);
            }
        }
        let detail = format!("rule {} of group {} allows it", found.rule, found.group);
        self.note(steps, Some(&found), detail);
        Ok(())
    }

    fn note(&self, steps: &mut Vec<Step>, found: Option<&Match>, detail: String) {
        steps.push(Step {
            hook: self.hook,
            check: match self.direction {
                Direction::Egress => "security groups, egress",
                Direction::Ingress => "security groups, ingress",
            },
            unit: Some(match found {
                Some(found) => UnitKey::RuleSet(found.group),
                None => UnitKey::Endpoint(self.endpoint.port),
            }),
            rule: found.map(|found| found.rule),
            detail,
        });
    }

    fn missing(&self, ip: &Ip) -> String {
        let probe = probe(self.direction, ip);
        let port = match (probe.destination_port, probe.icmp) {
            (Some(port), _) => format!(" to port {port}"),
            (None, Some((kind, code))) => format!(" type {kind} code {code}"),
            (None, None) => String::new(),
        };
        let (direction, side) = match self.direction {
            Direction::Egress => ("egress", "to"),
            Direction::Ingress => ("ingress", "from"),
        };
        let protocol = Protocol::name_of(probe.protocol)
            .map_or_else(|| format!("protocol {}", probe.protocol), str::to_owned);
        format!(
            "none of the port's security groups has an {direction} rule for IPv{} {protocol}{port} {side} {}",
            probe.family.version(),
            probe.remote
        )
    }
}
