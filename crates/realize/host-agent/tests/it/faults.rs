//! What others do to the host, and what a bad plan does to its neighbours.

use crate::cloud::{Cloud, endpoint, segment};
use crate::lab::{Lab, Netns, Workload, until};
use host_agent::{Plug, Repairs, State, Status};
use model::Ipv6Mode;

/// Two workloads on the first host and one on the second, talking.
fn running() -> (Lab, Cloud, Vec<Workload>) {
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let mut cloud = lab.cloud();
    cloud.ports = vec![
        (lab.one.name.clone(), endpoint(&network, 10)),
        (lab.one.name.clone(), endpoint(&network, 11)),
        (lab.two.name.clone(), endpoint(&network, 12)),
    ];
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    workloads.iter().for_each(Workload::configure);
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
    assert!(workloads[0].netns.reaches(workloads[2].v4()));
    (lab, cloud, workloads)
}

fn repaired(lab: &Lab, what: &str, wanted: impl Fn(&Status) -> bool) {
    lab.one.until(what, wanted);
    until("the dump shows no difference", || {
        lab.one.dump().difference.is_empty().then_some(())
    });
}

#[test]
fn what_others_change_is_put_right() {
    let (lab, _, workloads) = running();
    let [a, b, c] = &workloads[..] else {
        panic!("three workloads");
    };
    let device = &a.endpoint.device;
    let reaches_both = || {
        assert!(a.netns.reaches(b.v4()));
        assert!(a.netns.reaches(c.v4()));
    };

    lab.one
        .netns
        .must(&format!("tc qdisc del dev {device} clsact"));
    repaired(&lab, "programs are back after a flush", |status| {
        status.repairs.programs >= 1
    });
    reaches_both();

    lab.one
        .netns
        .must(&format!("tc filter del dev {device} ingress"));
    repaired(&lab, "programs are back after a removal", |status| {
        status.repairs.programs >= 2
    });
    reaches_both();

    lab.one.netns.must(&format!("ip link set {device} down"));
    repaired(&lab, "the device is up again", |status| {
        status.repairs.links >= 1
    });
    lab.one.netns.must(&format!("ip link set {device} mtu 900"));
    repaired(&lab, "the MTU is back", |status| status.repairs.links >= 2);
    let link = lab.one.netns.must(&format!("ip -o link show {device}"));
    assert!(link.contains("mtu 1450") && link.contains(",UP"), "{link}");
    reaches_both();

    lab.one.netns.must("ip link del nw-vxlan");
    repaired(&lab, "the tunnel device is back", |status| {
        status.repairs.tunnel >= 1
    });
    reaches_both();
    lab.one.netns.must("ip link set nw-vxlan down");
    repaired(&lab, "the tunnel device is up", |status| {
        status.repairs.tunnel >= 2
    });
    reaches_both();
}

#[test]
fn a_plan_that_the_kernel_has_no_room_for_is_not_acknowledged_and_harms_nobody() {
    let mut lab = Lab::new();
    lab.one.rows = Some(16);
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let mut cloud = lab.cloud();
    cloud.ports = vec![
        (lab.one.name.clone(), endpoint(&network, 10)),
        (lab.two.name.clone(), endpoint(&network, 11)),
    ];
    cloud.segments = vec![network.clone()];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    workloads.iter().for_each(Workload::configure);
    assert!(workloads[0].netns.reaches(workloads[1].v4()));

    let mut large = cloud.clone();
    for n in 20..60 {
        large
            .ports
            .push((lab.two.name.clone(), endpoint(&network, n)));
    }
    let small = lab.one.status().applied;
    let revision = lab.controller.set(&lab.one.name, large.plan(&lab.one.name));
    let status = lab
        .one
        .until("the maps are full", |status| status.kernel_error.is_some());
    assert_eq!((status.applied, status.target), (small, revision));
    let error = status.kernel_error.expect("an error");
    assert!(error.contains("bpf map"), "{error}");
    assert!(
        workloads[0].netns.reaches(workloads[1].v4()),
        "what worked still works"
    );

    let revision = lab.apply(&cloud);
    let status = lab
        .one
        .until("level again", |status| status.kernel_error.is_none());
    assert_eq!(status.applied, revision);
    assert!(status.ports.iter().all(|port| port.state == State::Up));
    assert!(lab.one.dump().difference.is_empty());
}

