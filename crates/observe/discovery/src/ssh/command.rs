//! The commands a scan may run on a host: this list and nothing else. Every one only reads.
//!
//! Words of a command are constants or of a class whose members cannot carry shell syntax or options. The list is what a
//! `sudoers` file for the scanning user needs to allow.

use crate::parse::netns::is_name;
use crate::{Error, Result};
use std::fmt;

/// A word of an allowed command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Is(&'static str),
    /// A network interface, bridge or bond: up to 15 characters (`IFNAMSIZ`).
    Interface,
    Namespace,
    /// The id of a libvirt domain, or its UUID.
    Domain,
    /// A VPP interface: `TenGigabitEthernetc/0/0`.
    VppInterface,
    /// `/proc/net/bonding/<bond>`.
    BondFile,
}

use Word::{BondFile, Domain, Interface, Is, Namespace, VppInterface};

/// Whether a command needs root on a usual host; `sudo -n` is put before it where configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Anyone,
    Root,
}

use Right::{Anyone, Root};

const ALLOWED: &[(Right, &[Word])] = &[
    (Anyone, &[Is("hostname")]),
    (Anyone, &[Is("hostname"), Is("-f")]),
    (Anyone, &[Is("uname"), Is("-m")]),
    (Anyone, &[Is("cat"), Is("/etc/os-release")]),
    (Anyone, &[Is("cat"), Is("/etc/machine-id")]),
    (Anyone, &[Is("cat"), BondFile]),
    (Anyone, &[Is("ls"), Is("-l"), Is("/sys/class/net")]),
    (Anyone, &[Is("ls"), Is("-1"), Is("/proc/net/bonding")]),
    (Anyone, &[Is("ip"), Is("-d"), Is("address"), Is("show")]),
    (Anyone, &[Is("ip"), Is("-d"), Is("link"), Is("show")]),
    (Anyone, &[Is("ip"), Is("route"), Is("show")]),
    (Anyone, &[Is("ip"), Is("-6"), Is("route"), Is("show")]),
    (Anyone, &[Is("ip"), Is("neigh"), Is("show")]),
    (Anyone, &[Is("ip"), Is("netns"), Is("list")]),
    (
        Root,
        &[
            Is("ip"),
            Is("netns"),
            Is("exec"),
            Namespace,
            Is("ip"),
            Is("address"),
            Is("show"),
        ],
    ),
    (Root, &[Is("ethtool"), Interface]),
    (Anyone, &[Is("brctl"), Is("show")]),
    (Anyone, &[Is("bridge"), Is("fdb"), Is("show")]),
    (Anyone, &[Is("bridge"), Is("link"), Is("show")]),
    (
        Anyone,
        &[
            Is("systemctl"),
            Is("list-units"),
            Is("--plain"),
            Is("--no-legend"),
            Is("teamd@*"),
        ],
    ),
    (Root, &[Is("teamdctl"), Interface, Is("state"), Is("dump")]),
    (Root, &[Is("virsh"), Is("list"), Is("--all")]),
    (Root, &[Is("virsh"), Is("list")]),
    (Root, &[Is("virsh"), Is("dumpxml"), Domain]),
    (Root, &[Is("ovs-vsctl"), Is("show")]),
    (Root, &[Is("ovs-vsctl"), Is("list-ifaces"), Interface]),
    (Root, &[Is("ovs-dpctl"), Is("show")]),
    (Root, &[Is("ovs-appctl"), Is("dpctl/show")]),
    (
        Root,
        &[
            Is("ovn-sbctl"),
            Is("--format=json"),
            Is("list"),
            Is("Chassis"),
        ],
    ),
    (
        Root,
        &[
            Is("ovn-sbctl"),
            Is("--format=json"),
            Is("list"),
            Is("Port_Binding"),
        ],
    ),
    (Root, &[Is("vppctl"), Is("show"), Is("version")]),
    (Root, &[Is("vppctl"), Is("show"), Is("interface")]),
    (
        Root,
        &[Is("vppctl"), Is("show"), Is("interface"), Is("addr")],
    ),
    (Root, &[Is("vppctl"), Is("show"), Is("mode")]),
    (Root, &[Is("vppctl"), Is("show"), Is("hardware-interfaces")]),
    (
        Root,
        &[
            Is("vppctl"),
            Is("show"),
            Is("hardware-interfaces"),
            VppInterface,
        ],
    ),
    (Root, &[Is("vppctl"), Is("show"), Is("bond"), Is("details")]),
    (
        Root,
        &[
            Is("lldpcli"),
            Is("-f"),
            Is("json"),
            Is("show"),
            Is("neighbors"),
        ],
    ),
    (Root, &[Is("iptables-save"), Is("-t"), Is("nat")]),
    (Root, NORTHBOUND_SWITCHES),
    (Root, NORTHBOUND_SWITCH_PORTS),
    (Root, NORTHBOUND_ROUTERS),
    (Root, NORTHBOUND_ROUTER_PORTS),
    (Root, NORTHBOUND_GROUPS),
    (Root, NORTHBOUND_ACLS),
];

const fn northbound(table: &'static str) -> [Word; 4] {
    [Is("ovn-nbctl"), Is("--format=json"), Is("list"), Is(table)]
}

