//! Thousands of small networks to which bad things happen: connections cut at any octet, speakers that die loudly or
//! silently and come back with or without their forwarding, packets lost, readers that stall, configurations and routes
//! that change, sessions that are cleared. Once all is quiet, every table of every node is what the model says.
//!
//! A failing seed is named with how to run it again. What it shows becomes a test of its own in `speaker`, named after the
//! symptom, because what a seed means changes with the generator.
//!
//! `NETWRIGHT_BGP_SEEDS=20000` runs more seeds, `NETWRIGHT_BGP_SEED=77` one of them with its history.

mod faults;
mod model;
mod spec;

use crate::world::{NodeId, Random, World};
use bgp::Family;
use bgp::nlri::Nlri;
use bgp::rib::{BestPath, Origin, TableId, VrfId};
use bgp::speaker::PeerReport;
use model::{Model, Path};
use spec::Spec;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is compared: everything but memberships, which are a means.
const TABLES: [Family; 6] = [
    Family::Ipv4Unicast,
    Family::Ipv6Unicast,
    Family::Ipv4Labeled,
    Family::Vpnv4,
    Family::Evpn,
    Family::Vpnv6,
];

const VRF: TableId = TableId::Vrf(VrfId(0), Family::Ipv4Unicast);

/// How long it takes at most until all is quiet: the longest back-off, the hold time, and all stale times.
const QUIET: u64 = 400_000;

fn run(seed: u64) -> Result<(), String> {
    let mut random = Random::new(seed);
    let mut spec = Spec::generate(&mut random);
    let configs = (0..spec.nodes.len())
        .map(|node| spec.config(node))
        .collect();
    let mut world = World::new(seed, configs);
    world.delay = (1, 1 + random.below(200) as u64);
    world.follow(followed());
    for node in 0..spec.nodes.len() {
        world.start(node, bgp::speaker::Start::Fresh);
    }
    world.run(random.within(0, 20_000));
    for _ in 0..random.below(12) {
        faults::one(&mut world, &mut spec, &mut random);
    }
    faults::heal(&mut world, &spec);
    calm_down(&mut world, &spec);
    (0..spec.nodes.len()).for_each(|node| world.drain(node));
    check(&world, &spec)
}

/// Until every session is up, nothing is stale or deferred, and that for a while: or until it should have been long ago.
fn calm_down(world: &mut World, spec: &Spec) {
    let mut calm = 0;
    let end = world.now + QUIET;
    while calm < 8 && world.now < end {
        world.run(2_000);
        let links = spec.links.iter();
        let settled = links
            .flat_map(|link| [link.ends, [link.ends[1], link.ends[0]]])
            .all(|[a, b]| {
                let report = world.report(a, b);
                let up = report
                    .as_ref()
                    .is_some_and(|report| report.session.is_some());
                let stale = |report: &PeerReport| {
                    report.families.iter().any(|family| family.stale.is_some())
                };
                up && !report.as_ref().is_some_and(stale) && !world.speaker(a).is_deferring()
            });
        calm = if settled && !world.is_stalled() {
            calm + 1
        } else {
            0
        };
    }
}

fn followed() -> Vec<TableId> {
    let global = TABLES.into_iter().map(TableId::Global);
    global.chain([VRF]).collect()
}

