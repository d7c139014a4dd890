//! The formats of a report.

use super::{Report, Section};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::str::FromStr;

/// For screens light and dark, and for paper: no script, nothing loaded.
const STYLE: &str = "
:root { color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8884; padding: .25rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { border-bottom-width: 2px; }
@media print { body { margin: 0; max-width: none; } thead { display: table-header-group; } tr { break-inside: avoid; } }
";

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportFormat {
    Json,
    Csv,
    Markdown,
    #[default]
    Html,
}

impl ReportFormat {
    /// For `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// What the name of such a file ends with, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Markdown => "md",
            Self::Html => "html",
        }
    }
}

impl FromStr for ReportFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "markdown" => Ok(Self::Markdown),
            "html" => Ok(Self::Html),
            _ => Err("json, csv, markdown or html"),
        }
    }
}

impl Report {
    /// # Errors
    /// Never for reports made here.
    pub fn render(&self, format: ReportFormat) -> Result<String, serde_json::Error> {
        match format {
            ReportFormat::Json => self.to_json(),
            ReportFormat::Csv => Ok(self.to_csv()),
            ReportFormat::Markdown => Ok(self.to_markdown()),
            ReportFormat::Html => Ok(self.to_html()),
        }
    }

    /// # Errors
    /// Never for reports made here.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// RFC 4180, one table: the section is the first column. A cell that a spreadsheet would take for a formula begins with an apostrophe.
    pub fn to_csv(&self) -> String {
        let mut out = String::new();
        for section in self
            .sections
            .iter()
            .filter(|section| !section.rows.is_empty())
        {
            let heads = section.columns.iter().cloned();
            csv_row(&mut out, std::iter::once("section".to_owned()).chain(heads));
            for row in &section.rows {
                csv_row(
                    &mut out,
                    std::iter::once(section.title.clone()).chain(row.iter().cloned()),
                );
            }
        }
        out
    }

    pub fn to_markdown(&self) -> String {
        let mut out = format!("# {}\n\n", markdown(&self.title));
        for (name, value) in &self.facts {
            let _ = writeln!(out, "- {}: {}", markdown(name), markdown(value));
        }
        for section in &self.sections {
            let _ = write!(out, "\n## {}\n\n", markdown(&section.title));
            if section.rows.is_empty() {
                out.push_str("None.\n");
                continue;
            }
            let _ = writeln!(out, "| {} |", section.columns.join(" | "));
            let _ = writeln!(out, "|{}", " --- |".repeat(section.columns.len()));
            for row in &section.rows {
                let cells: Vec<String> = row.iter().map(|cell| markdown(cell)).collect();
                let _ = writeln!(out, "| {} |", cells.join(" | "));
            }
        }
        out
    }

    /// One page that needs nothing else.
    pub fn to_html(&self) -> String {
        let title = html(&self.title);
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n<dl>\n"
        );
        for (name, value) in &self.facts {
            let _ = writeln!(out, "<dt>{}<dd>{}", html(name), html(value));
        }
        out.push_str("</dl>\n");
        for section in &self.sections {
            html_section(&mut out, section);
        }
        out.push_str("</html>\n");
        out
    }
}

fn html_section(out: &mut String, section: &Section) {
    let _ = writeln!(out, "<h2>{}</h2>", html(&section.title));
    if section.rows.is_empty() {
        out.push_str("<p>None.</p>\n");
        return;
    }
    out.push_str("<table>\n<thead><tr>");
    for column in &section.columns {
        let _ = write!(out, "<th>{}", html(column));
    }
    out.push_str("</thead>\n<tbody>\n");
    for row in &section.rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{}", html(cell));
        }
        out.push('\n');
    }
    out.push_str("</tbody>\n</table>\n");
}

/// A line of CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe.
pub fn csv_row(out: &mut String, cells: impl Iterator<Item = String>) {
    for (n, cell) in cells.enumerate() {
        if n > 0 {
            out.push(',');
        }
        // What OWASP lists as the starts of formulas, full-width forms included.
        let formula = cell.trim_start().starts_with([
            '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
        ]) || cell.starts_with(['\t', '\r', '\n']);
        let cell = if formula { format!("'{cell}") } else { cell };
        if cell.contains([',', '"', '\n', '\r', ';', '\t']) {
            let _ = write!(out, "\"{}\"", cell.replace('"', "\"\""));
        } else {
            out.push_str(&cell);
        }
    }
    out.push_str("\r\n");
}

fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(cell: &str) -> Report {
        Report {
            title: "t".into(),
            facts: vec![("f".into(), cell.to_owned())],
            sections: vec![Section {
                title: "s".into(),
                columns: vec!["a".to_owned(), "b".to_owned()],
                rows: vec![vec![cell.to_owned(), "x".into()]],
            }],
        }
    }

    #[test]
    fn formulas_stay_text_in_spreadsheets() {
        for cell in [
            "=1+1",
            "+cmd",
            "-2",
            "@sum",
            "\t=x",
            " =1",
            "=HYPERLINK(\"http://x\",\"a,b\")",
        ] {
            let csv = report(cell).to_csv();
            let row = csv.lines().nth(1).expect("a row");
            assert!(row.starts_with("s,'") || row.starts_with("s,\"'"), "{row}");
        }
        assert!(report("10.0.0.1").to_csv().contains("s,10.0.0.1,x"));
    }

    proptest! {
        #[test]
        fn no_markup_gets_into_a_page(cell in ".{0,80}") {
            let page = report(&cell).to_html();
            let empty = report("").to_html();
            prop_assert_eq!(page.matches('<').count(), empty.matches('<').count());
        }

        #[test]
        fn a_table_row_of_markdown_stays_one_row(cell in "(?s).{0,80}") {
            let page = report(&cell).to_markdown();
            prop_assert_eq!(page.lines().count(), report("").to_markdown().lines().count());
        }
    }
}
