//! `netwright trace`: the way of a packet by the plan.

use crate::Answer;
use crate::output::{Output, table};
use crate::remote::Remote;
use anyhow::Result;
use clap::Args;
use serde_json::Value;
use std::net::IpAddr;

#[derive(Args)]
#[command(
    after_help = "Example: netwright trace --from web-1 --to db-1 --proto tcp --dport 5432\n\
Exit code 0: the packet is delivered, or the host answers it; 3: it is dropped, or goes where the plan does not tell."
)]
pub(crate) struct Options {
    /// The sending port: id, name, MAC or address.
    #[arg(long)]
    from: String,
    /// Where the packet goes: an address, or a port by id, name or MAC.
    #[arg(long)]
    to: String,
    /// tcp, udp, icmp, icmpv6, or a number.
    #[arg(long, default_value = "tcp")]
    proto: String,
    /// Destination port, for protocols that have ports.
    #[arg(long)]
    dport: Option<u16>,
    /// Source port.
    #[arg(long)]
    sport: Option<u16>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: Output,
}

pub(crate) async fn run(options: Options) -> Result<Answer> {
    let from = options.remote.port(&options.from).await?;
    let to = match options.to.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => options.remote.port(&options.to).await?,
    };
    let (dport, sport) = (
        options.dport.map(|p| p.to_string()),
        options.sport.map(|p| p.to_string()),
    );
    let mut query = vec![
        ("from", from.as_str()),
        ("to", &to),
        ("proto", &options.proto),
    ];
    query.extend(dport.as_deref().map(|port| ("dport", port)));
    query.extend(sport.as_deref().map(|port| ("sport", port)));
    let answer = options.remote.get("/netwright/v1/trace", &query).await?;
    options.output.print(&answer, render)?;
    Ok(match answer["outcome"].as_str() {
        Some("delivered" | "answered") => Answer::Yes,
        _ => Answer::No,
    })
}

fn render(answer: &Value) -> String {
    const COLUMNS: &[(&str, &str)] = &[
        ("Host", "host"),
        ("Stage", "stage"),
        ("Check", "check"),
        ("Verdict", "verdict"),
        ("Detail", "detail"),
    ];
    let steps = answer["steps"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let ending: Vec<&str> = ["outcome", "reason", "because"]
        .iter()
        .filter_map(|field| answer[*field].as_str())
        .collect();
    format!(
        "{}\n{} (revision {})",
        table(COLUMNS, steps),
        ending.join(": "),
        answer["revision"]
    )
}
