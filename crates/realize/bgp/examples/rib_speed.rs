//! The RIB's cost in the BGP benchmarks' cases, without sockets: `cargo run --release -p bgp --example rib_speed [case [shards]]`.

use bgp::attribute::{AsPath, Attributes, Community, ExtendedCommunity, NextHop, Origin};
use bgp::message::{CodecContext, EncodeContext, EncodedAttributes, UpdateBuilder, split};
use bgp::nlri::{
    EvpnNlri, EvpnPayload, Label, Mac, Nlri, Payload, Route, RouteDistinguisher, RouteTarget,
    RtMembership,
};
use bgp::rib::{
    AddPathSend, Executor, Job, NextHopMode, PeerInfo, PeerKind, RemovePrivate, Rib, RibConfig,
};
use bgp::{Family, FamilySet, PeerId};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

fn main() {
    let cases = [
        "reflect", "shuffled", "transit", "vpn", "evpn2", "evpn5", "rtc", "latency", "late",
        "fanout", "withdraw", "down",
    ];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [one, ..] => run(one),
        [] => {
            println!(
                "{:<10} {:>9} {:>9} {:>9}  notes",
                "case", "wall s", "cpu s", "RSS MB"
            );
            for case in cases {
                let program = std::env::current_exe().expect("own path");
                let status = std::process::Command::new(program).arg(case).status();
                assert!(status.expect("runs").success(), "{case} failed");
            }
        }
    }
}

fn run(case: &str) {
    match case {
        "reflect" => spread(
            "reflect",
            Family::Ipv4Unicast,
            1,
            1_000_000,
            2,
            PeerKind::Client,
            false,
        ),
        "shuffled" => spread(
            "shuffled",
            Family::Ipv4Unicast,
            1,
            1_000_000,
            2,
            PeerKind::Client,
            true,
        ),
        "transit" => spread(
            "transit",
            Family::Ipv4Unicast,
            10,
            100_000,
            10,
            PeerKind::External,
            false,
        ),
        "vpn" => spread("vpn", Family::Vpnv4, 1, 100_000, 2, PeerKind::Client, false),
        "evpn2" => spread(
            "evpn2",
            Family::Evpn,
            1,
            100_000,
            2,
            PeerKind::Client,
            false,
        ),
        "evpn5" => evpn5(),
        "rtc" => rtc(),
        "latency" => latency(),
        "late" => late(),
        "fanout" => spread(
            "fanout",
            Family::Ipv4Unicast,
            1,
            100_000,
            500,
            PeerKind::Client,
            false,
        ),
        "withdraw" => withdraw(),
        "down" => down(),
        other => eprintln!("there is no case {other}"),
    }
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = stat.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Of this process now, in MB.
fn rss() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kb.unwrap_or(0.0) / 1024.0
}

struct Meter {
    start: Instant,
    cpu: Duration,
    rss: f64,
}

impl Meter {
    fn new() -> Self {
        Self {
            rss: rss(),
            start: Instant::now(),
            cpu: cpu(),
        }
    }

    fn print(&self, case: &str, notes: &str) {
        let cpu = (cpu() - self.cpu).as_secs_f64();
        let wall = self.start.elapsed().as_secs_f64();
        println!(
            "{case:<10} {wall:>9.3} {cpu:>9.3} {:>9.1}  {notes}",
            rss() - self.rss
        );
    }
}

fn families() -> FamilySet {
    FamilySet::from_iter([Family::Ipv4Unicast, Family::Vpnv4, Family::Evpn])
}

fn info(kind: PeerKind, number: u32, families: FamilySet) -> PeerInfo {
    let address = Ipv4Addr::from_bits(0xc612_0000 + number);
    PeerInfo {
        kind,
        asn: if kind == PeerKind::External {
            65100 + number
        } else {
            65000
        },
        local_asn: 65000,
        address: IpAddr::V4(address),
        router_id: address,
        local_address: IpAddr::V4(Ipv4Addr::new(198, 18, 255, 1)),
        local_address_other: None,
        local_link_local: None,
        shared_subnet: None,
        families,
        add_path_send: FamilySet::EMPTY,
        add_path_limit: AddPathSend::All,
        extended_next_hop: FamilySet::EMPTY,
        as4: true,
        max_message: 4096,
        codec: codec(kind == PeerKind::External, families),
        import: None,
        export: None,
        require_policy: false,
        next_hop: NextHopMode::Standard,
        as_override: false,
        default_originate: FamilySet::EMPTY,
        replace_as: false,
        remove_private: RemovePrivate::No,
        enforce_first_as: true,
        allow_own_as: 0,
        route_server_client: false,
        role: None,
        llgr: families,
        llgr_partial: false,
        graceful_shutdown: true,
    }
}

