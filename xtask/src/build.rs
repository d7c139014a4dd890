//! Building the console and the binaries.

use crate::install;
use crate::shell::{cargo, command, root, run, target};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

fn ui() -> PathBuf {
    root().join("crates/serve/web/ui")
}

/// `npm` in the console's folder, with a Node.js that is new enough.
pub(crate) fn npm(args: &[&str]) -> Result<Command> {
    let mut npm = match install::node()? {
        Some(programs) => {
            let path = std::env::var("PATH").unwrap_or_default();
            let mut npm = command(&programs.join("npm").to_string_lossy(), args);
            npm.env("PATH", format!("{}:{path}", programs.display()));
            npm
        }
        None => command("npm", args),
    };
    npm.current_dir(ui());
    Ok(npm)
}

/// Lets a command run the console's own scripts: where they are, and the Node.js they run with.
pub(crate) fn with_node(command: &mut Command) -> Result<()> {
    let npm = npm(&[])?;
    command.env("NETWRIGHT_UI", ui());
    let path = npm.get_envs().find(|(name, _)| *name == "PATH");
    if let Some((name, Some(value))) = path {
        command.env(name, value);
    }
    Ok(())
}

/// Builds the console's assets, unless they are newer than their sources.
pub(crate) fn console() -> Result<()> {
    let built = modified(&ui().join("dist/index.html"));
    let sources = ["src", "index.html", "package-lock.json", "vite.config.ts"];
    let newest = sources
        .iter()
        .filter_map(|source| newest_below(&ui().join(source)))
        .max();
    if built.is_some() && built >= newest {
        return Ok(());
    }
    console_packages()?;
    run(&mut npm(&["run", "--silent", "build"])?)
}

/// Installs the console's npm packages, unless the lock file's are there.
pub(crate) fn console_packages() -> Result<()> {
    let installed = modified(&ui().join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&ui().join("package-lock.json")) {
        return Ok(());
    }
    run(&mut npm(&["ci", "--silent", "--no-audit", "--no-fund"])?)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}

fn newest_below(path: &Path) -> Option<SystemTime> {
    let Ok(entries) = path.read_dir() else {
        return modified(path);
    };
    entries
        .flatten()
        .filter_map(|entry| newest_below(&entry.path()))
        .max()
}

/// Builds `netwright` and the lab, optimized.
pub(crate) fn release() -> Result<()> {
    run(&mut cargo(&[
        "build",
        "--quiet",
        "--release",
        "-p",
        "netwright",
        "-p",
        "sim",
    ]))
}

/// The lab, which runs the demo and the benchmarks.
pub(crate) fn lab_command() -> Result<Command> {
    let lab = target()?.join("release/netwright-lab");
    Ok(command(&lab.to_string_lossy(), &[]))
}
