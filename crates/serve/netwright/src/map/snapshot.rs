//! `netwright snapshot`: versions of the map, named and compared.

use super::{Common, Of, ReportFormat, print_document, rows};
use crate::Answer;
use crate::output::{List as Rows, table};
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
    /// The same as a report: csv, markdown, html or json.
    Report(Report),
    /// Forget a version; the last one stays.
    Delete(Delete),
}

#[derive(Args)]
pub(crate) struct Take {
    name: String,
    /// Keep it for ever, as a baseline.
    #[arg(long)]
    pin: bool,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct List {
    /// Only those with a name.
    #[arg(long)]
    named: bool,
    #[command(flatten)]
    of: Of,
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
    of: Of,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Report {
    before: String,
    after: Option<String>,
    #[arg(long, value_enum, default_value = "markdown")]
    format: ReportFormat,
    /// Only what concerns this tenant.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Delete {
    /// The version's number.
    number: u64,
    #[command(flatten)]
    of: Of,
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
            of,
            common,
        }) => {
            let body = json!({"name": name, "pinned": pin});
            let answer = common
                .send(Method::POST, &of.path("snapshots"), Some(&body))
                .await?;
            common.output.print(&answer, |answer| {
                format!("version {} is '{name}'", answer["version"]["number"])
            })?;
        }
        Verb::List(List { named, of, common }) => {
            let named = named.to_string();
            let query = [("named", named.as_str()), ("limit", "1000")];
            let answer = common.get(&of.path("versions"), &query).await?;
            common.output.list(&answer, &list(&answer))?;
        }
        Verb::Diff(Diff {
            before,
            after,
            tenant,
            of,
            common,
        }) => {
            let query = between(&before, &after, &tenant);
            let answer = compared(&common, &of, &query).await?;
            common.output.print(&answer, told)?;
            let same = LISTS.iter().all(|name| rows(&answer, name).is_empty());
            return Ok(if same { Answer::Yes } else { Answer::No });
        }
        Verb::Report(Report {
            before,
            after,
            format,
            tenant,
            of,
            common,
        }) => {
            let mut query = between(&before, &after, &tenant);
            query.push(("format", format.name()));
            print_document(&common.text(&of.path("diff"), &query).await?);
        }
        Verb::Delete(Delete { number, of, common }) => {
            let path = of.path(&format!("versions/{number}"));
            common.send(Method::DELETE, &path, None).await?;
            common
                .output
                .done(|| format!("version {number} is forgotten"));
        }
    }
    Ok(Answer::Yes)
}

/// The lists of a comparison.
const LISTS: [&str; 4] = ["objects", "links", "health", "cliques"];

/// A comparison with all its lists, each read page by page between the same two versions.
async fn compared(common: &Common, of: &Of, query: &[(&str, &str)]) -> Result<Value> {
    let path = of.path("diff");
    let mut whole = common.get(&path, query).await?;
    let (before, after) = (
        whole["before"]["number"].to_string(),
        whole["after"]["number"].to_string(),
    );
    let mut query = query.to_vec();
    query.retain(|(name, _)| !matches!(*name, "from" | "to"));
    query.extend([("from", before.as_str()), ("to", after.as_str())]);
    for list in LISTS {
        let mut query = query.clone();
        query.push(("list", list));
        let mut page = common.pages(&path, &query, "rows", usize::MAX).await?;
        whole[list] = page["rows"].take();
    }
    for name in ["rows", "next", "total", "list"] {
        whole.as_object_mut().map(|whole| whole.remove(name));
    }
    Ok(whole)
}

fn list(answer: &Value) -> Rows<'static> {
    let found = rows(answer, "versions");
    Rows {
        foot: format!("{} of {}", found.len(), answer["total"]),
        columns: &[
            ("Version", "number"),
            ("At (UTC)", "at"),
            ("Cause", "cause"),
            ("Name", "name"),
            ("Pinned", "pinned"),
            ("Objects", "objects"),
            ("Links", "links"),
        ],
        rows: found,
        nothing: "no snapshot; netwright snapshot take names the present state",
    }
}

/// A title, rows, and the columns they are shown in.
type Section = (
    &'static str,
    Vec<Value>,
    &'static [(&'static str, &'static str)],
);

fn told(answer: &Value) -> String {
    let objects: Vec<Value> = rows(answer, "objects")
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
    let sections: [Section; 4] = [
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
            rows(answer, "links"),
            &[
                ("Change", "kind"),
                ("Link", "link_type"),
                ("From", "source"),
                ("To", "target"),
            ],
        ),
        (
            "Health",
            rows(answer, "health")
                .into_iter()
                .map(|mut change| {
                    let subject = change["subject"].take();
                    change["of"] = match &subject["object"] {
                        Value::Null => json!([
                            subject["link"]["link_type"],
                            subject["link"]["source"],
                            subject["link"]["target"]
                        ]),
                        object => object.clone(),
                    };
                    change
                })
                .collect(),
            &[
                ("Of", "of"),
                ("Before", "before"),
                ("After", "after"),
                ("Text", "text"),
            ],
        ),
        (
            "Cliques",
            rows(answer, "cliques"),
            &[
                ("Change", "kind"),
                ("Of", "focal"),
                ("Clique type", "clique_type"),
                ("Health before", "health_before"),
                ("After", "health_after"),
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
            answer["before"]["number"], answer["after"]["number"]
        ),
        false => told.join("\n"),
    }
}
