//! The few rtnetlink requests the data path needs: the VXLAN device, the clsact qdisc, the bpf filters on it.
//!
//! Blocking calls to the kernel itself, answered at once. Message layouts: rtnetlink(7), linux/pkt_sched.h,
//! linux/pkt_cls.h, linux/if_link.h.

use crate::Error;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, sendto,
    socket,
};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

const CLSACT: u32 = 0xffff_fff1;
const CLSACT_HANDLE: u32 = 0xffff_0000;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;
/// Ours is the first filter of its hook; handle and priority say which one it is.
const PRIORITY: u32 = 1;
const FILTER_HANDLE: u32 = 1;
const ETH_P_ALL: u16 = 0x0003;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const HEADER: usize = 16;
/// Of one datagram; the kernel fills at most 32 KiB (`NLMSG_GOODSIZE`) of what is offered.
const LONGEST_ANSWER: usize = 64 * 1024;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_ID: u16 = 11;
const TCA_BPF_DIRECT_ACTION: u32 = 1;

const IFLA_MTU: u16 = 4;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VXLAN_LEARNING: u16 = 7;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_COLLECT_METADATA: u16 = 25;
/// Above any packet that segmentation leaves; the networks' MTUs are checked by the programs.
const TUNNEL_MTU: u32 = 65_000;

/// Which side of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Ingress,
    Egress,
}

impl Side {
    fn parent(self) -> u32 {
        match self {
            Self::Ingress => INGRESS,
            Self::Egress => EGRESS,
        }
    }
}

/// A device as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) ifindex: u32,
    pub(crate) is_up: bool,
    /// A VXLAN device in collect-metadata mode on this UDP port.
    pub(crate) vxlan_port: Option<u16>,
}

#[derive(Debug)]
pub(crate) struct Netlink {
    /// One request at a time: the agent's threads share the socket, and answers carry no name.
    channel: Mutex<Channel>,
}

#[derive(Debug)]
struct Channel {
    socket: OwnedFd,
    /// For the answers; kept, because clearing one costs more than most requests.
    buffer: Vec<u8>,
}

/// A message under construction.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        Self(bytes)
    }

    /// `struct tcmsg`.
    fn traffic_control(self, ifindex: u32, handle: u32, parent: u32, info: u32) -> Self {
        self.raw(&[0; 4])
            .raw(&ifindex.to_ne_bytes())
            .raw(&handle.to_ne_bytes())
            .raw(&parent.to_ne_bytes())
            .raw(&info.to_ne_bytes())
    }

    /// `struct ifinfomsg`.
    fn link(self, ifindex: u32, flags: u32, change: u32) -> Self {
        self.raw(&[0; 4])
            .raw(&ifindex.to_ne_bytes())
            .raw(&flags.to_ne_bytes())
            .raw(&change.to_ne_bytes())
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = (4 + value.len()) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn text(self, kind: u16, text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }

    fn nested(mut self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        let start = self.0.len();
        self = inside(self.raw(&[0; 2]).raw(&kind.to_ne_bytes()));
        let length = (self.0.len() - start) as u16;
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

/// The attributes in a byte string; stops at the first that does not fit.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        // The two highest bits are flags.
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes)
        .find(|(kind, _)| *kind == wanted)
        .map(|(_, value)| value)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_ne_bytes)
}

impl Netlink {
    pub(crate) fn open() -> Result<Self, Error> {
        let open = || -> nix::Result<OwnedFd> {
            let socket = socket(
                AddressFamily::Netlink,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::NetlinkRoute,
            )?;
            bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
            Ok(socket)
        };
        let socket = open().map_err(|error| failed("open a socket", error.into()))?;
        Ok(Self {
            channel: Mutex::new(Channel {
                socket,
                buffer: vec![0; LONGEST_ANSWER],
            }),
        })
    }

