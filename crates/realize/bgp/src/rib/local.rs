//! Routes originated here, into a table or through a VRF, and the configuration of VRFs.

use super::Rib;
use super::config::{MacVrfConfig, TableId, VrfConfig};
use super::ingest::Tally;
use super::key::Space;
use super::observe::part;
use super::path::{Freshness, OrderNumber, Path, SourceId};
use super::shard::{Judge, Shard};
use super::tables::{Table, read_table, with_table};
use super::view::Rejection;
use super::vrf::{Leak, MacVrf, Place, Target, Vrf, Vrfs, exports, inside};
use crate::Family;
use crate::attribute::{Attributes, Origin};
use crate::nlri::{Nlri, PathId, Route, RouteTarget, RtMembership};
use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

/// The configuration of a VRF or an L2 domain.
trait Domain: PartialEq {
    fn target(&self) -> Target;

    fn import(&self) -> &[RouteTarget];

    /// Takes the place of the one before; `true` if there was none, so that its tables are new.
    fn install(self, vrfs: &mut Vrfs) -> bool;
}

impl Domain for VrfConfig {
    fn target(&self) -> Target {
        Target::L3(self.id)
    }

    fn import(&self) -> &[RouteTarget] {
        &self.import
    }

    fn install(self, vrfs: &mut Vrfs) -> bool {
        match vrfs.l3.entry(self.id) {
            Entry::Occupied(mut vrf) => {
                vrf.get_mut().config = self;
                false
            }
            Entry::Vacant(place) => {
                place.insert(Vrf {
                    config: self,
                    ipv4: Shard::default(),
                    ipv6: Shard::default(),
                });
                true
            }
        }
    }
}

impl Domain for MacVrfConfig {
    fn target(&self) -> Target {
        Target::L2(self.id)
    }

    fn import(&self) -> &[RouteTarget] {
        &self.import
    }

    fn install(self, vrfs: &mut Vrfs) -> bool {
        match vrfs.l2.entry(self.id) {
            Entry::Occupied(mut vrf) => {
                vrf.get_mut().config = self;
                false
            }
            Entry::Vacant(place) => {
                place.insert(MacVrf {
                    config: self,
                    routes: Shard::default(),
                });
                true
            }
        }
    }
}

impl Rib {
    /// Originates a route, or replaces it. A route of [`TableId::Vrf`] (an IPv4 or IPv6 prefix) or [`TableId::MacVrf`] (an
    /// EVPN route, whatever its RD) is also announced to peers, with RD, label and route targets of the VRF; while there is
    /// no such VRF it waits for it.
    pub fn originate(&mut self, table: TableId, route: Route, attributes: Attributes) {
        if matches!(table, TableId::Global(_)) {
            self.announce_local(&route, attributes);
            return;
        }
        let key = (table, inside(&route.nlri));
        self.withdraw_exports(&key);
        self.put_inside(table, &route, &attributes);
        self.originated.insert(key, (route, attributes));
        self.announce_exports(&key);
    }

    /// Takes back what [`Self::originate`] announced.
    pub fn withdraw_local(&mut self, table: TableId, nlri: &Nlri) {
        if matches!(table, TableId::Global(_)) {
            self.withdraw_global(nlri);
            return;
        }
        let key = (table, inside(nlri));
        self.withdraw_exports(&key);
        if self.originated.remove(&key).is_some() {
            let mut tally = Tally::default();
            let judge = Judge {
                sets: &self.sets,
                peers: &self.peers,
                hops: &self.hops,
                options: &self.config.best_path,
            };
            if let Some(target) = target_of(table) {
                self.vrfs
                    .take(&judge, target, &key.1, SourceId::LOCAL, 0, &mut tally);
            }
            self.release(tally);
        }
    }

    fn put_inside(&mut self, table: TableId, route: &Route, attributes: &Attributes) {
        let Some(target) = target_of(table) else {
            return;
        };
        let set = self.sets.intern(attributes.clone(), 0);
        let leak = Leak {
            nlri: route.nlri,
            payload: route.payload,
            set,
            source: SourceId::LOCAL,
            freshness: Freshness::Fresh,
        };
        let mut tally = Tally::default();
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        if self.vrfs.put(&judge, target, &leak, 0, &mut tally) {
            self.sets.retain(set, 2);
        }
        self.sets.release(set, 1);
        self.release(tally);
    }

