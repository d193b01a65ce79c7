//! Random sequences of kernel entries over a few objects of each kind; everything is checked after each of them. At the
//! end all memory is revoked and must be free.
//!
//! A case is a sequence that depends on a seed and a number only. A short run of cases is among the tests; the long run,
//! `cargo xtask fuzz`, starts [`worker`] in several processes. A case that fails is cut down to what is needed.
mod dice;
mod kinds;
mod outcome;
mod plan_ipc;
mod plan_objects;
mod plan_spaces;
mod plan_threads;
mod shrink;
mod stage;
mod steps;
mod worker;
mod world;

use std::panic::{self, AssertUnwindSafe};

use sel_abi::Label;

use crate::tests::both_ways::Taken;
use dice::Dice;
use outcome::Table;
use steps::Step;
use world::World;

/// Steps of a case.
const STEPS: usize = 500;

/// A case, ready to be run.
struct Case {
    stage: Dice,
    steps: Vec<Step>,
}

impl Case {
    fn new(seed: u64, number: u64) -> Case {
        let mut dice = Dice::of_case(seed, number);
        let stage = Dice::from_seed(dice.next());
        Case { stage, steps: (0..STEPS).map(|_| steps::step(&mut dice)).collect() }
    }

    fn world(&self) -> World {
        World::new(&mut self.stage.clone())
    }

    /// Runs all steps; kernel entries that were checked, and what was reached.
    fn run(&self) -> (u64, Table) {
        let mut world = self.world();
        let before = world.m.entries;
        for step in &self.steps {
            world.perform(*step);
        }
        let entries = world.m.entries - before;
        world.finish();
        (entries, world.table)
    }
}

/// Runs something that may fail an assertion; the message if it does.
fn catch<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(act)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_string())).unwrap_or_default()
    })
}

/// Runs cases until there were so many operations, or everything was reached.
#[track_caller]
fn run_cases(seed: u64, operations: u64) -> Table {
    let mut table = Table::default();
    let mut done = 0;
    for number in 0.. {
        if done >= operations || missing(&table).is_empty() {
            break;
        }
        let (entries, reached) = catch(|| Case::new(seed, number).run()).unwrap_or_else(|message| {
            panic!("{message}; see `cargo xtask fuzz --seed {seed} --case {number}`")
        });
        done += entries;
        table.merge(reached);
    }
    table
}

/// Labels without a success: one is no operation, the other is for an interrupt controller that is off.
const NEVER_SUCCEED: [Label; 2] = [Label::InvalidInvocation, Label::IrqIssueIrqHandler];

/// Situations that the sequences must lead to.
const SITUATIONS: [&str; 18] = [
    "a CNode in itself",
    "a capability arrived as a badge",
    "a capability was received",
    "a further ASID pool",
    "a huge page is mapped",
    "a large page is mapped",
    "a stack of calls was cut in the middle",
    "a stack of three or more calls",
    "a stack of two calls",
    "a thread waits for budget",
    "a thread waits in YieldTo",
    "a timeout fault",
    "a zombie in a slot",
    "an orphaned object is half deleted",
    "domain 1 runs",
    "domain 2 runs",
    "domain 3 runs",
    "a call was preempted",
];

/// What a run did not reach.
fn missing(table: &Table) -> Vec<String> {
    let mut missing = Vec::new();
    for label in Label::ALL {
        let name = format!("{label:?}");
        if table.successes(&name) == 0 && !NEVER_SUCCEED.contains(label) {
            missing.push(format!("a success of {name}"));
        }
        if table.errors(&name) == 0 {
            missing.push(format!("an error of {name}"));
        }
    }
    let unseen = SITUATIONS.iter().filter(|name| !table.situations.contains_key(*name));
    missing.extend(unseen.map(|name| (*name).to_string()));
    missing
}

/// Every operation succeeds and fails somewhere in a run of moderate length, and nothing breaks.
#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn random_sequences_reach_everything_and_keep_every_invariant() {
    let missing = missing(&run_cases(3, 60_000));
    assert!(missing.is_empty(), "not reached: {missing:?}");
}

/// In random states the fast paths leave what the slow path leaves.
#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn fast_and_slow_paths_agree() {
    let mut sum = Taken::default();
    for number in 0..400 {
        let case = Case::new(17, number);
        let mut world = case.world();
        world.m.checking = false;
        world.m.compared = Some(Taken::default());
        for step in &case.steps {
            world.perform(*step);
        }
        sum = sum + world.m.compared.unwrap_or_default();
        let least = [
            (sum.calls, 40),
            (sum.replies, 5),
            (sum.invocations, 40),
            (sum.signals, 40),
            (sum.waits, 20),
            (sum.sends, 5),
        ];
        if least.into_iter().all(|(seen, wanted)| seen >= wanted) && sum.yields >= 5 && sum.faults >= 1 {
            return;
        }
    }
    panic!("too few fast paths were taken: {sum:?}");
}
