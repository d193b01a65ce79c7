//! Replenishments: when exactly, and how much (abi.md 9.7), compared with [`Model`].
//!
//! A thread runs in pieces: it waits for a metronome, runs for a piece, and waits again. Afterwards it runs as much as it
//! can. The recorder says when it really ran; the model is driven by that, and says for each span when it has to begin
//! and, if the budget ended it, how long it has to be. Time is counted in instructions, so a few microseconds of
//! tolerance, what a kernel entry takes, are enough.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libsel::abi::{SCHED_CONTEXT_SPORADIC, Word};
use libsel::cap::Notification;
use libsel::rt::ticks as now;
use libsel::{Cap, sys};

use super::fixture::{Fixture, log, log_is, shared};
use super::harness::{Failure, Outcome, Test, equal, eventually, test};
use super::refill_model::Model;
use super::spans::{self, MAX_SPANS, Recorder, record};
use super::thread::{Options, Thread};

/// The least budget (abi.md 3.1).
const MIN_BUDGET_US: u64 = 20;
/// What a kernel entry, or one with a switch, may take.
const ENTRY_US: u64 = 6;

/// What a span costs beyond what the recorder sees: the switch to the thread, and the kernel entry that ends it.
const PAID_NS: u64 = 650;

/// Bit n: span n of recorder 0 ended because the thread waited for the metronome.
static WAITED: AtomicU64 = AtomicU64::new(0);
/// When the metronome signalled.
static TICKS: [AtomicU64; MAX_SPANS] = [const { AtomicU64::new(0) }; MAX_SPANS];

/// What the thread does.
#[derive(Clone, Copy)]
struct Course {
    budget_us: u64,
    period_us: u64,
    extra: u64,
    sporadic: bool,
    /// Pieces, and how long each is.
    pieces: u64,
    piece_us: u64,
    /// Time between the metronome's ticks.
    spacing_us: u64,
    /// How long the thread runs afterwards, in its own time.
    rest_us: u64,
}

/// Signals the notification in shared word 0 so many times, once a period; begins with its second period.
extern "C" fn metronome(ticks: Word) {
    for tick in 0..ticks {
        sys::yield_();
        TICKS[tick as usize].store(now(), Relaxed);
        Cap::<Notification>::new(shared(0).load(Relaxed)).signal();
    }
}

/// Runs in pieces of shared word 1 microseconds, so many of them, and then for shared word 2 microseconds.
extern "C" fn run_in_pieces(pieces: Word) {
    for _ in 0..pieces {
        sys::wait(shared(0).load(Relaxed));
        record(0).run(shared(1).load(Relaxed), u64::MAX);
        WAITED.fetch_or(1 << (record(0).len() - 1), Relaxed);
    }
    record(0).run(shared(2).load(Relaxed), u64::MAX);
}

/// Lets a thread follow the course; the time at which it was made.
fn follow(t: &mut Fixture<'_>, course: &Course) -> libsel::Result<u64> {
    spans::reset(t.machine.ticks_per_us);
    WAITED.store(0, Relaxed);
    shared(0).store(t.notification()?.cptr(), Relaxed);
    shared(1).store(course.piece_us, Relaxed);
    shared(2).store(course.rest_us, Relaxed);
    let before = t.threads;
    t.keep_busy(0)?;
    if course.pieces > 0 {
        let options =
            Options { priority: 200, ..Options::with_budget(course.spacing_us / 2, course.spacing_us) };
        t.spawn(options, metronome, course.pieces)?;
    }
    let options = Options {
        extra_refills: course.extra,
        sched_flags: if course.sporadic { SCHED_CONTEXT_SPORADIC } else { 0 },
        ..Options::with_budget(course.budget_us, course.period_us)
    };
    let thread = t.prepare(options, run_in_pieces, course.pieces)?;
    let made = now();
    thread.tcb.resume()?;
    thread.join();
    stop(t, &thread, before)?;
    Ok(made)
}

/// Frees the stacks of the helpers for the next attempt.
fn stop(t: &mut Fixture<'_>, thread: &Thread, before: usize) -> libsel::Result<()> {
    thread.tcb.suspend()?;
    let mut cptr = thread.tcb.cptr();
    // The one that kept the processor busy, and the metronome, were made before it.
    while t.threads > before {
        t.threads -= 1;
        cptr -= 1;
        while super::fixture::tag(cptr) != 12 && cptr > t.machine.test_slots {
            cptr -= 1;
        }
        if super::fixture::tag(cptr) == 12 {
            Cap::<libsel::cap::Tcb>::new(cptr).suspend()?;
        }
    }
    Ok(())
}

/// `seen` and `expected` ticks are the same but for a kernel entry.
#[track_caller]
fn close(t: &Fixture<'_>, span: usize, what: &str, seen: u64, expected: u64) -> Outcome {
    let limit = ENTRY_US * t.machine.ticks_per_us;
    if seen.abs_diff(expected) <= limit {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "expected {what} of span {span} at {expected}, seen {seen}: {} ns off",
        (seen as i64 - expected as i64) * 1000 / t.machine.ticks_per_us as i64
    )))
}

