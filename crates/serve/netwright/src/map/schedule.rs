//! `netwright schedule`: scans and reports that come again.

use super::{Common, Of, ReportFormat, rows, segment};
use crate::Answer;
use crate::output::List as Rows;
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List schedules, each with its next time.
    List(Common),
    /// Scan an environment again and again.
    Scan(AddScan),
    /// Make a report again and again; `netwright report` lists and shows them.
    Report(AddReport),
    /// Do now what a schedule does when it is due.
    Run(Named),
    /// Let its due times pass until it is resumed.
    Pause(Named),
    /// Run it at its due times again; those that passed are not made up for.
    Resume(Named),
    /// Remove a schedule; what it made stays.
    Remove(Named),
}

#[derive(Args)]
pub(crate) struct Named {
    name: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct When {
    name: String,
    /// A cron pattern: minute, hour, day of month, month, day of week.
    #[arg(long)]
    cron: String,
    /// The time zone of the pattern.
    #[arg(long, default_value = "UTC")]
    zone: String,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(
    after_help = "Example, Sundays at midnight:\n  netwright schedule scan weekly --env prod --cron \"0 0 * * 0\" --zone Europe/Berlin --snapshot"
)]
pub(crate) struct AddScan {
    #[command(flatten)]
    when: When,
    /// Start at this object (type/id) instead of reading everything.
    #[arg(long)]
    from: Option<String>,
    /// Name each version it makes: the schedule's name and the time.
    #[arg(long)]
    snapshot: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum About {
    /// What differs from --since, or from the last report.
    Changes,
    /// What the failure of --object would hit.
    Impact,
    /// What there is, what is in trouble, what is stale.
    Inventory,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  netwright schedule report changes --env prod --cron \"0 7 * * 1\" --about changes --since \"as designed\"\n  \
netwright schedule report core --env prod --cron \"0 7 * * *\" --about impact --object switch/leaf-1 --post-to https://hooks.example/netwright"
)]
pub(crate) struct AddReport {
    #[command(flatten)]
    when: When,
    #[arg(long, value_enum, default_value = "changes")]
    about: About,
    /// Compare with this version, for example a baseline; with the last report's if absent.
    #[arg(long)]
    since: Option<String>,
    /// What fails, as type/id; may be repeated.
    #[arg(long = "object")]
    objects: Vec<String>,
    #[arg(long, value_enum, default_value = "html")]
    format: ReportFormat,
    /// Keep so many of its reports.
    #[arg(long, default_value_t = 31)]
    keep: usize,
    /// Also POST each report to this address (http or https); operators only.
    #[arg(long)]
    post_to: Option<String>,
}

pub(crate) async fn run(verb: Verb) -> Result<Answer> {
    match verb {
        Verb::List(common) => {
            let answer = common.get("/schedules", &[]).await?;
            common.output.list(&answer, &list(&answer))?;
        }
        Verb::Scan(AddScan {
            when,
            from,
            snapshot,
        }) => add(when, json!({"start": from, "snapshot": snapshot})).await?,
        Verb::Report(report) => add_report(report).await?,
        Verb::Run(Named { name, common }) => {
            let path = format!("/schedules/{}/run", segment(&name));
            common.send(Method::POST, &path, None).await?;
            common.output.done(|| {
                format!("schedule {name} runs now; netwright scan list or report list shows what comes of it")
            });
        }
        Verb::Pause(named) => set_paused(named, "pause", "is paused").await?,
        Verb::Resume(named) => set_paused(named, "resume", "runs at its times again").await?,
        Verb::Remove(Named { name, common }) => {
            let path = format!("/schedules/{}", segment(&name));
            common.send(Method::DELETE, &path, None).await?;
            common
                .output
                .done(|| format!("schedule {name} is removed; what it made stays"));
        }
    }
    Ok(Answer::Yes)
}

async fn set_paused(named: Named, verb: &str, told: &str) -> Result<()> {
    let Named { name, common } = named;
    let path = format!("/schedules/{}/{verb}", segment(&name));
    let answer = common.send(Method::POST, &path, None).await?;
    common
        .output
        .print(&answer, |_| format!("schedule {name} {told}"))
}

async fn add_report(report: AddReport) -> Result<()> {
    let order = json!({"report": {
        "of": match report.about {
            About::Changes => "changes",
            About::Impact => "impact",
            About::Inventory => "inventory",
        },
        "since": report.since,
        "objects": report.objects,
        "format": report.format.name(),
        "keep": report.keep,
        "post_to": report.post_to,
    }});
    add(report.when, order).await
}

/// Adds a schedule that does `action`.
async fn add(when: When, action: Value) -> Result<()> {
    let When {
        name,
        cron,
        zone,
        of,
        common,
    } = when;
    let mut body = json!({"name": name, "environment": of.env, "pattern": cron, "zone": zone});
    if let (Some(body), Value::Object(action)) = (body.as_object_mut(), action) {
        body.extend(action);
    }
    let answer = common.send(Method::POST, "/schedules", Some(&body)).await?;
    common.output.print(&answer, |_| {
        format!("schedule {name} is kept; netwright schedule list shows when it runs")
    })
}

fn list(answer: &Value) -> Rows<'static> {
    let mut schedules = rows(answer, "schedules");
    for schedule in &mut schedules {
        let report = &schedule["report"];
        schedule["does"] = match report["of"].as_str() {
            Some(of) => format!("report of {of}").into(),
            None => "scan".into(),
        };
        if schedule["paused"] == true {
            schedule["next"] = "paused".into();
        }
    }
    Rows {
        columns: &[
            ("Name", "name"),
            ("Environment", "environment"),
            ("Does", "does"),
            ("Pattern", "pattern"),
            ("Zone", "zone"),
            ("Next (UTC)", "next"),
        ],
        rows: schedules,
        nothing: "no schedule; netwright schedule scan --help adds one",
        foot: String::new(),
    }
}
