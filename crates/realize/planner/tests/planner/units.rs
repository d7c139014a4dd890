//! What units say, and who gets them, one case at a time.

use crate::cloud::{Cloud, Op, allow_from, host, port_named};
use model::{Family, Mac, NetworkId, PortId, SecurityGroupId};
use operations::networks::NewNetwork;
use operations::ports::{AddressPairRequest, FixedIpRequest, NewPort, PortChanges};
use operations::security_groups::NewSecurityGroup;
use operations::subnets::NewSubnet;
use operations::tables::{BY_ID, Ports};
use operations::{Expect, OpError};
use operations::{networks, ports, rules, security_groups, subnets};
use plan::{Unit, UnitKey};
use planner::{Edit, PlanDelta, Planner, UnitChange};
use std::collections::BTreeSet;
use store::WatchEvent;

/// A network with a subnet, a group that allows itself, three hosts; no ports.
struct Scene {
    cloud: Cloud,
    planner: Planner,
    network: NetworkId,
    group: SecurityGroupId,
}

impl Scene {
    async fn new() -> Self {
        let mut cloud = Cloud::new();
        for number in 0..3 {
            cloud.run(&[Op::Host(number, number as u8 + 1)]).await;
        }
        let (network, group) = cloud
            .transact(|tx, ctx| {
                let network = networks::create(tx, ctx, NewNetwork::default())?.id;
                let cidr = "10.0.0.0/24".parse().expect("a prefix");
                subnets::create(tx, ctx, NewSubnet::new(network, cidr))?;
                let new = NewSecurityGroup {
                    name: "web".into(),
                    ..NewSecurityGroup::default()
                };
                let group = security_groups::create(tx, ctx, new)?.id;
                rules::create(tx, ctx, allow_from(group, Some(group)))?;
                Ok((network, group))
            })
            .await
            .expect("a scene");
        cloud.events().await;
        let planner = Planner::new(&cloud.snapshot());
        Self {
            cloud,
            planner,
            network,
            group,
        }
    }

    fn new_port(&self, name: &str, address: &str, on: Option<usize>) -> NewPort {
        let address = address.parse().expect("an address");
        NewPort {
            name: name.into(),
            host: on.map(host),
            fixed_ips: Some(vec![FixedIpRequest::Address(address)]),
            security_groups: Some(BTreeSet::from([self.group])),
            ..NewPort::new(self.network)
        }
    }

    async fn port(&mut self, name: &str, address: &str, on: Option<usize>) -> (PortId, PlanDelta) {
        let new = self.new_port(name, address, on);
        let create =
            |tx: &mut store::Tx, ctx: &operations::Context| ports::create(tx, ctx, new.clone());
        self.cloud.transact(create).await.expect("a port");
        let delta = self.delta().await;
        (port_named(&self.cloud.snapshot(), name), delta)
    }

    async fn update(&mut self, port: PortId, changes: PortChanges) -> PlanDelta {
        let update = |tx: &mut store::Tx, ctx: &operations::Context| -> Result<_, OpError> {
            ports::update(tx, ctx, port, Expect::default(), changes.clone())
        };
        self.cloud.transact(update).await.expect("a change");
        self.delta().await
    }

    /// What the one transaction since the last call did.
    async fn delta(&mut self) -> PlanDelta {
        let events = self.cloud.events().await;
        let [WatchEvent::Changes(changes)] = events.as_slice() else {
            panic!("one change set, not {events:?}");
        };
        self.planner.apply(changes)
    }
}

