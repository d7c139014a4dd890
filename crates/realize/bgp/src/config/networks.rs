//! `[[networks]]`: routes this speaker originates because its configuration says so.

use super::Known;
use super::document::Table;
use super::value::{FromToml, from_text, word};
use super::vrf::{MplsLabel, Vni};
use crate::attribute::{Community, ExtendedCommunity, LargeCommunity, Origin};
use crate::nlri::{
    EvpnNlri, EvpnPayload, Label, Nlri, Payload, Route, RouteDistinguisher, RouteTarget,
};
use ipnet::IpNet;
use std::net::IpAddr;
use toml::de::DeValue;

/// A route and what it is announced with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// `None`: the global table of its family.
    pub vrf: Option<String>,
    pub route: Route,
    /// `None`: our end of each session.
    pub next_hop: Option<IpAddr>,
    pub origin: Origin,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub communities: Vec<Community>,
    pub extended: Vec<ExtendedCommunity>,
    pub large: Vec<LargeCommunity>,
}

from_text! {
    Community => "a community in quotes, like \"65000:100\" or \"no-export\"",
    ExtendedCommunity => "an extended community in quotes, like \"target:65000:1\" or \"encapsulation:vxlan\"",
    LargeCommunity => "a large community in quotes, like \"65000:1:2\"",
    EvpnNlri => "an EVPN route in quotes, like \"65000:1:[5]:[0]:[24]:[192.0.2.0]\"",
}

impl FromToml for Origin {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let words = [
            ("igp", Self::Igp),
            ("egp", Self::Egp),
            ("incomplete", Self::Incomplete),
        ];
        word(value, &words)
    }
}

impl Network {
    pub(super) fn read(table: Table<'_>, known: &Known) -> Option<Self> {
        let route = route(&table);
        match route.map(|route| route.nlri) {
            Some(Nlri::Evpn(evpn)) => {
                known.mac_vrf(&table);
                if evpn.route_type() == 5 && table.has("vrf") {
                    let remedy =
                        "is of an L3 VRF, which makes type 5 itself: write prefix, not evpn";
                    table.issue("vrf", remedy);
                }
            }
            _ => known.vrf(&table),
        }
        let targets: Vec<RouteTarget> = table.list("targets");
        let mut extended: Vec<ExtendedCommunity> = table.list("extended");
        extended.extend(targets.iter().map(|target| ExtendedCommunity(target.0)));
        let read = route.map(|route| Self {
            vrf: table.get("vrf"),
            route,
            next_hop: table.get("next-hop"),
            origin: table.or("origin", Origin::Igp),
            med: table.get("med"),
            local_pref: table.get("local-pref"),
            communities: table.list("communities"),
            extended,
            large: table.list("large"),
        });
        if read.is_some() {
            table.finish();
        }
        read
    }
}

/// `prefix`, with `label` and `rd` where the family has them, or `evpn` with what its type carries.
fn route(table: &Table<'_>) -> Option<Route> {
    let prefix: Option<IpNet> = table.get("prefix");
    let evpn: Option<EvpnNlri> = table.get("evpn");
    let (nlri, payload) = match (prefix, evpn) {
        (Some(_), Some(_)) => {
            table.issue("evpn", "and prefix are both given: keep one");
            return None;
        }
        (Some(prefix), None) => ip_route(table, prefix)?,
        (None, Some(evpn)) => {
            let payload = evpn_payload(table);
            let floods = matches!(evpn, EvpnNlri::InclusiveMulticast { .. });
            if floods && !table.has("vni") {
                table.issue("vni", "is missing: broadcast of the domain is sent with it");
                return None;
            }
            (Nlri::Evpn(evpn), Payload::Evpn(payload))
        }
        (None, None) => {
            if !table.has("prefix") && !table.has("evpn") {
                table.complain("needs prefix = \"192.0.2.0/24\" or evpn = \"65000:1:[5]:…\"");
            }
            return None;
        }
    };
    Some(Route {
        nlri,
        path_id: 0,
        payload,
    })
}

fn ip_route(table: &Table<'_>, prefix: IpNet) -> Option<(Nlri, Payload)> {
    let rd: Option<RouteDistinguisher> = table.get("rd");
    let label: Option<MplsLabel> = table.get("label");
    let nlri = match (prefix, rd, &label) {
        (_, Some(_), None) => {
            table.issue("label", "is missing: a VPN route carries one");
            return None;
        }
        (IpNet::V4(net), Some(rd), Some(_)) => Nlri::Vpnv4(rd, net),
        (IpNet::V6(net), Some(rd), Some(_)) => Nlri::Vpnv6(rd, net),
        (IpNet::V4(net), None, Some(_)) => Nlri::LabeledIpv4(net),
        (IpNet::V6(net), None, Some(_)) => Nlri::LabeledIpv6(net),
        (IpNet::V4(net), None, None) => Nlri::Ipv4(net),
        (IpNet::V6(net), None, None) => Nlri::Ipv6(net),
    };
    let global = !matches!(nlri, Nlri::Ipv4(_) | Nlri::Ipv6(_));
    if global && table.has("vrf") {
        table.issue(
            "vrf",
            "makes the route distinguisher and label itself: remove rd and label",
        );
    }
    let payload = label.map_or(Payload::None, |label| Payload::Label(label.0));
    Some((nlri, payload))
}

fn evpn_payload(table: &Table<'_>) -> EvpnPayload {
    let vni: Option<Vni> = table.get("vni");
    let vni2: Option<Vni> = table.get("vni2");
    EvpnPayload {
        label: vni.map_or(Label::default(), |vni| vni.0),
        label2: vni2.map(|vni| vni.0),
        gateway: table.get("gateway"),
        ..EvpnPayload::default()
    }
}
