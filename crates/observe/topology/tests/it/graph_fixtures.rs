//! Whole inventories: the links and cliques the rules make of them, against the earlier system's.

use crate::fixtures::{cases, drafts, group, load, profile, report, text};
use crate::support::{at, environment, reading, scan};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use topology::{Declarations, Link, LinkState, Map, Profile, Version};

/// The earlier system's clique types and constraints as declarations. A step it misspelt is left out: nothing matches it.
pub(crate) fn clique_declarations(types: &Value, constraints: &Value) -> Arc<Declarations> {
    let mut toml = String::new();
    for clique in types.as_array().into_iter().flatten() {
        let links: Vec<&str> = clique["link_types"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|link| *link != "switch_pnic-switch-pnic")
            .collect();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() && value != json!("") {
                writeln!(toml, "{name} = {value}").expect("a string takes it");
            }
        };
        put("[[clique]]\nname", clique["name"].clone());
        put("focal", clique["focal_point_type"].clone());
        put("links", json!(links));
        put("environment", clique["environment"].clone());
        for name in ["environment_type", "distribution", "distribution_version"] {
            put(name, clique[name].clone());
        }
        put("mechanism_driver", clique["mechanism_drivers"].clone());
        put("type_driver", clique["type_drivers"].clone());
        put("implicit", clique["use_implicit_links"].clone());
    }
    for constraint in constraints.as_array().into_iter().flatten() {
        writeln!(
            toml,
            "[[constraint]]\nfocal = {}\nattributes = {}",
            constraint["focal_point_type"], constraint["constraints"]
        )
        .expect("a string takes it");
    }
    let declarations = Declarations::embedded().unwrap_or_else(|errors| panic!("{errors}"));
    Arc::new(
        declarations
            .with_cliques("clique_types.json", &toml)
            .unwrap_or_else(|errors| panic!("{errors}")),
    )
}

pub(crate) fn map_with(
    profile: Profile,
    declarations: Arc<Declarations>,
    documents: &[Value],
) -> Map {
    let mut map = Map::new(profile, declarations, at(0));
    let drafts = drafts(&map.profile().name.clone(), documents);
    map.apply(&scan(1, vec![reading("sql", 1, drafts)]))
        .expect("the inventory is sound");
    map
}

fn id(version: &Version, handle: topology::Handle) -> String {
    let object = version.object(handle).expect("linked objects are there");
    object.key.id.to_string()
}

/// A link as the earlier system kept it.
fn document(version: &Version, link: &Link) -> Value {
    let text = |text: &Option<Arc<str>>| json!(text.as_deref().unwrap_or_default());
    let place = match link.link_type.as_str() {
        "switch-switch_pnic" | "switch_pnic-switch_pnic" => "switch",
        _ => "host",
    };
    json!({
        "environment": version.profile.name,
        "source_id": id(version, link.source),
        "target_id": id(version, link.target),
        "link_type": link.link_type,
        "link_name": link.name,
        "state": if link.state == LinkState::Down { "down" } else { "up" },
        "link_weight": link.weight,
        "source_label": text(&link.source_label),
        "target_label": text(&link.target_label),
        "implicit": link.implicit,
        "attributes": link.attributes,
        place: link.place,
    })
}

fn as_set(values: impl IntoIterator<Item = Value>) -> BTreeSet<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

fn difference(
    what: &str,
    ours: &BTreeSet<String>,
    theirs: &BTreeSet<String>,
) -> Result<(), String> {
    let list = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        a.difference(b).cloned().collect::<Vec<_>>().join("\n    ")
    };
    if ours == theirs {
        return Ok(());
    }
    Err(format!(
        "{what}:\n  missing:\n    {}\n  too many:\n    {}",
        list(theirs, ours),
        list(ours, theirs)
    ))
}

fn check(name: &str, case: &Value, declarations: &Arc<Declarations>) -> Result<(), String> {
    let inventory = case["inputs"]["inventory"]
        .as_array()
        .expect("an inventory");
    let profile = profile(&case["inputs"]["environment"]);
    let map = map_with(profile, declarations.clone(), inventory);
    let version = map.head();
    let links = as_set(version.links().map(|link| document(version, link)));
    let expected = case["expected"]["links"].as_array().expect("links").clone();
    difference(&format!("{name} links"), &links, &as_set(expected))?;
    let mut cliques = Vec::new();
    for (handle, object) in version.objects() {
        for clique in version.cliques(handle) {
            let links: BTreeSet<Vec<String>> = clique
                .links
                .iter()
                .map(|link| {
                    vec![
                        link.link_type.to_string(),
                        id(version, link.source),
                        id(version, link.target),
                    ]
                })
                .collect();
            cliques.push(json!({
                "focal_point": object.key.id,
                "focal_point_type": object.key.object_type,
                "clique_type": clique.clique_type,
                "constraints": clique.constraints,
                "links": links,
            }));
        }
    }
    let expected = case["expected"]["cliques"]
        .as_array()
        .expect("cliques")
        .iter();
    let expected = expected.map(|clique| {
        let mut clique = clique.clone();
        let links: BTreeSet<Vec<String>> =
            serde_json::from_value(clique["links"].clone()).expect("links are lists of three");
        clique["links"] = json!(links);
        clique
    });
    difference(
        &format!("{name} cliques"),
        &as_set(cliques),
        &as_set(expected),
    )
}

