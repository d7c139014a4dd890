//! A default route for the peers that are to have one whatever the tables say (default-originate). While one of them is up
//! there is a path of ours for it that is used for nothing else: it is rejected, so nobody chooses it, and those peers are
//! offered it in place of the best path.

use super::Rib;
use super::audience::Slot;
use super::path::Path;
use super::peer::Peer;
use super::view::Rejection;
use crate::Family;
use crate::attribute::{Attributes, Origin};
use crate::nlri::{Nlri, Route};
use ipnet::{Ipv4Net, Ipv6Net};

/// Our other paths of a prefix have 0.
const PATH_ID: u32 = 1;

/// The families there is a default route of that somebody may be offered.
pub(crate) const FAMILIES: [Family; 2] = [Family::Ipv4Unicast, Family::Ipv6Unicast];

/// Whether a route leads everywhere.
pub(super) fn is_default(nlri: &Nlri) -> bool {
    match nlri {
        Nlri::Ipv4(net) => net.prefix_len() == 0,
        Nlri::Ipv6(net) => net.prefix_len() == 0,
        _ => false,
    }
}

impl<X> Path<X> {
    /// It is only for those who are to have a default route.
    pub(super) fn is_for_default_originate(&self) -> bool {
        self.rejection == Some(Rejection::DefaultOriginate)
    }
}

impl Rib {
    /// There is the path while a peer that is up is to have it.
    pub(super) fn keep_default_routes(&mut self) {
        for family in FAMILIES {
            let asks =
                |(_, peer): (Slot, &Peer)| peer.up && peer.info.default_originate.contains(family);
            let wanted = self.peers.iter().any(asks);
            if wanted == self.default_routes.contains(family) {
                continue;
            }
            let nlri = match family {
                Family::Ipv6Unicast => Nlri::Ipv6(Ipv6Net::default()),
                _ => Nlri::Ipv4(Ipv4Net::default()),
            };
            if wanted {
                self.default_routes.insert(family);
                let attributes = Attributes::new(Origin::Igp, None);
                let rejection = Some(Rejection::DefaultOriginate);
                self.announce_as(&Route::bare(nlri), attributes, PATH_ID, rejection);
            } else {
                self.default_routes.remove(family);
                self.withdraw_as(&nlri, PATH_ID);
            }
        }
    }
}
