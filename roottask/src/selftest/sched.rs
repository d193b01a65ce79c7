//! Which thread runs: priorities, queues, preemption, time slices, suspension (abi.md 9.2, 9.7).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CapRights, Register, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Notification, Tcb};
use libsel::invoke::CopyFlags;
use libsel::rt::ticks as now;
use libsel::{Cap, sys};

use super::fixture::{log, log_is, shared};
use super::harness::{Test, check, equal, test, within};
use super::thread::Options;

extern "C" fn log_argument(argument: Word) {
    log(argument);
}

/// Logs its argument three times and yields after each.
extern "C" fn log_and_yield(argument: Word) {
    for _ in 0..3 {
        log(argument);
        sys::yield_();
    }
}

/// Counts in shared word 1 + `argument` for ever; signals the notification in shared word 0 when the other counter has
/// moved five times.
extern "C" fn take_turns(argument: Word) {
    let (mine, other) = (shared(1 + argument as usize), shared(2 - argument as usize));
    let (mut seen, mut moves) = (other.load(Relaxed), 0);
    loop {
        mine.fetch_add(1, Relaxed);
        let next = other.load(Relaxed);
        if next != seen {
            (seen, moves) = (next, moves + 1);
            if moves == 5 {
                Cap::<Notification>::new(shared(0).load(Relaxed)).signal();
            }
        }
    }
}

/// Logs the argument when the notification in shared word 0 is signalled.
extern "C" fn wait_and_log(argument: Word) {
    Cap::<Notification>::new(shared(0).load(Relaxed)).wait();
    log(argument);
}

/// Signals the notification in shared word 0, between two entries in the log.
extern "C" fn signal_between(argument: Word) {
    log(argument);
    Cap::<Notification>::new(shared(0).load(Relaxed)).signal();
    log(argument + 1);
}

/// Counts in shared word 1 for ever.
extern "C" fn count(_: Word) {
    loop {
        shared(1).fetch_add(1, Relaxed);
    }
}

/// Watches the clock until it jumps by more than `us`, and leaves the jump in shared word 1, in microseconds.
extern "C" fn find_gap(us: Word) {
    let ticks_per_us = shared(0).load(Relaxed);
    let mut last = now();
    loop {
        let next = now();
        let gap = (next - last) / ticks_per_us;
        if gap > us {
            return shared(1).store(gap, Relaxed);
        }
        last = next;
    }
}

