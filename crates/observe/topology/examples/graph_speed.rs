//! How fast the map is: a made-up cloud of 1,000 hosts, 100,000 objects, 110,000 links. Run in release; prints a table.

use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use topology::{
    Batch, Cause, Declarations, Draft, Environment, Handle, Map, ObjectKey, ObjectRef,
    OverviewQuery, Profile, Reading, Record, SearchQuery, Source, SourceKind, VersionRecord,
};

const HOSTS: usize = 1_000;
const VMS: usize = 20;
const SERVICES: usize = 5;
const NETWORKS: usize = 500;
const LEAVES: usize = 8;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Cloud {
    environment: Environment,
    drafts: Vec<Draft>,
}

fn mac(kind: u8, n: usize) -> String {
    format!(
        "02:{kind:02x}:00:{:02x}:{:02x}:{:02x}",
        n >> 16 & 255,
        n >> 8 & 255,
        n & 255
    )
}

impl Cloud {
    fn key(&self, object_type: &str, id: &str) -> Fallible<ObjectKey> {
        Ok(ObjectKey::new(&self.environment, object_type, id)?)
    }

    fn draft(
        &self,
        object_type: &str,
        id: &str,
        name: &str,
        value: serde_json::Value,
    ) -> Fallible<Draft> {
        let mut draft = Draft::whole(self.key(object_type, id)?, name);
        if let serde_json::Value::Object(map) = value {
            draft.attributes = map.into_iter().map(|(k, v)| (k.into(), v)).collect();
        }
        Ok(draft)
    }

    fn make() -> Fallible<Self> {
        let mut cloud = Self {
            environment: Environment::new("bench")?,
            drafts: Vec::new(),
        };
        for n in 0..LEAVES {
            let id = format!("leaf-{n}");
            let draft = cloud.draft(
                "switch",
                &id,
                &id,
                json!({ "switch": id, "ip_address": format!("10.255.0.{n}") }),
            )?;
            cloud.drafts.push(draft);
        }
        for n in 0..NETWORKS {
            let id = network(n);
            let value = json!({ "network": id, "cidrs": [format!("10.{}.{}.0/24", n / 256, n % 256)], "mtu": 1450,
                "provider:segmentation_id": 1000 + n, "provider:network_type": "vxlan", "tenant_id": tenant(n), "status": "ACTIVE" });
            let draft = cloud.draft("network", &id, &format!("net-{n}"), value)?;
            cloud.drafts.push(draft);
        }
        for h in 0..HOSTS {
            cloud.host(h)?;
        }
        Ok(cloud)
    }

    fn host(&mut self, h: usize) -> Fallible<()> {
        let host = format!("cmp-{h:04}");
        let ip = format!("172.16.{}.{}", h / 250, h % 250 + 1);
        let leaf = format!("leaf-{}", h % LEAVES);
        let host_key = self.key("host", &host)?;
        let value = json!({ "host": host, "ip_address": ip, "host_type": ["Compute"], "OS": { "name": "Debian", "version": "13" } });
        let draft = self.draft("host", &host, &host, value)?;
        self.drafts.push(draft);
        let pnic_mac = mac(1, h);
        let value = json!({ "host": host, "mac_address": pnic_mac, "IP Address": ip, "Link detected": "yes", "Speed": "25000Mb/s" });
        let draft = self
            .draft("host_pnic", &format!("eno1-{pnic_mac}"), "eno1", value)?
            .under(host_key.clone());
        self.drafts.push(draft);
        let value = json!({ "switch": leaf, "mac_address": pnic_mac, "role": "hostlink" });
        let draft = self.draft(
            "switch_pnic",
            &format!("{leaf}-eth1__{h}-{pnic_mac}"),
            "port",
            value,
        )?;
        let switch = self.key("switch", &leaf)?;
        self.drafts.push(draft.under(switch));
        let mut ports = serde_json::Map::new();
        for v in 0..VMS {
            let n = h * VMS + v;
            let tap = format!("{n:08x}-00");
            ports.insert(format!("qvo{tap}"), json!({ "name": format!("qvo{tap}"), "id": v.to_string(), "tag": (v + 1).to_string() }));
            self.instance(&host, &host_key, n, &tap)?;
        }
        for service in 0..SERVICES {
            self.service(&host, &host_key, h * SERVICES + service, &mut ports)?;
        }
        let edge = format!("{host}-ovs");
        let edge_key = self.key("vedge", &edge)?;
        let draft = self.draft(
            "vedge",
            &edge,
            &format!("{host}-OVS"),
            json!({ "host": host, "agent_type": "Open vSwitch agent", "ports": ports }),
        )?;
        self.drafts.push(draft.under(host_key));
        let value = json!({ "host": host, "ip_address": ip, "overlay_type": "vxlan", "ports": {} });
        let draft = self
            .draft("otep", &format!("{host}-otep"), "otep", value)?
            .under(edge_key);
        self.drafts.push(draft);
        Ok(())
    }

