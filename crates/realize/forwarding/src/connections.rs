//! Connection tracking: which packets belong to something that was allowed before.
//!
//! A connection is kept per port, from the port's view. It holds only as long as a stateful rule still allows
//! its first packet, so removing a rule cuts its connections at once. Time is whole seconds since any fixed moment.

use crate::packet::{FragmentId, Ip};
use crate::transport::{Echo, Ports, Quoted, Transport};
use model::{Direction, PortId, Protocol};
use std::collections::HashMap;
use std::net::IpAddr;

/// Later fragments pass this long after their first.
const FRAGMENT_SECONDS: u64 = 30;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;

/// Connections and fragments of every port of a host.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    flows: HashMap<FlowKey, Flow>,
    fragments: HashMap<FragmentKey, u64>,
}

/// A connection as its port sees it. Echo requests keep the id on the side of the asker, so that two ends pinging
/// each other under one id are two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    pub(crate) port: PortId,
    pub(crate) protocol: u8,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Of the first packet.
    pub(crate) direction: Direction,
    seen: u64,
    replied: bool,
    fin_forward: bool,
    fin_back: bool,
    reset: bool,
}

impl Flow {
    fn new(direction: Direction, now: u64) -> Self {
        Self {
            direction,
            seen: now,
            replied: false,
            fin_forward: false,
            fin_back: false,
            reset: false,
        }
    }

    fn is_closed(&self) -> bool {
        self.reset || (self.fin_forward && self.fin_back)
    }

    /// Seconds without a packet after which the connection is forgotten.
    fn timeout(&self, protocol: u8) -> u64 {
        match protocol {
            Protocol::TCP if self.is_closed() => 30,
            Protocol::TCP if self.fin_forward || self.fin_back => 300,
            Protocol::TCP if !self.replied => 60,
            Protocol::TCP => 432_000,
            Protocol::UDP | Protocol::UDPLITE if self.replied => 120,
            Protocol::UDP | Protocol::UDPLITE => 30,
            Protocol::ICMP | Protocol::ICMPV6 => 30,
            _ => 600,
        }
    }

    fn is_live(&self, protocol: u8, now: u64) -> bool {
        now.saturating_sub(self.seen) <= self.timeout(protocol)
    }

