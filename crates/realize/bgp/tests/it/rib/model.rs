//! The RIB from scratch: no tables, no groups, no increments. What peers announced is a list; what each should know is
//! computed from it by the rules as the RFCs put them.

use super::lab::{Known, OWN_AS, OWN_ID, OWN_V6};
use bgp::attribute::{Attributes, Community, ExtendedCommunity, NextHop, Origin};
use bgp::nlri::{EvpnNlri, Nlri, Payload, RouteTarget, RtMembership};
use bgp::policy::{Policies, Source, Subject, Verdict};
use bgp::rib::{PeerInfo, PeerKind, Reach};
use bgp::{Family, PeerId};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// A path as announced.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    pub(crate) attributes: Attributes,
    pub(crate) payload: Payload,
    pub(crate) stale: Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stale {
    No,
    Restarting,
    LongLived,
}

#[derive(Debug, Clone)]
pub(crate) struct ModelPeer {
    pub(crate) info: PeerInfo,
    pub(crate) up: bool,
    pub(crate) complete: bool,
    pub(crate) announced: BTreeMap<Nlri, Announced>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) peers: BTreeMap<PeerId, ModelPeer>,
    pub(crate) policies: Policies,
    pub(crate) next_hops: BTreeMap<std::net::IpAddr, Reach>,
}

/// A path after import.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) peer: PeerId,
    pub(crate) attributes: Attributes,
    payload: Payload,
    long_lived: bool,
}

impl Model {
    fn import(&self, peer: &ModelPeer, nlri: &Nlri, path: &Announced) -> Option<Attributes> {
        let mut attributes = path.attributes.clone();
        if peer.info.external() {
            attributes.local_pref = None;
        }
        if attributes.as_path.contains(OWN_AS) {
            return None;
        }
        let attributes = match &peer.info.import {
            None => attributes,
            Some(name) => {
                let subject = Subject {
                    nlri,
                    attributes: &attributes,
                    source: Source {
                        address: Some(peer.info.address),
                        asn: peer.info.asn,
                        local: false,
                    },
                    own_as: OWN_AS,
                };
                let outcome = self.policies.evaluate(name, &subject);
                if outcome.verdict == Verdict::Reject {
                    return None;
                }
                outcome.attributes.into_owned()
            }
        };
        let hop = attributes.next_hop?.address();
        let resolved = match (nlri.family(), self.next_hops.get(&hop)) {
            (Family::RouteTarget, _) | (_, None | Some(Reach::Metric(_))) => true,
            (Family::Vpnv4 | Family::Vpnv6 | Family::Evpn, Some(Reach::Tunnel(_))) => true,
            (_, Some(Reach::Tunnel(_) | Reach::Unreachable)) => false,
        };
        resolved.then_some(attributes)
    }

    /// All usable paths of a route.
    fn candidates(&self, nlri: &Nlri) -> Vec<Candidate> {
        let of = |(id, peer): (&PeerId, &ModelPeer)| {
            let path = peer.announced.get(nlri)?;
            Some(Candidate {
                peer: *id,
                attributes: self.import(peer, nlri, path)?,
                payload: path.payload,
                long_lived: path.stale == Stale::LongLived,
            })
        };
        self.peers.iter().filter_map(of).collect()
    }

    pub(crate) fn best(&self, nlri: &Nlri) -> Option<Candidate> {
        self.best_of(nlri, &self.candidates(nlri))
    }

    /// Best of each neighbour AS with MED, then best of those without.
    fn best_of(&self, nlri: &Nlri, candidates: &[Candidate]) -> Option<Candidate> {
        let mut by_neighbor: BTreeMap<Option<u32>, Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates.iter().cloned() {
            let neighbor = candidate.attributes.as_path.first_as();
            by_neighbor.entry(neighbor).or_default().push(candidate);
        }
        let leaders = by_neighbor.into_values().filter_map(|group| {
            group
                .into_iter()
                .min_by(|a, b| self.compare(nlri, a, b, true))
        });
        leaders.min_by(|a, b| self.compare(nlri, a, b, false))
    }

