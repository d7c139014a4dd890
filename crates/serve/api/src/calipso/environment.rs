//! Posted environment configurations: what sections they need, and what they become.

use super::answer::Answer;
use super::documents::Documents;
use serde_json::{Map, Value, json};

/// A section of a configuration, by its name.
type Section<'d> = (&'d str, &'d Map<String, Value>);

/// Sections by name, each once.
pub(super) fn sections<'d>(
    document: &'d Map<String, Value>,
    attribute: &str,
) -> Result<Vec<Section<'d>>, Answer> {
    let bad = |message: String| Answer::refuse(400, message);
    let all = document.get(attribute).and_then(Value::as_array);
    let all = all.ok_or_else(|| bad(format!("{attribute} must be a list")))?;
    let mut sections: Vec<Section<'_>> = Vec::new();
    for section in all {
        let section = section
            .as_object()
            .ok_or_else(|| bad("a configuration must be a document".to_owned()))?;
        let name = section
            .get("name")
            .and_then(Value::as_str)
            .ok_or_else(|| bad("a configuration needs a name".to_owned()))?;
        if sections.iter().any(|(known, _)| *known == name) {
            return Err(bad(format!("the configuration '{name}' is given twice")));
        }
        sections.push((name, section));
    }
    Ok(sections)
}

/// What each section must have.
const NEEDED: &[(&str, &[&str])] = &[
    ("OpenStack", &["host", "port", "user", "pwd"]),
    ("mysql", &["host", "port", "user", "pwd"]),
    ("CLI", &["host", "user"]),
    ("AMQP", &["host", "port", "user", "pwd"]),
    ("ACI", &["host", "user", "pwd"]),
    ("Kubernetes", &["host", "port", "user", "token"]),
    ("NFV_provider", &["host", "port", "user", "pwd"]),
    ("Monitoring", &["type", "server_ip", "server_name"]),
];

/// All sections are known and have what they must have.
pub(super) fn complete(sections: &[Section<'_>]) -> Result<(), Answer> {
    let bad = |message: String| Err(Answer::refuse(400, message));
    for (name, section) in sections {
        let Some((_, needed)) = NEEDED.iter().find(|(known, _)| known == name) else {
            return bad(format!("unknown configuration '{name}'"));
        };
        if let Some(missing) = needed
            .iter()
            .find(|attribute| !section.contains_key(**attribute))
        {
            return bad(format!("the configuration '{name}' needs {missing}"));
        }
        if *name == "CLI" && !section.contains_key("key") && !section.contains_key("pwd") {
            return bad("the configuration 'CLI' needs key or pwd".to_owned());
        }
    }
    Ok(())
}

pub(super) fn check(
    document: &Map<String, Value>,
    documents: &dyn Documents,
) -> Result<(), Answer> {
    let bad = |message: String| Err(Answer::refuse(400, message));
    let sections = sections(document, "configuration")?;
    complete(&sections)?;
    let has = |name: &str| sections.iter().any(|(known, _)| *known == name);
    let is = |name: &str| document.get(name) == Some(&Value::Bool(true));
    let needed: &[&str] = match document.get("environment_type").and_then(Value::as_str) {
        Some("Kubernetes") => &["Kubernetes", "CLI"],
        _ => &["OpenStack", "mysql", "CLI"],
    };
    let more = [
        ("listen", "AMQP"),
        ("enable_monitoring", "Monitoring"),
        ("aci_enabled", "ACI"),
    ];
    let more = more
        .iter()
        .filter(|(flag, _)| is(flag))
        .map(|(_, section)| *section);
    if let Some(missing) = needed.iter().copied().chain(more).find(|name| !has(name)) {
        return bad(format!("the configuration '{missing}' is missing"));
    }
    let [scanning, listening, monitoring] = documents.supports(document);
    let asked = [
        ("scanning", true, scanning),
        ("listening", is("listen"), listening),
        ("monitoring", has("Monitoring"), monitoring),
    ];
    match asked
        .iter()
        .find(|(_, wanted, supported)| *wanted && !supported)
    {
        Some((feature, _, _)) => bad(format!(
            "{feature} is not supported for this distribution, version and drivers"
        )),
        None => Ok(()),
    }
}

/// The configuration and credentials of an environment, as `discovery` takes them.
pub(super) fn settings(document: &Map<String, Value>) -> Result<(Value, Value), String> {
    let text = |name: &str| document.get(name).cloned().unwrap_or_default();
    let config = json!({
        "name": text("name"),
        "facts": {
            "environment_type": document.get("environment_type").cloned().unwrap_or_else(|| "OpenStack".into()),
            "distribution": text("distribution"),
            "distribution_version": text("distribution_version"),
            "mechanism_drivers": text("mechanism_drivers"),
            "type_drivers": text("type_drivers"),
        },
    });
    with_sections(config, document, "configuration")
}

/// The same of a connection test, which has sections only.
pub(super) fn test_settings(
    name: &str,
    document: &Map<String, Value>,
) -> Result<(Value, Value), String> {
    with_sections(json!({"name": name}), document, "targets_configuration")
}

fn with_sections(
    mut config: Value,
    document: &Map<String, Value>,
    attribute: &str,
) -> Result<(Value, Value), String> {
    let sections = sections(document, attribute)
        .map_err(|refusal| refusal.body["error"]["message"].to_string())?;
    let mut credentials = Map::new();
    for (name, section) in sections {
        let get = |name: &str| {
            section
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let port = |default: u16| get("port").parse().unwrap_or(default);
        match name {
            "OpenStack" => {
                config["openstack"] = json!({"url": format!("http://{}:{}", get("host"), port(5000)), "user": get("user"), "project": "admin", "endpoint_host": get("host")});
                credentials.insert("openstack_password".to_owned(), get("pwd").into());
            }
            "mysql" => {
                config["sql"] = json!({"engine": "mysql", "host": get("host"), "port": port(3306), "user": get("user")});
                credentials.insert("sql_password".to_owned(), get("pwd").into());
            }
            "CLI" => {
                // The host named there is the one from which all others are reached.
                config["ssh"] = json!({
                    "user": get("user"),
                    "known_hosts": "/etc/netwright/known_hosts",
                    "jump": {"address": get("host"), "user": get("user")},
                    "sudo": true,
                });
                let key = get("key");
                if section.contains_key("pwd") {
                    credentials.insert("ssh_password".to_owned(), get("pwd").into());
                } else if key.starts_with("-----BEGIN") {
                    credentials.insert("ssh_key".to_owned(), key.into());
                } else {
                    // A path would make this server read any file a caller names.
                    return Err(
                        "CLI.key must be the private key itself, not the name of a file".to_owned(),
                    );
                }
            }
            "AMQP" => {
                config["amqp"] =
                    json!({"host": get("host"), "port": port(5672), "user": get("user")});
                credentials.insert("amqp_password".to_owned(), get("pwd").into());
            }
            "ACI" => {
                config["aci"] =
                    json!({"url": format!("https://{}", get("host")), "user": get("user")});
                credentials.insert("aci_password".to_owned(), get("pwd").into());
            }
            "Kubernetes" => {
                config["kubernetes"] =
                    json!({"url": format!("https://{}:{}", get("host"), port(6443))});
                credentials.insert("kubernetes_token".to_owned(), get("token").into());
            }
            _ => {}
        }
    }
    Ok((config, Value::Object(credentials)))
}
