//! Any sequence of requests, sensible or not, leaves rows that agree, and a refused one leaves no trace; the
//! lab checks both after every step.

use crate::lab::{ANY, Cloud, User, parse};
use model::{Network, PortId, PortStatus, SecurityGroupId, Subnet, SubnetId};
use operations::ports::{self, AddressPairRequest, FixedIpRequest, NewPort, PortChanges};
use operations::subnets::{self, NewSubnet};
use operations::tables::{Ports, SecurityGroups, Subnets};
use operations::{hosts, security_groups};
use proptest::prelude::*;
use proptest::sample::Index;

/// Overlapping and distinct, tiny and large, some auto-addressed.
const CIDRS: &[(&str, bool)] = &[
    ("10.0.0.0/29", false),
    ("10.0.0.0/28", false),
    ("10.1.0.0/24", false),
    ("2001:db8:1::/64", false),
    ("2001:db8:2::/64", true),
    ("2001:db8:3::/64", true),
    ("2001:db8:2::/48", false),
];

#[derive(Debug, Clone)]
enum Ip {
    OfSubnet(Index),
    Address(u8),
    V6(u8),
    Exactly(Index, u8),
}

#[derive(Debug, Clone)]
struct PortInput {
    fixed_ips: Option<Vec<Ip>>,
    mac: Option<u8>,
    host: Option<u8>,
    port_security: Option<bool>,
    groups: Option<Vec<Index>>,
    pairs: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Step {
    CreatePort(bool, PortInput),
    UpdatePort(Index, PortInput),
    DeletePort(Index),
    CreateSubnet(bool, usize),
    DeleteSubnet(Index),
    CreateGroup,
    DeleteGroup(Index),
    RegisterHost(u8),
    DeleteHost(u8),
    Report(Index, u8),
}

fn ip() -> impl Strategy<Value = Ip> {
    prop_oneof![
        any::<Index>().prop_map(Ip::OfSubnet),
        (0_u8..18).prop_map(Ip::Address),
        any::<u8>().prop_map(Ip::V6),
        (any::<Index>(), 0_u8..18).prop_map(|(subnet, last)| Ip::Exactly(subnet, last)),
    ]
}

prop_compose! {
    fn port_input()(
        fixed_ips in prop::option::of(prop::collection::vec(ip(), 0..4)),
        mac in prop::option::weighted(0.3, 0_u8..6),
        host in prop::option::weighted(0.3, 0_u8..4),
        port_security in prop::option::weighted(0.3, any::<bool>()),
        groups in prop::option::weighted(0.3, prop::collection::vec(any::<Index>(), 0..3)),
        pairs in prop::collection::vec(0_u8..4, 0..2),
    ) -> PortInput {
        PortInput { fixed_ips, mac, host, port_security, groups, pairs }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<bool>(), port_input()).prop_map(|(on, input)| Step::CreatePort(on, input)),
        6 => (any::<Index>(), port_input()).prop_map(|(port, input)| Step::UpdatePort(port, input)),
        3 => any::<Index>().prop_map(Step::DeletePort),
        3 => (any::<bool>(), 0..CIDRS.len()).prop_map(|(on, cidr)| Step::CreateSubnet(on, cidr)),
        1 => any::<Index>().prop_map(Step::DeleteSubnet),
        1 => Just(Step::CreateGroup),
        1 => any::<Index>().prop_map(Step::DeleteGroup),
        2 => (0_u8..3).prop_map(Step::RegisterHost),
        1 => (0_u8..3).prop_map(Step::DeleteHost),
        2 => (any::<Index>(), 0_u8..3).prop_map(|(port, host)| Step::Report(port, host)),
    ]
}

/// The cloud as the steps see it: what there is to pick from.
struct Scene<'a> {
    user: User<'a>,
    networks: [Network; 2],
}