    fn instance(&mut self, host: &str, host_key: &ObjectKey, n: usize, tap: &str) -> Fallible<()> {
        let net = n % NETWORKS;
        let (network, tenant) = (network(net), tenant(net));
        let vm = format!("7c000000-0000-4000-8000-{n:012x}");
        let mac = mac(2, n);
        let value = json!({ "host": host, "project_id": tenant, "network": [network], "vm_state": "active", "local_name": format!("instance-{n:08x}"),
            "network_info": [{ "devname": format!("tap{tap}"), "address": mac, "network": { "id": network, "label": format!("net-{net}") } }] });
        let draft = self
            .draft("instance", &vm, &format!("vm-{n}"), value)?
            .under(host_key.clone());
        self.drafts.push(draft);
        let vm_key = self.key("instance", &vm)?;
        let value = json!({ "host": host, "instance_id": vm, "mac_address": mac, "vnic_type": "instance_vnic" });
        let draft = self
            .draft(
                "vnic",
                &format!("{host}-tap{tap}"),
                &format!("tap{tap}"),
                value,
            )?
            .under(vm_key);
        self.drafts.push(draft);
        let member = |name: String| (name.clone(), json!({ "name": name, "mac_address": mac }));
        let interfaces: serde_json::Map<_, _> =
            [member(format!("qvb{tap}")), member(format!("tap{tap}"))]
                .into_iter()
                .collect();
        let value = json!({ "host": host, "connector_type": "bridge", "interfaces": interfaces });
        let draft = self.draft(
            "vconnector",
            &format!("{host}-qbr{tap}"),
            &format!("{host}-qbr{tap}"),
            value,
        )?;
        self.drafts.push(draft.under(host_key.clone()));
        let value = json!({ "mac_address": mac, "network_id": network, "binding:host_id": host, "device_id": vm, "device_owner": "compute:nova",
            "status": "ACTIVE", "tenant_id": tenant, "fixed_ips": [{ "ip_address": format!("10.{}.{}.{}", net / 256, net % 256, n / NETWORKS + 2) }] });
        let draft = self.draft(
            "port",
            &format!("8d000000-0000-4000-8000-{n:012x}"),
            &mac,
            value,
        )?;
        let network_key = self.key("network", &network)?;
        self.drafts.push(draft.under(network_key));
        Ok(())
    }
}

impl Cloud {
    /// A namespace with two devices, plugged into the edge.
    fn service(
        &mut self,
        host: &str,
        host_key: &ObjectKey,
        n: usize,
        ports: &mut serde_json::Map<String, serde_json::Value>,
    ) -> Fallible<()> {
        let net = network(n % NETWORKS);
        let id = format!("{host}-qdhcp-{net}");
        let value = json!({ "host": host, "service_type": "dhcp", "local_service_id": format!("qdhcp-{net}"), "network": [net] });
        let draft = self
            .draft(
                "vservice",
                &id,
                &format!("qdhcp-net-{}", n % NETWORKS),
                value,
            )?
            .under(host_key.clone());
        self.drafts.push(draft);
        let service_key = self.key("vservice", &id)?;
        for device in 0..2 {
            let name = format!("tap{n:07x}{device}-1");
            ports.insert(
                name.clone(),
                json!({ "name": name, "id": ports.len().to_string(), "tag": "1" }),
            );
            let value = json!({ "host": host, "mac_address": mac(4, n * 2 + device), "vnic_type": "vservice_vnic", "network": net, "IP Address": "10.0.0.2" });
            let draft = self
                .draft("vnic", &format!("{host}-{name}"), &name, value)?
                .under(service_key.clone());
            self.drafts.push(draft);
        }
        Ok(())
    }
}

