//! Open vSwitch: `ovs-vsctl show`, `ovs-vsctl list-ifaces`, `ovs-dpctl show` and its twin `ovs-appctl dpctl/show`.

use super::text::{indent, unquoted};
use super::{MAX_ENTRIES, ParseError};
use std::collections::BTreeMap;

/// The switch as `ovs-vsctl show` prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switch {
    /// The database's UUID.
    pub id: String,
    pub bridges: Vec<OvsBridge>,
    pub version: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OvsBridge {
    pub name: String,
    pub fail_mode: Option<String>,
    /// `netdev` for the userspace datapath.
    pub datapath_type: Option<String>,
    pub controllers: Vec<String>,
    pub ports: Vec<OvsPort>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OvsPort {
    pub name: String,
    pub tag: Option<u16>,
    pub trunks: Vec<u16>,
    /// More than one when the port is a bond.
    pub interfaces: Vec<OvsInterface>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OvsInterface {
    pub name: String,
    /// `internal`, `patch`, `vxlan`, `geneve`, `gre`, `dpdk`, `dpdkvhostuserclient`, ...; empty for a system device.
    pub kind: String,
    pub options: BTreeMap<String, String>,
    pub error: Option<String>,
}

/// `ovs-vsctl show`.
///
/// # Errors
/// The database's UUID is missing, which is there even when no bridge is.
pub fn switch(text: &str) -> Result<Switch, ParseError> {
    let mut switch = Switch::default();
    let mut entries = 0;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        if switch.id.is_empty() && indent(line) == 0 && is_uuid(trimmed) {
            trimmed.clone_into(&mut switch.id);
            continue;
        }
        entries += usize::from(vsctl_line(&mut switch, trimmed));
        if entries == MAX_ENTRIES {
            break;
        }
    }
    match switch.id.is_empty() {
        true => Err(ParseError::Shape {
            format: "ovs-vsctl show",
            what: "UUID",
        }),
        false => Ok(switch),
    }
}

/// Takes one line in; true if it began a bridge, a port or an interface.
fn vsctl_line(switch: &mut Switch, line: &str) -> bool {
    let (keyword, value) = line.split_once([' ', ':']).unwrap_or((line, ""));
    let value = unquoted(value.trim());
    match keyword {
        "Bridge" => switch.bridges.push(OvsBridge {
            name: value.to_owned(),
            ..OvsBridge::default()
        }),
        "ovs_version" => switch.version = Some(value.to_owned()),
        _ => match switch.bridges.last_mut() {
            Some(bridge) => return bridge_line(bridge, keyword, value),
            None => return false,
        },
    }
    keyword == "Bridge"
}

fn bridge_line(bridge: &mut OvsBridge, keyword: &str, value: &str) -> bool {
    match (keyword, bridge.ports.last_mut()) {
        ("Port", _) => {
            bridge.ports.push(OvsPort {
                name: value.to_owned(),
                ..OvsPort::default()
            });
            return true;
        }
        ("Controller", _) => bridge.controllers.push(value.to_owned()),
        ("fail_mode", _) => bridge.fail_mode = Some(value.to_owned()),
        ("datapath_type", _) => bridge.datapath_type = Some(value.to_owned()),
        (_, Some(port)) => return port_line(port, keyword, value),
        _ => {}
    }
    false
}

fn port_line(port: &mut OvsPort, keyword: &str, value: &str) -> bool {
    match (keyword, port.interfaces.last_mut()) {
        ("Interface", _) => {
            port.interfaces.push(OvsInterface {
                name: value.to_owned(),
                ..OvsInterface::default()
            });
            return true;
        }
        ("tag", _) => port.tag = value.parse().ok(),
        ("trunks", _) => {
            port.trunks = value
                .trim_matches(['[', ']'])
                .split(',')
                .filter_map(|id| id.trim().parse().ok())
                .collect();
        }
        ("type", Some(interface)) => value.clone_into(&mut interface.kind),
        ("options", Some(interface)) => interface.options = map(value),
        ("error", Some(interface)) => interface.error = Some(value.to_owned()),
        _ => {}
    }
    false
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// `{a=b, c="d, e"}`; commas within quotes do not separate.
fn map(text: &str) -> BTreeMap<String, String> {
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .unwrap_or(text);
    let mut pairs = BTreeMap::new();
    let mut quoted = false;
    let separated = inner.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    for pair in separated {
        if let Some((key, value)) = pair.trim().split_once('=') {
            pairs.insert(key.to_owned(), unquoted(value).to_owned());
        }
    }
    pairs
}

/// A port of a datapath.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatapathPort {
    pub number: u32,
    pub name: String,
    /// What stands in brackets before any colon: `internal`, `vxlan`, ...; empty for a system device.
    pub kind: String,
}

impl DatapathPort {
    /// `vxlan_sys_4789` and its like: the kernel's side of all tunnel ports, which the switch does not list.
    pub fn is_tunnel(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "vxlan" | "gre" | "geneve" | "stt" | "lisp" | "erspan"
        )
    }
}

