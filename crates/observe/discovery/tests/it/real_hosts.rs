//! Scans of real hosts over real SSH: Linux bridges, network namespaces, Open vSwitch, VXLAN, LLDP.

use crate::lab::{Access, Host, Key, Login, Namespace, inside};
use anyhow::{Context, Result, ensure};
use discovery::environment::{Config, Credentials};
use discovery::scan::tree::Tree;
use discovery::scan::{Limits, Outcome, Progress, Request, Scan};
use discovery::{Error, Secret};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use topology::{Batch, Cause, Coverage, Declarations, Draft, Environment, Map, Profile};

/// A DHCP namespace with an interface, a Linux bridge with a VXLAN device, an Open vSwitch with a userspace datapath, an LLDP agent.
const COMPUTE: &str = r#"
ip netns add qdhcp-413de095-01ed-49dc-aa50-4479f43d390e
ip -n qdhcp-413de095-01ed-49dc-aa50-4479f43d390e link add tap11111111-22 type veth peer name tapq netns 1
ip -n qdhcp-413de095-01ed-49dc-aa50-4479f43d390e address add 172.16.10.2/25 dev tap11111111-22
ip -n qdhcp-413de095-01ed-49dc-aa50-4479f43d390e link set tap11111111-22 up
ip netns add other-tenant
ip link add brq7 type bridge
ip link add vxlan-7 type vxlan id 7 local 10.199.1.2 remote 10.199.2.2 dstport 8472 dev eno1
ip link set vxlan-7 master brq7
ip link set vxlan-7 up
ip link set brq7 up
ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile=/run/openvswitch/ovsdb-server.pid --detach --log-file=/dev/null /run/openvswitch/conf.db
ovs-vsctl --no-wait init
ovs-vswitchd --pidfile=/run/openvswitch/ovs-vswitchd.pid --detach --log-file=/dev/null
ovs-vsctl add-br br-int -- set bridge br-int datapath_type=netdev
ovs-vsctl add-port br-int tap33333333-44 tag=5 -- set interface tap33333333-44 type=internal
ovs-vsctl add-br br-tun -- set bridge br-tun datapath_type=netdev
ovs-vsctl add-port br-tun vxlan-0ac70202 -- set interface vxlan-0ac70202 type=vxlan options:remote_ip=10.199.2.2 options:local_ip=10.199.1.2 options:key=flow
lldpd -u /run/lldpd.socket
"#;

const NETWORK: &str = "lldpd -u /run/lldpd.socket\n";

/// Two hosts with a cable between them, and a place to scan them from.
struct Lab {
    scanner: Namespace,
    compute: Host,
    _network: Host,
    _namespaces: [Namespace; 2],
    folder: tempfile::TempDir,
    host_key: Key,
    user_key: Key,
}

impl Lab {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let scanner = Namespace::new("scan")?;
        let (one, two) = (Namespace::new("one")?, Namespace::new("two")?);
        scanner.cable(("h1", "10.199.1.1/24"), &one, ("eno1", "10.199.1.2/24"))?;
        scanner.cable(("h2", "10.199.2.1/24"), &two, ("eno1", "10.199.2.2/24"))?;
        one.cable(("eno2", "10.198.0.1/24"), &two, ("eno2", "10.198.0.2/24"))?;
        let host_key = Key::make(folder.path(), "host_key")?;
        let user_key = Key::make(folder.path(), "user_key")?;
        let access = Access {
            host_key: &host_key,
            login: Login::Key(&user_key),
        };
        let start =
            |namespace, name, set_up| Host::start(folder.path(), namespace, name, access, set_up);
        let compute = start(&one, "cmp-1", COMPUTE)?;
        let network = start(&two, "net-1", NETWORK)?;
        let lab = Self {
            scanner,
            compute,
            _network: network,
            _namespaces: [one, two],
            folder,
            host_key,
            user_key,
        };
        let addresses = ["10.199.1.2", "10.199.2.2", "10.198.0.2"];
        lab.trust(&addresses, &lab.host_key.public()?)?;
        Ok(lab)
    }

    fn known_hosts(&self) -> std::path::PathBuf {
        self.folder.path().join("known_hosts")
    }

    fn trust(&self, addresses: &[&str], key: &str) -> Result<()> {
        let lines: Vec<String> = addresses
            .iter()
            .map(|address| format!("{address} {key}\n"))
            .collect();
        Ok(std::fs::write(self.known_hosts(), lines.concat())?)
    }

    fn config(&self, hosts: &[(&str, &str)]) -> Result<Config> {
        let names: Vec<&str> = hosts.iter().map(|(name, _)| *name).collect();
        let addresses: serde_json::Map<_, _> = hosts
            .iter()
            .map(|(name, address)| ((*name).to_owned(), serde_json::json!({"address": address})))
            .collect();
        Ok(serde_json::from_value(serde_json::json!({
            "name": "lab",
            "facts": {"environment_type": "Hosts", "mechanism_drivers": ["OVS", "LXB"]},
            "ssh": {"user": "root", "known_hosts": self.known_hosts(), "hosts": names, "addresses": addresses, "connect_seconds": 5},
        }))?)
    }

    fn credentials(&self) -> Result<Credentials> {
        let mut credentials = Credentials::default();
        let key = Secret::new(self.user_key.private()?);
        credentials.set(discovery::environment::CredentialName::SshKey, key);
        Ok(credentials)
    }

    fn scan(&self, hosts: &[(&str, &str)]) -> Result<Outcome> {
        let (config, credentials) = (self.config(hosts)?, self.credentials()?);
        inside(&self.scanner, async move || {
            scan(&config, &credentials).await
        })
    }
}

