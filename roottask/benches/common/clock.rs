//! Processor time of this thread, and single operations in ticks.
use std::time::Instant;

/// Processor time that this thread has used, in nanoseconds.
pub fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a place for the answer, and every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The time stamp counter, between fences: nothing from before is still under way, nothing from after has begun.
#[inline(always)]
pub fn ticks() -> u64 {
    // SAFETY: every x86_64 processor has both instructions.
    unsafe {
        core::arch::x86_64::_mm_lfence();
        let ticks = core::arch::x86_64::_rdtsc();
        core::arch::x86_64::_mm_lfence();
        ticks
    }
}

/// Nanoseconds of a tick.
pub fn tick_ns() -> f64 {
    let (start, first) = (Instant::now(), ticks());
    while start.elapsed().as_millis() < 50 {}
    start.elapsed().as_nanos() as f64 / (ticks() - first) as f64
}

/// The middle one of some figures; NaN of none.
pub fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
