//! Replaying a stream with a candidate.
use std::marker::PhantomData;

use crate::common::clock::{thread_ns, ticks};
use crate::common::output::Latencies;
use crate::streams::{Op, Stream};

/// A figure's name and value.
pub type Fact = (&'static str, f64);

/// Processor time after which a replay is cut short.
const LIMIT_NS: u64 = 1_500_000_000;
/// Operations between two looks at the clock.
const STRIDE: usize = 1000;

/// An allocator of address ranges as the benchmark sees it; all numbers are pages from zero on.
pub trait Ranges {
    /// What is kept of a range.
    type Handle: Copy;
    /// All free, for `live` ranges at most.
    fn new(pages: u64, live: usize) -> Self;
    /// Takes a range.
    fn take(&mut self, pages: u64, align: u64) -> Option<Self::Handle>;
    /// Gives a range back.
    fn give(&mut self, range: Self::Handle);
    /// The page after a range.
    fn end(range: &Self::Handle) -> u64;
}

/// A candidate of any type.
pub trait Candidate {
    fn name(&self) -> &'static str;
    /// Whether the last replay was cut short.
    fn is_slow(&self) -> bool;
    /// Nanoseconds for each timed operation.
    fn time(&mut self, stream: &Stream) -> f64;
    /// The least latencies of the timed operations in several passes.
    fn latencies(&mut self, stream: &Stream, passes: usize) -> Latencies;
    /// What is counted: failures, and the highest page ever used as a part of the address space.
    fn facts(&mut self, stream: &Stream) -> Vec<Fact>;
}

/// Replays streams with one candidate.
pub struct Runner<R> {
    name: &'static str,
    slow: bool,
    marker: PhantomData<R>,
}

/// A candidate in the middle of a stream.
struct Run<R: Ranges> {
    ranges: R,
    held: Vec<Option<R::Handle>>,
}

impl<R: Ranges> Run<R> {
    /// After the operations that are not timed.
    fn prefilled(stream: &Stream) -> Self {
        let ranges = R::new(stream.pages, stream.slots);
        let mut run = Run { ranges, held: vec![None; stream.slots] };
        for op in &stream.ops[..stream.prefill] {
            run.step(op);
        }
        run
    }

    /// One operation; false if it failed.
    #[inline(always)]
    fn step(&mut self, op: &Op) -> bool {
        let held = &mut self.held[op.slot as usize];
        if op.pages == 0 {
            if let Some(range) = held.take() {
                self.ranges.give(range);
            }
            return true;
        }
        *held = self.ranges.take(op.pages.into(), op.align.into());
        held.is_some()
    }
}

impl<R: Ranges> Runner<R> {
    pub fn new(name: &'static str) -> Self {
        Runner { name, slow: false, marker: PhantomData }
    }
}

impl<R: Ranges> Candidate for Runner<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_slow(&self) -> bool {
        self.slow
    }

    fn time(&mut self, stream: &Stream) -> f64 {
        let timed = &stream.ops[stream.prefill..];
        let mut run = Run::<R>::prefilled(stream);
        let mut done = 0;
        let start = thread_ns();
        for ops in timed.chunks(STRIDE) {
            for op in ops {
                core::hint::black_box(run.step(op));
            }
            done += ops.len();
            if thread_ns() - start > LIMIT_NS {
                self.slow = true;
                break;
            }
        }
        (thread_ns() - start) as f64 / done as f64
    }

    fn latencies(&mut self, stream: &Stream, passes: usize) -> Latencies {
        let timed = &stream.ops[stream.prefill..];
        // Of a slow one the beginning, once: what interrupts it stays in.
        let (count, passes) = if self.slow { (timed.len() / 10, 1) } else { (timed.len(), passes) };
        let mut latencies = Latencies::new(count);
        for _ in 0..passes {
            let mut run = Run::<R>::prefilled(stream);
            for (number, op) in timed[..count].iter().enumerate() {
                let start = ticks();
                core::hint::black_box(run.step(op));
                latencies.enter(number, ticks() - start);
            }
        }
        latencies
    }

    fn facts(&mut self, stream: &Stream) -> Vec<Fact> {
        if self.slow {
            return Vec::new();
        }
        let ranges = R::new(stream.pages, stream.slots);
        let mut run = Run { ranges, held: vec![None; stream.slots] };
        let (mut failed, mut high) = (0, 0);
        for op in &stream.ops {
            failed += u64::from(!run.step(op));
            high = high.max(run.held[op.slot as usize].as_ref().map_or(0, R::end));
        }
        vec![("failed", failed as f64), ("high_water", high as f64 / stream.pages as f64)]
    }
}
