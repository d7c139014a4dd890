//! `netwright up`: store, planner, agent streams, API and console in one process.

use crate::config::{self, AuthMode, File};
use crate::metrics;
use crate::notify::{StopSignal, notify};
use anyhow::{Context, Result, bail, ensure};
use api::ApiState;
use auth::{Authenticator, Keystone, KeystoneConfig, NoAuth, Secret};
use clap::Args;
use controller::{Controller, Tls};
use inventory::{Inventory, InventoryError};
use model::Mtu;
use operations::{Defaults, VniRange};
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long answers under way may take once the process is asked to stop.
const GRACE: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(crate) struct Options {
    /// The configuration file; /etc/netwright/netwright.toml if it exists.
    #[arg(long, env = "NETWRIGHT_CONFIG")]
    config: Option<PathBuf>,
    /// Holds the store; one process at a time [default: /var/lib/netwright]
    #[arg(long, env = "NETWRIGHT_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where the API and the console listen [default: 127.0.0.1:9696]
    #[arg(long, env = "NETWRIGHT_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where host agents connect [default: 127.0.0.1:9697]
    #[arg(long, env = "NETWRIGHT_AGENTS_LISTEN")]
    agents_listen: Option<SocketAddr>,
    /// Where Prometheus metrics are served [default: 127.0.0.1:9698]
    #[arg(long, env = "NETWRIGHT_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    /// Who may use the API [default: none]
    #[arg(long, env = "NETWRIGHT_AUTH", value_enum)]
    auth: Option<AuthMode>,
}

/// What the process runs with, everything decided.
struct Settings {
    data_dir: PathBuf,
    listen: SocketAddr,
    agents_listen: SocketAddr,
    agents_tls: Option<Tls>,
    metrics_listen: SocketAddr,
    auth: Authenticator,
    defaults: Defaults,
}

impl Settings {
    fn new(options: Options) -> Result<Self> {
        let file = File::read(options.config.as_deref())?;
        let or = |flag: Option<SocketAddr>, file: Option<SocketAddr>, port: u16| {
            flag.or(file)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
        };
        let listen = or(options.listen, file.api.listen, 9696);
        let mode = options.auth.or(file.auth.mode).unwrap_or(AuthMode::None);
        Ok(Self {
            data_dir: options
                .data_dir
                .or(file.data_dir)
                .unwrap_or_else(|| PathBuf::from("/var/lib/netwright")),
            listen,
            agents_listen: or(options.agents_listen, file.agents.listen, 9697),
            agents_tls: file.agents.tls.map(read_tls).transpose()?,
            metrics_listen: or(options.metrics_listen, file.metrics.listen, 9698),
            auth: authenticator(mode, file.auth.keystone, listen)?,
            defaults: defaults(&file.network)?,
        })
    }
}

fn authenticator(
    mode: AuthMode,
    keystone: Option<config::Keystone>,
    listen: SocketAddr,
) -> Result<Authenticator> {
    match (mode, keystone) {
        (AuthMode::None, _) => Ok(Authenticator::None(NoAuth::new(listen)?)),
        (AuthMode::Keystone, None) => {
            bail!("auth is 'keystone', but the configuration has no [auth.keystone]")
        }
        (AuthMode::Keystone, Some(keystone)) => {
            let password = config::read_secret(&keystone.password_file)?;
            let keystone = Keystone::new(KeystoneConfig {
                auth_url: keystone.url,
                username: keystone.username,
                password: Secret::new(password),
                project_name: keystone.project,
                user_domain_name: keystone.user_domain,
                project_domain_name: keystone.project_domain,
                cache_seconds: keystone.cache_seconds,
                timeout_seconds: keystone.timeout_seconds,
            })?;
            Ok(Authenticator::Keystone(Arc::new(keystone)))
        }
    }
}

