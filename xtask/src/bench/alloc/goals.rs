//! Goals: what a figure, or a ratio of two, is to be at least or at most, over some workloads.
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use toml::Value;

use super::figures::Figures;

/// How values over several workloads become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Geomean,
    Worst,
}

/// The bound of a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// One goal.
#[derive(Debug)]
struct Goal {
    id: String,
    what: String,
    bench: String,
    metric: String,
    /// Names; `traces` stands for all that are not synthetic.
    workloads: Vec<String>,
    /// With whom the figure is compared: this one's figure divided by ours, or the other way round if `inverse`.
    base: Option<String>,
    inverse: bool,
    /// Whose figures they are, if not those of the project's usual candidate.
    own: Option<String>,
    over: Over,
    limit: Limit,
}

/// All goals, and for each benchmark who is measured and who is compared with.
#[derive(Debug)]
pub struct Goals {
    goals: Vec<Goal>,
    own: String,
    bases: Vec<(String, String)>,
}

/// What became of a goal.
#[derive(Debug, PartialEq)]
pub struct Verdict {
    /// The goal's name.
    pub id: String,
    /// What is to be reached.
    pub what: String,
    /// The bound, in words.
    pub limit: String,
    /// What was seen; `None` if it was not measured.
    pub value: Option<f64>,
    /// The workload that the value is of, if it is the worst of several.
    pub workload: Option<String>,
    reached: bool,
}

impl Verdict {
    /// "yes", "no", or "not measured".
    pub fn reached(&self) -> &'static str {
        match self.value {
            None => "not measured",
            Some(_) if self.reached => "yes",
            Some(_) => "no",
        }
    }

    fn shown(&self) -> String {
        let value = self.value.map_or("-".to_string(), |value| format!("{value:.2}"));
        match &self.workload {
            Some(workload) if self.value.is_some() => format!("{value} ({workload})"),
            _ => value,
        }
    }
}

impl Goals {
    /// The goals of the project.
    ///
    /// # Errors
    /// The file is malformed.
    pub fn read() -> Result<Self> {
        Self::parse(include_str!("goals.toml")).context("goals.toml is malformed")
    }

    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse()?;
        let own = table.get("own").and_then(Value::as_str).context("`own` is missing")?.to_string();
        let base = |(bench, base): (&String, &Value)| Some((bench.clone(), base.as_str()?.to_string()));
        let bases = table.get("bases").and_then(Value::as_table).context("`bases` is missing")?;
        let goals = table.get("goal").and_then(Value::as_array).context("there are no goals")?;
        Ok(Self {
            goals: goals.iter().map(goal).collect::<Result<_>>()?,
            own,
            bases: bases.iter().filter_map(base).collect(),
        })
    }

    /// With whom speed is compared in a benchmark.
    pub fn base(&self, bench: &str) -> Option<&str> {
        self.bases.iter().find(|(name, _)| name == bench).map(|(_, base)| base.as_str())
    }

    /// What became of each goal of the benchmarks that have figures.
    pub fn judge(&self, figures: &Figures) -> Vec<Verdict> {
        let benches = figures.benches();
        let measured = self.goals.iter().filter(|goal| benches.contains(&goal.bench.as_str()));
        measured.map(|goal| self.verdict(goal, figures)).collect()
    }

    fn verdict(&self, goal: &Goal, figures: &Figures) -> Verdict {
        let workloads = figures.workloads(&goal.bench).into_iter().filter(|workload| {
            let named =
                |name: &String| name == workload || (name == "traces" && !workload.starts_with("syn-"));
            goal.workloads.iter().any(named)
        });
        let values: Vec<(f64, &str)> =
            workloads.filter_map(|workload| Some((self.value(goal, figures, workload)?, workload))).collect();
        let (value, workload) = summary(goal, &values);
        let reached = value.is_some_and(|value| match goal.limit {
            Limit::AtLeast(limit) => value >= limit,
            Limit::AtMost(limit) => value <= limit,
        });
        let limit = match goal.limit {
            Limit::AtLeast(limit) => format!(">= {limit}"),
            Limit::AtMost(limit) => format!("<= {limit}"),
        };
        let workload = workload.map(str::to_string);
        Verdict { id: goal.id.clone(), what: goal.what.clone(), limit, value, workload, reached }
    }

    fn value(&self, goal: &Goal, figures: &Figures, workload: &str) -> Option<f64> {
        let figure = |candidate: &str| figures.get(&goal.bench, workload, candidate, &goal.metric);
        let own = figure(goal.own.as_ref().unwrap_or(&self.own))?;
        match &goal.base {
            None => Some(own),
            Some(base) if goal.inverse => Some(own / figure(base)?),
            Some(base) => Some(figure(base)? / own),
        }
    }
}

/// One value of those of several workloads, and the workload if it is that of one.
fn summary<'a>(goal: &Goal, values: &[(f64, &'a str)]) -> (Option<f64>, Option<&'a str>) {
    if values.is_empty() {
        return (None, None);
    }
    match goal.over {
        Over::Geomean => {
            let logarithms: f64 = values.iter().map(|(value, _)| value.ln()).sum();
            (Some((logarithms / values.len() as f64).exp()), None)
        }
        Over::Worst => {
            let order = |a: &&(f64, &str), b: &&(f64, &str)| a.0.total_cmp(&b.0);
            let worst = match goal.limit {
                Limit::AtLeast(_) => values.iter().min_by(order),
                Limit::AtMost(_) => values.iter().max_by(order),
            };
            (worst.map(|(value, _)| *value), worst.map(|(_, workload)| *workload))
        }
    }
}

