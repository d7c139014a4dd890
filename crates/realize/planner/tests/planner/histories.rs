//! Incremental equals from scratch, over random histories of operations on a real store; and what is emitted is
//! exactly the difference between the plans.

use crate::cloud::{Cloud, HOSTS, Op, host};
use model::HostName;
use operations::tables::{Ports, Rules};
use plan::{HostPlan, UnitKey};
use planner::{Edit, PlanDelta, Planner};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use store::{Snapshot, WatchEvent};

fn op() -> impl Strategy<Value = Op> {
    let at = || 0..12_usize;
    let on = || option::weighted(0.8, 0..HOSTS);
    let byte = || 1..9_u8;
    prop_oneof![
        2 => Just(Op::Network),
        1 => (at(), any::<u16>(), any::<bool>()).prop_map(|(n, m, u)| Op::ChangeNetwork(n, m, u)),
        1 => at().prop_map(Op::DeleteNetwork),
        3 => (at(), byte()).prop_map(|(n, b)| Op::Subnet(n, b)),
        1 => (at(), any::<bool>()).prop_map(|(n, d)| Op::ChangeSubnet(n, d)),
        1 => at().prop_map(Op::DeleteSubnet),
        2 => Just(Op::Group),
        1 => (at(), any::<bool>()).prop_map(|(n, s)| Op::ChangeGroup(n, s)),
        1 => at().prop_map(Op::DeleteGroup),
        4 => (at(), option::weighted(0.7, at())).prop_map(|(n, r)| Op::Rule(n, r)),
        2 => at().prop_map(Op::DeleteRule),
        8 => (at(), on(), any::<u8>()).prop_map(|(n, h, g)| Op::Port(n, h, g)),
        4 => (at(), on()).prop_map(|(n, h)| Op::Bind(n, h)),
        3 => (at(), any::<u8>()).prop_map(|(n, g)| Op::Regroup(n, g)),
        2 => (at(), byte()).prop_map(|(n, b)| Op::Pairs(n, b)),
        1 => (at(), any::<bool>()).prop_map(|(n, u)| Op::AdminPort(n, u)),
        1 => (at(), byte()).prop_map(|(n, b)| Op::Rename(n, b)),
        1 => at().prop_map(Op::Acknowledge),
        3 => at().prop_map(Op::DeletePort),
        4 => (0..HOSTS, byte()).prop_map(|(h, b)| Op::Host(h, b)),
        1 => at().prop_map(Op::DeleteHost),
    ]
}

/// A cloud that has something of everything, so that short histories already meet.
fn beginning() -> Vec<Op> {
    let mut ops = vec![Op::Network, Op::Network, Op::Subnet(0, 2), Op::Subnet(1, 4)];
    ops.extend((0..HOSTS).map(|number| Op::Host(number, 20 + number as u8)));
    ops.extend([
        Op::Group,
        Op::Group,
        Op::Rule(0, Some(1)),
        Op::Rule(1, Some(1)),
    ]);
    ops
}

/// The keys of a host's plan, straight from the rows and in no clever way.
fn naive_keys(snapshot: &Snapshot, on: &HostName) -> BTreeSet<UnitKey> {
    let ports: Vec<_> = snapshot
        .scan::<Ports>(())
        .map(|row| row.value.clone())
        .collect();
    let rules: Vec<_> = snapshot
        .scan::<Rules>(())
        .map(|row| row.value.clone())
        .collect();
    let mut keys = BTreeSet::new();
    for mine in ports
        .iter()
        .filter(|port| port.binding.host.as_ref() == Some(on))
    {
        keys.insert(UnitKey::Endpoint(mine.id));
        keys.insert(UnitKey::Segment(mine.network_id));
        for other in ports
            .iter()
            .filter(|port| port.network_id == mine.network_id)
        {
            if let Some(host) = &other.binding.host {
                keys.insert(UnitKey::Member(other.network_id, other.id));
                keys.insert(UnitKey::Tunnel(host.clone()));
            }
        }
        for group in &mine.security_groups {
            keys.insert(UnitKey::RuleSet(*group));
            for rule in rules.iter().filter(|rule| rule.security_group_id == *group) {
                let model::Remote::Group(remote) = rule.remote else {
                    continue;
                };
                for other in ports
                    .iter()
                    .filter(|port| port.security_groups.contains(&remote))
                {
                    if !other.fixed_ips.is_empty() || !other.allowed_address_pairs.is_empty() {
                        keys.insert(UnitKey::SetMember(remote, other.id));
                    }
                }
            }
        }
    }
    keys
}

