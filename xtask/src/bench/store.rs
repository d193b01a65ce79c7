//! A run as a JSON file: written for every run, read to compare with an earlier one.
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::baseline::Baseline;
use super::events::KINDS;
use super::rows::Row;
use crate::failure::missing;

/// A run that was kept.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    /// The kernel that was measured, as its option is spelled.
    pub kernel: String,
    /// Name and median of each row.
    pub medians: Vec<(String, u64)>,
}

impl Kept {
    /// The median of the row `id`.
    pub fn median(&self, id: &str) -> Option<u64> {
        self.medians.iter().find(|(name, _)| name == id).map(|(_, median)| *median)
    }
}

/// The text of the file for a run.
pub fn to_json(kernel: &str, rows: &[Row], baseline: &Baseline) -> String {
    let rows: Map<String, Value> =
        rows.iter().map(|row| (row.id.clone(), row_value(row, baseline))).collect();
    // Keys are sorted, so that two files can be compared by eye.
    format!("{:#}\n", json!({ "kernel": kernel, "rows": rows }))
}

fn row_value(row: &Row, baseline: &Baseline) -> Value {
    let target = baseline.target(&row.id);
    let mut value = json!({
        "min": row.min,
        "median": row.median,
        "p99": row.p99,
        "max": row.max,
        "count": row.count,
        "unit": row.unit,
    });
    if let Some(sel4) = target.sel4 {
        value["sel4"] = sel4.into();
        value["ratio"] = (row.median as f64 / sel4 as f64).into();
    }
    if let Some(events) = row.events {
        let named = KINDS.iter().map(|kind| (*kind).to_string()).zip(events.map(Value::from));
        value["events"] = named.collect::<Map<_, _>>().into();
    }
    if let Some(goal) = target.goal {
        value["goal"] = goal.into();
    }
    value
}

/// Writes `text` to `path`.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a run that was kept.
///
/// # Errors
/// The file is missing, or no such file.
pub fn read(path: &Path) -> Result<Kept> {
    let text = fs::read_to_string(path).map_err(|error| {
        missing(format!(
            "cannot read {}: {error}; name a file that `cargo xtask bench` wrote",
            path.display()
        ))
    })?;
    parse(&text).with_context(|| format!("{} was not written by `cargo xtask bench`", path.display()))
}

fn parse(text: &str) -> Result<Kept> {
    let value: Value = serde_json::from_str(text)?;
    let (Some(kernel), Some(rows)) = (value["kernel"].as_str(), value["rows"].as_object()) else {
        bail!("`kernel` or `rows` is missing");
    };
    let median = |(id, row): (&String, &Value)| {
        let median = row["median"].as_u64().with_context(|| format!("`{id}` has no median"))?;
        Ok((id.clone(), median))
    };
    Ok(Kept { kernel: kernel.to_string(), medians: rows.iter().map(median).collect::<Result<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let rows = [Row::single("b/1", 7, "ticks"), Row::single("a", 9, "bytes")];
        let kept = parse(&to_json("benchmark", &rows, &Baseline::default())).unwrap();
        assert_eq!(kept.kernel, "benchmark");
        assert_eq!((kept.median("b/1"), kept.median("a"), kept.median("c")), (Some(7), Some(9), None));
    }

    #[test]
    fn other_files_are_refused() {
        for text in ["", "{}", "[1]", "{\"kernel\":\"x\",\"rows\":{\"a\":{}}}", "{\"kernel\":1,\"rows\":{}}"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        let error = read(Path::new("/nonexistent")).unwrap_err();
        assert_eq!(crate::failure::exit_code(&error), 2);
    }
}
