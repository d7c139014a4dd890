//! Makes the host match its plan. Desired state (the plan) and actual state (links, programs, maps) meet here and
//! nowhere else. It lives on a thread of its own, because what it does is system calls, and works through one event at
//! a time: a change of the plan or of the kernel costs what it touches. Everything denies until a plan says otherwise.

mod audit;
mod ports;

use crate::Error;
use crate::board::Board;
use crate::last_good::{self, LastGood};
use crate::links::{LinkEvent, Links, Watcher};
use crate::netlink::Rtnetlink;
use crate::responder::Served;
use crate::status::{Difference, Dump, LastGoodState, Repair};
use audit::{Audit, Finding};
use datapath::{Compiler, Datapath, Rejected, TablesDelta};
use model::PortId;
use plan::{Delta, HostPlan, Unit, UnitKey};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

/// Time between two writes of the plan to disk; the first of a burst is written at once.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// What reaches the realizer from the rest of the agent.
#[derive(Debug)]
pub(crate) enum Event {
    /// A stream begins: forget what an earlier one left unfinished, and say what we have.
    StreamOpened(oneshot::Sender<HostPlan>),
    Delta(Delta),
    /// With the deltas so far the plan is complete at this revision.
    End(u64),
    Dump(oneshot::Sender<Result<Dump, datapath::Error>>),
    Stop(oneshot::Sender<()>),
}

/// What the kernel's maps are to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// No plan is known. What is pinned stays; a port that is not in it is denied everything.
    Nothing,
    /// The kernel was not made to hold the plan, or refused a part of it.
    Behind,
    /// The kernel holds the plan, as far as we know.
    Level,
}

pub(crate) struct Realizer {
    state_dir: PathBuf,
    tunnel_device: String,
    datapath: Arc<Datapath>,
    board: Arc<Board>,
    served: Arc<Served>,
    netlink: Rtnetlink,
    links: Links,
    compiler: Compiler,
    rejected: Vec<Rejected>,
    knowledge: Knowledge,
    /// Of the plan in the compiler.
    revision: u64,
    /// What came since the last `End`; the newest of each key.
    staged: BTreeMap<UnitKey, Option<Arc<Unit>>>,
    /// Devices that run our programs.
    attached: BTreeSet<u32>,
    /// Why a device could not be set up.
    faults: HashMap<u32, String>,
    /// The port that the plan gives each device name to.
    by_device: HashMap<String, PortId>,
    /// The port behind each plugged device.
    by_index: HashMap<u32, PortId>,
    /// Counts changes of the maps, to tell whether an audit saw them in between.
    generation: u64,
    audit: Audit,
    save: Save,
}

/// The writing of the plan to disk, behind the kernel and never in its way.
struct Save {
    dirty: bool,
    not_before: Instant,
    running: Option<JoinHandle<Result<u64, last_good::LastGoodError>>>,
}

impl Realizer {
    /// Looks at the kernel and at the disk and makes them agree, as far as a plan is known. Must run in the host's
    /// network namespace, in a tokio runtime.
    pub(crate) fn open(
        config: &crate::Config,
        datapath: Arc<Datapath>,
        board: Arc<Board>,
        served: Arc<Served>,
    ) -> Result<(Self, Watcher), Error> {
        let watcher = Watcher::open().map_err(Error::netlink("subscribe to links"))?;
        let mut netlink = Rtnetlink::open().map_err(Error::netlink("open a socket"))?;
        let links = Links::read(&mut netlink).map_err(Error::netlink("list the links"))?;
        let mut realizer = Self {
            state_dir: config.state_dir.clone(),
            tunnel_device: config.tunnel_device.clone(),
            datapath,
            board,
            served,
            netlink,
            links,
            compiler: Compiler::default(),
            rejected: Vec::new(),
            knowledge: Knowledge::Nothing,
            revision: 0,
            staged: BTreeMap::new(),
            attached: BTreeSet::new(),
            faults: HashMap::new(),
            by_device: HashMap::new(),
            by_index: HashMap::new(),
            generation: 0,
            audit: Audit::new(),
            save: Save {
                dirty: false,
                not_before: Instant::now(),
                running: None,
            },
        };
        realizer.attach_all();
        realizer.resume();
        Ok((realizer, watcher))
    }