/// `verb kind [port] on hosts`, sorted; ports by name.
fn tell(scene: &Scene, delta: &PlanDelta) -> Vec<String> {
    assert_eq!(delta.revision, scene.planner.revision());
    assert!(delta.changes.is_sorted_by(|a, b| a.key <= b.key));
    let name = |id: &PortId| {
        let rows = scene.cloud.snapshot();
        let found = rows.lookup::<Ports>(BY_ID, &id.to_string()).next();
        found.map_or_else(|| "gone".to_owned(), |row| row.value.meta.name.clone())
    };
    let line = |change: &UnitChange| {
        let verb = match &change.edit {
            Edit::Insert(_) => "insert",
            Edit::Replace(_) => "replace",
            Edit::Delete => "delete",
        };
        let kind = match &change.key {
            UnitKey::Tunnel(to) => format!("tunnel {to}"),
            UnitKey::SetMember(_, port) => format!("set-member {}", name(port)),
            UnitKey::RuleSet(_) => "rule-set".to_owned(),
            UnitKey::Segment(_) => "segment".to_owned(),
            UnitKey::Member(_, port) => format!("member {}", name(port)),
            UnitKey::Endpoint(port) => format!("endpoint {}", name(port)),
        };
        let hosts: Vec<_> = change.hosts.iter().map(|name| name.as_str()).collect();
        format!("{verb} {kind} on {}", hosts.join(" "))
    };
    let mut lines: Vec<String> = delta.changes.iter().map(line).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_port_brings_its_closure_and_takes_it_along() {
    let mut scene = Scene::new().await;
    let (first, delta) = scene.port("first", "10.0.0.5", Some(0)).await;
    assert_eq!(
        tell(&scene, &delta),
        [
            "insert endpoint first on h0",
            "insert member first on h0",
            "insert rule-set on h0",
            "insert segment on h0",
            "insert set-member first on h0",
            "insert tunnel h0 on h0",
        ]
    );
    let (second, delta) = scene.port("second", "10.0.0.6", Some(1)).await;
    assert_eq!(
        tell(&scene, &delta),
        [
            "insert endpoint second on h1",
            "insert member first on h1",
            "insert member second on h0 h1",
            "insert rule-set on h1",
            "insert segment on h1",
            "insert set-member first on h1",
            "insert set-member second on h0 h1",
            "insert tunnel h0 on h1",
            "insert tunnel h1 on h0 h1",
        ]
    );
    let unbind = PortChanges {
        host: Some(None),
        ..PortChanges::default()
    };
    let delta = scene.update(second, unbind).await;
    assert_eq!(
        tell(&scene, &delta),
        [
            "delete endpoint second on h1",
            "delete member first on h1",
            "delete member second on h0 h1",
            "delete rule-set on h1",
            "delete segment on h1",
            "delete set-member first on h1",
            // And not on h0: an unbound port keeps its place in its groups.
            "delete set-member second on h1",
            "delete tunnel h0 on h1",
            "delete tunnel h1 on h0 h1",
        ]
    );
    assert_eq!(scene.planner.host_of(first), Some(&host(0)));
    assert_eq!(scene.planner.host_of(second), None);
}

#[tokio::test]
async fn a_moved_port_moves_its_closure() {
    let mut scene = Scene::new().await;
    let (port, _) = scene.port("port", "10.0.0.5", Some(0)).await;
    let rebind = PortChanges {
        host: Some(Some(host(2))),
        ..PortChanges::default()
    };
    let delta = scene.update(port, rebind).await;
    assert!(scene.planner.host_plan(&host(0)).is_empty());
    assert_eq!(scene.planner.host_plan(&host(2)).len(), 6);
    assert_eq!(delta.for_host(&host(0)).deletes.len(), 6);
    assert_eq!(delta.for_host(&host(2)).upserts.len(), 6);
    assert_eq!(scene.planner.target(&host(0)), delta.revision);
    assert!(scene.planner.target(&host(1)) < delta.revision);
}

#[tokio::test]
async fn what_plans_do_not_say_changes_no_plan() {
    let mut scene = Scene::new().await;
    let (port, _) = scene.port("port", "10.0.0.5", Some(0)).await;
    let target = scene.planner.target(&host(0));
    let rename = PortChanges {
        name: Some("another".into()),
        ..PortChanges::default()
    };
    let delta = scene.update(port, rename).await;
    assert_eq!(delta.changes, []);
    scene.cloud.run(&[Op::Acknowledge(0)]).await;
    assert_eq!(scene.delta().await.changes, []);
    assert_eq!(scene.planner.target(&host(0)), target, "nothing to apply");
}

#[tokio::test]
async fn units_say_what_rows_say() {
    let mut scene = Scene::new().await;
    let (port, _) = scene.port("port", "10.0.0.5", Some(0)).await;
    let mac = Mac([2, 0, 0, 0, 0, 9]);
    let changes = PortChanges {
        admin_state_up: Some(false),
        allowed_address_pairs: Some(vec![AddressPairRequest {
            ip_address: "10.0.0.0/24".parse().expect("a prefix"),
            mac_address: Some(mac),
        }]),
        ..PortChanges::default()
    };
    let delta = scene.update(port, changes).await;
    assert_eq!(
        tell(&scene, &delta),
        [
            "replace endpoint port on h0",
            "replace member port on h0",
            "replace set-member port on h0",
        ]
    );
    let plan = scene.planner.host_plan(&host(0));
    let endpoint = plan.endpoint(port).expect("the endpoint");
    assert!(!endpoint.admin_up && endpoint.port_security);
    assert_eq!(endpoint.groups, [scene.group]);
    assert_eq!(endpoint.pairs[0].mac_address, mac);
    assert_eq!(endpoint.device.len(), 14);
    let set: Vec<String> = plan
        .set_members(scene.group)
        .flat_map(|member| &member.prefixes)
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        set,
        ["10.0.0.0/24", "10.0.0.5/32"],
        "host bits of pairs match nothing more"
    );
    let member = plan.member(scene.network, port).expect("the member");
    assert_eq!(
        member.addresses,
        ["10.0.0.5".parse::<std::net::IpAddr>().expect("an address")]
    );
    let segment = plan.segment(scene.network).expect("the segment");
    assert_eq!(segment.subnets.len(), 1);
    assert_eq!(
        plan.tunnel(&host(0))
            .map(|tunnel| tunnel.address.to_string()),
        Some("192.0.2.1".to_owned())
    );
}

#[tokio::test]
async fn an_unbound_port_is_in_its_groups_and_nowhere_else() {
    let mut scene = Scene::new().await;
    scene.port("bound", "10.0.0.5", Some(0)).await;
    let (vip, delta) = scene.port("vip", "10.0.0.9", None).await;
    assert_eq!(tell(&scene, &delta), ["insert set-member vip on h0"]);
    assert_eq!(scene.planner.unit(&UnitKey::Endpoint(vip)), None);
    assert_eq!(
        scene.planner.unit(&UnitKey::Member(scene.network, vip)),
        None
    );
}

