//! Events: notifications of OpenStack's services off a RabbitMQ, and changes of a Kubernetes cluster, into the map as they happen.
//!
//! The listener takes messages off the bus and opens their envelopes; what a notification means is `topology`'s knowledge. A message
//! is acknowledged only after the map has taken in what follows from it, so nothing is lost; a message that comes twice or late
//! changes nothing, because the map knows when each fact was true.

mod apply;
pub mod envelope;
mod listener;
mod status;
mod versioned;

pub use apply::{Applied, apply};
pub use listener::{Listener, Settings};
pub use status::{State, Status, StatusBoard};

use futures::future::BoxFuture;
use topology::{Notification, Verdict};

/// Takes notifications into a map.
pub trait Sink: Send + Sync {
    /// Handles a batch, in order, and says what becomes of each message: one verdict per notification. It must return only when what it
    /// applied is safe on disk.
    fn take<'a>(&'a self, batch: &'a [Notification]) -> BoxFuture<'a, Vec<Verdict>>;
}
