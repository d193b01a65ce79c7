//! The lines of the benchmark root task, read.
use anyhow::{Context as _, Result};

use super::events::Counts;

/// The figures of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub id: String,
    /// The lowest sample.
    pub min: u64,
    /// The one in the middle.
    pub median: u64,
    /// What 99 of 100 samples do not exceed.
    pub p99: u64,
    /// The highest.
    pub max: u64,
    /// Number of samples.
    pub count: u64,
    /// `ticks` or `bytes`.
    pub unit: String,
    /// What instruction counts hide, if it was counted.
    pub events: Option<Counts>,
}

impl Row {
    /// A row of a single figure.
    pub fn single(id: &str, value: u64, unit: &str) -> Self {
        let unit = unit.to_string();
        let id = id.to_string();
        Self { id, min: value, median: value, p99: value, max: value, count: 1, unit, events: None }
    }
}

/// What a run printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// The rows, in order.
    pub rows: Vec<Row>,
    /// Rows that could not be measured, each with its reason.
    pub failures: Vec<String>,
    /// The run came to its end.
    pub complete: bool,
}

impl Output {
    /// Some row, measured or failed, has a name that begins with `prefix`.
    pub fn has(&self, prefix: &str) -> bool {
        let mut ids =
            self.rows.iter().map(|row| row.id.as_str()).chain(self.failures.iter().map(String::as_str));
        ids.any(|id| id.starts_with(prefix))
    }
}

/// Reads what the guest printed; lines that are not the benchmark's are skipped.
///
/// # Errors
/// A line of the benchmark cannot be understood.
pub fn parse(text: &str) -> Result<Output> {
    let mut output = Output::default();
    for line in text.lines().filter_map(|line| line.trim().strip_prefix("bench: ")) {
        if let Some(rest) = line.strip_prefix("row ") {
            let row = parse_row(rest).with_context(|| {
                format!("the guest's line `{line}` is no row; are xtask and roottask of one version?")
            })?;
            output.rows.push(row);
        } else if let Some(failure) = line.strip_prefix("failed ") {
            output.failures.push(failure.to_string());
        } else if line.starts_with("done ") {
            output.complete = true;
        }
    }
    Ok(output)
}

fn parse_row(text: &str) -> Option<Row> {
    let (id, fields) = text.split_once(' ')?;
    let field = |name: &str| {
        fields.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('=').map(str::to_string))
    };
    let number = |name| field(name)?.parse().ok();
    Some(Row {
        id: id.to_string(),
        min: number("min")?,
        median: number("median")?,
        p99: number("p99")?,
        max: number("max")?,
        count: number("count")?,
        unit: field("unit")?,
        events: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "bench: row call/other/0 min=1 median=2 p99=3 max=4 count=16 unit=ticks";

    #[test]
    fn rows_failures_and_the_end_are_read() {
        let text = format!(
            "[kernel] x\nbench: note a=1\n{LINE}\nbench: failed irq/same: no\nbench: done 1 rows, 1 failed\n"
        );
        let output = parse(&text).unwrap();
        let unit = "ticks".to_string();
        let row = Row {
            id: "call/other/0".into(),
            min: 1,
            median: 2,
            p99: 3,
            max: 4,
            count: 16,
            unit,
            events: None,
        };
        assert_eq!(output, Output { rows: vec![row], failures: vec!["irq/same: no".into()], complete: true });
    }

    #[test]
    fn a_run_that_breaks_off_is_not_complete() {
        let output = parse(LINE).unwrap();
        assert!(!output.complete && output.has("call/") && !output.has("other"));
        assert_eq!(parse("").unwrap(), Output::default());
    }

    #[test]
    fn a_row_without_a_figure_is_an_error() {
        for missing in ["min=1 ", "median=2 ", "p99=3 ", "max=4 ", "count=16 ", " unit=ticks"] {
            assert!(parse(&LINE.replace(missing, "")).is_err(), "{missing}");
        }
        assert!(parse(&LINE.replace("=16", "=x")).is_err());
    }
}
