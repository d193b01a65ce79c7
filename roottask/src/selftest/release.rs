//! Who runs when many wait for time: the release queue, turns among equals, new parameters for time in use (abi.md 7.7,
//! 9.7).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{SCHED_CONTEXT_SPORADIC, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{Notification, Tcb};
use libsel::rt::ticks as now;
use libsel::{Cap, Error, sys};

use super::crowd::{Deed, roll_is, roll_length};
use super::fixture::{Fixture, at, log, log_is, shared};
use super::harness::{Failure, Outcome, Test, equal, eventually, fails, test, within};
use super::refill_model::Model;
use super::spans::{self, record, watch_clock, watch_for};
use super::thread::{Options, Thread};

/// What a kernel entry with a switch takes at most, in microseconds.
const ENTRY_US: u64 = 6;
/// Members of the release queue.
const MANY: usize = 20;

extern "C" fn yield_and_log(argument: Word) {
    sys::yield_();
    log(argument);
}

extern "C" fn log_argument(argument: Word) {
    log(argument);
}

/// Reconfigures the time in shared word 0 to a budget and period of `argument`'s halves after 100 us, runs on, and
/// records when.
extern "C" fn reconfigure_self(argument: Word) {
    record(0).run(100, u64::MAX);
    let control = Cap::<libsel::cap::SchedControl>::new(shared(1).load(Relaxed));
    let sc = Cap::new(shared(0).load(Relaxed));
    shared(2).store(now(), Relaxed);
    let _ = control.configure_flags(sc, argument & 0xffff_ffff, argument >> 32, 0, 0, 0);
    record(0).run(800, u64::MAX);
}

/// Threads that run for 1.5 ms by the clock and share the processor in slices of `slice_us`; how long each slice was,
/// and how long each pause.
#[track_caller]
fn turns(t: &mut Fixture<'_>, threads: usize, slice_us: u64) -> Outcome {
    if !t.is_exact()? {
        return Ok(());
    }
    eventually(|| {
        spans::reset(t.machine.ticks_per_us);
        let before = t.threads;
        let us = slice_us * threads as u64 * 4;
        let mut made = [None; 4];
        for (recorder, made) in made.iter_mut().enumerate().take(threads) {
            *made = Some(t.spawn(
                Options::with_budget(slice_us, slice_us),
                watch_clock,
                watch_for(recorder, us),
            )?);
        }
        t.settle()?;
        for thread in made.into_iter().flatten() {
            thread.tcb.suspend()?;
        }
        t.threads = before;
        let ticks_per_us = t.machine.ticks_per_us;
        for recorder in 0..threads {
            record(recorder).has(3)?;
            // The first slice began before the first look, the last one ends with the thread.
            let (one, next) = (record(recorder).span(1), record(recorder).span(2));
            within(one.us(ticks_per_us), slice_us - 3..=slice_us + ENTRY_US, "microseconds of a slice")?;
            let round = (next.start - one.start) / ticks_per_us;
            let expected = slice_us * threads as u64;
            within(
                round,
                expected - 3 * threads as u64..=expected + ENTRY_US * threads as u64,
                "us of a round",
            )?;
        }
        Ok(())
    })
}

/// A time of a span has to be the expected one but for a kernel entry or two.
#[track_caller]
fn close(ticks_per_us: u64, span: usize, what: &str, seen: u64, expected: u64) -> Outcome {
    if seen.abs_diff(expected) <= 2 * ENTRY_US * ticks_per_us {
        return Ok(());
    }
    let us = (seen as i64 - expected as i64) / ticks_per_us as i64;
    Err(Failure::new(format_args!("the {what} of span {span} is {us} us off")))
}

