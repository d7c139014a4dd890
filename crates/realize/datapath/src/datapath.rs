//! The programs and maps in the kernel.

use crate::config::Config;
use crate::counters::{self, Counted, Counter};
use crate::netlink::{Link, Netlink, Side};
use crate::pins::{self, Programs};
use crate::punt::Punt;
use crate::sys::RawMap;
use crate::tables::{Change, Map, Row, Tables, TablesDelta};
use crate::{Error, rows};
use model::PortId;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

/// What [`Datapath::open`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoption {
    /// Maps of an earlier process were pinned and are used as they are.
    pub maps: bool,
    /// Its programs are the ones of this build and stay.
    pub programs: bool,
}

/// How many rows were written. All zero: the kernel already held what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncReport {
    pub writes: usize,
    pub deletes: usize,
}

/// The programs and maps in the kernel. Dropping it leaves them working. All calls are short system calls.
#[derive(Debug)]
pub struct Datapath {
    config: Config,
    directory: PathBuf,
    programs: Programs,
    policy: Vec<RawMap>,
    settings: RawMap,
    counters: RawMap,
    netlink: Netlink,
    /// For long readings, so that no change waits for its turn between them.
    reader: Netlink,
    punt_taken: Arc<AtomicBool>,
    /// One writer at a time: the generation is read and written back.
    writing: Mutex<()>,
}

/// `struct settings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    tunnel_ifindex: u32,
    /// Odd while policy is being tightened, so that an agent that died in between is noticed.
    generation: u32,
}

impl Datapath {
    /// Adopts what is pinned in the directory, or loads the programs and makes empty maps (every port denies).
    /// Makes the VXLAN device and attaches to it. Ports are attached by [`Datapath::attach`].
    pub fn open(config: &Config) -> Result<(Self, Adoption), Error> {
        let pinned = pins::open(config)?;
        let adoption = Adoption {
            maps: pinned.adopted_maps,
            programs: pinned.adopted_programs,
        };
        let policy = Map::ALL
            .iter()
            .map(|map| open_policy_map(&pinned.maps, *map));
        let cpus = aya::util::nr_cpus().map_err(|(path, source)| Error::Path {
            action: "read",
            path: path.into(),
            source,
        })?;
        let datapath = Self {
            config: config.clone(),
            policy: policy.collect::<Result<_, _>>()?,
            settings: open_map(&pinned.maps, "settings", 1)?,
            counters: open_map(&pinned.maps, "counters", cpus)?,
            programs: pinned.programs,
            directory: pinned.maps,
            netlink: Netlink::open()?,
            reader: Netlink::open()?,
            punt_taken: Arc::default(),
            writing: Mutex::default(),
        };
        if datapath.settings()?.generation % 2 == 1 {
            datapath.raise_generation()?;
        }
        datapath.repair_tunnel_device()?;
        Ok((datapath, adoption))
    }

    // ---- hooks ----

    /// Puts the port programs on a device. True if anything had to be done. Idempotent.
    pub fn attach(&self, ifindex: u32) -> Result<bool, Error> {
        let from = self.attach_side(ifindex, Side::Ingress)?;
        let to = self.attach_side(ifindex, Side::Egress)?;
        Ok(from || to)
    }

    fn attach_side(&self, ifindex: u32, side: Side) -> Result<bool, Error> {
        let program = match side {
            Side::Ingress => &self.programs.from_port,
            Side::Egress => &self.programs.to_port,
        };
        if self.netlink.filter(ifindex, side)? == Some(program.id) {
            return Ok(false);
        }
        self.netlink
            .set_filter(ifindex, side, program.name, program.fd())?;
        Ok(true)
    }

    /// Takes them off again. False if nothing of ours was there; a device that is gone is no error.
    pub fn detach(&self, ifindex: u32) -> Result<bool, Error> {
        let from = self.netlink.delete_filter(ifindex, Side::Ingress)?;
        let to = self.netlink.delete_filter(ifindex, Side::Egress)?;
        Ok(from || to)
    }

    /// True if both hooks of the device run the programs of this build.
    pub fn is_attached(&self, ifindex: u32) -> Result<bool, Error> {
        self.runs_ours(&self.netlink, ifindex)
    }

