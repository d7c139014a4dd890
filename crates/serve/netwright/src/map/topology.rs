//! `netwright topology`: questions about what is there and how it hangs together.

use super::{Common, Which, rows};
use crate::Answer;
use crate::output::table;
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Objects of an environment, or one of them whole.
    Show(Show),
    /// Find by name, id, MAC, address or CIDR.
    Search(Search),
    /// The clique of an object: what it hangs on, from link to link.
    Clique(Of),
    /// What the failure of objects hits.
    Impact(Impact),
    /// The shortest ways from one object to another.
    Path(Path),
    /// What explains present trouble.
    Causes(All),
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  netwright topology show --env prod --type instance --host compute-1\n  netwright topology show --env prod host/compute-1 --at 2026-11-20T00:00:00Z"
)]
pub(crate) struct Show {
    /// One object, as type/id; all that match the filters if absent.
    object: Option<String>,
    /// Only objects of these types, separated by commas.
    #[arg(long = "type")]
    types: Option<String>,
    /// Only objects on this host.
    #[arg(long)]
    host: Option<String>,
    /// Only objects of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only objects of this health: ok, warning, error or unknown.
    #[arg(long)]
    status: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Search {
    text: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Of {
    /// The focal object, as type/id.
    object: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct All {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Impact {
    /// What fails, as type/id.
    #[arg(required = true)]
    objects: Vec<String>,
    /// Print a report: csv, markdown or html.
    #[arg(long)]
    report: Option<String>,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Path {
    from: String,
    to: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

const OBJECTS: &[(&str, &str)] = &[
    ("Type", "type"),
    ("Id", "id"),
    ("Name", "name"),
    ("Host", "host"),
    ("Tenant", "tenant"),
    ("Status", "status"),
];
const LINKS: &[(&str, &str)] = &[
    ("Link", "type"),
    ("From", "source_name"),
    ("To", "target_name"),
    ("Name", "name"),
    ("State", "state"),
    ("Status", "status"),
];

pub(crate) async fn run(verb: Verb) -> Result<Answer> {
    match verb {
        Verb::Show(show) => self::show(show).await?,
        Verb::Search(Search {
            text,
            which,
            common,
        }) => {
            let answer = common
                .get(&which.path("search"), &which.at(vec![("q", &text)]))
                .await?;
            common.output.print(&answer, |answer| {
                let found = rows(answer, "results");
                format!(
                    "{}\n{} of {}",
                    table(OBJECTS, &found),
                    found.len(),
                    answer["total"]
                )
            })?;
        }
        Verb::Clique(Of {
            object,
            which,
            common,
        }) => {
            let answer = common
                .get(&which.path("cliques"), &which.at(vec![("focal", &object)]))
                .await?;
            common.output.print(&answer, cliques)?;
        }
        Verb::Impact(impact) => self::impact(impact).await?,
        Verb::Path(Path {
            from,
            to,
            which,
            common,
        }) => {
            let query = which.at(vec![("from", &from), ("to", &to)]);
            let answer = common.get(&which.path("path"), &query).await?;
            common.output.print(&answer, paths)?;
            return Ok(if rows(&answer, "paths").is_empty() {
                Answer::No
            } else {
                Answer::Yes
            });
        }
        Verb::Causes(All { which, common }) => {
            const COLUMNS: &[(&str, &str)] = &[
                ("Cause", "cause"),
                ("Because", "because"),
                ("Status", "status"),
                ("Explains", "explains"),
            ];
            let answer = common
                .get(&which.path("causes"), &which.at(Vec::new()))
                .await?;
            common
                .output
                .print(&answer, |answer| table(COLUMNS, &rows(answer, "causes")))?;
        }
    }
    Ok(Answer::Yes)
}

async fn show(show: Show) -> Result<()> {
    let Show {
        object,
        types,
        host,
        tenant,
        status,
        limit,
        which,
        common,
    } = show;
    if let Some(object) = object {
        let answer = common
            .get(&which.path("object"), &which.at(vec![("key", &object)]))
            .await?;
        return common
            .output
            .print(&answer, |answer| one(&answer["object"]));
    }
    let limit = limit.to_string();
    let mut query = which.at(vec![("limit", limit.as_str())]);
    for (name, value) in [
        ("type", &types),
        ("host", &host),
        ("tenant", &tenant),
        ("status", &status),
    ] {
        query.extend(value.as_deref().map(|value| (name, value)));
    }
    let answer = common.get(&which.path("objects"), &query).await?;
    common.output.print(&answer, |answer| {
        let found = rows(answer, "objects");
        format!(
            "{}\n{} of {}, version {}",
            table(OBJECTS, &found),
            found.len(),
            answer["total"],
            answer["version"]
        )
    })
}

fn one(object: &Value) -> String {
    let attributes: Vec<Value> = object["attributes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, claim)| json!({"name": name, "value": claim["value"], "source": claim["source"], "read_at": claim["read_at"]}))
        .collect();
    let mut out = format!(
        "{}  {}  {}\n{}",
        object["key"].as_str().unwrap_or_default(),
        object["name_path"].as_str().unwrap_or_default(),
        object["status"].as_str().unwrap_or_default(),
        table(
            &[
                ("Attribute", "name"),
                ("Value", "value"),
                ("Source", "source"),
                ("Read at (UTC)", "read_at")
            ],
            &attributes
        )
    );
    for (title, name, columns) in [
        ("Links", "links", LINKS),
        (
            "Checks",
            "checks",
            &[
                ("Check", "check"),
                ("Status", "status"),
                ("At (UTC)", "at"),
                ("Text", "text"),
            ],
        ),
        (
            "Because",
            "causes",
            &[("Cause", "cause"), ("Because", "because")],
        ),
    ] {
        let rows = rows(object, name);
        if !rows.is_empty() {
            out.push_str(&format!("\n{title}\n{}", table(columns, &rows)));
        }
    }
    out
}

fn cliques(answer: &Value) -> String {
    let cliques = rows(answer, "cliques");
    if cliques.is_empty() {
        return "no clique: nothing is linked to it, or its type is no focal point here".to_owned();
    }
    let told = cliques.iter().map(|clique| {
        format!(
            "{} of {}: {}\n{}",
            clique["clique_type"].as_str().unwrap_or_default(),
            clique["focal"].as_str().unwrap_or_default(),
            clique["status"].as_str().unwrap_or_default(),
            table(LINKS, &rows(clique, "links"))
        )
    });
    told.collect::<Vec<_>>().join("\n")
}

fn paths(answer: &Value) -> String {
    let paths = rows(answer, "paths");
    if paths.is_empty() {
        return "no way leads from the one to the other".to_owned();
    }
    let told = paths.iter().map(|path| table(LINKS, &rows(path, "links")));
    told.collect::<Vec<_>>().join("\n")
}

async fn impact(impact: Impact) -> Result<()> {
    let Impact {
        objects,
        report,
        which,
        common,
    } = impact;
    let objects = objects.join(",");
    let mut query = which.at(vec![("objects", objects.as_str())]);
    if let Some(format) = &report {
        query.push(("format", format));
        println!("{}", common.text(&which.path("impact"), &query).await?);
        return Ok(());
    }
    let answer = common.get(&which.path("impact"), &query).await?;
    common.output.print(&answer, |answer| {
        let mut columns = OBJECTS.to_vec();
        columns.push(("Because of", "because_of"));
        let counts = &answer["counts"];
        let mut out = table(&columns, &rows(answer, "hit"));
        out.push_str(&format!("\n{} hit", counts["total"]));
        for (title, name) in [
            ("type", "by_type"),
            ("tenant", "by_tenant"),
            ("host", "by_place"),
            ("network", "by_network"),
        ] {
            let by = counts[name].as_object().into_iter().flatten();
            let by: Vec<String> = by.map(|(name, count)| format!("{name} {count}")).collect();
            if !by.is_empty() {
                out.push_str(&format!("\nby {title}: {}", by.join(", ")));
            }
        }
        out
    })
}
