//! How answers are printed: a table for people, JSON for programs.

use anyhow::Result;
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

#[derive(Args)]
pub(crate) struct Output {
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

impl Output {
    /// Prints the answer as it came, or what `table` makes of it.
    pub(crate) fn print(&self, answer: &Value, table: impl FnOnce(&Value) -> String) -> Result<()> {
        match self.output {
            Format::Json => println!("{}", serde_json::to_string_pretty(answer)?),
            Format::Table => println!("{}", table(answer)),
        }
        Ok(())
    }
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

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("{name} {}", cell(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
