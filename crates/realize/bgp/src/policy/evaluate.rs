//! What a policy makes of a route.

use super::{
    Action, AsPathCondition, Condition, Policies, Policy, PolicyName, Prepend, Rule, Then, Verdict,
};
use crate::Asn;
use crate::attribute::{Attributes, NextHop};
use crate::nlri::Nlri;
use std::borrow::Cow;
use std::net::IpAddr;

/// A route as policy sees it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub nlri: &'a Nlri,
    pub attributes: &'a Attributes,
    /// The peer it came from (import) or goes to (export); none for a route originated here that is being imported.
    pub source: Source,
    /// Prepended where a rule names no AS.
    pub own_as: Asn,
}

/// The other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub address: Option<IpAddr>,
    pub asn: Asn,
    /// The route was originated here.
    pub local: bool,
}

/// What a policy decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<'a> {
    pub verdict: Verdict,
    /// Borrowed if no rule changed anything.
    pub attributes: Cow<'a, Attributes>,
    /// Set by a rule, else 0.
    pub weight: u16,
    /// A rule set MED; on export it is sent whatever the default would be.
    pub med_set: bool,
    /// A rule set the next hop; likewise.
    pub next_hop_set: bool,
    /// The rules that acted, as (policy, rule counted from 1), in order: what `explain` shows.
    pub trace: Vec<(PolicyName, usize)>,
}

impl<'a> Outcome<'a> {
    /// Accepted as it is.
    pub const fn unchanged(attributes: &'a Attributes) -> Self {
        Self {
            verdict: Verdict::Accept,
            attributes: Cow::Borrowed(attributes),
            weight: 0,
            med_set: false,
            next_hop_set: false,
            trace: Vec::new(),
        }
    }
}

impl Policies {
    /// Runs the policy of this name. One that does not exist rejects everything: a typing error must not open a door.
    pub fn evaluate<'a>(&self, name: &PolicyName, subject: &Subject<'a>) -> Outcome<'a> {
        let mut run = Run {
            subject: *subject,
            outcome: Outcome {
                verdict: Verdict::Reject,
                ..Outcome::unchanged(subject.attributes)
            },
        };
        let mut next = Some(name.clone());
        // A jump goes to a policy not yet run, unless there is a circle, which validation refuses.
        for _ in 0..=self.0.len() {
            let Some(name) = next.take() else { break };
            let Some(policy) = self.0.get(&name) else {
                run.outcome.verdict = Verdict::Reject;
                break;
            };
            next = run.policy(&name, policy);
        }
        run.outcome
    }

    /// Whether the outcome depends on more than attributes and peer, so that each route must be asked about.
    pub fn depends_on_route(&self, name: &PolicyName) -> bool {
        self.some_condition(name, self.0.len(), &|condition| {
            matches!(
                condition,
                Condition::Prefix(_)
                    | Condition::Family(_)
                    | Condition::EvpnType(_)
                    | Condition::RouteDistinguisher(_)
            )
        })
    }

    /// Whether the outcome depends on which peer is on the other side, so that export groups cannot be shared.
    pub fn depends_on_peer(&self, name: &PolicyName) -> bool {
        self.some_condition(name, self.0.len(), &|condition| {
            matches!(condition, Condition::Peer(_) | Condition::PeerAs(_))
        })
    }

    fn some_condition(
        &self,
        name: &PolicyName,
        depth: usize,
        holds: &impl Fn(&Condition) -> bool,
    ) -> bool {
        fn within(condition: &Condition, holds: &impl Fn(&Condition) -> bool) -> bool {
            match condition {
                Condition::Not(inner) => within(inner, holds),
                Condition::Any(list) => list.iter().any(|inner| within(inner, holds)),
                other => holds(other),
            }
        }
        let Some(policy) = self.0.get(name) else {
            return false;
        };
        policy.rules.iter().any(|rule| {
            let here = rule.conditions.iter().any(|c| within(c, holds));
            let there = match &rule.then {
                Then::Jump(next) if depth > 0 => self.some_condition(next, depth - 1, holds),
                _ => false,
            };
            here || there
        })
    }

    /// Whether two sets of policies say the same for this name.
    pub fn same(&self, other: &Self, name: &PolicyName) -> bool {
        fn reached<'p>(
            of: &'p Policies,
            name: &PolicyName,
            into: &mut Vec<(PolicyName, Option<&'p Policy>)>,
        ) {
            if into.iter().any(|(seen, _)| seen == name) {
                return;
            }
            let policy = of.0.get(name);
            into.push((name.clone(), policy));
            for rule in policy.iter().flat_map(|policy| &policy.rules) {
                if let Then::Jump(next) = &rule.then {
                    reached(of, next, into);
                }
            }
        }
        let (mut here, mut there) = (Vec::new(), Vec::new());
        reached(self, name, &mut here);
        reached(other, name, &mut there);
        here == there
    }
}

