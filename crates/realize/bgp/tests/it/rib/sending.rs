//! How messages leave: packed, shared, once; late and slow peers; refresh; what is read back.

use super::lab::{
    Backwards, OWN_AS, OWN_ID, Receiver, announce, attributes, codec, info, named, route, withdraw,
};
use bgp::attribute::Community;
use bgp::message::RefreshKind;
use bgp::nlri::Nlri;
use bgp::policy::Policies;
use bgp::rib::{
    AddPathSend, Direction, Effect, Executor, Job, PeerInfo, PeerKind, Rib, RibConfig, Select,
    TableId,
};
use bgp::{Family, FamilySet, PeerId};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const FAMILY: Family = Family::Ipv4Unicast;
const SOURCE: PeerId = PeerId(1);

fn unicast() -> FamilySet {
    FamilySet::from_iter([FAMILY])
}

fn client(number: u32) -> PeerInfo {
    info(number, PeerKind::Client, unicast())
}

fn rib(receivers: u32) -> Rib {
    let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
    rib.peer_up(SOURCE, client(1));
    for number in 2..2 + receivers {
        rib.peer_up(PeerId(number), client(number));
        read(&mut rib, PeerId(number));
    }
    read(&mut rib, SOURCE);
    rib
}

fn add(rib: &mut Rib, number: u8, path: &[u32]) {
    let source = client(1);
    announce(
        rib,
        SOURCE,
        &source,
        &route(FAMILY, number),
        &attributes(&source, path),
    );
}

fn remove(rib: &mut Rib, number: u8) {
    withdraw(rib, SOURCE, &client(1), &route(FAMILY, number));
}

fn read(rib: &mut Rib, peer: PeerId) -> Receiver {
    while rib.flush() {}
    let mut receiver = Receiver::default();
    while let Some(block) = rib.transmit(peer) {
        receiver.take(&block, &codec(unicast()));
    }
    receiver
}

#[test]
fn routes_with_equal_attributes_share_messages_and_peers_share_bytes() {
    let mut rib = rib(2);
    for number in 0..200 {
        add(&mut rib, number, &[7, u32::from(number % 2) + 1]);
    }
    let blocks: Vec<_> = [2, 3]
        .map(|peer| rib.transmit(PeerId(peer)).expect("a block"))
        .into();
    assert_eq!(
        blocks[0].as_ptr(),
        blocks[1].as_ptr(),
        "one encoding for both"
    );
    let messages = blocks[0]
        .windows(16)
        .filter(|window| *window == [0xff; 16])
        .count();
    assert_eq!(messages, 2, "two attribute sets, two messages");
    let mut receiver = Receiver::default();
    receiver.take(&blocks[0], &codec(unicast()));
    assert_eq!(receiver.known.len(), 200);
}

#[test]
fn blocks_are_no_longer_than_a_write() {
    let mut rib = rib(1);
    let source = client(1);
    for high in 0..=255_u8 {
        for low in 0..100_u8 {
            let nlri = Nlri::Ipv4(ipnet::Ipv4Net::new_assert([10, high, low, 0].into(), 24));
            let route = bgp::nlri::Route {
                nlri,
                path_id: 0,
                payload: bgp::nlri::Payload::None,
            };
            announce(
                &mut rib,
                SOURCE,
                &source,
                &route,
                &attributes(&source, &[7]),
            );
        }
    }
    let mut receiver = Receiver::default();
    let mut longest = 0;
    while let Some(block) = rib.transmit(PeerId(2)) {
        longest = longest.max(block.len());
        receiver.take(&block, &codec(unicast()));
    }
    assert_eq!(receiver.known.len(), 25_600);
    assert!(longest <= 80 << 10, "{longest}");
}

#[test]
fn what_flaps_between_two_reads_is_sent_once_and_what_vanishes_never() {
    let mut rib = rib(1);
    for path in [[7], [8], [9]] {
        add(&mut rib, 1, &path);
    }
    add(&mut rib, 2, &[7]);
    remove(&mut rib, 2);
    let receiver = read(&mut rib, PeerId(2));
    assert_eq!((receiver.updates, receiver.withdrawn), (1, 0));
    let (set, _) = receiver.known.values().next().expect("one route");
    assert_eq!(set.as_path.first_as(), Some(9));
}

#[test]
fn the_source_gets_neither_its_route_nor_its_withdraw() {
    let mut rib = rib(1);
    add(&mut rib, 1, &[7]);
    add(&mut rib, 1, &[8]);
    remove(&mut rib, 1);
    add(&mut rib, 1, &[9]);
    assert_eq!(read(&mut rib, PeerId(2)).updates, 1);
    remove(&mut rib, 1);
    let receiver = read(&mut rib, SOURCE);
    assert_eq!((receiver.updates, receiver.withdrawn), (0, 0));
    assert_eq!(read(&mut rib, PeerId(2)).withdrawn, 1);
}

