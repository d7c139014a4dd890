//! What random histories announce, and the policies they go by.

use super::lab::{address6, attributes, is_v6, with_communities, with_targets};
use bgp::Family;
use bgp::attribute::{Attributes, Community, ExtendedCommunity, NextHop, Origin};
use bgp::policy::Policies;
use bgp::rib::PeerInfo;
use proptest::prelude::*;

/// What an announcement looks like, in few bits, so that announcements often have something in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    length: u8,
    med: Option<u8>,
    origin: bool,
    community: u8,
    targets: u8,
    local_pref: bool,
    mobility: u8,
    pub(super) relabeled: bool,
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    (
        0u8..3,
        prop::option::of(0u8..3),
        any::<bool>(),
        0u8..6,
        0u8..8,
        any::<bool>(),
        0u8..5,
        any::<bool>(),
    )
        .prop_map(
            |(length, med, origin, community, targets, local_pref, mobility, relabeled)| Shape {
                length,
                med,
                origin,
                community,
                targets,
                local_pref,
                mobility,
                relabeled,
            },
        )
}

/// The attributes of an announcement.
pub(super) fn shaped(info: &PeerInfo, family: Family, shape: Shape) -> Attributes {
    let mut path: Vec<u32> = (0..u32::from(shape.length)).map(|hop| 3000 + hop).collect();
    if !info.external() && shape.origin {
        path.insert(0, 65101);
    }
    let mut set = attributes(info, &path);
    if is_v6(family) {
        set.next_hop = Some(NextHop::Ipv6 {
            global: address6(info.address),
            link_local: None,
        });
    }
    set.med = shape.med.map(u32::from);
    if shape.origin {
        set.origin = Origin::Egp;
    }
    if shape.local_pref && !info.external() {
        set.local_pref = Some(200);
    }
    let communities: &[Community] = match shape.community {
        0 => &[Community::NO_EXPORT],
        1 => &[Community::NO_ADVERTISE],
        2 => &[Community::new(65000, 1)],
        3 => &[Community::NO_LLGR],
        _ => &[],
    };
    set = with_communities(set, communities);
    if matches!(family, Family::Vpnv4 | Family::Vpnv6 | Family::Evpn) {
        let targets: Vec<u8> = (0..3).filter(|bit| shape.targets >> bit & 1 == 1).collect();
        set = with_targets(set, &targets);
    }
    if family == Family::Evpn {
        let mut extended = set.extended.to_vec();
        match shape.mobility {
            0 => {}
            1 => extended.push(ExtendedCommunity([6, 0, 1, 0, 0, 0, 0, 0])),
            2 => extended.push(ExtendedCommunity::DEFAULT_GATEWAY),
            sequence => extended.push(ExtendedCommunity([6, 0, 0, 0, 0, 0, 0, sequence - 2])),
        }
        set.extended = extended.into();
    }
    set
}

pub(super) fn policies(variant: u8) -> Policies {
    let text = match variant {
        0 => {
            r#"
            [few]
            default = "accept"
            rules = [{ match = [{ prefix = ["10.1.0.0/16", "10.2.0.0/16", "2001:db8:1::/48"] }], then = "reject" }]
            [tag]
            default = "accept"
            rules = [{ match = [{ community = ["65000:1"] }], set = [{ add-communities = ["65000:77"] }, { med = 9 }], then = "accept" }]
        "#
        }
        1 => {
            r#"
            [few]
            default = "accept"
            rules = [{ match = [{ prefix = ["10.2.0.0/16", "2001:db8:2::/48"] }], set = [{ local-pref = 300 }], then = "accept" }]
            [tag]
            default = "accept"
            rules = [{ match = [{ community = ["65000:1"] }], then = "reject" }]
        "#
        }
        _ => {
            r#"
            [few]
            default = "accept"
            [tag]
            default = "accept"
            rules = [{ set = [{ prepend = { count = 2 } }], then = "next" }]
        "#
        }
    };
    let policies: Policies = toml::from_str(text).expect("policies can be read");
    assert_eq!(policies.validate(), []);
    policies
}
