//! The daemon's answers as people read them.

use super::output::Detail;
use crate::output::table;
use serde_json::Value;

fn list<'a>(answer: &'a Value, field: &str) -> &'a [Value] {
    answer[field]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Seconds as 45s, 12m, 3h07m or 12d04h.
fn duration(seconds: &Value) -> String {
    match seconds.as_u64() {
        None => "-".to_owned(),
        Some(s @ 0..60) => format!("{s}s"),
        Some(s @ 60..3_600) => format!("{}m{:02}s", s / 60, s % 60),
        Some(s @ 3_600..86_400) => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        Some(s) => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3_600),
    }
}

pub(super) fn summary(answer: &Value, _: Detail) -> String {
    let mut lines = vec![
        format!(
            "AS {}, router id {}, up {}",
            text(&answer["asn"]),
            text(&answer["router_id"]),
            duration(&answer["uptime_seconds"])
        ),
        format!(
            "{} of {} neighbours established",
            text(&answer["neighbors"]["established"]),
            text(&answer["neighbors"]["total"])
        ),
    ];
    let kernel = &answer["kernel"];
    if !kernel.is_null() {
        lines.push(format!(
            "{} of {} kernel routes installed",
            text(&kernel["installed"]),
            text(&kernel["wanted"])
        ));
        lines.extend(
            kernel["error"]
                .as_str()
                .map(|error| format!("the kernel refuses: {error}")),
        );
    }
    const COLUMNS: &[(&str, &str)] = &[
        ("Table", "table"),
        ("Prefixes", "prefixes"),
        ("Paths", "paths"),
    ];
    lines.push(table(COLUMNS, list(answer, "tables")));
    lines.join("\n")
}

pub(super) fn neighbors(answer: &Value, detail: Detail) -> String {
    const USUAL: &[(&str, &str)] = &[
        ("Neighbour", "neighbor"),
        ("AS", "asn"),
        ("State", "state"),
        ("For", "for"),
        ("Received", "received"),
        ("Accepted", "accepted"),
        ("Sent", "advertised"),
        ("Description", "description"),
    ];
    const ALL: &[(&str, &str)] = &[
        ("Neighbour", "neighbor"),
        ("AS", "asn"),
        ("Router id", "router_id"),
        ("State", "state"),
        ("For", "for"),
        ("Received", "received"),
        ("Accepted", "accepted"),
        ("Sent", "advertised"),
        ("Stale", "stale"),
        ("Flaps", "flaps"),
        ("Waiting", "waiting_octets"),
        ("Last error", "last_error"),
        ("Description", "description"),
    ];
    let mut rows = list(answer, "neighbors").to_vec();
    for row in &mut rows {
        row["for"] = duration(&row["state_seconds"]).into();
    }
    table(
        match detail {
            Detail::Usual => USUAL,
            Detail::All => ALL,
        },
        &rows,
    )
}

pub(super) fn neighbor(answer: &Value, _: Detail) -> String {
    const FAMILIES: &[(&str, &str)] = &[
        ("Family", "family"),
        ("Received", "received"),
        ("Accepted", "accepted"),
        ("Stale", "stale"),
        ("Sent", "advertised"),
    ];
    let mut lines = vec![format!(
        "{} AS {} is {} for {}",
        text(&answer["neighbor"]),
        text(&answer["asn"]),
        text(&answer["state"]),
        duration(&answer["state_seconds"])
    )];
    let shown = ["neighbor", "asn", "state", "state_seconds", "families"];
    let fields = answer.as_object().into_iter().flatten();
    for (key, value) in
        fields.filter(|(key, value)| !shown.contains(&key.as_str()) && !value.is_null())
    {
        let key = key.replace('_', " ");
        match value {
            Value::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| format!("{} {}", key.replace('_', " "), text(value)))
                    .collect();
                lines.push(format!("  {key}: {}", fields.join(", ")));
            }
            value => lines.push(format!("  {key}: {}", text(value))),
        }
    }
    lines.push(table(FAMILIES, list(answer, "families")));
    lines.join("\n")
}

