//! SchedContext_YieldTo: when it returns, with what, and how it is cancelled (abi.md 7.7, 9.7).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{Label, MessageInfo, Word};
use libsel::bootinfo::initial;
use libsel::cap::SchedContext;
use libsel::{Cap, Error, sys};

use super::fixture::{Fixture, at, log, log_is, shared};
use super::harness::{Outcome, Test, check, equal, test, within};
use super::spans::{self, record, watch_clock, watch_for};
use super::thread::{Options, Thread};

/// Logs 1, yields to the context `sc`, keeps what it is told in shared word 2, and logs 3.
extern "C" fn yield_to(sc: Word) {
    log(1);
    match Cap::<SchedContext>::new(sc).yield_to() {
        Ok(us) => {
            shared(2).store(us, Relaxed);
            log(3);
        }
        Err(error) => log(if error == Error::IllegalOperation { 90 } else { 91 }),
    }
}

/// As [`yield_to`] into shared word 3, with the log entries 11 and 13, once the notification in shared word 0 is
/// signalled.
extern "C" fn wait_and_yield_to(sc: Word) {
    sys::wait(shared(0).load(Relaxed));
    log(11);
    if let Ok(us) = Cap::<SchedContext>::new(sc).yield_to() {
        shared(3).store(us, Relaxed);
        log(13);
    }
}

/// Logs 2, and 4 when the notification in shared word 1 is signalled.
extern "C" fn log_and_wait(_: Word) {
    log(2);
    sys::wait(shared(1).load(Relaxed));
    log(4);
}

/// Runs for `us` microseconds and logs 2.
extern "C" fn run_and_log(us: Word) {
    watch_clock(watch_for(0, us));
    log(2);
}

/// A caller's options: it may yield to anybody.
fn caller(priority: Word) -> Options {
    Options { mcp: 255, ..Options::at_priority(priority) }
}

/// A thread that runs 300 us and a thread that yields to it; both have priority 100.
fn pair(t: &mut Fixture<'_>) -> libsel::Result<(Thread, Thread)> {
    spans::reset(t.machine.ticks_per_us);
    let target = t.spawn(Options::default(), run_and_log, 300)?;
    let yielding = t.spawn(caller(100), yield_to, target.sched_context.cptr())?;
    Ok((target, yielding))
}

/// `us` microseconds in shared word `index`.
#[track_caller]
fn told(index: usize, us: core::ops::RangeInclusive<u64>) -> Outcome {
    within(shared(index).load(Relaxed), us, "microseconds told by YieldTo")
}

