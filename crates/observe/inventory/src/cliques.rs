//! Clique types and constraints as operators edit them: kept whole, checked whole, and laid over the embedded ones.

use crate::{Inner, InventoryError, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use topology::{CliqueConstraint, CliqueType, Declarations};

/// A clique type as it is written: names and conditions as texts, checked when it is put in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliqueTypeText {
    pub name: String,
    pub focal: String,
    pub links: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mechanism_driver: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub type_driver: Option<String>,
    #[serde(default)]
    pub implicit: bool,
}

/// Attributes in which the links of a clique must not contradict its focal object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstraintText {
    pub focal: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    pub attributes: Vec<String>,
}

/// All clique types and constraints, once an operator has changed any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CliqueTexts {
    #[serde(rename = "clique")]
    pub types: Vec<CliqueTypeText>,
    #[serde(rename = "constraint")]
    pub constraints: Vec<ConstraintText>,
}

impl CliqueTexts {
    fn of(declarations: &Declarations) -> Self {
        Self {
            types: declarations.clique_types().map(type_text).collect(),
            constraints: declarations
                .clique_constraints()
                .map(constraint_text)
                .collect(),
        }
    }
}

fn type_text(clique: &CliqueType) -> CliqueTypeText {
    let text = |word: &Option<Arc<str>>| word.as_ref().map(ToString::to_string);
    let scope = &clique.scope;
    CliqueTypeText {
        name: clique.name.to_string(),
        focal: clique.focal.to_string(),
        links: clique.links.iter().map(ToString::to_string).collect(),
        environment: match scope.any {
            true => Some("ANY".to_owned()),
            false => scope.environment.as_ref().map(ToString::to_string),
        },
        environment_type: text(&scope.environment_type),
        distribution: text(&scope.distribution),
        distribution_version: text(&scope.distribution_version),
        mechanism_driver: text(&scope.mechanism_driver),
        type_driver: text(&scope.type_driver),
        implicit: clique.implicit,
    }
}

fn constraint_text(constraint: &CliqueConstraint) -> ConstraintText {
    ConstraintText {
        focal: constraint.focal.to_string(),
        environment: constraint.environment.as_ref().map(ToString::to_string),
        attributes: constraint
            .attributes
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

/// The declarations with what the operator made of cliques.
pub(crate) fn laid_over(
    declarations: Declarations,
    texts: Option<&CliqueTexts>,
) -> Result<Declarations> {
    let Some(texts) = texts else {
        return Ok(declarations);
    };
    let toml = toml::to_string(texts).map_err(|error| InventoryError::Unreadable {
        what: "the clique types".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(declarations.with_cliques("clique types", &toml)?)
}

impl Inner {
    pub(crate) fn cliques(&self) -> CliqueTexts {
        self.clique_texts
            .read(Clone::clone)
            .unwrap_or_else(|| CliqueTexts::of(&self.declarations.read()))
    }

    /// Changes them, checks the whole, and goes on with it in every map. Writes to disk.
    pub(crate) fn change_cliques<R>(
        &self,
        make: impl FnOnce(&mut CliqueTexts) -> Result<R>,
    ) -> Result<R> {
        let base = self.base_declarations()?;
        let (answer, next) = self.clique_texts.change(|kept| {
            let mut texts = kept.take().unwrap_or_else(|| CliqueTexts::of(&base));
            let answer = make(&mut texts)?;
            let next = laid_over(base.clone(), Some(&texts))?;
            *kept = Some(texts);
            Ok((answer, Arc::new(next)))
        })?;
        *self.declarations.write() = next.clone();
        let maps: Vec<_> = self.maps.read().values().cloned().collect();
        for map in maps {
            map.redeclare(next.clone(), Timestamp::now())?;
        }
        Ok(answer)
    }
}
