//! Notifications on an inventory: what is there afterwards.

use crate::fixtures::{cases, drafts, report, text};
use crate::support::{at, declarations, reading, scan};
use serde_json::{Map as Fields, Value, json};
use std::collections::BTreeMap;
use topology::{Environment, Map, Notification, Profile, Verdict, effect};

/// The earlier system called its handlers directly; the bus names them by event type.
fn event_type(handler: &str, as_sent: &str) -> String {
    match handler {
        "EventInstanceDelete" => "compute.instance.delete.end".into(),
        "EventPortDelete" => "port.delete.end".into(),
        _ => as_sent.to_owned(),
    }
}

fn notification(inputs: &Value) -> Notification {
    let event = &inputs["event"];
    let timestamp = format!("{}Z", text(event, "timestamp").replace(' ', "T"));
    let optional = |name: &str| event[name].as_str().map(Into::into);
    Notification {
        event_type: event_type(text(&inputs["handler"], "1"), text(event, "event_type")).into(),
        message_id: text(event, "message_id").into(),
        publisher_id: text(event, "publisher_id").into(),
        timestamp: timestamp.parse().expect("a time"),
        project_id: optional("_context_project_id"),
        project_name: optional("_context_project_name"),
        payload: event["payload"].clone(),
    }
}

/// Objects as comparable documents. Subnets are objects of their own here.
fn documents<'d>(
    list: impl Iterator<Item = (String, String, Fields<String, Value>)> + 'd,
) -> BTreeMap<String, Value> {
    list.filter(|(kind, _, _)| kind != "subnet" && !kind.ends_with("_folder"))
        .map(|(kind, id, mut fields)| {
            fields.retain(|_, value| !value.is_null());
            (format!("{kind}/{id}"), Value::Object(fields))
        })
        .collect()
}

fn check(name: &str, case: &Value) -> Result<(), String> {
    let inputs = &case["inputs"];
    let environment = Environment::new(text(inputs, "env")).expect("valid");
    let mut map = Map::new(Profile::new(environment.clone()), declarations(), at(0));
    let inventory = inputs["inventory"]
        .as_array()
        .expect("an inventory")
        .clone();
    map.apply(&scan(1, vec![reading_for(&environment, &inventory)]))
        .expect("sound");
    let notification = notification(inputs);
    let effect = effect(map.head(), &notification);
    let expected = &case["expected"];
    let (mut result, mut after) = (
        expected["result"].clone(),
        expected["inventory_after"].clone(),
    );
    for defect in case["reference_defects"].as_array().into_iter().flatten() {
        match text(defect, "path") {
            "/result" => result = defect["correct"].clone(),
            "/inventory_after" => after = defect["correct"].clone(),
            other => return Err(format!("{name}: defect at {other} is not handled")),
        }
    }
    let applied = effect.verdict == Verdict::Applied;
    let retry = matches!(effect.verdict, Verdict::Retry(_));
    if json!(applied) != result && !(retry && result == json!(false)) {
        return Err(format!(
            "{name}: verdict {:?}, expected {result}",
            effect.verdict
        ));
    }
    if json!(retry) != expected["retry"] {
        return Err(format!(
            "{name}: verdict {:?}, expected retry {}",
            effect.verdict, expected["retry"]
        ));
    }
    let applied = topology::Batch {
        cause: topology::Cause::Events,
        at: notification.timestamp,
        readings: effect.readings,
    };
    map.apply(&applied)
        .map_err(|error| format!("{name}: {error}"))?;
    let version = map.head();
    let mut ours = documents(version.objects().map(|(_, object)| {
        let fields = object
            .attributes()
            .map(|a| (a.name.to_string(), a.believed.value.clone()));
        (
            object.key.object_type.to_string(),
            object.key.id.to_string(),
            fields.collect(),
        )
    }));
    let after = after.as_array().expect("a list").clone();
    let theirs = documents(drafts(&environment, &after).into_iter().map(|draft| {
        let mut fields: Fields<String, Value> = draft
            .attributes
            .iter()
            .map(|(n, v)| (n.to_string(), v.clone()))
            .collect();
        fields.insert("name".into(), json!(draft.name));
        (
            draft.key.object_type.to_string(),
            draft.key.id.to_string(),
            fields,
        )
    }));
    // The earlier system left out the state that each update tells.
    for (key, theirs) in &theirs {
        if let Some(ours) = ours.get_mut(key).and_then(Value::as_object_mut) {
            ours.retain(|name, _| {
                !matches!(name.as_str(), "status" | "vm_state") || !theirs[name].is_null()
            });
        }
    }
    if ours != theirs {
        return Err(format!(
            "{name}:\n  ours   {}\n  theirs {}",
            json!(ours),
            json!(theirs)
        ));
    }
    if let (Some(related), Some(wanted)) = (&effect.related, expected["related_object"].as_str())
        && (!related.object.id.as_str().ends_with(wanted)
            || !related
                .context
                .id
                .as_str()
                .ends_with(text(expected, "display_context")))
    {
        return Err(format!("{name}: related {related:?}"));
    }
    Ok(())
}

fn reading_for(environment: &Environment, documents: &[Value]) -> topology::Reading {
    reading("neutron", 1, drafts(environment, documents))
}

#[test]
fn events() {
    let (mut passed, mut failures) = (0, Vec::new());
    for (name, mut case) in cases("events") {
        // Recorded cases hold no result: there, the notification must be understood.
        if case["expected"].is_null() {
            let events = case["inputs"]["events"]
                .as_object()
                .expect("events")
                .clone();
            let known = events
                .values()
                .filter(|event| event["event_type"].is_string())
                .all(|event| {
                    let event_type = text(event, "event_type");
                    topology::HANDLED
                        .contains(&event_type.strip_suffix(".end").unwrap_or(event_type))
                });
            if known {
                passed += 1;
            } else {
                failures.push(format!("{name}: an event type is not handled"));
            }
            continue;
        }
        let handler = case["inputs"]["handler"][1].clone();
        case["inputs"]["handler"] = json!({ "1": handler });
        match check(&name, &case) {
            Ok(()) => passed += 1,
            Err(failure) => failures.push(failure),
        }
    }
    report("events", passed, &failures);
}