fn goal(value: &Value) -> Result<Goal> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
    let id = text("id").context("a goal has no `id`")?;
    let needed = |key: &str| text(key).with_context(|| format!("goal {id} has no `{key}`"));
    let number = |key: &str| {
        let value = value.get(key)?;
        value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
    };
    let limit = match (number("at_least"), number("at_most")) {
        (Some(limit), None) => Limit::AtLeast(limit),
        (None, Some(limit)) => Limit::AtMost(limit),
        _ => bail!("goal {id} needs one of `at_least` and `at_most`"),
    };
    let over = match text("over").as_deref() {
        Some("geomean") => Over::Geomean,
        Some("worst") | None => Over::Worst,
        Some(other) => bail!("goal {id} is over `{other}`; there are `geomean` and `worst`"),
    };
    let workloads = value.get("workloads").and_then(Value::as_array).context("`workloads` is missing")?;
    Ok(Goal {
        what: needed("what")?,
        bench: needed("bench")?,
        metric: needed("metric")?,
        workloads: workloads.iter().filter_map(Value::as_str).map(str::to_string).collect(),
        base: text("base"),
        own: text("own"),
        inverse: value.get("inverse").and_then(Value::as_bool).unwrap_or(false),
        over,
        limit,
        id,
    })
}

/// The verdicts for the terminal.
pub fn text(verdicts: &[Verdict]) -> String {
    let mut text = String::from("\ngoals\n");
    for verdict in verdicts {
        let Verdict { id, what, limit, .. } = verdict;
        let shown = verdict.shown();
        let _ = writeln!(text, "  {id:3} {what:34.34} {limit:>8} {shown:>20}  {}", verdict.reached());
    }
    let reached = verdicts.iter().filter(|verdict| verdict.reached() == "yes").count();
    let _ = writeln!(text, "{reached} of {} goals reached", verdicts.len());
    text
}

/// The verdicts in Markdown.
pub fn markdown(verdicts: &[Verdict]) -> String {
    let mut text = String::from("| goal | what | limit | seen | reached |\n|---|---|--:|--:|---|\n");
    for verdict in verdicts {
        let Verdict { id, what, limit, .. } = verdict;
        let _ = writeln!(text, "| {id} | {what} | {limit} | {} | {} |", verdict.shown(), verdict.reached());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    fn parsed(goal: &str) -> Result<Goals> {
        Goals::parse(&format!("own = 'selkie'\n[bases]\nmalloc = 'dl'\n[[goal]]\n{goal}"))
    }

    fn verdict(goal: &str) -> Verdict {
        let figures = figures(&[
            ("malloc", "cc1", "selkie", "net_ns", 5.0),
            ("malloc", "cc1", "dl", "net_ns", 10.0),
            ("malloc", "git", "selkie", "net_ns", 2.0),
            ("malloc", "git", "dl", "net_ns", 16.0),
            ("malloc", "syn-a", "selkie", "net_ns", 1.0),
        ]);
        let common = "id = 'M1'\nwhat = 'speed'\nbench = 'malloc'\nmetric = 'net_ns'\n";
        let mut verdicts = parsed(&format!("{common}{goal}")).unwrap().judge(&figures);
        verdicts.remove(0)
    }

    #[test]
    fn ratios_are_summed_up_over_the_workloads_named() {
        let geomean = verdict("workloads = ['traces']\nbase = 'dl'\nover = 'geomean'\nat_least = 4");
        assert!((geomean.value.unwrap() - 4.0).abs() < 1e-9);
        assert_eq!((geomean.reached(), geomean.limit.as_str()), ("yes", ">= 4"));
        let worst = verdict("workloads = ['traces']\nbase = 'dl'\nat_least = 2.1");
        assert_eq!((worst.value, worst.workload.as_deref(), worst.reached()), (Some(2.0), Some("cc1"), "no"));
        let inverse = verdict("workloads = ['traces']\nbase = 'dl'\ninverse = true\nat_most = 0.5");
        assert_eq!((inverse.value, inverse.reached()), (Some(0.5), "yes"));
        let plain = verdict("workloads = ['git', 'syn-a']\nat_most = 1");
        assert_eq!((plain.value, plain.reached()), (Some(2.0), "no"));
        assert_eq!(verdict("workloads = ['other']\nat_most = 1").reached(), "not measured");
        assert_eq!(verdict("workloads = ['git']\nown = 'dl'\nat_most = 1").value, Some(16.0));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |goal: &str| format!("{:#}", parsed(goal).unwrap_err());
        assert!(error("what = 'x'").contains("`id`"));
        assert!(error("id = 'M1'").contains("at_least"));
        assert!(error("id = 'M1'\nat_most = 1\nover = 'mean'").contains("mean"));
    }

    #[test]
    fn lines_fit_a_terminal() {
        let text = text(&[verdict("workloads = ['git', 'syn-a']\nat_most = 1")]);
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }

    #[test]
    fn the_goals_of_the_project_are_well_formed() {
        let goals = Goals::read().unwrap();
        assert_eq!((goals.own.as_str(), goals.base("malloc")), ("selkie", Some("dlmalloc")));
    }
}
