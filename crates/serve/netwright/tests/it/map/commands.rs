//! Each command once as it is meant to be used, and where it is not.

use super::{Site, cluster};
use serde_json::Value;
use std::io::Read;
use std::process::Stdio;

/// Each of `wanted` is in `text`.
fn has(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "no {wanted:?} in:\n{text}");
    }
}

#[test]
fn environments_are_tested_kept_changed_and_removed() {
    let site = Site::start();
    let run = &site.operator;
    let settings = |name: &str, token: &str| {
        let settings = site.cluster.settings(name, token);
        run.file(&format!("{name}.toml"), &settings)
    };
    has(&run.ok(&["env", "list"]), &["shop", "Kubernetes", "local"]);
    has(
        &run.ok(&["env", "test", "shop"]),
        &["kubernetes", "true", "2 nodes"],
    );
    let tested = run.json(&["env", "test", "shop"]);
    assert_eq!(tested["results"][0]["reached"], true, "{tested}");

    // A wrong token is found before anything is kept.
    let wrong = settings("wrong", "guess");
    has(
        &run.ends(3, &["env", "add", "--test", "--file", &wrong]),
        &["kubernetes", "false", "401"],
    );
    has(&run.refused(1, &["env", "show", "wrong"]), &["wrong"]);
    let right = settings("right", cluster::TOKEN);
    let added = run.json(&["env", "add", "--test", "--file", &right]);
    assert_eq!(added["environment"]["name"], "right", "{added}");
    assert_eq!(added["tests"][0]["reached"], true, "{added}");

    let shown = run.ok(&["env", "show", "shop"]);
    has(&shown, &["kubernetes.url", "kubernetes_token", "Flannel"]);
    assert!(!shown.contains(cluster::TOKEN), "{shown}");
    has(
        &run.ok(&["env", "update", "--test", "--file", &right]),
        &["environment right is kept"],
    );
    has(
        &run.ok(&["env", "remove", "right"]),
        &["environment right is removed"],
    );
    has(&run.refused(1, &["env", "remove", "right"]), &["right"]);

    has(
        &run.refused(1, &["env", "add", "--file", &settings("shop", "x")]),
        &["shop", "exists"],
    );
    let unknown = run.file("unknown.toml", "name = \"u\"\nopenstak = {}\n");
    has(
        &run.refused(1, &["env", "add", "--file", &unknown]),
        &["openstak"],
    );
    let broken = run.file("broken.toml", "name = \n");
    has(
        &run.refused(1, &["env", "add", "--file", &broken]),
        &["broken.toml", "TOML"],
    );
    let nameless = run.file("nameless.toml", "facts = {}\n");
    has(
        &run.refused(1, &["env", "add", "--file", &nameless]),
        &["'name'"],
    );
    has(
        &run.refused(1, &["env", "add", "--file", "/nowhere.toml"]),
        &["/nowhere.toml"],
    );
}

