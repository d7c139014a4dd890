//! What the links of one pair of objects say, by one rule.

use super::index::{JoinIndex, attribute, elements};
use crate::declare::{Condition, LinkRule, Lookup};
use crate::link::{Link, LinkState};
use crate::object::{Handle, Object, ObjectRef};
use crate::state::State;
use crate::template::{Path, Template, Values, plain};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A pair and the elements it is joined by, as the texts of a rule see it.
struct PairValues<'v> {
    state: &'v State,
    environment: &'v Value,
    source: (Handle, &'v Object, Option<&'v Value>),
    target: (Handle, &'v Object, Option<&'v Value>),
    lookups: Vec<(&'v str, Found<'v>)>,
    item: Option<&'v Value>,
}

#[derive(Clone, Copy)]
enum Found<'v> {
    Object(Handle, &'v Object),
    Element(&'v Value),
}

impl Values for PairValues<'_> {
    fn value(&self, path: &Path) -> Option<Cow<'_, Value>> {
        let end =
            |(handle, object, _): (Handle, _, _)| attribute(self.state, handle, object, path, 1);
        let element = |value| path.walk(value, 1).map(Cow::Borrowed);
        match path.head() {
            "source" => end(self.source),
            "target" => end(self.target),
            "source_item" => element(self.source.2?),
            "target_item" => element(self.target.2?),
            "environment" => element(self.environment),
            "item" if self.item.is_some() => element(self.item?),
            name => match self.lookups.iter().find(|(lookup, _)| *lookup == name)?.1 {
                Found::Object(handle, object) => attribute(self.state, handle, object, path, 1),
                Found::Element(value) => element(value),
            },
        }
    }
}

/// The links the rule makes of a pair, each with another `distinct`, and the keys of the objects they look up, known or not.
pub(super) fn links(
    rule: &LinkRule,
    joins: &[JoinIndex],
    state: &State,
    environment: &Value,
    pair: (u32, u32),
) -> (Vec<Link>, Vec<ObjectRef>) {
    let (mut links, mut watches) = (Vec::<Link>::new(), Vec::new());
    let (source, target) = (Handle(pair.0), Handle(pair.1));
    let (Some(from), Some(to)) = (state.object(source), state.object(target)) else {
        return (links, watches);
    };
    if from.key.object_type != rule.source || to.key.object_type != rule.target || source == target
    {
        return (links, watches);
    }
    for (join, index) in rule.joins.iter().zip(joins) {
        for (source_item, target_item) in index.bindings(pair.0, pair.1) {
            let mut values = PairValues {
                state,
                environment,
                source: (
                    source,
                    from,
                    item(from, join.source.each.as_ref(), source_item),
                ),
                target: (target, to, item(to, join.target.each.as_ref(), target_item)),
                lookups: Vec::new(),
                item: None,
            };
            look_up(rule, &mut values, &mut watches);
            if !holds(rule, &values) {
                continue;
            }
            let link = link(rule, &values);
            // Several elements may join one pair; the last of them speaks.
            match links.iter_mut().find(|made| made.distinct == link.distinct) {
                Some(made) => *made = link,
                None => links.push(link),
            }
        }
        if !links.is_empty() {
            break;
        }
    }
    links.sort_by(|a, b| a.distinct.cmp(&b.distinct));
    watches.sort();
    watches.dedup();
    (links, watches)
}

fn item<'v>(object: &'v Object, each: Option<&Path>, at: Option<u32>) -> Option<&'v Value> {
    let each = each?;
    let list = each.walk(object.get(each.head())?, 1)?;
    elements(list).nth(at? as usize)
}

fn look_up<'v>(rule: &'v LinkRule, values: &mut PairValues<'v>, watches: &mut Vec<ObjectRef>) {
    let state = values.state;
    for (name, lookup) in &rule.lookups {
        let found = match lookup {
            Lookup::Object { object_type, id } => {
                let key = id
                    .text(values)
                    .and_then(|id| ObjectRef::new(object_type, &id).ok());
                key.and_then(|key| {
                    watches.push(key.clone());
                    let handle = state.find(&key)?;
                    Some(Found::Object(handle, state.object(handle)?))
                })
            }
            Lookup::Element { each, key, equals } => element(values, each, key, equals),
        };
        if let Some(found) = found {
            values.lookups.push((name, found));
        }
    }
}

fn element<'v>(
    values: &mut PairValues<'v>,
    each: &Path,
    key: &Template,
    equals: &Template,
) -> Option<Found<'v>> {
    let equals = equals.text(values)?;
    let object = match each.head() {
        "source" => values.source.1,
        "target" => values.target.1,
        _ => return None,
    };
    let list = each.walk(object.get(each.steps().get(1)?)?, 2)?;
    for item in elements(list) {
        values.item = Some(item);
        let found = key.text(values).as_deref() == Some(&equals);
        values.item = None;
        if found {
            return Some(Found::Element(item));
        }
    }
    None
}

fn condition(condition: &Condition, values: &PairValues<'_>) -> bool {
    let value = condition.value.value(values);
    match (value, condition.equals.text(values)) {
        (Some(Value::Array(list)), Some(wanted)) => list
            .iter()
            .filter_map(plain)
            .any(|element| element == wanted),
        (Some(value), Some(wanted)) => plain(&value).is_some_and(|value| value == wanted),
        _ => condition.or_absent,
    }
}

fn holds(rule: &LinkRule, values: &PairValues<'_>) -> bool {
    rule.conditions.iter().all(|c| condition(c, values))
        && rule.requires.iter().all(|required| {
            if required
                .when
                .as_ref()
                .is_some_and(|when| !condition(when, values))
            {
                return true;
            }
            let end = if required.source_end {
                values.source.0
            } else {
                values.target.0
            };
            values
                .state
                .links_at(end)
                .any(|(_, link)| link.link_type == required.link)
        })
}

fn link(rule: &LinkRule, values: &PairValues<'_>) -> Link {
    let text = |template: &Option<Template>| {
        template
            .as_ref()
            .and_then(|template| template.text(values))
            .map(Arc::from)
    };
    let state = rule
        .state
        .as_ref()
        .map_or(LinkState::Up, |state| match state.value.text(values) {
            Some(value) if state.down.contains(&value) => LinkState::Down,
            Some(value) if !state.up.is_empty() && !state.up.contains(&value) => LinkState::Unknown,
            _ => LinkState::Up,
        });
    Link {
        link_type: rule.link_type.clone(),
        source: values.source.0,
        target: values.target.0,
        distinct: text(&rule.distinct),
        name: text(&rule.name),
        source_label: text(&rule.source_label),
        target_label: text(&rule.target_label),
        state,
        weight: text(&rule.weight).and_then(|w| w.parse().ok()).unwrap_or(0),
        implicit: false,
        place: text(&rule.place),
        attributes: rule
            .attributes
            .iter()
            .filter_map(|(name, template)| Some((name.clone(), template.value(values)?)))
            .collect(),
    }
}
