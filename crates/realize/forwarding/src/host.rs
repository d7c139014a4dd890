//! The three hooks of a host.

use crate::connections::Connections;
use crate::neighbour::{self, Resolution};
use crate::packet::{ETHERNET, Ethernet, Fragment, Ip, Payload};
use crate::security::{self, SecurityGroups};
use crate::transport::{ROUTER_SOLICITATION, Transport};
use crate::{Decision, DropReason, Hook, Service, Step, Verdict};
use model::{Direction, Family, Ipv6Mode, Mac, PortId, Vni};
use plan::{Endpoint, HostPlan, Member, Segment, UnitKey};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Who sent the packet that reaches `to_port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `from_port` or `from_tunnel` of this host.
    Forwarded,
    /// The agent, as an answer of its own.
    Agent,
    /// The host's own network stack.
    Host,
}

/// A host with a plan. Finding things in it is linear in the plan's size.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    plan: &'a HostPlan,
    unplugged: Option<&'a BTreeSet<PortId>>,
}

/// One packet at one hook.
struct Walk<'a> {
    plan: &'a HostPlan,
    unplugged: Option<&'a BTreeSet<PortId>>,
    hook: Hook,
    steps: Vec<Step>,
}

type Verdicts = Result<Verdict, DropReason>;

impl<'a> Host<'a> {
    /// Every port bound to the host has its device.
    pub fn new(plan: &'a HostPlan) -> Self {
        Self {
            plan,
            unplugged: None,
        }
    }

    /// These ports have no device.
    pub fn with_unplugged(plan: &'a HostPlan, unplugged: &'a BTreeSet<PortId>) -> Self {
        Self {
            plan,
            unplugged: Some(unplugged),
        }
    }

    /// The workload of `port` sends `frame` (whole, at least 14 bytes) at `now` (seconds).
    pub fn from_port(
        &self,
        port: PortId,
        frame: &[u8],
        connections: &mut Connections,
        now: u64,
    ) -> Decision {
        self.walk(Hook::FromPort, |walk| {
            walk.leave_port(port, frame, connections, now)
        })
    }

    /// The VXLAN device receives `frame` in `vni` from `remote`.
    pub fn from_tunnel(&self, vni: u32, remote: IpAddr, frame: &[u8]) -> Decision {
        self.walk(Hook::FromTunnel, |walk| {
            walk.leave_tunnel(vni, remote, frame)
        })
    }

    /// `frame` is about to reach the workload of `port`.
    pub fn to_port(
        &self,
        port: PortId,
        frame: &[u8],
        origin: Origin,
        connections: &mut Connections,
        now: u64,
    ) -> Decision {
        self.walk(Hook::ToPort, |walk| {
            walk.reach_port(port, frame, origin, connections, now)
        })
    }

    fn walk(&self, hook: Hook, run: impl FnOnce(&mut Walk<'a>) -> Verdicts) -> Decision {
        let mut walk = Walk {
            plan: self.plan,
            unplugged: self.unplugged,
            hook,
            steps: Vec::new(),
        };
        let verdict = run(&mut walk).unwrap_or_else(|reason| {
            walk.note("drop", None, reason.explain().to_owned());
            Verdict::Drop { reason }
        });
        Decision {
            verdict,
            steps: walk.steps,
        }
    }
}

impl<'a> Walk<'a> {
    fn note(&mut self, check: &'static str, unit: Option<UnitKey>, detail: String) {
        self.steps.push(Step {
            hook: self.hook,
            check,
            unit,
            rule: None,
            detail,
        });
    }

    fn is_plugged(&self, port: PortId) -> bool {
        self.unplugged.is_none_or(|ports| !ports.contains(&port))
    }

    /// The port and its network, if both are up. A port whose network is not in the plan is not realized.
    fn port(&mut self, port: PortId) -> Result<(&'a Endpoint, &'a Segment), DropReason> {
        let endpoint = self.plan.endpoint(port).ok_or(DropReason::PortUnknown)?;
        let segment = self
            .plan
            .segment(endpoint.network)
            .ok_or(DropReason::PortUnknown)?;
        if !endpoint.admin_up {
            return Err(DropReason::PortDown);
        }
        if !segment.admin_up {
            return Err(DropReason::NetworkDown);
        }
        let detail = format!("network {} with VNI {}", segment.network, segment.vni);
        self.note("port", Some(UnitKey::Endpoint(port)), detail);
        Ok((endpoint, segment))
    }

    fn size(&self, segment: &Segment, frame: &[u8]) -> Result<(), DropReason> {
        if frame.len() > ETHERNET + usize::from(segment.mtu.get()) {
            return Err(DropReason::PacketTooBig);
        }
        Ok(())
    }

    fn leave_port(
        &mut self,
        port: PortId,
        frame: &[u8],
        connections: &mut Connections,
        now: u64,
    ) -> Verdicts {
        let (endpoint, segment) = self.port(port)?;
        let ethernet = Ethernet::parse(frame)?;
        self.size(segment, frame)?;
        let payload = Payload::parse(&ethernet, frame)?;
        if endpoint.port_security {
            security::anti_spoof(endpoint, &ethernet, &payload)?;
            let detail = format!("{} may send this", ethernet.source);
            self.note("anti-spoofing", Some(UnitKey::Endpoint(port)), detail);
        }
        if let Some(service) = service(segment, &payload) {
            self.note(
                "service",
                Some(UnitKey::Segment(segment.network)),
                "the agent answers".to_owned(),
            );
            return Ok(Verdict::Punt { service });
        }
        if let Some(address) = neighbour::requested(&payload)
            && let Some(frame) = self.answer(segment, &ethernet, &payload, frame, address)?
        {
            return Ok(Verdict::Reply { frame });
        }
        if let Payload::Ip(ip) = &payload {
            self.groups(endpoint, Direction::Egress, ip, connections, now)?;
        }
        self.forward(port, segment, ethernet.destination)
    }

    /// The answer to a request for an address, or `None` if the workloads are to be asked.
    fn answer(
        &mut self,
        segment: &Segment,
        ethernet: &Ethernet,
        payload: &Payload,
        frame: &[u8],
        address: IpAddr,
    ) -> Result<Option<Vec<u8>>, DropReason> {
        match neighbour::resolve(self.plan, segment, ethernet, payload, frame, address) {
            Resolution::Answer { unit, mac, frame } => {
                self.note("neighbour", Some(unit), format!("{address} is at {mac}"));
                Ok(Some(frame))
            }
            Resolution::Forward => Ok(None),
            Resolution::Unknown => Err(DropReason::NeighbourUnknown),
        }
    }

    fn groups(
        &mut self,
        endpoint: &Endpoint,
        direction: Direction,
        ip: &Ip,
        connections: &mut Connections,
        now: u64,
    ) -> Result<(), DropReason> {
        if !endpoint.port_security {
            let unit = Some(UnitKey::Endpoint(endpoint.port));
            self.note("security groups", unit, "port security is off".to_owned());
            return Ok(());
        }
        if neighbour::is_exempt(&ip.transport) {
            return Ok(());
        }
        let groups = SecurityGroups {
            plan: self.plan,
            endpoint,
            direction,
            hook: self.hook,
            now,
        };
        groups.check(ip, connections, &mut self.steps)
    }

    /// By destination MAC, from a port.
    fn forward(&mut self, from: PortId, segment: &Segment, destination: Mac) -> Verdicts {
        let network = segment.network;
        match self.lookup(segment, destination)? {
            Destination::Group => Ok(self.flood(segment, Some(from))),
            Destination::Member(member) if member.port == from => Err(DropReason::Hairpin),
            Destination::Member(member) if self.plan.endpoint(member.port).is_some() => {
                self.deliver(member)
            }
            Destination::Member(member) => {
                let tunnel = self
                    .plan
                    .tunnel(&member.host)
                    .ok_or(DropReason::TunnelUnknown)?;
                let detail = format!("to host {} at {}", tunnel.host, tunnel.address);
                self.note("tunnel", Some(UnitKey::Tunnel(tunnel.host.clone())), detail);
                let unit = UnitKey::Member(network, member.port);
                self.note("destination", Some(unit), destination.to_string());
                Ok(Verdict::Tunnel {
                    host: tunnel.host.clone(),
                    vni: segment.vni,
                })
            }
        }
    }

    fn deliver(&mut self, member: &Member) -> Verdicts {
        let unit = UnitKey::Member(member.network, member.port);
        self.note("destination", Some(unit), "on this host".to_owned());
        if !self.is_plugged(member.port) {
            return Err(DropReason::NotPlugged);
        }
        Ok(Verdict::Deliver { port: member.port })
    }

    /// A port's own MAC comes before an address pair's. Frames to a MAC that only pairs claim go to everyone,
    /// because only the workloads know who holds it.
    fn lookup(&self, segment: &Segment, mac: Mac) -> Result<Destination<'a>, DropReason> {
        if mac.0[0] & 1 == 1 {
            return Ok(Destination::Group);
        }
        if let Some(member) = self.plan.members(segment.network).find(|m| m.mac == mac) {
            return Ok(Destination::Member(member));
        }
        let paired = self
            .plan
            .members(segment.network)
            .flat_map(|member| &member.pairs)
            .any(|pair| pair.mac_address == mac);
        if paired {
            Ok(Destination::Group)
        } else {
            Err(DropReason::UnknownUnicast)
        }
    }

    /// `from` is `None` for a packet of a tunnel, which is only spread on this host.
    fn flood(&mut self, segment: &Segment, from: Option<PortId>) -> Verdict {
        let mut ports = BTreeSet::new();
        let mut hosts = BTreeSet::new();
        for member in self.plan.members(segment.network) {
            if self.plan.endpoint(member.port).is_some() {
                if Some(member.port) != from && self.is_plugged(member.port) {
                    ports.insert(member.port);
                }
            } else if from.is_some() && self.plan.tunnel(&member.host).is_some() {
                hosts.insert(member.host.clone());
            }
        }
        let detail = format!("to {} ports and {} hosts", ports.len(), hosts.len());
        self.note("flood", Some(UnitKey::Segment(segment.network)), detail);
        Verdict::Flood {
            ports,
            hosts,
            vni: segment.vni,
        }
    }

    fn leave_tunnel(&mut self, vni: u32, remote: IpAddr, frame: &[u8]) -> Verdicts {
        let segment = self.segment(vni).ok_or(DropReason::VniUnknown)?;
        let is_vtep = self
            .plan
            .iter()
            .any(|(_, unit)| matches!(unit.as_ref(), plan::Unit::Tunnel(t) if t.address == remote));
        if !is_vtep {
            return Err(DropReason::VtepUnknown);
        }
        if !segment.admin_up {
            return Err(DropReason::NetworkDown);
        }
        let ethernet = Ethernet::parse(frame)?;
        self.check_sender(segment, ethernet.source, remote)?;
        self.note(
            "tunnel",
            Some(UnitKey::Segment(segment.network)),
            format!("from {remote}"),
        );
        match self.lookup(segment, ethernet.destination)? {
            Destination::Group => Ok(self.flood(segment, None)),
            Destination::Member(member) if self.plan.endpoint(member.port).is_some() => {
                self.deliver(member)
            }
            Destination::Member(_) => Err(DropReason::NotLocal),
        }
    }

    fn segment(&self, vni: u32) -> Option<&'a Segment> {
        let vni = Vni::new(vni).ok()?;
        self.plan.iter().find_map(|(_, unit)| match unit.as_ref() {
            plan::Unit::Segment(segment) if segment.vni == vni => Some(segment),
            _ => None,
        })
    }

    /// A sender's MAC that the plan places elsewhere is forged; one it does not know (behind a port without port
    /// security) may come from any host.
    fn check_sender(&self, segment: &Segment, mac: Mac, remote: IpAddr) -> Result<(), DropReason> {
        let Some(member) = self.plan.members(segment.network).find(|m| m.mac == mac) else {
            return Ok(());
        };
        let is_local = self.plan.endpoint(member.port).is_some();
        let address = self.plan.tunnel(&member.host).map(|t| t.address);
        if is_local || address != Some(remote) {
            return Err(DropReason::VtepMismatch);
        }
        Ok(())
    }

    fn reach_port(
        &mut self,
        port: PortId,
        frame: &[u8],
        origin: Origin,
        connections: &mut Connections,
        now: u64,
    ) -> Verdicts {
        let (endpoint, segment) = self.port(port)?;
        match origin {
            Origin::Agent => return Ok(Verdict::Accept),
            Origin::Host => return Err(DropReason::HostTraffic),
            Origin::Forwarded => {}
        }
        let ethernet = Ethernet::parse(frame)?;
        self.size(segment, frame)?;
        match Payload::parse(&ethernet, frame)? {
            Payload::Ip(ip) => self.groups(endpoint, Direction::Ingress, &ip, connections, now)?,
            Payload::Arp(_) => {}
            Payload::Other if endpoint.port_security => return Err(DropReason::EtherType),
            Payload::Other => {}
        }
        Ok(Verdict::Accept)
    }
}

enum Destination<'a> {
    Member(&'a Member),
    /// Broadcast, multicast, or a MAC that only address pairs claim.
    Group,
}

/// What the agent answers, of what the network offers.
fn service(segment: &Segment, payload: &Payload) -> Option<Service> {
    let Payload::Ip(ip) = payload else {
        return None;
    };
    if ip.fragment != Fragment::Whole {
        return None;
    }
    let offers =
        |wanted: &dyn Fn(&plan::SubnetServices) -> bool| segment.subnets.iter().any(wanted);
    match (Family::of(ip.source), ip.transport) {
        (Family::V4, Transport::Udp(ports)) if (ports.source, ports.destination) == (68, 67) => {
            offers(&|subnet| subnet.cidr.addr().is_ipv4() && subnet.enable_dhcp)
                .then_some(Service::Dhcpv4)
        }
        (Family::V6, Transport::Udp(ports)) if ports.destination == 547 => {
            offers(&offers_dhcpv6).then_some(Service::Dhcpv6)
        }
        (Family::V6, Transport::Icmp(icmp)) if icmp.kind == ROUTER_SOLICITATION => {
            offers(&|subnet| subnet.ra_mode.is_some()).then_some(Service::RouterSolicitation)
        }
        _ => None,
    }
}

fn offers_dhcpv6(subnet: &plan::SubnetServices) -> bool {
    subnet.enable_dhcp
        && matches!(
            subnet.address_mode,
            Some(Ipv6Mode::Dhcpv6Stateful | Ipv6Mode::Dhcpv6Stateless)
        )
}
