//! What each kind of source says of each attribute, and which of them is believed.

use crate::declare::Declarations;
use crate::object::{Attribute, Claim, NAME, Object, Origin, PARENT};
use crate::{Draft, Extent};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Takes a draft's statements into an object.
pub(super) fn state(
    object: &mut Object,
    draft: &Draft,
    origin: &Arc<Origin>,
    at: Timestamp,
    declarations: &Declarations,
    names: &mut HashSet<Arc<str>>,
) {
    let name = draft.name.as_ref().map(|name| Value::from(name.as_ref()));
    let parent = draft
        .parent
        .as_ref()
        .map(|parent| Value::from(parent.to_string()));
    let whole = draft.extent == Extent::Whole;
    let mut said: Vec<&str> = Vec::with_capacity(draft.attributes.len() + 2);
    let special = [(PARENT, &parent), (NAME, &name)];
    let special = special
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let plain = draft
        .attributes
        .iter()
        .filter(|(attribute, _)| {
            attribute.as_ref() != PARENT && (attribute.as_ref() != NAME || name.is_none())
        })
        .map(|(attribute, value)| (attribute.as_ref(), value));
    for (attribute, value) in special.chain(plain) {
        said.push(attribute);
        claim(object, attribute, value, origin, at, declarations, names);
    }
    if whole {
        said.sort_unstable();
        retract(object, &said, origin, at);
    }
}

fn claim(
    object: &mut Object,
    name: &str,
    value: &Value,
    origin: &Arc<Origin>,
    at: Timestamp,
    declarations: &Declarations,
    names: &mut HashSet<Arc<str>>,
) {
    let fresh = || Claim {
        value: value.clone(),
        origin: origin.clone(),
        at,
    };
    let place = match object.position(name) {
        Ok(place) => place,
        Err(place) => {
            let attribute = Attribute {
                name: interned(names, name),
                believed: fresh(),
                others: Vec::new(),
            };
            object.all.insert(place, attribute);
            return;
        }
    };
    let attribute = &mut object.all[place];
    let rank = |claim: &Claim| declarations.rank(&claim.origin.kind);
    let own = declarations.rank(&origin.kind);
    let others = std::mem::take(&mut attribute.others);
    let mut claims: Vec<Claim> = std::iter::once(attribute.believed.clone())
        .chain(others)
        .collect();
    match claims.iter_mut().find(|claim| rank(claim) == own) {
        // Of one rank, the newest word counts. Saying the same again does not make it newer.
        Some(same) if same.value == *value => {
            same.at = same.at.min(at);
            if same.origin.kind != origin.kind || same.origin.detail != origin.detail {
                same.origin = origin.clone();
            }
        }
        Some(same) if same.at <= at => *same = fresh(),
        Some(_) => {}
        None => claims.push(fresh()),
    }
    claims.sort_by_key(rank);
    let mut claims = claims.into_iter();
    if let Some(believed) = claims.next() {
        attribute.believed = believed;
    }
    attribute.others = claims.collect();
}

/// Drops what this kind of source said before of attributes it no longer mentions.
fn retract(object: &mut Object, said: &[&str], origin: &Origin, at: Timestamp) {
    object.all.retain_mut(|attribute| {
        if said.binary_search(&attribute.name.as_ref()).is_ok() {
            return true;
        }
        let mine = |claim: &Claim| claim.origin.kind == origin.kind && claim.at <= at;
        attribute.others.retain(|claim| !mine(claim));
        if !mine(&attribute.believed) {
            return true;
        }
        if attribute.others.is_empty() {
            return false;
        }
        attribute.believed = attribute.others.remove(0);
        true
    });
}

fn interned(names: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(name) = names.get(name) {
        return name.clone();
    }
    let name: Arc<str> = name.into();
    names.insert(name.clone());
    name
}
