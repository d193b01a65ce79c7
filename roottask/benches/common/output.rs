//! Figures: one JSON object a line on standard output, a table for people on standard error.

/// Figures of one workload.
pub struct Output {
    bench: &'static str,
    workload: String,
}

impl Output {
    /// For a workload of the benchmark `bench`.
    pub fn new(bench: &'static str, workload: &str) -> Self {
        eprintln!("{bench}: {workload}");
        Output { bench, workload: workload.into() }
    }

    /// Prints a figure; one that does not exist is left out.
    pub fn figure(&self, candidate: &str, metric: &str, value: f64) {
        if !value.is_finite() {
            return;
        }
        let (bench, workload) = (self.bench, &self.workload);
        println!(
            r#"{{"bench":"{bench}","workload":"{workload}","candidate":"{candidate}","metric":"{metric}","value":{value:.4}}}"#
        );
    }

    /// Prints a line of the table.
    pub fn row(&self, candidate: &str, text: &str) {
        eprintln!("  {candidate:18} {text}");
    }
}

/// Least latencies of the operations of a stream.
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// Of `count` operations, none measured yet.
    pub fn new(count: usize) -> Self {
        Latencies(vec![u64::MAX; count])
    }

    /// Enters what one operation took.
    #[inline(always)]
    pub fn enter(&mut self, operation: usize, ticks: u64) {
        let least = &mut self.0[operation];
        *least = ticks.min(*least);
    }

    /// The latency that all but one in a thousand operations stay below, and the worst, in nanoseconds.
    pub fn tail(mut self, tick_ns: f64) -> (f64, f64) {
        self.0.sort_unstable();
        let at = |rank: usize| self.0.get(rank).map_or(f64::NAN, |ticks| *ticks as f64 * tick_ns);
        (at(self.0.len() * 999 / 1000), at(self.0.len().saturating_sub(1)))
    }
}