fn check(world: &World, spec: &Spec) -> Result<(), String> {
    let model = Model::of(spec);
    let mut wrong = String::new();
    for link in &spec.links {
        let [a, b] = link.ends;
        if !world.is_up(a, b) {
            writeln!(wrong, "nodes {a} and {b} have no session").expect("a string");
        }
    }
    for node in 0..spec.nodes.len() {
        let constrained = spec
            .links
            .iter()
            .any(|link| link.ends.contains(&node) && link.families.contains(&Family::RouteTarget));
        for family in TABLES {
            // Under route-target constraint a node need not have what nobody behind it wants.
            if constrained && family == Family::Vpnv4 {
                continue;
            }
            let expected = model.global[node]
                .iter()
                .filter(|(nlri, _)| nlri.family() == family);
            let expected: BTreeMap<_, _> = expected.map(|(nlri, path)| (*nlri, path)).collect();
            let found = world.table(node, TableId::Global(family));
            compare(
                world,
                node,
                &family.to_string(),
                &expected,
                &found,
                &mut wrong,
            );
        }
        let expected = model.vrf[node]
            .iter()
            .map(|(nlri, path)| (*nlri, path))
            .collect();
        compare(
            world,
            node,
            "vrf",
            &expected,
            &world.table(node, VRF),
            &mut wrong,
        );
        counts(world, spec, node, &mut wrong);
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{wrong}{spec:#?}\n{}", world.history()))
}

fn compare(
    world: &World,
    node: NodeId,
    table: &str,
    expected: &BTreeMap<Nlri, &Path>,
    found: &BTreeMap<Nlri, BestPath>,
    wrong: &mut String,
) {
    let keys = expected.keys().chain(found.keys());
    let keys: std::collections::BTreeSet<_> = keys.collect();
    for nlri in keys {
        let same = match (expected.get(nlri), found.get(nlri)) {
            (Some(path), Some(best)) => is_same(world, node, path, best),
            _ => false,
        };
        if !same {
            let (expected, found) = (expected.get(nlri), found.get(nlri));
            writeln!(
                wrong,
                "node {node} {table} {nlri}:\n  expected {expected:?}\n  found {found:?}"
            )
            .expect("a string");
        }
    }
}

fn is_same(world: &World, node: NodeId, path: &Path, best: &BestPath) -> bool {
    let from = match best.origin {
        Origin::Local => None,
        Origin::Peer(peer) => world.node_of(node, peer),
    };
    let attributes = &best.attributes;
    let mut communities: Vec<u32> = attributes.communities.iter().map(|one| one.0).collect();
    let mut expected = path.communities.clone();
    communities.sort_unstable();
    expected.sort_unstable();
    let next_hop = attributes.next_hop.map(|hop| hop.address());
    from == path.from
        && attributes.as_path.asns().eq(path.as_path.iter().copied())
        && (path.from.is_none() || next_hop == path.next_hop)
        && communities == expected
        && attributes.originator_id() == path.originator
        && *attributes.cluster_list() == *path.clusters
}

/// Nothing is stale, and what one side says it has sent the other says it has received.
fn counts(world: &World, spec: &Spec, node: NodeId, wrong: &mut String) {
    let neighbors = spec.links.iter().filter_map(|link| match link.ends {
        [a, b] if a == node => Some(b),
        [a, b] if b == node => Some(a),
        _ => None,
    });
    for neighbor in neighbors {
        let (Some(ours), Some(theirs)) =
            (world.report(node, neighbor), world.report(neighbor, node))
        else {
            continue;
        };
        for family in &ours.families {
            let other = theirs
                .families
                .iter()
                .find(|other| other.family == family.family);
            let sent = other.map(|other| other.counts.advertised);
            let counts = family.counts;
            if family.stale.is_some() || counts.stale > 0 || sent != Some(counts.received) {
                let name = family.family;
                writeln!(
                    wrong,
                    "node {node} of {neighbor} {name}: {family:?}, which sent {sent:?}"
                )
                .expect("a string");
            }
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn must_hold(seed: u64) {
    if let Err(wrong) = run(seed) {
        panic!(
            "seed {seed}: run it with NETWRIGHT_BGP_SEED={seed} cargo test -p bgp --test it simulation\n{wrong}"
        );
    }
}

#[test]
fn after_quiet_every_table_is_what_the_model_says() {
    if let Some(seed) = number("NETWRIGHT_BGP_SEED") {
        must_hold(seed);
        return;
    }
    let seeds = number("NETWRIGHT_BGP_SEEDS").unwrap_or(1_000);
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                (thread..seeds)
                    .step_by(threads as usize)
                    .for_each(must_hold)
            });
        }
    });
}
