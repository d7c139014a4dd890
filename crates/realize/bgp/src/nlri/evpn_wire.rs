//! EVPN routes on the wire (RFC 7432 7, RFC 9136 3.1, RFC 9251 9.1): the value after type and length.

use super::decode::{ipv4_net, ipv6_net};
use super::{Esi, EvpnNlri, EvpnPayload, Label, Mac, RouteDistinguisher};
use crate::wire::Reader;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `None`: a type that is not known, or a value that is none of its type.
pub(super) fn decode(kind: u8, value: &[u8]) -> Option<(EvpnNlri, EvpnPayload)> {
    let mut reader = Reader::new(value);
    let rd = RouteDistinguisher(reader.array()?);
    let route = match kind {
        1 => auto_discovery(rd, &mut reader),
        2 => mac_ip(rd, &mut reader),
        3 => inclusive_multicast(rd, &mut reader),
        4 => ethernet_segment(rd, &mut reader),
        5 => ip_prefix(rd, &mut reader),
        6 => selective_multicast(rd, &mut reader),
        _ => None,
    };
    route.filter(|_| reader.is_empty())
}

type Decoded = Option<(EvpnNlri, EvpnPayload)>;

fn auto_discovery(rd: RouteDistinguisher, reader: &mut Reader<'_>) -> Decoded {
    let esi = Esi(reader.array()?);
    let tag = reader.u32()?;
    let payload = EvpnPayload {
        esi,
        label: label(reader)?,
        ..EvpnPayload::default()
    };
    Some((EvpnNlri::AutoDiscovery { rd, esi, tag }, payload))
}

fn mac_ip(rd: RouteDistinguisher, reader: &mut Reader<'_>) -> Decoded {
    let esi = Esi(reader.array()?);
    let tag = reader.u32()?;
    if reader.u8()? != 48 {
        return None;
    }
    let mac = Mac(reader.array()?);
    let ip = address(reader)?;
    let payload = EvpnPayload {
        esi,
        label: label(reader)?,
        label2: match reader.is_empty() {
            true => None,
            false => Some(label(reader)?),
        },
        ..EvpnPayload::default()
    };
    Some((EvpnNlri::MacIp { rd, tag, mac, ip }, payload))
}

fn inclusive_multicast(rd: RouteDistinguisher, reader: &mut Reader<'_>) -> Decoded {
    let tag = reader.u32()?;
    let originator = address(reader)??;
    let nlri = EvpnNlri::InclusiveMulticast {
        rd,
        tag,
        originator,
    };
    Some((nlri, EvpnPayload::default()))
}

fn ethernet_segment(rd: RouteDistinguisher, reader: &mut Reader<'_>) -> Decoded {
    let esi = Esi(reader.array()?);
    let originator = address(reader)??;
    let nlri = EvpnNlri::EthernetSegment {
        rd,
        esi,
        originator,
    };
    let payload = EvpnPayload {
        esi,
        ..EvpnPayload::default()
    };
    Some((nlri, payload))
}

fn ip_prefix(rd: RouteDistinguisher, reader: &mut Reader<'_>) -> Decoded {
    let esi = Esi(reader.array()?);
    let tag = reader.u32()?;
    let length = reader.u8()?;
    // The size of the whole tells the family (RFC 9136 3.1): prefix, gateway and label are left.
    let (prefix, gateway) = match reader.len() {
        11 if length <= 32 => {
            let prefix = IpNet::V4(ipv4_net(reader.array()?, length));
            (prefix, IpAddr::V4(reader.array::<4>()?.into()))
        }
        35 if length <= 128 => {
            let prefix = IpNet::V6(ipv6_net(reader.array()?, length));
            (prefix, IpAddr::V6(reader.array::<16>()?.into()))
        }
        _ => return None,
    };
    let payload = EvpnPayload {
        esi,
        label: label(reader)?,
        gateway: Some(gateway).filter(|gateway| !gateway.is_unspecified()),
        ..EvpnPayload::default()
    };
    Some((EvpnNlri::IpPrefix { rd, tag, prefix }, payload))
}

