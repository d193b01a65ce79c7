//! A run against an earlier one.
use super::rows::Row;
use super::store::Kept;

/// Growth in percent from which a figure is shown as worse.
pub const SHOWN_PERCENT: u64 = 3;
/// Growth in percent against the committed reference from which the run fails.
pub const FAILS_PERCENT: u64 = 10;

/// A median that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub id: String,
    /// The median of the earlier run.
    pub before: u64,
    /// The median now.
    pub now: u64,
}

impl Change {
    /// The median grew by over `percent` percent.
    pub fn is_worse_by(&self, percent: u64) -> bool {
        u128::from(self.now) * 100 > u128::from(self.before) * (100 + u128::from(percent))
    }

    /// One line of text.
    pub fn line(&self) -> String {
        let percent = 100.0 * (self.now as f64 - self.before as f64) / (self.before as f64).max(1.0);
        format!("{:32} {:>10} -> {:>10}  {percent:+.1} %", self.id, self.before, self.now)
    }
}

/// The rows whose median is not what it was, in order; rows that the earlier run has not are left out.
pub fn changes(rows: &[Row], earlier: &Kept) -> Vec<Change> {
    let change = |row: &Row| {
        let before = earlier.median(&row.id)?;
        (before != row.median).then(|| Change { id: row.id.clone(), before, now: row.median })
    };
    rows.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: u64, now: u64) -> Change {
        Change { id: "a".into(), before, now }
    }

    #[test]
    fn the_limit_itself_is_not_worse() {
        assert!(!change(100, 103).is_worse_by(SHOWN_PERCENT));
        assert!(change(100, 104).is_worse_by(SHOWN_PERCENT));
        assert!(!change(1000, 1100).is_worse_by(FAILS_PERCENT));
        assert!(change(1000, 1101).is_worse_by(FAILS_PERCENT));
        assert!(!change(100, 50).is_worse_by(SHOWN_PERCENT));
        assert!(change(0, 1).is_worse_by(FAILS_PERCENT));
        assert!(!change(u64::MAX, u64::MAX).is_worse_by(0));
    }

    #[test]
    fn only_rows_of_both_runs_that_differ_are_listed() {
        let medians = vec![("a".into(), 10), ("b".into(), 10), ("gone".into(), 1)];
        let earlier = Kept { kernel: "benchmark".into(), medians };
        let rows = [Row::single("a", 12, ""), Row::single("b", 10, ""), Row::single("new", 5, "")];
        assert_eq!(changes(&rows, &earlier), [change(10, 12)]);
    }

    #[test]
    fn a_change_is_shown_in_percent() {
        assert!(change(200, 210).line().ends_with("200 ->        210  +5.0 %"));
        assert!(change(200, 150).line().ends_with("-25.0 %"));
    }
}
