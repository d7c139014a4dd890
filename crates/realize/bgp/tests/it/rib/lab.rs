//! A RIB with peers around it: each keeps what it announced and what it was told, by decoding what it was sent.

use bgp::attribute::{AsPath, Attributes, Community, ExtendedCommunity, NextHop, Origin};
use bgp::message::{
    CodecContext, EncodeContext, EncodedAttributes, Section, UpdateBuilder, UpdateParts, split,
};
use bgp::nlri::{
    EvpnNlri, EvpnPayload, Label, Nlri, PathId, Payload, Route, RouteTarget, RtMembership,
};
use bgp::policy::PolicyName;
use bgp::rib::{
    AddPathSend, Executor, Job, NextHopMode, PeerInfo, PeerKind, RemovePrivate, Rib, UpdateOutcome,
};
use bgp::{Family, FamilySet, PeerId};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) const OWN_AS: u32 = 65000;
pub(crate) const OWN_ID: Ipv4Addr = Ipv4Addr::new(198, 18, 255, 1);
pub(crate) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 255, 1);

/// What a peer knows by route: attributes and payload.
pub(crate) type Known = BTreeMap<(Nlri, PathId), (Attributes, Payload)>;

pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, number as u8)
}

/// The IPv6 address of the peer that has this IPv4 address.
pub(crate) fn address6(v4: IpAddr) -> Ipv6Addr {
    let IpAddr::V4(v4) = v4 else {
        unreachable!("peers of the lab have IPv4 addresses")
    };
    let [.., number] = v4.octets();
    Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, number.into())
}

pub(crate) const fn is_v6(family: Family) -> bool {
    matches!(
        family,
        Family::Ipv6Unicast | Family::Ipv6Labeled | Family::Vpnv6
    )
}

pub(crate) fn codec(families: FamilySet) -> CodecContext {
    CodecContext {
        as4: true,
        extended_message: false,
        ebgp: false,
        families,
        add_path_rx: FamilySet::EMPTY,
        extended_next_hop: FamilySet::EMPTY,
    }
}

/// A peer with everything at its default and no policy needed.
pub(crate) fn info(number: u32, kind: PeerKind, families: FamilySet) -> PeerInfo {
    let external = kind == PeerKind::External;
    PeerInfo {
        kind,
        asn: if external { 65100 + number } else { OWN_AS },
        local_asn: OWN_AS,
        address: IpAddr::V4(address(number)),
        router_id: address(number),
        local_address: IpAddr::V4(OWN_ID),
        local_address_other: None,
        local_link_local: None,
        shared_subnet: None,
        families,
        add_path_send: FamilySet::EMPTY,
        add_path_limit: AddPathSend::All,
        extended_next_hop: FamilySet::EMPTY,
        as4: true,
        max_message: 4096,
        codec: CodecContext {
            ebgp: external,
            ..codec(families)
        },
        import: None,
        export: None,
        require_policy: false,
        next_hop: NextHopMode::Standard,
        as_override: false,
        default_originate: FamilySet::EMPTY,
        replace_as: false,
        remove_private: RemovePrivate::No,
        enforce_first_as: true,
        allow_own_as: 0,
        route_server_client: false,
        role: None,
        llgr: FamilySet::EMPTY,
        llgr_partial: false,
        graceful_shutdown: true,
    }
}

pub(crate) fn named(name: &str) -> Option<PolicyName> {
    Some(PolicyName::from(name))
}

/// A target of the lab.
pub(crate) fn target(number: u8) -> RouteTarget {
    RouteTarget([0, 2, 0xfd, 0xe8, 0, 0, 0, number])
}

/// A route of the lab.
pub(crate) fn route(family: Family, number: u8) -> Route {
    let v4 = format!("10.{number}.0.0/16");
    let v6 = format!("2001:db8:{number}::/48");
    let text = match family {
        Family::Ipv4Unicast | Family::Ipv4Labeled => v4,
        Family::Ipv6Unicast | Family::Ipv6Labeled => v6,
        Family::Vpnv4 => format!("65000:1:{v4}"),
        Family::Vpnv6 => format!("65000:1:{v6}"),
        Family::Evpn => match number {
            0 => "65000:1:[2]:[0]:[48]:[02:00:00:00:00:01]".into(),
            1 => "65000:1:[2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.1.0.1]".into(),
            2 => "65000:1:[5]:[0]:[16]:[10.2.0.0]".into(),
            3 => "65000:1:[5]:[0]:[48]:[2001:db8:3::]".into(),
            _ => "65000:1:[3]:[0]:[32]:[10.4.0.1]".into(),
        },
        Family::RouteTarget => return membership(number),
    };
    let nlri = Nlri::parse(family, &text).expect("a route");
    let payload = match nlri {
        Nlri::Ipv4(_) | Nlri::Ipv6(_) | Nlri::RouteTarget(_) => Payload::None,
        Nlri::Evpn(EvpnNlri::InclusiveMulticast { .. }) => Payload::Evpn(EvpnPayload::default()),
        Nlri::Evpn(_) => Payload::Evpn(EvpnPayload {
            label: Label::from_vni(100 + u32::from(number)),
            ..EvpnPayload::default()
        }),
        _ => Payload::Label(Label::from_mpls(100 + u32::from(number))),
    };
    Route {
        nlri,
        path_id: 0,
        payload,
    }
}

fn membership(number: u8) -> Route {
    Route::bare(Nlri::RouteTarget(RtMembership::Target {
        origin: OWN_AS,
        target: target(number),
        bits: 64,
    }))
}

