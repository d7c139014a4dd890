//! What we send, as Wireshark's dissector sees it: every family, no malformed mark.

use super::samples::Sample;
use super::world::{ASN, Family, World, client, is_root, ours, passive};
use sim::bgp::{Site, messages};
use sim::lab::Daemon;
use std::process::{Command, Stdio};

#[test]
fn tshark_finds_nothing_malformed() {
    if !is_root() {
        return;
    }
    let families = Family::ALL;
    let mut world = World::new();
    let neighbors = (0..2)
        .map(|number| passive(client(Site::source(number), &families)))
        .collect();
    let router = world.router(0, ours(), ASN, neighbors, |_| {});
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bgp.pcap");
    let mut tcpdump = router.namespace().command("tcpdump");
    tcpdump
        .args([
            "-i",
            "eth0",
            "--immediate-mode",
            "-U",
            "-Z",
            "root",
            "-s",
            "0",
            "-w",
        ])
        .arg(&file)
        .args(["tcp", "port", "179"]);
    let log = folder.path().join("log");
    let mut capture = Daemon::start(&mut tcpdump, &log).expect("tcpdump");
    world.until("tcpdump to listen", || {
        std::fs::read_to_string(&log).is_ok_and(|log| log.contains("listening on"))
    });

    let source = world.next_source();
    let sender = world.script(0, ASN, &families);
    let receiver = world.script(0, ASN, &families);
    let membership = messages::memberships(ASN, Site::source(1), &[(65000, 1)]);
    world.send(receiver, membership);
    world.send(receiver, messages::end_of_rib(Family::RouteTarget));
    let samples: Vec<Sample> = families.iter().flat_map(|f| Sample::of(*f)).collect();
    for sample in &samples {
        world.send(sender, sample.announce_with(source, None, &[]));
    }
    for sample in &samples {
        world.until_heard(receiver, sample.shown, 1, |kind, body| {
            kind == messages::UPDATE && sample.is_in(body, None)
        });
    }
    for sample in &samples {
        world.send(sender, sample.withdraw());
    }
    for sample in &samples {
        world.route(&router, sample.family, sample.shown, false);
    }
    capture.stop().expect("captured");

    // What the scripted neighbours say is not judged.
    let own = format!("ip.src == {} && bgp", Site::router(0));
    let all = tshark(&file, &own);
    assert!(all.contains("UPDATE Message"), "{all}");
    let faults = "(_ws.malformed || _ws.expert.severity >= 0x600000)";
    let bad = tshark(&file, &format!("{own} && {faults}"));
    assert!(bad.is_empty(), "{bad}");
}

/// The frames that a display filter lets through, one a line.
fn tshark(file: &std::path::Path, filter: &str) -> String {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(file)
        .args(["-o", "tcp.desegment_tcp_streams:TRUE", "-Y", filter])
        .stderr(Stdio::null())
        .output()
        .expect("tshark");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