fn network(n: usize) -> String {
    format!("9e000000-0000-4000-8000-{n:012x}")
}

fn tenant(n: usize) -> String {
    format!("tenant-{}", n % 50)
}

fn reading(second: i64, drafts: Vec<Draft>) -> Fallible<Reading> {
    Ok(Reading {
        drafts,
        ..Reading::named(Source {
            kind: SourceKind::new("ssh")?,
            detail: "bench".into(),
            read_at: jiff::Timestamp::from_second(second)?,
        })
    })
}

fn batch(second: i64, cause: Cause, drafts: Vec<Draft>) -> Fallible<Batch> {
    Ok(Batch {
        cause,
        at: jiff::Timestamp::from_second(second)?,
        readings: vec![reading(second, drafts)?],
    })
}

/// Wall time, and time on the processor: the machine may be busy with other things.
struct Timer {
    wall: Instant,
    cpu: Duration,
}

impl Timer {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: on_cpu(),
        }
    }

    fn line(&self, what: &str, aim: &str) {
        let cpu = on_cpu().saturating_sub(self.cpu);
        line(what, self.wall.elapsed(), Some(cpu), aim);
    }
}

/// Time this thread has run, from `/proc`; zero where that is not there.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn line(what: &str, wall: Duration, cpu: Option<Duration>, aim: &str) {
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    let cpu = cpu.map(ms).unwrap_or_default();
    println!(
        "{what:<58} {:>10} ms wall {cpu:>10} ms cpu   aim {aim}",
        ms(wall)
    );
}

fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
    times.sort();
    times
        .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// Resident memory in MiB, from `/proc`.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? / 1024)
}

fn main() -> Fallible<()> {
    let cloud = Cloud::make()?;
    let before = resident().unwrap_or_default();
    let declarations = Arc::new(Declarations::embedded()?);
    let mut profile = Profile::new(cloud.environment.clone());
    profile.type_drivers = vec!["vxlan".into()];
    profile.mechanism_drivers = vec!["OVS".into()];
    let mut map = Map::new(
        profile,
        declarations.clone(),
        jiff::Timestamp::from_second(0)?,
    );
    let start = Timer::start();
    let committed = map.apply(&batch(
        1,
        Cause::Scan("first".into()),
        cloud.drafts.clone(),
    )?)?;
    start.line("first scan taken in: merge, links, search index", "-");
    println!(
        "{} objects, {} links",
        committed.version.object_count(),
        committed.version.link_count()
    );
    let start = Timer::start();
    map.redeclare(declarations, jiff::Timestamp::from_second(2)?);
    start.line("all links derived from nothing, and compared", "2000");
    let share = resident().unwrap_or_default().saturating_sub(before);
    println!("resident for the map, two versions: {share} MiB   aim 1024");
    let base = map.head().clone();
    cliques(&base);
    questions(&base)?;
    events(&mut map, &cloud)?;
    differences(&mut map, &cloud)?;
    println!(
        "resident after all that: {} MiB",
        resident().unwrap_or_default()
    );
    Ok(())
}

fn cliques(version: &topology::Version) {
    let focal: Vec<Handle> = version
        .objects()
        .filter(|(_, object)| version.is_focal_type(&object.key.object_type))
        .map(|(handle, _)| handle)
        .collect();
    let mut times = Vec::new();
    let mut made = 0;
    let start = Timer::start();
    for handle in &focal {
        let one = Instant::now();
        made += version.cliques(*handle).len();
        times.push(one.elapsed());
    }
    start.line(&format!("{made} cliques"), "5000");
    line("one clique, p99", percentile(times.clone(), 99), None, "5");
    line("one clique, slowest", percentile(times, 100), None, "-");
}

