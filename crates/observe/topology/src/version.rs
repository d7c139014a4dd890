//! One immutable version of the map, and what can be asked of it.
//!
//! A version is made by a scan, a batch of events or checks, a snapshot, or a change of declarations. It shares with its neighbours
//! everything that did not change. Answers that are costly are worked out on first use and kept with the version.

use crate::clique::Clique;
use crate::declare::{Declarations, TypeRule};
use crate::health::Status;
use crate::layout::Kept;
use crate::link::{Link, LinkKey};
use crate::object::{Claim, Handle, Object, ObjectRef};
use crate::state::State;
use crate::{Environment, ObjectType, StatusLevel};
use foldhash::fast::FixedState;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};

/// What an environment is: the words clique types and rules go by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub name: Environment,
    #[serde(default = "openstack")]
    pub environment_type: Arc<str>,
    #[serde(default)]
    pub distribution: Arc<str>,
    #[serde(default)]
    pub distribution_version: Arc<str>,
    #[serde(default)]
    pub mechanism_drivers: Vec<Arc<str>>,
    #[serde(default)]
    pub type_drivers: Vec<Arc<str>>,
}

fn openstack() -> Arc<str> {
    "OpenStack".into()
}

impl Profile {
    pub fn new(name: Environment) -> Self {
        Self {
            name,
            environment_type: openstack(),
            distribution: "".into(),
            distribution_version: "".into(),
            mechanism_drivers: Vec::new(),
            type_drivers: Vec::new(),
        }
    }

    /// As conditions of link rules read it.
    pub(crate) fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Why a version was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An empty map.
    Start,
    Scan(Arc<str>),
    Events,
    Checks,
    Snapshot,
    Declarations,
    /// The environment is said to be of another kind.
    Settings,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Scan(scan) => write!(f, "scan {scan}"),
            Self::Events => f.write_str("events"),
            Self::Checks => f.write_str("checks"),
            Self::Snapshot => f.write_str("snapshot"),
            Self::Declarations => f.write_str("declarations"),
            Self::Settings => f.write_str("settings"),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Version {
    pub number: u64,
    pub at: Timestamp,
    pub cause: Cause,
    pub profile: Arc<Profile>,
    pub(crate) state: State,
    pub(crate) cliques: Arc<Mutex<HashMap<Handle, Vec<Arc<Clique>>>>>,
    pub(crate) overviews: Arc<Mutex<Vec<Kept>>>,
}

impl Version {
    pub(crate) fn new(
        number: u64,
        at: Timestamp,
        cause: Cause,
        profile: Arc<Profile>,
        state: State,
    ) -> Self {
        Self {
            number,
            at,
            cause,
            profile,
            state,
            cliques: Arc::default(),
            overviews: Arc::default(),
        }
    }

    /// The same version, knowing more of when its facts were last said. `state` has the same objects, links and health.
    pub(crate) fn heard_again(&self, state: State) -> Self {
        Self {
            number: self.number,
            at: self.at,
            cause: self.cause.clone(),
            profile: self.profile.clone(),
            state,
            cliques: self.cliques.clone(),
            overviews: self.overviews.clone(),
        }
    }

    pub fn declarations(&self) -> &Arc<Declarations> {
        &self.state.declarations
    }

    pub fn object_count(&self) -> usize {
        self.state.objects.len()
    }

    pub fn link_count(&self) -> usize {
        self.state.links.len()
    }

    pub fn find(&self, key: &ObjectRef) -> Option<Handle> {
        self.state.find(key)
    }

    pub fn object(&self, handle: Handle) -> Option<&Object> {
        self.state.object(handle).map(|object| &**object)
    }

    pub fn get(&self, key: &ObjectRef) -> Option<&Object> {
        self.object(self.find(key)?)
    }

    /// All objects, in the order of their handles.
    pub fn objects(&self) -> impl Iterator<Item = (Handle, &Object)> {
        self.state
            .objects
            .iter()
            .map(|(handle, object)| (Handle(handle), &**object))
    }

    pub fn objects_of(&self, object_type: &ObjectType) -> impl Iterator<Item = (Handle, &Object)> {
        self.state
            .of_type(object_type)
            .filter_map(|handle| Some((handle, self.object(handle)?)))
    }

    /// How many objects of each type there are.
    pub fn counts(&self) -> BTreeMap<ObjectType, u64> {
        let types = self.state.by_type.iter();
        types
            .map(|(object_type, set)| (object_type.clone(), set.len()))
            .collect()
    }

    /// All links, in no meaningful order.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.state.links.iter().map(|(_, link)| &**link)
    }

    /// Links at an object: leaving it first, then arriving.
    pub fn links_at(&self, handle: Handle) -> impl Iterator<Item = &Link> {
        self.state.links_at(handle).map(|(_, link)| &**link)
    }

    pub fn link_key(&self, link: &Link) -> Option<LinkKey> {
        self.state.link_key(link)
    }

    pub fn link(&self, key: &LinkKey) -> Option<&Link> {
        let source = self.find(&key.source)?;
        let target = self.find(&key.target)?;
        self.state
            .outgoing(source)
            .map(|(_, link)| &**link)
            .find(|link| {
                link.target == target
                    && link.link_type == key.link_type
                    && link.distinct == key.distinct
            })
    }

    /// What sits directly under an object, folders left out; under the environment with `None`.
    pub fn children(&self, parent: Option<&ObjectRef>) -> Vec<Handle> {
        self.state.children(parent).collect()
    }

