//! What of a path a kind of peer is sent: whether at all, and with which attributes. Peers to which all of it is the same
//! have equal [`ExportKey`]s and share every message.

use super::config::AddPathSend;
use super::config::{NextHopMode, PeerInfo, PeerKind, RemovePrivate};
use super::intern::{AttributeSet, Identity};
use super::view::Withheld;
use crate::attribute::{Attributes, Community, NextHop};
use crate::message::{EncodeContext, Role};
use crate::nlri::Nlri;
use crate::policy::{Outcome, Policies, PolicyName, Source, Subject, Verdict};
use crate::{Asn, Family, FamilySet, RouterId};
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything of a peer that what it is sent depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportKey {
    pub(crate) family: Family,
    kind: PeerKind,
    local_asn: Asn,
    /// 0 where it makes no difference.
    peer_asn: Asn,
    /// Where policy asks for it.
    peer_address: Option<IpAddr>,
    /// "Ourselves" as a next hop of this family.
    own: Option<NextHop>,
    shared_subnet: Option<IpNet>,
    next_hop: NextHopMode,
    extended_next_hop: bool,
    as_override: bool,
    /// Our real AS is prepended too, behind the one of the session.
    real_as: bool,
    remove_private: RemovePrivate,
    route_server_client: bool,
    pub(crate) default_originate: bool,
    role: Option<Role>,
    llgr: bool,
    llgr_partial: bool,
    require_policy: bool,
    pub(crate) policy: Option<PolicyName>,
    /// Grows when what the policy says changes.
    pub(crate) policy_epoch: u32,
    /// The policy asks for more than attributes.
    pub(crate) per_route: bool,
    pub(crate) context: EncodeContext,
    pub(crate) add_path: Option<AddPathSend>,
}

impl ExportKey {
    pub(crate) fn new(peer: &PeerInfo, family: Family, policies: &Policies, epoch: u32) -> Self {
        let policy = peer.export.clone();
        let asks = |question: fn(&Policies, &PolicyName) -> bool| {
            policy.as_ref().is_some_and(|name| question(policies, name))
        };
        let by_peer = asks(Policies::depends_on_peer);
        let external = peer.external();
        let unicast = unicast(family);
        let add_path = peer.add_path_send.contains(family);
        Self {
            family,
            kind: peer.kind,
            local_asn: peer.local_asn,
            peer_asn: if by_peer || (external && peer.as_override) {
                peer.asn
            } else {
                0
            },
            peer_address: by_peer.then_some(peer.address),
            own: own_next_hop(peer, family),
            shared_subnet: peer.shared_subnet.filter(|_| external && unicast),
            next_hop: peer.next_hop,
            extended_next_hop: peer.extended_next_hop.contains(family),
            as_override: external && peer.as_override,
            real_as: external && !peer.replace_as,
            remove_private: peer.remove_private,
            route_server_client: external && peer.route_server_client,
            default_originate: unicast && peer.default_originate.contains(family),
            role: peer.role.filter(|_| external && unicast),
            llgr: peer.llgr.contains(family),
            llgr_partial: peer.llgr_partial,
            require_policy: external && peer.require_policy,
            policy_epoch: if policy.is_some() { epoch } else { 0 },
            per_route: asks(Policies::depends_on_route),
            policy,
            context: EncodeContext {
                as4: peer.as4,
                add_path_tx: if add_path {
                    FamilySet::from_iter([family])
                } else {
                    FamilySet::EMPTY
                },
                max_message: peer.max_message,
            },
            add_path: add_path.then_some(peer.add_path_limit),
        }
    }

    /// Which list of changes its peers follow: that of the best paths, or `true` for that of all.
    pub(crate) const fn list(&self) -> (Family, bool) {
        let all = self.add_path.is_some() || self.prefers_clients();
        (self.family, all)
    }

    /// RFC 4684 3.2 (ii): an internal peer that is no client is told of a membership by a client's path, where there is
    /// one, and not by the best if that came from another such peer, which could not be passed on.
    pub(crate) const fn prefers_clients(&self) -> bool {
        matches!(self.family, Family::RouteTarget) && matches!(self.kind, PeerKind::Internal)
    }

    /// RFC 4684 3.2: a client is told of a membership though it is its source, since others may ask for the same target.
    pub(crate) fn tells_source(&self) -> bool {
        self.family == Family::RouteTarget && self.kind == PeerKind::Client
    }
}

const fn unicast(family: Family) -> bool {
    matches!(family, Family::Ipv4Unicast | Family::Ipv6Unicast)
}

