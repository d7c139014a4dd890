//! One host in one session: two round trips of commands, then readings.

use super::readers::{HostReader, Reader};
use super::{reading_of, source};
use crate::host::known::Known;
use crate::host::{Subject, nodes};
use crate::parse::os;
use crate::ssh::Hosts;
use crate::ssh::command::Command;
use crate::ssh::script::{Answers, Gap};
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use topology::{Draft, Environment, ObjectKey, Reading, Scope};

/// What is asked of every host, and how.
pub(super) struct HostScan<'a> {
    pub(super) environment: &'a Environment,
    pub(super) known: &'a Known,
    pub(super) readers: &'a [(&'static Reader, HostReader)],
    pub(super) distribution: (&'a str, &'a str),
}

const NAMES: &[&[&str]] = &[&["hostname"], &["hostname", "-f"]];

/// What a host told.
pub(super) struct HostRead {
    pub(super) readings: Vec<Reading>,
    pub(super) round_trips: u32,
    /// What could not be read of it.
    pub(super) gaps: Vec<String>,
}

impl HostScan<'_> {
    /// Reads the host.
    ///
    /// # Errors
    /// Nothing of the host could be read, or it is not the one that was meant.
    pub(super) async fn run(&self, hosts: &dyn Hosts, host: &str) -> Result<HostRead> {
        let mut session = hosts.open(host).await?;
        let words = NAMES
            .iter()
            .chain(self.readers.iter().flat_map(|(_, reader)| reader.first));
        let first: BTreeSet<Command> = words
            .map(|words| Command::new(words))
            .collect::<Result<_>>()?;
        let mut answers = session.run(&self.translated(&first)).await?;
        self.identify(host, &answers)?;
        let mut round_trips = 1;
        let second: BTreeSet<Command> = self
            .readers
            .iter()
            .flat_map(|(_, reader)| (reader.second)(&answers))
            .collect();
        if !second.is_empty() {
            answers.merge(session.run(&self.translated(&second)).await?);
            round_trips += 1;
        }
        let (readings, gaps) = self.readings(host, &answers);
        Ok(HostRead {
            readings,
            round_trips,
            gaps,
        })
    }

    fn translated(&self, commands: &BTreeSet<Command>) -> Vec<Command> {
        let (distribution, version) = self.distribution;
        commands
            .iter()
            .flat_map(|command| command.for_distribution(distribution, version))
            .collect()
    }

    /// Refuses a host that answers for another.
    fn identify(&self, host: &str, answers: &Answers) -> Result<()> {
        let names: Vec<String> = NAMES
            .iter()
            .filter_map(|words| answers.output(words).ok())
            .flat_map(|text| os::host_names(&text))
            .collect();
        if nodes::answers_to(host, &names) {
            return Ok(());
        }
        Err(Error::OtherHost {
            host: host.to_owned(),
            answered: names.first().cloned().unwrap_or_default(),
        })
    }

    /// A reading per type: it is complete if all readers of the type were.
    fn readings(&self, host: &str, answers: &Answers) -> (Vec<Reading>, Vec<String>) {
        let subject = Subject {
            environment: self.environment,
            host,
            known: self.known,
        };
        let mut types: BTreeMap<&str, (Vec<Draft>, Option<String>)> = BTreeMap::new();
        let mut named = Reading::named(source("ssh", host));
        let mut gaps = Vec::new();
        for (reader, how) in self.readers {
            let result = (how.read)(&subject, answers);
            if let Err(Gap(reason)) = &result {
                gaps.push(format!("{}: {reason}", reader.name));
            }
            let within_host = !SEEN_FROM_HOSTS.contains(&reader.types[0]);
            let reason = result.as_ref().err().map(|gap| gap.0.clone());
            let drafts = result.unwrap_or_default();
            if !within_host {
                named.drafts.extend(drafts);
                continue;
            }
            for object_type in reader.types {
                let (_, gap) = types.entry(object_type).or_default();
                if gap.is_none() {
                    gap.clone_from(&reason);
                }
            }
            for draft in drafts {
                let object_type = draft.key.object_type.as_str();
                if let Some((_, (known, _))) =
                    types.iter_mut().find(|(name, _)| **name == object_type)
                {
                    known.push(draft);
                }
            }
        }
        let within = subject.host_key();
        let mut readings: Vec<Reading> = types
            .into_iter()
            .map(|(name, (drafts, gap))| {
                reading_of(source("ssh", host), &[name], within.clone(), drafts, gap)
            })
            .collect();
        if !named.drafts.is_empty() {
            readings.push(named);
        }
        (readings, gaps)
    }

    /// Says of a host that could not be read that all it could have told is unknown now.
    pub(super) fn unread(&self, host: &str, reason: &str) -> Option<Reading> {
        let types: BTreeSet<&str> = self
            .readers
            .iter()
            .flat_map(|(reader, _)| reader.types)
            .copied()
            .filter(|name| !SEEN_FROM_HOSTS.contains(name))
            .collect();
        let within = ObjectKey::new(self.environment, "host", host).ok()?;
        let types = Vec::from_iter(types);
        let reading = reading_of(
            source("ssh", host),
            &types,
            Some(within),
            Vec::new(),
            Some(reason.to_owned()),
        );
        debug_assert!(matches!(reading.scope, Scope::All { .. }));
        Some(reading)
    }
}

/// Types a host sees but does not contain: its view of them is never evidence that others are gone.
const SEEN_FROM_HOSTS: &[&str] = &["host", "switch", "switch_pnic", "network", "port"];