#[test]
fn graph() {
    let Some(defaults) = group("defaults") else {
        return;
    };
    let declarations = clique_declarations(
        &load(&defaults.join("clique_types.json")),
        &load(&defaults.join("clique_constraints.json")),
    );
    let mut failures = Vec::new();
    let mut passed = 0;
    for (name, case) in cases("graph") {
        match check(&name, &case, &declarations) {
            Ok(()) => passed += 1,
            Err(failure) => failures.push(failure),
        }
    }
    report("graph", passed, &failures);
}

#[test]
fn later_defaults_load_too() {
    let Some(defaults) = group("defaults-later") else {
        return;
    };
    let mut types = load(&defaults.join("clique_types.json"));
    // Ceph is not declared here; anyone may add it.
    types
        .as_array_mut()
        .expect("a list")
        .retain(|clique| text(clique, "focal_point_type") != "osd");
    let declarations =
        clique_declarations(&types, &load(&defaults.join("clique_constraints.json")));
    assert!(declarations.clique_types().count() > 20);
}

#[test]
fn cliques() {
    let mut failures = Vec::new();
    let mut passed = 0;
    for (name, case) in cases("cliques") {
        let profile = profile(&case["inputs"]["environment"]);
        let types = case["inputs"]["clique_types"].as_array().expect("a list");
        let wrong: Vec<String> = types
            .iter()
            .zip(case["expected"].as_array().expect("a list"))
            .filter_map(|(clique, expected)| {
                let mut clique = clique.clone();
                clique["focal_point_type"] = json!("instance");
                let declarations = clique_declarations(&json!([clique]), &json!([]));
                let declared = declarations.clique_types().next().expect("one");
                let score = topology::score(&profile, &declared.scope);
                (json!(score) != expected["score"])
                    .then(|| format!("{}: {score}", expected["name"]))
            })
            .collect();
        if wrong.is_empty() {
            passed += 1;
        } else {
            failures.push(format!("{name}: {}", wrong.join(", ")));
        }
    }
    report("cliques", passed, &failures);
}

#[test]
fn links() {
    let toml = r#"
        implicit = { agree = ["network", "dummy_constraint", "dummy_constraint2"] }
        [[type]]
        name = "instance"
        label = "i"
        [[type]]
        name = "vnic"
        label = "v"
        [[type]]
        name = "vconnector"
        label = "c"
        [[type]]
        name = "vedge"
        label = "e"
        [[type]]
        name = "otep"
        label = "o"
    "#;
    let mut failures = Vec::new();
    let mut passed = 0;
    for (name, case) in cases("links") {
        let mut toml = toml.to_owned();
        let mut drafts = std::collections::BTreeMap::new();
        for link in case["inputs"]["links"].as_array().expect("links") {
            let (source, target) = text(link, "link_type")
                .split_once('-')
                .expect("a link type");
            writeln!(
                toml,
                "[[link]]\ntype = {}\nmatch = [{{ source = \"{{to}}\", target = \"{{id}}\" }}]\n\
                 place = \"{{source.host}}\"\nattributes = {{ network = \"{{source.network}}\" }}",
                link["link_type"]
            )
            .expect("a string takes it");
            let mut end = |object_type: &str, id: &str, to: &str| {
                let attributes = json!({ "to": to, "host": link["host"], "network": link["attributes"]["network"] });
                let draft = crate::support::draft(object_type, id, attributes);
                if !to.is_empty() || !drafts.contains_key(id) {
                    drafts.insert(id.to_owned(), draft);
                }
            };
            end(source, text(link, "source_id"), text(link, "target_id"));
            end(target, text(link, "target_id"), "");
        }
        let declarations = Declarations::load_only(&[("test.toml", &toml)])
            .unwrap_or_else(|errors| panic!("{errors}"));
        let mut map = Map::new(Profile::new(environment()), Arc::new(declarations), at(0));
        map.apply(&scan(
            1,
            vec![reading("ssh", 1, drafts.into_values().collect())],
        ))
        .expect("sound");
        let version = map.head();
        let implied = version
            .objects()
            .flat_map(|(handle, _)| version.implied_from(handle));
        let ours = as_set(implied.map(|link| {
            let mut document = document(version, &link);
            document["environment"] = json!("env1");
            document["link_name"] = json!("");
            document
        }));
        let theirs = case["expected"]
            .as_array()
            .expect("links")
            .iter()
            .map(|link| {
                let mut link = link.clone();
                let fields = link.as_object_mut().expect("a document");
                fields.remove("source");
                fields.remove("target");
                link
            });
        match difference(&name, &ours, &as_set(theirs)) {
            Ok(()) => passed += 1,
            Err(failure) => failures.push(failure),
        }
    }
    report("links", passed, &failures);
}
