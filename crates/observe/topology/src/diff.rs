//! What differs between two versions: objects, attributes, places, links, health, cliques; by tenant.
//!
//! Versions of one map share what did not change, and only what they do not share is looked at. Who said something and when is not a
//! difference; what is said is.

mod cliques;
mod picture;

pub use cliques::CliqueChange;
pub use picture::{ChangedEdge, ChangedNode, ChangesPicture};

use crate::health::{Status, StatusLevel};
use crate::link::{Link, LinkKey};
use crate::object::{Handle, Object, ObjectRef};
use crate::version::{Tenants, Version};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Removed,
    /// It sits under another object now, or is on another host.
    Moved,
    Changed,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttributeChange {
    pub name: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObjectChange {
    #[serde(flatten)]
    pub key: ObjectRef,
    pub kind: ChangeKind,
    pub name: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Arc<str>>,
    /// Of a moved object: where it was and is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place_after: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeChange>,
    /// It is no longer vouched for, or is again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkDifference {
    #[serde(flatten)]
    pub key: LinkKey,
    pub kind: ChangeKind,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<AttributeChange>,
}

/// Whose health changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Object(ObjectRef),
    Link(LinkKey),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(f),
            Self::Link(link) => link.fmt(f),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthChange {
    pub subject: Subject,
    pub before: StatusLevel,
    pub after: StatusLevel,
    /// What the deciding check says now.
    pub text: Arc<str>,
}

/// See the module. Lists are in the order of their keys.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Diff {
    pub before: u64,
    pub after: u64,
    pub objects: Vec<ObjectChange>,
    pub links: Vec<LinkDifference>,
    pub health: Vec<HealthChange>,
}

impl Diff {
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.links.is_empty() && self.health.is_empty()
    }

    /// How many objects of each kind of change each tenant has; objects of no tenant under the empty name.
    pub fn by_tenant(&self) -> BTreeMap<Arc<str>, BTreeMap<ChangeKind, usize>> {
        let mut out: BTreeMap<Arc<str>, BTreeMap<ChangeKind, usize>> = BTreeMap::new();
        for change in &self.objects {
            let tenant = change.tenant.clone().unwrap_or_default();
            *out.entry(tenant)
                .or_default()
                .entry(change.kind)
                .or_insert(0) += 1;
        }
        out
    }

    /// Only what is these tenants' own, by the two versions that are compared: their objects, and links with both ends theirs.
    #[must_use]
    pub fn of_tenants(
        &self,
        before: &Version,
        after: &Version,
        tenants: &BTreeSet<Arc<str>>,
    ) -> Self {
        let mut owners = (Tenants::new(before), Tenants::new(after));
        let mut own = |key: &ObjectRef| {
            let now = after.find(key).and_then(|handle| owners.1.of(handle));
            let owner = now.or_else(|| owners.0.of(before.find(key)?));
            owner.is_some_and(|tenant| tenants.contains(&tenant))
        };
        let mut out = self.clone();
        out.objects.retain(|change| own(&change.key));
        out.links
            .retain(|link| own(&link.key.source) && own(&link.key.target));
        out.health.retain(|change| match &change.subject {
            Subject::Object(object) => own(object),
            Subject::Link(link) => own(&link.source) && own(&link.target),
        });
        out
    }
}

/// A link before and after.
type Sides<'l> = (Option<&'l Arc<Link>>, Option<&'l Arc<Link>>);

impl Version {
    /// What changed from this version to `after`.
    pub fn diff(&self, after: &Self) -> Diff {
        Diff {
            before: self.number,
            after: after.number,
            objects: self.object_changes(after),
            links: self.link_changes(after),
            health: self.health_changes(after),
        }
    }

    fn object_changes(&self, after: &Self) -> Vec<ObjectChange> {
        let mut pairs: BTreeMap<&ObjectRef, (Option<Handle>, Option<Handle>)> = BTreeMap::new();
        self.state
            .objects
            .compare(&after.state.objects, |handle, old, new| {
                if let (Some(old), Some(new)) = (old, new)
                    && (Arc::ptr_eq(old, new) || (old.key == new.key && old.same_facts(new)))
                {
                    return;
                }
                // An object may have come back under another number, so sides are paired by key.
                if let Some(old) = old {
                    pairs.entry(&old.key).or_default().0 = Some(Handle(handle));
                }
                if let Some(new) = new {
                    pairs.entry(&new.key).or_default().1 = Some(Handle(handle));
                }
            });
        let mut tenants = (Tenants::new(self), Tenants::new(after));
        pairs
            .into_values()
            .filter_map(|(old, new)| self.object_change(after, old, new, &mut tenants))
            .collect()
    }

    fn object_change(
        &self,
        after: &Self,
        old: Option<Handle>,
        new: Option<Handle>,
        tenants: &mut (Tenants<'_>, Tenants<'_>),
    ) -> Option<ObjectChange> {
        let before = old.and_then(|handle| self.object(handle));
        let now = new.and_then(|handle| after.object(handle));
        let shown = now.or(before)?;
        let mut change = ObjectChange {
            key: shown.key.clone(),
            kind: ChangeKind::Changed,
            name: shown.name().into(),
            tenant: new
                .and_then(|handle| tenants.1.of(handle))
                .or_else(|| old.and_then(|handle| tenants.0.of(handle))),
            place_before: None,
            place_after: None,
            attributes: Vec::new(),
            stale: None,
        };
        match (before, now) {
            (None, _) => change.kind = ChangeKind::Added,
            (_, None) => change.kind = ChangeKind::Removed,
            (Some(before), Some(now)) => {
                change.attributes = attribute_changes(before, now);
                if before.stale.is_some() != now.stale.is_some() {
                    change.stale = Some(now.stale.is_some());
                }
                if before.parent != now.parent {
                    let place = |object: &Object| match &object.parent {
                        Some(parent) => parent.to_string(),
                        None => self.profile.name.to_string(),
                    };
                    change.kind = ChangeKind::Moved;
                    change.place_before = Some(place(before));
                    change.place_after = Some(place(now));
                } else if change.attributes.is_empty() && change.stale.is_none() {
                    return None;
                }
            }
        }
        Some(change)
    }

