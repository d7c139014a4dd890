//! The peers, each with the dense number the tables use for it: its slot, kept as long as it is up or has routes.

use super::audience::Slot;
use super::config::{PeerInfo, PeerKind};
use super::path::OrderNumber;
use crate::{Family, PeerId};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// What the decision process asks of a path's source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceFacts {
    pub(crate) external: bool,
    pub(crate) router_id: u32,
    pub(crate) address: IpAddr,
}

/// Counts of what a peer sent in one family.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Received {
    pub(crate) paths: u32,
    pub(crate) accepted: u32,
    pub(crate) stale: u32,
}

impl Received {
    fn add(&mut self, other: Self) {
        self.paths += other.paths;
        self.accepted += other.accepted;
        self.stale += other.stale;
    }
}

/// A mark a peer still has to be sent once it has all of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    EndOfRib,
    /// RFC 7313: after a refresh that began with BoRR.
    EndOfRefresh,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) info: PeerInfo,
    pub(crate) up: bool,
    pub(crate) facts: SourceFacts,
    pub(crate) received: [Received; Family::ALL.len()],
    /// What is ordered away and not gone yet; not in `received`.
    pub(super) leaving: [Received; Family::ALL.len()],
    /// Paths from before this order are those that leave.
    pub(super) departure: [Option<OrderNumber>; Family::ALL.len()],
    /// The latest order to its paths.
    pub(super) latest_order: [OrderNumber; Family::ALL.len()],
    /// Orders that are not carried out everywhere.
    orders: u32,
    /// Import must look at each route, not only at its attributes.
    pub(crate) import_per_route: bool,
    /// Encoded and not yet taken by the session.
    pub(crate) queue: VecDeque<Bytes>,
    pub(crate) queued: usize,
    pub(crate) due: [Option<Due>; Family::ALL.len()],
    /// Its route targets are known, so VPN families may be sent.
    pub(crate) memberships_complete: bool,
}

impl Peer {
    pub(crate) fn received(&mut self, family: Family) -> &mut Received {
        &mut self.received[family as usize]
    }

    /// The tables know it by its slot.
    fn has_routes(&self) -> bool {
        let mut counts = self.received.iter().chain(&self.leaving);
        self.orders > 0 || counts.any(|counts| counts.paths > 0)
    }

    /// Takes an order to all paths of a family, `away` if they are to go.
    pub(super) fn next_order(&mut self, family: Family, away: bool) -> OrderNumber {
        let family = family as usize;
        let number = self.latest_order[family].next();
        self.latest_order[family] = number;
        self.orders += 1;
        if away {
            self.departure[family] = Some(number);
            let going = std::mem::take(&mut self.received[family]);
            self.leaving[family].add(going);
        }
        number
    }

    /// An order is carried out everywhere.
    pub(super) fn order_done(&mut self, family: Family, number: OrderNumber) {
        self.orders -= 1;
        let departure = &mut self.departure[family as usize];
        if *departure == Some(number) {
            *departure = None;
        }
    }

    pub(crate) fn push(&mut self, block: Bytes) {
        self.queued += block.len();
        self.queue.push_back(block);
    }

    /// What fits one write: a large block as it is, small ones joined.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        const ENOUGH: usize = 64 << 10;
        const LARGE: usize = 16 << 10;
        let first = self.queue.pop_front()?;
        self.queued -= first.len();
        let next = self.queue.front().map_or(0, Bytes::len);
        if next == 0 || first.len() >= LARGE || first.len() + next > ENOUGH {
            return Some(first);
        }
        let mut joined = Vec::with_capacity(ENOUGH.min(first.len() + self.queued));
        joined.extend_from_slice(&first);
        while let Some(block) = self.queue.front()
            && joined.len() + block.len() <= ENOUGH
        {
            joined.extend_from_slice(block);
            self.queued -= block.len();
            self.queue.pop_front();
        }
        Some(joined.into())
    }
}

/// All peers with a slot.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    slots: Vec<Option<Box<Peer>>>,
    ids: BTreeMap<PeerId, Slot>,
}

impl Peers {
    pub(crate) fn slot(&self, id: PeerId) -> Option<Slot> {
        self.ids.get(&id).copied()
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Peer> {
        self.slots.get(usize::from(slot.0))?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Peer> {
        self.slots.get_mut(usize::from(slot.0))?.as_deref_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &Peer)> {
        self.ids
            .values()
            .filter_map(|slot| Some((*slot, self.get(*slot)?)))
    }

    /// Facts of a slot that has paths, which therefore is in use.
    pub(crate) fn source(&self, slot: Slot) -> SourceFacts {
        self.get(slot).map_or(
            SourceFacts {
                external: false,
                router_id: u32::MAX,
                address: IpAddr::V4(std::net::Ipv4Addr::BROADCAST),
            },
            |peer| peer.facts,
        )
    }

    /// Gives the peer a slot, the one it has if it has one.
    pub(crate) fn up(&mut self, id: PeerId, info: PeerInfo) -> Slot {
        let facts = SourceFacts {
            external: info.kind == PeerKind::External,
            router_id: info.router_id.to_bits(),
            address: info.address,
        };
        if let Some(slot) = self.slot(id)
            && let Some(peer) = self.get_mut(slot)
        {
            peer.info = info;
            peer.facts = facts;
            peer.up = true;
            return slot;
        }
        let peer = Peer {
            id,
            info,
            up: true,
            facts,
            received: Default::default(),
            leaving: Default::default(),
            departure: Default::default(),
            latest_order: Default::default(),
            orders: 0,
            import_per_route: false,
            queue: VecDeque::new(),
            queued: 0,
            due: [None; Family::ALL.len()],
            memberships_complete: false,
        };
        let slot = self.free_slot();
        self.slots[usize::from(slot.0)] = Some(Box::new(peer));
        self.ids.insert(id, slot);
        slot
    }

    fn free_slot(&mut self) -> Slot {
        let first = usize::from(FIRST_PEER);
        if self.slots.len() < first {
            self.slots.resize_with(first, || None);
        }
        let free = self.slots[first..].iter().position(Option::is_none);
        let at = free.map_or(self.slots.len(), |free| free + first);
        if at == self.slots.len() {
            self.slots.push(None);
        }
        Slot(at as u16)
    }

    /// Gives the slot back if nothing needs it.
    pub(crate) fn settle(&mut self, slot: Slot) {
        let unneeded = self
            .get(slot)
            .is_some_and(|peer| !peer.up && !peer.has_routes());
        if unneeded && let Some(peer) = self.slots[usize::from(slot.0)].take() {
            self.ids.remove(&peer.id);
        }
    }
}

/// The slot of whoever drains table changes: what it has been told is remembered as what peers were sent is.
pub(crate) const OBSERVER: Slot = Slot(0);
const FIRST_PEER: u16 = 1;
