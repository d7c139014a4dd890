//! Routes in the kernel, and from it.

use crate::lab::{Netns, Running, until};
use crate::sessions::{head, neighbor, network, pair};

const KERNEL: &str = "[[kernel]]\ntable = 254\n";

fn routes(netns: &Netns) -> String {
    netns.must("ip route show proto 179")
}

#[test]
fn a_route_that_somebody_deletes_is_put_back_and_others_routes_are_left_alone() {
    let (left, right) = pair();
    right.must("ip route add 203.0.113.0/24 via 192.0.2.1 metric 512 proto static");
    let a_config =
        head(1) + &neighbor(2, "") + &network("203.0.113.0/24") + &network("198.51.100.0/24");
    let a = Running::start(&left, &a_config);
    let b = Running::start(&right, &(head(2) + &neighbor(1, "") + KERNEL));
    b.wait_up("192.0.2.1");
    until("the route is written", || {
        routes(&right).contains("198.51.100.0/24").then_some(())
    });
    assert!(
        !routes(&right).contains("203.0.113.0/24"),
        "a static route was replaced"
    );
    let deleted = right.must("ip route del 198.51.100.0/24 proto 179");
    assert_eq!(deleted, "");
    until("it is back", || {
        routes(&right).contains("198.51.100.0/24").then_some(())
    });
    until("the repair is counted", || {
        (b.get("/summary")["kernel"]["repaired"] == 1).then_some(())
    });
    right.must("ip route del 203.0.113.0/24 proto static");
    until("ours comes when the other's goes", || {
        routes(&right).contains("203.0.113.0/24").then_some(())
    });
    a.reload(&(head(1) + &neighbor(2, ""))).expect("valid");
    until("both are withdrawn", || {
        routes(&right).is_empty().then_some(())
    });
}

#[test]
fn equal_paths_share_a_group_that_follows_the_links() {
    let (left, right) = pair();
    let other = Netns::new("other");
    right.join("eth1", &other, "eth0");
    right.must("ip addr add 198.51.100.2/24 dev eth1");
    other.must("ip addr add 198.51.100.3/24 dev eth0");
    let a = Running::start(
        &left,
        &(head(1) + &neighbor(2, "") + &network("203.0.113.0/24")),
    );
    let second = "[[neighbors]]\naddress = \"198.51.100.2\"\nremote-as = 65002\n";
    let c = Running::start(&other, &(head(3) + second + &network("203.0.113.0/24")));
    let multipath = "[global.multipath]\nexternal = 4\nrelax-as-path = true\n";
    let third = "[[neighbors]]\naddress = \"198.51.100.3\"\nremote-as = 65003\n";
    let b = Running::start(
        &right,
        &(head(2) + multipath + &neighbor(1, "") + third + KERNEL),
    );
    a.wait_up("192.0.2.2");
    c.wait_up("198.51.100.2");
    let both = |shown: &str| shown.contains("192.0.2.1") && shown.contains("198.51.100.3");
    until("two ways", || both(&routes(&right)).then_some(()));
    assert!(
        right.must("ip nexthop show proto 179").contains("group"),
        "no next-hop group"
    );
    right.must("ip link set eth1 down");
    until("one way is left", || {
        let shown = routes(&right);
        (shown.contains("192.0.2.1") && !shown.contains("198.51.100.3")).then_some(())
    });
    right.must("ip link set eth1 up");
    until("both are back", || both(&routes(&right)).then_some(()));
    drop(b);
}

#[test]
fn a_restart_keeps_the_kernels_routes_and_a_shutdown_removes_them() {
    let (left, right) = pair();
    let a = Running::start(
        &left,
        &(head(1) + &neighbor(2, "connect-retry = 1") + &network("203.0.113.0/24")),
    );
    let config = |on_stop: &str| {
        head(2) + &format!("on-stop = \"{on_stop}\"\n") + &neighbor(1, "connect-retry = 1") + KERNEL
    };
    let b = Running::start(&right, &config("restart"));
    b.wait_up("192.0.2.1");
    until("the route is written", || {
        routes(&right).contains("203.0.113.0/24").then_some(())
    });
    let directory = b.stop();
    assert!(
        routes(&right).contains("203.0.113.0/24"),
        "the route went with the daemon"
    );
    let kept = until("the neighbour keeps our session's state", || {
        let state = a.neighbor("192.0.2.2");
        (state["state"] != "established").then_some(state)
    });
    assert_eq!(kept["neighbor"], "192.0.2.2");
    let b = Running::start_in(&right, &config("shutdown"), directory);
    b.wait_up("192.0.2.1");
    until("routes are chosen again", || {
        (b.get("/summary")["deferring"] == false).then_some(())
    });
    b.wait_routes("prefix=203.0.113.0/24", 1);
    assert!(
        routes(&right).contains("203.0.113.0/24"),
        "the restart lost the route"
    );
    drop(b.stop());
    assert_eq!(routes(&right), "");
    assert_eq!(right.must("ip nexthop show proto 179"), "");
}

