//! Runs packets through the programs without a network: outcomes are recorded instead of carried out.
//!
//! For tests, which compare what is recorded with `forwarding`. The maps are the run's own; nothing is pinned.

use crate::Error;
use crate::config::Limits;
use crate::pins::{self, Programs};
use crate::rows::{self, MARK_AGENT};
use crate::sys::{self, RawMap};
use crate::tables::{Change, Map, Tables};
use aya::Ebpf;
use forwarding::{DropReason, Hook};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;

const MARK_FORWARDED: u32 = 0x4e57_0001;

/// The programs, loaded to record.
pub struct TestRun {
    programs: Programs,
    maps: Vec<RawMap>,
    settings: RawMap,
    recorded: RawMap,
    tables: Tables,
    generation: u32,
    _ebpf: Ebpf,
}

/// Where a packet comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    FromPort {
        ifindex: u32,
    },
    ToPort {
        ifindex: u32,
        origin: forwarding::Origin,
    },
    FromTunnel {
        vni: u32,
        remote: Ipv4Addr,
    },
}

impl Entry {
    pub fn hook(&self) -> Hook {
        match self {
            Self::FromPort { .. } => Hook::FromPort,
            Self::ToPort { .. } => Hook::ToPort,
            Self::FromTunnel { .. } => Hook::FromTunnel,
        }
    }
}

/// What a program would have done. Hosts are given by [`host_key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Accept,
    Drop(DropReason),
    Deliver {
        ifindex: u32,
    },
    Tunnel {
        host: u64,
        vni: u32,
    },
    /// In the order of sending.
    Flood {
        ports: Vec<u32>,
        hosts: Vec<u64>,
        vni: u32,
    },
    Reply {
        frame: Vec<u8>,
    },
    Punt,
}

/// The number the maps know a host by.
pub fn host_key(name: &str) -> u64 {
    rows::host_key(name)
}

impl TestRun {
    pub fn new() -> Result<Self, Error> {
        let limits = Limits {
            connections: 65_536,
            rows: 4096,
        };
        let mut ebpf = pins::load(None, &limits, true)?;
        let programs = pins::loaded_programs(&mut ebpf)?;
        let map = |ebpf: &Ebpf, name: &'static str| {
            open(ebpf, name).map_err(|source| Error::Map {
                map: name,
                action: "opening",
                source,
            })
        };
        let maps = Map::ALL.iter().map(|each| map(&ebpf, each.name()));
        Ok(Self {
            programs,
            maps: maps.collect::<Result<_, _>>()?,
            settings: map(&ebpf, "settings")?,
            recorded: map(&ebpf, "recorded")?,
            tables: Tables::default(),
            generation: 0,
            _ebpf: ebpf,
        })
    }

    /// Makes the maps hold `tables`. Connections stay.
    pub fn set(&mut self, tables: &Tables) -> io::Result<()> {
        let delta = self.tables.diff(tables);
        for (row, change) in delta.in_order() {
            let map = &self.maps[row.map as usize];
            match change {
                Change::Insert(value) | Change::Replace(value) => map.set(&row.key, value)?,
                Change::Delete => drop(map.delete(&row.key)?),
            }
        }
        if delta.tightens() {
            self.generation += 2;
            let value = [[0; 4], self.generation.to_ne_bytes()].concat();
            self.settings.set(&0_u32.to_ne_bytes(), &value)?;
        }
        self.tables = tables.clone();
        Ok(())
    }

    /// Runs one packet at a time in seconds.
    pub fn run(&self, entry: Entry, frame: &[u8], now: u32) -> io::Result<Outcome> {
        let (program, mark, first, second) = match entry {
            Entry::FromPort { ifindex } => (&self.programs.from_port, 0, ifindex, 0),
            Entry::ToPort { ifindex, origin } => {
                let mark = match origin {
                    forwarding::Origin::Forwarded => MARK_FORWARDED,
                    forwarding::Origin::Agent => MARK_AGENT,
                    forwarding::Origin::Host => 0,
                };
                (&self.programs.to_port, mark, ifindex, 0)
            }
            Entry::FromTunnel { vni, remote } => {
                let remote = u32::from_ne_bytes(remote.octets());
                (&self.programs.from_tunnel, 0, vni, remote)
            }
        };
        let (_, frame) = sys::test_run(program.fd(), frame, &context(mark, now, first, second))?;
        let recorded = self.recorded.get(&0_u32.to_ne_bytes())?.unwrap_or_default();
        outcome(&recorded, frame).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }
}

/// `struct __sk_buff` (include/uapi/linux/bpf.h) as far as the programs read it.
fn context(mark: u32, priority: u32, first: u32, second: u32) -> Vec<u8> {
    let mut fields = [0_u32; 48];
    fields[2] = mark;
    fields[8] = priority;
    fields[12] = first;
    fields[13] = second;
    fields
        .iter()
        .flat_map(|field| field.to_ne_bytes())
        .collect()
}

/// `struct recorded`.
fn outcome(bytes: &[u8], frame: Vec<u8>) -> Option<Outcome> {
    let u32_at = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let u64_at = |at: usize| Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
    let vni = u32_at(24)?;
    Some(match u32_at(0)? {
        0 => Outcome::Accept,
        1 => Outcome::Drop(DropReason::from_number(u8::try_from(u32_at(4)?).ok()?)?),
        2 => Outcome::Deliver {
            ifindex: u32_at(12)?,
        },
        3 => Outcome::Tunnel {
            host: u64_at(16)?,
            vni,
        },
        4 => {
            let (mut ports, mut hosts) = (Vec::new(), Vec::new());
            for index in 0..u32_at(40)? as usize {
                let at = 48 + 16 * index;
                match u32_at(at)? {
                    1 => ports.push(u32::try_from(u64_at(at + 8)?).ok()?),
                    _ => hosts.push(u64_at(at + 8)?),
                }
            }
            Outcome::Flood { ports, hosts, vni }
        }
        5 => Outcome::Reply { frame },
        _ => Outcome::Punt,
    })
}

fn open(ebpf: &Ebpf, name: &str) -> io::Result<RawMap> {
    use aya::maps::Map as Kind;
    let map = ebpf.map(name).ok_or(io::ErrorKind::NotFound)?;
    let (Kind::Array(data) | Kind::HashMap(data) | Kind::LpmTrie(data)) = map else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    RawMap::new(data.fd().as_fd().try_clone_to_owned()?, 1)
}
