//! EVPN with FRR as a VTEP: zebra and bgpd over a bridge and VXLAN of the kernel. Ours reflects between two of them, and takes
//! a prefix route into a table of the kernel.

use super::world::{ASN, Family, World, client, is_root, ours};
use sim::bgp::{Neighbor, Router, Site, Software};
use sim::lab::{Namespace, ip};

const EVPN: &[Family] = &[Family::Evpn];
const VNI: u32 = 10_000;

/// A bridge, VXLAN without learning and one workload behind the bridge.
fn vtep(namespace: &Namespace, number: u8) -> Namespace {
    let name = format!("{}w", namespace.name());
    let workload = Namespace::create(name).expect("a namespace");
    let local = Site::router(number);
    let script = format!(
        "link add br1 type bridge\n\
         link add vx1 type vxlan id {VNI} dstport 4789 local {local} nolearning\n\
         link set vx1 mtu 1450 master br1 up\n\
         link set vx1 type bridge_slave learning off neigh_suppress on\n\
         link set br1 up\n\
         link add tap1 mtu 1450 type veth peer name eth0 mtu 1450 netns {}\n\
         link set tap1 master br1 up\n",
        workload.name()
    );
    ip(Some(namespace), &script).expect("a VTEP");
    let inside = format!(
        "link set eth0 address 02:00:00:00:01:{number:02x}\n\
         addr add 10.50.0.{number}/24 dev eth0\n\
         link set eth0 up\n"
    );
    ip(Some(&workload), &inside).expect("a workload");
    workload
}

/// FRR with zebra, a VTEP and its workload.
fn frr_vtep(world: &World, number: u8) -> (Router, Namespace) {
    let toward = vec![Neighbor::new(Site::router(0), ASN, EVPN)];
    let router = world.router(number, Software::Frr, ASN, toward, |config| {
        config.kernel = true;
        config.extra = format!(
            "router bgp {ASN}\n address-family l2vpn evpn\n  advertise-all-vni\n exit-address-family\n"
        );
    });
    let workload = vtep(router.namespace(), number);
    (router, workload)
}

#[test]
fn two_frr_vteps_reach_each_other_through_us() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let neighbors = [1, 2]
        .map(|number| client(Site::router(number), EVPN))
        .to_vec();
    let reflector = world.router(0, ours(), ASN, neighbors, |_| {});
    let vteps = [1, 2].map(|number| frr_vtep(&world, number));
    for (router, _) in &vteps {
        world.session(router, Site::router(0), true);
    }
    // Type 3: each VTEP floods to the other one.
    for (number, (router, _)) in vteps.iter().enumerate() {
        let other = Site::router(2 - number as u8).to_string();
        world.until("the other VTEP in the flood list", || {
            let fdb = router
                .namespace()
                .run("bridge", &["fdb", "show", "dev", "vx1"]);
            fdb.is_ok_and(|fdb| fdb.contains(&format!("00:00:00:00:00:00 dst {other}")))
        });
        world.route(&reflector, Family::Evpn, &other, true);
    }
    let (_, workload) = &vteps[0];
    world.until("a ping across", || {
        workload
            .run("ping", &["-c", "1", "-W", "1", "10.50.0.2"])
            .is_ok()
    });
    // Type 2: each VTEP has learnt the other one's workload from BGP, not from packets.
    for (number, (router, _)) in vteps.iter().enumerate() {
        let mac = format!("02:00:00:00:01:{:02x}", 2 - number);
        world.route(&reflector, Family::Evpn, &mac, true);
        world.until("the other workload's MAC from BGP", || {
            let fdb = router
                .namespace()
                .run("bridge", &["fdb", "show", "dev", "vx1"]);
            let fdb = fdb.unwrap_or_default();
            fdb.lines()
                .any(|line| line.starts_with(&mac) && line.contains("extern_learn"))
        });
    }
    // A workload that goes takes its route with it.
    ip(Some(vteps[1].0.namespace()), "link del tap1\n").expect("unplugged");
    world.route(&reflector, Family::Evpn, "02:00:00:00:01:02", false);
}

