//! From entries as written to checked declarations: names looked up, templates parsed, rules put in order.

use super::raw::{At, Raw, RawClique, RawConstraint, RawFolder, RawFolderName, RawType};
use super::{
    AttributeKind, CauseRule, CliqueConstraint, CliqueScope, CliqueType, DeclarationError,
    Declarations, Folder, FolderStep, ImpactBy, TypeRule,
};
use super::{link, raw};
use crate::{LinkType, ObjectType, SourceKind, StatusLevel};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) fn check(raw: Raw, errors: &mut Vec<DeclarationError>) -> Declarations {
    let mut declarations = Declarations {
        ranks: ranks(&raw, errors),
        types: HashMap::default(),
        links: Vec::new(),
        link_places: HashMap::default(),
        stamps: HashMap::default(),
        cliques: Vec::new(),
        constraints: Vec::new(),
        causes: Vec::new(),
        implicit: raw
            .implicit
            .iter()
            .flat_map(|i| i.entry.agree.iter().map(|a| a.as_str().into()))
            .collect(),
    };
    for at in &raw.types {
        if let Some(rule) = object_type(at, errors) {
            declarations.types.insert(rule.name.clone(), rule);
        }
    }
    let links: BTreeMap<&str, _> = raw
        .links
        .iter()
        .map(|at| (at.entry.link_type.as_str(), at))
        .collect();
    let rules: Vec<_> = links
        .into_values()
        .filter_map(|at| Some((at, link::rule(at, &declarations, errors)?)))
        .collect();
    declarations.set_links(rules.iter().map(|(_, rule)| rule.clone()).collect());
    for at in &raw.stamps {
        stamp(at, &mut declarations, errors);
    }
    let ordered = link::ordered(rules, &declarations, errors);
    declarations.set_links(ordered);
    causes(&raw, &mut declarations, errors);
    (declarations.cliques, declarations.constraints) = cliques(raw, &declarations, errors);
    declarations
}

impl Declarations {
    fn set_links(&mut self, links: Vec<super::LinkRule>) {
        let places = links.iter().enumerate();
        self.link_places = places
            .map(|(n, rule)| (rule.link_type.clone(), n))
            .collect();
        self.links = links;
    }
}

/// Parses a name or says at which entry it is wrong.
pub(super) fn name<T, R>(
    at: &At<R>,
    parsed: Result<T, crate::TopologyError>,
    errors: &mut Vec<DeclarationError>,
) -> Option<T> {
    parsed
        .map_err(|error| errors.push(at.error(error.to_string())))
        .ok()
}

fn ranks(raw: &Raw, errors: &mut Vec<DeclarationError>) -> HashMap<SourceKind, u32> {
    let mut ranks = HashMap::new();
    let Some(at) = &raw.precedence else {
        return ranks;
    };
    for (rank, kinds) in at.entry.iter().enumerate() {
        for kind in kinds {
            if let Some(kind) = name(at, SourceKind::new(kind), errors)
                && ranks.insert(kind.clone(), rank as u32).is_some()
            {
                errors.push(at.error(format!("source kind '{kind}' is ranked twice")));
            }
        }
    }
    ranks
}

fn object_type(at: &At<RawType>, errors: &mut Vec<DeclarationError>) -> Option<TypeRule> {
    let raw = &at.entry;
    let object_type = name(at, ObjectType::new(&raw.name), errors)?;
    let texts = |list: &[String]| list.iter().map(|text| Arc::from(text.as_str())).collect();
    let mut attributes = BTreeMap::new();
    for (attribute, kind) in &raw.attributes {
        let kind = match kind.as_str() {
            "text" => AttributeKind::Text,
            "id" => AttributeKind::Id,
            "mac" => AttributeKind::Mac,
            "ip" => AttributeKind::Ip,
            "cidr" => AttributeKind::Cidr,
            "plain" => AttributeKind::Plain,
            other => {
                errors.push(at.error(format!(
                    "type '{object_type}': attribute '{attribute}' has kind '{other}': text, id, mac, ip, cidr or plain"
                )));
                continue;
            }
        };
        attributes.insert(attribute.as_str().into(), kind);
    }
    let impact = match raw.impact.as_deref() {
        None | Some("dependents") => ImpactBy::Dependents,
        Some("clique") => ImpactBy::Clique,
        Some(other) => {
            errors.push(at.error(format!(
                "type '{object_type}': impact '{other}': dependents or clique"
            )));
            return None;
        }
    };
    Some(TypeRule {
        name: object_type,
        label: raw.label.as_str().into(),
        folder: raw.folder.iter().map(folder_step).collect(),
        layer: raw.layer,
        tenant: texts(&raw.tenant),
        identity: texts(&raw.identity),
        attributes,
        hover: texts(&raw.hover),
        impact,
        parts: raw.parts.as_deref().map(Arc::from),
        place: raw.place.as_deref().unwrap_or("host").into(),
    })
}

