//! What a dry run says is what then happens: to a peer, to others through the choice, and to peers with add-path.

use super::lab::{OWN_AS, OWN_ID, announce, attributes, info, named, route};
use bgp::attribute::Attributes;
use bgp::policy::Policies;
use bgp::rib::{Direction, Effect, PeerInfo, PeerKind, Rib, RibChange, RibConfig, TableId};
use bgp::{Family, FamilySet, PeerId};

const FAMILY: Family = Family::Ipv4Unicast;

fn policies(text: &str) -> Policies {
    toml::from_str(text).expect("policies")
}

fn client(number: u32) -> PeerInfo {
    info(number, PeerKind::Client, FamilySet::from_iter([FAMILY]))
}

/// What a peer is sent of the route.
fn sent(rib: &mut Rib, peer: PeerId) -> Vec<Attributes> {
    while rib.flush() {}
    let table = TableId::Global(FAMILY);
    let explanation = rib.explain(table, &route(FAMILY, 1).nlri);
    let exports = explanation.map_or(Vec::new(), |explanation| explanation.exports);
    let of_peer = exports.into_iter().filter(|export| export.peer == peer);
    let sent = of_peer.filter_map(|export| export.outcome.ok());
    sent.map(|set| (*set).clone()).collect()
}

/// By an effect, what a peer was sent becomes this.
fn apply(sent: &mut Vec<Attributes>, effect: &Effect) {
    let (gone, come) = match effect {
        Effect::Added(after) => (None, Some(after)),
        Effect::Removed(before) => (Some(before), None),
        Effect::Changed { before, after } => (Some(before), Some(after)),
    };
    if let Some(gone) = gone {
        let at = sent.iter().position(|one| *one == **gone);
        sent.remove(at.expect("it was sent"));
    }
    sent.extend(come.map(|set| (**set).clone()));
}

#[test]
fn what_import_changes_shows_in_what_others_are_sent() {
    let now = "[in]\ndefault = \"accept\"\n[out]\ndefault = \"accept\"";
    let out = "[out]\ndefault = \"accept\"\nrules = [{ set = [{ med = 9 }], then = \"accept\" }]";
    let proposals = [
        // The best path goes, and the other is the best.
        "[in]\n[out]\ndefault = \"accept\"".to_owned(),
        // It is less preferred.
        "[in]\nrules = [{ set = [{ local-pref = 5 }], then = \"accept\" }]\n[out]\ndefault = \"accept\"".to_owned(),
        // It is still the best, as another.
        "[in]\nrules = [{ set = [{ weight = 7 }, { med = 3 }], then = \"accept\" }]\n[out]\ndefault = \"accept\"".to_owned(),
        format!("[in]\n{out}"),
        format!("[in]\ndefault = \"accept\"\n{out}"),
    ];
    for text in proposals {
        let mut config = RibConfig::new(OWN_AS, OWN_ID);
        config.policies = policies(now);
        let mut rib = Rib::new(config);
        let judged = PeerInfo {
            import: named("in"),
            ..client(1)
        };
        let plain = client(2);
        let receiver = PeerInfo {
            export: named("out"),
            ..client(3)
        };
        let all_paths = PeerInfo {
            add_path_send: FamilySet::from_iter([FAMILY]),
            ..client(4)
        };
        let peers = [judged.clone(), plain.clone(), receiver, all_paths];
        for (number, peer) in (1..).zip(peers) {
            rib.peer_up(PeerId(number), peer);
        }
        let (short, long) = (attributes(&judged, &[7]), attributes(&plain, &[7, 8]));
        announce(&mut rib, PeerId(1), &judged, &route(FAMILY, 1), &short);
        announce(&mut rib, PeerId(2), &plain, &route(FAMILY, 1), &long);
        let proposed = policies(&text);
        let mut expected = Vec::new();
        let mut effects = 0;
        for peer in (1..=4).map(PeerId) {
            let mut told = sent(&mut rib, peer);
            let direction = Direction::Export;
            let page = rib.policy_effects(&proposed, peer, direction, FAMILY, None, 10);
            page.items
                .iter()
                .for_each(|item| apply(&mut told, &item.effect));
            effects += page.items.len();
            expected.push((peer, told));
        }
        assert!(effects > 0, "{text}");
        rib.configure(RibChange::Policies(proposed));
        for (peer, mut told) in expected {
            let mut found = sent(&mut rib, peer);
            let order = |set: &Attributes| format!("{set:?}");
            told.sort_by_key(order);
            found.sort_by_key(order);
            assert_eq!(told, found, "{peer:?} with {text}");
        }
    }
}
