//! The command line: `[--quick] [--candidate NAME]… [--workload NAME]…`.

/// What to measure, and how thoroughly.
#[derive(Default)]
pub struct Options {
    /// Fewer operations and repetitions.
    pub quick: bool,
    candidates: Vec<String>,
    workloads: Vec<String>,
}

impl Options {
    /// Reads the command line; ends the program with a message if it is wrong.
    pub fn read() -> Self {
        let mut options = Options::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => options.quick = true,
                "--candidate" => options.candidates.extend(words.next()),
                "--workload" => options.workloads.extend(words.next()),
                // Cargo adds it.
                "--bench" => {}
                _ => {
                    eprintln!("unknown option `{word}`: use --quick, --candidate NAME, --workload NAME");
                    std::process::exit(2);
                }
            }
        }
        options
    }

    /// Whether a candidate takes part.
    pub fn has_candidate(&self, name: &str) -> bool {
        self.candidates.is_empty() || self.candidates.iter().any(|only| only == name)
    }

    /// Whether a workload is run.
    pub fn has_workload(&self, name: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|only| only == name)
    }

    /// Repetitions of which the median is taken, after one that does not count.
    pub fn repetitions(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }

    /// Passes of which the least latency is taken.
    pub fn passes(&self) -> usize {
        if self.quick { 3 } else { 7 }
    }
}
