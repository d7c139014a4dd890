//! What callers name in queries and bodies: families, tables, routes, communities.

use super::Refusal;
use crate::engine::Core;
use bgp::Family;
use bgp::attribute::{Attributes, Community, ExtendedCommunity, LargeCommunity};
use bgp::nlri::{Nlri, RouteTarget};
use bgp::rib::TableId;
use ipnet::IpNet;
use std::net::IpAddr;

pub(super) fn family(text: &str) -> Result<Family, Refusal> {
    text.parse().map_err(|_| {
        let names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
        Refusal::bad(format!(
            "'{text}' is no family; there are {}",
            names.join(", ")
        ))
    })
}

/// A route in the text form of its family; of an IP family without a length, the address's own prefix.
pub(super) fn route(family: Family, text: &str) -> Result<Nlri, Refusal> {
    let whole = match (family, text.parse::<IpAddr>()) {
        (Family::Ipv4Unicast | Family::Ipv6Unicast, Ok(address)) => {
            IpNet::from(address).to_string()
        }
        _ => text.to_owned(),
    };
    Nlri::parse(family, &whole).map_err(|error| Refusal::bad(error.to_string()))
}

/// The family that a route's text is of by itself.
pub(super) fn family_of(text: &str) -> Family {
    let ip = text
        .parse::<IpNet>()
        .map(|net| net.addr())
        .or_else(|_| text.parse());
    match ip {
        Ok(IpAddr::V4(_)) => Family::Ipv4Unicast,
        Ok(IpAddr::V6(_)) => Family::Ipv6Unicast,
        Err(_) if text.contains('[') => Family::Evpn,
        Err(_) => match Nlri::parse(Family::Vpnv4, text) {
            Ok(_) => Family::Vpnv4,
            Err(_) => Family::Vpnv6,
        },
    }
}

/// A table by its VRF's name, or the global one of a family.
pub(super) fn table(core: &Core, family: Family, vrf: Option<&str>) -> Result<TableId, Refusal> {
    let Some(name) = vrf else {
        return Ok(TableId::Global(family));
    };
    let config = core.speaker.rib().config();
    let mac_vrf = config.mac_vrfs.iter().find(|vrf| vrf.name == name);
    let vrf = config.vrfs.iter().find(|vrf| vrf.name == name);
    match (family, mac_vrf, vrf) {
        (Family::Evpn, Some(mac_vrf), _) => Ok(TableId::MacVrf(mac_vrf.id)),
        (Family::Ipv4Unicast | Family::Ipv6Unicast, _, Some(vrf)) => {
            Ok(TableId::Vrf(vrf.id, family))
        }
        (_, _, Some(_)) => Err(Refusal::bad(format!(
            "a VRF has the families ipv4-unicast and ipv6-unicast, not {family}"
        ))),
        (_, Some(_), _) => Err(Refusal::bad(format!(
            "a MAC-VRF has the family evpn, not {family}"
        ))),
        (_, None, None) => Err(Refusal::absent(format!(
            "there is no VRF or MAC-VRF '{name}'"
        ))),
    }
}

/// How operators know a table.
pub(crate) fn table_name(core: &Core, table: TableId) -> String {
    let config = core.speaker.rib().config();
    match table {
        TableId::Global(family) => family.name().to_owned(),
        TableId::Vrf(id, family) => {
            let vrf = config.vrfs.iter().find(|vrf| vrf.id == id);
            format!("{family} of VRF {}", vrf.map_or("?", |vrf| &vrf.name))
        }
        TableId::MacVrf(id) => {
            let vrf = config.mac_vrfs.iter().find(|vrf| vrf.id == id);
            format!("MAC-VRF {}", vrf.map_or("?", |vrf| &vrf.name))
        }
    }
}

/// A community of any of the three kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnyCommunity {
    Standard(Community),
    Extended(ExtendedCommunity),
    Large(LargeCommunity),
}

impl AnyCommunity {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        // `1:2:3` is a large one; an extended one has a name in front, or is hexadecimal.
        if let Ok(community) = text.parse() {
            return Ok(Self::Standard(community));
        }
        if let Ok(community) = text.parse() {
            return Ok(Self::Large(community));
        }
        if let Ok(community) = text.parse() {
            return Ok(Self::Extended(community));
        }
        if let Ok(target) = text.parse::<RouteTarget>() {
            return Ok(Self::Extended(ExtendedCommunity(target.0)));
        }
        Err(Refusal::bad(format!(
            "'{text}' is no community: write 65000:100, no-export, target:65000:1 or 65000:1:2"
        )))
    }

    pub(super) fn is_in(self, attributes: &Attributes) -> bool {
        match self {
            Self::Standard(community) => attributes.communities.contains(&community),
            Self::Extended(community) => attributes.extended.contains(&community),
            Self::Large(community) => attributes.large.contains(&community),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn communities_are_told_apart_by_their_form() {
        let kind = |text: &str| AnyCommunity::parse(text).expect(text);
        assert!(matches!(kind("65000:100"), AnyCommunity::Standard(_)));
        assert!(matches!(kind("no-export"), AnyCommunity::Standard(_)));
        assert!(matches!(kind("1:2:3"), AnyCommunity::Large(_)));
        assert!(matches!(kind("target:65000:1"), AnyCommunity::Extended(_)));
        assert!(AnyCommunity::parse("nonsense").is_err());
    }

    #[test]
    fn a_route_is_of_the_family_its_text_has() {
        assert_eq!(family_of("10.0.0.0/8"), Family::Ipv4Unicast);
        assert_eq!(family_of("10.1.2.3"), Family::Ipv4Unicast);
        assert_eq!(family_of("2001:db8::/32"), Family::Ipv6Unicast);
        assert_eq!(family_of("65000:1:10.0.0.0/8"), Family::Vpnv4);
        assert_eq!(family_of("65000:1:2001:db8::/32"), Family::Vpnv6);
        assert_eq!(family_of("65000:1:[3]:[0]:[32]:[192.0.2.1]"), Family::Evpn);
    }
}