    fn announce_exports(&mut self, key: &(TableId, Nlri)) {
        let Some((route, attributes)) = self.originated.get(key) else {
            return;
        };
        for (route, attributes) in exports(&self.vrfs, key.0, route, attributes) {
            self.announce_local(&route, attributes);
        }
    }

    fn withdraw_exports(&mut self, key: &(TableId, Nlri)) {
        let Some((route, attributes)) = self.originated.get(key) else {
            return;
        };
        for (route, _) in exports(&self.vrfs, key.0, route, attributes) {
            self.withdraw_global(&route.nlri);
        }
    }

    pub(super) fn announce_local(&mut self, route: &Route, attributes: Attributes) {
        self.announce_as(route, attributes, 0, None);
    }

    /// A path of ours, which is rejected where its next hop is unreachable, or anyway.
    pub(super) fn announce_as(
        &mut self,
        route: &Route,
        attributes: Attributes,
        path_id: PathId,
        rejection: Option<Rejection>,
    ) {
        let set = self.sets.intern(attributes, 0);
        let rejection = rejection.or_else(|| self.unreachable(route.nlri.family(), set));
        self.sets.retain(set, 1);
        let mut tally = Tally::default();
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        let stored = with_table!(self.tables, route.nlri.family(), table => {
            announce(table, &judge, route, |extra| Path {
                received: set,
                used: set,
                path_id,
                age: 0,
                source: SourceId::LOCAL,
                sent_as: 0,
                freshness: Freshness::Fresh,
                rejection,
                multipath: false,
                done: OrderNumber::default(),
                extra,
            }, &mut tally)
        });
        if !stored {
            self.sets.release(set, 2);
        }
        self.release(tally);
    }

    pub(super) fn withdraw_global(&mut self, nlri: &Nlri) {
        self.withdraw_as(nlri, 0);
    }

    pub(super) fn withdraw_as(&mut self, nlri: &Nlri, path_id: PathId) {
        let mut tally = Tally::default();
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        with_table!(self.tables, nlri.family(), table => {
            withdraw(table, &judge, nlri, path_id, &mut tally);
        });
        self.release(tally);
    }

    pub(super) fn change_vrfs(&mut self, vrfs: Vec<VrfConfig>) {
        let old = std::mem::replace(&mut self.config.vrfs, vrfs.clone());
        self.change_domains(&old, vrfs);
    }

    pub(super) fn change_mac_vrfs(&mut self, vrfs: Vec<MacVrfConfig>) {
        let old = std::mem::replace(&mut self.config.mac_vrfs, vrfs.clone());
        self.change_domains(&old, vrfs);
    }

    fn change_domains<D: Domain>(&mut self, old: &[D], new: Vec<D>) {
        let mut affected = BTreeSet::new();
        let (mut gone, mut touched) = (Vec::new(), Vec::new());
        for config in old.iter().filter(|config| !new.contains(config)) {
            let target = config.target();
            if new.iter().all(|other| other.target() != target) {
                gone.push(target);
            }
            touched.push(target);
            affected.extend(config.import().iter().copied());
        }
        let again = self.withdraw_exports_of(&touched);
        gone.into_iter().for_each(|target| self.part_vrf(target));
        for config in new.into_iter().filter(|config| !old.contains(config)) {
            affected.extend(config.import().iter().copied());
            let target = config.target();
            if config.install(&mut self.vrfs) {
                self.fill(target);
            }
        }
        again.iter().for_each(|key| self.announce_exports(key));
        self.targets_changed(affected);
    }

    fn withdraw_exports_of(&mut self, targets: &[Target]) -> Vec<(TableId, Nlri)> {
        let of = |table| target_of(table).is_some_and(|target| targets.contains(&target));
        let keys: Vec<_> = self
            .originated
            .keys()
            .filter(|(table, _)| of(*table))
            .copied()
            .collect();
        keys.iter().for_each(|key| self.withdraw_exports(key));
        keys
    }