/// Type 3 from the configuration: FRR sends broadcast of the domain to us (RFC 7432 11.2).
#[test]
fn frr_floods_to_where_our_configuration_says() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let own = Site::router(0);
    let neighbors = vec![client(Site::router(1), EVPN)];
    let _router = world.router(0, Software::Netwright, ASN, neighbors, |config| {
        config.extra = format!(
            "\n[[networks]]\nevpn = \"{own}:101:[3]:[0]:[32]:[{own}]\"\nvni = {VNI}\ntargets = [\"{ASN}:{VNI}\"]\n"
        );
    });
    let (router, _workload) = frr_vtep(&world, 1);
    world.session(&router, own, true);
    world.until("our VTEP in FRR's flood list", || {
        let show = ["fdb", "show", "dev", "vx1"];
        let fdb = router.namespace().run("bridge", &show);
        fdb.is_ok_and(|fdb| fdb.contains(&format!("00:00:00:00:00:00 dst {own}")))
    });
}

/// A peer's own prefix route (type 5, RFC 9136) enters the VRF that imports its target, and leaves it again. `field` is what
/// its label field holds.
fn prefix_route_of(
    software: Software,
    extra: &str,
    field: u32,
    originate: &[&str],
    take_back: &[&str],
) {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let neighbors = vec![client(Site::router(1), EVPN)];
    let router = world.router(0, Software::Netwright, ASN, neighbors, |config| {
        config.extra = format!(
            "\n[vrfs.blue]\nrd = \"198.18.0.10:5\"\ntargets = [\"65000:5\"]\nvni = {VNI}\n"
        );
    });
    let toward = vec![Neighbor::new(Site::router(0), ASN, EVPN)];
    let peer = world.router(1, software, ASN, toward, |config| {
        config.extra = extra.to_owned();
    });
    world.session(&router, Site::router(1), true);
    if !originate.is_empty() {
        peer.control(originate).expect("originated");
    }
    let blue = |present: bool| {
        let words = ["rib", "ipv4-unicast", "--vrf", "blue", "-o", "json"];
        let told = router.control(&words).expect("told");
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        let routes = told["routes"].as_array().cloned().unwrap_or_default();
        let next_hop = Site::router(1).to_string();
        let found = routes.iter().any(|route| {
            route["route"] == "10.77.0.0/24"
                && route["vni"] == field
                && route["attributes"].to_string().contains(&next_hop)
        });
        found == present
    };
    world.route(&router, Family::Evpn, "10.77.0.0", true);
    world.until("the prefix in the VRF", || blue(true));
    peer.control(take_back).expect("taken back");
    world.route(&router, Family::Evpn, "10.77.0.0", false);
    world.until("the prefix out of the VRF", || blue(false));
}

#[test]
fn a_prefix_route_of_gobgp_enters_its_vrf() {
    const ROUTE: &str = "10.77.0.0/24 etag 0 label 10000 rd 65000:5 rt 65000:5 encap vxlan router-mac 02:00:00:00:00:77";
    let words = |verb| -> Vec<&str> {
        let command = ["global", "rib", verb, "-a", "evpn", "prefix"];
        command.into_iter().chain(ROUTE.split(' ')).collect()
    };
    prefix_route_of(Software::Gobgp, "", VNI, &words("add"), &words("del"));
}

#[test]
fn a_prefix_route_of_frr_enters_its_vrf() {
    const ROUTE: &str = "network 10.77.0.0/24 rd 65000:5 ethtag 0 label 10000 esi 00:00:00:00:00:00:00:00:00:00 gwip 0.0.0.0";
    let extra = format!(
        "router bgp {ASN}\n address-family l2vpn evpn\n  {ROUTE} routermac 02:00:00:00:00:77\n  neighbor {} route-map rt5 out\n exit-address-family\nexit\n\
         route-map rt5 permit 10\n set extcommunity rt 65000:5\nexit\n",
        Site::router(0)
    );
    let router = format!("router bgp {ASN}");
    let no = format!("no {ROUTE}");
    let take_back = [
        "configure terminal",
        "-c",
        &router,
        "-c",
        "address-family l2vpn evpn",
        "-c",
        &no,
    ];
    // Without a VXLAN of its own FRR writes the number as an MPLS label, bottom of stack.
    prefix_route_of(Software::Frr, &extra, VNI << 4 | 1, &[], &take_back);
}
