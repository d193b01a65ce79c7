//! What rows are compared with: seL4's figures and our goals, from a file.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use toml::Value;

use crate::failure::missing;

/// Where the file is, from the workspace's root.
pub const FILE: &str = "roottask/bench/sel4.toml";

/// seL4's figure and our goal for one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// seL4's median.
    pub sel4: Option<u64>,
    /// What our median is to be at most.
    pub goal: Option<u64>,
}

/// The whole file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Baseline {
    targets: BTreeMap<String, Target>,
    /// Families of rows for the plot.
    pub plot: Vec<String>,
}

impl Baseline {
    /// Reads the file of the workspace at `root`.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(FILE))
            .map_err(|error| missing(format!("cannot read {FILE}: {error}; restore it from git")))?;
        Self::parse(&text).with_context(|| format!("{FILE} is malformed"))
    }

    fn parse(text: &str) -> Result<Self> {
        let table: toml::Table = text.parse()?;
        let plot = table.get("plot").and_then(Value::as_array).context("`plot` is no list")?;
        let rows = table.get("rows").and_then(Value::as_table).context("`rows` is no table")?;
        let plot = plot.iter().filter_map(Value::as_str).map(str::to_string).collect();
        let mut targets = BTreeMap::new();
        for (id, value) in rows {
            let mut target = Target::default();
            for (key, number) in value.as_table().with_context(|| format!("`{id}` is no table"))? {
                let number = number.as_integer().and_then(|number| u64::try_from(number).ok());
                let number = number.with_context(|| format!("`{key}` of `{id}` is no number"))?;
                match key.as_str() {
                    "sel4" => target.sel4 = Some(number),
                    "goal" => target.goal = Some(number),
                    _ => anyhow::bail!("`{id}` has `{key}`; there are `sel4` and `goal`"),
                }
            }
            targets.insert(id.clone(), target);
        }
        Ok(Self { targets, plot })
    }

    /// What the row `id` is compared with.
    pub fn target(&self, id: &str) -> Target {
        self.targets.get(id).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_families_are_read() {
        let text = "plot = [\"revoke\"]\n[rows]\n\"a/b\" = { sel4 = 5, goal = 4 }\nc = { goal = 1 }\n";
        let baseline = Baseline::parse(text).unwrap();
        assert_eq!(baseline.target("a/b"), Target { sel4: Some(5), goal: Some(4) });
        assert_eq!(baseline.target("c"), Target { sel4: None, goal: Some(1) });
        assert_eq!(baseline.target("other"), Target::default());
        assert_eq!(baseline.plot, ["revoke"]);
    }

    #[test]
    fn mistakes_are_named() {
        let wrong =
            |rows: &str| format!("{:#}", Baseline::parse(&format!("plot=[]\n[rows]\n{rows}")).unwrap_err());
        assert!(wrong("a = { gaol = 3 }").contains("gaol"));
        assert!(wrong("a = { goal = \"3\" }").contains("`goal` of `a`"));
        assert!(wrong("a = 3").contains("`a`"));
        assert!(Baseline::parse("plot = []").is_err());
    }

    #[test]
    fn the_file_of_the_workspace_is_well_formed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let baseline = Baseline::read(root).unwrap();
        assert_eq!(baseline.target("call/other/0"), Target { sel4: Some(212), goal: Some(180) });
        assert!(!baseline.plot.is_empty());
    }
}