    fn link_changes(&self, after: &Self) -> Vec<LinkDifference> {
        let mut pairs: BTreeMap<LinkKey, Sides<'_>> = BTreeMap::new();
        self.state.links.compare(&after.state.links, |_, old, new| {
            if matches!((old, new), (Some(old), Some(new)) if Arc::ptr_eq(old, new)) {
                return;
            }
            if let Some((key, old)) = old.and_then(|old| Some((self.link_key(old)?, old))) {
                pairs.entry(key).or_default().0 = Some(old);
            }
            if let Some((key, new)) = new.and_then(|new| Some((after.link_key(new)?, new))) {
                pairs.entry(key).or_default().1 = Some(new);
            }
        });
        let changes = pairs.into_iter().filter_map(|(key, pair)| {
            let (kind, attributes) = match pair {
                (None, _) => (ChangeKind::Added, Vec::new()),
                (_, None) => (ChangeKind::Removed, Vec::new()),
                (Some(old), Some(new)) => (ChangeKind::Changed, link_attribute_changes(old, new)),
            };
            let same = kind == ChangeKind::Changed && attributes.is_empty();
            (!same).then_some(LinkDifference {
                key,
                kind,
                attributes,
            })
        });
        changes.collect()
    }

    fn health_changes(&self, after: &Self) -> Vec<HealthChange> {
        let mut out = Vec::new();
        let mut note = |subject: Subject, old: Option<&Status>, new: Option<&Status>| {
            let level = |status: Option<&Status>, at| {
                status.map_or(StatusLevel::Unknown, |status| status.level(at))
            };
            let (before, now) = (level(old, self.at), level(new, after.at));
            if before != now {
                let text = new.and_then(|status| Some(status.deciding(after.at)?.1.text.clone()));
                out.push(HealthChange {
                    subject,
                    before,
                    after: now,
                    text: text.unwrap_or_default(),
                });
            }
        };
        let mut of_object = |handle, old: Option<&Arc<Status>>, new: Option<&Arc<Status>>| {
            let now = after.object(Handle(handle));
            let before = self.object(Handle(handle));
            // Objects that came or went are told of as such.
            if let (Some(before), Some(now)) = (before, now)
                && before.key == now.key
            {
                let subject = Subject::Object(now.key.clone());
                note(subject, old.map(|s| &**s), new.map(|s| &**s));
            }
        };
        let (old, new) = (&self.state.status, &after.state.status);
        old.compare(new, &mut of_object);
        // What both share may have become too old between them.
        for (handle, status) in new.iter().filter(|(_, status)| status.expires()) {
            if old.get(handle).is_some_and(|old| Arc::ptr_eq(old, status)) {
                of_object(handle, Some(status), Some(status));
            }
        }
        let (old, new) = (&self.state.link_status, &after.state.link_status);
        let keys: BTreeSet<&LinkKey> = old.keys().chain(new.keys()).collect();
        for key in keys {
            note(
                Subject::Link(key.clone()),
                old.get(key).map(|s| &**s),
                new.get(key).map(|s| &**s),
            );
        }
        out.sort_by(|a, b| a.subject.cmp(&b.subject));
        out
    }
}

/// Two sorted lists of names and values side by side.
fn paired<'a>(
    before: impl Iterator<Item = (&'a Arc<str>, &'a Value)>,
    after: impl Iterator<Item = (&'a Arc<str>, &'a Value)>,
) -> Vec<AttributeChange> {
    let mut names: BTreeMap<&Arc<str>, (Option<&Value>, Option<&Value>)> = BTreeMap::new();
    for (name, value) in before {
        names.entry(name).or_default().0 = Some(value);
    }
    for (name, value) in after {
        names.entry(name).or_default().1 = Some(value);
    }
    names
        .into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|(name, (before, after))| AttributeChange {
            name: name.clone(),
            before: before.cloned(),
            after: after.cloned(),
        })
        .collect()
}

fn attribute_changes(before: &Object, after: &Object) -> Vec<AttributeChange> {
    fn of(object: &Object) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        object.attributes().map(|a| (&a.name, &a.believed.value))
    }
    paired(of(before), of(after))
}

fn link_attribute_changes(before: &Link, after: &Link) -> Vec<AttributeChange> {
    fn of(link: &Link) -> BTreeMap<Arc<str>, Value> {
        let mut all = link.attributes.clone();
        let state = serde_json::to_value(link.state).unwrap_or_default();
        let texts = [
            ("link name", &link.name),
            ("source label", &link.source_label),
            ("target label", &link.target_label),
            ("place", &link.place),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                all.insert(name.into(), Value::from(text.as_ref()));
            }
        }
        all.insert("link state".into(), state);
        all.insert("weight".into(), Value::from(link.weight));
        all
    }
    paired(of(before).iter(), of(after).iter())
}
