//! The long run of a model test: `cargo xtask fuzz --target heap` (or `phys`, `virt`) tells it what to do by environment
//! variables, and reads its lines. The operations are those of the model test; a case is a list of them, named by seed and
//! number. The root task's tests are compiled with this file too.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString};
use std::time::{Duration, Instant};
use std::vec::Vec;
use std::{format, println};

use proptest::collection;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Begins every line that is meant for `cargo xtask fuzz`.
const PREFIX: &str = "fuzz: ";
/// Time between two reports.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Shorter sequences that are tried when a case has failed.
const SHRINK_STEPS: usize = 5000;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Runs cases of fewer than `longest` operations until all operations are done, or one fails. `run` returns how many
/// operations succeeded, and panics if anything is wrong.
pub fn work<T: Debug + Clone>(op: impl Strategy<Value = T>, longest: usize, run: impl Fn(Vec<T>) -> u64) {
    let seed = number("SELKIE_FUZZ_SEED").unwrap_or(1);
    let operations = number("SELKIE_FUZZ_OPS").unwrap_or(1000);
    let single = number("SELKIE_FUZZ_CASE");
    let first = single.or(number("SELKIE_FUZZ_FIRST")).unwrap_or(0);
    let stride = number("SELKIE_FUZZ_STRIDE").unwrap_or(1).max(1);
    let ops = collection::vec(op, 1..longest);
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    let (mut done, mut good, mut cases) = (0, 0, 0);
    let mut reported = Instant::now();
    for case in (first..).step_by(stride as usize) {
        println!("{PREFIX}case {case}");
        let mut runner = TestRunner::new_with_rng(Config::default(), rng(seed, case));
        let Ok(tree) = ops.new_tree(&mut runner) else { break };
        let ops = tree.current();
        for op in &ops {
            *names.entry(name(op)).or_default() += 1;
        }
        done += ops.len() as u64;
        cases += 1;
        match catch_unwind(AssertUnwindSafe(|| run(ops))) {
            Ok(succeeded) => good += succeeded,
            Err(_) => return tell(case, tree, &run),
        }
        let last = done >= operations || single.is_some();
        if last || reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            println!("{PREFIX}done {done} {good} {cases}");
        }
        if last {
            break;
        }
    }
    println!("{PREFIX}head run");
    for (name, count) in names {
        println!("{PREFIX}row {name} {count}");
    }
    println!("{PREFIX}end");
}

fn rng(seed: u64, case: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&case.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// An operation without its operands.
fn name(op: &impl Debug) -> String {
    format!("{op:?}").chars().take_while(|char| char.is_alphanumeric()).collect()
}

/// Cuts a failing case down and prints it.
fn tell<T: Debug>(case: u64, mut tree: impl ValueTree<Value = Vec<T>>, run: &impl Fn(Vec<T>) -> u64) {
    println!("{PREFIX}failed {case}");
    let fails = |ops: Vec<T>| catch_unwind(AssertUnwindSafe(|| run(ops))).err();
    let mut failed = true;
    for _ in 0..SHRINK_STEPS {
        if !(if failed { tree.simplify() } else { tree.complicate() }) {
            break;
        }
        failed = fails(tree.current()).is_some();
    }
    while !failed && tree.complicate() {
        failed = fails(tree.current()).is_some();
    }
    let message = fails(tree.current()).map(|panic| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().unwrap_or(&"a panic without words").to_string(),
    });
    let message = message.unwrap_or("it fails only after others".to_string());
    println!("{PREFIX}tell {}", message.replace('\n', "; "));
    for op in tree.current() {
        println!("{PREFIX}tell   {op:?}");
    }
}
