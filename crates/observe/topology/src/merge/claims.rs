//! What each kind of source says of each attribute, and which of them is believed.

use crate::declare::Declarations;
use crate::object::{Attribute, Claim, NAME, Object, Origin, PARENT};
use crate::state::Word;
use crate::{Draft, Extent};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// Who speaks, and what is known of who spoke before.
pub(super) struct Speaker<'s> {
    pub(super) origin: &'s Arc<Origin>,
    pub(super) at: Timestamp,
    /// This kind of source gave a newer account of the whole object: what is said now can only tell that a claim has not always held.
    pub(super) outdated: bool,
    pub(super) declarations: &'s Declarations,
    /// What this kind of source says of the object by the way, at the same time or later.
    pub(super) parts: &'s [(Timestamp, &'s Draft)],
    /// The last words on the object before this one.
    pub(super) words: &'s [Word],
    pub(super) names: &'s mut HashSet<Arc<str>>,
}

impl Speaker<'_> {
    /// Takes a draft's statements into an object. Returns the attributes of which it said what was believed of its rank already: that
    /// changes nothing but how old the word is.
    pub(super) fn state(&mut self, object: &mut Object, draft: &Draft) -> Vec<Arc<str>> {
        let name = draft.name.as_ref().map(|name| Value::from(name.as_ref()));
        let parent = draft
            .parent
            .as_ref()
            .map(|parent| Value::from(parent.to_string()));
        let mut said: Vec<&str> = Vec::with_capacity(draft.attributes.len() + 2);
        let mut repeated = Vec::new();
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
            repeated.extend(self.claim(object, attribute, value));
        }
        if draft.extent == Extent::Whole {
            let parts = self.parts.iter().filter(|(at, _)| *at >= self.at);
            said.extend(parts.flat_map(|(_, part)| part.attributes.keys().map(AsRef::as_ref)));
            said.sort_unstable();
            self.retract(object, &said);
        }
        repeated
    }

    /// Of one rank the newest word counts. Saying the same again changes neither the claim nor since when it holds.
    fn claim(&mut self, object: &mut Object, name: &str, value: &Value) -> Option<Arc<str>> {
        let place = match object.position(name) {
            Ok(place) => place,
            Err(_) if self.outdated => return None,
            Err(place) => {
                let attribute = Attribute {
                    name: interned(self.names, name),
                    believed: self.fresh(value),
                    others: Vec::new(),
                };
                object.all.insert(place, attribute);
                return None;
            }
        };
        let own = self.declarations.rank(&self.origin.kind);
        let attribute = &mut object.all[place];
        let mut claims = std::iter::once(&mut attribute.believed).chain(&mut attribute.others);
        let rank = |claim: &Claim| self.declarations.rank(&claim.origin.kind);
        let Some(claim) = claims.find(|claim| rank(claim) == own) else {
            if !self.outdated {
                self.beside(attribute, own, value);
            }
            return None;
        };
        let last = claim.last_said(name, self.words);
        if last > self.at {
            // Late news of something else in between: the claim has held without a break only since it was made again.
            if claim.value != *value && claim.at <= self.at {
                claim.at = last;
            }
            return None;
        }
        if claim.value != *value {
            *claim = self.fresh(value);
            return None;
        }
        if claim.origin != *self.origin {
            claim.origin = self.origin.clone();
        }
        (last < self.at).then(|| attribute.name.clone())
    }

    fn fresh(&self, value: &Value) -> Claim {
        Claim {
            value: value.clone(),
            origin: self.origin.clone(),
            at: self.at,
        }
    }

    /// Puts the first claim of a rank among those of others.
    fn beside(&self, attribute: &mut Attribute, own: u32, value: &Value) {
        let rank = |claim: &Claim| self.declarations.rank(&claim.origin.kind);
        let mut claim = self.fresh(value);
        if own < rank(&attribute.believed) {
            std::mem::swap(&mut attribute.believed, &mut claim);
            attribute.others.insert(0, claim);
        } else {
            let place = attribute.others.partition_point(|other| rank(other) < own);
            attribute.others.insert(place, claim);
        }
    }

    /// Drops what this kind of source said before of attributes it no longer mentions.
    fn retract(&self, object: &mut Object, said: &[&str]) {
        object.all.retain_mut(|attribute| {
            if said.binary_search(&attribute.name.as_ref()).is_ok() {
                return true;
            }
            let stands = |claim: &mut Claim| {
                if claim.origin.kind != self.origin.kind {
                    return true;
                }
                let last = claim.last_said(&attribute.name, self.words);
                if claim.at <= self.at {
                    claim.at = last;
                }
                last > self.at
            };
            attribute.others.retain_mut(stands);
            if stands(&mut attribute.believed) {
                return true;
            }
            if attribute.others.is_empty() {
                return false;
            }
            attribute.believed = attribute.others.remove(0);
            true
        });
    }
}

impl Claim {
    /// When its kind of source last said so: at first, by the way, or in an account of the whole object.
    pub(crate) fn last_said(&self, attribute: &str, words: &[Word]) -> Timestamp {
        words
            .iter()
            .filter(|word| word.kind == self.origin.kind)
            .filter(|word| {
                word.attribute
                    .as_deref()
                    .is_none_or(|name| name == attribute)
            })
            .map(|word| word.at)
            .fold(self.at, Timestamp::max)
    }
}

fn interned(names: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(name) = names.get(name) {
        return name.clone();
    }
    let name: Arc<str> = name.into();
    names.insert(name.clone());
    name
}
