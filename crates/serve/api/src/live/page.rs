//! Pages of a list ordered by name, then id. The marker holds both, so that the next page is found even when
//! the object it points at is gone.

use crate::live::error::LiveError;
use std::str::FromStr;

/// Where a page begins: after this id and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    id: String,
    name: String,
}

impl FromStr for Marker {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, name) = text.split_once('/').ok_or("not a marker of ours")?;
        Ok(Self {
            id: id.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// A part of a list.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The marker of the next page.
    pub(crate) next: Option<String>,
    /// Objects in all pages.
    pub(crate) total: usize,
}

/// The page of `all` after the marker; `key` gives name and id.
pub(crate) fn page<T>(
    mut all: Vec<T>,
    key: impl Fn(&T) -> (&str, String),
    marker: Option<&Marker>,
    limit: usize,
) -> Result<Page<T>, LiveError> {
    let total = all.len();
    all.sort_by(|a, b| {
        let ((name_a, id_a), (name_b, id_b)) = (key(a), key(b));
        name_a.cmp(name_b).then_with(|| id_a.cmp(&id_b))
    });
    let start = marker.map_or(0, |marker| {
        all.partition_point(|item| {
            let (name, id) = key(item);
            (name, id.as_str()) <= (marker.name.as_str(), marker.id.as_str())
        })
    });
    let end = all.len().min(start + limit);
    let more = end < all.len();
    let items: Vec<T> = all.drain(start..end).collect();
    let next = items.last().filter(|_| more).map(|last| {
        let (name, id) = key(last);
        format!("{id}/{name}")
    });
    Ok(Page { items, next, total })
}
