//! What is known of the live cloud, as the rest of this room asks for it. Without a controller (tests,
//! benchmarks of the API alone) nothing is observed: no host is up, no port has counters, and plans are computed
//! from the store when asked for.

use controller::{Controller, FleetEvent, HostReport, PortReport};
use model::{HostName, PortId};
use planner::Planner;
use store::Snapshot;
use tokio::sync::broadcast::{Receiver, error::RecvError};

#[derive(Clone, Default)]
pub(crate) struct Observed(Option<Controller>);

impl Observed {
    pub(crate) fn by(controller: Controller) -> Self {
        Self(Some(controller))
    }

    pub(crate) fn host(&self, name: &HostName) -> Option<HostReport> {
        self.0.as_ref()?.fleet().host(name)
    }

    pub(crate) fn is_up(&self, name: &HostName) -> bool {
        self.host(name).is_some_and(|report| report.connected)
    }

    pub(crate) fn port(&self, id: PortId) -> Option<PortReport> {
        self.0.as_ref()?.fleet().port(id)
    }

    /// Asks about the plans as they are now.
    pub(crate) fn planner<R>(&self, snapshot: &Snapshot, ask: impl FnOnce(&Planner) -> R) -> R {
        match &self.0 {
            Some(controller) => controller.with_planner(ask),
            None => ask(&Planner::new(snapshot)),
        }
    }

    pub(crate) fn follow(&self) -> Follower {
        Follower(
            self.0
                .as_ref()
                .map(|controller| controller.fleet().subscribe()),
        )
    }
}

/// Something observed has changed.
#[derive(Debug)]
pub(crate) enum News {
    Host(HostName),
    Ports(Vec<PortId>),
    /// Too much at once to be named.
    Everything,
}

/// Waits for news.
pub(crate) struct Follower(Option<Receiver<FleetEvent>>);

impl Follower {
    /// Cancel safe. Never comes back when there is nobody to tell.
    pub(crate) async fn next(&mut self) -> News {
        let event = match &mut self.0 {
            Some(receiver) => receiver.recv().await,
            None => std::future::pending().await,
        };
        match event {
            Ok(FleetEvent::Host(host)) => News::Host(host),
            Ok(FleetEvent::Ports(_, ports)) => News::Ports(ports),
            Err(RecvError::Lagged(_)) => News::Everything,
            Err(RecvError::Closed) => {
                self.0 = None;
                std::future::pending().await
            }
        }
    }
}