pub(super) fn rib(answer: &Value, detail: Detail) -> String {
    const USUAL: &[(&str, &str)] = &[
        ("", "mark"),
        ("Route", "route"),
        ("Next hop", "next_hop"),
        ("From", "from"),
        ("MED", "med"),
        ("Pref", "local_pref"),
        ("AS path", "as_path"),
    ];
    const ALL: &[(&str, &str)] = &[
        ("", "mark"),
        ("Route", "route"),
        ("Next hop", "next_hop"),
        ("From", "from"),
        ("MED", "med"),
        ("Pref", "local_pref"),
        ("AS path", "as_path"),
        ("Communities", "all_communities"),
        ("Label", "label"),
        ("VNI", "vni"),
        ("Path id", "path_id"),
        ("Why not", "reason"),
    ];
    let mut rows = list(answer, "routes").to_vec();
    let mut before = None;
    for row in &mut rows {
        flatten(row);
        // A prefix's further paths are listed under it.
        let route = row["route"].as_str().map(str::to_owned);
        if route == before && detail == Detail::Usual {
            row["route"] = "".into();
        } else {
            before = route;
        }
    }
    let columns = match detail {
        Detail::Usual => USUAL,
        Detail::All => ALL,
    };
    let more = match answer["next"].as_str() {
        Some(_) => ", and more: raise --limit",
        None => "",
    };
    let marks = "* best, = multipath, x rejected, s stale";
    format!(
        "{}\n{} paths{more} ({marks})",
        table(columns, &rows),
        rows.len()
    )
}

/// What of a path's attributes has a column.
fn flatten(row: &mut Value) {
    let attributes = row["attributes"].take();
    for key in ["next_hop", "med", "local_pref", "as_path"] {
        row[key] = attributes[key].clone();
    }
    row["all_communities"] = communities(&attributes).into();
    row["mark"] = mark(row).into();
}

fn communities(attributes: &Value) -> String {
    let kinds = ["communities", "extended", "large", "ipv6_extended"];
    let kinds = kinds.iter().filter(|kind| !attributes[**kind].is_null());
    kinds
        .map(|kind| text(&attributes[*kind]))
        .collect::<Vec<_>>()
        .join(" ")
}

fn mark(row: &Value) -> String {
    let state = match row["state"].as_str() {
        Some("best") => "*",
        Some("multipath") => "=",
        Some("rejected") => "x",
        _ => "",
    };
    let stale = if row["stale"] == true { "s" } else { "" };
    format!("{state}{stale}")
}

pub(super) fn explanation(answer: &Value, _: Detail) -> String {
    let mut lines = vec![format!(
        "{} in {}",
        text(&answer["route"]),
        text(&answer["table"])
    )];
    let paths = list(answer, "paths");
    if paths.is_empty() {
        lines.push("  no path: nobody announces it".to_owned());
    }
    for path in paths {
        lines.extend(path_lines(path));
    }
    let exports = list(answer, "exports");
    if !exports.is_empty() {
        lines.push("sent to:".to_owned());
    }
    for export in exports {
        let outcome = match (&export["reason"], &export["attributes"]) {
            (Value::String(reason), _) => format!("no: {reason}"),
            (_, attributes) => {
                let waits = if export["sent"] == true {
                    "yes"
                } else {
                    "not yet"
                };
                format!("{waits}: {}", attributes_line(attributes))
            }
        };
        lines.push(format!("  {:<24} {outcome}", text(&export["neighbor"])));
    }
    lines.join("\n")
}

fn path_lines(path: &Value) -> Vec<String> {
    let reason = match path["reason"].as_str() {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    };
    let stale = if path["stale"] == true {
        " (stale)"
    } else {
        ""
    };
    let mut lines = vec![
        format!(
            "  from {}: {}{reason}{stale}",
            text(&path["from"]),
            text(&path["state"])
        ),
        format!("      {}", attributes_line(&path["attributes"])),
    ];
    if !path["received"].is_null() {
        lines.push(format!(
            "      received as {}",
            attributes_line(&path["received"])
        ));
    }
    lines
}

