//! Simulated hosts behind a slow network: each exchange costs a round trip, and outputs are in the formats of the real commands.
//!
//! An SSH session is charged as OpenSSH's is: six exchanges to connect and log in, two for each script (the channel, then the script and its
//! answer).

use discovery::ssh::command::Command;
use discovery::ssh::script::{Answer, Answers};
use discovery::ssh::{Hosts, Session};
use discovery::{Error, Result};
use futures::future::BoxFuture;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CONNECT_EXCHANGES: u32 = 6;
const SCRIPT_EXCHANGES: u32 = 2;

/// The hosts of a cloud.
pub(super) struct SimulatedHosts {
    pub(super) round_trip: Duration,
    pub(super) machines_per_host: usize,
    pub(super) hosts: usize,
    /// This one takes the connection and never says a word.
    pub(super) dead: Option<usize>,
    pub(super) commands: Arc<AtomicUsize>,
}

/// `cmp-0042` and its number.
pub(super) fn host_name(number: usize) -> String {
    format!("cmp-{number:04}")
}

fn number_of(host: &str) -> Option<usize> {
    host.strip_prefix("cmp-")?.parse().ok()
}

/// The id of the port of a machine; its first eleven digits are in the names of devices.
pub(super) fn port_id(host: usize, machine: usize) -> String {
    format!("{host:04x}{machine:04x}-0000-4000-8000-{host:06x}{machine:06x}")
}

pub(super) fn machine_id(host: usize, machine: usize) -> String {
    format!("{host:04x}{machine:04x}-1111-4000-8000-{host:06x}{machine:06x}")
}

pub(super) fn mac(host: usize, machine: usize) -> String {
    let [_, _, _, _, _, _, high, low] = (host as u64).to_be_bytes();
    let [.., machine] = (machine as u64).to_be_bytes();
    format!("fa:16:3e:{high:02x}:{low:02x}:{machine:02x}")
}

/// What follows the prefix in device names.
fn suffix(host: usize, machine: usize) -> String {
    port_id(host, machine).chars().take(11).collect()
}

impl Hosts for SimulatedHosts {
    fn open<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Box<dyn Session>>> {
        Box::pin(async move {
            let number = number_of(host).ok_or_else(|| Error::Unreachable {
                host: host.to_owned(),
                port: 22,
                reason: "there is no such host".to_owned(),
            })?;
            if self.dead == Some(number) {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.round_trip * CONNECT_EXCHANGES).await;
            Ok(Box::new(SimulatedSession {
                number,
                machines: self.machines_per_host,
                hosts: self.hosts,
                round_trip: self.round_trip,
                commands: Arc::clone(&self.commands),
            }) as Box<dyn Session>)
        })
    }
}

struct SimulatedSession {
    number: usize,
    machines: usize,
    hosts: usize,
    round_trip: Duration,
    commands: Arc<AtomicUsize>,
}

impl Session for SimulatedSession {
    fn run<'a>(&'a mut self, commands: &'a [Command]) -> BoxFuture<'a, Result<Answers>> {
        Box::pin(async move {
            tokio::time::sleep(self.round_trip * SCRIPT_EXCHANGES).await;
            self.commands.fetch_add(commands.len(), Ordering::Relaxed);
            let mut answers = Answers::default();
            for command in commands {
                let words: Vec<&str> = command.words().collect();
                let output = self.output(&words);
                let answer = Answer {
                    status: if output.is_some() { 0 } else { 127 },
                    output: output.unwrap_or_default(),
                    complaint: String::new(),
                    cut: false,
                };
                answers.insert(command, answer);
            }
            Ok(answers)
        })
    }
}

impl SimulatedSession {
    fn output(&self, words: &[&str]) -> Option<String> {
        let name = host_name(self.number);
        Some(match words {
            ["hostname"] => name + "\n",
            ["hostname", "-f"] => format!("{name}.example.org\n"),
            ["uname", "-m"] => "x86_64\n".to_owned(),
            ["cat", "/etc/os-release"] => {
                "NAME=\"Debian GNU/Linux\"\nVERSION=\"12 (bookworm)\"\nID=debian\n".to_owned()
            }
            ["ls", "-l", "/sys/class/net"] => SYSFS.to_owned(),
            ["ls", "-1", "/proc/net/bonding"] | ["systemctl", ..] => String::new(),
            ["ip", "-d", "address" | "link", "show"] => self.interfaces(),
            ["ip", "netns", "list"] => String::new(),
            ["ethtool", _] => ETHTOOL.to_owned(),
            ["brctl", "show"] => self.bridges(),
            ["bridge", "fdb", "show"] => String::new(),
            ["virsh", "list", "--all"] => self.machine_list(),
            ["virsh", "list", "--inactive", "--uuid"] => String::new(),
            ["virsh", "dumpxml", id] => self.machine(id.parse().ok()?),
            ["ovs-vsctl", "show"] => self.switch(),
            ["ovs-vsctl", "list-ifaces", _] => "eno1\n".to_owned(),
            ["ovs-appctl", "dpctl/show"] | ["ovs-dpctl", "show"] => self.datapath(),
            ["lldpcli", ..] => self.neighbours(),
            _ => return None,
        })
    }

    fn pnic_mac(&self, port: usize) -> String {
        let [.., high, low] = (self.number as u64).to_be_bytes();
        format!("52:54:00:{high:02x}:{low:02x}:{port:02x}")
    }

