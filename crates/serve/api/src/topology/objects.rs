//! Objects and links: lists, one object whole, the tree, search.

use super::access::{Question, Seen, object_ref};
use super::error::MapError;
use super::page::Page;
use super::views;
use crate::live::params::Params;
use axum::Json;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use topology::{
    Handle, LinkType, Object, ObjectType, Place, RootCauses, Row, SearchQuery, StatusLevel,
};

pub(super) async fn summary(question: Question) -> Result<Json<Value>, MapError> {
    let Question {
        asker,
        environment,
        view,
        seen,
        params,
    } = question;
    params.done()?;
    let version = &seen.version;
    let causes = version.root_causes(seen.now);
    let mut counts: BTreeMap<&ObjectType, usize> = BTreeMap::new();
    let mut levels = Vec::new();
    let mut stale = 0;
    for (handle, object) in version.objects().filter(|(handle, _)| seen.sees(*handle)) {
        *counts.entry(&object.key.object_type).or_default() += 1;
        levels.push(version.level_with_causes(handle, &causes));
        stale += usize::from(object.stale.is_some());
    }
    Ok(Json(json!({
        "environment": environment,
        "version": version.number,
        "at": version.at,
        "cause": version.cause.to_string(),
        "objects": counts,
        "links": view.sees_all().then(|| version.link_count()),
        "status": views::levels(levels.into_iter()),
        "stale": stale,
        "messages": view.sees_all().then(|| view.map.message_counts()),
        "listener": view.sees_all().then(|| asker.inventory.listener(&environment)),
    })))
}

/// Which objects a list is of.
struct Filter {
    types: Vec<ObjectType>,
    host: Option<String>,
    tenant: Option<String>,
    status: Option<StatusLevel>,
    stale: Option<bool>,
    name: Option<String>,
    below: Option<Handle>,
}

impl Filter {
    fn take(params: &mut Params, seen: &Seen) -> Result<Self, MapError> {
        let below: Option<String> = params.take("below")?;
        Ok(Self {
            types: types(params, seen)?,
            host: params.take("host")?,
            tenant: params.take("tenant")?,
            status: params.take("status")?,
            stale: params.take("stale")?,
            name: params.take::<String>("q")?.map(|text| text.to_lowercase()),
            below: below.map(|key| seen.find(&key)).transpose()?,
        })
    }

    fn holds(&self, seen: &Seen, handle: Handle, object: &Object, causes: &RootCauses) -> bool {
        let version = &seen.version;
        let equal = |wanted: &Option<String>, actual: Option<Arc<str>>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| actual.as_deref() == Some(wanted))
        };
        (self.types.is_empty() || self.types.contains(&object.key.object_type))
            && seen.sees(handle)
            && self
                .name
                .as_ref()
                .is_none_or(|text| object.name().to_lowercase().contains(text))
            && self
                .stale
                .is_none_or(|stale| stale == object.stale.is_some())
            && equal(&self.host, version.place(handle))
            && equal(&self.tenant, version.tenant(handle))
            && self
                .status
                .is_none_or(|level| version.level_with_causes(handle, causes) == level)
            && self
                .below
                .is_none_or(|above| version.ancestry(handle).contains(&above))
    }
}

/// The object types asked for; one nobody declared is a mistake of the one who asks.
fn types(params: &mut Params, seen: &Seen) -> Result<Vec<ObjectType>, MapError> {
    let types: Vec<ObjectType> = params.take_all("type")?;
    let declarations = seen.version.declarations();
    match types
        .iter()
        .find(|name| declarations.object_type(name).is_none())
    {
        None => Ok(types),
        Some(unknown) => {
            let known = declarations.object_types().map(|rule| rule.name.as_str());
            let known = known.collect::<Vec<_>>().join(", ");
            Err(MapError::Malformed(format!(
                "there is no object type '{unknown}'; there are {known}"
            )))
        }
    }
}

/// In the order of names, then keys.
fn mark(name: &str, key: &str) -> String {
    // Control characters sort first: a name sorts before those it is the start of.
    format!("{name}\u{0}{key}")
}

pub(super) async fn list(question: Question) -> Result<Json<Value>, MapError> {
    let Question {
        seen, mut params, ..
    } = question;
    let filter = Filter::take(&mut params, &seen)?;
    let fields: Vec<String> = params.take_all("fields")?;
    let page = Page::take(&mut params, "objects")?;
    params.done()?;
    let version = &seen.version;
    let causes = version.root_causes(seen.now);
    let mut found: Vec<(String, Handle)> = version
        .objects()
        .filter(|(handle, object)| filter.holds(&seen, *handle, object, &causes))
        .map(|(handle, object)| (mark(object.name(), &object.key.to_string()), handle))
        .collect();
    found.sort_unstable();
    let cut = page.cut(found, |(mark, _)| mark.clone());
    let mut answer = cut.answer("objects", |(_, handle)| {
        row(&seen, handle, &fields, &causes)
    });
    answer.insert("version".to_owned(), json!(version.number));
    Ok(Json(Value::Object(answer)))
}

