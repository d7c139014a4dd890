//! `netwright snapshot`: versions of the map, named and compared.

use super::{Common, Which, rows};
use crate::Answer;
use crate::output::table;
use anyhow::Result;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Name the present state.
    Take(Take),
    /// List versions, newest first.
    List(List),
    /// What differs between two versions.
    Diff(Diff),
    /// The same as a report: csv, markdown or html.
    Report(Report),
}

#[derive(Args)]
pub(crate) struct Take {
    name: String,
    /// Keep it for ever, as a baseline.
    #[arg(long)]
    pin: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct List {
    /// Only those with a name.
    #[arg(long)]
    named: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(
    after_help = "A version is a number, a snapshot's name, or a time. Exit code 0: they are the same; 3: they differ.\n\
Example: netwright snapshot diff --env prod \"as designed\""
)]
pub(crate) struct Diff {
    before: String,
    /// The last version if absent.
    after: Option<String>,
    /// Only what concerns this tenant.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Report {
    before: String,
    after: Option<String>,
    #[arg(long, default_value = "markdown")]
    format: String,
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

fn between<'q>(
    before: &'q str,
    after: &'q Option<String>,
    tenant: &'q Option<String>,
) -> Vec<(&'q str, &'q str)> {
    let mut query = vec![("from", before)];
    query.extend(after.as_deref().map(|after| ("to", after)));
    query.extend(tenant.as_deref().map(|tenant| ("tenant", tenant)));
    query
}

pub(crate) async fn run(verb: Verb) -> Result<Answer> {
    match verb {
        Verb::Take(Take {
            name,
            pin,
            which,
            common,
        }) => {
            let body = json!({"name": name, "pinned": pin});
            let answer = common
                .send(Method::POST, &which.path("snapshots"), Some(&body))
                .await?;
            common.output.print(&answer, |answer| {
                format!("version {} is '{name}'", answer["version"]["number"])
            })?;
        }
        Verb::List(List {
            named,
            which,
            common,
        }) => {
            let named = named.to_string();
            let answer = common
                .get(&which.path("versions"), &[("named", &named)])
                .await?;
            common.output.print(&answer, list)?;
        }
        Verb::Diff(Diff {
            before,
            after,
            tenant,
            which,
            common,
        }) => {
            let answer = common
                .get(&which.path("diff"), &between(&before, &after, &tenant))
                .await?;
            common.output.print(&answer, told)?;
            let diff = &answer["diff"];
            let same = ["objects", "links", "health"]
                .iter()
                .all(|name| rows(diff, name).is_empty());
            return Ok(if same { Answer::Yes } else { Answer::No });
        }
        Verb::Report(Report {
            before,
            after,
            format,
            tenant,
            which,
            common,
        }) => {
            let mut query = between(&before, &after, &tenant);
            query.push(("format", &format));
            println!("{}", common.text(&which.path("diff"), &query).await?);
        }
    }
    Ok(Answer::Yes)
}

fn list(answer: &Value) -> String {
    const COLUMNS: &[(&str, &str)] = &[
        ("Version", "number"),
        ("At (UTC)", "at"),
        ("Cause", "cause"),
        ("Name", "name"),
        ("Pinned", "pinned"),
        ("Objects", "objects"),
        ("Links", "links"),
    ];
    table(COLUMNS, &rows(answer, "versions"))
}

/// A title, rows, and the columns they are shown in.
type Section = (
    &'static str,
    Vec<Value>,
    &'static [(&'static str, &'static str)],
);

fn told(answer: &Value) -> String {
    let diff = &answer["diff"];
    let objects: Vec<Value> = rows(diff, "objects")
        .into_iter()
        .map(|mut object| {
            let names: Vec<Value> = rows(&object, "attributes")
                .iter()
                .map(|change| change["name"].clone())
                .collect();
            object["what"] = match object["place_after"].as_str() {
                Some(place) => format!(
                    "{} → {place}",
                    object["place_before"].as_str().unwrap_or_default()
                )
                .into(),
                None => Value::Array(names),
            };
            object
        })
        .collect();
    let sections: [Section; 3] = [
        (
            "Objects",
            objects,
            &[
                ("Change", "kind"),
                ("Type", "type"),
                ("Name", "name"),
                ("Tenant", "tenant"),
                ("What", "what"),
            ],
        ),
        (
            "Links",
            rows(diff, "links"),
            &[
                ("Change", "kind"),
                ("Link", "link_type"),
                ("From", "source"),
                ("To", "target"),
            ],
        ),
        (
            "Health",
            rows(diff, "health"),
            &[
                ("Of", "subject"),
                ("Before", "before"),
                ("After", "after"),
                ("Text", "text"),
            ],
        ),
    ];
    let told: Vec<String> = sections
        .iter()
        .filter(|(_, rows, _)| !rows.is_empty())
        .map(|(title, rows, columns)| format!("{title}: {}\n{}", rows.len(), table(columns, rows)))
        .collect();
    match told.is_empty() {
        true => format!(
            "versions {} and {} are the same",
            diff["before"], diff["after"]
        ),
        false => told.join("\n"),
    }
}
