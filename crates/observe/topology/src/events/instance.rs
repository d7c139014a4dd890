//! Instances and server groups.

use super::{Event, Outcome, Refusal, applied, attributes, list, string};
use crate::{Draft, ObjectKey, Rescan};
use serde_json::{Map, Value, json};

/// What an instance's payload says of it that scans know by the same name.
const KEPT: &[&str] = &[
    "tenant_id",
    "availability_zone",
    "vcpus",
    "memory_mb",
    "disk_gb",
    "metadata",
    "user_id",
    "host",
];

impl Event<'_> {
    fn instance_payload(&self) -> Result<(&Map<String, Value>, &str), Refusal> {
        let payload = self.notification.payload.as_object();
        let payload = payload.ok_or_else(|| Refusal::Payload("the payload is no map".into()))?;
        let id = string(payload, "instance_id")
            .ok_or_else(|| Refusal::Payload("the payload has no 'instance_id'".into()))?;
        Ok((payload, id))
    }

    pub(super) fn instance_add(&self) -> Outcome {
        let (payload, id) = self.instance_payload()?;
        let host = string(payload, "host")
            .ok_or_else(|| Refusal::NotYet(format!("instance {id} has no host yet")))?;
        if self.known("host", host).is_none() {
            return Err(Refusal::NotYet(format!("host {host} is not known yet")));
        }
        let (key, host) = (self.key("instance", id)?, self.key("host", host)?);
        let name = string(payload, "display_name").unwrap_or(id);
        let mut draft = Draft::whole(key.clone(), name).under(host.clone());
        kept(&mut draft, payload);
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        let rescans = self.around_instance(&key, &host)?;
        Ok(applied(vec![reading], rescans, key.clone(), key))
    }

    fn around_instance(
        &self,
        instance: &ObjectKey,
        host: &ObjectKey,
    ) -> Result<Vec<Rescan>, Refusal> {
        Ok(vec![
            self.rescan(instance.clone(), &["instance", "vnic"])?,
            self.rescan(host.clone(), &["vconnector", "vedge"])?,
        ])
    }

    pub(super) fn instance_update(&self) -> Outcome {
        let (payload, id) = self.instance_payload()?;
        let state = string(payload, "state").unwrap_or_default();
        let old_state = string(payload, "old_state").unwrap_or_default();
        match (old_state, state) {
            (_, "building") => {
                return Err(Refusal::Nothing(format!(
                    "instance {id} is still being built"
                )));
            }
            (_, "deleted") => return self.instance_delete(),
            ("building", "active") => return self.instance_add(),
            _ if self.known("instance", id).is_none() => return self.instance_add(),
            _ => {}
        }
        let key = self.key("instance", id)?;
        let mut draft = Draft::part(key.clone());
        draft.name = string(payload, "display_name").map(Into::into);
        set_state(&mut draft, state);
        let mut rescans = Vec::new();
        let host = string(payload, "host");
        let now = self
            .known("instance", id)
            .and_then(|object| object.parent.clone());
        if let Some(host) = host.filter(|host| now.is_some_and(|now| now.id.as_str() != *host))
            && self.known("host", host).is_some()
        {
            let host = self.key("host", host)?;
            rescans = self.around_instance(&key, &host)?;
            draft.attributes.insert("host".into(), json!(host.id));
            draft = draft.under(host);
        }
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        Ok(applied(vec![reading], rescans, key.clone(), key))
    }

    pub(super) fn instance_delete(&self) -> Outcome {
        let (_, id) = self.instance_payload()?;
        let key = self.key("instance", id)?;
        let mut reading = self.reading()?;
        reading.gone.push(key.clone());
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }

    /// It runs on another host now; its devices there are read, those on the old one go with it.
    pub(super) fn instance_moved(&self) -> Outcome {
        let (_, id) = self.instance_payload()?;
        if self.known("instance", id).is_none() {
            return self.instance_add();
        }
        self.instance_update()
    }

    pub(super) fn instance_state(&self, state: &str) -> Outcome {
        let (payload, id) = self.instance_payload()?;
        if self.known("instance", id).is_none() {
            return Err(Refusal::NotYet(format!("instance {id} is not known yet")));
        }
        let key = self.key("instance", id)?;
        let state = string(payload, "state").unwrap_or(state);
        let mut draft = Draft::part(key.clone());
        set_state(&mut draft, state);
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }

    fn server_group_key(&self) -> Result<(&Map<String, Value>, ObjectKey), Refusal> {
        let payload = self.notification.payload.as_object();
        let payload = payload.ok_or_else(|| Refusal::Payload("the payload is no map".into()))?;
        let id = string(payload, "server_group_id")
            .or_else(|| string(payload, "uuid"))
            .ok_or_else(|| Refusal::Payload("the payload has no 'server_group_id'".into()))?;
        Ok((payload, self.key("server_group", id)?))
    }

    pub(super) fn server_group(&self) -> Outcome {
        let (payload, key) = self.server_group_key()?;
        let name = string(payload, "name").unwrap_or(key.id.as_str());
        let mut draft = Draft::whole(key.clone(), name);
        attributes(&mut draft, payload, &["server_group_id", "uuid", "name"]);
        if let Some(project) = string(payload, "project_id") {
            draft = draft.under(self.key("project", project)?);
        }
        let mut reading = self.reading()?;
        reading.drafts.push(draft);
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }

    /// The payload holds the new members only.
    pub(super) fn server_group_member(&self) -> Outcome {
        let (payload, key) = self.server_group_key()?;
        let Some(group) = self.known("server_group", key.id.as_str()) else {
            return Err(Refusal::NotYet(format!("{key} is not known yet")));
        };
        let mut members = list(Some(group), "members");
        for uuid in ["instance_uuids", "members"] {
            let new = payload.get(uuid).and_then(Value::as_array);
            for member in new.into_iter().flatten() {
                if !members.contains(member) {
                    members.push(member.clone());
                }
            }
        }
        let mut reading = self.consequence(group)?;
        reading
            .drafts
            .push(Draft::part(key.clone()).with("members", members));
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }

    pub(super) fn server_group_delete(&self) -> Outcome {
        let (_, key) = self.server_group_key()?;
        let mut reading = self.reading()?;
        reading.gone.push(key.clone());
        Ok(applied(vec![reading], Vec::new(), key.clone(), key))
    }
}

