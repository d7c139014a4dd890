//! Plan to map contents, pure and deterministic; incrementally, at a cost that follows the change.
//!
//! Each unit claims rows. Several may claim the same one (two ports bring an address into a group's set, a MAC is
//! one port's own and another's address pair); the claim of lowest rank and key decides what it holds, and it goes
//! when the last claim goes.

use crate::rows::{self, Holder, Place, Target};
use crate::tables::{Row, Tables, TablesDelta};
use ipnet::IpNet;
use model::{Direction, Ipv6Mode, Mac, NetworkId, PortId, Vni};
use plan::{
    Delta, Endpoint, HostPlan, Member, RuleSet, Segment, SetMember, SubnetServices, Tunnel, Unit,
    UnitKey,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound::{Excluded, Unbounded};

/// The device of a plugged port, by its index in the agent's network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    pub ifindex: u32,
}

pub type Devices = BTreeMap<PortId, Device>;

/// A unit that the maps cannot hold, and why. Its neighbours are realized; what it would have allowed is denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub unit: UnitKey,
    pub reason: String,
}

/// The tables of a plan.
pub fn compile(plan: &HostPlan, devices: &Devices) -> Tables {
    let mut compiler = Compiler::default();
    for (port, device) in devices {
        compiler.plug(*port, *device);
    }
    compiler.apply(&HostPlan::default().diff(plan));
    compiler.tables
}

/// The plan, the devices and the tables they make, kept together.
#[derive(Debug, Default)]
pub struct Compiler {
    plan: HostPlan,
    devices: Devices,
    tables: Tables,
    claims: BTreeMap<Row, BTreeMap<Claimant, Box<[u8]>>>,
    flood: BTreeMap<(Vni, Target), BTreeSet<UnitKey>>,
    /// What each unit claims now.
    claimed: BTreeMap<UnitKey, Claims>,
    rejected: BTreeMap<UnitKey, String>,
}

/// Who claims a row; lower ones win.
type Claimant = (Rank, UnitKey);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Own,
    Pair,
    Service,
}

/// What one unit claims.
#[derive(Debug, Default)]
struct Claims {
    rows: Vec<(Row, Rank, Box<[u8]>)>,
    flood: Option<(Vni, Target)>,
    rejected: Option<String>,
}

impl Claims {
    fn own(&mut self, (row, value): rows::RowAndValue) {
        self.rows.push((row, Rank::Own, value));
    }

    fn pair(&mut self, (row, value): rows::RowAndValue) {
        self.rows.push((row, Rank::Pair, value));
    }

    fn service(&mut self, (row, value): rows::RowAndValue) {
        self.rows.push((row, Rank::Service, value));
    }
}

/// Rows and places in flood lists whose claims have changed.
#[derive(Default)]
struct Touched {
    rows: BTreeSet<Row>,
    flood: BTreeSet<(Vni, Target)>,
}

impl Compiler {
    /// Applies a change of the plan; the answer is what must be written.
    pub fn apply(&mut self, delta: &Delta) -> TablesDelta {
        let mut dirty = BTreeSet::new();
        for unit in &delta.upserts {
            self.mark(&unit.key(), Some(unit), &mut dirty);
        }
        for key in &delta.deletes {
            self.mark(key, None, &mut dirty);
        }
        self.plan.apply(delta);
        self.recompute(dirty)
    }

    /// A port's device appeared or was replaced.
    pub fn plug(&mut self, port: PortId, device: Device) -> TablesDelta {
        self.devices.insert(port, device);
        self.recompute(self.units_of(port))
    }

    /// A port's device is gone.
    pub fn unplug(&mut self, port: PortId) -> TablesDelta {
        self.devices.remove(&port);
        self.recompute(self.units_of(port))
    }

    pub fn plan(&self) -> &HostPlan {
        &self.plan
    }

    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// In key order.
    pub fn rejected(&self) -> Vec<Rejected> {
        let rejected = |(unit, reason): (&UnitKey, &String)| Rejected {
            unit: unit.clone(),
            reason: reason.clone(),
        };
        self.rejected.iter().map(rejected).collect()
    }

    fn units_of(&self, port: PortId) -> BTreeSet<UnitKey> {
        let network = self.plan.endpoint(port).map(|endpoint| endpoint.network);
        let member = network.map(|network| UnitKey::Member(network, port));
        [UnitKey::Endpoint(port)]
            .into_iter()
            .chain(member)
            .collect()
    }

    /// The units whose claims change when one unit does, before the plan changes.
    fn mark(&self, key: &UnitKey, after: Option<&Unit>, dirty: &mut BTreeSet<UnitKey>) {
        dirty.insert(key.clone());
        match key {
            UnitKey::Segment(network) => {
                let vni = |unit: Option<&Unit>| match unit {
                    Some(Unit::Segment(segment)) => Some(segment.vni),
                    _ => None,
                };
                let before = self.plan.get(key).map(AsRef::as_ref);
                if vni(before) != vni(after) {
                    dirty.extend(self.units_on(*network));
                }
            }
            UnitKey::Endpoint(port) => {
                let after = match after {
                    Some(Unit::Endpoint(endpoint)) => Some(endpoint.network),
                    _ => None,
                };
                let before = self.plan.endpoint(*port).map(|endpoint| endpoint.network);
                let networks = before.into_iter().chain(after);
                dirty.extend(networks.map(|network| UnitKey::Member(network, *port)));
            }
            _ => {}
        }
    }

