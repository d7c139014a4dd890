//! The listening sockets and the keys on them. What cannot be had now, an address that is not on this host yet, a link,
//! a password file, is looked for again, and whoever must sign with a key that is not there is not let in meanwhile.

use super::password::key_of;
use super::{LISTENER, RETRY};
use crate::Error;
use crate::net::{
    Md5Key, Md5Peer, Refusal, interface_index, interface_name, listen, set_md5, share_port,
};
use bgp::config::Password;
use bgp::speaker::Caller;
use ipnet::IpNet;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);

#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// By number.
    open: BTreeMap<usize, Listener>,
    addresses: Vec<SocketAddr>,
    secrets: BTreeMap<Caller, Secret>,
    failed: BTreeMap<At, io::Error>,
    next: usize,
}

/// An address of ours; of a link whose link-local callers have a password, with that link: Linux keeps keys by link only
/// for VRFs (`tcp_v6_parse_md5_keys`), so such a link has a socket of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    address: SocketAddr,
    interface: Option<String>,
}

#[derive(Debug)]
struct Listener {
    at: At,
    /// Of its interface when it was opened: one that is made again has another, and the socket hears nothing of it.
    index: Option<u32>,
    socket: TcpListener,
    /// Whether the key of a caller is set; that it could not be was logged.
    keyed: BTreeMap<Caller, bool>,
}

#[derive(Debug)]
struct Secret {
    password: Password,
    key: Result<Md5Key, String>,
}

impl Secret {
    fn read(caller: &Caller, password: Password) -> Self {
        let key = key_of(&password).map_err(|error| error.to_string());
        if let Err(error) = &key {
            tracing::error!(
                ?caller,
                error,
                "there is no password for a neighbour that needs one: its calls are refused"
            );
        }
        Self { password, key }
    }
}

impl Listeners {
    /// Listens at exactly these addresses.
    pub(super) fn set(&mut self, addresses: Vec<SocketAddr>) {
        self.addresses = addresses;
        self.failed.clear();
    }

    /// The password a caller must sign with from now on; `None`: it need not sign.
    pub(super) fn set_password(&mut self, caller: Caller, password: Option<Password>) {
        for listener in self.open.values_mut() {
            listener.keyed.remove(&caller);
            if let (None, Some(peer)) = (&password, listener.at.peer(&caller))
                && let Err(error) = set_md5(&listener.socket, peer, None)
            {
                tracing::error!(?caller, %error, "cannot remove a TCP-MD5 password from a listener");
            }
        }
        match password {
            Some(password) => {
                let secret = Secret::read(&caller, password);
                self.secrets.insert(caller, secret);
            }
            None => {
                self.secrets.remove(&caller);
            }
        }
    }

    /// Reads the password files again.
    pub(super) fn read_again(&mut self) {
        for (caller, secret) in &mut self.secrets {
            let read = Secret::read(caller, secret.password.clone());
            if read.key != secret.key {
                *secret = read;
                for listener in self.open.values_mut() {
                    listener.keyed.remove(caller);
                }
            }
        }
    }

    /// Opens, keys and closes what is to be. True if it is to be called again: something is not there yet, or links are to
    /// be watched.
    pub(super) fn settle(&mut self, registry: &Registry) -> bool {
        for secret in self
            .secrets
            .values_mut()
            .filter(|secret| secret.key.is_err())
        {
            if let Ok(key) = key_of(&secret.password) {
                secret.key = Ok(key);
            }
        }
        let wanted = self.wanted();
        self.open.retain(|_, listener| {
            let kept = wanted.contains(&listener.at) && listener.is_on_its_link();
            if !kept {
                // Dropping it closes it; this keeps mio's own books.
                let _ = registry.deregister(&mut listener.socket);
            }
            kept
        });
        self.failed.retain(|at, _| wanted.contains(at));
        for at in wanted {
            if self.open.values().all(|listener| listener.at != at) {
                self.open_one(at, registry);
            }
        }
        for listener in self.open.values_mut() {
            listener.set_keys(&self.secrets);
        }
        let unkeyed = |listener: &Listener| listener.keyed.values().any(|set| !set);
        let is_link = |caller: &Caller| matches!(caller, Caller::Interface(_));
        !self.failed.is_empty()
            || self.open.values().any(unkeyed)
            || self
                .secrets
                .iter()
                .any(|(caller, secret)| secret.key.is_err() || is_link(caller))
    }

    /// The addresses, and of the links with a password those that link-local callers can call.
    fn wanted(&self) -> Vec<At> {
        let plain = self.addresses.iter().map(|address| At {
            address: *address,
            interface: None,
        });
        let any = self
            .addresses
            .iter()
            .filter(|address| address.ip() == Ipv6Addr::UNSPECIFIED);
        let links = any.flat_map(|address| {
            let interfaces = self.secrets.keys().filter_map(|caller| match caller {
                Caller::Interface(name) => Some(name.clone()),
                Caller::Prefix(_) => None,
            });
            interfaces.map(|name| At {
                address: *address,
                interface: Some(name),
            })
        });
        plain.chain(links).collect()
    }

    fn open_one(&mut self, at: At, registry: &Registry) {
        let index = match at.interface.as_deref().map(interface_index) {
            // The link is not there yet.
            Some(None) => return,
            Some(index) => index,
            None => None,
        };
        let opened = self.bind(&at, index).and_then(|mut listener| {
            let number = self.next;
            let token = Token(LISTENER + number);
            registry.register(&mut listener.socket, token, Interest::READABLE)?;
            Ok((number, listener))
        });
        let address = at.address;
        match opened {
            Ok((number, listener)) => {
                tracing::info!(%address, interface = at.interface, "listening");
                self.failed.remove(&at);
                self.next = (self.next + 1) % (super::DISCOVERY - LISTENER);
                self.open.insert(number, listener);
            }
            Err(error) => {
                if !self.failed.contains_key(&at) {
                    tracing::error!(%address, interface = at.interface, %error, retry_milliseconds = RETRY, "cannot listen");
                }
                self.failed.insert(at, error);
            }
        }
    }