fn folder_step(raw: &RawFolder) -> FolderStep {
    let folder = |raw: &RawFolderName| Folder {
        name: raw.name.as_str().into(),
        text: raw.text.as_str().into(),
    };
    match raw {
        RawFolder::Fixed { name, text } => FolderStep::Fixed(Folder {
            name: name.as_str().into(),
            text: text.as_str().into(),
        }),
        RawFolder::By {
            by,
            values,
            otherwise,
        } => FolderStep::By {
            attribute: by.as_str().into(),
            values: values
                .iter()
                .map(|(value, raw)| (value.as_str().into(), folder(raw)))
                .collect(),
            otherwise: folder(otherwise),
        },
    }
}

/// A declared object type by name.
pub(super) fn known<R>(
    at: &At<R>,
    text: &str,
    declarations: &Declarations,
    errors: &mut Vec<DeclarationError>,
) -> Option<ObjectType> {
    let object_type = name(at, ObjectType::new(text), errors)?;
    if !declarations.types.contains_key(&object_type) {
        errors.push(at.error(format!("object type '{text}' is not declared")));
        return None;
    }
    Some(object_type)
}

fn stamp(
    at: &At<raw::RawStamp>,
    declarations: &mut Declarations,
    errors: &mut Vec<DeclarationError>,
) {
    let raw = &at.entry;
    let Some(object_type) = known(at, &raw.object_type, declarations, errors) else {
        return;
    };
    let Some(link) = name(at, LinkType::new(&raw.link), errors) else {
        return;
    };
    match declarations.link_rule(&link) {
        Some(rule) if rule.source == object_type || rule.target == object_type => {
            let rule = super::StampRule {
                link,
                value: raw.value.as_str().into(),
            };
            let stamps = declarations.stamps.entry(object_type).or_default();
            stamps.retain(|(attribute, _)| **attribute != *raw.attribute);
            stamps.push((raw.attribute.as_str().into(), rule));
        }
        Some(_) => errors.push(at.error(format!(
            "stamp '{}' of '{object_type}': link type '{link}' has no end of that type",
            raw.attribute
        ))),
        None => errors.push(at.error(format!("link type '{link}' is not declared"))),
    }
}

/// The steps of a walk: each must be a declared link type, written from either end.
fn steps<R>(
    at: &At<R>,
    what: &str,
    texts: &[String],
    start: &ObjectType,
    implicit: bool,
    declarations: &Declarations,
    errors: &mut Vec<DeclarationError>,
) -> Vec<LinkType> {
    let mut reached = vec![start.clone()];
    let mut out = Vec::new();
    for text in texts {
        let Some(step) = name(at, LinkType::new(text), errors) else {
            continue;
        };
        let Some((from, to)) = name(at, step.ends(), errors) else {
            continue;
        };
        let declared = declarations.link_rule(&step).is_some()
            || declarations.link_rule(&step.reversed()).is_some();
        let ends_known =
            declarations.types.contains_key(&from) && declarations.types.contains_key(&to);
        let allowed = declared || (implicit && ends_known);
        if !allowed {
            errors.push(at.error(format!(
                "{what}: step '{step}' is no declared link type, in either direction"
            )));
            continue;
        }
        if !reached.contains(&from) {
            errors.push(at.error(format!(
                "{what}: step '{step}' starts at '{from}', which no step before it reaches"
            )));
        }
        reached.push(to);
        out.push(step);
    }
    out
}