fn selective_multicast(rd: RouteDistinguisher, reader: &mut Reader<'_>) -> Decoded {
    let tag = reader.u32()?;
    let source = address(reader)?;
    let group = address(reader)?;
    let originator = address(reader)??;
    let payload = EvpnPayload {
        flags: reader.u8()?,
        ..EvpnPayload::default()
    };
    let nlri = EvpnNlri::SelectiveMulticast {
        rd,
        tag,
        source,
        group,
        originator,
    };
    Some((nlri, payload))
}

fn label(reader: &mut Reader<'_>) -> Option<Label> {
    reader.u24().map(Label::from_field)
}

/// A length in bits (0, 32 or 128) and the address.
fn address(reader: &mut Reader<'_>) -> Option<Option<IpAddr>> {
    Some(match reader.u8()? {
        0 => None,
        32 => Some(Ipv4Addr::from(reader.array::<4>()?).into()),
        128 => Some(Ipv6Addr::from(reader.array::<16>()?).into()),
        _ => return None,
    })
}

/// Appends type, length and value.
pub(super) fn encode(nlri: &EvpnNlri, payload: &EvpnPayload, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[nlri.route_type(), 0]);
    out.extend_from_slice(&nlri.rd().0);
    match nlri {
        EvpnNlri::AutoDiscovery { esi, tag, .. } => {
            out.extend_from_slice(&esi.0);
            out.extend_from_slice(&tag.to_be_bytes());
            put_label(payload.label, out);
        }
        EvpnNlri::MacIp { tag, mac, ip, .. } => {
            out.extend_from_slice(&payload.esi.0);
            out.extend_from_slice(&tag.to_be_bytes());
            out.push(48);
            out.extend_from_slice(&mac.0);
            put_address(*ip, out);
            put_label(payload.label, out);
            if let Some(label) = payload.label2 {
                put_label(label, out);
            }
        }
        EvpnNlri::InclusiveMulticast {
            tag, originator, ..
        } => {
            out.extend_from_slice(&tag.to_be_bytes());
            put_address(Some(*originator), out);
        }
        EvpnNlri::EthernetSegment {
            esi, originator, ..
        } => {
            out.extend_from_slice(&esi.0);
            put_address(Some(*originator), out);
        }
        EvpnNlri::IpPrefix { tag, prefix, .. } => {
            out.extend_from_slice(&payload.esi.0);
            out.extend_from_slice(&tag.to_be_bytes());
            put_prefix(*prefix, payload.gateway, out);
            put_label(payload.label, out);
        }
        EvpnNlri::SelectiveMulticast {
            tag,
            source,
            group,
            originator,
            ..
        } => {
            out.extend_from_slice(&tag.to_be_bytes());
            put_address(*source, out);
            put_address(*group, out);
            put_address(Some(*originator), out);
            out.push(payload.flags);
        }
    }
    // At most 64 octets, whatever the type.
    out[start + 1] = (out.len() - start - 2) as u8;
}

fn put_label(label: Label, out: &mut Vec<u8>) {
    out.extend_from_slice(&label.field().to_be_bytes()[1..]);
}

fn put_address(address: Option<IpAddr>, out: &mut Vec<u8>) {
    match address {
        None => out.push(0),
        Some(IpAddr::V4(address)) => {
            out.push(32);
            out.extend_from_slice(&address.octets());
        }
        Some(IpAddr::V6(address)) => {
            out.push(128);
            out.extend_from_slice(&address.octets());
        }
    }
}

/// Prefix and gateway are of one family; a gateway of the other is none.
fn put_prefix(prefix: IpNet, gateway: Option<IpAddr>, out: &mut Vec<u8>) {
    out.push(prefix.prefix_len());
    match prefix {
        IpNet::V4(prefix) => {
            out.extend_from_slice(&prefix.addr().octets());
            let gateway = match gateway {
                Some(IpAddr::V4(gateway)) => gateway,
                _ => Ipv4Addr::UNSPECIFIED,
            };
            out.extend_from_slice(&gateway.octets());
        }
        IpNet::V6(prefix) => {
            out.extend_from_slice(&prefix.addr().octets());
            let gateway = match gateway {
                Some(IpAddr::V6(gateway)) => gateway,
                _ => Ipv6Addr::UNSPECIFIED,
            };
            out.extend_from_slice(&gateway.octets());
        }
    }
}
