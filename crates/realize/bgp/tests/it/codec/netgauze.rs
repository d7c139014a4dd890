//! A second opinion: what we write, NetGauze reads without an error; what it then writes, we read as what we began with.

use super::generate::{attributes, contexts, routes};
use super::round_trip::updates;
use bgp::attribute::{Attributes, ExtendedCommunity, NextHop};
use bgp::message::{
    Capability, CodecContext, EncodedAttributes, Notification, NotificationCode, Open, RefreshKind,
    RouteRefresh, Section, UpdateBuilder, frame, split,
};
use bgp::nlri::{EvpnNlri, Label, Nlri, Payload, Route, RouteDistinguisher, RtMembership};
use bgp::{Family, FamilySet};
use netgauze_bgp_pkt::wire::deserializer::{BgpParsingContext, BgpParsingIgnoredErrors};
use netgauze_bgp_pkt::{BgpMessage, community as theirs};
use netgauze_iana::address_family::AddressType;
use netgauze_parse_utils::WritablePdu;
use netgauze_parse_utils::reader::SliceReader;
use netgauze_parse_utils::traits::{ParseFrom, ParseFromWithOneInput};
use proptest::prelude::*;
use std::collections::HashMap;
use std::net::IpAddr;

const fn address_type(family: Family) -> AddressType {
    match family {
        Family::Ipv4Unicast => AddressType::Ipv4Unicast,
        Family::Ipv6Unicast => AddressType::Ipv6Unicast,
        Family::Ipv4Labeled => AddressType::Ipv4NlriMplsLabels,
        Family::Ipv6Labeled => AddressType::Ipv6NlriMplsLabels,
        Family::Vpnv4 => AddressType::Ipv4MplsLabeledVpn,
        Family::Vpnv6 => AddressType::Ipv6MplsLabeledVpn,
        Family::Evpn => AddressType::L2VpnBgpEvpn,
        Family::RouteTarget => AddressType::RouteTargetConstrains,
    }
}

/// Reads whole messages, every leniency off, and writes them again.
fn through(messages: &[u8], as4: bool, add_path: FamilySet) -> Result<Vec<u8>, TestCaseError> {
    let mut out = Vec::new();
    let mut rest = messages;
    while let Ok(Some(frame)) = frame(rest, 4096) {
        let families = add_path.iter().map(|family| (address_type(family), true));
        let add_path: HashMap<_, _> = families.collect();
        let mut context =
            BgpParsingContext::new(as4, HashMap::new(), add_path, true, true, true, true);
        let mut reader = SliceReader::new(frame.bytes);
        let message = BgpMessage::parse(&mut reader, &mut context)
            .map_err(|error| TestCaseError::fail(format!("{error:?}: {:02x?}", frame.bytes)))?;
        let errors = context.reset_parsing_errors();
        prop_assert_eq!(errors, BgpParsingIgnoredErrors::default());
        message
            .write(&mut out)
            .map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
        rest = &rest[frame.bytes.len()..];
    }
    Ok(out)
}

/// Narrows a route to what NetGauze can hold: labels with their bottom-of-stack bit, registered forms of distinguishers, EVPN
/// types 1 to 5, whole route targets.
fn narrow(mut route: Route) -> Option<Route> {
    let plain = |rd: &mut RouteDistinguisher| {
        rd.0[0] = 0;
        rd.0[1] %= 3;
    };
    // It refuses groups wherever a prefix is; to us a prefix is what it is.
    let group = |net: ipnet::IpNet| net.network().is_multicast() || first_octet(net) >= 224;
    if route.nlri.prefix().is_some_and(group) {
        return None;
    }
    match &mut route.nlri {
        Nlri::Vpnv4(rd, _) | Nlri::Vpnv6(rd, _) => plain(rd),
        Nlri::Evpn(EvpnNlri::SelectiveMulticast { .. }) => return None,
        Nlri::Evpn(
            EvpnNlri::AutoDiscovery { rd, .. }
            | EvpnNlri::MacIp { rd, .. }
            | EvpnNlri::InclusiveMulticast { rd, .. }
            | EvpnNlri::EthernetSegment { rd, .. }
            | EvpnNlri::IpPrefix { rd, .. },
        ) => plain(rd),
        Nlri::RouteTarget(RtMembership::Target { bits, target, .. }) => {
            target.0[..2].copy_from_slice(&[0, 2]);
            *bits = 64;
        }
        _ => {}
    }
    if let Payload::Label(label) = &mut route.payload {
        *label = Label::from_mpls(label.mpls());
    }
    Some(route)
}

/// Of an IPv4 prefix; 0 for IPv6.
fn first_octet(net: ipnet::IpNet) -> u8 {
    match net.network() {
        IpAddr::V4(address) => address.octets()[0],
        IpAddr::V6(_) => 0,
    }
}

/// Whether NetGauze writes an extended community as it read it: of some it clears the reserved bits, a Source AS (RFC 6514, 0x0209) it
/// writes as a route target. We pass all of them on.
fn survives(community: &ExtendedCommunity) -> bool {
    let mut reader = SliceReader::new(&community.0);
    let mut written = Vec::new();
    theirs::ExtendedCommunity::parse(&mut reader)
        .is_ok_and(|read| read.write(&mut written).is_ok() && written == community.0)
}

