//! The listening sockets and the keys on them. One that cannot be opened now, because its address is not on this host
//! yet, is tried again.

use super::{LISTENER, RETRY};
use crate::Error;
use crate::net::{Md5Key, Md5Peer, listen, set_md5};
use bgp::speaker::Caller;
use ipnet::IpNet;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// By number.
    open: BTreeMap<usize, (SocketAddr, TcpListener)>,
    wanted: Vec<SocketAddr>,
    keys: BTreeMap<Caller, Md5Key>,
    failed: BTreeMap<SocketAddr, io::Error>,
    next: usize,
}

impl Listeners {
    /// Listens at exactly these addresses.
    pub(super) fn set(&mut self, addresses: Vec<SocketAddr>, registry: &Registry) {
        self.open.retain(|_, (address, listener)| {
            let kept = addresses.contains(address);
            if !kept {
                // Dropping it closes it; this keeps mio's own books.
                let _ = registry.deregister(listener);
            }
            kept
        });
        self.wanted = addresses;
        self.failed.clear();
        self.open_missing(registry);
    }

    /// Opens what could not be opened before. True if something still could not.
    pub(super) fn open_missing(&mut self, registry: &Registry) -> bool {
        for address in self.wanted.clone() {
            if self.open.values().any(|(open, _)| *open == address) {
                continue;
            }
            match self.open_one(address, registry) {
                Ok(()) => {
                    tracing::info!(%address, "listening");
                    self.failed.remove(&address);
                }
                Err(error) => {
                    if !self.failed.contains_key(&address) {
                        tracing::error!(%address, %error, retry_milliseconds = RETRY, "cannot listen");
                    }
                    self.failed.insert(address, error);
                }
            }
        }
        !self.failed.is_empty()
    }

    fn open_one(&mut self, address: SocketAddr, registry: &Registry) -> io::Result<()> {
        let mut listener = listen(address, None)?;
        for (caller, key) in &self.keys {
            set_key(&listener, address, caller, Some(key))?;
        }
        let number = self.next;
        self.next = (self.next + 1) % (super::DISCOVERY - LISTENER);
        registry.register(&mut listener, Token(LISTENER + number), Interest::READABLE)?;
        self.open.insert(number, (address, listener));
        Ok(())
    }

    /// The first address that could not be listened on.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self.failed.pop_first() {
            Some((address, source)) => Err(Error::Listen { address, source }),
            None => Ok(()),
        }
    }

    pub(super) fn set_password(&mut self, caller: Caller, key: Option<Md5Key>) {
        for (address, listener) in self.open.values() {
            if let Err(error) = set_key(listener, *address, &caller, key.as_ref()) {
                tracing::error!(?caller, %error, "cannot set a TCP-MD5 password on the listener; the neighbour cannot connect");
            }
        }
        match key {
            Some(key) => self.keys.insert(caller, key),
            None => self.keys.remove(&caller),
        };
    }

    /// The next connection of a listener; `None` if there is none now.
    pub(super) fn accept(
        &self,
        index: usize,
    ) -> io::Result<Option<(mio::net::TcpStream, SocketAddr)>> {
        let Some((_, listener)) = self.open.get(&index) else {
            return Ok(None);
        };
        loop {
            match listener.accept() {
                Ok(taken) => return Ok(Some(taken)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // The peer was gone again before we looked.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn indices(&self) -> Vec<usize> {
        self.open.keys().copied().collect()
    }
}

/// Sets a key on a listener of the caller's family.
fn set_key(
    listener: &TcpListener,
    address: SocketAddr,
    caller: &Caller,
    key: Option<&Md5Key>,
) -> io::Result<()> {
    const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
    let peer = match caller {
        Caller::Prefix(prefix) => Md5Peer {
            prefix: *prefix,
            interface: None,
        },
        Caller::Interface(name) => Md5Peer {
            prefix: IpNet::new_assert(IpAddr::V6(LINK_LOCAL), 10),
            interface: match crate::net::interface_index(name) {
                Some(index) => Some(index),
                None => return Ok(()),
            },
        },
    };
    match peer.prefix.addr().is_ipv4() == address.is_ipv4() {
        true => set_md5(listener, peer, key),
        false => Ok(()),
    }
}
