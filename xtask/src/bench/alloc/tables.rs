//! Tables: for each metric the workloads as lines and the candidates as columns.
use std::fmt::Write as _;

use super::figures::Figures;
use super::goals::Goals;

/// Metrics that a table shows, with its title; others are in the JSON file only.
const METRICS: [(&str, &str); 14] = [
    ("net_ns", "ns per operation, without the replay's own"),
    ("instructions", "instructions per operation (callgrind), without the replay's own"),
    ("p999_ns", "p99.9 of one operation, ns (realloc apart)"),
    ("max_ns", "worst operation, ns (realloc apart)"),
    ("realloc_max_ns", "worst realloc, ns"),
    ("footprint_ratio", "peak memory touched / peak bytes live"),
    ("high_water", "highest address used / space"),
    ("metadata_per_mib", "bytes of metadata per MiB managed"),
    ("free_order9_blocks", "free blocks of 2 MiB at the end"),
    ("kernel_calls_per_alloc", "kernel calls (Untyped_Retype, CNode_Revoke) per allocation"),
    ("retypes_per_alloc", "Untyped_Retype per allocation"),
    ("source_calls", "calls for memory, or to give it back, per 1,000 operations"),
    ("held_after_trim", "bytes held when everything was freed and trim was asked for"),
    ("failed", "requests that failed"),
];
/// Width of a terminal.
const COLUMNS: usize = 80;

/// One table.
struct Table {
    title: String,
    candidates: Vec<String>,
    lines: Vec<(String, Vec<String>)>,
}

/// The tables of a benchmark; `failed` only if some did.
fn tables(figures: &Figures, goals: &Goals, bench: &str) -> Vec<Table> {
    let mut tables = Vec::new();
    for (metric, title) in METRICS {
        let candidates = figures.candidates(bench, metric);
        let cell = |workload: &str, candidate: &str| match figures.get(bench, workload, candidate, metric) {
            Some(value) => {
                let cut = figures.get(bench, workload, candidate, "cut_after").is_some();
                format!("{}{}", number(value), if cut && metric == "net_ns" { "*" } else { "" })
            }
            None => String::new(),
        };
        let title = format!("{bench}: {title}");
        let table = table(figures, bench, title, &candidates, cell);
        let any_failed =
            || table.lines.iter().any(|(_, cells)| cells.iter().any(|cell| !cell.is_empty() && cell != "0"));
        if !table.lines.is_empty() && (metric != "failed" || any_failed()) {
            tables.push(table);
        }
        if let (Some(base), "net_ns") = (goals.base(bench), metric) {
            let ratio = |workload: &str, candidate: &str| {
                let figure = |candidate: &str| figures.get(bench, workload, candidate, metric);
                let ratio = figure(base).zip(figure(candidate)).map(|(base, figure)| base / figure);
                ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"))
            };
            let title = format!("{bench}: speed relative to {base}");
            tables.push(self::table(figures, bench, title, &candidates, ratio));
        }
    }
    tables
}

fn table(
    figures: &Figures,
    bench: &str,
    title: String,
    candidates: &[&str],
    cell: impl Fn(&str, &str) -> String,
) -> Table {
    let line = |workload: &str| {
        let cells: Vec<String> = candidates.iter().map(|candidate| cell(workload, candidate)).collect();
        cells.iter().any(|cell| !cell.is_empty()).then(|| (workload.to_string(), cells))
    };
    Table {
        title,
        candidates: candidates.iter().map(ToString::to_string).collect(),
        lines: figures.workloads(bench).into_iter().filter_map(line).collect(),
    }
}

/// Three digits or so.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_string(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// All tables for the terminal.
pub fn text(figures: &Figures, goals: &Goals) -> String {
    let mut text = String::new();
    for bench in figures.benches() {
        for Table { title, candidates, lines } in tables(figures, goals, bench) {
            let first = lines.iter().map(|(workload, _)| workload.len()).max().unwrap_or(0).min(20);
            let width = ((COLUMNS - first) / candidates.len().max(1)).clamp(2, 13);
            let _ = write!(text, "\n{title}\n{:first$}", "");
            for name in &candidates {
                let _ = write!(text, " {name:>0$.0$}", width - 1);
            }
            text.push('\n');
            for (workload, cells) in lines {
                let _ = write!(text, "{workload:first$.first$}");
                for cell in cells {
                    let _ = write!(text, "{cell:>width$}");
                }
                text.push('\n');
            }
        }
    }
    text
}

/// A benchmark's tables in Markdown.
pub fn markdown(figures: &Figures, goals: &Goals, bench: &str) -> String {
    let mut text = String::new();
    for Table { title, candidates, lines } in tables(figures, goals, bench) {
        let _ = writeln!(text, "{}{title}\n", if text.is_empty() { "" } else { "\n" });
        let _ = writeln!(text, "| | {} |\n|---|{}", candidates.join(" | "), "--:|".repeat(candidates.len()));
        for (workload, cells) in lines {
            let _ = writeln!(text, "| {workload} | {} |", cells.join(" | "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let seen = [0.0, 0.123, 9.99, 12.34, 100.4, 12345.6].map(number);
        assert_eq!(seen, ["0", "0.12", "9.99", "12.3", "100", "12346"]);
    }

    #[test]
    fn tables_show_what_was_measured() {
        let figures = figures(&[
            ("malloc", "cc1", "selkie", "net_ns", 5.0),
            ("malloc", "cc1", "dlmalloc", "net_ns", 12.5),
            ("malloc", "cc1", "dlmalloc", "cut_after", 100.0),
            ("malloc", "cc1", "selkie", "failed", 0.0),
        ]);
        let goals = Goals::read().unwrap();
        let text = text(&figures, &goals);
        assert!(text.contains("12.5*") && text.contains("2.50") && !text.contains("failed"), "{text}");
        assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
        let markdown = markdown(&figures, &goals, "malloc");
        assert!(markdown.contains("| cc1 | 5.00 | 12.5* |"), "{markdown}");
    }
}
