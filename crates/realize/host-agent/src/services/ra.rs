//! Router advertisements (RFC 4861 with the DNS option of RFC 8106): one advertiser per network, the same on
//! every host. A solicitation never changes anything; an advertisement says only what the port's subnets say.

use super::frame::{ICMPV6, Ipv6, Path, Reader};
use super::{LEASE_SECONDS, Silence, addresses};
use ipnet::IpNet;
use model::{Ipv6Mode, Mac};
use plan::{Endpoint, Segment, SubnetServices};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const OPTION_SOURCE_LINK_LAYER: u8 = 1;
const OPTION_PREFIX: u8 = 3;
const OPTION_MTU: u8 = 5;
const OPTION_RDNSS: u8 = 25;

const FLAG_MANAGED: u8 = 0x80;
const FLAG_OTHER: u8 = 0x40;
const PREFIX_ON_LINK: u8 = 0x80;
const PREFIX_AUTONOMOUS: u8 = 0x40;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

/// MaxRtrAdvInterval (RFC 4861 section 6.2.1). The lifetimes below are three of them, as it recommends.
pub(crate) const INTERVAL: Duration = Duration::from_secs(600);
const ROUTER_LIFETIME: u16 = 1800;
const DNS_LIFETIME: u32 = 1800;

/// The answer to a router solicitation.
pub(super) fn answer(
    endpoint: &Endpoint,
    segment: &Segment,
    client: Mac,
    packet: &Ipv6<'_>,
) -> Result<Vec<u8>, Silence> {
    check_solicitation(packet)?;
    let (mac, address) = match packet.source.is_unspecified() {
        true => (ALL_NODES_MAC, ALL_NODES),
        false => (client, packet.source),
    };
    advertisement(endpoint, segment, mac, address).ok_or(Silence::NoAddress)
}

/// The advertisement to send without being asked; `None` when the port has no subnet that advertises.
pub(crate) fn unsolicited(endpoint: &Endpoint, segment: &Segment) -> Option<Vec<u8>> {
    advertisement(endpoint, segment, ALL_NODES_MAC, ALL_NODES)
}

/// The checks of RFC 4861 section 6.1.1.
fn check_solicitation(packet: &Ipv6<'_>) -> Result<(), Silence> {
    const WHAT: &str = "router solicitation";
    debug_assert_eq!(packet.next_header, ICMPV6);
    let mut reader = Reader(packet.payload);
    let kind = reader.u8(WHAT)?;
    let code = reader.u8(WHAT)?;
    if kind != ROUTER_SOLICITATION {
        return Err(Silence::NotAService);
    }
    let _checksum_and_reserved: [u8; 6] = reader.array(WHAT)?;
    if code != 0 || packet.hop_limit != 255 {
        return Err(Silence::Malformed(WHAT));
    }
    while !reader.is_empty() {
        let option = reader.u8(WHAT)?;
        let body = usize::from(reader.u8(WHAT)?) * 8;
        reader.take(body.checked_sub(2).ok_or(Silence::Malformed(WHAT))?, WHAT)?;
        if option == OPTION_SOURCE_LINK_LAYER && packet.source.is_unspecified() {
            return Err(Silence::Malformed(WHAT));
        }
    }
    Ok(())
}

fn advertisement(
    endpoint: &Endpoint,
    segment: &Segment,
    destination_mac: Mac,
    destination: Ipv6Addr,
) -> Option<Vec<u8>> {
    let subnets: Vec<(&SubnetServices, Ipv6Mode)> = addresses(endpoint, segment)
        .filter_map(|(_, subnet)| Some((subnet, subnet.ra_mode?)))
        .collect();
    if subnets.is_empty() {
        return None;
    }
    let source_mac = segment.service_mac();
    let path = Path {
        source_mac,
        destination_mac,
        source: source_mac.link_local(),
        destination,
    };
    Some(path.icmpv6(message(&subnets, segment, source_mac)))
}

fn message(subnets: &[(&SubnetServices, Ipv6Mode)], segment: &Segment, source: Mac) -> Vec<u8> {
    let flags = subnets.iter().fold(0, |flags, (_, mode)| {
        flags
            | match mode {
                Ipv6Mode::Slaac => 0,
                Ipv6Mode::Dhcpv6Stateless => FLAG_OTHER,
                Ipv6Mode::Dhcpv6Stateful => FLAG_MANAGED | FLAG_OTHER,
            }
    });
    let is_router = subnets.iter().any(|(subnet, _)| subnet.gateway.is_some());
    let lifetime = if is_router { ROUTER_LIFETIME } else { 0 };

    let mut message = vec![ROUTER_ADVERTISEMENT, 0, 0, 0, 64, flags];
    message.extend(lifetime.to_be_bytes());
    message.extend([0; 8]); // reachable time and retransmission timer: unspecified
    message.extend([OPTION_SOURCE_LINK_LAYER, 1]);
    message.extend(source.0);
    message.extend([OPTION_MTU, 1, 0, 0]);
    message.extend(u32::from(segment.mtu.get()).to_be_bytes());
    let mut advertised = Vec::new();
    for (subnet, mode) in subnets {
        // Two addresses of one subnet advertise it once.
        if let IpNet::V6(prefix) = subnet.cidr
            && !advertised.contains(&prefix)
        {
            advertised.push(prefix);
            let autonomous = match mode {
                Ipv6Mode::Slaac | Ipv6Mode::Dhcpv6Stateless => PREFIX_AUTONOMOUS,
                Ipv6Mode::Dhcpv6Stateful => 0,
            };
            message.extend([OPTION_PREFIX, 4, prefix.prefix_len()]);
            message.push(PREFIX_ON_LINK | autonomous);
            message.extend(LEASE_SECONDS.to_be_bytes());
            message.extend(LEASE_SECONDS.to_be_bytes());
            message.extend([0; 4]);
            message.extend(prefix.network().octets());
        }
    }
    rdnss(&mut message, subnets);
    message
}

