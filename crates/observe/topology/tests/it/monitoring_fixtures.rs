//! Results of checks, names of checks, and the configuration of monitoring clients.

use crate::fixtures::{cases, drafts, group, load, profile, report, text};
use crate::support::{at, declarations, environment, reading, scan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::monitoring::{CheckName, dn_id, encode_id, sensu_clients, sensu_result};
use topology::{Map, Message, ObjectRef, Profile, Severity};

fn map_of(profile: Profile, inventory: &Value) -> Map {
    let mut map = Map::new(profile, declarations(), at(0));
    let drafts = drafts(
        &map.profile().name.clone(),
        inventory.as_array().expect("a list"),
    );
    map.apply(&scan(1, vec![reading("ssh", 1, drafts)]))
        .expect("sound");
    map
}

/// One check result: what the object says afterwards, and the message that tells of it.
fn check_result(name: &str, case: &Value) -> Result<(), String> {
    let inputs = &case["inputs"];
    let inventory = &inputs["inventory"];
    let mut map = map_of(Profile::new(environment()), inventory);
    let object_type = text(&inventory[0], "type");
    let check_name = format!("{object_type}_{}", text(inputs, "object_id"));
    let mut event = json!({ "check": inputs["check"].clone() });
    event["check"]["name"] = json!(check_name);
    // Parts that had a result before.
    for (part, port) in inventory[0]["ports"].as_object().into_iter().flatten() {
        if let Some(value) = port["status_value"].as_i64() {
            let mut earlier = event.clone();
            earlier["check"]["name"] = json!(format!(
                "{object_type}_{}_{part}",
                text(&inventory[0], "id")
            ));
            earlier["check"]["status"] = json!(value);
            let result = sensu_result(map.head(), &earlier).map_err(|e| e.to_string())?;
            let now = result.at;
            map.check(&[result], now);
        }
    }
    let result = sensu_result(map.head(), &event).map_err(|e| format!("{name}: {e}"))?;
    map.check(std::slice::from_ref(&result), result.at);
    let mut expected = case["expected"]["objects"][0].clone();
    for defect in case["reference_defects"].as_array().into_iter().flatten() {
        if text(defect, "path") == "/objects/0/status" {
            expected["status"] = defect["correct"].clone();
        }
    }
    let version = map.head();
    let key = ObjectRef::new(text(&expected, "type"), text(&expected, "id")).expect("valid");
    let status = version.find(&key).and_then(|handle| version.status(handle));
    let status = status.ok_or(format!("{name}: {key} has no status"))?;
    let parts: Vec<Value> = status
        .checks
        .values()
        .filter_map(|check| {
            Some(json!([
                check.part.as_ref()?,
                check.level.label(),
                check.level.code()
            ]))
        })
        .collect();
    let expected_parts: Vec<Value> = expected["ports"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, port)| port["status"].is_string())
        .map(|(part, port)| json!([part, port["status"], port["status_value"]]))
        .collect();
    let time = result.at.strftime("%Y-%m-%d %H:%M:%S GMT").to_string();
    let ours = json!([status.level(result.at).label(), time, parts]);
    let theirs = json!([
        expected["status"],
        expected["status_timestamp"],
        expected_parts
    ]);
    if ours != theirs {
        return Err(format!("{name}: {ours}, expected {theirs}"));
    }
    if let Some(wanted) = expected["status_text"].as_str()
        && status
            .deciding(result.at)
            .map(|(_, check)| check.text.as_ref())
            != Some(wanted)
    {
        return Err(format!("{name}: evidence is not '{wanted}'"));
    }
    let message = Message::of_check(&result, at(3));
    let wanted = &case["expected"]["messages"][0];
    let level = match message.severity {
        Severity::Error => "error",
        Severity::Warning => "warn",
        _ => "info",
    };
    let ours = json!([
        level,
        message.objects[0].id,
        message.objects[0].object_type,
        message.source
    ]);
    let theirs = json!([
        wanted["level"],
        wanted["related_object"],
        wanted["related_object_type"],
        wanted["source_system"]
    ]);
    if ours != theirs {
        return Err(format!("{name}: message {ours}, expected {theirs}"));
    }
    Ok(())
}

fn client_configuration(name: &str, case: &Value) -> Result<(), String> {
    let Some(defaults) = group("defaults") else {
        return Ok(());
    };
    let inputs = &case["inputs"];
    let map = map_of(profile(&inputs["environment"]), &inputs["inventory"]);
    let settings: BTreeMap<String, String> = inputs["monitoring"]
        .as_object()
        .expect("settings")
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let templates = load(&defaults.join("monitoring_config_templates.json"));
    let files = sensu_clients(map.head(), &templates, &settings);
    let ours: Vec<Value> = files
        .iter()
        .map(|file| json!({ "environment": "ENV", "host": file.host, "type": file.name, "config": file.config }))
        .collect();
    if json!(ours) == case["expected"] {
        return Ok(());
    }
    Err(format!(
        "{name}:\n  ours   {}\n  theirs {}",
        json!(ours),
        case["expected"]
    ))
}

#[test]
fn monitoring() {
    let (mut passed, mut failures) = (0, Vec::new());
    for (name, case) in cases("monitoring") {
        let checked = if name.starts_with("check-result") {
            check_result(&name, &case)
        } else {
            client_configuration(&name, &case)
        };
        match checked {
            Ok(()) => passed += 1,
            Err(failure) => failures.push(failure),
        }
    }
    report("monitoring", passed, &failures);
}

/// The rules of names; those of commands and scanner trees are tested where commands are made and trees are read.
#[test]
fn rules() {
    let declarations = declarations();
    let (mut passed, mut failures) = (0, Vec::new());
    for (name, case) in cases("rules") {
        let apply = |input: &str| match name.as_str() {
            "check-name-encoding" => Some(json!(encode_id(input))),
            "aci-dn-encoding" => Some(json!(dn_id(input))),
            "check-name-to-object" => Some(match CheckName::parse(&declarations, input) {
                Ok(CheckName::Object { object_type, id }) => {
                    json!({ "check_type": "object", "type": object_type, "id": id })
                }
                Ok(CheckName::Link { link_type, ends }) => {
                    json!({ "check_type": "link", "type": link_type, "id": format!("{link_type}_{ends}") })
                }
                Err(_) => Value::Null,
            }),
            _ => None,
        };
        let inputs = case["inputs"].as_array().expect("a list");
        let ours: Option<Vec<Value>> = inputs.iter().map(|input| apply(input.as_str()?)).collect();
        match ours {
            None => {}
            Some(ours) if json!(ours) == case["expected"] => passed += 1,
            Some(ours) => failures.push(format!("{name}: {}", json!(ours))),
        }
    }
    report("rules (names)", passed, &failures);
}
