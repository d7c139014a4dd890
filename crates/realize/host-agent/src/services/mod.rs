//! The address services a port gets from its own host: DHCPv4, DHCPv6 and router advertisements.
//! Every answer is a pure function of the port's plan and the frame it sent; there is no lease file to lose,
//! because the plan is the lease. Nothing here does I/O, and no frame of any shape may panic.

mod dhcpv4;
mod dhcpv6;
mod frame;
mod options;
mod ra;

pub(crate) use ra::{INTERVAL as ADVERTISEMENT_INTERVAL, unsolicited as unsolicited_advertisement};

use frame::{Ethernet, Ipv4, Ipv6, Udp};
use plan::{Endpoint, EndpointAddress, Segment, SubnetServices};
use thiserror::Error;

/// Lifetime of a lease or an advertised prefix, in seconds. The plan can change an address only by making a
/// new port, so a long lease is never wrong; clients pick up changed options at half of it.
const LEASE_SECONDS: u32 = 86_400;

/// Why a frame gets no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Silence {
    #[error("malformed {0}")]
    Malformed(&'static str),
    #[error("neither DHCP nor a router solicitation")]
    NotAService,
    #[error("relayed; workloads are served directly")]
    Relayed,
    #[error("for another client: the hardware address is not the port's")]
    ForeignClient,
    #[error("for another server")]
    ForeignServer,
    #[error("the port has no address that this service hands out")]
    NoAddress,
    #[error("the client asked for no answer")]
    NoneWanted,
    #[error("the port asks more often than it is answered")]
    TooMany,
}

impl Silence {
    /// The name in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NotAService => "not_a_service",
            Self::Relayed => "relayed",
            Self::ForeignClient => "foreign_client",
            Self::ForeignServer => "foreign_server",
            Self::NoAddress => "no_address",
            Self::NoneWanted => "none_wanted",
            Self::TooMany => "too_many",
        }
    }
}

/// The Ethernet frame that answers `frame`, which `endpoint` sent on the network of `segment`.
pub(crate) fn answer(
    endpoint: &Endpoint,
    segment: &Segment,
    frame: &[u8],
) -> Result<Vec<u8>, Silence> {
    let ethernet = Ethernet::parse(frame)?;
    match ethernet.ethertype {
        frame::ETHERTYPE_IPV4 => {
            let packet = Ipv4::parse(ethernet.payload)?;
            if packet.protocol != frame::UDP {
                return Err(Silence::NotAService);
            }
            let datagram = Udp::parse(packet.payload)?;
            match (datagram.source, datagram.destination) {
                (dhcpv4::CLIENT_PORT, dhcpv4::SERVER_PORT) => {
                    dhcpv4::answer(endpoint, segment, packet.source, datagram.payload)
                }
                _ => Err(Silence::NotAService),
            }
        }
        frame::ETHERTYPE_IPV6 => {
            let packet = Ipv6::parse(ethernet.payload)?;
            match packet.next_header {
                frame::UDP => dhcpv6::answer(endpoint, segment, ethernet.source, &packet),
                frame::ICMPV6 => ra::answer(endpoint, segment, ethernet.source, &packet),
                _ => Err(Silence::NotAService),
            }
        }
        _ => Err(Silence::NotAService),
    }
}

/// The endpoint's addresses with their subnets; an address whose subnet the segment lacks is left out.
fn addresses<'a>(
    endpoint: &'a Endpoint,
    segment: &'a Segment,
) -> impl Iterator<Item = (EndpointAddress, &'a SubnetServices)> {
    endpoint.addresses.iter().filter_map(|address| {
        let subnet = segment
            .subnets
            .iter()
            .find(|subnet| subnet.subnet == address.subnet)?;
        Some((*address, subnet))
    })
}

#[cfg(test)]
pub(crate) mod fixture;