#[test]
fn withdraws_leave_before_updates() {
    let mut rib = rib(1);
    add(&mut rib, 1, &[7]);
    read(&mut rib, PeerId(2));
    add(&mut rib, 2, &[7]);
    remove(&mut rib, 1);
    let block = rib.transmit(PeerId(2)).expect("a block");
    let withdrawn = u16::from_be_bytes([block[19], block[20]]);
    assert!(withdrawn > 0, "the first message withdraws");
}

#[test]
fn a_late_joiner_gets_everything_then_end_of_rib_and_others_nothing_again() {
    let mut rib = rib(1);
    for number in 0..50 {
        add(&mut rib, number, &[7]);
    }
    assert_eq!(read(&mut rib, PeerId(2)).updates, 50);
    rib.peer_up(PeerId(9), client(9));
    let joiner = read(&mut rib, PeerId(9));
    assert_eq!((joiner.known.len(), &joiner.ends[..]), (50, &[FAMILY][..]));
    assert!(!rib.unsent(PeerId(2)));
    add(&mut rib, 60, &[8]);
    let blocks = [2, 9].map(|peer| rib.transmit(PeerId(peer)).expect("a block"));
    assert_eq!(
        blocks[0].as_ptr(),
        blocks[1].as_ptr(),
        "they are one group again"
    );
}

#[test]
fn a_peer_that_never_reads_costs_a_bounded_queue_and_holds_nobody() {
    let mut config = RibConfig::new(OWN_AS, OWN_ID);
    config.backlog = 2000;
    let mut rib = Rib::new(config);
    for number in 1..=3 {
        rib.peer_up(PeerId(number), client(number));
    }
    let mut reader = Receiver::default();
    let mut stuck = 0;
    for round in 0..200 {
        for number in 0..20 {
            add(&mut rib, number, &[1000 + round, u32::from(number) + 1]);
        }
        while rib.flush() {}
        while let Some(block) = rib.transmit(PeerId(2)) {
            stuck = stuck.max(block.len());
            reader.take(&block, &codec(unicast()));
        }
    }
    assert_eq!(reader.updates, 20 * 200, "the reader got every change");
    let mut slow = Receiver::default();
    let mut octets = 0;
    while let Some(block) = rib.transmit(PeerId(3)) {
        octets += block.len();
        slow.take(&block, &codec(unicast()));
    }
    assert_eq!(
        slow.known, reader.known,
        "it catches up with what is true now"
    );
    assert!(
        octets < 140_000,
        "{octets}: what was queued, then the table once"
    );
    assert_eq!(slow.known.len(), 20);
}

#[test]
fn refresh_sends_again_between_its_marks() {
    let mut rib = rib(1);
    add(&mut rib, 1, &[7]);
    read(&mut rib, PeerId(2));
    rib.refresh(PeerId(2), FAMILY, RefreshKind::Request, true);
    let mut kinds = Vec::new();
    while let Some(block) = rib.transmit(PeerId(2)) {
        let mut rest = &block[..];
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
            // Type, and the subtype of a ROUTE-REFRESH.
            kinds.push((rest[18], if rest[18] == 5 { rest[21] } else { 0 }));
            rest = &rest[length..];
        }
    }
    assert_eq!(kinds, [(5, 1), (2, 0), (5, 2)]);
}

#[test]
fn an_enhanced_refresh_of_the_peer_sweeps_what_it_did_not_repeat() {
    let mut rib = rib(1);
    add(&mut rib, 1, &[7]);
    add(&mut rib, 2, &[7]);
    read(&mut rib, PeerId(2));
    rib.refresh(SOURCE, FAMILY, RefreshKind::Begin, true);
    assert_eq!(read(&mut rib, PeerId(2)).withdrawn, 0, "nothing goes yet");
    add(&mut rib, 2, &[7]);
    rib.refresh(SOURCE, FAMILY, RefreshKind::End, true);
    let receiver = read(&mut rib, PeerId(2));
    assert_eq!((receiver.withdrawn, receiver.updates), (1, 0));
    assert_eq!(rib.counts(SOURCE, FAMILY).received, 1);
}