    /// The devices that do not run them, or cannot be asked. Meant for many: delays nobody's [`Datapath::attach`].
    pub fn detached(&self, devices: &BTreeSet<u32>) -> Vec<u32> {
        let is_fine = |ifindex: &&u32| matches!(self.runs_ours(&self.reader, **ifindex), Ok(true));
        let detached = devices.iter().filter(|ifindex| !is_fine(ifindex));
        detached.copied().collect()
    }

    fn runs_ours(&self, netlink: &Netlink, ifindex: u32) -> Result<bool, Error> {
        let from = netlink.filter(ifindex, Side::Ingress)?;
        let to = netlink.filter(ifindex, Side::Egress)?;
        let programs = &self.programs;
        Ok(from == Some(programs.from_port.id) && to == Some(programs.to_port.id))
    }

    /// Makes the VXLAN device right: exists, is ours to use, up, our program on it, known to the programs.
    /// True if anything had to be done.
    pub fn repair_tunnel_device(&self) -> Result<bool, Error> {
        let name = &self.config.tunnel_device;
        let (link, mut changed) = self.tunnel_link()?;
        if !link.is_up {
            self.netlink.set_up(link.ifindex)?;
            changed = true;
        }
        let program = &self.programs.from_tunnel;
        if self.netlink.filter(link.ifindex, Side::Ingress)? != Some(program.id) {
            self.netlink
                .set_filter(link.ifindex, Side::Ingress, program.name, program.fd())?;
            changed = true;
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = self.settings()?;
        if settings.tunnel_ifindex != link.ifindex {
            self.write_settings(Settings {
                tunnel_ifindex: link.ifindex,
                ..settings
            })?;
            changed = true;
        }
        if changed {
            tracing::info!(device = %name, ifindex = link.ifindex, "VXLAN device made right");
        }
        Ok(changed)
    }

    /// The device and whether it had to be made.
    fn tunnel_link(&self) -> Result<(Link, bool), Error> {
        let (name, port) = (&self.config.tunnel_device, self.config.tunnel_port);
        let found = self.netlink.link(name)?;
        if let Some(link) = found {
            if link.vxlan_port == Some(port) {
                return Ok((link, false));
            }
            // The name is ours by configuration; another kind of device under it would swallow the tunnel.
            self.netlink.delete_link(link.ifindex)?;
        }
        self.netlink.add_vxlan(name, port)?;
        let made = self.netlink.link(name)?;
        let made = made.ok_or_else(|| Error::Netlink {
            action: format!("find the VXLAN device '{name}' just made"),
            source: io::Error::from(io::ErrorKind::NotFound),
        })?;
        Ok((made, true))
    }

    // ---- maps ----

    /// Reads the kernel's maps back and writes the difference to `tables`. What another thread applies meanwhile
    /// may be undone.
    pub fn sync(&self, tables: &Tables) -> Result<SyncReport, Error> {
        self.apply(&self.dump()?.diff(tables))
    }

    /// Writes a delta; what tightens policy makes established connections be checked again.
    /// After an error some rows are written and some not; [`Datapath::sync`] finishes the work.
    pub fn apply(&self, delta: &TablesDelta) -> Result<SyncReport, Error> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let tightens = delta.tightens();
        if tightens {
            self.raise_generation()?;
        }
        let mut report = SyncReport::default();
        for (row, change) in delta.in_order() {
            self.write(row, change, &mut report)?;
        }
        if tightens {
            self.raise_generation()?;
        }
        Ok(report)
    }

    fn write(&self, row: &Row, change: &Change, report: &mut SyncReport) -> Result<(), Error> {
        let map = &self.policy[row.map as usize];
        match change {
            Change::Insert(value) | Change::Replace(value) => {
                map.set(&row.key, value)
                    .map_err(map_error(row.map.name(), "writing a row"))?;
                report.writes += 1;
            }
            Change::Delete => {
                let existed = map
                    .delete(&row.key)
                    .map_err(map_error(row.map.name(), "deleting a row"))?;
                report.deletes += usize::from(existed);
                if row.map == Map::Ports {
                    self.forget_counters(&row.key)?;
                }
            }
        }
        Ok(())
    }

