//! `[vrfs.NAME]` and `[mac-vrfs.NAME]`: the tables of tenants.

use super::document::Table;
use super::value::FromToml;
use super::value::from_text;
use crate::nlri::{Label, Mac, RouteDistinguisher, RouteTarget};
use std::collections::BTreeMap;
use std::net::IpAddr;
use toml::de::DeValue;

/// An L3 VRF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vrf {
    pub name: String,
    pub rd: RouteDistinguisher,
    pub import: Vec<RouteTarget>,
    pub export: Vec<RouteTarget>,
    /// What its routes carry in VPNv4 and VPNv6; `None`: they are not originated there.
    pub label: Option<Label>,
    /// What its routes carry as EVPN type 5; `None`: they are not originated there.
    pub vni: Option<Label>,
    /// The next hop of routes originated from it; `None`: the address of the VXLAN device where there is one, else the
    /// router id.
    pub next_hop: Option<IpAddr>,
    /// The MAC that routers are to send packets for the VRF to; `None`: that of the host's device, if it has one.
    pub router_mac: Option<Mac>,
}

/// An L2 domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacVrf {
    pub name: String,
    pub rd: RouteDistinguisher,
    pub import: Vec<RouteTarget>,
    pub export: Vec<RouteTarget>,
    pub vni: Option<Label>,
    /// The network it is the L2 domain of: the guard against joining two domains by a shared target.
    pub network: u32,
}

from_text! {
    RouteDistinguisher => "a route distinguisher in quotes, like \"65000:1\" or \"192.0.2.1:7\"",
    RouteTarget => "a route target in quotes, like \"65000:1\" or \"192.0.2.1:7\"",
    Mac => "a MAC address in quotes, like \"02:00:00:00:00:01\"",
}

/// A VNI (RFC 7348): 1 to 16,777,215.
pub(super) struct Vni(pub(super) Label);

impl FromToml for Vni {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match u32::from_toml(value) {
            Ok(vni @ 1..=0xff_ffff) => Ok(Self(Label::from_vni(vni))),
            _ => Err("must be a VNI, 1 to 16777215".to_owned()),
        }
    }
}

/// Packets of a VNI are of one tenant table.
pub(super) fn distinct_vnis(root: &Table<'_>) {
    let mut owners = BTreeMap::new();
    for section in ["vrfs", "mac-vrfs"] {
        for (name, table) in root.named(section) {
            let Some(Vni(vni)) = table.get("vni") else {
                continue;
            };
            if let Some(other) = owners.insert(vni, name) {
                table.issue("vni", format!("{other} has it already: give each its own"));
            }
        }
    }
}

/// An MPLS label that may be assigned (RFC 3032 2.1): 16 to 1,048,575.
pub(super) struct MplsLabel(pub(super) Label);

impl FromToml for MplsLabel {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match u32::from_toml(value) {
            Ok(label @ 16..=0xf_ffff) => Ok(Self(Label::from_mpls(label))),
            _ => Err("must be a label, 16 to 1048575".to_owned()),
        }
    }
}

/// What both kinds have.
fn targets(table: &Table<'_>) -> Option<(RouteDistinguisher, [Vec<RouteTarget>; 2])> {
    let rd = table.required("rd", "write a route distinguisher, like \"65000:1\"");
    let both: Vec<RouteTarget> = table.list("targets");
    let direction = |key| {
        let mut all = both.clone();
        for target in table.list(key) {
            if !all.contains(&target) {
                all.push(target);
            }
        }
        all
    };
    let directions = [direction("import"), direction("export")];
    rd.map(|rd| (rd, directions))
}

impl Vrf {
    pub(super) fn read(name: String, table: Table<'_>) -> Option<Self> {
        let targets = targets(&table);
        let label: Option<MplsLabel> = table.get("label");
        let vni: Option<Vni> = table.get("vni");
        let next_hop = table.get("next-hop");
        let router_mac: Option<Mac> = table.get("router-mac");
        if router_mac.is_some_and(|mac| mac.0[0] & 1 != 0 || mac == Mac::default()) {
            table.issue(
                "router-mac",
                "must be the MAC of one router, not of a group",
            );
        }
        if router_mac.is_some() && vni.is_none() {
            table.issue("router-mac", "is for VXLAN: add the vni of the VRF");
        }
        table.finish();
        let (rd, [import, export]) = targets?;
        Some(Self {
            name,
            rd,
            import,
            export,
            label: label.map(|label| label.0),
            vni: vni.map(|vni| vni.0),
            next_hop,
            router_mac,
        })
    }
}

impl MacVrf {
    pub(super) fn read(name: String, table: Table<'_>) -> Option<Self> {
        let targets = targets(&table);
        let vni: Option<Vni> = table.get("vni");
        let network = table.get("network");
        if vni.is_none() && network.is_none() {
            table.complain("needs a vni, or a network number that no other domain has");
        }
        table.finish();
        let (rd, [import, export]) = targets?;
        let vni = vni.map(|vni| vni.0);
        Some(Self {
            name,
            rd,
            import,
            export,
            vni,
            network: network.or(vni.map(Label::vni))?,
        })
    }
}
