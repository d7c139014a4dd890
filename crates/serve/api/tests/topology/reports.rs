//! Schedules of reports, and the reports they make.

use crate::{ADMIN, Site};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// May scan the environment, and is no operator.
const NOC: &[(&str, &str)] = &[("X-Roles", "noc"), ("X-Project-Id", "ops")];

fn weekly(report: Value) -> Value {
    json!({"name": "weekly", "environment": "prod", "pattern": "0 0 * * 0", "report": report})
}

async fn site() -> Site {
    let site = Site::with_cloud().await;
    let mut config = site.get("/environments/prod").await["environment"]["config"].take();
    config["roles"]
        .as_array_mut()
        .expect("roles")
        .push(json!({"to": {"role": "noc"}, "right": "scan"}));
    let (status, _) = site
        .ask(
            ADMIN,
            "PUT",
            "/environments/prod",
            Some(json!({"config": config})),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    site
}

#[tokio::test]
async fn a_report_is_ordered_made_listed_read_and_deleted() {
    let site = site().await;
    let order = weekly(json!({"of": "changes", "since": "as designed", "format": "csv"}));
    let (status, _) = site.ask(NOC, "POST", "/schedules", Some(order)).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, _) = site.ask(NOC, "POST", "/schedules/weekly/run", None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let failed = site.get("/reports").await["reports"][0].take();
    assert_eq!(failed["state"], "failed");
    assert!(
        failed["reason"]
            .as_str()
            .expect("why")
            .contains("as designed")
    );
    let (status, _) = site.ask(ADMIN, "GET", "/reports/1/content", None).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let snapshot = json!({"name": "as designed"});
    site.ask(
        ADMIN,
        "POST",
        "/environments/prod/snapshots",
        Some(snapshot),
    )
    .await;
    site.read_hosts(&["green"]);
    site.ask(NOC, "POST", "/schedules/weekly/run", None).await;
    let list = site
        .get("/reports?environment=prod&schedule=weekly&limit=1")
        .await;
    assert_eq!(
        (
            list["total"].as_u64(),
            list["reports"][0]["findings"].as_u64()
        ),
        (Some(2), Some(2))
    );
    let older = format!(
        "/reports?limit=1&cursor={}",
        list["next"].as_str().expect("a cursor")
    );
    assert_eq!(site.get(&older).await["reports"][0]["id"], 1);
    let (status, text) = site.text(NOC, "GET", "/reports/2/content", None).await;
    assert!(
        status == StatusCode::OK && text.contains("vm-green"),
        "{text}"
    );
    let (_, html) = site
        .text(NOC, "GET", "/reports/2/content?format=html", None)
        .await;
    assert!(
        html.starts_with("<!doctype html>"),
        "any format, whatever was ordered"
    );
    let stranger: &[(&str, &str)] = &[("X-Roles", "member"), ("X-Project-Id", "blue")];
    let (status, _) = site.ask(stranger, "GET", "/reports/2", None).await;
    assert_eq!(
        status,
        StatusCode::NOT_FOUND,
        "a tenant's grant is not of the whole"
    );
    let (status, _) = site.ask(NOC, "DELETE", "/reports/2", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(site.get("/reports").await["total"], 1);
}

#[tokio::test]
async fn only_operators_say_where_reports_are_sent_and_only_they_read_it() {
    let site = site().await;
    let order = |to: &str| weekly(json!({"of": "inventory", "post_to": to}));
    let address = "http://127.0.0.1:9/hook/s3cret";
    let (status, _) = site
        .ask(NOC, "POST", "/schedules", Some(order(address)))
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = site
        .ask(ADMIN, "POST", "/schedules", Some(order("ftp://x/")))
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = site
        .ask(ADMIN, "POST", "/schedules", Some(order(address)))
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let (_, seen) = site.text(NOC, "GET", "/schedules", None).await;
    assert!(
        seen.contains("http://127.0.0.1:9") && !seen.contains("s3cret"),
        "{seen}"
    );
    let (_, seen) = site.text(ADMIN, "GET", "/schedules", None).await;
    assert!(seen.contains("s3cret"));
    let (status, _) = site
        .ask(
            NOC,
            "PUT",
            "/schedules/weekly",
            Some(weekly(json!({"of": "inventory"}))),
        )
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    for wrong in [
        json!({"of": "impact"}),
        json!({"of": "inventory", "objects": ["host/a"]}),
        json!({"of": "changes", "keep": 0}),
        json!({"of": "gossip"}),
    ] {
        let (status, answer) = site
            .ask(
                ADMIN,
                "PUT",
                "/schedules/weekly",
                Some(weekly(wrong.clone())),
            )
            .await;
        assert!(status.is_client_error(), "{wrong}: {answer}");
    }
}
