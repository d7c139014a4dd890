//! Who has to sign (TCP-MD5) is not let in without, whatever is missing for it here.

use crate::lab::{Netns, Running, http, until};
use crate::sessions::{head, neighbor, network, pair};

fn refused_for_its_key(daemon: &Running) -> bool {
    let (_, text) = http(&daemon.socket(), "GET", "/bgp/v1/metrics", "");
    text.contains("netwright_bgp_refused_connections_total{reason=\"no-key\"}")
}

/// Segments without a signature that the namespace's kernel has dropped.
fn unsigned_segments(netns: &Netns) -> u64 {
    let text = netns.must("cat /proc/net/netstat");
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let mut pairs = names.split(' ').zip(values.split(' '));
    let (_, value) = pairs
        .find(|(name, _)| *name == "TCPMD5NotFound")
        .expect("a counter");
    value.parse().expect("a number")
}

#[test]
fn a_password_file_that_is_missing_lets_nobody_in_until_it_is_there() {
    let (left, right) = pair();
    let files = tempfile::tempdir().expect("a directory");
    let file = files.path().join("secret");
    let with_file = format!("password-file = \"{}\"\npassive = true", file.display());
    let config = head(1) + &neighbor(2, &with_file);
    let calling = |more: &str| head(2) + &neighbor(1, &format!("connect-retry = 1\n{more}"));
    let a = Running::start(&left, &config);
    let b = Running::start(&right, &calling(""));
    until("an unsigned call is refused", || {
        refused_for_its_key(&a).then_some(())
    });
    for content in [
        None,
        Some(""),
        Some("\nsecond line"),
        Some(&*"x".repeat(81)),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).expect("write");
        }
        let error = a.reload(&config).expect_err("no password");
        assert!(
            error.contains("neighbor 192.0.2.2: password-file"),
            "{error}"
        );
    }
    assert_eq!(a.get("/summary")["neighbors"]["established"], 0);
    std::fs::write(&file, "one\n").expect("write");
    b.reload(&calling("password = \"one\"")).expect("valid");
    a.wait_up("192.0.2.2");
    b.wait_up("192.0.2.1");
}

#[test]
fn a_link_with_a_password_takes_signed_calls_alone_also_when_it_is_made_again() {
    let (left, right) = (Netns::new("left"), Netns::new("right"));
    // The left one calls where nobody listens, so that the right one's calls count.
    let interface = "[[neighbors]]\ninterface = \"eth0\"\nremote-as = \"external\"\nconnect-retry = 1\nhold-time = 3\n";
    let a = Running::start(
        &left,
        &(head(1) + interface + "port = 1179\npassword = \"one\"\n"),
    );
    left.join("eth0", &right, "eth0");
    let b = Running::start(&right, &(head(2) + interface));
    until("unsigned calls are dropped", || {
        (unsigned_segments(&left) > 0).then_some(())
    });
    assert_eq!(a.get("/summary")["neighbors"]["established"], 0);
    let signed = head(2) + interface + "password = \"one\"\n";
    b.reload(&signed).expect("valid");
    a.wait_up("eth0");
    left.must("ip link del eth0");
    until("the session is gone", || {
        (a.neighbor("eth0")["flaps"] == 1).then_some(())
    });
    left.join("eth0", &right, "eth0");
    a.wait_up("eth0");
    b.wait_up("eth0");
}

/// Both sides have other words for a while; TCP sends again what was dropped meanwhile.
#[test]
fn a_password_changes_under_a_session() {
    let (left, right) = pair();
    let files = tempfile::tempdir().expect("a directory");
    let file = files.path().join("secret");
    std::fs::write(&file, "one").expect("write");
    let a_config = head(1) + &neighbor(2, &format!("password-file = \"{}\"", file.display()));
    let b_config = |password: &str, more: &str| {
        head(2) + &neighbor(1, &format!("password = \"{password}\"")) + more
    };
    let a = Running::start(&left, &a_config);
    let b = Running::start(&right, &b_config("one", ""));
    a.wait_up("192.0.2.2");
    b.wait_up("192.0.2.1");
    std::fs::write(&file, "two").expect("write");
    a.reload(&a_config).expect("valid");
    b.reload(&b_config("two", &network("203.0.113.0/24")))
        .expect("valid");
    a.wait_routes("prefix=203.0.113.0/24", 1);
    for (daemon, name) in [(&a, "192.0.2.2"), (&b, "192.0.2.1")] {
        assert_eq!(daemon.neighbor(name)["flaps"], 0);
    }
    let (_, text) = http(&a.socket(), "GET", "/bgp/v1/metrics", "");
    assert!(!text.contains("no-key"), "{text}");
}
