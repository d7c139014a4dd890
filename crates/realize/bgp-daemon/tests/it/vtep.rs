//! VTEPs of one VRF on one link: ours, with a table of the kernel, and FRR's, whose VRF is a network namespace so that it
//! needs no VRF device. Each has a host behind it.

use crate::lab::Netns;
use nix::unistd::{User, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The L3 VNI of the VRF.
pub(crate) const VNI: u32 = 50_100;
/// Of an L2 domain in it.
const L2_VNI: u32 = 10_101;
/// Its table at ours.
pub(crate) const TABLE: u32 = 1_001;

/// The router MAC of VTEP `n`.
pub(crate) fn router_mac(n: u8) -> String {
    format!("02:00:00:00:05:{n:02x}")
}

/// The prefixes behind VTEP `n`.
pub(crate) fn prefixes(n: u8) -> [String; 2] {
    [format!("10.{n}.0.0/24"), format!("2001:db8:{n}::/64")]
}

/// The host behind VTEP `n`.
pub(crate) fn host_addresses(n: u8) -> [String; 2] {
    [format!("10.{n}.0.10"), format!("2001:db8:{n}::10")]
}

/// The VXLAN device and its bridge, in the namespace that has the VRF.
fn devices(underlay: &Netns, vrf: &Netns, n: u8) {
    underlay.must(&format!(
        "ip link add vx1 type vxlan id {VNI} dstport 4789 local 192.0.2.{n} nolearning"
    ));
    if underlay.name != vrf.name {
        underlay.must(&format!("ip link set vx1 netns {}", vrf.name));
    }
    vrf.must("ip link add br1 type bridge");
    vrf.must(&format!("ip link set br1 address {}", router_mac(n)));
    vrf.must("ip link set vx1 master br1");
    vrf.must("ip link set vx1 up");
    vrf.must("ip link set br1 up");
    vrf.must("sysctl -qw net.ipv6.conf.all.forwarding=1");
}

/// A host on a link to the VRF's namespace, and the VRF's addresses on an interface there.
fn host(vrf: &Netns, n: u8, gateway: &str) -> Netns {
    let host = Netns::new("host");
    vrf.join("tap1", &host, "eth0");
    vrf.must(&format!("ip addr add 10.{n}.0.1/24 dev {gateway}"));
    vrf.must(&format!(
        "ip addr add 2001:db8:{n}::1/64 dev {gateway} nodad"
    ));
    let [v4, v6] = host_addresses(n);
    host.must(&format!("ip addr add {v4}/24 dev eth0"));
    host.must(&format!("ip addr add {v6}/64 dev eth0 nodad"));
    host.must(&format!("ip route add default via 10.{n}.0.1"));
    host.must(&format!("ip route add default via 2001:db8:{n}::1"));
    host
}

/// Makes the VRF of VTEP `n` of ours; the host behind it is returned. A kernel without VRF devices does with rules.
pub(crate) fn ours(netns: &Netns, n: u8) -> Netns {
    devices(netns, netns, n);
    let host = host(netns, n, "tap1");
    let vrf = format!("ip link add blue type vrf table {TABLE}");
    if netns.exec(&vrf).is_ok() {
        netns.must("ip link set blue up");
        for port in ["br1", "tap1"] {
            netns.must(&format!("ip link set {port} master blue"));
        }
        netns.must(&format!("ip addr add 2001:db8:{n}::1/64 dev tap1 nodad"));
        return host;
    }
    for family in ["-4", "-6"] {
        for port in ["br1", "tap1"] {
            netns.must(&format!("ip {family} rule add iif {port} lookup {TABLE}"));
        }
    }
    for prefix in prefixes(n) {
        netns.must(&format!(
            "ip route add {prefix} dev tap1 table {TABLE} proto static"
        ));
    }
    host
}

/// Our configuration of VTEP `n`: its other end is `3 - n`.
pub(crate) fn config(n: u8, on_stop: &str) -> String {
    format!(
        "[global]\nasn = 65000\nrouter-id = \"10.0.0.{n}\"\non-stop = \"{on_stop}\"\n\
         [[neighbors]]\naddress = \"192.0.2.{}\"\nremote-as = \"internal\"\nfamilies = [\"evpn\"]\nconnect-retry = 1\n\
         [vrfs.blue]\nrd = \"192.0.2.{n}:5\"\ntargets = [\"65000:5\"]\nvni = {VNI}\n\
         [[kernel]]\ntable = {TABLE}\nvrf = \"blue\"\nredistribute = [\"connected\", \"static\"]\n",
        3 - n
    )
}

/// zebra and bgpd; they end with it.
pub(crate) struct Frr {
    processes: Child,
    /// The namespace that is its VRF.
    pub(crate) vrf: Netns,
    _folder: tempfile::TempDir,
}

impl Frr {
    /// VTEP `n`, with the host behind it on a link of its own.
    pub(crate) fn vtep(underlay: &Netns, n: u8) -> (Self, Netns) {
        let vrf = Netns::new("blue");
        devices(underlay, &vrf, n);
        let host = host(&vrf, n, "tap1");
        (Self::start(underlay, vrf, n), host)
    }

    /// VTEP `n`, with the host behind it in an L2 domain that has a VNI too (symmetric IRB).
    pub(crate) fn irb(underlay: &Netns, n: u8) -> (Self, Netns) {
        let vrf = Netns::new("blue");
        devices(underlay, &vrf, n);
        underlay.must(&format!(
            "ip link add vx2 type vxlan id {L2_VNI} dstport 4789 local 192.0.2.{n} nolearning"
        ));
        underlay.must(&format!("ip link set vx2 netns {}", vrf.name));
        vrf.must("ip link add br2 type bridge");
        vrf.must("ip link set vx2 master br2");
        vrf.must("ip link set vx2 up");
        vrf.must("ip link set br2 up");
        let host = host(&vrf, n, "br2");
        vrf.must("ip link set tap1 master br2");
        (Self::start(underlay, vrf, n), host)
    }

    fn start(underlay: &Netns, vrf: Netns, n: u8) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path();
        write(
            path,
            "zebra.conf",
            &format!("vrf blue\n vni {VNI}\nexit-vrf\n"),
        );
        write(path, "bgpd.conf", &bgpd(n));
        write(path, "run", &script(path, &vrf));
        std::fs::create_dir(path.join("netns")).expect("a directory");
        write(path, "netns/blue", "");
        // Its daemons drop root for this user, who makes sockets here.
        let user = User::from_name("frr").expect("users");
        let user = user.expect("FRR is installed");
        chown(path, Some(user.uid), Some(user.gid)).expect("root");
        let log = std::fs::File::create(path.join("log")).expect("a file");
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", underlay.name))
            .args("unshare --mount --pid --fork --kill-child sh".split(' '))
            .arg(path.join("run"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log);
        let processes = command.spawn().expect("FRR");
        Self {
            processes,
            vrf,
            _folder: folder,
        }
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        let _ = self.processes.kill();
        let _ = self.processes.wait();
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("write");
}

/// What zebra sees as network namespaces is the VRF alone.
fn script(folder: &Path, vrf: &Netns) -> String {
    let folder = folder.display();
    let daemon = |name: &str, more: &str| {
        format!(
            "/usr/lib/frr/{name} {more} -P 0 -f {folder}/{name}.conf -i {folder}/{name}.pid \
             --vty_socket {folder} -z {folder}/zserv.api --log stdout"
        )
    };
    format!(
        "set -e\nmount --make-rprivate /\nmount --bind /run/netns/{} {folder}/netns/blue\n\
         mount --rbind {folder}/netns /run/netns\n{} &\n\
         until [ -S {folder}/zserv.api ]; do sleep 0.05; done\nexec {}\n",
        vrf.name,
        daemon("zebra", "-n"),
        daemon("bgpd", "")
    )
}

fn bgpd(n: u8) -> String {
    let neighbor = format!("192.0.2.{}", 3 - n);
    let mut text = format!(
        "router bgp 65000\n bgp router-id 192.0.2.{n}\n no bgp default ipv4-unicast\n\
         \x20neighbor {neighbor} remote-as 65000\n neighbor {neighbor} timers connect 1\n\
         \x20address-family l2vpn evpn\n  neighbor {neighbor} activate\n  advertise-all-vni\n exit-address-family\nexit\n\
         router bgp 65000 vrf blue\n bgp router-id 192.0.2.{n}\n"
    );
    for family in ["ipv4", "ipv6"] {
        text += &format!(
            " address-family {family} unicast\n  redistribute connected\n exit-address-family\n"
        );
    }
    text += &format!(
        " address-family l2vpn evpn\n  advertise ipv4 unicast\n  advertise ipv6 unicast\n\
         \x20 rd 192.0.2.{n}:5\n  route-target both 65000:5\n exit-address-family\nexit\n"
    );
    text
}
