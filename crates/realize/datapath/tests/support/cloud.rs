//! Two hosts joined by an underlay, three workloads of one network. Needs root.

use super::lab::{Machine, Namespace, eventually};
use datapath::{Compiler, Counted, Device, SyncReport};
use forwarding::DropReason;
use ipnet::IpNet;
use model::{
    Direction, Family, L4Match, Mac, Mtu, NetworkId, PortId, Remote, RuleId, SecurityGroupId,
    SubnetId, Vni,
};
use plan::{
    Delta, Endpoint, EndpointAddress, Member, Rule, RuleSet, Segment, SetMember, SubnetServices,
    Tunnel, Unit,
};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub const NETWORK: NetworkId = NetworkId(Uuid::from_u128(1));
pub const GROUP: SecurityGroupId = SecurityGroupId(Uuid::from_u128(2));
pub const SUBNET: SubnetId = SubnetId(Uuid::from_u128(3));
pub const HOSTS: [&str; 2] = ["one", "two"];
pub const UNDERLAY: [&str; 2] = ["192.0.2.1", "192.0.2.2"];
/// Workloads 1 and 2 are on the first host, 3 on the second.
pub const HOST_OF: [usize; 3] = [0, 0, 1];

pub fn port(number: usize) -> PortId {
    PortId(Uuid::from_u128(0x10 + number as u128))
}

pub fn mac(number: usize) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, number as u8])
}

pub fn ipv4(number: usize) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number as u8).into()
}

pub fn ipv6(number: usize) -> IpAddr {
    format!("2001:db8::{number}").parse().expect("an address")
}

pub fn rule(number: u128, direction: Direction, family: Family, remote: Remote) -> Rule {
    Rule {
        id: RuleId(Uuid::from_u128(number)),
        direction,
        family,
        protocol: None,
        l4: L4Match::Any,
        remote,
    }
}

/// Neutron's default group: everything out, members in.
pub fn rules() -> Vec<Rule> {
    let members = Remote::Group(GROUP);
    vec![
        rule(1, Direction::Egress, Family::V4, Remote::Any),
        rule(2, Direction::Egress, Family::V6, Remote::Any),
        rule(3, Direction::Ingress, Family::V4, members),
        rule(4, Direction::Ingress, Family::V6, members),
    ]
}

pub fn rule_set(rules: Vec<Rule>) -> Unit {
    Unit::RuleSet(RuleSet {
        group: GROUP,
        stateful: true,
        rules,
    })
}

pub fn member_units(number: usize) -> [Unit; 2] {
    let addresses = vec![ipv4(number), ipv6(number)];
    let prefixes = addresses
        .iter()
        .map(|address| IpNet::from(*address))
        .collect();
    let host = HOSTS[HOST_OF[number - 1]].parse().expect("a host");
    [
        Unit::SetMember(SetMember {
            group: GROUP,
            port: port(number),
            prefixes,
        }),
        Unit::Member(Member {
            network: NETWORK,
            port: port(number),
            host,
            mac: mac(number),
            addresses,
            pairs: Vec::new(),
        }),
    ]
}

pub fn endpoint(number: usize) -> Unit {
    let of = |address| EndpointAddress {
        address,
        subnet: SUBNET,
    };
    Unit::Endpoint(Endpoint {
        port: port(number),
        network: NETWORK,
        device: format!("tap{number}"),
        mac: mac(number),
        admin_up: true,
        port_security: true,
        addresses: vec![of(ipv4(number)), of(ipv6(number))],
        pairs: Vec::new(),
        groups: vec![GROUP],
        dhcp_options: Vec::new(),
    })
}

pub fn segment() -> Unit {
    segment_of(Mtu::DEFAULT)
}

pub fn segment_of(mtu: Mtu) -> Unit {
    let subnet = |cidr: &str| SubnetServices {
        subnet: SUBNET,
        cidr: cidr.parse().expect("a CIDR"),
        gateway: None,
        enable_dhcp: true,
        dns_nameservers: Vec::new(),
        host_routes: Vec::new(),
        ra_mode: None,
        address_mode: None,
    };
    Unit::Segment(Segment {
        network: NETWORK,
        vni: Vni::new(77).expect("a VNI"),
        mtu,
        admin_up: true,
        subnets: vec![subnet("10.0.0.0/24")],
    })
}

pub fn upserts(units: impl IntoIterator<Item = Unit>) -> Delta {
    Delta {
        upserts: units.into_iter().map(Arc::new).collect(),
        deletes: Vec::new(),
    }
}

/// The two hosts with everything plugged and written.
pub struct Cloud {
    pub hosts: Vec<Machine>,
    pub compilers: Vec<Compiler>,
    pub workloads: Vec<Namespace>,
    pub devices: Vec<u32>,
}

impl Cloud {
    pub fn new() -> Self {
        Self::on(UNDERLAY)
    }

