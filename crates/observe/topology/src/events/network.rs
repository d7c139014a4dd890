//! Networks and subnets.

use super::{Event, Outcome, Refusal, applied, attributes, list, string};
use crate::{Draft, Object, ObjectKey, ObjectRef, Reading, Rescan, subnets_by_name};
use serde_json::{Map, Value, json};

/// What an update of a network can change; its segment is given when it is made.
const CHANGEABLE: &[&str] = &[
    "admin_state_up",
    "status",
    "mtu",
    "shared",
    "router:external",
    "port_security_enabled",
    "description",
    "tags",
];

impl Event<'_> {
    pub(super) fn network_add(&self) -> Outcome {
        let payload = self.part("network")?;
        let id = string(payload, "id")
            .ok_or_else(|| Refusal::Payload("the network has no 'id'".into()))?;
        if self.known("network", id).is_some() {
            return Err(Refusal::Nothing(format!("network {id} is known already")));
        }
        let key = self.key("network", id)?;
        let mut draft = Draft::whole(key.clone(), string(payload, "name").unwrap_or(id));
        attributes(&mut draft, payload, &["id", "name", "subnets"]);
        for (name, value) in [
            ("network", json!(id)),
            ("cidrs", json!([])),
            ("subnet_ids", json!([])),
            ("subnets", json!({})),
        ] {
            draft.attributes.insert(name.into(), value);
        }
        if let Some(project) = &self.notification.project_name {
            draft.attributes.insert("project".into(), json!(project));
        }
        let tenant = string(payload, "tenant_id").or_else(|| string(payload, "project_id"));
        if let Some(tenant) = tenant.or(self.notification.project_id.as_deref()) {
            draft = draft.under(self.key("project", tenant)?);
        }
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }

    pub(super) fn network_update(&self) -> Outcome {
        let payload = self.part("network")?;
        let id = string(payload, "id")
            .ok_or_else(|| Refusal::Payload("the network has no 'id'".into()))?;
        self.network(id)?;
        let key = self.key("network", id)?;
        let mut draft = Draft::part(key.clone());
        draft.name = string(payload, "name").map(Into::into);
        for name in CHANGEABLE {
            if let Some(value) = payload.get(*name) {
                draft.attributes.insert((*name).into(), value.clone());
            }
        }
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }

    pub(super) fn network_delete(&self) -> Outcome {
        let key = self.key("network", self.deleted_id("network")?)?;
        let mut reading = self.reading()?;
        reading.gone.push(key.clone());
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }

    /// A network, or a reason to try again.
    pub(super) fn network(&self, id: &str) -> Result<&Object, Refusal> {
        self.known("network", id)
            .ok_or_else(|| Refusal::NotYet(format!("network {id} is not known yet")))
    }

    fn subnet_payload(&self) -> Result<(&Map<String, Value>, &str, &Object), Refusal> {
        let payload = self.part("subnet")?;
        let id = string(payload, "id")
            .ok_or_else(|| Refusal::Payload("the subnet has no 'id'".into()))?;
        let network = string(payload, "network_id")
            .ok_or_else(|| Refusal::Payload("the subnet has no 'network_id'".into()))?;
        Ok((payload, id, self.network(network)?))
    }

    /// The subnet and, unless more is known of it, the network with the subnet in its lists.
    fn with_subnet(
        &self,
        network: &Object,
        id: &str,
        payload: &Map<String, Value>,
    ) -> Result<Vec<Reading>, Refusal> {
        let key = self.key("subnet", id)?;
        let name = string(payload, "name").unwrap_or(id);
        let mut subnet = Draft::whole(key.clone(), name).under(self.key_of(&network.key));
        attributes(&mut subnet, payload, &["id", "name"]);
        let mut reading = self.reading()?;
        reading.drafts.push(subnet);
        let mut readings = vec![reading];
        if self.is_news(&ObjectRef::from(&key)) {
            let mut listed = self.consequence(network)?;
            listed.drafts.push(self.listing(network, id, payload));
            readings.push(listed);
        }
        Ok(readings)
    }

    /// The network with the subnet in its lists.
    fn listing(&self, network: &Object, id: &str, payload: &Map<String, Value>) -> Draft {
        let of = |subnet: &Value| {
            let cidr = subnet.get("cidr").cloned();
            (subnet.get("id").and_then(Value::as_str) == Some(id), cidr)
        };
        let mut subnets: Vec<(String, Value)> = Vec::new();
        let mut cidrs = list(Some(network), "cidrs");
        let mut listed = false;
        for subnet in elements(network.get("subnets")) {
            match (of(subnet), subnet.get("id").and_then(Value::as_str)) {
                ((true, cidr), _) => {
                    listed = true;
                    cidrs.retain(|known| Some(known) != cidr.as_ref());
                }
                (_, Some(other)) => subnets.push((other.to_owned(), subnet.clone())),
                _ => {}
            }
        }
        subnets.push((id.to_owned(), Value::Object(payload.clone())));
        cidrs.extend(
            payload
                .get("cidr")
                .cloned()
                .filter(|cidr| !cidrs.contains(cidr)),
        );
        let mut draft = Draft::part(self.key_of(&network.key))
            .with("subnets", subnets_by_name(subnets))
            .with("cidrs", cidrs);
        let mut ids = list(Some(network), "subnet_ids");
        if !listed && !ids.contains(&json!(id)) {
            ids.push(json!(id));
            draft = draft.with("subnet_ids", ids);
        }
        draft
    }

    pub(super) fn subnet_add(&self) -> Outcome {
        let (payload, id, network) = self.subnet_payload()?;
        let readings = self.with_subnet(network, id, payload)?;
        let rescans = match payload.get("enable_dhcp") {
            Some(Value::Bool(true)) => self.dhcp_rescans(&network.key)?,
            _ => Vec::new(),
        };
        Ok(applied(
            readings,
            rescans,
            self.key("subnet", id)?,
            self.key_of(&network.key),
        ))
    }

    pub(super) fn subnet_update(&self) -> Outcome {
        let (payload, id, network) = self.subnet_payload()?;
        let before = elements(network.get("subnets"))
            .find(|subnet| subnet.get("id").and_then(Value::as_str) == Some(id));
        let served = |subnet: Option<&Value>| {
            subnet.and_then(|subnet| subnet.get("enable_dhcp")?.as_bool()) == Some(true)
        };
        let (was, is) = (
            served(before),
            payload.get("enable_dhcp") == Some(&Value::Bool(true)),
        );
        let mut readings = self.with_subnet(network, id, payload)?;
        let others = elements(network.get("subnets"))
            .filter(|subnet| subnet.get("id").and_then(Value::as_str) != Some(id))
            .any(|subnet| served(Some(subnet)));
        let mut rescans = Vec::new();
        if is && !was {
            rescans = self.dhcp_rescans(&network.key)?;
        } else if was && !is && !others {
            let mut reading = self.reading()?;
            self.without_dhcp(&network.key, &mut reading)?;
            readings.push(reading);
        }
        Ok(applied(
            readings,
            rescans,
            self.key("subnet", id)?,
            self.key_of(&network.key),
        ))
    }

    pub(super) fn subnet_delete(&self) -> Outcome {
        let id = self.deleted_id("subnet")?;
        let key = self.key("subnet", id)?;
        let mut reading = self.reading()?;
        reading.gone.push(key.clone());
        let Some(network) = self.network_of_subnet(id) else {
            return Ok(applied(vec![reading], Vec::new(), key.clone(), key));
        };
        let mut subnets = Vec::new();
        let mut cidrs = list(Some(network), "cidrs");
        for subnet in elements(network.get("subnets")) {
            match subnet.get("id").and_then(Value::as_str) {
                Some(other) if other != id => subnets.push((other.to_owned(), subnet.clone())),
                _ => cidrs.retain(|cidr| Some(cidr) != subnet.get("cidr")),
            }
        }
        let mut ids = list(Some(network), "subnet_ids");
        ids.retain(|known| known != id);
        if ids.is_empty() {
            self.without_dhcp(&network.key, &mut reading)?;
        }
        let mut listed = self.consequence(network)?;
        let network = self.key_of(&network.key);
        listed.drafts.push(
            Draft::part(network.clone())
                .with("subnets", subnets_by_name(subnets))
                .with("cidrs", cidrs)
                .with("subnet_ids", ids),
        );
        Ok(applied(vec![reading, listed], Vec::new(), key, network))
    }

    fn network_of_subnet(&self, id: &str) -> Option<&Object> {
        let parent = self
            .known("subnet", id)
            .and_then(|subnet| subnet.parent.as_ref());
        if let Some(network) = parent.and_then(|parent| self.version.get(parent)) {
            return Some(network);
        }
        let found = self.by_identifier(id, "network");
        found
            .first()
            .and_then(|handle| self.version.object(*handle))
    }

    /// The DHCP service of a network came: its port, and its namespace on the host that says so, must be read.
    fn dhcp_rescans(&self, network: &ObjectRef) -> Result<Vec<Rescan>, Refusal> {
        let mut out = vec![self.rescan(self.key_of(network), &["port"])?];
        if let Some(host) = self
            .publisher()
            .filter(|host| self.known("host", host).is_some())
        {
            out.push(self.rescan(self.key("host", host)?, &["vservice", "vnic", "vedge"])?);
        }
        Ok(out)
    }

    /// The DHCP service of a network goes: its namespaces, their vNICs, and its ports.
    fn without_dhcp(&self, network: &ObjectRef, reading: &mut Reading) -> Result<(), Refusal> {
        let namespace = format!("qdhcp-{}", network.id);
        let mut services: Vec<ObjectKey> = self
            .services(&namespace)
            .iter()
            .map(|key| self.key_of(key))
            .collect();
        services.push(self.key("vservice", &namespace)?);
        if let Some(host) = self.publisher() {
            services.push(self.key("vservice", &format!("{host}-{namespace}"))?);
        }
        for service in services {
            // vNICs may be known where the service itself is not.
            let vnics = self.version.children(Some(&ObjectRef::from(&service)));
            let vnics = vnics
                .into_iter()
                .filter_map(|vnic| self.version.object(vnic));
            reading
                .gone
                .extend(vnics.map(|vnic| self.key_of(&vnic.key)));
            reading.gone.push(service);
        }
        for child in self.version.children(Some(network)) {
            if let Some(port) = self.version.object(child)
                && port.get("device_owner").and_then(Value::as_str) == Some("network:dhcp")
            {
                reading.gone.push(self.key_of(&port.key));
            }
        }
        reading.gone.sort();
        reading.gone.dedup();
        Ok(())
    }
}

fn elements(value: Option<&Value>) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Some(Value::Array(list)) => Box::new(list.iter()),
        Some(Value::Object(map)) => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}
