//! The maps of a controller over its life: kept, read, scanned, stopped and started again.

mod broker;
mod broker_tls;
mod own;

use discovery::environment::{Config, Credentials};
use inventory::{Inventory, InventoryError, ScanRequest, ScanRow, ScanState, Secrets};
use jiff::Timestamp;
use std::net::TcpListener;
use std::path::Path;
use topology::{
    Batch, Cause, Draft, Environment, Message, MessageQuery, ObjectKey, ObjectRef, Reading,
    Severity, Source, SourceKind,
};

fn prod() -> Environment {
    Environment::new("prod").expect("a name")
}

fn config(text: &str) -> Config {
    serde_json::from_str(text).expect("a configuration")
}

fn credentials() -> Credentials {
    serde_json::from_str(r#"{"ssh_password": "hunter2"}"#).expect("credentials")
}

fn open(dir: &Path) -> Inventory {
    Inventory::open(dir).expect("an inventory")
}

/// With one environment whose only host does not answer.
fn with_prod(dir: &Path) -> Inventory {
    let inventory = open(dir);
    let text = r#"{"name": "prod", "facts": {"environment_type": "Hosts"},
        "ssh": {"user": "reader", "known_hosts": "/dev/null", "port": 9, "hosts": ["127.0.0.1"], "connect_seconds": 2}}"#;
    inventory
        .add_environment(config(text), &credentials())
        .expect("added");
    inventory
}

/// With one environment whose only host listens and never says a word: a scan waits for its greeting.
fn with_a_silent_host(dir: &Path) -> (Inventory, TcpListener) {
    let inventory = with_prod(dir);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = silent.local_addr().expect("its address").port();
    let text = format!(
        r#"{{"name": "prod", "facts": {{"environment_type": "Hosts"}},
        "ssh": {{"user": "reader", "known_hosts": "/dev/null", "port": {port}, "hosts": ["127.0.0.1"], "connect_seconds": 600}}}}"#
    );
    inventory
        .update_environment(config(&text), Credentials::default(), Secrets::Follow)
        .expect("updated");
    (inventory, silent)
}

fn reading(hosts: &[&str]) -> Batch {
    let source = Source {
        kind: SourceKind::new("ssh").expect("a kind"),
        detail: "test".into(),
        read_at: Timestamp::now(),
    };
    let mut reading = Reading::named(source);
    for host in hosts {
        let key = ObjectKey::new(&prod(), "host", host).expect("a key");
        reading.drafts.push(Draft::whole(key, *host));
    }
    Batch {
        cause: Cause::Scan("test".into()),
        at: Timestamp::now(),
        readings: vec![reading],
    }
}

async fn ended(inventory: &Inventory, id: u64) -> ScanRow {
    let mut changes = inventory.subscribe_scans();
    loop {
        let scan = inventory.scan(id).expect("the scan");
        if scan.state.has_ended() {
            return scan;
        }
        changes.changed().await.expect("the inventory lives");
    }
}

fn scan_all() -> ScanRequest {
    ScanRequest {
        environment: prod(),
        start: None,
        schedule: None,
        snapshot: None,
    }
}

#[tokio::test]
async fn versions_and_messages_survive_and_a_second_process_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let inventory = with_prod(dir.path());
    let map = inventory.map(&prod()).expect("the map");
    map.apply(&reading(&["a", "b"])).expect("applied");
    map.snapshot("designed", true, Timestamp::now())
        .expect("named");
    let now = Timestamp::now();
    let message = Message {
        id: 0,
        severity: Severity::Info,
        source: "test".into(),
        text: "hello".into(),
        at: now,
        received_at: now,
        objects: Vec::new(),
        context: None,
        viewed: false,
    };
    map.tell(vec![message]).expect("told");
    assert!(Inventory::open(dir.path()).is_err(), "the folder is in use");
    let before = map.head().number;
    drop((map, inventory));

    let inventory = open(dir.path());
    let map = inventory.map(&prod()).expect("the map");
    assert_eq!((map.head().number, map.head().object_count()), (before, 2));
    assert_eq!(
        map.history()
            .named("designed")
            .map(|version| version.number),
        Some(before)
    );
    let (messages, total) = map.find_messages(&MessageQuery {
        limit: 10,
        ..MessageQuery::default()
    });
    assert_eq!((messages[0].text.as_ref(), total), ("hello", 1));
    let view = inventory.environment(&prod()).expect("the environment");
    assert_eq!(view.credentials.len(), 1);
    for file in std::fs::read_dir(dir.path()).expect("the folder") {
        let path = file.expect("a file").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("readable");
            let found = bytes.windows(7).any(|window| window == b"hunter2");
            assert!(!found, "{} holds a secret in clear", path.display());
        }
    }
}

