//! Route-target constraint (RFC 4684) with GoBGP, the only packaged peer that has it.

use super::world::{ASN, Family, World, client, is_root, ours, passive};
use sim::bgp::messages::{self, memberships};
use sim::bgp::{Kind, Neighbor, Site, Software, Source};

const VPN: &[Family] = &[Family::Vpnv4];
const BOTH: &[Family] = &[Family::Vpnv4, Family::RouteTarget];

/// GoBGP has a VRF that imports 65000:1 and so asks for that target; of routes with targets 0, 1 and 2 only those of
/// target 1 are sent to it. When the VRF goes, so do they.
#[test]
fn gobgp_is_sent_what_it_asks_for() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let script = world.next_source();
    // On behalf of the scripted one, that cannot ask by target, we ask for all (RFC 4684 4), and GoBGP 3.10 ends with a nil
    // pointer when it hears that.
    let spared = Neighbor {
        extra: "export = \"no-memberships\"\n".to_owned(),
        ..client(Site::router(1), BOTH)
    };
    let neighbors = vec![spared, passive(client(script, VPN))];
    let router = world.router(0, Software::Netwright, ASN, neighbors, |config| {
        config.extra = "\n[policies.no-memberships]\ndefault = \"accept\"\n\
                        rules = [{ match = [{ family = [\"route-target\"] }], then = \"reject\" }]\n"
            .to_owned();
    });
    let toward = vec![Neighbor::new(Site::router(0), ASN, BOTH)];
    let gobgp = world.router(1, Software::Gobgp, ASN, toward, |_| {});
    let vrf = "vrf add blue rd 65000:900 rt both 65000:1";
    gobgp
        .control(&vrf.split_whitespace().collect::<Vec<_>>())
        .expect("a VRF");
    world.session(&router, Site::router(1), true);
    let session = world.script(0, ASN, VPN);
    let source = Source {
        kind: Kind::Vpnv4,
        asn: ASN,
        external: false,
        next_hop: script,
        targets: 3,
    };
    // Targets go around by blocks of ten: 0, 1, 2.
    world.send(session, source.announce(0..30, 0));
    world.until("the ten routes of target 1", || {
        let routes = gobgp.routes(Family::Vpnv4).unwrap_or_default();
        assert!(
            routes.keys().all(|name| name.starts_with("65000:1:")),
            "{routes:?}"
        );
        routes.len() == 10
    });
    gobgp.control(&["vrf", "del", "blue"]).expect("deleted");
    world.until("no routes", || {
        gobgp
            .routes(Family::Vpnv4)
            .is_ok_and(|routes| routes.is_empty())
    });
}

/// We have a VRF and so ask GoBGP for its target: of the routes that it has, only those come. When the VRF imports another target
/// too, so do that one's; when the VRF goes, none are left.
#[test]
fn gobgp_sends_what_we_ask_for() {
    if !is_root() {
        return;
    }
    const VRF: &str = "\n[vrfs.blue]\nrd = \"65000:900\"\ntargets = [\"65000:1\"]\n";
    let mut world = World::new();
    let script = world.next_source();
    let router = world.router(
        0,
        Software::Netwright,
        ASN,
        vec![Neighbor::new(Site::router(1), ASN, BOTH)],
        |config| config.extra = VRF.to_owned(),
    );
    let toward = vec![client(Site::router(0), BOTH), passive(client(script, VPN))];
    let _gobgp = world.router(1, Software::Gobgp, ASN, toward, |_| {});
    world.session(&router, Site::router(1), true);
    let session = world.script(1, ASN, VPN);
    let source = Source {
        kind: Kind::Vpnv4,
        asn: ASN,
        external: false,
        next_hop: script,
        targets: 3,
    };
    world.send(session, source.announce(0..30, 0));
    let mut until_there = |targets: &[&str]| {
        let what = format!("the routes of {targets:?} and no others");
        world.until(&what, || {
            let routes = router.routes(Family::Vpnv4).unwrap_or_default();
            let wanted = |name: &str| targets.iter().any(|target| name.starts_with(target));
            routes.len() == 10 * targets.len() && routes.keys().all(|name| wanted(name))
        });
    };
    let reload = |vrf: &str| {
        let file = router.folder().join("bgp.toml");
        let text = std::fs::read_to_string(&file).expect("a configuration");
        let (head, _) = text.split_once("\n[vrfs.blue]").expect("a VRF");
        std::fs::write(&file, format!("{head}{vrf}")).expect("written");
        router.control(&["reload"]).expect("reloaded");
    };
    until_there(&["65000:1:"]);
    reload(&VRF.replace("[\"65000:1\"]", "[\"65000:1\", \"65000:2\"]"));
    until_there(&["65000:1:", "65000:2:"]);
    reload("");
    until_there(&[]);
}

/// A scripted neighbour asks for targets one after the other and gives them back.
#[test]
fn memberships_come_and_go() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let neighbors = vec![
        passive(client(Site::source(0), VPN)),
        passive(client(Site::source(1), BOTH)),
    ];
    let _router = world.router(0, ours(), ASN, neighbors, |_| {});
    let source = Source {
        kind: Kind::Vpnv4,
        asn: ASN,
        external: false,
        next_hop: Site::source(0),
        targets: 3,
    };
    let sender = world.script(0, ASN, VPN);
    world.send(sender, source.announce(0..30, 0));
    let asker = world.script_of(0, ASN, BOTH, Kind::Vpnv4);
    world.send(asker, messages::end_of_rib(Family::RouteTarget));
    let own = Site::source(1);
    for (number, wanted) in [(1, 10), (2, 20), (0, 30)] {
        world.send(asker, memberships(ASN, own, &[(65000, number)]));
        world.until_counted(asker, wanted);
    }
    world.send(asker, messages::no_memberships(ASN, &[(65000, 1)]));
    world.until_counted(asker, 20);
    world.send(
        asker,
        messages::no_memberships(ASN, &[(65000, 0), (65000, 2)]),
    );
    world.until_counted(asker, 0);
}
