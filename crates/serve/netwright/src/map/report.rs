//! `netwright report`: what scheduled reports said.

use super::{Common, ReportFormat, print_document, rows};
use crate::Answer;
use crate::output::List as Rows;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List reports that schedules made, newest first.
    List(List),
    /// Print a report, or save it to a file.
    Show(Show),
    /// Delete a report.
    Delete(ById),
}

#[derive(Args)]
pub(crate) struct List {
    /// Only of this environment.
    #[arg(long, short, env = "NETWRIGHT_ENVIRONMENT")]
    env: Option<String>,
    /// Only by this schedule.
    #[arg(long)]
    schedule: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Show {
    id: u64,
    /// Write it so, whatever was ordered.
    #[arg(long, value_enum)]
    format: Option<ReportFormat>,
    /// Save it there instead of printing it.
    #[arg(long)]
    to: Option<PathBuf>,
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
        Verb::List(List {
            env,
            schedule,
            limit,
            common,
        }) => {
            let mut query = Vec::new();
            query.extend(env.as_deref().map(|env| ("environment", env)));
            query.extend(schedule.as_deref().map(|name| ("schedule", name)));
            let answer = common.pages("/reports", &query, "reports", limit).await?;
            common.output.list(&answer, &list(&answer))?;
        }
        Verb::Show(Show {
            id,
            format,
            to,
            common,
        }) => {
            let query: Vec<(&str, &str)> = format
                .iter()
                .map(|format| ("format", format.name()))
                .collect();
            let path = format!("/reports/{id}/content");
            let text = common.text(&path, &query).await?;
            match to {
                Some(path) => std::fs::write(&path, text)
                    .with_context(|| format!("cannot write {}", path.display()))?,
                None => print_document(&text),
            }
        }
        Verb::Delete(ById { id, common }) => {
            common
                .send(Method::DELETE, &format!("/reports/{id}"), None)
                .await?;
            common.output.done(|| format!("report {id} is deleted"));
        }
    }
    Ok(Answer::Yes)
}

fn list(answer: &Value) -> Rows<'static> {
    let mut reports = rows(answer, "reports");
    for report in &mut reports {
        report["result"] = match report["state"].as_str() {
            Some("made") => format!("{} findings", report["findings"]).into(),
            _ => report["reason"].take(),
        };
        let posting = &report["posting"];
        if let (Some(state), Some(to)) = (posting["state"].as_str(), posting["to"].as_str()) {
            let detail = posting["detail"].as_str().unwrap_or_default();
            report["sent"] = format!("{state}: {to} {detail}").trim_end().into();
        }
    }
    Rows {
        columns: &[
            ("Id", "id"),
            ("Environment", "environment"),
            ("Schedule", "schedule"),
            ("Of", "of"),
            ("Due (UTC)", "due"),
            ("Version", "version"),
            ("Result", "result"),
            ("Format", "format"),
            ("Sent", "sent"),
        ],
        rows: reports,
        nothing: "no report; netwright schedule report --help adds a schedule that makes some",
        foot: String::new(),
    }
}
