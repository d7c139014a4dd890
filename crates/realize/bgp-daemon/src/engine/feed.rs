//! Between the speaker's tables and the kernel's: which best paths become kernel routes, which kernel routes become
//! originated ones, and what the speaker is told about next hops. The writing itself is [`crate::kernel`]'s.

use super::Core;
use super::wanted::{Install, want};
use crate::Error;
use crate::engine::Handle;
use crate::kernel::{
    Imported, Kernel, Leave, NextHop, OwnEnd, PROTOCOL_KERNEL, Settings, TABLE_MAIN,
};
use crate::net::{Link, interface_index, link_of};
use bgp::attribute::{Attributes, Origin as OriginCode};
use bgp::config::{Config, KernelSource, KernelTable};
use bgp::nlri::{Label, Nlri, Route};
use bgp::policy::{Source, Subject, Verdict};
use bgp::rib::{RibChange, TableChange, TableId};
use bgp::speaker::{SessionReport, Vtep};
use bgp::{Family, PeerId, Time};
use ipnet::IpNet;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// `rtm_protocol` of our routes: BGP's port, which no other program uses as its number.
const PROTOCOL: u8 = 179;
/// `RTPROT_BOOT` and `RTPROT_STATIC`: of operators; those above are routing daemons'.
const STATIC: [u8; 2] = [3, 4];
/// `RTPROT_ZEBRA` and what follows it.
const DAEMONS: std::ops::RangeInclusive<u8> = 8..=254;
/// Prefixes taken from the tables at once.
const CHUNK: usize = 1_000;

/// What has to do with the kernel.
#[derive(Debug)]
pub(super) struct Feed {
    kernel: Kernel,
    /// How the speaker's tables go into the kernel's.
    installs: HashMap<TableId, Install>,
    /// What the kernel has that is or may be redistributed, as it was told.
    imported: BTreeMap<(u32, IpNet), Imported>,
    /// What was originated because of it.
    originated: BTreeMap<(u32, IpNet), TableId>,
    /// The link of each neighbour's session, where there is one.
    links: HashMap<PeerId, u32>,
    /// When routes of an earlier run are removed that nobody has announced again.
    sweep_at: Option<Time>,
}

/// `None`: nothing in the configuration needs the kernel.
pub(super) fn settings(config: &Config) -> Option<Settings> {
    if config.kernel.is_empty() {
        return None;
    }
    let metrics = config
        .kernel
        .iter()
        .map(|table| (table.table, table.metric));
    let imports = config
        .kernel
        .iter()
        .map(|table| (table.table, protocols(table)));
    Some(Settings {
        protocol: PROTOCOL,
        metrics: metrics.collect(),
        imports: imports.collect(),
        vnis: config
            .kernel
            .iter()
            .filter_map(|table| vni(config, table))
            .collect(),
    })
}

/// The L3 VNI of a table's VRF.
fn vni(config: &Config, table: &KernelTable) -> Option<u32> {
    let name = table.vrf.as_ref()?;
    let vrf = config.vrfs.iter().find(|vrf| vrf.name == *name)?;
    vrf.vni.map(Label::vni)
}

fn protocols(table: &KernelTable) -> BTreeSet<u8> {
    let sources = table.redistribute.iter().flat_map(|source| match source {
        KernelSource::Connected => vec![PROTOCOL_KERNEL],
        KernelSource::Static => STATIC.to_vec(),
        KernelSource::Other => DAEMONS.filter(|protocol| *protocol != PROTOCOL).collect(),
    });
    sources.collect()
}

impl Feed {
    /// In the calling thread's network namespace.
    pub(super) fn start(settings: Settings, handle: Handle, now: Time) -> Result<Self, Error> {
        let kernel = Kernel::start(settings, move || handle.wake());
        Ok(Self {
            kernel: kernel.map_err(Error::io("talk with the kernel over netlink"))?,
            installs: HashMap::new(),
            imported: BTreeMap::new(),
            originated: BTreeMap::new(),
            links: HashMap::new(),
            sweep_at: Some(Time(now.0 + super::SWEEP_AFTER)),
        })
    }

    fn install(&self, changes: &[TableChange]) {
        let wanted = changes.iter().filter_map(|change| {
            let install = self.installs.get(&change.table)?;
            let prefix = change.nlri.prefix()?;
            Some((
                install.table,
                prefix,
                want(&self.links, install, prefix, change),
            ))
        });
        self.kernel.want(wanted.collect::<Vec<_>>());
    }

    pub(super) fn stop(self, leave: Leave) {
        self.kernel.stop(leave);
    }
}

