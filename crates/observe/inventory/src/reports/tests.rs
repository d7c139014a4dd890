//! Scheduled reports: once for each due time, kept as asked, sent where they are to be sent.

use crate::{About, Action, Inventory, Outcome, PostingState, ReportOrder, Scheduled};
use discovery::environment::Credentials;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use topology::{
    Batch, Cause, Draft, Environment, ObjectKey, ObjectRef, Reading, ReportFormat, Schedule,
    Source, SourceKind,
};

fn prod() -> Environment {
    Environment::new("prod").expect("a name")
}

fn opened(dir: &Path) -> Inventory {
    let inventory = Inventory::open(dir).expect("an inventory");
    if inventory.environments().is_empty() {
        let config = serde_json::from_str(r#"{"name": "prod"}"#).expect("a configuration");
        inventory
            .add_environment(config, &Credentials::default())
            .expect("added");
    }
    inventory
}

/// A reading that adds a host.
fn grow(inventory: &Inventory, host: &str) {
    let key = ObjectKey::new(&prod(), "host", host).expect("a key");
    let mut reading = Reading::named(Source {
        kind: SourceKind::new("ssh").expect("a kind"),
        detail: "test".into(),
        read_at: Timestamp::now(),
    });
    reading
        .drafts
        .push(Draft::whole(key, host).with("host", host));
    let batch = Batch {
        cause: Cause::Scan("test".into()),
        at: Timestamp::now(),
        readings: vec![reading],
    };
    let map = inventory.map(&prod()).expect("the map");
    map.apply(&batch).expect("applied");
}

fn daily(about: About, since: Timestamp) -> Scheduled {
    let report = ReportOrder {
        about,
        format: ReportFormat::Markdown,
        keep: 3,
        post_to: None,
    };
    Scheduled {
        schedule: Schedule {
            name: "daily".into(),
            pattern: "0 0 * * *".to_owned(),
            zone: "UTC".to_owned(),
            paused: false,
            since,
        },
        environment: prod(),
        action: Action::Report { report },
    }
}

/// Runs each of the next days.
fn run_days(inventory: &Inventory, start: Timestamp, days: std::ops::Range<i64>) {
    for day in days {
        let now = start + SignedDuration::from_hours(24 * day);
        inventory.0.run_due(now).expect("run");
    }
}

#[tokio::test]
async fn a_report_is_made_once_over_restarts_and_tells_what_changed_since_the_last() {
    let dir = tempfile::tempdir().expect("a folder");
    let start = Timestamp::now();
    let inventory = opened(dir.path());
    inventory
        .put_schedule(daily(About::Changes { since: None }, start), false)
        .expect("scheduled");
    grow(&inventory, "first");
    run_days(&inventory, start, 1..2);
    grow(&inventory, "second");
    drop(inventory);
    let inventory = opened(dir.path());
    run_days(&inventory, start, 1..2);
    assert_eq!(
        inventory.reports().len(),
        1,
        "its due time was run before the restart"
    );
    run_days(&inventory, start, 2..4);
    let texts: Vec<String> = inventory
        .reports()
        .iter()
        .rev()
        .map(|row| inventory.report_text(row.id, None).expect("a document"))
        .collect();
    assert_eq!(texts.len(), 3);
    assert!(texts[0].contains("first") && !texts[0].contains("second"));
    assert!(texts[1].contains("second") && !texts[1].contains("first"));
    assert!(
        !texts[2].contains("first") && !texts[2].contains("second"),
        "nothing changed"
    );
    let findings: Vec<usize> = inventory
        .reports()
        .iter()
        .map(|row| match row.outcome {
            Outcome::Made { findings, .. } => findings,
            Outcome::Failed { .. } => usize::MAX,
        })
        .collect();
    assert_eq!(findings, [0, 1, 1]);
}

/// What a crash leaves between the decision and the report: the due time, written down.
#[tokio::test]
async fn a_due_time_that_a_crash_left_is_run_and_one_that_was_run_is_not_run_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let start = Timestamp::now();
    let inventory = opened(dir.path());
    let row = daily(About::Inventory, start);
    inventory
        .put_schedule(row.clone(), false)
        .expect("scheduled");
    let due = start + SignedDuration::from_hours(24);
    let Action::Report { report } = &row.action else {
        panic!("a report");
    };
    // The report was entered, and the process died before the due time was struck off.
    inventory
        .0
        .make_report(&row, report, due, due)
        .expect("made");
    drop(inventory);
    let inventory = opened(dir.path());
    inventory
        .0
        .make_report(&row, report, due, due)
        .expect("nothing to do");
    assert_eq!(inventory.reports().len(), 1);
}

