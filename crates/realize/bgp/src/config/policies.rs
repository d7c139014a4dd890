//! `[policies.NAME]` and `[prefix-lists]`: the rules are those of [`crate::policy`]; a condition `prefix-list = "NAME"`
//! stands for the prefixes of that list.

use super::document::Table;
use super::value::FromToml;
use crate::policy::{Policies, Policy, PolicyName};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeString, DeValue, ValueDeserializer};

type Value<'d> = Spanned<DeValue<'d>>;

/// Prefix lists by name, as they stand in the document.
type Lists<'d> = BTreeMap<String, &'d Value<'d>>;

impl FromToml for PolicyName {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let name = value
            .as_str()
            .ok_or("must be the name of a policy in quotes")?;
        Ok(Self::from(name))
    }
}

pub(super) fn read(root: &Table<'_>) -> Policies {
    let lists: Lists<'_> = root.table("prefix-lists").entries().collect();
    let table = root.table("policies");
    let mut policies = BTreeMap::new();
    for (name, value) in table.entries() {
        let mut value = value.clone();
        if let Err(unknown) = expand(&mut value, &lists) {
            let problem = format!("uses the prefix list {unknown}, which is not in [prefix-lists]");
            table.fault_at(&name, value.span(), problem);
            continue;
        }
        let span = value.span();
        match Policy::deserialize(ValueDeserializer::from(value)) {
            Ok(policy) => {
                policies.insert(PolicyName::from(&*name), policy);
            }
            Err(error) => {
                let span = error.span().unwrap_or(span);
                table.fault_at(&name, span, error.message().to_owned());
            }
        }
    }
    let policies = Policies(policies);
    for error in policies.validate() {
        let (name, rule) = error.place();
        let mut entries = table.entries();
        if let Some((name, value)) = entries.find(|(other, _)| **other == *name.0) {
            let span = rule_of(value, rule).unwrap_or(value).span();
            table.fault_at(&name, span, error.to_string());
        }
    }
    policies
}

fn rule_of<'d>(policy: &'d Value<'d>, rule: usize) -> Option<&'d Value<'d>> {
    let rules = policy.get_ref().as_table()?.get("rules")?;
    rules.get_ref().as_array()?.get(rule.checked_sub(1)?)
}

/// Puts the prefixes of lists where their names stand. The error is a name without a list.
fn expand<'d>(value: &mut Value<'d>, lists: &Lists<'d>) -> Result<(), String> {
    match value.get_mut() {
        DeValue::Array(elements) => elements.iter_mut().try_for_each(|one| expand(one, lists)),
        DeValue::Table(table) => {
            if let Some(name) = table.remove("prefix-list") {
                let name_text = name.get_ref().as_str().unwrap_or_default().to_owned();
                let list = lists.get(&name_text).ok_or(name_text)?;
                let key = Spanned::new(name.span(), DeString::from("prefix"));
                table.insert(key, (*list).clone());
            }
            table
                .iter_mut()
                .try_for_each(|(_, value)| expand(value, lists))
        }
        _ => Ok(()),
    }
}