/// The ports of all datapaths, from `ovs-dpctl show` or `ovs-appctl dpctl/show`.
pub fn datapath_ports(text: &str) -> Vec<DatapathPort> {
    text.lines()
        .filter_map(|line| {
            let rest = line.trim().strip_prefix("port ")?;
            let (number, rest) = rest.split_once(": ")?;
            let (name, kind) = match rest.split_once(" (") {
                Some((name, kind)) => (name, kind.trim_end_matches(')')),
                None => (rest, ""),
            };
            Some(DatapathPort {
                number: number.parse().ok()?,
                name: name.trim().to_owned(),
                kind: kind.split(':').next().unwrap_or("").trim().to_owned(),
            })
        })
        .take(MAX_ENTRIES)
        .collect()
}

/// One name a line: `ovs-vsctl list-ifaces <bridge>`.
pub fn interfaces(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains(' '))
        .take(MAX_ENTRIES)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: &str = r#"3b12f08e-4e13-4976-8da5-23314b268805
    Manager "ptcp:6640:127.0.0.1"
    Bridge "br-int"
        Controller "tcp:127.0.0.1:6633"
            is_connected: true
        fail_mode: secure
        datapath_type: netdev
        Port bond0
            trunks: [10, 20]
            Interface eth1
            Interface eth2
                error: "could not open network device eth2 (No such device)"
        Port vxlan1
            Interface vxlan1
                type: vxlan
                options: {key=flow, remote_ip="192.0.2.1", x="a, b"}
    ovs_version: "3.1.0"
"#;

    #[test]
    fn bonds_trunks_errors_and_quoted_commas() {
        let switch = switch(SHOW).expect("a switch");
        assert_eq!(switch.version.as_deref(), Some("3.1.0"));
        let [bond, tunnel] = switch.bridges[0].ports.as_slice() else {
            panic!("two ports")
        };
        assert_eq!(
            (bond.interfaces.len(), bond.trunks.as_slice()),
            (2, [10, 20].as_slice())
        );
        assert!(bond.interfaces[1].error.is_some());
        assert_eq!(tunnel.interfaces[0].options["x"], "a, b");
        assert_eq!(tunnel.interfaces[0].options["remote_ip"], "192.0.2.1");
    }

    #[test]
    fn tunnel_ports_of_the_kernel_are_known() {
        let ports = datapath_ports(
            "netdev@ovs-netdev:\n  port 0: ovs-netdev (tap)\n  port 4: vxlan_sys_4789 (vxlan: packet_type=ptap)\n  port x: bad\n",
        );
        assert_eq!(ports.len(), 2);
        assert!(ports[1].is_tunnel());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = (switch(&text), datapath_ports(&text), interfaces(&text));
        }

        #[test]
        fn shuffled_lines_are_read_without_a_panic(lines in proptest::collection::vec(
            proptest::sample::select(vec!["Bridge b", "Port \"p\"", "Interface", "tag: 9", "options: {", "type:", "trunks: [", "error: \"", "Controller"]), 0..30)) {
            let _ = switch(&lines.join("\n"));
        }
    }
}
