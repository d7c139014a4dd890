//! Answers requests from embedded files: validators, compression, caching and the security headers. Every answer carries
//! the content security policy, so that no page of this origin runs or loads what this binary did not bring.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

/// One directive a line, as people edit it; the development server of the tests reads the same file.
const POLICY: &str = include_str!("../csp.txt");

/// How long a copy is good, and what else of the request it depends on.
struct Caching {
    control: &'static str,
    vary: &'static str,
}

/// The page changes with every build, so browsers ask each time; the ETag makes that cheap. Other clients than
/// browsers get something else at the same path.
const PAGE: Caching = Caching {
    control: "no-cache",
    vary: "accept, accept-encoding",
};
/// Files below `/assets` have a hash of their content in their name: they never change (RFC 8246).
const ASSET: Caching = Caching {
    control: "public, max-age=31536000, immutable",
    vary: "accept-encoding",
};

const NOT_BUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>Netwright</title>\
<h1>The console is not in this binary</h1>\
<p>It was built without Node.js. Build the console, then the binary again:</p>\
<pre>cd crates/serve/web/ui\nnpm ci\nnpm run build\ncargo build -p netwright</pre>\
<p><code>cargo xtask demo</code> does both. The API works without the console.</p>";

pub(crate) fn page<A: Embed>(headers: &HeaderMap) -> Response {
    match A::get("index.html") {
        Some(file) => answer::<A>("index.html", file, &PAGE, headers),
        None => {
            let kind = [(header::CONTENT_TYPE, content_type("index.html"))];
            (StatusCode::NOT_IMPLEMENTED, kind, protection(), NOT_BUILT).into_response()
        }
    }
}

pub(crate) async fn asset<A: Embed>(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let name = format!("assets/{file}");
    match A::get(&name) {
        Some(found) if !name.ends_with(".gz") => answer::<A>(&name, found, &ASSET, &headers),
        _ => (
            StatusCode::NOT_FOUND,
            protection(),
            "The console has no such file.\n",
        )
            .into_response(),
    }
}

fn answer<A: Embed>(
    name: &str,
    file: EmbeddedFile,
    caching: &Caching,
    headers: &HeaderMap,
) -> Response {
    let zipped = if accepts_gzip(headers) {
        A::get(&format!("{name}.gz"))
    } else {
        None
    };
    let encoding = zipped
        .as_ref()
        .map(|_| [(header::CONTENT_ENCODING, "gzip")]);
    let file = zipped.unwrap_or(file);
    let tag = etag(&file);
    let about = [
        (header::CONTENT_TYPE, content_type(name).to_owned()),
        (header::CACHE_CONTROL, caching.control.to_owned()),
        (header::VARY, caching.vary.to_owned()),
        (header::ETAG, tag.clone()),
    ];
    if knows(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, about, protection()).into_response();
    }
    (
        about,
        encoding.map(axum::response::AppendHeaders),
        protection(),
        file.data,
    )
        .into_response()
}

/// A strong validator (RFC 9110, section 8.8.3): half of the content's SHA-256, different for each encoding.
fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let digits: String = hash[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{digits}\"")
}

/// `If-None-Match`, compared weakly (RFC 9110, section 13.1.2).
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH);
    let tags = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tags.map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == "*" || known == tag)
}

/// `Accept-Encoding` names gzip and does not refuse it with a weight of zero (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING);
    let codings = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    codings.map(str::trim).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight
            .trim()
            .strip_prefix("q=")
            .and_then(|weight| weight.parse().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.unwrap_or(0.0_f32) > 0.0
    })
}

fn protection() -> [(HeaderName, String); 4] {
    let policy: Vec<&str> = POLICY.lines().map(str::trim).collect();
    [
        (header::CONTENT_SECURITY_POLICY, policy.join(" ")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin".to_owned(),
        ),
    ]
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