    fn units_on(&self, network: NetworkId) -> impl Iterator<Item = UnitKey> {
        let members = self
            .plan
            .members(network)
            .map(move |m| UnitKey::Member(network, m.port));
        let endpoints = self.plan.endpoints().filter(move |e| e.network == network);
        members.chain(endpoints.map(|e| UnitKey::Endpoint(e.port)))
    }

    fn recompute(&mut self, dirty: BTreeSet<UnitKey>) -> TablesDelta {
        let mut touched = Touched::default();
        for key in dirty {
            let claims = self.claims_of(&key);
            self.retract(&key, &mut touched);
            self.assert(key, claims, &mut touched);
        }
        let mut delta = TablesDelta::default();
        for row in touched.rows {
            let winner = self.claims.get(&row).and_then(BTreeMap::first_key_value);
            let value = winner.map(|(_, value)| value.clone());
            self.write(row, value, &mut delta);
        }
        self.relink(touched.flood, &mut delta);
        delta
    }

    fn write(&mut self, row: Row, value: Option<Box<[u8]>>, delta: &mut TablesDelta) {
        if let Some(change) = self.tables.set(&row, value) {
            delta.record(row, change);
        }
    }

    fn retract(&mut self, key: &UnitKey, touched: &mut Touched) {
        self.rejected.remove(key);
        let Some(before) = self.claimed.remove(key) else {
            return;
        };
        for (row, rank, _) in before.rows {
            if let Some(claims) = self.claims.get_mut(&row) {
                claims.remove(&(rank, key.clone()));
                if claims.is_empty() {
                    self.claims.remove(&row);
                }
            }
            touched.rows.insert(row);
        }
        if let Some(place) = before.flood {
            if let Some(claimants) = self.flood.get_mut(&place) {
                claimants.remove(key);
                if claimants.is_empty() {
                    self.flood.remove(&place);
                }
            }
            touched.flood.insert(place);
        }
    }

    fn assert(&mut self, key: UnitKey, mut claims: Claims, touched: &mut Touched) {
        for (row, rank, value) in &mut claims.rows {
            let claimants = self.claims.entry(row.clone()).or_default();
            claimants.insert((*rank, key.clone()), std::mem::take(value));
            touched.rows.insert(row.clone());
        }
        if let Some(place) = claims.flood {
            self.flood.entry(place).or_default().insert(key.clone());
            touched.flood.insert(place);
        }
        if let Some(reason) = claims.rejected.take() {
            self.rejected.insert(key.clone(), reason);
        }
        if !claims.rows.is_empty() || claims.flood.is_some() {
            self.claimed.insert(key, claims);
        }
    }

    /// Rewrites the list rows at and before each place.
    fn relink(&mut self, places: BTreeSet<(Vni, Target)>, delta: &mut TablesDelta) {
        for (vni, target) in places {
            let before = (vni, Target::Head)..(vni, target);
            let previous = self.flood.range(before).next_back();
            let previous = previous.map_or(Target::Head, |((_, target), _)| *target);
            for at in [target, previous] {
                let is_listed = self.flood.contains_key(&(vni, at));
                let after = (Excluded((vni, at)), Unbounded);
                let next = self.flood.range(after).next();
                let next = next
                    .map(|(place, _)| *place)
                    .filter(|(other, _)| *other == vni);
                let value = match next {
                    Some((_, next)) if is_listed || at == Target::Head => Some(next),
                    None if is_listed => Some(Target::End),
                    _ => None,
                };
                self.write(rows::flood_row(vni, at), value.map(rows::flood_next), delta);
            }
        }
    }

    fn claims_of(&self, key: &UnitKey) -> Claims {
        let mut claims = Claims::default();
        match self.plan.get(key).map(AsRef::as_ref) {
            Some(Unit::Tunnel(unit)) => tunnel(unit, &mut claims),
            Some(Unit::SetMember(unit)) => set_member(unit, &mut claims),
            Some(Unit::RuleSet(unit)) => rule_set(unit, &mut claims),
            Some(Unit::Segment(unit)) => segment(unit, &mut claims),
            Some(Unit::Member(unit)) => self.member(unit, &mut claims),
            Some(Unit::Endpoint(unit)) => self.endpoint(unit, &mut claims),
            None => {}
        }
        claims
    }

