//! The socket options that no crate wraps: keys of TCP-MD5 (RFC 2385) and the least hop limit that is let in
//! (GTSM, RFC 5082). nix's macro makes the call, so there is no `unsafe` here.

use ipnet::IpNet;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SetStruct;
use nix::{setsockopt_impl, sockopt_impl};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;

/// `TCP_MD5SIG_EXT` and its flags (include/uapi/linux/tcp.h, Linux 4.13; the interface since 5.4).
const TCP_MD5SIG_EXT: libc::c_int = 32;
const FLAG_PREFIX: u8 = 1;
const FLAG_IFINDEX: u8 = 2;
/// `TCP_MD5SIG_MAXKEYLEN`.
const MAX_KEY: usize = 80;

/// `struct tcp_md5sig`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Md5Signature {
    address: [u8; 128],
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    interface: i32,
    key: [u8; MAX_KEY],
}

#[derive(Debug, Clone, Copy)]
struct Md5Option;

setsockopt_impl!(
    Md5Option,
    libc::IPPROTO_TCP,
    TCP_MD5SIG_EXT,
    Md5Signature,
    SetStruct<Md5Signature>
);
sockopt_impl!(
    MinTtlV4,
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_MINTTL,
    libc::c_int,
    SetStruct<libc::c_int>
);
sockopt_impl!(
    MinHopsV6,
    SetOnly,
    libc::IPPROTO_IPV6,
    libc::IPV6_MINHOPCOUNT,
    libc::c_int,
    SetStruct<libc::c_int>
);

/// A shared secret of 1 to 80 octets. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Md5Key(Arc<[u8]>);

impl Md5Key {
    /// `None` if the kernel would not take it.
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        (1..=MAX_KEY)
            .contains(&secret.len())
            .then(|| Self(secret.into()))
    }
}

impl fmt::Debug for Md5Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Md5Key(…)")
    }
}

/// Whose segments a key signs: an address is a full-length prefix. The interface is the device of a VRF:
/// the kernel takes no other (`tcp_v6_parse_md5_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Md5Peer {
    pub(crate) prefix: IpNet,
    pub(crate) interface: Option<u32>,
}

impl Md5Peer {
    pub(crate) fn host(address: IpAddr) -> Self {
        Self {
            prefix: address.into(),
            interface: None,
        }
    }
}

/// Sets the key for a peer's segments on a socket, or removes it. On an IPv6 socket that also takes IPv4, IPv4 peers
/// are given as IPv6-mapped by the kernel's own rule; ours take one family each.
pub(crate) fn set_md5(socket: &impl AsFd, peer: Md5Peer, key: Option<&Md5Key>) -> io::Result<()> {
    let mut signature = Md5Signature {
        address: sockaddr(peer.prefix.addr()),
        flags: FLAG_PREFIX,
        prefix_length: peer.prefix.prefix_len(),
        key_length: 0,
        interface: 0,
        key: [0; MAX_KEY],
    };
    if let Some(interface) = peer.interface {
        signature.flags |= FLAG_IFINDEX;
        signature.interface = interface as i32;
    }
    if let Some(Md5Key(key)) = key {
        signature.key_length = key.len() as u16;
        signature.key[..key.len()].copy_from_slice(key);
    }
    match setsockopt(socket, Md5Option, &signature) {
        // There was no key to remove.
        Err(nix::Error::ENOENT) if key.is_none() => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// `struct sockaddr_in` or `sockaddr_in6` without a port, in the room of a `sockaddr_storage`.
fn sockaddr(address: IpAddr) -> [u8; 128] {
    let mut bytes = [0; 128];
    match address {
        IpAddr::V4(address) => {
            bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            bytes[4..8].copy_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            bytes[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            bytes[8..24].copy_from_slice(&address.octets());
        }
    }
    bytes
}

/// Segments that came with a lower TTL or hop limit are dropped by the kernel before the connection sees them.
pub(crate) fn set_minimum_ttl(socket: &impl AsFd, peer: SocketAddr, least: u8) -> io::Result<()> {
    let least = libc::c_int::from(least);
    match peer {
        SocketAddr::V4(_) => setsockopt(socket, MinTtlV4, &least)?,
        SocketAddr::V6(_) => setsockopt(socket, MinHopsV6, &least)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_structure_has_the_kernels_size() {
        assert_eq!(size_of::<Md5Signature>(), 216);
    }

    #[test]
    fn a_key_is_between_one_and_eighty_octets_and_stays_secret() {
        assert!(Md5Key::new(b"").is_none());
        assert!(Md5Key::new(&[7; 81]).is_none());
        let key = Md5Key::new(b"hunter2").expect("a key");
        assert!(!format!("{key:?}").contains("hunter2"));
    }
}
