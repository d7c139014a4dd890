//! The demo: two projects with equal addresses on two hosts, driven by the stock client, shown as a table.

use super::{
    Cloud, CloudOptions, Flow, HostName, Openstack, Table, Workload, name_server, stop_signal, who,
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// For what must happen; generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// For what must not happen. Long enough for a TCP handshake with a lost SYN (RFC 6298: 1 s).
const SHORT: Duration = Duration::from_millis(1500);

/// A port as the demo asks for it.
struct Wanted {
    name: &'static str,
    host: HostName,
    address: &'static str,
    group: &'static str,
}

/// The same for both projects: equal addresses must not matter.
const V4: &str = "10.0.0.0/24";
const V6: &str = "fd00:10::/64";

struct Project {
    name: &'static str,
    ipv6_mode: &'static str,
    ports: &'static [Wanted],
}

impl Project {
    fn groups(&self) -> BTreeSet<&'static str> {
        self.ports.iter().map(|port| port.group).collect()
    }
}

const PROJECTS: [Project; 2] = [
    Project {
        name: "blue",
        ipv6_mode: "slaac",
        ports: &[
            Wanted {
                name: "blue1",
                host: HostName::One,
                address: "10.0.0.11",
                group: "members",
            },
            Wanted {
                name: "blue2",
                host: HostName::One,
                address: "10.0.0.12",
                group: "members",
            },
            Wanted {
                name: "blue3",
                host: HostName::Two,
                address: "10.0.0.13",
                group: "members",
            },
            Wanted {
                name: "blue4",
                host: HostName::Two,
                address: "10.0.0.14",
                group: "visitors",
            },
        ],
    },
    Project {
        name: "red",
        ipv6_mode: "dhcpv6-stateful",
        ports: &[
            Wanted {
                name: "red1",
                host: HostName::One,
                address: "10.0.0.11",
                group: "members",
            },
            Wanted {
                name: "red3",
                host: HostName::Two,
                address: "10.0.0.13",
                group: "members",
            },
        ],
    },
];

/// A plugged port with the addresses its workload learned.
struct Plugged {
    workload: Workload,
    v4: IpAddr,
    v6: IpAddr,
}

/// Runs the demo; `Ok(true)` when every line of the table passed. Unless `once`, stays up until a signal.
pub async fn demo(openstack: PathBuf, once: bool, json: bool) -> Result<bool> {
    super::check_requirements()?;
    super::remove_leftovers();
    let mut table = Table::default();
    let started = Instant::now();
    let mut cloud = Cloud::start(CloudOptions {
        api: (!once).then(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 9696))),
        ..Default::default()
    })
    .await?;
    table.add(
        "controller and two host agents are up",
        Some(started.elapsed()),
        Ok(cloud.url()),
    );
    let outcome = show(&mut cloud, openstack, &mut table).await;
    let plugged = match outcome {
        Ok(plugged) => plugged,
        Err(error) => {
            table.add("the demo ran to its end", None, Err(error));
            Vec::new()
        }
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        println!("\n{table}");
    }
    if !table.all_passed() {
        eprintln!("logs: {}", cloud.keep_logs());
    }
    if !once {
        // Standard output holds the table alone, which may be JSON for a program.
        eprintln!(
            "The console is at {}/ ; Ctrl-C ends the demo and removes everything.",
            cloud.url()
        );
        stop_signal()?.await;
    }
    drop(plugged);
    Ok(table.all_passed())
}

async fn show(cloud: &mut Cloud, openstack: PathBuf, table: &mut Table) -> Result<Vec<Plugged>> {
    let clients = PROJECTS
        .each_ref()
        .map(|p| Openstack::new(openstack.clone(), &cloud.url(), p.name));
    let begun = Instant::now();
    let [blue, red] = [0, 1].map(|n| {
        let client = clients[n].clone();
        tokio::task::spawn_blocking(move || make(&PROJECTS[n], &client))
    });
    let ports: Vec<Value> = [blue.await??, red.await??].concat();
    table.add(
        format!("openstack client: 2 projects with the same {V4} and {V6}"),
        Some(begun.elapsed()),
        Ok(format!("{} ports on two hosts", ports.len())),
    );
    let mut plugged = Vec::new();
    for (wanted, port) in PROJECTS.iter().flat_map(|p| p.ports).zip(&ports) {
        plugged.push(plug(cloud, wanted, port, table).await?);
    }
    reachability(&plugged, table);
    group_change(&clients[0], &plugged, table);
    spoofing(cloud, &plugged, table).await;
    restarts(cloud, &plugged, table).await;
    Ok(plugged)
}

