//! UDP sockets of single-hop BFD (RFC 5881). Packets that travelled a hop, whose TTL is below 255, go no further
//! than this file (RFC 5881 section 5).

use mio::net::UdpSocket;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsRawFd;

/// Where control packets are sent (RFC 5881 section 4).
const PORT: u16 = 3784;
/// Where they may come from, a port for each session.
const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;
/// Of every packet, so that a receiver can tell a neighbour's.
const TTL: u8 = 255;
/// A control packet has 24 octets, with authentication fewer than this.
const LONGEST: usize = 256;

/// A control packet of a neighbour on the same link.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) source: IpAddr,
    pub(crate) interface: u32,
    pub(crate) packet: &'a [u8],
}

/// A receiving socket of each family, and a sending one for each session.
#[derive(Debug)]
pub(crate) struct BfdSockets {
    pub(crate) v4: UdpSocket,
    pub(crate) v6: Option<UdpSocket>,
    sending: HashMap<Route, std::net::UdpSocket>,
    next_port: u16,
}

/// Between which addresses, and through which device, a session's packets go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    pub(crate) remote: IpAddr,
    pub(crate) local: Option<IpAddr>,
    pub(crate) interface: Option<u32>,
}

impl BfdSockets {
    /// Receiving sockets in the calling thread's network namespace. Without IPv6 in the kernel there is one.
    pub(crate) fn open() -> io::Result<Self> {
        let v4 = receiving(Ipv4Addr::UNSPECIFIED.into())?;
        setsockopt(&v4, sockopt::Ipv4RecvTtl, &true)?;
        setsockopt(&v4, sockopt::Ipv4PacketInfo, &true)?;
        let v6 = match receiving(Ipv6Addr::UNSPECIFIED.into()) {
            Ok(socket) => {
                setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                Some(socket)
            }
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            v4,
            v6,
            sending: HashMap::new(),
            next_port: *SOURCE_PORTS.start(),
        })
    }

    /// Gives `each` what has come. A packet that is not a neighbour's is counted in the answer.
    pub(crate) fn receive(&self, mut each: impl FnMut(Received<'_>)) -> io::Result<u64> {
        let mut far = 0;
        for socket in std::iter::once(&self.v4).chain(&self.v6) {
            while let Some(near) = receive(socket, &mut each)? {
                far += u64::from(!near);
            }
        }
        Ok(far)
    }

    /// Sends one packet. The first of a session takes a source port for it.
    pub(crate) fn send(&mut self, route: &Route, packet: &[u8]) -> io::Result<()> {
        if !self.sending.contains_key(route) {
            let socket = self.sending_socket(route)?;
            self.sending.insert(route.clone(), socket);
        }
        match self.sending[route].send(packet) {
            // The neighbour does not listen (yet), or the link is down: that is what BFD is there to find out.
            Err(error) if is_of_the_path(&error) => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// Gives the source ports of sessions with a neighbour back.
    pub(crate) fn forget(&mut self, remote: IpAddr) {
        self.sending.retain(|route, _| route.remote != remote);
    }

    fn sending_socket(&mut self, route: &Route) -> io::Result<std::net::UdpSocket> {
        let remote = scoped(route.remote, PORT, route.interface);
        let unspecified = match remote {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let local = route.local.unwrap_or(unspecified);
        let ports = usize::from(SOURCE_PORTS.end() - SOURCE_PORTS.start()) + 1;
        for _ in 0..ports {
            let port = self.next_port;
            self.next_port = match port == *SOURCE_PORTS.end() {
                true => *SOURCE_PORTS.start(),
                false => port + 1,
            };
            let domain = Domain::for_address(remote);
            let kind = Type::DGRAM.nonblocking().cloexec();
            let socket = Socket::new(domain, kind, Some(Protocol::UDP))?;
            if let Some(name) = route.interface.and_then(super::interface_name) {
                socket.bind_device(Some(name.as_bytes()))?;
            }
            match socket.bind(&scoped(local, port, route.interface).into()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
                outcome => outcome?,
            }
            match remote {
                SocketAddr::V4(_) => socket.set_ttl_v4(TTL.into())?,
                SocketAddr::V6(_) => socket.set_unicast_hops_v6(TTL.into())?,
            }
            socket.connect(&remote.into())?;
            return Ok(socket.into());
        }
        Err(io::Error::from(io::ErrorKind::AddrInUse))
    }
}

fn is_of_the_path(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable, WouldBlock,
    };
    matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable | WouldBlock
    )
}

fn scoped(address: IpAddr, port: u16, interface: Option<u32>) -> SocketAddr {
    match address {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            SocketAddrV6::new(address, port, 0, interface.unwrap_or(0)).into()
        }
        address => SocketAddr::new(address, port),
    }
}

fn receiving(address: IpAddr) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(address, PORT);
    let domain = Domain::for_address(address);
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new(domain, kind, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into());
    SockRef::from(&socket).set_recv_buffer_size(1 << 20)?;
    Ok(socket)
}

/// One packet; false if it came from beyond the link, `None` if there is none.
fn receive(socket: &UdpSocket, each: &mut impl FnMut(Received<'_>)) -> io::Result<Option<bool>> {
    let mut bytes = [0; LONGEST];
    let mut control = nix::cmsg_space!(libc::c_int, libc::in6_pktinfo, libc::in_pktinfo);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let fd = socket.as_raw_fd();
    let flags = MsgFlags::MSG_DONTWAIT;
    let message = match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags) {
        Ok(message) => message,
        Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (mut ttl, mut interface) = (None, 0);
    for control in message.cmsgs()? {
        match control {
            ControlMessageOwned::Ipv4Ttl(value) | ControlMessageOwned::Ipv6HopLimit(value) => {
                ttl = Some(value);
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                interface = info.ipi_ifindex as u32;
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                interface = info.ipi6_ifindex;
            }
            _ => {}
        }
    }
    let source = message.address.as_ref().and_then(super::interfaces::ip_of);
    let length = message.bytes;
    let near = ttl == Some(TTL.into());
    if let (true, Some(source), Some(packet)) = (near, source, bytes.get(..length)) {
        each(Received {
            source,
            interface,
            packet,
        });
    }
    Ok(Some(near))
}