    /// What the kernel's maps hold now.
    pub fn dump(&self) -> Result<Tables, Error> {
        let mut tables = Tables::default();
        for (map, raw) in Map::ALL.into_iter().zip(&self.policy) {
            let entries = raw.entries().map_err(map_error(map.name(), "reading"))?;
            for (key, value) in entries {
                let key = key.into_boxed_slice();
                tables.insert(Row { map, key }, value.into_boxed_slice());
            }
        }
        Ok(tables)
    }

    fn settings(&self) -> Result<Settings, Error> {
        let value = self
            .settings
            .get(&0_u32.to_ne_bytes())
            .map_err(map_error("settings", "reading"))?
            .unwrap_or_default();
        let number = |at: usize| {
            let bytes = value.get(at..).and_then(|bytes| bytes.first_chunk());
            bytes.copied().map_or(0, u32::from_ne_bytes)
        };
        Ok(Settings {
            tunnel_ifindex: number(0),
            generation: number(4),
        })
    }

    fn write_settings(&self, settings: Settings) -> Result<(), Error> {
        let fields = [settings.tunnel_ifindex, settings.generation];
        let value: Vec<u8> = fields
            .iter()
            .flat_map(|field| field.to_ne_bytes())
            .collect();
        self.settings
            .set(&0_u32.to_ne_bytes(), &value)
            .map_err(map_error("settings", "writing"))
    }

    fn raise_generation(&self) -> Result<(), Error> {
        let settings = self.settings()?;
        self.write_settings(Settings {
            generation: settings.generation.wrapping_add(1),
            ..settings
        })
    }

    // ---- counters and punt ----

    /// Every counter that is not zero.
    pub fn counters(&self) -> Result<Vec<Counter>, Error> {
        let ports = self.policy[Map::Ports as usize]
            .entries()
            .map_err(map_error(Map::Ports.name(), "reading"))?;
        let ports: BTreeMap<u32, PortId> = ports
            .iter()
            .filter_map(|(key, value)| rows::read_port(key, value))
            .map(|(ifindex, id)| (ifindex, PortId(id)))
            .collect();
        let entries = self
            .counters
            .entries()
            .map_err(map_error("counters", "reading"))?;
        let counter = |(key, value): &(Vec<u8>, Vec<u8>)| {
            let ifindex = u32::from_ne_bytes(*key.first_chunk()?);
            let (packets, bytes) = counters::sum(value);
            Some(Counter {
                port: ports.get(&ifindex).copied(),
                ifindex,
                counted: Counted::from_number(u32::from_ne_bytes(*key.get(4..)?.first_chunk()?))?,
                packets,
                bytes,
            })
        };
        Ok(entries.iter().filter_map(counter).collect())
    }

    fn forget_counters(&self, ifindex: &[u8]) -> Result<(), Error> {
        for what in Counted::numbers() {
            let key = [ifindex, &what.to_ne_bytes()].concat();
            self.counters
                .delete(&key)
                .map_err(map_error("counters", "deleting a row"))?;
        }
        Ok(())
    }

    /// The channel for packets the agent answers. Needs a tokio runtime. One at a time.
    pub fn punt(&self) -> Result<Punt, Error> {
        Punt::open(&self.directory.join("punts"), &self.punt_taken)
    }
}

fn open_policy_map(directory: &Path, map: Map) -> Result<RawMap, Error> {
    let raw = open_map(directory, map.name(), 1)?;
    if raw.sizes() != rows::sizes(map) {
        let detail = format!(
            "has sizes {:?} instead of {:?}",
            raw.sizes(),
            rows::sizes(map)
        );
        return Err(map_error(map.name(), "opening")(io::Error::other(detail)));
    }
    Ok(raw)
}

fn open_map(directory: &Path, name: &'static str, cpus: usize) -> Result<RawMap, Error> {
    RawMap::open(&directory.join(name), cpus).map_err(map_error(name, "opening"))
}

fn map_error(map: &'static str, action: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Map {
        map,
        action,
        source,
    }
}
