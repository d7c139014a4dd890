//! Objects, links and cliques in the earlier system's shapes.

use crate::topology::Seen;
use serde_json::{Map, Value, json};
use std::hash::Hasher;
use topology::{Clique, Handle, Link, LinkState, Object, StatusLevel};

/// 24 hexadecimal digits that stand for a key, the same in every process: what used to be a database's id.
pub(super) fn id(parts: &[&str]) -> String {
    let hash = |seed: u64| {
        // FNV-1a, 64 bits: an identifier, no protection.
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325 ^ seed);
        for part in parts {
            hash.write(part.as_bytes());
            hash.write(&[0xff]);
        }
        hash.finish()
    };
    format!("{:016x}{:08x}", hash(0), hash(0x9e37_79b9_7f4a_7c15) as u32)
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

pub(super) fn object_id(object: &Object) -> String {
    id(&[object.key.object_type.as_str(), object.key.id.as_str()])
}

pub(super) fn object(seen: &Seen, handle: Handle) -> Option<Map<String, Value>> {
    let version = &seen.version;
    let object = version.object(handle)?;
    let mut out: Map<String, Value> = object
        .attributes()
        .map(|attribute| (attribute.name.to_string(), attribute.believed.value.clone()))
        .collect();
    let level = version.level(handle, seen.now);
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("_id", object_id(object).into());
    put("id", object.key.id.as_str().into());
    put("type", object.key.object_type.as_str().into());
    put("name", object.name().into());
    put("object_name", object.name().into());
    put("environment", version.profile.name.as_str().into());
    put("id_path", version.id_path(handle).into());
    put("name_path", version.name_path(handle).into());
    let folders = version.folders(object);
    let parent = object.parent.as_ref();
    let above = parent.map_or(version.profile.name.as_str(), |parent| parent.id.as_str());
    let parent_id = folders.iter().fold(above.to_owned(), |above, folder| {
        format!("{above}-{}", folder.name)
    });
    put("parent_id", parent_id.into());
    let parent_type = match folders.last() {
        Some(folder) => format!("{}_folder", folder.name),
        None => parent.map_or_else(
            || "environment".to_owned(),
            |parent| parent.object_type.to_string(),
        ),
    };
    put("parent_type", parent_type.into());
    put("show_in_tree", true.into());
    put(
        "last_scanned",
        json!(version.seen(handle).map(|(_, at)| at).max()),
    );
    put("clique", (!version.cliques(handle).is_empty()).into());
    if level != StatusLevel::Unknown {
        put("status", level.label().into());
        put("status_value", level.code().into());
    }
    Some(out)
}

pub(super) fn link_id(seen: &Seen, link: &Link) -> Option<String> {
    let key = seen.version.link_key(link)?;
    let distinct = key.distinct.as_deref().unwrap_or_default();
    Some(id(&[
        link.link_type.as_str(),
        key.source.object_type.as_str(),
        key.source.id.as_str(),
        key.target.object_type.as_str(),
        key.target.id.as_str(),
        distinct,
    ]))
}

pub(super) fn link(seen: &Seen, link: &Link) -> Option<Map<String, Value>> {
    let version = &seen.version;
    let (source, target) = (version.object(link.source)?, version.object(link.target)?);
    let id = link_id(seen, link)?;
    let document = json!({
        "_id": id,
        "id": id,
        "environment": version.profile.name,
        "link_type": link.link_type,
        "link_name": link.name,
        "link_weight": link.weight,
        "source": object_id(source),
        "source_id": object_id(source),
        "source_object_id": source.key.id,
        "source_label": link.source_label,
        "target": object_id(target),
        "target_id": object_id(target),
        "target_object_id": target.key.id,
        "target_label": link.target_label,
        "state": match link.state {
            LinkState::Up => "up",
            LinkState::Down => "down",
            LinkState::Unknown => "unknown",
        },
        "implicit": link.implicit,
        "host": link.place,
        "attributes": link.attributes,
    });
    document.as_object().cloned()
}

pub(super) fn clique(seen: &Seen, clique: &Clique) -> Option<Map<String, Value>> {
    let version = &seen.version;
    let focal = version.object(version.find(&clique.focal)?)?;
    let links: Vec<Map<String, Value>> = clique
        .links
        .iter()
        .filter(|link| seen.sees(link.source) && seen.sees(link.target))
        .filter_map(|found| link(seen, found))
        .collect();
    let ids: Vec<&Value> = links.iter().filter_map(|link| link.get("id")).collect();
    let document = json!({
        "id": id(&["clique", clique.focal.object_type.as_str(), clique.focal.id.as_str(), &clique.clique_type]),
        "environment": version.profile.name,
        "focal_point": object_id(focal),
        "focal_point_object_id": focal.key.id,
        "focal_point_type": clique.focal.object_type,
        "clique_type": clique.clique_type,
        "constraints": clique.constraints,
        "links": ids,
        "links_detailed": links,
    });
    document.as_object().cloned()
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn ids_have_24_digits_and_tell_keys_apart() {
        let one = id(&["host", "a"]);
        assert!(one.len() == 24 && one.chars().all(|c| c.is_ascii_hexdigit()));
        assert_eq!(one, id(&["host", "a"]));
        assert_ne!(one, id(&["hos", "ta"]));
    }
}
