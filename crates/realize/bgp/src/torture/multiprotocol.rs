//! MP_REACH_NLRI and MP_UNREACH_NLRI of every family: next hops, lengths, routes (RFC 4760, RFC 7606 5 and 7.11).

use super::message::{Draft, Raw};
use super::{Case, Corpus, Expected};
use crate::attribute::NextHop;
use crate::attribute::rules::{self, flag};
use crate::message::NotificationCode;
use crate::nlri::{
    Esi, EvpnNlri, EvpnPayload, Label, Mac, Nlri, Payload, Route, RouteDistinguisher, RouteTarget,
    RtMembership,
};
use crate::{Family, FamilySet};
use ipnet::{Ipv4Net, Ipv6Net};

pub(super) fn all(corpus: &mut Corpus<'_>) {
    duplicates(corpus);
    unreadable_families(corpus);
    not_negotiated(corpus);
    for family in corpus.session.families.iter() {
        next_hops(corpus, family);
        heads(corpus, family);
        routes(corpus, family);
        attributes(corpus, family);
        unusual_but_valid(corpus, family);
    }
    if corpus.session.families.contains(Family::Evpn) {
        evpn(corpus);
    }
}

/// A valid route of a family, and what its MP_REACH_NLRI is made of.
struct Target {
    family: Family,
    route: Route,
    /// With its length octet in front.
    next_hop: Vec<u8>,
    nlri: Vec<u8>,
}

impl Target {
    fn new(family: Family, corpus: &Corpus<'_>) -> Self {
        let route = route(family, corpus.prefix());
        let (mut nlri, mut next_hop) = (Vec::new(), Vec::new());
        route.encode(false, false, &mut nlri);
        NextHop::Ipv4(corpus.session.next_hop).encode(family, &mut next_hop);
        Self {
            family,
            route,
            next_hop,
            nlri,
        }
    }

    fn reach(&self, next_hop: &[u8], nlri: &[u8]) -> Raw {
        let value = [&*self.codes(), next_hop, &[0], nlri].concat();
        Raw::new(rules::MP_REACH_NLRI, value)
    }

    fn valid(&self) -> Raw {
        self.reach(&self.next_hop, &self.nlri)
    }

    fn unreach(&self, nlri: &[u8]) -> Raw {
        let value = [&*self.codes(), nlri].concat();
        Raw::new(rules::MP_UNREACH_NLRI, value)
    }

    fn codes(&self) -> Vec<u8> {
        let (afi, safi) = self.family.codes();
        let [high, low] = afi.to_be_bytes();
        vec![high, low, safi]
    }

    /// The attributes of its announcement, without MP_REACH_NLRI and NEXT_HOP.
    fn rest(corpus: &Corpus<'_>) -> Draft {
        let mut draft = corpus.draft();
        draft.nlri.clear();
        draft.remove(rules::NEXT_HOP);
        draft
    }
}

