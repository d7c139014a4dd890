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
    pub(crate) fn print(&self, answer: &Value, render: impl FnOnce(&Value, Detail) -> String) -> Result<()> {
        match self.output {
            Format::Json => println!("{}", serde_json::to_string_pretty(answer)?),
            Format::Table => println!("{}", render(answer, Detail::Usual)),
            Format::Wide => println!("{}", render(answer, Detail::All)),
            Format::Name => names(answer).for_each(|name| println!("{name}")),
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

/// What identifies the things of an answer.
fn names(answer: &Value) -> impl Iterator<Item = &str> {
    let lists = ["neighbors", "routes", "changes", "effects"];
    let items = lists.iter().filter_map(|list| answer[list].as_array()).flatten();
    let single = std::iter::once(answer).filter(move |answer| {
        lists.iter().all(|list| answer[list].as_array().is_none())
    });
    items.chain(single).filter_map(|item| {
        let keys = ["route", "neighbor", "part", "file"];
        keys.iter().find_map(|key| item[key].as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_one_for_each_thing() {
        let list = json!({"routes": [{"route": "10.0.0.0/8"}, {"route": "10.1.0.0/16"}]});
        assert_eq!(names(&list).collect::<Vec<_>>(), ["10.0.0.0/8", "10.1.0.0/16"]);
        let single = json!({"neighbor": "192.0.2.1", "state": "idle"});
        assert_eq!(names(&single).collect::<Vec<_>>(), ["192.0.2.1"]);
        assert_eq!(names(&json!({"routes": []})).count(), 0);
    }
}
