//! What every benchmark answers with: figures, each beside a reference measured in the same run.

use serde::Serialize;
use std::fmt;

/// How a figure is judged against its aim.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// `value` itself may be at most this.
    AtMost(f64),
    /// `value` itself must be at least this.
    AtLeast(f64),
    /// `value / reference_value` must be at least this.
    RatioAtLeast(f64),
    /// `value / reference_value` may be at most this.
    RatioAtMost(f64),
    /// `value − reference_value` may be at most this.
    AtMostOver(f64),
    /// Shown, not judged.
    None,
}

/// One figure of a benchmark.
#[derive(Debug, Clone, Serialize)]
pub struct Measurement {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    /// What `reference_value` is.
    pub reference: String,
    /// In the same unit, measured in the same run.
    pub reference_value: f64,
    /// `value / reference_value`.
    pub ratio: f64,
    /// The aim in words.
    pub aim: String,
    pub met: bool,
}

impl Measurement {
    pub fn new(
        name: impl Into<String>,
        (value, unit): (f64, &'static str),
        (reference, reference_value): (impl Into<String>, f64),
        aim: Aim,
    ) -> Self {
        let ratio = if reference_value == 0.0 {
            0.0
        } else {
            value / reference_value
        };
        let (text, met) = match aim {
            Aim::AtMost(most) => (format!("≤ {most} {unit}"), value <= most),
            Aim::AtLeast(least) => (format!("≥ {least} {unit}"), value >= least),
            Aim::RatioAtLeast(least) => (format!("≥ {least} × reference"), ratio >= least),
            Aim::RatioAtMost(most) => (format!("≤ {most} × reference"), ratio <= most),
            Aim::AtMostOver(most) => (
                format!("≤ reference + {most} {unit}"),
                value - reference_value <= most,
            ),
            Aim::None => ("shown".to_owned(), true),
        };
        Self {
            name: name.into(),
            value,
            unit,
            reference: reference.into(),
            reference_value,
            ratio,
            aim: text,
            met,
        }
    }
}

/// The answer of one benchmark.
#[derive(Debug, Serialize)]
pub struct Report {
    pub bench: String,
    pub machine: String,
    pub results: Vec<Measurement>,
}

impl Report {
    pub fn new(bench: &str, results: Vec<Measurement>) -> Self {
        Self {
            bench: bench.to_owned(),
            machine: machine(),
            results,
        }
    }

    pub fn all_met(&self) -> bool {
        self.results.iter().all(|result| result.met)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", self.bench, self.machine)?;
        for r in &self.results {
            writeln!(
                f,
                "  {:<44} {:>12.3} {:<8} {}: {:.3}, ratio {:.3}, aim {}: {}",
                r.name,
                r.value,
                r.unit,
                r.reference,
                r.reference_value,
                r.ratio,
                r.aim,
                if r.met { "met" } else { "MISSED" }
            )?;
        }
        Ok(())
    }
}

/// The machine in one line: processor, cores, memory, kernel.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_else(|| "unknown".to_owned())
    };
    let memory_kib: u64 = field(&read("/proc/meminfo"), "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_default();
    format!(
        "{}, {} cores, {} GiB, Linux {}",
        field(&read("/proc/cpuinfo"), "model name"),
        std::thread::available_parallelism().map_or(0, usize::from),
        memory_kib.div_ceil(1 << 20),
        read("/proc/sys/kernel/osrelease").trim()
    )
}

/// The value below which `fraction` (0 to 1) of the samples lie; sorts the samples.
pub fn percentile(samples: &mut [f64], fraction: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let last = samples.len().saturating_sub(1);
    samples
        .get((last as f64 * fraction).ceil() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