#[test]
fn graceful_restart_withdraws_nothing_that_comes_back() {
    let mut rib = rib(1);
    add(&mut rib, 1, &[7]);
    add(&mut rib, 2, &[7]);
    read(&mut rib, PeerId(2));
    rib.peer_down(SOURCE, unicast());
    let silent = read(&mut rib, PeerId(2));
    assert_eq!(rib.counts(SOURCE, FAMILY).stale, 2);
    assert_eq!((silent.updates, silent.withdrawn), (0, 0));
    rib.peer_up(SOURCE, client(1));
    add(&mut rib, 1, &[7]);
    rib.end_of_rib(SOURCE, FAMILY);
    let receiver = read(&mut rib, PeerId(2));
    assert_eq!(
        (receiver.updates, receiver.withdrawn),
        (0, 1),
        "only what is gone"
    );
    assert_eq!(rib.counts(SOURCE, FAMILY).stale, 0);
}

#[test]
fn long_lived_stale_routes_are_marked_for_those_who_know_and_withdrawn_from_others() {
    let mut rib = rib(1);
    let able = PeerInfo {
        llgr: unicast(),
        ..client(9)
    };
    rib.peer_up(PeerId(9), able);
    add(&mut rib, 1, &[7]);
    assert_eq!(read(&mut rib, PeerId(9)).updates, 1);
    read(&mut rib, PeerId(2));
    rib.peer_down(SOURCE, unicast());
    rib.start_llgr(SOURCE, FAMILY);
    assert_eq!(read(&mut rib, PeerId(2)).withdrawn, 1);
    let receiver = read(&mut rib, PeerId(9));
    let (set, _) = receiver.known.values().next().expect("still there");
    assert!(set.has_community(Community::LLGR_STALE));
    rib.sweep_stale(SOURCE, FAMILY);
    assert_eq!(read(&mut rib, PeerId(9)).withdrawn, 1);
}

#[test]
fn add_path_sends_the_best_n() {
    let mut rib = Rib::new(RibConfig::new(OWN_AS, OWN_ID));
    let receiver = PeerInfo {
        add_path_send: unicast(),
        add_path_limit: AddPathSend::Best(2),
        ..client(9)
    };
    rib.peer_up(PeerId(9), receiver);
    for number in 1..=3 {
        let source = client(number);
        rib.peer_up(PeerId(number), source.clone());
        let path = vec![7; number as usize];
        announce(
            &mut rib,
            PeerId(number),
            &source,
            &route(FAMILY, 1),
            &attributes(&source, &path),
        );
    }
    let mut sees = codec(unicast());
    sees.add_path_rx = unicast();
    let mut known = Receiver::default();
    let mut read = |rib: &mut Rib| {
        while let Some(block) = rib.transmit(PeerId(9)) {
            known.take(&block, &sees);
        }
        let mut hops: Vec<usize> = known
            .known
            .values()
            .map(|(set, _)| set.as_path.hops())
            .collect();
        hops.sort_unstable();
        (hops, known.updates)
    };
    assert_eq!(read(&mut rib), (vec![1, 2], 2));
    withdraw(&mut rib, PeerId(1), &client(1), &route(FAMILY, 1));
    assert_eq!(
        read(&mut rib),
        (vec![2, 3], 3),
        "one withdrawn, one new, the other untouched"
    );
}

fn policies(text: &str) -> Policies {
    let policies: Policies = toml::from_str(text).expect("policies");
    assert_eq!(policies.validate(), []);
    policies
}

#[test]
fn a_policy_change_sends_only_what_it_makes_different_and_the_dry_run_said_so() {
    let mut config = RibConfig::new(OWN_AS, OWN_ID);
    config.policies = policies("[out]\ndefault = \"accept\"");
    let mut rib = Rib::new(config);
    rib.peer_up(SOURCE, client(1));
    let receiver = PeerInfo {
        export: named("out"),
        ..client(2)
    };
    rib.peer_up(PeerId(2), receiver);
    for number in 1..=5 {
        add(&mut rib, number, &[7]);
    }
    read(&mut rib, PeerId(2));
    let proposed = policies(
        r#"
        [out]
        default = "accept"
        rules = [
            { match = [{ prefix = ["10.2.0.0/16"] }], then = "reject" },
            { match = [{ prefix = ["10.3.0.0/16"] }], set = [{ med = 4 }], then = "accept" },
        ]
        "#,
    );
    let page = rib.policy_effects(&proposed, PeerId(2), Direction::Export, FAMILY, None, 10);
    let said: Vec<(Nlri, bool)> = page
        .items
        .iter()
        .map(|effect| (effect.nlri, matches!(effect.effect, Effect::Removed(_))))
        .collect();
    let nlri = |number| route(FAMILY, number).nlri;
    assert_eq!(said, [(nlri(2), true), (nlri(3), false)]);
    rib.configure(bgp::rib::RibChange::Policies(proposed));
    let receiver = read(&mut rib, PeerId(2));
    assert_eq!((receiver.updates, receiver.withdrawn), (1, 1));
    assert_eq!(receiver.known[&(nlri(3), 0)].0.med, Some(4));
}

