//! What a test is, how it says that something is wrong, and the loop that runs them all.

use core::fmt::Debug;

use libsel::abi::Word;
use libsel::ipc::Message;
use libsel::{Error, LookupFailure};

use super::console;
use super::coverage::{document, record};
use super::fixture::Fixture;
use super::machine::Machine;
use super::{exit, watch};

pub use super::failure::{Failure, Outcome, equal};

/// A test: an independent function on fresh objects.
pub struct Test {
    /// Object and number, as in `CNODE0001`.
    pub name: &'static str,
    /// What holds if the test passes.
    pub what: &'static str,
    /// Runs it.
    pub run: fn(&mut Fixture<'_>) -> Outcome,
}

/// Builds a [`Test`]; shorter than the structure in long lists.
pub const fn test(name: &'static str, what: &'static str, run: fn(&mut Fixture<'_>) -> Outcome) -> Test {
    Test { name, what, run }
}

/// `condition` has to hold.
#[track_caller]
pub fn check(condition: bool, what: &str) -> Outcome {
    if condition { Ok(()) } else { Err(Failure::new(format_args!("expected: {what}"))) }
}

/// `seen` has to lie in `range`.
#[track_caller]
pub fn within(seen: u64, range: core::ops::RangeInclusive<u64>, what: &str) -> Outcome {
    if range.contains(&seen) {
        return Ok(());
    }
    Err(Failure::new(format_args!("expected {what} in {range:?}, seen {seen}")))
}

/// Tries up to 30 times: a host that stops the machine for a few milliseconds looks like a kernel that gives too much
/// time, but not again and again.
pub fn eventually(mut attempt: impl FnMut() -> Outcome) -> Outcome {
    let mut outcome = attempt();
    for _ in 1..30 {
        if outcome.is_ok() {
            break;
        }
        outcome = attempt();
    }
    outcome
}

/// An invocation has to fail with exactly this error.
#[track_caller]
pub fn fails<T: Debug>(result: libsel::Result<T>, expected: Error) -> Outcome {
    match result {
        Err(error) if error == expected => Ok(()),
        seen => Err(Failure::new(format_args!("expected {expected:x?}, seen {seen:x?}"))),
    }
}

/// A reply has to have exactly this label and these words.
#[track_caller]
pub fn reply_is(reply: Message, label: Word, words: &[Word]) -> Outcome {
    let mut seen = [0; 24];
    let seen = reply.copy_words(&mut seen);
    if reply.label() == label && seen == words {
        return Ok(());
    }
    let seen_label = reply.label();
    Err(Failure::new(format_args!(
        "expected label {label} and words {words:x?}, seen label {seen_label} and words {seen:x?}"
    )))
}

/// FailedLookup of a destination.
pub const fn lookup(failure: LookupFailure) -> Error {
    Error::FailedLookup { source: false, failure }
}

/// FailedLookup of a source.
pub const fn source_lookup(failure: LookupFailure) -> Error {
    Error::FailedLookup { source: true, failure }
}

/// The lookup found nothing, with so many bits left.
pub const fn missing(bits_left: Word) -> LookupFailure {
    LookupFailure::MissingCapability { bits_left }
}

/// RangeError.
pub const fn range(min: Word, max: Word) -> Error {
    Error::RangeError { min, max }
}

/// Runs every test of `groups`, prints the table of what they show, and ends the machine: code 0 if all passed, 1
/// otherwise.
pub fn run_all(machine: &Machine<'_>, groups: &[&'static [Test]]) -> ! {
    let (mut passed, mut failed) = (0u32, 0u32);
    record::start();
    for (number, test) in groups.iter().copied().flatten().enumerate() {
        if run_one(machine, number, test) {
            passed += 1;
        } else {
            failed += 1;
        }
    }
    libsel::sys::debug_dump_scheduler();
    document::print(machine.has_word(document::WORD));
    console::line(format_args!("{passed} passed, {failed} failed"));
    exit::exit(u8::from(failed != 0));
}

/// Runs a test, takes its objects back, and prints the verdict on both and on what the test has shown.
fn run_one(machine: &Machine<'_>, number: usize, test: &'static Test) -> bool {
    watch::begin(test.name);
    let mut fixture = Fixture::new(machine);
    record::begin(number);
    let passed = report(test, (test.run)(&mut fixture));
    // A test that failed has not come to everything.
    let shown = !passed || report(test, record::end().and_then(|()| complete(machine)));
    let clean = report(test, fixture.finish());
    watch::end();
    if passed && shown && clean {
        console::line(format_args!("ok   {} {}", test.name, test.what));
    }
    passed && shown && clean
}

/// This machine cannot show all that the running test is for: the table of what tests show does not count it in this
/// run.
pub fn excuse(why: &str) {
    record::excuse();
    console::line(format_args!("     the next test is not complete: {why}"));
}

/// A run that shows the whole table excuses no test, nor does one that is asked to be complete.
fn complete(machine: &Machine<'_>) -> Outcome {
    let complete = machine.has_word("complete") || machine.has_word(document::WORD);
    check(!(complete && record::excused()), "a machine on which the test can show everything")
}

/// Prints why a test failed, if it did; true if it did not.
fn report(test: &Test, outcome: Outcome) -> bool {
    let Err(failure) = outcome else { return true };
    console::line(format_args!("FAIL {} {}", test.name, test.what));
    failure.describe(|text, place| {
        console::line(format_args!("     {text} ({}:{})", place.file(), place.line()));
    });
    false
}
