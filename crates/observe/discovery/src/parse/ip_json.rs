//! The JSON twin of the `ip` text: what `ip -j -d address show` prints.

use super::ip::{Address, Interface, Kind, VirtualFunction, Vxlan};
use super::{ParseError, json};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    ifindex: u32,
    #[serde(default)]
    ifname: String,
    link: Option<String>,
    link_index: Option<u32>,
    #[serde(default)]
    flags: Vec<String>,
    mtu: Option<u32>,
    operstate: Option<String>,
    master: Option<String>,
    address: Option<String>,
    #[serde(default)]
    addr_info: Vec<AddressInfo>,
    linkinfo: Option<LinkInfo>,
    #[serde(default)]
    vfinfo_list: Vec<Value>,
}

#[derive(Deserialize)]
struct AddressInfo {
    local: Option<IpAddr>,
    prefixlen: Option<u8>,
    scope: Option<String>,
}

#[derive(Deserialize)]
struct LinkInfo {
    info_kind: Option<String>,
    #[serde(default)]
    info_data: Value,
}

pub(super) fn interfaces(text: &str) -> Result<Vec<Interface>, ParseError> {
    // An interface that vanished while it was dumped is printed as an empty object.
    let links: Vec<Link> = json::array(text, "ip -j")?;
    Ok(links
        .into_iter()
        .filter(|link| !link.ifname.is_empty())
        .map(interface)
        .collect())
}

fn interface(link: Link) -> Interface {
    Interface {
        index: link.ifindex,
        name: link.ifname,
        peer: link
            .link
            .or_else(|| link.link_index.map(|index| format!("if{index}"))),
        flags: link.flags,
        mtu: link.mtu,
        operational: link.operstate,
        master: link.master,
        mac: link.address.and_then(|mac| mac.parse().ok()),
        addresses: link.addr_info.into_iter().filter_map(address).collect(),
        kind: link.linkinfo.map_or(Kind::Unknown, kind),
        virtual_functions: link
            .vfinfo_list
            .iter()
            .filter_map(virtual_function)
            .collect(),
        text: Vec::new(),
    }
}

fn address(info: AddressInfo) -> Option<Address> {
    Some(Address {
        net: IpNet::new(info.local?, info.prefixlen?).ok()?,
        scope: info.scope.unwrap_or_else(|| "global".to_owned()),
    })
}

fn kind(info: LinkInfo) -> Kind {
    let data = &info.info_data;
    let address = |key| json::text(data, key).and_then(|text| text.parse().ok());
    match info.info_kind.as_deref() {
        None => Kind::Unknown,
        Some("vlan") => data["id"]
            .as_u64()
            .and_then(|id| u16::try_from(id).ok())
            .map_or(Kind::Unknown, |id| Kind::Vlan { id }),
        Some("vxlan") => Kind::Vxlan(Vxlan {
            id: data["id"]
                .as_u64()
                .and_then(|id| u32::try_from(id).ok())
                .unwrap_or(0),
            local: address("local").or_else(|| address("local6")),
            remote: address("remote").or_else(|| address("remote6")),
            group: address("group").or_else(|| address("group6")),
            device: json::text(data, "link").map(str::to_owned),
            port: data["port"]
                .as_u64()
                .and_then(|port| u16::try_from(port).ok()),
        }),
        Some(other) => Kind::Other(other.to_owned()),
    }
}

fn virtual_function(value: &Value) -> Option<VirtualFunction> {
    Some(VirtualFunction {
        index: u32::try_from(value["vf"].as_u64()?).ok()?,
        mac: json::text(value, "address")
            .or_else(|| json::text(value, "mac"))
            .and_then(|mac| mac.parse().ok()),
        vlan: value["vlan_list"][0]["vlan"]
            .as_u64()
            .or_else(|| value["vlan"].as_u64())
            .and_then(|vlan| u16::try_from(vlan).ok()),
        spoof_check: value["spoofchk"].as_bool(),
        trust: value["trust"].as_bool(),
        link_state: json::text(value, "link_state").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_what_text_says() {
        let json = r#"[{},{"ifindex":5,"ifname":"vxlan-7","flags":["UP","LOWER_UP"],"mtu":1450,"master":"brq7","operstate":"UNKNOWN",
            "address":"2e:91:e9:00:00:01","linkinfo":{"info_kind":"vxlan","info_data":{"id":7,"group":"239.1.1.1","local":"192.0.2.10",
            "link":"eth1","port":8472}},"addr_info":[{"family":"inet","local":"192.0.2.1","prefixlen":24,"scope":"global"}],
            "vfinfo_list":[{"vf":0,"address":"fa:16:3e:00:00:01","vlan_list":[{"vlan":100}],"spoofchk":true,"link_state":"auto","trust":false}]}]"#;
        let text = "\
5: vxlan-7: <UP,LOWER_UP> mtu 1450 master brq7 state UNKNOWN
    link/ether 2e:91:e9:00:00:01
    vf 0 link/ether fa:16:3e:00:00:01, vlan 100, spoof checking on, link-state auto, trust off
    vxlan id 7 group 239.1.1.1 local 192.0.2.10 dev eth1 dstport 8472
    inet 192.0.2.1/24 scope global vxlan-7
";
        let mut from_text = super::super::ip::interfaces(text).expect("text");
        from_text[0].text.clear();
        assert_eq!(interfaces(json).expect("JSON"), from_text);
    }

    #[test]
    fn a_cut_answer_is_an_error() {
        assert!(interfaces("[{\"ifindex\":1,\"ifname\":\"lo\"},{\"ifin").is_err());
    }
}
