//! The way of one imagined packet from a port to another, through the hooks of both hosts.

use crate::imagine::{self, Imagined};
use crate::{Connections, Decision, DropReason, Hook, Host, Origin, Step, Verdict};
use ipnet::IpNet;
use model::{HostName, Mac, PortId, Protocol};
use plan::{Endpoint, HostPlan, Member, SubnetServices, UnitKey};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

/// Where the packet is meant to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    Port(PortId),
    Address(IpAddr),
}

/// The packet to imagine: the first of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    pub from: PortId,
    pub to: Target,
    /// The source address; the sender's first of the target's family if `None`.
    pub source: Option<IpAddr>,
    /// IP protocol number. TCP is traced as a SYN, ICMP and ICMPv6 as an echo request.
    pub protocol: u8,
    pub source_port: u16,
    pub destination_port: u16,
}

/// How the way ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The workload of the port gets it.
    Delivered { port: PortId },
    /// The agent answers it.
    Answered,
    Dropped {
        reason: DropReason,
        /// What is missing or forbids it, in words.
        because: String,
    },
    /// The packet leaves what the given plans know.
    Unknown { because: String },
}

/// A step and the host it was taken on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceStep {
    /// `None` for the sender's host.
    pub host: Option<HostName>,
    #[serde(flatten)]
    pub step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    pub steps: Vec<TraceStep>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Follows the packet. `source` is the plan of the sender's host; `plan_of` gives those of other hosts.
pub fn trace(
    source: &HostPlan,
    plan_of: impl FnMut(&HostName) -> Option<HostPlan>,
    query: &Query,
) -> Trace {
    let mut way = Way {
        source,
        plan_of,
        query,
        steps: Vec::new(),
    };
    let outcome = way.run().unwrap_or_else(|outcome| outcome);
    Trace {
        steps: way.steps,
        outcome,
    }
}

struct Way<'a, F> {
    source: &'a HostPlan,
    plan_of: F,
    query: &'a Query,
    steps: Vec<TraceStep>,
}

/// `Err` ends the way early; it is an outcome like any other.
type Ending<T = Outcome> = Result<T, Outcome>;

