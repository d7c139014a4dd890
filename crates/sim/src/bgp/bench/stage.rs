//! One daemon with its sessions, ready to be measured: injectors first, then receivers, all established and quiet.

use crate::bgp::load::{Load, Plan, Session};
use crate::bgp::messages;
use crate::bgp::router::{Neighbor, Router, RouterConfig, Software};
use crate::bgp::routes::{Kind, Source, TARGET_AS};
use crate::bgp::site::Site;
use crate::bgp::usage::Usage;
use anyhow::Result;
use bgp::Family;
use bytes::Bytes;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The AS of every daemon that is measured.
pub(super) const ASN: u32 = 65000;
/// External peers have their own, from here on.
const FIRST_PEER: u32 = 100_000;
/// Some daemons hold their first UPDATEs back for a second after a session has come up; what is measured begins later.
const SETTLE: Duration = Duration::from_millis(1500);

/// Which sessions a case has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) kind: Kind,
    pub(super) injectors: usize,
    pub(super) receivers: usize,
    /// Of neighbours that are not opened yet.
    pub(super) late: usize,
    /// Every injector announces the same routes.
    pub(super) common: bool,
    pub(super) external: bool,
    pub(super) targets: u32,
    /// How many targets each receiver asks for (RFC 4684); `None`: without that family.
    pub(super) memberships: Option<u32>,
}

/// The namespaces, the daemon and the sessions.
pub(super) struct Stage {
    pub(super) layout: Layout,
    pub(super) router: Router,
    pub(super) load: Load,
    site: Site,
}

impl Stage {
    pub(super) fn new(software: Software, layout: Layout) -> Result<Self> {
        let site = Site::new()?;
        let opened = layout.injectors + layout.receivers;
        site.add_sources(opened + layout.late)?;
        let mut config = RouterConfig::new(ASN, Site::addresses(0));
        config.neighbors = (0..opened + layout.late)
            .map(|number| Neighbor {
                passive: true,
                reflector_client: !layout.external,
                ..Neighbor::new(
                    Site::source(number),
                    layout.asn(number),
                    &layout.families(number),
                )
            })
            .collect();
        let router = Router::start(software, site.router_namespace(0)?, config)?;
        let load = Load::new()?;
        let mut stage = Self {
            layout,
            router,
            load,
            site,
        };
        stage.open(0..opened)?;
        stage.ask_for_targets()?;
        stage.load.run(SETTLE, |_| false)?;
        Ok(stage)
    }

    /// Opens the sessions of those numbers.
    pub(super) fn open(&mut self, numbers: Range<usize>) -> Result<()> {
        let plans = numbers.map(|number| self.plan(number)).collect();
        self.load
            .establish(self.site.load(), plans, Duration::from_secs(60))?;
        Ok(())
    }

    fn plan(&self, number: usize) -> Plan {
        Plan {
            local: Site::source(number).into(),
            remote: Site::router(0).into(),
            asn: self.layout.asn(number),
            router_id: Site::source(number),
            families: self.layout.families(number),
            capabilities: Vec::new(),
            kind: self.layout.kind,
            record: false,
        }
    }

    fn ask_for_targets(&mut self) -> Result<()> {
        let Some(each) = self.layout.memberships else {
            return Ok(());
        };
        for receiver in 0..self.layout.receivers {
            let number = self.layout.injectors + receiver;
            let first = receiver as u32 * each;
            let targets: Vec<_> = (first..first + each)
                .map(|target| (TARGET_AS, target % self.layout.targets))
                .collect();
            let mut message = messages::memberships(ASN, Site::source(number), &targets);
            message.extend(messages::end_of_rib(Family::RouteTarget));
            self.load.send(number, message.into())?;
        }
        Ok(())
    }

    /// What an injector announces.
    pub(super) fn source(&self, injector: usize) -> Source {
        Source {
            kind: self.layout.kind,
            asn: self.layout.asn(injector),
            external: self.layout.external,
            next_hop: Site::source(injector),
            targets: self.layout.targets,
        }
    }

    /// The announcements of every injector, `each` routes: its own, or the same for all.
    pub(super) fn announcements(&self, each: u32, version: u32) -> Vec<Bytes> {
        (0..self.layout.injectors)
            .map(|injector| {
                let first = if self.layout.common {
                    0
                } else {
                    injector as u32 * each
                };
                let messages = self.source(injector).announce(first..first + each, version);
                messages.into()
            })
            .collect()
    }

    /// Sends what [`Self::announcements`] made and waits for the receivers. `None` if the time was not enough.
    pub(super) fn inject(
        &mut self,
        messages: Vec<Bytes>,
        wanted: usize,
        timeout: Duration,
    ) -> Result<Option<Duration>> {
        let receivers = self.layout.injectors..self.layout.injectors + self.layout.receivers;
        let started = Instant::now();
        for (injector, bytes) in messages.into_iter().enumerate() {
            self.load.send(injector, bytes)?;
        }
        let done = self.load.run(timeout, |sessions| {
            sessions[receivers.clone()]
                .iter()
                .all(|session| session.count() == wanted)
        })?;
        Ok(done.then(|| started.elapsed()))
    }

    /// The daemon's usage when it has nothing left to do: its processor time stands still for 200 ms.
    pub(super) fn settled_usage(&mut self) -> Result<Usage> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut last = self.router.usage()?;
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_millis(200) && Instant::now() < deadline {
            self.load.poll(Duration::from_millis(20))?;
            let now = self.router.usage()?;
            if now.cpu > last.cpu {
                since = Instant::now();
            }
            last = now;
        }
        Ok(last)
    }

    /// How far the receiver that has least has come.
    pub(super) fn least(&self) -> usize {
        let receivers = &self.load.sessions()[self.layout.injectors..];
        receivers
            .iter()
            .take(self.layout.receivers)
            .map(Session::count)
            .min()
            .unwrap_or_default()
    }
}

impl Layout {
    fn asn(&self, number: usize) -> u32 {
        if self.external {
            FIRST_PEER + number as u32
        } else {
            ASN
        }
    }

    fn families(&self, number: usize) -> Vec<Family> {
        let mut families = vec![self.kind.family()];
        if self.memberships.is_some() && number >= self.injectors {
            families.push(Family::RouteTarget);
        }
        families
    }
}
