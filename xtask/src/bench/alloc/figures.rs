//! Figures, as the benchmarks print them.
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::goals::Verdict;

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The benchmark: malloc, phys, virt, guest.
    pub bench: String,
    /// What was replayed.
    pub workload: String,
    /// Who was measured; `-` for a figure of the workload itself.
    pub candidate: String,
    /// What was measured.
    pub metric: String,
    /// How much.
    pub value: f64,
}

/// All figures of a run, in the order in which they came.
#[derive(Debug, Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// Takes the lines of one benchmark.
    ///
    /// # Errors
    /// A line is no figure.
    pub fn add(&mut self, lines: &str) -> Result<()> {
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            self.0.push(parse(line).with_context(|| format!("the benchmark printed no figure: {line}"))?);
        }
        Ok(())
    }

    /// Takes one figure.
    pub fn push(&mut self, figure: Figure) {
        self.0.push(figure);
    }

    /// One figure's value.
    pub fn get(&self, bench: &str, workload: &str, candidate: &str, metric: &str) -> Option<f64> {
        let wanted = |figure: &&Figure| {
            figure.bench == bench
                && figure.workload == workload
                && figure.candidate == candidate
                && figure.metric == metric
        };
        self.0.iter().find(wanted).map(|figure| figure.value)
    }

    /// The benchmarks that have figures.
    pub fn benches(&self) -> Vec<&str> {
        distinct(self.0.iter().map(|figure| figure.bench.as_str()))
    }

    /// Those of one benchmark.
    pub fn only(&self, bench: &str) -> Figures {
        Figures(self.of(bench).cloned().collect())
    }

    /// The workloads of a benchmark.
    pub fn workloads(&self, bench: &str) -> Vec<&str> {
        distinct(self.of(bench).map(|figure| figure.workload.as_str()))
    }

    /// The candidates of a benchmark that have a figure of `metric`.
    pub fn candidates(&self, bench: &str, metric: &str) -> Vec<&str> {
        let measured = |figure: &&Figure| figure.metric == metric && figure.candidate != "-";
        distinct(self.of(bench).filter(measured).map(|figure| figure.candidate.as_str()))
    }

    fn of(&self, bench: &str) -> impl Iterator<Item = &Figure> {
        self.0.iter().filter(move |figure| figure.bench == bench)
    }

    /// The text of the file for a run.
    pub fn to_json(&self, verdicts: &[Verdict]) -> String {
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        let figures: Vec<Value> = self
            .0
            .iter()
            .map(|figure| {
                json!([figure.bench, figure.workload, figure.candidate, figure.metric, rounded(figure.value)])
            })
            .collect();
        let goals: Vec<Value> = verdicts
            .iter()
            .map(|verdict| {
                json!({ "id": verdict.id, "what": verdict.what, "limit": verdict.limit,
                    "value": verdict.value.map(rounded), "reached": verdict.reached() })
            })
            .collect();
        // One line for each figure, so that two files can be compared by eye.
        let lines: Vec<String> = figures.iter().map(|figure| format!("  {figure}")).collect();
        format!("{{\n\"goals\": {:#},\n\"figures\": [\n{}\n]\n}}\n", Value::from(goals), lines.join(",\n"))
    }
}

fn parse(line: &str) -> Result<Figure> {
    let value: Value = serde_json::from_str(line)?;
    let text =
        |key: &str| value[key].as_str().map(str::to_string).with_context(|| format!("it has no `{key}`"));
    Ok(Figure {
        bench: text("bench")?,
        workload: text("workload")?,
        candidate: text("candidate")?,
        metric: text("metric")?,
        value: value["value"].as_f64().context("it has no `value`")?,
    })
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Figures as a benchmark would print them.
    pub fn figures(rows: &[(&str, &str, &str, &str, f64)]) -> Figures {
        let mut figures = Figures::default();
        for (bench, workload, candidate, metric, value) in rows {
            let line = json!({ "bench": bench, "workload": workload, "candidate": candidate, "metric": metric,
                "value": value });
            figures.add(&line.to_string()).unwrap();
        }
        figures
    }

    #[test]
    fn lines_become_figures() {
        let figures = figures(&[
            ("malloc", "cc1", "-", "operations", 7.0),
            ("malloc", "cc1", "selkie", "net_ns", 5.5),
            ("malloc", "git", "talc", "net_ns", 6.0),
            ("phys", "drain", "selkie", "failed", 0.0),
        ]);
        assert_eq!(figures.benches(), ["malloc", "phys"]);
        assert_eq!(figures.only("phys").benches(), ["phys"]);
        assert_eq!(figures.workloads("malloc"), ["cc1", "git"]);
        assert_eq!(figures.candidates("malloc", "net_ns"), ["selkie", "talc"]);
        assert_eq!(figures.get("malloc", "cc1", "selkie", "net_ns"), Some(5.5));
        assert_eq!(figures.get("malloc", "git", "selkie", "net_ns"), None);
        let kept: Value = serde_json::from_str(&figures.to_json(&[])).unwrap();
        assert_eq!(kept["figures"][1][4], 5.5);
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "warning",
            "{}",
            "{\"bench\":\"malloc\",\"workload\":\"a\",\"candidate\":\"b\",\"metric\":\"c\"}",
        ] {
            assert!(Figures::default().add(line).is_err(), "{line}");
        }
    }
}
