//! Check names: `<type>_<id>`, `link_<type>_<source>_<target>`, with ids made safe for systems that allow few characters.

use super::MonitoringError;
use crate::declare::Declarations;
use crate::health::Target;
use crate::object::ObjectRef;
use crate::version::Version;
use crate::{LinkType, ObjectType};
use std::sync::Arc;

/// `:` and `/` as `---..58..---` and `---..47..---`.
pub fn encode_id(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for c in id.chars() {
        match c {
            ':' | '/' => out.push_str(&format!("---..{}..---", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// The reverse of [`encode_id`]; what is no such code stays as it is.
pub fn decode_id(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("---..") {
        let (before, after) = (&rest[..start], &rest[start + 5..]);
        let code = after.find("..---").and_then(|end| {
            let c = char::from_u32(after[..end].parse().ok()?)?;
            Some((c, end))
        });
        let Some((c, end)) = code else {
            out.push_str(&rest[..start + 5]);
            rest = after;
            continue;
        };
        out.push_str(before);
        out.push(c);
        rest = &after[end + 5..];
    }
    out + rest
}

/// A distinguished name of ACI as part of an id: without `topology/`, slashes as `__`.
pub fn dn_id(dn: &str) -> String {
    dn.strip_prefix("topology/")
        .unwrap_or(dn)
        .replace('/', "__")
}

/// What a check's name says, before it is looked up. Ids are still encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckName {
    Object {
        object_type: ObjectType,
        /// The id, and maybe `_<part>` behind it.
        id: String,
    },
    Link {
        link_type: LinkType,
        /// `<source>_<target>`.
        ends: String,
    },
}

impl CheckName {
    /// The longest declared type that starts the name counts.
    ///
    /// # Errors
    /// No declared type starts the name.
    pub fn parse(declarations: &Declarations, name: &str) -> Result<Self, MonitoringError> {
        let refuse = || MonitoringError::Name(name.chars().take(120).collect());
        let after = |text: &str, word: &str| {
            let rest = text.strip_prefix(word)?.strip_prefix('_')?;
            (!rest.is_empty()).then(|| rest.to_owned())
        };
        if let Some(rest) = name.strip_prefix("link_") {
            let found = declarations
                .link_rules()
                .filter_map(|rule| {
                    Some((
                        rule.link_type.clone(),
                        after(rest, rule.link_type.as_str())?,
                    ))
                })
                .max_by_key(|(link_type, _)| link_type.as_str().len());
            let (link_type, ends) = found.ok_or_else(refuse)?;
            return Ok(Self::Link { link_type, ends });
        }
        declarations
            .object_types()
            .filter_map(|rule| Some((rule.name.clone(), after(name, rule.name.as_str())?)))
            .max_by_key(|(object_type, _)| object_type.as_str().len())
            .map(|(object_type, id)| Self::Object { object_type, id })
            .ok_or_else(refuse)
    }
}

/// The object, part or link a check's name means on this version. Ids may hold `_` themselves, so every way to cut the name is tried, the
/// longest id first.
///
/// # Errors
/// The name is malformed, or means nothing here.
pub fn resolve(version: &Version, name: &str) -> Result<Target, MonitoringError> {
    let unknown = || MonitoringError::Unknown(name.chars().take(120).collect());
    match CheckName::parse(version.declarations(), name)? {
        CheckName::Object { object_type, id } => {
            object(version, &object_type, &id).ok_or_else(unknown)
        }
        CheckName::Link { link_type, ends } => link(version, &link_type, &ends).ok_or_else(unknown),
    }
}

fn cuts(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.rmatch_indices('_')
        .map(|(at, _)| (&text[..at], &text[at + 1..]))
}

fn object(version: &Version, object_type: &ObjectType, text: &str) -> Option<Target> {
    let known = |text: &str| {
        let key = ObjectRef::new(object_type, decode_id(text)).ok()?;
        version.find(&key).map(|_| key)
    };
    let whole = known(text).or_else(|| {
        // A kind may stand between type and id: `vnic_instance_vnic_<id>`.
        text.match_indices('_')
            .find_map(|(at, _)| known(&text[at + 1..]))
    });
    if let Some(object) = whole {
        return Some(Target::Object { object, part: None });
    }
    let has_parts = version
        .declarations()
        .object_type(object_type)
        .is_some_and(|rule| rule.parts.is_some());
    cuts(text).filter(|_| has_parts).find_map(|(id, part)| {
        Some(Target::Object {
            object: known(id)?,
            part: Some(Arc::from(decode_id(part))),
        })
    })
}

fn link(version: &Version, link_type: &LinkType, text: &str) -> Option<Target> {
    let (source_type, target_type) = link_type.ends().ok()?;
    cuts(text).find_map(|(source, target)| {
        let source = version.find(&ObjectRef::new(&source_type, decode_id(source)).ok()?)?;
        let target = version.find(&ObjectRef::new(&target_type, decode_id(target)).ok()?)?;
        let link = version
            .links_at(source)
            .find(|link| link.target == target && link.link_type == *link_type)?;
        version.link_key(link).map(Target::Link)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_survive_encoding(id in "[a-z0-9:/._-]{0,40}") {
            prop_assume!(!id.contains("---.."));
            prop_assert_eq!(decode_id(&encode_id(&id)), id);
        }

        #[test]
        fn any_text_decodes(text in ".{0,60}") {
            decode_id(&text);
        }
    }
}
