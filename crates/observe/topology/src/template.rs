//! The small text language of the declarations: `{source.host}-{item.name}`, with optional parts and filters.
//!
//! `{path}` is the value at a path; a template with a path that has no value has no value itself, unless the path stands in `[...]`,
//! which is then left out. `{path|filter:argument}` changes the text. It is data: no loops, no calls, nothing that can fail at run time.

use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Where the values of paths come from.
pub(crate) trait Values {
    fn value(&self, path: &Path) -> Option<Cow<'_, Value>>;
}

/// `source.ports.name`: a first name, which says whose value it is, and steps into it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Path(Vec<Box<str>>);

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let steps: Vec<Box<str>> = text.trim().split('.').map(Into::into).collect();
        if steps.iter().any(|step| step.is_empty()) {
            return Err(format!("path '{text}' has an empty step"));
        }
        Ok(Self(steps))
    }

    pub(crate) fn head(&self) -> &str {
        &self.0[0]
    }

    pub(crate) fn steps(&self) -> &[Box<str>] {
        &self.0
    }

    /// What the steps after the first `skip` lead to.
    pub(crate) fn walk<'v>(&self, value: &'v Value, skip: usize) -> Option<&'v Value> {
        walk(value, self.0.get(skip..)?)
    }
}

pub(crate) fn walk<'v>(value: &'v Value, steps: &[Box<str>]) -> Option<&'v Value> {
    let found = steps.iter().try_fold(value, |value, step| match value {
        Value::Object(map) => map.get(step.as_ref()),
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })?;
    (!found.is_null()).then_some(found)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Filter {
    /// The text before the first occurrence.
    Before(Box<str>),
    /// The text after this prefix; no value without the prefix.
    After(Box<str>),
    /// The text after the value at a path, which must be its prefix.
    Past(Path),
    /// `__` back to `/`, as switch interface names are kept in ids.
    Slashes,
    Lower,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Value(Path, Vec<Filter>),
    Optional(Vec<Piece>),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

impl Template {
    /// # Errors
    /// An unclosed brace or bracket, an empty path, an unknown filter; the text says which.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let pieces = pieces(&mut rest, false)?;
        Ok(Self(pieces))
    }

    /// The text, or `None` when a path outside `[...]` has no value.
    pub(crate) fn text(&self, values: &impl Values) -> Option<String> {
        let mut out = String::new();
        render(&self.0, values, &mut out)?;
        Some(out)
    }

    /// The value itself when the template is one plain path, else the text.
    pub(crate) fn value(&self, values: &impl Values) -> Option<Value> {
        match self.0.as_slice() {
            [Piece::Value(path, filters)] if filters.is_empty() => values
                .value(path)
                .filter(|v| !v.is_null())
                .map(Cow::into_owned),
            _ => self.text(values).map(Value::String),
        }
    }

    /// Calls `each` with the texts to join on: one, or one for each element when the template is one path to a list.
    pub(crate) fn keys(&self, values: &impl Values, mut each: impl FnMut(&str)) {
        if let [Piece::Value(path, filters)] = self.0.as_slice()
            && filters.is_empty()
        {
            match values.value(path).as_deref() {
                Some(Value::Array(list)) => {
                    list.iter().filter_map(plain).for_each(|key| each(&key));
                }
                Some(value) => plain(value).iter().for_each(|key| each(key)),
                None => {}
            }
        } else if let Some(text) = self.text(values) {
            each(&text);
        }
    }

    /// Every path it reads.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        fn collect<'p>(pieces: &'p [Piece], out: &mut Vec<&'p Path>) {
            for piece in pieces {
                match piece {
                    Piece::Text(_) => {}
                    Piece::Value(path, filters) => {
                        out.push(path);
                        out.extend(filters.iter().filter_map(|filter| match filter {
                            Filter::Past(path) => Some(path),
                            _ => None,
                        }));
                    }
                    Piece::Optional(inner) => collect(inner, out),
                }
            }
        }
        let mut out = Vec::new();
        collect(&self.0, &mut out);
        out
    }
}

/// A scalar as people write it; lists and maps are not texts.
pub(crate) fn plain(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        _ => None,
    }
}

fn render(pieces: &[Piece], values: &impl Values, out: &mut String) -> Option<()> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Value(path, filters) => {
                let value = values.value(path)?;
                let mut text = plain(&value)?;
                for filter in filters {
                    text = Cow::Owned(apply(filter, &text, values)?);
                }
                out.push_str(&text);
            }
            Piece::Optional(inner) => {
                let start = out.len();
                if render(inner, values, out).is_none() {
                    out.truncate(start);
                }
            }
        }
    }
    Some(())
}

