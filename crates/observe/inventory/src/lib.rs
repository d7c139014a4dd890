//! The maps of all environments, kept and kept true: versions on disk, scans, schedules, event listeners, settings.
//!
//! ```text
//!   discovery: scans, events ──► LiveMap (one writer, its records durable before anyone sees the version) ──► versions to read
//!   schedules ──► scans, reports │
//!   checks, messages ────────────┘
//! ```
//!
//! This room decides when something is read and what becomes of it; how it is read is `discovery`'s, what it means `topology`'s. It serves no
//! HTTP, never shows what a restart would lose, and gives out no secret.

mod allocator;
mod cliques;
mod comparisons;
mod environments;
mod error;
mod kept;
mod listening;
mod live_map;
mod log;
mod own;
mod posting;
mod reach;
mod reports;
mod rescans;
mod scans;
mod schedules;

pub use allocator::join_freed_memory_at_once;
pub use cliques::{CliqueTexts, CliqueTypeText, ConstraintText};
pub use comparisons::Comparison;
pub use environments::{EnvironmentView, Secrets};
pub use error::{InventoryError, Result};
pub use live_map::{LiveMap, Mark};
pub use own::OWN;
pub use posting::{Posting, PostingState, origin};
pub use reports::{About, Outcome, ReportOrder, ReportRow};
pub use scans::{ScanProgress, ScanRequest, ScanRow, ScanState};
pub use schedules::{Action, Scheduled};

use discovery::environment::{Config, Credentials, Probe, ProbeResult, Roles, Vault};
use discovery::events::{Sink, Status, StatusBoard};
use jiff::Timestamp;
use journal::Lock;
use kept::Kept;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use topology::{Declarations, Environment, ReportFormat, Retention};

/// Everything about the maps. Cloning shares it.
#[derive(Clone)]
pub struct Inventory(Arc<Inner>);

pub(crate) struct Inner {
    dir: PathBuf,
    vault: Vault,
    declarations: RwLock<Arc<Declarations>>,
    clique_texts: Kept<Option<CliqueTexts>>,
    environments: environments::Rows,
    /// The cloud this controller runs, if it is mapped.
    own: RwLock<Option<EnvironmentView>>,
    maps: RwLock<BTreeMap<Environment, Arc<LiveMap>>>,
    scan_book: scans::Scans,
    running: Mutex<scans::Running>,
    /// Until then, scans only wait.
    started: AtomicBool,
    schedules: schedules::Schedules,
    schedule_changed: Notify,
    /// Held while due times are entered among scans and reports.
    entering: Mutex<()>,
    report_book: reports::Reports,
    /// Reports that are being sent.
    sending: Mutex<BTreeSet<u64>>,
    board: StatusBoard,
    listeners: Mutex<BTreeMap<Environment, watch::Sender<bool>>>,
    /// Counts changes of scans: what streams wait for.
    changed: watch::Sender<u64>,
    /// Held for its drop.
    _lock: Lock,
}

/// How often versions are forgotten that the policy no longer keeps.
const RETENTION_EVERY: Duration = Duration::from_secs(600);

impl Inventory {
    /// Opens what is kept in `dir`: settings, declarations of its own in `declarations/*.toml`, and every map.
    ///
    /// # Errors
    /// The folder is in use, a file is damaged (it is named with the byte), or a declaration is wrong (all faults are told).
    pub fn open(dir: &Path) -> Result<Self> {
        journal::file::create_dir(dir)?;
        let lock = Lock::take(dir)?;
        journal::file::create_dir(&dir.join("reports"))?;
        let clique_texts: Kept<Option<CliqueTexts>> = Kept::open(&dir.join("cliques"))?;
        let declarations = cliques::laid_over(
            base_declarations(dir)?,
            clique_texts.read(Clone::clone).as_ref(),
        )?;
        let inner = Inner {
            vault: Vault::open(&dir.join("key"))?,
            declarations: RwLock::new(Arc::new(declarations)),
            clique_texts,
            environments: Kept::open(&dir.join("environments"))?,
            own: RwLock::default(),
            maps: RwLock::default(),
            scan_book: Kept::open(&dir.join("scans"))?,
            running: Mutex::default(),
            started: AtomicBool::new(false),
            schedules: Kept::open(&dir.join("schedules"))?,
            schedule_changed: Notify::new(),
            entering: Mutex::default(),
            report_book: Kept::open(&dir.join("reports").join("book"))?,
            sending: Mutex::default(),
            board: StatusBoard::default(),
            listeners: Mutex::default(),
            changed: watch::channel(0).0,
            dir: dir.to_owned(),
            _lock: lock,
        };
        for name in inner.environment_names() {
            inner.open_map(environments::profile(&inner.config(&name)?))?;
        }
        inner.fail_interrupted()?;
        Ok(Self(Arc::new(inner)))
    }

