//! VPP: `vppctl show version | interface | interface addr | mode | hardware-interfaces | bond details`.

use super::MAX_ENTRIES;
use super::text::after;
use ipnet::IpNet;
use model::Mac;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VppInterface {
    pub name: String,
    pub index: String,
    pub up: bool,
    pub mac: Option<Mac>,
    pub hardware: Option<String>,
}

/// `vpp v16.09-rc0~157-g203c632` of `show version`; nothing if VPP did not say.
pub fn version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("vpp v"))?;
    Some(
        line.split_once(" built")
            .map_or(line, |(version, _)| version)
            .trim()
            .to_owned(),
    )
}

/// `show interface`: counters stand on lines that begin with white space, and so are not names.
pub fn interfaces(text: &str) -> Vec<VppInterface> {
    text.lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, index, state) = (words.next()?, words.next()?, words.next()?);
            let numbered = index.bytes().all(|byte| byte.is_ascii_digit());
            (numbered && matches!(state, "up" | "down")).then(|| VppInterface {
                name: name.to_owned(),
                index: index.to_owned(),
                up: state == "up",
                mac: None,
                hardware: None,
            })
        })
        .take(MAX_ENTRIES)
        .collect()
}

/// `show hardware-interfaces`, of one or all: the head line, then indented details with the MAC.
pub fn hardware(text: &str) -> Vec<VppInterface> {
    let mut found: Vec<VppInterface> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with(char::is_whitespace) {
            if let (["Ethernet", "address", mac, ..], Some(last)) =
                (words.as_slice(), found.last_mut())
            {
                last.mac = mac.parse().ok();
            }
            continue;
        }
        if let [name, index, state @ ("up" | "down"), hardware, ..] = words.as_slice() {
            if found.len() == MAX_ENTRIES {
                break;
            }
            found.push(VppInterface {
                name: (*name).to_owned(),
                index: (*index).to_owned(),
                up: *state == "up",
                mac: None,
                hardware: Some((*hardware).to_owned()),
            });
        }
    }
    found
}

/// An interface in a bridge domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgedInterface {
    pub name: String,
    pub bridge_domain: String,
}

/// `show mode`: those in mode `l2 bridge`.
pub fn bridged(text: &str) -> Vec<BridgedInterface> {
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let ["l2", "bridge", name, ..] = words.as_slice() else {
                return None;
            };
            let domain = after(&words, "bd_id")?;
            domain
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| BridgedInterface {
                    name: (*name).to_owned(),
                    bridge_domain: domain.to_owned(),
                })
        })
        .take(MAX_ENTRIES)
        .collect()
}

/// `show interface addr`: the addresses below each interface's line.
pub fn addresses(text: &str) -> Vec<(String, IpNet)> {
    let mut current = None;
    let mut found = Vec::new();
    for line in text.lines().take(MAX_ENTRIES) {
        if !line.starts_with(char::is_whitespace) {
            current = line.split_whitespace().next();
            continue;
        }
        let net = line.split_whitespace().find_map(|word| word.parse().ok());
        if let (Some(name), Some(net)) = (current, net) {
            found.push((name.to_owned(), net));
        }
    }
    found
}

/// A bond of VPP with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VppBond {
    pub name: String,
    pub mode: String,
    pub members: Vec<String>,
}

/// `show bond details`: members are called slaves before 20.05.
pub fn bonds(text: &str) -> Vec<VppBond> {
    let mut bonds: Vec<VppBond> = Vec::new();
    let mut in_members = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if !line.starts_with(char::is_whitespace) {
            in_members = false;
            if trimmed.starts_with("BondEthernet") && bonds.len() < MAX_ENTRIES {
                bonds.push(VppBond {
                    name: trimmed.split_whitespace().next().unwrap_or("").to_owned(),
                    mode: String::new(),
                    members: Vec::new(),
                });
            }
            continue;
        }
        let Some(bond) = bonds.last_mut() else {
            continue;
        };
        if let Some(mode) = trimmed.strip_prefix("mode: ") {
            mode.clone_into(&mut bond.mode);
        } else if trimmed.contains(':') {
            in_members =
                trimmed.starts_with("number of slaves") || trimmed.starts_with("number of members");
        } else if in_members && !trimmed.is_empty() && bond.members.len() < MAX_ENTRIES {
            bond.members.push(trimmed.to_owned());
        }
    }
    bonds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bonds_with_members() {
        let text = "BondEthernet0\n  mode: lacp\n  load balance: l2\n  number of active slaves: 1\n    TenGigabitEthernet3/0/0\n  number of slaves: 2\n    TenGigabitEthernet3/0/0\n    TenGigabitEthernet3/0/1\n  device instance: 0\n  sw_if_index: 3\n";
        let bonds = bonds(text);
        assert_eq!(
            (bonds.len(), bonds[0].mode.as_str(), bonds[0].members.len()),
            (1, "lacp", 2)
        );
    }

    #[test]
    fn addresses_below_their_interface() {
        let found = addresses(
            "GigabitEthernet0/8/0 (up):\n  L3 192.0.2.1/24\nlocal0 (dn):\nloop0 (up):\n  L2 bridge bd_id 1\n  192.0.3.1/24 ip4 table-id 0\n",
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].0, "loop0");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = (version(&text), interfaces(&text), hardware(&text), bridged(&text), addresses(&text), bonds(&text));
        }
    }
}
