//! A living cloud for another program to look at, as the browser tests do.

use super::{Cloud, CloudOptions, HostName, Workload};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Starts a cloud with one network and a plugged port on each host, runs the command in `folder` with
/// `NETWRIGHT_URL` set, and answers whether it succeeded.
pub async fn with_cloud(folder: &Path, command: &[String]) -> Result<bool> {
    super::check_requirements()?;
    super::remove_leftovers();
    let cloud = Cloud::start(CloudOptions::default()).await?;
    let workloads = populate(&cloud).await?;
    let (program, args) = command.split_first().context("no command")?;
    let status = tokio::process::Command::new(program)
        .args(args)
        .current_dir(folder)
        .env("NETWRIGHT_URL", cloud.url())
        .env("NETWRIGHT_NOISY_NETNS", workloads[0].namespace.path())
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        eprintln!("{program}: {status}; logs: {}", cloud.keep_logs());
    }
    Ok(status.success())
}

/// Network `lab` with a subnet and a port on each host; the first port's workload keeps sending packets with a
/// source that is not its own, so that a drop counter moves.
async fn populate(cloud: &Cloud) -> Result<Vec<Workload>> {
    let api = cloud.api("demo")?;
    let id = |answer: &Value, kind: &str| -> Result<String> {
        answer[kind]["id"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("no id in {answer}"))
    };
    let network = id(
        &api.post("/v2.0/networks", json!({"network": {"name": "lab"}}))
            .await?,
        "network",
    )?;
    let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"}});
    api.post("/v2.0/subnets", subnet).await?;
    let mut workloads = Vec::new();
    for (name, host) in [("lab1", HostName::One), ("lab2", HostName::Two)] {
        let port = json!({"port": {"network_id": network, "name": name, "binding:host_id": host.as_str()}});
        let port = api.post("/v2.0/ports", port).await?["port"].take();
        let text = |key: &str| {
            port[key]
                .as_str()
                .with_context(|| format!("no {key} in {port}"))
        };
        let workload = Workload::plug(cloud, name, text("id")?, host, text("mac_address")?)?;
        let address = port["fixed_ips"][0]["ip_address"]
            .as_str()
            .context("the port has no address")?;
        workload.namespace.run(
            "ip",
            &["addr", "add", &format!("{address}/24"), "dev", "eth0"],
        )?;
        let path = format!("/v2.0/ports/{}", workload.port);
        api.wait(&path, "the port's becoming ACTIVE", |answer| {
            (answer["port"]["status"] == "ACTIVE").then_some(())
        })
        .await?;
        workloads.push(workload);
    }
    let noisy = &workloads[0].namespace;
    noisy.run("ip", &["addr", "add", "10.9.0.250/32", "dev", "eth0"])?;
    noisy
        .command("ping")
        .args(["-q", "-i", "0.2", "-I", "10.9.0.250", "10.9.0.1"])
        .stdout(std::process::Stdio::null())
        .spawn()?;
    Ok(workloads)
}
