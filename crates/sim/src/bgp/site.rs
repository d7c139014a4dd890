//! Where sessions run: a namespace with a bridge for the load, and one namespace for each router, joined to it.
//!
//! Addresses are of the benchmarking range (RFC 2544) and of one unique local prefix (RFC 4193). All of it vanishes on drop.

use crate::lab::{Namespace, ip};
use anyhow::Result;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};

/// Distinguishes the sites of one process, whose tests run side by side.
static SITES: AtomicU32 = AtomicU32::new(0);

/// The load's end and the link to every router.
pub struct Site {
    number: u32,
    load: Namespace,
}

impl Site {
    pub fn new() -> Result<Self> {
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        let load = Namespace::create(format!("nw{}s{number}", std::process::id()))?;
        ip(
            Some(&load),
            "link add br0 type bridge\n\
             addr add 198.18.0.1/16 dev br0\n\
             addr add fd00:18::1/64 dev br0 nodad\n\
             link set br0 up\n",
        )?;
        Ok(Self { number, load })
    }

    /// The namespace that the load's sessions come from.
    pub fn load(&self) -> &Namespace {
        &self.load
    }

    /// The address of a load's session; made by [`Self::add_sources`].
    pub fn source(number: usize) -> Ipv4Addr {
        let number = number as u32;
        Ipv4Addr::from(0xc612_0100 + (number / 250) * 256 + number % 250 + 1)
    }

    /// Gives the load the addresses of so many sessions.
    pub fn add_sources(&self, count: usize) -> Result<()> {
        let script: String = (0..count)
            .map(|number| format!("addr add {}/16 dev br0\n", Self::source(number)))
            .collect();
        ip(Some(&self.load), &script)
    }

    /// The addresses of a router.
    pub fn router(number: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 0, 10 + number)
    }

    pub fn router6(number: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0x18, 0, 0, 0, 0, 0, 10 + u16::from(number))
    }

    pub fn addresses(number: u8) -> [IpAddr; 2] {
        [Self::router(number).into(), Self::router6(number).into()]
    }

    /// A namespace for the router of that number, below 240, with `eth0` on the bridge.
    pub fn router_namespace(&self, number: u8) -> Result<Namespace> {
        let name = format!("nw{}s{}r{number}", std::process::id(), self.number);
        let namespace = Namespace::create(name)?;
        ip(
            Some(&self.load),
            &format!(
                "link add r{number} type veth peer name eth0 netns {}\n\
                 link set r{number} master br0 up\n",
                namespace.name()
            ),
        )?;
        let [v4, v6] = Self::addresses(number);
        ip(
            Some(&namespace),
            &format!(
                "addr add {v4}/16 dev eth0\n\
                 addr add {v6}/64 dev eth0 nodad\n\
                 link set eth0 up\n"
            ),
        )?;
        Ok(namespace)
    }
}
