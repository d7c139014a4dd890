//! What two OPENs agree on, or why they do not (RFC 4271 6.2 and the RFC of each capability).

use super::offer::{Offer, v4_families};
use crate::config::RemoteAs;
use crate::message::{
    Capability, CodecContext, MAX_EXTENDED_MESSAGE, MAX_MESSAGE, Notification, NotificationCode,
    Open, Role,
};
use crate::{Asn, Family, FamilySet, RouterId};
use std::collections::BTreeMap;

/// What stands for an AS number that does not fit 2 octets (RFC 6793 9): nobody's own.
const AS_TRANS: Asn = 23_456;

/// What both sides of a session can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The neighbor's AS.
    pub asn: Asn,
    /// Our AS, as the neighbor knows it.
    pub local_asn: Asn,
    pub router_id: RouterId,
    /// Seconds; 0: the session has no hold timer and no keepalives.
    pub hold: u16,
    pub keepalive: u16,
    pub families: FamilySet,
    /// Families in which the neighbor sends path identifiers.
    pub add_path_rx: FamilySet,
    /// Families in which we do.
    pub add_path_tx: FamilySet,
    pub extended_next_hop: FamilySet,
    pub as4: bool,
    pub extended_message: bool,
    pub route_refresh: bool,
    pub enhanced_refresh: bool,
    /// The neighbor's.
    pub role: Option<Role>,
    /// `None` if one side does not do graceful restart.
    pub graceful: Option<GracefulPeer>,
    /// Empty without graceful restart (RFC 9494 3.1).
    pub long_lived: BTreeMap<Family, LongLivedFamily>,
    /// As received, for people.
    pub capabilities: Vec<Capability>,
}

/// Graceful restart, as the neighbor offered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulPeer {
    pub restarting: bool,
    /// Both sides keep routes over a NOTIFICATION (RFC 8538).
    pub notification: bool,
    /// Seconds.
    pub restart_time: u16,
    /// The negotiated families whose routes are kept while the neighbor restarts.
    pub preserved: FamilySet,
    /// Those in which its forwarding went on over the last restart.
    pub forwarding: FamilySet,
}

/// Long-lived graceful restart of one family, as the neighbor offered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongLivedFamily {
    pub forwarding: bool,
    /// Seconds.
    pub stale_time: u32,
}

/// Why an OPEN is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the neighbor is of AS {actual}, {expected} is configured: correct remote-as")]
    RemoteAs { actual: Asn, expected: RemoteAs },
    #[error("the neighbor has our own router id {0}: give one of the two another")]
    RouterId(RouterId),
    #[error("no address family in common: we offer {ours}, the neighbor {theirs}")]
    Families { ours: FamilySet, theirs: FamilySet },
    #[error("our role is {ours}, so the neighbor's must be {}, but is {theirs}", ours.counterpart())]
    Role { ours: Role, theirs: Role },
    #[error("the neighbor announces more than one role")]
    Roles,
    #[error("the neighbor has no role and role-strict is set")]
    NoRole,
}

impl Refusal {
    /// What the neighbor is told.
    pub fn notification(&self, offer: &Offer) -> Notification {
        match self {
            Self::RemoteAs { .. } => Notification::new(NotificationCode::BAD_PEER_AS, &[]),
            Self::RouterId(_) => Notification::new(NotificationCode::BAD_IDENTIFIER, &[]),
            Self::Families { .. } => {
                // RFC 5492 5: the data lists the capabilities that are missed.
                let mut data = Vec::new();
                for family in offer.family_set().iter() {
                    let (afi, safi) = family.codes();
                    let [high, low] = afi.to_be_bytes();
                    data.extend_from_slice(&[1, 4, high, low, 0, safi]);
                }
                Notification::new(NotificationCode::UNSUPPORTED_CAPABILITY, &data)
            }
            Self::Role { .. } | Self::Roles | Self::NoRole => {
                Notification::new(NotificationCode::ROLE_MISMATCH, &[])
            }
        }
    }
}

