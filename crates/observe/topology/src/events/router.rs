//! Routers and their interfaces. A router is the vService of its namespace, once for each host it is on.

use super::{Event, Outcome, Refusal, applied, attributes, list, string};
use crate::{Draft, ObjectKey, ObjectRef, Rescan};
use serde_json::{Map, Value, json};

impl Event<'_> {
    fn router_payload(&self) -> Result<(&Map<String, Value>, &str), Refusal> {
        let payload = self.part("router")?;
        let id = string(payload, "id")
            .ok_or_else(|| Refusal::Payload("the router has no 'id'".into()))?;
        Ok((payload, id))
    }

    pub(super) fn router_add(&self) -> Outcome {
        let (payload, id) = self.router_payload()?;
        let host = self
            .publisher()
            .ok_or_else(|| Refusal::Payload("the publisher names no host".into()))?;
        if self.known("host", host).is_none() {
            return Err(Refusal::NotYet(format!("host {host} is not known yet")));
        }
        let key = self.key("vservice", &format!("{host}-qrouter-{id}"))?;
        let host_key = self.key("host", host)?;
        let name = format!("qrouter-{}", string(payload, "name").unwrap_or(id));
        let mut draft = Draft::whole(key.clone(), name).under(host_key.clone());
        attributes(&mut draft, payload, &["id", "name"]);
        draft = draft
            .with("host", host)
            .with("service_type", "router")
            .with("local_service_id", format!("qrouter-{id}"));
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        let rescans = self.router_rescans(&key, Some(&host_key), gateway_network(payload))?;
        Ok(applied(vec![reading], rescans, key.clone(), key))
    }

    /// The router's vNICs on its host, and the ports of a network it came to.
    fn router_rescans(
        &self,
        router: &ObjectKey,
        host: Option<&ObjectKey>,
        network: Option<&str>,
    ) -> Result<Vec<Rescan>, Refusal> {
        let mut out = vec![self.rescan(router.clone(), &["vservice", "vnic"])?];
        if let Some(host) = host {
            out.push(self.rescan(host.clone(), &["vedge"])?);
        }
        if let Some(network) = network.filter(|network| self.known("network", network).is_some()) {
            out.push(self.rescan(self.key("network", network)?, &["port"])?);
        }
        Ok(out)
    }

    /// The vServices of a router, or a reason to try again.
    fn routers(&self, id: &str) -> Result<Vec<ObjectRef>, Refusal> {
        let found = self.services(&format!("qrouter-{id}"));
        if found.is_empty() {
            return Err(Refusal::NotYet(format!("router {id} is not known yet")));
        }
        Ok(found)
    }

    pub(super) fn router_update(&self) -> Outcome {
        let (payload, id) = self.router_payload()?;
        let routers = self.routers(id)?;
        let mut reading = self.reading()?;
        let mut rescans = Vec::new();
        for router in &routers {
            let key = self.key_of(router);
            let mut draft = Draft::part(key.clone());
            draft.name = string(payload, "name").map(|name| format!("qrouter-{name}").into());
            attributes(&mut draft, payload, &["id", "name"]);
            let old_gateway = self
                .version
                .get(router)
                .and_then(|router| router.get("gw_port_id")?.as_str());
            let has_gateway = gateway_network(payload).is_some();
            if let Some(port) = old_gateway.filter(|_| !has_gateway) {
                draft.attributes.insert("gw_port_id".into(), json!(null));
                self.remove_port(port, &mut reading)?;
            }
            if has_gateway {
                rescans.extend(self.router_rescans(&key, None, gateway_network(payload))?);
            }
            reading.drafts.push(draft);
        }
        let key = self.key_of(&routers[0]);
        Ok(applied(vec![reading], rescans, key.clone(), key))
    }

    pub(super) fn router_delete(&self) -> Outcome {
        let id = self.deleted_id("router")?;
        let mut reading = self.reading()?;
        let namespace = format!("qrouter-{id}");
        let mut routers = self.services(&namespace);
        if let Some(host) = self.publisher() {
            // Known or not: a late creation must not bring it back.
            routers.push(ObjectRef::new("vservice", format!("{host}-{namespace}"))?);
        }
        routers.sort();
        routers.dedup();
        let main = routers
            .iter()
            .find(|router| self.version.find(router).is_some())
            .or(routers.first())
            .ok_or_else(|| Refusal::Nothing(format!("router {id} is not known")))?;
        let key = self.key_of(main);
        reading
            .gone
            .extend(routers.iter().map(|router| self.key_of(router)));
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }

    fn interface_payload(&self) -> Result<(&Map<String, Value>, &str), Refusal> {
        let payload = self.part("router_interface")?;
        let id = string(payload, "id")
            .ok_or_else(|| Refusal::Payload("the router interface has no 'id'".into()))?;
        Ok((payload, id))
    }

    /// The network an interface is on, by its port or its subnet.
    fn interface_network(&self, payload: &Map<String, Value>) -> Option<String> {
        let port = string(payload, "port_id").and_then(|port| self.known("port", port));
        let by_port = port.and_then(|port| port.get("network_id")?.as_str());
        let by_subnet = || {
            let subnet = self.known("subnet", string(payload, "subnet_id")?)?;
            Some(subnet.parent.as_ref()?.id.as_str())
        };
        by_port.or_else(by_subnet).map(str::to_owned)
    }

    pub(super) fn interface_add(&self) -> Outcome {
        let (payload, id) = self.interface_payload()?;
        let routers = self.routers(id)?;
        let network = self.interface_network(payload);
        let mut readings = Vec::new();
        let mut rescans = Vec::new();
        for router in &routers {
            let key = self.key_of(router);
            let object = self.version.get(router);
            let mut networks = list(object, "network");
            if let (Some(network), Some(object)) = (&network, object)
                && !networks.contains(&json!(network))
            {
                networks.push(json!(network));
                let mut reading = self.consequence(object)?;
                reading
                    .drafts
                    .push(Draft::part(key.clone()).with("network", networks));
                readings.push(reading);
            }
            rescans.extend(self.router_rescans(&key, None, network.as_deref())?);
        }
        let key = self.key_of(&routers[0]);
        let context = match &network {
            Some(network) => self.key("network", network)?,
            None => key.clone(),
        };
        Ok(applied(readings, rescans, key, context))
    }

    pub(super) fn interface_delete(&self) -> Outcome {
        let (payload, id) = self.interface_payload()?;
        let routers = self.routers(id)?;
        let network = self.interface_network(payload);
        let mut reading = self.reading()?;
        let port = string(payload, "port_id");
        if let Some(port) = port {
            self.remove_port(port, &mut reading)?;
        }
        let mut rescans = Vec::new();
        for router in &routers {
            let key = self.key_of(router);
            match network
                .as_deref()
                .map(|network| self.leaves(router, network, id, port))
            {
                Some(Some(draft)) => reading.drafts.push(draft),
                // The gateway may be on this network too; only the host can tell.
                _ => rescans.extend(self.router_rescans(&key, None, None)?),
            }
        }
        let key = self.key_of(&routers[0]);
        let context = match &network {
            Some(network) => self.key("network", network)?,
            None => key.clone(),
        };
        Ok(applied(vec![reading], rescans, key, context))
    }

    /// The router without a network, if it is known that no other of its ports is on it.
    fn leaves(
        &self,
        router: &ObjectRef,
        network: &str,
        id: &str,
        port: Option<&str>,
    ) -> Option<Draft> {
        let object = self.version.get(router)?;
        if let Some(gateway) = object.get("gw_port_id").and_then(Value::as_str) {
            self.known("port", gateway)?;
        }
        let parent = ObjectRef::new("network", network).ok()?;
        let still = self
            .version
            .children(Some(&parent))
            .into_iter()
            .any(|child| {
                self.version.object(child).is_some_and(|other| {
                    Some(other.key.id.as_str()) != port
                        && other.get("device_id").and_then(Value::as_str) == Some(id)
                })
            });
        let mut networks = list(Some(object), "network");
        if !still {
            networks.retain(|known| known != network);
        }
        Some(Draft::part(self.key_of(router)).with("network", networks))
    }
}

fn gateway_network(payload: &Map<String, Value>) -> Option<&str> {
    payload
        .get("external_gateway_info")?
        .get("network_id")?
        .as_str()
}
