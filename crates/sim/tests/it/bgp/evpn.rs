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