/// The same route by way of another label.
pub(crate) fn relabeled(mut route: Route) -> Route {
    match &mut route.payload {
        Payload::Label(label) => *label = Label::from_mpls(77),
        Payload::Evpn(evpn) if evpn.label != Label::default() => evpn.label = Label::from_vni(77),
        Payload::Evpn(_) | Payload::None => {}
    }
    route
}

/// Attributes with as few words as the tests need.
pub(crate) fn attributes(peer: &PeerInfo, path: &[u32]) -> Attributes {
    let IpAddr::V4(hop) = peer.address else {
        unreachable!("peers of the lab have IPv4 addresses")
    };
    let mut attributes = Attributes::new(Origin::Igp, Some(NextHop::Ipv4(hop)));
    let first = peer.external().then_some(peer.asn);
    let path: Vec<u32> = first.into_iter().chain(path.iter().copied()).collect();
    attributes.as_path = AsPath::sequence(&path);
    if !peer.external() {
        attributes.local_pref = Some(100);
    }
    attributes
}

pub(crate) fn with_communities(mut attributes: Attributes, list: &[Community]) -> Attributes {
    attributes.communities = list.into();
    attributes
}

pub(crate) fn with_targets(mut attributes: Attributes, list: &[u8]) -> Attributes {
    attributes.extended = list
        .iter()
        .map(|number| ExtendedCommunity(target(*number).0))
        .collect();
    attributes
}

fn body(message: &[u8]) -> &[u8] {
    &message[19..]
}

pub(crate) fn announce(
    rib: &mut Rib,
    peer: PeerId,
    info: &PeerInfo,
    route: &Route,
    set: &Attributes,
) {
    let outcome = announce_all(rib, peer, info, std::slice::from_ref(route), set);
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
}

/// Announces routes of one family in one UPDATE.
pub(crate) fn announce_all(
    rib: &mut Rib,
    peer: PeerId,
    info: &PeerInfo,
    routes: &[Route],
    set: &Attributes,
) -> UpdateOutcome {
    let family = routes[0].nlri.family();
    let context = EncodeContext::default();
    let encoded = EncodedAttributes::new(set, &context);
    let mut out = Vec::new();
    let mut builder = UpdateBuilder::announce(family, &encoded, &context, &mut out);
    for route in routes {
        builder.push(route).expect("fits");
    }
    builder.finish();
    let parts = split(body(&out), &info.codec).expect("well-formed");
    rib.update(peer, &parts)
}

pub(crate) fn withdraw(rib: &mut Rib, peer: PeerId, info: &PeerInfo, route: &Route) {
    let context = EncodeContext::default();
    let mut out = Vec::new();
    let mut builder = UpdateBuilder::withdraw(route.nlri.family(), &context, &mut out);
    builder.push(route).expect("fits");
    builder.finish();
    let parts = split(body(&out), &info.codec).expect("well-formed");
    rib.update(peer, &parts);
}

/// Runs the last job first, so that whatever depends on their order shows.
#[derive(Debug)]
pub(crate) struct Backwards;

impl Executor for Backwards {
    fn run(&self, jobs: Vec<Job<'_>>) {
        jobs.into_iter().rev().for_each(|job| job());
    }
}

/// The receiving end of a session.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) known: Known,
    pub(crate) ends: Vec<Family>,
    pub(crate) updates: usize,
    pub(crate) withdrawn: usize,
}

impl Receiver {
    /// Takes whole messages.
    pub(crate) fn take(&mut self, mut block: &[u8], codec: &CodecContext) {
        while !block.is_empty() {
            let length = usize::from(u16::from_be_bytes([block[16], block[17]]));
            let (message, rest) = block.split_at(length);
            block = rest;
            if message[18] == 2 {
                let parts = split(body(message), codec).expect("we send what can be read");
                self.update(&parts, codec);
            }
        }
    }

    fn update(&mut self, parts: &UpdateParts<'_>, codec: &CodecContext) {
        if let Some(family) = parts.end_of_rib() {
            self.ends.push(family);
            return;
        }
        let unreach = parts.mp_unreach.iter().flat_map(|unreach| unreach.routes());
        for route in parts.withdrawn().chain(unreach) {
            self.withdrawn += 1;
            self.known.remove(&(route.nlri, route.path_id));
        }
        let mut learn = |section, routes: &mut dyn Iterator<Item = Route>| {
            let decoded = parts.decode_attributes(section, codec);
            assert!(decoded.faults.is_empty(), "{:?}", decoded.faults);
            let attributes = decoded.attributes.expect("well-formed");
            for route in routes {
                self.updates += 1;
                let value = (attributes.clone(), route.payload);
                self.known.insert((route.nlri, route.path_id), value);
            }
        };
        if let Some(reach) = &parts.mp_reach {
            learn(Section::Multiprotocol, &mut reach.routes());
        }
        if !parts.nlri.is_empty() {
            learn(Section::Classic, &mut parts.announced());
        }
    }
}

/// Gives peers all that is waiting for them.
pub(crate) fn settle(rib: &mut Rib, receivers: &mut BTreeMap<PeerId, (Receiver, CodecContext)>) {
    loop {
        let more = rib.flush();
        let mut idle = true;
        for (peer, (receiver, codec)) in receivers.iter_mut() {
            while let Some(block) = rib.transmit(*peer) {
                receiver.take(&block, codec);
                idle = false;
            }
        }
        if idle && !more {
            return;
        }
    }
}
