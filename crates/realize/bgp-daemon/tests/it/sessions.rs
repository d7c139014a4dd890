//! Sessions and what they exchange.

use crate::lab::{Netns, Running, until};

/// Two namespaces on one link, 192.0.2.1 and 192.0.2.2.
pub(crate) fn pair() -> (Netns, Netns) {
    let (left, right) = (Netns::new("left"), Netns::new("right"));
    left.join("eth0", &right, "eth0");
    for (netns, n) in [(&left, 1), (&right, 2)] {
        netns.must(&format!("ip addr add 192.0.2.{n}/24 dev eth0"));
        netns.must(&format!("ip addr add 2001:db8::{n}/64 dev eth0 nodad"));
    }
    (left, right)
}

/// The head of a configuration: AS 65000 + `n`, router id 10.0.0.`n`.
pub(crate) fn head(n: u8) -> String {
    format!(
        "[global]\nasn = {}\nrouter-id = \"10.0.0.{n}\"\nebgp-requires-policy = false\n",
        65_000 + u32::from(n)
    )
}

pub(crate) fn neighbor(n: u8, more: &str) -> String {
    format!(
        "[[neighbors]]\naddress = \"192.0.2.{n}\"\nremote-as = {}\n{more}\n",
        65_000 + u32::from(n)
    )
}

pub(crate) fn network(prefix: &str) -> String {
    format!("[[networks]]\nprefix = \"{prefix}\"\n")
}

#[test]
fn two_daemons_exchange_routes_and_take_them_back() {
    let (left, right) = pair();
    let left_config = head(1) + &neighbor(2, "");
    let a = Running::start(&left, &(left_config.clone() + &network("203.0.113.0/24")));
    let b = Running::start(
        &right,
        &(head(2) + &neighbor(1, "") + &network("198.51.100.0/24")),
    );
    a.wait_up("192.0.2.2");
    b.wait_up("192.0.2.1");
    until("both have both routes", || {
        let counts = [(&a, "192.0.2.2"), (&b, "192.0.2.1")].map(|(daemon, name)| {
            let neighbor = daemon.neighbor(name);
            (neighbor["accepted"].clone(), neighbor["advertised"].clone())
        });
        (counts == [(1.into(), 1.into()), (1.into(), 1.into())]).then_some(())
    });
    a.reload(&left_config).expect("a valid configuration");
    until("the route is gone", || {
        (b.neighbor("192.0.2.1")["accepted"] == 0).then_some(())
    });
    assert_eq!(b.neighbor("192.0.2.1")["flaps"], 0);
}

#[test]
fn a_wrong_password_is_silence_and_the_right_one_a_session() {
    let (left, right) = pair();
    let with = |n, password: &str| {
        head(n)
            + &neighbor(
                3 - n,
                &format!("password = \"{password}\"\nconnect-retry = 1"),
            )
    };
    let a = Running::start(&left, &with(1, "one"));
    let b = Running::start(&right, &with(2, "other"));
    until("an attempt fails or waits", || {
        let states = [a.neighbor("192.0.2.2"), b.neighbor("192.0.2.1")];
        let tried =
            |state: &serde_json::Value| state["state"] == "connect" || state["state"] == "active";
        states.iter().all(tried).then_some(())
    });
    assert_eq!(a.get("/summary")["neighbors"]["established"], 0);
    b.reload(&with(2, "one")).expect("valid");
    a.wait_up("192.0.2.2");
    b.wait_up("192.0.2.1");
}

#[test]
fn a_range_with_a_password_takes_whoever_calls_from_it() {
    let (left, right) = pair();
    let range = "[[neighbors]]\nrange = \"192.0.2.0/24\"\nremote-as = \"external\"\npassword = \"shared\"\nlimit = 1\n";
    let a = Running::start(&left, &(head(1) + range + &network("203.0.113.0/24")));
    let b = Running::start(
        &right,
        &(head(2) + &neighbor(1, "password = \"shared\"\nconnect-retry = 1")),
    );
    b.wait_up("192.0.2.1");
    a.wait_up("192.0.2.2");
    assert_eq!(a.neighbor("192.0.2.2")["dynamic"], true);
    b.wait_routes("prefix=203.0.113.0/24", 1);
    drop(b);
    until("the dynamic neighbour is gone or kept as stale", || {
        let neighbors = a.get("/neighbors");
        let neighbors = neighbors["neighbors"].as_array().expect("a list");
        neighbors
            .iter()
            .all(|neighbor| neighbor["state"] != "established")
            .then_some(())
    });
}

