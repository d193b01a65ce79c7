//! What the sequences reached: how often each operation ended in which way.
use std::collections::BTreeMap;
use std::fmt::Write;

/// How a kernel entry ended for the thread that asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// An invocation was answered with this error number, 0 = success; any other system call was done.
    Answer(u64),
    /// It was stopped at a preemption point, or for want of budget, and will be executed again.
    Again,
    /// The thread waits, was suspended, faulted or is gone.
    Stopped,
}

/// Columns of the table: success, ten errors, again, stopped.
pub const COLUMNS: [&str; 13] = [
    "ok", "InvArg", "InvCap", "Illegal", "Range", "Align", "Lookup", "Trunc", "DelFirst", "RevFirst",
    "NoMem", "again", "stopped",
];

impl Outcome {
    fn column(self) -> usize {
        match self {
            Outcome::Answer(error) => (error as usize).min(10),
            Outcome::Again => 11,
            Outcome::Stopped => 12,
        }
    }
}

/// Counts by operation and outcome, and of situations worth reaching.
#[derive(Clone, Default)]
pub struct Table {
    pub rows: BTreeMap<String, [u64; COLUMNS.len()]>,
    pub situations: BTreeMap<&'static str, u64>,
}

impl Table {
    pub fn count(&mut self, name: &str, outcome: Outcome) {
        if !self.rows.contains_key(name) {
            self.rows.insert(name.to_string(), [0; COLUMNS.len()]);
        }
        if let Some(row) = self.rows.get_mut(name) {
            row[outcome.column()] += 1;
        }
    }

    pub fn merge(&mut self, other: Table) {
        for (name, counts) in other.rows {
            let row = self.rows.entry(name).or_default();
            for (sum, count) in row.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        for (name, count) in other.situations {
            *self.situations.entry(name).or_default() += count;
        }
    }

    pub fn situation(&mut self, name: &'static str) {
        *self.situations.entry(name).or_default() += 1;
    }

    /// How often an operation succeeded.
    pub fn successes(&self, name: &str) -> u64 {
        self.rows.get(name).map_or(0, |row| row[0])
    }

    /// How often an operation was refused.
    pub fn errors(&self, name: &str) -> u64 {
        self.rows.get(name).map_or(0, |row| row[1..=10].iter().sum())
    }

    /// Operations that did what they were asked for, and all.
    pub fn share(&self) -> (u64, u64) {
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        self.rows.values().fold((0, 0), |(good, all), row| (good + row[0], all + sum(row)))
    }

    /// A line for each row and situation, each behind this prefix: names without spaces first, then counts.
    pub fn lines(&self, prefix: &str) -> String {
        let mut text = format!("{prefix}head {}\n", COLUMNS.join(" "));
        for (name, row) in &self.rows {
            let counts = row.map(|count| count.to_string()).join(" ");
            let _ = writeln!(text, "{prefix}row {name} {counts}");
        }
        for (name, count) in &self.situations {
            let _ = writeln!(text, "{prefix}seen {count} {name}");
        }
        text
    }
}
