//! Link rules from their written form: templates parsed, the ends' names checked, what they read worked out.

use super::{Condition, Depends, Join, KeyRule, LinkRule, Lookup, Requires, StateRule, Through};
use crate::declare::check::{known, name};
use crate::declare::raw::{At, RawCondition, RawJoin, RawLink, RawLookup};
use crate::declare::{DeclarationError, Declarations};
use crate::template::{Path, Template};
use crate::{LinkType, ObjectType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One rule being compiled: the entry, what is declared, and where faults go.
struct Compiler<'c> {
    at: &'c At<RawLink>,
    declarations: &'c Declarations,
    errors: &'c mut Vec<DeclarationError>,
    /// First names a link text may use.
    roots: BTreeSet<String>,
}

pub(crate) fn rule(
    at: &At<RawLink>,
    declarations: &Declarations,
    errors: &mut Vec<DeclarationError>,
) -> Option<LinkRule> {
    let raw = &at.entry;
    let link_type = name(at, LinkType::new(&raw.link_type), errors)?;
    let (source, target) = name(at, link_type.ends(), errors)?;
    for end in [&source, &target] {
        known(at, end.as_str(), declarations, errors)?;
    }
    let roots = [
        "source",
        "target",
        "source_item",
        "target_item",
        "environment",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(raw.lookup.iter().map(|l| l.name.clone()))
    .collect();
    let mut compiler = Compiler {
        at,
        declarations,
        errors,
        roots,
    };
    if raw.joins.is_empty() {
        compiler.error("needs at least one match");
    }
    Some(compiler.rule(link_type, source, target))
}

impl Compiler<'_> {
    fn rule(&mut self, link_type: LinkType, source: ObjectType, target: ObjectType) -> LinkRule {
        let raw = &self.at.entry;
        let joins = raw
            .joins
            .iter()
            .filter_map(|join| self.join(join))
            .collect();
        let lookups = raw
            .lookup
            .iter()
            .filter_map(|lookup| Some((lookup.name.as_str().into(), self.lookup(lookup)?)))
            .collect();
        let conditions = raw
            .conditions
            .iter()
            .filter_map(|c| self.condition(c))
            .collect();
        let attributes = raw
            .attributes
            .iter()
            .filter_map(|(name, text)| Some((Arc::from(name.as_str()), self.template(text)?)))
            .collect();
        LinkRule {
            depends: self.depends(),
            joins,
            lookups,
            conditions,
            requires: self.requires(),
            distinct: self.text(&raw.distinct),
            name: self.text(&raw.name),
            source_label: self.text(&raw.source_label),
            target_label: self.text(&raw.target_label),
            weight: self.text(&raw.weight),
            state: self.state(),
            place: self.text(&raw.place),
            attributes,
            reads_links: Vec::new(),
            reads_source: Vec::new(),
            reads_target: Vec::new(),
            link_type,
            source,
            target,
        }
    }

    fn state(&mut self) -> Option<StateRule> {
        let raw = self.at.entry.state.as_ref()?;
        Some(StateRule {
            value: self.template(&raw.value)?,
            up: raw.up.clone(),
            down: raw.down.clone(),
        })
    }

    fn error(&mut self, reason: impl std::fmt::Display) {
        let reason = format!("link '{}': {reason}", self.at.entry.link_type);
        self.errors.push(self.at.error(reason));
    }

    fn parsed<T>(&mut self, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|reason| self.error(reason)).ok()
    }

    /// A template over the link's ends and lookups.
    fn template(&mut self, text: &str) -> Option<Template> {
        let template = self.parsed(Template::parse(text))?;
        for path in template.paths() {
            if !self.roots.contains(path.head()) {
                let roots: Vec<&str> = self.roots.iter().map(String::as_str).collect();
                let reason = format!("'{path}' starts with none of {}", roots.join(", "));
                self.error(reason);
            }
        }
        Some(template)
    }

    fn text(&mut self, text: &Option<String>) -> Option<Template> {
        text.as_deref().and_then(|text| self.template(text))
    }

    fn depends(&mut self) -> Depends {
        match self.at.entry.depends.as_deref() {
            Some("source") => Depends::Source,
            Some("target") => Depends::Target,
            Some("both") => Depends::Both,
            None | Some("neither") => Depends::Neither,
            Some(other) => {
                self.error(format!(
                    "depends '{other}': source, target, both or neither"
                ));
                Depends::Neither
            }
        }
    }

    fn join(&mut self, raw: &RawJoin) -> Option<Join> {
        let through = match &raw.through {
            None => None,
            Some(through) => Some(Through {
                object_type: known(
                    self.at,
                    &through.object_type,
                    self.declarations,
                    self.errors,
                )?,
                source: self.parsed(Template::parse(&through.source))?,
                target: self.parsed(Template::parse(&through.target))?,
            }),
        };
        Some(Join {
            source: self.key(raw.each_source.as_deref(), &raw.source)?,
            target: self.key(raw.each_target.as_deref(), &raw.target)?,
            through,
        })
    }

    fn key(&mut self, each: Option<&str>, key: &str) -> Option<KeyRule> {
        let each = match each {
            None => None,
            Some(path) => Some(self.parsed(Path::parse(path))?),
        };
        let key = self.parsed(Template::parse(key))?;
        if each.is_none() && key.paths().iter().any(|path| path.head() == "item") {
            self.error("a key reads 'item' without each_source or each_target");
        }
        Some(KeyRule { each, key })
    }

    fn lookup(&mut self, raw: &RawLookup) -> Option<Lookup> {
        match (&raw.object_type, &raw.id, &raw.each, &raw.key, &raw.equals) {
            (Some(object_type), Some(id), None, None, None) => Some(Lookup::Object {
                object_type: known(self.at, object_type, self.declarations, self.errors)?,
                id: self.template(id)?,
            }),
            (None, None, Some(each), Some(key), Some(equals)) => {
                let each = self.parsed(Path::parse(each))?;
                self.roots.insert("item".into());
                let key = self.template(key);
                self.roots.remove("item");
                Some(Lookup::Element {
                    each,
                    key: key?,
                    equals: self.template(equals)?,
                })
            }
            _ => {
                self.error(format!(
                    "lookup '{}' needs either type and id, or each, key and equals",
                    raw.name
                ));
                None
            }
        }
    }

    fn condition(&mut self, raw: &RawCondition) -> Option<Condition> {
        Some(Condition {
            value: self.template(&raw.value)?,
            equals: self.template(&raw.equals)?,
            or_absent: raw.or_absent,
        })
    }

    fn requires(&mut self) -> Vec<Requires> {
        let at = self.at;
        at.entry
            .requires
            .iter()
            .filter_map(|raw| {
                let source_end = match raw.end.as_str() {
                    "source" => true,
                    "target" => false,
                    other => {
                        self.error(format!("requires end '{other}': source or target"));
                        return None;
                    }
                };
                let link = name(at, LinkType::new(&raw.link), self.errors)?;
                let when = match &raw.when {
                    None => None,
                    Some(when) => Some(self.condition(when)?),
                };
                Some(Requires {
                    source_end,
                    link,
                    when,
                })
            })
            .collect()
    }
}