/// The first key of a pinned map, as bpftool writes and takes it.
fn first_key(lab: &Lab, map: &str) -> String {
    let dump = lab
        .one
        .netns
        .must(&format!("bpftool -j map dump pinned {map}"));
    let rows: serde_json::Value = serde_json::from_str(&dump).expect("JSON");
    let bytes = rows[0]["key"].as_array().expect("a row");
    let words: Vec<&str> = bytes.iter().filter_map(serde_json::Value::as_str).collect();
    words.join(" ")
}

#[test]
fn rows_that_others_delete_are_put_back() {
    let (lab, _, workloads) = running();
    let directory = std::fs::read_dir(lab.one.pin_dir())
        .expect("pins")
        .filter_map(Result::ok)
        .find(|entry| entry.file_name().to_string_lossy().starts_with("maps_"))
        .expect("maps")
        .path();
    for (count, name) in ["ports", "members", "rules", "neighbours"]
        .iter()
        .enumerate()
    {
        let map = directory.join(name).display().to_string();
        let key = first_key(&lab, &map);
        lab.one.netns.must(&format!(
            "bpftool map delete pinned {map} key hex {}",
            key.replace("0x", "")
        ));
        repaired(&lab, name, |status| status.repairs.rows > count as u64);
    }
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
    assert!(workloads[0].netns.reaches(workloads[2].v4()));
}

#[test]
fn spoofed_packets_are_dropped_and_counted() {
    let (lab, _, workloads) = running();
    let [a, b, _] = &workloads[..] else {
        panic!("three workloads");
    };
    a.netns.must("ip address add 10.0.0.77/24 dev eth0");
    let spoof = format!("ping -n -c 1 -W 0.3 -I 10.0.0.77 {}", b.v4());
    assert!(
        a.netns.exec(&spoof).is_err(),
        "an address that is not the port's"
    );
    let port = a.endpoint.port;
    lab.controller
        .until(&lab.one.name, "a spoofed packet", |heard| {
            let drops = heard.counters.get(&port);
            drops.is_some_and(|drops| drops.keys().any(|reason| reason.starts_with("spoofed-")))
        });
    assert!(
        a.netns.reaches(b.v4()),
        "the port's own address still works"
    );
}

/// Many devices at once, as when a host full of guests starts or a rack loses its power.
#[test]
fn a_burst_of_ports_comes_and_goes_without_residue() {
    const PORTS: u8 = 60;
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let mut cloud = lab.cloud();
    let before = lab.one.dump().actual;
    for n in 10..10 + PORTS {
        cloud
            .ports
            .push((lab.one.name.clone(), endpoint(&network, n)));
    }
    cloud.segments = vec![network];
    let workload = Netns::new("w");
    lab.one.netns.inside(|| {
        for (n, (_, endpoint)) in cloud.ports.iter().enumerate() {
            host_agent::plug(&Plug {
                port: endpoint.port,
                netns: workload.name.clone(),
                mac: endpoint.mac,
                mtu: model::Mtu::DEFAULT,
                interface: format!("eth{n}"),
            })
            .expect("plugged");
        }
    });
    lab.apply(&cloud);
    lab.controller.until(&lab.one.name, "all up", |heard| {
        cloud
            .ports
            .iter()
            .all(|(_, endpoint)| heard.is_up(endpoint.port))
    });
    assert!(lab.one.dump().difference.is_empty());
    drop(workload);
    lab.controller.until(&lab.one.name, "all down", |heard| {
        cloud
            .ports
            .iter()
            .all(|(_, endpoint)| !heard.is_up(endpoint.port))
    });
    cloud.ports.clear();
    lab.apply(&cloud);
    let dump = lab.one.dump();
    assert_eq!((dump.units.len(), dump.actual), (0, before));
    assert_eq!(
        lab.one.status().repairs,
        Repairs::default(),
        "nobody changed anything of ours"
    );
}

