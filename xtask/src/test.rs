//! `cargo xtask test`: the steps that must pass before a change lands, cheapest first.

use crate::shell::{cargo, command, target};
use crate::{build, install, shell, tidy};
use anyhow::{Context, Result, ensure};
use std::time::Instant;

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        what: "rustfmt has nothing to change",
        run: format,
    },
    Step {
        name: "tidy",
        what: "arrows between crates, file sizes, forbidden marks",
        run: tidy::check,
    },
    Step {
        name: "console",
        what: "the console type-checks and builds",
        run: console,
    },
    Step {
        name: "clippy",
        what: "no lint, in any target",
        run: clippy,
    },
    Step {
        name: "cargo",
        what: "unit, property, kernel and namespace tests of every crate",
        run: cargo_test,
    },
    Step {
        name: "demo",
        what: "the two-host cloud, driven by the openstack client",
        run: demo,
    },
    Step {
        name: "browser",
        what: "the console in a real browser, against a live cloud",
        run: browser,
    },
    Step {
        name: "keystone",
        what: "tokens of a real Keystone",
        run: keystone,
    },
];

pub(crate) fn list() {
    for step in STEPS {
        println!("{:<10} {}", step.name, step.what);
    }
}

pub(crate) fn run(only: &[String]) -> Result<()> {
    for name in only {
        ensure!(
            STEPS.iter().any(|step| step.name == name),
            "no step is called '{name}'; cargo xtask test --list shows them"
        );
    }
    crate::ensure_root("the tests load eBPF programs and make network namespaces")?;
    install::packages(&[
        install::BUILD,
        install::DEMO,
        install::TEST,
        install::BROWSER,
        install::BGP,
    ])?;
    let mut passed = 0;
    for step in STEPS {
        if !only.is_empty() && !only.iter().any(|name| name == step.name) {
            continue;
        }
        let started = Instant::now();
        eprintln!("── {}: {}", step.name, step.what);
        (step.run)().with_context(|| format!("step {} failed", step.name))?;
        eprintln!(
            "── {} passed in {:.1} s",
            step.name,
            started.elapsed().as_secs_f64()
        );
        passed += 1;
    }
    println!("{passed} passed, 0 failed");
    Ok(())
}

fn format() -> Result<()> {
    shell::run(&mut cargo(&["fmt", "--all", "--check"]))
}

fn console() -> Result<()> {
    build::console_packages()?;
    shell::run(&mut build::npm(&["run", "--silent", "check"])?)?;
    build::console()
}

fn clippy() -> Result<()> {
    shell::run(&mut cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn cargo_test() -> Result<()> {
    shell::run(&mut cargo(&["test", "--workspace"]))
}

/// The lab of the test build, so that the tests need no release build.
fn lab(args: &[&str]) -> Result<()> {
    shell::run(&mut cargo(&[
        "build",
        "--quiet",
        "-p",
        "netwright",
        "-p",
        "sim",
    ]))?;
    let lab = target()?.join("debug/netwright-lab");
    shell::run(&mut command(&lab.to_string_lossy(), args))
}

fn demo() -> Result<()> {
    let client = install::openstack_client()?;
    lab(&["demo", "--once", "--openstack", &client.to_string_lossy()])
}

fn browser() -> Result<()> {
    build::console_packages()?;
    let npm = build::npm(&["test", "--silent"])?;
    let program = npm.get_program().to_string_lossy().into_owned();
    lab(&[
        "with-cloud",
        "--in",
        "crates/serve/web/ui",
        "--",
        &program,
        "test",
        "--silent",
    ])
}

fn keystone() -> Result<()> {
    let keystone = install::keystone()?;
    lab(&["keystone", "--keystone", &keystone.to_string_lossy()])
}