/// All templates that read the two ends by `source.` and `target.`.
fn texts(rule: &LinkRule) -> Vec<&Template> {
    let mut out: Vec<&Template> = [
        &rule.distinct,
        &rule.name,
        &rule.source_label,
        &rule.target_label,
        &rule.weight,
        &rule.place,
    ]
    .into_iter()
    .flatten()
    .collect();
    out.extend(rule.state.iter().map(|state| &state.value));
    out.extend(rule.attributes.iter().map(|(_, template)| template));
    let whens = rule.requires.iter().filter_map(|r| r.when.as_ref());
    for condition in rule.conditions.iter().chain(whens) {
        out.extend([&condition.value, &condition.equals]);
    }
    for (_, lookup) in &rule.lookups {
        match lookup {
            Lookup::Object { id, .. } => out.push(id),
            Lookup::Element { key, equals, .. } => out.extend([key, equals]),
        }
    }
    out
}

/// Fills in what the rule reads, stamps resolved to the link types they come from.
fn reads(rule: &mut LinkRule, declarations: &Declarations) {
    let (mut source, mut target) = (BTreeSet::new(), BTreeSet::new());
    for join in &rule.joins {
        for (key, out) in [(&join.source, &mut source), (&join.target, &mut target)] {
            out.extend(key.each.iter().map(|each| Box::from(each.head())));
            out.extend(key.key.paths().iter().map(|path| Box::from(path.head())));
        }
    }
    let mut each = |path: &Path| match (path.head(), path.steps().get(1)) {
        ("source", Some(step)) => {
            source.insert(step.clone());
        }
        ("target", Some(step)) => {
            target.insert(step.clone());
        }
        _ => {}
    };
    texts(rule)
        .iter()
        .flat_map(|t| t.paths())
        .for_each(&mut each);
    for (_, lookup) in &rule.lookups {
        if let Lookup::Element { each: path, .. } = lookup {
            each(path);
        }
    }
    let stamped = |object_type: &ObjectType, reads: &BTreeSet<Box<str>>| -> Vec<LinkType> {
        reads
            .iter()
            .filter_map(|name| declarations.stamp(object_type, name))
            .map(|stamp| stamp.link.clone())
            .collect()
    };
    let links: BTreeSet<LinkType> = stamped(&rule.source, &source)
        .into_iter()
        .chain(stamped(&rule.target, &target))
        .chain(rule.requires.iter().map(|r| r.link.clone()))
        .collect();
    rule.reads_links = links.into_iter().collect();
    rule.reads_source = source.into_iter().collect();
    rule.reads_target = target.into_iter().collect();
}

/// The rules in an order in which each comes after those it reads; a circle is a fault.
pub(crate) fn ordered(
    rules: Vec<(&At<RawLink>, LinkRule)>,
    declarations: &Declarations,
    errors: &mut Vec<DeclarationError>,
) -> Vec<LinkRule> {
    let mut waiting: BTreeMap<LinkType, (&At<RawLink>, LinkRule)> = rules
        .into_iter()
        .map(|(at, mut rule)| {
            reads(&mut rule, declarations);
            (rule.link_type.clone(), (at, rule))
        })
        .collect();
    for (at, rule) in waiting.values() {
        for link in rule
            .reads_links
            .iter()
            .filter(|link| !waiting.contains_key(link))
        {
            errors.push(at.error(format!(
                "link '{}' reads link type '{link}', which is not declared",
                rule.link_type
            )));
        }
    }
    let mut done: Vec<LinkRule> = Vec::new();
    while !waiting.is_empty() {
        let ready: Vec<LinkType> = waiting
            .values()
            .filter(|(_, rule)| {
                !rule
                    .reads_links
                    .iter()
                    .any(|link| waiting.contains_key(link))
            })
            .map(|(_, rule)| rule.link_type.clone())
            .collect();
        if ready.is_empty() {
            for (at, rule) in waiting.values() {
                errors.push(at.error(format!(
                    "link '{}' reads links that read it: {}",
                    rule.link_type,
                    rule.reads_links.iter().map(LinkType::as_str).collect::<Vec<_>>().join(", ")
                )));
            }
            break;
        }
        for link_type in ready {
            done.extend(waiting.remove(&link_type).map(|(_, rule)| rule));
        }
    }
    done
}