impl Scene<'_> {
    fn subnets(&self) -> Vec<Subnet> {
        let snapshot = self.user.cloud.snapshot();
        snapshot
            .scan::<Subnets>(())
            .map(|row| row.value.clone())
            .collect()
    }

    fn pick_port(&self, index: &Index) -> Option<PortId> {
        let snapshot = self.user.cloud.snapshot();
        let ports: Vec<_> = snapshot.scan::<Ports>(()).map(|row| row.value.id).collect();
        (!ports.is_empty()).then(|| *index.get(&ports))
    }

    fn pick_group(&self, index: &Index) -> Option<SecurityGroupId> {
        let snapshot = self.user.cloud.snapshot();
        let groups: Vec<_> = snapshot
            .scan::<SecurityGroups>(())
            .map(|row| row.key)
            .collect();
        (!groups.is_empty()).then(|| *index.get(&groups))
    }

    fn pick_subnet(&self, index: &Index) -> SubnetId {
        let subnets = self.subnets();
        match subnets.is_empty() {
            true => parse("00000000-0000-0000-0000-00000000000f"),
            false => index.get(&subnets).id,
        }
    }

    fn fixed_ip(&self, ip: &Ip) -> FixedIpRequest {
        match ip {
            Ip::OfSubnet(index) => FixedIpRequest::OfSubnet(self.pick_subnet(index)),
            Ip::Address(last) => FixedIpRequest::Address([10, 0, 0, *last].into()),
            Ip::V6(last) => FixedIpRequest::Address(parse(&format!("2001:db8:1::{last:x}"))),
            Ip::Exactly(index, last) => FixedIpRequest::Exactly(model::FixedIp {
                subnet_id: self.pick_subnet(index),
                ip_address: [10, 0, 0, *last].into(),
            }),
        }
    }

    fn changes(&self, input: &PortInput) -> PortChanges {
        let groups = input.groups.as_ref();
        PortChanges {
            fixed_ips: input
                .fixed_ips
                .as_ref()
                .map(|ips| ips.iter().map(|ip| self.fixed_ip(ip)).collect()),
            mac_address: input.mac.map(|n| model::Mac([0xfa, 0x16, 0x3e, 0, 0, n])),
            host: input.host.map(|n| (n < 3).then(|| parse(&format!("h{n}")))),
            port_security_enabled: input.port_security,
            security_groups: groups
                .map(|groups| groups.iter().filter_map(|g| self.pick_group(g)).collect()),
            allowed_address_pairs: (!input.pairs.is_empty()).then(|| pairs(&input.pairs)),
            ..PortChanges::default()
        }
    }

    fn new_port(&self, network: &Network, input: &PortInput) -> NewPort {
        let given = self.changes(input);
        NewPort {
            fixed_ips: given.fixed_ips,
            mac_address: given.mac_address,
            host: given.host.flatten(),
            port_security_enabled: given.port_security_enabled,
            security_groups: given.security_groups,
            allowed_address_pairs: given.allowed_address_pairs.unwrap_or_default(),
            ..NewPort::new(network.id)
        }
    }

    /// Runs the step; whether it is refused is its own business.
    fn run(&self, step: &Step) {
        let user = self.user;
        let network = |second: bool| &self.networks[usize::from(second)];
        match step {
            Step::CreatePort(on, input) => {
                let _ = user.new_port(self.new_port(network(*on), input));
            }
            Step::UpdatePort(port, input) => {
                if let Some(id) = self.pick_port(port) {
                    let changes = self.changes(input);
                    let _ = user.run(|tx, ctx| ports::update(tx, ctx, id, ANY, changes.clone()));
                }
            }
            Step::DeletePort(port) => {
                if let Some(id) = self.pick_port(port) {
                    user.run(|tx, _| ports::delete(tx, id, ANY))
                        .expect("a port goes");
                }
            }
            Step::CreateSubnet(on, cidr) => {
                let (cidr, automatic) = CIDRS[*cidr];
                let mode = automatic.then_some(model::Ipv6Mode::Slaac);
                let _ = user.new_subnet(NewSubnet {
                    ipv6_ra_mode: mode,
                    ipv6_address_mode: mode,
                    ..NewSubnet::new(network(*on).id, parse(cidr))
                });
            }
            Step::DeleteSubnet(subnet) => {
                let id = self.pick_subnet(subnet);
                let _ = user.run(|tx, ctx| subnets::delete(tx, ctx, id, ANY));
            }
            Step::CreateGroup => {
                user.group("web");
            }
            Step::DeleteGroup(group) => {
                if let Some(id) = self.pick_group(group) {
                    let _ = user.run(|tx, ctx| security_groups::delete(tx, ctx, id, ANY));
                }
            }
            Step::RegisterHost(n) => {
                user.host(&format!("h{n}"), &format!("192.0.2.{n}"));
            }
            Step::DeleteHost(n) => {
                let name = parse(&format!("h{n}"));
                let _ = user.run(|tx, _| hosts::delete(tx, &name));
            }
            Step::Report(port, n) => {
                if let Some(id) = self.pick_port(port) {
                    let reports = [(id, parse(&format!("h{n}")), PortStatus::Active)];
                    user.run(|tx, ctx| Ok(ports::report(tx, ctx.now, &reports)))
                        .expect("a report is never refused as a whole");
                }
            }
        }
    }
}

fn pairs(numbers: &[u8]) -> Vec<AddressPairRequest> {
    let pair = |n: &u8| AddressPairRequest {
        ip_address: parse(&format!("10.9.{n}.0/24")),
        mac_address: None,
    };
    numbers.iter().map(pair).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_sequence_of_requests_leaves_rows_that_agree(
        seed: u64,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let cloud = Cloud::in_memory(seed);
        let user = cloud.admin();
        let scene = Scene { user, networks: [user.network(), user.network()] };
        for step in &steps {
            scene.run(step);
        }
    }
}
