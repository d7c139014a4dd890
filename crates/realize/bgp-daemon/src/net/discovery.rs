//! Finding the router at the other end of a link without addresses (unnumbered BGP): both ends send router
//! advertisements with a lifetime of zero (RFC 4861 section 4.2: not a default router), and the sender of one heard is
//! the neighbour. FRR does the same, so the two meet.

use mio::net::UdpSocket;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
/// Of a packet from this link (RFC 4861 section 6.1).
const HOP_LIMIT: i32 = 255;

/// A raw ICMPv6 socket on one interface.
#[derive(Debug)]
pub(crate) struct Discovery {
    /// mio has no raw sockets; a datagram socket is registered and read the same way.
    pub(crate) socket: UdpSocket,
    pub(crate) interface: String,
    index: u32,
}

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Router(Ipv6Addr),
    /// Somebody wants to know who is here.
    Solicitation,
}

impl Discovery {
    /// On an interface that exists.
    pub(crate) fn open(interface: &str) -> io::Result<Self> {
        let absent = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no interface {interface}"),
            )
        };
        let index = super::interface_index(interface).ok_or_else(absent)?;
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_multicast_hops_v6(HOP_LIMIT as u32)?;
        socket.set_multicast_loop_v6(false)?;
        socket.set_multicast_if_v6(index)?;
        for group in [ALL_NODES, ALL_ROUTERS] {
            socket.join_multicast_v6(&group, index)?;
        }
        setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into()),
            interface: interface.to_owned(),
            index,
        })
    }

    /// Whether the interface is still the one that was opened: one that is made again has another index, and the socket
    /// neither hears nor says anything there.
    pub(crate) fn is_on_its_link(&self) -> bool {
        super::interface_index(&self.interface) == Some(self.index)
    }

    /// Tells the link that a router is here, and asks who else is.
    pub(crate) fn announce(&self) -> io::Result<()> {
        // Type, code, checksum (the kernel's), hop limit, flags, lifetime 0, reachable time, retransmission timer.
        let mut advertisement = [0; 16];
        advertisement[0] = ROUTER_ADVERTISEMENT;
        let mut solicitation = [0; 8];
        solicitation[0] = ROUTER_SOLICITATION;
        self.send(&advertisement, ALL_NODES)?;
        self.send(&solicitation, ALL_ROUTERS)
    }

    /// Tells the link that a router is here, because it was asked.
    pub(crate) fn answer(&self) -> io::Result<()> {
        let mut advertisement = [0; 16];
        advertisement[0] = ROUTER_ADVERTISEMENT;
        self.send(&advertisement, ALL_NODES)
    }

    fn send(&self, packet: &[u8], to: Ipv6Addr) -> io::Result<()> {
        let to = SocketAddrV6::new(to, 0, 0, self.index);
        self.socket.send_to(packet, to.into()).map(|_| ())
    }

    /// The next thing heard; `None` if there is nothing now.
    pub(crate) fn hear(&self) -> io::Result<Option<Heard>> {
        loop {
            let mut bytes = [0; 1_500];
            let mut control = nix::cmsg_space!(libc::c_int);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let fd = self.socket.as_raw_fd();
            let flags = MsgFlags::MSG_DONTWAIT;
            let message = match recvmsg::<SockaddrIn6>(fd, &mut parts, Some(&mut control), flags) {
                Ok(message) => message,
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(nix::Error::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let near = message
                .cmsgs()?
                .any(|control| matches!(control, ControlMessageOwned::Ipv6HopLimit(HOP_LIMIT)));
            let source = message.address.map(|address| address.ip());
            match (bytes[0], source) {
                (ROUTER_SOLICITATION, _) if near => return Ok(Some(Heard::Solicitation)),
                (ROUTER_ADVERTISEMENT, Some(source)) if near && source.is_unicast_link_local() => {
                    return Ok(Some(Heard::Router(source)));
                }
                _ => {}
            }
        }
    }
}
