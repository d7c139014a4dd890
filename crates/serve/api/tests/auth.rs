//! What is answered to those whom Keystone does not know, and when it cannot be asked.

mod common;

use auth::{Authenticator, Keystone, KeystoneConfig, Secret};
use axum::http::StatusCode;
use common::{ADMIN, Cloud};
use std::sync::Arc;

/// A cloud whose Keystone is not there.
fn orphan() -> (Cloud, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let config = KeystoneConfig {
        auth_url: url.clone(),
        username: "neutron".to_owned(),
        password: Secret::new("hush"),
        project_name: "service".to_owned(),
        user_domain_name: "Default".to_owned(),
        project_domain_name: "Default".to_owned(),
        cache_seconds: 60,
        timeout_seconds: 5,
    };
    let keystone = Keystone::new(config).expect("a client");
    (
        Cloud::with(Authenticator::Keystone(Arc::new(keystone))),
        url,
    )
}

#[tokio::test]
async fn without_a_token_one_is_told_where_to_get_it() {
    let (cloud, url) = orphan();
    for path in ["/v2.0/networks", "/netwright/v1/summary"] {
        // X-Project-Id and X-Roles count for nothing here.
        let answer = cloud.get(ADMIN, path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        let challenge = answer.headers["www-authenticate"].to_str().expect("text");
        assert_eq!(challenge, format!("Keystone uri=\"{url}\""), "{path}");
    }
    assert_eq!(cloud.get(ADMIN, "/v2.0/").await.status, StatusCode::OK);
    assert_eq!(
        cloud.get(ADMIN, "/v2.0/openapi.json").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_keystone_that_is_away_is_503_and_not_401() {
    let (cloud, _) = orphan();
    for path in ["/v2.0/networks", "/netwright/v1/summary"] {
        let answer = cloud
            .raw(ADMIN, "GET", path, "", &[("X-Auth-Token", "t-secret")])
            .await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let text = answer.body.to_string();
        assert!(text.contains("identity service cannot be asked"), "{text}");
        assert!(!text.contains("secret") && !text.contains("hush"), "{text}");
    }
}
