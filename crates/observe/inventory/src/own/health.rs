//! What agents say of their hosts and ports, as checks and, where someone should know, as messages.
//!
//! An agent's word holds while it is connected; of what none speaks for, nothing is said. Only what differs from what was said last is
//! said again: counters come all the time and tell nothing of health.

use controller::{Fleet, FleetEvent, PortReport, PortState};
use discovery::netwright::drafts;
use jiff::Timestamp;
use model::{HostName, Port, PortId};
use operations::tables::{BY_HOST, BY_ID, Hosts, Ports};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use store::{ChangeSet, Snapshot};
use topology::{CheckResult, Message, ObjectRef, StatusLevel, Target, TopologyError, Version};

/// What the check is called.
const CHECK: &str = "agent";
/// Who says so.
const SOURCE: &str = "Netwright";

/// What an agent said of its host or one of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    host: HostName,
    level: StatusLevel,
    text: String,
}

pub(super) struct Health {
    fleet: Fleet,
    /// What was said last.
    hosts: HashMap<HostName, Word>,
    ports: HashMap<PortId, Word>,
    /// Of whom something new may be said.
    dirty_hosts: BTreeSet<HostName>,
    dirty_ports: BTreeSet<PortId>,
    /// Of everyone.
    everything: bool,
    /// Agents have had time to come back after the controller's start.
    expected: bool,
}

/// What there is to say.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) results: Vec<CheckResult>,
    pub(super) messages: Vec<Message>,
}

impl Health {
    pub(super) fn new(fleet: Fleet) -> Self {
        Self {
            fleet,
            hosts: HashMap::new(),
            ports: HashMap::new(),
            dirty_hosts: BTreeSet::new(),
            dirty_ports: BTreeSet::new(),
            everything: true,
            expected: false,
        }
    }

    pub(super) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    pub(super) fn is_clean(&self) -> bool {
        !self.everything && self.dirty_hosts.is_empty() && self.dirty_ports.is_empty()
    }

    /// Everyone is asked for anew.
    pub(super) fn doubt(&mut self) {
        self.everything = true;
    }

    /// From now on a host whose agent has not come is missed.
    pub(super) fn expect_agents(&mut self) {
        self.expected = true;
        self.everything = true;
    }

    /// A host that is not what it was last said to be is returned.
    pub(super) fn heard(&mut self, event: FleetEvent) -> Option<HostName> {
        match event {
            FleetEvent::Host(host) => {
                if self.word_of_host(&host).as_ref() == self.hosts.get(&host) {
                    return None;
                }
                self.dirty_hosts.insert(host.clone());
                Some(host)
            }
            FleetEvent::Ports(_, ports) => {
                for id in ports {
                    let word = self.fleet.port(id).map(word_of_port);
                    if word.as_ref() != self.ports.get(&id) {
                        self.dirty_ports.insert(id);
                    }
                }
                None
            }
        }
    }

    /// What was said of these may be gone from the map together with what it was said of.
    pub(super) fn changed(&mut self, changes: &ChangeSet) {
        for change in &changes.changes {
            let (before, after) = (change.before::<Ports>(), change.after::<Ports>());
            if let Some(row) = before.or(after) {
                self.ports.remove(&row.value.id);
                self.dirty_ports.insert(row.value.id);
            }
            let (before, after) = (change.before::<Hosts>(), change.after::<Hosts>());
            if let Some(row) = before.or(after) {
                self.hosts.remove(&row.key);
                self.dirty_hosts.insert(row.key.clone());
            }
        }
    }

    fn word_of_host(&self, name: &HostName) -> Option<Word> {
        let report = self.fleet.host(name);
        let (level, text) = match report {
            Some(report) if report.connected => (
                StatusLevel::Ok,
                format!("agent {} is connected", report.agent_version),
            ),
            Some(report) => (
                StatusLevel::Error,
                format!("its agent has been silent since {}", report.last_heard),
            ),
            None if self.expected => (
                StatusLevel::Error,
                "its agent has not connected since the controller started".to_owned(),
            ),
            None => return None,
        };
        Some(Word {
            host: name.clone(),
            level,
            text,
        })
    }

