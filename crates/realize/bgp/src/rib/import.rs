//! From a received attribute set to the one that is used, or to the reason why none is: loop checks, roles, RFC 8212,
//! graceful shutdown, import policy.

use super::config::{PeerInfo, PeerKind};
use super::intern::{AttributeSets, SetId};
use super::view::Rejection;
use crate::attribute::{Attributes, ExtendedCommunity};
use crate::message::Role;
use crate::nlri::Nlri;
use crate::policy::{Policies, Source, Subject, Verdict};
use crate::{Asn, Family};
use std::borrow::Cow;
use std::net::IpAddr;

/// What import made of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Imported {
    /// The caller holds one reference to the set.
    Used(SetId),
    Rejected(Rejection),
}

/// Which routes are imported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Import<'a> {
    pub(crate) peer: &'a PeerInfo,
    pub(crate) policies: &'a Policies,
    pub(crate) family: Family,
}

impl Import<'_> {
    /// `nlri` stands for all routes of the set unless policy asks for more than attributes.
    pub(crate) fn apply(&self, sets: &mut AttributeSets, received: SetId, nlri: &Nlri) -> Imported {
        match self.judge(sets, received, nlri) {
            Err(rejection) => Imported::Rejected(rejection),
            Ok(None) => {
                sets.retain(received, 1);
                Imported::Used(received)
            }
            Ok(Some((attributes, weight))) => Imported::Used(sets.intern(attributes, weight)),
        }
    }

    /// The changed attributes and weight, if anything changes.
    pub(crate) fn judge(
        &self,
        sets: &AttributeSets,
        received: SetId,
        nlri: &Nlri,
    ) -> Result<Option<(Attributes, u16)>, Rejection> {
        self.loops(sets, received)?;
        let set = sets.get(received);
        let peer = self.peer;
        let mut attributes = Cow::Borrowed(&set.attributes);
        if let Some(asn) = self.only_to_customer(&set.attributes)? {
            attributes.to_mut().rare.only_to_customer = Some(asn);
        }
        // Link bandwidth says what the link to the neighbor can carry, so it is for us.
        let stays = ExtendedCommunity::is_link_bandwidth;
        if peer.kind == PeerKind::External && attributes.is_bound_to_as(stays) {
            attributes.to_mut().cross_border(stays);
        }
        if peer.kind == PeerKind::External
            && peer.graceful_shutdown
            && set.summary.graceful_shutdown()
        {
            attributes.to_mut().local_pref = Some(0);
        }
        let mut weight = 0;
        match &peer.import {
            None if peer.kind == PeerKind::External && peer.require_policy => {
                return Err(Rejection::NoPolicy);
            }
            None => {}
            Some(policy) => {
                let subject = Subject {
                    nlri,
                    attributes: &attributes,
                    source: Source {
                        address: Some(peer.address),
                        asn: peer.asn,
                        local: false,
                    },
                    own_as: peer.local_asn,
                };
                let outcome = self.policies.evaluate(policy, &subject);
                if outcome.verdict == Verdict::Reject {
                    return Err(Rejection::Policy);
                }
                weight = outcome.weight;
                if let Cow::Owned(changed) = outcome.attributes {
                    attributes = Cow::Owned(changed);
                }
            }
        }
        Ok(match attributes {
            Cow::Owned(changed) => Some((changed, weight)),
            Cow::Borrowed(same) => (weight != 0).then(|| (same.clone(), weight)),
        })
    }

    fn loops(&self, sets: &AttributeSets, received: SetId) -> Result<(), Rejection> {
        let (set, peer) = (sets.get(received), self.peer);
        let own = sets.own();
        let mut own_as = usize::from(set.summary.own_as);
        if peer.local_asn != own.asn {
            own_as += set.attributes.as_path.occurrences(peer.local_asn);
        }
        if own_as > usize::from(peer.allow_own_as) {
            return Err(Rejection::AsLoop);
        }
        if set.attributes.originator_id() == Some(own.router_id) {
            return Err(Rejection::OriginatorLoop);
        }
        if set.summary.cluster_loop() {
            return Err(Rejection::ClusterLoop);
        }
        if peer.kind == PeerKind::External
            && peer.enforce_first_as
            && set.summary.neighbor_as != peer.asn
        {
            return Err(Rejection::FirstAs);
        }
        let ours = |address: IpAddr| {
            address == peer.local_address || Some(address) == peer.local_address_other
        };
        if set
            .attributes
            .next_hop
            .is_some_and(|hop| ours(hop.address()))
        {
            return Err(Rejection::NextHop);
        }
        Ok(())
    }

    /// RFC 9234 5, ingress: the AS to mark the route with, if it must be.
    fn only_to_customer(&self, attributes: &Attributes) -> Result<Option<Asn>, Rejection> {
        let unicast = matches!(self.family, Family::Ipv4Unicast | Family::Ipv6Unicast);
        let Some(role) = self.peer.role.filter(|_| unicast) else {
            return Ok(None);
        };
        match (role, attributes.rare.only_to_customer) {
            // From a customer or a route server's client.
            (Role::Provider | Role::RouteServer, Some(_)) => Err(Rejection::RouteLeak),
            (Role::Peer, Some(asn)) if asn != self.peer.asn => Err(Rejection::RouteLeak),
            (Role::Customer | Role::Peer | Role::RouteServerClient, None) => {
                Ok(Some(self.peer.asn))
            }
            _ => Ok(None),
        }
    }
}
