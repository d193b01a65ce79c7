//! When each round of a pair of threads began and ended. The threads may live in two address spaces: both map the
//! program's image, and with it this memory.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use roottask::samples::SAMPLES;

use super::row::Bench;
use super::stubs::Times;

/// Rounds of which nothing is used.
const WARM_UP: usize = 16;
/// Rounds that a pair of threads goes through; one more than is used, as one thread is a round ahead.
pub const ROUNDS: usize = WARM_UP + SAMPLES + 2;

/// The rounds of one thread.
pub struct Log {
    begins: [AtomicU64; ROUNDS],
    ends: [AtomicU64; ROUNDS],
}

/// The thread that begins.
pub static FIRST: Log = Log::new();
/// Its peer.
pub static SECOND: Log = Log::new();

impl Log {
    const fn new() -> Self {
        Log { begins: [const { AtomicU64::new(0) }; ROUNDS], ends: [const { AtomicU64::new(0) }; ROUNDS] }
    }

    /// Keeps the times of a round; a round that is too many is dropped.
    pub fn keep(&self, round: usize, times: Times) {
        if let (Some(begin), Some(end)) = (self.begins.get(round), self.ends.get(round)) {
            begin.store(times.begin, Relaxed);
            end.store(times.end, Relaxed);
        }
    }

    /// When a round began.
    pub fn begin(&self, round: usize) -> u64 {
        self.begins.get(round).map_or(0, |place| place.load(Relaxed))
    }

    /// When it ended.
    pub fn end(&self, round: usize) -> u64 {
        self.ends.get(round).map_or(0, |place| place.load(Relaxed))
    }
}

impl Bench<'_> {
    /// Takes the samples of a pair of threads: `ticks(round)` of the rounds after warm-up, less `overhead`.
    pub fn take(&mut self, overhead: u64, ticks: impl Fn(usize) -> u64) {
        (WARM_UP..WARM_UP + SAMPLES).for_each(|round| self.sample(ticks(round), overhead));
    }
}