    /// Starts listeners, schedules and waiting scans; needs the runtime.
    pub fn start(&self) {
        self.0.started.store(true, Ordering::Release);
        for name in self.0.environment_names() {
            self.0.listen(&name);
        }
        self.0.start_waiting();
        self.0.post_waiting();
        tokio::spawn(self.0.clone().run_schedules());
        let inner = self.0.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RETENTION_EVERY).await;
                let inner = inner.clone();
                let done = tokio::task::spawn_blocking(move || inner.retain());
                if let Ok(Err(error)) = done.await {
                    tracing::warn!(%error, "cannot forget old versions");
                }
            }
        });
    }

    /// What kinds of objects, links, cliques and causes there are.
    pub fn declarations(&self) -> Arc<Declarations> {
        self.0.declarations.read().clone()
    }

    /// The controller's own cloud first, if it is mapped.
    pub fn environments(&self) -> Vec<EnvironmentView> {
        let names = self.0.environment_names();
        let kept = names.iter().filter_map(|name| self.0.view(name).ok());
        self.0.own.read().clone().into_iter().chain(kept).collect()
    }

    /// # Errors
    /// There is none.
    pub fn environment(&self, name: &Environment) -> Result<EnvironmentView> {
        self.0.view(name)
    }

    /// Who may see and change it; nobody but operators if there is no such environment.
    pub fn roles(&self, name: &Environment) -> Roles {
        self.0
            .config(name)
            .map(|config| config.roles)
            .unwrap_or_default()
    }

    /// Adds an environment, with an empty map. Writes to disk.
    ///
    /// # Errors
    /// The name is taken, or the configuration cannot be used as it is.
    pub fn add_environment(
        &self,
        config: Config,
        credentials: &Credentials,
    ) -> Result<EnvironmentView> {
        let name = config.name.clone();
        self.0.add(config, credentials)?;
        self.0.listen(&name);
        self.0.view(&name)
    }

    /// Replaces the configuration; credentials that are not given stay as far as `secrets` lets them, empty ones are removed. Writes to disk.
    ///
    /// # Errors
    /// There is none, or the configuration cannot be used as it is.
    pub fn update_environment(
        &self,
        config: Config,
        credentials: Credentials,
        secrets: Secrets,
    ) -> Result<EnvironmentView> {
        let name = config.name.clone();
        self.0.update(config, credentials, secrets)?;
        self.0.listen(&name);
        self.0.view(&name)
    }

    /// Takes an environment, its credentials, its map and its queues on a broker away. Writes to disk; needs the runtime.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_environment(&self, name: &Environment) -> Result<()> {
        let leaving = self
            .0
            .config(name)
            .ok()
            .filter(|config| config.amqp.is_some());
        let leaving = leaving.zip(self.0.credentials(name).ok());
        self.0.remove(name)?;
        self.0.listen(name);
        if let Some((config, credentials)) = leaving {
            tokio::spawn(async move {
                if let Err(error) = config.remove_queues(&credentials).await {
                    tracing::warn!(environment = %config.name, %error, "the queues of a removed environment stay on its broker");
                }
            });
        }
        Ok(())
    }

    /// Tries each way the environment is reached. Credentials given here count before those kept, which are used as far as `secrets` lets them.
    ///
    /// # Errors
    /// The kept credentials cannot be opened.
    pub async fn probe(
        &self,
        config: &Config,
        credentials: Credentials,
        only: Option<Probe>,
        secrets: Secrets,
    ) -> Result<Vec<ProbeResult>> {
        self.0.probe(config, credentials, only, secrets).await
    }

    /// # Errors
    /// There is no such environment.
    pub fn map(&self, name: &Environment) -> Result<Arc<LiveMap>> {
        self.0.map(name)
    }

    /// Scans, newest first.
    pub fn scans(&self, environment: Option<&Environment>) -> Vec<ScanRow> {
        self.0.scans(environment)
    }

    /// # Errors
    /// There is none.
    pub fn scan(&self, id: u64) -> Result<ScanRow> {
        self.0.scan(id)
    }

    /// Puts a scan into the queue. Writes to disk; needs the runtime.
    ///
    /// # Errors
    /// There is no such environment, or too many wait.
    pub fn submit_scan(&self, request: ScanRequest) -> Result<ScanRow> {
        self.0.submit(request)
    }

    /// Stops a scan; nothing of it is kept.
    ///
    /// # Errors
    /// There is none, or it has ended.
    pub fn cancel_scan(&self, id: u64) -> Result<ScanRow> {
        self.0.cancel(id)
    }

    /// Wakes when a scan came, went on or ended.
    pub fn subscribe_scans(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Schedules, each with its next time.
    pub fn schedules(&self) -> Vec<(Scheduled, Option<Timestamp>)> {
        self.0.list_schedules()
    }

    /// Adds a schedule, or replaces the one of its name if `replace`.
    ///
    /// # Errors
    /// Pattern, zone or environment are wrong, or the name is (not) taken.
    pub fn put_schedule(&self, schedule: Scheduled, replace: bool) -> Result<()> {
        self.0.put_schedule(schedule, replace)
    }

    /// # Errors
    /// There is none.
    pub fn remove_schedule(&self, name: &str) -> Result<()> {
        self.0.remove_schedule(name)
    }

    /// Does what a schedule does, now. Writes to disk; needs the runtime.
    ///
    /// # Errors
    /// There is none.
    pub fn run_schedule(&self, name: &str) -> Result<()> {
        self.0.run_schedule(name, Timestamp::now())
    }

    /// Reports that schedules made, newest first.
    pub fn reports(&self) -> Vec<ReportRow> {
        self.0.reports()
    }

    /// # Errors
    /// There is none.
    pub fn report(&self, id: u64) -> Result<ReportRow> {
        self.0.report(id)
    }

    /// The document, in the format that was ordered or another. Reads from disk.
    ///
    /// # Errors
    /// There is none, or it could not be made.
    pub fn report_text(&self, id: u64, format: Option<ReportFormat>) -> Result<String> {
        self.0.report_text(id, format)
    }

    /// Writes to disk.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_report(&self, id: u64) -> Result<()> {
        self.0.remove_report(id)
    }

    /// What takes notifications into the map of an environment, as its listener does.
    ///
    /// # Errors
    /// There is none.
    pub fn sink(&self, name: &Environment) -> Result<Arc<dyn Sink>> {
        Ok(Arc::new(self.0.sink(name)?))
    }

    /// How the listener of an environment is doing.
    pub fn listener(&self, environment: &Environment) -> Status {
        self.0.board.get(environment)
    }

    /// Clique types and constraints as they are written.
    pub fn cliques(&self) -> CliqueTexts {
        self.0.cliques()
    }

    /// Changes clique types and constraints; all maps go on with them. Writes to disk.
    ///
    /// # Errors
    /// `make`'s, or all faults of the result; then nothing changed.
    pub fn change_cliques<R>(&self, make: impl FnOnce(&mut CliqueTexts) -> Result<R>) -> Result<R> {
        self.0.change_cliques(make)
    }
}

impl Inner {
    fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    fn note(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn base_declarations(&self) -> Result<Declarations> {
        base_declarations(&self.dir)
    }

    fn retain(&self) -> Result<()> {
        let maps: Vec<Arc<LiveMap>> = self.maps.read().values().cloned().collect();
        for map in maps {
            map.retain(&Retention::default(), Timestamp::now())?;
        }
        Ok(())
    }
}

/// The embedded declarations and those in the folder `declarations`.
fn base_declarations(dir: &Path) -> Result<Declarations> {
    let folder = dir.join("declarations");
    let mut files: Vec<(String, String)> = Vec::new();
    if folder.is_dir() {
        let failed = |cause| journal::JournalError::io("list", &folder, cause);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                let text = std::fs::read_to_string(&path)
                    .map_err(|cause| journal::JournalError::io("read", &path, cause))?;
                files.push((path.display().to_string(), text));
            }
        }
    }
    files.sort();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    Ok(Declarations::load(&files)?)
}