    /// The path a peer without add-path is told of: the best, but RFC 4684 3.2 (ii).
    fn chosen(&self, to: &ModelPeer, nlri: &Nlri) -> Option<Candidate> {
        let kind = |path: &Candidate| self.peers[&path.peer].info.kind;
        let best = self.best(nlri)?;
        let membership = nlri.family() == Family::RouteTarget;
        let between = [kind(&best), to.info.kind] == [PeerKind::Internal; 2];
        if !(membership && between) {
            return Some(best);
        }
        let mut left = self.candidates(nlri);
        while let Some(next) = self.best_of(nlri, &left) {
            if kind(&next) == PeerKind::Client {
                return Some(next);
            }
            left.retain(|path| path.peer != next.peer);
        }
        Some(best)
    }

    /// Our own membership, while there are peers that ask for nothing by target: what it is and what a peer is told.
    pub(crate) fn everything() -> (Nlri, Attributes) {
        let nlri = Nlri::RouteTarget(RtMembership::Default);
        (nlri, Attributes::new(Origin::Igp, None))
    }

    fn everything_for(&self, to: &ModelPeer) -> Option<Attributes> {
        let (nlri, set) = Self::everything();
        let (mut out, _) = self.export_policy(to, &nlri, &set)?;
        out.next_hop = Some(NextHop::Ipv4(OWN_ID));
        out.local_pref = Some(out.local_pref.unwrap_or(100));
        Some(out)
    }

    fn compare(&self, nlri: &Nlri, a: &Candidate, b: &Candidate, med: bool) -> Ordering {
        let key = |c: &Candidate| {
            let peer = &self.peers[&c.peer].info;
            let set = &c.attributes;
            let stale = c.long_lived || set.has_community(Community::LLGR_STALE);
            (
                stale,
                mobility(nlri, set),
                std::cmp::Reverse(set.local_pref.unwrap_or(100)),
                set.as_path.hops(),
                set.origin,
                if med { set.med.unwrap_or(0) } else { 0 },
                !peer.external(),
                set.originator_id().unwrap_or(peer.router_id),
                set.cluster_list().len(),
                peer.address,
            )
        };
        key(a).cmp(&key(b))
    }

    /// Whether the rules let a path go to a peer at all.
    fn may_go(&self, to: &ModelPeer, nlri: &Nlri, path: &Candidate) -> bool {
        let from = &self.peers[&path.peer].info;
        let set = &path.attributes;
        let echo = nlri.family() == Family::RouteTarget && to.info.kind == PeerKind::Client;
        let source = from.address == to.info.address && !echo;
        let between_internals = [from.kind, to.info.kind] == [PeerKind::Internal; 2];
        let kept = set.has_community(Community::NO_ADVERTISE)
            || (to.info.external() && set.has_community(Community::NO_EXPORT));
        let stale = path.long_lived || set.has_community(Community::LLGR_STALE);
        let too_stale = stale && !to.info.llgr.contains(nlri.family());
        !(source || between_internals || kept || too_stale)
    }

    fn export(&self, to: &ModelPeer, nlri: &Nlri, path: &Candidate) -> Option<Attributes> {
        if !self.may_go(to, nlri, path) {
            return None;
        }
        let from = &self.peers[&path.peer].info;
        let membership = nlri.family() == Family::RouteTarget;
        let external = to.info.external();
        let (mut out, med_set) = self.export_policy(to, nlri, &path.attributes)?;
        if membership || (external && nlri.family() == Family::Ipv4Unicast) {
            out.next_hop = Some(NextHop::Ipv4(OWN_ID));
        }
        if external && nlri.family() == Family::Ipv6Unicast {
            out.next_hop = Some(NextHop::Ipv6 {
                global: OWN_V6,
                link_local: None,
            });
        }
        if external {
            out.local_pref = None;
            out.rare.originator_id = None;
            out.rare.cluster_list = Box::default();
            if !med_set {
                out.med = None;
            }
            out.as_path = out.as_path.prepended(OWN_AS, 1);
        } else {
            out.local_pref = Some(out.local_pref.unwrap_or(100));
        }
        if !external && !from.external() {
            if membership && to.info.kind == PeerKind::Client {
                out.rare.originator_id = Some(OWN_ID);
            }
            out.rare.originator_id.get_or_insert(from.router_id);
            let mut clusters = vec![OWN_ID];
            clusters.extend_from_slice(&out.rare.cluster_list);
            out.rare.cluster_list = clusters.into();
        }
        if path.long_lived && !out.has_community(Community::LLGR_STALE) {
            let mut list = out.communities.to_vec();
            list.push(Community::LLGR_STALE);
            out.communities = list.into();
        }
        Some(out)
    }