fn codec(ebgp: bool, families: FamilySet) -> CodecContext {
    CodecContext {
        as4: true,
        extended_message: false,
        ebgp,
        families,
        add_path_rx: FamilySet::EMPTY,
        extended_next_hop: FamilySet::EMPTY,
    }
}

#[derive(Debug)]
struct Threads;

impl Executor for Threads {
    fn run(&self, jobs: Vec<Job<'_>>) {
        std::thread::scope(|scope| {
            for job in jobs {
                scope.spawn(job);
            }
        });
    }
}

fn rib() -> Rib {
    let mut config = RibConfig::new(65000, Ipv4Addr::new(198, 18, 255, 1));
    let shards = std::env::args().nth(2);
    config.shards = shards.map_or(1, |shards| shards.parse().expect("a number of shards"));
    let mut rib = Rib::new(config);
    rib.set_executor(std::sync::Arc::new(Threads));
    rib
}

/// The attributes of the `number`th set of an injector.
fn attributes(family: Family, injector: u32, number: u32, external: bool) -> Attributes {
    let hop = Ipv4Addr::from_bits(0xc612_0000 + injector);
    let mut attributes = Attributes::new(Origin::Igp, Some(NextHop::Ipv4(hop)));
    let first = if external { 65100 + injector } else { 64999 };
    attributes.as_path = AsPath::sequence(&[first, 3000 + number % 1000, 100_000 + number]);
    attributes.med = Some(number);
    attributes.local_pref = (!external).then_some(100);
    attributes.communities = [Community(65000 << 16 | number & 0xffff)].into();
    if family != Family::Ipv4Unicast {
        let target = target(number % 1000);
        attributes.extended = [ExtendedCommunity(target.0)].into();
    }
    attributes
}

fn target(number: u32) -> RouteTarget {
    let [a, b, c, d] = number.to_be_bytes();
    RouteTarget([0, 2, 0xfd, 0xe8, a, b, c, d])
}

fn route(family: Family, type5: bool, number: u32) -> Route {
    let rd = RouteDistinguisher([0, 0, 0xfd, 0xe8, 0, 0, (number / 65536) as u8, 1]);
    let address = Ipv4Addr::from_bits(0x0a00_0000 + (number << 8));
    let net = ipnet::Ipv4Net::new(address, 24).expect("a length").trunc();
    let [_, _, a, b] = number.to_be_bytes();
    let (nlri, payload) = match family {
        Family::Ipv4Unicast => (Nlri::Ipv4(net), Payload::None),
        Family::Vpnv4 => (
            Nlri::Vpnv4(rd, net),
            Payload::Label(Label::from_mpls(16 + number % 1000)),
        ),
        _ if type5 => (
            Nlri::Evpn(EvpnNlri::IpPrefix {
                rd,
                tag: 0,
                prefix: net.into(),
            }),
            Payload::Evpn(EvpnPayload {
                label: Label::from_vni(5000),
                ..Default::default()
            }),
        ),
        _ => (
            Nlri::Evpn(EvpnNlri::MacIp {
                rd,
                tag: 0,
                mac: Mac([2, 0, 0, (number >> 16) as u8, a, b]),
                ip: Some(IpAddr::V4(address)),
            }),
            Payload::Evpn(EvpnPayload {
                label: Label::from_vni(5000),
                ..Default::default()
            }),
        ),
    };
    Route {
        nlri,
        path_id: 0,
        payload,
    }
}

/// The UPDATE bodies of an injector: ten routes share one attribute set.
fn bodies(
    family: Family,
    type5: bool,
    injector: u32,
    first: u32,
    count: u32,
    external: bool,
) -> Vec<Vec<u8>> {
    let context = EncodeContext::default();
    let numbers: Vec<u32> = (first..first + count).collect();
    numbers
        .chunks(10)
        .map(|chunk| {
            let set = attributes(family, injector, chunk[0] / 10, external);
            let encoded = EncodedAttributes::new(&set, &context);
            let mut out = Vec::new();
            let mut builder = UpdateBuilder::announce(family, &encoded, &context, &mut out);
            for number in chunk {
                builder.push(&route(family, type5, *number)).expect("fits");
            }
            builder.finish();
            out[19..].to_vec()
        })
        .collect()
}

fn shuffle<T>(items: &mut [T]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        items.swap(last, state as usize % (last + 1));
    }
}

/// Octets a receiver got.
fn drain(rib: &mut Rib, peers: &[PeerId]) -> usize {
    let mut octets = 0;
    loop {
        let more = rib.flush();
        let mut idle = true;
        for peer in peers {
            while let Some(block) = rib.transmit(*peer) {
                octets += block.len();
                idle = false;
            }
        }
        if idle && !more {
            return octets;
        }
    }
}

