//! `restart`: an agent is killed and started again under 10,000 packets a second.

use super::pair::BenchNetwork;
use crate::bench::{Aim, Measurement};
use crate::lab::{Cloud, CloudOptions, Flow, HostName, Workload};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const RATE: u32 = 10_000;

pub async fn restart() -> Result<Vec<Measurement>> {
    let mut cloud = Cloud::start(CloudOptions::default()).await?;
    let network = BenchNetwork::create(&cloud).await?;
    let (from, _) = network.workload(&cloud, "w1", HostName::One).await?;
    let (to, address) = network.workload(&cloud, "w2", HostName::Two).await?;

    let (quiet, _) = lost_during(&from, &to, address, async || {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(())
    })
    .await?;
    let (lost, sent) = lost_during(&from, &to, address, async || {
        for host in HostName::BOTH {
            cloud.kill_agent(host);
            cloud.start_agent(host)?;
        }
        cloud.wait_for_agents().await
    })
    .await?;
    let mut writes = 0;
    for host in HostName::BOTH {
        let output = cloud
            .netwright_in(host)
            .args(["agent", "status", "-o", "json"])
            .output()?;
        let status: Value = serde_json::from_slice(&output.stdout)?;
        writes += status["map_writes"]
            .as_u64()
            .context("agent status tells no map_writes")?;
    }
    let name = format!("packets lost of {sent} at {RATE}/s, both agents killed");
    let reference = "the same flow without a restart";
    Ok(vec![
        Measurement::new(
            name,
            (lost as f64, "packets"),
            (reference, quiet as f64),
            Aim::AtMost(0.0),
        ),
        Measurement::new(
            "map writes by the new agents",
            (writes as f64, "writes"),
            ("nothing changed", 0.0),
            Aim::AtMost(0.0),
        ),
    ])
}

/// Packets lost and sent by a flow while `event` happens.
async fn lost_during(
    from: &Workload,
    to: &Workload,
    address: IpAddr,
    event: impl AsyncFnOnce() -> Result<()>,
) -> Result<(u64, u64)> {
    let flow = Flow::start(&from.namespace, &to.namespace, address, RATE)?;
    let started = Instant::now();
    while flow.returned() < u64::from(RATE) / 2 {
        ensure!(
            started.elapsed() < Duration::from_secs(10),
            "the flow did not start"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    event().await?;
    // As much again with what is up now.
    let after = flow.returned() + u64::from(RATE);
    while flow.returned() < after {
        ensure!(
            started.elapsed() < Duration::from_secs(60),
            "the flow ended"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let count = flow.finish();
    Ok((count.lost(), count.sent))
}
