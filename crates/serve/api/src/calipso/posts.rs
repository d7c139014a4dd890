//! What posted documents must be beyond their attributes.

use super::answer::Answer;
use super::documents::{Documents, Query};
use super::spec;
use serde_json::{Map, Value};

/// A clique type is for an environment or for a configuration, not both, and one of its kind per focal point.
pub(super) fn clique_type(
    document: &Map<String, Value>,
    documents: &dyn Documents,
) -> Result<(), Answer> {
    const CONFIGURATION: [&str; 4] = [
        "distribution",
        "distribution_version",
        "mechanism_drivers",
        "type_drivers",
    ];
    let bad = |message: &str| Err(Answer::refuse(400, message));
    let configured = CONFIGURATION
        .iter()
        .any(|name| document.contains_key(*name));
    let environment = document.get("environment").and_then(Value::as_str);
    match (environment, configured) {
        (None, false) => return bad("environment or a configuration must be specified"),
        (Some(_), true) => return bad("either environment or a configuration, not both"),
        (Some("ANY"), _) => return bad("environment 'ANY' is reserved"),
        _ => {}
    }
    if document.contains_key("distribution_version") && !document.contains_key("distribution") {
        return bad("distribution_version needs distribution");
    }
    let mut query = Query {
        page_size: 1,
        ..Query::default()
    };
    let scope = CONFIGURATION
        .iter()
        .filter(|name| document.contains_key(**name));
    for (parameter, attribute) in scope.map(|name| (*name, *name)).chain([
        ("env_name", "environment"),
        ("focal_point_type", "focal_point_type"),
    ]) {
        if let Some(value) = document.get(attribute) {
            query.filters.insert(parameter.to_owned(), value.clone());
        }
    }
    match documents.read("clique_types", &query).is_empty() {
        true => Ok(()),
        false => bad("there is a clique type for this focal point already"),
    }
}

/// A scan is of everything, or of one of its parts.
pub(super) fn scan(document: &Map<String, Value>) -> Result<(), Answer> {
    const PARTS: [&str; 3] = [
        "scan_only_inventory",
        "scan_only_links",
        "scan_only_cliques",
    ];
    let asked = PARTS
        .iter()
        .filter(|part| document.get(**part) == Some(&Value::Bool(true)))
        .count();
    match asked {
        0 | 1 => Ok(()),
        _ => Err(Answer::refuse(
            400,
            "only one of scan_only_inventory, scan_only_links and scan_only_cliques",
        )),
    }
}

/// When a posted schedule runs first, as a cron pattern in UTC.
pub(super) fn pattern(frequency: &str, first: &str) -> Option<String> {
    let first: jiff::Timestamp = spec::time(first)?.parse().ok()?;
    let at = first.to_zoned(jiff::tz::TimeZone::UTC);
    let (minute, hour) = (at.minute(), at.hour());
    Some(match frequency {
        "HOURLY" => format!("{minute} * * * *"),
        "DAILY" => format!("{minute} {hour} * * *"),
        "WEEKLY" => format!(
            "{minute} {hour} * * {}",
            at.weekday().to_sunday_zero_offset()
        ),
        "MONTHLY" => format!("{minute} {hour} {} * *", at.day()),
        "YEARLY" => format!("{minute} {hour} {} {} *", at.day(), at.month()),
        _ => return None,
    })
}

/// The frequency of a cron pattern that [`pattern`] could have made.
pub(super) fn frequency(pattern: &str) -> &'static str {
    let parts: Vec<&str> = pattern.split_whitespace().collect();
    match parts.as_slice() {
        [_, "*", "*", "*", "*"] => "HOURLY",
        [_, _, "*", "*", "*"] => "DAILY",
        [_, _, "*", "*", _] => "WEEKLY",
        [_, _, _, "*", "*"] => "MONTHLY",
        _ => "YEARLY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_survives_as_a_pattern() {
        let first = "2017-07-24T12:45:03.784+0000";
        assert_eq!(pattern("WEEKLY", first).as_deref(), Some("45 12 * * 1"));
        for name in ["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"] {
            assert_eq!(frequency(&pattern(name, first).expect(name)), name);
        }
        assert_eq!(pattern("SOMETIMES", first), None);
    }
}