    /// What is new since the last time. `kept` is the map as it stands, which may hold words of an earlier process.
    pub(super) fn say(
        &mut self,
        snapshot: &Snapshot,
        kept: &Version,
        now: Timestamp,
    ) -> Result<Said, TopologyError> {
        let mut said = Said::default();
        let everything = std::mem::take(&mut self.everything);
        let hosts = match std::mem::take(&mut self.dirty_hosts) {
            _ if everything => snapshot
                .scan::<Hosts>(())
                .map(|row| row.key.clone())
                .collect(),
            hosts => hosts,
        };
        let mut ports = match std::mem::take(&mut self.dirty_ports) {
            _ if everything => snapshot.scan::<Ports>(()).map(|row| row.value.id).collect(),
            ports => ports,
        };
        for name in hosts {
            let there = snapshot.get::<Hosts>(&name).is_some();
            let word = there.then(|| self.word_of_host(&name)).flatten();
            let before = replace(&mut self.hosts, &name, word.clone());
            if before.as_ref().map(|word| word.level) != word.as_ref().map(|word| word.level) {
                let bound = snapshot.lookup::<Ports>(BY_HOST, name.as_str());
                ports.extend(bound.map(|row| row.value.id));
            }
            said.add(ObjectRef::new("host", name.as_str())?, before, word, now);
        }
        for id in ports {
            let row = snapshot.lookup::<Ports>(BY_ID, &id.to_string()).next();
            let word = row.and_then(|row| self.word_on(&row.value));
            let before = replace(&mut self.ports, &id, word.clone());
            if let Some(host) = word
                .as_ref()
                .or(before.as_ref())
                .map(|word| word.host.clone())
            {
                said.add(vnic(&host, id)?, before, word, now);
            }
        }
        if everything {
            self.withdraw_old(kept, now, &mut said);
        }
        Ok(said)
    }

    /// The word of the agent that the port is bound to, as long as it is there to be asked.
    fn word_on(&self, port: &Port) -> Option<Word> {
        let host = port.binding.host.as_ref()?;
        let report = self
            .fleet
            .port(port.id)
            .filter(|report| report.host == *host)?;
        self.fleet
            .host(host)
            .is_some_and(|host| host.connected)
            .then(|| word_of_port(report))
    }

    /// Nobody of this process has said it.
    fn withdraw_old(&self, kept: &Version, now: Timestamp, said: &mut Said) {
        let mut ours: HashSet<ObjectRef> = said
            .results
            .iter()
            .filter_map(|result| match &result.target {
                Target::Object { object, .. } => Some(object.clone()),
                Target::Link(_) => None,
            })
            .collect();
        let hosts = self
            .hosts
            .keys()
            .map(|name| ObjectRef::new("host", name.as_str()));
        let ports = self.ports.iter().map(|(id, word)| vnic(&word.host, *id));
        ours.extend(hosts.chain(ports).filter_map(Result::ok));
        for (handle, object) in kept.objects() {
            let checked = kept
                .status(handle)
                .is_some_and(|status| status.checks.contains_key(CHECK));
            if checked && !ours.contains(&object.key) {
                said.results.push(result(object.key.clone(), None, now));
            }
        }
    }
}

impl Said {
    fn add(&mut self, object: ObjectRef, before: Option<Word>, word: Option<Word>, now: Timestamp) {
        if before == word {
            return;
        }
        let level = |word: &Option<Word>| word.as_ref().map(|word| word.level);
        let result = result(object, word.as_ref(), now);
        // Nobody is told of what is as it should be, unless it was not.
        let (was, is) = (level(&before), level(&word));
        let failing = Some(StatusLevel::Error);
        if was != is && (is == failing || (was == failing && is == Some(StatusLevel::Ok))) {
            self.messages.push(Message::of_check(&result, now));
        }
        self.results.push(result);
    }
}

/// Puts a word in the place of the one before.
fn replace<K: Clone + Eq + Hash>(
    words: &mut HashMap<K, Word>,
    key: &K,
    word: Option<Word>,
) -> Option<Word> {
    match word {
        Some(word) => words.insert(key.clone(), word),
        None => words.remove(key),
    }
}

fn word_of_port(report: PortReport) -> Word {
    let (level, otherwise) = match report.state {
        PortState::Up => (StatusLevel::Ok, "forwards as planned"),
        PortState::Down => (StatusLevel::Warning, "is down"),
        PortState::Error => (StatusLevel::Error, "cannot be realized"),
    };
    Word {
        host: report.host,
        level,
        text: match report.reason.is_empty() {
            true => otherwise.to_owned(),
            false => report.reason,
        },
    }
}

fn vnic(host: &HostName, port: PortId) -> Result<ObjectRef, TopologyError> {
    let id = drafts::vnic_id(host.as_str(), &Port::device_name(port));
    ObjectRef::new("vnic", id)
}

/// `None` takes back what was said.
fn result(object: ObjectRef, word: Option<&Word>, now: Timestamp) -> CheckResult {
    CheckResult {
        target: Target::Object { object, part: None },
        check: CHECK.into(),
        level: word.map_or(StatusLevel::Unknown, |word| word.level),
        text: word.map_or("", |word| &word.text).into(),
        at: now,
        source: SOURCE.into(),
        valid_for: None,
        withdrawn: word.is_none(),
    }
}
