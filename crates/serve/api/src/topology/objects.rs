//! Objects and links: lists, one object whole, the tree, search.

use super::access::{Asker, In, Seen, object_ref};
use super::error::MapError;
use super::views;
use crate::live::params::Params;
use axum::Json;
use axum::extract::RawQuery;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use topology::{
    Handle, LinkType, Object, ObjectType, Place, RootCause, Row, SearchQuery, StatusLevel,
};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

pub(super) async fn summary(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let view = asker.view(environment.clone())?;
    let seen = view.at(&mut params)?;
    params.done()?;
    let version = &seen.version;
    let causes = version.root_causes();
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
        let types: Option<String> = params.take("type")?;
        let below: Option<String> = params.take("below")?;
        Ok(Self {
            types: types_of(types.as_deref())?,
            host: params.take("host")?,
            tenant: params.take("tenant")?,
            status: params.take("status")?,
            stale: params.take("stale")?,
            name: params.take::<String>("q")?.map(|text| text.to_lowercase()),
            below: below.map(|key| seen.find(&key)).transpose()?,
        })
    }

    fn holds(&self, seen: &Seen, handle: Handle, object: &Object, causes: &[RootCause]) -> bool {
        let version = &seen.version;
        let equal = |wanted: &Option<String>, actual: Option<std::sync::Arc<str>>| {
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

pub(super) fn types_of(text: Option<&str>) -> Result<Vec<ObjectType>, MapError> {
    let names = text
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty());
    names
        .map(|name| ObjectType::new(name).map_err(|error| MapError::Malformed(error.to_string())))
        .collect()
}

pub(super) async fn list(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let seen = asker.view(environment)?.at(&mut params)?;
    let filter = Filter::take(&mut params, &seen)?;
    let fields: Option<String> = params.take("fields")?;
    let cursor: Option<String> = params.take("cursor")?;
    let limit = params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    params.done()?;
    let version = &seen.version;
    let causes = version.root_causes();
    let mut found: Vec<(&str, String, Handle)> = version
        .objects()
        .filter(|(handle, object)| filter.holds(&seen, *handle, object, &causes))
        .map(|(handle, object)| (object.name(), object.key.to_string(), handle))
        .collect();
    let total = found.len();
    found.sort_unstable();
    let (page, next) = cut(
        found,
        cursor.as_deref(),
        limit,
        |(name, key, _)| format!("{key}\n{name}"),
        |cursor| {
            let (key, name) = cursor.split_once('\n')?;
            Some((name.to_owned(), key.to_owned()))
        },
        |(name, key, _), (after_name, after_key)| {
            (*name, key.as_str()) > (after_name.as_str(), after_key.as_str())
        },
    )?;
    let rows: Vec<Value> = page
        .into_iter()
        .filter_map(|(_, _, handle)| row(&seen, handle, fields.as_deref(), &causes))
        .collect();
    Ok(Json(
        json!({"version": version.number, "objects": rows, "next": next, "total": total}),
    ))
}

/// A row in the short form, or with the fields asked for: names of attributes or of the short form.
fn row(seen: &Seen, handle: Handle, fields: Option<&str>, causes: &[RootCause]) -> Option<Value> {
    let mut brief = views::brief(seen, handle, causes)?;
    let Some(fields) = fields else {
        return Some(Value::Object(brief));
    };
    let object = seen.version.object(handle)?;
    let mut out = Map::new();
    for field in fields.split(',').filter(|field| !field.is_empty()) {
        let value = brief.remove(field).or_else(|| object.get(field).cloned());
        out.insert(field.to_owned(), value.unwrap_or_default());
    }
    Some(Value::Object(out))
}

/// The page after a cursor, and the cursor of the next one. Items are in order.
fn cut<T, C>(
    items: Vec<T>,
    cursor: Option<&str>,
    limit: usize,
    mark: impl Fn(&T) -> String,
    read: impl Fn(&str) -> Option<C>,
    is_after: impl Fn(&T, &C) -> bool,
) -> Result<(Vec<T>, Option<String>), MapError> {
    let after =
        match cursor {
            None => None,
            Some(text) => Some(read(text).ok_or_else(|| {
                MapError::Malformed(format!("'{text}' is no cursor of this list"))
            })?),
        };
    let mut rest = items
        .into_iter()
        .filter(|item| after.as_ref().is_none_or(|after| is_after(item, after)));
    let page: Vec<T> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = page.last().filter(|_| more).map(mark);
    Ok((page, next))
}

pub(super) async fn show(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let seen = asker.view(environment)?.at(&mut params)?;
    let key: String = params.need("key")?;
    params.done()?;
    let handle = seen.find(&key)?;
    let object = views::full(&seen, handle, Timestamp::now());
    Ok(Json(
        json!({"version": seen.version.number, "object": object}),
    ))
}

/// Rows under a place: `key` names an object (absent: the environment), `folders` the folders from there, separated by commas.
pub(super) async fn tree(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let seen = asker.view(environment)?.at(&mut params)?;
    let key: Option<String> = params.take("key")?;
    let folders: Option<String> = params.take("folders")?;
    params.done()?;
    let place = Place {
        object: key.as_deref().map(object_ref).transpose()?,
        folders: folders
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .filter(|folder| !folder.is_empty())
            .map(Into::into)
            .collect(),
    };
    let causes = seen.version.root_causes();
    let rows: Vec<Value> = seen
        .version
        .rows(&place)
        .into_iter()
        .filter_map(|row| match row {
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
                let mut brief = seen
                    .sees(handle)
                    .then(|| views::brief(&seen, handle, &causes))??;
                brief.insert("children".to_owned(), json!(children));
                Some(json!({"object": brief}))
            }
        })
        .collect();
    Ok(Json(json!({"version": seen.version.number, "rows": rows})))
}