#[test]
fn scans_are_run_watched_listed_and_cancelled() {
    let site = Site::start();
    let run = &site.operator;
    has(
        &run.ok(&["scan", "list", "--env", "shop"]),
        &["netwright scan run"],
    );
    has(
        &run.ok(&["scan", "run", "--env", "shop", "--snapshot", "first"]),
        &["scan 1 of shop: completed", "version"],
    );
    has(
        &run.ok(&["snapshot", "list", "--env", "shop", "--named"]),
        &["first"],
    );
    let scan = run.json(&["scan", "run", "--env", "shop", "--from", "host/node-0"]);
    assert_eq!(scan["scan"]["state"], "completed", "{scan}");
    has(
        &run.ok(&["scan", "list"]),
        &["everything", "host/node-0", "completed"],
    );
    has(
        &run.ok(&["scan", "list", "-o", "csv"]),
        &["id,environment,from,state"],
    );
    has(
        &run.ok(&["scan", "watch", "1"]),
        &["scan 1 of shop: completed"],
    );

    site.cluster.hold("/api/v1/services");
    let asked = run.ok(&["scan", "run", "--env", "shop", "--no-wait"]);
    assert_eq!(asked.trim(), "scan 3");
    site.cluster.wait_until_held();
    has(&run.ok(&["scan", "show", "3"]), &["running"]);
    let mut watching = run
        .command(&["scan", "watch", "3"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("netwright runs");
    has(&run.ok(&["scan", "cancel", "3"]), &["scan 3 is cancelled"]);
    site.cluster.release();
    let (mut out, mut err) = (String::new(), String::new());
    let pipe = watching
        .stdout
        .take()
        .expect("a pipe")
        .read_to_string(&mut out);
    pipe.expect("text");
    let pipe = watching
        .stderr
        .take()
        .expect("a pipe")
        .read_to_string(&mut err);
    pipe.expect("text");
    assert_eq!(watching.wait().expect("an end").code(), Some(3));
    has(&out, &["scan 3 of shop: cancelled"]);
    assert_eq!(err, "", "no bar where there is no terminal");

    has(
        &run.refused(1, &["scan", "cancel", "3"]),
        &["3", "cancelled"],
    );
    has(&run.refused(1, &["scan", "show", "99"]), &["99"]);
    has(
        &run.refused(1, &["scan", "run", "--env", "nowhere"]),
        &["nowhere"],
    );
    has(
        &run.refused(
            1,
            &["scan", "run", "--env", "shop", "--from", "host/nowhere"],
        ),
        &["host/nowhere"],
    );
    has(
        &run.refused(1, &["scan", "run", "--env", "shop", "--from", "nonsense"]),
        &["type/id"],
    );
}

#[test]
fn a_scan_that_could_not_read_says_what_and_ends_with_3() {
    let site = Site::start();
    let run = &site.operator;
    site.cluster.set_down(true);
    let said = run.ends(3, &["scan", "run", "--env", "shop"]);
    has(&said, &["completed with errors", "kubernetes", "503"]);
}

#[test]
fn a_terminal_is_shown_how_far_a_scan_is() {
    let site = Site::start();
    site.cluster.hold("/api/v1/services");
    let netwright = env!("CARGO_BIN_EXE_netwright");
    let command = format!("{netwright} scan run --env shop");
    let mut terminal = std::process::Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("NETWRIGHT_URL", &site.operator.url)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1) is part of every Debian");
    let mut shown = Vec::new();
    let mut pipe = terminal.stdout.take().expect("a pipe");
    let mut read = |shown: &mut Vec<u8>, until: &str| {
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(shown).contains(until) {
            let count = pipe.read(&mut chunk).expect("readable");
            assert!(
                count > 0,
                "no {until:?} in {}",
                String::from_utf8_lossy(shown)
            );
            shown.extend_from_slice(&chunk[..count]);
        }
    };
    // Nodes, a namespace and pods with their containers: the services are asked for last.
    read(&mut shown, "objects");
    site.cluster.release();
    read(&mut shown, "scan 1 of shop: completed");
    assert_eq!(terminal.wait().expect("an end").code(), Some(0));
}

#[test]
fn the_map_is_asked() {
    let site = Site::scanned();
    let run = &site.operator;
    let topology = |code: i32, args: &[&str]| {
        run.ends(
            code,
            &[&["topology"][..], args, &["--env", "shop"]].concat(),
        )
    };
    let list = topology(0, &["show", "--type", "pod,host"]);
    has(&list, &["uid-web-0", "node-1", "4 of 4"]);
    let list = topology(
        0,
        &["show", "--type", "pod", "--host", "node-1", "-o", "csv"],
    );
    assert_eq!(list.lines().count(), 2, "{list}");
    has(
        &topology(0, &["show", "--type", "switch"]),
        &["no object matches"],
    );
    let one = topology(0, &["show", "pod/uid-web-0"]);
    has(
        &one,
        &[
            "web-0",
            "pod_ip",
            "10.1.0.10",
            "kubernetes",
            "pod-container",
        ],
    );
    let one: Value =
        serde_json::from_str(&topology(0, &["show", "pod/uid-web-0", "-o", "json"])).expect("JSON");
    assert_eq!(one["object"]["attributes"]["pod_ip"]["value"], "10.1.0.10");

    has(&topology(0, &["search", "10.1.1.11"]), &["web-1"]);
    has(&topology(3, &["search", "203.0.113.9"]), &["nothing"]);
    has(
        &topology(0, &["clique", "vservice/svc-web"]),
        &["service", "vservice-pod", "web-1"],
    );
    has(&topology(3, &["clique", "host/node-0"]), &["no clique"]);
    has(
        &topology(0, &["impact", "host/node-0"]),
        &["uid-web-0", "by type"],
    );
    has(
        &topology(0, &["impact", "host/node-0", "--report", "csv"]),
        &["uid-web-0"],
    );
    has(
        &topology(
            0,
            &["path", "vservice/svc-web", "container/uid-web-0-nginx"],
        ),
        &["vservice-pod", "pod-container"],
    );
    has(
        &topology(3, &["path", "host/node-0", "host/node-1"]),
        &["no way leads"],
    );
    has(&topology(0, &["causes"]), &["no trouble"]);
    has(&topology(0, &["picture"]), &["<svg", "node-0"]);
    has(
        &topology(
            0,
            &[
                "picture",
                "--around",
                "pod/uid-web-0",
                "--format",
                "graphml",
            ],
        ),
        &["<graphml", "uid-web-0-nginx"],
    );
    has(
        &topology(0, &["picture", "--clique", "vservice/svc-web"]),
        &["<svg", "web-1"],
    );

    let refused = |code: i32, args: &[&str]| {
        run.refused(
            code,
            &[&["topology"][..], args, &["--env", "shop"]].concat(),
        )
    };
    has(&refused(1, &["show", "pod/nobody"]), &["pod/nobody"]);
    has(&refused(1, &["show", "nonsense"]), &["type/id"]);
    has(&refused(1, &["show", "--at", "yesterday"]), &["yesterday"]);
    has(&refused(1, &["show", "--type", "toaster"]), &["toaster"]);
    has(&refused(2, &["show", "--status", "bad"]), &["warning"]);
    has(&refused(1, &["impact", "pod/nobody"]), &["pod/nobody"]);
    has(&run.refused(2, &["topology", "show"]), &["--env"]);
    has(
        &run.refused(1, &["topology", "show", "--env", "nowhere"]),
        &["nowhere"],
    );
}

#[test]
fn versions_are_named_compared_reported_and_forgotten() {
    let site = Site::scanned();
    let run = &site.operator;
    let snapshot = |code: i32, args: &[&str]| {
        run.ends(
            code,
            &[&["snapshot"][..], args, &["--env", "shop"]].concat(),
        )
    };
    has(
        &snapshot(0, &["take", "as designed", "--pin"]),
        &["is 'as designed'"],
    );
    has(&snapshot(0, &["diff", "as designed"]), &["are the same"]);
    site.cluster.set_pods(&["web-0", "web-2"]);
    run.ok(&["scan", "run", "--env", "shop"]);
    let diff = snapshot(3, &["diff", "as designed"]);
    has(
        &diff,
        &["added", "removed", "web-2", "web-1", "vservice-pod"],
    );
    let diff: Value =
        serde_json::from_str(&snapshot(3, &["diff", "as designed", "-o", "json"])).expect("JSON");
    assert_eq!(diff["totals"]["objects"]["added"], 2, "{diff}");
    for (format, mark) in [
        ("csv", "uid-web-2"),
        ("markdown", "| "),
        ("html", "<html"),
        ("json", "{"),
    ] {
        has(
            &snapshot(0, &["report", "as designed", "--format", format]),
            &[mark, "web-2"],
        );
    }
    let then = run.ok(&[
        "topology",
        "show",
        "--env",
        "shop",
        "--at",
        "as designed",
        "--type",
        "pod",
    ]);
    has(&then, &["web-1"]);
    let list = run.json(&["snapshot", "list", "--env", "shop", "--named"]);
    let number = list["versions"][0]["number"].to_string();
    assert_eq!(list["versions"][0]["pinned"], true, "{list}");
    has(
        &snapshot(0, &["delete", &number]),
        &[&format!("version {number} is forgotten")],
    );
    let refused =
        |args: &[&str]| run.refused(1, &[&["snapshot"][..], args, &["--env", "shop"]].concat());
    has(&refused(&["delete", &number]), &[&number]);
    has(&refused(&["diff", "as designed"]), &["as designed"]);
    has(&refused(&["take", ""]), &["name"]);
}

#[test]
fn schedules_and_their_reports() {
    let site = Site::scanned();
    let run = &site.operator;
    has(&run.ok(&["schedule", "list"]), &["no schedule"]);
    has(&run.ok(&["report", "list"]), &["no report"]);
    let shop = [
        "--env",
        "shop",
        "--cron",
        "0 7 * * 1",
        "--zone",
        "Europe/Berlin",
    ];
    let add = |args: &[&str]| run.ok(&[&["schedule"][..], args, &shop].concat());
    has(
        &add(&["scan", "weekly", "--snapshot"]),
        &["schedule weekly is kept"],
    );
    add(&[
        "report",
        "stock",
        "--about",
        "inventory",
        "--format",
        "markdown",
    ]);
    add(&[
        "report",
        "core",
        "--about",
        "impact",
        "--object",
        "host/node-0",
    ]);
    has(
        &run.ok(&["schedule", "list"]),
        &[
            "weekly",
            "scan",
            "report of impact",
            "0 7 * * 1",
            "Europe/Berlin",
        ],
    );
    has(
        &run.ok(&["schedule", "pause", "weekly"]),
        &["weekly is paused"],
    );
    has(&run.ok(&["schedule", "list"]), &["paused"]);
    run.ok(&["schedule", "resume", "weekly"]);
    let schedules = run.json(&["schedule", "list"]);
    let mut schedules = schedules["schedules"].as_array().expect("a list").iter();
    let weekly = schedules.find(|schedule| schedule["name"] == "weekly");
    assert_eq!(weekly.expect("kept")["paused"], false);
    has(&run.ok(&["schedule", "run", "weekly"]), &["weekly"]);
    has(&run.ok(&["schedule", "run", "stock"]), &["stock"]);
    let reports = loop {
        let reports = run.json(&["report", "list", "--schedule", "stock"]);
        if reports["total"] == 1 {
            break reports;
        }
    };
    let id = reports["reports"][0]["id"].to_string();
    has(&run.ok(&["report", "list"]), &["stock", "markdown"]);
    has(&run.ok(&["report", "show", &id]), &["pod"]);
    let file = run.home.path().join("report.html");
    let to = file.to_string_lossy();
    run.ok(&["report", "show", &id, "--format", "html", "--to", &to]);
    has(
        &std::fs::read_to_string(&file).expect("the report"),
        &["<html"],
    );
    has(
        &run.ok(&["report", "delete", &id]),
        &[&format!("report {id} is deleted")],
    );
    has(&run.refused(1, &["report", "show", &id]), &[&id]);

    has(
        &run.ok(&["schedule", "remove", "weekly"]),
        &["schedule weekly is removed"],
    );
    has(
        &run.refused(1, &["schedule", "remove", "weekly"]),
        &["weekly"],
    );
    let refused = |args: &[&str]| run.refused(1, &[&["schedule"][..], args].concat());
    has(
        &refused(&["scan", "x", "--env", "shop", "--cron", "61 * * * *"]),
        &["61 * * * *"],
    );
    has(
        &refused(&[
            "scan",
            "x",
            "--env",
            "shop",
            "--cron",
            "0 * * * *",
            "--zone",
            "Mars/Base",
        ]),
        &["Mars/Base"],
    );
    has(
        &refused(&[
            "report",
            "x",
            "--env",
            "shop",
            "--cron",
            "0 * * * *",
            "--about",
            "impact",
        ]),
        &["object"],
    );
    has(&refused(&["run", "nothing"]), &["nothing"]);
}
