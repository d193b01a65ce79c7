//! Cuts a sequence that fails down to the steps that are needed.
use std::panic;

use super::steps::Step;
use super::{Case, catch};

/// Runs of shorter sequences at most.
const MAX_RUNS: usize = 3_000;

/// How a case fails.
pub struct Failure {
    pub message: String,
    /// Index of the step that failed; the number of steps if it was the end of the case.
    pub at: usize,
}

/// Runs a case until it fails.
pub fn failure(case: &Case) -> Option<Failure> {
    let mut at = 0;
    let result = catch(|| {
        let mut world = case.world();
        for step in &case.steps {
            world.perform(*step);
            at += 1;
        }
        world.finish();
    });
    result.err().map(|message| Failure { message, at })
}

/// The shortest sequence found that still fails, if the case does.
pub fn shrink(case: Case) -> Option<(Case, Failure)> {
    let told = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let found = quietly(case);
    panic::set_hook(told);
    found
}

fn quietly(mut case: Case) -> Option<(Case, Failure)> {
    let mut failed = failure(&case)?;
    case.steps.truncate(failed.at + 1);
    let mut runs = 0;
    let mut chunk = case.steps.len().div_ceil(2);
    while chunk > 0 && runs < MAX_RUNS {
        let mut removed = false;
        let mut start = 0;
        while start < case.steps.len() && runs < MAX_RUNS {
            let end = (start + chunk).min(case.steps.len());
            let mut steps: Vec<Step> = case.steps[..start].to_vec();
            steps.extend(&case.steps[end..]);
            let shorter = Case { stage: case.stage.clone(), steps };
            runs += 1;
            match failure(&shorter) {
                Some(failure) => {
                    case = shorter;
                    case.steps.truncate(failure.at + 1);
                    failed = failure;
                    removed = true;
                }
                None => start = end,
            }
        }
        if !removed {
            chunk /= 2;
        }
    }
    Some((case, failed))
}

/// What happens in a case that fails, in words.
pub fn story(case: &Case) -> Vec<String> {
    let mut world = case.world();
    world.trace = Some(Vec::new());
    for step in &case.steps {
        if catch(|| world.perform(*step)).is_err() {
            break;
        }
    }
    world.trace.unwrap_or_default()
}

/// The search finds the one step that matters among others.
#[test]
fn a_failing_sequence_is_cut_down() {
    let mut case = Case::new(3, 0);
    case.steps.truncate(30);
    assert!(failure(&case).is_none(), "the case itself is good");
    // More ticks than the clock can count.
    case.steps.insert(20, Step::Pass(u64::MAX));
    let (short, failure) = quietly(case).expect("the overflow of the clock");
    assert_eq!(short.steps, [Step::Pass(u64::MAX)]);
    assert!(failure.message.contains("overflow"), "{}", failure.message);
    assert_eq!(story(&short).len(), 1);
}