impl<F: FnMut(&HostName) -> Option<HostPlan>> Way<'_, F> {
    fn run(&mut self) -> Ending {
        let source = self.source;
        let from = source.endpoint(self.query.from).ok_or_else(|| {
            dropped(
                DropReason::PortUnknown,
                format!("port {} is not bound to the sender's host", self.query.from),
            )
        })?;
        let frame = self.imagine(from)?;
        let host = Host::new(source);
        let decision = host.from_port(from.port, &frame, &mut Connections::default(), 0);
        match self.note(None, decision)? {
            Verdict::Deliver { port } => self.enter(None, source, port, &frame),
            Verdict::Tunnel { host, vni } => self.cross(from, &host, vni.get(), &frame),
            Verdict::Flood { ports, hosts, vni } => match self.query.to {
                Target::Port(port) if ports.contains(&port) => {
                    self.enter(None, source, port, &frame)
                }
                Target::Port(port) => {
                    let member = source.member(from.network, port).map(|member| &member.host);
                    match member.filter(|host| hosts.contains(*host)) {
                        Some(host) => self.cross(from, host, vni.get(), &frame),
                        None => Err(everyone()),
                    }
                }
                Target::Address(_) => Err(everyone()),
            },
            Verdict::Reply { .. } | Verdict::Punt { .. } => Ok(Outcome::Answered),
            Verdict::Accept | Verdict::Drop { .. } => Err(everyone()),
        }
    }

    /// The first packet of the connection, as the sender's workload would send it.
    fn imagine(&mut self, from: &Endpoint) -> Ending<Vec<u8>> {
        let (mac, address, unit) = self.destination(from).inspect_err(|outcome| {
            if let Outcome::Dropped { because, .. } = outcome {
                self.steps.push(neighbour(None, because.clone()));
            }
        })?;
        let own = from.addresses.iter().map(|own| own.address);
        let source = self.query.source.or_else(|| {
            let mut own = own;
            own.find(|own| own.is_ipv4() == address.is_ipv4())
        });
        let source = source.filter(|source| source.is_ipv4() == address.is_ipv4());
        let source = source.ok_or_else(|| Outcome::Unknown {
            because: format!(
                "port {} has no source address of {address}'s family",
                from.port
            ),
        })?;
        let imagined = Imagined {
            macs: (from.mac, mac),
            addresses: (source, address),
            protocol: self.query.protocol,
            ports: (self.query.source_port, self.query.destination_port),
        };
        self.steps
            .push(neighbour(unit, format!("{address} is at {mac}")));
        Ok(imagine::frame(&imagined))
    }

    /// The MAC and the address that are meant, and the unit that says so.
    fn destination(&self, from: &Endpoint) -> Ending<(Mac, IpAddr, Option<UnitKey>)> {
        let is_at = |member: &Member, address: IpAddr| {
            let unit = UnitKey::Member(member.network, member.port);
            (member.mac, address, Some(unit))
        };
        match self.query.to {
            Target::Port(port) => {
                let member = self.source.member(from.network, port).ok_or_else(|| {
                    let network = from.network;
                    dropped(
                        DropReason::NeighbourUnknown,
                        format!("no host has port {port} on network {network}, and no router leads to another network"),
                    )
                })?;
                let is_ipv4 = match self.query.protocol {
                    Protocol::ICMP => Some(true),
                    Protocol::ICMPV6 => Some(false),
                    _ => self.query.source.map(|source| source.is_ipv4()),
                };
                let fits = |address: &&IpAddr| is_ipv4.is_none_or(|v4| address.is_ipv4() == v4);
                let address = member.addresses.iter().find(fits);
                let address = address.ok_or_else(|| Outcome::Unknown {
                    because: format!("port {port} has no address to send this to"),
                })?;
                Ok(is_at(member, *address))
            }
            Target::Address(address) => {
                if let Some(mac) = self.group_mac(from, address) {
                    return Ok((mac, address, None));
                }
                let holds = |member: &&Member| {
                    let mut pairs = member.pairs.iter();
                    member.addresses.contains(&address)
                        || pairs.any(|pair| pair.ip_address.contains(&address))
                };
                let member = self.source.members(from.network).find(holds).ok_or_else(|| {
                    let network = from.network;
                    dropped(
                        DropReason::NeighbourUnknown,
                        format!("no port of network {network} has {address}, and no router leads there"),
                    )
                })?;
                Ok(is_at(member, address))
            }
        }
    }

    /// The MAC under which a broadcast or multicast address is sent; `None` if one port is meant.
    fn group_mac(&self, from: &Endpoint, address: IpAddr) -> Option<Mac> {
        match address {
            // RFC 1112 section 6.4.
            IpAddr::V4(group) if group.is_multicast() => {
                let [_, b, c, d] = group.octets();
                Some(Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
            }
            // RFC 2464 section 7.
            IpAddr::V6(group) if group.is_multicast() => {
                let [.., a, b, c, d] = group.octets();
                Some(Mac([0x33, 0x33, a, b, c, d]))
            }
            IpAddr::V4(v4) => {
                let segment = self.source.segment(from.network);
                let mut subnets = segment.into_iter().flat_map(|segment| &segment.subnets);
                let of_subnet = |subnet: &SubnetServices| match subnet.cidr {
                    IpNet::V4(cidr) => cidr.prefix_len() < 31 && cidr.broadcast() == v4,
                    IpNet::V6(_) => false,
                };
                (v4.is_broadcast() || subnets.any(of_subnet)).then_some(Mac::BROADCAST)
            }
            IpAddr::V6(_) => None,
        }
    }

    /// Through the tunnel to the other host's port.
    fn cross(&mut self, from: &Endpoint, host: &HostName, vni: u32, frame: &[u8]) -> Ending {
        let plan = (self.plan_of)(host).ok_or_else(|| Outcome::Unknown {
            because: format!("the plan of host {host} is not known here"),
        })?;
        // The sender's VTEP, as the receiving host's plan knows it.
        let sender = plan.member(from.network, from.port);
        let vtep = sender.and_then(|member| plan.tunnel(&member.host));
        let vtep = vtep.map_or(Ipv4Addr::UNSPECIFIED.into(), |tunnel| tunnel.address);
        let decision = Host::new(&plan).from_tunnel(vni, vtep, frame);
        match self.note(Some(host), decision)? {
            Verdict::Deliver { port } => self.enter(Some(host), &plan, port, frame),
            Verdict::Flood { ports, .. } => match self.query.to {
                Target::Port(port) if ports.contains(&port) => {
                    self.enter(Some(host), &plan, port, frame)
                }
                _ => Err(everyone()),
            },
            _ => Err(everyone()),
        }
    }

    fn enter(
        &mut self,
        host: Option<&HostName>,
        plan: &HostPlan,
        port: PortId,
        frame: &[u8],
    ) -> Ending {
        let connections = &mut Connections::default();
        let decision = Host::new(plan).to_port(port, frame, Origin::Forwarded, connections, 0);
        self.note(host, decision)?;
        Ok(Outcome::Delivered { port })
    }

    /// Keeps the steps; a drop ends the way.
    fn note(&mut self, host: Option<&HostName>, decision: Decision) -> Ending<Verdict> {
        let Decision { verdict, mut steps } = decision;
        if let Verdict::Drop { reason } = &verdict
            && is_refusal_of_groups(*reason)
        {
            // What the groups lack says more than the step after it, which repeats the reason.
            steps.pop();
        }
        let last = steps.last().map(|step| step.detail.clone());
        self.steps.extend(steps.into_iter().map(|step| TraceStep {
            host: host.cloned(),
            step,
        }));
        match verdict {
            Verdict::Drop { reason } => Err(dropped(reason, last.unwrap_or_default())),
            verdict => Ok(verdict),
        }
    }
}

fn is_refusal_of_groups(reason: DropReason) -> bool {
    matches!(
        reason,
        DropReason::SecurityGroupEgress | DropReason::SecurityGroupIngress
    )
}

fn neighbour(unit: Option<UnitKey>, detail: String) -> TraceStep {
    TraceStep {
        host: None,
        step: Step {
            hook: Hook::FromPort,
            check: "neighbour",
            unit,
            rule: None,
            detail,
        },
    }
}

fn dropped(reason: DropReason, because: String) -> Outcome {
    Outcome::Dropped { reason, because }
}

fn everyone() -> Outcome {
    Outcome::Unknown {
        because: "the packet goes to every port of the network".to_owned(),
    }
}