impl Core {
    /// Starts, changes or ends what is done with the kernel, as the configuration says.
    pub(super) fn configure_kernel(&mut self) {
        let config = self.speaker.config();
        let Some(settings) = settings(config) else {
            self.end_feed(Leave::Remove);
            return;
        };
        match &self.feed {
            Some(feed) => feed.kernel.configure(settings),
            None => match Feed::start(settings, self.handle.clone(), self.clock.now()) {
                Ok(feed) => self.feed = Some(feed),
                Err(error) => {
                    tracing::error!(%error, "kernel routes are neither written nor read");
                    return;
                }
            },
        }
        self.map_tables();
        self.reimport();
    }

    pub(super) fn end_feed(&mut self, leave: Leave) {
        if let Some(feed) = self.feed.take() {
            feed.stop(leave);
        }
    }

    fn map_tables(&mut self) {
        let Some(feed) = &mut self.feed else {
            return;
        };
        let config = self.speaker.config();
        let mut installs = HashMap::new();
        for table in config.kernel.iter().filter(|table| table.install) {
            let install = Install {
                table: table.table,
                blackhole: table.blackhole,
                vni: vni(config, table),
            };
            for nlri in [any_v4(), any_v6()] {
                if let Some(id) = self.speaker.table(table.vrf.as_deref(), &nlri) {
                    installs.insert(id, install);
                }
            }
        }
        for (id, before) in &feed.installs {
            if installs.get(id).map(|now| now.table) != Some(before.table) {
                feed.kernel.drop_table(before.table);
            }
        }
        let changed: Vec<TableId> = installs
            .iter()
            .filter(|(id, install)| feed.installs.get(id) != Some(install))
            .map(|(id, _)| *id)
            .collect();
        feed.installs = installs;
        for id in changed {
            // All of it again, also if somebody else follows it already.
            self.subscribed.remove(&id);
            self.subscribe(id);
        }
    }

    /// Hands the changes of the tables to who follows them.
    pub(super) fn feed(&mut self) {
        // After a restart nothing is chosen yet, and the kernel's routes are those of before (RFC 4724 section 4.1).
        if self.subscribed.is_empty() || self.speaker.is_deferring() {
            return;
        }
        self.track_next_hops();
        loop {
            let changes = self.speaker.table_changes(CHUNK);
            if changes.is_empty() {
                break;
            }
            if !self.stations.is_idle() {
                let at = self.bmp_time();
                let global = &self.speaker.config().global;
                changes
                    .iter()
                    .for_each(|change| self.stations.table(global, change, at));
            }
            if let Some(feed) = &self.feed {
                feed.install(&changes);
            }
        }
        if let Some(feed) = &mut self.feed
            && feed.sweep_at.is_some_and(|at| at <= self.clock.now())
        {
            feed.sweep_at = None;
            feed.kernel.sweep();
        }
    }

    /// When routes of an earlier run are removed that nobody has announced again.
    pub(super) fn sweep_at(&self) -> Option<Time> {
        let at = self.feed.as_ref()?.sweep_at;
        at.filter(|_| !self.speaker.is_deferring())
    }

    /// The next hops of the routes are looked up.
    fn track_next_hops(&mut self) {
        let Some(feed) = &mut self.feed else {
            return;
        };
        let Some(next_hops) = self.speaker.rib_mut().changed_next_hops() else {
            return;
        };
        let table = feed.installs.get(&TableId::Global(Family::Ipv4Unicast));
        let table = table.map_or(TABLE_MAIN, |install| install.table);
        let next_hop = |address| NextHop::Routed { table, address };
        let next_hops = next_hops
            .into_iter()
            .filter(|address| is_resolvable(*address));
        feed.kernel.track(next_hops.map(next_hop).collect());
    }

    /// A session is up: next hops of its neighbour that are on the link are found there.
    pub(super) fn learn_link(&mut self, peer: PeerId, session: &SessionReport) {
        let Some(feed) = &mut self.feed else {
            return;
        };
        let at = &session.connection;
        let link = link_of(at.local.ip(), at.remote.ip(), at.interface.as_deref());
        let on_link = |link: Link| link.interface.filter(|_| link.link_local.is_some());
        match link
            .ok()
            .and_then(on_link)
            .as_deref()
            .and_then(interface_index)
        {
            Some(index) => feed.links.insert(peer, index),
            None => feed.links.remove(&peer),
        };
    }

    /// `None`: nothing is done with the kernel.
    pub(crate) fn kernel_status(&self) -> Option<crate::kernel::Status> {
        self.feed.as_ref().map(|feed| feed.kernel.status())
    }

    // ---- what the kernel tells ----