/// Everything one project asks the API for; its ports in the order wanted. Without Keystone everyone sees every
/// project, so names tell the project.
fn make(project: &Project, client: &Openstack) -> Result<Vec<Value>> {
    let Project {
        name,
        ipv6_mode: mode,
        ..
    } = project;
    client.create(&format!("network create {name}"))?;
    client.create(&format!(
        "subnet create {name}-v4 --network {name} --subnet-range {V4}"
    ))?;
    client.create(&format!(
        "subnet create {name}-v6 --network {name} --subnet-range {V6} --ip-version 6 \
         --ipv6-ra-mode {mode} --ipv6-address-mode {mode}"
    ))?;
    for group in project.groups() {
        client.create(&format!("security group create {name}-{group}"))?;
    }
    for family in ["IPv4", "IPv6"] {
        client.create(&format!(
            "security group rule create {name}-members --remote-group {name}-members --ethertype {family}"
        ))?;
    }
    let port = |port: &Wanted| {
        let Wanted {
            name: port,
            host,
            address,
            group,
        } = port;
        let host = host.as_str();
        client.object(&format!(
            "port create {port} --network {name} --host {host} --security-group {name}-{group} \
             --fixed-ip subnet={name}-v4,ip-address={address} --fixed-ip subnet={name}-v6"
        ))
    };
    project.ports.iter().map(port).collect()
}

/// Plugs a workload, lets it learn its addresses, and waits until the API calls the port ACTIVE.
async fn plug(cloud: &Cloud, wanted: &Wanted, port: &Value, table: &mut Table) -> Result<Plugged> {
    let text = |name: &str| {
        port[name]
            .as_str()
            .with_context(|| format!("port {} has no {name}: {port}", wanted.name))
    };
    let (id, mac) = (text("id")?, text("mac_address")?);
    let fixed: Vec<IpAddr> = port["fixed_ips"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|ip| ip["ip_address"].as_str()?.parse().ok())
        .collect();
    let begun = Instant::now();
    let workload = Workload::plug(cloud, wanted.name, id, wanted.host, mac)?;
    let api = cloud.api("admin")?;
    let path = format!("/v2.0/ports/{id}");
    api.wait(&path, "the port's becoming ACTIVE", |answer| {
        (answer["port"]["status"] == "ACTIVE").then_some(())
    })
    .await?;
    let active = begun.elapsed();
    workload.dhcp4()?;
    if wanted.name.starts_with("red") {
        workload.dhcp6()?;
    }
    let learned = learn(&workload, &fixed).await?;
    table.add(
        format!(
            "{} on {}: plugged to ACTIVE; then DHCP and RA",
            wanted.name,
            wanted.host.as_str()
        ),
        Some(active),
        Ok(learned
            .iter()
            .map(IpAddr::to_string)
            .collect::<Vec<_>>()
            .join(", ")),
    );
    name_server(&workload.namespace, wanted.name)?;
    let find = |v4: bool| {
        learned
            .iter()
            .copied()
            .find(|ip| ip.is_ipv4() == v4)
            .context("an address is missing")
    };
    Ok(Plugged {
        v4: find(true)?,
        v6: find(false)?,
        workload,
    })
}