/// The address of our end that fits the family.
fn own_next_hop(peer: &PeerInfo, family: Family) -> Option<NextHop> {
    let addresses = [Some(peer.local_address), peer.local_address_other];
    let mut addresses = addresses.into_iter().flatten();
    let (v4_fits, v6_fits) = match family {
        Family::Ipv4Unicast | Family::Ipv4Labeled | Family::Vpnv4 => {
            (true, peer.extended_next_hop.contains(family))
        }
        Family::Ipv6Unicast | Family::Ipv6Labeled | Family::Vpnv6 => (false, true),
        Family::Evpn | Family::RouteTarget => (true, true),
    };
    // The session's own address first, unless only the other one fits.
    addresses.find_map(|address| match address {
        IpAddr::V4(address) if v4_fits => Some(NextHop::Ipv4(address)),
        IpAddr::V6(global) if v6_fits => Some(NextHop::Ipv6 {
            global,
            link_local: peer.local_link_local,
        }),
        _ => None,
    })
}

/// Where the path to be sent comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Local,
    Peer(PeerKind, RouterId),
}

/// The export rules for one kind of peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Export<'a> {
    pub(crate) key: &'a ExportKey,
    pub(crate) policies: &'a Arc<Policies>,
    pub(crate) own: &'a Identity,
}

