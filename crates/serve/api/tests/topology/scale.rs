//! A hundred thousand objects: every list comes in pages, every picture stays small, and nothing is left out of either.

use crate::{ADMIN, Site};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use topology::{Batch, Cause, Draft, Environment, ObjectKey, Reading, Source, SourceKind};

const HOSTS: usize = 1000;
const INSTANCES: usize = 99;
/// The most bytes any of these answers may have.
const BOUND: usize = 1 << 20;

fn read(site: &Site, hosts: std::ops::Range<usize>, instances: usize) {
    let environment = Environment::new("prod").expect("a name");
    let key = |kind: &str, id: &str| ObjectKey::new(&environment, kind, id).expect("a key");
    let mut reading = Reading::named(Source {
        kind: SourceKind::new("ssh").expect("a kind"),
        detail: "test".into(),
        read_at: Timestamp::now(),
    });
    for n in hosts {
        let host = format!("node,{n:04}");
        let place = key("host", &host);
        let draft = Draft::whole(place.clone(), host.as_str());
        reading.drafts.push(draft.with("host", host.as_str()));
        for m in 0..instances {
            let id = format!("vm-{n}-{m}");
            let draft = Draft::whole(key("instance", &id), id.as_str()).under(place.clone());
            let tenant = format!("tenant-{}", n % 10);
            reading.drafts.push(
                draft
                    .with("host", host.as_str())
                    .with("project_id", tenant.as_str()),
            );
        }
    }
    let map = site.inventory.map(&environment).expect("the map");
    let batch = Batch {
        cause: Cause::Scan("test".into()),
        at: Timestamp::now(),
        readings: vec![reading],
    };
    map.apply(&batch).expect("applied");
}

async fn bounded(site: &Site, path: &str) -> Value {
    let (status, text) = site
        .text(ADMIN, "GET", &format!("/environments/prod/{path}"), None)
        .await;
    assert!(status.is_success(), "{path}: {text}");
    assert!(text.len() < BOUND, "{path}: {} bytes", text.len());
    serde_json::from_str(&text).expect("JSON")
}

/// Every row of a list, page by page, as the text under `name` of each.
async fn all(site: &Site, path: &str, list: &str, name: &str) -> Vec<String> {
    let mut met = Vec::new();
    let mut cursor = String::new();
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let page = bounded(site, &format!("{path}{joint}limit=1000{cursor}")).await;
        let rows = page[list].as_array().expect("rows");
        assert!(rows.len() <= 1000);
        met.extend(
            rows.iter()
                .map(|row| row.pointer(name).map(Value::to_string).unwrap_or_default()),
        );
        let Some(next) = page["next"].as_str() else {
            assert_eq!(page["total"], met.len(), "{path}");
            return met;
        };
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        cursor = format!("&cursor={next}");
    }
}

fn changes(picture: &Value) -> u64 {
    let nodes = picture["nodes"].as_array().expect("nodes");
    let counts = nodes
        .iter()
        .flat_map(|node| node["changes"].as_object().into_iter().flatten());
    counts.filter_map(|(_, count)| count.as_u64()).sum()
}

#[tokio::test]
async fn a_hundred_thousand_objects_are_read_in_pages_and_drawn_in_bounded_pictures() {
    let site = Site::with_cloud().await;
    read(&site, 0..HOSTS, 0);
    read(&site, 0..HOSTS, INSTANCES);
    let before = bounded(&site, "summary").await["version"]
        .as_u64()
        .expect("a version")
        - 1;
    let objects = HOSTS * (INSTANCES + 1) + 4;

    let hosts = all(&site, "objects?type=host", "objects", "/key").await;
    assert_eq!(hosts.len(), HOSTS + 2);
    let page = bounded(&site, "objects?limit=1000").await;
    assert_eq!(page["total"], objects);
    let roots = all(&site, "tree", "rows", "/object/key").await;
    assert_eq!(roots.iter().collect::<BTreeSet<_>>().len(), roots.len());

    // Ids with commas are said like any other: a parameter for each.
    let around = bounded(
        &site,
        "graph?around=host/node,0001&around=host/node,0002&depth=1",
    )
    .await;
    assert!(around["nodes"].as_array().expect("nodes").len() >= 2);
    let impact = bounded(
        &site,
        "impact?objects=host/node,0001&objects=host/node,0002",
    )
    .await;
    assert_eq!(impact["counts"]["total"], 2 * INSTANCES);

    let whole = bounded(&site, "overview?limit=2000").await;
    let nodes = whole["nodes"].as_array().expect("nodes");
    assert!(nodes.len() <= 2000);
    let counted: u64 = nodes
        .iter()
        .flat_map(|node| node["counts"].as_object().into_iter().flatten())
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    assert_eq!(
        counted, objects as u64,
        "what has no node of its own is counted in one"
    );
    let opened = bounded(&site, "overview?limit=2000&open=host/node,0001").await;
    let inside = |node: &&Value| node["type"] == "instance";
    let shown = opened["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .filter(inside)
        .count();
    assert!(shown >= INSTANCES, "{shown}");

    let added = (HOSTS * INSTANCES) as u64;
    let diff = bounded(&site, &format!("diff?from={before}&limit=1000")).await;
    assert_eq!(diff["totals"]["objects"]["added"], added);
    let listed = all(
        &site,
        &format!("diff?from={before}&tenant=tenant-3"),
        "rows",
        "/id",
    )
    .await;
    assert_eq!(listed.len() as u64, added / 10);
    let picture = bounded(&site, &format!("diff/picture?from={before}&limit=2000")).await;
    assert!(picture["nodes"].as_array().expect("nodes").len() <= 2000);
    assert_eq!(changes(&picture), added, "every change is in the picture");
}
