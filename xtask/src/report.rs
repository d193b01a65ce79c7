//! Reads what tests print: cargo's result lines, and the stream of the self-test guest.
use std::ops::AddAssign;

use crate::guest::{End, PANIC_CODE};

/// What the boot script must print: how some line begins, and what that line shows.
///
/// A server whose console does not answer hands its lines to the root task. So the greeting alone does not show that
/// `console` printed it; that `console` was started must be seen too.
const BOOT_LINES: [(&str, &str); 2] = [
    ("root: console runs", "the root task started `console`"),
    ("hello:", "`hello` runs, allocates and prints"),
];

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A check that is one test.
impl From<bool> for Counts {
    fn from(passed: bool) -> Self {
        Self { passed: passed.into(), failed: (!passed).into() }
    }
}

/// Sums the lines `test result: ok. 5 passed; 0 failed; …` of `cargo test`.
pub fn host_counts(output: &str) -> Counts {
    let mut sum = Counts::default();
    for line in output.lines().filter_map(|line| line.trim().strip_prefix("test result: ")) {
        for part in line.split([';', '.']) {
            match part.trim().split_once(' ') {
                Some((number, "passed")) => sum.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => sum.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    sum
}

/// Reads a self-test run. The guest closes with a line `N passed, N failed` and exit code 0.
///
/// # Errors
/// Why the run does not count as passed, and the numbers of tests as far as they are known; at least one has failed.
pub fn judge_self_test(output: &str, end: End) -> Result<Counts, (Counts, String)> {
    let closing = output.lines().rev().find_map(closing_line);
    let counts = closing.unwrap_or_default();
    let problem = match (end, closing) {
        (End::TimedOut, _) => "it hung until the time limit".to_string(),
        (_, None) => format!("it ended without its closing line `N passed, N failed` ({})", describe(end)),
        (_, Some(Counts { failed: 1.., .. })) => format!("{} of its tests failed", counts.failed),
        (_, Some(Counts { passed: 0, .. })) => "it ran no test".to_string(),
        (End::Code(0), Some(_)) => return Ok(counts),
        (_, Some(_)) => format!("it ended badly after its closing line ({})", describe(end)),
    };
    // A run that fails as a whole has at least one failure.
    Err((Counts { failed: counts.failed.max(1), ..counts }, problem))
}

/// Reads a run of the boot script: exit code 0, and every line of [`BOOT_LINES`] is there.
///
/// # Errors
/// What is wrong.
pub fn judge_boot(output: &str, end: End) -> Result<(), String> {
    if end != End::Code(0) {
        return Err(format!("it did not end with exit code 0 ({})", describe(end)));
    }
    let printed = |text: &str| output.lines().any(|line| line.starts_with(text));
    match BOOT_LINES.iter().find(|(text, _)| !printed(text)) {
        Some((text, shown)) => Err(format!("no line begins with `{text}`, which shows that {shown}")),
        None => Ok(()),
    }
}

fn describe(end: End) -> String {
    match end {
        End::Code(PANIC_CODE) => "kernel panic".into(),
        End::Code(code) => format!("exit code {code}"),
        End::NoCode => "reset or power-off without an exit code".into(),
        End::TimedOut => "time limit".into(),
    }
}

/// The numbers in a line `N passed, N failed`, also behind a prefix such as a time stamp.
fn closing_line(line: &str) -> Option<Counts> {
    let (before, after) = line.trim().split_once(" passed, ")?;
    let passed = before.rsplit(' ').next()?.parse().ok()?;
    let failed = after.strip_suffix(" failed")?.parse().ok()?;
    Some(Counts { passed, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u32, failed: u32) -> Counts {
        Counts { passed, failed }
    }

    #[test]
    fn a_good_stream_passes_with_its_numbers() {
        let stream = "selkie: boot\nok CNODEOP0001\nok CNODEOP0002\nselftest: 2 passed, 0 failed\n";
        assert_eq!(judge_self_test(stream, End::Code(0)), Ok(counts(2, 0)));
    }

    #[test]
    fn each_kind_of_bad_stream_fails() {
        let problem = |stream, end| judge_self_test(stream, end).unwrap_err();
        let (numbers, text) = problem("ok A\n1 passed, 2 failed\n", End::Code(1));
        assert_eq!((numbers, text.as_str()), (counts(1, 2), "2 of its tests failed"));
        // A guest that reports failures must fail whatever code it ends with.
        assert_eq!(problem("1 passed, 2 failed\n", End::Code(0)).0, counts(1, 2));
        assert!(problem("ok A\n", End::Code(0)).1.contains("closing line"));
        assert!(problem("ok A\npanic\n", End::Code(101)).1.contains("kernel panic"));
        assert!(problem("ok A\n", End::NoCode).1.contains("reset"));
        assert!(problem("ok A\n", End::TimedOut).1.contains("hung"));
        assert!(problem("1 passed, 0 failed\n", End::TimedOut).1.contains("hung"));
        assert!(problem("0 passed, 0 failed\n", End::Code(0)).1.contains("no test"));
        assert!(problem("1 passed, 0 failed\n", End::Code(101)).1.contains("kernel panic"));
        for stream in ["", "0 passed, 0 failed\n"] {
            assert_eq!(problem(stream, End::Code(0)).0.failed, 1);
        }
    }

    #[test]
    fn only_a_whole_closing_line_counts() {
        assert_eq!(closing_line("12 passed, 3 failed"), Some(counts(12, 3)));
        assert_eq!(closing_line("[0.3 s] 12 passed, 3 failed  "), Some(counts(12, 3)));
        for line in ["12 passed", "x passed, 3 failed", "12 passed, 3 failed so far", "passed, failed"] {
            assert_eq!(closing_line(line), None, "{line}");
        }
    }

    #[test]
    fn cargos_result_lines_are_summed() {
        let output = "test a ... ok\ntest result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
            noise: 7 passed; 8 failed\ntest result: FAILED. 2 passed; 3 failed; 0 ignored; finished in 1.05s\n";
        assert_eq!(host_counts(output), counts(7, 3));
    }

    #[test]
    fn the_boot_script_must_print_every_line_and_end_well() {
        let complete: String = BOOT_LINES.iter().map(|(text, _)| format!("{text} x\n")).collect();
        assert_eq!(judge_boot(&complete, End::Code(0)), Ok(()));
        for end in [End::Code(1), End::Code(PANIC_CODE), End::NoCode, End::TimedOut] {
            assert!(judge_boot(&complete, end).unwrap_err().contains(&describe(end)));
        }
        for (text, shown) in BOOT_LINES {
            // A line that only mentions the text is somebody else's.
            let problem =
                judge_boot(&complete.replace(text, &format!("root: {text}")), End::Code(0)).unwrap_err();
            assert!(problem.contains(shown), "{problem}");
        }
    }
}