#[test]
fn gtsm_lets_the_link_in_and_nothing_from_beyond() {
    let (left, right) = pair();
    let secure = "ttl-security = 1\nconnect-retry = 1\nhold-time = 6";
    let a = Running::start(&left, &(head(1) + &neighbor(2, secure)));
    // The other side sends with TTL 1, as eBGP does by itself: not 255, so it is not heard.
    let b = Running::start(
        &right,
        &(head(2) + &neighbor(1, "connect-retry = 1\nhold-time = 6")),
    );
    // An OPEN that came before the option was set on the connection may count, nothing after it.
    until("attempts are under way", || {
        let state = a.neighbor("192.0.2.2")["state"].clone();
        (state != "idle" && state != "established").then_some(())
    });
    assert_eq!(a.get("/summary")["neighbors"]["established"], 0);
    b.reload(&(head(2) + &neighbor(1, secure))).expect("valid");
    a.wait_up("192.0.2.2");
    b.wait_up("192.0.2.1");
}

#[test]
fn unnumbered_neighbours_find_each_other_and_carry_ipv4() {
    let (left, right) = (Netns::new("left"), Netns::new("right"));
    left.join("eth0", &right, "eth0");
    let neighbor = "[[neighbors]]\ninterface = \"eth0\"\nremote-as = \"external\"\nconnect-retry = 1\nfamilies = [\"ipv4-unicast\", \"ipv6-unicast\"]\n";
    let a = Running::start(&left, &(head(1) + neighbor + &network("203.0.113.0/24")));
    let kernel = "[[kernel]]\ntable = 254\n";
    let b = Running::start(&right, &(head(2) + neighbor + kernel));
    a.wait_up("eth0");
    b.wait_up("eth0");
    let routes = b.wait_routes("prefix=203.0.113.0/24", 1);
    let next_hop = routes[0]["attributes"]["next_hop"]
        .as_str()
        .expect("a next hop");
    assert!(next_hop.starts_with("fe80:"), "{next_hop}");
    until("the kernel has the route", || {
        let routes = right.must("ip route show proto 179");
        routes.contains("203.0.113.0/24").then_some(())
    });
}

#[test]
fn a_reload_with_a_fault_changes_nothing_and_names_the_line() {
    let (left, right) = pair();
    let config = head(1) + &neighbor(2, "");
    let a = Running::start(&left, &config);
    let b = Running::start(&right, &(head(2) + &neighbor(1, "")));
    a.wait_up("192.0.2.2");
    let error = a
        .reload(&(config.clone() + "hold-time = 2\n"))
        .expect_err("a fault");
    assert!(
        error.contains("line 9") && error.contains("hold-time"),
        "{error}"
    );
    std::fs::write(
        a.path().join("bgp.toml"),
        config.clone() + "description = \"x\"\n",
    )
    .expect("write");
    let dry = a.post("/reload", "{\"dry_run\": true}").expect("valid");
    assert_eq!(
        (&dry["applied"], dry["changes"].as_array().map(Vec::len)),
        (&false.into(), Some(1))
    );
    assert_eq!(
        a.neighbor("192.0.2.2")["description"],
        serde_json::Value::Null
    );
    let done = a.post("/reload", "").expect("valid");
    assert_eq!(done["applied"], true);
    let after = a.neighbor("192.0.2.2");
    assert_eq!(
        (&after["description"], &after["flaps"]),
        (&"x".into(), &0.into())
    );
    assert_eq!(b.neighbor("192.0.2.1")["flaps"], 0);
}

#[test]
fn bfd_ends_the_session_of_a_neighbour_that_is_gone() {
    let (left, right) = pair();
    let bfd = "bfd = { interval = 50, multiplier = 3 }\nhold-time = 3600\nkeepalive = 1200\ngraceful-restart.mode = \"off\"";
    let a = Running::start(&left, &(head(1) + &neighbor(2, bfd)));
    let b = Running::start(&right, &(head(2) + &neighbor(1, bfd)));
    a.wait_up("192.0.2.2");
    for (daemon, name) in [(&a, "192.0.2.2"), (&b, "192.0.2.1")] {
        until("BFD is up", || {
            (daemon.neighbor(name)["bfd"] == "up").then_some(())
        });
    }
    // The link stays up on this side; only packets are lost.
    left.must("ip route add blackhole 192.0.2.2/32");
    right.must("ip link set eth0 down");
    until("the session ends long before the hold time", || {
        (a.neighbor("192.0.2.2")["state"] != "established").then_some(())
    });
}