    /// A VRF that is new gets what was originated into it, perhaps before it was there.
    fn fill(&mut self, target: Target) {
        let waiting: Vec<_> = self
            .originated
            .iter()
            .filter(|((table, _), _)| target_of(*table) == Some(target))
            .map(|(key, value)| (*key, value.clone()))
            .collect();
        for (key, (route, attributes)) in waiting {
            self.put_inside(key.0, &route, &attributes);
            self.announce_exports(&key);
        }
    }

    fn part_vrf(&mut self, target: Target) {
        match target {
            Target::L3(id) => {
                if let Some(vrf) = self.vrfs.l3.get(&id) {
                    part(
                        TableId::Vrf(id, Family::Ipv4Unicast),
                        &vrf.ipv4,
                        &mut self.parting,
                    );
                    part(
                        TableId::Vrf(id, Family::Ipv6Unicast),
                        &vrf.ipv6,
                        &mut self.parting,
                    );
                }
            }
            Target::L2(id) => {
                if let Some(vrf) = self.vrfs.l2.get(&id) {
                    part(TableId::MacVrf(id), &vrf.routes, &mut self.parting);
                }
            }
        }
        for (table, markers) in &mut self.observed {
            if target_of(*table) == Some(target) {
                markers.clear();
            }
        }
        let mut tally = Tally::default();
        self.vrfs.forget(target, &mut tally);
        self.release(tally);
    }

    /// VRFs import other targets than before: the entries that carry those are looked at again, no others.
    fn targets_changed(&mut self, affected: BTreeSet<RouteTarget>) {
        self.vrfs.index_importers();
        self.ask_for_targets();
        if affected.is_empty() {
            return;
        }
        self.leak();
        let mut places: Vec<Place> = Vec::new();
        for family in super::membership::CONSTRAINED {
            read_table!(self.tables, family, table => {
                for (number, shard) in table.shards.iter().enumerate() {
                    let targets = shard.targets.iter();
                    let entries = targets.flat_map(|targets| {
                        affected.iter().flat_map(|target| targets.entries(*target))
                    });
                    places.extend(entries.map(|entry| (family, number as u16, entry)));
                }
            });
        }
        places.sort_unstable();
        places.dedup();
        places.into_iter().for_each(|place| self.leak_entry(place));
    }

    /// Our own memberships (RFC 4684): what our VRFs import.
    fn ask_for_targets(&mut self) {
        let l3 = self.config.vrfs.iter().flat_map(|vrf| &vrf.import);
        let l2 = self.config.mac_vrfs.iter().flat_map(|vrf| &vrf.import);
        let want: BTreeSet<RouteTarget> = l3.chain(l2).copied().collect();
        let had = std::mem::replace(&mut self.memberships, want.clone());
        let asn = self.config.asn;
        let nlri = |target: &RouteTarget| {
            Nlri::RouteTarget(RtMembership::Target {
                origin: asn,
                target: *target,
                bits: 64,
            })
        };
        for target in had.difference(&want) {
            self.withdraw_global(&nlri(target));
        }
        for target in want.difference(&had) {
            let route = Route::bare(nlri(target));
            self.announce_local(&route, Attributes::new(Origin::Igp, None));
        }
    }
}

const fn target_of(table: TableId) -> Option<Target> {
    match table {
        TableId::Global(_) => None,
        TableId::Vrf(id, _) => Some(Target::L3(id)),
        TableId::MacVrf(id) => Some(Target::L2(id)),
    }
}

fn announce<S: Space>(
    table: &mut Table<S>,
    judge: &Judge<'_>,
    route: &Route,
    path: impl FnOnce(S::Extra) -> Path<S::Extra>,
    tally: &mut Tally,
) -> bool {
    let Some(key) = S::key(&route.nlri) else {
        return false;
    };
    let path = path(S::extra(&route.payload));
    if let Some(old) = table.shard(&key).announce(judge, &key, path) {
        tally.gone(&old);
    }
    true
}

fn withdraw<S: Space>(
    table: &mut Table<S>,
    judge: &Judge<'_>,
    nlri: &Nlri,
    path_id: PathId,
    tally: &mut Tally,
) {
    let Some(key) = S::key(nlri) else { return };
    let shard = table.shard(&key);
    if let Some(old) = shard.withdraw(judge, &key, SourceId::LOCAL, path_id) {
        tally.gone(&old);
    }
}
