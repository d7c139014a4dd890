//! The proof that the eBPF programs do what `forwarding` says: the same packets go through both.
//!
//! Needs root (bpf(2)). Nothing is sent: the programs record what they would do.

mod support;

use datapath::test_run::{Entry, Outcome, TestRun, host_key};
use datapath::{Device, compile};
use forwarding::{Connections, Decision, DropReason, Host, Verdict};
use model::PortId;
use plan::{HostPlan, UnitKey};
use rand::RngExt;
use rand::seq::IndexedRandom;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use support::packets::{Case, Packets};
use support::world::{GROUPS, World, group};
use uuid::Uuid;

const WORLDS: u64 = 60;
const PACKETS: usize = 2_000;

/// What `forwarding` says, in the programs' terms.
fn expected(world: &World, decision: Decision) -> Outcome {
    let ifindex = |port: &PortId| world.compiler.devices()[port].ifindex;
    match decision.verdict {
        Verdict::Accept => Outcome::Accept,
        Verdict::Drop { reason } => Outcome::Drop(reason),
        Verdict::Deliver { port } => Outcome::Deliver {
            ifindex: ifindex(&port),
        },
        Verdict::Tunnel { host, vni } => Outcome::Tunnel {
            host: host_key(host.as_str()),
            vni: vni.get(),
        },
        Verdict::Flood { ports, hosts, vni } => {
            let mut ports: Vec<_> = ports.iter().map(ifindex).collect();
            let mut hosts: Vec<_> = hosts.iter().map(|host| host_key(host.as_str())).collect();
            ports.sort_unstable();
            hosts.sort_unstable();
            Outcome::Flood {
                ports,
                hosts,
                vni: vni.get(),
            }
        }
        Verdict::Reply { frame } => Outcome::Reply { frame },
        Verdict::Punt { .. } => Outcome::Punt,
    }
}

fn decide(world: &World, case: &Case, connections: &mut Connections, now: u32) -> Decision {
    let host = Host::with_unplugged(world.compiler.plan(), &world.unplugged);
    let nobody = PortId(Uuid::from_u128(0x9999));
    let port = case.station.map_or(nobody, |at| world.stations[at].id);
    match case.entry {
        Entry::FromPort { .. } => host.from_port(port, &case.frame, connections, now.into()),
        Entry::ToPort { origin, .. } => {
            host.to_port(port, &case.frame, origin, connections, now.into())
        }
        Entry::FromTunnel { vni, remote } => host.from_tunnel(vni, IpAddr::V4(remote), &case.frame),
    }
}

/// BPF_PROG_TEST_RUN of recent kernels refuses frames that end inside the IP header; `netns.rs` sends such ones.
fn is_refused_by_the_kernel(frame: &[u8]) -> bool {
    match frame[12..14] {
        [0x08, 0x00] => frame.len() < 14 + 20,
        [0x86, 0xdd] => frame.len() < 14 + 40,
        _ => false,
    }
}

/// Changes the plan a little: another rule set, or a port that enters or leaves a group.
fn change(world: &mut World) {
    let index = world.rng.random_range(0..GROUPS);
    if world.rng.random_bool(0.5) {
        let rules = world.rule_set(index);
        return world.apply(vec![rules], Vec::new());
    }
    let station = world
        .stations
        .choose(&mut world.rng)
        .expect("a station")
        .clone();
    let key = UnitKey::SetMember(group(index), station.id);
    if world.compiler.plan().get(&key).is_some() {
        world.apply(Vec::new(), vec![key]);
    } else {
        let unit =
            support::world::set_member(index, station.id, &station.addresses, &station.pairs);
        world.apply(vec![unit], Vec::new());
    }
}

