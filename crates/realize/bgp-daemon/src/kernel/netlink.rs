//! rtnetlink (rtnetlink(7)) as bytes: sockets, and building and reading messages. Requests are written many to a
//! datagram, because a table has a million of them. `netlink-packet-route` knows no next-hop objects and allocates for
//! each attribute, so the daemon speaks for itself here.

use nix::sys::socket::sockopt::SetBool;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, getsockname,
    recv, sendto, setsockopt, socket, sockopt,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

pub(super) const HEADER: usize = 16;
pub(super) const NLM_F_REQUEST: u16 = 1;
pub(super) const NLM_F_ACK: u16 = 4;
pub(super) const NLM_F_REPLACE: u16 = 0x100;
pub(super) const NLM_F_DUMP: u16 = 0x300;
pub(super) const NLM_F_EXCL: u16 = 0x200;
pub(super) const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Set in a dump's answers if the table changed meanwhile.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// The kernel's answers are at most this long (`NLMSG_GOODSIZE` and its dump variant).
const LONGEST_ANSWER: usize = 64 << 10;
/// Requests in flight together. Their answers, 36 bytes and overhead each, must fit the receive buffer.
const BATCH: usize = 128;
const RECEIVE_BUFFER: usize = 32 << 20;

/// `NETLINK_GET_STRICT_CHK` (Linux 4.20): the kernel filters dumps by what the request's header says.
const GET_STRICT_CHECK: libc::c_int = 12;

#[derive(Debug, Clone, Copy)]
struct StrictCheck;
nix::setsockopt_impl!(
    StrictCheck,
    libc::SOL_NETLINK,
    GET_STRICT_CHECK,
    bool,
    SetBool
);

#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
    /// Notifications caused by this socket carry it.
    pub(super) port: u32,
}

impl Netlink {
    /// For requests, in the calling thread's network namespace.
    pub(super) fn open() -> io::Result<Self> {
        let netlink = Self::bound(0, SockFlag::SOCK_CLOEXEC)?;
        // Older kernels filter nothing, and the reader checks again anyway.
        let _ = setsockopt(&netlink.socket, StrictCheck, &true);
        Ok(netlink)
    }

    /// For notifications of the groups (the bits bind(2) takes). Does not block.
    pub(super) fn subscribe(groups: u32) -> io::Result<Self> {
        Self::bound(groups, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)
    }

    fn bound(groups: u32, flags: SockFlag) -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            flags,
            SockProtocol::NetlinkRoute,
        )?;
        // Beyond `net.core.rmem_max`, which is sized for other things; without the right to, what there is must do.
        let forced = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER);
        forced.or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        let own: NetlinkAddr = getsockname(socket.as_raw_fd())?;
        Ok(Self {
            socket,
            buffer: vec![0; LONGEST_ANSWER],
            sequence: 0,
            port: own.pid(),
        })
    }

    /// Joins a group beyond the 31 that bind(2) takes.
    pub(super) fn join(&self, group: u32) -> io::Result<()> {
        Ok(setsockopt(
            &self.socket,
            Membership,
            &(group as libc::c_int),
        )?)
    }

    /// Sends a dump request and gives each answer's payload to `each`. False if the kernel says that what it dumps
    /// changed meanwhile, so that something may be missing.
    pub(super) fn dump(
        &mut self,
        request: &Message,
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        self.send(std::slice::from_ref(request), NLM_F_DUMP)?;
        let (sequence, mut complete) = (self.sequence, true);
        loop {
            let length = self.receive()?;
            for answer in answers(&self.buffer[..length]) {
                if answer.sequence != sequence {
                    continue;
                }
                complete &= answer.flags & NLM_F_DUMP_INTR == 0;
                match answer.kind {
                    NLMSG_DONE => return Ok(complete),
                    NLMSG_ERROR => return error_of(answer.payload).map(|()| complete),
                    _ => each(answer.payload),
                }
            }
        }
    }

    /// Sends requests and waits for each to be acknowledged. `refused` hears which were not, with the reason.
    pub(super) fn apply(
        &mut self,
        requests: &[Message],
        mut refused: impl FnMut(usize, io::Error),
    ) -> io::Result<()> {
        for (batch, requests) in requests.chunks(BATCH).enumerate() {
            let first = self.sequence.wrapping_add(1);
            self.send(requests, NLM_F_ACK)?;
            let mut open = requests.len();
            while open > 0 {
                let length = self.receive()?;
                for answer in answers(&self.buffer[..length]) {
                    let index = answer.sequence.wrapping_sub(first) as usize;
                    if answer.kind != NLMSG_ERROR || index >= requests.len() {
                        continue;
                    }
                    open -= 1;
                    if let Err(error) = error_of(answer.payload) {
                        refused(batch * BATCH + index, error);
                    }
                }
            }
        }
        Ok(())
    }

    /// What was notified; `Ok(None)` if there is nothing now. `ENOBUFS` tells that notifications were lost.
    pub(super) fn notified(&mut self) -> io::Result<Option<&[u8]>> {
        match self.receive() {
            Ok(length) => Ok(Some(&self.buffer[..length])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, requests: &[Message], flags: u16) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(requests.len() * 64);
        for Message(request) in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let start = bytes.len();
            bytes.extend_from_slice(request);
            let message = &mut bytes[start..];
            let own = u16::from_ne_bytes([message[6], message[7]]) | NLM_F_REQUEST | flags;
            message[..4].copy_from_slice(&(request.len() as u32).to_ne_bytes());
            message[6..8].copy_from_slice(&own.to_ne_bytes());
            message[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
        }
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), &bytes, &kernel, MsgFlags::empty())?;
        Ok(())
    }

    fn receive(&mut self) -> io::Result<usize> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Err(nix::Error::EINTR) => {}
                outcome => return Ok(outcome?),
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[derive(Debug, Clone, Copy)]
struct Membership;
nix::setsockopt_impl!(
    Membership,
    libc::SOL_NETLINK,
    libc::NETLINK_ADD_MEMBERSHIP,
    libc::c_int,
    sockopt::SetStruct<libc::c_int>
);

fn error_of(payload: &[u8]) -> io::Result<()> {
    match u32_at(payload, 0).map(|code| code as i32) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::Error::from(io::ErrorKind::InvalidData)),
    }
}

/// A message of a datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) kind: u16,
    flags: u16,
    sequence: u32,
    /// Whose request caused it.
    pub(super) port: u32,
    pub(super) payload: &'a [u8],
}

/// The messages of a datagram; one that is cut short ends it.
pub(super) fn answers(datagram: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32_at(rest, 0)? as usize;
        let answer = Answer {
            kind: u16_at(rest, 4)?,
            flags: u16_at(rest, 6)?,
            sequence: u32_at(rest, 8)?,
            port: u32_at(rest, 12)?,
            payload: rest.get(HEADER..length)?,
        };
        // Messages are aligned to four bytes.
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(answer)
    })
}

/// A request under construction; length and sequence are filled in when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn new(kind: u16, flags: u16, header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.resize(HEADER, 0);
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(header);
        Self(bytes)
    }

    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = (4 + value.len()) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// What follows the header of a message.
    #[cfg(test)]
    pub(super) fn payload(&self) -> &[u8] {
        &self.0[HEADER..]
    }

    pub(super) fn u32(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }
}

/// The attributes in a byte string; stops at the first that does not fit.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        // The two highest bits are flags.
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk().copied();
    bytes.map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk().copied();
    bytes.map(u32::from_ne_bytes)
}
