//! One process of the long run. `cargo xtask fuzz` tells it what to do by environment variables, and reads its lines.
use std::env;
use std::time::{Duration, Instant};

use super::outcome::Table;
use super::{Case, shrink};

/// Begins every line that is meant for `cargo xtask fuzz`.
const PREFIX: &str = "fuzz: ";
/// Time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Runs cases `first`, `first + stride`, … until `operations` are done; a case that fails ends it.
fn run(seed: u64, first: u64, stride: u64, operations: u64) {
    let mut table = Table::default();
    let (mut done, mut cases) = (0, 0);
    let mut reported = Instant::now();
    for case in (first..).step_by(stride as usize) {
        println!("{PREFIX}case {case}");
        let (entries, reached) = match super::catch(|| Case::new(seed, case).run()) {
            Ok(result) => result,
            Err(_) => {
                tell(seed, case);
                return;
            }
        };
        done += entries;
        cases += 1;
        table.merge(reached);
        if done >= operations || reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            let (good, _) = table.share();
            println!("{PREFIX}done {done} {good} {cases}");
        }
        if done >= operations {
            break;
        }
    }
    print!("{}", table.lines(PREFIX));
    println!("{PREFIX}end");
}

/// Cuts a failing case down and prints it.
fn tell(seed: u64, number: u64) {
    println!("{PREFIX}failed {number}");
    let Some((case, failure)) = shrink::shrink(Case::new(seed, number)) else {
        println!(
            "{PREFIX}tell case {number} fails only after others: the kernel or the checker kept something"
        );
        return;
    };
    println!("{PREFIX}tell {}", failure.message.replace('\n', "; "));
    println!("{PREFIX}tell after these {} steps:", case.steps.len());
    for line in shrink::story(&case) {
        println!("{PREFIX}tell   {line}");
    }
    for step in &case.steps {
        println!("{PREFIX}tell   {step:?}");
    }
}

/// The entry of a process of `cargo xtask fuzz`; without its variables there is nothing to do.
#[test]
#[ignore = "started by `cargo xtask fuzz`"]
fn worker() {
    let Some(seed) = number("SELKIE_FUZZ_SEED") else { return };
    if let Some(case) = number("SELKIE_FUZZ_CASE") {
        run(seed, case, 1, 1);
        return;
    }
    let first = number("SELKIE_FUZZ_FIRST").unwrap_or(0);
    let stride = number("SELKIE_FUZZ_STRIDE").unwrap_or(1).max(1);
    run(seed, first, stride, number("SELKIE_FUZZ_OPS").unwrap_or(1));
}
