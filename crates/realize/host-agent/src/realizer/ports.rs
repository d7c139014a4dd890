//! Ports and their devices: a device gets the programs before anything else, then the maps learn whose it is, then it
//! is brought up, and only then the port is reported up.

use super::{Knowledge, Realizer};
use crate::links::{Link, is_port_device};
use crate::netlink::is_absent;
use crate::status::Repair;
use datapath::Device;
use model::{PortId, Remote, SecurityGroupId};
use plan::{Delta, Endpoint, Unit, UnitKey};
use std::collections::BTreeSet;
use tracing::{info, warn};
use wire::{PortState, PortStatus};

impl Realizer {
    /// Ours are the devices named after ports, and those the plan names.
    pub(super) fn is_ours(&self, device: &str) -> bool {
        is_port_device(device) || self.by_device.contains_key(device)
    }

    /// Denies everything on every device of ours before the first packet can pass.
    pub(super) fn attach_all(&mut self) {
        let ours: Vec<u32> = self
            .links
            .iter()
            .filter(|link| self.is_ours(&link.name))
            .map(|link| link.index)
            .collect();
        for index in ours {
            self.attach(index);
        }
    }

    /// Puts the programs on a device. True if they were missing.
    fn attach(&mut self, index: u32) -> bool {
        if self.attached.contains(&index) {
            return false;
        }
        match self.datapath.attach(index) {
            Ok(missing) => {
                self.attached.insert(index);
                self.faults.remove(&index);
                missing
            }
            // Its end will be announced; there is nothing to report until then.
            Err(datapath::Error::NoDevice { .. }) => false,
            Err(problem) => {
                self.fault(index, format!("programs cannot be attached: {problem}"));
                false
            }
        }
    }

    /// Notes why a device could not be set up; audits try again, and say it once.
    fn fault(&mut self, index: u32, reason: String) {
        if self.faults.get(&index) != Some(&reason) {
            warn!(device = index, reason, "a device could not be set up");
            self.faults.insert(index, reason);
        }
    }

    /// Programs that were there are gone.
    pub(super) fn attach_again(&mut self, index: u32) {
        if self.links.get(index).is_none() {
            return;
        }
        if self.attach(index) {
            warn!(device = index, "programs were removed by others");
            self.board.repaired(Repair::Program, 1);
        }
        self.judge_device(index);
    }

    pub(super) fn retry_faults(&mut self) {
        let faults: Vec<u32> = self.faults.keys().copied().collect();
        for index in faults {
            match (
                self.links.get(index).is_some(),
                self.by_index.get(&index).copied(),
            ) {
                (false, _) => {
                    self.faults.remove(&index);
                }
                (true, Some(port)) => {
                    self.attach(index);
                    self.finish(port);
                    self.judge(port);
                }
                (true, None) => {
                    self.attach(index);
                }
            }
        }
    }

    pub(super) fn filter_removed(&mut self, index: u32) {
        if self
            .links
            .get(index)
            .is_some_and(|link| link.name == self.tunnel_device)
        {
            return self.repair_tunnel();
        }
        // An error here means that the device itself is going.
        if self.attached.contains(&index) && matches!(self.datapath.is_attached(index), Ok(false)) {
            self.attached.remove(&index);
            self.attach_again(index);
        }
    }

    pub(super) fn repair_tunnel(&self) {
        let device = &self.tunnel_device;
        match self.datapath.repair_tunnel_device() {
            Ok(changed) => {
                self.board.tunnel_error(None);
                if changed {
                    warn!(device, "the tunnel device was changed by others");
                    self.board.repaired(Repair::Tunnel, 1);
                }
            }
            Err(problem) => {
                if self.board.tunnel_error(Some(problem.to_string())) {
                    warn!(device, %problem, "the tunnel device cannot be set right");
                }
            }
        }
    }

    pub(super) fn link_changed(&mut self, link: Link) {
        let (index, name, up) = (link.index, link.name.clone(), link.up);
        let before = self.links.insert(link);
        if name == self.tunnel_device && !up {
            return self.repair_tunnel();
        }
        if let Some(before) = &before
            && before.name != name
        {
            // Whatever it is called now, it keeps denying until it goes or is someone's again.
            info!(device = before.name, now = name, "a device was renamed");
            self.unplug(index);
        }
        if !self.is_ours(&name) {
            return;
        }
        self.attach(index);
        match (self.by_device.get(&name).copied(), before) {
            (Some(port), Some(before)) if self.by_index.get(&index) == Some(&port) => {
                self.keep_up(port, index, &before);
            }
            (Some(port), _) => {
                self.prepare(port);
                self.finish(port);
                self.judge(port);
            }
            (None, _) => {}
        }
    }

