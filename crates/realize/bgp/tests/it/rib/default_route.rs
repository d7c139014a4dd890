//! default-originate: whatever happens around it, a peer that is to have a default route of ours has that one, and every
//! other peer what the table has.

use super::lab::{OWN_AS, OWN_ID, Receiver, announce, attributes, codec, info, withdraw};
use bgp::attribute::{Attributes, NextHop, Origin};
use bgp::message::RefreshKind;
use bgp::nlri::{Nlri, Route};
use bgp::policy::Policies;
use bgp::rib::{
    PathState, PeerInfo, PeerKind, Rejection, Rib, RibChange, RibConfig, Select, TableId,
};
use bgp::{Family, FamilySet, PeerId};
use proptest::prelude::*;
use std::collections::BTreeMap;

const FAMILY: Family = Family::Ipv4Unicast;
const SOURCE: PeerId = PeerId(1);

fn unicast() -> FamilySet {
    FamilySet::from_iter([FAMILY])
}

fn default_route() -> Route {
    Route::bare(Nlri::Ipv4(ipnet::Ipv4Net::default()))
}

/// Odd ones are external, even ones internal clients; the last one has add-path.
fn peer(number: u32, default: bool) -> PeerInfo {
    let kind = match number % 2 {
        0 => PeerKind::Client,
        _ => PeerKind::External,
    };
    let set = |on: bool| if on { unicast() } else { FamilySet::EMPTY };
    PeerInfo {
        default_originate: set(default),
        add_path_send: set(number == 5),
        ..info(number, kind, unicast())
    }
}

struct World {
    rib: Rib,
    source: PeerInfo,
    /// What the source announces of the default route, by the length of its path.
    announced: Option<u32>,
    receivers: BTreeMap<u32, (bool, Receiver)>,
}

impl World {
    fn new() -> Self {
        let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
        let source = info(1, PeerKind::External, unicast());
        rib.peer_up(SOURCE, source.clone());
        let mut world = Self {
            rib,
            source,
            announced: None,
            receivers: BTreeMap::new(),
        };
        (2..6).for_each(|number| world.up(number, false));
        world
    }

    fn up(&mut self, number: u32, default: bool) {
        self.rib.peer_up(PeerId(number), peer(number, default));
        self.receivers
            .insert(number, (default, Receiver::default()));
    }

    /// Lets peers read so many blocks each.
    fn read(&mut self, blocks: usize) {
        self.rib.flush();
        for (number, (_, receiver)) in &mut self.receivers {
            let mut codec = codec(unicast());
            if *number == 5 {
                codec.add_path_rx = unicast();
            }
            for _ in 0..blocks {
                let Some(block) = self.rib.transmit(PeerId(*number)) else {
                    break;
                };
                receiver.take(&block, &codec);
            }
        }
    }

    fn originated_by_us(&self, number: u32) -> Attributes {
        let next_hop = Some(NextHop::Ipv4(OWN_ID));
        let mut attributes = Attributes::new(Origin::Igp, next_hop);
        match peer(number, true).kind {
            PeerKind::External => {
                attributes.as_path = attributes.as_path.prepended(OWN_AS, 1);
            }
            _ => attributes.local_pref = Some(100),
        }
        attributes
    }

