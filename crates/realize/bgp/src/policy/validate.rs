//! What serde cannot see: references, jumps in circles, values that can never match or must not be set.

use super::{Action, Condition, Policies, PolicyName, Rule, Then};
use std::collections::BTreeSet;
use thiserror::Error;

/// A fault of a set of policies.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    #[error("policy `{policy}` rule {rule}: jumps to `{target}`, which does not exist")]
    UnknownTarget {
        policy: PolicyName,
        rule: usize,
        target: PolicyName,
    },
    #[error("policy `{policy}` rule {rule}: the jump to `{target}` comes back to it")]
    Circle {
        policy: PolicyName,
        rule: usize,
        target: PolicyName,
    },
    #[error(
        "policy `{policy}` rule {rule}: an empty list never matches; name what it should match or drop the condition"
    )]
    EmptyList { policy: PolicyName, rule: usize },
    #[error("policy `{policy}` rule {rule}: the range {min}..={max} is empty")]
    EmptyRange {
        policy: PolicyName,
        rule: usize,
        min: u32,
        max: u32,
    },
    #[error(
        "policy `{policy}` rule {rule}: `{pattern}` has a wildcard; only one community can be set or added"
    )]
    Wildcard {
        policy: PolicyName,
        rule: usize,
        pattern: String,
    },
    #[error("policy `{policy}` rule {rule}: prepends {count} times; 1 to 64 are possible")]
    PrependCount {
        policy: PolicyName,
        rule: usize,
        count: u8,
    },
    #[error("policy `{policy}` rule {rule}: EVPN route type {kind} does not exist; 1 to 6 do")]
    EvpnType {
        policy: PolicyName,
        rule: usize,
        kind: u8,
    },
    #[error("policy `{policy}` rule {rule}: it rejects, so what it sets is lost")]
    SetsAndRejects { policy: PolicyName, rule: usize },
}

impl PolicyError {
    /// The policy, and its rule counted from 1.
    pub const fn place(&self) -> (&PolicyName, usize) {
        match self {
            Self::UnknownTarget { policy, rule, .. }
            | Self::Circle { policy, rule, .. }
            | Self::EmptyList { policy, rule }
            | Self::EmptyRange { policy, rule, .. }
            | Self::Wildcard { policy, rule, .. }
            | Self::PrependCount { policy, rule, .. }
            | Self::EvpnType { policy, rule, .. }
            | Self::SetsAndRejects { policy, rule } => (policy, *rule),
        }
    }
}

impl Policies {
    /// Every fault, rules counted from 1.
    pub fn validate(&self) -> Vec<PolicyError> {
        let mut faults = Vec::new();
        for (name, policy) in &self.0 {
            for (at, rule) in policy.rules.iter().enumerate() {
                self.rule(name, at + 1, rule, &mut faults);
            }
        }
        faults
    }

    fn rule(&self, policy: &PolicyName, rule: usize, of: &Rule, faults: &mut Vec<PolicyError>) {
        let policy = policy.clone();
        if let Then::Jump(target) = &of.then {
            let target = target.clone();
            if !self.0.contains_key(&target) {
                faults.push(PolicyError::UnknownTarget {
                    policy: policy.clone(),
                    rule,
                    target,
                });
            } else if self.reaches(&target, &policy, &mut BTreeSet::new()) {
                faults.push(PolicyError::Circle {
                    policy: policy.clone(),
                    rule,
                    target,
                });
            }
        }
        if of.then == Then::Reject && !of.actions.is_empty() {
            faults.push(PolicyError::SetsAndRejects {
                policy: policy.clone(),
                rule,
            });
        }
        for condition in &of.conditions {
            check_condition(&policy, rule, condition, faults);
        }
        for action in &of.actions {
            check_action(&policy, rule, action, faults);
        }
    }

    fn reaches(&self, from: &PolicyName, to: &PolicyName, seen: &mut BTreeSet<PolicyName>) -> bool {
        if from == to {
            return true;
        }
        if !seen.insert(from.clone()) {
            return false;
        }
        self.0.get(from).is_some_and(|policy| {
            policy
                .rules
                .iter()
                .any(|rule| matches!(&rule.then, Then::Jump(next) if self.reaches(next, to, seen)))
        })
    }
}

fn check_condition(
    policy: &PolicyName,
    rule: usize,
    condition: &Condition,
    faults: &mut Vec<PolicyError>,
) {
    use super::AsPathCondition as Path;
    let policy = policy.clone();
    let (empty, range) = match condition {
        Condition::Prefix(list) => (list.is_empty(), None),
        Condition::Community(list) => (list.is_empty(), None),
        Condition::Extended(list) => (list.is_empty(), None),
        Condition::Large(list) => (list.is_empty(), None),
        Condition::NextHop(list) | Condition::Peer(list) => (list.is_empty(), None),
        Condition::Family(list) => (list.is_empty(), None),
        Condition::RouteDistinguisher(list) => (list.is_empty(), None),
        Condition::PeerAs(list) => (list.is_empty(), None),
        Condition::AsPath(Path::Contains(list) | Path::Origin(list) | Path::Neighbor(list)) => {
            (list.is_empty(), None)
        }
        Condition::AsPath(Path::Length(range))
        | Condition::LocalPref(range)
        | Condition::Med(range) => (false, Some(*range)),
        Condition::EvpnType(list) => {
            for kind in list.iter().copied().filter(|kind| !(1..=6).contains(kind)) {
                let policy = policy.clone();
                faults.push(PolicyError::EvpnType { policy, rule, kind });
            }
            (list.is_empty(), None)
        }
        Condition::Origin(_) | Condition::Local(_) => (false, None),
        Condition::Not(inner) => return check_condition(&policy, rule, inner, faults),
        Condition::Any(list) => {
            for inner in list {
                check_condition(&policy, rule, inner, faults);
            }
            (list.is_empty(), None)
        }
    };
    if empty {
        faults.push(PolicyError::EmptyList {
            policy: policy.clone(),
            rule,
        });
    }
    if let Some(range) = range.filter(|range| range.min > range.max) {
        faults.push(PolicyError::EmptyRange {
            policy,
            rule,
            min: range.min,
            max: range.max,
        });
    }
}

fn check_action(policy: &PolicyName, rule: usize, action: &Action, faults: &mut Vec<PolicyError>) {
    fn wild<P: ToString>(list: &[P], exact: impl Fn(&P) -> bool) -> Vec<String> {
        list.iter()
            .filter(|pattern| !exact(pattern))
            .map(P::to_string)
            .collect()
    }
    let wildcards = match action {
        Action::SetCommunities(list) | Action::AddCommunities(list) => {
            wild(list, |pattern| pattern.exact().is_some())
        }
        Action::SetExtended(list) | Action::AddExtended(list) => {
            wild(list, |pattern| pattern.exact().is_some())
        }
        Action::SetLarge(list) | Action::AddLarge(list) => {
            wild(list, |pattern| pattern.exact().is_some())
        }
        Action::Prepend(prepend) => {
            if !(1..=64).contains(&prepend.count) {
                faults.push(PolicyError::PrependCount {
                    policy: policy.clone(),
                    rule,
                    count: prepend.count,
                });
            }
            return;
        }
        _ => return,
    };
    for pattern in wildcards {
        faults.push(PolicyError::Wildcard {
            policy: policy.clone(),
            rule,
            pattern,
        });
    }
}
