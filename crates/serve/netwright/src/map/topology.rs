//! `netwright topology`: questions about what is there and how it hangs together.

use super::{Common, ReportFormat, Which, print_document, rows};
use crate::Answer;
use crate::output::{List, table};
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Objects of an environment, or one of them whole.
    Show(Show),
    /// Find by name, id, MAC, address or CIDR.
    Search(Search),
    /// The clique of an object: what it hangs on, from link to link.
    Clique(Clique),
    /// What the failure of objects hits.
    Impact(Impact),
    /// The shortest ways from one object to another.
    Path(Path),
    /// What explains present trouble.
    Causes(All),
    /// A picture as a file: of everything, of what is around an object, or of a clique.
    Picture(Picture),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    Ok,
    Warning,
    Error,
    Unknown,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  netwright topology show --env prod --type instance --host compute-1\n  netwright topology show --env prod --all -o csv > objects.csv\n  netwright topology show --env prod host/compute-1 --at 2026-11-20T00:00:00Z"
)]
pub(crate) struct Show {
    /// One object, as type/id; all that match the filters if absent.
    object: Option<String>,
    /// Only objects of these types; repeated, or separated by commas.
    #[arg(long = "type", value_delimiter = ',')]
    types: Vec<String>,
    /// Only objects on this host.
    #[arg(long)]
    host: Option<String>,
    /// Only objects of this tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Only objects of this health.
    #[arg(long, value_enum)]
    status: Option<Level>,
    /// Only objects that could not be read lately, or (false) only the others.
    #[arg(long)]
    stale: Option<bool>,
    /// At most this many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// As many as there are.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Search {
    /// A name or a part of it, an id, a MAC in any notation, an address, a CIDR.
    text: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(crate) struct Clique {
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

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FileFormat {
    /// For documents and browsers.
    Svg,
    /// For graph tools (yEd, Gephi, Cytoscape, NetworkX).
    Graphml,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  netwright topology picture --env prod > prod.svg\n  netwright topology picture --env prod --around host/compute-1 --depth 3 --format graphml > compute-1.graphml"
)]
pub(crate) struct Picture {
    /// Only what is around this object, as type/id; may be repeated.
    #[arg(long, conflicts_with = "clique")]
    around: Vec<String>,
    /// How many links away.
    #[arg(long, default_value_t = 2, requires = "around")]
    depth: usize,
    /// Only the clique of this object.
    #[arg(long)]
    clique: Option<String>,
    /// At most this many nodes, up to 2000; of everything, what does not fit is counted in the object above.
    #[arg(long, default_value_t = 500)]
    nodes: usize,
    #[arg(long, value_enum, default_value = "svg")]
    format: FileFormat,
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
    /// Print a report of everything that is hit.
    #[arg(long, value_enum)]
    report: Option<ReportFormat>,
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
            let found = rows(&answer, "results");
            let nothing = found.is_empty();
            let list = List {
                columns: OBJECTS,
                foot: format!("{} of {}", found.len(), answer["total"]),
                rows: found,
                nothing: "nothing is called that or has it",
            };
            common.output.list(&answer, &list)?;
            return Ok(if nothing { Answer::No } else { Answer::Yes });
        }
        Verb::Clique(Clique {
            object,
            which,
            common,
        }) => {
            let answer = common
                .get(&which.path("cliques"), &which.at(vec![("focal", &object)]))
                .await?;
            common.output.print(&answer, cliques)?;
            return Ok(if rows(&answer, "cliques").is_empty() {
                Answer::No
            } else {
                Answer::Yes
            });
        }
        Verb::Impact(impact) => self::impact(impact).await?,
        Verb::Picture(picture) => self::picture(picture).await?,
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
            let list = List {
                columns: COLUMNS,
                rows: rows(&answer, "causes"),
                nothing: "no trouble that a cause rule explains",
                foot: String::new(),
            };
            common.output.list(&answer, &list)?;
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
        stale,
        limit,
        all,
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
    let stale = stale.map(|stale| stale.to_string());
    let mut query = which.at(types.iter().map(|name| ("type", name.as_str())).collect());
    for (name, value) in [
        ("host", host.as_deref()),
        ("tenant", tenant.as_deref()),
        ("status", status.map(Level::name)),
        ("stale", stale.as_deref()),
    ] {
        query.extend(value.map(|value| (name, value)));
    }
    let most = if all { usize::MAX } else { limit };
    let answer = common
        .pages(&which.path("objects"), &query, "objects", most)
        .await?;
    let found = rows(&answer, "objects");
    let list = List {
        columns: OBJECTS,
        foot: format!(
            "{} of {}, version {}",
            found.len(),
            answer["total"],
            answer["version"]
        ),
        rows: found,
        nothing: "no object matches",
    };
    common.output.list(&answer, &list)
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

async fn picture(picture: Picture) -> Result<()> {
    let Picture {
        around,
        depth,
        clique,
        nodes,
        format,
        which,
        common,
    } = picture;
    let (depth, nodes) = (depth.to_string(), nodes.to_string());
    let (path, mut query) = match (&clique, around.is_empty()) {
        (Some(focal), _) => ("cliques", vec![("focal", focal.as_str())]),
        (None, true) => ("overview", vec![("limit", nodes.as_str())]),
        (None, false) => {
            let around = around.iter().map(|key| ("around", key.as_str()));
            let reach = [("depth", depth.as_str()), ("limit", nodes.as_str())];
            ("graph", around.chain(reach).collect())
        }
    };
    query.push(match format {
        FileFormat::Svg => ("format", "svg"),
        FileFormat::Graphml => ("format", "graphml"),
    });
    print_document(&common.text(&which.path(path), &which.at(query)).await?);
    Ok(())
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
    let objects = objects.iter().map(|key| ("objects", key.as_str()));
    let mut query = which.at(objects.collect());
    if let Some(format) = report {
        query.push(("format", format.name()));
        print_document(&common.text(&which.path("impact"), &query).await?);
        return Ok(());
    }
    let answer = common.get(&which.path("impact"), &query).await?;
    let mut columns = OBJECTS.to_vec();
    columns.push(("Because of", "because_of"));
    let hit = rows(&answer, "hit");
    let list = List {
        columns: &columns,
        foot: counted(&answer["counts"], hit.len()),
        rows: hit,
        nothing: "nothing else depends on it",
    };
    common.output.list(&answer, &list)
}

/// How many are hit in all, and each way of counting.
fn counted(counts: &Value, listed: usize) -> String {
    let total = counts["total"].as_u64().unwrap_or_default();
    let mut out = format!("{total} hit");
    if total > listed as u64 {
        out += &format!(", the nearest {listed} listed; --report csv has all");
    }
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
}
