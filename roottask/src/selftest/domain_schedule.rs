//! The domain schedule at work: whose turn it is, for how long, and what waits for it (abi.md 7.6, 9.8).
//!
//! The schedule is the machine's, not the test's: entry 0 (domain 0, for ever) stays as it is, tests use the entries
//! behind it, and [`with_schedule`] goes back to entry 0 and clears the others, whatever happens.

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::Word;
use libsel::bootinfo::initial;
use libsel::cap::Notification;
use libsel::rt::ticks as now;
use libsel::{Cap, sys};

use super::fixture::{Fixture, log, log_is, shared};
use super::harness::{Failure, Outcome, Test, check, equal, eventually, excuse, test, within};
use super::spans::{self, record, watch_clock, watch_for};
use super::thread::{Options, Thread};

/// An entry without end.
pub const FOR_EVER: Word = (1 << 56) - 1;
/// A turn may end this many microseconds early (abi.md 9.8), and a kernel entry takes a few.
pub const SLACK_US: u64 = 26;
/// Microseconds behind a turn that the next one may begin: what a kernel entry with a switch takes.
const LATE_US: u64 = 12;

/// Puts `entries`, domain and microseconds each, behind entry 0. `u64::MAX` microseconds = for ever.
fn fill(t: &Fixture<'_>, entries: &[(Word, u64)]) -> libsel::Result<()> {
    for (index, &(domain, us)) in (1..).zip(entries) {
        let ticks = us.checked_mul(t.machine.ticks_per_us).unwrap_or(FOR_EVER);
        initial::DOMAIN.schedule_configure(index, domain, ticks)?;
    }
    Ok(())
}