    fn member(&self, unit: &Member, claims: &mut Claims) {
        let Some(segment) = self.plan.segment(unit.network) else {
            return;
        };
        let vni = segment.vni;
        let (place, target) = if self.plan.endpoint(unit.port).is_some() {
            let device = self.devices.get(&unit.port).map(|device| device.ifindex);
            (Place::Local(device.unwrap_or(0)), device.map(Target::Port))
        } else {
            let host = rows::host_key(unit.host.as_str());
            (Place::Remote(host), Some(Target::Host(host)))
        };
        claims.flood = target.map(|target| (vni, target));
        claims.own(rows::member(vni, unit.mac, place));
        for address in &unit.addresses {
            claims.own(rows::neighbour(vni, *address, unit.mac, Holder::Member));
        }
        for pair in &unit.pairs {
            if pair.mac_address != unit.mac {
                claims.pair(rows::member(vni, pair.mac_address, Place::Pair));
            }
            claims.own(rows::pair_prefix(vni, pair.ip_address));
        }
    }

    fn endpoint(&self, unit: &Endpoint, claims: &mut Claims) {
        let segment = self.plan.segment(unit.network);
        let (Some(segment), Some(device)) = (segment, self.devices.get(&unit.port)) else {
            return;
        };
        let ifindex = device.ifindex;
        if unit.groups.len() > rows::MAX_GROUPS {
            claims.rejected = Some(format!(
                "the port has {} security groups; only the first {} are used",
                unit.groups.len(),
                rows::MAX_GROUPS
            ));
        }
        let mut flags = 0;
        if unit.admin_up {
            flags |= rows::PORT_UP;
        }
        if unit.port_security {
            flags |= rows::PORT_SECURITY;
            for (slot, group) in unit.groups.iter().take(rows::MAX_GROUPS).enumerate() {
                claims.own(rows::port_group(ifindex, slot, *group));
            }
            sources(unit, ifindex, claims);
        }
        claims.own(rows::port(ifindex, segment.vni, flags, unit.port.0));
    }
}

fn tunnel(unit: &Tunnel, claims: &mut Claims) {
    claims.own(rows::tunnel(
        rows::host_key(unit.host.as_str()),
        unit.address,
    ));
    claims.own(rows::vtep(unit.address));
}

fn set_member(unit: &SetMember, claims: &mut Claims) {
    for prefix in &unit.prefixes {
        claims.own(rows::set_prefix(unit.group, *prefix));
    }
}

fn rule_set(unit: &RuleSet, claims: &mut Claims) {
    const MOST: usize = rows::MAX_CHUNKS * rows::RULES_PER_CHUNK;
    for direction in [Direction::Egress, Direction::Ingress] {
        let rules: Vec<_> = unit
            .rules
            .iter()
            .filter(|r| r.direction == direction)
            .collect();
        if rules.len() > MOST {
            claims.rejected = Some(format!(
                "the group has {} rules in one direction; only the first {MOST} are used",
                rules.len()
            ));
        }
        for (chunk, rules) in rules
            .chunks(rows::RULES_PER_CHUNK)
            .take(rows::MAX_CHUNKS)
            .enumerate()
        {
            claims.own(rows::rules(
                unit.group,
                direction,
                chunk,
                unit.stateful,
                rules,
            ));
        }
    }
}

fn segment(unit: &Segment, claims: &mut Claims) {
    let offers = |wanted: fn(&SubnetServices) -> bool| unit.subnets.iter().any(wanted);
    let mut flags = 0;
    if unit.admin_up {
        flags |= rows::NETWORK_UP;
    }
    if offers(|subnet| subnet.enable_dhcp && subnet.cidr.addr().is_ipv4()) {
        flags |= rows::NETWORK_DHCPV4;
    }
    if offers(|subnet| {
        let by_dhcp = Some(Ipv6Mode::Dhcpv6Stateful) == subnet.address_mode
            || Some(Ipv6Mode::Dhcpv6Stateless) == subnet.address_mode;
        subnet.enable_dhcp && by_dhcp
    }) {
        flags |= rows::NETWORK_DHCPV6;
    }
    if offers(|subnet| subnet.ra_mode.is_some()) {
        flags |= rows::NETWORK_RA;
    }
    claims.own(rows::network(unit.vni, unit.mtu.get(), flags));
    let mac = unit.service_mac();
    for address in unit.service_addresses() {
        claims.service(rows::neighbour(unit.vni, address, mac, Holder::Service));
    }
}

/// What anti-spoofing lets the port send from.
fn sources(unit: &Endpoint, ifindex: u32, claims: &mut Claims) {
    let mut own = |mac: Mac, prefix: Option<IpNet>| {
        claims.own(rows::source_mac(ifindex, mac));
        claims.own(rows::source_prefix(
            ifindex,
            mac,
            IpNet::from(IpAddr::V6(mac.link_local())),
        ));
        if let Some(prefix) = prefix {
            claims.own(rows::source_prefix(ifindex, mac, prefix));
        }
    };
    own(unit.mac, None);
    for address in &unit.addresses {
        own(unit.mac, Some(address.address.into()));
    }
    for pair in &unit.pairs {
        own(pair.mac_address, Some(pair.ip_address));
    }
}
