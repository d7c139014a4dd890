//! The engine: environment readers one after the other, then all hosts in parallel within limits, then what needs both.

use super::host::{HostRead, HostScan};
use super::readers::{HostReader, On, Reader};
use super::restrict::restrict;
use super::tree::{Facts, Tree};
use super::{Context, Source, dated, reading_of, source};
use crate::host::known::Known;
use crate::ssh::Hosts;
use crate::{Error, Result};
use futures::StreamExt;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use topology::{Draft, Environment, ObjectKey, ObjectType, Reading};

/// Bounds of a scan.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Hosts read at the same time.
    pub hosts: usize,
    /// Time one host may take, from connecting to its last answer.
    pub host_within: Duration,
    /// Time one reader of an API or a database may take.
    pub reader_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hosts: 64,
            host_within: Duration::from_secs(60),
            reader_within: Duration::from_secs(300),
        }
    }
}

/// Where a scan that is not of everything starts.
#[derive(Debug, Clone)]
pub struct Start {
    pub key: ObjectKey,
    /// The host it is on, or that it is; `None` for what is on no host.
    pub host: Option<String>,
    /// Only objects of these types; all if empty.
    pub types: Vec<ObjectType>,
}

/// Types whose readings others need: what they hang below or are named after.
const NEEDS: &[(&str, &[&str])] = &[
    ("vnic", &["instance", "host"]),
    ("instance", &["host"]),
    ("port", &["network", "project"]),
];

/// Whether a reader has anything to say of the types that are wanted. A host is one session, in which all of its readers are asked.
fn serves(reader: &Reader, types: &[ObjectType]) -> bool {
    let wanted = |name: &&str| {
        types.iter().any(|wanted| {
            let mut needs = NEEDS.iter().filter(|(of, _)| *of == wanted.as_str());
            wanted.as_str() == *name || needs.any(|(_, needed)| needed.contains(name))
        })
    };
    types.is_empty() || matches!(reader.on, On::Host(_)) || reader.types.iter().any(wanted)
}

/// The kind of source a reader of an API or a database speaks for: the first word of its name.
fn kind_of(reader: &Reader) -> &'static str {
    reader.name.split('-').next().unwrap_or(reader.name)
}

/// What is to be scanned.
#[derive(Debug, Clone)]
pub struct Request {
    /// Name and drivers the tree's conditions are held against.
    pub facts: Facts,
    pub start: Option<Start>,
    /// What earlier scans found, for a scan that starts below it; empty for a full one.
    pub known: Known,
    /// Hosts to read besides those the sources name.
    pub hosts: Vec<String>,
    pub limits: Limits,
}

/// What a scan tells while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Reader {
        name: &'static str,
        objects: usize,
    },
    ReaderFailed {
        name: &'static str,
        reason: String,
    },
    Hosts {
        count: usize,
    },
    Host {
        host: String,
        objects: usize,
        done: usize,
        of: usize,
    },
    HostFailed {
        host: String,
        reason: String,
        done: usize,
        of: usize,
    },
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One batch: a map takes it as one version or not at all.
    pub readings: Vec<Reading>,
    /// What could not be read, by host or reader; empty when all could.
    pub faults: Vec<(String, String)>,
    pub hosts_read: usize,
    /// The most round trips any host took.
    pub round_trips: u32,
}

/// A scan ready to run.
pub struct Scan<'a> {
    pub environment: &'a Environment,
    pub tree: &'a Tree,
    pub sources: &'a [Arc<dyn Source>],
    pub hosts: Option<&'a dyn Hosts>,
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
}