    /// Enforces the plan on disk. A file that cannot be trusted enforces nothing: what is pinned stays.
    fn resume(&mut self) {
        match last_good::load(&self.state_dir) {
            Ok(Some(LastGood { revision, plan })) => {
                info!(revision, units = plan.len(), "enforcing the plan on disk");
                self.board.last_good(LastGoodState {
                    revision: Some(revision),
                    error: None,
                });
                self.board.target(revision);
                self.change(&HostPlan::default().diff(&plan), revision);
                if self.knowledge == Knowledge::Level {
                    self.board.applied(revision);
                }
            }
            Ok(None) => info!("no plan on disk; every port is denied until a controller sends one"),
            Err(problem) => {
                error!(%problem, "waiting for a controller");
                self.board.last_good(LastGoodState {
                    revision: None,
                    error: Some(problem.to_string()),
                });
            }
        }
    }

    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        watcher: Watcher,
    ) -> Result<(), Error> {
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Stop(done)) => {
                        self.save_now().await;
                        let _ = done.send(());
                        return Ok(());
                    }
                    Some(event) => self.handle(event),
                    None => {
                        self.save_now().await;
                        return Ok(());
                    }
                },
                batch = watcher.next() => {
                    for event in batch.map_err(Error::netlink("hear of links"))? {
                        self.observe(event)?;
                    }
                }
                finding = self.audit.next(&self.datapath, &self.attached, self.generation) => {
                    self.repair(finding);
                }
                saved = Self::saved(&mut self.save) => self.after_save(saved),
            }
            self.begin_save();
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::StreamOpened(reply) => {
                self.staged.clear();
                let _ = reply.send(self.compiler.plan().clone());
            }
            Event::Delta(delta) => {
                for key in delta.deletes {
                    self.staged.insert(key, None);
                }
                for unit in delta.upserts {
                    self.staged.insert(unit.key(), Some(unit));
                }
            }
            Event::End(revision) => self.end(revision),
            Event::Dump(reply) => {
                let _ = reply.send(self.dump());
            }
            Event::Stop(done) => drop(done),
        }
    }

    fn end(&mut self, revision: u64) {
        let mut delta = Delta::default();
        for (key, unit) in std::mem::take(&mut self.staged) {
            match unit {
                Some(unit) => delta.upserts.push(unit),
                None => delta.deletes.push(key),
            }
        }
        self.board.target(revision);
        self.change(&delta, revision);
        for unit in &delta.upserts {
            if let Unit::Endpoint(endpoint) = unit.as_ref() {
                self.board.answer(endpoint.port);
            }
        }
        self.save.dirty = true;
        if self.knowledge == Knowledge::Level {
            self.board.applied(revision);
        }
    }

    /// Takes over a change of the plan: first what denies, then the maps, then the devices, then the word about it.
    fn change(&mut self, delta: &Delta, revision: u64) {
        let first = self.knowledge == Knowledge::Nothing;
        if first {
            self.knowledge = Knowledge::Behind;
        }
        self.revision = revision;
        let mut touched = self.ports_of(delta);
        let free = self.release(delta);
        let rows = self.compiler.apply(delta);
        self.write(&rows);
        touched.extend(self.claim(delta, &free));
        let ports: Vec<PortId> = touched.iter().copied().collect();
        for port in &ports {
            self.prepare(*port);
        }
        if self.knowledge == Knowledge::Behind {
            self.level();
        }
        let rejected = self.compiler.rejected();
        if rejected != self.rejected {
            self.rejected = rejected;
            touched = self
                .compiler
                .plan()
                .endpoints()
                .map(|endpoint| endpoint.port)
                .collect();
        }
        for port in ports {
            self.finish(port);
        }
        for port in touched {
            self.judge(port);
        }
    }

    /// Writes rows, unless all of them have to be compared anyway.
    fn write(&mut self, rows: &TablesDelta) {
        if self.knowledge != Knowledge::Level || rows.is_empty() {
            return;
        }
        self.generation += 1;
        match self.datapath.apply(rows) {
            Ok(report) => self.board.wrote(report),
            Err(problem) => self.fall_behind(&problem),
        }
    }

    fn fall_behind(&mut self, problem: &datapath::Error) {
        self.knowledge = Knowledge::Behind;
        if self.board.kernel_error(Some(problem.to_string())) {
            warn!(%problem, "the kernel does not hold the plan");
        }
    }

    /// Compares all maps with the plan and writes the difference. True if the kernel holds the plan now.
    fn level(&mut self) -> bool {
        self.generation += 1;
        match self.datapath.sync(self.compiler.tables()) {
            Ok(report) => {
                self.board.wrote(report);
                self.board.kernel_error(None);
                self.knowledge = Knowledge::Level;
                true
            }
            Err(problem) => {
                self.fall_behind(&problem);
                false
            }
        }
    }

    fn repair(&mut self, finding: Finding) {
        self.board.audited(finding.micros);
        for index in finding.detached {
            self.attached.remove(&index);
            self.attach_again(index);
        }
        self.retry_faults();
        self.repair_tunnel();
        match self.knowledge {
            Knowledge::Nothing => {}
            Knowledge::Behind => {
                if self.level() {
                    self.board.applied(self.revision);
                    self.judge_all();
                }
            }
            Knowledge::Level => self.repair_rows(finding.tables, finding.generation),
        }
    }

    fn repair_rows(&mut self, tables: Result<datapath::Tables, datapath::Error>, generation: u64) {
        let tables = match tables {
            Ok(tables) if generation == self.generation => tables,
            // Written to while it was read; the next audit comes soon enough, unless that goes on and on.
            Ok(_) if self.audit.may_skip() => return,
            Ok(_) => match self.datapath.dump() {
                Ok(tables) => tables,
                Err(problem) => return warn!(%problem, "the maps cannot be read"),
            },
            Err(problem) => return warn!(%problem, "the maps cannot be read"),
        };
        let rows = tables.diff(self.compiler.tables());
        if !rows.is_empty() {
            warn!(rows = rows.len(), "rows of the maps were changed by others");
            self.board.repaired(Repair::Row, rows.len());
            self.write(&rows);
        }
    }

    fn observe(&mut self, event: LinkEvent) -> Result<(), Error> {
        match event {
            LinkEvent::Link(link) => self.link_changed(link),
            LinkEvent::Gone(index) => self.link_gone(index),
            LinkEvent::FilterRemoved(index) => self.filter_removed(index),
            LinkEvent::Missed => {
                warn!("notifications of links were lost; looking at all of them");
                let fresh =
                    Links::read(&mut self.netlink).map_err(Error::netlink("list the links"))?;
                let gone: Vec<u32> = self
                    .links
                    .iter()
                    .map(|link| link.index)
                    .filter(|index| fresh.get(*index).is_none())
                    .collect();
                for index in gone {
                    self.link_gone(index);
                }
                for link in fresh.iter() {
                    self.link_changed(link.clone());
                }
            }
        }
        Ok(())
    }

    fn dump(&self) -> Result<Dump, datapath::Error> {
        let tables = self.datapath.dump()?;
        let desired = self.compiler.tables();
        let planned = self.knowledge != Knowledge::Nothing;
        let mut difference = Difference::default();
        if planned {
            difference.missing = desired.describe_missing_in(&tables);
            difference.extra = tables.describe_missing_in(desired);
        }
        for link in self.links.iter().filter(|link| self.is_ours(&link.name)) {
            if !self.datapath.is_attached(link.index)? {
                difference.detached.push(link.name.clone());
            }
        }
        Ok(Dump {
            revision: self.revision,
            planned,
            units: self
                .compiler
                .plan()
                .iter()
                .map(|(key, _)| key.to_string())
                .collect(),
            desired: desired.describe(),
            actual: tables.describe(),
            difference,
            rejected: self
                .rejected
                .iter()
                .map(|rejected| format!("{}: {}", rejected.unit, rejected.reason))
                .collect(),
        })
    }

    /// Starts writing the plan to disk, if it changed and the disk has had its rest.
    fn begin_save(&mut self) {
        if self.save.dirty && self.save.running.is_none() && Instant::now() >= self.save.not_before
        {
            self.save.dirty = false;
            let (dir, revision) = (self.state_dir.clone(), self.revision);
            let plan = self.compiler.plan().clone();
            self.save.running = Some(tokio::task::spawn_blocking(move || {
                last_good::save(&dir, revision, &plan).map(|()| revision)
            }));
        }
    }

    /// The outcome of the running write; `None` when it is time for the next. Pending if there is neither. Cancel safe.
    async fn saved(save: &mut Save) -> Option<Result<u64, String>> {
        match &mut save.running {
            Some(task) => Some(match task.await {
                Ok(outcome) => outcome.map_err(|problem| problem.to_string()),
                Err(problem) => Err(problem.to_string()),
            }),
            None if save.dirty => {
                sleep_until(save.not_before).await;
                None
            }
            None => std::future::pending().await,
        }
    }

    fn after_save(&mut self, saved: Option<Result<u64, String>>) {
        let Some(outcome) = saved else {
            return;
        };
        self.save.running = None;
        self.save.not_before = Instant::now() + SAVE_INTERVAL;
        match outcome {
            Ok(revision) => self.board.last_good(LastGoodState {
                revision: Some(revision),
                error: None,
            }),
            Err(problem) => {
                warn!(%problem, "the plan is not on disk; trying again");
                self.save.dirty = true;
                self.board.last_good(LastGoodState {
                    revision: None,
                    error: Some(problem),
                });
            }
        }
    }

    /// Waits for the disk to hold the newest plan.
    async fn save_now(&mut self) {
        if self.save.running.is_some() {
            let saved = Self::saved(&mut self.save).await;
            self.after_save(saved);
        }
        if self.save.dirty {
            self.save.not_before = Instant::now();
            self.begin_save();
            let saved = Self::saved(&mut self.save).await;
            self.after_save(saved);
        }
    }
}