impl Offer {
    /// What our OPEN and the neighbor's agree on.
    pub fn negotiate(&self, open: Open) -> Result<Negotiated, Refusal> {
        self.check_identity(&open)?;
        let theirs = Theirs::read(&open.capabilities)?;
        let external = open.asn != self.asn;
        let role = self.check_role(theirs.role, external)?;
        let ours = self.family_set();
        let families = ours.intersection(theirs.families);
        if families.is_empty() {
            let theirs = theirs.families;
            return Err(Refusal::Families { ours, theirs });
        }
        let hold = self.hold.min(open.hold_time);
        let third = hold / 3;
        let keepalive = if self.keepalive == 0 {
            third
        } else {
            self.keepalive.min(third)
        };
        let graceful = self.graceful(&theirs, families);
        let long_lived = if graceful.is_some() {
            theirs.long_lived
        } else {
            BTreeMap::new()
        };
        Ok(Negotiated {
            asn: open.asn,
            local_asn: self.asn,
            router_id: open.router_id,
            hold,
            keepalive,
            families,
            add_path_rx: self.shared_paths(theirs.sends, |mode| mode.receives(), families),
            add_path_tx: self.shared_paths(theirs.receives, |mode| mode.sends(), families),
            extended_next_hop: theirs
                .extended_next_hop
                .intersection(families)
                .intersection(v4_families()),
            as4: theirs.as4,
            extended_message: self.extended_message && theirs.extended_message,
            route_refresh: theirs.route_refresh,
            enhanced_refresh: theirs.route_refresh && theirs.enhanced_refresh,
            role,
            graceful,
            long_lived: long_lived
                .into_iter()
                .filter(|(family, _)| families.contains(*family) && self.keeps_long(*family))
                .collect(),
            capabilities: open.capabilities,
        })
    }

    fn check_identity(&self, open: &Open) -> Result<(), Refusal> {
        let actual = open.asn;
        let accepted = match self.remote_as {
            RemoteAs::Is(asn) => actual == asn,
            RemoteAs::External => actual != self.asn && actual != AS_TRANS,
            RemoteAs::Internal => actual == self.asn,
        };
        if !accepted {
            let expected = self.remote_as;
            return Err(Refusal::RemoteAs { actual, expected });
        }
        // RFC 6286 2.2: between ASes identifiers may be equal.
        if open.router_id == self.router_id && actual == self.asn {
            return Err(Refusal::RouterId(open.router_id));
        }
        Ok(())
    }

    /// RFC 9234 4.2.
    fn check_role(&self, theirs: Option<Role>, external: bool) -> Result<Option<Role>, Refusal> {
        match (self.role.filter(|_| external), theirs) {
            (Some(ours), Some(theirs)) if theirs != ours.counterpart() => {
                Err(Refusal::Role { ours, theirs })
            }
            (Some(_), None) if self.role_strict => Err(Refusal::NoRole),
            (_, theirs) => Ok(theirs),
        }
    }

    fn shared_paths(
        &self,
        theirs: FamilySet,
        ours: impl Fn(crate::message::AddPathMode) -> bool,
        families: FamilySet,
    ) -> FamilySet {
        let offered = self
            .families
            .iter()
            .filter(|offer| offer.add_path.is_some_and(&ours));
        let offered: FamilySet = offered.map(|offer| offer.family).collect();
        offered.intersection(theirs).intersection(families)
    }

    fn graceful(&self, theirs: &Theirs, families: FamilySet) -> Option<GracefulPeer> {
        let ours = self.graceful?;
        let graceful = theirs.graceful?;
        Some(GracefulPeer {
            notification: ours.notification && graceful.notification,
            preserved: graceful.preserved.intersection(families),
            forwarding: graceful.forwarding.intersection(families),
            ..graceful
        })
    }

    fn keeps_long(&self, family: Family) -> bool {
        let mut offers = self.families.iter();
        offers.any(|offer| offer.family == family && offer.long_lived.is_some())
    }
}

impl Negotiated {
    pub const fn external(&self) -> bool {
        self.asn != self.local_asn
    }