fn attributes_line(attributes: &Value) -> String {
    let mut parts = vec![
        format!("next hop {}", text(&attributes["next_hop"])),
        format!("origin {}", text(&attributes["origin"])),
    ];
    match attributes["as_path"].as_str() {
        Some("") | None => parts.push("local AS".to_owned()),
        Some(path) => parts.push(format!("AS path {path}")),
    }
    for (key, name) in [("local_pref", "preference"), ("med", "MED")] {
        if !attributes[key].is_null() {
            parts.push(format!("{name} {}", text(&attributes[key])));
        }
    }
    let communities = communities(attributes);
    if !communities.is_empty() {
        parts.push(communities);
    }
    parts.join(", ")
}

pub(super) fn changes(answer: &Value, _: Detail) -> String {
    let changes = list(answer, "changes");
    if changes.is_empty() {
        return "nothing changes".to_owned();
    }
    let lines = changes.iter().map(|change| {
        format!(
            "{}: {} ({})",
            text(&change["part"]),
            text(&change["what"]),
            text(&change["cost"])
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn effects(answer: &Value, _: Detail) -> String {
    const COLUMNS: &[(&str, &str)] = &[
        ("Neighbour", "neighbor"),
        ("Direction", "direction"),
        ("Route", "route"),
        ("Effect", "effect"),
        ("Before", "before_line"),
        ("After", "after_line"),
    ];
    let mut rows = list(answer, "effects").to_vec();
    for row in &mut rows {
        for (key, line) in [("before", "before_line"), ("after", "after_line")] {
            if !row[key].is_null() {
                row[line] = attributes_line(&row[key]).into();
            }
        }
    }
    let total = answer["total"].as_u64().unwrap_or(0);
    let shown = rows.len();
    match total {
        0 => "no route would change".to_owned(),
        _ => format!(
            "{}\n{total} routes would change, {shown} shown",
            table(COLUMNS, &rows)
        ),
    }
}

pub(super) fn done(answer: &Value, _: Detail) -> String {
    let message = answer["message"].as_str();
    message.map_or_else(|| answer.to_string(), str::to_owned)
}

/// An event on one line.
pub(super) fn event(event: &Value) -> String {
    let at = event["at"]
        .as_str()
        .and_then(|at| at.split('.').next())
        .unwrap_or_default();
    let neighbor = event["neighbor"].as_str().unwrap_or("-");
    format!("{at}  {neighbor:<24} {}", text(&event["text"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_read_at_a_glance() {
        let shown = [0_u64, 61, 3_720, 90_000].map(|seconds| duration(&json!(seconds)));
        assert_eq!(shown, ["0s", "1m01s", "1h02m", "1d01h"]);
    }

    #[test]
    fn an_explanation_names_the_reason_of_each_path_and_each_neighbour() {
        let answer = json!({
            "route": "10.0.0.0/8", "table": "ipv4-unicast",
            "paths": [
                {"from": "192.0.2.1", "state": "best", "attributes": {"next_hop": "192.0.2.1", "origin": "igp", "as_path": "65001"}},
                {"from": "192.0.2.2", "state": "lost", "reason": "longer AS path",
                 "attributes": {"next_hop": "192.0.2.2", "origin": "igp", "as_path": "65002 65001"}},
            ],
            "exports": [{"neighbor": "192.0.2.3", "sent": false, "reason": "the export policy rejects it"}],
        });
        let shown = explanation(&answer, Detail::Usual);
        for line in [
            "  from 192.0.2.1: best",
            "  from 192.0.2.2: lost: longer AS path",
            "  192.0.2.3                no: the export policy rejects it",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{shown}");
        }
    }

    #[test]
    fn a_table_marks_what_is_best_and_groups_by_prefix() {
        let answer = json!({"routes": [
            {"route": "10.0.0.0/8", "from": "a", "state": "best", "attributes": {"as_path": "1"}},
            {"route": "10.0.0.0/8", "from": "b", "state": "rejected", "attributes": {"as_path": "2"}},
        ]});
        let shown = rib(&answer, Detail::Usual);
        assert_eq!(shown.matches("10.0.0.0/8").count(), 1, "{shown}");
        assert!(shown.contains('*') && shown.contains('x'), "{shown}");
    }
}
