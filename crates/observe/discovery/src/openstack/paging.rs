//! Pages of an OpenStack list, and the proof that none repeats and none is skipped.
//!
//! A next page begins after a marker: the last id of the page before. A marker that is another id would skip or repeat, and so would a page
//! that holds an id of an earlier one. Either ends the reading, which is then not complete.

use serde_json::Value;
use std::collections::BTreeSet;

/// Rows asked for at once.
pub const LIMIT: usize = 500;
/// Rows one list may have.
const MAX_ROWS: usize = 2_000_000;

/// The rows of a list.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    pub items: Vec<Value>,
    /// Why the rows are not all there is.
    pub fault: Option<String>,
    seen: BTreeSet<String>,
}

impl Pages {
    /// No rows, and why there may be others.
    pub fn none(fault: Option<String>) -> Self {
        Self {
            fault,
            ..Self::default()
        }
    }

    /// Takes a page in; the marker of the next, if there is one.
    pub fn take(&mut self, page: &Value, collection: &str) -> Option<String> {
        match self.check(page, collection) {
            Ok(next) => next,
            Err(fault) => {
                self.fault = Some(format!("{collection}: {fault}"));
                None
            }
        }
    }

    fn check(&mut self, page: &Value, collection: &str) -> Result<Option<String>, String> {
        let rows = page[collection]
            .as_array()
            .ok_or_else(|| "the answer has no such list".to_owned())?;
        for row in rows {
            if let Some(id) = id_of(row)
                && !self.seen.insert(id.clone())
            {
                return Err(format!(
                    "the page after row {} repeats {id}",
                    self.items.len()
                ));
            }
            if self.items.len() == MAX_ROWS {
                return Err(format!("more than {MAX_ROWS} rows"));
            }
            self.items.push(row.clone());
        }
        let links = page[format!("{collection}_links")].as_array();
        let next = links
            .into_iter()
            .flatten()
            .find(|link| link["rel"] == "next");
        let Some(next) = next else {
            return Ok(None);
        };
        let last = rows
            .last()
            .and_then(id_of)
            .ok_or_else(|| "an empty page says there is a next one".to_owned())?;
        let marker = marker(next["href"].as_str().unwrap_or(""))
            .ok_or_else(|| "the next page has no marker".to_owned())?;
        if marker != last {
            return Err(format!(
                "the next page begins after {marker}, not after {last}, the last row"
            ));
        }
        Ok(Some(last))
    }
}

fn id_of(row: &Value) -> Option<String> {
    match &row["id"] {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn marker(href: &str) -> Option<String> {
    let url = reqwest::Url::parse(href)
        .or_else(|_| reqwest::Url::parse("http://relative/")?.join(href))
        .ok()?;
    let found = url.query_pairs().find(|(name, _)| name == "marker");
    found.map(|(_, value)| value.into_owned())
}

/// A marker for a query: only the characters ids have stay as they are.
pub(super) fn escaped(text: &str) -> impl Iterator<Item = char> {
    text.bytes().flat_map(|byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let text = if plain {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        };
        text.chars().collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(ids: &[&str], marker: Option<&str>) -> Value {
        let rows: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let links: Vec<Value> = marker
            .iter()
            .map(|marker| json!({"rel": "next", "href": format!("http://x/v2.0/ports?limit=2&marker={marker}")}))
            .collect();
        json!({"ports": rows, "ports_links": links})
    }

    #[test]
    fn pages_follow_each_other() {
        let mut pages = Pages::default();
        assert_eq!(
            pages
                .take(&page(&["a", "b"], Some("b")), "ports")
                .as_deref(),
            Some("b")
        );
        assert_eq!(pages.take(&page(&["c"], None), "ports"), None);
        assert_eq!((pages.items.len(), pages.fault), (3, None));
    }

    #[test]
    fn repeated_skipped_and_endless_pages_are_noticed() {
        for (second, what) in [
            (page(&["b", "c"], None), "repeats b"),
            (page(&["c"], Some("x")), "begins after x"),
            (page(&[], Some("b")), "an empty page"),
            (json!({"networks": []}), "no such list"),
        ] {
            let mut pages = Pages::default();
            pages.take(&page(&["a", "b"], Some("b")), "ports");
            assert_eq!(pages.take(&second, "ports"), None);
            let fault = pages.fault.expect("noticed");
            assert!(fault.contains(what), "{fault}");
        }
    }
}
