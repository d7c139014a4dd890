//! A request's object against the attribute table: what it may name, in what form, and what it gets when it
//! says nothing. What comes out holds checked values under known names only.

use crate::error::ApiError;
use crate::resource::attribute::{Attribute, Create, Guard, find};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Which verb the object came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
}

/// A checked object. Each attribute is taken out once, as the type it has.
#[derive(Debug, Clone)]
pub(crate) struct Input(Map<String, Value>);

impl Input {
    /// Checks `given` against the table of `resource` on behalf of an administrator or not.
    pub(crate) fn check<V>(
        resource: &str,
        table: &[Attribute<V>],
        verb: Verb,
        admin: bool,
        mut given: Map<String, Value>,
    ) -> Result<Self, ApiError> {
        unify_project(table, &mut given)?;
        let unknown: Vec<&str> = given
            .keys()
            .filter(|name| find(table, name).is_none())
            .map(String::as_str)
            .collect();
        if !unknown.is_empty() {
            return Err(ApiError::UnknownAttributes(unknown.join(", ")));
        }
        let mut checked = Map::new();
        for attribute in table {
            let value = match given.remove(attribute.name) {
                Some(value) => Some(accept(resource, attribute, verb, admin, value)?),
                None if verb == Verb::Update => None,
                None => match attribute.create {
                    Create::Required => return Err(ApiError::RequiredAttribute(attribute.name)),
                    Create::Optional(preset) => preset.value(),
                    Create::Refused => None,
                },
            };
            if let Some(value) = value {
                checked.insert(attribute.name.to_owned(), value);
            }
        }
        Ok(Self(checked))
    }

    /// The value of an attribute; `None` when the request does not give it or gives null.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<T>, ApiError> {
        Ok(self.take_nullable(name)?.flatten())
    }

    /// `None` when the request does not give it, `Some(None)` when it gives null.
    pub(crate) fn take_nullable<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Option<T>>, ApiError> {
        self.0
            .remove(name)
            .map(|value| {
                serde_json::from_value(value).map_err(|error| ApiError::InvalidAttribute {
                    attribute: name.to_owned(),
                    reason: error.to_string(),
                })
            })
            .transpose()
    }

    /// The value of an attribute whose presence [`Input::check`] has made sure of.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, ApiError> {
        self.take(name)?.ok_or(ApiError::RequiredAttribute(name))
    }
}

/// `tenant_id` is the older name of `project_id`; a request may use either, or both if they agree.
fn unify_project<V>(
    table: &[Attribute<V>],
    given: &mut Map<String, Value>,
) -> Result<(), ApiError> {
    if find(table, "project_id").is_none() {
        return Ok(());
    }
    let Some(tenant) = given.remove("tenant_id") else {
        return Ok(());
    };
    match given.get("project_id") {
        Some(project) if *project != tenant => Err(ApiError::BadRequest(
            "'project_id' and 'tenant_id' do not match".to_owned(),
        )),
        Some(_) => Ok(()),
        None => {
            given.insert("project_id".to_owned(), tenant);
            Ok(())
        }
    }
}

fn accept<V>(
    resource: &str,
    attribute: &Attribute<V>,
    verb: Verb,
    admin: bool,
    value: Value,
) -> Result<Value, ApiError> {
    match verb {
        Verb::Create if attribute.create == Create::Refused => {
            return Err(ApiError::NotInCreate(attribute.name));
        }
        Verb::Update if !attribute.update => return Err(ApiError::ReadOnly(attribute.name)),
        _ => {}
    }
    let value = match value {
        Value::Null if attribute.nullable => Value::Null,
        value => attribute
            .kind
            .check(value)
            .map_err(|reason| ApiError::InvalidAttribute {
                attribute: attribute.name.to_owned(),
                reason,
            })?,
    };
    // Naming an administrator's attribute with the value it would have anyway asks for nothing.
    let is_preset = matches!(attribute.create, Create::Optional(preset) if preset.value().as_ref() == Some(&value));
    if attribute.guard != Guard::Anyone && !admin && !(verb == Verb::Create && is_preset) {
        let action = match verb {
            Verb::Create => "create",
            Verb::Update => "update",
        };
        return Err(ApiError::Policy(format!(
            "rule:{action}_{resource} and rule:{action}_{resource}:{}",
            attribute.name
        )));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::attribute::Preset;
    use crate::resource::kind::Kind;
    use serde_json::json;

    struct Thing;

    const TABLE: &[Attribute<Thing>] = &[
        Attribute::new("id", Kind::Uuid, |_| Value::Null),
        Attribute::new("project_id", Kind::Text(255), |_| Value::Null).optional(Preset::Chosen),
        Attribute::new("name", Kind::Text(5), |_| Value::Null)
            .optional(Preset::Text(""))
            .update(),
        Attribute::new("size", Kind::Integer(0, 9), |_| Value::Null).required(),
        Attribute::new("shared", Kind::Bool, |_| Value::Null)
            .optional(Preset::False)
            .update()
            .guard(Guard::AdminWrites),
    ];

    fn check(verb: Verb, admin: bool, given: Value) -> Result<Value, String> {
        let Value::Object(given) = given else {
            unreachable!("the tests give objects")
        };
        Input::check("thing", TABLE, verb, admin, given)
            .map(|input| Value::Object(input.0))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn presets_fill_what_is_not_given() {
        assert_eq!(
            check(Verb::Create, false, json!({"size": "3", "tenant_id": "p"})),
            Ok(json!({"size": 3, "name": "", "shared": false, "project_id": "p"}))
        );
        assert_eq!(check(Verb::Update, false, json!({})), Ok(json!({})));
    }

    #[test]
    fn refusals_name_the_attribute() {
        for (verb, given, message) in [
            (
                Verb::Create,
                json!({"size": 1, "x": 1}),
                "Unrecognized attribute(s) 'x'",
            ),
            (
                Verb::Create,
                json!({}),
                "Failed to parse request. Required attribute 'size' not specified",
            ),
            (
                Verb::Create,
                json!({"size": 1, "id": "x"}),
                "Attribute 'id' not allowed in POST",
            ),
            (
                Verb::Update,
                json!({"size": 1}),
                "Cannot update read-only attribute size",
            ),
            (
                Verb::Create,
                json!({"size": 10}),
                "Invalid input for size. Reason: '10' is too large - must be no larger than '9'.",
            ),
            (
                Verb::Create,
                json!({"size": 1, "tenant_id": "a", "project_id": "b"}),
                "'project_id' and 'tenant_id' do not match",
            ),
            (
                Verb::Create,
                json!({"size": 1, "shared": true}),
                "(rule:create_thing and rule:create_thing:shared) is disallowed by policy",
            ),
            (
                Verb::Update,
                json!({"shared": false}),
                "(rule:update_thing and rule:update_thing:shared) is disallowed by policy",
            ),
        ] {
            assert_eq!(check(verb, false, given), Err(message.to_owned()));
        }
    }

    #[test]
    fn a_preset_value_asks_for_no_privilege() {
        assert!(check(Verb::Create, false, json!({"size": 1, "shared": false})).is_ok());
        assert!(check(Verb::Create, true, json!({"size": 1, "shared": true})).is_ok());
    }
}
