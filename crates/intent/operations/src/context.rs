//! Who asks, when, and under which defaults and limits.

use crate::OpError;
use crate::error::Quota;
use ipam::{Random, VniRange};
use model::{Meta, Mtu, ProjectId, Timestamp};
use uuid::Uuid;

/// What a request brings beside its input.
#[derive(Clone)]
pub struct Context<'a> {
    pub now: Timestamp,
    /// The project of the caller; new objects belong to it unless an admin says otherwise.
    pub project: ProjectId,
    pub admin: bool,
    pub defaults: &'a Defaults,
    pub random: Random<'a>,
}

impl<'a> Context<'a> {
    /// A context that draws ids, addresses, MACs and VNIs from the system's random numbers.
    pub fn new(now: Timestamp, project: ProjectId, admin: bool, defaults: &'a Defaults) -> Self {
        Self {
            now,
            project,
            admin,
            defaults,
            random: &rand::random::<u64>,
        }
    }

    /// A version 4 UUID (RFC 9562 section 5.4).
    pub(crate) fn new_id(&self) -> Uuid {
        let (high, low) = ((self.random)(), (self.random)());
        let bits = (u128::from(high) << 64) | u128::from(low);
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// True when the caller owns the object or is an admin.
    pub(crate) fn owns(&self, meta: &Meta) -> bool {
        self.admin || meta.project_id == self.project
    }

    /// The project a new object belongs to.
    pub(crate) fn owner(&self, requested: Option<ProjectId>) -> Result<ProjectId, OpError> {
        match requested {
            Some(project) if project != self.project && !self.admin => {
                Err(OpError::ForeignProject(project))
            }
            Some(project) => Ok(project),
            None => Ok(self.project.clone()),
        }
    }
}

/// What an update or delete expects of the object (`If-Match: revision_number=N`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expect {
    pub revision_number: Option<u64>,
}

impl Expect {
    pub(crate) fn check(self, meta: &Meta) -> Result<(), OpError> {
        match self.revision_number {
            Some(expected) if expected != meta.revision_number => Err(OpError::RevisionMismatch {
                expected,
                found: meta.revision_number,
            }),
            _ => Ok(()),
        }
    }
}

/// What a request that says nothing gets, and how much anyone gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// Of a network whose request gives none.
    pub mtu: Mtu,
    /// The largest that the underlay carries.
    pub max_mtu: Mtu,
    /// Where the VNIs of networks are taken from unless the request gives one.
    pub vnis: VniRange,
    pub limits: Limits,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            mtu: Mtu::DEFAULT,
            // An IP packet of 65535 bytes less the 50 that VXLAN over IPv4 puts around it.
            max_mtu: Mtu::new(65_535 - 50).expect("invariant: within the bounds of an MTU"),
            vnis: VniRange::default(),
            limits: Limits::default(),
        }
    }
}

/// How many there may be; `None` is no limit (-1 in the quota API).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub networks_per_project: Option<usize>,
    pub subnets_per_project: Option<usize>,
    /// A limit makes port creates of one project run after each other, because they all count the same rows.
    pub ports_per_project: Option<usize>,
    pub security_groups_per_project: Option<usize>,
    pub subnets_per_network: Option<usize>,
    pub rules_per_security_group: Option<usize>,
    pub fixed_ips_per_port: Option<usize>,
    pub address_pairs_per_port: Option<usize>,
    pub dns_nameservers_per_subnet: Option<usize>,
    pub host_routes_per_subnet: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            networks_per_project: None,
            subnets_per_project: None,
            ports_per_project: None,
            security_groups_per_project: None,
            subnets_per_network: None,
            rules_per_security_group: Some(100),
            fixed_ips_per_port: Some(64),
            address_pairs_per_port: Some(10),
            dns_nameservers_per_subnet: Some(5),
            host_routes_per_subnet: Some(20),
        }
    }
}

/// Refuses one more when `limit` are there already.
pub(crate) fn room_for_one(
    limit: Option<usize>,
    quota: Quota,
    used: impl FnOnce() -> usize,
) -> Result<(), OpError> {
    within(limit, quota, || used() + 1)
}

/// Refuses a count above the limit; counts only when there is a limit.
pub(crate) fn within(
    limit: Option<usize>,
    quota: Quota,
    count: impl FnOnce() -> usize,
) -> Result<(), OpError> {
    match limit {
        Some(limit) if count() > limit => Err(OpError::OverQuota { quota, limit }),
        _ => Ok(()),
    }
}
