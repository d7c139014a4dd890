//! Neighbours that misbehave on TCP: the test speaks raw BGP to the daemon.

use crate::lab::{Netns, PATIENCE, Running, until};
use crate::sessions::{head, neighbor, network, pair};
use bgp::Family;
use bgp::message::{Capability, HEADER, KEEPALIVE, Open};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A neighbour that the test plays, at 192.0.2.2 in AS 65002.
struct Raw {
    stream: TcpStream,
}

impl Raw {
    fn connect(netns: &Netns) -> Self {
        let to: SocketAddr = "192.0.2.1:179".parse().expect("an address");
        let stream = netns
            .inside(|| TcpStream::connect(to))
            .expect("the daemon listens");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self { stream }
    }

    fn open() -> Vec<u8> {
        let open = Open {
            asn: 65_002,
            hold_time: 90,
            router_id: [10, 0, 0, 2].into(),
            capabilities: vec![
                Capability::FourOctetAs(65_002),
                Capability::Multiprotocol(Family::Ipv4Unicast.into()),
            ],
        };
        let mut octets = Vec::new();
        open.encode(&mut octets);
        octets
    }

    /// The next message, header included.
    fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut message = vec![0; HEADER];
        self.stream.read_exact(&mut message)?;
        let length = usize::from(u16::from_be_bytes([message[16], message[17]]));
        message.resize(length, 0);
        self.stream.read_exact(&mut message[HEADER..])?;
        Ok(message)
    }

    /// Sends octets one segment each.
    fn send_slowly(&mut self, octets: &[u8]) {
        for octet in octets {
            self.stream.write_all(&[*octet]).expect("write");
        }
    }

    fn establish(&mut self) {
        self.stream.write_all(&Self::open()).expect("write");
        self.stream.write_all(&KEEPALIVE).expect("write");
    }
}

#[test]
fn one_octet_in_each_segment_is_as_good_as_any() {
    let (left, right) = pair();
    let daemon = Running::start(&left, &(head(1) + &neighbor(2, "passive = true")));
    let mut raw = Raw::connect(&right);
    raw.send_slowly(&Raw::open());
    raw.send_slowly(&KEEPALIVE);
    daemon.wait_up("192.0.2.2");
    // ORIGIN igp, AS_PATH 65002, NEXT_HOP 192.0.2.2; 203.0.113.0/24.
    let attributes = [
        0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea, 0x40, 3, 4, 192, 0, 2, 2,
    ];
    let mut update = vec![0xff; 16];
    update.extend([0, 0, 2, 0, 0, 0, attributes.len() as u8]);
    update.extend(attributes);
    update.extend([24, 203, 0, 113]);
    update[17] = update.len() as u8;
    raw.send_slowly(&update);
    daemon.wait_routes("prefix=203.0.113.0/24", 1);
    assert_eq!(daemon.neighbor("192.0.2.2")["flaps"], 0);
}

#[test]
fn a_neighbour_that_does_not_read_harms_nobody() {
    let (left, right) = pair();
    let third = Netns::new("third");
    left.join("eth1", &third, "eth0");
    left.must("ip addr add 198.51.100.1/24 dev eth1");
    third.must("ip addr add 198.51.100.3/24 dev eth0");
    let reader = "[[neighbors]]\naddress = \"198.51.100.3\"\nremote-as = 65003\n";
    let daemon = Running::start(&left, &(head(1) + &neighbor(2, "passive = true") + reader));
    let mut stalled = Raw::connect(&right);
    stalled.establish();
    daemon.wait_up("192.0.2.2");
    let own = "[[neighbors]]\naddress = \"198.51.100.1\"\nremote-as = 65001\n";
    let other = Running::start(&third, &(head(3) + own));
    other.wait_up("198.51.100.1");
    // Far more than both sockets hold is put in its way, ever new: one route that changes, and a table.
    let long: Vec<String> = (0..200).map(|n| format!("\"65000:{n}\"")).collect();
    let long = long.join(",");
    for round in 0..3 {
        for n in 0..400 {
            let body = format!(
                "{{\"route\": \"10.{}.{}.0/24\", \"med\": {}, \"communities\": [{long}]}}",
                n / 256,
                n % 256,
                round * 1_000 + n
            );
            daemon.post("/routes", &body).expect("announced");
        }
        other.wait_routes("", 400);
    }
    assert_eq!(daemon.neighbor("192.0.2.2")["state"], "established");
    // Once it reads, it gets what is there now.
    let mut octets = 0;
    while octets < 400 * 800 {
        octets += stalled.receive().expect("messages").len();
    }
}