    /// Takes in what the kernel's thread has found out.
    pub(super) fn hear_kernel(&mut self) {
        let Some(feed) = &self.feed else {
            return;
        };
        let news = feed.kernel.take_news();
        for (next_hop, reach) in news.next_hops {
            let NextHop::Routed { address, .. } = next_hop else {
                continue;
            };
            let change = RibChange::NextHop(address, reach);
            self.speaker.rib_mut().configure(change);
        }
        for (vni, own) in news.own_ends {
            self.hear_own_end(vni, own);
        }
        for ((table, prefix), imported) in news.imported {
            self.import(table, prefix, imported);
        }
        for (interface, up) in news.links {
            tracing::info!(interface, up, "a link changed");
            self.observers.tell(serde_json::json!({
                "at": self.clock.timestamp(self.clock.now()).to_string(),
                "kind": "link", "neighbor": null,
                "text": format!("{interface} is {}", if up { "up" } else { "down" }),
            }));
        }
    }

    /// What routes of a VRF are originated with: its VXLAN device in the kernel says where packets are to be sent.
    fn hear_own_end(&mut self, vni: u32, own: Option<OwnEnd>) {
        match own {
            Some(own) => {
                tracing::info!(vni, router_mac = %own.router_mac, vtep = ?own.vtep, "the VXLAN device of a VRF is up");
            }
            None => tracing::warn!(
                vni,
                "there is no VXLAN device of this VNI that is up: its VRF is not reachable by EVPN"
            ),
        }
        let vtep = own.map(|own| Vtep {
            router_mac: own.router_mac,
            address: own.vtep,
        });
        self.speaker.set_vtep(vni, vtep);
    }

    fn import(&mut self, table: u32, prefix: IpNet, imported: Option<Imported>) {
        if let Some(feed) = &mut self.feed {
            match imported {
                Some(imported) => feed.imported.insert((table, prefix), imported),
                None => feed.imported.remove(&(table, prefix)),
            };
        }
        self.originate_imported(table, prefix, imported);
    }

    /// Judges everything the kernel has again, because the configuration changed.
    fn reimport(&mut self) {
        let imported = self
            .feed
            .as_ref()
            .map(|feed| feed.imported.clone())
            .unwrap_or_default();
        for ((table, prefix), imported) in imported {
            self.originate_imported(table, prefix, Some(imported));
        }
    }

    fn originate_imported(&mut self, table: u32, prefix: IpNet, imported: Option<Imported>) {
        let nlri = nlri_of(prefix);
        let wanted = imported.and_then(|imported| self.judged(table, &nlri, imported));
        let Some(feed) = &mut self.feed else {
            return;
        };
        let before = match &wanted {
            Some((id, _)) => feed.originated.insert((table, prefix), *id),
            None => feed.originated.remove(&(table, prefix)),
        };
        let rib = self.speaker.rib_mut();
        if let Some(before) =
            before.filter(|before| wanted.as_ref().map(|(id, _)| id) != Some(before))
        {
            rib.withdraw_local(before, &nlri);
        }
        if let Some((id, attributes)) = wanted {
            rib.originate(id, Route::bare(nlri), attributes);
        }
    }

    /// The table and attributes a kernel route is originated with; `None` if policy or configuration do not want it.
    fn judged(
        &self,
        number: u32,
        nlri: &Nlri,
        imported: Imported,
    ) -> Option<(TableId, Attributes)> {
        let config = self.speaker.config();
        let wants = |table: &&KernelTable| {
            table.table == number && protocols(table).contains(&imported.protocol)
        };
        let table = config.kernel.iter().find(wants)?;
        let id = self.speaker.table(table.vrf.as_deref(), nlri)?;
        let attributes = Attributes {
            med: (imported.metric != 0).then_some(imported.metric),
            ..Attributes::new(OriginCode::Incomplete, None)
        };
        let Some(policy) = &table.import else {
            return Some((id, attributes));
        };
        let asn = config.global.asn;
        let subject = Subject {
            nlri,
            attributes: &attributes,
            source: Source {
                address: None,
                asn,
                local: true,
            },
            own_as: asn,
        };
        let outcome = config.policies.evaluate(policy, &subject);
        let accepted = outcome.verdict == Verdict::Accept;
        let judged = match outcome.attributes {
            Cow::Borrowed(attributes) => attributes.clone(),
            Cow::Owned(attributes) => attributes,
        };
        accepted.then_some((id, judged))
    }
}

fn any_v4() -> Nlri {
    Nlri::Ipv4(ipnet::Ipv4Net::default())
}

fn any_v6() -> Nlri {
    Nlri::Ipv6(ipnet::Ipv6Net::default())
}

fn nlri_of(prefix: IpNet) -> Nlri {
    match prefix {
        IpNet::V4(net) => Nlri::Ipv4(net),
        IpNet::V6(net) => Nlri::Ipv6(net),
    }
}

/// A link-local next hop means something only on its link.
fn is_resolvable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_unspecified() && !address.is_unicast_link_local(),
    }
}