/// A row in the short form, or with the fields asked for: names of attributes or of the short form.
fn row(seen: &Seen, handle: Handle, fields: &[String], causes: &RootCauses) -> Option<Value> {
    let mut brief = views::brief(seen, handle, causes)?;
    if fields.is_empty() {
        return Some(Value::Object(brief));
    }
    let object = seen.version.object(handle)?;
    let mut out = Map::new();
    for field in fields {
        let value = brief.remove(field).or_else(|| object.get(field).cloned());
        out.insert(field.clone(), value.unwrap_or_default());
    }
    Some(Value::Object(out))
}

pub(super) async fn show(question: Question) -> Result<Json<Value>, MapError> {
    let Question {
        seen, mut params, ..
    } = question;
    let key: String = params.need("key")?;
    params.done()?;
    let handle = seen.find(&key)?;
    let object = views::full(&seen, handle);
    Ok(Json(
        json!({"version": seen.version.number, "object": object}),
    ))
}

/// Rows under a place, folders first: `key` names an object (absent: the environment), each `folder` a folder from there on.
pub(super) async fn tree(question: Question) -> Result<Json<Value>, MapError> {
    let Question {
        seen, mut params, ..
    } = question;
    let key: Option<String> = params.take("key")?;
    let place = Place {
        object: key.as_deref().map(object_ref).transpose()?,
        folders: params
            .take_all::<String>("folder")?
            .into_iter()
            .map(Into::into)
            .collect(),
    };
    let page = Page::take(&mut params, "tree")?;
    params.done()?;
    let causes = seen.version.root_causes(seen.now);
    let mut rows: Vec<(String, Row)> = seen
        .version
        .rows(&place)
        .into_iter()
        .filter_map(|row| {
            let mark = match &row {
                Row::Folder { id, text, .. } => mark(&format!("0{text}"), id),
                Row::Object { handle, .. } => {
                    let object = seen
                        .version
                        .object(*handle)
                        .filter(|_| seen.sees(*handle))?;
                    mark(&format!("1{}", object.name()), &object.key.to_string())
                }
            };
            Some((mark, row))
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let cut = page.cut(rows, |(mark, _)| mark.clone());
    let mut answer = cut.answer("rows", |(_, row)| tree_row(&seen, row, &causes));
    answer.insert("version".to_owned(), json!(seen.version.number));
    Ok(Json(Value::Object(answer)))
}

fn tree_row(seen: &Seen, row: Row, causes: &RootCauses) -> Option<Value> {
    match row {
        Row::Folder {
            id,
            text,
            place,
            count,
        } => Some(json!({
            "folder": {
                "id": id,
                "text": text,
                "key": place.object.map(|object| object.to_string()),
                "folders": place.folders,
                "count": count,
            }
        })),
        Row::Object { handle, children } => {
            let mut brief = views::brief(seen, handle, causes)?;
            brief.insert("children".to_owned(), json!(children));
            Some(json!({"object": brief}))
        }
    }
}

pub(super) async fn links(question: Question) -> Result<Json<Value>, MapError> {
    let Question {
        seen, mut params, ..
    } = question;
    let types: Vec<LinkType> = params.take_all("type")?;
    let object: Option<String> = params.take("object")?;
    let host: Option<String> = params.take("host")?;
    let page = Page::take(&mut params, "links")?;
    params.done()?;
    let version = &seen.version;
    let at = object.map(|key| seen.find(&key)).transpose()?;
    let all: Box<dyn Iterator<Item = &topology::Link>> = match at {
        Some(handle) => Box::new(version.links_at(handle)),
        None => Box::new(version.links()),
    };
    let mut found: Vec<(String, &topology::Link)> = all
        .filter(|link| types.is_empty() || types.contains(&link.link_type))
        .filter(|link| {
            host.as_deref()
                .is_none_or(|wanted| link.place.as_deref() == Some(wanted))
        })
        .filter(|link| seen.sees(link.source) && seen.sees(link.target))
        .filter_map(|link| Some((version.link_key(link)?.to_string(), link)))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let cut = page.cut(found, |(key, _)| key.clone());
    let mut answer = cut.answer("links", |(_, link)| views::link(&seen, link));
    answer.insert("version".to_owned(), json!(version.number));
    Ok(Json(Value::Object(answer)))
}

pub(super) async fn search(question: Question) -> Result<Json<Value>, MapError> {
    let Question {
        seen, mut params, ..
    } = question;
    let query = SearchQuery {
        text: params.need("q")?,
        types: types(&mut params, &seen)?,
        limit: params.limit(20, 200)?,
    };
    params.done()?;
    let result = seen.version.search(&query, |handle| seen.sees(handle));
    let causes = seen.version.root_causes(seen.now);
    let hits: Vec<Value> = result
        .hits
        .iter()
        .filter_map(|hit| {
            let mut brief = views::brief(&seen, hit.handle, &causes)?;
            brief.insert("field".to_owned(), json!(hit.field));
            brief.insert(
                "matched".to_owned(),
                json!(format!("{:?}", hit.matched).to_lowercase()),
            );
            Some(Value::Object(brief))
        })
        .collect();
    Ok(Json(
        json!({"version": seen.version.number, "results": hits, "total": result.total}),
    ))
}