fn feed(
    rib: &mut Rib,
    injectors: &[(PeerId, Vec<Vec<u8>>)],
    external: bool,
    peers: &[PeerId],
) -> usize {
    let codec = codec(external, families());
    let longest = injectors
        .iter()
        .map(|(_, bodies)| bodies.len())
        .max()
        .unwrap_or(0);
    let mut octets = 0;
    for at in 0..longest {
        for (peer, bodies) in injectors {
            if let Some(body) = bodies.get(at) {
                let parts = split(body, &codec).expect("well-formed");
                rib.update(*peer, &parts);
            }
        }
        if at % 256 == 255 {
            rib.flush();
            for peer in peers {
                while let Some(block) = rib.transmit(*peer) {
                    octets += block.len();
                }
            }
        }
    }
    octets + drain(rib, peers)
}

fn up(rib: &mut Rib, kind: PeerKind, numbers: std::ops::Range<u32>) -> Vec<PeerId> {
    numbers
        .map(|number| {
            rib.peer_up(PeerId(number), info(kind, number, families()));
            PeerId(number)
        })
        .collect()
}

fn spread(
    case: &str,
    family: Family,
    injectors: u32,
    each: u32,
    receivers: u32,
    kind: PeerKind,
    shuffled: bool,
) {
    let external = kind == PeerKind::External;
    let mut rib = rib();
    let sources = up(&mut rib, kind, 1..1 + injectors);
    let receivers = up(&mut rib, kind, 1000..1000 + receivers);
    let all: Vec<PeerId> = sources.iter().chain(&receivers).copied().collect();
    drain(&mut rib, &all);
    let mut feeds: Vec<(PeerId, Vec<Vec<u8>>)> = sources
        .iter()
        .enumerate()
        .map(|(at, peer)| {
            (
                *peer,
                bodies(
                    family,
                    false,
                    at as u32 + 1,
                    at as u32 * each,
                    each,
                    external,
                ),
            )
        })
        .collect();
    if shuffled {
        feeds.iter_mut().for_each(|(_, bodies)| shuffle(bodies));
    }
    let meter = Meter::new();
    let octets = feed(&mut rib, &feeds, external, &all);
    let last = rib.counts(receivers[0], family);
    let expected = injectors * each;
    assert_eq!(last.advertised, expected, "every receiver has every route");
    meter.print(
        case,
        &format!("{} sets, {octets} octets out", rib.attribute_sets()),
    );
}

fn evpn5() {
    let mut rib = rib();
    let source = up(&mut rib, PeerKind::Client, 1..2);
    let receivers = up(&mut rib, PeerKind::Client, 1000..1002);
    drain(&mut rib, &receivers);
    let bodies = bodies(Family::Evpn, true, 1, 0, 100_000, false);
    let meter = Meter::new();
    let octets = feed(&mut rib, &[(source[0], bodies)], false, &receivers);
    assert_eq!(rib.counts(receivers[0], Family::Evpn).advertised, 100_000);
    meter.print("evpn5", &format!("{octets} octets out"));
}

fn rtc() {
    let with: FamilySet = [Family::Vpnv4, Family::RouteTarget].into_iter().collect();
    let mut rib = rib();
    let source = up(&mut rib, PeerKind::Client, 1..2);
    let mut receivers = Vec::new();
    let context = EncodeContext::default();
    for number in 0..50 {
        let peer = PeerId(1000 + number);
        rib.peer_up(peer, info(PeerKind::Client, 1000 + number, with));
        let hop = NextHop::Ipv4(Ipv4Addr::from_bits(0xc612_0000 + 1000 + number));
        let mut set = Attributes::new(Origin::Igp, Some(hop));
        set.local_pref = Some(100);
        let encoded = EncodedAttributes::new(&set, &context);
        let mut out = Vec::new();
        let mut builder =
            UpdateBuilder::announce(Family::RouteTarget, &encoded, &context, &mut out);
        for at in 0..10 {
            let nlri = Nlri::RouteTarget(RtMembership::Target {
                origin: 65000,
                target: target(number * 10 + at),
                bits: 64,
            });
            builder
                .push(&Route {
                    nlri,
                    path_id: 0,
                    payload: Payload::None,
                })
                .expect("fits");
        }
        builder.finish();
        let parts = split(&out[19..], &codec(false, with)).expect("well-formed");
        rib.update(peer, &parts);
        rib.memberships_complete(peer);
        receivers.push(peer);
    }
    drain(&mut rib, &receivers);
    let bodies = bodies(Family::Vpnv4, false, 1, 0, 100_000, false);
    let meter = Meter::new();
    let octets = feed(&mut rib, &[(source[0], bodies)], false, &receivers);
    for peer in &receivers {
        assert_eq!(rib.counts(*peer, Family::Vpnv4).advertised, 1000);
    }
    meter.print("rtc", &format!("{octets} octets out"));
}