/// The agents' copies of their plans, which know only what was sent to them.
#[derive(Default)]
struct Copies(BTreeMap<HostName, HostPlan>);

impl Copies {
    /// Applies a delta and checks that each edit does what it says.
    fn apply(&mut self, delta: &PlanDelta) -> Result<(), TestCaseError> {
        for change in &delta.changes {
            prop_assert!(!change.hosts.is_empty());
            for on in change.hosts.iter() {
                let copy = self.0.entry(on.clone()).or_default();
                match &change.edit {
                    Edit::Insert(unit) => {
                        prop_assert_eq!(copy.insert(unit.clone()), None, "{}", change.key);
                    }
                    Edit::Replace(unit) => {
                        let old = copy.insert(unit.clone());
                        prop_assert!(old.is_some_and(|old| old != *unit), "{}", change.key);
                    }
                    Edit::Delete => {
                        prop_assert!(copy.remove(&change.key).is_some(), "{}", change.key);
                    }
                }
            }
        }
        Ok(())
    }

    fn check(&self, planner: &Planner, snapshot: &Snapshot) -> Result<(), TestCaseError> {
        let scratch = Planner::new(snapshot);
        prop_assert_eq!(planner.revision(), snapshot.revision());
        for number in 0..HOSTS {
            let on = host(number);
            let plan = planner.host_plan(&on);
            prop_assert_eq!(&plan, &scratch.host_plan(&on), "{} from scratch", on);
            let copy = self.0.get(&on).cloned().unwrap_or_default();
            prop_assert_eq!(&plan, &copy, "the copy of {}", on);
            let keys: BTreeSet<UnitKey> = plan.iter().map(|(key, _)| key.clone()).collect();
            prop_assert_eq!(keys, naive_keys(snapshot, &on), "the closure of {}", on);
            for (key, unit) in plan.iter() {
                prop_assert!(planner.hosts(key).contains(&on), "{} needs {}", on, key);
                prop_assert_eq!(&unit.key(), key);
                prop_assert!(!planner.explain(key).is_empty(), "{} has a reason", key);
            }
        }
        Ok(())
    }
}

async fn follow(history: Vec<Vec<Op>>, resets: Vec<bool>) -> Result<(), TestCaseError> {
    let mut cloud = Cloud::new();
    let mut every = Planner::new(&cloud.snapshot());
    let mut every_copies = Copies::default();
    // A planner that misses change sets and is reset now and then.
    let mut lazy = Planner::new(&cloud.snapshot());
    let mut lazy_copies = Copies::default();
    cloud.run(&beginning()).await;
    for (ops, reset) in history.iter().zip(resets.iter().cycle()) {
        cloud.run(ops).await;
        for event in cloud.events().await {
            let WatchEvent::Changes(changes) = event else {
                panic!("so short a history is kept");
            };
            let targets: Vec<_> = (0..HOSTS).map(|h| every.target(&host(h))).collect();
            let delta = every.apply(&changes);
            every_copies.apply(&delta)?;
            for (number, before) in targets.into_iter().enumerate() {
                let concerned = delta
                    .changes
                    .iter()
                    .any(|c| c.hosts.contains(&host(number)));
                let known = every.target(&host(number)) == changes.revision;
                prop_assert!(known || !concerned && every.target(&host(number)) >= before);
            }
        }
        every_copies.check(&every, &cloud.snapshot())?;
        if *reset {
            lazy_copies.apply(&lazy.reset(&cloud.snapshot()))?;
            lazy_copies.check(&lazy, &cloud.snapshot())?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn incremental_equals_from_scratch(
        history in vec(vec(op(), 1..5), 1..40),
        resets in vec(prop::bool::weighted(0.3), 5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(follow(history, resets))?;
    }
}