pub(crate) async fn scan(config: &Config, credentials: &Credentials) -> Result<Outcome> {
    let hosts = config.hosts(credentials)?.context("hosts are configured")?;
    let told = Mutex::new(Vec::new());
    let scan = Scan {
        environment: &config.name,
        tree: &Tree::built_in(),
        sources: &[],
        hosts: Some(&hosts),
        progress: &|progress| told.lock().expect("not poisoned").push(progress),
    };
    let request = request(config);
    let (_cancel, cancelled) = watch::channel(false);
    let outcome = scan.run(&request, cancelled).await?;
    let told = told.into_inner()?;
    let finished = |progress: &&Progress| {
        matches!(
            progress,
            Progress::Host { .. } | Progress::HostFailed { .. }
        )
    };
    ensure!(
        told.iter().filter(finished).count() == request.hosts.len(),
        "{told:?}"
    );
    Ok(outcome)
}

fn request(config: &Config) -> Request {
    Request {
        facts: config.facts.clone(),
        start: None,
        known: discovery::host::known::Known::default(),
        hosts: config
            .ssh
            .as_ref()
            .map(|ssh| ssh.hosts.clone())
            .unwrap_or_default(),
        limits: Limits {
            host_within: Duration::from_secs(20),
            ..config.limits()
        },
    }
}

pub(crate) fn find<'a>(outcome: &'a Outcome, object_type: &str, id: &str) -> Result<&'a Draft> {
    let mut drafts = outcome.readings.iter().flat_map(|reading| &reading.drafts);
    drafts
        .find(|draft| {
            draft.key.object_type.as_str() == object_type && draft.key.id.as_str().starts_with(id)
        })
        .with_context(|| {
            let all = outcome.readings.iter().flat_map(|reading| &reading.drafts);
            let keys: Vec<String> = all.map(|draft| draft.key.to_string()).collect();
            format!(
                "no {object_type} {id} in {keys:?}; faults: {:?}",
                outcome.faults
            )
        })
}

