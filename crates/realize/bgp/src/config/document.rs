//! A TOML document read by key. Every fault is collected with its line, so an operator sees all of them at once; a key
//! nobody asked for is a fault. Knows nothing of BGP.
//!
//! A [`Table`] may have several layers (a neighbor, its group): the first layer that has a key wins, so inheritance is
//! nothing but where a value is looked for.

use super::error::{ConfigErrors, Issue};
use super::value::FromToml;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

type Spanned<T> = toml::Spanned<T>;

/// The text being read and the faults found in it so far.
pub(super) struct Document<'d> {
    text: &'d str,
    issues: RefCell<Vec<Issue>>,
}

impl<'d> Document<'d> {
    pub(super) fn new(text: &'d str) -> Self {
        Self {
            text,
            issues: RefCell::new(Vec::new()),
        }
    }

    /// Syntax errors become issues; what could be read is returned.
    pub(super) fn parse(&self) -> Spanned<DeTable<'d>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let start = error.span().map_or(0, |span| span.start);
            self.report(Issue {
                line: self.line(start),
                key: String::new(),
                value: None,
                problem: format!("not TOML: {}", error.message()),
            });
        }
        table
    }

    fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn excerpt(&self, span: Range<usize>) -> Option<String> {
        let text = self.text.get(span)?;
        let mut shown: String = text.chars().take(60).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Some(shown.replace('\n', " "))
    }

    fn report(&self, issue: Issue) {
        let mut issues = self.issues.borrow_mut();
        if !issues.contains(&issue) {
            issues.push(issue);
        }
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, ConfigErrors> {
        let mut issues = self.issues.into_inner();
        if issues.is_empty() {
            return Ok(value);
        }
        issues.sort_by(|a, b| (a.line, &a.key).cmp(&(b.line, &b.key)));
        Err(ConfigErrors { issues })
    }
}

#[derive(Clone)]
struct Layer<'d> {
    table: &'d DeTable<'d>,
    path: String,
    span: Range<usize>,
    /// What of it may be inherited; `None`: all.
    visible: Option<&'static [&'static str]>,
}

impl<'d> Layer<'d> {
    fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        let hidden = self.visible.is_some_and(|keys| !keys.contains(&key));
        self.table.get(key).filter(|_| !hidden)
    }
}