    /// A plugged device changed: set it up again, or give it its MTU back.
    fn keep_up(&mut self, port: PortId, index: u32, before: &Link) {
        let Some(link) = self.links.get(index) else {
            return;
        };
        let lost = before.up && !link.up || before.mtu != link.mtu;
        if lost && self.finish(port) {
            self.board.repaired(Repair::Link, 1);
        }
        self.judge(port);
    }

    pub(super) fn link_gone(&mut self, index: u32) {
        let link = self.links.remove(index);
        self.attached.remove(&index);
        self.faults.remove(&index);
        self.unplug(index);
        if link.is_some_and(|link| link.name == self.tunnel_device) {
            self.repair_tunnel();
        }
    }

    /// Takes the port off a device that is not its any more.
    fn unplug(&mut self, index: u32) {
        let Some(port) = self.by_index.remove(&index) else {
            return;
        };
        self.served.remove(index);
        let rows = self.compiler.unplug(port);
        self.write(&rows);
        self.judge(port);
    }

    /// The ports whose device, services or state a change touches.
    pub(super) fn ports_of(&self, delta: &Delta) -> BTreeSet<PortId> {
        let mut ports = BTreeSet::new();
        let mut networks = BTreeSet::new();
        let upserts = delta.upserts.iter().map(|unit| unit.key());
        for key in upserts.chain(delta.deletes.iter().cloned()) {
            match key {
                UnitKey::Endpoint(port) => {
                    ports.insert(port);
                }
                UnitKey::Segment(network) => {
                    networks.insert(network);
                }
                _ => {}
            }
        }
        if !networks.is_empty() {
            let on_them = |endpoint: &&Endpoint| networks.contains(&endpoint.network);
            let endpoints = self.compiler.plan().endpoints().filter(on_them);
            ports.extend(endpoints.map(|endpoint| endpoint.port));
        }
        ports
    }

    /// Before the plan changes: ports that go, or change their device, let go of it. The device names that are free then.
    pub(super) fn release(&mut self, delta: &Delta) -> Vec<String> {
        let deleted = delta.deletes.iter().filter_map(|key| match key {
            UnitKey::Endpoint(port) => Some((*port, None)),
            _ => None,
        });
        let changed = delta.upserts.iter().filter_map(|unit| match unit.as_ref() {
            Unit::Endpoint(endpoint) => Some((endpoint.port, Some(&endpoint.device))),
            _ => None,
        });
        let mut released = Vec::new();
        for (port, device) in deleted.chain(changed) {
            if let Some(old) = self.compiler.plan().endpoint(port)
                && Some(&old.device) != device
            {
                released.push((port, old.device.clone()));
            }
        }
        for (port, device) in &released {
            if self.by_device.get(device) == Some(port) {
                self.by_device.remove(device);
            }
            if let Some(plugged) = self.compiler.devices().get(port).copied() {
                self.unplug(plugged.ifindex);
            }
        }
        for key in &delta.deletes {
            if let UnitKey::Endpoint(port) = key {
                self.board.forget(*port);
            }
        }
        released.into_iter().map(|(_, device)| device).collect()
    }

    /// After the plan changed: device names find their ports. The first port of a device keeps it; the answer is the
    /// ports that waited for a name which is free now.
    pub(super) fn claim(&mut self, delta: &Delta, free: &[String]) -> Vec<PortId> {
        for unit in &delta.upserts {
            if let Unit::Endpoint(endpoint) = unit.as_ref() {
                self.by_device
                    .entry(endpoint.device.clone())
                    .or_insert(endpoint.port);
            }
        }
        let mut heirs = Vec::new();
        for device in free {
            if !self.by_device.contains_key(device)
                && let Some(heir) = self
                    .compiler
                    .plan()
                    .endpoints()
                    .find(|endpoint| endpoint.device == *device)
            {
                self.by_device.insert(device.clone(), heir.port);
                heirs.push(heir.port);
            }
        }
        heirs
    }

    /// Attaches the port's device, if it has one, and tells the maps whose it is.
    pub(super) fn prepare(&mut self, port: PortId) {
        let Some(endpoint) = self.compiler.plan().endpoint(port) else {
            return;
        };
        if self.by_device.get(&endpoint.device) != Some(&port) {
            return;
        }
        let Some(index) = self.links.named(&endpoint.device).map(|link| link.index) else {
            return;
        };
        self.attach(index);
        if self.by_index.get(&index) == Some(&port) || !self.attached.contains(&index) {
            return;
        }
        // The device was re-created and the notification of the old one's end is still to come.
        if let Some(old) = self.compiler.devices().get(&port).copied() {
            self.by_index.remove(&old.ifindex);
            self.served.remove(old.ifindex);
        }
        let rows = self.compiler.plug(port, Device { ifindex: index });
        self.by_index.insert(index, port);
        self.write(&rows);
    }

