//! `ip address show` and `ip link show`, as text or with `-j`, with or without `-d`: interfaces, addresses, virtual functions.
//! [`interfaces`] tells the two formats apart by their first character.

use super::text::after;
use super::{MAX_ENTRIES, ParseError, ip_json};
use ipnet::IpNet;
use model::Mac;
use std::net::IpAddr;

/// One interface of a host or a network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interface {
    pub index: u32,
    pub name: String,
    /// The other end as printed after `@`: a name, or `if<index>` in another namespace.
    pub peer: Option<String>,
    pub flags: Vec<String>,
    pub mtu: Option<u32>,
    /// `state` as the kernel's operational state names it (RFC 2863): UP, DOWN, LOWERLAYERDOWN, UNKNOWN, ...
    pub operational: Option<String>,
    pub master: Option<String>,
    pub mac: Option<Mac>,
    pub addresses: Vec<Address>,
    pub kind: Kind,
    pub virtual_functions: Vec<VirtualFunction>,
    /// The lines as they were, without indentation; empty for JSON.
    pub text: Vec<String>,
}

/// An address with its prefix and scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub net: IpNet,
    /// `global`, `link`, `host`, `site`.
    pub scope: String,
}

/// What `-d` says about the kind of device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Unknown,
    Vlan {
        id: u16,
    },
    Vxlan(Vxlan),
    /// Any other kind, by the kernel's name: bridge, bond, team, veth, tun, dummy, ...
    Other(String),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vxlan {
    /// VNI; 0 in external (collect metadata) mode.
    pub id: u32,
    pub local: Option<IpAddr>,
    pub remote: Option<IpAddr>,
    pub group: Option<IpAddr>,
    pub device: Option<String>,
    /// UDP destination port.
    pub port: Option<u16>,
}

/// An SR-IOV virtual function as its physical function reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VirtualFunction {
    pub index: u32,
    pub mac: Option<Mac>,
    pub vlan: Option<u16>,
    pub spoof_check: Option<bool>,
    pub trust: Option<bool>,
    /// `auto`, `enable`, `disable`.
    pub link_state: Option<String>,
}

impl Interface {
    pub fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }

    /// Administratively up and with a carrier. `UNKNOWN` counts as up: tun, loopback and bridges without a timer report it.
    pub fn is_up(&self) -> bool {
        self.flag("UP")
            && !self.flag("NO-CARRIER")
            && !matches!(
                self.operational.as_deref(),
                Some("DOWN" | "LOWERLAYERDOWN" | "NOTPRESENT")
            )
    }

    pub fn first_ipv4(&self) -> Option<IpNet> {
        self.addresses
            .iter()
            .map(|address| address.net)
            .find(|net| matches!(net, IpNet::V4(_)))
    }

    pub fn global_ipv6(&self) -> Option<IpNet> {
        self.addresses
            .iter()
            .find(|address| matches!(address.net, IpNet::V6(_)) && address.scope == "global")
            .map(|address| address.net)
    }

    pub fn has_address(&self, wanted: IpAddr) -> bool {
        self.addresses
            .iter()
            .any(|address| address.net.addr() == wanted)
    }
}

/// The interfaces of an answer in either format. Text is read as far as it goes; broken JSON is an error.
pub fn interfaces(text: &str) -> Result<Vec<Interface>, ParseError> {
    if text.trim_start().starts_with('[') {
        ip_json::interfaces(text)
    } else {
        Ok(from_text(text))
    }
}

fn from_text(text: &str) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for line in text.lines() {
        if let Some(interface) = head(line) {
            if interfaces.len() == MAX_ENTRIES {
                break;
            }
            interfaces.push(interface);
        } else if let Some(current) = interfaces.last_mut() {
            detail(current, line.trim());
        }
    }
    interfaces
}

/// `2: eth0@if3: <FLAGS> mtu 1500 ... state UP ...`
fn head(line: &str) -> Option<Interface> {
    if line.starts_with(char::is_whitespace) {
        return None;
    }
    let (index, rest) = line.split_once(": ")?;
    let index = index.trim().parse().ok()?;
    let (name, rest) = rest.split_once(": <")?;
    let (flags, rest) = rest.split_once('>')?;
    let (name, peer) = match name.split_once('@') {
        Some((name, peer)) => (name, Some(peer.to_owned())),
        None => (name, None),
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    Some(Interface {
        index,
        name: name.to_owned(),
        peer,
        flags: flags
            .split(',')
            .filter(|flag| !flag.is_empty())
            .map(str::to_owned)
            .collect(),
        mtu: after(&words, "mtu").and_then(|mtu| mtu.parse().ok()),
        operational: after(&words, "state").map(str::to_owned),
        master: after(&words, "master").map(str::to_owned),
        text: vec![
            line.split_once(": <")
                .map_or_else(String::new, |(_, rest)| format!("<{}", rest.trim_end())),
        ],
        ..Interface::default()
    })
}

fn detail(interface: &mut Interface, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => return,
        [link, mac, ..] if link.starts_with("link/") => interface.mac = mac.parse().ok(),
        ["inet" | "inet6", address, ..] => {
            interface.addresses.extend(self::address(
                address,
                after(&words, "scope").unwrap_or("global"),
            ));
        }
        ["vf", index, ..] => interface
            .virtual_functions
            .extend(virtual_function(index, &words)),
        ["vxlan", ..] => interface.kind = Kind::Vxlan(vxlan(&words)),
        ["vlan", "protocol", ..] => {
            interface.kind = after(&words, "id")
                .and_then(|id| id.parse().ok())
                .map_or(Kind::Unknown, |id| Kind::Vlan { id });
        }
        [kind, ..] if is_kind(kind) && interface.kind == Kind::Unknown => {
            interface.kind = Kind::Other((*kind).to_owned());
        }
        _ => {}
    }
    interface.text.push(line.to_owned());
}

