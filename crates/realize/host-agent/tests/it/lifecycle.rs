//! Agents come and go; the data path and the plan on disk stay.

use crate::cloud::{Cloud, endpoint, segment};
use crate::lab::{Lab, Workload, until};
use host_agent::State;
use model::Ipv6Mode;
use std::fs;
use std::process::Stdio;

/// One workload on each host.
fn pair(lab: &Lab) -> Cloud {
    let network = segment(1, Ipv6Mode::Slaac);
    let mut cloud = lab.cloud();
    cloud.ports = vec![
        (lab.one.name.clone(), endpoint(&network, 10)),
        (lab.two.name.clone(), endpoint(&network, 11)),
    ];
    cloud.segments = vec![network];
    cloud
}

fn talking(lab: &Lab, cloud: &Cloud) -> Vec<Workload> {
    lab.apply(cloud);
    let workloads = lab.plug_all(cloud);
    workloads.iter().for_each(Workload::configure);
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
    workloads
}

#[test]
fn restarts_lose_no_packet_and_write_no_row() {
    let mut lab = Lab::new();
    lab.start();
    let cloud = pair(&lab);
    let workloads = talking(&lab, &cloud);
    lab.one.until("the plan on disk", |status| {
        status.last_good.revision == Some(status.applied)
    });
    let ping = workloads[0]
        .netns
        .command(&format!("ping -n -i 0.002 -c 1500 {}", workloads[1].v4()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("ping");
    lab.one.kill();
    lab.one.start(&[lab.controller.uri()]);
    let status = lab.one.until("connected and level", |status| {
        status.connection.controller.is_some()
            && status.ports.iter().all(|port| port.state == State::Up)
    });
    assert!(status.adopted_maps && status.adopted_programs, "{status:?}");
    assert_eq!(status.map_writes, 0, "nothing changed");
    assert_eq!(status.repairs, host_agent::Repairs::default());
    lab.one.stop();
    lab.one.start(&[lab.controller.uri()]);
    let output = ping.wait_with_output().expect("ping");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1500 received"), "{text}");
    assert_eq!(lab.one.status().map_writes, 0);
}

#[test]
fn without_a_controller_the_plan_on_disk_is_enforced_after_a_reboot() {
    let mut lab = Lab::new();
    lab.start();
    let cloud = pair(&lab);
    let workloads = talking(&lab, &cloud);
    let applied = lab.one.until("the plan on disk", |status| {
        status.last_good.revision == Some(status.applied)
    });
    lab.one.stop();
    lab.one.forget_kernel();
    assert!(
        !workloads[0].netns.leaks_to(workloads[1].v4()),
        "nothing is left in the kernel"
    );
    lab.one.start(&[]);
    let status = lab.one.status();
    assert_eq!(status.applied, applied.applied);
    assert!(!status.adopted_maps);
    until("the network is back", || {
        workloads[0].netns.reaches(workloads[1].v4()).then_some(())
    });
    assert!(lab.one.dump().difference.is_empty());
}

#[test]
fn a_corrupt_plan_on_disk_is_named_and_the_kernel_keeps_the_last_one() {
    let mut lab = Lab::new();
    lab.start();
    let cloud = pair(&lab);
    let workloads = talking(&lab, &cloud);
    lab.one.until("the plan on disk", |status| {
        status.last_good.revision == Some(status.applied)
    });
    lab.one.stop();
    let path = lab.one.state_dir().join("plan");
    let mut bytes = fs::read(&path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("writable");

    lab.one.start(&[]);
    let status = lab.one.status();
    let error = status.last_good.error.expect("the file is corrupt");
    assert!(
        error.starts_with(&format!("{} is corrupt at byte ", path.display())),
        "{error}"
    );
    assert_eq!((status.applied, status.map_writes), (0, 0));
    assert!(!lab.one.dump().planned);
    assert!(
        workloads[0].netns.reaches(workloads[1].v4()),
        "what is pinned stays"
    );

    lab.one.stop();
    lab.one.start(&[lab.controller.uri()]);
    lab.one.until("a fresh plan", |status| {
        status
            .last_good
            .revision
            .is_some_and(|revision| revision == status.applied)
    });
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
    assert_eq!(
        lab.one.status().map_writes,
        0,
        "the kernel held it all the time"
    );
}

#[test]
fn a_second_agent_on_the_directory_is_refused() {
    let mut lab = Lab::new();
    lab.start();
    let config = lab.one.config(Vec::new());
    let second = lab
        .one
        .netns
        .inside(|| crate::lab::block_on(host_agent::run(config, std::future::pending())));
    let error = second.expect_err("refused").to_string();
    assert!(error.contains("is used by another agent"), "{error}");
}

#[test]
fn a_second_agent_in_the_namespace_is_refused_and_changes_nothing() {
    let mut lab = Lab::new();
    lab.start();
    let cloud = pair(&lab);
    let workloads = talking(&lab, &cloud);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let mut config = lab.one.config(Vec::new());
    config.state_dir = elsewhere.path().join("state");
    config.pin_dir = elsewhere.path().join("bpf");
    let tunnel = lab.one.netns.must("ip -d link show nw-vxlan");
    for refused in lab.one.netns.inside(|| {
        [
            crate::lab::block_on(host_agent::run(config.clone(), std::future::pending())),
            host_agent::uninstall(&config),
        ]
    }) {
        let error = refused.expect_err("refused").to_string();
        assert!(error.contains("one agent per network namespace"), "{error}");
    }
    assert!(!config.pin_dir.exists());
    assert_eq!(lab.one.netns.must("ip -d link show nw-vxlan"), tunnel);
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
}

#[test]
fn uninstall_leaves_nothing_of_ours() {
    let mut lab = Lab::new();
    lab.start();
    let cloud = pair(&lab);
    let workloads = talking(&lab, &cloud);
    let config = lab.one.config(Vec::new());
    let refused = lab.one.netns.inside(|| host_agent::uninstall(&config));
    assert!(refused.is_err(), "an agent runs");
    lab.one.stop();
    lab.one
        .netns
        .inside(|| host_agent::uninstall(&config))
        .expect("uninstalled");
    assert!(!lab.one.pin_dir().exists());
    assert!(!lab.one.state_dir().join("plan").exists());
    assert!(lab.one.netns.exec("ip link show nw-vxlan").is_err());
    let device = &workloads[0].endpoint.device;
    for hook in ["ingress", "egress"] {
        let filters = lab
            .one
            .netns
            .exec(&format!("tc filter show dev {device} {hook}"));
        assert!(!filters.unwrap_or_default().contains("bpf"), "{hook}");
    }
    assert!(!workloads[0].netns.leaks_to(workloads[1].v4()));
}

#[test]
fn unplugged_ports_are_down_and_come_back_with_their_device() {
    let mut lab = Lab::new();
    lab.start();
    let cloud = pair(&lab);
    let workloads = talking(&lab, &cloud);
    let port = workloads[0].endpoint.port;
    lab.one
        .netns
        .inside(|| host_agent::unplug(port))
        .expect("unplugged");
    let heard = lab
        .controller
        .until(&lab.one.name, "down", |heard| !heard.is_up(port));
    let device = &workloads[0].endpoint.device;
    assert_eq!(
        heard.statuses[&port].reason,
        format!("device {device} is not plugged")
    );
    lab.one.plug_into(&workloads[0]);
    lab.controller
        .until(&lab.one.name, "up", |heard| heard.is_up(port));
    workloads[0].configure();
    assert!(workloads[0].netns.reaches(workloads[1].v4()));
    assert!(lab.one.dump().difference.is_empty());
}
