//! What goes wrong, and how everything is right again in the end.

use super::spec::{Kind, Spec, treatment};
use crate::world::{NodeId, Random, World};
use bgp::speaker::{Clear, Start};
use bgp::{Family, FamilySet};

/// One thing happens, then some time passes.
pub(super) fn one(world: &mut World, spec: &mut Spec, random: &mut Random) {
    let node = random.below(spec.nodes.len());
    match random.below(12) {
        0 | 1 => {
            if let Some(wire) = random.pick(&world.wires()).copied() {
                world.cut(wire);
            }
        }
        2 => world.crash(node, random.percent(40)),
        3 => start(world, node, random),
        4 => {
            world.crash(node, random.percent(40));
            world.run(random.within(0, 5_000));
            start(world, node, random);
        }
        5 => {
            if let Some(wire) = random.pick(&world.wires()).copied() {
                world.stall(wire, random.below(2), random.within(1_000, 60_000));
            }
        }
        6 => {
            if let Some(link) = random.pick(&spec.links) {
                let [a, b] = link.ends;
                world.lose(a, b, random.percent(50));
            }
        }
        7 => change_routes(world, spec, random, node),
        8 => change_policy(world, spec, random),
        9 => change_link(world, spec, random),
        10 => change_targets(world, spec, random, node),
        _ => clear(world, random, node),
    }
    world.run(random.within(0, 25_000));
}

fn start(world: &mut World, node: NodeId, random: &mut Random) {
    if world.nodes[node].speaker.is_some() {
        return;
    }
    let forwarding = FamilySet::ALL;
    let start = match random.percent(50) {
        true => Start::Restarted { forwarding },
        false => Start::Fresh,
    };
    world.start(node, start);
}

/// Also of a node that is down: it comes back with another configuration.
fn change_routes(world: &mut World, spec: &mut Spec, random: &mut Random, node: NodeId) {
    for _ in 0..1 + random.below(3) {
        if random.percent(40) {
            spec.nodes[node].routes.pop();
        } else {
            let route = spec.any_route(random, node);
            spec.add_route(node, route);
        }
    }
    world.configure(node, spec.config(node));
}

fn change_policy(world: &mut World, spec: &mut Spec, random: &mut Random) {
    let index = random.below(spec.links.len());
    let side = random.below(2);
    let [a, b] = spec.links[index].ends;
    let external = spec.nodes[a].asn != spec.nodes[b].asn;
    spec.links[index].export[side] = treatment(random, external);
    let node = spec.links[index].ends[side];
    world.configure(node, spec.config(node));
}

/// What is agreed in the OPEN changes, on one side before the other.
fn change_link(world: &mut World, spec: &mut Spec, random: &mut Random) {
    let index = random.below(spec.links.len());
    let link = &mut spec.links[index];
    // Which of two equal paths of one external neighbor is better is a matter of their numbers, which no model knows.
    let internal = spec.nodes[link.ends[0]].asn == spec.nodes[link.ends[1]].asn;
    if internal && random.percent(50) {
        link.add_path = !link.add_path;
    } else if link.families.len() > 1 && !link.families.contains(&Family::RouteTarget) {
        link.families.pop();
    }
    let [a, b] = link.ends;
    world.configure(a, spec.config(a));
    world.run(random.within(0, 2_000));
    world.configure(b, spec.config(b));
}

/// A VRF imports and exports other targets, comes to be, or goes.
fn change_targets(world: &mut World, spec: &mut Spec, random: &mut Random, node: NodeId) {
    let of_node = spec.links.iter().filter(|link| link.ends.contains(&node));
    let vpn = of_node
        .flat_map(|link| &link.families)
        .any(|family| *family == Family::Vpnv4);
    if !vpn {
        return;
    }
    let spec_of_node = &mut spec.nodes[node];
    spec_of_node.targets = (1..=3).filter(|_| random.percent(50)).collect();
    if spec_of_node.targets.is_empty() {
        spec_of_node
            .routes
            .retain(|route| !matches!(route.kind, Kind::Vrf(_)));
    }
    world.configure(node, spec.config(node));
}

fn clear(world: &mut World, random: &mut Random, node: NodeId) {
    let Some(speaker) = &world.nodes[node].speaker else {
        return;
    };
    let peers: Vec<_> = speaker.peers().map(|peer| peer.id).collect();
    let Some(peer) = random.pick(&peers).copied() else {
        return;
    };
    let clear = match random.below(3) {
        0 => Clear::Hard,
        1 => Clear::SoftIn(FamilySet::ALL),
        _ => Clear::SoftOut(FamilySet::ALL),
    };
    world
        .tell(node, |speaker, now| speaker.clear(now, peer, clear))
        .expect("it exists");
}

/// Every node is up and reaches every other.
pub(super) fn heal(world: &mut World, spec: &Spec) {
    for link in &spec.links {
        let [a, b] = link.ends;
        world.lose(a, b, false);
    }
    for node in 0..spec.nodes.len() {
        if world.nodes[node].speaker.is_none() {
            world.start(node, Start::Fresh);
        }
    }
}
