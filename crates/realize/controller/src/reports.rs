//! From agents' reports to port status in the store. Reports of all agents share transactions: what comes while one
//! is under way goes into the next, latest wins per port, so that a thousand ports are a few commits and one port
//! waits for nothing.

use model::{HostName, PortId, PortStatus, Timestamp};
use operations::ports;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::convert::Infallible;
use store::{Store, StoreError, TransactError};
use tokio::sync::Notify;
use wire::PortState;

#[derive(Default)]
pub(crate) struct Reports {
    pending: Mutex<BTreeMap<PortId, (HostName, PortStatus)>>,
    wake: Notify,
}

impl Reports {
    pub(crate) fn push(&self, host: &HostName, statuses: &[wire::PortStatus]) {
        let reports = statuses.iter().map(|status| {
            let status_of_port = (host.clone(), port_status(status.state));
            (status.port, status_of_port)
        });
        self.pending.lock().extend(reports);
        self.wake.notify_one();
    }

    /// Writes reports until the store closes.
    pub(crate) async fn write_to(&self, store: Store) {
        loop {
            self.wake.notified().await;
            let pending = std::mem::take(&mut *self.pending.lock());
            let batch: Vec<_> = pending
                .into_iter()
                .map(|(port, (host, status))| (port, host, status))
                .collect();
            if batch.is_empty() {
                continue;
            }
            let now = Timestamp::now();
            let written = store
                .transact(|tx| Ok::<_, Infallible>(ports::report(tx, now, &batch)))
                .await;
            match written {
                Ok(done) => tracing::debug!(
                    revision = done.revision.0,
                    changed = done.value.changed.len(),
                    "port status"
                ),
                Err(TransactError::Refused(never)) => match never {},
                Err(TransactError::Store(StoreError::Closed)) => return,
                Err(TransactError::Store(error)) => self.retry(batch, &error).await,
            }
        }
    }

    /// Newer reports win over the ones that could not be written.
    async fn retry(&self, batch: Vec<(PortId, HostName, PortStatus)>, error: &StoreError) {
        tracing::warn!(%error, ports = batch.len(), "port status not written, trying again");
        for (port, host, status) in batch {
            self.pending.lock().entry(port).or_insert((host, status));
        }
        // The store is in trouble, such as a full disk; asking without a pause would not help it.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        self.wake.notify_one();
    }
}

fn port_status(state: PortState) -> PortStatus {
    match state {
        PortState::Up => PortStatus::Active,
        PortState::Down => PortStatus::Down,
        PortState::Error => PortStatus::Error,
    }
}