#[tokio::test]
async fn a_scan_that_reaches_nobody_says_so_and_takes_nothing_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let inventory = with_prod(dir.path());
    inventory.start();
    let map = inventory.map(&prod()).expect("the map");
    let mut known = reading(&["127.0.0.1"]);
    let key = |kind: &str, id: &str| ObjectKey::new(&prod(), kind, id).expect("a key");
    let pnic = Draft::whole(key("host_pnic", "eno1"), "eno1")
        .under(key("host", "127.0.0.1"))
        .with("host", "127.0.0.1");
    known.readings[0].drafts.push(pnic);
    map.apply(&known).expect("applied");
    let scan = inventory.submit_scan(scan_all()).expect("submitted");
    let scan = ended(&inventory, scan.id).await;
    assert_eq!(scan.state, ScanState::CompletedWithErrors, "{scan:?}");
    assert!(
        scan.faults.iter().any(|(place, _)| place == "127.0.0.1"),
        "{scan:?}"
    );
    let head = map.head();
    assert_eq!(head.object_count(), 2, "what could not be read stays");
    let pnic = ObjectRef::new("host_pnic", "eno1").expect("a key");
    let pnic = head.get(&pnic).expect("the NIC");
    assert!(pnic.stale.is_some(), "and is stale");
    assert!(matches!(
        inventory.cancel_scan(scan.id),
        Err(InventoryError::NotCancellable { .. })
    ));
}

#[tokio::test]
async fn a_scan_is_cancelled_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let (inventory, _silent) = with_a_silent_host(dir.path());
    inventory.start();
    let before = inventory.map(&prod()).expect("the map").head().number;
    let scan = inventory.submit_scan(scan_all()).expect("submitted");
    inventory.cancel_scan(scan.id).expect("cancelled");
    assert_eq!(ended(&inventory, scan.id).await.state, ScanState::Cancelled);
    assert_eq!(
        inventory.map(&prod()).expect("the map").head().number,
        before
    );
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_named_is_refused_or_a_fault_and_what_was_read_stays() {
    let dir = tempfile::tempdir().expect("a folder");
    let inventory = with_prod(dir.path());
    let map = inventory.map(&prod()).expect("the map");
    let named = |name: &str| ScanRequest {
        snapshot: Some(name.to_owned()),
        ..scan_all()
    };
    for name in ["12", " ", &"x".repeat(256)] {
        assert!(matches!(
            inventory.submit_scan(named(name)),
            Err(InventoryError::SnapshotName(_))
        ));
        assert!(map.snapshot(name, false, Timestamp::now()).is_err());
    }
    // Two that wait for one name: the second finds it taken.
    let (first, second) = (
        inventory.submit_scan(named("once")).expect("free"),
        inventory.submit_scan(named("once")).expect("free still"),
    );
    inventory.start();
    ended(&inventory, first.id).await;
    let second = ended(&inventory, second.id).await;
    assert_eq!(second.state, ScanState::CompletedWithErrors);
    assert!(second.version.is_some(), "{second:?}");
    let told = |(what, _): &(String, String)| what == "snapshot 'once'";
    assert!(second.faults.iter().any(told), "{second:?}");
    assert!(matches!(
        inventory.submit_scan(named("once")),
        Err(InventoryError::Map(_))
    ));
}

#[tokio::test]
async fn an_environment_that_goes_away_takes_its_scans_with_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (inventory, _silent) = with_a_silent_host(dir.path());
    inventory.start();
    let (running, waiting) = (
        inventory.submit_scan(scan_all()).expect("submitted"),
        inventory.submit_scan(scan_all()).expect("submitted"),
    );
    inventory.remove_environment(&prod()).expect("removed");
    for id in [running.id, waiting.id] {
        assert_eq!(ended(&inventory, id).await.state, ScanState::Cancelled);
    }
}

#[tokio::test]
async fn a_scan_that_ran_when_the_process_ended_has_failed() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = r#"{"name": "prod", "ssh": {"user": "reader", "known_hosts": "/dev/null"}}"#;
    {
        let inventory = open(dir.path());
        inventory
            .add_environment(config(text), &credentials())
            .expect("added");
    }
    // As a crash leaves it.
    let book = serde_json::json!({"rows": {"1": {
        "id": 1, "environment": "prod", "state": "running", "submitted_at": Timestamp::now(),
        "progress": {}, "faults": [], "fault_count": 0,
    }}, "next": 1});
    let mut line = Vec::new();
    journal::encode(book.to_string().as_bytes(), &mut line);
    std::fs::write(dir.path().join("scans"), line).expect("written");
    let inventory = open(dir.path());
    let scan = inventory.scan(1).expect("the scan");
    assert_eq!((scan.state, scan.fault_count), (ScanState::Failed, 1));
}

#[test]
fn a_damaged_log_is_named_with_its_byte() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    {
        let inventory = with_prod(dir.path());
        let map = inventory.map(&prod()).expect("the map");
        map.apply(&reading(&["a"])).expect("applied");
        map.apply(&reading(&["b"])).expect("applied");
    }
    let log = dir.path().join("map-prod").join("records-000000000000");
    let mut bytes = std::fs::read(&log).expect("the log");
    let middle = bytes.len() / 2;
    let line = bytes[..middle]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    bytes[line + 20] ^= 1;
    std::fs::write(&log, bytes).expect("damaged");
    let error = Inventory::open(dir.path())
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        error.contains("records-000000000000") && error.contains(&format!("byte {line}")),
        "{error}"
    );
}