#[test]
fn a_flood_of_connections_and_opens_leaves_the_sessions_alone() {
    let (left, right) = pair();
    let flooder = Netns::new("flooder");
    left.join("eth1", &flooder, "eth0");
    left.must("ip addr add 198.51.100.1/24 dev eth1");
    flooder.must("ip addr add 198.51.100.66/24 dev eth0");
    let daemon = Running::start(
        &left,
        &(head(1) + &neighbor(2, "") + &network("203.0.113.0/24")),
    );
    let other = Running::start(&right, &(head(2) + &neighbor(1, "")));
    daemon.wait_up("192.0.2.2");
    let to: SocketAddr = "198.51.100.1:179".parse().expect("an address");
    flooder.inside(|| {
        for _ in 0..500 {
            // Refused or reset, as the daemon likes.
            if let Ok(mut stream) = TcpStream::connect(to) {
                let _ = stream.write_all(&Raw::open());
            }
        }
    });
    // And from the neighbour's own address, connections that say nothing. (One that sends a valid OPEN is the neighbour
    // after a restart, RFC 4724 section 4.2; a password keeps others from being it.)
    let silent: Vec<Raw> = (0..30).map(|_| Raw::connect(&right)).collect();
    other.wait_routes("prefix=203.0.113.0/24", 1);
    assert_eq!(daemon.neighbor("192.0.2.2")["flaps"], 0);
    assert_eq!(other.neighbor("192.0.2.1")["flaps"], 0);
    let (_, metrics) = crate::lab::http(&daemon.socket(), "GET", "/bgp/v1/metrics", "");
    // By its rate or by its half-open connections, whichever came first.
    assert!(metrics.contains("-of-source\"}"), "{metrics}");
    drop(silent);
}

#[test]
fn rubbish_gets_a_notification_and_the_end() {
    let (left, right) = pair();
    let daemon = Running::start(&left, &(head(1) + &neighbor(2, "passive = true")));
    let mut raw = Raw::connect(&right);
    raw.stream
        .write_all(b"GET / HTTP/1.1\r\nhost: bgp\r\n\r\n")
        .expect("write");
    let mut kinds = Vec::new();
    let ended = loop {
        match raw.receive() {
            Ok(message) => kinds.push(message[18]),
            Err(error) => break error,
        }
    };
    // OPEN, then NOTIFICATION; then the connection is closed, not left to a timeout.
    assert_eq!(kinds.last(), Some(&3), "{kinds:?}");
    assert!(
        matches!(
            ended.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
        ),
        "{ended}"
    );
    until("nothing half-open is left", || {
        let (_, metrics) = crate::lab::http(&daemon.socket(), "GET", "/bgp/v1/metrics", "");
        metrics
            .contains("netwright_bgp_half_open_connections 0")
            .then_some(())
    });
}

#[test]
fn the_end_of_a_connection_is_seen_although_data_came_with_it() {
    let (left, right) = pair();
    let daemon = Running::start(&left, &(head(1) + &neighbor(2, "passive = true")));
    for round in 1..=5 {
        let mut raw = Raw::connect(&right);
        raw.establish();
        daemon.wait_up("192.0.2.2");
        raw.stream.write_all(&KEEPALIVE).expect("write");
        drop(raw);
        until("the session ends long before its hold time", || {
            (daemon.neighbor("192.0.2.2")["flaps"] == round).then_some(())
        });
        daemon
            .post("/neighbors/192.0.2.2/clear", "{\"how\": \"hard\"}")
            .expect("done");
    }
}