/// The route of a family that stands for a case's prefix.
fn route(family: Family, prefix: Ipv4Net) -> Route {
    const RD: RouteDistinguisher = RouteDistinguisher([0, 0, 0xfd, 0xe7, 0, 0, 0, 7]);
    let [a, b, c, _] = prefix.network().octets();
    let ipv6 = || {
        let address = [0x20, 0x01, 0x0d, 0xb8, a, b, c, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        Ipv6Net::new_assert(address.into(), 56)
    };
    let label = Payload::Label(Label::from_mpls(100));
    let (nlri, payload) = match family {
        Family::Ipv4Unicast => (Nlri::Ipv4(prefix), Payload::None),
        Family::Ipv6Unicast => (Nlri::Ipv6(ipv6()), Payload::None),
        Family::Ipv4Labeled => (Nlri::LabeledIpv4(prefix), label),
        Family::Ipv6Labeled => (Nlri::LabeledIpv6(ipv6()), label),
        Family::Vpnv4 => (Nlri::Vpnv4(RD, prefix), label),
        Family::Vpnv6 => (Nlri::Vpnv6(RD, ipv6()), label),
        Family::Evpn => {
            let nlri = EvpnNlri::MacIp {
                rd: RD,
                tag: 0,
                mac: Mac([2, 0, 0, a, b, c]),
                ip: None,
            };
            let payload = EvpnPayload {
                esi: Esi::default(),
                label: Label::from_vni(10),
                ..EvpnPayload::default()
            };
            (Nlri::Evpn(nlri), Payload::Evpn(payload))
        }
        Family::RouteTarget => {
            let target = RouteTarget([0, 2, 0xfd, 0xe7, 0, a, b, c]);
            let membership = RtMembership::target(64_999, target, 64);
            (Nlri::RouteTarget(membership), Payload::None)
        }
    };
    Route {
        nlri,
        path_id: 0,
        payload,
    }
}

const NLRI: &str = "RFC 7606 5.3";

fn add(
    corpus: &mut Corpus<'_>,
    family: Family,
    (name, source): (&str, &'static str),
    expected: Expected,
    spoil: impl FnOnce(&Target, &mut Draft),
) {
    let target = Target::new(family, corpus);
    let mut good = Target::rest(corpus);
    good.set(target.valid());
    // RFC 7606 5.1: the MP attributes come first.
    good.attributes.rotate_right(1);
    let mut draft = Target::rest(corpus);
    spoil(&target, &mut draft);
    corpus.cases.push(Case {
        name: format!("{family}: {name}"),
        source,
        attribute: Some(rules::MP_REACH_NLRI),
        route: Some(target.route.nlri),
        good: good.message(),
        message: draft.message(),
        expected,
        arguable: None,
    });
}

/// Lengths of next hops that are right; 32 where RFCs differ on whether a link-local address may follow.
const fn lengths(family: Family, extended: bool) -> &'static [usize] {
    match family {
        Family::Ipv4Unicast | Family::Ipv4Labeled if extended => &[4, 16, 32],
        Family::Vpnv4 if extended => &[12, 24, 48],
        Family::Ipv4Unicast | Family::Ipv4Labeled => &[4],
        Family::Ipv6Unicast | Family::Ipv6Labeled => &[16, 32],
        Family::Vpnv4 => &[12],
        Family::Vpnv6 => &[24, 48],
        Family::Evpn | Family::RouteTarget => &[4, 16, 32],
    }
}

/// RFC 7606 7.11.
fn next_hops(corpus: &mut Corpus<'_>, family: Family) {
    const SOURCE: &str = "RFC 7606 7.11";
    let extended = corpus.session.extended_next_hop.contains(family);
    for length in (0..=52).chain([64, 128, 255]) {
        if lengths(family, extended).contains(&length) {
            continue;
        }
        let name = format!("a next hop of {length} octets");
        let expected = Expected::Disable(family);
        add(
            corpus,
            family,
            (&name, SOURCE),
            expected,
            |target, draft| {
                let mut next_hop = vec![length as u8];
                next_hop.resize(1 + length, 1);
                draft.set(target.reach(&next_hop, &target.nlri));
            },
        );
    }
    let name = "a next hop that runs past the attribute";
    add(
        corpus,
        family,
        (name, SOURCE),
        Expected::Disable(family),
        |target, draft| {
            let mut next_hop = target.next_hop.clone();
            next_hop[0] = 250;
            draft.set(target.reach(&next_hop, &target.nlri));
        },
    );
    let name = "a next hop of zeros";
    add(
        corpus,
        family,
        (name, "RFC 4271 6.3"),
        Expected::Withdraw,
        |target, draft| {
            let mut next_hop = target.next_hop.clone();
            next_hop[1..].fill(0);
            draft.set(target.reach(&next_hop, &target.nlri));
        },
    );
}

/// Flags, least lengths, and the octet that is reserved.
fn heads(corpus: &mut Corpus<'_>, family: Family) {
    let disable = Expected::Disable(family);
    for flags in [0, flag::TRANSITIVE, flag::OPTIONAL | flag::TRANSITIVE] {
        let name = format!("MP_REACH_NLRI with flags {flags:#04x}");
        add(corpus, family, (&name, NLRI), disable, |target, draft| {
            draft.set(Raw {
                flags,
                ..target.valid()
            });
        });
        let name = format!("MP_UNREACH_NLRI with flags {flags:#04x}");
        add(corpus, family, (&name, NLRI), disable, |target, draft| {
            draft.attributes.clear();
            draft.set(Raw {
                flags,
                ..target.unreach(&target.nlri)
            });
        });
    }
    for flags in [0xa0, 0x8f, 0x90] {
        let name = format!("MP_REACH_NLRI with flags {flags:#04x}");
        add(
            corpus,
            family,
            (&name, "RFC 4271 4.3"),
            Expected::Accept,
            |target, draft| {
                draft.set(Raw {
                    flags,
                    ..target.valid()
                });
            },
        );
    }
    for length in [3, 4] {
        let name = format!("MP_REACH_NLRI of {length} octets");
        add(corpus, family, (&name, NLRI), disable, |target, draft| {
            let mut raw = target.valid();
            raw.value.truncate(length);
            draft.set(raw);
        });
    }
    let name = "a reserved octet that is not zero";
    add(
        corpus,
        family,
        (name, "RFC 4760 3"),
        Expected::Accept,
        |target, draft| {
            let value = [&*target.codes(), &target.next_hop, &[0xff], &target.nlri].concat();
            draft.set(Raw::new(rules::MP_REACH_NLRI, value));
        },
    );
}

/// NLRI that cannot be parsed, announced and withdrawn.
fn routes(corpus: &mut Corpus<'_>, family: Family) {
    let disable = Expected::Disable(family);
    let sample = Target::new(family, corpus).nlri;
    let mut spoilt: Vec<(String, Vec<u8>)> = (1..sample.len())
        .map(|left| {
            (
                format!("a route cut to {left} octets"),
                sample[..left].to_vec(),
            )
        })
        .collect();
    let bits: &[u8] = match family {
        Family::Ipv4Unicast => &[33, 64, 255],
        Family::Ipv6Unicast => &[129, 255],
        Family::Ipv4Labeled => &[0, 23, 57, 255],
        Family::Ipv6Labeled => &[0, 23, 153, 255],
        Family::Vpnv4 => &[0, 24, 87, 121, 255],
        Family::Vpnv6 => &[0, 24, 87, 217, 255],
        Family::RouteTarget => &[1, 31, 97, 255],
        // The octet in that place is the route's type.
        Family::Evpn => &[],
    };
    for bits in bits {
        let mut nlri = vec![*bits];
        nlri.resize(40, 1);
        spoilt.push((format!("a route of {bits} bits"), nlri));
    }
    for (what, nlri) in &spoilt {
        let name = format!("{what} announced");
        add(corpus, family, (&name, NLRI), disable, |target, draft| {
            draft.set(target.reach(&target.next_hop, nlri));
        });
        let name = format!("{what} announced behind a good one");
        add(corpus, family, (&name, NLRI), disable, |target, draft| {
            let both = [&*target.nlri, nlri].concat();
            draft.set(target.reach(&target.next_hop, &both));
        });
        let name = format!("{what} withdrawn");
        add(corpus, family, (&name, NLRI), disable, |target, draft| {
            draft.attributes.clear();
            draft.set(target.unreach(nlri));
        });
    }
}

/// The other attributes of an MP route.
fn attributes(corpus: &mut Corpus<'_>, family: Family) {
    for code in [rules::ORIGIN, rules::AS_PATH] {
        let name = format!("an announcement without attribute {code}");
        add(
            corpus,
            family,
            (&name, "RFC 7606 3 d"),
            Expected::Withdraw,
            |target, draft| {
                draft.set(target.valid());
                draft.remove(code);
            },
        );
    }
    let name = "an announcement with an invalid ORIGIN";
    add(
        corpus,
        family,
        (name, "RFC 7606 7.1"),
        Expected::Withdraw,
        |target, draft| {
            draft.set(target.valid());
            draft.set(Raw::new(rules::ORIGIN, vec![9]));
        },
    );
    let name = "an announcement with an octet behind the attributes";
    add(
        corpus,
        family,
        (name, "RFC 7606 4"),
        Expected::Withdraw,
        |target, draft| {
            draft.set(target.valid());
            draft.tail = vec![0xc0];
        },
    );
}

/// What is rare around an MP route but right.
fn unusual_but_valid(corpus: &mut Corpus<'_>, family: Family) {
    let name = "a NEXT_HOP beside MP_REACH_NLRI";
    add(
        corpus,
        family,
        (name, "RFC 4760 3"),
        Expected::Accept,
        |target, draft| {
            draft.set(target.valid());
            draft.set(Raw::new(rules::NEXT_HOP, vec![198, 51, 100, 9]));
        },
    );
    for back in 0..3 {
        let name = format!("MP_REACH_NLRI {back} attributes behind the first");
        add(
            corpus,
            family,
            (&name, "RFC 7606 5.1"),
            Expected::Accept,
            |target, draft| {
                draft
                    .attributes
                    .insert(back.min(draft.attributes.len()), target.valid());
            },
        );
    }
    let name = "MP_REACH_NLRI without a route";
    add(
        corpus,
        family,
        (name, "RFC 4760 3"),
        Expected::Accept,
        |target, draft| {
            draft.set(target.reach(&target.next_hop, &[]));
        },
    );
}

/// RFC 7606 3 g. The family does not matter: the second cannot be read in any case.
fn duplicates(corpus: &mut Corpus<'_>) {
    let expected = Expected::Reset(NotificationCode::MALFORMED_ATTRIBUTES);
    let families = corpus.session.families;
    let Some(family) = families.iter().next() else {
        return;
    };
    let source = "RFC 7606 3 g";
    add(
        corpus,
        family,
        ("MP_REACH_NLRI twice", source),
        expected,
        |target, draft| {
            draft.attributes.extend([target.valid(), target.valid()]);
        },
    );
    add(
        corpus,
        family,
        ("MP_UNREACH_NLRI twice", source),
        expected,
        |target, draft| {
            draft.attributes = vec![target.unreach(&target.nlri), target.unreach(&target.nlri)];
        },
    );
}

/// Too short to say which family they are about.
fn unreadable_families(corpus: &mut Corpus<'_>) {
    let expected = Expected::Reset(NotificationCode::OPTIONAL_ATTRIBUTE);
    for (code, name) in [
        (rules::MP_REACH_NLRI, "MP_REACH_NLRI"),
        (rules::MP_UNREACH_NLRI, "MP_UNREACH_NLRI"),
    ] {
        for length in 0..3usize {
            let mut draft = corpus.draft();
            draft.set(Raw::new(code, vec![0, 1, 1][..length].to_vec()));
            let name = format!("{name} of {length} octets");
            corpus.add(name, Some(code), NLRI, &draft, expected);
        }
    }
}

/// Routes of a family nobody agreed on are passed over; what else is in the message is used.
fn not_negotiated(corpus: &mut Corpus<'_>) {
    let others: FamilySet = FamilySet::ALL.difference(corpus.session.families);
    for family in others.iter() {
        let target = Target::new(family, corpus);
        let mut draft = corpus.draft();
        draft.set(target.valid());
        let name = format!("{family}: announced beside an IPv4 route, not negotiated");
        let code = Some(rules::MP_REACH_NLRI);
        corpus.add(name, code, "RFC 4760 6", &draft, Expected::Accept);
    }
    for (afi, safi) in [(1, 133), (16388, 71), (0, 0), (65535, 255)] {
        let mut draft = corpus.draft();
        let [high, low] = u16::to_be_bytes(afi);
        let value = vec![high, low, safi, 4, 192, 0, 2, 1, 0, 1, 2, 3, 4, 5];
        draft.set(Raw::new(rules::MP_REACH_NLRI, value));
        let name = format!("a family of AFI {afi} and SAFI {safi} beside an IPv4 route");
        let code = Some(rules::MP_REACH_NLRI);
        corpus.add(name, code, "RFC 4760 6", &draft, Expected::Accept);
    }
}

/// RFC 7606 5.4: a type that is not known is passed over, and so is a value that its length bounds.
fn evpn(corpus: &mut Corpus<'_>) {
    let family = Family::Evpn;
    let strange: [(&[u8], &str); 6] = [
        (&[0, 2, 1, 2], "a route of type 0"),
        (&[99, 0], "a route of type 99 without octets"),
        (&[255, 3, 1, 2, 3], "a route of type 255"),
        (&[2, 0], "a route of type 2 without octets"),
        (&[5, 4, 1, 2, 3, 4], "a route of type 5 of 4 octets"),
        (
            &[
                1, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ],
            "a route of type 1 that is one octet short",
        ),
    ];
    for (nlri, what) in strange {
        let name = format!("{what} beside a good one");
        add(
            corpus,
            family,
            (&name, "RFC 7606 5.4"),
            Expected::Accept,
            |target, draft| {
                let both = [nlri, &target.nlri].concat();
                draft.set(target.reach(&target.next_hop, &both));
            },
        );
    }
}
