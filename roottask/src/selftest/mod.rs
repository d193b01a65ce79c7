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
//! [`coverage`] says which test shows which outcome of which operation: the table `docs/abi.md`. The compiler checks that
//! it is complete, the run that it is true. Words on the kernel's command line: `coverage` prints the table, `complete`
//! lets no test leave out what the machine cannot do.
//!
//! Tests are named after the object they test: one file, one list `TESTS`, numbers in order.

#[path = "../bare/mod.rs"]
mod bare;

mod code;
mod console;
mod coverage;
mod crowd;
mod faulter;
mod harness;
mod hazard_code;
mod refill_model;
mod refusals;
mod spans;
mod watch;

mod access;
mod asid;
mod bootinfo;
mod cnode;
mod cnode_checks;
mod cnode_data;
mod combined;
mod deletion;
mod derivation;
mod domain;
mod domain_schedule;
mod domain_work;
mod donation;
mod endpoint;
mod exceptions;
mod fault;
mod fault_reply;
mod fpu;
mod fpu_state;
mod general;
mod hazard;
mod ioport;
mod irq;
mod long_message;
mod notification;
mod peer;
mod phases;
mod preempt;
mod protection;
mod refill;
mod registers;
mod release;
mod reply;
mod reply_stack;
mod rights;
mod sched;
mod sched_context;
mod sched_context_checks;
mod syscalls;
mod tcb;
mod tcb_params;
mod tcb_spaces;
mod timeout;
mod transfer;
mod untyped;
mod untyped_checks;
mod vspace;
mod vspace_checks;
mod waiters;
mod worst_case;
mod yield_to;

use bare::{exit, failure, fixture, machine, pages, thread};
use harness::Test;
use libsel::bootinfo::BootInfoView;
use machine::Machine;

/// All tests, in the order in which they run.
const GROUPS: &[&[Test]] = &[
    untyped::TESTS,
    untyped_checks::TESTS,
    cnode::TESTS,
    cnode_checks::TESTS,
    cnode_data::TESTS,
    derivation::TESTS,
    tcb::TESTS,
    tcb_params::TESTS,
    tcb_spaces::TESTS,
    sched_context::TESTS,
    yield_to::TESTS,
    refill::TESTS,
    release::TESTS,
    sched_context_checks::TESTS,
    sched::TESTS,
    vspace::TESTS,
    vspace_checks::TESTS,
    asid::TESTS,
    access::TESTS,
    protection::TESTS,
    irq::TESTS,
    ioport::TESTS,
    domain::TESTS,
    domain_schedule::TESTS,
    domain_work::TESTS,
    general::TESTS,
    bootinfo::TESTS,
    fpu::TESTS,
    fpu_state::TESTS,
    endpoint::TESTS,
    transfer::TESTS,
    rights::TESTS,
    long_message::TESTS,
    waiters::TESTS,
    combined::TESTS,
    notification::TESTS,
    reply::TESTS,
    reply_stack::TESTS,
    donation::TESTS,
    fault::TESTS,
    phases::TESTS,
    fault_reply::TESTS,
    hazard::TESTS,
    exceptions::TESTS,
    timeout::TESTS,
    registers::TESTS,
    syscalls::TESTS,
    preempt::TESTS,
    deletion::TESTS,
    worst_case::TESTS,
];

/// Runs all tests and ends the machine.
pub fn run(bootinfo: &BootInfoView<'_>) -> ! {
    let machine = match Machine::new(bootinfo, machine::SELF_TEST) {
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
