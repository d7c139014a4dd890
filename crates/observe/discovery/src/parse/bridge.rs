//! Linux bridges: `brctl show`, `bridge link show`, `bridge fdb show`.

use super::text::after;
use super::{MAX_ENTRIES, ParseError};
use model::Mac;
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    pub name: String,
    /// `8000.<mac>` (IEEE 802.1D bridge identifier).
    pub id: String,
    pub stp: bool,
    pub members: Vec<String>,
}

/// The bridges of `brctl show`; members after the first stand on lines of their own.
///
/// # Errors
/// The heading is missing, which is there even when no bridge is.
pub fn brctl(text: &str) -> Result<Vec<Bridge>, ParseError> {
    if !text.lines().any(|line| line.starts_with("bridge name")) {
        return Err(ParseError::Shape {
            format: "brctl show",
            what: "heading",
        });
    }
    let mut bridges: Vec<Bridge> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let spill = line.starts_with(char::is_whitespace);
        match (words.as_slice(), bridges.last_mut()) {
            ([member], Some(bridge)) if spill && bridge.members.len() < MAX_ENTRIES => {
                bridge.members.push((*member).to_owned());
            }
            ([name, id, stp @ ("yes" | "no"), members @ ..], _) if !spill => {
                if bridges.len() == MAX_ENTRIES {
                    break;
                }
                bridges.push(Bridge {
                    name: (*name).to_owned(),
                    id: (*id).to_owned(),
                    stp: *stp == "yes",
                    members: members.iter().map(|name| (*name).to_owned()).collect(),
                });
            }
            _ => {}
        }
    }
    Ok(bridges)
}

/// An entry of a forwarding database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FdbEntry {
    pub mac: Mac,
    pub device: String,
    pub master: Option<String>,
    pub vlan: Option<u16>,
    /// The tunnel endpoint behind which the address lives, on a VXLAN device.
    pub destination: Option<IpAddr>,
    pub permanent: bool,
}

/// `bridge fdb show`.
pub fn fdb(text: &str) -> Vec<FdbEntry> {
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Some(FdbEntry {
                mac: words.first()?.parse().ok()?,
                device: after(&words, "dev")?.to_owned(),
                master: after(&words, "master").map(str::to_owned),
                vlan: after(&words, "vlan").and_then(|vlan| vlan.parse().ok()),
                destination: after(&words, "dst").and_then(|address| address.parse().ok()),
                permanent: words.contains(&"permanent"),
            })
        })
        .take(MAX_ENTRIES)
        .collect()
}

/// A bridge port and its spanning tree state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgePort {
    pub name: String,
    pub master: String,
    /// `forwarding`, `blocking`, `disabled`, ...
    pub state: String,
}

/// `bridge link show`.
pub fn ports(text: &str) -> Vec<BridgePort> {
    text.lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(": ")?;
            let (name, rest) = rest
                .split_once(": ")
                .or_else(|| rest.split_once(" state"))?;
            let words: Vec<&str> = rest.split_whitespace().collect();
            Some(BridgePort {
                name: name.split('@').next()?.to_owned(),
                master: after(&words, "master")?.to_owned(),
                state: words
                    .iter()
                    .rev()
                    .zip(words.iter().rev().skip(1))
                    .find(|(_, keyword)| **keyword == "state")
                    .map_or("unknown", |(state, _)| state)
                    .to_owned(),
            })
        })
        .take(MAX_ENTRIES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarding_database_of_a_vxlan_device() {
        let entries = fdb("fa:16:3e:00:00:01 dev vxlan-7 master brq7 \n\
             00:00:00:00:00:00 dev vxlan-7 dst 192.0.2.11 self permanent\n\
             garbage\n33:33:00:00:00:01 dev eth0 vlan 5 self permanent\n");
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[1].destination, "192.0.2.11".parse().ok());
        assert_eq!(entries[2].vlan, Some(5));
    }

    #[test]
    fn port_states() {
        let ports = ports(
            "3: tap1@if2: <BROADCAST,UP> mtu 1500 master brq7 state forwarding priority 32 cost 2 \n4: x state UP\n",
        );
        assert_eq!(ports.len(), 1);
        assert_eq!(
            (ports[0].name.as_str(), ports[0].state.as_str()),
            ("tap1", "forwarding")
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = (brctl(&text), fdb(&text), ports(&text));
        }
    }
}
