//! The control API: pages, commands, and who misuses it.

use crate::lab::{Running, http, read, settings, until};
use crate::sessions::{head, neighbor, network, pair};
use bgp_daemon::Daemon;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

fn announced(daemon: &Running, count: u32) {
    for n in 0..count {
        let body = format!(
            "{{\"route\": \"10.{}.{}.0/24\", \"communities\": [\"65000:{}\"]}}",
            n / 256,
            n % 256,
            n % 7
        );
        daemon.post("/routes", &body).expect("announced");
    }
}

#[test]
fn a_table_is_read_in_pages_that_miss_and_repeat_nothing() {
    let (left, _right) = pair();
    let daemon = Running::start(&left, &head(1));
    announced(&daemon, 250);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = daemon.get(&format!("/rib?limit=17{cursor}"));
        let routes = page["routes"].as_array().expect("routes");
        assert!(routes.len() <= 17);
        seen.extend(
            routes
                .iter()
                .map(|route| route["route"].as_str().expect("a route").to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", next.replace('/', "%2F")),
            None => break,
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), sorted.len()), (250, 250));
    let with = daemon.get("/rib?limit=1000&community=65000:3");
    assert_eq!(with["routes"].as_array().map(Vec::len), Some(36));
    let covered = daemon.get("/rib?limit=1000&prefix=10.0.16.0/20&longer=true");
    assert_eq!(covered["routes"].as_array().map(Vec::len), Some(16));
    daemon
        .request("DELETE", "/routes", "{\"all\": true}")
        .expect("done");
    daemon.wait_routes("", 0);
}

#[test]
fn why_names_the_reason_of_each_neighbour() {
    let (left, right) = pair();
    let strict = head(1).replace("ebgp-requires-policy = false", "");
    let a = Running::start(
        &left,
        &(strict + &neighbor(2, "") + &network("203.0.113.0/24")),
    );
    let b = Running::start(&right, &(head(2) + &neighbor(1, "")));
    a.wait_up("192.0.2.2");
    b.wait_up("192.0.2.1");
    let why = a.get("/why?route=203.0.113.9");
    assert_eq!(why["route"], "203.0.113.0/24");
    assert_eq!(why["paths"][0]["state"], "best");
    assert_eq!(why["exports"][0]["neighbor"], "192.0.2.2");
    let reason = why["exports"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("RFC 8212"), "{reason}");
    assert_eq!(
        a.get("/why?route=198.51.100.0/24")["paths"],
        serde_json::json!([])
    );
}

#[test]
fn a_dry_run_of_policy_tells_what_the_reload_then_does() {
    let (left, right) = pair();
    let base = head(1)
        + &neighbor(2, "export = \"some\"")
        + &network("203.0.113.0/24")
        + &network("198.51.100.0/24");
    let policy = |default: &str| format!("[policies.some]\ndefault = \"{default}\"\n");
    let a = Running::start(&left, &(base.clone() + &policy("accept")));
    let b = Running::start(&right, &(head(2) + &neighbor(1, "")));
    a.wait_up("192.0.2.2");
    b.wait_routes("neighbor=192.0.2.1", 2);
    let changed = base + &policy("reject");
    let body = serde_json::json!({"config": changed}).to_string();
    let effects = a.post("/policy/test", &body).expect("a dry run");
    assert_eq!(effects["total"], 2, "{effects}");
    let kinds: Vec<_> = effects["effects"]
        .as_array()
        .expect("effects")
        .iter()
        .collect();
    assert!(
        kinds
            .iter()
            .all(|effect| effect["effect"] == "removed" && effect["direction"] == "export")
    );
    assert_eq!(b.wait_routes("neighbor=192.0.2.1", 2).len(), 2);
    a.reload(&changed).expect("valid");
    b.wait_routes("neighbor=192.0.2.1", 0);
}

