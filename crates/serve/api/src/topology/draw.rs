//! Pictures as files: GraphML for graph tools, SVG for documents. Everything in them comes from clouds and their users, so that all of it is
//! escaped.

use super::error::MapError;
use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::str::FromStr;

/// How a picture is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Json,
    GraphMl,
    Svg,
}

impl FromStr for Shape {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "graphml" => Ok(Self::GraphMl),
            "svg" => Ok(Self::Svg),
            _ => Err("json, graphml or svg"),
        }
    }
}

/// An answer with `nodes` and `links` in the shape asked for; `title` says what it is a picture of.
pub(super) fn shaped(answer: Value, shape: Shape, title: &str) -> Result<Response, MapError> {
    let (kind, text) = match shape {
        Shape::Json => return Ok(Json(answer).into_response()),
        Shape::GraphMl => (
            "application/graphml+xml; charset=utf-8",
            graphml(&answer, title),
        ),
        Shape::Svg => ("image/svg+xml; charset=utf-8", svg(&answer, title)),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    Ok((headers, text).into_response())
}

/// Text in XML 1.0: what it cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn list<'v>(answer: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    answer[name].as_array().into_iter().flatten()
}

/// What nodes carry besides their key.
const ATTRIBUTES: [&str; 6] = ["name", "type", "host", "tenant", "status", "own"];

fn graphml(answer: &Value, title: &str) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    let _ = writeln!(out, "  <desc>{}</desc>", escaped(title));
    for name in ATTRIBUTES {
        let _ = writeln!(
            out,
            "  <key id=\"{name}\" for=\"node\" attr.name=\"{name}\" attr.type=\"string\"/>"
        );
    }
    out.push_str("  <key id=\"link\" for=\"edge\" attr.name=\"type\" attr.type=\"string\"/>\n");
    out.push_str("  <graph edgedefault=\"directed\">\n");
    for node in list(answer, "nodes") {
        let _ = write!(out, "    <node id=\"{}\">", escaped(text(node, "key")));
        for name in ATTRIBUTES {
            if let Some(value) = node[name].as_str() {
                let _ = write!(out, "<data key=\"{name}\">{}</data>", escaped(value));
            }
        }
        out.push_str("</node>\n");
    }
    for link in list(answer, "links") {
        let _ = writeln!(
            out,
            "    <edge source=\"{}\" target=\"{}\"><data key=\"link\">{}</data></edge>",
            escaped(text(link, "source")),
            escaped(text(link, "target")),
            escaped(&types(link))
        );
    }
    out.push_str("  </graph>\n</graphml>\n");
    out
}

/// A link's type; of several links in one, all types.
fn types(link: &Value) -> String {
    match link["type"].as_str() {
        Some(name) => name.to_owned(),
        None => {
            let counts = link["counts"].as_object().into_iter().flatten();
            let names: Vec<&str> = counts.map(|(name, _)| name.as_str()).collect();
            names.join(", ")
        }
    }
}

/// Pixels between two columns, two rows, and around it all.
const COLUMN: usize = 150;
const ROW: usize = 70;
const MARGIN: usize = 80;

/// Where each node is drawn: the server's places, with the empty rows and columns left out.
fn places(answer: &Value) -> BTreeMap<&str, (usize, usize)> {
    let at = |node: &Value| {
        let position = &node["position"];
        Some((position["x"].as_i64()?, position["y"].as_i64()?))
    };
    let spots: Vec<(&str, (i64, i64))> = list(answer, "nodes")
        .filter_map(|node| Some((node["key"].as_str()?, at(node)?)))
        .collect();
    let columns: BTreeSet<i64> = spots.iter().map(|(_, (x, _))| *x).collect();
    let rows: BTreeSet<i64> = spots.iter().map(|(_, (_, y))| *y).collect();
    let rank =
        |set: &BTreeSet<i64>| -> BTreeMap<i64, usize> { set.iter().copied().zip(0..).collect() };
    let (columns, rows) = (rank(&columns), rank(&rows));
    spots
        .into_iter()
        .map(|(key, (x, y))| {
            (
                key,
                (MARGIN + columns[&x] * COLUMN, MARGIN + rows[&y] * ROW),
            )
        })
        .collect()
}

/// What became of a node, or else its health, as a colour that is told apart on paper too.
fn colour(node: &Value) -> &'static str {
    match (node["own"].as_str(), text(node, "status")) {
        (Some("added"), _) | (None, "ok") => "#0a7a50",
        (Some("removed"), _) | (None, "error") => "#b3261e",
        (Some(_), _) | (None, "warning") => "#8a5a00",
        _ => "#5b6472",
    }
}

fn svg(answer: &Value, title: &str) -> String {
    let places = places(answer);
    let most = |of: fn(&(usize, usize)) -> usize| places.values().map(of).max().unwrap_or_default();
    let (width, height) = (most(|at| at.0) + MARGIN, most(|at| at.1) + MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"system-ui, sans-serif\" font-size=\"11\">\n<title>{0}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"16\" y=\"24\" font-size=\"13\">{0}</text>\n",
        escaped(title)
    );
    for link in list(answer, "links") {
        let ends = (
            places.get(text(link, "source")),
            places.get(text(link, "target")),
        );
        if let (Some((x1, y1)), Some((x2, y2))) = ends {
            let _ = writeln!(
                out,
                "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"#9aa3b2\"><title>{}</title></line>",
                escaped(&types(link))
            );
        }
    }
    for node in list(answer, "nodes") {
        if let Some((x, y)) = places.get(text(node, "key")) {
            let name = match text(node, "name") {
                "" => text(node, "id"),
                name => name,
            };
            let _ = writeln!(
                out,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"6\" fill=\"{}\"><title>{}</title></circle><text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                colour(node),
                escaped(text(node, "key")),
                y + 20,
                escaped(name)
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn picture(name: &str) -> Value {
        json!({
            "nodes": [
                {"key": format!("host/{name}"), "id": name, "name": name, "type": "host", "status": "error", "position": {"x": 0, "y": 0}},
                {"key": "vedge/b", "id": "b", "name": "b", "type": "vedge", "status": "ok", "position": {"x": 9, "y": 64}},
            ],
            "links": [{"source": format!("host/{name}"), "target": "vedge/b", "type": "host-vedge"}],
        })
    }

    #[test]
    fn nodes_and_links_are_in_both_files_and_rows_are_close() {
        let graphml = graphml(&picture("a"), "prod, version 7");
        assert!(
            graphml.contains("<node id=\"host/a\">")
                && graphml.contains("<edge source=\"host/a\" target=\"vedge/b\">")
        );
        let svg = svg(&picture("a"), "prod, version 7");
        assert!(
            svg.contains("version 7")
                && svg.contains("<line x1=\"80\" y1=\"80\" x2=\"230\" y2=\"150\""),
            "{svg}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn whatever_things_are_called_it_stays_text(name in any::<String>()) {
            for file in [graphml(&picture(&name), &name), svg(&picture(&name), &name)] {
                let same = [graphml(&picture("a"), "a"), svg(&picture("a"), "a")];
                let tags = |text: &str| text.matches('<').count();
                prop_assert!(same.iter().any(|known| tags(known) == tags(&file)));
                prop_assert!(!file.chars().any(|c| c.is_control() && c != '\n'));
            }
        }
    }
}