/// The recursive DNS servers (RFC 8106 section 5.1); the length field counts 8-byte units in one byte.
fn rdnss(message: &mut Vec<u8>, subnets: &[(&SubnetServices, Ipv6Mode)]) {
    let mut servers: Vec<Ipv6Addr> = Vec::new();
    for server in subnets
        .iter()
        .flat_map(|(subnet, _)| &subnet.dns_nameservers)
    {
        if let IpAddr::V6(server) = server
            && !servers.contains(server)
        {
            servers.push(*server);
        }
    }
    servers.truncate(32);
    if servers.is_empty() {
        return;
    }
    message.extend([OPTION_RDNSS, 1 + 2 * servers.len() as u8, 0, 0]);
    message.extend(DNS_LIFETIME.to_be_bytes());
    for server in servers {
        message.extend(server.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{answer, fixture};
    use super::*;
    use proptest::prelude::*;

    /// What a Linux host sends when its interface comes up: from its link-local address, with its MAC.
    fn solicitation(source: Ipv6Addr, options: &[u8]) -> Vec<u8> {
        let mut message = vec![ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
        message.extend(options);
        let path = Path {
            source_mac: fixture::MAC,
            destination_mac: Mac([0x33, 0x33, 0, 0, 0, 2]),
            source,
            destination: "ff02::2".parse().expect("an address"),
        };
        path.icmpv6(message)
    }

    fn from_link_local() -> Vec<u8> {
        let mut option = vec![1, 1];
        option.extend(fixture::MAC.0);
        solicitation(fixture::MAC.link_local(), &option)
    }

    #[test]
    fn slaac_advertisement_byte_for_byte() {
        let segment = fixture::segment(Ipv6Mode::Slaac);
        let frame = answer(&fixture::endpoint(), &segment, &from_link_local()).expect("an answer");
        let source = segment.service_mac();
        assert_eq!(source, Mac([0x02, 0x77, 0x88, 0x99, 0xaa, 0xbb]));
        assert_eq!(frame[..6], fixture::MAC.0);
        assert_eq!(frame[6..12], source.0);
        assert_eq!(frame[21], 255, "hop limit");
        assert_eq!(frame[22..38], source.link_local().octets());
        assert_eq!(frame[38..54], fixture::MAC.link_local().octets());
        #[rustfmt::skip]
        let rest: &[u8] = &[
            64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, // hop limit, no M nor O, lifetime 1800
            1, 1, 0x02, 0x77, 0x88, 0x99, 0xaa, 0xbb, // source link-layer address
            5, 1, 0, 0, 0, 0, 0x05, 0xaa, // MTU 1450
            3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 1, 0x51, 0x80, 0, 0, 0, 0, // prefix, L and A
            0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            25, 3, 0, 0, 0, 0, 0x07, 0x08, // one DNS server
            0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53,
        ];
        assert_eq!(frame[54..56], [134, 0]);
        assert_eq!(&frame[58..], rest);
    }

    #[test]
    fn flags_follow_the_mode_and_lifetime_the_gateway() {
        for (mode, flags, prefix_flags) in [
            (Ipv6Mode::Slaac, 0, 0xc0),
            (Ipv6Mode::Dhcpv6Stateless, 0x40, 0xc0),
            (Ipv6Mode::Dhcpv6Stateful, 0xc0, 0x80),
        ] {
            let mut segment = fixture::segment(mode);
            segment.subnets[1].gateway = None;
            let frame = unsolicited(&fixture::endpoint(), &segment).expect("an advertisement");
            assert_eq!(frame[..6], ALL_NODES_MAC.0);
            assert_eq!(frame[59], flags, "{mode:?}");
            assert_eq!(frame[60..62], [0, 0], "no gateway, no default router");
            assert_eq!(frame[89], prefix_flags, "{mode:?}");
        }
    }

    #[test]
    fn without_an_advertised_subnet_there_is_silence() {
        let mut segment = fixture::segment(Ipv6Mode::Slaac);
        segment.subnets[1].ra_mode = None;
        let endpoint = fixture::endpoint();
        assert_eq!(unsolicited(&endpoint, &segment), None);
        assert_eq!(
            answer(&endpoint, &segment, &from_link_local()),
            Err(Silence::NoAddress)
        );
    }

    #[test]
    fn invalid_solicitations_are_refused() {
        let segment = fixture::segment(Ipv6Mode::Slaac);
        let refused = |frame: &[u8]| {
            assert_eq!(
                answer(&fixture::endpoint(), &segment, frame),
                Err(Silence::Malformed("router solicitation"))
            );
        };
        let mut low_hop_limit = from_link_local();
        low_hop_limit[21] = 254;
        refused(&low_hop_limit);
        let mut code = from_link_local();
        code[55] = 1;
        refused(&code);
        refused(&solicitation(fixture::MAC.link_local(), &[1, 0]));
        refused(&solicitation(
            fixture::MAC.link_local(),
            &[1, 2, 0, 0, 0, 0, 0, 0],
        ));
        let unspecified_with_mac = [1, 1, 2, 0, 0, 0, 0, 1];
        refused(&solicitation(Ipv6Addr::UNSPECIFIED, &unspecified_with_mac));
    }

    proptest! {
        #[test]
        fn mutated_solicitations_never_panic(at in 0usize..70, value: u8, cut in 0usize..71) {
            let mut frame = from_link_local();
            frame[at] = value;
            frame.truncate(cut.max(at + 1).min(frame.len()));
            let _ = answer(&fixture::endpoint(), &fixture::segment(Ipv6Mode::Slaac), &frame);
        }
    }
}