fn is_kind(word: &str) -> bool {
    matches!(
        word,
        "bridge"
            | "bond"
            | "team"
            | "veth"
            | "tun"
            | "dummy"
            | "macvlan"
            | "macvtap"
            | "ipvlan"
            | "gre"
            | "gretap"
            | "geneve"
            | "ipip"
            | "openvswitch"
            | "vrf"
            | "ifb"
            | "wireguard"
            | "sit"
            | "netkit"
    )
}

/// `192.0.2.1/24`, or an address without prefix on point-to-point links.
fn address(text: &str, scope: &str) -> Option<Address> {
    let net = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .ok()?;
    Some(Address {
        net,
        scope: scope.to_owned(),
    })
}

fn vxlan(words: &[&str]) -> Vxlan {
    let address = |keyword| after(words, keyword).and_then(|word| word.parse().ok());
    Vxlan {
        id: after(words, "id")
            .and_then(|id| id.parse().ok())
            .unwrap_or(0),
        local: address("local"),
        remote: address("remote"),
        group: address("group"),
        device: after(words, "dev").map(str::to_owned),
        port: after(words, "dstport").and_then(|port| port.parse().ok()),
    }
}

/// `vf 0 link/ether 52:54:.. brd .., vlan 100, spoof checking on, link-state auto, trust off` and the older
/// `vf 0 MAC 52:54:.., vlan 100, ...`.
fn virtual_function(index: &str, words: &[&str]) -> Option<VirtualFunction> {
    let plain: Vec<&str> = words
        .iter()
        .map(|word| word.trim_end_matches(','))
        .collect();
    let switch = |keyword| match after(&plain, keyword) {
        Some("on") => Some(true),
        Some("off") => Some(false),
        _ => None,
    };
    Some(VirtualFunction {
        index: index.parse().ok()?,
        mac: after(&plain, "MAC")
            .or_else(|| after(&plain, "link/ether"))
            .and_then(|mac| mac.parse().ok()),
        vlan: after(&plain, "vlan").and_then(|vlan| vlan.parse().ok()),
        spoof_check: switch("checking"),
        trust: switch("trust"),
        link_state: after(&plain, "link-state").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "\
5: vxlan-7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue master brq7 state UNKNOWN mode DEFAULT group default qlen 1000
    link/ether 2e:91:e9:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 1
    vxlan id 7 group 239.1.1.1 local 192.0.2.10 dev eth1 srcport 0 0 dstport 8472 ageing 300
    bridge_slave state forwarding priority 32 cost 100
6: enp3s0f0: <BROADCAST,MULTICAST,UP> mtu 1500 state DOWN
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    vf 0     link/ether fa:16:3e:00:00:01 brd ff:ff:ff:ff:ff:ff, vlan 100, spoof checking on, link-state auto, trust off
    vf 1 MAC fa:16:3e:00:00:02, vlan 101, spoof checking off, link-state enable
7: vlan9@enp3s0f0: <BROADCAST> mtu 1500 state DOWN
    vlan protocol 802.1Q id 9 <REORDER_HDR>
";

    #[test]
    fn kinds_masters_and_virtual_functions() {
        let interfaces = interfaces(LINK).expect("text never fails");
        let [vxlan, physical, vlan] = interfaces.as_slice() else {
            panic!("three interfaces, not {}", interfaces.len());
        };
        assert_eq!(vxlan.master.as_deref(), Some("brq7"));
        assert!(vxlan.is_up(), "UNKNOWN with UP and a carrier is up");
        let Kind::Vxlan(tunnel) = &vxlan.kind else {
            panic!("not a VXLAN: {:?}", vxlan.kind)
        };
        assert_eq!((tunnel.id, tunnel.port), (7, Some(8472)));
        assert_eq!(tunnel.local, "192.0.2.10".parse().ok());
        assert!(!physical.is_up());
        let [first, second] = physical.virtual_functions.as_slice() else {
            panic!("two virtual functions")
        };
        assert_eq!((first.vlan, first.spoof_check), (Some(100), Some(true)));
        assert_eq!(second.mac, "fa:16:3e:00:00:02".parse().ok());
        assert_eq!(vlan.kind, Kind::Vlan { id: 9 });
        assert_eq!(vlan.peer.as_deref(), Some("enp3s0f0"));
    }

    #[test]
    fn a_cut_answer_keeps_what_was_whole() {
        let cut = LINK.get(..LINK.len() / 2).expect("ASCII");
        assert!(!interfaces(cut).expect("text never fails").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,400}") {
            let _ = interfaces(&text);
        }

        #[test]
        fn shuffled_words_are_read_without_a_panic(words in proptest::collection::vec(
            proptest::sample::select(vec!["1: ", "lo", ": <", "UP", ">", " mtu ", "inet ", "::/0", "vf ", "0 ", "\n", "    ",
                "vxlan id ", "link/ether ", "[", "{", "\"ifname\":", "null", "]", "@", ","]), 0..40)) {
            let _ = interfaces(&words.concat());
        }
    }
}
