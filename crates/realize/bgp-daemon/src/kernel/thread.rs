//! The thread that talks with the kernel: it subscribes before it looks, compares completely at the start, when
//! notifications were lost and when a link goes, and follows notifications otherwise.

use super::fib::{self, Fib};
use super::link::{Link, RTM_DELLINK, RTM_NEWLINK};
use super::neighbor::{Forward, GROUP_NEIGHBOR, Neighbor, RTM_DELNEIGH, RTM_NEWNEIGH};
use super::netlink::{Answer, Message, Netlink, answers};
use super::next_hop::NextHop;
use super::overlay::{self, Overlay};
use super::underlay::Underlay;
use super::wire::{
    GROUP_NEXTHOP, GROUPS, Hop, Object, RTM_DELNEXTHOP, RTM_DELROUTE, RTM_NEWNEXTHOP, RTM_NEWROUTE,
    Route,
};
use super::{Imported, Leave, News, OwnEnd, Pending, Settings, Shared};
use bgp::rib::Reach;
use ipnet::IpNet;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

pub(super) const WAKE: Token = Token(0);
const NOTIFIED: Token = Token(1);
/// Steps that the kernel refused, and a comparison that failed, are tried again then.
const RETRY: Duration = Duration::from_secs(1);
/// Dumps that changed under way are repeated this often; the notifications fill the rest.
const DUMPS: usize = 5;

/// Of routes in a table that says nothing: behind what comes with an interface, whose IPv6 routes have 256.
const METRIC: u32 = 512;

type Wake = Box<dyn Fn() + Send>;

pub(super) struct Worker {
    poll: Poll,
    requests: Netlink,
    notices: Netlink,
    settings: Settings,
    shared: Arc<Shared>,
    wake: Wake,
    fib: Fib,
    overlay: Overlay,
    underlay: Underlay,
    /// What was told of our ends of tunnels, by VNI.
    own_ends: BTreeMap<u32, Option<OwnEnd>>,
    /// What was told last of the next hops that are tracked.
    tracked: HashMap<NextHop, Reach>,
    imported: HashMap<(u32, IpNet), Imported>,
    state: State,
}

/// What has to be done before the thread may sleep.
#[derive(Debug, Default)]
struct State {
    resync: bool,
    underlay: bool,
    retry: bool,
    /// Neighbours are told of.
    neighbors: bool,
}

/// One change of the kernel.
#[derive(Debug)]
enum Step {
    Fib(fib::Step),
    Overlay(overlay::Step),
}

impl Step {
    fn message(&self) -> Message {
        match self {
            Self::Fib(step) => step.message(),
            Self::Overlay(step) => step.message(),
        }
    }
}