/// It knows no confederation segments and has one next hop a family.
fn narrow_attributes(mut attributes: Attributes) -> Attributes {
    attributes.as_path = attributes.as_path.without_confederations();
    let extended = attributes.extended.iter().copied().filter(survives);
    attributes.extended = extended.collect();
    if let Some(NextHop::Ipv6 { link_local, .. }) = &mut attributes.next_hop {
        *link_local = None;
    }
    attributes
}

fn message() -> impl Strategy<Value = (Attributes, (Family, bool, Vec<Route>))> {
    routes(60)
        .prop_map(|(family, add_path, mut routes)| {
            // It reads path ids of labeled unicast, but does not write them.
            let labeled = matches!(family, Family::Ipv4Labeled | Family::Ipv6Labeled);
            if labeled {
                routes.iter_mut().for_each(|route| route.path_id = 0);
            }
            let routes: Vec<Route> = routes.into_iter().filter_map(narrow).collect();
            (family, add_path && !labeled, routes)
        })
        .prop_filter("no route left", |(_, _, routes)| !routes.is_empty())
        .prop_flat_map(|routes| {
            (
                attributes(routes.0).prop_map(narrow_attributes),
                Just(routes),
            )
        })
}

/// What one UPDATE announces, or withdraws.
fn read(body: &[u8], context: &CodecContext) -> (Option<Attributes>, Vec<Route>) {
    let parts = split(body, context).expect("valid");
    let (section, routes) = match (parts.mp_reach, parts.mp_unreach) {
        (Some(reach), _) => (Section::Multiprotocol, reach.routes().collect()),
        (None, Some(unreach)) => return (None, unreach.routes().collect()),
        (None, None) if !parts.withdrawn.is_empty() => return (None, parts.withdrawn().collect()),
        (None, None) => (Section::Classic, parts.announced().collect()),
    };
    let decoded = parts.decode_attributes(section, context);
    assert_eq!(decoded.faults, []);
    (decoded.attributes, routes)
}

proptest! {
    #![proptest_config(super::generate::cases(256))]

    #[test]
    fn announcements((attributes, (family, add_path, routes)) in message(), as4 in any::<bool>()) {
        let (encode, decode) = contexts(as4, add_path);
        let encoded = EncodedAttributes::new(&attributes, &encode);
        let mut ours = Vec::new();
        let mut builder = UpdateBuilder::announce(family, &encoded, &encode, &mut ours);
        for route in &routes {
            builder.push(route).expect("room");
        }
        builder.finish();
        let theirs = through(&ours, as4, encode.add_path_tx)?;
        let (ours, theirs) = (updates(&ours, 4096), updates(&theirs, 4096));
        prop_assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            prop_assert_eq!(read(ours, &decode), read(theirs, &decode));
        }
    }

    #[test]
    fn withdraws((_, (family, add_path, routes)) in message()) {
        let (encode, decode) = contexts(true, add_path);
        let mut ours = Vec::new();
        let mut builder = UpdateBuilder::withdraw(family, &encode, &mut ours);
        for route in &routes {
            builder.push(route).expect("room");
        }
        builder.finish();
        let theirs = through(&ours, true, encode.add_path_tx)?;
        let read = |buffer: &[u8]| -> Vec<(Nlri, u32)> {
            let bodies = updates(buffer, 4096).into_iter();
            let routes = bodies.flat_map(|body| read(body, &decode).1);
            routes.map(|route| (route.nlri, route.path_id)).collect()
        };
        prop_assert_eq!(read(&ours), read(&theirs));
    }
}

#[test]
fn messages_without_routes() -> Result<(), TestCaseError> {
    let mut ours = Vec::new();
    for family in Family::ALL {
        UpdateBuilder::end_of_rib(family, &mut ours);
        for kind in [RefreshKind::Request, RefreshKind::Begin, RefreshKind::End] {
            RouteRefresh {
                family: family.into(),
                kind,
            }
            .encode(&mut ours);
        }
    }
    Notification::with_text(NotificationCode::ADMIN_SHUTDOWN, "maintenance").encode(&mut ours);
    for code in NotificationCode::ALL
        .iter()
        .filter(|code| code.code <= 6 && (code.code != 6 || (1..9).contains(&code.subcode)))
    {
        Notification::new(*code, &[]).encode(&mut ours);
    }
    let capabilities = super::messages::every_capability();
    // NetGauze has no name for a role of draft or for texts with a length of their own; those it keeps are compared by octets.
    Open {
        asn: 4_200_000_001,
        hold_time: 90,
        router_id: [192, 0, 2, 1].into(),
        capabilities: capabilities
            .into_iter()
            .filter(|capability| !matches!(capability, Capability::LongLivedGracefulRestart(_)))
            .collect(),
    }
    .encode(&mut ours);
    prop_assert_eq!(through(&ours, true, FamilySet::EMPTY)?, ours);
    Ok(())
}
