//! Who is a neighbour without being named by address: whoever calls from a prefix, whoever is at the other end of a link; and
//! who is none, because it is too far away.

use super::samples::{Sample, far_prefix};
use super::world::{ASN, Family, World, client, is_root, ours, passive};
use sim::bgp::{Neighbor, Router, Site, Software};
use sim::lab::{Namespace, ip};

const V4: &[Family] = &[Family::Ipv4Unicast];
const PEERS: u32 = 65_001;
/// Everything the routers of a site are in.
const RANGE: &str = "198.18.0.0/24";

fn calls(world: &World, software: Software) -> Router {
    let toward = vec![Neighbor::new(Site::router(0), ASN, V4)];
    world.router(1, software, ASN, toward, |_| {})
}

/// Nobody named it, and it is let in and given routes; when it is gone it is no neighbour any more.
fn from_a_prefix(software: Software) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let script = world.next_source();
    let neighbors = vec![passive(client(script, V4))];
    let router = world.router(0, Software::Netwright, ASN, neighbors, |config| {
        config.extra = format!(
            "[[neighbors]]\nrange = \"{RANGE}\"\nremote-as = {ASN}\nlimit = 1\n\
             graceful-restart.mode = \"off\"\nlong-lived-graceful-restart.enabled = false\n"
        );
    });
    let mut peer = calls(&world, software);
    world.session(&router, Site::router(1), true);
    let session = world.script(0, ASN, V4);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(script, None));
    world.route(&peer, sample.family, sample.shown, true);
    peer.kill();
    world.until("nobody from the prefix", || {
        let told = router.control(&["neighbors", "-o", "json"]);
        told.is_ok_and(|told| !told.contains(&Site::router(1).to_string()))
    });
}

#[test]
fn frr_calls_from_a_prefix() {
    from_a_prefix(Software::Frr);
}

#[test]
fn bird_calls_from_a_prefix() {
    from_a_prefix(Software::Bird);
}

#[test]
fn gobgp_calls_from_a_prefix() {
    from_a_prefix(Software::Gobgp);
}

/// And the other way around: FRR lets whoever calls in.
#[test]
fn we_call_from_a_prefix_of_frr() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let script = world.next_source();
    let neighbors = vec![passive(client(script, V4))];
    let frr = world.router(0, Software::Frr, ASN, neighbors, |config| {
        config.extra = format!(
            "router bgp {ASN}\n neighbor anyone peer-group\n neighbor anyone remote-as {ASN}\n \
             bgp listen range {RANGE} peer-group anyone\n address-family ipv4 unicast\n  \
             neighbor anyone activate\n exit-address-family\nexit\n"
        );
    });
    let router = calls(&world, ours());
    world.session(&router, Site::router(0), true);
    let session = world.script(0, ASN, V4);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(script, None));
    world.route(&router, sample.family, sample.shown, true);
    world.session(&frr, Site::router(1), true);
}

/// Neither side knows the other one's address: they find each other by router advertisements, and IPv4 goes by way of IPv6 next hops
/// (RFC 8950), into both kernels and across.
#[test]
fn an_unnumbered_link_with_frr_carries_ipv4() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let router = world.router(0, Software::Netwright, ASN, Vec::new(), |config| {
        config.kernel = true;
        config.extra =
            "[[neighbors]]\ninterface = \"eth0\"\nremote-as = \"external\"\nconnect-retry = 1\n\
                        families = [\"ipv4-unicast\"]\n\
                        [[networks]]\nprefix = \"10.65.0.0/24\"\n"
                .to_owned();
    });
    let frr = world.router(1, Software::Frr, PEERS, Vec::new(), |config| {
        config.kernel = true;
        config.extra = format!(
            "router bgp {PEERS}\n neighbor eth0 interface remote-as external\n neighbor eth0 timers connect 1\n \
             address-family ipv4 unicast\n  neighbor eth0 activate\n  network 10.66.0.0/24\n exit-address-family\nexit\n"
        );
    });
    for (router, number) in [(&router, 65), (&frr, 66)] {
        let script = format!("link set lo up\naddr add 10.{number}.0.1/32 dev lo\n");
        ip(Some(router.namespace()), &script).expect("an address");
    }
    world.until("the session of the link", || {
        let told = router.control(&["neighbors", "eth0", "-o", "json"]);
        told.is_ok_and(|told| told.contains("\"established\""))
    });
    for (router, prefix) in [(&router, "10.66.0.0/24"), (&frr, "10.65.0.0/24")] {
        world.until("the route in the kernel", || {
            let shown = router.namespace().run("ip", &["route", "show", prefix]);
            shown.is_ok_and(|shown| shown.contains("via inet6 fe80:"))
        });
    }
    let ping = ["-c", "1", "-W", "1", "-I", "10.65.0.1", "10.66.0.1"];
    world.until("a packet across and back", || {
        router.namespace().run("ping", &ping).is_ok()
    });
}

/// Both sides send with the highest TTL and take nothing less (GTSM, RFC 5082). What one of them sends with the TTL of an
/// external session, as if it came from beyond the link, the other one's kernel drops.
fn only_from_the_link(software: Software, words: &str) {
    if !is_root() {
        return;
    }
    for secure in [[true, true], [true, false], [false, true]] {
        let mut world = World::new();
        let script = world.next_source();
        let secured = |neighbor: Neighbor, extra: &str, is_secure: bool| Neighbor {
            extra: if is_secure { extra } else { "" }.to_owned(),
            ..neighbor
        };
        let neighbors = vec![
            secured(
                Neighbor::new(Site::router(1), PEERS, V4),
                "ttl-security = 1\n",
                secure[0],
            ),
            passive(Neighbor::new(script, 65_002, V4)),
        ];
        let router = world.router(0, Software::Netwright, ASN, neighbors, |_| {});
        let toward = Neighbor::new(Site::router(0), ASN, V4);
        let toward = vec![secured(toward, words, secure[1])];
        let peer = world.router(1, software, PEERS, toward, |_| {});
        if secure == [true, true] {
            world.session(&router, Site::router(1), true);
            let session = world.script(0, 65_002, V4);
            let sample = &Sample::of(Family::Ipv4Unicast)[0];
            world.send(session, sample.announce(script, Some(65_002)));
            world.route(&peer, sample.family, far_prefix(), true);
            continue;
        }
        let guarded = if secure[0] { &router } else { &peer };
        world.until("segments from afar that are dropped", || {
            dropped_for_their_ttl(guarded.namespace()) > 0
        });
        let established = guarded.established().expect("told");
        assert!(established.is_empty(), "{secure:?}: {established:?}");
        // The other one may think that it has a session while its keepalives are dropped, if its OPEN was heard: it came before
        // we had taken the call. That ends with the hold time.
        let other = if secure[0] { &peer } else { &router };
        world.until("no session at the other end either", || {
            other.established().is_ok_and(|all| all.is_empty())
        });
    }
}

fn dropped_for_their_ttl(namespace: &Namespace) -> u64 {
    let text = namespace.run("cat", &["/proc/net/netstat"]).expect("shown");
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs
        .find(|(name, _)| *name == "TCPMinTTLDrop")
        .expect("a counter");
    value.parse().expect("a number")
}

#[test]
fn frr_takes_nothing_from_afar() {
    let words = format!(" neighbor {} ttl-security hops 1\n", Site::router(0));
    only_from_the_link(Software::Frr, &words);
}

#[test]
fn bird_takes_nothing_from_afar() {
    only_from_the_link(Software::Bird, "  ttl security on;\n");
}