impl Worker {
    pub(super) fn open(
        poll: Poll,
        settings: Settings,
        shared: Arc<Shared>,
        wake: Wake,
    ) -> io::Result<Self> {
        let mut requests = Netlink::open()?;
        let notices = Netlink::subscribe(GROUPS)?;
        let objects =
            requests.dump(&Object::dump(), |_| {}).is_ok() && notices.join(GROUP_NEXTHOP).is_ok();
        let fd = notices.as_fd().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), NOTIFIED, Interest::READABLE)?;
        shared.status.lock().next_hop_objects = objects;
        Ok(Self {
            poll,
            requests,
            notices,
            fib: Fib::new(settings.protocol, objects),
            overlay: Overlay::new(settings.protocol),
            own_ends: BTreeMap::new(),
            settings,
            shared,
            wake,
            underlay: Underlay::default(),
            tracked: HashMap::new(),
            imported: HashMap::new(),
            state: State {
                resync: true,
                ..State::default()
            },
        })
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(8);
        self.follow_neighbors();
        // Before anything is asked: to who knows no route yet, every next hop is unreachable.
        self.resync();
        loop {
            let stop = self.take_requests();
            self.notifications();
            if self.state.resync {
                self.resync();
            }
            if std::mem::take(&mut self.state.underlay) {
                self.underlay_changed();
            }
            self.write();
            self.report();
            if stop.is_some() {
                return;
            }
            let timeout = (self.state.retry || self.state.resync).then_some(RETRY);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    tracing::error!(%error, "the kernel's thread cannot wait");
                    return;
                }
                _ => {}
            }
        }
    }

    fn take_requests(&mut self) -> Option<Leave> {
        let pending = std::mem::take(&mut *self.shared.pending.lock());
        let Pending {
            settings,
            routes,
            next_hops,
            sweep,
            dropped,
            stop,
        } = pending;
        if let Some(settings) = settings.filter(|settings| *settings != self.settings) {
            self.reconfigure(settings);
        }
        for table in dropped {
            self.fib.forget_table(table);
        }
        let ours_changed = !routes.is_empty();
        for ((table, prefix), want) in routes {
            let metric = self.metric_of(table);
            let key = super::wire::RouteKey {
                table,
                prefix,
                metric,
            };
            let underlay = &self.underlay;
            self.fib
                .want(key, want, |next_hop| underlay.resolve(next_hop).ways);
        }
        if let Some(next_hops) = next_hops {
            self.tracked
                .retain(|next_hop, _| next_hops.contains(next_hop));
            self.track(next_hops);
        }
        if ours_changed {
            self.judge_again(|told| !matches!(told, Reach::Metric(_)));
        }
        if sweep {
            self.fib.sweep();
            self.overlay.sweep();
        }
        if stop == Some(Leave::Remove) {
            self.fib.clear();
            self.overlay.sweep();
        }
        stop
    }

    /// A table's new metric takes effect at the next start: routes with the old one would be orphans.
    fn reconfigure(&mut self, settings: Settings) {
        self.settings.imports = settings.imports;
        for (table, metric) in settings.metrics {
            self.settings.metrics.entry(table).or_insert(metric);
        }
        self.settings.vnis = settings.vnis;
        self.follow_neighbors();
        self.state.underlay = true;
        self.import_all();
    }

    /// Without an L3 VNI, what goes on among neighbours is not listened to: there may be a lot of it.
    fn follow_neighbors(&mut self) {
        if self.state.neighbors || self.settings.vnis.is_empty() {
            return;
        }
        match self.notices.join(GROUP_NEIGHBOR) {
            Ok(()) => {
                self.state.neighbors = true;
                self.state.resync = true;
            }
            Err(error) => tracing::error!(%error, "cannot follow the kernel's neighbours"),
        }
    }

    fn track(&mut self, next_hops: HashSet<NextHop>) {
        let mut news = Vec::new();
        for next_hop in next_hops {
            if !self.tracked.contains_key(&next_hop) {
                let reach = self.reach(&next_hop);
                self.tracked.insert(next_hop, reach);
                news.push((next_hop, reach));
            }
        }
        if !news.is_empty() {
            self.tell(|told| told.next_hops.extend(news));
        }
    }

    /// By a route of others, else by one of ours, whose own way is always by a route of others. We are where we are.
    fn reach(&self, next_hop: &NextHop) -> Reach {
        let resolution = self.underlay.resolve(next_hop);
        if !resolution.ways.is_empty() {
            return Reach::Metric(resolution.metric);
        }
        let NextHop::Routed { table, address } = *next_hop else {
            return Reach::Unreachable;
        };
        if self.underlay.is_own(address) {
            return Reach::Metric(0);
        }
        let metric = self.metric_of(table);
        match self.fib.leads_to(table, metric, address) {
            true => Reach::Tunnel(metric),
            false => Reach::Unreachable,
        }
    }

    /// Of our routes in a table.
    fn metric_of(&self, table: u32) -> u32 {
        self.settings.metrics.get(&table).copied().unwrap_or(METRIC)
    }

    /// Tells of the next hops that are reached in another way than before, among those that `which` names.
    fn judge_again(&mut self, which: impl Fn(Reach) -> bool) {
        let told = self.tracked.iter().filter(|(_, told)| which(**told));
        let now = told.map(|(next_hop, told)| (*next_hop, *told, self.reach(next_hop)));
        let news: Vec<_> = now
            .filter(|(_, told, now)| told != now)
            .map(|(next_hop, _, now)| (next_hop, now))
            .collect();
        if !news.is_empty() {
            self.tracked.extend(news.iter().copied());
            self.tell(|told| told.next_hops.extend(news));
        }
    }

    // ---- notifications ----

    fn notifications(&mut self) {
        loop {
            let datagram = match self.notices.notified() {
                Ok(Some(datagram)) => datagram.to_vec(),
                Ok(None) => return,
                // Lost ones: until the queue is empty the kernel drops more without another word.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.state.resync = true;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "cannot read the kernel's notifications");
                    self.state.resync = true;
                    return;
                }
            };
            for answer in answers(&datagram) {
                self.notice(answer);
            }
        }
    }

    fn notice(&mut self, answer: Answer<'_>) {
        let payload = answer.payload;
        match answer.kind {
            RTM_NEWROUTE | RTM_DELROUTE => {
                if let Some(route) = Route::read(payload) {
                    self.route_notice(route, answer.kind == RTM_NEWROUTE, answer.port);
                }
            }
            RTM_NEWLINK => {
                if let Some(link) = Link::read(payload) {
                    self.link_notice(link);
                }
            }
            RTM_DELLINK => {
                if let Some(link) = Link::read(payload) {
                    self.underlay.remove_link(link.index);
                    self.tell(|told| told.links.extend([(link.name, false)]));
                    self.state.resync = true;
                }
            }
            // The kernel tells of the objects that go with a link, but not of the routes that go with them.
            RTM_NEWNEXTHOP | RTM_DELNEXTHOP if answer.port != self.requests.port => {
                self.state.resync = true;
            }
            RTM_NEWNEIGH | RTM_DELNEIGH if answer.port != self.requests.port => {
                self.neighbor_notice(payload, answer.kind == RTM_NEWNEIGH);
            }
            _ => {}
        }
    }

    fn neighbor_notice(&mut self, payload: &[u8], is_there: bool) {
        let lost = match (Neighbor::read(payload), Forward::read(payload)) {
            (Some(neighbor), _) => self.overlay.neighbor_told(&neighbor, is_there),
            (_, Some(forward)) => self.overlay.forward_told(&forward, is_there, false),
            _ => false,
        };
        if lost {
            self.shared.status.lock().repaired += 1;
            tracing::warn!("another program took an entry of a VXLAN tunnel; it is put back");
        }
    }

    fn route_notice(&mut self, route: Route, is_new: bool, port: u32) {
        if route.protocol == self.settings.protocol {
            // An echo of our own writing says nothing new.
            if port == self.requests.port {
                return;
            }
            if is_new {
                self.fib.noticed(&route);
            } else if self.fib.vanished(route.key) {
                self.shared.status.lock().repaired += 1;
                tracing::warn!(prefix = %route.key.prefix, table = route.key.table, "another program deleted our route; it is put back");
            }
            return;
        }
        let (key, kind) = (route.key, route.kind);
        if is_new {
            self.underlay.set_route(route);
        } else {
            self.underlay.remove_route(key, kind);
            self.fib.freed(key);
        }
        self.state.underlay = true;
        self.import(key.table, key.prefix);
    }

    fn link_notice(&mut self, link: Link) {
        let (name, up) = (link.name.clone(), link.up);
        let was_up = self.underlay.link_up(link.index);
        self.state.underlay |= self.underlay.set_link(link);
        if was_up != up {
            self.tell(|told| told.links.extend([(name, up)]));
            // IPv4 routes go with their link without a notification each.
            self.state.resync |= !up;
        }
    }

    // ---- complete comparison ----

    fn resync(&mut self) {
        match self.read_everything() {
            Ok(()) => {
                self.state.resync = false;
                self.state.underlay = true;
                self.shared.status.lock().resyncs += 1;
            }
            Err(error) => {
                tracing::error!(%error, "cannot read the kernel's tables; trying again");
                self.shared.status.lock().error = Some(error.to_string());
            }
        }
    }

    fn read_everything(&mut self) -> io::Result<()> {
        let before: HashMap<String, bool> = self
            .underlay
            .links()
            .map(|link| (link.name.clone(), link.up))
            .collect();
        self.underlay.clear();
        for link in self.dump(&Link::dump(), Link::read)? {
            self.underlay.set_link(link);
        }
        let mut objects = Vec::new();
        if self.shared.status.lock().next_hop_objects {
            objects = self.dump(&Object::dump(), Object::read)?;
            for object in &objects {
                self.underlay.set_object(object.clone());
            }
        }
        let mut ours = Vec::new();
        for v6 in [false, true] {
            for route in self.dump(&Route::dump(v6, 0), Route::read)? {
                match route.protocol == self.settings.protocol {
                    true => ours.push(route),
                    false => self.underlay.set_route(route),
                }
            }
        }
        self.fib.compare(ours, objects);
        self.read_neighbors()?;
        let changed = self
            .underlay
            .links()
            .filter(|link| before.get(&link.name) != Some(&link.up));
        let changed: Vec<_> = changed.map(|link| (link.name.clone(), link.up)).collect();
        if !changed.is_empty() {
            self.tell(|told| told.links.extend(changed));
        }
        self.import_all();
        Ok(())
    }

    fn read_neighbors(&mut self) -> io::Result<()> {
        let mut neighbors = self.dump(&Neighbor::dump(false), Neighbor::read)?;
        neighbors.extend(self.dump(&Neighbor::dump(true), Neighbor::read)?);
        self.overlay.compare_neighbors(&neighbors);
        let concerned = self.underlay.vxlans();
        let concerned: Vec<_> = concerned
            .filter(|device| self.overlay.concerns(device))
            .collect();
        let mut forwards = Vec::new();
        for device in concerned {
            let entries = self.dump(&Forward::dump(device.index), Forward::read)?;
            forwards.extend(entries.into_iter().map(|entry| (device, entry)));
        }
        self.overlay.compare_forwards(&forwards);
        Ok(())
    }

    fn dump<T>(
        &mut self,
        request: &Message,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        let mut found = Vec::new();
        for _ in 0..DUMPS {
            found.clear();
            if self
                .requests
                .dump(request, |payload| found.extend(read(payload)))?
            {
                break;
            }
        }
        Ok(found)
    }

    // ---- what follows from changes ----

    fn underlay_changed(&mut self) {
        let underlay = &self.underlay;
        let ways = |next_hop: &NextHop| -> Vec<(Hop, u16)> { underlay.resolve(next_hop).ways };
        self.fib.resolve(ways);
        self.judge_again(|_| true);
        self.tell_own_ends();
        self.fib.tunnels_changed();
    }

    fn tell_own_ends(&mut self) {
        let of = |vni: &u32| {
            let own = self.underlay.vxlan(*vni).map(|device| OwnEnd {
                router_mac: device.router_mac,
                vtep: device.local,
            });
            (*vni, own)
        };
        let now: BTreeMap<_, _> = self.settings.vnis.iter().map(of).collect();
        let changed = |(vni, own): &(&u32, &Option<OwnEnd>)| self.own_ends.get(vni) != Some(own);
        let news: Vec<_> = now
            .iter()
            .filter(changed)
            .map(|(vni, own)| (*vni, *own))
            .collect();
        self.own_ends = now;
        if !news.is_empty() {
            self.tell(|told| told.own_ends.extend(news));
        }
    }

    fn importable(&self, table: u32, prefix: IpNet) -> Option<Imported> {
        let protocols = self.settings.imports.get(&table)?;
        let route = self.underlay.route(table, prefix)?;
        protocols.contains(&route.protocol).then_some(Imported {
            protocol: route.protocol,
            metric: route.key.metric,
        })
    }

    fn import(&mut self, table: u32, prefix: IpNet) {
        let now = self.importable(table, prefix);
        let before = match now {
            Some(now) => self.imported.insert((table, prefix), now),
            None => self.imported.remove(&(table, prefix)),
        };
        if before != now {
            self.tell(|told| told.imported.extend([((table, prefix), now)]));
        }
    }

    fn import_all(&mut self) {
        let here: HashSet<_> = self
            .underlay
            .routes()
            .map(|route| (route.key.table, route.key.prefix))
            .collect();
        let gone: Vec<_> = self
            .imported
            .keys()
            .filter(|key| !here.contains(key))
            .copied()
            .collect();
        for (table, prefix) in here.into_iter().chain(gone) {
            self.import(table, prefix);
        }
    }

    /// What is due, in the order in which the kernel takes it.
    fn steps(&mut self) -> Vec<Step> {
        if self.fib.take_tunnels_changed() {
            let device = |vni| self.underlay.vxlan(vni);
            self.overlay.want(self.fib.tunnels(), device);
        }
        let additions = self.overlay.additions().into_iter().map(Step::Overlay);
        let mut steps: Vec<Step> = additions.collect();
        steps.extend(self.fib.steps().into_iter().map(Step::Fib));
        steps.extend(self.overlay.removals().into_iter().map(Step::Overlay));
        steps
    }

    fn write(&mut self) {
        let steps = self.steps();
        self.state.retry = false;
        if steps.is_empty() {
            return;
        }
        let messages: Vec<Message> = steps.iter().map(Step::message).collect();
        let (mut refused, mut last) = (0, None);
        let outcome = self.requests.apply(&messages, |index, error| {
            let is_fault = match &steps[index] {
                Step::Fib(step) => self.fib.refused(step, &error),
                Step::Overlay(step) => self.overlay.refused(step, &error),
            };
            if is_fault {
                tracing::warn!(step = ?steps[index], %error, "the kernel refused a change");
                refused += 1;
                last = Some(error.to_string());
            }
        });
        let mut status = self.shared.status.lock();
        status.written += steps.len() as u64 - refused;
        status.refused += refused;
        status.error = last;
        if let Err(error) = outcome {
            tracing::error!(%error, "writing to the kernel failed; comparing again");
            status.error = Some(error.to_string());
            self.state.resync = true;
        }
        // What was refused is found by comparing, when whatever was in the way may be gone.
        self.state.retry = refused > 0;
        self.state.resync |= refused > 0;
    }

    fn tell(&self, add: impl FnOnce(&mut News)) {
        add(&mut self.shared.news.lock());
        (self.wake)();
    }

    fn report(&self) {
        let mut status = self.shared.status.lock();
        status.installed = self.fib.installed() as u64;
        status.wanted = self.fib.wanted() as u64;
        status.tunnels = self.overlay.installed() as u64;
    }
}
