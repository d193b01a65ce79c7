//! Signals: to threads that wait, above, beside and below the signaller; to nobody; and the blocking wait.

use libsel::abi::{Syscall, TCB_FLAG_FPU_DISABLED, Word};

use super::log::{FIRST, ROUNDS, SECOND};
use super::pair::{Space, tell, told};
use super::row::{Bench, Row, row};
use super::stubs::{Operands, system_call};
use crate::bare::failure::Outcome;
use crate::bare::thread::Options;

/// The notification that is measured.
const MEASURED: usize = 0;
/// The one by which the peer lets the first thread go on.
const BACK: usize = 1;

/// Signals and notes when it went on; then waits until the peer is ready for the next round.
extern "C" fn signaller(_: Word) {
    let (signal, wait) =
        (Operands::new(Syscall::Send, told(MEASURED)), Operands::new(Syscall::Wait, told(BACK)));
    for round in 0..ROUNDS {
        FIRST.keep(round, system_call(&signal));
        system_call(&wait);
    }
}

/// Waits and notes when it went on.
extern "C" fn waiter(_: Word) {
    let (wait, signal) =
        (Operands::new(Syscall::Wait, told(MEASURED)), Operands::new(Syscall::Send, told(BACK)));
    for round in 0.. {
        SECOND.keep(round, system_call(&wait));
        system_call(&signal);
    }
}

/// Threads of sel4bench's rows of signals have no FPU state; those of its rows of the scheduler (`wait/blocks`) do.
fn without_fpu(priority: Word) -> Options {
    Options { flags: TCB_FLAG_FPU_DISABLED, ..Options::at_priority(priority) }
}

/// From the signaller to a waiter of higher priority.
fn higher(b: &mut Bench<'_>, space: Space) -> Outcome {
    let vspace = b.space(space)?;
    tell(MEASURED, b.notification()?.cptr());
    tell(BACK, b.notification()?.cptr());
    b.spawn(Options { vspace, ..without_fpu(201) }, waiter, 0)?;
    b.settle()?;
    b.spawn(without_fpu(200), signaller, 0)?.join();
    b.take(b.overheads.stub, |round| SECOND.end(round) - FIRST.begin(round));
    Ok(())
}

/// Waits and does nothing else.
extern "C" fn only_waiter(_: Word) {
    let wait = Operands::new(Syscall::Wait, told(MEASURED));
    loop {
        system_call(&wait);
    }
}

/// Begins the signaller's next round when all others wait.
extern "C" fn pacemaker(_: Word) {
    let signal = Operands::new(Syscall::Send, told(BACK));
    loop {
        system_call(&signal);
    }
}

/// The signaller's own cost; the waiter becomes ready.
fn not_higher(b: &mut Bench<'_>, space: Space, waiter_priority: Word) -> Outcome {
    let vspace = b.space(space)?;
    tell(MEASURED, b.notification()?.cptr());
    tell(BACK, b.notification()?.cptr());
    b.spawn(Options { vspace, ..without_fpu(waiter_priority) }, only_waiter, 0)?;
    b.settle()?;
    b.spawn(Options::at_priority(50), pacemaker, 0)?;
    b.spawn(without_fpu(200), signaller, 0)?.join();
    b.take(b.overheads.stub, |round| FIRST.end(round) - FIRST.begin(round));
    Ok(())
}

/// Makes the peer ready, then waits: from there to the peer, which has a lower priority.
extern "C" fn blocker(_: Word) {
    let (signal, wait) =
        (Operands::new(Syscall::Send, told(MEASURED)), Operands::new(Syscall::Wait, told(BACK)));
    for round in 0..ROUNDS {
        system_call(&signal);
        FIRST.keep(round, system_call(&wait));
    }
}

fn block(b: &mut Bench<'_>, space: Space) -> Outcome {
    let vspace = b.space(space)?;
    tell(MEASURED, b.notification()?.cptr());
    tell(BACK, b.notification()?.cptr());
    b.spawn(Options::at_priority(200), waiter, 0)?;
    b.settle()?;
    b.spawn(Options { vspace, ..Options::at_priority(201) }, blocker, 0)?.join();
    b.take(b.overheads.stub, |round| SECOND.end(round) - FIRST.begin(round));
    Ok(())
}

/// Signals.
pub const ROWS: &[Row] = &[
    row("signal/higher/same", |b| higher(b, Space::Same)),
    row("signal/higher/other", |b| higher(b, Space::Other)),
    row("signal/equal/same", |b| not_higher(b, Space::Same, 200)),
    row("signal/equal/other", |b| not_higher(b, Space::Other, 200)),
    row("signal/lower/same", |b| not_higher(b, Space::Same, 199)),
    row("signal/lower/other", |b| not_higher(b, Space::Other, 199)),
    row("signal/nobody", |b| {
        let signal = Operands::new(Syscall::Send, b.notification()?.cptr());
        let overhead = b.overheads.stub - b.overheads.clock;
        b.rounds(|_| {
            let times = system_call(&signal);
            Ok((times.end - times.begin).saturating_sub(overhead))
        })
    }),
    row("wait/blocks/same", |b| block(b, Space::Same)),
    row("wait/blocks/other", |b| block(b, Space::Other)),
];