    /// The attributes after policy and whether it set MED; none if it rejects.
    fn export_policy(
        &self,
        to: &ModelPeer,
        nlri: &Nlri,
        set: &Attributes,
    ) -> Option<(Attributes, bool)> {
        let Some(name) = &to.info.export else {
            return Some((set.clone(), false));
        };
        let subject = Subject {
            nlri,
            attributes: set,
            source: Source {
                address: Some(to.info.address),
                asn: to.info.asn,
                local: false,
            },
            own_as: OWN_AS,
        };
        let outcome = self.policies.evaluate(name, &subject);
        let accepted = outcome.verdict == Verdict::Accept;
        accepted.then(|| (outcome.attributes.into_owned(), outcome.med_set))
    }

    /// The targets a peer asked for.
    fn targets(&self, peer: &ModelPeer) -> BTreeSet<RouteTarget> {
        peer.announced
            .iter()
            .filter(|(nlri, path)| self.import(peer, nlri, path).is_some())
            .filter_map(|(nlri, _)| match nlri {
                Nlri::RouteTarget(RtMembership::Target { target, .. }) => Some(*target),
                _ => None,
            })
            .collect()
    }

    fn wants(&self, peer: &ModelPeer, nlri: &Nlri, path: &Candidate) -> bool {
        let constrained = matches!(nlri.family(), Family::Vpnv4 | Family::Vpnv6 | Family::Evpn);
        if !constrained || !peer.info.families.contains(Family::RouteTarget) {
            return true;
        }
        let asked = self.targets(peer);
        peer.complete
            && path
                .attributes
                .route_targets()
                .any(|target| asked.contains(&target))
    }

    pub(crate) fn nlri(&self) -> BTreeSet<Nlri> {
        let announced = self.peers.values().flat_map(|peer| peer.announced.keys());
        announced.copied().collect()
    }

    /// What a peer should know once all is quiet. With add-path, path ids are numbered as they come and compared as sets.
    pub(crate) fn known_by(&self, id: PeerId) -> Known {
        let peer = &self.peers[&id];
        let mut known = Known::new();
        if !peer.up {
            return known;
        }
        for nlri in self.nlri() {
            if !peer.info.families.contains(nlri.family()) {
                continue;
            }
            let paths = if peer.info.add_path_send.contains(nlri.family()) {
                self.candidates(&nlri)
            } else {
                self.chosen(peer, &nlri).into_iter().collect()
            };
            for (at, path) in paths.iter().enumerate() {
                if !self.wants(peer, &nlri, path) {
                    continue;
                }
                if let Some(attributes) = self.export(peer, &nlri, path) {
                    known.insert((nlri, at as u32), (attributes, path.payload));
                }
            }
        }
        if peer.info.families.contains(Family::RouteTarget)
            && let Some(attributes) = self.everything_for(peer)
        {
            known.insert((Self::everything().0, 0), (attributes, Payload::None));
        }
        known
    }
}

/// RFC 7432 15: what decides between paths of a MAC before all else; smaller is better, equal for routes of no MAC.
fn mobility(nlri: &Nlri, set: &Attributes) -> impl Ord + use<> {
    let Nlri::Evpn(EvpnNlri::MacIp { .. }) = nlri else {
        return None;
    };
    let (sequence, sticky) = set.mac_mobility().unwrap_or_default();
    let endpoint = set.next_hop.filter(|_| sequence != 0);
    Some((
        !set.has_extended(ExtendedCommunity::DEFAULT_GATEWAY),
        !sticky,
        std::cmp::Reverse(sequence),
        endpoint.map(|hop| hop.address()),
    ))
}