    /// With these addresses on the underlay, IPv4 or IPv6.
    pub fn on(underlay: [&'static str; 2]) -> Self {
        let hosts: Vec<_> = HOSTS
            .iter()
            .zip(underlay)
            .map(|(name, address)| Machine::new(name, address))
            .collect();
        // Room for VXLAN over IPv6, which takes 70 bytes.
        hosts[0].namespace.ip(&format!(
            "link add under mtu 1550 type veth peer name under mtu 1550 netns {}",
            hosts[1].namespace.name
        ));
        for (host, address) in hosts.iter().zip(underlay) {
            let (length, more) = match address.contains(':') {
                true => (64, " nodad"),
                false => (24, ""),
            };
            host.namespace
                .ip(&format!("address add {address}/{length} dev under{more}"));
            host.namespace.ip("link set under up");
        }
        let mut cloud = Self {
            compilers: vec![Compiler::default(), Compiler::default()],
            workloads: (1..=3)
                .map(|number| Namespace::new(&format!("w{number}")))
                .collect(),
            devices: Vec::new(),
            hosts,
        };
        for index in 0..2 {
            cloud.plan(index, underlay[1 - index]);
        }
        for number in 1..=3 {
            cloud.plug(number);
        }
        cloud
    }

    fn plan(&mut self, index: usize, tunnel: &str) {
        let mut units = vec![segment(), rule_set(rules())];
        for number in 1..=3 {
            units.extend(member_units(number));
            if HOST_OF[number - 1] == index {
                units.push(endpoint(number));
            }
        }
        units.push(Unit::Tunnel(Tunnel {
            host: HOSTS[1 - index].parse().expect("a host"),
            address: tunnel.parse().expect("an address"),
        }));
        self.apply(index, &upserts(units));
    }

    pub fn apply(&mut self, index: usize, delta: &Delta) -> SyncReport {
        let delta = self.compilers[index].apply(delta);
        self.hosts[index]
            .datapath
            .apply(&delta)
            .expect("the maps take the change")
    }

    pub fn plug(&mut self, number: usize) {
        let index = HOST_OF[number - 1];
        let workload = &self.workloads[number - 1];
        let name = format!("tap{number}");
        let ifindex = self.hosts[index].plug(workload, &name, &mac(number).to_string(), 1450);
        let delta = self.compilers[index].plug(port(number), Device { ifindex });
        self.hosts[index]
            .datapath
            .apply(&delta)
            .expect("the maps take the port");
        workload.ip(&format!("address add {}/24 dev eth0", ipv4(number)));
        workload.ip(&format!("address add {}/64 dev eth0 nodad", ipv6(number)));
        self.devices.push(ifindex);
    }

    pub fn workload(&self, number: usize) -> &Namespace {
        &self.workloads[number - 1]
    }

    pub fn count(&self, number: usize, what: Counted) -> u64 {
        let counters = self.hosts[HOST_OF[number - 1]]
            .datapath
            .counters()
            .expect("counters are read");
        let wanted = counters
            .iter()
            .find(|c| c.port == Some(port(number)) && c.counted == what);
        wanted.map_or(0, |counter| counter.packets)
    }

    pub fn expect_drop(&self, number: usize, reason: DropReason, cause: impl FnOnce()) {
        let before = self.count(number, Counted::Dropped(reason));
        cause();
        eventually(reason.as_str(), || {
            self.count(number, Counted::Dropped(reason)) > before
        });
    }

    pub fn pings(&self, from: usize, to: IpAddr) -> bool {
        let output = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.workload(from).name,
                "ping",
                "-c",
                "2",
                "-i",
                "0.1",
                "-W",
                "2",
            ])
            .arg(to.to_string())
            .output()
            .expect("ping starts");
        output.status.success()
    }
}

/// Sends a megabyte and reads it back: segmentation offload and checksums survive the way.
pub fn talks_tcp(cloud: &Cloud, from: usize, to: usize, address: IpAddr) {
    const SIZE: usize = 1 << 20;
    let listener = cloud
        .workload(to)
        .within(|| TcpListener::bind((address, 5001)).expect("a listener"));
    std::thread::scope(|scope| {
        let server = scope.spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut received = vec![0; SIZE];
            stream.read_exact(&mut received).expect("the client's data");
            stream.write_all(&received).expect("the client reads");
        });
        let echoed = cloud.workload(from).within(|| {
            let target = SocketAddr::new(address, 5001);
            let mut stream =
                TcpStream::connect_timeout(&target, Duration::from_secs(5)).expect("connects");
            stream.write_all(&vec![7; SIZE]).expect("the server reads");
            let mut echoed = vec![0; SIZE];
            stream.read_exact(&mut echoed).expect("the server's data");
            echoed
        });
        assert!(echoed.iter().all(|byte| *byte == 7));
        server.join().expect("the server is done");
    });
}
