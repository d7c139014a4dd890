//! The declaration files as written: entries with the place they stand at, before names are looked up.

use super::DeclarationError;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// An entry and where it stands.
#[derive(Debug, Clone)]
pub(super) struct At<T> {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) entry: T,
}

impl<T> At<T> {
    pub(super) fn error(&self, reason: impl Into<String>) -> DeclarationError {
        DeclarationError {
            file: self.file.clone(),
            line: self.line,
            reason: reason.into(),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Raw {
    pub(super) precedence: Option<At<Vec<Vec<String>>>>,
    pub(super) implicit: Option<At<RawImplicit>>,
    pub(super) types: Vec<At<RawType>>,
    pub(super) links: Vec<At<RawLink>>,
    pub(super) stamps: Vec<At<RawStamp>>,
    pub(super) cliques: Vec<At<RawClique>>,
    pub(super) constraints: Vec<At<RawConstraint>>,
    pub(super) causes: Vec<At<RawCause>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawImplicit {
    pub(super) agree: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawType {
    pub(super) name: String,
    pub(super) label: String,
    #[serde(default)]
    pub(super) folder: Vec<RawFolder>,
    #[serde(default)]
    pub(super) layer: u8,
    #[serde(default)]
    pub(super) tenant: Vec<String>,
    #[serde(default)]
    pub(super) identity: Vec<String>,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) hover: Vec<String>,
    #[serde(default)]
    pub(super) impact: Option<String>,
    #[serde(default)]
    pub(super) place: Option<String>,
    #[serde(default)]
    pub(super) parts: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum RawFolder {
    Fixed {
        name: String,
        text: String,
    },
    By {
        by: String,
        values: BTreeMap<String, RawFolderName>,
        otherwise: RawFolderName,
    },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFolderName {
    pub(super) name: String,
    pub(super) text: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLink {
    #[serde(rename = "type")]
    pub(super) link_type: String,
    #[serde(rename = "match")]
    pub(super) joins: Vec<RawJoin>,
    #[serde(default)]
    pub(super) lookup: Vec<RawLookup>,
    #[serde(default, rename = "where")]
    pub(super) conditions: Vec<RawCondition>,
    #[serde(default)]
    pub(super) requires: Vec<RawRequires>,
    #[serde(default)]
    pub(super) distinct: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) source_label: Option<String>,
    #[serde(default)]
    pub(super) target_label: Option<String>,
    #[serde(default)]
    pub(super) weight: Option<String>,
    #[serde(default)]
    pub(super) state: Option<RawState>,
    #[serde(default)]
    pub(super) place: Option<String>,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) depends: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJoin {
    #[serde(default)]
    pub(super) each_source: Option<String>,
    pub(super) source: String,
    #[serde(default)]
    pub(super) each_target: Option<String>,
    pub(super) target: String,
    #[serde(default)]
    pub(super) through: Option<RawThrough>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawThrough {
    #[serde(rename = "type")]
    pub(super) object_type: String,
    pub(super) source: String,
    pub(super) target: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLookup {
    #[serde(rename = "as")]
    pub(super) name: String,
    /// Either an object of this type whose id is `id` ...
    #[serde(default, rename = "type")]
    pub(super) object_type: Option<String>,
    #[serde(default)]
    pub(super) id: Option<String>,
    /// ... or the first element of this list or map whose `key` is `equals`.
    #[serde(default)]
    pub(super) each: Option<String>,
    #[serde(default)]
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) equals: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    pub(super) value: String,
    pub(super) equals: String,
    /// It also holds when one side has no value.
    #[serde(default)]
    pub(super) or_absent: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequires {
    pub(super) end: String,
    pub(super) link: String,
    #[serde(default)]
    pub(super) when: Option<RawCondition>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawState {
    pub(super) value: String,
    #[serde(default)]
    pub(super) up: Vec<String>,
    #[serde(default)]
    pub(super) down: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStamp {
    #[serde(rename = "type")]
    pub(super) object_type: String,
    pub(super) attribute: String,
    pub(super) link: String,
    pub(super) value: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClique {
    pub(super) name: String,
    pub(super) focal: String,
    pub(super) links: Vec<String>,
    #[serde(default)]
    pub(super) environment: Option<String>,
    #[serde(default)]
    pub(super) environment_type: Option<String>,
    #[serde(default)]
    pub(super) distribution: Option<String>,
    #[serde(default)]
    pub(super) distribution_version: Option<String>,
    #[serde(default)]
    pub(super) mechanism_driver: Option<String>,
    #[serde(default)]
    pub(super) type_driver: Option<String>,
    #[serde(default)]
    pub(super) implicit: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConstraint {
    pub(super) focal: String,
    #[serde(default)]
    pub(super) environment: Option<String>,
    pub(super) attributes: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCause {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) object_type: String,
    pub(super) statuses: Vec<String>,
    pub(super) follow: Vec<String>,
    #[serde(default)]
    pub(super) same: Vec<String>,
    pub(super) effect: String,
    pub(super) because: String,
}

pub(super) fn read(files: &[(&str, &str)], errors: &mut Vec<DeclarationError>) -> Raw {
    let mut raw = Raw::default();
    for (file, text) in files {
        Reader { file, text, errors }.read(&mut raw);
    }
    raw
}

struct Reader<'r> {
    file: &'r str,
    text: &'r str,
    errors: &'r mut Vec<DeclarationError>,
}

impl Reader<'_> {
    fn read(&mut self, raw: &mut Raw) {
        let (document, faults) = DeTable::parse_recoverable(self.text);
        for fault in &faults {
            let start = fault.span().map_or(0, |span| span.start);
            self.error(start, fault.message());
        }
        for (key, value) in document.into_inner() {
            let start = key.span().start;
            match key.get_ref().as_ref() {
                "precedence" => raw.precedence = self.entry(value),
                "implicit" => raw.implicit = self.entry(value),
                "type" => self.entries(value, &mut raw.types),
                "link" => self.entries(value, &mut raw.links),
                "stamp" => self.entries(value, &mut raw.stamps),
                "clique" => self.entries(value, &mut raw.cliques),
                "constraint" => self.entries(value, &mut raw.constraints),
                "cause" => self.entries(value, &mut raw.causes),
                other => self.error(
                    start,
                    &format!(
                        "unknown section '{other}': precedence, implicit, type, link, stamp, clique, constraint or cause"
                    ),
                ),
            }
        }
    }

    fn entries<T: for<'de> Deserialize<'de>>(
        &mut self,
        value: Spanned<DeValue<'_>>,
        out: &mut Vec<At<T>>,
    ) {
        let start = value.span().start;
        match value.into_inner() {
            DeValue::Array(list) => out.extend(list.into_iter().filter_map(|v| self.entry(v))),
            _ => self.error(start, "write it as a list: [[...]]"),
        }
    }

    fn entry<T: for<'de> Deserialize<'de>>(
        &mut self,
        value: Spanned<DeValue<'_>>,
    ) -> Option<At<T>> {
        let start = value.span().start;
        match T::deserialize(ValueDeserializer::from(value)) {
            Ok(entry) => Some(At {
                file: self.file.to_owned(),
                line: self.line(start),
                entry,
            }),
            Err(error) => {
                let at = error.span().map_or(start, |span| span.start);
                self.error(at, error.message());
                None
            }
        }
    }

    fn error(&mut self, start: usize, reason: &str) {
        let line = self.line(start);
        self.errors.push(DeclarationError {
            file: self.file.to_owned(),
            line,
            reason: reason.trim().replace('\n', ": "),
        });
    }

    fn line(&self, start: usize) -> usize {
        let start = start.min(self.text.len());
        1 + self.text.as_bytes()[..start]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
    }
}