fn read_tls(tls: config::Tls) -> Result<Tls> {
    let read = |path: PathBuf| {
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok(Tls {
        certificate: read(tls.certificate)?,
        key: read(tls.key)?,
        client_ca: read(tls.client_ca)?,
    })
}

fn defaults(network: &config::Network) -> Result<Defaults> {
    let mut defaults = Defaults::default();
    if let Some(mtu) = network.mtu {
        defaults.mtu = Mtu::new(mtu).context("network.mtu")?;
    }
    defaults.max_mtu = match network.max_mtu {
        Some(mtu) => Mtu::new(mtu).context("network.max_mtu")?,
        None => defaults.mtu,
    };
    ensure!(
        defaults.mtu <= defaults.max_mtu,
        "network.mtu {} is more than network.max_mtu {}",
        defaults.mtu,
        defaults.max_mtu
    );
    if network.vni_min.is_some() || network.vni_max.is_some() {
        let (min, max) = (
            network.vni_min.unwrap_or(1),
            network.vni_max.unwrap_or(model::Vni::MAX),
        );
        ensure!(
            min <= max,
            "network.vni_min {min} is more than network.vni_max {max}"
        );
        defaults.vnis = VniRange::between(
            model::Vni::new(min).context("network.vni_min")?,
            model::Vni::new(max).context("network.vni_max")?,
        );
    }
    Ok(defaults)
}

/// Runs until SIGTERM or SIGINT, then answers what is under way, lets agents go elsewhere, and closes the store.
pub(crate) async fn run(options: Options) -> Result<()> {
    inventory::join_freed_memory_at_once();
    let stop = StopSignal::take().context("cannot take signals")?;
    let settings = Settings::new(options)?;
    let data_dir = settings.data_dir.clone();
    let store = tokio::task::spawn_blocking(move || {
        Store::open(&data_dir, operations::schema(), store::Options::default())
    })
    .await??;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen for the API on {}", settings.listen))?;
    let controller = Controller::start(
        store.clone(),
        controller::Config {
            listen: settings.agents_listen,
            tls: settings.agents_tls,
        },
    )
    .await?;
    let (ending, ended) = watch::channel(false);
    let maps = settings.data_dir.join("map");
    let inventory = tokio::task::spawn_blocking(move || Inventory::open(&maps)).await??;
    inventory.start();
    map_own(&inventory, &store, &controller).await?;
    let state = ApiState::new(store.clone(), settings.auth, settings.defaults)
        .with_controller(controller.clone())
        .with_inventory(inventory)
        .ending_with(ended);
    let mut registry = Registry::with_prefix("netwright");
    state.metrics().register(&mut registry);
    controller.register_metrics(&mut registry);
    serve_metrics(settings.metrics_listen, registry).await?;

    tracing::info!(
        url = %format!("http://{}/", listener.local_addr()?),
        agents = %controller.local_addr(),
        data = %settings.data_dir.display(),
        revision = %store.snapshot().revision(),
        "up"
    );
    notify("READY=1");
    serve(listener, state, ending, stop).await?;
    tracing::info!("stopping");
    controller.drain().await;
    store.close().await;
    Ok(())
}

/// Puts the cloud this process runs on its map. An environment that has the name already, of the time before this cloud was mapped, goes first.
async fn map_own(inventory: &Inventory, store: &Store, controller: &Controller) -> Result<()> {
    let (inventory, store, fleet) = (inventory.clone(), store.clone(), controller.fleet());
    let mapped = tokio::task::spawn_blocking(move || inventory.map_own(store, fleet)).await?;
    match mapped {
        Err(error @ InventoryError::EnvironmentExists(_)) => {
            tracing::warn!(%error, "the cloud this controller runs is not mapped");
            Ok(())
        }
        mapped => mapped.context("cannot map the cloud this controller runs"),
    }
}

/// Serves until asked to stop; then, for a while, what is under way.
async fn serve(
    listener: TcpListener,
    state: ApiState,
    ending: watch::Sender<bool>,
    mut stop: StopSignal,
) -> Result<()> {
    use axum::serve::ListenerExt;
    let mut ended = ending.subscribe();
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
    });
    let server = axum::serve(listener, api::router(state)).with_graceful_shutdown(async move {
        stop.wait().await;
        ending.send_replace(true);
    });
    let late = async move {
        ended.wait_for(|ended| *ended).await.ok();
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server => served.context("the API server failed"),
        () = late => {
            tracing::warn!("requests took longer than {} s and were cut off", GRACE.as_secs());
            Ok(())
        }
    }
}

async fn serve_metrics(listen: SocketAddr, registry: Registry) -> Result<()> {
    let registry = Arc::new(registry);
    metrics::serve(listen, move || {
        let mut text = String::new();
        // Writing to a String cannot fail.
        prometheus_client::encoding::text::encode(&mut text, &registry).ok();
        text
    })
    .await
}
