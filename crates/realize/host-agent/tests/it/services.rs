//! Stock clients get their addresses.

use crate::cloud::{endpoint, segment};
use crate::controller::Heard;
use crate::lab::{Lab, Workload, until};
use model::{DhcpOption, Family, HostRoute, Ipv6Mode};
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// dhclient with a script that only sets addresses and writes down what it was told.
struct Dhclient {
    dir: tempfile::TempDir,
    script: PathBuf,
}

const SCRIPT: &str = r#"#!/bin/sh
set > DIR/told
mv DIR/told DIR/$reason
case "$reason" in
BOUND) ip address replace $new_ip_address/24 dev $interface; ip link set $interface mtu ${new_interface_mtu:-1500} ;;
BOUND6) ip -6 address replace $new_ip6_address/128 dev $interface nodad ;;
esac
"#;

impl Dhclient {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let script = dir.path().join("script");
        let text = SCRIPT.replace("DIR", &dir.path().display().to_string());
        fs::write(&script, text).expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
        fs::write(
            dir.path().join("conf"),
            "option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;\n\
             request subnet-mask, routers, domain-name-servers, interface-mtu, \
             rfc3442-classless-static-routes, tftp-server-name, bootfile-name, dhcp6.name-servers;\n",
        )
        .expect("written");
        Self { dir, script }
    }

    /// Runs until there is a lease; the answer is what the script was told.
    fn lease(&self, workload: &Workload, family: &str, reason: &str) -> String {
        let dir = self.dir.path().display();
        workload.netns.must(&format!(
            "timeout 20 dhclient {family} -1 -v -cf {dir}/conf -sf {} -lf {dir}/leases -pf {dir}/pid eth0",
            self.script.display()
        ));
        self.told(reason).expect("the script ran")
    }

    /// What the script was told when it was last called with this reason.
    fn told(&self, reason: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join(reason)).ok()
    }
}

impl Drop for Dhclient {
    fn drop(&mut self) {
        // It stays in the background to renew; only the one that wrote this file is ended.
        if let Ok(pid) = fs::read_to_string(self.dir.path().join("pid"))
            && let Ok(pid) = pid.trim().parse()
        {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGTERM);
        }
    }
}

fn has(told: &str, line: &str) {
    assert!(
        told.lines().any(|told| told == line),
        "{line} is not in\n{told}"
    );
}

#[test]
fn dhclient_and_the_kernels_autoconfiguration_get_the_ports_addresses() {
    let mut lab = Lab::new();
    lab.start();
    let mut network = segment(1, Ipv6Mode::Slaac);
    network.subnets[0].host_routes = vec![HostRoute {
        destination: "192.168.7.0/24".parse().expect("a prefix"),
        nexthop: "10.0.0.7".parse().expect("an address"),
    }];
    let mut cloud = lab.cloud();
    cloud.ports = vec![
        (lab.one.name.clone(), endpoint(&network, 10)),
        (lab.two.name.clone(), endpoint(&network, 11)),
    ];
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    let clients: Vec<Dhclient> = workloads.iter().map(|_| Dhclient::new()).collect();
    for (client, workload) in clients.iter().zip(&workloads) {
        let told = client.lease(workload, "-4", "BOUND");
        has(&told, &format!("new_ip_address='{}'", workload.v4()));
        has(&told, "new_subnet_mask='255.255.255.0'");
        has(&told, "new_routers='10.0.0.1'");
        has(&told, "new_domain_name_servers='10.0.0.53'");
        has(&told, "new_interface_mtu='1450'");
        has(
            &told,
            "new_rfc3442_classless_static_routes='24 192 168 7 10 0 0 7 0 10 0 0 1'",
        );
    }
    for workload in &workloads {
        let address = format!("{}/64", workload.v6());
        until("the address by SLAAC", || {
            let shown = workload
                .netns
                .must("ip -6 -o address show dev eth0 scope global");
            shown.contains(&address).then_some(())
        });
        let routes = workload.netns.must("ip -6 route show default");
        assert!(routes.contains("proto ra"), "{routes}");
    }
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
    assert!(workloads[0].netns.reaches(workloads[1].v6()));
}

fn option(name: &str, value: &str) -> DhcpOption {
    DhcpOption {
        name: name.into(),
        value: value.into(),
        family: Family::V4,
    }
}

