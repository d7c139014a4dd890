//! The links of the host's network namespace, as the kernel tells of them: which appear, change, lose their
//! programs, or go. It subscribes before it looks, so nothing falls in between, and says when it has missed something.

use crate::netlink::{Rtnetlink, messages};
use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use std::collections::{BTreeMap, HashMap};
use std::io;

/// `RTNLGRP_LINK` and `RTNLGRP_TC` as the bits that bind(2) takes.
const GROUPS: u32 = 1 << 0 | 1 << 3;
/// Bytes the kernel may hold for us; a burst of 10,000 links needs about this much.
const RECEIVE_BUFFER: usize = 16 << 20;

/// A link as far as the agent cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) mtu: u32,
}

impl Link {
    fn read(message: &LinkMessage) -> Option<Self> {
        let mut name = None;
        let mut mtu = 0;
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(text) => name = Some(text.clone()),
                LinkAttribute::Mtu(value) => mtu = *value,
                _ => {}
            }
        }
        Some(Self {
            index: message.header.index,
            name: name?,
            up: message.header.flags.contains(LinkFlags::Up),
            mtu,
        })
    }
}

/// What the kernel told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkEvent {
    /// New, or something about it changed.
    Link(Link),
    Gone(u32),
    /// A queueing discipline or filter of the link was removed; ours may be among them.
    FilterRemoved(u32),
    /// Notifications were lost; look at everything again.
    Missed,
}

/// The subscription.
pub(crate) struct Watcher {
    socket: TokioSocket,
}

impl Watcher {
    /// Subscribes in the calling thread's network namespace. Needs a tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        Self::with_buffer(RECEIVE_BUFFER)
    }

    fn with_buffer(bytes: usize) -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        // Beyond `net.core.rmem_max`, which is sized for other things.
        setsockopt(socket.socket_ref(), RcvBufForce, &bytes)?;
        socket.socket_mut().bind(&SocketAddr::new(0, GROUPS))?;
        Ok(Self { socket })
    }

    /// The next notifications. Cancel safe.
    pub(crate) async fn next(&self) -> io::Result<Vec<LinkEvent>> {
        match self.socket.recv_from_full().await {
            Ok((datagram, _)) => Ok(messages(&datagram)
                .filter_map(|message| match message.payload {
                    NetlinkPayload::InnerMessage(message) => event(message),
                    NetlinkPayload::Overrun(_) => Some(LinkEvent::Missed),
                    _ => None,
                })
                .collect()),
            Err(error) if is_overrun(&error) => {
                self.drain()?;
                Ok(vec![LinkEvent::Missed])
            }
            Err(error) => Err(error),
        }
    }

    /// From an overrun until its queue is empty, the kernel drops notifications without another word; so it has to be
    /// empty before anybody looks at the links again.
    fn drain(&self) -> io::Result<()> {
        loop {
            match self.socket.socket_ref().recv_from_full() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if !is_overrun(&error) => return Err(error),
                _ => {}
            }
        }
    }
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::ENOBUFS)
}

fn event(message: RouteNetlinkMessage) -> Option<LinkEvent> {
    let link_of = |index: i32| u32::try_from(index).ok().map(LinkEvent::FilterRemoved);
    match message {
        RouteNetlinkMessage::NewLink(link) => Link::read(&link).map(LinkEvent::Link),
        RouteNetlinkMessage::DelLink(link) => Some(LinkEvent::Gone(link.header.index)),
        RouteNetlinkMessage::DelQueueDiscipline(tc)
        | RouteNetlinkMessage::DelTrafficFilter(tc)
        | RouteNetlinkMessage::DelTrafficChain(tc) => link_of(tc.header.index),
        _ => None,
    }
}

/// The links that exist, by index and by name.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_index: BTreeMap<u32, Link>,
    by_name: HashMap<String, u32>,
}