    /// Objects whose parent is not on the map.
    pub fn orphans(&self) -> Vec<Handle> {
        let mut out: Vec<Handle> = self
            .state
            .by_parent
            .iter()
            .filter(|(parent, _)| matches!(parent, Some(key) if self.find(key).is_none()))
            .flat_map(|(_, set)| set.iter().map(Handle))
            .collect();
        out.sort();
        out
    }

    /// The object and what it sits under, from the inside out.
    pub fn ancestry(&self, handle: Handle) -> Vec<Handle> {
        self.state.ancestry(handle)
    }

    pub fn below(&self, handle: Handle) -> Vec<Handle> {
        self.state.below(handle)
    }

    /// What rules read as an attribute: its own, or what its links agree on (the network of a bridge).
    pub fn value(&self, handle: Handle, name: &str) -> Option<Cow<'_, Value>> {
        let object = self.state.object(handle)?;
        self.state.value(handle, object, name)
    }

    pub fn rule(&self, object: &Object) -> Option<&TypeRule> {
        self.state.declarations.object_type(&object.key.object_type)
    }

    /// The host or switch an object is on: the nearest place its type or those above it name.
    pub fn place(&self, handle: Handle) -> Option<Arc<str>> {
        self.ancestry(handle).into_iter().find_map(|handle| {
            let rule = self.rule(self.object(handle)?)?;
            let value = self.value(handle, &rule.place)?;
            Some(value.as_str().filter(|text| !text.is_empty())?.into())
        })
    }

    /// The tenant an object belongs to: named by itself, by what it sits under, or by what its links lead to one step away.
    pub fn tenant(&self, handle: Handle) -> Option<Arc<str>> {
        Tenants::new(self).of(handle)
    }

    /// When each kind of source last vouched for the whole object.
    pub fn seen(&self, handle: Handle) -> impl Iterator<Item = (&crate::SourceKind, Timestamp)> {
        let words = self.state.words(handle).iter();
        words
            .filter(|word| word.attribute.is_none())
            .map(|word| (&word.kind, word.at))
    }

    /// When a claim's kind of source last said so of the attribute.
    pub fn read_at(&self, handle: Handle, attribute: &str, claim: &Claim) -> Timestamp {
        claim.last_said(attribute, self.state.words(handle))
    }

    pub fn status(&self, handle: Handle) -> Option<&Status> {
        self.state.status.get(handle.0).map(|status| &**status)
    }

    /// What the object's own checks say at `now`: the present of the last version, its own time of an older one.
    pub fn level(&self, handle: Handle, now: Timestamp) -> StatusLevel {
        self.status(handle)
            .map_or(StatusLevel::Unknown, |status| status.level(now))
    }

    pub fn link_status(&self, key: &LinkKey) -> Option<&Status> {
        self.state.link_status.get(key).map(|status| &**status)
    }
}

/// Tenants of many objects of one version; what they share is looked up once.
pub(crate) struct Tenants<'v> {
    version: &'v Version,
    placed: HashMap<Handle, Option<Tenant>, FixedState>,
    numbers: HashMap<Arc<str>, Tenant, FixedState>,
    names: Vec<Arc<str>>,
}

/// Number of a tenant among those met so far.
pub(crate) type Tenant = usize;

impl<'v> Tenants<'v> {
    pub(crate) fn new(version: &'v Version) -> Self {
        Self {
            version,
            placed: HashMap::default(),
            numbers: HashMap::default(),
            names: Vec::new(),
        }
    }

    pub(crate) fn of(&mut self, handle: Handle) -> Option<Arc<str>> {
        let tenant = self.number_of(handle)?;
        Some(self.name(tenant))
    }

    pub(crate) fn name(&self, tenant: Tenant) -> Arc<str> {
        self.names.get(tenant).cloned().unwrap_or_default()
    }

    pub(crate) fn number_of(&mut self, handle: Handle) -> Option<Tenant> {
        if let Some(tenant) = self.by_place(handle) {
            return Some(tenant);
        }
        let version = self.version;
        let mut only: Option<Tenant> = None;
        for (_, link) in version.state.links_at(handle) {
            match (self.by_place(link.other(handle)), only) {
                (Some(tenant), Some(known)) if tenant != known => return None,
                (Some(tenant), None) => only = Some(tenant),
                _ => {}
            }
        }
        only
    }

    fn by_place(&mut self, handle: Handle) -> Option<Tenant> {
        if let Some(known) = self.placed.get(&handle) {
            return *known;
        }
        let tenant = self.own(handle).or_else(|| {
            let parent = self.version.object(handle)?.parent.as_ref()?;
            self.by_place(self.version.find(parent)?)
        });
        self.placed.insert(handle, tenant);
        tenant
    }

    /// The tenant an object names itself.
    fn own(&mut self, handle: Handle) -> Option<Tenant> {
        let version = self.version;
        let rule = version.rule(version.object(handle)?)?;
        rule.tenant.iter().find_map(|name| {
            let value = version.value(handle, name)?;
            let text = match &*value {
                Value::Array(list) => list.first()?.as_str()?,
                value => value.as_str()?,
            };
            (!text.is_empty()).then(|| self.number(text))
        })
    }

    fn number(&mut self, name: &str) -> Tenant {
        if let Some(tenant) = self.numbers.get(name) {
            return *tenant;
        }
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.numbers.insert(name, self.names.len() - 1);
        self.names.len() - 1
    }
}