    /// In octets, for messages in both directions.
    pub const fn max_message(&self) -> usize {
        if self.extended_message {
            MAX_EXTENDED_MESSAGE
        } else {
            MAX_MESSAGE
        }
    }

    /// What decoding of the neighbor's UPDATEs must know.
    pub const fn codec(&self) -> CodecContext {
        CodecContext {
            as4: self.as4,
            extended_message: self.extended_message,
            ebgp: self.external(),
            families: self.families,
            add_path_rx: self.add_path_rx,
            extended_next_hop: self.extended_next_hop,
        }
    }
}

/// The neighbor's capabilities, gathered; of those that may stand once only, the last counts (RFC 5492 4).
#[derive(Default)]
struct Theirs {
    families: FamilySet,
    sends: FamilySet,
    receives: FamilySet,
    extended_next_hop: FamilySet,
    as4: bool,
    extended_message: bool,
    route_refresh: bool,
    enhanced_refresh: bool,
    role: Option<Role>,
    graceful: Option<GracefulPeer>,
    long_lived: BTreeMap<Family, LongLivedFamily>,
}

impl Theirs {
    fn read(capabilities: &[Capability]) -> Result<Self, Refusal> {
        let mut read = Self::default();
        let mut multiprotocol = false;
        for capability in capabilities {
            multiprotocol |= matches!(capability, Capability::Multiprotocol(_));
            read.take(capability)?;
        }
        if !multiprotocol {
            // RFC 4760 8: a speaker without the capability speaks IPv4 unicast.
            read.families.insert(Family::Ipv4Unicast);
        }
        Ok(read)
    }

    fn take(&mut self, capability: &Capability) -> Result<(), Refusal> {
        match capability {
            Capability::Multiprotocol(family) => {
                insert(&mut self.families, family.family());
            }
            Capability::RouteRefresh => self.route_refresh = true,
            Capability::EnhancedRouteRefresh => self.enhanced_refresh = true,
            Capability::ExtendedMessage => self.extended_message = true,
            Capability::FourOctetAs(_) => self.as4 = true,
            Capability::ExtendedNextHop(entries) => {
                let v6 = entries.iter().filter(|entry| entry.next_hop_afi == 2);
                let families = v6.filter_map(|entry| entry.family.family());
                insert(&mut self.extended_next_hop, families);
            }
            Capability::AddPath(entries) => {
                for (family, mode) in entries {
                    let known = family.family();
                    insert(&mut self.sends, known.filter(|_| mode.sends()));
                    insert(&mut self.receives, known.filter(|_| mode.receives()));
                }
            }
            // RFC 9234 4.2: the same role twice is one.
            Capability::Role(role) if self.role.is_some_and(|other| other != *role) => {
                return Err(Refusal::Roles);
            }
            Capability::Role(role) => self.role = Some(*role),
            Capability::GracefulRestart {
                restarting,
                notification,
                restart_time,
                families,
            } => {
                let known = |entry: &&crate::message::Preserved| entry.family.family();
                let forwarding = families.iter().filter(|entry| entry.forwarding);
                self.graceful = Some(GracefulPeer {
                    restarting: *restarting,
                    notification: *notification,
                    restart_time: *restart_time,
                    preserved: families.iter().filter_map(|entry| known(&entry)).collect(),
                    forwarding: forwarding.filter_map(|entry| known(&entry)).collect(),
                });
            }
            Capability::LongLivedGracefulRestart(entries) => {
                let known = entries.iter().filter_map(|entry| {
                    let offered = LongLivedFamily {
                        forwarding: entry.forwarding,
                        stale_time: entry.stale_time,
                    };
                    Some((entry.family.family()?, offered))
                });
                self.long_lived = known.collect();
            }
            Capability::Fqdn { .. }
            | Capability::SoftwareVersion(_)
            | Capability::Unknown { .. } => {}
        }
        Ok(())
    }
}

fn insert(set: &mut FamilySet, families: impl IntoIterator<Item = Family>) {
    families.into_iter().for_each(|family| set.insert(family));
}