#[test]
fn dhclient_renews_by_unicast_to_a_gateway_that_is_nobodys() {
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let service = network.service_mac();
    let mut port = endpoint(&network, 10);
    // Renewed after 6 seconds or a little less, by broadcast after 11.
    port.dhcp_options = vec![option("lease-time", "12")];
    let mut cloud = lab.cloud();
    cloud.ports = vec![(lab.one.name.clone(), port)];
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    let client = Dhclient::new();
    let told = client.lease(&workloads[0], "-4", "BOUND");
    has(&told, "new_dhcp_server_identifier='10.0.0.1'");
    has(&told, "new_dhcp_lease_time='12'");

    until("a renewal", || client.told("RENEW"));
    let resolved = workloads[0].netns.must("ip neigh show 10.0.0.1");
    assert!(resolved.contains(&service.to_string()), "{resolved}");

    lab.one.stop();
    fs::remove_file(client.dir.path().join("RENEW")).expect("told of a renewal");
    lab.one.start(&[lab.controller.uri()]);
    until("a renewal by the next agent", || client.told("RENEW"));
    assert_eq!(client.told("REBIND"), None, "nothing was broadcast");
}

/// Raises its flag when dropped, also by a failed test.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_port_that_floods_the_agent_keeps_no_other_from_its_lease() {
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let mut cloud = lab.cloud();
    cloud.ports = [10, 11]
        .map(|n| (lab.one.name.clone(), endpoint(&network, n)))
        .into();
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    let [flooder, other] = workloads.as_slice() else {
        unreachable!("two were plugged");
    };
    flooder.configure();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Raise(&stop);
        scope.spawn(|| {
            flooder.netns.inside(|| {
                let socket = UdpSocket::bind((flooder.v4(), 68)).expect("a socket");
                while !stop.load(Ordering::Relaxed) {
                    let _ = socket.send_to(&[0; 300], "10.0.0.1:67");
                }
            })
        });
        let dropped = |heard: &Heard| {
            let counters = heard.counters.get(&flooder.endpoint.port);
            counters
                .and_then(|counters| counters.get("punt-full"))
                .is_some()
        };
        lab.controller.until(&lab.one.name, "punt-full", dropped);
        let told = Dhclient::new().lease(other, "-4", "BOUND");
        has(&told, &format!("new_ip_address='{}'", other.v4()));
    });
}

#[test]
fn dhclient_is_told_where_to_boot_from() {
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let mut port = endpoint(&network, 10);
    port.dhcp_options = vec![
        option("server-ip-address", "10.0.0.66"),
        option("tftp-server", "boot.example"),
        option("bootfile-name", "boot.efi"),
    ];
    let mut cloud = lab.cloud();
    cloud.ports = vec![(lab.one.name.clone(), port)];
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    let told = Dhclient::new().lease(&workloads[0], "-4", "BOUND");
    for line in [
        "new_next_server='10.0.0.66'",
        "new_server_name='boot.example'",
        "new_filename='boot.efi'",
        "new_tftp_server_name='boot.example'",
        "new_bootfile_name='boot.efi'",
    ] {
        has(&told, line);
    }
}

#[test]
fn dhclient_gets_the_address_of_a_stateful_ipv6_subnet() {
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Dhcpv6Stateful);
    let mut cloud = lab.cloud();
    cloud.ports = vec![(lab.one.name.clone(), endpoint(&network, 10))];
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    let client = Dhclient::new();
    // The client sends from the link-local address, which comes with the carrier.
    until("a link-local address", || {
        let shown = workloads[0]
            .netns
            .must("ip -6 -o address show dev eth0 scope link -tentative");
        (!shown.is_empty()).then_some(())
    });
    let told = client.lease(&workloads[0], "-6", "BOUND6");
    has(&told, "new_ip6_address='2001:db8::10'");
    has(&told, "new_dhcp6_name_servers='2001:db8::53'");
}

#[test]
fn a_router_is_advertised_when_the_network_learns_of_one() {
    let mut lab = Lab::new();
    lab.start();
    let mut network = segment(1, Ipv6Mode::Slaac);
    let mut cloud = lab.cloud();
    cloud.ports = vec![(lab.one.name.clone(), endpoint(&network, 10))];
    network.subnets[1].ra_mode = None;
    cloud.segments = vec![network.clone()];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    network.subnets[1].ra_mode = Some(Ipv6Mode::Slaac);
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let address = format!("{}/64", workloads[0].v6());
    until("the address by SLAAC", || {
        let shown = workloads[0]
            .netns
            .must("ip -6 -o address show dev eth0 scope global");
        shown.contains(&address).then_some(())
    });
}
