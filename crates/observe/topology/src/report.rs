//! Reports: tables with headings, as JSON, CSV, Markdown and a page to print.
//!
//! Everything in them comes from clouds and their users, so each format takes care that it stays text: no formula in a spreadsheet, no markup
//! in a page.

mod content;
mod format;
mod inventory;

pub use format::{ReportFormat, csv_row};

use serde::{Deserialize, Serialize};

/// A table with a heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub title: String,
    /// Facts about the report itself: environment, versions, times.
    pub facts: Vec<(String, String)>,
    pub sections: Vec<Section>,
}