#[test]
fn a_next_hop_without_a_way_makes_its_path_unusable() {
    let (left, right) = pair();
    let far = "[[networks]]\nprefix = \"203.0.113.0/24\"\nnext-hop = \"10.99.0.1\"\n";
    let internal = |n: u8| {
        head(1).replace("10.0.0.1", &format!("10.0.0.{n}"))
            + &format!(
                "[[neighbors]]\naddress = \"192.0.2.{}\"\nremote-as = 65001\n",
                3 - n
            )
    };
    let a = Running::start(&left, &(internal(1) + far));
    let b = Running::start(&right, &(internal(2) + KERNEL));
    a.wait_up("192.0.2.2");
    until("it is rejected for its next hop", || {
        let why = b.get("/why?route=203.0.113.0/24");
        why["paths"][0]["reason"]
            .as_str()?
            .contains("unreachable")
            .then_some(())
    });
    right.must("ip route add 10.99.0.0/24 via 192.0.2.1");
    until("it is used and written", || {
        routes(&right).contains("203.0.113.0/24").then_some(())
    });
    let why = b.get("/why?route=203.0.113.0/24");
    assert_eq!(why["paths"][0]["state"], "best");
}

#[test]
fn connected_and_static_routes_are_originated_by_policy() {
    let (left, right) = pair();
    left.must("ip route add 203.0.113.0/24 via 192.0.2.2");
    let policy = "[[kernel]]\ntable = 254\ninstall = false\nredistribute = [\"connected\", \"static\"]\nimport = \"some\"\n\
        [policies.some]\nrules = [{ match = [{ prefix = [\"203.0.113.0/24\", \"192.0.2.0/24\"] }], then = \"accept\" }]\n";
    let a = Running::start(&left, &(head(1) + &neighbor(2, "") + policy));
    let b = Running::start(&right, &(head(2) + &neighbor(1, "")));
    a.wait_up("192.0.2.2");
    b.wait_routes("prefix=203.0.113.0/24", 1);
    b.wait_routes("prefix=192.0.2.0/24", 1);
    left.must("ip route del 203.0.113.0/24");
    b.wait_routes("prefix=203.0.113.0/24", 0);
}

/// The tables are built anew; what is in the kernel, what comes from it and what was announced by hand outlive that.
#[test]
fn another_router_id_leaves_nobody_with_the_old_tables() {
    let (left, right) = pair();
    right.must("ip route add 198.51.100.0/24 via 192.0.2.1");
    let retry = "connect-retry = 1";
    let a_config = head(1) + &neighbor(2, retry);
    let first = network("203.0.113.0/24");
    let a = Running::start(&left, &(a_config.clone() + &first));
    let config = |router_id: &str| {
        let kernel = "[[kernel]]\ntable = 254\nredistribute = [\"static\"]\n";
        head(2).replace("10.0.0.2", router_id) + &neighbor(1, retry) + kernel
    };
    let b = Running::start(&right, &config("10.0.0.2"));
    let by_hand = "{\"route\": \"192.168.7.0/24\", \"med\": 7}";
    b.post("/routes", by_hand).expect("announced");
    until("the route is written", || {
        routes(&right).contains("203.0.113.0/24").then_some(())
    });
    a.wait_routes("neighbor=192.0.2.2", 2);
    b.reload(&config("10.0.0.9")).expect("valid");
    until("the session is another", || {
        (a.neighbor("192.0.2.2")["flaps"] == 1).then_some(())
    });
    a.wait_up("192.0.2.2");
    a.wait_routes("prefix=198.51.100.0/24", 1);
    let announced = a.wait_routes("prefix=192.168.7.0/24", 1);
    assert_eq!(announced[0]["attributes"]["med"], 7);
    let second = network("192.168.8.0/24");
    a.reload(&(a_config.clone() + &first + &second))
        .expect("valid");
    until("a new route is written beside the old one", || {
        let shown = routes(&right);
        let both = ["203.0.113.0/24", "192.168.8.0/24"];
        both.iter().all(|one| shown.contains(one)).then_some(())
    });
    a.reload(&a_config).expect("valid");
    until("both are withdrawn", || {
        routes(&right).is_empty().then_some(())
    });
    b.request("DELETE", "/routes", "{\"route\": \"192.168.7.0/24\"}")
        .expect("still known as announced");
    a.wait_routes("prefix=192.168.7.0/24", 0);
}