#[test]
fn events_are_streamed_as_they_happen() {
    let (left, right) = pair();
    let a = Running::start(&left, &(head(1) + &neighbor(2, "connect-retry = 1")));
    let mut stream = UnixStream::connect(a.socket()).expect("the socket");
    stream
        .write_all(b"GET /bgp/v1/events?neighbor=192.0.2.2 HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("write");
    let b = Running::start(&right, &(head(2) + &neighbor(1, "connect-retry = 1")));
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    while !text.contains("\"kind\":\"up\"") {
        let length = read(&mut stream, &mut buffer, "the stream");
        assert!(length > 0, "the stream ended");
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    drop(b);
}

#[test]
fn every_described_operation_exists_and_answers_in_json() {
    let (left, _right) = pair();
    let daemon = Running::start(&left, &(head(1) + &neighbor(2, "")));
    let document = daemon.get("/openapi.json");
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 16);
    for (path, methods) in paths {
        for method in methods.as_object().expect("methods").keys() {
            if path == "/events" {
                continue;
            }
            let path = format!("/bgp/v1{}", path.replace("{neighbor}", "192.0.2.2"));
            let (status, text) = http(&daemon.socket(), &method.to_uppercase(), &path, "");
            assert!(
                status != 404 && status != 405 && status < 500,
                "{method} {path}: {status} {text}"
            );
        }
    }
}

#[test]
fn hostile_requests_are_refused_one_by_one() {
    let (left, _right) = pair();
    let daemon = Running::start(&left, &(head(1) + &neighbor(2, "")));
    let socket = daemon.socket();
    for (method, path, body, status) in [
        ("GET", "/nowhere", "", 404),
        ("GET", "/bgp/v1/neighbors/192.0.2.99", "", 404),
        ("GET", "/bgp/v1/rib?family=ipx", "", 400),
        ("GET", "/bgp/v1/rib?limit=-1", "", 400),
        ("GET", "/bgp/v1/rib?unknown=1", "", 400),
        ("GET", "/bgp/v1/rib?vrf=none", "", 404),
        ("GET", "/bgp/v1/rib?prefix=10.0.0.1%2F8", "", 400),
        ("GET", "/bgp/v1/rib?view=received", "", 400),
        ("GET", "/bgp/v1/why?route=%00", "", 400),
        ("POST", "/bgp/v1/routes", "{", 400),
        (
            "POST",
            "/bgp/v1/routes",
            "{\"route\": \"10.0.0.0/8\", \"x\": 1}",
            400,
        ),
        ("POST", "/bgp/v1/routes", "{\"route\": \"10.0.0.1/8\"}", 400),
        (
            "POST",
            "/bgp/v1/neighbors/192.0.2.2/clear",
            "{\"how\": \"softly\"}",
            400,
        ),
        (
            "POST",
            "/bgp/v1/mrt/load",
            "{\"file\": \"/nonexistent\"}",
            500,
        ),
    ] {
        let (answered, text) = http(&socket, method, path, body);
        assert_eq!(answered, status, "{method} {path}: {text}");
        if !path.contains("unknown") && !path.contains("limit") {
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            assert!(answer["error"]["message"].is_string(), "{path}: {text}");
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(http(&socket, "POST", "/bgp/v1/routes", &deep).0, 400);
    let mut endless = UnixStream::connect(&socket).expect("the socket");
    let junk = [b'x'; 1 << 16];
    // It is cut off; what it could not send is its own affair.
    let _ = endless
        .write_all(b"GET /")
        .and_then(|()| endless.write_all(&junk));
    let idle: Vec<_> = (0..40)
        .map(|_| UnixStream::connect(&socket).expect("the socket"))
        .collect();
    assert_eq!(daemon.get("/summary")["asn"], 65_001);
    drop(idle);
}

#[test]
fn a_second_daemon_is_refused_by_name() {
    let (left, _right) = pair();
    let daemon = Running::start(&left, &head(1));
    let settings = settings(daemon.path());
    let refused = left.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let started = runtime
            .expect("a runtime")
            .block_on(Daemon::start(settings));
        started
            .map(|_| ())
            .expect_err("the first holds the lock")
            .to_string()
    });
    assert!(
        refused.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
}

#[test]
fn metrics_are_open_metrics_with_every_neighbour() {
    let (left, right) = pair();
    let a = Running::start(
        &left,
        &(head(1) + &neighbor(2, "") + &network("203.0.113.0/24")),
    );
    let b = Running::start(
        &right,
        &(head(2) + &neighbor(1, "") + "[[kernel]]\ntable = 254\n"),
    );
    a.wait_up("192.0.2.2");
    b.wait_routes("prefix=203.0.113.0/24", 1);
    let wanted = [
        "netwright_bgp_sessions{state=\"established\"} 1",
        "netwright_bgp_prefixes{neighbor=\"192.0.2.1\",family=\"ipv4-unicast\",kind=\"accepted\"} 1",
        "netwright_bgp_table_prefixes{table=\"ipv4-unicast\"} 1",
        "netwright_bgp_kernel_routes 1",
        "netwright_bgp_session_flaps_total{neighbor=\"192.0.2.1\"} 0",
    ];
    until("all the numbers", || {
        let (_, text) = http(&b.socket(), "GET", "/bgp/v1/metrics", "");
        assert!(text.ends_with("# EOF\n"), "{text}");
        wanted
            .iter()
            .all(|line| text.lines().any(|found| found == *line))
            .then_some(())
    });
}

/// One request over TCP inside a namespace: the status.
fn tcp(netns: &crate::lab::Netns, head: &str) -> u16 {
    netns.inside(|| {
        let mut stream = std::net::TcpStream::connect("127.0.0.1:9179").expect("the listener");
        stream.write_all(head.as_bytes()).expect("write");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        status.expect("a status")
    })
}

#[test]
fn the_tcp_listener_wants_its_token_and_without_one_answers_no_browser() {
    let (left, _right) = pair();
    let request =
        |more: &str| format!("GET /bgp/v1/summary HTTP/1.1\r\nconnection: close\r\n{more}\r\n");
    let open = Running::start(&left, &(head(1) + "[api]\nlisten = \"127.0.0.1:9179\"\n"));
    assert_eq!(tcp(&left, &request("host: localhost\r\n")), 200);
    assert_eq!(tcp(&left, &request("host: evil.example\r\n")), 403);
    assert_eq!(
        tcp(
            &left,
            &request("host: 127.0.0.1\r\norigin: http://evil.example\r\n")
        ),
        403
    );
    let directory = open.stop();
    let token = directory.path().join("token");
    std::fs::write(&token, "s3cret\n").expect("write");
    let config = format!(
        "{}[api]\nlisten = \"127.0.0.1:9179\"\ntoken-file = \"{}\"\n",
        head(1),
        token.display()
    );
    let guarded = Running::start_in(&left, &config, directory);
    assert_eq!(tcp(&left, &request("host: x\r\n")), 401);
    assert_eq!(
        tcp(
            &left,
            &request("host: x\r\nauthorization: Bearer wrong\r\n")
        ),
        401
    );
    assert_eq!(
        tcp(
            &left,
            &request("host: x\r\nauthorization: Bearer s3cret\r\n")
        ),
        200
    );
    drop(guarded);
}
