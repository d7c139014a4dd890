//! `netwright status`: is everything applied everywhere?

use crate::output::{Output, table};
use crate::remote::Remote;
use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(options: Options) -> Result<()> {
    let summary = options.remote.get("/netwright/v1/summary", &[]).await?;
    let mut hosts = options.remote.get("/netwright/v1/hosts", &[]).await?;
    let answer = json!({"summary": summary, "hosts": hosts["hosts"].take()});
    options.output.print(&answer, render)
}

fn render(answer: &Value) -> String {
    const COLUMNS: &[(&str, &str)] = &[
        ("Host", "name"),
        ("State", "state"),
        ("Tunnel address", "tunnel_address"),
        ("Ports", "ports"),
        ("Applied", "applied_revision"),
        ("Target", "target_revision"),
        ("Lag", "lag"),
        ("Last heard (UTC)", "last_heard"),
    ];
    let mut hosts = answer["hosts"].as_array().cloned().unwrap_or_default();
    for host in &mut hosts {
        let seconds = host["last_heard"]
            .as_str()
            .and_then(|at| at.split('.').next());
        host["last_heard"] = seconds.unwrap_or("never").into();
    }
    let summary = &answer["summary"];
    let states = summary["ports"].as_object().into_iter().flatten();
    let ports: Vec<String> = states
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    format!(
        "{}\nrevision {}; {} networks; ports: {}",
        table(COLUMNS, &hosts),
        summary["revision"],
        summary["networks"],
        ports.join(", ")
    )
}
