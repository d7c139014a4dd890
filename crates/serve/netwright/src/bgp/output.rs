//! How answers of the BGP daemon are printed.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// A table with every column.
    Wide,
    /// The daemon's answer as it came.
    Json,
    /// One name on each line: neighbours or routes.
    Name,
}

#[derive(Args)]
pub(crate) struct View {
    /// How to print the answer.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

impl View {
    pub(crate) fn is_json(&self) -> bool {
        self.output == Format::Json
    }

    /// Prints the answer as it came, or what `render` makes of it.
    pub(crate) fn print(
        &self,
        answer: &Value,
        render: impl FnOnce(&Value, Detail) -> String,
    ) -> Result<()> {
        match self.output {
            Format::Json => println!("{}", serde_json::to_string_pretty(answer)?),
            Format::Table => println!("{}", render(answer, Detail::Usual)),
            Format::Wide => println!("{}", render(answer, Detail::All)),
            Format::Name => names(answer).iter().for_each(|name| println!("{name}")),
        }
        Ok(())
    }
}

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Usual,
    All,
}

/// The lists an answer may be, and what names their things.
const LISTS: [&str; 4] = ["neighbors", "routes", "changes", "effects"];
const NAMES: [&str; 4] = ["route", "neighbor", "part", "file"];

/// What identifies the things of an answer; an answer that is no list is one thing.
fn names(answer: &Value) -> Vec<&str> {
    let list = LISTS.iter().find_map(|list| answer[*list].as_array());
    let items = list.map_or(std::slice::from_ref(answer), Vec::as_slice);
    let name = |item: &'_ Value| NAMES.iter().find(|name| item[**name].is_string()).copied();
    let named = items.iter().filter_map(|item| item[name(item)?].as_str());
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_one_for_each_thing() {
        let list = json!({"routes": [{"route": "10.0.0.0/8"}, {"route": "10.1.0.0/16"}]});
        assert_eq!(names(&list), ["10.0.0.0/8", "10.1.0.0/16"]);
        let single = json!({"neighbor": "192.0.2.1", "state": "idle"});
        assert_eq!(names(&single), ["192.0.2.1"]);
        assert!(names(&json!({"routes": []})).is_empty());
    }
}
