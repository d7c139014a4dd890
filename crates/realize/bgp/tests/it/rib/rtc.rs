//! Route-target constraint: who gets which VPN routes, and that a change costs only the routes it is about.

use super::lab::{
    OWN_AS, OWN_ID, Receiver, announce, attributes, codec, info, route, target, with_targets,
    withdraw,
};
use bgp::attribute::Attributes;
use bgp::nlri::{Nlri, Payload, Route, RtMembership};
use bgp::rib::{PeerInfo, PeerKind, Rib, RibConfig, TableId, Withheld};
use bgp::{Family, FamilySet, PeerId};

const SOURCE: PeerId = PeerId(1);
const ASKING: PeerId = PeerId(2);

fn constrained() -> FamilySet {
    [Family::Vpnv4, Family::RouteTarget].into_iter().collect()
}

struct Lab {
    rib: Rib,
    source: PeerInfo,
    asking: PeerInfo,
    receiver: Receiver,
}

impl Lab {
    /// Routes 1, 2, … carry target 1, 2, …
    fn new(routes: u8) -> Self {
        let mut lab = Self {
            rib: Rib::new(RibConfig::new(OWN_AS, OWN_ID)),
            source: info(1, PeerKind::Client, FamilySet::from_iter([Family::Vpnv4])),
            asking: info(2, PeerKind::Client, constrained()),
            receiver: Receiver::default(),
        };
        lab.rib.peer_up(SOURCE, lab.source.clone());
        lab.rib.peer_up(ASKING, lab.asking.clone());
        for number in 1..=routes {
            let set = with_targets(attributes(&lab.source, &[7]), &[number]);
            let route = route(Family::Vpnv4, number);
            announce(&mut lab.rib, SOURCE, &lab.source, &route, &set);
        }
        lab
    }

    fn ask(&mut self, membership: RtMembership) {
        let route = Self::membership(membership);
        let set = attributes(&self.asking, &[]);
        announce(&mut self.rib, ASKING, &self.asking, &route, &set);
    }

    fn membership(membership: RtMembership) -> Route {
        Route {
            nlri: Nlri::RouteTarget(membership),
            path_id: 0,
            payload: Payload::None,
        }
    }

    fn exact(origin: u32, number: u8) -> RtMembership {
        RtMembership::Target {
            origin,
            target: target(number),
            bits: 64,
        }
    }

    /// The VPN routes the asking peer knows now, by number.
    fn known(&mut self) -> Vec<u8> {
        while self.rib.flush() {}
        while let Some(block) = self.rib.transmit(ASKING) {
            self.receiver.take(&block, &codec(constrained()));
        }
        let numbers = self
            .receiver
            .known
            .keys()
            .filter_map(|(nlri, _)| match nlri {
                Nlri::Vpnv4(_, net) => Some(net.addr().octets()[1]),
                _ => None,
            });
        numbers.collect()
    }

    fn withheld(&self, number: u8) -> Option<Withheld> {
        let table = TableId::Global(Family::Vpnv4);
        let nlri = route(Family::Vpnv4, number).nlri;
        let explanation = self.rib.explain(table, &nlri).expect("there");
        let export = explanation
            .exports
            .into_iter()
            .find(|export| export.peer == ASKING);
        export.expect("up").outcome.err()
    }
}

#[test]
fn nothing_goes_before_memberships_are_known() {
    let mut lab = Lab::new(3);
    lab.ask(Lab::exact(OWN_AS, 2));
    assert_eq!(lab.known(), []);
    assert_eq!(lab.withheld(2), Some(Withheld::MembershipPending));
    assert!(!lab.receiver.ends.contains(&Family::Vpnv4));
    lab.rib.end_of_rib(ASKING, Family::RouteTarget);
    assert_eq!(lab.known(), [2]);
    assert_eq!(lab.withheld(1), Some(Withheld::NoMembership));
    assert!(
        lab.receiver.ends.contains(&Family::Vpnv4),
        "then End-of-RIB"
    );
}

#[test]
fn memberships_come_and_go() {
    let mut lab = Lab::new(5);
    lab.rib.memberships_complete(ASKING);
    assert_eq!(lab.known(), []);
    lab.ask(Lab::exact(OWN_AS, 1));
    lab.ask(Lab::exact(OWN_AS, 4));
    assert_eq!(lab.known(), [1, 4]);
    // Asked for by a second origin AS: nothing new, and it stays when the first goes.
    lab.ask(Lab::exact(7, 4));
    let before = lab.receiver.updates;
    assert_eq!(lab.known(), [1, 4]);
    let asked = Lab::membership(Lab::exact(OWN_AS, 4));
    withdraw(&mut lab.rib, ASKING, &lab.asking, &asked);
    assert_eq!(lab.known(), [1, 4]);
    let vpn = |lab: &Lab| {
        lab.receiver
            .known
            .keys()
            .filter(|(nlri, _)| nlri.family() == Family::Vpnv4)
            .count()
    };
    assert_eq!(vpn(&lab), 2);
    assert!(
        lab.receiver.updates <= before + 2,
        "memberships told, no VPN route again"
    );
    let asked = Lab::membership(Lab::exact(7, 4));
    withdraw(&mut lab.rib, ASKING, &lab.asking, &asked);
    assert_eq!(lab.known(), [1]);
}

