//! When a thread ran: it looks at the clock all the time and writes down from when to when it could.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libsel::abi::Word;
use libsel::bootinfo::initial;
use libsel::rt::ticks as now;

use super::fixture::Fixture;
use super::harness::{Failure, Outcome, excuse};
use super::thread::Options;

/// Spans that one recorder can write down.
pub const MAX_SPANS: usize = 24;
/// Recorders that one test can have.
const RECORDERS: usize = 8;
/// A jump of the clock by more microseconds than this means that the thread did not run. A kernel entry that comes
/// back to the same thread takes less, a thread that others come before more.
pub const GAP_US: u64 = 10;

/// From when to when a thread ran without a break, in TSC ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// The first look at the clock.
    pub start: u64,
    /// The last one.
    pub end: u64,
}

impl Span {
    /// Microseconds.
    pub fn us(&self, ticks_per_us: u64) -> u64 {
        (self.end - self.start) / ticks_per_us
    }
}

/// What one thread writes down.
pub struct Recorder {
    count: AtomicU64,
    times: [[AtomicU64; 2]; MAX_SPANS],
}

static RECORDS: [Recorder; RECORDERS] = [const {
    Recorder { count: AtomicU64::new(0), times: [const { [const { AtomicU64::new(0) }; 2] }; MAX_SPANS] }
}; RECORDERS];

/// Ticks in a microsecond, for the threads that look.
static TICKS_PER_US: AtomicU64 = AtomicU64::new(1);

/// Empties all recorders.
pub fn reset(ticks_per_us: u64) {
    TICKS_PER_US.store(ticks_per_us, Relaxed);
    RECORDS.iter().for_each(|record| record.count.store(0, Relaxed));
}

/// Ticks in a microsecond, as [`reset`] was told.
pub fn ticks_per_us() -> u64 {
    TICKS_PER_US.load(Relaxed)
}

/// Recorder `index`, 0..8.
pub fn record(index: usize) -> &'static Recorder {
    &RECORDS[index]
}

impl Recorder {
    /// Spans written down.
    pub fn len(&self) -> usize {
        (self.count.load(Relaxed) as usize).min(MAX_SPANS)
    }

    /// Span `index`.
    pub fn span(&self, index: usize) -> Span {
        let [start, end] = &self.times[index];
        Span { start: start.load(Relaxed), end: end.load(Relaxed) }
    }

    /// At least `count` spans have to be there.
    #[track_caller]
    pub fn has(&self, count: usize) -> Outcome {
        if self.len() >= count {
            return Ok(());
        }
        Err(Failure::new(format_args!("expected at least {count} spans, seen {}", self.len())))
    }

    /// Writes down a span; those that do not fit are lost.
    fn add(&self, span: Span) {
        let index = self.count.fetch_add(1, Relaxed) as usize;
        if let Some([start, end]) = self.times.get(index) {
            start.store(span.start, Relaxed);
            end.store(span.end, Relaxed);
        }
    }

    /// Runs for `us` microseconds of its own time, or until the clock says `until`, and writes down the spans.
    pub fn run(&self, us: u64, until: u64) {
        let ticks_per_us = ticks_per_us();
        let mut left = us.saturating_mul(ticks_per_us);
        let mut start = now();
        let mut last = start;
        while left > 0 && last < until {
            let next = now();
            if next - last > GAP_US * ticks_per_us {
                self.add(Span { start, end: last });
                start = next;
            } else {
                left = left.saturating_sub(next - last);
            }
            last = next;
        }
        self.add(Span { start, end: last });
    }
}

/// A helper's body: runs until the clock is `argument & 0xff_ffff` microseconds further than now, and writes the spans
/// into recorder `argument >> 24`.
pub extern "C" fn watch_clock(argument: Word) {
    let us = argument & 0xff_ffff;
    record((argument >> 24) as usize).run(u64::MAX, now() + us * ticks_per_us());
}

/// The argument of [`watch_clock`].
pub fn watch_for(recorder: usize, us: u64) -> Word {
    (recorder as Word) << 24 | us
}

extern "C" fn spin(_: Word) {
    // Not `spin_loop`: an emulator may take that for a chance to do something else, and the clock hardly moves.
    loop {
        core::hint::black_box(());
    }
}

impl Fixture<'_> {
    /// Lets nothing but a thread of the lowest priority run while nobody else in `domain` can. An idle emulator catches
    /// up with its host's clock and is late by what that happens to be; a busy one counts instructions exactly.
    pub fn keep_busy(&mut self, domain: Word) -> libsel::Result<()> {
        let thread = self.prepare(Options::at_priority(0), spin, 0)?;
        if domain != 0 {
            initial::DOMAIN.set(domain, thread.tcb)?;
        }
        thread.tcb.resume()
    }

    /// True if a kernel entry takes so little time that a test can be exact to a few microseconds; says so otherwise: an
    /// emulator that follows its host's clock takes longer.
    pub fn is_exact(&mut self) -> libsel::Result<bool> {
        let notification = self.notification()?;
        let entry = |_| {
            let before = now();
            notification.poll();
            now() - before
        };
        let exact = (0..50).map(entry).max().unwrap_or(0) < 3 * self.machine.ticks_per_us;
        if !exact {
            excuse("the clock is not exact; start QEMU with --icount");
        }
        Ok(exact)
    }
}
