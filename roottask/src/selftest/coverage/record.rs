//! What the running test sees, counted for the rows that name it.
//!
//! All invocations of the program pass [`carry`]; [`super::super::faulter`] tells of faults and their answers, and
//! tests that make system calls with registers of their own choice tell of those. System calls that threads make from
//! [`super::super::code`] are seen by what they lead to.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use libsel::abi::{CPtr, Error, Label, MessageInfo, Syscall, Word};
use libsel::invoke::{self, Carrier};
use libsel::sys::{self, MessageRegisters, Registers};

use super::complete::TEST_OF_ROW;
use super::{Outcome, ROW_COUNT, ROWS, Row, Subject};
use crate::selftest::harness::{Failure, Outcome as TestOutcome};

/// Rows of one test at most.
const MAX_ROWS: usize = 64;

/// Numbers of the running test's rows.
static ROWS_OF_TEST: [AtomicU16; MAX_ROWS] = [const { AtomicU16::new(0) }; MAX_ROWS];
/// How many these are.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// For each row how often its test saw what it says.
static SEEN: [AtomicU32; ROW_COUNT] = [const { AtomicU32::new(0) }; ROW_COUNT];
/// The running test cannot show everything on this machine.
static EXCUSED: AtomicU32 = AtomicU32::new(0);

/// Label of the last fault message.
static LAST_FAULT: AtomicU64 = AtomicU64::new(0);

/// An answer that the label cannot give: its error in the low bits, the label above them; 0 = none.
static UNEXPECTED: AtomicU64 = AtomicU64::new(0);
/// Bits for the error in [`UNEXPECTED`].
const ERROR_BITS: u32 = 8;

/// Something that happened.
#[derive(Clone, Copy)]
enum Event<'a> {
    /// An invocation of a capability of kind `tag` was answered.
    Invocation { tag: Word, label: Word, error: Word, words: &'a [Word] },
    /// A system call did to its caller's registers what it should.
    Call(Syscall),
    /// A fault message arrived; the thread's last system call.
    Fault { label: Word, words: &'a [Word], call: Option<Syscall> },
    /// A fault was answered.
    Answer { fault: Word, continues: bool },
}

impl Event<'_> {
    /// Whether this is what the row says.
    fn shows(self, row: &Row) -> bool {
        match (self, row.subject) {
            (Event::Invocation { tag, label, error, words }, Subject::Label(of)) => {
                let object = of.object().is_none_or(|object| object.raw() == tag);
                object && of.raw() == label && row.outcome.is_reply(error, words)
            }
            (Event::Invocation { tag, error, words, .. }, Subject::Object(of)) => {
                of.raw() == tag && row.outcome.is_reply(error, words)
            }
            (Event::Call(call), Subject::Call(of)) => call == of && row.outcome == Outcome::Returned,
            (Event::Fault { label, words, .. }, Subject::Fault(of)) => {
                of.raw() == label && row.outcome.is_fault(label, words)
            }
            (Event::Fault { label, words, call }, Subject::Call(of)) => {
                call == Some(of) && row.outcome.is_fault(label, words)
            }
            (Event::Answer { fault, continues }, Subject::Answer(of)) => {
                let expected = if continues { Outcome::Continues } else { Outcome::Stops };
                of.raw() == fault && row.outcome == expected
            }
            _ => false,
        }
    }
}

/// Sees all invocations of the program from now on.
pub fn start() {
    static CARRIER: Carrier = carry;
    invoke::set_carrier(&CARRIER);
}

/// Makes an invocation and counts its answer.
fn carry(cptr: CPtr, info: MessageInfo, mrs: MessageRegisters) -> Registers {
    // What is invoked may be gone afterwards.
    let tag = sys::debug_cap_identify(cptr);
    let answer = sys::call(cptr, info, mrs);
    answered(tag, info, &answer);
    answer
}

/// An invocation that did not pass [`carry`] was answered.
pub fn invocation(cptr: CPtr, sent: MessageInfo, answer: &Registers) {
    answered(sys::debug_cap_identify(cptr), sent, answer);
}

