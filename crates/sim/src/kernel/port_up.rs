//! `port-up`: from the API's answer to the first reply through the new port, against a veth programmed by hand.

use super::pair::{BenchNetwork, BenchPort};
use crate::bench::{Aim, Measurement, percentile};
use crate::lab::{Cloud, CloudOptions, HostName, Namespace, ip};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ROUNDS: usize = 30;
const ECHO_PORT: u16 = 7;

pub async fn port_up() -> Result<Vec<Measurement>> {
    let mut by_hand = by_hand()?;
    let [hand_median, hand_tail] = [0.5, 0.99].map(|fraction| percentile(&mut by_hand, fraction));
    let cloud = Cloud::start(CloudOptions::default()).await?;
    let network = BenchNetwork::create(&cloud).await?;
    let (target, address) = network.workload(&cloud, "t", HostName::One).await?;
    let _echo = Echo::start(&target.namespace)?;
    let parking = Namespace::create(format!("nw{}parking", std::process::id()))?;
    // The network is IPv4 only; a thousand neighbours that look for IPv6 routers all at once are another benchmark.
    set(&parking, "ipv6/conf/default/disable_ipv6")?;
    let mut results = Vec::new();
    let mut present = 1;
    for ports in [1, 100, 1000] {
        park(&cloud, &network, &parking, ports - present).await?;
        present = ports;
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            times.push(one_port(&cloud, &network, address, round).await?);
        }
        let median = percentile(&mut times, 0.5);
        let tail = percentile(&mut times, 0.99);
        let reference = |figure: &str| format!("veth, bridge and address by hand, {figure}");
        let name = |figure: &str| format!("port up with {ports} ports on the host, {figure}");
        results.push(Measurement::new(
            name("p50"),
            (median, "ms"),
            (reference("p50"), hand_median),
            Aim::AtMostOver(15.0),
        ));
        results.push(Measurement::new(
            name("p99"),
            (tail, "ms"),
            (reference("p99"), hand_tail),
            Aim::AtMost(50.0),
        ));
    }
    Ok(results)
}

/// Answers every UDP packet until its namespace is gone.
struct Echo;

impl Echo {
    fn start(namespace: &Namespace) -> Result<Self> {
        let socket = namespace.enter(|| UdpSocket::bind(("0.0.0.0", ECHO_PORT)))??;
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                socket.send_to(&buffer[..length], peer).ok();
            }
        });
        Ok(Self)
    }
}

/// A namespace whose devices have no routes until they have a carrier, as the host promises it for a port that is
/// ready. A stack that sends earlier asks for its neighbour in vain and asks again only after a second (RFC 4861
/// section 10; IPv4 does alike).
fn new_workload(name: String) -> Result<Namespace> {
    let workload = Namespace::create(name)?;
    set(&workload, "ipv4/conf/default/ignore_routes_with_linkdown")?;
    Ok(workload)
}

/// Switches on a setting under `/proc/sys/net` inside a namespace.
fn set(namespace: &Namespace, setting: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{setting}");
    namespace
        .enter(|| std::fs::write(&path, "1"))?
        .with_context(|| format!("cannot write {path}"))
}

