//! What differs between two versions: totals with a page of one list, a picture of all of it, a report.

use super::access::{Asker, In, View};
use super::draw::{Shape, shaped};
use super::error::MapError;
use super::page::Page;
use super::pictures::overview_query;
use super::reports::{Format, rendered};
use super::views;
use crate::live::params::Params;
use axum::Json;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use inventory::Comparison;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;
use topology::{ChangeKind, Diff, ObjectRef, Report, Version};

/// The two versions, and whose objects are compared.
struct Sides {
    before: Arc<Version>,
    after: Arc<Version>,
    tenants: Option<BTreeSet<Arc<str>>>,
}

impl Sides {
    fn take(params: &mut Params, view: &View) -> Result<Self, MapError> {
        let from: String = params.need("from")?;
        let to: Option<String> = params.take("to")?;
        let asked: Vec<String> = params.take_all("tenant")?;
        let own = view.tenants();
        let foreign = |tenant: &&String| {
            let own = own.as_ref();
            own.is_some_and(|own| !own.contains(tenant.as_str()))
        };
        if let Some(tenant) = asked.iter().find(foreign) {
            return Err(MapError::NotFound {
                what: "tenant",
                id: tenant.clone(),
            });
        }
        let asked: BTreeSet<Arc<str>> = asked.iter().map(|tenant| tenant.as_str().into()).collect();
        Ok(Self {
            before: view.version(&from)?,
            after: to.map_or_else(|| Ok(view.map.head()), |to| view.version(&to))?,
            tenants: if asked.is_empty() { own } else { Some(asked) },
        })
    }

    fn cut<'d>(&self, compared: &'d Comparison) -> Cow<'d, Diff> {
        match &self.tenants {
            None => Cow::Borrowed(&compared.diff),
            Some(tenants) => {
                let (before, after) = (&self.before, &self.after);
                Cow::Owned(compared.diff.of_tenants(before, after, tenants))
            }
        }
    }
}

/// Work that may take a while, off the async threads.
async fn busy<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, MapError> + Send + 'static,
) -> Result<R, MapError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| MapError::Broken(error.to_string()))?
}

/// Which rows a page is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum List {
    #[default]
    Objects,
    Links,
    Health,
    Cliques,
}

impl FromStr for List {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "objects" => Ok(Self::Objects),
            "links" => Ok(Self::Links),
            "health" => Ok(Self::Health),
            "cliques" => Ok(Self::Cliques),
            _ => Err("objects, links, health or cliques"),
        }
    }
}

pub(super) async fn diff(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Response, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let view = asker.view(environment)?;
    let sides = Sides::take(&mut params, &view)?;
    let with_cliques: bool = params.take("cliques")?.unwrap_or(true);
    let list: List = params.take("list")?.unwrap_or_default();
    let format: Format = params.take("format")?.unwrap_or_default();
    let page = Page::take(&mut params, "diff")?;
    params.done()?;
    busy(move || {
        let compared = view.map.compare(sides.before.clone(), sides.after.clone());
        let diff = sides.cut(&compared);
        // Cliques span tenants: they are told only to those who compare the whole.
        let (cliques, more) = match sides.tenants.is_none() && with_cliques {
            true => compared.cliques(),
            false => (&[][..], false),
        };
        if let Format::Report(format) = format {
            return rendered(
                &Report::of_diff(&sides.before, &sides.after, &diff, cliques),
                format,
            );
        }
        let mut answer = match list {
            List::Objects => rows(&page, &diff.objects),
            List::Links => rows(&page, &diff.links),
            List::Health => rows(&page, &diff.health),
            List::Cliques => rows(&page, cliques),
        };
        let told = |version: &Version| json!({"number": version.number, "at": version.at});
        answer.insert("before".to_owned(), told(&sides.before));
        answer.insert("after".to_owned(), told(&sides.after));
        answer.insert("list".to_owned(), json!(list));
        answer.insert("by_tenant".to_owned(), json!(diff.by_tenant()));
        answer.insert("more_cliques".to_owned(), json!(more));
        answer.insert(
            "totals".to_owned(),
            json!({
                "objects": counts(diff.objects.iter().map(|change| change.kind)),
                "links": counts(diff.links.iter().map(|change| change.kind)),
                "health": diff.health.len(),
                "cliques": cliques.len(),
            }),
        );
        Ok(Json(Value::Object(answer)).into_response())
    })
    .await
}

fn counts(kinds: impl Iterator<Item = ChangeKind>) -> BTreeMap<ChangeKind, usize> {
    kinds.fold(BTreeMap::new(), |mut counts, kind| {
        *counts.entry(kind).or_insert(0) += 1;
        counts
    })
}

/// A comparison of two versions never changes, so that places in its lists are marks.
fn rows<T: Serialize>(page: &Page, all: &[T]) -> Map<String, Value> {
    let numbered: Vec<(usize, &T)> = all.iter().enumerate().collect();
    let cut = page.cut(numbered, |(at, _)| format!("{at:08}"));
    cut.answer("rows", |(_, row)| serde_json::to_value(row).ok())
}

/// All that changed in at most `limit` nodes.
pub(super) async fn picture(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Response, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let view = asker.view(environment.clone())?;
    let sides = Sides::take(&mut params, &view)?;
    let query = overview_query(&mut params)?;
    let shape: Shape = params.take("format")?.unwrap_or_default();
    let title = format!(
        "{environment}, changes from version {} to {}",
        sides.before.number, sides.after.number
    );
    params.done()?;
    busy(move || {
        let compared = view.map.compare(sides.before.clone(), sides.after.clone());
        let diff = sides.cut(&compared);
        let mut picture = sides.before.changes_picture(&sides.after, &diff, &query);
        if !view.sees_all() {
            // What is next to a tenant's changes may be others'.
            let seen = [
                view.seen(sides.before.clone()),
                view.seen(sides.after.clone()),
            ];
            let own = |key: &ObjectRef| {
                let of = |seen: &super::Seen| seen.version.find(key).is_some_and(|h| seen.sees(h));
                seen.iter().any(of)
            };
            picture.nodes.retain(|node| own(&node.key));
            picture
                .edges
                .retain(|edge| own(&edge.source) && own(&edge.target));
        }
        let nodes: Vec<Value> = picture
            .nodes
            .iter()
            .map(|node| views::node(node, &node.key, &picture.layout))
            .collect();
        let links: Vec<Value> = picture
            .edges
            .iter()
            .map(|edge| views::edge(edge, &edge.source, &edge.target))
            .collect();
        let answer = json!({
            "before": sides.before.number,
            "after": sides.after.number,
            "nodes": nodes,
            "links": links,
        });
        shaped(answer, shape, &title)
    })
    .await
}
