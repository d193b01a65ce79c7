//! The watch: a thread that wakes every two seconds and ends the machine when a test does not return.
//!
//! Tests print nothing before their verdict, so without the watch nobody would know which one hangs.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use libsel::abi::{Register, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Page, SchedContext, Tcb};
use libsel::invoke::UserContext;
use libsel::{Cap, sys};

use super::machine::Machine;
use super::pages::Pages;
use super::{console, exit};

/// The watch looks this often; a test takes milliseconds.
const PERIOD_US: Word = 2_000_000;
/// Enough to print a line.
const BUDGET_US: Word = 100_000;

static STACK: Pages<8192> = Pages::new();
/// Address and length of the name of the running test; length 0 = none runs.
static NAME: (AtomicUsize, AtomicUsize) = (AtomicUsize::new(0), AtomicUsize::new(0));
/// Tests begun so far.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// A test begins.
pub fn begin(name: &'static str) {
    NAME.1.store(0, Relaxed);
    NAME.0.store(name.as_ptr().addr(), Relaxed);
    NAME.1.store(name.len(), Relaxed);
    BEGUN.fetch_add(1, Relaxed);
}

/// The test came back.
pub fn end() {
    NAME.1.store(0, Relaxed);
}

/// Starts the watch, with the highest priority.
pub fn start(machine: &Machine<'_>) -> libsel::Result<()> {
    let slot = machine.permanent_slots;
    let tcb = machine.permanent.retype_one::<Tcb>(0, initial::CNODE, slot)?;
    let sched_context = machine.permanent.retype_one::<SchedContext>(8, initial::CNODE, slot + 1)?;
    machine.sched_control.configure_flags(sched_context, BUDGET_US, PERIOD_US, 0, 0, 0)?;
    tcb.configure(initial::CNODE, 0, initial::VSPACE, 0, Cap::<Page>::NULL)?;
    tcb.set_sched_params(initial::TCB, 255, 255, sched_context, Cap::NULL)?;
    let mut context = UserContext::default();
    let entry: extern "C" fn() -> ! = watch;
    context.set(Register::Rip, entry as usize as Word).set(Register::Rsp, STACK.end() - 8);
    sys::debug_name_thread(tcb.cptr(), "watch");
    tcb.write_registers(true, 2, &context)
}

extern "C" fn watch() -> ! {
    let mut seen = 0;
    loop {
        // Gives up the rest of the budget: continues in the next period.
        sys::yield_();
        let begun = BEGUN.load(Relaxed);
        let (name, length) = (NAME.0.load(Relaxed), NAME.1.load(Relaxed));
        if begun == seen && length != 0 {
            // SAFETY: both come from the `&'static str` that `begin` was given: this thread only runs between whole
            // instructions of the other one, and `begin` sets the length last.
            let name = unsafe { core::slice::from_raw_parts(name as *const u8, length) };
            let name = core::str::from_utf8(name).unwrap_or("?");
            console::line(format_args!("HANG {name} does not return"));
            exit::exit(1);
        }
        seen = begun;
    }
}