/// Waits until a namespace's devices and those at their other ends are gone: the kernel does that after the
/// namespace's name went, and other changes of devices wait for it.
fn wait_until_gone(host: &Namespace, device: &str) -> Result<()> {
    let started = Instant::now();
    while host.enter(|| nix::net::if_::if_nametoindex(device).is_ok())? {
        ensure!(
            started.elapsed() < Duration::from_secs(10),
            "{device} is still there after 10 s"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sends a probe every 100 µs until the first comes back; the socket may be opened before there is a way.
fn first_reply(namespace: &Namespace, target: IpAddr) -> Result<()> {
    let socket = namespace.enter(|| UdpSocket::bind(("0.0.0.0", 0)))??;
    socket.set_read_timeout(Some(Duration::from_micros(100)))?;
    let started = Instant::now();
    let mut buffer = [0; 64];
    loop {
        socket
            .send_to(b"probe", SocketAddr::new(target, ECHO_PORT))
            .ok();
        if socket.recv_from(&mut buffer).is_ok() {
            return Ok(());
        }
        ensure!(
            started.elapsed() < Duration::from_secs(10),
            "no reply from {target} within 10 s"
        );
    }
}

/// Milliseconds of making a port by hand: the same veth and address, on a bridge.
fn by_hand() -> Result<Vec<f64>> {
    let pid = std::process::id();
    let host = Namespace::create(format!("nw{pid}hand"))?;
    let target = Namespace::create(format!("nw{pid}handt"))?;
    ip(
        Some(&host),
        &format!(
            "link add name br0 type bridge\nlink set br0 up\nlink add name t0 type veth peer name eth0 netns {}\nlink set t0 master br0 up\n",
            target.name()
        ),
    )?;
    ip(
        Some(&target),
        "addr add 10.12.0.1/16 dev eth0\nlink set eth0 up\n",
    )?;
    let _echo = Echo::start(&target)?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let workload = new_workload(format!("nw{pid}hand{round}"))?;
        let started = Instant::now();
        ip(
            Some(&host),
            &format!(
                "link add name tap{round} mtu 1450 type veth peer name eth0 mtu 1450 netns {}\nlink set tap{round} master br0 up\n",
                workload.name()
            ),
        )?;
        ip(
            Some(&workload),
            &format!(
                "addr add 10.12.1.{}/16 dev eth0\nlink set eth0 up\n",
                round + 1
            ),
        )?;
        first_reply(&workload, "10.12.0.1".parse()?)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        drop(workload);
        wait_until_gone(&host, &format!("tap{round}"))?;
    }
    Ok(times)
}

/// Adds ports whose workload ends share one namespace.
async fn park(
    cloud: &Cloud,
    network: &BenchNetwork,
    parking: &Namespace,
    count: usize,
) -> Result<()> {
    let api = cloud.api("bench")?;
    let ports: Vec<_> = (0..count)
        .map(|_| network.port_request(HostName::One))
        .collect();
    if ports.is_empty() {
        return Ok(());
    }
    let answer = api.post("/v2.0/ports", json!({"ports": ports})).await?;
    let made = answer["ports"]
        .as_array()
        .context("no ports in the answer")?;
    for port in made {
        let port = BenchPort::read(port)?;
        let device = format!("p{}", &port.id[..13]);
        plug(cloud, &port, parking.path(), &device)?;
    }
    let last = made
        .last()
        .and_then(|port| port["id"].as_str())
        .context("no port was made")?;
    api.wait(
        &format!("/v2.0/ports/{last}"),
        "the last port's becoming ACTIVE",
        |answer| (answer["port"]["status"] == "ACTIVE").then_some(()),
    )
    .await
}

fn plug(cloud: &Cloud, port: &BenchPort, netns: PathBuf, device: &str) -> Result<()> {
    let output = cloud
        .netwright_in(HostName::One)
        .args([
            "agent",
            "plug",
            &port.id,
            "--mac",
            &port.mac,
            "--mtu",
            "1450",
            "--interface",
            device,
            "--netns",
        ])
        .arg(netns)
        .output()?;
    ensure!(
        output.status.success(),
        "plug: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Milliseconds from the API's answer to the first reply through a new port.
async fn one_port(
    cloud: &Cloud,
    network: &BenchNetwork,
    target: IpAddr,
    round: usize,
) -> Result<f64> {
    let api = cloud.api("bench")?;
    let workload = new_workload(format!("nw{}up{round}", std::process::id()))?;
    let request = json!({"port": network.port_request(HostName::One)});
    let answer = api.post("/v2.0/ports", request).await?;
    let started = Instant::now();
    let port = BenchPort::read(&answer["port"])?;
    plug(cloud, &port, workload.path(), "eth0")?;
    ip(
        Some(&workload),
        &format!("addr add {}/16 dev eth0\n", port.address),
    )?;
    first_reply(&workload, target)?;
    let time = started.elapsed().as_secs_f64() * 1e3;
    drop(workload);
    let device = format!("tap{}", &port.id[..11]);
    wait_until_gone(cloud.namespace(HostName::One), &device)?;
    api.delete(&format!("/v2.0/ports/{}", port.id)).await?;
    Ok(time)
}