    fn note(&mut self, direction: Direction, transport: &Transport, now: u64) {
        self.seen = now;
        let forward = direction == self.direction;
        self.replied |= !forward;
        if let Transport::Tcp { flags, .. } = transport {
            self.fin_forward |= forward && flags & FIN != 0;
            self.fin_back |= !forward && flags & FIN != 0;
            self.reset |= flags & RST != 0;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FragmentKey {
    port: PortId,
    direction: Direction,
    source: IpAddr,
    destination: IpAddr,
    id: FragmentId,
}

impl Connections {
    pub(crate) fn get(&self, key: &FlowKey, now: u64) -> Option<Flow> {
        let flow = self.flows.get(key)?;
        flow.is_live(key.protocol, now).then_some(*flow)
    }

    pub(crate) fn remove(&mut self, key: &FlowKey) {
        self.flows.remove(key);
    }

    pub(crate) fn begin(&mut self, key: FlowKey, direction: Direction, now: u64) {
        self.flows.insert(key, Flow::new(direction, now));
    }

    pub(crate) fn note(
        &mut self,
        key: &FlowKey,
        direction: Direction,
        transport: &Transport,
        now: u64,
    ) {
        if let Some(flow) = self.flows.get_mut(key) {
            flow.note(direction, transport, now);
        }
    }

    /// The first fragment was allowed: the later ones may follow.
    pub(crate) fn begin_fragments(
        &mut self,
        port: PortId,
        direction: Direction,
        ip: &Ip,
        id: FragmentId,
        now: u64,
    ) {
        self.fragments
            .insert(fragment_key(port, direction, ip, id), now);
    }

    pub(crate) fn follows_fragment(
        &self,
        port: PortId,
        direction: Direction,
        ip: &Ip,
        id: FragmentId,
        now: u64,
    ) -> bool {
        self.fragments
            .get(&fragment_key(port, direction, ip, id))
            .is_some_and(|seen| now.saturating_sub(*seen) <= FRAGMENT_SECONDS)
    }
}

fn fragment_key(port: PortId, direction: Direction, ip: &Ip, id: FragmentId) -> FragmentKey {
    FragmentKey {
        port,
        direction,
        source: ip.source,
        destination: ip.destination,
        id,
    }
}

impl FlowKey {
    /// `None` for what is not tracked: ICMP other than echo, and later fragments.
    pub(crate) fn of(port: PortId, direction: Direction, ip: &Ip) -> Option<Self> {
        let ports = match ip.transport {
            Transport::Tcp { ports, .. } | Transport::Udp(ports) | Transport::Ports(ports) => ports,
            Transport::Icmp(icmp) => echo_ports(icmp.echo?),
            Transport::Opaque => NO_PORTS,
        };
        Some(Self::seen_from(
            port,
            direction,
            ip.protocol,
            (ip.source, ip.destination),
            ports,
        ))
    }

    /// The connection that an ICMP error is about. The quoted packet went the other way.
    pub(crate) fn quoted(port: PortId, direction: Direction, quoted: &Quoted) -> Option<Self> {
        let is_icmp = match quoted.source {
            IpAddr::V4(_) => quoted.protocol == Protocol::ICMP,
            IpAddr::V6(_) => quoted.protocol == Protocol::ICMPV6,
        };
        let ports = if is_icmp {
            echo_ports(quoted.echo?)
        } else {
            quoted.ports
        };
        let back = match direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        let addresses = (quoted.source, quoted.destination);
        Some(Self::seen_from(
            port,
            back,
            quoted.protocol,
            addresses,
            ports,
        ))
    }

    fn seen_from(
        port: PortId,
        direction: Direction,
        protocol: u8,
        (source, destination): (IpAddr, IpAddr),
        ports: Ports,
    ) -> Self {
        let (local, remote, local_port, remote_port) = match direction {
            Direction::Egress => (source, destination, ports.source, ports.destination),
            Direction::Ingress => (destination, source, ports.destination, ports.source),
        };
        Self {
            port,
            protocol,
            local,
            remote,
            local_port,
            remote_port,
        }
    }
}

const NO_PORTS: Ports = Ports {
    source: 0,
    destination: 0,
};

fn echo_ports(echo: Echo) -> Ports {
    if echo.is_request {
        Ports {
            source: echo.id,
            destination: 0,
        }
    } else {
        Ports {
            source: 0,
            destination: echo.id,
        }
    }
}

/// Combinations of FIN, SYN, RST, ACK and URG that connections use (RFC 9293 section 3.10.7); PSH, ECE and CWR may be added to any.
pub(crate) fn tcp_flags_are_valid(flags: u8) -> bool {
    let flags = flags & (FIN | SYN | RST | ACK | URG);
    matches!(
        flags & !URG,
        SYN | ACK | RST | 0x12 /* SYN+ACK */ | 0x14 /* RST+ACK */ | 0x11 /* FIN+ACK */
    ) && !(flags & URG != 0 && flags & RST != 0)
}

/// True for a packet that may begin a connection: a SYN, or a bare ACK of one that began before it was tracked here.
pub(crate) fn may_begin(transport: &Transport) -> bool {
    match transport {
        Transport::Tcp { flags, .. } => {
            matches!(flags & (FIN | SYN | RST | ACK), SYN | ACK)
        }
        Transport::Icmp(icmp) => icmp.echo.is_some_and(|echo| echo.is_request),
        _ => true,
    }
}

/// True when a SYN arrives on a connection that is over: the same ports are being used anew.
pub(crate) fn is_reopened(flow: &Flow, transport: &Transport) -> bool {
    matches!(transport, Transport::Tcp { flags, .. } if flags & (SYN | ACK) == SYN)
        && flow.is_closed()
}