#[test]
fn real_hosts_are_read_in_few_round_trips() -> Result<()> {
    let lab = Lab::start()?;
    wait_for_neighbour(&lab.compute)?;
    let outcome = lab.scan(&[("cmp-1", "10.199.1.2"), ("net-1", "10.199.2.2")])?;
    ensure!(outcome.hosts_read == 2, "{:?}", outcome.faults);
    ensure!(
        outcome.round_trips <= 3,
        "{} round trips",
        outcome.round_trips
    );

    let service = find(
        &outcome,
        "vservice",
        "cmp-1-qdhcp-413de095-01ed-49dc-aa50-4479f43d390e",
    )?;
    ensure!(service.attributes["service_type"] == "dhcp");
    let vnic = find(&outcome, "vnic", "cmp-1-tap11111111-22")?;
    ensure!(vnic.attributes["IP Address"] == "172.16.10.2");
    ensure!(vnic.attributes["cidr"] == "172.16.10.0/25");
    ensure!(vnic.parent.as_ref() == Some(&service.key));

    let connector = find(&outcome, "vconnector", "cmp-1-brq7-8000.")?;
    ensure!(connector.attributes["interfaces_names"] == serde_json::json!(["vxlan-7"]));
    let edge = find(&outcome, "vedge", "cmp-1-OVS")?;
    ensure!(
        edge.attributes["ports"]["tap33333333-44"]["tag"] == "5",
        "{:?}",
        edge.attributes["ports"]
    );
    let tunnel = &edge.attributes["tunnel_ports"]["vxlan-0ac70202"];
    ensure!(tunnel["options"]["remote_ip"] == "10.199.2.2", "{tunnel}");
    let endpoint = find(&outcome, "otep", "cmp-1-otep")?;
    ensure!(endpoint.attributes["ip_address"] == "10.199.1.2");
    ensure!(endpoint.attributes["vconnector"] == "cmp-1-eno1");
    let linux = find(&outcome, "otep", "cmp-1-otep-vxlan-7")?;
    ensure!(linux.attributes["ports"]["vxlan-remote-10.199.2.2"]["type"] == "vxlan");
    ensure!(linux.attributes["udp_port"] == 8472);
    let switch = find(&outcome, "switch", "switch-net-1")?;
    let port = find(&outcome, "switch_pnic", "switch-net-1-")?;
    ensure!(port.parent.as_ref() == Some(&switch.key));
    ensure!(find(&outcome, "host", "cmp-1")?.attributes["OS"]["ID"] == "debian");

    // Neither host has libvirt: that is a gap with a reason, not an absence of machines.
    let machines = outcome.readings.iter().find(|reading| {
        matches!(&reading.scope, topology::Scope::All { types, .. } if types.iter().any(|name| name.as_str() == "instance"))
    });
    let Coverage::Incomplete { reason } = &machines.context("a reading of machines")?.coverage
    else {
        anyhow::bail!("a host without libvirt was taken for one without machines")
    };
    ensure!(reason.contains("virsh"), "{reason}");
    what_is_gone_goes_and_what_is_unread_is_stale(&lab, outcome)
}

/// A second scan without the bridge, then one in which the host does not answer.
fn what_is_gone_goes_and_what_is_unread_is_stale(lab: &Lab, first: Outcome) -> Result<()> {
    let environment = Environment::new("lab")?;
    let declarations = std::sync::Arc::new(Declarations::embedded()?);
    let mut map = Map::new(
        Profile::new(environment),
        declarations,
        jiff::Timestamp::now(),
    );
    let mut apply = |outcome: Outcome| {
        map.apply(&Batch {
            cause: Cause::Scan("test".into()),
            at: jiff::Timestamp::now(),
            readings: outcome.readings,
        })
    };
    let connectors = |version: &topology::Version| -> Vec<(String, bool)> {
        let objects = version.objects().map(|(_, object)| object);
        objects
            .filter(|object| object.key.object_type.as_str() == "vconnector")
            .map(|object| (object.key.id.to_string(), object.stale.is_some()))
            .collect()
    };
    let before = apply(first)?;
    ensure!(connectors(&before.version).len() == 1);
    lab.compute
        .run("ip link add brq8 type bridge && ip link delete brq7")?;
    let after = apply(lab.scan(&[("cmp-1", "10.199.1.2")])?)?;
    let found = connectors(&after.version);
    ensure!(
        found.len() == 1 && found[0].0.starts_with("cmp-1-brq8-") && !found[0].1,
        "{found:?}"
    );
    // Nobody has this address.
    let unread = apply(lab.scan(&[("cmp-1", "10.199.1.77")])?)?;
    let found = connectors(&unread.version);
    ensure!(
        found.len() == 1 && found[0].0.starts_with("cmp-1-brq8-") && found[0].1,
        "{found:?}"
    );
    Ok(())
}

/// `lldpcli watch` tells of each neighbour as it comes; what is known already is asked for once it watches.
fn wait_for_neighbour(host: &Host) -> Result<()> {
    const WAIT: &str = r#"
        mkfifo /run/heard
        lldpcli -u /run/lldpd.socket watch >/run/heard 2>&1 &
        exec 3</run/heard
        lldpcli -u /run/lldpd.socket show neighbors | grep -q net-1 ||
            while read -r line <&3; do case "$line" in *net-1*) break ;; esac; done
        kill $!"#;
    host.run(&format!("timeout 120 sh -c '{WAIT}'")).map(drop)
}

