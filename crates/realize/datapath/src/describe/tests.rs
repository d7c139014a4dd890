use crate::rows::{self, Place};
use crate::tables::{Map, Tables};
use crate::{Device, Devices, compile};
use ipnet::IpNet;
use model::{
    AddressPair, Direction, Family, IcmpMatch, L4Match, Mac, Mtu, NetworkId, PortId, PortRange,
    Remote, RuleId, SecurityGroupId, SubnetId, Vni,
};
use plan::{
    Delta, Endpoint, EndpointAddress, HostPlan, Member, Rule, RuleSet, Segment, SetMember,
    SubnetServices, Tunnel, Unit,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

const NETWORK: NetworkId = NetworkId(Uuid::from_u128(1));
const GROUP: SecurityGroupId = SecurityGroupId(Uuid::from_u128(2));
const SUBNET: SubnetId = SubnetId(Uuid::from_u128(3));
const PORT: PortId = PortId(Uuid::from_u128(4));
const ELSEWHERE: PortId = PortId(Uuid::from_u128(5));
const MAC: Mac = Mac([0xfa, 0x16, 0x3e, 0, 0, 1]);

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

fn rule(number: u128, direction: Direction, l4: L4Match, remote: Remote) -> Rule {
    Rule {
        id: RuleId(Uuid::from_u128(number)),
        direction,
        family: Family::V4,
        protocol: match l4 {
            L4Match::Any => None,
            L4Match::Ports(_) => Some(6),
            L4Match::Icmp(_) => Some(1),
        },
        l4,
        remote,
    }
}

fn rule_set() -> Unit {
    let icmp = |kind, code| L4Match::Icmp(IcmpMatch { kind, code });
    let ssh = L4Match::Ports(PortRange { min: 22, max: 23 });
    let (inward, outward) = (Direction::Ingress, Direction::Egress);
    let prefix = |text| Remote::Prefix(net(text));
    Unit::RuleSet(RuleSet {
        group: GROUP,
        stateful: true,
        rules: vec![
            rule(1, inward, ssh, prefix("10.0.0.0/8")),
            rule(2, inward, icmp(8, None), Remote::Group(GROUP)),
            rule(3, inward, icmp(3, Some(4)), Remote::Any),
            rule(4, outward, L4Match::Any, prefix("2001:db8::/32")),
        ],
    })
}

fn segment() -> Unit {
    Unit::Segment(Segment {
        network: NETWORK,
        vni: Vni::new(77).expect("a VNI"),
        mtu: Mtu::DEFAULT,
        admin_up: true,
        subnets: vec![SubnetServices {
            subnet: SUBNET,
            cidr: net("10.0.0.0/24"),
            gateway: Some(net("10.0.0.254/32").addr()),
            enable_dhcp: true,
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            ra_mode: None,
            address_mode: None,
        }],
    })
}

fn member(port: PortId, host: &str, last: u8, pairs: Vec<AddressPair>) -> Unit {
    Unit::Member(Member {
        network: NETWORK,
        port,
        host: host.parse().expect("a host"),
        mac: Mac([0xfa, 0x16, 0x3e, 0, 0, last]),
        addresses: vec![net(&format!("10.0.0.{last}/32")).addr()],
        pairs,
    })
}

/// A plan with rows in every map: a port here, one on the host "two".
fn tables() -> Tables {
    let pair = AddressPair {
        ip_address: net("10.0.9.0/24"),
        mac_address: Mac([2, 0, 0, 0, 0, 9]),
    };
    let units = [
        Unit::Tunnel(Tunnel {
            host: "two".parse().expect("a host"),
            address: net("192.0.2.2/32").addr(),
        }),
        Unit::SetMember(SetMember {
            group: GROUP,
            port: ELSEWHERE,
            prefixes: vec![net("10.0.0.2/32"), net("10.1.0.0/16"), net("2001:db8::/64")],
        }),
        rule_set(),
        segment(),
        member(PORT, "one", 1, vec![pair]),
        member(ELSEWHERE, "two", 2, Vec::new()),
        Unit::Endpoint(Endpoint {
            port: PORT,
            network: NETWORK,
            device: "tap1".into(),
            mac: MAC,
            admin_up: true,
            port_security: true,
            addresses: vec![EndpointAddress {
                address: net("10.0.0.1/32").addr(),
                subnet: SUBNET,
            }],
            pairs: vec![pair],
            groups: vec![GROUP],
            dhcp_options: Vec::new(),
        }),
    ];
    let mut plan = HostPlan::default();
    plan.apply(&Delta {
        upserts: units.into_iter().map(Arc::new).collect(),
        deletes: Vec::new(),
    });
    compile(&plan, &Devices::from([(PORT, Device { ifindex: 5 })]))
}

#[test]
fn every_row_of_every_map_has_fields_of_its_own() {
    let tables = tables();
    let maps: BTreeSet<Map> = tables.iter().map(|(row, _)| row.map).collect();
    assert_eq!(maps, Map::ALL.into(), "the plan uses every map");
    let lines = tables.describe();
    for line in &lines {
        let fields = line.split_once(' ').expect("a map's name").1;
        for side in fields.split(" = ") {
            assert!(side.contains('='), "raw bytes: {line}");
        }
        assert!(!line.contains("unknown"), "{line}");
    }
    let distinct: BTreeSet<&String> = lines.iter().collect();
    assert_eq!(distinct.len(), lines.len());
}

#[test]
fn fields_have_their_values() {
    let lines = tables().describe();
    let group = GROUP.to_string();
    for expected in [
        "vteps address=192.0.2.2".to_owned(),
        format!("set_addresses group={group} address=10.0.0.2"),
        format!("set_prefixes4 group={group} prefix=10.1.0.0/16"),
        format!("set_prefixes6 group={group} prefix=2001:db8::/64"),
        format!(
            "rules group={group} direction=ingress chunk=0 = stateful=true \
             [family=IPv4 protocol=6 ports=22-23 remote=10.0.0.0/8] \
             [family=IPv4 protocol=1 icmp_type=8 remote=group:{group}] \
             [family=IPv4 protocol=1 icmp_type=3 icmp_code=4 remote=any]"
        ),
        format!(
            "rules group={group} direction=egress chunk=0 = stateful=true \
             [family=nothing protocol=any remote=any]"
        ),
        "networks vni=77 = mtu=1450 flags=up,dhcpv4".into(),
        "members vni=77 mac=fa:16:3e:00:00:01 = kind=local ifindex=5".into(),
        "members vni=77 mac=fa:16:3e:00:00:02 = kind=remote host=192.0.2.2".into(),
        "members vni=77 mac=02:00:00:00:00:09 = kind=pair".into(),
        "neighbours vni=77 address=10.0.0.1 = mac=fa:16:3e:00:00:01 of=member".into(),
        "pair_prefixes vni=77 prefix=10.0.9.0/24".into(),
        "flood vni=77 after=head = next=ifindex:5".into(),
        "flood vni=77 after=host:192.0.2.2 = next=end".into(),
        "sources ifindex=5 mac=fa:16:3e:00:00:01 = allows=mac".into(),
        "sources ifindex=5 mac=fa:16:3e:00:00:01 prefix=10.0.0.1/32 = allows=address".into(),
        format!("port_groups ifindex=5 slot=0 = group={group}"),
        format!("ports ifindex=5 = port={PORT} vni=77 flags=up,security"),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in {lines:#?}");
    }
}

/// A row that differs in one byte never looks the same, whether that byte means anything or not.
#[test]
fn damage_is_shown() {
    let tables = tables();
    for (row, value) in tables.iter() {
        let mut intact = Tables::default();
        intact.insert(row.clone(), value.into());
        for at in 0..value.len() {
            let mut damaged = value.to_vec();
            damaged[at] ^= 0x80;
            let mut other = Tables::default();
            other.insert(row.clone(), damaged.into());
            assert_ne!(intact.describe(), other.describe(), "byte {at} of {row:?}");
            assert_eq!(intact.describe_missing_in(&other), intact.describe());
        }
    }
    assert!(tables.describe_missing_in(&tables).is_empty());
}

#[test]
fn a_host_without_a_tunnel_is_named_so() {
    let mut tables = Tables::default();
    let (row, value) = rows::member(Vni::new(1).expect("a VNI"), MAC, Place::Remote(7));
    tables.insert(row, value);
    assert_eq!(
        tables.describe(),
        ["members vni=1 mac=fa:16:3e:00:00:01 = kind=remote host=unknown:0000000000000007"]
    );
}
