//! Random histories: after quiet, every table is the model's and every peer knows what the model says.

use super::lab::{
    Backwards, Known, OWN_AS, OWN_ID, OWN_V6, Receiver, address6, announce, codec, info, named,
    relabeled, route, settle, withdraw,
};
use super::model::{Announced, Model, ModelPeer, Stale};
use super::shape::{Shape, policies, shape, shaped};
use bgp::attribute::Community;
use bgp::message::{CodecContext, RefreshKind};
use bgp::rib::{
    Origin as From, PathState, PeerInfo, PeerKind, Reach, Rib, RibChange, RibConfig, Select,
    TableId,
};
use bgp::{Family, FamilySet, PeerId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const FAMILIES: [Family; 8] = Family::ALL;
const PEERS: u8 = 7;

#[derive(Debug, Clone)]
enum Step {
    Up(u8),
    Down {
        peer: u8,
        keep: bool,
    },
    Announce {
        peer: u8,
        family: u8,
        route: u8,
        shape: Shape,
    },
    Withdraw {
        peer: u8,
        family: u8,
        route: u8,
    },
    EndOfRib {
        peer: u8,
    },
    LongLived {
        peer: u8,
    },
    Refresh {
        peer: u8,
        family: u8,
        enhanced: bool,
    },
    Policies {
        variant: u8,
    },
    Peer {
        peer: u8,
        import: u8,
        export: u8,
    },
    NextHop {
        peer: u8,
        reach: Reach,
    },
    Flush,
    Send {
        peer: u8,
    },
    Quiet,
}

fn reach() -> impl Strategy<Value = Reach> {
    prop_oneof![
        Just(Reach::Metric(0)),
        Just(Reach::Tunnel(0)),
        Just(Reach::Unreachable),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let peer = || 0..PEERS;
    let family = || 0..FAMILIES.len() as u8;
    prop_oneof![
        2 => peer().prop_map(Step::Up),
        2 => (peer(), any::<bool>()).prop_map(|(peer, keep)| Step::Down { peer, keep }),
        24 => (peer(), family(), 0u8..5, shape()).prop_map(|(peer, family, route, shape)| Step::Announce { peer, family, route, shape }),
        8 => (peer(), family(), 0u8..5).prop_map(|(peer, family, route)| Step::Withdraw { peer, family, route }),
        3 => peer().prop_map(|peer| Step::EndOfRib { peer }),
        1 => peer().prop_map(|peer| Step::LongLived { peer }),
        1 => (peer(), family(), any::<bool>()).prop_map(|(peer, family, enhanced)| Step::Refresh { peer, family, enhanced }),
        2 => (0u8..3).prop_map(|variant| Step::Policies { variant }),
        2 => (peer(), 0u8..3, 0u8..4).prop_map(|(peer, import, export)| Step::Peer { peer, import, export }),
        1 => (peer(), reach()).prop_map(|(peer, reach)| Step::NextHop { peer, reach }),
        5 => Just(Step::Flush),
        6 => peer().prop_map(|peer| Step::Send { peer }),
        2 => Just(Step::Quiet),
    ]
}

fn peer_info(number: u8) -> PeerInfo {
    let all: FamilySet = FAMILIES.into_iter().collect();
    let plain = FAMILIES
        .into_iter()
        .filter(|family| *family != Family::RouteTarget);
    let plain: FamilySet = plain.collect();
    let number32 = u32::from(number) + 1;
    let info = |number, kind, families| PeerInfo {
        local_address_other: Some(OWN_V6.into()),
        ..info(number, kind, families)
    };
    match number {
        0 | 1 => info(number32, PeerKind::External, plain),
        2 => info(number32, PeerKind::Internal, all),
        3 => PeerInfo {
            llgr: plain,
            ..info(number32, PeerKind::Client, plain)
        },
        4 => PeerInfo {
            add_path_send: [Family::Ipv4Unicast, Family::Vpnv6, Family::Evpn]
                .into_iter()
                .collect(),
            ..info(number32, PeerKind::Client, plain)
        },
        _ => info(number32, PeerKind::Client, all),
    }
}

struct World {
    rib: Rib,
    model: Model,
    receivers: BTreeMap<PeerId, (Receiver, CodecContext)>,
    told: BTreeMap<bgp::nlri::Nlri, From>,
}

fn id(peer: u8) -> PeerId {
    PeerId(u32::from(peer))
}

impl World {
    fn new(shards: usize, backlog: usize, slice: u32) -> Self {
        let mut config = RibConfig::new(OWN_AS, OWN_ID);
        config.policies = policies(0);
        config.shards = shards;
        config.backlog = backlog;
        config.slice = slice;
        let mut rib = Rib::new(config);
        rib.set_executor(Arc::new(Backwards));
        for family in FAMILIES {
            rib.subscribe(TableId::Global(family));
        }
        let peers = (0..PEERS).map(|peer| {
            let peer_state = ModelPeer {
                info: peer_info(peer),
                up: false,
                complete: false,
                announced: BTreeMap::new(),
            };
            (id(peer), peer_state)
        });
        let model = Model {
            peers: peers.collect(),
            policies: policies(0),
            next_hops: BTreeMap::new(),
        };
        let mut world = Self {
            rib,
            model,
            receivers: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        (0..PEERS).for_each(|peer| world.up(peer));
        world
    }

    fn up(&mut self, peer: u8) {
        let state = self
            .model
            .peers
            .get_mut(&id(peer))
            .expect("a peer of the lab");
        if state.up {
            return;
        }
        state.up = true;
        state.complete = false;
        let mut sees = codec(state.info.families);
        sees.add_path_rx = state.info.add_path_send;
        self.rib.peer_up(id(peer), state.info.clone());
        self.receivers.insert(id(peer), (Receiver::default(), sees));
    }

    fn down(&mut self, peer: u8, keep: bool) {
        let state = self
            .model
            .peers
            .get_mut(&id(peer))
            .expect("a peer of the lab");
        if !state.up {
            return;
        }
        state.up = false;
        state.complete = false;
        let kept = if keep {
            state.info.families
        } else {
            FamilySet::EMPTY
        };
        state.announced.retain(|_, path| {
            let was = path.stale;
            if was == Stale::No {
                path.stale = Stale::Restarting;
            }
            keep && was != Stale::Restarting
        });
        self.rib.peer_down(id(peer), kept);
        if !keep {
            // Whatever it takes until they are gone.
            let received = FAMILIES.map(|family| self.rib.counts(id(peer), family).received);
            assert_eq!(received, [0; FAMILIES.len()]);
        }
        self.receivers.remove(&id(peer));
    }

    fn announce(&mut self, peer: u8, family: u8, number: u8, shape: Shape) {
        let family = FAMILIES[usize::from(family)];
        let state = self
            .model
            .peers
            .get_mut(&id(peer))
            .expect("a peer of the lab");
        if !state.up || !state.info.families.contains(family) {
            return;
        }
        let set = shaped(&state.info, family, shape);
        let mut route = route(family, number);
        if shape.relabeled {
            route = relabeled(route);
        }
        announce(&mut self.rib, id(peer), &state.info, &route, &set);
        let path = Announced {
            attributes: set,
            payload: route.payload,
            stale: Stale::No,
        };
        state.announced.insert(route.nlri, path);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Up(peer) => self.up(peer),
            Step::Down { peer, keep } => self.down(peer, keep),
            Step::Announce {
                peer,
                family,
                route,
                shape,
            } => self.announce(peer, family, route, shape),
            Step::Withdraw {
                peer,
                family,
                route,
            } => self.withdraw(peer, family, route),
            Step::EndOfRib { peer } => self.end_of_rib(peer),
            Step::LongLived { peer } => self.long_lived(peer),
            Step::Refresh {
                peer,
                family,
                enhanced,
            } => {
                let family = FAMILIES[usize::from(family)];
                let kind = RefreshKind::Request;
                self.rib.refresh(id(peer), family, kind, enhanced);
            }
            Step::Policies { variant } => {
                self.model.policies = policies(variant);
                let change = RibChange::Policies(policies(variant));
                self.rib.configure(change);
            }
            Step::Peer {
                peer,
                import,
                export,
            } => self.change_peer(peer, import, export),
            Step::NextHop { peer, reach } => self.next_hop(peer, reach),
            Step::Flush => {
                self.rib.flush();
            }
            Step::Send { peer } => {
                if let Some((receiver, codec)) = self.receivers.get_mut(&id(peer))
                    && let Some(block) = self.rib.transmit(id(peer))
                {
                    receiver.take(&block, codec);
                }
            }
            Step::Quiet => self.check(),
        }
    }

    fn peer(&mut self, peer: u8) -> &mut ModelPeer {
        self.model
            .peers
            .get_mut(&id(peer))
            .expect("a peer of the lab")
    }

    fn withdraw(&mut self, peer: u8, family: u8, number: u8) {
        let family = FAMILIES[usize::from(family)];
        let state = self.peer(peer);
        if state.up && state.info.families.contains(family) {
            let route = route(family, number);
            state.announced.remove(&route.nlri);
            let info = state.info.clone();
            withdraw(&mut self.rib, id(peer), &info, &route);
        }
    }

    fn end_of_rib(&mut self, peer: u8) {
        let state = self.peer(peer);
        if state.up {
            state.announced.retain(|_, path| path.stale == Stale::No);
            state.complete = true;
            let families = state.info.families;
            for family in families.iter() {
                self.rib.end_of_rib(id(peer), family);
            }
        }
    }

    fn next_hop(&mut self, peer: u8, reach: Reach) {
        let v4 = self.peer(peer).info.address;
        for hop in [v4, address6(v4).into()] {
            self.model.next_hops.insert(hop, reach);
            self.rib.configure(RibChange::NextHop(hop, reach));
        }
    }

    fn long_lived(&mut self, peer: u8) {
        let state = self
            .model
            .peers
            .get_mut(&id(peer))
            .expect("a peer of the lab");
        state.announced.retain(|_, path| {
            let stale = path.stale == Stale::Restarting;
            if stale {
                path.stale = Stale::LongLived;
            }
            !(stale && path.attributes.has_community(Community::NO_LLGR))
        });
        for family in state.info.families.iter() {
            self.rib.start_llgr(id(peer), family);
        }
    }

    fn change_peer(&mut self, peer: u8, import: u8, export: u8) {
        let state = self
            .model
            .peers
            .get_mut(&id(peer))
            .expect("a peer of the lab");
        let name = |number| match number {
            1 => named("few"),
            2 => named("tag"),
            3 => named("not there"),
            _ => None,
        };
        state.info.import = name(import);
        state.info.export = name(export);
        let info = Box::new(state.info.clone());
        self.rib.configure(RibChange::Peer(id(peer), info));
    }

    fn check(&mut self) {
        settle(&mut self.rib, &mut self.receivers);
        for (peer, (receiver, _)) in &self.receivers {
            let expected = self.model.known_by(*peer);
            let info = &self.model.peers[peer].info;
            if info.add_path_send.is_empty() {
                assert_eq!(receiver.known, expected, "what {peer:?} knows");
            } else {
                assert_eq!(
                    paths(&receiver.known),
                    paths(&expected),
                    "what {peer:?} knows"
                );
            }
            assert!(!self.rib.unsent(*peer));
            self.check_counts(*peer, receiver);
        }
        self.check_tables();
        self.check_observer();
    }

    fn check_counts(&self, peer: PeerId, receiver: &Receiver) {
        for family in FAMILIES {
            let announced = &self.model.peers[&peer].announced;
            let received = announced
                .keys()
                .filter(|nlri| nlri.family() == family)
                .count();
            let counts = self.rib.counts(peer, family);
            assert_eq!(
                counts.received as usize, received,
                "received of {peer:?} {family}"
            );
            if self.model.peers[&peer].info.add_path_send.is_empty() {
                let known = receiver
                    .known
                    .keys()
                    .filter(|(nlri, _)| nlri.family() == family);
                assert_eq!(
                    counts.advertised as usize,
                    known.count(),
                    "sent to {peer:?} {family}"
                );
            }
            let shown = self
                .rib
                .advertised(peer, family, Select::All, None, 1000, |_| true);
            let known = receiver
                .known
                .keys()
                .filter(|(nlri, _)| nlri.family() == family);
            assert_eq!(
                shown.items.len(),
                known.count(),
                "Adj-RIB-Out of {peer:?} {family}"
            );
            for sent in shown.items {
                let known = &receiver.known[&(sent.nlri, sent.path_id)];
                assert_eq!(*sent.attributes, known.0);
                assert_eq!(sent.payload, known.1);
            }
        }
    }

    fn check_tables(&self) {
        let (everything, set) = Model::everything();
        let mut expected = BTreeMap::from([(everything, (From::Local, set))]);
        for nlri in self.model.nlri() {
            if let Some(best) = self.model.best(&nlri) {
                expected.insert(nlri, (From::Peer(best.peer), best.attributes));
            }
        }
        let mut found = BTreeMap::new();
        for family in FAMILIES {
            let mut from = None;
            loop {
                let table = TableId::Global(family);
                let page = self
                    .rib
                    .routes(table, Select::All, from.as_ref(), 3, |_| true)
                    .expect("a table");
                for paths in &page.items {
                    let best = paths.iter().find(|path| path.state == PathState::Best);
                    if let Some(best) = best {
                        let used = best.used.as_ref().expect("the best path is usable");
                        found.insert(best.nlri, (best.origin, (**used).clone()));
                    }
                }
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
        }
        assert_eq!(found, expected, "best paths");
    }

    fn check_observer(&mut self) {
        for change in self.rib.table_changes(1000) {
            match change.paths.first() {
                Some(best) => self.told.insert(change.nlri, best.origin),
                None => self.told.remove(&change.nlri),
            };
        }
        let mut expected: BTreeMap<_, _> = self
            .model
            .nlri()
            .into_iter()
            .filter_map(|nlri| Some((nlri, From::Peer(self.model.best(&nlri)?.peer))))
            .collect();
        expected.insert(Model::everything().0, From::Local);
        assert_eq!(self.told, expected, "what the observer knows");
    }

    /// With nobody and nothing left, nothing is kept.
    fn end(mut self) {
        (0..PEERS).for_each(|peer| self.down(peer, false));
        (0..PEERS).for_each(|peer| self.rib.peer_removed(id(peer)));
        self.rib.table_changes(1000);
        while self.rib.flush() {}
        assert_eq!(self.rib.attribute_sets(), 0, "attribute sets are let go of");
    }
}

/// Paths by route, whatever their ids.
fn paths(known: &Known) -> BTreeMap<bgp::nlri::Nlri, Vec<String>> {
    let mut paths: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((nlri, _), value) in known {
        paths.entry(*nlri).or_default().push(format!("{value:?}"));
    }
    paths.values_mut().for_each(|list| list.sort());
    paths
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn after_quiet_everyone_knows_what_the_model_says(
        steps in prop::collection::vec(step(), 1..200),
        shards in prop_oneof![Just(1_usize), Just(3)],
        backlog in prop_oneof![Just(0_usize), Just(200), Just(1 << 20)],
        slice in prop_oneof![Just(1_u32), Just(3), Just(4096)],
    ) {
        let mut world = World::new(shards, backlog, slice);
        for step in &steps {
            world.step(step);
        }
        world.check();
        world.end();
    }
}
