//! BMP stations and MRT files, as a reader of theirs sees them.

use crate::lab::{Netns, PATIENCE, Running, read, until};
use crate::sessions::{head, neighbor, network, pair};
use bgp::bmp::{self, Message, RibView};
use bgp::message::{CodecContext, HEADER, split};
use bgp::mrt::{self, Body};
use bgp::nlri::Payload;
use bgp::{Family, FamilySet};
use std::net::{TcpListener, TcpStream};

/// A station in a namespace.
struct Station {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Station {
    fn listen(netns: &Netns, address: &str) -> TcpListener {
        netns
            .inside(|| TcpListener::bind(address))
            .expect("an address")
    }

    fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().expect("the daemon connects");
        stream.set_read_timeout(Some(PATIENCE)).expect("an option");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Reads messages until one is what is looked for.
    fn find(&mut self, what: &str, mut wanted: impl FnMut(&Message<'_>) -> bool) {
        let mut chunk = [0; 4_096];
        loop {
            while let Some((message, length)) = bmp::frame(&self.buffer).expect("BMP") {
                let found = wanted(&message);
                self.buffer.drain(..length);
                if found {
                    return;
                }
            }
            let length = read(&mut self.stream, &mut chunk, what);
            assert!(length > 0, "the daemon closed before {what}");
            self.buffer.extend_from_slice(&chunk[..length]);
        }
    }
}

/// Prefixes of an UPDATE, announced and withdrawn.
fn prefixes(update: &[u8]) -> (Vec<String>, Vec<String>) {
    let families: FamilySet = Family::ALL.into_iter().collect();
    let context = CodecContext {
        as4: true,
        extended_message: true,
        ebgp: true,
        families,
        add_path_rx: FamilySet::EMPTY,
        extended_next_hop: FamilySet::EMPTY,
    };
    let parts = split(&update[HEADER..], &context).expect("an UPDATE");
    let text = |route: bgp::nlri::Route| route.nlri.to_string();
    (
        parts.announced().map(text).collect(),
        parts.withdrawn().map(text).collect(),
    )
}

fn shows(message: &Message<'_>, view: RibView, announced: &str, withdrawn: &str) -> bool {
    let Message::RouteMonitoring { peer, update } = message else {
        return false;
    };
    let (up, down) = prefixes(update);
    let has =
        |list: &[String], wanted: &str| wanted.is_empty() || list.iter().any(|one| one == wanted);
    peer.view == view && has(&up, announced) && has(&down, withdrawn)
}

const BEFORE: RibView = RibView::AdjRibIn { post_policy: false };
const AFTER: RibView = RibView::AdjRibIn { post_policy: true };
const LOCAL: RibView = RibView::LocRib { filtered: false };

#[test]
fn a_station_is_told_what_is_and_what_happens_before_and_after_policy() {
    let (left, right) = pair();
    let listener = Station::listen(&left, "127.0.0.1:11019");
    let bmp = "[[bmp]]\naddress = \"127.0.0.1:11019\"\npost-policy = true\nlocal-rib = true\nstatistics = 1\n\
        [policies.some]\nrules = [{ match = [{ prefix = [\"203.0.113.0/24\"] }], then = \"accept\" }]\n";
    let a = Running::start(
        &left,
        &(head(1) + &neighbor(2, "import = \"some\"\nconnect-retry = 1") + bmp),
    );
    let b_config = head(2)
        + &neighbor(1, "connect-retry = 1")
        + &network("203.0.113.0/24")
        + &network("198.51.100.0/24");
    let b = Running::start(&right, &b_config);
    a.wait_up("192.0.2.2");
    a.wait_routes("", 2);
    let mut station = Station::accept(&listener);
    station.find("an initiation", |message| {
        matches!(message, Message::Initiation(_))
    });
    station.find("a peer that is up", |message| {
        matches!(message, Message::PeerUp { .. })
    });
    drop(station);
    // It is told everything anew after it was lost.
    let mut station = Station::accept(&listener);
    let mut rejected_after = false;
    let mut seen = [false; 4];
    station.find(
        "both routes before policy, one after and in the table",
        |message| {
            seen[0] |= shows(message, BEFORE, "203.0.113.0/24", "");
            seen[1] |= shows(message, BEFORE, "198.51.100.0/24", "");
            seen[2] |= shows(message, AFTER, "203.0.113.0/24", "");
            seen[3] |= shows(message, LOCAL, "203.0.113.0/24", "");
            rejected_after |= shows(message, AFTER, "198.51.100.0/24", "");
            seen.iter().all(|seen| *seen)
        },
    );
    assert!(!rejected_after, "a rejected route was shown after policy");
    b.reload(&(head(2) + &neighbor(1, "connect-retry = 1")))
        .expect("valid");
    let mut gone = [false; 3];
    station.find("the withdrawal everywhere", |message| {
        gone[0] |= shows(message, BEFORE, "", "203.0.113.0/24");
        gone[1] |= shows(message, AFTER, "", "203.0.113.0/24");
        gone[2] |= shows(message, LOCAL, "", "203.0.113.0/24");
        gone.iter().all(|gone| *gone)
    });
    station.find("statistics", |message| {
        matches!(message, Message::Statistics { .. })
    });
    drop(b);
    station.find("the neighbour's end", |message| {
        matches!(message, Message::PeerDown { .. })
    });
}

#[test]
fn a_station_is_told_anew_when_the_tables_are() {
    let (left, _right) = pair();
    let listener = Station::listen(&left, "127.0.0.1:11019");
    let bmp = "[[bmp]]\naddress = \"127.0.0.1:11019\"\nlocal-rib = true\n";
    let config = head(1) + bmp + &network("203.0.113.0/24");
    let a = Running::start(&left, &config);
    let mut station = Station::accept(&listener);
    station.find("the table", |message| {
        shows(message, LOCAL, "203.0.113.0/24", "")
    });
    let other = config.replace("10.0.0.1", "10.0.0.9") + &network("198.51.100.0/24");
    a.reload(&other).expect("valid");
    let mut station = Station::accept(&listener);
    station.find("a route that is new", |message| {
        shows(message, LOCAL, "198.51.100.0/24", "")
    });
    a.reload(&config.replace("10.0.0.1", "10.0.0.9"))
        .expect("valid");
    station.find("its end", |message| {
        shows(message, LOCAL, "", "198.51.100.0/24")
    });
}

/// Two PEs announce a prefix under one RD, each with its label: a record has one, so there are two.
#[test]
fn a_dump_has_the_label_and_the_path_id_of_each_path() {
    let (left, right) = pair();
    let families = "families = { vpnv4 = { add-path = \"both\" } }";
    let a = Running::start(&left, &(head(1) + &neighbor(2, families)));
    let b = Running::start(&right, &(head(2) + &neighbor(1, families)));
    let announced = |label: u32| {
        format!("{{\"route\": \"10.1.0.0/16\", \"rd\": \"65000:8\", \"label\": {label}}}")
    };
    b.post("/routes", &announced(1_002)).expect("announced");
    a.post("/routes", &announced(1_003)).expect("announced");
    until("both paths", || {
        let paths = a.get("/rib?family=vpnv4");
        (paths["routes"].as_array()?.len() == 2).then_some(())
    });
    let file = a.path().join("dump.mrt");
    let body = serde_json::json!({"file": file}).to_string();
    let dumped = a.post("/mrt/dump", &body).expect("a dump");
    // Beside it, the membership in every target that is originated for a neighbour without route-target constraint.
    assert_eq!(dumped["routes"], 2);
    let octets = std::fs::read(&file).expect("the dump");
    let mut labels = Vec::new();
    for record in mrt::records(&octets) {
        if let Body::Rib(rib) = record.expect("a record").body {
            let Payload::Label(label) = rib.route.payload else {
                continue;
            };
            let ids: Vec<bool> = rib.paths.iter().map(|path| path.path_id != 0).collect();
            labels.push((label.mpls(), rib.add_path, ids));
        }
    }
    labels.sort();
    assert_eq!(
        labels,
        [(1_002, true, vec![true]), (1_003, false, vec![false])]
    );
    let third = Netns::new("third");
    let c = Running::start(&third, &head(3));
    let loaded = c.post("/mrt/load", &body).expect("loaded");
    assert_eq!(loaded["routes"], 2);
    // The best of the two, our own.
    assert_eq!(c.wait_routes("family=vpnv4", 1)[0]["label"], 1_003);
}

#[test]
fn a_dump_is_loaded_again_with_every_attribute() {
    let (left, right) = pair();
    let a = Running::start(&left, &(head(1) + &neighbor(2, "")));
    let b = Running::start(
        &right,
        &(head(2) + &neighbor(1, "") + &network("203.0.113.0/24")),
    );
    a.wait_up("192.0.2.2");
    for (route, more) in [
        (
            "10.1.0.0/16",
            "\"med\": 7, \"communities\": [\"65000:1\", \"65000:1:2\", \"target:65000:9\"]",
        ),
        (
            "2001:db8:1::/48",
            "\"next_hop\": \"2001:db8::1\", \"as_path\": \"64500 64501\"",
        ),
    ] {
        a.post("/routes", &format!("{{\"route\": \"{route}\", {more}}}"))
            .expect("announced");
    }
    a.wait_routes("", 2);
    let file = a.path().join("dump.mrt");
    let body = serde_json::json!({"file": file}).to_string();
    let dumped = a.post("/mrt/dump", &body).expect("a dump");
    assert_eq!(dumped["routes"], 3);
    let octets = std::fs::read(&file).expect("the dump");
    let records: Vec<_> = mrt::records(&octets)
        .map(|record| record.expect("a record"))
        .collect();
    assert!(matches!(&records[0].body, Body::Peers(index) if index.peers.len() == 2));
    let before = ["10.1.0.0/16", "2001:db8:1::/48"]
        .map(|route| a.get(&format!("/rib?prefix={route}"))["routes"][0]["attributes"].clone());
    let third = Netns::new("third");
    let c = Running::start(&third, &head(3));
    let loaded = c.post("/mrt/load", &body).expect("loaded");
    assert_eq!(
        (&loaded["routes"], &loaded["damaged"]),
        (&3.into(), &0.into())
    );
    let after = ["10.1.0.0/16", "2001:db8:1::/48"]
        .map(|route| c.get(&format!("/rib?prefix={route}"))["routes"][0]["attributes"].clone());
    assert_eq!(before, after);
    drop(b);
}

#[test]
fn the_log_of_updates_has_what_came() {
    let (left, right) = pair();
    let directory = tempfile::tempdir().expect("a directory");
    let mrt = format!(
        "[mrt]\ndirectory = \"{}\"\nupdates = true\n",
        directory.path().display()
    );
    let a = Running::start(&left, &(head(1) + &neighbor(2, "") + &mrt));
    let b = Running::start(
        &right,
        &(head(2) + &neighbor(1, "") + &network("203.0.113.0/24")),
    );
    a.wait_routes("prefix=203.0.113.0/24", 1);
    until("the update is on the disk", || {
        let entries = std::fs::read_dir(directory.path()).expect("the directory");
        entries
            .flatten()
            .any(|entry| {
                let octets = std::fs::read(entry.path()).expect("a file");
                mrt::records(&octets)
                    .flatten()
                    .any(|record| match record.body {
                        Body::Message { message, .. } => {
                            prefixes(message).0.contains(&"203.0.113.0/24".to_owned())
                        }
                        _ => false,
                    })
            })
            .then_some(())
    });
    drop(b);
}