#[test]
fn default_and_partial_memberships() {
    let mut lab = Lab::new(5);
    lab.rib.memberships_complete(ASKING);
    // Targets 2 and 3 share all but the last bit.
    lab.ask(RtMembership::Target {
        origin: OWN_AS,
        target: target(2),
        bits: 63,
    });
    assert_eq!(lab.known(), [2, 3]);
    lab.ask(RtMembership::Default);
    assert_eq!(lab.known(), [1, 2, 3, 4, 5]);
    let asked = Lab::membership(RtMembership::Default);
    withdraw(&mut lab.rib, ASKING, &lab.asking, &asked);
    assert_eq!(lab.known(), [2, 3]);
}

#[test]
fn a_route_that_changes_its_targets_is_sent_or_withdrawn() {
    let mut lab = Lab::new(2);
    lab.ask(Lab::exact(OWN_AS, 9));
    lab.rib.memberships_complete(ASKING);
    assert_eq!(lab.known(), []);
    let set = with_targets(attributes(&lab.source, &[7]), &[8, 9]);
    let one = route(Family::Vpnv4, 1);
    announce(&mut lab.rib, SOURCE, &lab.source, &one, &set);
    assert_eq!(lab.known(), [1]);
    let set = with_targets(attributes(&lab.source, &[7]), &[8]);
    announce(&mut lab.rib, SOURCE, &lab.source, &one, &set);
    assert_eq!(lab.known(), []);
    assert_eq!(lab.receiver.withdrawn, 1, "only who had it is told");
}

#[test]
fn a_client_hears_of_its_own_membership_so_that_it_sends_routes() {
    let mut lab = Lab::new(0);
    lab.ask(Lab::exact(OWN_AS, 1));
    lab.known();
    let nlri = Nlri::RouteTarget(Lab::exact(OWN_AS, 1));
    let (set, _) = &lab.receiver.known[&(nlri, 0)];
    assert_eq!(
        set.originator_id(),
        Some(OWN_ID),
        "else the client would take it for a loop"
    );
    assert_eq!(set.next_hop.map(|hop| hop.address()), Some(OWN_ID.into()));
}

#[test]
fn a_local_route_is_constrained_too() {
    let mut lab = Lab::new(0);
    lab.ask(Lab::exact(OWN_AS, 3));
    lab.rib.memberships_complete(ASKING);
    let hop = attributes(&lab.source, &[]).next_hop;
    let set = Attributes::new(bgp::attribute::Origin::Igp, hop);
    for number in [3, 4] {
        let set = with_targets(set.clone(), &[number]);
        let table = TableId::Global(Family::Vpnv4);
        lab.rib.originate(table, route(Family::Vpnv4, number), set);
    }
    assert_eq!(lab.known(), [3]);
}

fn sent_to(rib: &mut Rib, peer: PeerId, families: FamilySet, receiver: &mut Receiver) {
    while rib.flush() {}
    while let Some(block) = rib.transmit(peer) {
        receiver.take(&block, &codec(families));
    }
}

/// RFC 4684 3.2 (ii): what the other reflector reflects to us could not be passed back to it, and it would never hear that
/// our client asks for the target.
#[test]
fn another_reflector_is_told_of_a_membership_by_a_clients_path() {
    let families = FamilySet::from_iter([Family::RouteTarget]);
    let other = info(1, PeerKind::Internal, families);
    let client = info(2, PeerKind::Client, families);
    let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
    rib.peer_up(SOURCE, other.clone());
    rib.peer_up(ASKING, client.clone());
    let membership = route(Family::RouteTarget, 1);
    let mut reflected = attributes(&other, &[]);
    reflected.rare.originator_id = Some([1, 1, 1, 1].into());
    let of_client = attributes(&client, &[]);
    announce(&mut rib, SOURCE, &other, &membership, &reflected);
    let mut receiver = Receiver::default();
    for _ in 0..2 {
        sent_to(&mut rib, SOURCE, families, &mut receiver);
        assert!(receiver.known.is_empty(), "nothing but its own");
        announce(&mut rib, ASKING, &client, &membership, &of_client);
        sent_to(&mut rib, SOURCE, families, &mut receiver);
        let told = receiver.known.get(&(membership.nlri, 0));
        let (told, _) = told.expect("it is told of the client's");
        assert_eq!(told.originator_id(), Some(client.router_id));
        let table = TableId::Global(Family::RouteTarget);
        let explanation = rib.explain(table, &membership.nlri).expect("there");
        let mut exports = explanation.exports.into_iter();
        let export = exports.find(|export| export.peer == SOURCE).expect("up");
        assert_eq!(export.outcome.ok().as_deref(), Some(told));
        withdraw(&mut rib, ASKING, &client, &membership);
    }
}

/// One that asks for nothing by target is to get all, also of those who send only what they are asked for.
#[test]
fn for_a_peer_without_the_family_all_targets_are_asked_for() {
    let all = Nlri::RouteTarget(RtMembership::Default);
    let plain = info(1, PeerKind::Client, FamilySet::from_iter([Family::Vpnv4]));
    let unicast = FamilySet::from_iter([Family::Ipv4Unicast]);
    let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
    rib.peer_up(ASKING, info(2, PeerKind::Client, constrained()));
    rib.peer_up(PeerId(3), info(3, PeerKind::Client, unicast));
    let mut receiver = Receiver::default();
    let mut asked = |rib: &mut Rib| {
        sent_to(rib, ASKING, constrained(), &mut receiver);
        receiver.known.contains_key(&(all, 0))
    };
    assert!(!asked(&mut rib));
    rib.peer_up(SOURCE, plain.clone());
    assert!(asked(&mut rib));
    rib.peer_down(SOURCE, FamilySet::EMPTY);
    assert!(asked(&mut rib), "it may come back");
    rib.peer_up(SOURCE, plain);
    rib.peer_removed(SOURCE);
    assert!(!asked(&mut rib));
}
