//! TCP sockets of BGP: listeners and outgoing connections, with their keys, hop limits and source addresses. Nothing
//! here blocks.

use super::options::{Md5Key, Md5Peer, set_md5, set_minimum_ttl};
use mio::net::{TcpListener, TcpStream};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Connections the kernel completes before we take them. Takers of a thousand clients must not see resets.
const BACKLOG: i32 = 1_024;
/// What the kernel may hold of what was not sent yet, beside the send buffer's in-flight part: beyond it the block
/// stays with us, where a newer one can still replace it. Bytes.
const NOT_SENT: u32 = 1 << 20;

/// How a peer is connected to.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) remote: SocketAddr,
    pub(crate) source: Option<IpAddr>,
    /// An interface or VRF device to bind to.
    pub(crate) device: Option<String>,
    pub(crate) key: Option<Md5Key>,
    /// Hop limit of what we send; `None`: the system's.
    pub(crate) ttl: Option<u8>,
    /// The least hop limit we take (GTSM).
    pub(crate) least_ttl: Option<u8>,
}

/// Listens on an address; IPv4 and IPv6 are separate, so that both can be wildcards. `shared`: another socket of ours has
/// the port for all devices, see [`share_port`]. `prepare` has the socket before the first call can come in.
pub(crate) fn listen(
    address: SocketAddr,
    device: Option<&str>,
    shared: bool,
    prepare: impl FnOnce(&Socket),
) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    // Answers of a listener are handed to the connections it makes; GTSM wants theirs to leave with 255.
    set_ttl(&socket, address, 255)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    prepare(&socket);
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// Lets other sockets of ours have a listener's port for single devices. Not from the start: another daemon that listens
/// would not be noticed.
pub(crate) fn share_port(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).set_reuse_port(true)
}

/// Begins to connect. The stream becomes writable when it is known how that went.
pub(crate) fn connect(dial: &Dial) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(dial.remote),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if let Some(device) = &dial.device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    if let Some(source) = dial.source {
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    if let Some(key) = &dial.key {
        set_md5(&socket, Md5Peer::host(dial.remote.ip()), Some(key))?;
    }
    guard(&socket, dial.remote, dial.ttl, dial.least_ttl)?;
    match socket.connect(&dial.remote.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
        _ => {}
    }
    let stream = TcpStream::from_std(socket.into());
    tune(&stream)?;
    Ok(stream)
}

/// Prepares a connection that a listener took.
pub(crate) fn accept(
    stream: &TcpStream,
    remote: SocketAddr,
    ttl: Option<u8>,
    least_ttl: Option<u8>,
) -> io::Result<()> {
    guard(&SockRef::from(stream), remote, ttl, least_ttl)?;
    tune(stream)
}

fn guard(
    socket: &Socket,
    remote: SocketAddr,
    ttl: Option<u8>,
    least_ttl: Option<u8>,
) -> io::Result<()> {
    if let Some(ttl) = ttl {
        set_ttl(socket, remote, ttl)?;
    }
    match least_ttl {
        Some(least) => set_minimum_ttl(socket, remote, least),
        None => Ok(()),
    }
}

fn set_ttl(socket: &Socket, family: SocketAddr, ttl: u8) -> io::Result<()> {
    match family {
        SocketAddr::V4(_) => socket.set_ttl_v4(ttl.into()),
        SocketAddr::V6(_) => socket.set_unicast_hops_v6(ttl.into()),
    }
}

/// Small messages leave at once; precedence is that of network control (RFC 4271 appendix E: IP precedence 6).
fn tune(stream: &TcpStream) -> io::Result<()> {
    const NETWORK_CONTROL: u32 = 0xc0;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_notsent_lowat(NOT_SENT)?;
    match stream.local_addr()?.is_ipv4() {
        true => socket.set_tos_v4(NETWORK_CONTROL),
        false => socket.set_tclass_v6(NETWORK_CONTROL),
    }
}

/// The index of an interface; `None` if there is none of that name now.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// The name of an interface, for a link-local address's scope.
pub(crate) fn interface_name(index: u32) -> Option<String> {
    let name = nix::net::if_::if_indextoname(index).ok()?;
    name.into_string().ok()
}
