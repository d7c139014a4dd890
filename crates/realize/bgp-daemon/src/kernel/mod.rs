//! The kernel's routing tables. A thread of its own writes the routes that are wanted and repairs what others take
//! away; it tells how next hops are reached and what there is to redistribute. It
//! touches only what carries its own protocol number (routes, next-hop objects, neighbours and the forwarding entries that go
//! with them), and the speaker never waits for it.

mod fib;
mod hops;
mod lengths;
mod link;
mod neighbor;
mod netlink;
mod next_hop;
mod overlay;
mod thread;
mod underlay;
mod wire;

pub(crate) use next_hop::{NextHop, Tunnel, Want};
pub(crate) use underlay::PROTOCOL_KERNEL;
pub(crate) use wire::TABLE_MAIN;

use bgp::nlri::Mac;
use bgp::rib::Reach;
use ipnet::IpNet;
use mio::Waker;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What the thread is to do with the kernel's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Of our routes and next-hop objects (`rtm_protocol`).
    pub(crate) protocol: u8,
    /// Of our routes, by table.
    pub(crate) metrics: HashMap<u32, u32>,
    /// Which routes of others are told, by table.
    pub(crate) imports: HashMap<u32, BTreeSet<u8>>,
    /// The L3 VNIs whose VXLAN devices are told of and whose tunnels are used.
    pub(crate) vnis: BTreeSet<u32>,
}

/// What becomes of our routes when the daemon stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    /// They stay, and the next run adopts them.
    Keep,
    Remove,
}

/// A route of another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) protocol: u8,
    pub(crate) metric: u32,
}

/// Our own end of an L3 VNI's tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnEnd {
    pub(crate) router_mac: Mac,
    /// `None`: the device leaves it to the routing table.
    pub(crate) vtep: Option<IpAddr>,
}

/// What the kernel's thread has to tell. Only the last of each thing counts, so what waits is bounded by the things.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// How these next hops are reached now.
    pub(crate) next_hops: HashMap<NextHop, Reach>,
    /// Routes to redistribute that came, changed or went.
    pub(crate) imported: HashMap<(u32, IpNet), Option<Imported>>,
    /// Interfaces that went up or down.
    pub(crate) links: BTreeMap<String, bool>,
    /// By VNI; `None`: there is no usable device.
    pub(crate) own_ends: BTreeMap<u32, Option<OwnEnd>>,
}

/// What has happened, for the metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status {
    pub(crate) installed: u64,
    pub(crate) wanted: u64,
    pub(crate) written: u64,
    pub(crate) repaired: u64,
    pub(crate) refused: u64,
    pub(crate) resyncs: u64,
    /// Why the kernel refused the last route it refused.
    pub(crate) error: Option<String>,
    pub(crate) next_hop_objects: bool,
    /// Routers behind VXLAN tunnels that routes lead to: a neighbour and a forwarding entry each.
    pub(crate) tunnels: u64,
}

#[derive(Debug, Default)]
struct Pending {
    settings: Option<Settings>,
    routes: HashMap<(u32, IpNet), Option<Want>>,
    next_hops: Option<HashSet<NextHop>>,
    sweep: bool,
    /// Tables in which nothing of ours is wanted any more.
    dropped: Vec<u32>,
    stop: Option<Leave>,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    news: Mutex<News>,
    status: Mutex<Status>,
    waker: Waker,
}

/// The thread. Everything asked of it is coalesced by what it is about, so what waits is bounded by the tables.
#[derive(Debug)]
pub(crate) struct Kernel {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Kernel {
    /// Starts in the calling thread's network namespace. `wake` is called by the kernel's thread when there is news, and
    /// must not block.
    pub(crate) fn start(settings: Settings, wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let shared = Arc::new(Shared {
            pending: Mutex::default(),
            news: Mutex::default(),
            status: Mutex::default(),
            waker: Waker::new(poll.registry(), thread::WAKE)?,
        });
        let worker = thread::Worker::open(poll, settings, shared.clone(), Box::new(wake))?;
        let thread = std::thread::Builder::new()
            .name("bgp-kernel".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// What there is to tell since the last time.
    pub(crate) fn take_news(&self) -> News {
        std::mem::take(&mut *self.shared.news.lock())
    }

    /// What routes should do from now on; `None`: they should not be.
    pub(crate) fn want(&self, routes: impl IntoIterator<Item = (u32, IpNet, Option<Want>)>) {
        self.ask(|pending| {
            let routes = routes.into_iter();
            pending
                .routes
                .extend(routes.map(|(table, prefix, want)| ((table, prefix), want)));
        });
    }

    /// Nothing of ours is wanted in this table any more.
    pub(crate) fn drop_table(&self, table: u32) {
        self.ask(|pending| {
            pending.routes.retain(|(of, _), _| *of != table);
            pending.dropped.push(table);
        });
    }

    /// The next hops to tell about, all of them.
    pub(crate) fn track(&self, next_hops: HashSet<NextHop>) {
        self.ask(|pending| pending.next_hops = Some(next_hops));
    }

    pub(crate) fn configure(&self, settings: Settings) {
        self.ask(|pending| pending.settings = Some(settings));
    }

    /// The tables have converged after the start: routes of an earlier run that nobody wants are removed.
    pub(crate) fn sweep(&self) {
        self.ask(|pending| pending.sweep = true);
    }

    pub(crate) fn status(&self) -> Status {
        self.shared.status.lock().clone()
    }

    /// Ends the thread, after all that was asked is done.
    pub(crate) fn stop(mut self, leave: Leave) {
        self.end(leave);
    }

    fn end(&mut self, leave: Leave) {
        if let Some(thread) = self.thread.take() {
            self.ask(|pending| pending.stop = Some(leave));
            // A panic in it has been reported by the panic hook.
            let _ = thread.join();
        }
    }

    fn ask(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.shared.pending.lock());
        if let Err(error) = self.shared.waker.wake() {
            tracing::error!(%error, "cannot wake the kernel's thread");
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.end(Leave::Keep);
    }
}