fn apply(filter: &Filter, text: &str, values: &impl Values) -> Option<String> {
    match filter {
        Filter::Before(mark) => Some(text.split(mark.as_ref()).next()?.to_owned()),
        Filter::After(prefix) => text.strip_prefix(prefix.as_ref()).map(str::to_owned),
        Filter::Past(path) => {
            let prefix = values.value(path)?;
            text.strip_prefix(plain(&prefix)?.as_ref())
                .map(str::to_owned)
        }
        Filter::Slashes => Some(text.replace("__", "/")),
        Filter::Lower => Some(text.to_lowercase()),
    }
}

fn pieces(rest: &mut &str, inside: bool) -> Result<Vec<Piece>, String> {
    let mut out = Vec::new();
    loop {
        let end = rest.find(['{', '[', ']']).unwrap_or(rest.len());
        if end > 0 {
            out.push(Piece::Text(rest[..end].into()));
            *rest = &rest[end..];
        }
        match rest.chars().next() {
            None if inside => return Err("'[' is not closed".into()),
            None => return Ok(out),
            Some('{') => {
                let close = rest.find('}').ok_or("'{' is not closed")?;
                out.push(placeholder(&rest[1..close])?);
                *rest = &rest[close + 1..];
            }
            Some('[') => {
                *rest = &rest[1..];
                out.push(Piece::Optional(pieces(rest, true)?));
            }
            _ if inside => {
                *rest = &rest[1..];
                return Ok(out);
            }
            _ => return Err("']' without '['".into()),
        }
    }
}

fn placeholder(text: &str) -> Result<Piece, String> {
    let mut parts = text.split('|');
    let path = Path::parse(parts.next().unwrap_or_default())?;
    let filters = parts
        .map(|part| {
            let (name, argument) = part.split_once(':').unwrap_or((part, ""));
            match (name.trim(), argument) {
                ("before", mark) if !mark.is_empty() => Ok(Filter::Before(mark.into())),
                ("after", prefix) if !prefix.is_empty() => Ok(Filter::After(prefix.into())),
                ("past", path) => Path::parse(path).map(Filter::Past),
                ("slashes", "") => Ok(Filter::Slashes),
                ("lower", "") => Ok(Filter::Lower),
                _ => Err(format!(
                    "'{part}' is not a filter: before:<text>, after:<prefix>, past:<path>, slashes or lower"
                )),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(Piece::Value(path, filters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    struct Root(Value);

    impl Values for Root {
        fn value(&self, path: &Path) -> Option<Cow<'_, Value>> {
            path.walk(&self.0, 0).map(Cow::Borrowed)
        }
    }

    fn text(template: &str, root: Value) -> Option<String> {
        Template::parse(template).expect("parses").text(&Root(root))
    }

    #[test]
    fn optional_parts_vanish_and_required_ones_void_the_whole() {
        let root = json!({ "a": "x", "b": { "c": 7, "n": null } });
        assert_eq!(text("{a}-{b.c}", root.clone()).as_deref(), Some("x-7"));
        assert_eq!(text("{a}[-{b.d}]", root.clone()).as_deref(), Some("x"));
        assert_eq!(text("{a}-{b.d}", root.clone()), None);
        assert_eq!(text("{b.n}", root), None);
    }

    #[test]
    fn filters_cut_names() {
        let root = json!({ "sw": "leaf-1", "id": "leaf-1-eth1__33-00:11", "if": "eno1.103", "q": "qvoabc" });
        assert_eq!(
            text("{id|past:sw|after:-|before:-|slashes}", root.clone()).as_deref(),
            Some("eth1/33")
        );
        assert_eq!(text("{if|before:.}", root.clone()).as_deref(), Some("eno1"));
        assert_eq!(text("{q|after:qvo}", root.clone()).as_deref(), Some("abc"));
        assert_eq!(text("{q|after:qvb}", root), None);
    }

    #[test]
    fn a_path_to_a_list_gives_one_key_for_each_element() {
        let mut keys = Vec::new();
        Template::parse("{n}")
            .expect("parses")
            .keys(&Root(json!({ "n": ["a", 1, null, {}] })), |key| {
                keys.push(key.to_owned())
            });
        assert_eq!(keys, ["a", "1"]);
    }

    proptest! {
        #[test]
        fn any_text_parses_or_says_why(text in ".{0,60}") {
            if let Err(reason) = Template::parse(&text) {
                prop_assert!(!reason.is_empty());
            }
        }
    }
}