struct Run<'a> {
    subject: Subject<'a>,
    outcome: Outcome<'a>,
}

impl Run<'_> {
    /// The policy to go on with, if there is one.
    fn policy(&mut self, name: &PolicyName, policy: &Policy) -> Option<PolicyName> {
        self.outcome.verdict = policy.default;
        for (at, rule) in policy.rules.iter().enumerate() {
            if !self.matches(rule) {
                continue;
            }
            self.outcome.trace.push((name.clone(), at + 1));
            rule.actions.iter().for_each(|action| self.act(action));
            match &rule.then {
                Then::Next => {}
                Then::Accept => {
                    self.outcome.verdict = Verdict::Accept;
                    return None;
                }
                Then::Reject => {
                    self.outcome.verdict = Verdict::Reject;
                    return None;
                }
                Then::Jump(next) => return Some(next.clone()),
            }
        }
        None
    }

    fn matches(&self, rule: &Rule) -> bool {
        rule.conditions
            .iter()
            .all(|condition| self.holds(condition))
    }

    fn holds(&self, condition: &Condition) -> bool {
        let Subject { nlri, source, .. } = self.subject;
        let attributes = &*self.outcome.attributes;
        match condition {
            Condition::Prefix(ranges) => nlri
                .prefix()
                .is_some_and(|prefix| ranges.iter().any(|range| range.contains(&prefix))),
            Condition::Community(patterns) => {
                any_pair(patterns, &attributes.communities, |p, c| p.matches(*c))
            }
            Condition::Extended(patterns) => {
                any_pair(patterns, &attributes.extended, |p, c| p.matches(*c))
            }
            Condition::Large(patterns) => {
                any_pair(patterns, &attributes.large, |p, c| p.matches(*c))
            }
            Condition::AsPath(question) => as_path(question, attributes),
            Condition::NextHop(nets) => attributes
                .next_hop
                .is_some_and(|hop| nets.iter().any(|net| net.contains(&hop.address()))),
            Condition::LocalPref(range) => range.contains(attributes.local_pref.unwrap_or(100)),
            Condition::Med(range) => range.contains(attributes.med.unwrap_or(0)),
            Condition::Origin(origin) => attributes.origin == *origin,
            Condition::Family(families) => families.contains(&nlri.family()),
            Condition::EvpnType(kinds) => evpn_type(nlri).is_some_and(|kind| kinds.contains(&kind)),
            Condition::RouteDistinguisher(wanted) => nlri
                .route_distinguisher()
                .is_some_and(|rd| wanted.contains(&rd)),
            Condition::Peer(nets) => source
                .address
                .is_some_and(|address| nets.iter().any(|net| net.contains(&address))),
            Condition::PeerAs(asns) => asns.contains(&source.asn),
            Condition::Local(local) => source.local == *local,
            Condition::Not(inner) => !self.holds(inner),
            Condition::Any(list) => list.iter().any(|inner| self.holds(inner)),
        }
    }

    fn act(&mut self, action: &Action) {
        let own = self.subject.own_as;
        self.outcome.med_set |= matches!(action, Action::Med(_) | Action::ClearMed);
        self.outcome.next_hop_set |= matches!(action, Action::NextHop(_));
        if let Action::Weight(weight) = action {
            self.outcome.weight = *weight;
            return;
        }
        let attributes = self.outcome.attributes.to_mut();
        match action {
            Action::LocalPref(value) => attributes.local_pref = Some(*value),
            Action::Med(value) => attributes.med = Some(*value),
            Action::ClearMed => attributes.med = None,
            Action::Origin(origin) => attributes.origin = *origin,
            Action::NextHop(address) => attributes.next_hop = Some(next_hop(*address)),
            Action::Weight(_) => {}
            Action::Prepend(Prepend { asn, count }) => {
                let asn = asn.unwrap_or(own);
                attributes.as_path = attributes.as_path.prepended(asn, usize::from(*count));
            }
            Action::SetCommunities(list) => {
                attributes.communities = list.iter().filter_map(|p| p.exact()).collect();
            }
            Action::AddCommunities(list) => add(&mut attributes.communities, list, |p| p.exact()),
            Action::DeleteCommunities(list) => {
                delete(&mut attributes.communities, list, |p, c| p.matches(*c));
            }
            Action::SetExtended(list) => {
                attributes.extended = list.iter().filter_map(|p| p.exact()).collect();
            }
            Action::AddExtended(list) => add(&mut attributes.extended, list, |p| p.exact()),
            Action::DeleteExtended(list) => {
                delete(&mut attributes.extended, list, |p, c| p.matches(*c));
            }
            Action::SetLarge(list) => {
                attributes.large = list.iter().filter_map(|p| p.exact()).collect();
            }
            Action::AddLarge(list) => add(&mut attributes.large, list, |p| p.exact()),
            Action::DeleteLarge(list) => {
                delete(&mut attributes.large, list, |p, c| p.matches(*c));
            }
        }
    }
}