    /// Sends one request and gives every answer's payload to `each`, until the kernel says it is done.
    fn request(&self, message: Message, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let message = message.finish();
        let kernel = NetlinkAddr::new(0, 0);
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let Channel { socket, buffer } = &mut *channel;
        sendto(socket.as_raw_fd(), &message, &kernel, MsgFlags::empty())?;
        loop {
            let length = recv(socket.as_raw_fd(), buffer, MsgFlags::empty())?;
            let mut rest = &buffer[..length];
            while let Some(length) = u32_at(rest, 0).map(|length| length as usize) {
                let Some(payload) = rest.get(HEADER..length) else {
                    return Err(io::Error::from(io::ErrorKind::InvalidData));
                };
                match u16_at(rest, 4) {
                    Some(NLMSG_DONE) => return Ok(()),
                    Some(NLMSG_ERROR) => {
                        return match u32_at(payload, 0).map(|code| code as i32) {
                            Some(0) => Ok(()),
                            Some(code) => Err(io::Error::from_raw_os_error(-code)),
                            None => Err(io::Error::from(io::ErrorKind::InvalidData)),
                        };
                    }
                    _ => each(payload),
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }

    fn acknowledged(&self, message: Message) -> io::Result<()> {
        self.request(message, |_| {})
    }

    // ---- tc ----

    /// The id of our filter's program on one side of a device; `None` if there is no such filter.
    pub(crate) fn filter(&self, ifindex: u32, side: Side) -> Result<Option<u32>, Error> {
        // The dump may repeat a filter without its program id.
        let message = Message::new(libc::RTM_GETTFILTER, NLM_F_DUMP).traffic_control(
            ifindex,
            0,
            side.parent(),
            0,
        );
        let mut id = None;
        let result = self.request(message, |payload| {
            let is_ours = u32_at(payload, 8) == Some(FILTER_HANDLE)
                && u32_at(payload, 16).map(|info| info >> 16) == Some(PRIORITY);
            let attributes = payload.get(20..).unwrap_or_default();
            let is_bpf = find(attributes, TCA_KIND) == Some(b"bpf\0");
            let options = find(attributes, TCA_OPTIONS).unwrap_or_default();
            if is_ours && is_bpf {
                id = id.or(find(options, TCA_BPF_ID).and_then(|value| u32_at(value, 0)));
            }
        });
        match result {
            Ok(()) => Ok(id),
            // No clsact qdisc, or no device.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENODEV)) => {
                Ok(None)
            }
            Err(error) => Err(failed(
                format!("read the filters of device {ifindex}"),
                error,
            )),
        }
    }

    /// Puts a program on one side of a device, in place of the one that is there.
    pub(crate) fn set_filter(
        &self,
        ifindex: u32,
        side: Side,
        name: &str,
        program: BorrowedFd<'_>,
    ) -> Result<(), Error> {
        self.add_clsact(ifindex)?;
        let info = PRIORITY << 16 | u32::from(ETH_P_ALL.to_be());
        let fd = program.as_raw_fd() as u32;
        let message = Message::new(
            libc::RTM_NEWTFILTER,
            NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
        )
        .traffic_control(ifindex, FILTER_HANDLE, side.parent(), info)
        .text(TCA_KIND, "bpf")
        .nested(TCA_OPTIONS, |options| {
            options
                .attribute(TCA_BPF_FD, &fd.to_ne_bytes())
                .text(TCA_BPF_NAME, name)
                .attribute(TCA_BPF_FLAGS, &TCA_BPF_DIRECT_ACTION.to_ne_bytes())
        });
        self.acknowledged(message)
            .map_err(|error| device_error(ifindex, "put a filter on", error))
    }

    fn add_clsact(&self, ifindex: u32) -> Result<(), Error> {
        let message = Message::new(libc::RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
            .traffic_control(ifindex, CLSACT_HANDLE, CLSACT, 0)
            .text(TCA_KIND, "clsact");
        match self.acknowledged(message) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => {
                Err(device_error(ifindex, "add the clsact qdisc to", error))
            }
            _ => Ok(()),
        }
    }

    /// Takes our filter off; false if there was none, or no device.
    pub(crate) fn delete_filter(&self, ifindex: u32, side: Side) -> Result<bool, Error> {
        if self.filter(ifindex, side)?.is_none() {
            return Ok(false);
        }
        let info = PRIORITY << 16 | u32::from(ETH_P_ALL.to_be());
        let message = Message::new(libc::RTM_DELTFILTER, NLM_F_ACK)
            .traffic_control(ifindex, FILTER_HANDLE, side.parent(), info)
            .text(TCA_KIND, "bpf");
        match self.acknowledged(message) {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ENODEV | libc::ENOENT | libc::EINVAL)
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(device_error(ifindex, "take the filter off", error)),
        }
    }

    // ---- the VXLAN device ----

    pub(crate) fn link(&self, name: &str) -> Result<Option<Link>, Error> {
        let message = Message::new(libc::RTM_GETLINK, NLM_F_ACK)
            .link(0, 0, 0)
            .text(IFLA_IFNAME, name);
        let mut link = None;
        let result = self.request(message, |payload| {
            link = link.take().or(parse_link(payload))
        });
        match result {
            Ok(()) => Ok(link),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(failed(format!("look for device '{name}'"), error)),
        }
    }

    /// Makes a VXLAN device whose packets carry their own VNI and destination (Linux 4.3).
    pub(crate) fn add_vxlan(&self, name: &str, port: u16) -> Result<(), Error> {
        let up = libc::IFF_UP as u32;
        let message = Message::new(libc::RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
            .link(0, up, up)
            .text(IFLA_IFNAME, name)
            .attribute(IFLA_MTU, &TUNNEL_MTU.to_ne_bytes())
            .nested(IFLA_LINKINFO, |info| {
                info.text(IFLA_INFO_KIND, "vxlan")
                    .nested(IFLA_INFO_DATA, |data| {
                        data.attribute(IFLA_VXLAN_COLLECT_METADATA, &[1])
                            .attribute(IFLA_VXLAN_LEARNING, &[0])
                            .attribute(IFLA_VXLAN_PORT, &port.to_be_bytes())
                    })
            });
        self.acknowledged(message).map_err(|error| {
            failed(
                format!("make the VXLAN device '{name}' on UDP port {port}"),
                error,
            )
        })
    }

    pub(crate) fn set_up(&self, ifindex: u32) -> Result<(), Error> {
        let up = libc::IFF_UP as u32;
        let message = Message::new(libc::RTM_NEWLINK, NLM_F_ACK).link(ifindex, up, up);
        self.acknowledged(message)
            .map_err(|error| device_error(ifindex, "set up", error))
    }

    pub(crate) fn delete_link(&self, ifindex: u32) -> Result<(), Error> {
        let message = Message::new(libc::RTM_DELLINK, NLM_F_ACK).link(ifindex, 0, 0);
        self.acknowledged(message)
            .map_err(|error| device_error(ifindex, "delete", error))
    }
}

fn parse_link(payload: &[u8]) -> Option<Link> {
    let attributes = payload.get(16..)?;
    let info = find(attributes, IFLA_LINKINFO).unwrap_or_default();
    let data = find(info, IFLA_INFO_DATA).unwrap_or_default();
    let is_vxlan = find(info, IFLA_INFO_KIND) == Some(b"vxlan\0")
        && find(data, IFLA_VXLAN_COLLECT_METADATA) == Some(&[1]);
    let port = find(data, IFLA_VXLAN_PORT).and_then(|value| u16_at(value, 0));
    Some(Link {
        ifindex: u32_at(payload, 4)?,
        is_up: u32_at(payload, 8)? & libc::IFF_UP as u32 != 0,
        vxlan_port: port.filter(|_| is_vxlan).map(u16::from_be),
    })
}

fn failed(action: impl Into<String>, source: io::Error) -> Error {
    Error::Netlink {
        action: action.into(),
        source,
    }
}

fn device_error(ifindex: u32, action: &str, source: io::Error) -> Error {
    if source.raw_os_error() == Some(libc::ENODEV) {
        return Error::NoDevice { ifindex };
    }
    failed(format!("{action} device {ifindex}"), source)
}