#[test]
fn strangers_and_impostors_are_refused() -> Result<()> {
    let lab = Lab::start()?;
    let fault = |outcome: &Outcome, host: &str| -> Result<String> {
        let fault = outcome.faults.iter().find(|(at, _)| at == host);
        Ok(fault.with_context(|| format!("{host} was read"))?.1.clone())
    };
    // A host that answers for another, beside one that is right.
    let outcome = lab.scan(&[("cmp-1", "10.199.1.2"), ("cmp-2", "10.199.2.2")])?;
    ensure!(
        fault(&outcome, "cmp-2")?.contains("calls itself 'net-1'"),
        "{:?}",
        outcome.faults
    );
    ensure!(outcome.hosts_read == 1);
    let speaks = outcome.readings.iter().flat_map(|reading| &reading.drafts);
    ensure!(
        !speaks
            .into_iter()
            .any(|draft| draft.key.id.as_str().contains("cmp-2"))
    );
    // A host whose key nobody recorded, then one with another key.
    lab.trust(&["10.199.2.2"], &lab.host_key.public()?)?;
    let outcome = lab.scan(&[("cmp-1", "10.199.1.2")])?;
    ensure!(
        fault(&outcome, "cmp-1")?.contains("is not in"),
        "{:?}",
        outcome.faults
    );
    lab.trust(&["10.199.1.2"], &lab.user_key.public()?)?;
    let outcome = lab.scan(&[("cmp-1", "10.199.1.2")])?;
    ensure!(
        fault(&outcome, "cmp-1")?.contains("another machine answers"),
        "{:?}",
        outcome.faults
    );
    Ok(())
}

#[test]
fn a_host_behind_a_jump_host_is_reached() -> Result<()> {
    let lab = Lab::start()?;
    let mut config = lab.config(&[("net-1", "10.198.0.2")])?;
    // Not reached from here: only cmp-1 has a cable into that network.
    let credentials = lab.credentials()?;
    let direct = config.clone();
    let secrets = credentials.clone();
    let outcome = inside(&lab.scanner, async move || scan(&direct, &secrets).await)?;
    ensure!(outcome.hosts_read == 0);
    let jump = serde_json::json!({"address": "10.199.1.2", "user": "root"});
    config.ssh.as_mut().context("ssh")?.jump = Some(serde_json::from_value(jump)?);
    let outcome = inside(&lab.scanner, async move || {
        scan(&config, &credentials).await
    })?;
    ensure!(outcome.hosts_read == 1, "{:?}", outcome.faults);
    find(&outcome, "host", "net-1")?;
    Ok(())
}

#[test]
fn a_scan_that_hangs_is_cancelled_and_leaves_nothing() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // It takes connections and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let folder = tempfile::tempdir()?;
        let key = Key::make(folder.path(), "key")?;
        let config: Config = serde_json::from_value(serde_json::json!({
            "name": "lab", "facts": {"environment_type": "Hosts"},
            "ssh": {"user": "root", "known_hosts": folder.path().join("none"), "hosts": ["silent"], "connect_seconds": 3600,
                    "addresses": {"silent": {"address": "127.0.0.1", "port": silent.local_addr()?.port()}}},
        }))?;
        let mut credentials = Credentials::default();
        credentials.set(discovery::environment::CredentialName::SshKey, Secret::new(key.private()?));
        let hosts = config.hosts(&credentials)?.context("hosts")?;
        let scan = Scan {
            environment: &config.name,
            tree: &Tree::built_in(),
            sources: &[],
            hosts: Some(&hosts),
            progress: &|_| {},
        };
        let mut request = request(&config);
        request.limits.host_within = Duration::from_secs(3600);
        let (cancel, cancelled) = watch::channel(false);
        let connected = async {
            let session = silent.accept().await;
            cancel.send(true)?;
            anyhow::Ok(session?)
        };
        let (outcome, session) = tokio::join!(scan.run(&request, cancelled), connected);
        drop(session?);
        ensure!(matches!(outcome, Err(Error::Cancelled)));
        Ok(())
    })
}