#[test]
fn a_shutdown_tells_the_neighbour_why_and_enable_takes_it_back() {
    let (left, right) = pair();
    let a = Running::start(&left, &(head(1) + &neighbor(2, "connect-retry = 1")));
    let b = Running::start(&right, &(head(2) + &neighbor(1, "connect-retry = 1")));
    a.wait_up("192.0.2.2");
    b.wait_up("192.0.2.1");
    a.post(
        "/neighbors/192.0.2.2/shutdown",
        "{\"message\": \"new fans\"}",
    )
    .expect("done");
    let error = until("the text has come", || {
        let error = b.neighbor("192.0.2.1")["session_ended"]
            .as_str()?
            .to_owned();
        error.contains("new fans").then_some(error)
    });
    assert!(error.to_lowercase().contains("shutdown"), "{error}");
    a.post("/neighbors/192.0.2.2/enable", "").expect("done");
    a.wait_up("192.0.2.2");
}

#[test]
fn every_family_is_exchanged_and_only_wanted_targets_are_sent() {
    let (left, right) = pair();
    let families = "families = [\"ipv4-unicast\", \"ipv6-unicast\", \"ipv4-labeled\", \"ipv6-labeled\", \"vpnv4\", \"vpnv6\", \"evpn\", \"route-target\"]";
    let tenants = "[vrfs.red]\nrd = \"10.0.0.2:1\"\ntargets = [\"65000:1\"]\n\
        [mac-vrfs.lan]\nrd = \"10.0.0.2:2\"\ntargets = [\"65000:2\"]\nvni = 10\n";
    let a = Running::start(&left, &(head(1) + &neighbor(2, families)));
    let b = Running::start(&right, &(head(2) + &neighbor(1, families) + tenants));
    a.wait_up("192.0.2.2");
    let mac = "65000:9:[2]:[0]:[48]:[02:00:00:00:00:01]";
    let multicast = "65000:9:[3]:[0]:[32]:[192.0.2.1]";
    let prefix = "65000:8:[5]:[0]:[24]:[203.0.113.0]";
    let red = "\"communities\": [\"target:65000:1\"]";
    let lan = "\"communities\": [\"target:65000:2\"], \"vni\": 10";
    for body in [
        "{\"route\": \"203.0.113.0/24\"}".to_owned(),
        "{\"route\": \"2001:db8:1::/48\"}".to_owned(),
        "{\"route\": \"203.0.113.0/24\", \"label\": 1000}".to_owned(),
        "{\"route\": \"2001:db8:1::/48\", \"label\": 1001}".to_owned(),
        format!("{{\"route\": \"10.1.0.0/16\", \"rd\": \"65000:8\", \"label\": 1002, {red}}}"),
        format!("{{\"route\": \"2001:db8:8::/48\", \"rd\": \"65000:8\", \"label\": 1003, {red}}}"),
        format!("{{\"route\": \"{mac}\", {lan}}}"),
        format!("{{\"route\": \"{multicast}\", {lan}}}"),
        format!("{{\"route\": \"{prefix}\", \"vni\": 50, {red}}}"),
        // Nobody over there imports this one.
        "{\"route\": \"10.2.0.0/16\", \"rd\": \"65000:8\", \"label\": 1004, \"communities\": [\"target:65000:77\"]}".to_owned(),
    ] {
        a.post("/routes", &body).unwrap_or_else(|error| panic!("{body}: {error}"));
    }
    for (query, count) in [
        ("family=ipv4-unicast", 1),
        ("family=ipv6-unicast", 1),
        ("family=ipv4-labeled", 1),
        ("family=ipv6-labeled", 1),
        ("family=vpnv4", 1),
        ("family=vpnv6", 1),
        ("family=evpn", 3),
        ("family=ipv4-unicast&vrf=red", 2),
        ("family=ipv6-unicast&vrf=red", 1),
        ("family=evpn&vrf=lan", 2),
    ] {
        b.wait_routes(query, count);
    }
    let labeled = &b.wait_routes("family=vpnv4", 1)[0];
    assert_eq!(
        (&labeled["route"], &labeled["label"]),
        (&"65000:8:10.1.0.0/16".into(), &1002.into())
    );
    let why = a.get("/why?route=65000:8:10.2.0.0/16&to=192.0.2.2");
    let reason = why["exports"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("route targets"), "{reason}");
    let sent = a.get("/rib?family=evpn&view=advertised&neighbor=192.0.2.2");
    assert_eq!(sent["routes"].as_array().map(Vec::len), Some(3));
    a.request("DELETE", "/routes", "{\"all\": true}")
        .expect("done");
    for family in [
        "ipv4-unicast",
        "ipv6-labeled",
        "vpnv4",
        "evpn",
        "ipv4-unicast&vrf=red",
        "evpn&vrf=lan",
    ] {
        b.wait_routes(&format!("family={family}"), 0);
    }
    assert_eq!(b.neighbor("192.0.2.1")["malformed_updates"], 0);
}