    /// Brings a prepared device up with the network's MTU and opens its services. True if the device was changed.
    pub(super) fn finish(&mut self, port: PortId) -> bool {
        let plan = self.compiler.plan();
        let Some(endpoint) = plan.endpoint(port) else {
            return false;
        };
        let Some(index) = self
            .compiler
            .devices()
            .get(&port)
            .map(|device| device.ifindex)
        else {
            return false;
        };
        let (Some(unit), Some(segment_unit), Some(segment), Some(link)) = (
            plan.get(&UnitKey::Endpoint(port)),
            plan.get(&UnitKey::Segment(endpoint.network)),
            plan.segment(endpoint.network),
            self.links.get(index),
        ) else {
            return false;
        };
        self.served.put(index, unit.clone(), segment_unit.clone());
        let mtu = u32::from(segment.mtu.get());
        if link.up && link.mtu == mtu {
            if self.attached.contains(&index) {
                self.faults.remove(&index);
            }
            return false;
        }
        match self.netlink.bring_up(index, mtu) {
            Ok(()) => {
                self.faults.remove(&index);
                true
            }
            // Its end will be announced.
            Err(problem) if is_absent(&problem) => false,
            Err(problem) => {
                self.fault(
                    index,
                    format!("the device cannot be brought up with MTU {mtu}: {problem}"),
                );
                false
            }
        }
    }

    fn judge_device(&mut self, index: u32) {
        if let Some(port) = self.by_index.get(&index).copied() {
            self.judge(port);
        }
    }

    pub(super) fn judge_all(&mut self) {
        let ports: Vec<PortId> = self
            .compiler
            .plan()
            .endpoints()
            .map(|endpoint| endpoint.port)
            .collect();
        for port in ports {
            self.judge(port);
        }
    }

    /// Publishes what has become of a port.
    pub(super) fn judge(&mut self, port: PortId) {
        let Some(endpoint) = self.compiler.plan().endpoint(port) else {
            return;
        };
        let (state, reason) = self.verdict(endpoint);
        let status = PortStatus {
            port,
            state,
            reason,
            revision: self.revision,
        };
        self.board.port(&endpoint.device, status);
    }

    fn verdict(&self, endpoint: &Endpoint) -> (PortState, String) {
        let plan = self.compiler.plan();
        if let Some(holder) = self.by_device.get(&endpoint.device)
            && *holder != endpoint.port
        {
            let reason = format!(
                "device {} belongs to port {holder} already",
                endpoint.device
            );
            return (PortState::Error, reason);
        }
        if let Some(rejected) = self
            .rejected
            .iter()
            .find(|rejected| concerns(&rejected.unit, endpoint, plan))
        {
            let reason = format!("{} cannot be realized: {}", rejected.unit, rejected.reason);
            return (PortState::Error, reason);
        }
        let Some(link) = self.links.named(&endpoint.device) else {
            return (
                PortState::Down,
                format!("device {} is not plugged", endpoint.device),
            );
        };
        if let Some(fault) = self.faults.get(&link.index) {
            return (PortState::Error, fault.clone());
        }
        if self.knowledge != Knowledge::Level {
            return (PortState::Error, "the kernel does not hold the plan".into());
        }
        if !endpoint.admin_up {
            return (PortState::Down, "the port is administratively down".into());
        }
        match plan.segment(endpoint.network) {
            None => (
                PortState::Error,
                format!("segment/{} is missing from the plan", endpoint.network),
            ),
            Some(segment) if !segment.admin_up => (
                PortState::Down,
                "the network is administratively down".into(),
            ),
            Some(_) => (PortState::Up, String::new()),
        }
    }
}

/// True if a unit that cannot be realized takes something from this endpoint.
fn concerns(unit: &UnitKey, endpoint: &Endpoint, plan: &plan::HostPlan) -> bool {
    match unit {
        UnitKey::Endpoint(port) => *port == endpoint.port,
        UnitKey::Member(network, port) => *network == endpoint.network && *port == endpoint.port,
        UnitKey::Segment(network) => *network == endpoint.network,
        UnitKey::RuleSet(group) => endpoint.groups.contains(group),
        UnitKey::SetMember(group, _) => endpoint
            .groups
            .iter()
            .any(|own| refers_to(*own, *group, plan)),
        UnitKey::Tunnel(_) => false,
    }
}

fn refers_to(own: SecurityGroupId, remote: SecurityGroupId, plan: &plan::HostPlan) -> bool {
    plan.rule_set(own).is_some_and(|rules| {
        let refers =
            |remote_of: &Remote| matches!(remote_of, Remote::Group(group) if *group == remote);
        rules.rules.iter().any(|rule| refers(&rule.remote))
    })
}