    fn check(&mut self) {
        while self.rib.flush() {}
        self.read(usize::MAX);
        while self.rib.flush() {
            self.read(usize::MAX);
        }
        self.read(usize::MAX);
        for (number, (default, receiver)) in &self.receivers {
            let known = receiver.known.iter();
            let known: Vec<_> = known
                .filter(|((nlri, _), _)| *nlri == default_route().nlri)
                .map(|(_, (attributes, _))| attributes)
                .collect();
            match (default, self.announced) {
                (true, _) => assert_eq!(known, [&self.originated_by_us(*number)], "{number}"),
                (false, Some(length)) => {
                    let [one] = known[..] else {
                        panic!("{number} has {known:?}")
                    };
                    let ours = usize::from(number % 2 == 1);
                    assert_eq!(one.as_path.hops(), length as usize + 1 + ours);
                }
                (false, None) => assert_eq!(known, Vec::<&Attributes>::new(), "{number}"),
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Announce(u32),
    Withdraw,
    Switch(u32, bool),
    Restart(u32, bool),
    Refresh(u32),
    Other(u8),
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 2..6_u32;
    prop_oneof![
        (0..3_u32).prop_map(Step::Announce),
        Just(Step::Withdraw),
        (number.clone(), any::<bool>()).prop_map(|(number, on)| Step::Switch(number, on)),
        (number.clone(), any::<bool>()).prop_map(|(number, on)| Step::Restart(number, on)),
        number.prop_map(Step::Refresh),
        (0..20_u8).prop_map(Step::Other),
        (0..3_usize).prop_map(Step::Read),
    ]
}

fn apply(world: &mut World, step: Step) {
    let (rib, source) = (&mut world.rib, &world.source);
    match step {
        Step::Announce(length) => {
            let path: Vec<u32> = (0..length).map(|n| 70 + n).collect();
            let set = attributes(source, &path);
            announce(rib, SOURCE, source, &default_route(), &set);
            world.announced = Some(length);
        }
        Step::Withdraw => {
            withdraw(rib, SOURCE, source, &default_route());
            world.announced = None;
        }
        Step::Switch(number, on) => {
            let info = Box::new(peer(number, on));
            rib.configure(RibChange::Peer(PeerId(number), info));
            world.receivers.get_mut(&number).expect("a peer").0 = on;
        }
        Step::Restart(number, on) => {
            rib.peer_down(PeerId(number), FamilySet::EMPTY);
            world.up(number, on);
        }
        Step::Refresh(number) => rib.refresh(PeerId(number), FAMILY, RefreshKind::Request, false),
        Step::Other(number) => {
            let route = super::lab::route(FAMILY, number);
            // The same attributes as our default route has before it is exported.
            let set = Attributes::new(Origin::Igp, None);
            rib.originate(TableId::Global(FAMILY), route, set);
        }
        Step::Read(blocks) => world.read(blocks),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_peer_ends_up_with_the_default_route_it_is_to_have(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let mut world = World::new();
        for step in steps {
            apply(&mut world, step);
        }
        world.check();
    }
}

#[test]
fn it_is_explained_used_for_nothing_else_and_asks_no_policy() {
    let mut config = RibConfig::new(OWN_AS, OWN_ID);
    config.policies = Policies::default();
    let mut rib = Rib::new(config);
    let strict = |default| PeerInfo {
        require_policy: true,
        ..peer(3, default)
    };
    rib.peer_up(PeerId(3), strict(true));
    rib.peer_up(PeerId(2), peer(2, false));
    rib.subscribe(TableId::Global(FAMILY));
    while rib.flush() {}
    assert_eq!(rib.table_changes(10), [], "nobody installs it");
    let nlri = default_route().nlri;
    let why = rib.explain(TableId::Global(FAMILY), &nlri).expect("there");
    let rejected = PathState::Rejected(Rejection::DefaultOriginate);
    assert_eq!(why.paths[0].state, rejected);
    let of = |number: u32| {
        let mut exports = why.exports.iter();
        let export = exports.find(|export| export.peer == PeerId(number));
        export.expect("a peer").outcome.is_ok()
    };
    assert!(of(3), "though no policy is configured");
    assert!(!of(2));
    while let Some(_block) = rib.transmit(PeerId(3)) {}
    let sent = rib.advertised(PeerId(3), FAMILY, Select::All, None, 9, |_| true);
    assert_eq!(sent.items.len(), 1);
    rib.configure(RibChange::Peer(PeerId(3), Box::new(strict(false))));
    while rib.flush() {}
    while let Some(_block) = rib.transmit(PeerId(3)) {}
    let counts = rib.table_counts(TableId::Global(FAMILY)).expect("a table");
    assert_eq!((counts.prefixes, counts.paths), (0, 0), "nothing is left");
}
