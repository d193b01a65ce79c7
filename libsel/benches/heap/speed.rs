//! Speed: thread CPU time of whole streams, all candidates in turn.

use std::mem;

use crate::candidate::{Candidate, Kind, Visitor};
use crate::region::Region;
use crate::replay::{Slots, replay_counted};
use crate::report;
use crate::workload::Workload;

/// How long one replay may take: some candidates' lists grow until a replay would take hours.
const LIMIT_NS: f64 = 2e9;
/// Operations between looks at the clock.
const STRIDE: usize = 1024;

/// Thread CPU time in nanoseconds.
fn cpu_ns() -> f64 {
    // SAFETY: all bytes zero is a value of this type.
    let mut time: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: writes the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// One replay from the first state.
struct Replay<'a> {
    workload: &'a Workload,
    slots: &'a mut Slots,
    /// Look at the clock on the way, and stop at the limit.
    limited: bool,
}

/// What a replay took.
struct Taken {
    ns: f64,
    operations: usize,
    failed: usize,
}

impl Visitor for Replay<'_> {
    type Output = Taken;

    fn visit<C: Candidate>(self, make: impl Fn() -> C) -> Taken {
        let Self { workload, slots, limited } = self;
        slots.clear();
        let mut candidate = make();
        let start = cpu_ns();
        let mut taken = Taken { ns: 0.0, operations: 0, failed: 0 };
        for ops in workload.ops.chunks(if limited { STRIDE } else { workload.ops.len() }) {
            taken.failed += replay_counted(&mut candidate, ops, slots);
            taken.operations += ops.len();
            taken.ns = cpu_ns() - start;
            if limited && taken.ns > LIMIT_NS {
                break;
            }
        }
        // Candidates with memory of their own get it back, outside of the time.
        slots.free_all(&mut candidate);
        taken
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Reports `net_ns` (per operation, less what the replay costs) and `failed`; the candidates that were cut off.
pub fn measure(
    workload: &Workload,
    candidates: &[Kind],
    region: &Region,
    slots: &mut Slots,
    quick: bool,
) -> Vec<Kind> {
    let mut kinds = vec![Kind::Null];
    kinds.extend(candidates.iter().filter(|kind| **kind != Kind::Null));
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); kinds.len()];
    let mut cut = Vec::new();
    let mut run = |kind: Kind, limited| kind.visit(region, false, Replay { workload, slots, limited });
    for (index, &kind) in kinds.iter().enumerate() {
        let Taken { ns, operations, failed } = run(kind, true);
        if operations < workload.ops.len() {
            cut.push(kind);
            times[index].push(ns / operations as f64);
            report(workload, Some(kind), "cut_after", operations as f64);
        }
        if kind != Kind::Null {
            report(workload, Some(kind), "failed", failed as f64);
        }
    }
    for repetition in 0..if quick { 3 } else { 9 } {
        for turn in 0..kinds.len() {
            let index = (repetition + turn) % kinds.len();
            if !cut.contains(&kinds[index]) {
                let taken = run(kinds[index], false);
                times[index].push(taken.ns / taken.operations as f64);
            }
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    report(workload, Some(Kind::Null), "ns", medians[0]);
    for (kind, ns) in kinds.iter().zip(&medians).skip(1) {
        report(workload, Some(*kind), "net_ns", ns - medians[0]);
    }
    cut
}
