//! Ports.

use super::{Event, Outcome, Refusal, applied, attributes, list, string};
use crate::{Draft, Object, ObjectKey, Reading, Rescan};
use serde_json::{Map, Value, json};

impl Event<'_> {
    fn port_payload(&self) -> Result<(&Map<String, Value>, &str), Refusal> {
        let payload = self.part("port")?;
        let id =
            string(payload, "id").ok_or_else(|| Refusal::Payload("the port has no 'id'".into()))?;
        Ok((payload, id))
    }

    pub(super) fn port_add(&self) -> Outcome {
        let (payload, id) = self.port_payload()?;
        let network = string(payload, "network_id")
            .ok_or_else(|| Refusal::Payload("the port has no 'network_id'".into()))?;
        self.network(network)?;
        let (key, network) = (self.key("port", id)?, self.key("network", network)?);
        let mut draft = Draft::whole(key.clone(), port_name(payload, id)).under(network.clone());
        attributes(&mut draft, payload, &["id", "name"]);
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        let rescans = self.port_rescans(payload)?;
        Ok(applied(vec![reading], rescans, key, network))
    }

    pub(super) fn port_update(&self) -> Outcome {
        let (payload, id) = self.port_payload()?;
        let Some(port) = self.known("port", id) else {
            return Err(Refusal::NotYet(format!("port {id} is not known yet")));
        };
        let key = self.key("port", id)?;
        let mut draft = Draft::part(key.clone());
        draft.name = Some(port_name(payload, id).into());
        attributes(&mut draft, payload, &["id", "name"]);
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        let elsewhere = ["binding:host_id", "device_id"].iter().any(|name| {
            payload
                .get(*name)
                .is_some_and(|value| port.get(name) != Some(value))
        });
        let rescans = if elsewhere {
            self.port_rescans(payload)?
        } else {
            Vec::new()
        };
        let context = self.context(port, &key);
        Ok(applied(vec![reading], rescans, key, context))
    }

    fn context(&self, port: &Object, key: &ObjectKey) -> ObjectKey {
        let network = port.get("network_id").and_then(Value::as_str);
        network
            .and_then(|id| self.key("network", id).ok())
            .unwrap_or_else(|| key.clone())
    }

    /// A port of an instance means a new device on its host.
    fn port_rescans(&self, payload: &Map<String, Value>) -> Result<Vec<Rescan>, Refusal> {
        let mut out = Vec::new();
        let compute = string(payload, "device_owner").is_some_and(|o| o.starts_with("compute:"));
        if let Some(device) = string(payload, "device_id").filter(|_| compute) {
            if self.known("instance", device).is_some() {
                out.push(self.rescan(self.key("instance", device)?, &["instance", "vnic"])?);
            } else if string(payload, "binding:host_id").is_none() {
                return Err(Refusal::NotYet(format!(
                    "instance {device} is not known yet"
                )));
            }
        }
        if let Some(host) = string(payload, "binding:host_id")
            && self.known("host", host).is_some()
        {
            let types: &[&str] = if compute {
                &["vnic", "vconnector", "vedge"]
            } else {
                &["vservice", "vnic", "vedge"]
            };
            out.push(self.rescan(self.key("host", host)?, types)?);
        }
        Ok(out)
    }

    pub(super) fn port_delete(&self) -> Outcome {
        let id = self.deleted_id("port")?;
        let key = self.key("port", id)?;
        let mut reading = self.reading()?;
        self.remove_port(id, &mut reading)?;
        let context = self
            .known("port", id)
            .map_or_else(|| key.clone(), |port| self.context(port, &key));
        Ok(applied(vec![reading], Vec::new(), key, context))
    }

    /// A port, the vNIC with its MAC, and what instances know of it.
    pub(super) fn remove_port(&self, id: &str, reading: &mut Reading) -> Result<(), Refusal> {
        reading.gone.push(self.key("port", id)?);
        let Some(port) = self.known("port", id) else {
            return Ok(());
        };
        let mac = port.get("mac_address").and_then(Value::as_str);
        for vnic in mac
            .map(|mac| self.by_identifier(mac, "vnic"))
            .into_iter()
            .flatten()
        {
            if let Some(vnic) = self.version.object(vnic) {
                reading.gone.push(self.key_of(&vnic.key));
            }
        }
        for handle in self.by_identifier(id, "instance") {
            if let Some(instance) = self.version.object(handle) {
                reading.drafts.push(self.without_port(instance, id, mac));
            }
        }
        Ok(())
    }

    /// The instance's own list of networks and ports, without a port; a network goes with its last port.
    fn without_port(&self, instance: &Object, id: &str, mac: Option<&str>) -> Draft {
        let (mut gone, mut kept) = (Vec::new(), Vec::new());
        for entry in list(Some(instance), "network_info") {
            if entry.get("id").and_then(Value::as_str) == Some(id) {
                gone.push(entry);
            } else {
                kept.push(entry);
            }
        }
        let on = |entry: &Value| entry.pointer("/network/id").cloned();
        let mut networks = list(Some(instance), "network");
        networks.retain(|network| {
            let was = gone.iter().any(|entry| on(entry).as_ref() == Some(network));
            let still = kept.iter().any(|entry| on(entry).as_ref() == Some(network));
            still || !was
        });
        let mut draft = Draft::part(self.key_of(&instance.key))
            .with("network_info", kept)
            .with("network", networks);
        if mac.is_some() && instance.get("mac_address").and_then(Value::as_str) == mac {
            draft.attributes.insert("mac_address".into(), json!(null));
        }
        draft
    }
}

/// Ports without a name go by their MAC.
fn port_name<'p>(payload: &'p Map<String, Value>, id: &'p str) -> &'p str {
    string(payload, "name")
        .or_else(|| string(payload, "mac_address"))
        .unwrap_or(id)
}