#[tokio::test]
async fn a_remote_group_is_sent_where_a_rule_names_it() {
    let mut scene = Scene::new().await;
    scene.port("web", "10.0.0.5", Some(0)).await;
    let other = scene
        .cloud
        .transact(|tx, ctx| {
            let new = NewSecurityGroup {
                name: "clients".into(),
                ..NewSecurityGroup::default()
            };
            let group = security_groups::create(tx, ctx, new)?.id;
            let port = NewPort {
                name: "client".into(),
                host: Some(host(1)),
                security_groups: Some(BTreeSet::from([group])),
                ..NewPort::new(scene.network)
            };
            ports::create(tx, ctx, port)?;
            Ok(group)
        })
        .await
        .expect("a group with a port");
    let delta = scene.delta().await;
    assert!(
        !tell(&scene, &delta)
            .iter()
            .any(|line| line.contains("set-member"))
    );
    let group = scene.group;
    let rule = scene
        .cloud
        .transact(|tx, ctx| rules::create(tx, ctx, allow_from(group, Some(other))))
        .await
        .expect("a rule");
    let delta = scene.delta().await;
    assert_eq!(
        tell(&scene, &delta),
        ["insert set-member client on h0", "replace rule-set on h0"]
    );
    scene
        .cloud
        .transact(|tx, ctx| rules::delete(tx, ctx, rule.id, Expect::default()))
        .await
        .expect("the rule goes");
    let delta = scene.delta().await;
    assert_eq!(
        tell(&scene, &delta),
        ["delete set-member client on h0", "replace rule-set on h0"]
    );
}

#[tokio::test]
async fn explain_names_the_rows() {
    let mut scene = Scene::new().await;
    let (port, _) = scene.port("port", "10.0.0.5", Some(0)).await;
    let tables = |key: &UnitKey| -> Vec<&'static str> {
        scene
            .planner
            .explain(key)
            .iter()
            .map(|row| row.table)
            .collect()
    };
    assert_eq!(tables(&UnitKey::Endpoint(port)), ["ports"]);
    assert_eq!(tables(&UnitKey::SetMember(scene.group, port)), ["ports"]);
    assert_eq!(
        tables(&UnitKey::Segment(scene.network)),
        ["networks", "subnets"]
    );
    assert_eq!(tables(&UnitKey::Tunnel(host(0))), ["hosts"]);
    let rule_set = tables(&UnitKey::RuleSet(scene.group));
    assert_eq!(rule_set[..2], ["security-groups", "security-group-rules"]);
    assert_eq!(tables(&UnitKey::Tunnel(host(3))), [""; 0]);
    let row = &scene.planner.explain(&UnitKey::Endpoint(port))[0];
    assert_eq!(row.path, format!("{}/{port}", scene.network));
    assert_eq!(row.revision, scene.planner.revision());
}

#[tokio::test]
async fn a_new_tunnel_address_is_one_unit() {
    let mut scene = Scene::new().await;
    scene.port("a", "10.0.0.5", Some(0)).await;
    scene.port("b", "10.0.0.6", Some(1)).await;
    scene.cloud.run(&[Op::Host(1, 99)]).await;
    let delta = scene.delta().await;
    assert_eq!(tell(&scene, &delta), ["replace tunnel h1 on h0 h1"]);
    let Edit::Replace(unit) = &delta.changes[0].edit else {
        panic!("a replacement");
    };
    let Unit::Tunnel(tunnel) = unit.as_ref() else {
        panic!("a tunnel");
    };
    assert_eq!(tunnel.address.to_string(), "192.0.2.99");
}

#[tokio::test]
async fn icmp_of_an_ipv6_rule_is_icmpv6() {
    let mut scene = Scene::new().await;
    scene.port("port", "10.0.0.5", Some(0)).await;
    let group = scene.group;
    for protocol in ["icmp", "1"] {
        let rule = scene
            .cloud
            .transact(|tx, ctx| {
                let mut new = allow_from(group, None);
                new.family = Family::V6;
                new.protocol = Some(protocol.parse().expect("a protocol"));
                rules::create(tx, ctx, new)
            })
            .await
            .expect("a rule");
        scene.delta().await;
        let plan = scene.planner.host_plan(&host(0));
        let unit = plan.get(&UnitKey::RuleSet(group)).map(AsRef::as_ref);
        let Some(Unit::RuleSet(set)) = unit else {
            panic!("no rules in {plan:?}");
        };
        let realized = set.rules.iter().find(|realized| realized.id == rule.id);
        let realized = realized.map(|rule| (rule.family, rule.protocol));
        assert_eq!(realized, Some((Family::V6, Some(58))), "{protocol}");
        scene
            .cloud
            .transact(|tx, ctx| rules::delete(tx, ctx, rule.id, Expect::default()))
            .await
            .expect("deleted");
        scene.delta().await;
    }
}