impl Links {
    pub(crate) fn read(netlink: &mut Rtnetlink) -> io::Result<Self> {
        let mut links = Self::default();
        for message in netlink.links()? {
            if let Some(link) = Link::read(&message) {
                links.insert(link);
            }
        }
        Ok(links)
    }

    /// The link that had this index before, possibly under another name.
    pub(crate) fn insert(&mut self, link: Link) -> Option<Link> {
        let before = self.remove(link.index);
        self.by_name.insert(link.name.clone(), link.index);
        self.by_index.insert(link.index, link);
        before
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<Link> {
        let link = self.by_index.remove(&index)?;
        // A notification of a rename may come after the one about the name's next holder.
        if self.by_name.get(&link.name) == Some(&index) {
            self.by_name.remove(&link.name);
        }
        Some(link)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Link> {
        self.get(*self.by_name.get(name)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.by_index.values()
    }
}

/// True for `tap` and the first 11 characters of a UUID: the devices that Nova and `plug` make for ports.
/// These are denied everything from the moment they appear; other devices are ours only once a plan names them.
pub(crate) fn is_port_device(name: &str) -> bool {
    let Some(id) = name.strip_prefix("tap").map(str::as_bytes) else {
        return false;
    };
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    id.len() == 11 && id[..8].iter().all(hex) && id[8] == b'-' && id[9..].iter().all(hex)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn only_devices_named_after_ports_are_ours() {
        assert!(is_port_device("tap0a1b2c3d-4e"));
        for name in [
            "tap0",
            "tap0a1b2c3d-4",
            "tap0a1b2c3d-4eff",
            "tun0a1b2c3d-4e",
            "tap0A1B2C3D-4E",
        ] {
            assert!(!is_port_device(name), "{name}");
        }
    }

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.into(),
            up: true,
            mtu: 1500,
        }
    }

    /// Runs in a network namespace of its own, which goes with its thread. Needs root.
    pub(crate) fn in_new_namespace(work: impl AsyncFnOnce() + Send) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root");
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().expect("a runtime");
                runtime.block_on(work());
            });
        });
    }

    #[test]
    fn changes_are_heard_in_order() {
        in_new_namespace(async || {
            let watcher = Watcher::open().expect("a socket");
            let mut netlink = Rtnetlink::open().expect("a socket");
            netlink.set_up(1).expect("the loopback device");
            let lo_is_up = |event: &LinkEvent| matches!(event, LinkEvent::Link(link) if link.name == "lo" && link.up);
            while !watcher.next().await.expect("events").iter().any(lo_is_up) {}
            let links = Links::read(&mut netlink).expect("links");
            assert!(
                links
                    .named("lo")
                    .is_some_and(|link| link.up && link.index == 1)
            );
        });
    }

    #[test]
    fn an_overrun_is_told_and_the_watch_goes_on() {
        in_new_namespace(async || {
            let watcher = Watcher::with_buffer(4096).expect("a socket");
            let mut netlink = Rtnetlink::open().expect("a socket");
            for mtu in 1500..1600 {
                netlink.bring_up(1, mtu).expect("the loopback device");
            }
            while !watcher
                .next()
                .await
                .expect("events")
                .contains(&LinkEvent::Missed)
            {}
            netlink.bring_up(1, 1400).expect("the loopback device");
            let latest =
                |event: &LinkEvent| matches!(event, LinkEvent::Link(link) if link.mtu == 1400);
            while !watcher.next().await.expect("events").iter().any(latest) {}
        });
    }

    #[test]
    fn names_follow_renames_and_replacements() {
        let mut links = Links::default();
        links.insert(link(1, "a"));
        assert_eq!(links.insert(link(1, "b")), Some(link(1, "a")));
        assert_eq!(links.named("a"), None);
        links.insert(link(2, "b"));
        assert_eq!(links.remove(1), Some(link(1, "b")));
        assert_eq!(links.named("b"), Some(&link(2, "b")));
    }
}
