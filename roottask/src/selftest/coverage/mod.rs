//! Which test shows which outcome of which operation: the interface of the kernel as a table.
//!
//! One file per object holds its rows in the order in which abi.md lists the checks. A row says what is done, how it
//! ends, under which condition, and which test shows it. The table cannot lie:
//!
//! * the self-test does not compile when a label has no row for success or for one of its errors
//!   ([`libsel::abi::Label::errors`]), or when a row names a test that does not exist ([`complete`]);
//! * it fails when a row's test does not in fact see what the row says ([`record`]): rows of one test that say the same
//!   need as many sights of it. It also fails when any test sees an error that is not among the label's.
//!
//! [`document`] prints the table as `docs/abi.md`.

pub mod complete;
pub mod document;
mod outcome;
pub mod record;

mod answers;
mod asid;
mod cap_faults;
mod cnode;
mod domain;
mod faults;
mod general;
mod ioport;
mod irq;
mod paging;
mod sched_context;
mod syscalls;
mod tcb;
mod tcb_time;
mod untyped;

use libsel::abi::{CapTag, FaultType, Label, Syscall};

pub use outcome::Outcome;

/// What is done.
#[derive(Clone, Copy)]
pub enum Subject {
    /// An invocation of the object that knows this label.
    Label(Label),
    /// An invocation of this kind of capability, whatever the label.
    Object(CapTag),
    /// A system call.
    Call(Syscall),
    /// A thread faults.
    Fault(FaultType),
    /// A fault is answered.
    Answer(FaultType),
}

/// One line of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// What is done.
    pub subject: Subject,
    /// How it ends.
    pub outcome: Outcome,
    /// When it ends so, in abi.md's words.
    pub when: &'static str,
    /// The test that shows it.
    pub test: &'static str,
}

/// Rows by subject: `Label of Label { UntypedRetype { SUCCESS, "condition", "TEST0001"; … } … }`.
macro_rules! rows {
    ($($kind:ident of $type:ident {
        $($subject:ident { $($outcome:expr, $when:literal, $test:literal;)+ })+
    })+) => {
        &[$($($($crate::selftest::coverage::Row {
            subject: $crate::selftest::coverage::Subject::$kind(libsel::abi::$type::$subject),
            outcome: $outcome,
            when: $when,
            test: $test,
        },)+)+)+]
    };
}
use rows;

/// A chapter of the table.
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// What to know before.
    pub intro: &'static str,
    /// Its rows.
    pub rows: &'static [Row],
}

/// The whole table.
pub const SECTIONS: &[Section] = &[
    untyped::SECTION,
    tcb::SECTION,
    tcb_time::SECTION,
    cnode::SECTION,
    irq::SECTION,
    domain::SECTION,
    sched_context::SECTION,
    paging::SECTION,
    asid::SECTION,
    ioport::SECTION,
    general::SECTION,
    syscalls::SECTION,
    cap_faults::SECTION,
    faults::SECTION,
    answers::SECTION,
];

/// Number of rows.
pub const ROW_COUNT: usize = {
    let (mut count, mut section) = (0, 0);
    while section < SECTIONS.len() {
        count += SECTIONS[section].rows.len();
        section += 1;
    }
    count
};

/// All rows of all sections.
pub static ROWS: [Row; ROW_COUNT] = {
    let mut rows = [SECTIONS[0].rows[0]; ROW_COUNT];
    let (mut used, mut section) = (0, 0);
    while section < SECTIONS.len() {
        let mut row = 0;
        while row < SECTIONS[section].rows.len() {
            rows[used] = SECTIONS[section].rows[row];
            used += 1;
            row += 1;
        }
        section += 1;
    }
    rows
};
