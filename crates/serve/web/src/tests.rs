//! The routes over a small site of known content, and over none.

use super::{routes, wants_page};
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use rust_embed::Embed;
use tower::ServiceExt;

#[derive(Embed)]
#[folder = "tests/site"]
struct Site;

#[derive(Embed)]
#[folder = "tests/never-built"]
#[allow_missing = true]
struct Missing;

async fn get_from<A: Embed + 'static>(path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let Ok(response) = routes::<A, ()>().with_state(()).oneshot(request).await;
    response
}

async fn get(path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    get_from::<Site>(path, headers).await
}

fn text<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("ASCII"))
}

async fn body(response: Response<Body>) -> Vec<u8> {
    response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes()
        .to_vec()
}

#[tokio::test]
async fn the_page_is_asked_for_each_time_and_assets_never_again() {
    let page = get("/console", &[]).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(text(&page, "content-type"), "text/html; charset=utf-8");
    assert_eq!(text(&page, "cache-control"), "no-cache");
    assert_eq!(text(&page, "vary"), "accept, accept-encoding");
    let asset = get("/assets/app-1a2b.js", &[]).await;
    assert_eq!(
        text(&asset, "cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(body(asset).await, b"console.log(\"app\");\n");
}

#[tokio::test]
async fn each_kind_of_file_has_its_content_type() {
    for (path, kind) in [
        ("/assets/app-1a2b.js", "text/javascript; charset=utf-8"),
        ("/assets/app-3c4d.css", "text/css; charset=utf-8"),
        ("/assets/face-5e6f.woff2", "font/woff2"),
    ] {
        assert_eq!(text(&get(path, &[]).await, "content-type"), kind, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_has_the_file_gets_no_body() {
    let tag = text(&get("/console", &[]).await, "etag").to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
        let again = get("/console", &[("if-none-match", &known)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(text(&again, "etag"), tag);
        assert!(body(again).await.is_empty());
    }
    let changed = get("/console", &[("if-none-match", "\"other\"")]).await;
    assert_eq!(changed.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_compressed_twin_is_sent_to_those_who_take_it() {
    let path = "/assets/app-1a2b.js";
    let plain = get(path, &[]).await;
    for accepts in ["gzip", "br, gzip;q=0.5", "GZIP"] {
        let zipped = get(path, &[("accept-encoding", accepts)]).await;
        assert_eq!(text(&zipped, "content-encoding"), "gzip", "{accepts}");
        assert_eq!(text(&zipped, "vary"), "accept-encoding");
        assert_eq!(text(&zipped, "content-type"), text(&plain, "content-type"));
        assert_ne!(
            text(&zipped, "etag"),
            text(&plain, "etag"),
            "one tag per encoding"
        );
        assert_eq!(body(zipped).await[..2], [0x1f, 0x8b]);
    }
    for accepts in ["", "br", "gzip;q=0", "gzip;q=x"] {
        let sent = get(path, &[("accept-encoding", accepts)]).await;
        assert_eq!(text(&sent, "content-encoding"), "", "{accepts}");
    }
    let without_twin = get("/assets/app-3c4d.css", &[("accept-encoding", "gzip")]).await;
    assert_eq!(text(&without_twin, "content-encoding"), "");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for path in [
        "/assets/none.js",
        "/assets/app-1a2b.js.gz",
        "/assets/../index.html",
        "/assets/..%2findex.html",
        "/assets/%2e%2e/index.html",
        "/assets//etc/passwd",
    ] {
        assert_eq!(
            get(path, &[]).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_answer_forbids_what_the_binary_did_not_bring() {
    for path in ["/console", "/assets/app-1a2b.js", "/assets/none.js"] {
        let response = get(path, &[]).await;
        let policy = text(&response, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains("http"),
            "{policy}"
        );
        assert_eq!(text(&response, "x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn a_binary_without_the_console_says_how_to_build_it() {
    let page = get_from::<Missing>("/console", &[]).await;
    assert_eq!(page.status(), StatusCode::NOT_IMPLEMENTED);
    assert_eq!(text(&page, "content-type"), "text/html; charset=utf-8");
    let page = String::from_utf8(body(page).await).expect("UTF-8");
    assert!(page.contains("npm ci"), "{page}");
    assert_eq!(
        get_from::<Missing>("/assets/app.js", &[]).await.status(),
        StatusCode::NOT_FOUND
    );
}

#[test]
fn browsers_get_the_page_and_clients_the_versions() {
    let accepting = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().expect("a header"));
        headers
    };
    assert!(wants_page(&accepting(
        "text/html,application/xhtml+xml,*/*;q=0.8"
    )));
    assert!(!wants_page(&accepting("application/json")));
    assert!(!wants_page(&accepting("*/*")));
    assert!(!wants_page(&HeaderMap::new()));
}