#[tokio::test]
async fn the_newest_are_kept_and_what_cannot_be_made_says_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let start = Timestamp::now();
    let inventory = opened(dir.path());
    let gone = About::Impact {
        objects: vec![ObjectRef::new("host", "no-such").expect("a key")],
    };
    inventory
        .put_schedule(daily(gone, start), false)
        .expect("scheduled");
    run_days(&inventory, start, 1..2);
    let failed = inventory.reports().remove(0);
    assert!(
        matches!(&failed.outcome, Outcome::Failed { reason } if reason.contains("no-such")),
        "{failed:?}"
    );
    assert!(inventory.report_text(failed.id, None).is_err());
    inventory
        .put_schedule(daily(About::Inventory, start), true)
        .expect("changed");
    run_days(&inventory, start, 2..8);
    let ids: Vec<u64> = inventory.reports().iter().map(|row| row.id).collect();
    assert_eq!(ids, [7, 6, 5]);
    let files = std::fs::read_dir(dir.path().join("reports")).expect("the folder");
    assert_eq!(files.count(), 4, "three documents and the book");
    inventory.remove_report(6).expect("deleted");
    inventory.remove_environment(&prod()).expect("removed");
    assert!(inventory.reports().is_empty() && inventory.schedules().is_empty());
    let files = std::fs::read_dir(dir.path().join("reports")).expect("the folder");
    assert_eq!(files.count(), 1, "the book");
}

/// Answers each request with the next of these status lines, and gives what was sent.
async fn receiver(
    answers: &'static [&'static str],
) -> (String, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (sender, received) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut text = String::new();
            let mut buffer = [0; 4096];
            loop {
                let count = stream.read(&mut buffer).await.expect("read");
                text.push_str(&String::from_utf8_lossy(&buffer[..count]));
                let length = text.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.parse().ok())?
                });
                let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
                if count == 0
                    || matches!((length, body), (Some(length), Some(body)) if body >= length)
                {
                    break;
                }
            }
            let reply =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(reply.as_bytes()).await.expect("answered");
            sender.send(text).await.expect("told");
        }
    });
    (format!("http://{address}/hook/s3cret"), received)
}

async fn posted(inventory: &Inventory, wanted: impl Fn(&crate::Posting) -> bool) -> crate::Posting {
    loop {
        let found = inventory.reports().remove(0).posting;
        if let Some(posting) = found.filter(&wanted) {
            return posting;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_posted_after_it_was_kept_and_the_answer_is_noted() {
    let dir = tempfile::tempdir().expect("a folder");
    let inventory = opened(dir.path());
    inventory.start();
    let (address, mut received) = receiver(&["204 No Content", "503 Service Unavailable"]).await;
    let mut row = daily(About::Inventory, Timestamp::now());
    if let Action::Report { report } = &mut row.action {
        report.post_to = Some(address.clone());
    }
    inventory.put_schedule(row, false).expect("scheduled");
    inventory.run_schedule("daily").expect("run");
    let sent = received.recv().await.expect("a request");
    assert!(sent.starts_with("POST /hook/s3cret HTTP/1.1"), "{sent}");
    assert!(
        sent.contains("text/markdown") && sent.contains("# Inventory"),
        "{sent}"
    );
    let posting = posted(&inventory, |posting| {
        posting.state == PostingState::Delivered
    })
    .await;
    assert_eq!(posting.attempts, 1);
    assert!(
        !posting.to.contains("s3cret"),
        "the address may be a secret"
    );
    inventory.run_schedule("daily").expect("run again");
    received.recv().await.expect("another request");
    let posting = posted(&inventory, |posting| {
        posting.attempts == 1 && posting.detail.contains("503")
    })
    .await;
    assert_eq!(posting.state, PostingState::Waiting, "it is tried again");
}

#[test]
fn only_addresses_that_can_be_posted_to_are_taken() {
    for wrong in [
        "ftp://host/",
        "host/path",
        "http://user:word@host/",
        "/etc/passwd",
        "",
    ] {
        let order = ReportOrder {
            about: About::Inventory,
            format: ReportFormat::Json,
            keep: 1,
            post_to: Some(wrong.to_owned()),
        };
        assert!(order.check().is_err(), "{wrong}");
    }
}
