//! Sending a report to where its schedule says, and what came of it.
//!
//! A few attempts, each written down; what still waits when the process ends goes on after the next start. The one who receives may get a
//! report twice and knows it by its `Idempotency-Key`.

use crate::reports::{ReportOrder, ReportRow};
use crate::schedules::Action;
use crate::{Inner, InventoryError, Result};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// After these attempts in vain it is given up; how long it waits after each.
const PAUSES: &[Duration] = &[
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::ZERO,
];
const WITHIN: Duration = Duration::from_secs(30);

/// How the sending of a report goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Scheme, host and port; the rest of the address may be a secret.
    pub to: String,
    pub state: PostingState,
    pub attempts: usize,
    /// Of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What was answered, or why nothing was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostingState {
    Waiting,
    Delivered,
    Failed,
}

impl Posting {
    pub(crate) fn to(address: &str) -> Self {
        Self {
            to: origin(address),
            state: PostingState::Waiting,
            attempts: 0,
            at: None,
            detail: String::new(),
        }
    }
}

/// What may be shown of an address.
pub fn origin(address: &str) -> String {
    Url::parse(address).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization())
}

/// An address to send to.
pub(crate) fn target(address: &str) -> Result<Url> {
    let fault = |reason: &str| {
        InventoryError::Report(format!(
            "post_to: {reason}; write http:// or https://, a host and a path"
        ))
    };
    let url = Url::parse(address).map_err(|error| fault(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fault(&format!("'{}' is not spoken", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("it may hold no user or password"));
    }
    Ok(url)
}

impl Inner {
    /// Sends what waits, each in a task of its own: who answers slowly holds nobody else.
    pub(crate) fn post_waiting(self: &Arc<Self>) {
        if !self.has_started() {
            return;
        }
        let waits = |row: &&ReportRow| {
            let posting = row.posting.as_ref();
            posting.is_some_and(|posting| posting.state == PostingState::Waiting)
        };
        let waiting: Vec<u64> = self
            .report_book
            .read(|book| book.rows.values().filter(waits).map(|row| row.id).collect());
        let mut sending = self.sending.lock();
        for id in waiting {
            if sending.insert(id) {
                let inner = self.clone();
                tokio::spawn(async move {
                    inner.post(id).await;
                    inner.sending.lock().remove(&id);
                });
            }
        }
    }

    async fn post(self: &Arc<Self>, id: u64) {
        loop {
            let Ok(row) = self.report(id) else { return };
            let attempts = row.posting.as_ref().map_or(0, |posting| posting.attempts);
            let (state, detail) = match self.attempt(&row).await {
                Ok(detail) => (PostingState::Delivered, detail),
                Err(detail) if attempts + 1 < PAUSES.len() => (PostingState::Waiting, detail),
                Err(detail) => (PostingState::Failed, detail),
            };
            if state != PostingState::Delivered {
                tracing::warn!(report = id, %detail, "a report could not be sent");
            }
            let inner = self.clone();
            let noted = tokio::task::spawn_blocking(move || inner.note_posting(id, state, detail));
            if !matches!(noted.await, Ok(Ok(()))) || state != PostingState::Waiting {
                return;
            }
            tokio::time::sleep(PAUSES[attempts.min(PAUSES.len() - 1)]).await;
        }
    }

    fn note_posting(&self, id: u64, state: PostingState, detail: String) -> Result<()> {
        self.report_book.change(|book| {
            let row = book.rows.get_mut(&id).and_then(|row| row.posting.as_mut());
            if let Some(posting) = row {
                posting.state = state;
                posting.attempts += 1;
                posting.at = Some(Timestamp::now());
                posting.detail = detail;
            }
            Ok(())
        })
    }

    /// One attempt: what was answered, or why it failed.
    async fn attempt(self: &Arc<Self>, row: &ReportRow) -> std::result::Result<String, String> {
        let address = self
            .post_to(&row.schedule)
            .ok_or("the schedule is gone, and with it the address")?;
        let url = target(&address).map_err(|error| error.to_string())?;
        let (inner, id) = (self.clone(), row.id);
        let text = tokio::task::spawn_blocking(move || inner.report_text(id, None))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        // Already installed where the program did it first; both are the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        let request = client
            .post(url)
            .header(CONTENT_TYPE, row.format.media_type())
            .header("Netwright-Environment", row.environment.as_str())
            .header("Netwright-Report", row.id)
            .header(
                "Idempotency-Key",
                format!("netwright-report-{}-{}", row.id, row.due),
            )
            .body(text);
        // An error's own text names the whole address, which may be a secret.
        let response = request.send().await.map_err(|error| match error {
            error if error.is_timeout() => format!("no answer within {} s", WITHIN.as_secs()),
            error if error.is_connect() => "nobody answers there".to_owned(),
            error => error.without_url().to_string(),
        })?;
        match response.status() {
            status if status.is_success() => Ok(status.to_string()),
            status => Err(format!("answered {status}")),
        }
    }

    fn post_to(&self, schedule: &str) -> Option<String> {
        let row = self
            .list_schedules()
            .into_iter()
            .find(|(row, _)| row.schedule.name.as_ref() == schedule)?;
        match row.0.action {
            Action::Report {
                report: ReportOrder { post_to, .. },
            } => post_to,
            Action::Scan { .. } => None,
        }
    }
}
