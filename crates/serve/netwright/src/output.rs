//! How answers are printed: a table for people, JSON for programs, CSV for spreadsheets.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    /// The API's answer as it came.
    Json,
    /// The rows of a list.
    Csv,
}

#[derive(Args)]
pub(crate) struct Output {
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

/// Rows of an answer, and how they are shown.
pub(crate) struct List<'l> {
    pub(crate) columns: &'l [(&'l str, &'l str)],
    pub(crate) rows: Vec<Value>,
    /// What to say when there are none.
    pub(crate) nothing: &'l str,
    /// Said below the table.
    pub(crate) foot: String,
}

impl Output {
    /// Prints the answer as it came, or what `table` makes of it.
    pub(crate) fn print(&self, answer: &Value, table: impl FnOnce(&Value) -> String) -> Result<()> {
        match self.output {
            Format::Json => println!("{}", serde_json::to_string_pretty(answer)?),
            Format::Table => println!("{}", table(answer)),
            Format::Csv => bail!("this answer is no list: print it with -o table or -o json"),
        }
        Ok(())
    }

    /// Says that something was done that has no answer of its own; to people only.
    pub(crate) fn done(&self, text: impl FnOnce() -> String) {
        if self.output == Format::Table {
            println!("{}", text());
        }
    }

    /// Prints a list.
    pub(crate) fn list(&self, answer: &Value, list: &List<'_>) -> Result<()> {
        if self.output == Format::Csv {
            print!("{}", csv(list));
            return Ok(());
        }
        self.print(answer, |_| {
            let shown = match list.rows.is_empty() {
                true => list.nothing.to_owned(),
                false => table(list.columns, &list.rows),
            };
            match list.foot.is_empty() {
                true => shown,
                false => format!("{shown}\n{}", list.foot),
            }
        })
    }
}

fn csv(list: &List<'_>) -> String {
    let mut out = String::new();
    let head = list.columns.iter().map(|(_, field)| (*field).to_owned());
    topology::csv_row(&mut out, head);
    for row in &list.rows {
        let cells = list.columns.iter().map(|(_, field)| text(&row[*field]));
        topology::csv_row(&mut out, cells);
    }
    out
}

/// A table of the named fields of each object.
pub(crate) fn table(columns: &[(&str, &str)], rows: &[Value]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|(title, _)| *title));
    for row in rows {
        table.add_row(columns.iter().map(|(_, field)| cell(&row[*field])));
    }
    table.to_string()
}

/// A value in a table, where times are shown to the second.
fn cell(value: &Value) -> String {
    let shown = text(value);
    to_the_second(&shown).unwrap_or(shown)
}

fn to_the_second(text: &str) -> Option<String> {
    let (whole, fraction) = text.strip_suffix('Z')?.split_once('.')?;
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let bytes = whole.as_bytes();
    let is_time = bytes.len() == 19 && bytes[10] == b'T' && digits(&bytes[..4]);
    (is_time && digits(fraction.as_bytes())).then(|| format!("{whole}Z"))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => match (fields.get("type"), fields.get("id")) {
            // A reference to an object, as it is written everywhere.
            (Some(Value::String(kind)), Some(Value::String(id))) => format!("{kind}/{id}"),
            _ => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| format!("{name} {}", text(value)));
                fields.collect::<Vec<_>>().join(", ")
            }
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_shown_to_the_second_and_nothing_else_is_cut() {
        let shown = |text: &str| cell(&Value::from(text));
        assert_eq!(
            shown("2026-11-25T14:50:29.665757259Z"),
            "2026-11-25T14:50:29Z"
        );
        for other in [
            "2026-11-25T14:50:29Z",
            "version 1.5Z",
            "1.2.3.4Z",
            "ä.5Z",
            "",
        ] {
            assert_eq!(shown(other), other);
        }
    }

    #[test]
    fn a_list_as_csv_has_the_names_of_the_api_and_no_formula() {
        let list = List {
            columns: &[("Name", "name"), ("Of", "object")],
            rows: vec![json!({"name": "=1+1", "object": {"type": "host", "id": "a,b"}})],
            nothing: "none",
            foot: String::new(),
        };
        assert_eq!(csv(&list), "name,object\r\n'=1+1,\"host/a,b\"\r\n");
    }
}