#[test]
fn tables_are_read_by_page_prefix_and_cover() {
    let mut config = RibConfig::new(OWN_AS, OWN_ID);
    config.shards = 4;
    let mut rib = Rib::new(config);
    rib.peer_up(SOURCE, client(1));
    let source = client(1);
    let net = |text: &str| Nlri::Ipv4(text.parse().expect("a prefix"));
    let all = [
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "10.2.0.0/16",
        "192.0.2.0/24",
    ];
    for text in all {
        let route = bgp::nlri::Route {
            nlri: net(text),
            path_id: 0,
            payload: bgp::nlri::Payload::None,
        };
        announce(
            &mut rib,
            SOURCE,
            &source,
            &route,
            &attributes(&source, &[7]),
        );
    }
    let table = TableId::Global(FAMILY);
    let read = |select, from: Option<&Nlri>, limit| {
        let page = rib
            .routes(table, select, from, limit, |_| true)
            .expect("a table");
        let shown: Vec<Nlri> = page.items.iter().map(|paths| paths[0].nlri).collect();
        (shown, page.next)
    };
    let nets = |list: &[&str]| -> Vec<Nlri> { list.iter().map(|text| net(text)).collect() };
    assert_eq!(read(Select::All, None, 9), (nets(&all), None));
    assert_eq!(
        read(Select::All, None, 2),
        (nets(&all[..2]), Some(net(all[2])))
    );
    assert_eq!(
        read(Select::All, Some(&net(all[2])), 9),
        (nets(&all[2..]), None)
    );
    let longest = |text| read(Select::Longest(net(text)), None, 9).0;
    assert_eq!(longest("10.1.2.3/32"), nets(&["10.1.2.0/24"]));
    assert_eq!(longest("10.1.3.0/24"), nets(&["10.1.0.0/16"]));
    assert_eq!(longest("10.9.0.0/16"), nets(&["10.0.0.0/8"]));
    assert_eq!(longest("11.0.0.0/8"), []);
    let covered = read(Select::Covered(net("10.1.0.0/16")), None, 9).0;
    assert_eq!(covered, nets(&["10.1.0.0/16", "10.1.2.0/24"]));
    let exact = read(Select::Exact(net("10.2.0.0/16")), None, 9).0;
    assert_eq!(exact, nets(&["10.2.0.0/16"]));
    let counts = rib.table_counts(table).expect("a table");
    assert_eq!((counts.prefixes, counts.paths), (5, 5));
}

/// Threads, jobs in another order, or none: the same octets to everyone, in the same blocks.
#[test]
fn whoever_runs_the_jobs_peers_are_sent_the_same() {
    #[derive(Debug)]
    struct Threads(AtomicUsize);
    impl Executor for Threads {
        fn run(&self, jobs: Vec<Job<'_>>) {
            self.0.fetch_add(jobs.len(), Ordering::Relaxed);
            std::thread::scope(|scope| {
                jobs.into_iter().for_each(|job| {
                    scope.spawn(job);
                });
            });
        }
    }
    let threads = Arc::new(Threads(AtomicUsize::new(0)));
    let executors: [Option<Arc<dyn Executor>>; 3] =
        [None, Some(Arc::new(Backwards)), Some(threads.clone())];
    let sent = executors.map(|executor| {
        let mut config = RibConfig::new(OWN_AS, OWN_ID);
        (config.shards, config.slice) = (4, 2);
        let mut rib = Rib::new(config);
        if let Some(executor) = executor {
            rib.set_executor(executor);
        }
        for peer in 1..4 {
            rib.peer_up(PeerId(peer), client(peer));
        }
        (0..60).for_each(|number| add(&mut rib, number, &[7]));
        let mut sent: Vec<Bytes> = blocks(&mut rib);
        rib.peer_down(SOURCE, FamilySet::EMPTY);
        sent.append(&mut blocks(&mut rib));
        assert_eq!(rib.attribute_sets(), 0);
        sent
    });
    assert!(
        threads.0.load(Ordering::Relaxed) > 0,
        "there was enough to do"
    );
    assert!(sent[0].len() > 4);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0], sent[2]);
}

/// All that two peers are sent, as it comes.
fn blocks(rib: &mut Rib) -> Vec<Bytes> {
    let mut blocks = Vec::new();
    loop {
        let more = rib.flush();
        let before = blocks.len();
        for peer in [2, 3].map(PeerId) {
            blocks.extend(std::iter::from_fn(|| rib.transmit(peer)));
        }
        if !more && blocks.len() == before {
            return blocks;
        }
    }
}
