//! Costs that must not grow with the number of threads: a scheduling decision among many that are ready, and one more
//! thread that joins many who wait for time or at an endpoint.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libsel::abi::{Syscall, Word};

use super::crowd::{Duty, Time};
use super::pair::{tell, told};
use super::row::{Bench, Row, long_row, row};
use super::stubs::{Operands, system_call};
use crate::bare::failure::Outcome;
use crate::bare::thread::Options;

/// Index of the notification that ends a round.
const ROUND_ENDS: usize = 0;
/// Priority of the thread that runs when all of interest wait.
const OBSERVER: Word = 100;
/// Priorities of a crowd are spread over this many.
const CROWD_PRIORITIES: Word = 97;
/// A period that does not end in the time of a row, and how far periods differ.
const FAR_US: Word = 100_000_000;
const SPREAD_US: Word = 50_000_000;
/// Enough for the few instructions that a member of a crowd executes.
const BUDGET_US: Word = 10_000;

/// When the observer went on.
static WENT_ON: AtomicU64 = AtomicU64::new(0);
/// When the thread that is measured began its system call; and a place for the clock of those that are not.
static BEGAN: AtomicU64 = AtomicU64::new(0);
static UNUSED: AtomicU64 = AtomicU64::new(0);

/// Ends the round whenever it runs. It goes on in the next round behind the system call that ended the last one.
extern "C" fn observe(_: Word) {
    let signal = Operands::new(Syscall::Send, told(ROUND_ENDS));
    loop {
        WENT_ON.store(system_call(&signal).end, Relaxed);
    }
}

/// A number that differs for neighbours: spreads priorities and periods over their range.
fn scattered(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

/// The root task blocks while `ready` threads below the observer could run: from there to the observer.
fn schedule(b: &mut Bench<'_>, ready: u64) -> Outcome {
    let notification = b.notification()?;
    tell(ROUND_ENDS, notification.cptr());
    b.spawn(Options::at_priority(OBSERVER), observe, 0)?;
    let duty = Duty { call: Syscall::Yield, cptr: 0, stamp: &UNUSED };
    let time = Time { budget_us: FAR_US, period_us: FAR_US };
    for (index, member) in (0..).zip(b.crowd(ready)?.members()) {
        member.begin(b, 1 + scattered(index) % CROWD_PRIORITIES, time, duty)?;
    }
    let wait = Operands::new(Syscall::Wait, notification.cptr());
    let overhead = b.overheads.stub - b.overheads.clock;
    b.rounds(|_| {
        let begin = system_call(&wait).begin;
        Ok((WENT_ON.load(Relaxed) - begin).saturating_sub(overhead))
    })
}

/// One more thread makes a system call after which it waits, where `others` of mixed priority wait already: from there
/// to the observer.
fn joins(b: &mut Bench<'_>, others: u64, call: Syscall, cptr: Word) -> Outcome {
    let notification = b.notification()?;
    tell(ROUND_ENDS, notification.cptr());
    let time = |index| Time { budget_us: BUDGET_US, period_us: FAR_US + scattered(index) % SPREAD_US };
    let crowd = b.crowd(others)?;
    for (index, member) in (0..).zip(crowd.members()) {
        // Above the observer's priority, on both sides of the one that joins later.
        let priority = OBSERVER + 1 + scattered(index) % CROWD_PRIORITIES;
        member.begin(b, priority, time(index), Duty { call, cptr, stamp: &UNUSED })?;
    }
    b.settle()?;
    b.spawn(Options::at_priority(OBSERVER), observe, 0)?;
    let one = b.crowd(1)?.member(0);
    let wait = Operands::new(Syscall::Wait, notification.cptr());
    let middle = Time { budget_us: BUDGET_US, period_us: FAR_US + SPREAD_US / 2 };
    system_call(&wait);
    let duty = Duty { call, cptr, stamp: &BEGAN };
    b.rounds(|f| {
        one.begin(f, OBSERVER + CROWD_PRIORITIES / 2, middle, duty)?;
        system_call(&wait);
        Ok(WENT_ON.load(Relaxed) - BEGAN.load(Relaxed))
    })
}

fn release(b: &mut Bench<'_>, others: u64) -> Outcome {
    joins(b, others, Syscall::Yield, 0)
}

fn enqueue(b: &mut Bench<'_>, others: u64) -> Outcome {
    let endpoint = b.endpoint()?;
    joins(b, others, Syscall::Send, endpoint.cptr())
}

/// Costs that must not grow.
pub const ROWS: &[Row] = &[
    row("schedule/1", |b| schedule(b, 1)),
    row("schedule/100", |b| schedule(b, 100)),
    long_row("schedule/10000", |b| schedule(b, 10_000)),
    row("release/1", |b| release(b, 1)),
    row("release/100", |b| release(b, 100)),
    long_row("release/10000", |b| release(b, 10_000)),
    row("enqueue/1", |b| enqueue(b, 1)),
    row("enqueue/100", |b| enqueue(b, 100)),
    long_row("enqueue/1000", |b| enqueue(b, 1000)),
];
