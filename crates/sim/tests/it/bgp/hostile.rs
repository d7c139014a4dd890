//! Neighbours that are slow, rude or strange. Whatever they do, others must not notice.

use super::samples::{Sample, far_prefix};
use super::world::{ASN, Family, PATIENCE, World, client, is_root, ours, passive};
use sim::bgp::messages::{
    self, NOTIFICATION, TRANSITIVE, UPDATE, WELL_KNOWN, attribute, keepalive,
};
use sim::bgp::{Neighbor, PORT, Site};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

const V4: &[Family] = &[Family::Ipv4Unicast];
const PEER: u32 = 65_101;
const OTHER: u32 = 65_102;
const EXTENDED_MESSAGE: [u8; 2] = [6, 0];

/// A router with two external scripted neighbours.
fn with_two(world: &mut World) -> sim::bgp::Router {
    let neighbors = vec![
        passive(Neighbor::new(Site::source(0), PEER, V4)),
        passive(Neighbor::new(Site::source(1), OTHER, V4)),
    ];
    world.router(0, ours(), ASN, neighbors, |_| {})
}

#[test]
fn one_octet_a_segment_is_as_good_as_any() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let router = with_two(&mut world);
    let source = world.next_source();
    let session = world.script(0, PEER, V4);
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    for octet in sample.announce(source, Some(PEER)) {
        world.send(session, vec![octet]);
        world.load.poll(Duration::from_millis(1)).expect("polled");
    }
    world.route(&router, sample.family, sample.shown, true);
}

/// Unknown transitive attributes, as many as a message holds, are passed on with the partial bit (RFC 4271 5).
#[test]
fn unknown_attributes_are_passed_on_as_partial() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let _router = with_two(&mut world);
    let source = world.next_source();
    let sender = world.script(0, PEER, V4);
    let receiver = world.script(0, OTHER, V4);
    let unknown: Vec<u8> = (100..=250)
        .flat_map(|code| attribute(TRANSITIVE, code, &[code; 20]))
        .collect();
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(sender, sample.announce_with(source, Some(PEER), &unknown));
    const PARTIAL: u8 = 0x20;
    let passed: Vec<Vec<u8>> = (100..=250)
        .map(|code| attribute(TRANSITIVE | PARTIAL, code, &[code; 20]))
        .collect();
    world.heard(receiver, "every unknown attribute", |kind, body| {
        let all = passed
            .iter()
            .all(|one| body.windows(one.len()).any(|window| window == one));
        (kind == UPDATE && all).then_some(())
    });
}

/// A path of 4,096 hops fits an extended message (RFC 8654) only: it is kept, and not sent to a neighbour who takes no such.
#[test]
fn a_path_of_4096_hops_harms_nobody() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let router = with_two(&mut world);
    let source = world.next_source();
    let sender = world.script_with(0, PEER, V4, &EXTENDED_MESSAGE);
    let receiver = world.script(0, OTHER, V4);
    let mut path = Vec::new();
    let hops: Vec<u32> = (0..4096).map(|hop| PEER + hop).collect();
    for segment in hops.chunks(255) {
        path.extend([2, segment.len() as u8]);
        segment
            .iter()
            .for_each(|hop| path.extend(hop.to_be_bytes()));
    }
    let attributes = [
        attribute(WELL_KNOWN, 1, &[0]),
        attribute(WELL_KNOWN, 2, &path),
        attribute(WELL_KNOWN, 3, &source.octets()),
    ];
    world.send(
        sender,
        messages::update(&[], &attributes.concat(), &[16, 10, 44]),
    );
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(sender, sample.announce(source, Some(PEER)));
    world.route(&router, sample.family, "10.44.0.0/16", true);
    let ours = &sample.announce(source, Some(PEER))[messages::HEADER + 4..];
    let nlri = &ours[ours.len() - 4..];
    world.heard(receiver, "the route after it", |kind, body| {
        (kind == UPDATE && body.ends_with(nlri)).then_some(())
    });
    let long = |kind: u8, body: &[u8]| kind == UPDATE && body.ends_with(&[16, 10, 44]);
    assert_eq!(world.count(receiver, long), 0);
}

/// A neighbour with our own identifier is refused (RFC 6286 2.2) and told so.
#[test]
fn our_own_identifier_is_refused() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let own = world.next_source();
    let neighbors = vec![passive(client(own, V4))];
    let _router = world.router(0, ours(), ASN, neighbors, |_| {});
    let mut stream = connect(&world, own);
    let open = messages::open(ASN, Site::router(0), V4, &[]);
    stream.write_all(&open).expect("written");
    // OPEN message error, bad BGP identifier.
    let notification = until_notification(&mut stream);
    assert_eq!(notification.get(..2), Some(&[2, 3][..]), "{notification:?}");
}

/// Hundreds of connections of strangers and of a neighbour that says OPEN and vanishes: sessions that are up stay up, and a
/// neighbour that behaves is let in.
#[test]
fn a_flood_of_opens_harms_nobody() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let router = with_two(&mut world);
    let session = world.script(0, PEER, V4);
    for number in 0..300 {
        // The other neighbour's address and one that is configured nowhere.
        let from = Site::source(1 + number % 2 * 5);
        let mut stream = connect(&world, from);
        let open = messages::open(OTHER, from, V4, &[]);
        stream.write_all(&open).ok();
        stream.write_all(&keepalive()[..10]).ok();
    }
    let sample = &Sample::of(Family::Ipv4Unicast)[0];
    world.send(session, sample.announce(Site::source(0), Some(PEER)));
    world.route(&router, sample.family, far_prefix(), true);
    world.session(&router, Site::source(0), true);
}

fn connect(world: &World, from: Ipv4Addr) -> TcpStream {
    let to = SocketAddr::from((Site::router(0), PORT));
    let connected = world.site.load().enter(|| -> std::io::Result<TcpStream> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&to.into())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket.into())
    });
    connected.expect("a namespace").expect("a connection")
}

/// The body of the first NOTIFICATION that comes.
fn until_notification(stream: &mut TcpStream) -> Vec<u8> {
    loop {
        let mut header = [0; messages::HEADER];
        stream.read_exact(&mut header).expect("a message");
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let mut body = vec![0; length - messages::HEADER];
        stream.read_exact(&mut body).expect("a body");
        if header[18] == NOTIFICATION {
            return body;
        }
    }
}
