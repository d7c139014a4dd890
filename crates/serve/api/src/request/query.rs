//! The query of a list or show request: filters, `fields`, sorting and paging, checked against the attribute
//! table. An attribute the table does not let filter or sort is refused, not ignored: a client that misspells
//! a filter must not get everything.

use crate::error::ApiError;
use crate::resource::attribute::{Attribute, Filter, Guard, find};
use crate::resource::kind::Kind;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Lists never answer more at once when a limit is given; without one they answer everything.
const LIMIT_MAX: usize = 1 << 20;

/// How an object's tags must relate to the given ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TagTest {
    All,
    Any,
    NotAll,
    NotAny,
}

const TAG_TESTS: &[(&str, TagTest)] = &[
    ("tags", TagTest::All),
    ("tags-any", TagTest::Any),
    ("not-tags", TagTest::NotAll),
    ("not-tags-any", TagTest::NotAny),
];

/// One `sort_key` with its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) attribute: &'static str,
    pub(crate) descending: bool,
}

impl SortKey {
    pub(crate) fn apply(self, ordering: Ordering) -> Ordering {
        if self.descending {
            ordering.reverse()
        } else {
            ordering
        }
    }
}

/// A checked query.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// Canonical texts by attribute; an object passes when it has one of them, for each attribute.
    pub(crate) filters: BTreeMap<&'static str, Vec<String>>,
    /// `fixed_ips=ip_address=…`: texts by the key within.
    pub(crate) fixed_ips: BTreeMap<String, Vec<String>>,
    pub(crate) tags: Vec<(TagTest, Vec<String>)>,
    pub(crate) fields: Vec<String>,
    pub(crate) sort: Vec<SortKey>,
    pub(crate) limit: Option<usize>,
    pub(crate) marker: Option<String>,
    pub(crate) reverse: bool,
    /// The pairs as given, for the links of a page.
    pub(crate) given: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn parse<V>(
        raw: Option<&str>,
        table: &'static [Attribute<V>],
        admin: bool,
    ) -> Result<Self, ApiError> {
        let given: Vec<(String, String)> =
            form_urlencoded::parse(raw.unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let mut query = Self::default();
        let (mut keys, mut directions) = (Vec::new(), Vec::new());
        for (key, value) in &given {
            match key.as_str() {
                "fields" => query.fields.push(value.clone()),
                "sort_key" => keys.push(value.as_str()),
                "sort_dir" => directions.push(value.as_str()),
                "limit" => query.limit = limit(value)?,
                "marker" => query.marker = Some(value.clone()),
                "page_reverse" => {
                    query.reverse = matches!(value.to_ascii_lowercase().as_str(), "true" | "1")
                }
                _ => query.add_filter(table, admin, key, value)?,
            }
        }
        query.fields.retain(|field| !field.is_empty());
        query.sort = sort_keys(table, &keys, &directions)?;
        query.given = given;
        Ok(query)
    }

    fn add_filter<V>(
        &mut self,
        table: &'static [Attribute<V>],
        admin: bool,
        key: &str,
        value: &str,
    ) -> Result<(), ApiError> {
        if find(table, "tags").is_some()
            && let Some((_, test)) = TAG_TESTS.iter().find(|(name, _)| *name == key)
        {
            let tags = value.split(',').map(str::to_owned).collect();
            self.tags.push((*test, tags));
            return Ok(());
        }
        let attribute = find(table, filter_name(key))
            .filter(|a| a.filter != Filter::None && (admin || a.guard != Guard::AdminOnly))
            .ok_or_else(|| {
                ApiError::BadRequest(format!("[{key}] is invalid attribute for filtering"))
            })?;
        if attribute.kind == Kind::FixedIps {
            let (inner, text) = value.split_once('=').ok_or_else(|| {
                ApiError::BadRequest(format!(
                    "Invalid filter fixed_ips={value}: use ip_address=ADDRESS, ip_address_substr=TEXT or subnet_id=ID"
                ))
            })?;
            let kind = match inner {
                "ip_address" => Kind::Ip,
                "subnet_id" => Kind::Uuid,
                "ip_address_substr" => Kind::Text(usize::MAX),
                other => {
                    return Err(ApiError::BadRequest(format!(
                        "[fixed_ips={other}] is invalid attribute for filtering"
                    )));
                }
            };
            let text = kind.filter(text).map_err(ApiError::BadRequest)?;
            self.fixed_ips
                .entry(inner.to_owned())
                .or_default()
                .push(text);
            return Ok(());
        }
        let text = attribute
            .kind
            .filter(value)
            .map_err(|reason| ApiError::InvalidAttribute {
                attribute: attribute.name.to_owned(),
                reason,
            })?;
        self.filters.entry(attribute.name).or_default().push(text);
        Ok(())
    }
}

/// `tenant_id` filters by the owner as `project_id` does.
fn filter_name(key: &str) -> &str {
    match key {
        "tenant_id" => "project_id",
        other => other,
    }
}

fn limit(text: &str) -> Result<Option<usize>, ApiError> {
    match text.parse::<usize>() {
        Ok(0) => Ok(None),
        Ok(limit) => Ok(Some(limit.min(LIMIT_MAX))),
        Err(_) => Err(ApiError::BadRequest(format!(
            "Limit must be an integer 0 or greater and not '{text}'"
        ))),
    }
}

fn sort_keys<V>(
    table: &'static [Attribute<V>],
    keys: &[&str],
    directions: &[&str],
) -> Result<Vec<SortKey>, ApiError> {
    if !directions.is_empty() && directions.len() != keys.len() {
        return Err(ApiError::BadRequest(
            "The number of sort_keys and sort_dirs must be same".to_owned(),
        ));
    }
    let mut sort = Vec::with_capacity(keys.len());
    for (position, key) in keys.iter().enumerate() {
        let attribute = find(table, filter_name(key))
            .filter(|attribute| attribute.sort)
            .ok_or_else(|| {
                ApiError::BadRequest(format!("[{key}] is invalid attribute for sort_keys"))
            })?;
        let descending = match directions.get(position) {
            None | Some(&"asc") => false,
            Some(&"desc") => true,
            Some(other) => {
                return Err(ApiError::BadRequest(format!(
                    "[{other}] is invalid value for sort_dirs, valid value is 'asc' and 'desc'"
                )));
            }
        };
        sort.push(SortKey {
            attribute: attribute.name,
            descending,
        });
    }
    Ok(sort)
}
