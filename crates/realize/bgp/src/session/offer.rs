//! What we say in an OPEN.

use crate::config::RemoteAs;
use crate::family::AfiSafi;
use crate::message::{
    AddPathMode, Capability, ExtendedNextHop, Open, Preserved, Role, StalePreserved,
};
use crate::{Asn, Family, FamilySet, RouterId};

/// All that our OPEN says, and whom we expect to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The AS we claim to be of, to this neighbor.
    pub asn: Asn,
    pub router_id: RouterId,
    pub remote_as: RemoteAs,
    /// Seconds; 0: no keepalives.
    pub hold: u16,
    pub keepalive: u16,
    pub families: Vec<FamilyOffer>,
    pub role: Option<Role>,
    /// A neighbor without a role is refused.
    pub role_strict: bool,
    pub extended_message: bool,
    pub graceful: Option<GracefulOffer>,
    /// For the neighbor's operator.
    pub host: String,
}

/// One family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyOffer {
    pub family: Family,
    pub add_path: Option<AddPathMode>,
    /// Seconds the neighbor may keep our routes without us (RFC 9494); `None`: not at all.
    pub long_lived: Option<u32>,
}

/// Graceful restart, as we offer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulOffer {
    /// We have restarted and ask not to be waited for (RFC 4724 4.1).
    pub restarting: bool,
    /// RFC 8538.
    pub notification: bool,
    /// Seconds.
    pub restart_time: u16,
    /// What the neighbor may keep; empty: we only help others.
    pub preserved: FamilySet,
    /// In which of them our forwarding went on over the restart.
    pub forwarding: FamilySet,
}

impl Offer {
    pub fn family_set(&self) -> FamilySet {
        self.families.iter().map(|offer| offer.family).collect()
    }

    pub fn open(&self) -> Open {
        Open {
            asn: self.asn,
            hold_time: self.hold,
            router_id: self.router_id,
            capabilities: self.capabilities(),
        }
    }

    /// In this order: what is left out if it is too much for the message stands last.
    fn capabilities(&self) -> Vec<Capability> {
        let families = self.families.iter();
        let multiprotocol = |offer: &FamilyOffer| Capability::Multiprotocol(offer.family.into());
        let mut all: Vec<_> = families.map(multiprotocol).collect();
        all.push(Capability::FourOctetAs(self.asn));
        all.push(Capability::RouteRefresh);
        all.push(Capability::EnhancedRouteRefresh);
        if self.extended_message {
            all.push(Capability::ExtendedMessage);
        }
        all.extend(self.role.map(Capability::Role));
        all.extend(self.extended_next_hop());
        all.extend(self.add_path());
        if let Some(graceful) = &self.graceful {
            all.push(graceful.capability());
            all.extend(self.long_lived(graceful));
        }
        if !self.host.is_empty() {
            all.push(Capability::Fqdn {
                host: self.host.clone(),
                domain: String::new(),
            });
        }
        all
    }

    /// RFC 8950: IPv6 next hops for whatever has an IPv4 prefix.
    fn extended_next_hop(&self) -> Option<Capability> {
        let entries: Vec<_> = self
            .family_set()
            .intersection(v4_families())
            .iter()
            .map(|family| ExtendedNextHop {
                family: family.into(),
                next_hop_afi: 2,
            })
            .collect();
        (!entries.is_empty()).then_some(Capability::ExtendedNextHop(entries))
    }

    fn add_path(&self) -> Option<Capability> {
        let entry = |offer: &FamilyOffer| Some((offer.family.into(), offer.add_path?));
        let entries: Vec<(AfiSafi, _)> = self.families.iter().filter_map(entry).collect();
        (!entries.is_empty()).then_some(Capability::AddPath(entries))
    }

    fn long_lived(&self, graceful: &GracefulOffer) -> Option<Capability> {
        let entry = |offer: &FamilyOffer| {
            Some(StalePreserved {
                family: offer.family.into(),
                forwarding: graceful.forwarding.contains(offer.family),
                stale_time: offer.long_lived?,
            })
        };
        let entries: Vec<_> = self.families.iter().filter_map(entry).collect();
        (!entries.is_empty()).then_some(Capability::LongLivedGracefulRestart(entries))
    }
}

impl GracefulOffer {
    fn capability(&self) -> Capability {
        let preserved = |family: Family| Preserved {
            family: family.into(),
            forwarding: self.forwarding.contains(family),
        };
        Capability::GracefulRestart {
            restarting: self.restarting,
            notification: self.notification,
            restart_time: self.restart_time,
            families: self.preserved.iter().map(preserved).collect(),
        }
    }
}

/// The families whose prefixes are IPv4 and whose next hops may be IPv6 (RFC 8950 4).
pub(super) fn v4_families() -> FamilySet {
    [Family::Ipv4Unicast, Family::Ipv4Labeled, Family::Vpnv4]
        .into_iter()
        .collect()
}
