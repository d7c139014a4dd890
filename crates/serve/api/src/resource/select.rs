//! Which objects a list holds, and in which order: filters, sorting, marker and limit over anything that has an
//! attribute table.

use crate::request::query::{Query, TagTest};
use crate::resource::attribute::{Attribute, Filter, find};
use crate::resource::kind::filter_text;
use operations::tables::{BY_GROUP, BY_HOST, BY_IP, BY_NAME, BY_PROJECT, BY_SUBNET};
use serde_json::Value;
use std::cmp::Ordering;
use store::Snapshot;

/// Whether the object passes every filter of the query.
pub(crate) fn matches<V>(
    table: &[Attribute<V>],
    object: &V,
    snapshot: &Snapshot,
    query: &Query,
) -> bool {
    let value = |name: &str| find(table, name).map(|attribute| attribute.value(object, snapshot));
    query.filters.iter().all(|(name, wanted)| {
        value(name).is_some_and(|value| wanted.iter().any(|text| has(&value, text)))
    }) && fixed_ips_match(query, || value("fixed_ips"))
        && tags_match(query, || value("tags"))
}

fn has(value: &Value, text: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| filter_text(item) == text),
        Value::String(value) => value == text,
        other => filter_text(other) == text,
    }
}

fn fixed_ips_match(query: &Query, value: impl Fn() -> Option<Value>) -> bool {
    if query.fixed_ips.is_empty() {
        return true;
    }
    let Some(Value::Array(fixed_ips)) = value() else {
        return false;
    };
    query.fixed_ips.iter().all(|(key, wanted)| {
        fixed_ips.iter().any(|fixed_ip| match key.as_str() {
            "ip_address_substr" => {
                let address = fixed_ip["ip_address"].as_str().unwrap_or_default();
                wanted.iter().any(|part| address.contains(part.as_str()))
            }
            key => wanted.iter().any(|text| fixed_ip[key] == text.as_str()),
        })
    })
}

fn tags_match(query: &Query, value: impl Fn() -> Option<Value>) -> bool {
    if query.tags.is_empty() {
        return true;
    }
    let tags = value().unwrap_or_default();
    query.tags.iter().all(|(test, wanted)| {
        let mut present = wanted.iter().map(|tag| has(&tags, tag));
        match test {
            TagTest::All => present.all(|p| p),
            TagTest::Any => present.any(|p| p),
            TagTest::NotAll => !present.all(|p| p),
            TagTest::NotAny => !present.any(|p| p),
        }
    })
}

/// The filter of the query that leaves the fewest objects by experience, and the texts to look up.
pub(crate) fn best_index<'q, V>(
    table: &[Attribute<V>],
    query: &'q Query,
) -> Option<(Filter, &'q [String])> {
    let by_attribute = table.iter().filter_map(|attribute| {
        let texts = query.filters.get(attribute.name)?;
        Some((attribute.filter, texts.as_slice()))
    });
    let by_fixed_ip = [("ip_address", BY_IP), ("subnet_id", BY_SUBNET)]
        .into_iter()
        .filter_map(|(key, index)| {
            Some((Filter::Index(index), query.fixed_ips.get(key)?.as_slice()))
        });
    by_attribute
        .chain(by_fixed_ip)
        .filter(|(filter, texts)| is_usable(*filter, texts))
        .min_by_key(|(filter, _)| rank(*filter))
}

/// What has no text under an attribute is not in its index, so the empty text cannot be looked up.
fn is_usable(filter: Filter, texts: &[String]) -> bool {
    match filter {
        Filter::None | Filter::Scan => false,
        Filter::Index(_) => !texts.iter().any(String::is_empty),
        Filter::Parent | Filter::Id => true,
    }
}

/// How many objects share a text: one, few, those of a name, of a place, of a project.
fn rank(filter: Filter) -> u8 {
    match filter {
        Filter::Id => 0,
        Filter::Index(BY_NAME) => 2,
        Filter::Index(BY_HOST | BY_GROUP | BY_SUBNET) | Filter::Parent => 3,
        Filter::Index(BY_PROJECT) => 4,
        Filter::Index(_) => 1,
        Filter::Scan | Filter::None => u8::MAX,
    }
}

/// The page of the query: sorted, from after the marker, at most `limit`. `None` when there is no object with
/// the marker's id. Without sort keys and limit the order stays as it is.
pub(crate) fn page<V, T>(
    table: &[Attribute<V>],
    mut objects: Vec<T>,
    model: impl Fn(&T) -> &V,
    id: impl Fn(&T) -> String,
    snapshot: &Snapshot,
    query: &Query,
) -> Option<Vec<T>> {
    if query.sort.is_empty() && query.limit.is_none() && query.marker.is_none() {
        return Some(objects);
    }
    let mut keyed: Vec<(Vec<Value>, String, T)> = objects
        .drain(..)
        .map(|object| {
            let keys = query.sort.iter().map(|key| {
                find(table, key.attribute)
                    .map(|attribute| attribute.value(model(&object), snapshot))
                    .unwrap_or_default()
            });
            (keys.collect(), id(&object), object)
        })
        .collect();
    keyed.sort_by(|(keys_a, id_a, _), (keys_b, id_b, _)| {
        let by_keys = query.sort.iter().zip(keys_a.iter().zip(keys_b));
        by_keys
            .map(|(key, (a, b))| key.apply(compare(a, b)))
            .find(|ordering| ordering.is_ne())
            .unwrap_or_else(|| id_a.cmp(id_b))
    });
    if query.reverse {
        keyed.reverse();
    }
    let start = match &query.marker {
        None => 0,
        Some(marker) => 1 + keyed.iter().position(|(_, id, _)| id == marker)?,
    };
    let end = query
        .limit
        .map_or(keyed.len(), |limit| keyed.len().min(start + limit));
    let mut page: Vec<T> = keyed
        .drain(start..end)
        .map(|(_, _, object)| object)
        .collect();
    if query.reverse {
        page.reverse();
    }
    Some(page)
}

/// Nothing before false before true before numbers before texts.
fn compare(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        _ => 3,
    };
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_i64().cmp(&b.as_i64()),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neutron::ports::PortResource;
    use crate::resource::Resource;

    #[test]
    fn the_narrowest_index_is_taken() {
        for (raw, expected) in [
            ("tenant_id=p&device_id=d", Some(Filter::Index("device"))),
            ("tenant_id=p&network_id=n", Some(Filter::Parent)),
            (
                "network_id=n&fixed_ips=ip_address%3D10.0.0.1",
                Some(Filter::Index(BY_IP)),
            ),
            ("device_id=d&id=i", Some(Filter::Id)),
            ("device_id=&tenant_id=p", Some(Filter::Index(BY_PROJECT))),
            ("status=ACTIVE", None),
        ] {
            let query = Query::parse(Some(raw), PortResource::ATTRIBUTES, true).expect(raw);
            let best = best_index(PortResource::ATTRIBUTES, &query);
            assert_eq!(best.map(|(filter, _)| filter), expected, "{raw}");
        }
    }
}
