//! Routing policy as typed rules. A [`Policy`] is a list of [`Rule`]s; the first whose conditions all hold acts, and says
//! what happens then. Policies are data: read from TOML, validated as a whole ([`Policies::validate`] lists every fault),
//! evaluated by [`Policies::evaluate`] without side effects. What a policy looks at ([`Policies::depends_on_route`]) decides
//! whether its result may be shared by all routes of an attribute set.
//!
//! It never sees a RIB: a route, its attributes and its source are all it may judge by.

mod evaluate;
mod pattern;
mod validate;

pub use evaluate::{Outcome, Source, Subject};
pub use pattern::{CommunityPattern, ExtendedPattern, LargePattern, PatternError, PrefixRange};
pub use validate::PolicyError;

use crate::attribute::Origin;
use crate::nlri::RouteDistinguisher;
use crate::{Asn, Family};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The name of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyName(pub Arc<str>);

impl From<&str> for PolicyName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All policies by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Policies(pub BTreeMap<PolicyName, Policy>);

/// A policy: rules in order, and what happens to a route no rule decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    #[serde(default)]
    pub rules: Vec<Rule>,
    #[serde(default)]
    pub default: Verdict,
}

/// What becomes of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Accept,
    #[default]
    Reject,
}

/// If every condition holds, the actions are taken and `then` happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// For people: shown by `explain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// None: every route.
    #[serde(default, rename = "match")]
    pub conditions: Vec<Condition>,
    #[serde(default, rename = "set")]
    pub actions: Vec<Action>,
    pub then: Then,
}

/// What happens after a rule's actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    Accept,
    Reject,
    /// Go on with the next rule.
    Next,
    /// Go on with another policy instead; its default is final. Jumps in a circle are refused by validation.
    Jump(PolicyName),
}

/// A condition. Lists hold if any of their elements does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The route's IP prefix lies in one of the ranges, such as `10.0.0.0/8 ge 16 le 24`; false for routes without one.
    Prefix(Vec<PrefixRange>),
    /// It has a community like one of these, such as `65000:*`.
    Community(Vec<CommunityPattern>),
    /// Route targets and all other extended communities, such as `target:65000:1` or `0x030c000000000008`.
    Extended(Vec<ExtendedPattern>),
    /// Such as `65000:*:7`.
    Large(Vec<LargePattern>),
    AsPath(AsPathCondition),
    NextHop(Vec<IpNet>),
    /// Absent counts as 100 (the default of LOCAL_PREF).
    LocalPref(NumberRange),
    /// Absent counts as 0.
    Med(NumberRange),
    Origin(Origin),
    Family(Vec<Family>),
    /// EVPN route types, 1 to 6.
    EvpnType(Vec<u8>),
    /// Of VPN and EVPN routes.
    RouteDistinguisher(Vec<RouteDistinguisher>),
    /// The address of the peer it came from (import) or goes to (export).
    Peer(Vec<IpNet>),
    PeerAs(Vec<Asn>),
    /// Originated here.
    Local(bool),
    Not(Box<Condition>),
    Any(Vec<Condition>),
}

/// What an AS path is asked for; no regular expressions, each question has its own answer in one pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AsPathCondition {
    /// Any of these anywhere, sets included.
    Contains(Vec<Asn>),
    /// The last AS is one of these.
    Origin(Vec<Asn>),
    /// The first AS is one of these.
    Neighbor(Vec<Asn>),
    /// The number of ASes as the decision process counts them (a set is one).
    Length(NumberRange),
}

/// An inclusive range; an absent bound is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NumberRange {
    #[serde(default)]
    pub min: u32,
    #[serde(default = "no_limit")]
    pub max: u32,
}

const fn no_limit() -> u32 {
    u32::MAX
}

impl NumberRange {
    pub const fn contains(self, number: u32) -> bool {
        self.min <= number && number <= self.max
    }
}

/// A change to the attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    LocalPref(u32),
    Med(u32),
    ClearMed,
    Origin(Origin),
    NextHop(IpAddr),
    /// Local to this router, never sent: the first step of the decision process; higher is preferred.
    Weight(u16),
    Prepend(Prepend),
    SetCommunities(Vec<CommunityPattern>),
    AddCommunities(Vec<CommunityPattern>),
    DeleteCommunities(Vec<CommunityPattern>),
    SetExtended(Vec<ExtendedPattern>),
    AddExtended(Vec<ExtendedPattern>),
    DeleteExtended(Vec<ExtendedPattern>),
    SetLarge(Vec<LargePattern>),
    AddLarge(Vec<LargePattern>),
    DeleteLarge(Vec<LargePattern>),
}

/// Prepends an AS `count` times (1 to 64).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Prepend {
    /// Our own if absent.
    #[serde(default)]
    pub asn: Option<Asn>,
    pub count: u8,
}