impl Export<'_> {
    /// The attributes to send, or why the path is not sent. Split horizon and route targets are the caller's: they differ
    /// between peers with equal keys.
    pub(crate) fn decide(
        &self,
        set: &AttributeSet,
        from: From,
        long_lived: bool,
        nlri: &Nlri,
    ) -> Result<Attributes, Withheld> {
        let key = self.key;
        let external = key.kind == PeerKind::External;
        if set.summary.no_advertise() {
            return Err(Withheld::NoAdvertise);
        }
        if external && set.summary.no_export() {
            return Err(Withheld::NoExport);
        }
        let reflected = self.reflected(from)?;
        let long_lived = long_lived || set.summary.llgr_stale();
        if long_lived && !key.llgr && (external || !key.llgr_partial) {
            return Err(Withheld::LlgrStale);
        }
        if set.attributes.rare.only_to_customer.is_some()
            && matches!(
                key.role,
                Some(Role::Customer | Role::Peer | Role::RouteServerClient)
            )
        {
            return Err(Withheld::OnlyToCustomer);
        }
        let outcome = self.policy(set, from, nlri)?;
        let (med_set, next_hop_set) = (outcome.med_set, outcome.next_hop_set);
        let mut attributes = outcome.attributes.into_owned();
        if !next_hop_set {
            self.next_hop(&mut attributes)?;
        }
        self.usable_next_hop(&attributes)?;
        if external {
            // What policy adds at the border is meant for the other side, and the bandwidth of our own routes' links.
            let had = |one| set.attributes.has_extended(one);
            let own = from == From::Local;
            attributes.cross_border(|one| !had(one) || (own && one.is_link_bandwidth()));
            self.leave_our_as(&mut attributes, from, med_set);
        } else {
            attributes.local_pref = Some(attributes.local_pref.unwrap_or(100));
        }
        if let Some(originator) = reflected {
            self.reflect(&mut attributes, originator);
        }
        if long_lived {
            self.mark_stale(&mut attributes);
        }
        Ok(attributes)
    }

    /// The attributes of the default route that peers with default-originate are sent.
    pub(crate) fn default_route(&self, set: &AttributeSet) -> Result<Attributes, Withheld> {
        let mut attributes = set.attributes.clone();
        self.next_hop(&mut attributes)?;
        self.usable_next_hop(&attributes)?;
        match self.key.kind {
            PeerKind::External => self.leave_our_as(&mut attributes, From::Local, false),
            PeerKind::Internal | PeerKind::Client => attributes.local_pref = Some(100),
        }
        Ok(attributes)
    }

    /// For a route from an internal peer to an internal peer, the originator to name (RFC 4456 8).
    fn reflected(&self, from: From) -> Result<Option<RouterId>, Withheld> {
        match (from, self.key.kind) {
            (From::Local | From::Peer(PeerKind::External, _), _) | (_, PeerKind::External) => {
                Ok(None)
            }
            (From::Peer(PeerKind::Internal, _), PeerKind::Internal) => {
                Err(Withheld::InternalToInternal)
            }
            (From::Peer(_, router_id), _) => Ok(Some(router_id)),
        }
    }

    fn policy<'s>(
        &self,
        set: &'s AttributeSet,
        from: From,
        nlri: &'s Nlri,
    ) -> Result<Outcome<'s>, Withheld> {
        let key = self.key;
        let Some(policy) = &key.policy else {
            if key.require_policy {
                return Err(Withheld::NoPolicy);
            }
            return Ok(Outcome::unchanged(&set.attributes));
        };
        let subject = Subject {
            nlri,
            attributes: &set.attributes,
            source: Source {
                address: key.peer_address,
                asn: key.peer_asn,
                local: from == From::Local,
            },
            own_as: key.local_asn,
        };
        let outcome = self.policies.evaluate(policy, &subject);
        match outcome.verdict {
            Verdict::Accept => Ok(outcome),
            Verdict::Reject => Err(Withheld::Policy),
        }
    }

    fn next_hop(&self, attributes: &mut Attributes) -> Result<(), Withheld> {
        let key = self.key;
        let known = attributes
            .next_hop
            .filter(|hop| !hop.address().is_unspecified());
        let keep = match key.next_hop {
            _ if key.route_server_client => true,
            _ if key.family == Family::RouteTarget => false,
            NextHopMode::Unchanged => true,
            // We give out no labels and end no tunnels: what means something at the next hop must keep it.
            NextHopMode::OnlySelf => !unicast(key.family),
            NextHopMode::Standard => {
                key.kind != PeerKind::External || !self.on_forwarding_path(known)
            }
        };
        if let Some(hop) = known.filter(|_| keep) {
            // RFC 2545 3: a link-local address is for the link it is on.
            attributes.next_hop = Some(match hop {
                NextHop::Ipv6 { global, .. } => NextHop::Ipv6 {
                    global,
                    link_local: None,
                },
                NextHop::Ipv4(_) => hop,
            });
            return Ok(());
        }
        attributes.next_hop = Some(key.own.ok_or(Withheld::NextHop)?);
        Ok(())
    }

    /// Whether an external peer's packets come through us: not for a third party on its own subnet (RFC 4271 5.1.3), and not
    /// where labels or tunnels mean something only at the next hop.
    fn on_forwarding_path(&self, next_hop: Option<NextHop>) -> bool {
        match self.key.family {
            Family::Ipv4Unicast | Family::Ipv6Unicast => !next_hop.is_some_and(|hop| {
                self.key
                    .shared_subnet
                    .is_some_and(|subnet| subnet.contains(&hop.address()))
            }),
            _ => false,
        }
    }

    fn usable_next_hop(&self, attributes: &Attributes) -> Result<(), Withheld> {
        let v4_family = matches!(
            self.key.family,
            Family::Ipv4Unicast | Family::Ipv4Labeled | Family::Vpnv4
        );
        let v6_family = matches!(self.key.family, Family::Ipv6Unicast | Family::Ipv6Labeled);
        match attributes.next_hop {
            None => Err(Withheld::NextHop),
            Some(NextHop::Ipv6 { .. }) if v4_family && !self.key.extended_next_hop => {
                Err(Withheld::NextHop)
            }
            Some(NextHop::Ipv4(_)) if v6_family => Err(Withheld::NextHop),
            Some(_) => Ok(()),
        }
    }

    /// What changes at the border of our AS.
    fn leave_our_as(&self, attributes: &mut Attributes, from: From, med_set: bool) {
        let key = self.key;
        attributes.local_pref = None;
        if !attributes.rare.is_none() {
            attributes.rare.originator_id = None;
            attributes.rare.cluster_list = Box::default();
        }
        // RFC 4271 5.1.4: a MED from a neighbour is not passed on to others.
        if !med_set && from != From::Local && !key.route_server_client {
            attributes.med = None;
        }
        // RFC 9234 5, egress: of a route server too.
        let downwards = matches!(
            key.role,
            Some(Role::Provider | Role::RouteServer | Role::Peer)
        );
        if downwards && attributes.rare.only_to_customer.is_none() {
            attributes.rare.only_to_customer = Some(key.local_asn);
        }
        if key.route_server_client {
            return;
        }
        let mut path = Cow::Borrowed(&attributes.as_path);
        match key.remove_private {
            RemovePrivate::No => {}
            RemovePrivate::Remove => path = Cow::Owned(path.without_private()),
            RemovePrivate::Replace => path = Cow::Owned(path.private_replaced(key.local_asn)),
        }
        if key.as_override {
            path = Cow::Owned(path.replaced(key.peer_asn, key.local_asn));
        }
        let path = path.without_confederations();
        attributes.as_path = if key.local_asn == self.own.asn || !key.real_as {
            path.prepended(key.local_asn, 1)
        } else {
            // RFC 7705 3.1: the session's AS stands before our real one, unless that is to be hidden.
            path.prepended(self.own.asn, 1).prepended(key.local_asn, 1)
        };
    }

    /// RFC 4456 8.
    fn reflect(&self, attributes: &mut Attributes, originator: RouterId) {
        let rare = &mut *attributes.rare;
        if self.key.tells_source() {
            // RFC 4684 3.2: not its own router id, which would make the client drop it.
            rare.originator_id = Some(self.own.router_id);
        }
        rare.originator_id.get_or_insert(originator);
        let mut clusters = Vec::with_capacity(rare.cluster_list.len() + 1);
        clusters.push(self.own.cluster_id);
        clusters.extend_from_slice(&rare.cluster_list);
        rare.cluster_list = clusters.into();
    }

    /// RFC 9494 4.3 and, towards peers without it, 4.6.
    fn mark_stale(&self, attributes: &mut Attributes) {
        let mut add = |community| {
            if !attributes.has_community(community) {
                let mut list = attributes.communities.to_vec();
                list.push(community);
                attributes.communities = list.into();
            }
        };
        add(Community::LLGR_STALE);
        if !self.key.llgr {
            add(Community::NO_EXPORT);
            attributes.local_pref = Some(0);
        }
    }
}