/// A thread that has run for a while on `before`, budget and period in us, gets `after`; it then runs on as the model
/// says.
#[track_caller]
fn updated(t: &mut Fixture<'_>, before: (u64, u64), after: (u64, u64)) -> Outcome {
    if !t.is_exact()? {
        return Ok(());
    }
    eventually(|| {
        spans::reset(t.machine.ticks_per_us);
        let (us, threads) = (t.machine.ticks_per_us, t.threads);
        t.keep_busy(0)?;
        let thread = t.spawn(Options::with_budget(before.0, before.1), watch_clock, watch_for(0, 3000))?;
        let made = now();
        t.sleep_us(150)?;
        // Long enough to be a gap.
        let changed = now() + 50 * us;
        while now() < changed {}
        t.machine.sched_control.configure_flags(thread.sched_context, after.0, after.1, 0, 0, 0)?;
        thread.join();
        thread.tcb.suspend()?;
        t.threads = threads;
        // The first span ends when the test wakes up; the thread goes on with what is left of the head.
        record(0).has(3)?;
        let first = record(0).span(0);
        let mut model = Model::new(made, before.0 * us, before.1 * us, 0, 20 * us);
        model.unblock(first.start);
        model.charge(first.end - first.start + us);
        model.update(changed, after.0 * us, after.1 * us);
        for index in 1..record(0).len() - 1 {
            let span = record(0).span(index);
            let start = model.head().time.max(if index == 1 { changed } else { 0 });
            close(us, index, "start", span.start, start)?;
            model.unblock(span.start);
            close(us, index, "end", span.end, span.start + model.head().amount - us)?;
            model.charge(span.end - span.start + us);
        }
        Ok(())
    })
}

/// A thread without budget until much later.
fn spent(t: &mut Fixture<'_>, priority: Word, period_us: u64, argument: Word) -> libsel::Result<Thread> {
    let options = Options { priority, ..Options::with_budget(50, period_us) };
    t.spawn(options, yield_and_log, argument)
}

