//! The kernel's benchmark: a root task that runs in place of ours and measures what operations cost.
//!
//! A row is one operation in one setting, measured [`SAMPLES`](roottask::samples::SAMPLES) times after warm-up by the
//! processor's time-stamp counter, with the cost of measuring subtracted ([`clock`]). Costs between two threads ("one
//! way") run from the sender's `syscall` instruction to the first instruction behind the receiver's, as in sel4bench:
//! the register moves of both stubs are subtracted with the cost of measuring ([`stubs`]).
//!
//! Output is one line a row, through COM1, so that a kernel without debug calls can be measured:
//! `bench: row ID min=N median=N p99=N max=N count=N unit=UNIT`; `bench: failed ID: why`; at the end
//! `bench: done N rows, N failed`. `cargo xtask bench` reads these lines. The machine ends with exit code 0 or 1.
//!
//! Words of the kernel command line: `bench_short` leaves out what takes long; `bench_row=ID` (may be repeated)
//! measures only rows whose name begins with ID; `bench_kernel=debug|release|benchmark` says what system call can
//! stand for the cheapest one.

mod caps;
mod clock;
mod crowd;
mod fault;
mod ipc;
mod irq;
mod log;
mod mapping;
mod null;
mod objects;
mod pair;
mod report;
mod row;
mod scaling;
mod serial;
mod signal;
mod stubs;
mod switch;

use libsel::bootinfo::{BootInfoView, initial};
use libsel::println;

use super::bare::exit;
use super::bare::machine::{Machine, Sizes};
use row::{Bench, Row};

/// What a row gets: room for 10,000 threads.
const SIZES: Sizes = Sizes { fresh_bits: 26, slots: 48_000 };
/// Budget and period of the root task's own scheduling context in microseconds: no timer interrupt while it measures.
const OWN_SLICE_US: u64 = 100_000_000;

/// All rows, in the order in which they run.
const GROUPS: &[&[Row]] = &[
    null::ROWS,
    ipc::ROWS,
    signal::ROWS,
    fault::ROWS,
    switch::ROWS,
    irq::ROWS,
    objects::ROWS,
    mapping::ROWS,
    caps::ROWS,
    scaling::ROWS,
];

/// Measures and ends the machine.
pub fn run(bootinfo: &BootInfoView<'_>) -> ! {
    let machine = match Machine::new(bootinfo, SIZES) {
        Ok(machine) => machine,
        Err(reason) => {
            println!("bench: failed machine: {reason}");
            exit::exit(1);
        }
    };
    let ready = serial::open(machine.permanent_slots).and_then(|()| {
        machine.sched_control.configure_flags(initial::SCHED_CONTEXT, OWN_SLICE_US, OWN_SLICE_US, 0, 0, 0)
    });
    if let Err(error) = ready {
        println!("bench: failed machine: {error}");
        exit::exit(1);
    }
    let words = bootinfo.command_line().unwrap_or_default();
    let mut bench = Bench::new(&machine, words);
    report::machine(&bench);
    let (mut done, mut failed) = (0u32, 0u32);
    for row in GROUPS.iter().copied().flatten().filter(|row| row.is_chosen(words)) {
        match bench.run(row) {
            true => done += 1,
            false => failed += 1,
        }
    }
    println!("bench: done {done} rows, {failed} failed");
    exit::exit(u8::from(failed != 0));
}
