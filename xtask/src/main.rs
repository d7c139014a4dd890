//! `cargo xtask`: everything a newcomer needs to see Netwright run and to know that it works.
//!
//! This room only installs, builds and calls; what a demo or a benchmark does lives in `sim`.

mod build;
mod install;
mod shell;
mod test;
mod tidy;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Install what is missing, build, and show, test or measure Netwright.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show the main job: a two-host cloud in network namespaces, driven by the openstack client. Needs root.
    Demo {
        /// End when the table is shown, with exit code 0 if every line of it passed.
        #[arg(long)]
        once: bool,
        /// Print the table as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check formatting, lints, house rules and every test. Needs root for the tests in namespaces.
    Test {
        /// Run only these steps (see --list).
        steps: Vec<String>,
        /// List the steps.
        #[arg(long)]
        list: bool,
    },
    /// Measure: runs one benchmark, or all of them, beside a reference in the same run.
    Bench {
        /// Which one.
        #[arg(value_parser = [
            "all", "api-read", "api-write", "bgp-evpn", "bgp-fanout", "bgp-late", "bgp-latency", "bgp-reflect", "bgp-rtc", "bgp-torture", "bgp-transit", "bgp-vpn", "datapath", "diff", "events", "first-screen", "graph", "group-ripple", "impact", "planner", "port-up", "restart", "scan",
        ])]
        name: String,
        /// Print one JSON object per benchmark.
        #[arg(long)]
        json: bool,
    },
    /// Check the arrows between crates, file sizes and forbidden marks.
    Tidy,
    /// Build the release binary with the console embedded.
    Build,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Demo { once, json } => {
            ensure_root("the demo makes network namespaces and loads eBPF programs")?;
            let kernel = nix::sys::utsname::uname()?
                .release()
                .to_string_lossy()
                .into_owned();
            ensure!(
                kernel_is_supported(&kernel),
                "Linux {kernel} is too old: the data path needs 5.15 or newer"
            );
            install::packages(&[install::BUILD, install::DEMO])?;
            let client = install::openstack_client()?;
            build::console()?;
            build::release()?;
            let mut lab = build::lab_command()?;
            lab.arg("demo").arg("--openstack").arg(client);
            lab.args(once.then_some("--once"))
                .args(json.then_some("--json"));
            shell::replace_with(lab)
        }
        Task::Bench { name, json } => {
            install::packages(&[install::BUILD, install::DEMO, install::BENCH])?;
            if name == "all" || name.starts_with("bgp-") {
                install::packages(&[install::BGP])?;
            }
            let browser = name == "all" || name == "first-screen";
            if browser {
                install::packages(&[install::BROWSER])?;
                build::console()?;
            }
            build::release()?;
            let mut lab = build::lab_command()?;
            if browser {
                build::with_node(&mut lab)?;
            }
            lab.args(["bench", &name]).args(json.then_some("--json"));
            shell::replace_with(lab)
        }
        Task::Test { list: true, .. } => {
            test::list();
            Ok(())
        }
        Task::Test { steps, .. } => test::run(&steps),
        Task::Tidy => tidy::check(),
        Task::Build => {
            install::packages(&[install::BUILD])?;
            build::console()?;
            build::release()
        }
    }
}

fn ensure_root(reason: &str) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "run this as root: {reason}"
    );
    Ok(())
}

/// True for a kernel release of at least 5.15, the first long-term kernel with all the data path uses.
fn kernel_is_supported(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 15)
}

#[cfg(test)]
mod tests {
    use super::kernel_is_supported;

    #[test]
    fn kernel_releases() {
        for (release, supported) in [
            ("6.18.44-vm", true),
            ("5.15.0-91-generic", true),
            ("5.14.21", false),
            ("4.19.0", false),
            ("", false),
        ] {
            assert_eq!(kernel_is_supported(release), supported, "{release}");
        }
    }
}