/// Runs `body` with `entries` in the schedule, and restores it. The body starts them with [`start`].
pub fn with_schedule(
    t: &mut Fixture<'_>,
    entries: &[(Word, u64)],
    body: impl FnOnce(&mut Fixture<'_>) -> Outcome,
) -> Outcome {
    let outcome = fill(t, entries).map_err(Failure::from).and_then(|()| body(t));
    // First of all the test's own domain: in entry 0 nobody of another one ever runs.
    initial::DOMAIN.set(0, initial::TCB)?;
    initial::DOMAIN.schedule_set_start(0)?;
    for index in 1..=entries.len() as Word {
        initial::DOMAIN.schedule_configure(index, 0, 0)?;
    }
    outcome
}

/// Goes on with entry `index`.
pub fn start(index: Word) -> libsel::Result<()> {
    initial::DOMAIN.schedule_set_start(index)
}

/// Gives `domain` a turn of `us` microseconds; the test goes on behind it.
pub fn visit(t: &mut Fixture<'_>, domain: Word, us: u64) -> Outcome {
    with_schedule(t, &[(domain, us), (0, u64::MAX)], |_| Ok(start(1)?))
}

/// A helper in another domain.
pub fn spawn_in(
    t: &mut Fixture<'_>,
    domain: Word,
    options: Options,
    body: super::thread::Body,
    argument: Word,
) -> libsel::Result<Thread> {
    let thread = t.prepare(options, body, argument)?;
    initial::DOMAIN.set(domain, thread.tcb)?;
    thread.tcb.resume()?;
    Ok(thread)
}

/// Logs its argument.
pub extern "C" fn log_argument(argument: Word) {
    log(argument);
}

/// Logs its argument once the notification in shared word 0 is signalled.
pub extern "C" fn wait_and_log(argument: Word) {
    Cap::<Notification>::new(shared(0).load(Relaxed)).wait();
    log(argument);
}

/// Goes back to entry 0 of the schedule.
extern "C" fn go_home(argument: Word) {
    log(argument);
    let _ = start(0);
}

/// True, and said, if the kernel has too few domains for these tests; they then have nothing to look at.
pub fn too_few(t: &Fixture<'_>) -> bool {
    let too_few = t.machine.domains < 4;
    if too_few {
        excuse("it takes four domains; start the kernel with domains=4");
    }
    too_few
}

/// The domain schedule.
pub const TESTS: &[Test] = &[
    test("DOMSCHED0001", "entries take turns in order, each for its duration", |t| {
        if too_few(t) {
            return Ok(());
        }
        t.keep_busy(0)?;
        eventually(|| {
            spans::reset(t.machine.ticks_per_us);
            with_schedule(t, &[(0, 300), (1, 200), (2, 400)], |t| {
                let before = t.threads;
                for (recorder, domain) in [(0, 0), (1, 1), (2, 2)] {
                    spawn_in(t, domain, Options::default(), watch_clock, watch_for(recorder, 2400))?;
                }
                start(1)?;
                t.sleep_us(3000)?;
                t.threads = before;
                for (recorder, us) in [(0, 300), (1, 200), (2, 400)] {
                    record(recorder).has(3)?;
                    // The first span of the test's own domain begins late, the last one of all ends early.
                    let one = record(recorder).span(1);
                    let length = one.us(t.machine.ticks_per_us);
                    within(length, us - SLACK_US..=us + LATE_US, "microseconds of a turn")?;
                }
                let [own, first, second] = [0, 1, 2].map(|recorder| record(recorder).span(1));
                let order = own.end < first.start && first.end < second.start;
                check(order, "domain 0, then 1, then 2")?;
                let round = (record(2).span(2).start - second.start) / t.machine.ticks_per_us;
                within(round, 900 - 3 * SLACK_US..=900 + 3 * LATE_US, "microseconds of a round")
            })
        })
    }),
    test("DOMSCHED0002", "the end marker leads back to the start entry, not to entry 0", |t| {
        if too_few(t) {
            return Ok(());
        }
        with_schedule(t, &[(2, 100), (1, 200), (2, 200), (1, 200)], |t| {
            // Behind the end marker comes entry 2 again: domain 0 would never get a turn.
            spans::reset(t.machine.ticks_per_us);
            spawn_in(t, 2, Options::default(), watch_clock, watch_for(0, 1000))?;
            let other = spawn_in(t, 1, Options::at_priority(90), watch_clock, watch_for(1, 900))?;
            spawn_in(t, 1, Options::at_priority(80), go_home, 1)?;
            start(2)?;
            other.join();
            log_is(&[1])?;
            // Two turns of domain 1, one after the other, are one span of 400 us.
            record(0).has(1)?;
            record(1).has(2)?;
            let (first, second) = (record(1).span(0), record(1).span(1));
            within(first.us(t.machine.ticks_per_us), 150..=212, "microseconds of entry 2")?;
            check(second.start - first.end < 250 * t.machine.ticks_per_us, "entry 3 lasts 200 us")
        })
    }),
    test("DOMSCHED0003", "setting the start switches at once and for the entry's duration", |t| {
        if too_few(t) {
            return Ok(());
        }
        t.keep_busy(1)?;
        eventually(|| {
            let before = now();
            visit(t, 1, 500)?;
            let us = (now() - before) / t.machine.ticks_per_us;
            within(us, 500 - SLACK_US..=500 + LATE_US, "microseconds away")
        })
    }),
    test("DOMSCHED0004", "a thread of another domain waits for its domain's turn", |t| {
        if too_few(t) {
            return Ok(());
        }
        spawn_in(t, 1, Options::at_priority(200), log_argument, 1)?;
        t.settle()?;
        log_is(&[])?;
        visit(t, 2, 100)?;
        log_is(&[])?;
        visit(t, 1, 100)?;
        log_is(&[1])
    }),
    test("DOMSCHED0005", "a running thread that is moved to another domain waits there", |t| {
        if too_few(t) {
            return Ok(());
        }
        spans::reset(t.machine.ticks_per_us);
        let thread = t.spawn(Options::default(), watch_clock, watch_for(0, 600))?;
        t.sleep_us(100)?;
        initial::DOMAIN.set(1, thread.tcb)?;
        t.sleep_us(400)?;
        equal(record(0).len(), 0)?;
        visit(t, 1, 400)?;
        record(0).has(2)?;
        check(thread.is_done(), "the thread has ended in its domain's turn")
    }),
    test("DOMSCHED0006", "the calling thread can be moved and goes on in the next turn", |t| {
        if too_few(t) {
            return Ok(());
        }
        t.keep_busy(0)?;
        t.keep_busy(3)?;
        eventually(|| {
            with_schedule(t, &[(0, 300), (3, 300)], |t| {
                start(1)?;
                let before = now();
                initial::DOMAIN.set(3, initial::TCB)?;
                let away = (now() - before) / t.machine.ticks_per_us;
                within(away, 300 - SLACK_US..=300 + LATE_US, "microseconds until the domain's turn")?;
                let before = now();
                initial::DOMAIN.set(0, initial::TCB)?;
                let away = (now() - before) / t.machine.ticks_per_us;
                within(away, 300 - 2 * SLACK_US..=300 + LATE_US, "microseconds until the own domain's turn")
            })
        })
    }),
    test("DOMSCHED0007", "a domain without threads idles, and time goes on", |t| {
        if too_few(t) {
            return Ok(());
        }
        t.spawn(Options::at_priority(1), log_argument, 1)?;
        let before = now();
        visit(t, 3, 700)?;
        // Nobody else has run meanwhile.
        log_is(&[])?;
        within((now() - before) / t.machine.ticks_per_us, 700 - SLACK_US..=100_000, "microseconds idle")
    }),
    test("DOMSCHED0008", "a signal wakes a thread of another domain, which runs in its turn", |t| {
        if too_few(t) {
            return Ok(());
        }
        let notification = t.notification()?;
        shared(0).store(notification.cptr(), Relaxed);
        spawn_in(t, 1, Options::at_priority(254), wait_and_log, 1)?;
        visit(t, 1, 100)?;
        notification.signal();
        t.settle()?;
        log_is(&[])?;
        visit(t, 1, 100)?;
        log_is(&[1])
    }),
    test("DOMSCHED0009", "a replenishment in another domain's turn is used in the own one", |t| {
        extern "C" fn yield_and_note(_: Word) {
            sys::yield_();
            shared(1).store(now(), Relaxed);
        }
        if too_few(t) {
            return Ok(());
        }
        let thread = t.spawn(Options::with_budget(100, 300), yield_and_note, 0)?;
        t.settle()?;
        let before = now();
        visit(t, 1, 600)?;
        equal(shared(1).load(Relaxed), 0)?;
        thread.join();
        let us = (shared(1).load(Relaxed) - before) / t.machine.ticks_per_us;
        within(us, 600 - SLACK_US..=100_000, "microseconds until it ran")
    }),
    test("DOMSCHED0010", "a replenishment does not let a thread into another domain's turn", |t| {
        extern "C" fn yield_and_log(argument: Word) {
            sys::yield_();
            log(argument);
        }
        if too_few(t) {
            return Ok(());
        }
        spawn_in(t, 1, Options { priority: 200, ..Options::with_budget(100, 300) }, yield_and_log, 1)?;
        visit(t, 1, 100)?;
        t.sleep_us(600)?;
        t.settle()?;
        log_is(&[])?;
        visit(t, 1, 100)?;
        log_is(&[1])
    }),
    test("DOMSCHED0011", "a new thread is in the domain of the turn in which it was made", |t| {
        if too_few(t) {
            return Ok(());
        }
        with_schedule(t, &[(0, 400), (1, 2000), (0, u64::MAX)], |t| {
            start(1)?;
            initial::DOMAIN.set(1, initial::TCB)?;
            // In domain 1's turn.
            let thread = t.prepare(Options::default(), log_argument, 1)?;
            initial::DOMAIN.set(0, initial::TCB)?;
            start(0)?;
            thread.tcb.resume()?;
            t.settle()?;
            log_is(&[])?;
            start(2)?;
            log_is(&[1])
        })
    }),
    test("DOMSCHED0012", "priorities do not reach across domains", |t| {
        if too_few(t) {
            return Ok(());
        }
        spawn_in(t, 1, Options::at_priority(255), log_argument, 2)?;
        t.spawn(Options::at_priority(2), log_argument, 1)?;
        t.settle()?;
        visit(t, 1, 100)?;
        log_is(&[1, 2])
    }),
    test("DOMSCHED0013", "the highest priority runs first in each domain", |t| {
        if too_few(t) {
            return Ok(());
        }
        for (domain, priority) in [(1, 10), (2, 30), (1, 20), (2, 40), (1, 15)] {
            spawn_in(t, domain, Options::at_priority(priority), log_argument, priority)?;
        }
        with_schedule(t, &[(1, 100), (2, 100), (0, u64::MAX)], |_| Ok(start(1)?))?;
        log_is(&[20, 15, 10, 40, 30])
    }),
];