fn loaded(count: u32) -> (Rib, Vec<PeerId>, Vec<PeerId>) {
    let mut rib = rib();
    let source = up(&mut rib, PeerKind::Client, 1..2);
    let receivers = up(&mut rib, PeerKind::Client, 1000..1002);
    let bodies = bodies(Family::Ipv4Unicast, false, 1, 0, count, false);
    feed(&mut rib, &[(source[0], bodies)], false, &receivers);
    (rib, source, receivers)
}

fn latency() {
    let (mut rib, source, receivers) = loaded(1_000_000);
    let codec = codec(false, families());
    let mut times = Vec::new();
    let meter = Meter::new();
    for at in 0..1000_u32 {
        let number = at.wrapping_mul(7919) % 1_000_000;
        let body = &bodies(Family::Ipv4Unicast, false, 1, number, 1, false)[0];
        let set = attributes(Family::Ipv4Unicast, 1, 2_000_000 + at, false);
        let context = EncodeContext::default();
        let encoded = EncodedAttributes::new(&set, &context);
        let mut out = Vec::new();
        let mut builder =
            UpdateBuilder::announce(Family::Ipv4Unicast, &encoded, &context, &mut out);
        builder
            .push(&route(Family::Ipv4Unicast, false, number))
            .expect("fits");
        builder.finish();
        assert!(body.len() > 4);
        let start = Instant::now();
        let parts = split(&out[19..], &codec).expect("well-formed");
        rib.update(source[0], &parts);
        rib.flush();
        for peer in &receivers {
            assert!(rib.transmit(*peer).is_some(), "the change goes out at once");
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let micros = |at: usize| times[at].as_secs_f64() * 1e6;
    meter.print(
        "latency",
        &format!(
            "p50 {:.1} µs, p99 {:.1} µs, max {:.1} µs",
            micros(500),
            micros(990),
            micros(999)
        ),
    );
}

fn late() {
    let (mut rib, _, _) = loaded(100_000);
    let meter = Meter::new();
    let joiner = up(&mut rib, PeerKind::Client, 2000..2001);
    let octets = drain(&mut rib, &joiner);
    assert_eq!(
        rib.counts(joiner[0], Family::Ipv4Unicast).advertised,
        100_000
    );
    meter.print("late", &format!("{octets} octets out"));
}

fn withdraw() {
    let (mut rib, source, receivers) = loaded(1_000_000);
    let codec = codec(false, families());
    let context = EncodeContext::default();
    let mut out = Vec::new();
    let mut builder = UpdateBuilder::withdraw(Family::Ipv4Unicast, &context, &mut out);
    for number in 0..1_000_000 {
        builder
            .push(&route(Family::Ipv4Unicast, false, number))
            .expect("fits");
    }
    builder.finish();
    let meter = Meter::new();
    let mut rest = &out[..];
    let mut octets = 0;
    while !rest.is_empty() {
        let length = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
        let parts = split(&rest[19..length], &codec).expect("well-formed");
        rib.update(source[0], &parts);
        rest = &rest[length..];
        rib.flush();
        for peer in &receivers {
            while let Some(block) = rib.transmit(*peer) {
                octets += block.len();
            }
        }
    }
    octets += drain(&mut rib, &receivers);
    assert_eq!(rib.attribute_sets(), 0);
    meter.print("withdraw", &format!("{octets} octets out"));
}

fn down() {
    let (mut rib, source, receivers) = loaded(1_000_000);
    let meter = Meter::new();
    let mut longest = Duration::ZERO;
    let mut timed = |work: &mut dyn FnMut() -> bool| {
        let start = Instant::now();
        let more = work();
        longest = longest.max(start.elapsed());
        more
    };
    let mut octets = 0;
    timed(&mut || {
        rib.peer_down(source[0], FamilySet::EMPTY);
        true
    });
    while timed(&mut || rib.flush()) {
        for peer in &receivers {
            while let Some(block) = rib.transmit(*peer) {
                octets += block.len();
            }
        }
    }
    octets += drain(&mut rib, &receivers);
    assert_eq!(rib.attribute_sets(), 0);
    let longest = longest.as_secs_f64() * 1e3;
    meter.print(
        "down",
        &format!("longest call {longest:.1} ms, {octets} octets out"),
    );
}
