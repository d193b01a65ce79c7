//! Latency: the time of each operation, the least of several passes, and of those the worst.

use std::arch::x86_64::{_mm_lfence, _rdtsc};
use std::time::{Duration, Instant};

use crate::candidate::{Candidate, Kind, Visitor};
use crate::region::Region;
use crate::replay::{Slots, step};
use crate::report;
use crate::workload::{Action, Workload};

/// The time-stamp counter, after everything before it and before everything after it.
#[inline(always)]
fn ticks() -> u64 {
    // SAFETY: every x86_64 processor has both instructions.
    unsafe {
        _mm_lfence();
        let ticks = _rdtsc();
        _mm_lfence();
        ticks
    }
}

/// Ticks per nanosecond.
fn rate() -> f64 {
    let (start, start_ticks) = (Instant::now(), ticks());
    while start.elapsed() < Duration::from_millis(30) {}
    (ticks() - start_ticks) as f64 / start.elapsed().as_nanos() as f64
}

/// All passes of one candidate; the least ticks of each operation.
struct Passes<'a> {
    workload: &'a Workload,
    slots: &'a mut Slots,
    count: usize,
}

impl Visitor for Passes<'_> {
    type Output = Vec<u32>;

    fn visit<C: Candidate>(self, make: impl Fn() -> C) -> Vec<u32> {
        let Self { workload, slots, count } = self;
        let mut least = vec![u32::MAX; workload.ops.len()];
        for _ in 0..count {
            slots.clear();
            let mut candidate = make();
            for (op, least) in workload.ops.iter().zip(&mut least) {
                let slot = slots.of(op);
                let start = ticks();
                step(&mut candidate, op, slot);
                let taken = ticks() - start;
                *least = (*least).min(u32::try_from(taken).unwrap_or(u32::MAX));
            }
            slots.free_all(&mut candidate);
        }
        least
    }
}

/// Reports `p999_ns` and `max_ns` of allocations and frees, `realloc_max_ns` of the others.
pub fn measure(workload: &Workload, candidates: &[Kind], region: &Region, slots: &mut Slots, quick: bool) {
    let rate = rate();
    for &kind in candidates.iter().filter(|kind| **kind != Kind::Null) {
        let count = if quick { 3 } else { 9 };
        let least = kind.visit(region, false, Passes { workload, slots, count });
        let mut times = [Vec::new(), Vec::new()];
        for (op, ticks) in workload.ops.iter().zip(least) {
            times[usize::from(op.action == Action::Realloc)].push(ticks);
        }
        let [mut plain, realloc] = times;
        plain.sort_unstable();
        let nanoseconds = |ticks: u32| (f64::from(ticks) / rate).round();
        if let Some(&worst) = plain.last() {
            report(workload, Some(kind), "p999_ns", nanoseconds(plain[plain.len() * 999 / 1000]));
            report(workload, Some(kind), "max_ns", nanoseconds(worst));
        }
        if let Some(worst) = realloc.into_iter().max() {
            report(workload, Some(kind), "realloc_max_ns", nanoseconds(worst));
        }
    }
}
