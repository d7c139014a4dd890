//! A controller killed in the middle of a scan.

use super::{Operator, Site};
use crate::Up;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeSet;

fn keys(shown: &Value) -> BTreeSet<String> {
    let objects = shown["objects"].as_array().expect("a list").iter();
    objects
        .map(|o| o["key"].as_str().expect("a key").to_owned())
        .collect()
}

#[test]
fn a_scan_killed_half_way_is_marked_and_shows_nothing_of_itself() {
    let mut site = Site::scanned();
    let show = ["topology", "show", "--env", "shop", "--all"];
    site.operator
        .ok(&["snapshot", "take", "before", "--env", "shop"]);
    let before = site.operator.json(&show);
    assert!(keys(&before).contains("pod/uid-web-0"), "{before}");

    // The nodes and the pods have been read when the services are asked for, and one pod is another one now.
    site.cluster.set_pods(&["web-0", "web-2"]);
    site.cluster.hold("/api/v1/services");
    let asked = site
        .operator
        .json(&["scan", "run", "--env", "shop", "--no-wait"]);
    let id = asked["scan"]["id"].to_string();
    site.cluster.wait_until_held();
    site.up.signal(Signal::SIGKILL);
    site.up.process.wait().expect("an end");
    // What comes after the restart is not what this test is about: the cluster tells nothing.
    site.cluster.set_down(true);
    site.cluster.release();
    site.up = Up::start(&site.data);
    site.operator = Operator::of(&site.up);

    let scan = site.operator.json(&["scan", "show", &id]);
    assert_eq!(scan["scan"]["state"], "failed", "{scan}");
    let shown = site.operator.ok(&["scan", "show", &id]);
    assert!(
        shown.contains("it was stopped while the scan ran"),
        "{shown}"
    );
    let after = site.operator.json(&show);
    assert_eq!(keys(&after), keys(&before));
    assert_eq!(
        after["version"], before["version"],
        "the last whole version is shown"
    );
    site.operator
        .ok(&["snapshot", "diff", "before", "--env", "shop"]);

    site.cluster.set_down(false);
    site.operator.ok(&["scan", "run", "--env", "shop"]);
    let now = keys(&site.operator.json(&show));
    assert!(
        now.contains("pod/uid-web-2") && !now.contains("pod/uid-web-1"),
        "{now:?}"
    );
}
