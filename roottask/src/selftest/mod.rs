//! The kernel's self-test: a root task that runs in place of ours.
//!
//! Each test is an independent function on fresh objects and asserts what `abi.md` says of the interface: a result, an
//! error with its words, a fault message, an order of threads. It takes its memory from one untyped and its slots from
//! one range; afterwards everything is revoked and has to be as empty as before ([`fixture`]). Helper threads run in the
//! same address space at lower priorities ([`thread`]); threads that shall fault execute a few instructions of
//! [`code`] and the test plays their handler ([`faulter`]).
//!
//! Output is one line a test, `ok   NAME what` or `FAIL NAME what` with what was expected and seen, and a closing line
//! `N passed, N failed`. A test that does not return is named by the [`watch`]. The machine ends with exit code 0 or 1.
//!
//! Tests are named after the object they test: one file, one list `TESTS`, numbers in order.

mod code;
mod console;
mod exit;
mod faulter;
mod fixture;
mod harness;
mod machine;
mod pages;
mod thread;
mod watch;

mod access;
mod asid;
mod bootinfo;
mod cnode;
mod derivation;
mod domain;
mod endpoint;
mod fault;
mod fault_reply;
mod fpu;
mod ioport;
mod irq;
mod notification;
mod peer;
mod preempt;
mod protection;
mod registers;
mod reply;
mod sched;
mod sched_context;
mod tcb;
mod timeout;
mod transfer;
mod untyped;
mod vspace;
mod worst_case;

use harness::Test;
use libsel::bootinfo::BootInfoView;
use machine::Machine;

/// All tests, in the order in which they run.
const GROUPS: &[&[Test]] = &[
    untyped::TESTS,
    cnode::TESTS,
    derivation::TESTS,
    tcb::TESTS,
    sched_context::TESTS,
    sched::TESTS,
    vspace::TESTS,
    asid::TESTS,
    access::TESTS,
    protection::TESTS,
    irq::TESTS,
    ioport::TESTS,
    domain::TESTS,
    bootinfo::TESTS,
    fpu::TESTS,
    endpoint::TESTS,
    transfer::TESTS,
    notification::TESTS,
    reply::TESTS,
    fault::TESTS,
    fault_reply::TESTS,
    timeout::TESTS,
    registers::TESTS,
    preempt::TESTS,
    worst_case::TESTS,
];

/// Runs all tests and ends the machine.
pub fn run(bootinfo: &BootInfoView<'_>) -> ! {
    let machine = match Machine::new(bootinfo) {
        Ok(machine) => machine,
        Err(reason) => {
            console::line(format_args!("selftest: {reason}"));
            exit::exit(1);
        }
    };
    if let Err(error) = watch::start(&machine) {
        console::line(format_args!("selftest: the watch does not start: {error}"));
        exit::exit(1);
    }
    harness::run_all(&machine, GROUPS)
}