fn questions(version: &topology::Version) -> Fallible<()> {
    let switch = version
        .find(&ObjectRef::new("switch", "leaf-0")?)
        .ok_or("no switch")?;
    let two = version
        .find(&ObjectRef::new("switch", "leaf-1")?)
        .ok_or("no switch")?;
    let four: Vec<Handle> = (0..4)
        .filter_map(|n| version.find(&ObjectRef::new("switch", format!("leaf-{n}")).ok()?))
        .collect();
    for (name, failed) in [
        ("one switch", vec![switch]),
        ("two switches", vec![switch, two]),
        ("four switches", four),
    ] {
        let start = Timer::start();
        let impact = version.impact(&failed);
        start.line(
            &format!("impact of {name}: {} dependents", impact.hit.len()),
            "50",
        );
        let start = Timer::start();
        version.impact_counts(&impact);
        start.line("  counted by type, tenant, place and network", "50");
    }
    for text in [
        "02:02:00:00:10:ff",
        "vm-1234",
        "10.1.7.0/24",
        "7c00000000004000800000000000002a",
        "cmp-0042",
    ] {
        let query = SearchQuery {
            text: text.into(),
            limit: 20,
            ..Default::default()
        };
        let start = Timer::start();
        let found = version.search(&query, |_| true);
        start.line(&format!("search '{text}': {} found", found.total), "50");
    }
    let start = Timer::start();
    let query = OverviewQuery {
        budget: 2_000,
        open: Default::default(),
    };
    let overview = version.overview(&query, None);
    start.line(&format!("overview of {} nodes", overview.nodes.len()), "-");
    Ok(())
}

fn events(map: &mut Map, cloud: &Cloud) -> Fallible<()> {
    let ports: Vec<&Draft> = cloud
        .drafts
        .iter()
        .filter(|d| d.key.object_type.as_str() == "port")
        .collect();
    let vnics: Vec<&Draft> = cloud
        .drafts
        .iter()
        .filter(|d| d.key.object_type.as_str() == "vnic")
        .collect();
    let mut times = Vec::new();
    for n in 0..3_000_usize {
        let mut draft = if n % 2 == 0 {
            ports[n * 7 % ports.len()].clone()
        } else {
            vnics[n * 11 % vnics.len()].clone()
        };
        draft
            .attributes
            .insert("status".into(), json!(format!("S{n}")));
        draft
            .attributes
            .insert("mac_address".into(), json!(mac(3, n)));
        let batch = batch(10 + n as i64, Cause::Events, vec![draft])?;
        let start = Instant::now();
        map.apply(&batch)?;
        times.push(start.elapsed());
        if n % 200 == 0 {
            let policy = topology::Retention {
                at_most: 100,
                ..Default::default()
            };
            map.retain(&policy, batch.at);
        }
    }
    line("one event, p50", percentile(times.clone(), 50), None, "-");
    line("one event, p99", percentile(times.clone(), 99), None, "50");
    line("one event, slowest", percentile(times, 100), None, "-");
    Ok(())
}

fn differences(map: &mut Map, cloud: &Cloud) -> Fallible<()> {
    map.apply(&batch(
        20_000,
        Cause::Scan("again".into()),
        cloud.drafts.clone(),
    )?)?;
    let before = map.head().clone();
    let full = Record::Version(Box::new(VersionRecord::full(&before)))
        .to_bytes()?
        .len();
    println!("a full version is {:.1} MB", full as f64 / 1e6);
    for (percent, second, aim) in [(1, 21_000, "100"), (50, 22_000, "2000")] {
        let every = 100 / percent;
        let changed = cloud.drafts.iter().enumerate().map(|(n, draft)| {
            let mut draft = draft.clone();
            if n % every == 0 {
                draft
                    .attributes
                    .insert("status".into(), json!(format!("changed {second}")));
            }
            draft
        });
        let start = Timer::start();
        let committed = map.apply(&batch(
            second,
            Cause::Scan("changed".into()),
            changed.collect(),
        )?)?;
        start.line(
            &format!("whole scan with {percent} % changed taken in"),
            "-",
        );
        let start = Timer::start();
        let diff = before.diff(&committed.version);
        start.line(
            &format!("diff of {} changed objects", diff.objects.len()),
            aim,
        );
        if percent == 1 {
            let start = Timer::start();
            let record = committed.record.ok_or("no record")?.to_bytes()?;
            start.line("record of 1 % changed written", "-");
            println!(
                "storing 1 % changed takes {:.2} % of a full version   aim 3",
                record.len() as f64 * 100.0 / full as f64
            );
        }
    }
    Ok(())
}