fn kept(draft: &mut Draft, payload: &Map<String, Value>) {
    for name in KEPT {
        if let Some(value) = payload.get(*name).filter(|value| !value.is_null()) {
            draft.attributes.insert((*name).into(), value.clone());
        }
    }
    if let Some(tenant) = payload.get("tenant_id") {
        draft.attributes.insert("project_id".into(), tenant.clone());
    }
    set_state(draft, string(payload, "state").unwrap_or_default());
}

/// Nova's state of an instance, and the status by which its API, and so a scan, tells of the same while nothing is under way.
fn set_state(draft: &mut Draft, state: &str) {
    if state.is_empty() {
        return;
    }
    let status = match state {
        "active" => Some("ACTIVE"),
        "building" => Some("BUILD"),
        "stopped" => Some("SHUTOFF"),
        "paused" => Some("PAUSED"),
        "suspended" => Some("SUSPENDED"),
        "rescued" => Some("RESCUE"),
        "resized" => Some("VERIFY_RESIZE"),
        "shelved" => Some("SHELVED"),
        "shelved_offloaded" => Some("SHELVED_OFFLOADED"),
        "soft-delete" => Some("SOFT_DELETED"),
        "error" => Some("ERROR"),
        _ => None,
    };
    let values = [("vm_state", Some(state)), ("status", status)];
    for (name, value) in values {
        if let Some(value) = value {
            draft.attributes.insert(name.into(), json!(value));
        }
    }
}