const NORTHBOUND_SWITCHES: &[Word] = &northbound("Logical_Switch");
const NORTHBOUND_SWITCH_PORTS: &[Word] = &northbound("Logical_Switch_Port");
const NORTHBOUND_ROUTERS: &[Word] = &northbound("Logical_Router");
const NORTHBOUND_ROUTER_PORTS: &[Word] = &northbound("Logical_Router_Port");
const NORTHBOUND_GROUPS: &[Word] = &northbound("Port_Group");
const NORTHBOUND_ACLS: &[Word] = &northbound("ACL");

/// A command on the list.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command {
    words: Vec<String>,
    root: bool,
    /// Put before the words: the container engine's `exec` on distributions that keep services in containers.
    wrapper: Vec<String>,
}

impl Command {
    /// # Errors
    /// [`Error::Forbidden`]: no pattern of the list fits.
    pub fn new(words: &[&str]) -> Result<Self> {
        let allowed = ALLOWED.iter().find(|(_, pattern)| {
            pattern.len() == words.len()
                && pattern
                    .iter()
                    .zip(words)
                    .all(|(word, text)| word.fits(text))
        });
        match allowed {
            Some((right, _)) => Ok(Self {
                words: words.iter().map(|word| (*word).to_owned()).collect(),
                root: *right == Root,
                wrapper: Vec::new(),
            }),
            None => Err(Error::Forbidden {
                command: words.join(" ").chars().take(200).collect(),
            }),
        }
    }

    pub fn needs_root(&self) -> bool {
        self.root
    }

    /// The words as they are run, without `sudo`.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.wrapper.iter().chain(&self.words).map(String::as_str)
    }

    /// The command without what a distribution puts before it: what answers are filed under.
    pub fn plain(&self) -> Self {
        Self {
            wrapper: Vec::new(),
            ..self.clone()
        }
    }

    /// The commands that stand for this one on a distribution: Mercury keeps agents, libvirt and Open vSwitch in containers named
    /// after the version, and its namespaces in two of them.
    pub fn for_distribution(&self, distribution: &str, version: &str) -> Vec<Self> {
        if distribution != "Mercury" {
            return vec![self.clone()];
        }
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let containers: &[&str] = match words.as_slice() {
            ["ip", "netns", "list"] => &["neutron_l3_agent", "neutron_dhcp_agent"],
            ["ip", "netns", "exec", namespace, ..] if namespace.starts_with("qdhcp-") => {
                &["neutron_dhcp_agent"]
            }
            ["ip", "netns", "exec", ..] => &["neutron_l3_agent"],
            ["virsh", ..] => &["novalibvirt"],
            ["ip", "-d", "link", ..] | ["brctl" | "ovs-dpctl" | "ovs-vsctl" | "ovs-appctl", ..] => {
                &["ovs_vswitch"]
            }
            _ => return vec![self.clone()],
        };
        let wrapped = |container: &&str| Self {
            wrapper: [
                "docker",
                "exec",
                "--user",
                "root",
                &format!("{container}_{version}"),
            ]
            .map(str::to_owned)
            .to_vec(),
            ..self.clone()
        };
        containers.iter().map(wrapped).collect()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({self})")
    }
}

impl Word {
    fn fits(self, text: &str) -> bool {
        let all = |valid: fn(u8) -> bool| !text.is_empty() && text.bytes().all(valid);
        match self {
            Is(constant) => text == constant,
            Interface => {
                text.len() <= 15
                    && !text.starts_with(['-', '.'])
                    && all(|b| b.is_ascii_alphanumeric() || b"-_.:@".contains(&b))
            }
            Namespace => is_name(text),
            Domain => {
                text.len() <= 36
                    && all(|b| b.is_ascii_hexdigit() || b == b'-')
                    && !text.starts_with('-')
            }
            VppInterface => {
                text.len() <= 64
                    && !text.starts_with(['-', '.'])
                    && all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
            }
            BondFile => text
                .strip_prefix("/proc/net/bonding/")
                .is_some_and(|name| !name.contains("..") && Interface.fits(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_list_is_refused() {
        for words in [
            &["rm", "-rf", "/"][..],
            &["ip", "link", "set", "eth0", "down"],
            &["ip", "netns", "exec", "x", "reboot"],
            &["ethtool", "-s"],
            &["ethtool", "eth0;reboot"],
            &["ethtool", "$(reboot)"],
            &["cat", "/etc/shadow"],
            &["cat", "/proc/net/bonding/../../../etc/shadow"],
            &["virsh", "destroy", "1"],
            &["virsh", "dumpxml", "--help"],
            &["hostname", "new-name"],
            &[],
        ] {
            assert!(Command::new(words).is_err(), "{words:?}");
        }
        assert!(Command::new(&["ethtool", "eno16777728"]).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_allowed_word_carries_shell_syntax(word in ".{0,20}") {
            for pattern in [["ethtool", &word].as_slice(), &["virsh", "dumpxml", &word], &["docker", "inspect", &word],
                &["vppctl", "show", "hardware-interfaces", &word], &["ip", "netns", "exec", &word, "ip", "address", "show"], &["cat", &word]] {
                if let Ok(command) = Command::new(pattern) {
                    let text = command.to_string();
                    proptest::prop_assert!(!text.contains(['\'', '"', ';', '$', '`', '|', '&', '\n', '\\', '<', '>', '(', '*']));
                }
            }
        }
    }
}
