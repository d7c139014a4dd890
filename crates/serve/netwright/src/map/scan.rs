//! `netwright scan`: read what is there, and watch it being read.

use super::{Common, rows};
use crate::Answer;
use crate::output::{List as Rows, table};
use anyhow::Result;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Scan an environment, or from an object on, and watch it.
    Run(Run),
    /// List scans, newest first.
    List(List),
    /// Watch a scan until it ends.
    Watch(ById),
    /// Stop a scan; nothing of it is kept.
    Cancel(ById),
    /// Show a scan with what could not be read, and why.
    Show(ById),
}

#[derive(Args)]
#[command(
    after_help = "Exit code 0: everything was read; 3: something could not be, or the scan failed or was cancelled."
)]
pub(crate) struct Run {
    /// The environment.
    #[arg(long, short, env = "NETWRIGHT_ENVIRONMENT")]
    env: String,
    /// Start at this object (type/id) instead of reading everything.
    #[arg(long)]
    from: Option<String>,
    /// Name the version the scan makes.
    #[arg(long)]
    snapshot: Option<String>,
    /// Return at once with the scan's id.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct List {
    /// Only of this environment.
    #[arg(long, short, env = "NETWRIGHT_ENVIRONMENT")]
    env: Option<String>,
    /// At most this many, 1 to 1000.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct ById {
    id: u64,
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn run(verb: Verb) -> Result<Answer> {
    match verb {
        Verb::Run(run) => {
            let body = json!({"environment": run.env, "start": run.from, "snapshot": run.snapshot});
            let answer = run.common.send(Method::POST, "/scans", Some(&body)).await?;
            match (run.no_wait, answer["scan"]["id"].as_u64()) {
                (false, Some(id)) => watch(&run.common, id).await,
                _ => {
                    run.common
                        .output
                        .print(&answer, |answer| format!("scan {}", answer["scan"]["id"]))?;
                    Ok(Answer::Yes)
                }
            }
        }
        Verb::List(List { env, limit, common }) => {
            let limit = limit.to_string();
            let mut query = vec![("limit", limit.as_str())];
            query.extend(env.as_deref().map(|env| ("environment", env)));
            let answer = common.get("/scans", &query).await?;
            common.output.list(&answer, &list(&answer))?;
            Ok(Answer::Yes)
        }
        Verb::Watch(ById { id, common }) => watch(&common, id).await,
        Verb::Show(ById { id, common }) => {
            let answer = common.get(&format!("/scans/{id}"), &[]).await?;
            common
                .output
                .print(&answer, |answer| ended(&answer["scan"]))?;
            Ok(Answer::Yes)
        }
        Verb::Cancel(ById { id, common }) => {
            common
                .send(Method::DELETE, &format!("/scans/{id}"), None)
                .await?;
            common.output.done(|| format!("scan {id} is cancelled"));
            Ok(Answer::Yes)
        }
    }
}

/// How often a running scan is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(300);

async fn watch(common: &Common, id: u64) -> Result<Answer> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}")?);
    loop {
        let answer = common.get(&format!("/scans/{id}"), &[]).await?;
        let scan = &answer["scan"];
        let progress = &scan["progress"];
        if let Some(hosts) = progress["hosts"].as_u64().filter(|hosts| *hosts > 0) {
            bar.set_style(ProgressStyle::with_template(
                "{bar:30} {pos}/{len} hosts  {msg}",
            )?);
            bar.set_length(hosts);
            bar.set_position(progress["hosts_done"].as_u64().unwrap_or_default());
        }
        bar.set_message(format!(
            "{} objects  {}",
            progress["objects"],
            progress["last"].as_str().unwrap_or_default()
        ));
        bar.tick();
        match scan["state"].as_str() {
            Some("pending" | "running") => tokio::time::sleep(ASK_EVERY).await,
            state => {
                bar.finish_and_clear();
                common
                    .output
                    .print(&answer, |answer| ended(&answer["scan"]))?;
                return Ok(if state == Some("completed") {
                    Answer::Yes
                } else {
                    Answer::No
                });
            }
        }
    }
}

fn ended(scan: &Value) -> String {
    let state = scan["state"].as_str().unwrap_or_default().replace('_', " ");
    let progress = &scan["progress"];
    let mut head = format!(
        "scan {} of {}: {state}; {} objects",
        scan["id"],
        scan["environment"].as_str().unwrap_or_default(),
        progress["objects"],
    );
    if progress["hosts"].as_u64().is_some_and(|hosts| hosts > 0) {
        head += &format!(
            ", {} of {} hosts",
            progress["hosts_done"], progress["hosts"]
        );
    }
    if let Some(version) = scan["version"].as_u64() {
        head += &format!(", version {version}");
    }
    let faults: Vec<Value> = rows(scan, "faults")
        .iter()
        .map(|fault| json!({"where": fault[0], "why": fault[1]}))
        .collect();
    match faults.is_empty() {
        true => head,
        false => format!(
            "{head}\n{}",
            table(&[("Not read", "where"), ("Why", "why")], &faults)
        ),
    }
}

fn list(answer: &Value) -> Rows<'static> {
    let mut scans = rows(answer, "scans");
    for scan in &mut scans {
        scan["from"] = match scan["start"].take() {
            Value::Null => "everything".into(),
            start => start,
        };
    }
    Rows {
        columns: &[
            ("Id", "id"),
            ("Environment", "environment"),
            ("From", "from"),
            ("State", "state"),
            ("Submitted (UTC)", "submitted_at"),
            ("Ended (UTC)", "ended_at"),
            ("Faults", "fault_count"),
            ("Version", "version"),
        ],
        rows: scans,
        nothing: "no scan yet; netwright scan run --env NAME starts one",
        foot: String::new(),
    }
}