pub(super) fn cliques(
    raw: Raw,
    declarations: &Declarations,
    errors: &mut Vec<DeclarationError>,
) -> (Vec<CliqueType>, Vec<CliqueConstraint>) {
    let mut cliques: Vec<CliqueType> = Vec::new();
    for at in &raw.cliques {
        if let Some(clique) = clique(at, declarations, errors) {
            cliques.retain(|c| {
                (&c.name, &c.focal, &c.scope) != (&clique.name, &clique.focal, &clique.scope)
            });
            cliques.push(clique);
        }
    }
    let mut constraints: Vec<CliqueConstraint> = Vec::new();
    for at in &raw.constraints {
        if let Some(constraint) = constraint(at, declarations, errors) {
            constraints.retain(|c| {
                (&c.focal, &c.environment) != (&constraint.focal, &constraint.environment)
            });
            constraints.push(constraint);
        }
    }
    (cliques, constraints)
}

fn clique(
    at: &At<RawClique>,
    declarations: &Declarations,
    errors: &mut Vec<DeclarationError>,
) -> Option<CliqueType> {
    let raw = &at.entry;
    let focal = known(at, &raw.focal, declarations, errors)?;
    let what = format!("clique type '{}'", raw.name);
    let links = steps(
        at,
        &what,
        &raw.links,
        &focal,
        raw.implicit,
        declarations,
        errors,
    );
    let any = raw.environment.as_deref() == Some("ANY");
    let environment = match raw.environment.as_deref() {
        Some(text) if !any => Some(name(at, crate::Environment::new(text), errors)?),
        _ => None,
    };
    if raw.distribution_version.is_some() && raw.distribution.is_none() {
        errors.push(at.error(format!("{what}: distribution_version needs distribution")));
    }
    let text = |value: &Option<String>| value.as_deref().map(Arc::from);
    let scope = CliqueScope {
        environment,
        any,
        environment_type: text(&raw.environment_type),
        distribution: text(&raw.distribution),
        distribution_version: text(&raw.distribution_version),
        mechanism_driver: text(&raw.mechanism_driver),
        type_driver: text(&raw.type_driver),
    };
    if scope == CliqueScope::default() {
        errors.push(at.error(format!(
            "{what} says for no environment: write environment = \"ANY\", a name, or what it must have"
        )));
    }
    Some(CliqueType {
        name: raw.name.as_str().into(),
        focal,
        links,
        scope,
        implicit: raw.implicit,
    })
}

fn constraint(
    at: &At<RawConstraint>,
    declarations: &Declarations,
    errors: &mut Vec<DeclarationError>,
) -> Option<CliqueConstraint> {
    let raw = &at.entry;
    let focal = known(at, &raw.focal, declarations, errors)?;
    let environment = match raw.environment.as_deref() {
        Some(text) => Some(name(at, crate::Environment::new(text), errors)?),
        None => None,
    };
    Some(CliqueConstraint {
        focal,
        environment,
        attributes: raw.attributes.iter().map(|a| a.as_str().into()).collect(),
    })
}

fn causes(raw: &Raw, declarations: &mut Declarations, errors: &mut Vec<DeclarationError>) {
    let mut causes: BTreeMap<String, CauseRule> = BTreeMap::new();
    for at in &raw.causes {
        let raw = &at.entry;
        let what = format!("cause '{}'", raw.name);
        let mut level = |text: &String| match text.parse::<StatusLevel>() {
            Ok(level) => Some(level),
            Err(reason) => {
                errors.push(at.error(format!("{what}: {reason}")));
                None
            }
        };
        let statuses = raw.statuses.iter().filter_map(&mut level).collect();
        let effect = level(&raw.effect);
        let Some(object_type) = known(at, &raw.object_type, declarations, errors) else {
            continue;
        };
        let follow = steps(
            at,
            &what,
            &raw.follow,
            &object_type,
            false,
            declarations,
            errors,
        );
        let Some(effect) = effect else { continue };
        causes.insert(
            raw.name.clone(),
            CauseRule {
                name: raw.name.as_str().into(),
                object_type,
                statuses,
                follow,
                same: raw.same.iter().map(|a| a.as_str().into()).collect(),
                effect,
                because: raw.because.as_str().into(),
            },
        );
    }
    declarations.causes = causes.into_values().collect();
}
