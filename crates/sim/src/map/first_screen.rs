//! `bench first-screen`: the first picture of an environment of ten thousand objects, in a real browser, from a real controller.
//!
//! The controller is started on what a scan of the generated cloud left on disk; the browser part is the console's own
//! (`tests/first-screen.mjs`), which measures sigma alone beside it.

use super::generated::{GeneratedCloud, batch};
use crate::bench::{Aim, Measurement};
use crate::lab::{Daemon, own_loopback};
use anyhow::{Context, Result, bail, ensure};
use discovery::environment::Credentials;
use inventory::Inventory;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A hundred hosts make ten thousand objects.
const HOSTS: usize = 100;
const ENVIRONMENT: &str = "bench";

/// The benchmark. The console must be built: its folder is `NETWRIGHT_UI`, or where the sources have it.
pub async fn first_screen() -> Result<Vec<Measurement>> {
    let dir = tempfile::tempdir()?;
    fill(&dir.path().join("map"))?;
    let url = format!("http://{}:9696", own_loopback());
    let mut controller = start(dir.path(), &url)?;
    answers(&mut controller, &url).await?;
    let told = tokio::task::spawn_blocking(move || look(&url)).await??;
    drop(controller);
    measurements(&told)
}

/// What one scan leaves: an environment with its map.
fn fill(dir: &Path) -> Result<()> {
    let inventory = Inventory::open(dir)?;
    let facts = json!({"environment_type": "OpenStack", "mechanism_drivers": ["OVS"], "type_drivers": "vxlan"});
    let config = serde_json::from_value(json!({"name": ENVIRONMENT, "facts": facts}))?;
    inventory.add_environment(config, &Credentials::default())?;
    let cloud = GeneratedCloud::of(HOSTS)?;
    let now = jiff::Timestamp::now().as_second();
    let map = inventory.map(&topology::Environment::new(ENVIRONMENT)?)?;
    map.apply(&batch(now, cloud.drafts)?)?;
    ensure!(
        map.head().object_count() >= 10_000,
        "only {} objects",
        map.head().object_count()
    );
    Ok(())
}

fn start(dir: &Path, url: &str) -> Result<Daemon> {
    let netwright = std::env::current_exe()?.with_file_name("netwright");
    ensure!(netwright.exists(), "{} is not built", netwright.display());
    let host = own_loopback();
    let mut command = Command::new(netwright);
    command
        .args(["up", "--auth", "none", "--metrics-listen", "127.0.0.1:0"])
        .args(["--listen", url.trim_start_matches("http://")])
        .args(["--agents-listen", &format!("{host}:9697")])
        .arg("--data-dir")
        .arg(dir);
    Daemon::start(&mut command, &dir.join("controller.log"))
}

async fn answers(controller: &mut Daemon, url: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        if let Some(ended) = controller.ended() {
            bail!("the controller ended: {ended}");
        }
        let asked = reqwest::get(format!("{url}/netwright/v1/topology/environments")).await;
        if asked.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "the controller does not answer"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The browser part.
fn look(url: &str) -> Result<Value> {
    let folder = std::env::var_os("NETWRIGHT_UI")
        .map_or_else(|| PathBuf::from("crates/serve/web/ui"), PathBuf::from);
    let output = Command::new("node")
        .arg("tests/first-screen.mjs")
        .current_dir(&folder)
        .env("NETWRIGHT_URL", url)
        .env("ENVIRONMENT", ENVIRONMENT)
        .output()
        .with_context(|| format!("cannot start node in {}", folder.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the browser part failed: {errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .last()
        .context("the browser part said nothing")?;
    let told: Value = serde_json::from_str(line)?;
    ensure!(
        told["troubles"].as_array().is_some_and(Vec::is_empty),
        "the console reported {}",
        told["troubles"]
    );
    Ok(told)
}

fn measurements(told: &Value) -> Result<Vec<Measurement>> {
    let figure = |who: &str, what: &str| {
        told[who][what]
            .as_f64()
            .with_context(|| format!("no {what} of {who} in {told}"))
    };
    let nodes = &told["nodes_drawn"];
    let (same, every) = (
        format!("sigma alone, the same {nodes} nodes"),
        format!("sigma alone, {} nodes", told["objects"]),
    );
    // Without a GPU the frames say more of the processor than of the picture.
    let renderer = told["renderer"].as_str().unwrap_or_default();
    let fluent = match told["gpu"].as_bool() {
        Some(true) => Aim::AtLeast(30.0),
        _ => Aim::None,
    };
    Ok(vec![
        Measurement::new(
            format!("first picture of {} objects", told["objects"]),
            (figure("console", "first_picture_ms")?, "ms"),
            (same.clone(), figure("same_nodes", "first_picture_ms")?),
            Aim::AtMost(2_000.0),
        ),
        Measurement::new(
            "first picture, beside every object by itself",
            (figure("console", "first_picture_ms")?, "ms"),
            (every.clone(), figure("every_object", "first_picture_ms")?),
            Aim::None,
        ),
        Measurement::new(
            format!("frames while panning, {renderer}"),
            (figure("console", "frames_per_second")?, "1/s"),
            (same, figure("same_nodes", "frames_per_second")?),
            fluent,
        ),
        Measurement::new(
            "frames while panning, beside every object",
            (figure("console", "frames_per_second")?, "1/s"),
            (every, figure("every_object", "frames_per_second")?),
            Aim::None,
        ),
    ])
}