/// YieldTo.
pub const TESTS: &[Test] = &[
    test("YIELDTO0001", "an equal runs first, and the caller is told the time it used", |t| {
        pair(t)?;
        t.settle()?;
        log_is(&[1, 2, 3])?;
        told(2, 300..=400)
    }),
    test("YIELDTO0002", "a higher one within the caller's MCP runs first", |t| {
        // The higher one is ready, but the one that runs is the test: prepare both first.
        let target = t.prepare(Options::at_priority(110), run_and_log, 100)?;
        spans::reset(t.machine.ticks_per_us);
        let other = t.spawn(caller(120), yield_to, target.sched_context.cptr())?;
        other.tcb.set_priority(initial::TCB, 105)?;
        target.tcb.resume()?;
        t.settle()?;
        // Higher than the caller, the target has ended before the caller begins.
        log_is(&[2, 1, 3])?;
        told(2, 100..=200)
    }),
    test("YIELDTO0003", "a lower one does not run, and its time is told at once", |t| {
        spans::reset(t.machine.ticks_per_us);
        let target = t.spawn(Options::at_priority(90), run_and_log, 100)?;
        t.spawn(caller(100), yield_to, target.sched_context.cptr())?;
        t.settle()?;
        log_is(&[1, 3, 2])?;
        told(2, 0..=0)
    }),
    test("YIELDTO0004", "a lower one comes to the head of its queue", |t| {
        extern "C" fn log_argument(argument: Word) {
            log(argument);
        }
        // Resumed last, it would run first.
        let target = t.spawn(Options::at_priority(90), log_argument, 20)?;
        t.spawn(Options::at_priority(90), log_argument, 21)?;
        t.spawn(caller(100), yield_to, target.sched_context.cptr())?;
        t.settle()?;
        log_is(&[1, 3, 20, 21])
    }),
    test("YIELDTO0005", "a target above the caller's MCP is refused, whatever the priorities are", |t| {
        let target = t.prepare(Options::at_priority(50), run_and_log, 1)?;
        t.spawn(Options { mcp: 49, ..Options::at_priority(60) }, yield_to, target.sched_context.cptr())?;
        t.settle()?;
        log_is(&[1, 90])
    }),
    test("YIELDTO0006", "a target at the caller's MCP is accepted", |t| {
        spans::reset(t.machine.ticks_per_us);
        let target = t.spawn(Options::at_priority(60), run_and_log, 1)?;
        t.spawn(Options { mcp: 60, ..Options::at_priority(60) }, yield_to, target.sched_context.cptr())?;
        t.settle()?;
        log_is(&[1, 2, 3])
    }),
    test(
        "YIELDTO0007",
        "a target without budget is waited for in the release queue, not by the caller",
        |t| {
            extern "C" fn yield_and_log(_: Word) {
                sys::yield_();
                log(2);
            }
            let target = t.spawn(Options::with_budget(100, 2000), yield_and_log, 0)?;
            t.settle()?;
            t.spawn(caller(100), yield_to, target.sched_context.cptr())?;
            t.settle()?;
            log_is(&[1, 3])?;
            target.join();
            log_is(&[1, 3, 2])
        },
    ),
    test("YIELDTO0008", "a target that waits for a message returns the call at once", |t| {
        shared(1).store(t.notification()?.cptr(), Relaxed);
        let target = t.spawn(Options::default(), log_and_wait, 0)?;
        t.settle()?;
        t.spawn(caller(100), yield_to, target.sched_context.cptr())?.join();
        log_is(&[2, 1, 3])
    }),
    test("YIELDTO0009", "a target that blocks lets the caller go on with its time", |t| {
        shared(1).store(t.notification()?.cptr(), Relaxed);
        let target = t.spawn(Options::default(), log_and_wait, 0)?;
        t.spawn(caller(100), yield_to, target.sched_context.cptr())?;
        t.settle()?;
        log_is(&[1, 2, 3])
    }),
    test("YIELDTO0010", "a second call on the same context ends the first", |t| {
        let notification = t.notification()?;
        shared(0).store(notification.cptr(), Relaxed);
        spans::reset(t.machine.ticks_per_us);
        let target = t.spawn(Options::default(), run_and_log, 600)?;
        t.spawn(caller(150), wait_and_yield_to, target.sched_context.cptr())?;
        t.spawn(caller(100), yield_to, target.sched_context.cptr())?;
        t.sleep_us(300)?;
        log_is(&[1])?;
        notification.signal();
        t.settle()?;
        log_is(&[1, 11, 13, 2, 3])?;
        // The first caller was told the time up to the second call, and nothing was left for that one.
        told(2, 150..=350)?;
        told(3, 0..=0)
    }),
    test("YIELDTO0011", "a caller that is suspended is not told anything", |t| {
        let (target, yielding) = pair(t)?;
        t.sleep_us(100)?;
        log_is(&[1])?;
        yielding.tcb.suspend()?;
        target.join();
        log_is(&[1, 2])?;
        t.settle()?;
        // The time was not reported: the count goes on.
        within(target.sched_context.consumed()?, 250..=400, "microseconds not reported yet")
    }),
    test("YIELDTO0012", "a caller that is suspended goes on when it is resumed", |t| {
        let (target, yielding) = pair(t)?;
        t.sleep_us(100)?;
        yielding.tcb.suspend()?;
        target.join();
        yielding.tcb.resume()?;
        t.settle()?;
        // Behind the call, with its registers as they were: the call has no answer.
        equal(shared(31).load(Relaxed), 3)
    }),
    test("YIELDTO0013", "a caller that is deleted is no harm for the target", |t| {
        let (target, yielding) = pair(t)?;
        t.sleep_us(100)?;
        at(yielding.tcb).delete()?;
        target.join();
        log_is(&[1, 2])
    }),
    test("YIELDTO0014", "a context that is deleted ends the call", |t| {
        let (target, _) = pair(t)?;
        t.sleep_us(100)?;
        at(target.sched_context).delete()?;
        t.settle()?;
        log_is(&[1, 3])
    }),
    test("YIELDTO0015", "a context that is unbound lets the caller go on", |t| {
        let (target, _) = pair(t)?;
        t.sleep_us(100)?;
        target.sched_context.unbind()?;
        t.settle()?;
        log_is(&[1, 3])
    }),
    test("YIELDTO0016", "a target that is suspended lets the caller go on", |t| {
        let (target, _) = pair(t)?;
        t.sleep_us(100)?;
        target.tcb.suspend()?;
        t.settle()?;
        log_is(&[1, 3])?;
        told(2, 50..=250)
    }),
    test("YIELDTO0017", "yielding by send has no answer", |t| {
        extern "C" fn send_yield(sc: Word) {
            log(1);
            sys::send(sc, MessageInfo::new(Label::SchedContextYieldTo.raw(), 0, 0, 0), [0; 4]);
            log(3);
        }
        spans::reset(t.machine.ticks_per_us);
        let target = t.spawn(Options::default(), run_and_log, 100)?;
        t.spawn(caller(100), send_yield, target.sched_context.cptr())?;
        t.settle()?;
        log_is(&[1, 2, 3])
    }),
    test("YIELDTO0018", "in the first of two phases it is refused and nobody sees it", |t| {
        extern "C" fn first_phase(sc: Word) {
            log(1);
            let info = MessageInfo::new(Label::SchedContextYieldTo.raw(), 0, 0, 0);
            sys::nb_send_wait(sc, info, [0; 4], shared(1).load(Relaxed));
            log(3);
        }
        let ready = t.notification()?;
        ready.signal();
        shared(1).store(ready.cptr(), Relaxed);
        spans::reset(t.machine.ticks_per_us);
        let target = t.spawn(Options::default(), run_and_log, 100)?;
        t.spawn(caller(100), first_phase, target.sched_context.cptr())?;
        t.settle()?;
        log_is(&[1, 3, 2])
    }),
    test("YIELDTO0019", "a target in another domain is not waited for", |t| {
        if t.machine.domains < 2 {
            return Ok(());
        }
        let target = t.prepare(Options::default(), run_and_log, 100)?;
        initial::DOMAIN.set(1, target.tcb)?;
        target.tcb.resume()?;
        t.spawn(caller(100), yield_to, target.sched_context.cptr())?;
        t.settle()?;
        // It does not run while this domain has its turn; the caller goes on when nobody else is left, or at once.
        check(!target.is_done(), "the target does not run")
    }),
    test("YIELDTO0020", "a chain of three ends from the last to the first", |t| {
        spans::reset(t.machine.ticks_per_us);
        let last = t.spawn(Options::default(), run_and_log, 100)?;
        let middle = t.spawn(caller(100), yield_to, last.sched_context.cptr())?;
        t.spawn(caller(100), yield_to, middle.sched_context.cptr())?;
        t.settle()?;
        log_is(&[1, 1, 2, 3, 3])?;
        equal(record(0).len(), 1)
    }),
];
