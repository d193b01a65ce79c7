//! The table of a run, for the terminal and for the documentation.
use std::fmt::Write as _;

use super::baseline::{Baseline, Target};
use super::events;
use super::rows::Row;

/// Titles of the columns.
const TITLES: [&str; 9] = ["row", "min", "median", "max", "seL4", "ratio", "goal", "reached", "events"];

/// What the columns say of a row.
fn cells(row: &Row, target: Target) -> [String; 9] {
    let number = |number: Option<u64>| number.map_or(String::new(), grouped);
    let name = match row.unit.as_str() {
        "ticks" => row.id.clone(),
        unit => format!("{} ({unit})", row.id),
    };
    let ratio = target.sel4.map(|sel4| format!("{:.2}", row.median as f64 / sel4 as f64));
    let reached = target.goal.map(|goal| if row.median <= goal { "yes" } else { "no" });
    [
        name,
        grouped(row.min),
        grouped(row.median),
        grouped(row.max),
        number(target.sel4),
        ratio.unwrap_or_default(),
        number(target.goal),
        reached.unwrap_or_default().to_string(),
        row.events.as_ref().map(events::text).unwrap_or_default(),
    ]
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The table with columns of equal width.
pub fn text(rows: &[Row], baseline: &Baseline) -> String {
    let mut lines = vec![TITLES.map(String::from)];
    lines.extend(rows.iter().map(|row| cells(row, baseline.target(&row.id))));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; 9] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let [name, numbers @ .., events] = line;
        let _ = write!(text, "{name:0$}", widths[0]);
        for (cell, width) in numbers.iter().zip(&widths[1..]) {
            let _ = write!(text, "  {cell:>width$}");
        }
        let _ = write!(text, "  {events}");
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// The table in Markdown.
pub fn markdown(rows: &[Row], baseline: &Baseline) -> String {
    let mut text = format!("| {} |\n|---|--:|--:|--:|--:|--:|--:|---|---|\n", TITLES.join(" | "));
    for row in rows {
        let _ = writeln!(text, "| {} |", cells(row, baseline.target(&row.id)).join(" | "));
    }
    text
}

/// How many goals there are among `rows`, and how many are reached.
pub fn goals(rows: &[Row], baseline: &Baseline) -> (usize, usize) {
    let goals = || rows.iter().filter_map(|row| Some((row.median, baseline.target(&row.id).goal?)));
    (goals().count(), goals().filter(|(median, goal)| median <= goal).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        let seen = [0, 999, 1000, 12_345, 1_234_567].map(grouped);
        assert_eq!(seen, ["0", "999", "1,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn ratio_and_goal_need_a_target() {
        let row = Row::single("a", 150, "ticks");
        let with = cells(&row, Target { sel4: Some(200), goal: Some(150) });
        assert_eq!(with[4..], ["200", "0.75", "150", "yes", ""]);
        assert_eq!(cells(&row, Target { sel4: None, goal: Some(149) })[4..], ["", "", "149", "no", ""]);
        assert_eq!(cells(&row, Target::default())[4..], ["", "", "", "", ""]);
        assert_eq!(cells(&Row::single("a", 1, "bytes"), Target::default())[0], "a (bytes)");
    }

    #[test]
    fn both_tables_have_a_line_for_each_row() {
        let rows = [Row::single("long/name", 1, "ticks"), Row::single("b", 1_000, "ticks")];
        let text = text(&rows, &Baseline::default());
        assert_eq!(text.lines().nth(2), Some("b          1,000   1,000  1,000"));
        assert_eq!(markdown(&rows, &Baseline::default()).lines().count(), 4);
    }
}