/// Compares what was recorded with the model.
#[track_caller]
fn compare(t: &Fixture<'_>, course: &Course, made: u64, seen: &Recorder) -> Outcome {
    let us = t.machine.ticks_per_us;
    let mut model = Model::new(
        made,
        course.budget_us * us,
        course.period_us * us,
        course.extra as usize,
        MIN_BUDGET_US * us,
    );
    // From when on the thread could have run: it is told at first, and by the metronome after each piece.
    let (mut could_run, mut tick) = (made, 0);
    if course.pieces > 0 {
        // It has run already, up to its first wait.
        model.charge(PAID_NS * us / 1000);
        could_run = TICKS[0].load(Relaxed);
        tick = 1;
    }
    for index in 0..seen.len() {
        let span = seen.span(index);
        close(t, index, "the start", span.start, could_run.max(model.head().time))?;
        if !course.sporadic || could_run > model.head().time {
            model.unblock(span.start);
        }
        let waited = WAITED.load(Relaxed) >> index & 1 == 1;
        let last = index + 1 == seen.len();
        let budget = model.head().amount;
        if !waited && !last {
            // The timer is set a microsecond early.
            close(t, index, "the end", span.end, span.start + budget - us)?;
        }
        model.charge(span.end - span.start + PAID_NS * us / 1000);
        could_run = span.end;
        if waited {
            could_run = if tick < course.pieces as usize { TICKS[tick].load(Relaxed) } else { span.end };
            tick += 1;
        }
    }
    Ok(())
}

/// A course has to be as the model says.
#[track_caller]
fn as_modelled(t: &mut Fixture<'_>, course: Course) -> Outcome {
    if !t.is_exact()? {
        return Ok(());
    }
    eventually(|| {
        let made = follow(t, &course)?;
        compare(t, &course, made, record(0))
    })
}

const SPIN: Course = Course {
    budget_us: 300,
    period_us: 1000,
    extra: 0,
    sporadic: false,
    pieces: 0,
    piece_us: 0,
    spacing_us: 0,
    rest_us: 1400,
};

const PIECES: Course = Course {
    budget_us: 400,
    period_us: 2000,
    extra: 6,
    pieces: 4,
    piece_us: 90,
    spacing_us: 300,
    rest_us: 1000,
    ..SPIN
};

/// Replenishments.
pub const TESTS: &[Test] = &[
    test("REFILL0001", "a budget in one piece comes back a period after it began", |t| as_modelled(t, SPIN)),
    test("REFILL0002", "a budget just below the period leaves a short gap", |t| {
        as_modelled(t, Course { budget_us: 960, rest_us: 4000, ..SPIN })
    }),
    test("REFILL0003", "a budget not much above the least comes back in every period", |t| {
        as_modelled(t, Course { budget_us: 45, period_us: 200, rest_us: 200, ..SPIN })
    }),
    test("REFILL0004", "pieces come back one by one", |t| as_modelled(t, PIECES)),
    test("REFILL0005", "without room for all pieces, the last ones come back late and together", |t| {
        as_modelled(t, Course { extra: 0, ..PIECES })
    }),
    test("REFILL0006", "with room for one more, one more comes back by itself", |t| {
        as_modelled(t, Course { extra: 1, ..PIECES })
    }),
    test("REFILL0007", "pieces below the least budget are merged", |t| {
        as_modelled(t, Course { piece_us: 12, spacing_us: 150, pieces: 6, budget_us: 200, ..PIECES })
    }),
    test("REFILL0008", "pieces of just the least budget are not", |t| {
        as_modelled(t, Course { piece_us: 24, spacing_us: 200, pieces: 6, budget_us: 200, ..PIECES })
    }),
    test("REFILL0009", "pieces longer than the budget continue in the next periods", |t| {
        as_modelled(t, Course { budget_us: 150, period_us: 500, piece_us: 200, spacing_us: 1500, ..PIECES })
    }),
    test("REFILL0010", "a sporadic budget in one piece is like a constant one", |t| {
        as_modelled(t, Course { sporadic: true, ..SPIN })
    }),
    test("REFILL0011", "sporadic pieces come back one by one", |t| {
        as_modelled(t, Course { sporadic: true, ..PIECES })
    }),
    test("REFILL0012", "sporadic pieces without room are delayed", |t| {
        as_modelled(t, Course { sporadic: true, extra: 0, ..PIECES })
    }),
    test("REFILL0013", "sporadic pieces below the least budget are merged", |t| {
        let course = Course { piece_us: 12, spacing_us: 150, pieces: 6, budget_us: 200, ..PIECES };
        as_modelled(t, Course { sporadic: true, rest_us: 500, ..course })
    }),
    test("REFILL0014", "a period that has passed unused is lost", |t| {
        as_modelled(t, Course { period_us: 500, budget_us: 200, spacing_us: 1200, pieces: 3, ..PIECES })
    }),
    test("REFILL0015", "pieces that come back while the thread waits are merged when it runs", |t| {
        as_modelled(t, Course { period_us: 700, pieces: 5, budget_us: 300, piece_us: 60, ..PIECES })
    }),
    test("REFILL0016", "the least budget is time to run, but not for a system call", |t| {
        extern "C" fn count_and_log(_: Word) {
            for _ in 0..2000 {
                shared(1).fetch_add(1, Relaxed);
            }
            log(1);
            sys::yield_();
            log(2);
        }
        t.keep_busy(0)?;
        // After any pending time less than the least budget is left, and the call is put off to the next period.
        t.spawn(Options::with_budget(MIN_BUDGET_US, 100), count_and_log, 0)?;
        t.sleep_us(2000)?;
        equal(shared(1).load(Relaxed), 2000)?;
        log_is(&[1])
    }),
];