/// Scheduling.
pub const TESTS: &[Test] = &[
    test("SCHED0001", "the highest priority runs first", |t| {
        for priority in [10, 30, 20] {
            t.spawn(Options::at_priority(priority), log_argument, priority)?;
        }
        t.settle()?;
        log_is(&[30, 20, 10])
    }),
    test("SCHED0002", "threads that a higher one resumes run newest first", |t| {
        for number in 1..=3 {
            t.spawn(Options::default(), log_argument, number)?;
        }
        t.settle()?;
        log_is(&[3, 2, 1])
    }),
    test("SCHED0003", "yield lets threads of equal priority alternate", |t| {
        for number in 1..=2 {
            t.spawn(Options::default(), log_and_yield, number)?;
        }
        t.settle()?;
        log_is(&[2, 1, 2, 1, 2, 1])
    }),
    test("SCHED0004", "the timer shares the processor among equals", |t| {
        let turns = t.notification()?;
        shared(0).store(t.mint(turns, CapRights::ALL, 1)?.cptr(), Relaxed);
        for number in 0..2 {
            t.spawn(Options::with_budget(300, 300), take_turns, number)?;
        }
        equal(turns.wait(), 1)
    }),
    test("SCHED0005", "a woken thread of higher priority preempts", |t| {
        shared(0).store(t.notification()?.cptr(), Relaxed);
        t.spawn(Options::at_priority(60), wait_and_log, 2)?;
        t.settle()?;
        t.spawn(Options::at_priority(50), signal_between, 1)?;
        t.settle()?;
        log_is(&[1, 2, 2])
    }),
    test("SCHED0006", "a woken thread of lower priority waits", |t| {
        shared(0).store(t.notification()?.cptr(), Relaxed);
        t.spawn(Options::at_priority(40), wait_and_log, 9)?;
        t.settle()?;
        t.spawn(Options::at_priority(50), signal_between, 1)?;
        t.settle()?;
        log_is(&[1, 2, 9])
    }),
    test("SCHED0007", "a woken thread of equal priority goes behind", |t| {
        shared(0).store(t.notification()?.cptr(), Relaxed);
        t.spawn(Options::at_priority(50), wait_and_log, 9)?;
        t.settle()?;
        t.spawn(Options::at_priority(50), signal_between, 1)?;
        t.settle()?;
        log_is(&[1, 2, 9])
    }),
    test("SCHED0008", "a new priority counts for a thread that is ready", |t| {
        let low = t.spawn(Options::at_priority(10), log_argument, 10)?;
        t.spawn(Options::at_priority(20), log_argument, 20)?;
        low.tcb.set_priority(initial::TCB, 30)?;
        t.settle()?;
        log_is(&[10, 20])
    }),
    test("SCHED0009", "raising another thread above the own priority runs it at once", |t| {
        extern "C" fn raise(tcb: Word) {
            log(1);
            let _ = Cap::<Tcb>::new(tcb).set_priority(initial::TCB, 110);
            log(3);
        }
        let low = t.spawn(Options::at_priority(10), log_argument, 2)?;
        let thread = t.prepare(Options::default(), raise, low.tcb.cptr())?;
        thread.offer(0, initial::TCB.cptr());
        thread.tcb.resume()?;
        t.settle()?;
        log_is(&[1, 2, 3])
    }),
    test("SCHED0010", "a suspended thread stands still, a resumed one goes on", |t| {
        let thread = t.spawn(Options::default(), count, 0)?;
        let counter = || shared(1).load(Relaxed);
        t.sleep_us(500)?;
        check(counter() > 0, "the thread counts")?;
        thread.tcb.suspend()?;
        let stopped = counter();
        t.sleep_us(500)?;
        equal(counter(), stopped)?;
        thread.tcb.resume()?;
        t.sleep_us(500)?;
        check(counter() > stopped, "the thread counts again")?;
        Ok(thread.tcb.suspend()?)
    }),
    test("SCHED0011", "a thread out of budget waits for its next period", |t| {
        shared(0).store(t.machine.ticks_per_us, Relaxed);
        t.spawn(Options::with_budget(1000, 6000), find_gap, 4000)?.join();
        within(shared(1).load(Relaxed), 4000..=1_000_000, "microseconds without budget")
    }),
    test("SCHED0012", "yield gives up the rest of the budget", |t| {
        extern "C" fn yield_and_time(ticks_per_us: Word) {
            let before = now();
            sys::yield_();
            shared(1).store((now() - before) / ticks_per_us, Relaxed);
        }
        t.spawn(Options::with_budget(2000, 6000), yield_and_time, t.machine.ticks_per_us)?.join();
        within(shared(1).load(Relaxed), 4000..=1_000_000, "microseconds until the next period")
    }),
    test("SCHED0013", "a thread that suspends itself does so again when it is resumed", |t| {
        extern "C" fn suspend_self(_: Word) {
            log(1);
            let _ = Cap::<Tcb>::new(shared(0).load(Relaxed)).suspend();
            log(2);
        }
        let thread = t.prepare(Options::default(), suspend_self, 0)?;
        shared(0).store(thread.tcb.cptr(), Relaxed);
        thread.tcb.resume()?;
        t.settle()?;
        thread.tcb.resume()?;
        t.settle()?;
        log_is(&[1])?;
        // The restart address is that of the system call instruction, which has two bytes.
        let mut context = thread.tcb.read_registers(false, 20)?;
        context.set(Register::Rip, context.get(Register::Rip) + 2);
        thread.tcb.write_registers(true, 1, &context)?;
        thread.join();
        log_is(&[1, 2])
    }),
    test("SCHED0014", "resuming a thread that runs changes nothing", |t| {
        let thread = t.spawn(Options::default(), log_argument, 1)?;
        thread.tcb.resume()?;
        thread.tcb.resume()?;
        t.settle()?;
        log_is(&[1])
    }),
    test("SCHED0015", "a thread that deletes its own TCB stops", |t| {
        extern "C" fn delete_self(tcb: Word) {
            log(1);
            let _ = initial::CNODE.at(tcb).delete();
            log(2);
        }
        let thread = t.prepare(Options::default(), delete_self, 0)?;
        let mut context = thread.tcb.read_registers(false, 20)?;
        context.set(Register::Rdi, thread.tcb.cptr());
        // Nothing but the capability in the slot keeps the thread.
        thread.tcb.write_registers(true, 20, &context)?;
        t.settle()?;
        log_is(&[1])?;
        equal(super::fixture::tag(thread.tcb.cptr()), 0)
    }),
    test("SCHED0016", "a thread that lowers its priority lets others run", |t| {
        extern "C" fn lower(tcb: Word) {
            log(1);
            let _ = Cap::<Tcb>::new(tcb).set_priority(initial::TCB, 20);
            log(3);
        }
        let thread = t.prepare(Options::default(), lower, 0)?;
        let mut context = thread.tcb.read_registers(false, 20)?;
        context.set(Register::Rdi, thread.tcb.cptr());
        thread.offer(0, initial::TCB.cptr());
        thread.tcb.write_registers(true, 20, &context)?;
        t.spawn(Options::at_priority(50), log_argument, 2)?;
        t.settle()?;
        log_is(&[1, 2, 3])
    }),
    test("SCHED0017", "reading the registers of a thread can suspend it", |t| {
        let thread = t.spawn(Options::default(), count, 0)?;
        t.sleep_us(500)?;
        thread.tcb.read_registers(true, 20)?;
        let stopped = shared(1).load(Relaxed);
        t.sleep_us(500)?;
        equal(shared(1).load(Relaxed), stopped)
    }),
    test("SCHED0018", "copying registers can resume a thread", |t| {
        let (from, to) = (
            t.prepare(Options::default(), log_argument, 4)?,
            t.prepare(Options::default(), log_argument, 5)?,
        );
        let flags = CopyFlags { resume_target: true, ..CopyFlags::default() };
        to.tcb.copy_registers(from.tcb, flags)?;
        t.settle()?;
        log_is(&[5])?;
        check(!from.is_done(), "the source does not run")
    }),
    test("SCHED0019", "unblocked by a higher thread, a lower one keeps its place behind equals", |t| {
        let notification = t.notification()?;
        shared(0).store(notification.cptr(), Relaxed);
        t.spawn(Options::at_priority(50), wait_and_log, 9)?;
        t.settle()?;
        // Resumed after the signal, so in front of the woken one.
        notification.signal();
        t.spawn(Options::at_priority(50), log_argument, 1)?;
        t.settle()?;
        log_is(&[1, 9])
    }),
];
