//! Parts of the map as pictures: cliques, neighbourhoods, paths, the overview. Positions come from the server and stay put.

use super::access::{Question, Seen, object_ref};
use super::draw::{Shape, shaped};
use super::error::MapError;
use super::views;
use crate::live::params::Params;
use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use topology::{Clique, Handle, Layout, Link, OverviewQuery, Reach};

/// Nodes a picture may have; more is no picture.
const MAX_NODES: usize = 2000;

/// What both ends of are seen, with positions.
fn picture(seen: &Seen, nodes: &[Handle], links: &[Arc<Link>]) -> Value {
    let nodes: Vec<Handle> = nodes
        .iter()
        .copied()
        .filter(|node| seen.sees(*node))
        .collect();
    let shown: BTreeSet<Handle> = nodes.iter().copied().collect();
    let links: Vec<Arc<Link>> = links
        .iter()
        .filter(|link| shown.contains(&link.source) && shown.contains(&link.target))
        .cloned()
        .collect();
    let layout = Layout::layered(&seen.version, &nodes, &links, None);
    let causes = seen.version.root_causes(seen.now);
    let nodes: Vec<Value> = nodes
        .iter()
        .filter_map(|node| {
            let mut brief = views::brief(seen, *node, &causes)?;
            let position = layout.positions.get(&seen.version.object(*node)?.key);
            brief.insert("position".to_owned(), json!(position));
            Some(Value::Object(brief))
        })
        .collect();
    let links: Vec<Value> = links
        .iter()
        .filter_map(|link| views::link(seen, link))
        .collect();
    json!({"nodes": nodes, "links": links})
}

/// The cliques of a focal object.
pub(super) async fn cliques(question: Question) -> Result<Response, MapError> {
    let title = question.title("clique");
    let Question {
        seen, mut params, ..
    } = question;
    let focal: String = params.need("focal")?;
    let shape: Shape = params.take("format")?.unwrap_or_default();
    params.done()?;
    let handle = seen.find(&focal)?;
    let cliques: Vec<Value> = seen
        .version
        .cliques(handle)
        .iter()
        .map(|clique| clique_view(&seen, clique))
        .collect();
    if shape == Shape::Json {
        return Ok(
            Json(json!({"version": seen.version.number, "cliques": cliques})).into_response(),
        );
    }
    // A file is of the first: what the console shows first.
    let first = cliques.into_iter().next().unwrap_or_default();
    shaped(first, shape, &format!("{title} of {focal}"))
}

fn clique_view(seen: &Seen, clique: &Clique) -> Value {
    let mut out = picture(seen, &clique.nodes, &clique.links);
    out["focal"] = json!(clique.focal.to_string());
    out["clique_type"] = json!(clique.clique_type);
    out["constraints"] = json!(clique.constraints);
    out["status"] = json!(seen.version.clique_level(clique, seen.now));
    out
}

/// Everything within some links of objects.
pub(super) async fn graph(question: Question) -> Result<Response, MapError> {
    let title = question.title("neighbourhood");
    let Question {
        seen, mut params, ..
    } = question;
    let starts = seen.find_all(&params.need_all::<String>("around")?)?;
    let depth: usize = params.take("depth")?.unwrap_or(2);
    let reach = Reach {
        depth: depth.min(16),
        link_types: params.take_all("link_type")?,
        max_nodes: params.limit(500, MAX_NODES)?,
    };
    let shape: Shape = params.take("format")?.unwrap_or_default();
    params.done()?;
    let found = seen.version.neighbours(&starts, &reach);
    let mut out = picture(&seen, &found.nodes, &found.links);
    out["version"] = json!(seen.version.number);
    out["truncated"] = json!(found.truncated);
    shaped(out, shape, &title)
}

/// The shortest ways from one object to another.
pub(super) async fn path(question: Question) -> Result<Json<Value>, MapError> {
    let Question {
        seen, mut params, ..
    } = question;
    let (from, to): (String, String) = (params.need("from")?, params.need("to")?);
    let limit = params.limit(5, 50)?;
    params.done()?;
    let (from, to) = (seen.find(&from)?, seen.find(&to)?);
    let paths: Vec<Value> = seen
        .version
        .paths(from, to, limit)
        .iter()
        .filter(|path| {
            path.iter()
                .all(|link| seen.sees(link.source) && seen.sees(link.target))
        })
        .map(|path| {
            let mut nodes = vec![from];
            for link in path {
                let last = nodes.last().copied().unwrap_or(from);
                nodes.push(link.other(last));
            }
            picture(&seen, &nodes, path)
        })
        .collect();
    Ok(Json(
        json!({"version": seen.version.number, "paths": paths}),
    ))
}

/// How many nodes a picture of a whole may have, and what is opened in it.
pub(super) fn overview_query(params: &mut Params) -> Result<OverviewQuery, MapError> {
    let open: Vec<String> = params.take_all("open")?;
    Ok(OverviewQuery {
        budget: params.limit(500, MAX_NODES)?,
        open: open
            .iter()
            .map(|key| object_ref(key))
            .collect::<Result<_, _>>()?,
        tenants: None,
    })
}

/// The whole environment in at most `limit` nodes: what does not fit is counted in the object above it.
pub(super) async fn overview(question: Question) -> Result<Response, MapError> {
    let title = question.title("overview");
    let Question {
        view,
        seen,
        mut params,
        ..
    } = question;
    let query = OverviewQuery {
        tenants: view.tenants(),
        ..overview_query(&mut params)?
    };
    let shape: Shape = params.take("format")?.unwrap_or_default();
    params.done()?;
    let overview = seen.version.overview(&query, seen.now, None);
    let nodes: Vec<Value> = overview
        .nodes
        .iter()
        .map(|node| views::node(node, &node.key, &overview.layout))
        .collect();
    let links: Vec<Value> = overview
        .edges
        .iter()
        .map(|edge| views::edge(edge, &edge.source, &edge.target))
        .collect();
    let answer = json!({"version": seen.version.number, "nodes": nodes, "links": links});
    shaped(answer, shape, &title)
}