#[test]
fn programs_and_model_agree_on_generated_packets() {
    let mut run = TestRun::new().expect("the programs load (needs root)");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut total = 0;
    for seed in 0..WORLDS {
        let mut world = World::new(seed);
        let mut packets = Packets::new(&mut world);
        let mut connections = Connections::default();
        run.set(world.compiler.tables())
            .expect("the maps take the tables");
        // Connections of the last world are in the maps still: later than any timeout, they are forgotten.
        let mut now = 1_000_000 * (u32::try_from(seed).expect("a small seed") + 1);
        for number in 0..PACKETS {
            if number % 100 == 99 {
                change(&mut world);
                run.set(world.compiler.tables())
                    .expect("the maps take the tables");
            }
            if world.rng.random_bool(0.05) {
                now += *[1, 1, 5, 29, 31, 61, 121, 301]
                    .choose(&mut world.rng)
                    .expect("seconds");
            }
            let case = packets.next(&mut world);
            if is_refused_by_the_kernel(&case.frame) {
                continue;
            }
            let decision = decide(&world, &case, &mut connections, now);
            let steps = format!("{:#?}", decision.steps);
            for name in [
                "belongs to an allowed connection",
                "an error about an allowed connection",
            ] {
                if steps.contains(name) {
                    *seen.entry(name.to_owned()).or_default() += 1;
                }
            }
            let expected = expected(&world, decision);
            let actual = run
                .run(case.entry, &case.frame, now)
                .unwrap_or_else(|error| panic!("{error}: {:?} {:02x?}", case.entry, case.frame));
            assert_eq!(
                actual, expected,
                "seed {seed}, packet {number} at {:?}\nframe {:02x?}\nmodel's steps {steps}",
                case.entry, case.frame
            );
            let name = format!("{:?} {actual:?}", case.entry.hook());
            let name = name
                .split(['{'])
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            *seen.entry(name).or_default() += 1;
            total += 1;
        }
    }
    assert!(total >= 100_000, "{total} packets");
    for (name, count) in &seen {
        println!("{count:7} {name}");
    }
    assert_every_reason_was_met(&seen);
    assert!(seen["belongs to an allowed connection"] > 1_000);
    assert!(seen["an error about an allowed connection"] > 100);
}

/// A reason no packet met is a reason nobody has proven.
fn assert_every_reason_was_met(seen: &BTreeMap<String, usize>) {
    // These need a full ring, a failing device, a network of thousands of hosts, or a frame refused above.
    let not_here = [
        DropReason::Ipv4Truncated,
        DropReason::Ipv6Truncated,
        DropReason::PuntFull,
        DropReason::RedirectFailed,
        DropReason::FloodTooLarge,
    ];
    let missing: BTreeSet<_> = DropReason::ALL
        .iter()
        .filter(|reason| !not_here.contains(reason))
        .filter(|reason| {
            !seen
                .keys()
                .any(|name| name.contains(&format!("({reason:?})")))
        })
        .collect();
    assert!(missing.is_empty(), "no packet met {missing:?}");
    for verdict in ["Accept", "Deliver", "Tunnel", "Flood", "Reply", "Punt"] {
        assert!(
            seen.keys().any(|name| name.contains(verdict)),
            "no packet met {verdict}"
        );
    }
}

#[test]
fn incremental_tables_equal_tables_from_scratch() {
    for seed in 100..130 {
        let mut world = World::new(seed);
        for _ in 0..30 {
            change(&mut world);
            let scratch = compile(world.compiler.plan(), world.compiler.devices());
            assert_eq!(
                world.compiler.tables().describe(),
                scratch.describe(),
                "seed {seed}"
            );
        }
        // Devices come and go, also with an index that another had.
        for _ in 0..20 {
            let station = world.stations.choose(&mut world.rng).expect("a station").id;
            if world.rng.random_bool(0.5) {
                let ifindex = world.rng.random_range(10..30);
                world.compiler.plug(station, Device { ifindex });
            } else {
                world.compiler.unplug(station);
            }
            let scratch = compile(world.compiler.plan(), world.compiler.devices());
            assert_eq!(
                world.compiler.tables().describe(),
                scratch.describe(),
                "seed {seed}"
            );
        }
        // One unit after another leaves, in any order; what is left is always right, and nothing at the end.
        let mut keys: Vec<_> = world
            .compiler
            .plan()
            .iter()
            .map(|(key, _)| key.clone())
            .collect();
        while !keys.is_empty() {
            let at = world.rng.random_range(0..keys.len());
            world.apply(Vec::new(), vec![keys.swap_remove(at)]);
            let scratch = compile(world.compiler.plan(), world.compiler.devices());
            assert_eq!(
                world.compiler.tables().describe(),
                scratch.describe(),
                "seed {seed}"
            );
        }
        assert_eq!(world.compiler.plan(), &HostPlan::default());
        assert!(world.compiler.tables().is_empty());
    }
}
