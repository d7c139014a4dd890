//! From the map to the scan: where a scan of a part starts, and what host scanners may know before it.

use super::Start;
use crate::host::known::Known;
use topology::{
    Draft, Environment, Handle, Object, ObjectKey, ObjectRef, ObjectType, Rescan, Version,
};

/// The types of objects that tell host scanners something.
const TELLING: &[&str] = &["network", "port", "instance", "host", "network_agent"];

impl Start {
    /// At an object of the map; only what has one of `types`, if any are named.
    pub fn at(version: &Version, key: &ObjectKey, types: &[ObjectType]) -> Self {
        let host = match key.object_type.as_str() {
            "host" => Some(key.id.as_str().to_owned()),
            _ => version
                .find(&ObjectRef::from(key))
                .and_then(|handle| host_of(version, handle)),
        };
        Self {
            key: key.clone(),
            host,
            types: types.to_vec(),
        }
    }

    /// Where an event asks for another look.
    pub fn of(version: &Version, rescan: &Rescan) -> Self {
        Self::at(version, &rescan.start, &rescan.types)
    }
}

/// The host an object says it is on, or the one it is below.
fn host_of(version: &Version, handle: Handle) -> Option<String> {
    let said = |object: &Object| Some(object.get("host")?.as_str()?.to_owned());
    version.object(handle).and_then(said).or_else(|| {
        version
            .ancestry(handle)
            .into_iter()
            .filter_map(|above| version.object(above))
            .find(|object| object.key.object_type.as_str() == "host")
            .map(|object| object.key.id.as_str().to_owned())
    })
}

impl Known {
    /// What a map knows.
    pub fn of(version: &Version) -> Self {
        let mut known = Self::default();
        let environment = &version.profile.name;
        for name in TELLING {
            let Ok(object_type) = ObjectType::new(name) else {
                continue;
            };
            for (_, object) in version.objects_of(&object_type) {
                known.learn(std::iter::once(&draft(environment, object)));
            }
        }
        known
    }
}

fn draft(environment: &Environment, object: &Object) -> Draft {
    let key = ObjectKey {
        environment: environment.clone(),
        object_type: object.key.object_type.clone(),
        id: object.key.id.clone(),
    };
    let mut draft = Draft::whole(key, object.name());
    for attribute in object.attributes() {
        draft
            .attributes
            .insert(attribute.name.clone(), attribute.believed.value.clone());
    }
    draft
}