impl Scan<'_> {
    /// Runs until all is read or `cancel` becomes true.
    ///
    /// # Errors
    /// Only [`Error::Cancelled`]: everything else that fails is part of the outcome, as is what did not fail.
    pub async fn run(
        &self,
        request: &Request,
        mut cancel: watch::Receiver<bool>,
    ) -> Result<Outcome> {
        tokio::select! {
            biased;
            // A sender that is gone can no longer cancel.
            Ok(_) = cancel.wait_for(|cancelled| *cancelled) => Err(Error::Cancelled),
            outcome = self.read_all(request) => Ok(outcome),
        }
    }

    async fn read_all(&self, request: &Request) -> Outcome {
        let start = request.start.as_ref();
        let mut readers = self
            .tree
            .readers(&request.facts, start.map(|start| &start.key.object_type));
        readers.retain(|reader| start.is_none_or(|start| serves(reader, &start.types)));
        let mut outcome = Outcome::default();
        let (fabric, early): (Vec<_>, Vec<_>) = readers
            .iter()
            .filter(|reader| matches!(reader.on, On::Environment))
            .partition(|reader| reader.types.contains(&"switch_pnic"));
        for reader in early {
            self.read_source(reader, request, &mut outcome).await;
        }
        let mut known = request.known.clone();
        for reading in &outcome.readings {
            known.learn(&reading.drafts);
        }
        let hosts_are_read = readers.iter().any(|r| matches!(r.on, On::Host(_)));
        for source in self.sources.iter().filter(|_| hosts_are_read) {
            if let Err(error) = source.teach(&mut known).await {
                outcome
                    .faults
                    .push((source.name().to_owned(), error.to_string()));
            }
        }
        self.read_hosts(&readers, request, &known, &mut outcome)
            .await;
        // Switch ports are found by the MACs of the hosts' interfaces.
        for reader in fabric {
            self.read_source(reader, request, &mut outcome).await;
        }
        if let Some(start) = start {
            outcome.readings = restrict(outcome.readings, &start.key, &start.types);
        }
        outcome
    }

    async fn read_source(&self, reader: &'static Reader, request: &Request, outcome: &mut Outcome) {
        let Some(asked) = self
            .sources
            .iter()
            .find(|source| source.readers().contains(&reader.name))
        else {
            // The tree names it, the environment has no such source: nothing is asked, and nothing is said of its objects.
            return;
        };
        let context = Context {
            environment: self.environment,
            readings: &outcome.readings,
        };
        let limit = request.limits.reader_within;
        let began = Timestamp::now();
        let read = tokio::time::timeout(limit, asked.read(reader.name, context)).await;
        let read = read.unwrap_or_else(|_| {
            Err(Error::TimedOut {
                what: format!("{} of {}", reader.name, asked.name()),
                limit,
            })
        });
        match read {
            Ok(readings) => {
                let objects = readings.iter().map(|reading| reading.drafts.len()).sum();
                for reading in &readings {
                    if let topology::Coverage::Incomplete { reason } = &reading.coverage {
                        outcome
                            .faults
                            .push((reader.name.to_owned(), reason.to_string()));
                    }
                }
                outcome.readings.extend(dated(readings, began));
                (self.progress)(Progress::Reader {
                    name: reader.name,
                    objects,
                });
            }
            Err(error) => {
                let reason = error.to_string();
                outcome
                    .faults
                    .push((reader.name.to_owned(), reason.clone()));
                (self.progress)(Progress::ReaderFailed {
                    name: reader.name,
                    reason: reason.clone(),
                });
                let unread = reading_of(
                    source(kind_of(reader), asked.name()),
                    reader.types,
                    None,
                    Vec::new(),
                    Some(reason),
                );
                outcome.readings.extend(dated(vec![unread], began));
            }
        }
    }

    /// The hosts to read: the one the scan starts at, or all that are named by sources and by the request.
    fn host_ids(&self, request: &Request, outcome: &Outcome) -> Vec<String> {
        if let Some(start) = &request.start
            && start.host.is_some()
        {
            return start.host.iter().cloned().collect();
        }
        let drafts = outcome.readings.iter().flat_map(|reading| &reading.drafts);
        let named = drafts
            .filter(|draft: &&Draft| draft.key.object_type.as_str() == "host")
            .map(|draft| draft.key.id.as_str().to_owned());
        let all: BTreeSet<String> = named.chain(request.hosts.iter().cloned()).collect();
        all.into_iter().collect()
    }

    async fn read_hosts(
        &self,
        readers: &[&'static Reader],
        request: &Request,
        known: &Known,
        outcome: &mut Outcome,
    ) {
        let host_readers: Vec<(&'static Reader, HostReader)> = readers
            .iter()
            .filter_map(|reader| match reader.on {
                On::Host(how) => Some((*reader, how)),
                On::Environment => None,
            })
            .collect();
        let Some(hosts) = self.hosts.filter(|_| !host_readers.is_empty()) else {
            return;
        };
        let ids = self.host_ids(request, outcome);
        (self.progress)(Progress::Hosts { count: ids.len() });
        let scan = HostScan {
            environment: self.environment,
            known,
            readers: &host_readers,
            distribution: (
                &request.facts.distribution,
                &request.facts.distribution_version,
            ),
        };
        let (done, of) = (AtomicUsize::new(0), ids.len());
        let (scan, done) = (&scan, &done);
        let mut results = futures::stream::iter(ids)
            .map(|host| async move {
                let began = Timestamp::now();
                let read = self.read_host(scan, hosts, &host, request.limits).await;
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                self.tell_host(&host, &read, done, of);
                (host, began, read)
            })
            .buffer_unordered(request.limits.hosts.max(1));
        while let Some((host, began, read)) = results.next().await {
            match read {
                Ok(read) => {
                    outcome.hosts_read += 1;
                    outcome.round_trips = outcome.round_trips.max(read.round_trips);
                    outcome.readings.extend(dated(read.readings, began));
                    let gaps = read.gaps.into_iter().map(|gap| (host.clone(), gap));
                    outcome.faults.extend(gaps);
                }
                Err(error) => {
                    let reason = error.to_string();
                    let unread = scan.unread(&host, &reason).into_iter().collect();
                    outcome.readings.extend(dated(unread, began));
                    outcome.faults.push((host, reason));
                }
            }
        }
    }

    async fn read_host(
        &self,
        scan: &HostScan<'_>,
        hosts: &dyn Hosts,
        host: &str,
        limits: Limits,
    ) -> Result<HostRead> {
        let started = Instant::now();
        let read = tokio::time::timeout(limits.host_within, scan.run(hosts, host)).await;
        tracing::debug!(host, elapsed = ?started.elapsed(), "host read");
        read.unwrap_or_else(|_| {
            Err(Error::TimedOut {
                what: format!("reading {host}"),
                limit: limits.host_within,
            })
        })
    }

    fn tell_host(&self, host: &str, read: &Result<HostRead>, done: usize, of: usize) {
        let host = host.to_owned();
        (self.progress)(match read {
            Ok(read) => Progress::Host {
                host,
                objects: read
                    .readings
                    .iter()
                    .map(|reading| reading.drafts.len())
                    .sum(),
                done,
                of,
            },
            Err(error) => Progress::HostFailed {
                host,
                reason: error.to_string(),
                done,
                of,
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::Session;
    use futures::future::BoxFuture;
    use std::sync::Mutex;

    /// Notes when it is asked, takes a while, and dates what it says by the end of that.
    #[derive(Default)]
    struct Slow(Mutex<Vec<Timestamp>>);

    impl Slow {
        async fn work(&self) {
            self.0.lock().expect("not poisoned").push(Timestamp::now());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    impl Source for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        fn readers(&self) -> &'static [&'static str] {
            &["keystone-projects"]
        }

        fn read<'a>(&'a self, _: &'a str, _: Context<'a>) -> BoxFuture<'a, Result<Vec<Reading>>> {
            Box::pin(async move {
                self.work().await;
                let source = source("keystone", "slow");
                Ok(vec![reading_of(
                    source,
                    &["project"],
                    None,
                    Vec::new(),
                    None,
                )])
            })
        }
    }

    impl Hosts for Slow {
        fn open<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Box<dyn Session>>> {
            Box::pin(async move {
                self.work().await;
                Err(Error::Session {
                    host: host.to_owned(),
                    reason: "it hangs up".to_owned(),
                })
            })
        }
    }

    #[test]
    fn an_event_asks_only_for_what_it_needs() {
        let facts = Facts {
            environment_type: "OpenStack".to_owned(),
            mechanism_drivers: vec!["OVS".to_owned()],
            ..Facts::default()
        };
        let asked = |start: &str, types: &[&str]| -> Vec<&str> {
            let start = ObjectType::new(start).expect("a type");
            let types: Vec<ObjectType> = types
                .iter()
                .map(|name| ObjectType::new(name).expect("a type"))
                .collect();
            let readers = Tree::built_in().readers(&facts, Some(&start));
            let apis = readers
                .into_iter()
                .filter(|reader| matches!(reader.on, On::Environment))
                .filter(|reader| !reader.name.starts_with("kubernetes"));
            apis.filter(|reader| serves(reader, &types))
                .map(|reader| reader.name)
                .collect()
        };
        assert_eq!(asked("host", &["vconnector", "vedge"]), [""; 0]);
        assert_eq!(
            asked("network", &["port"]),
            ["neutron-networks", "neutron-ports"]
        );
        let of_vnics = asked("host", &["vservice", "vnic"]);
        assert!(of_vnics.contains(&"nova-instances"), "{of_vnics:?}");
        assert!(!of_vnics.contains(&"neutron-agents"), "{of_vnics:?}");
        assert!(asked("host", &[]).contains(&"neutron-agents"));
    }

    #[tokio::test]
    async fn readings_are_as_old_as_the_first_question() {
        let environment = Environment::new("env").expect("a name");
        let slow = Arc::new(Slow::default());
        let sources: [Arc<dyn Source>; 1] = [slow.clone()];
        for kind in ["OpenStack", "Hosts"] {
            let facts = Facts {
                environment_type: kind.to_owned(),
                ..Facts::default()
            };
            let scan = Scan {
                environment: &environment,
                tree: &Tree::built_in(),
                sources: &sources,
                hosts: Some(&*slow),
                progress: &|_| {},
            };
            let request = Request {
                facts,
                start: None,
                known: Known::default(),
                hosts: vec!["h".to_owned()],
                limits: Limits::default(),
            };
            let outcome = scan.read_all(&request).await;
            assert!(!outcome.readings.is_empty(), "{kind}");
            let asked = slow.0.lock().expect("not poisoned").clone();
            for reading in outcome.readings {
                let before = asked.iter().filter(|at| **at >= reading.source.read_at);
                assert!(before.count() > 0, "{kind}: {:?} {asked:?}", reading.source);
            }
        }
    }
}