    fn bind(&self, at: &At, index: Option<u32>) -> io::Result<Listener> {
        let others = self
            .open
            .values()
            .filter(|other| other.at.address == at.address);
        let others: Vec<&Listener> = others.collect();
        for other in &others {
            share_port(&other.socket)?;
        }
        let device = at.interface.as_deref();
        let mut keyed = BTreeMap::new();
        let socket = listen(at.address, device, !others.is_empty(), |socket| {
            // Before the first call can come in.
            for (caller, secret) in &self.secrets {
                set_key(socket, at, caller, secret, &mut keyed);
            }
        })?;
        Ok(Listener {
            at: at.clone(),
            index,
            socket,
            keyed,
        })
    }

    /// The first address that could not be listened on. What is of a link may come later.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        let mut failed = std::mem::take(&mut self.failed).into_iter();
        match failed.find(|(at, _)| at.interface.is_none()) {
            Some((at, source)) => Err(Error::Listen {
                address: at.address,
                source,
            }),
            None => Ok(()),
        }
    }

    /// The next connection of a listener; `None` if there is none now.
    pub(super) fn accept(&self, index: usize) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        let Some(listener) = self.open.get(&index) else {
            return Ok(None);
        };
        loop {
            match listener.socket.accept() {
                Ok(taken) => return Ok(Some(taken)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // The peer was gone again before we looked.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The key a connection that a listener took is signed with, if its caller has to. One that was made before the key was
    /// set is signed from here on, or ends.
    pub(super) fn sign(
        &self,
        index: usize,
        stream: &TcpStream,
        remote: SocketAddr,
    ) -> Result<Option<Md5Key>, Refusal> {
        let Some((caller, secret)) = self.secret_of(remote) else {
            return Ok(None);
        };
        let listener = self.open.get(&index);
        let keyed = listener.and_then(|listener| listener.keyed.get(caller));
        match (&secret.key, keyed) {
            (Ok(key), Some(true))
                if set_md5(stream, Md5Peer::host(remote.ip()), Some(key)).is_ok() =>
            {
                Ok(Some(key.clone()))
            }
            _ => Err(Refusal::Unsigned),
        }
    }

    /// What connections with somebody are to be signed with now; `None`: there is no password, or it cannot be had.
    pub(super) fn key_for(&self, remote: SocketAddr) -> Option<&Md5Key> {
        self.secret_of(remote)?.1.key.as_ref().ok()
    }

    /// That of its link, else of the longest prefix it is in.
    fn secret_of(&self, remote: SocketAddr) -> Option<(&Caller, &Secret)> {
        let link = match remote {
            SocketAddr::V6(remote) if remote.scope_id() != 0 => interface_name(remote.scope_id()),
            _ => None,
        };
        if let Some(found) =
            link.and_then(|name| self.secrets.get_key_value(&Caller::Interface(name)))
        {
            return Some(found);
        }
        let address = remote.ip().to_canonical();
        let within = |caller: &Caller| match caller {
            Caller::Prefix(prefix) if prefix.contains(&address) => Some(prefix.prefix_len()),
            Caller::Prefix(_) | Caller::Interface(_) => None,
        };
        let prefixes = self.secrets.iter();
        let prefixes = prefixes.filter(|(caller, _)| within(caller).is_some());
        prefixes.max_by_key(|(caller, _)| within(caller))
    }

    pub(super) fn indices(&self) -> Vec<usize> {
        self.open.keys().copied().collect()
    }
}

impl Listener {
    fn is_on_its_link(&self) -> bool {
        let now = self.at.interface.as_deref().and_then(interface_index);
        self.index == now
    }

    fn set_keys(&mut self, secrets: &BTreeMap<Caller, Secret>) {
        for (caller, secret) in secrets {
            if self.keyed.get(caller) != Some(&true) {
                set_key(&self.socket, &self.at, caller, secret, &mut self.keyed);
            }
        }
    }
}

impl At {
    /// Whose segments a caller's key signs here; `None`: the caller does not come here.
    fn peer(&self, caller: &Caller) -> Option<Md5Peer> {
        let prefix = match caller {
            Caller::Prefix(prefix) => *prefix,
            Caller::Interface(name) if self.interface.as_ref() == Some(name) => {
                IpNet::new_assert(IpAddr::V6(LINK_LOCAL), 10)
            }
            Caller::Interface(_) => return None,
        };
        let here = prefix.addr().is_ipv4() == self.address.is_ipv4();
        here.then_some(Md5Peer {
            prefix,
            interface: None,
        })
    }
}

fn set_key(
    socket: &impl std::os::fd::AsFd,
    at: &At,
    caller: &Caller,
    secret: &Secret,
    keyed: &mut BTreeMap<Caller, bool>,
) {
    let (Some(peer), Ok(key)) = (at.peer(caller), &secret.key) else {
        return;
    };
    let set = set_md5(socket, peer, Some(key));
    if let Err(error) = &set
        && !keyed.contains_key(caller)
    {
        tracing::error!(?caller, %error, "cannot set a TCP-MD5 password on a listener: the neighbour's calls are refused");
    }
    keyed.insert(caller.clone(), set.is_ok());
}
