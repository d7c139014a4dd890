//! Pages of sorted lists: `limit` rows after a `cursor`, which is the `next` of the page before.
//!
//! A cursor is the mark of the last row that was given, not a count: rows that come or go between two pages shift nothing. It begins with
//! the name of its list, so that no other list takes it.

use super::error::MapError;
use crate::live::params::Params;
use serde_json::{Map, Value, json};

const DEFAULT_LIMIT: usize = 100;
pub(super) const MAX_LIMIT: usize = 1000;

/// Which part of a list is asked for.
pub(super) struct Page {
    list: &'static str,
    /// The mark after which it begins.
    after: Option<String>,
    limit: usize,
}

/// That part.
pub(super) struct Cut<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
    pub(super) total: usize,
}

impl Page {
    pub(super) fn take(params: &mut Params, list: &'static str) -> Result<Self, MapError> {
        let cursor: Option<String> = params.take("cursor")?;
        let after = |cursor: String| {
            let mark = cursor.strip_prefix(list)?.strip_prefix(':')?;
            Some(mark.to_owned())
        };
        let wrong = || MapError::Malformed("'cursor' is no `next` of this list".to_owned());
        Ok(Self {
            list,
            after: cursor
                .map(|cursor| after(cursor).ok_or_else(wrong))
                .transpose()?,
            limit: params.limit(DEFAULT_LIMIT, MAX_LIMIT)?,
        })
    }

    /// `all` is in the order of its marks.
    pub(super) fn cut<T>(&self, all: Vec<T>, mark: impl Fn(&T) -> String) -> Cut<T> {
        let total = all.len();
        let start = match &self.after {
            Some(after) => all.partition_point(|item| mark(item) <= *after),
            None => 0,
        };
        let more = start + self.limit < total;
        let items: Vec<T> = all.into_iter().skip(start).take(self.limit).collect();
        let last = items.last().filter(|_| more);
        let next = last.map(|last| format!("{}:{}", self.list, mark(last)));
        Cut { items, next, total }
    }
}

impl<T> Cut<T> {
    /// `rows`, `next` and `total` under the list's name.
    pub(super) fn answer(
        self,
        name: &str,
        row: impl FnMut(T) -> Option<Value>,
    ) -> Map<String, Value> {
        let mut out = Map::new();
        let rows: Vec<Value> = self.items.into_iter().filter_map(row).collect();
        out.insert(name.to_owned(), Value::Array(rows));
        out.insert("next".to_owned(), json!(self.next));
        out.insert("total".to_owned(), json!(self.total));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(cursor: Option<&str>) -> Result<Page, MapError> {
        let query = cursor.map(|cursor| format!("limit=3&cursor={cursor}"));
        let mut params = Params::parse(query.as_deref().or(Some("limit=3")))?;
        Page::take(&mut params, "digits")
    }

    #[test]
    fn pages_together_are_the_list_and_a_row_that_went_shifts_nothing() {
        let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        let mut met = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = page(cursor.as_deref()).expect("its own cursor");
            let cut = page.cut(all.clone(), Clone::clone);
            assert_eq!(cut.total, 10);
            met.extend(cut.items);
            cursor = cut.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(met, all);
        let without: Vec<String> = all.into_iter().filter(|text| text != "2").collect();
        let page = page(Some("digits:2")).expect("its own cursor");
        assert_eq!(page.cut(without, Clone::clone).items, ["3", "4", "5"]);
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        for cursor in ["letters:2", "digits", "2"] {
            assert!(page(Some(cursor)).is_err(), "{cursor}");
        }
    }
}
