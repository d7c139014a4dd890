//! Lists and watches of the Kubernetes API.

use crate::http::{Http, Trust};
use crate::secret::Secret;
use crate::{Error, Result};
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;

/// Where the API is and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://<host>:6443`.
    pub url: String,
    /// A service account's token, with `get`, `list` and `watch`.
    pub token: Secret,
    pub trust: Trust,
}

pub struct Kubernetes {
    http: Http,
    token: Secret,
}

/// A list as of one resource version.
#[derive(Debug, Clone, Default)]
pub struct List {
    pub items: Vec<Value>,
    pub resource_version: String,
}

/// Items asked for at once, and at most.
const LIMIT: &str = "500";
const MAX_ITEMS: usize = 1_000_000;

impl Kubernetes {
    /// # Errors
    /// The URL or the authorities' certificates are not usable.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self {
            http: Http::new(&settings.url, &settings.trust)?,
            token: settings.token,
        })
    }

    pub(super) fn url(&self) -> &str {
        self.http.base().as_str()
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.reveal())
    }

    /// One object; `None` if it is not there, or not for us to see.
    pub(super) async fn find(&self, path: &str) -> Result<Option<Value>> {
        let bearer = self.bearer();
        let headers = [("authorization", bearer.as_str())];
        match self.http.get(self.http.url(path, &[]), &headers).await {
            Err(Error::Status {
                status: 403 | 404, ..
            }) => Ok(None),
            answer => Ok(Some(answer?.body)),
        }
    }

    /// All items of a collection. A list that expired between two pages (410) is begun again once.
    pub async fn list(&self, path: &str) -> Result<List> {
        match self.pages(path).await {
            Err(Error::Status { status: 410, .. }) => self.pages(path).await,
            result => result,
        }
    }

    async fn pages(&self, path: &str) -> Result<List> {
        let mut list = List::default();
        let mut seen = BTreeSet::new();
        let mut next = String::new();
        loop {
            let mut query = vec![("limit", LIMIT)];
            if !next.is_empty() {
                query.push(("continue", next.as_str()));
            }
            let bearer = self.bearer();
            let headers = [("authorization", bearer.as_str())];
            let page = self
                .http
                .get(self.http.url(path, &query), &headers)
                .await?
                .body;
            let fault = |reason: &str| Error::Paging {
                url: path.to_owned(),
                reason: reason.to_owned(),
            };
            let items = page["items"].as_array().ok_or_else(|| fault("no items"))?;
            for item in items {
                if let Some(uid) = item["metadata"]["uid"].as_str()
                    && !seen.insert(uid.to_owned())
                {
                    return Err(fault("a page repeats an item of an earlier one"));
                }
            }
            list.items.extend(items.iter().cloned());
            if list.items.len() > MAX_ITEMS {
                return Err(fault("more items than any cluster has"));
            }
            let version = page["metadata"]["resourceVersion"].as_str().unwrap_or("");
            if !list.resource_version.is_empty() && list.resource_version != version {
                return Err(fault("pages of two versions"));
            }
            version.clone_into(&mut list.resource_version);
            let token = page["metadata"]["continue"].as_str().unwrap_or("");
            if token.is_empty() {
                return Ok(list);
            }
            if token == next {
                return Err(fault("the next page is the same page"));
            }
            token.clone_into(&mut next);
        }
    }

    /// A watch from a resource version: the response, whose body is one JSON object a line.
    pub(super) async fn watch(&self, path: &str, version: &str) -> Result<reqwest::Response> {
        let query = [
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            // Shorter than a request's own time-out, so that a quiet watch ends in good order.
            ("timeoutSeconds", "50"),
        ];
        let bearer = self.bearer();
        let headers = [("authorization", bearer.as_str())];
        let url = self.http.url(path, &query);
        let response = self.http.start(Method::GET, url, &headers, None).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        Err(Error::Status {
            url: path.to_owned(),
            status: status.as_u16(),
            reason: "the watch was refused".to_owned(),
        })
    }
}