/// Release queue, turns, parameters.
pub const TESTS: &[Test] = &[
    test("RELEASE0001", "20 threads come back in the order of their replenishments", |t| {
        t.keep_busy(0)?;
        let (idle, crowd) = (t.notification()?, t.crowd(MANY)?);
        // Periods in no order, further apart than all of them take to begin theirs.
        let rank = |index: usize| index * 7 % MANY;
        for index in 0..MANY {
            let period = 1000 + 200 * rank(index) as Word;
            t.machine.sched_control.configure_flags(crowd.sched_context(index), 50, period, 0, 0, 0)?;
            crowd.start(index, 100, Deed::new(Syscall::Yield, idle.cptr()))?;
        }
        crowd.settle();
        equal(roll_length(), 0)?;
        t.sleep_us(6000)?;
        // 3 is the inverse of 7 modulo 20.
        roll_is((0..MANY).map(|rank| rank * 3 % MANY))
    }),
    test("RELEASE0002", "threads whose time comes at once run by priority", |t| {
        t.keep_busy(0)?;
        for (priority, argument) in [(20, 2), (40, 4), (30, 3)] {
            spent(t, priority, 2000, argument)?;
        }
        t.settle()?;
        log_is(&[])?;
        // While they come back the test runs.
        let end = now() + 4000 * t.machine.ticks_per_us;
        while now() < end {}
        t.settle()?;
        log_is(&[4, 3, 2])
    }),
    test("RELEASE0003", "a replenishment of higher priority preempts to the microsecond", |t| {
        eventually(|| {
            spans::reset(t.machine.ticks_per_us);
            let before = t.threads;
            let low = t.spawn(Options::at_priority(50), watch_clock, watch_for(0, 3300))?;
            let options = Options { priority: 60, ..Options::with_budget(100, 1000) };
            let high = t.spawn(options, watch_clock, watch_for(1, 2800))?;
            low.join();
            high.tcb.suspend()?;
            low.tcb.suspend()?;
            t.threads = before;
            record(1).has(3)?;
            for index in 1..3 {
                let (last, span) = (record(1).span(index - 1), record(1).span(index));
                let period = (span.start - last.start) / t.machine.ticks_per_us;
                within(period, 996..=1000 + ENTRY_US, "microseconds between replenishments")?;
            }
            Ok(())
        })
    }),
    test("RELEASE0004", "a new priority counts for a thread in the release queue", |t| {
        t.keep_busy(0)?;
        let low = spent(t, 20, 2000, 1)?;
        spent(t, 30, 2000, 2)?;
        t.settle()?;
        low.tcb.set_priority(initial::TCB, 40)?;
        let end = now() + 4000 * t.machine.ticks_per_us;
        while now() < end {}
        t.settle()?;
        log_is(&[1, 2])
    }),
    test("RELEASE0005", "a new priority does not wake a thread in the release queue", |t| {
        let thread = spent(t, 20, 5000, 1)?;
        t.settle()?;
        thread.tcb.set_priority(initial::TCB, 254)?;
        t.settle()?;
        log_is(&[])?;
        thread.join();
        log_is(&[1])
    }),
    test("RELEASE0006", "suspending and resuming does not bring a budget back", |t| {
        let thread = spent(t, 20, 5000, 1)?;
        t.settle()?;
        thread.tcb.suspend()?;
        thread.tcb.resume()?;
        t.settle()?;
        log_is(&[])?;
        thread.join();
        log_is(&[1])
    }),
    test("RELEASE0007", "a thread that is deleted in the release queue is not woken", |t| {
        let gone = spent(t, 20, 500, 1)?;
        let no_time = spent(t, 30, 500, 2)?;
        t.settle()?;
        at(gone.tcb).delete()?;
        at(no_time.sched_context).delete()?;
        t.sleep_us(1500)?;
        t.settle()?;
        log_is(&[])
    }),
    test("RELEASE0008", "a spent budget moved to another thread is still spent", |t| {
        let thread = spent(t, 20, 5000, 1)?;
        t.settle()?;
        thread.sched_context.unbind_thread(thread.tcb)?;
        let other = t.spawn(Options { budget_us: 0, ..Options::default() }, log_argument, 2)?;
        thread.sched_context.bind(other.tcb)?;
        t.settle()?;
        log_is(&[])?;
        other.join();
        log_is(&[2])
    }),
    test("RELEASE0009", "two equals take turns of a slice each", |t| turns(t, 2, 200)),
    test("RELEASE0010", "four equals take turns of a slice each", |t| turns(t, 4, 100)),
    test("RELEASE0011", "a slice is continued after a preemption, not begun again", |t| {
        eventually(|| {
            spans::reset(t.machine.ticks_per_us);
            let before = t.threads;
            let mut made = [None; 2];
            for (recorder, made) in made.iter_mut().enumerate() {
                let options = Options::with_budget(400, 400);
                *made = Some(t.spawn(options, watch_clock, watch_for(recorder, 2000))?);
            }
            // Preempts whoever runs every 150 us, for longer than the recorders take for nothing.
            let options = Options { priority: 200, ..Options::with_budget(60, 150) };
            let other = t.spawn(options, watch_clock, watch_for(2, 2400))?;
            t.settle()?;
            for thread in made.into_iter().flatten().chain([other]) {
                thread.tcb.suspend()?;
            }
            t.threads = before;
            // Spans without the other equal in between belong to one slice.
            let (mine, theirs) = (record(1), record(0).span(0));
            let first: u64 = (0..mine.len())
                .map(|index| mine.span(index))
                .filter(|span| span.end < theirs.start)
                .map(|span| span.end - span.start)
                .sum();
            within(first / t.machine.ticks_per_us, 370..=405, "microseconds of the first slice")
        })
    }),
    test("RELEASE0012", "yielding ends a slice, and the next one is a full one", |t| {
        extern "C" fn yield_in_between(_: Word) {
            record(0).run(100, u64::MAX);
            sys::yield_();
            record(0).run(350, u64::MAX);
        }
        eventually(|| {
            spans::reset(t.machine.ticks_per_us);
            let before = t.threads;
            let other = t.spawn(Options::with_budget(300, 300), watch_clock, watch_for(1, 1500))?;
            let thread = t.spawn(Options::with_budget(300, 300), yield_in_between, 0)?;
            t.settle()?;
            thread.tcb.suspend()?;
            other.tcb.suspend()?;
            t.threads = before;
            record(0).has(3)?;
            let slice = record(0).span(1).us(t.machine.ticks_per_us);
            within(slice, 295..=300, "microseconds of the slice after the yield")
        })
    }),
    test("RELEASE0013", "a smaller budget cuts what is left", |t| updated(t, (1000, 2000), (200, 2000))),
    test("RELEASE0014", "a greater budget comes a new period after the old head", |t| {
        updated(t, (300, 1000), (500, 1200))
    }),
    test("RELEASE0015", "a shorter period counts for the rest", |t| updated(t, (400, 1500), (400, 600))),
    test("RELEASE0016", "a thread can change its own time, and what it used counts", |t| {
        eventually(|| {
            spans::reset(t.machine.ticks_per_us);
            let before = t.threads;
            t.keep_busy(0)?;
            let thread = t.prepare(Options::with_budget(500, 2000), reconfigure_self, 300 | 1000 << 32)?;
            shared(0).store(thread.sched_context.cptr(), Relaxed);
            shared(1).store(t.machine.sched_control.cptr(), Relaxed);
            thread.offer(0, thread.sched_context.cptr());
            thread.tcb.resume()?;
            thread.join();
            thread.tcb.suspend()?;
            t.threads = before;
            // 400 us were left, of which the new budget leaves 300.
            record(0).has(3)?;
            let ticks_per_us = t.machine.ticks_per_us;
            let second = record(0).span(1);
            within(second.us(ticks_per_us), 290..=300, "microseconds until the new budget is used")?;
            let changed = shared(2).load(Relaxed);
            let next = (record(0).span(2).start - changed) / ticks_per_us;
            within(next, 994..=1000 + ENTRY_US, "microseconds until the next period")
        })
    }),
    test("RELEASE0017", "time that becomes round robin is there at once", |t| {
        let thread = spent(t, 20, 50_000, 1)?;
        t.settle()?;
        t.machine.sched_control.configure_flags(thread.sched_context, 1000, 1000, 0, 0, 0)?;
        thread.join();
        log_is(&[1])
    }),
    test(
        "RELEASE0018",
        "a spent budget that is configured again stays spent, its badge and flag are new",
        |t| {
            let thread = spent(t, 20, 5000, 1)?;
            t.settle()?;
            let control = t.machine.sched_control;
            control.configure_flags(thread.sched_context, 50, 5000, 2, 0x99, SCHED_CONTEXT_SPORADIC)?;
            t.settle()?;
            log_is(&[])?;
            thread.join();
            log_is(&[1])
        },
    ),
    test("RELEASE0019", "the time of a thread that waits is full again when it is configured", |t| {
        extern "C" fn use_up_and_wait(argument: Word) {
            record(0).run(150, u64::MAX);
            Cap::<Notification>::new(argument).wait();
            record(1).run(150, u64::MAX);
        }
        spans::reset(t.machine.ticks_per_us);
        let notification = t.notification()?;
        let thread = t.spawn(Options::with_budget(200, 50_000), use_up_and_wait, notification.cptr())?;
        t.settle()?;
        t.machine.sched_control.configure_flags(thread.sched_context, 200, 50_000, 0, 0, 0)?;
        notification.signal();
        thread.join();
        // One piece: it did not have to wait for the next period.
        equal(record(1).len(), 1)
    }),
    test("RELEASE0020", "no MCP lets a thread give more than it has", |t| {
        extern "C" fn give(tcb: Word) {
            let (own, other) = (Cap::<Tcb>::new(shared(0).load(Relaxed)), Cap::<Tcb>::new(tcb));
            log(u64::from(other.set_priority(own, 51) == Err(Error::RangeError { min: 0, max: 50 })));
            log(u64::from(other.set_mc_priority(own, 51) == Err(Error::RangeError { min: 0, max: 50 })));
            log(u64::from(other.set_priority(own, 50).is_ok()));
            log(u64::from(other.set_mc_priority(own, 50).is_ok()));
            // Its own priority is above its MCP: it can go down, but not up again.
            log(u64::from(own.set_priority(own, 60).is_err()));
            log(u64::from(own.set_priority(own, 50).is_ok()));
            log(u64::from(own.set_mc_priority(own, 10).is_ok()));
            log(u64::from(own.set_mc_priority(own, 11) == Err(Error::RangeError { min: 0, max: 10 })));
        }
        let other = t.tcb()?;
        let thread = t.prepare(Options { mcp: 50, ..Options::at_priority(60) }, give, other.cptr())?;
        shared(0).store(thread.tcb.cptr(), Relaxed);
        thread.offer(0, thread.tcb.cptr());
        thread.tcb.resume()?;
        thread.join();
        log_is(&[1; 8])
    }),
    test("RELEASE0021", "the authority's MCP counts, not the target's, and all or nothing is set", |t| {
        let (weak, target) = (t.tcb()?, t.tcb()?);
        weak.set_mc_priority(initial::TCB, 30)?;
        target.set_mc_priority(initial::TCB, 200)?;
        fails(target.set_priority(weak, 31), Error::RangeError { min: 0, max: 30 })?;
        // MCP good, priority not; and the other way round.
        let set = |mcp, priority| target.set_sched_params(weak, mcp, priority, Cap::NULL, Cap::NULL);
        fails(set(20, 31), Error::RangeError { min: 0, max: 30 })?;
        fails(set(31, 20), Error::RangeError { min: 0, max: 30 })?;
        // The target's MCP is still 200.
        let other = t.tcb()?;
        other.set_priority(target, 200)?;
        set(30, 30)?;
        fails(other.set_priority(target, 31), Error::RangeError { min: 0, max: 30 })
    }),
];