    fn interfaces(&self) -> String {
        let mut text = String::new();
        let [.., high, low] = (self.number as u64).to_be_bytes();
        for (index, name) in [(2, "eno1"), (3, "eno2")] {
            let mac = self.pnic_mac(index);
            let _ = write!(
                text,
                "{index}: {name}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9000 qdisc mq state UP group default qlen 1000\n    link/ether {mac} brd ff:ff:ff:ff:ff:ff promiscuity 0\n    inet 10.{index}.{high}.{low}/16 brd 10.{index}.255.255 scope global {name}\n       valid_lft forever preferred_lft forever\n"
            );
        }
        for machine in 0..self.machines {
            let suffix = suffix(self.number, machine);
            let _ = write!(
                text,
                "{}: tap{suffix}: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc mq master qbr{suffix} state UNKNOWN group default qlen 1000\n    link/ether fe:16:3e:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 1\n    tun type tap pi off vnet_hdr on persist off\n",
                machine + 10
            );
        }
        text
    }

    fn bridges(&self) -> String {
        let mut text = "bridge name\tbridge id\t\tSTP enabled\tinterfaces\n".to_owned();
        for machine in 0..self.machines {
            let suffix = suffix(self.number, machine);
            let _ = write!(
                text,
                "qbr{suffix}\t\t8000.{:012x}\tno\t\tqvb{suffix}\n\t\t\t\t\t\t\ttap{suffix}\n",
                self.number * 1000 + machine
            );
        }
        text
    }

    fn machine_list(&self) -> String {
        let mut text = " Id   Name   State\n----\n".to_owned();
        for machine in 0..self.machines {
            let _ = writeln!(text, " {}   instance-{machine:08x}   running", machine + 1);
        }
        text
    }

    fn machine(&self, id: usize) -> String {
        let machine = id - 1;
        let (suffix, uuid) = (
            suffix(self.number, machine),
            machine_id(self.number, machine),
        );
        let mac = mac(self.number, machine);
        format!(
            "<domain type='kvm' id='{id}'>\n  <name>instance-{machine:08x}</name>\n  <uuid>{uuid}</uuid>\n  <memory unit='KiB'>2097152</memory>\n  <devices>\n    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><target dev='vda' bus='virtio'/></disk>\n    <interface type='bridge'>\n      <mac address='{mac}'/>\n      <source bridge='qbr{suffix}'/>\n      <target dev='tap{suffix}'/>\n      <model type='virtio'/>\n      <alias name='net0'/>\n    </interface>\n  </devices>\n</domain>\n"
        )
    }

    /// Tunnels to sixteen other hosts, as layer-2 population leaves them.
    fn switch(&self) -> String {
        let mut text =
            "3b12f08e-4e13-4976-8da5-23314b268805\n    Bridge br-int\n        fail_mode: secure\n"
                .to_owned();
        for machine in 0..self.machines {
            let suffix = suffix(self.number, machine);
            let _ = write!(
                text,
                "        Port qvo{suffix}\n            tag: {}\n            Interface qvo{suffix}\n",
                machine % 8 + 1
            );
        }
        text.push_str("    Bridge br-tun\n        fail_mode: secure\n");
        for other in (1..=16).map(|step| (self.number + step) % self.hosts) {
            let [.., high, low] = (other as u64).to_be_bytes();
            let _ = write!(
                text,
                "        Port vxlan-{other:08x}\n            Interface vxlan-{other:08x}\n                type: vxlan\n                options: {{in_key=flow, local_ip=\"10.2.0.1\", out_key=flow, remote_ip=\"10.2.{high}.{low}\"}}\n"
            );
        }
        text.push_str("    ovs_version: \"3.1.0\"\n");
        text
    }

    fn datapath(&self) -> String {
        let mut text = "system@ovs-system:\n  lookups: hit:1 missed:1 lost:0\n  port 0: ovs-system (internal)\n  port 1: br-int (internal)\n  port 2: eno1\n".to_owned();
        for machine in 0..self.machines {
            let _ = writeln!(
                text,
                "  port {}: qvo{}",
                machine + 3,
                suffix(self.number, machine)
            );
        }
        text
    }

    fn neighbours(&self) -> String {
        let leaf = self.number / 32;
        format!(
            r#"{{"lldp":{{"interface":{{"eno1":{{"chassis":{{"leaf-{leaf}":{{"id":{{"type":"mac","value":"02:00:00:00:00:01"}}}}}},"port":{{"id":{{"type":"ifname","value":"Ethernet{}"}}}}}}}}}}}}"#,
            self.number % 32
        )
    }
}

const SYSFS: &str = "total 0\n\
    lrwxrwxrwx 1 root root 0 Jul  5 17:17 eno1 -> ../../devices/pci0000:00/0000:02:00.0/net/eno1\n\
    lrwxrwxrwx 1 root root 0 Jul  5 17:17 eno2 -> ../../devices/pci0000:00/0000:02:00.1/net/eno2\n\
    lrwxrwxrwx 1 root root 0 Jul  5 17:17 lo -> ../../devices/virtual/net/lo\n";

const ETHTOOL: &str = "Settings for eno1:\n\tSupported ports: [ FIBRE ]\n\tSupported link modes:   10000baseT/Full \n\
    \t                        25000baseCR/Full \n\tSpeed: 25000Mb/s\n\tDuplex: Full\n\tLink detected: yes\n";
