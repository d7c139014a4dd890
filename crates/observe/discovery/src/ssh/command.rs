//! The commands a scan may run on a host: this list and nothing else. Every one only reads.
//!
//! Words of a command are constants or of a class whose members cannot carry shell syntax or options. The list is what a
//! `sudoers` file for the scanning user needs to allow.

use crate::parse::netns::is_name;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
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
    (
        Root,
        &[Is("virsh"), Is("list"), Is("--inactive"), Is("--uuid")],
    ),
    (Root, &[Is("virsh"), Is("dumpxml"), Domain]),
    (Root, &[Is("ovs-vsctl"), Is("show")]),
    (Root, &[Is("ovs-vsctl"), Is("list-ifaces"), Interface]),
    (Root, &[Is("ovs-dpctl"), Is("show")]),
    (Root, &[Is("ovs-appctl"), Is("dpctl/show")]),
    (Root, SOUTHBOUND_CHASSIS),
    (Root, SOUTHBOUND_BINDINGS),
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

/// Of a clustered database any server is asked, not only the leader: a host has the one server, and what it knows may be a moment old.
const fn ovn(program: &'static str, table: &'static str) -> [Word; 5] {
    [
        Is(program),
        Is("--no-leader-only"),
        Is("--format=json"),
        Is("list"),
        Is(table),
    ]
}

const SOUTHBOUND_CHASSIS: &[Word] = &ovn("ovn-sbctl", "Chassis");
const SOUTHBOUND_BINDINGS: &[Word] = &ovn("ovn-sbctl", "Port_Binding");

const NORTHBOUND_SWITCHES: &[Word] = &ovn("ovn-nbctl", "Logical_Switch");
const NORTHBOUND_SWITCH_PORTS: &[Word] = &ovn("ovn-nbctl", "Logical_Switch_Port");
const NORTHBOUND_ROUTERS: &[Word] = &ovn("ovn-nbctl", "Logical_Router");
const NORTHBOUND_ROUTER_PORTS: &[Word] = &ovn("ovn-nbctl", "Logical_Router_Port");
const NORTHBOUND_GROUPS: &[Word] = &ovn("ovn-nbctl", "Port_Group");
const NORTHBOUND_ACLS: &[Word] = &ovn("ovn-nbctl", "ACL");

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

    /// The words as they are run, without `sudo`, where libvirt has more than one hypervisor to offer: `virsh` is told which.
    pub(super) fn words_for<'a>(
        &'a self,
        libvirt: Option<&'a LibvirtUri>,
    ) -> impl Iterator<Item = &'a str> {
        let uri = libvirt.filter(|_| self.words.first().is_some_and(|program| program == "virsh"));
        let connect = uri.map(|uri| ["-c", uri.as_str()]);
        let program = self.wrapper.len() + 1;
        let words = || self.words();
        words()
            .take(program)
            .chain(connect.into_iter().flatten())
            .chain(words().skip(program))
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

/// Which of a host's hypervisors libvirt is asked for: `qemu:///system`, `xen:///system`, `lxc:///`.
///
/// There is no machine in it: a host speaks for itself, and what is read of it is not another's. (Form: libvirt's documentation, "Connection URIs".)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LibvirtUri(String);

impl LibvirtUri {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LibvirtUri {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |path: &str| {
            path.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
        };
        match text.split_once(":///") {
            Some((driver, path))
                if !driver.is_empty()
                    && driver.bytes().all(|b| b.is_ascii_lowercase())
                    && plain(path)
                    && text.len() <= 200 =>
            {
                Ok(Self(text))
            }
            _ => Err(format!(
                "'{}' is no connection of libvirt on the host itself, such as qemu:///system",
                text.chars().take(100).collect::<String>()
            )),
        }
    }
}

impl From<LibvirtUri> for String {
    fn from(uri: LibvirtUri) -> Self {
        uri.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virsh_is_told_which_hypervisor_and_nothing_else_is() {
        let uri = |text: &str| LibvirtUri::try_from(text.to_owned());
        let xen = uri("xen:///system").expect("a connection");
        let spoken = |words: &[&str], distribution: &str| -> Vec<String> {
            let command = Command::new(words).expect("on the list");
            let commands = command.for_distribution(distribution, "1");
            let words = |command: &Command| {
                let words: Vec<&str> = command.words_for(Some(&xen)).collect();
                words.join(" ")
            };
            commands.iter().map(words).collect()
        };
        assert_eq!(
            spoken(&["virsh", "dumpxml", "7"], ""),
            ["virsh -c xen:///system dumpxml 7"]
        );
        assert_eq!(
            spoken(&["virsh", "list", "--all"], "Mercury"),
            ["docker exec --user root novalibvirt_1 virsh -c xen:///system list --all"]
        );
        let elsewhere = ["ip", "netns", "exec", "virsh", "ip", "address", "show"];
        assert_eq!(spoken(&elsewhere, ""), [elsewhere.join(" ")]);
        for other in [
            "",
            "qemu",
            ":///system",
            "qemu://other/system",
            "qemu+ssh://root@other/system",
            "qemu:///system?socket=/tmp/x",
            "qemu:///a'b",
            "qemu:///a b",
            "QEMU:///system",
        ] {
            assert!(uri(other).is_err(), "{other}");
        }
    }

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