const fn next_hop(address: IpAddr) -> NextHop {
    match address {
        IpAddr::V4(address) => NextHop::Ipv4(address),
        IpAddr::V6(global) => NextHop::Ipv6 {
            global,
            link_local: None,
        },
    }
}

fn any_pair<P, C>(patterns: &[P], values: &[C], holds: impl Fn(&P, &C) -> bool) -> bool {
    values
        .iter()
        .any(|value| patterns.iter().any(|pattern| holds(pattern, value)))
}

fn add<P, C: PartialEq + Clone>(
    values: &mut Box<[C]>,
    patterns: &[P],
    exact: impl Fn(&P) -> Option<C>,
) {
    let mut list = values.to_vec();
    for value in patterns.iter().filter_map(exact) {
        if !list.contains(&value) {
            list.push(value);
        }
    }
    *values = list.into();
}

fn delete<P, C: Clone>(values: &mut Box<[C]>, patterns: &[P], holds: impl Fn(&P, &C) -> bool) {
    *values = values
        .iter()
        .filter(|value| !patterns.iter().any(|pattern| holds(pattern, value)))
        .cloned()
        .collect();
}

fn as_path(question: &AsPathCondition, attributes: &Attributes) -> bool {
    let path = &attributes.as_path;
    match question {
        AsPathCondition::Contains(asns) => path.asns().any(|asn| asns.contains(&asn)),
        AsPathCondition::Origin(asns) => path.origin_as().is_some_and(|asn| asns.contains(&asn)),
        AsPathCondition::Neighbor(asns) => path.first_as().is_some_and(|asn| asns.contains(&asn)),
        AsPathCondition::Length(range) => {
            range.contains(u32::try_from(path.hops()).unwrap_or(u32::MAX))
        }
    }
}

const fn evpn_type(nlri: &Nlri) -> Option<u8> {
    match nlri {
        Nlri::Evpn(route) => Some(route.route_type()),
        _ => None,
    }
}