/// Waits until the workload has exactly the addresses the API promised.
async fn learn(workload: &Workload, fixed: &[IpAddr]) -> Result<Vec<IpAddr>> {
    let begun = Instant::now();
    loop {
        let mut have = workload.addresses()?;
        have.sort();
        let mut want = fixed.to_vec();
        want.sort();
        if have == want {
            return Ok(have);
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "{} has {have:?} and should have {want:?}",
            workload.name
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn find<'a>(plugged: &'a [Plugged], name: &str) -> &'a Plugged {
    plugged
        .iter()
        .find(|p| p.workload.name == name)
        .expect("invariant: the demo plugged every port it wants")
}

fn reachability(plugged: &[Plugged], table: &mut Table) {
    for (from, to, way) in [
        ("blue1", "blue2", "on one host"),
        ("blue1", "blue3", "across hosts"),
        ("blue3", "blue1", "across hosts"),
        ("red1", "red3", "across hosts"),
    ] {
        for v4 in [true, false] {
            let (source, target) = (find(plugged, from), find(plugged, to));
            let address = if v4 { target.v4 } else { target.v6 };
            let begun = Instant::now();
            let outcome = answer(source, address).and_then(|name| {
                ensure!(name == to, "{name} answered at {address}");
                Ok(format!("{address} is {name}"))
            });
            let family = if v4 { "v4" } else { "v6" };
            table.add(
                format!("{from} reaches {to} {way}, {family}"),
                Some(begun.elapsed()),
                outcome,
            );
        }
    }
    for (from, to, address) in [
        ("red1", "blue2", find(plugged, "blue2").v4),
        ("red1", "blue3", find(plugged, "blue3").v6),
        ("blue4", "blue1", find(plugged, "blue1").v4),
    ] {
        let outcome = silence(find(plugged, from), address);
        table.add(format!("{from} cannot reach {to}"), None, outcome);
    }
}

/// Who answers a workload at an address.
fn answer(from: &Plugged, address: IpAddr) -> Result<String> {
    who(&from.workload.namespace, address, PATIENCE)?
        .with_context(|| format!("{address} did not answer"))
}

/// Passes if nothing answers a workload at an address.
fn silence(from: &Plugged, address: IpAddr) -> Result<String> {
    match who(&from.workload.namespace, address, SHORT)? {
        Some(name) => bail!("{name} answered at {address}"),
        None => Ok(format!("{address} did not answer")),
    }
}

/// A rule for the visitors' group opens the way, and its removal closes it again.
fn group_change(client: &Openstack, plugged: &[Plugged], table: &mut Table) {
    let (from, to) = (find(plugged, "blue4"), find(plugged, "blue1"));
    let opened = client.create(
        "security group rule create blue-members --protocol tcp --dst-port 22 --remote-group blue-visitors",
    );
    let begun = Instant::now();
    let outcome = opened
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error:#}"))
        .and_then(|_| answer(from, to.v4).map(|name| format!("{name} answers on TCP 22")));
    table.add(
        "a rule with a remote group lets blue4 reach blue1",
        Some(begun.elapsed()),
        outcome,
    );
    let Ok(rule) = opened else { return };
    let outcome = client
        .run(&format!("security group rule delete {rule}"))
        .and_then(|()| silence(from, to.v4));
    table.add("without the rule it cannot", None, outcome);
}

/// A source address that is not the port's is dropped, and the port's counter says so.
async fn spoofing(cloud: &Cloud, plugged: &[Plugged], table: &mut Table) {
    const SENT: u64 = 5;
    let (from, to) = (find(plugged, "blue1"), find(plugged, "blue2"));
    let outcome = async {
        let api = cloud.api("admin")?;
        let path = format!("/netwright/v1/ports/{}", from.workload.port);
        let spoofed = |answer: &Value| {
            answer["counters"]
                .as_array()
                .into_iter()
                .flatten()
                .find_map(|counter| {
                    let name = counter["name"].as_str()?;
                    name.contains("spoof")
                        .then(|| (name.to_owned(), counter["packets"].as_u64().unwrap_or(0)))
                })
        };
        let before = spoofed(&api.get(&path).await?).map_or(0, |(_, packets)| packets);
        let namespace = &from.workload.namespace;
        namespace.run("ip", &["addr", "add", "10.0.0.99/32", "dev", "eth0"])?;
        let count = SENT.to_string();
        let target = to.v4.to_string();
        let ping = namespace.run(
            "ping",
            &[
                "-q",
                "-c",
                &count,
                "-i",
                "0.05",
                "-W",
                "1",
                "-I",
                "10.0.0.99",
                &target,
            ],
        );
        ensure!(ping.is_err(), "a ping from 10.0.0.99 was answered");
        namespace.run("ip", &["addr", "del", "10.0.0.99/32", "dev", "eth0"])?;
        api.wait(&path, "the counting of the spoofed packets", |answer| {
            let (name, packets) = spoofed(answer)?;
            (packets >= before + SENT).then(|| format!("{name}: {packets} packets"))
        })
        .await
    };
    table.add(
        "a spoofed source is dropped and counted",
        None,
        outcome.await,
    );
}

/// A flow at 500 packets a second across the hosts, while controller and agents are killed and started again.
async fn restarts(cloud: &mut Cloud, plugged: &[Plugged], table: &mut Table) {
    let (from, to) = (find(plugged, "blue1"), find(plugged, "blue3"));
    for (what, host) in [
        ("the controller", None),
        ("the agent of host-1", Some(HostName::One)),
        ("the agent of host-2", Some(HostName::Two)),
    ] {
        let begun = Instant::now();
        let outcome = async {
            let flow = Flow::start(&from.workload.namespace, &to.workload.namespace, to.v4, 500)?;
            while flow.returned() < 50 {
                ensure!(
                    begun.elapsed() < PATIENCE,
                    "the flow did not start: {} returned",
                    flow.returned()
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            match host {
                None => {
                    cloud.kill_controller();
                    cloud.start_controller()?;
                }
                Some(host) => {
                    cloud.kill_agent(host);
                    cloud.start_agent(host)?;
                }
            }
            cloud.wait_for_agents().await?;
            // What is up again must carry the flow as well as what was left behind.
            let after = flow.returned() + 250;
            while flow.returned() < after {
                ensure!(
                    begun.elapsed() < PATIENCE,
                    "the flow ended at {} packets",
                    flow.returned()
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let count = flow.finish();
            ensure!(
                count.lost() == 0,
                "{} of {} packets were lost",
                count.lost(),
                count.sent
            );
            Ok(format!("{} packets sent, 0 lost", count.sent))
        };
        let outcome = outcome.await;
        table.add(
            format!("kill -9 and restart of {what} loses no packet"),
            Some(begun.elapsed()),
            outcome,
        );
    }
}