/// Counts an answer, and looks whether it is one of those that the label can give.
fn answered(tag: Word, sent: MessageInfo, answer: &Registers) {
    let (number, error) = (sent.label(), answer.info.label());
    if answer.info == sent && Error::from_raw(error).is_none() {
        // No answer: the thread was stopped in the call, and made to go on behind it.
        return;
    }
    if let Some(label) = Label::from_raw(number)
        && label.object().is_some_and(|object| object.raw() == tag)
    {
        let possible = match Error::from_raw(error) {
            Some(Error::NoError) => label.succeeds(),
            Some(error) => label.errors().contains(&error),
            None => false,
        };
        if !possible {
            UNEXPECTED.store(number << ERROR_BITS | error, Relaxed);
        }
    }
    count(Event::Invocation { tag, label: number, error, words: &answer.mrs });
}

/// A system call changed its caller's registers as it should, and no others.
pub fn call(call: Syscall) {
    count(Event::Call(call));
}

/// A fault message with these words arrived from a thread whose last system call was `call`.
pub fn fault(label: Word, words: &[Word], call: Option<Syscall>) {
    LAST_FAULT.store(label, Relaxed);
    count(Event::Fault { label, words, call });
}

/// The last fault was answered, and the thread went on or did not.
pub fn answer(continues: bool) {
    count(Event::Answer { fault: LAST_FAULT.load(Relaxed), continues });
}

fn count(event: Event<'_>) {
    for row in rows_of_test() {
        if event.shows(&ROWS[row]) {
            SEEN[row].fetch_add(1, Relaxed);
        }
    }
}

fn rows_of_test() -> impl Iterator<Item = usize> {
    ROWS_OF_TEST.iter().take(COUNT.load(Relaxed)).map(|row| usize::from(row.load(Relaxed)))
}

/// The test with this number begins.
pub fn begin(test: usize) {
    COUNT.store(0, Relaxed);
    EXCUSED.store(0, Relaxed);
    UNEXPECTED.store(0, Relaxed);
    let mut count = 0;
    for (row, _) in TEST_OF_ROW.iter().enumerate().filter(|(_, of)| usize::from(**of) == test) {
        assert!(count < MAX_ROWS, "a test has more rows than MAX_ROWS");
        ROWS_OF_TEST[count].store(row as u16, Relaxed);
        count += 1;
    }
    COUNT.store(count, Relaxed);
}

/// The running test does not show everything on this machine: its rows are not checked.
pub fn excuse() {
    EXCUSED.store(1, Relaxed);
}

/// The running test was excused.
pub fn excused() -> bool {
    EXCUSED.load(Relaxed) != 0
}

/// The running test has to have shown all its rows, and nothing that a label cannot answer.
pub fn end() -> TestOutcome {
    let unexpected = UNEXPECTED.load(Relaxed);
    if unexpected != 0 {
        let (label, error) =
            (Label::from_raw(unexpected >> ERROR_BITS), unexpected & ((1 << ERROR_BITS) - 1));
        let error = Error::from_raw(error);
        return Err(Failure::new(format_args!("expected an answer that {label:?} can give, seen {error:?}")));
    }
    let result = if excused() { Ok(()) } else { rows_of_test().try_for_each(is_shown) };
    COUNT.store(0, Relaxed);
    result
}

/// The row's test has to have seen it, and as often as it has rows that say the same.
fn is_shown(row: usize) -> TestOutcome {
    let same = |other: &usize| {
        let (one, two) = (&ROWS[row], &ROWS[*other]);
        same_subject(one.subject, two.subject) && one.outcome == two.outcome
    };
    let wanted = rows_of_test().filter(same).count();
    let seen = SEEN[row].load(Relaxed) as usize;
    if seen >= wanted {
        return Ok(());
    }
    let Row { subject, outcome, when, .. } = &ROWS[row];
    Err(Failure::new(format_args!(
        "expected {wanted} times as the table says: {}: {outcome} ({when}), seen {seen} times",
        super::document::SubjectName(*subject)
    )))
}

fn same_subject(one: Subject, two: Subject) -> bool {
    match (one, two) {
        (Subject::Label(one), Subject::Label(two)) => one == two,
        (Subject::Object(one), Subject::Object(two)) => one == two,
        (Subject::Call(one), Subject::Call(two)) => one == two,
        (Subject::Fault(one), Subject::Fault(two)) | (Subject::Answer(one), Subject::Answer(two)) => {
            one == two
        }
        _ => false,
    }
}