pub(super) async fn links(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let seen = asker.view(environment)?.at(&mut params)?;
    let link_type: Option<LinkType> = params.take("type")?;
    let object: Option<String> = params.take("object")?;
    let host: Option<String> = params.take("host")?;
    let cursor: Option<String> = params.take("cursor")?;
    let limit = params.limit(DEFAULT_LIMIT, MAX_LIMIT)?;
    params.done()?;
    let version = &seen.version;
    let at = object.map(|key| seen.find(&key)).transpose()?;
    let all: Box<dyn Iterator<Item = &topology::Link>> = match at {
        Some(handle) => Box::new(version.links_at(handle)),
        None => Box::new(version.links()),
    };
    let mut found: Vec<(String, &topology::Link)> = all
        .filter(|link| {
            link_type
                .as_ref()
                .is_none_or(|wanted| *wanted == link.link_type)
        })
        .filter(|link| {
            host.as_deref()
                .is_none_or(|wanted| link.place.as_deref() == Some(wanted))
        })
        .filter(|link| seen.sees(link.source) && seen.sees(link.target))
        .filter_map(|link| Some((version.link_key(link)?.to_string(), link)))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let total = found.len();
    let (page, next) = cut(
        found,
        cursor.as_deref(),
        limit,
        |(key, _)| key.clone(),
        |cursor| Some(cursor.to_owned()),
        |(key, _), after: &String| key > after,
    )?;
    let rows: Vec<Value> = page
        .into_iter()
        .filter_map(|(_, link)| views::link(&seen, link))
        .collect();
    Ok(Json(
        json!({"version": version.number, "links": rows, "next": next, "total": total}),
    ))
}

pub(super) async fn search(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let seen = asker.view(environment)?.at(&mut params)?;
    let text: String = params.need("q")?;
    let types: Option<String> = params.take("type")?;
    let limit = params.limit(20, 200)?;
    params.done()?;
    let query = SearchQuery {
        text,
        types: types_of(types.as_deref())?,
        limit,
    };
    let result = seen.version.search(&query, |handle| seen.sees(handle));
    let causes = seen.version.root_causes();
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