/// A table, or a table on top of those it inherits from.
pub(super) struct Table<'d> {
    document: &'d Document<'d>,
    layers: Vec<Layer<'d>>,
    /// Where it would stand if no layer has it.
    path: String,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'d> Table<'d> {
    pub(super) fn root(document: &'d Document<'d>, table: &'d Spanned<DeTable<'d>>) -> Self {
        let layer = Layer {
            table: table.get_ref(),
            path: String::new(),
            span: 0..0,
            visible: None,
        };
        Self::of(document, vec![layer], String::new())
    }

    fn of(document: &'d Document<'d>, layers: Vec<Layer<'d>>, path: String) -> Self {
        Self {
            document,
            layers,
            path,
            asked: RefCell::default(),
        }
    }

    /// This table, and where it has no value, `below`.
    pub(super) fn over(&self, below: &Self) -> Self {
        let layers = self.layers.iter().chain(&below.layers).cloned().collect();
        Self::of(self.document, layers, self.path.clone())
    }

    /// As something to inherit from: only these keys of it, and the others are no fault.
    pub(super) fn only(&self, keys: &'static [&'static str]) -> Self {
        let mut layers = self.layers.clone();
        for layer in &mut layers {
            layer.visible = Some(keys);
        }
        Self::of(self.document, layers, self.path.clone())
    }

    pub(super) fn is_present(&self) -> bool {
        !self.layers.is_empty()
    }

    fn find(&self, key: &str) -> Option<(&Layer<'d>, &'d Spanned<DeValue<'d>>)> {
        self.layers
            .iter()
            .find_map(|layer| layer.get(key).map(|value| (layer, value)))
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.asked.borrow_mut().insert(key);
        self.find(key).is_some()
    }

    /// The value of a key, if there is one that can be read.
    pub(super) fn get<T: FromToml>(&self, key: &'static str) -> Option<T> {
        self.asked.borrow_mut().insert(key);
        let (layer, value) = self.find(key)?;
        match T::from_toml(value.get_ref()) {
            Ok(read) => Some(read),
            Err(problem) => {
                self.fault(layer, key, value.span(), problem);
                None
            }
        }
    }

    pub(super) fn or<T: FromToml>(&self, key: &'static str, default: T) -> T {
        self.get(key).unwrap_or(default)
    }

    /// A number that must lie in a range; `meaning` says what the range is.
    pub(super) fn bounded<T>(
        &self,
        key: &'static str,
        range: Range<u64>,
        default: T,
        meaning: &str,
    ) -> T
    where
        T: TryFrom<u64>,
    {
        let Some(number) = self.get::<u64>(key) else {
            return default;
        };
        match T::try_from(number) {
            Ok(value) if range.contains(&number) => value,
            _ => {
                let last = range.end - 1;
                self.issue(key, format!("{meaning} is {} to {last}", range.start));
                default
            }
        }
    }

    /// A value there must be; `hint` says what to write.
    pub(super) fn required<T: FromToml>(&self, key: &'static str, hint: &str) -> Option<T> {
        if !self.has(key) {
            self.issue(key, format!("is missing: {hint}"));
        }
        self.get(key)
    }

    /// A list, each element read for itself so that each faulty one is named. A single value is a list of one.
    pub(super) fn list<T: FromToml>(&self, key: &'static str) -> Vec<T> {
        self.asked.borrow_mut().insert(key);
        let Some((layer, value)) = self.find(key) else {
            return Vec::new();
        };
        let elements = elements_of(value);
        let mut read = Vec::with_capacity(elements.len());
        for element in elements {
            match T::from_toml(element.get_ref()) {
                Ok(item) => read.push(item),
                Err(problem) => self.fault(layer, key, element.span(), problem),
            }
        }
        read
    }

    /// The table under a key; empty where there is none.
    pub(super) fn table(&self, key: &'static str) -> Self {
        self.asked.borrow_mut().insert(key);
        let layers = self.sublayers(key);
        Self::of(self.document, layers, join(&self.path, key))
    }

    fn sublayers(&self, key: &str) -> Vec<Layer<'d>> {
        let mut layers = Vec::new();
        for layer in &self.layers {
            let Some(value) = layer.get(key) else {
                continue;
            };
            match value.get_ref() {
                DeValue::Table(table) => layers.push(Layer {
                    table,
                    path: join(&layer.path, key),
                    span: value.span(),
                    visible: None,
                }),
                other => {
                    let problem = format!("must be a table, not a {}", other.type_str());
                    self.fault(layer, key, value.span(), problem);
                }
            }
        }
        layers
    }

    /// The tables of an array of tables (`[[key]]`), or of a single one.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Self> {
        self.asked.borrow_mut().insert(key);
        let Some((layer, value)) = self.find(key) else {
            return Vec::new();
        };
        let elements = elements_of(value);
        let mut tables = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let path = format!("{}[{index}]", join(&layer.path, key));
            match element.get_ref() {
                DeValue::Table(table) => {
                    let layer = Layer {
                        table,
                        path: path.clone(),
                        span: element.span(),
                        visible: None,
                    };
                    tables.push(Self::of(self.document, vec![layer], path));
                }
                other => {
                    let problem = format!("must be a table, not a {}", other.type_str());
                    self.fault(layer, key, element.span(), problem);
                }
            }
        }
        tables
    }

    /// The tables under a key by the names an operator gave them (`[key.name]`).
    pub(super) fn named(&self, key: &'static str) -> Vec<(String, Self)> {
        let parent = self.table(key);
        parent
            .names()
            .into_iter()
            .map(|name| {
                let layers = parent.sublayers(&name);
                let path = join(&parent.path, &name);
                (name, Self::of(self.document, layers, path))
            })
            .collect()
    }

    fn names(&self) -> BTreeSet<String> {
        let keys = self.layers.iter().flat_map(|layer| layer.table.keys());
        keys.map(|key| key.get_ref().to_string()).collect()
    }

    /// Like [`Table::named`], with the short form `key = ["name", …]` for names without options.
    pub(super) fn named_or_listed(&self, key: &'static str) -> Vec<(String, Self)> {
        self.asked.borrow_mut().insert(key);
        let mut listed = BTreeSet::new();
        let mut tables = Vec::new();
        for layer in &self.layers {
            match layer.get(key).map(Spanned::get_ref) {
                Some(DeValue::Array(_)) => {
                    let one = Self::of(self.document, vec![layer.clone()], layer.path.clone());
                    listed.extend(one.list::<String>(key));
                }
                Some(_) => tables.push(layer.clone()),
                None => {}
            }
        }
        let tables = Self::of(self.document, tables, self.path.clone());
        let mut all = tables.named(key);
        for name in listed {
            if !all.iter().any(|(known, _)| *known == name) {
                let path = format!("{}.{name}", join(&self.path, key));
                all.push((name, Self::of(self.document, Vec::new(), path)));
            }
        }
        all
    }

    /// The values under names an operator gave, of the first layer that has each.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, &'d Spanned<DeValue<'d>>)> {
        let names = self.names().into_iter();
        names.filter_map(|name| {
            let value = self.find(&name)?.1;
            Some((name, value))
        })
    }

    /// Reports a fault at a place inside the value of a key.
    pub(super) fn fault_at(&self, key: &str, span: Range<usize>, problem: String) {
        if let Some((layer, _)) = self.find(key) {
            self.fault(layer, key, span, problem);
        }
    }

    /// Reports a fault of a value, or of its absence.
    pub(super) fn issue(&self, key: &'static str, problem: impl Into<String>) {
        self.asked.borrow_mut().insert(key);
        match self.find(key) {
            Some((layer, value)) => self.fault(layer, key, value.span(), problem.into()),
            None => self.fault_here(key, problem.into()),
        }
    }

    /// Reports a fault of the table as a whole.
    pub(super) fn complain(&self, problem: impl Into<String>) {
        self.fault_here("", problem.into());
    }

    fn fault_here(&self, key: &str, problem: String) {
        let start = self.layers.first().map_or(0, |layer| layer.span.start);
        self.document.report(Issue {
            line: self.document.line(start),
            key: join(&self.path, key),
            value: None,
            problem,
        });
    }

    fn fault(&self, layer: &Layer<'d>, key: &str, span: Range<usize>, problem: String) {
        let secret = key == "password";
        let value = self.document.excerpt(span.clone());
        self.document.report(Issue {
            line: self.document.line(span.start),
            key: join(&layer.path, key),
            value: value.filter(|_| !secret),
            problem,
        });
    }

    /// Reports the keys that nobody asked for. The last thing done with a table.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for layer in &self.layers {
            for key in layer.table.keys() {
                let name: &str = key.get_ref();
                if layer.visible.is_some() || asked.contains(name) {
                    continue;
                }
                let problem = match nearest(name, &asked) {
                    Some(known) => format!("unknown key; did you mean `{known}`?"),
                    None => {
                        let known: Vec<&str> = asked.iter().copied().collect();
                        format!("unknown key; known here: {}", known.join(", "))
                    }
                };
                self.document.report(Issue {
                    line: self.document.line(key.span().start),
                    key: join(&layer.path, name),
                    value: None,
                    problem,
                });
            }
        }
    }
}

fn elements_of<'d>(value: &'d Spanned<DeValue<'d>>) -> &'d [Spanned<DeValue<'d>>] {
    match value.get_ref() {
        DeValue::Array(elements) => elements,
        _ => std::slice::from_ref(value),
    }
}

fn join(path: &str, key: &str) -> String {
    match (path.is_empty(), key.is_empty()) {
        (true, _) => key.to_owned(),
        (_, true) => path.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

/// The known key that is at most a third of its letters away.
fn nearest<'k>(name: &str, known: &BTreeSet<&'k str>) -> Option<&'k str> {
    let distances = known.iter().map(|key| (distance(name, key), *key));
    let (edits, key) = distances.min()?;
    (edits <= 1 + key.len() / 4).then_some(key)
}

/// Edits between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