#[test]
fn a_renamed_device_is_lost_and_found_again() {
    let (lab, _, workloads) = running();
    let a = &workloads[0];
    let (port, device) = (a.endpoint.port, &a.endpoint.device);
    lab.one
        .netns
        .must(&format!("ip link set {device} name elsewhere"));
    lab.controller
        .until(&lab.one.name, "down", |heard| !heard.is_up(port));
    assert!(
        !a.netns.leaks_to(workloads[1].v4()),
        "a renamed device denies"
    );
    lab.one
        .netns
        .must(&format!("ip link set elsewhere name {device}"));
    lab.controller
        .until(&lab.one.name, "up", |heard| heard.is_up(port));
    assert!(a.netns.reaches(workloads[1].v4()));
}

#[test]
fn a_device_without_a_plan_is_denied_and_one_that_is_not_ours_is_left_alone() {
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let (first, second) = (endpoint(&network, 10), endpoint(&network, 11));
    lab.one
        .netns
        .must("ip link add tap0 type veth peer name other");
    let workloads = [lab.one.plug(&first), lab.one.plug(&second)];
    workloads.iter().for_each(Workload::configure);
    let device = &first.device;
    until("programs", || {
        let filters = lab
            .one
            .netns
            .exec(&format!("tc filter show dev {device} ingress"))
            .ok()?;
        filters.contains("bpf").then_some(())
    });
    assert!(lab.one.dump().difference.detached.is_empty());
    let foreign = lab
        .one
        .netns
        .exec("tc filter show dev tap0 ingress")
        .unwrap_or_default();
    assert!(!foreign.contains("bpf"), "{foreign}");
    lab.one.netns.must(&format!("ip link set {device} up"));
    assert!(
        !workloads[0].netns.leaks_to(workloads[1].v4()),
        "no plan, no packet"
    );

    let mut cloud = lab.cloud();
    cloud.ports = vec![
        (lab.one.name.clone(), first),
        (lab.one.name.clone(), second),
    ];
    cloud.segments = vec![network];
    lab.apply(&cloud);
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
}

#[test]
fn a_bad_port_harms_only_itself() {
    let (lab, mut cloud, workloads) = running();
    let mut thief = endpoint(&cloud.segments[0], 99);
    thief.device = workloads[0].endpoint.device.clone();
    cloud.ports.push((lab.one.name.clone(), thief.clone()));
    lab.apply(&cloud);
    let status = lab.one.until("an error", |status| {
        let port = status.ports.iter().find(|report| report.port == thief.port);
        port.is_some_and(|report| report.state == State::Error)
    });
    let report = status.ports.iter().find(|report| report.port == thief.port);
    let reason = &report.expect("the port").reason;
    assert!(reason.contains("belongs to port"), "{reason}");
    assert!(
        workloads[0].netns.reaches(workloads[1].v4()),
        "the rightful owner"
    );
    let heard = lab.controller.heard(&lab.one.name);
    assert!(heard.is_up(workloads[0].endpoint.port) && !heard.is_up(thief.port));
}

#[test]
fn ports_and_networks_that_are_administratively_down_say_so() {
    let (lab, mut cloud, workloads) = running();
    let port = workloads[0].endpoint.port;
    cloud.ports[0].1.admin_up = false;
    lab.apply(&cloud);
    let heard = lab
        .controller
        .until(&lab.one.name, "down", |heard| !heard.is_up(port));
    assert_eq!(
        heard.statuses[&port].reason,
        "the port is administratively down"
    );
    assert!(!workloads[0].netns.leaks_to(workloads[1].v4()));
    cloud.ports[0].1.admin_up = true;
    cloud.segments[0].admin_up = false;
    lab.apply(&cloud);
    let heard = lab
        .controller
        .until(&lab.one.name, "network down", |heard| {
            heard
                .statuses
                .get(&port)
                .is_some_and(|status| status.reason.contains("network"))
        });
    assert!(!heard.is_up(port));
    assert!(!workloads[0].netns.leaks_to(workloads[1].v4()));
    cloud.segments[0].admin_up = true;
    lab.apply(&cloud);
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
}
