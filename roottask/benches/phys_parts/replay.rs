//! Replaying a stream with a candidate.
use crate::common::clock::{thread_ns, ticks};
use crate::common::output::Latencies;
use crate::streams::{FRAMES, Op, Stream};

/// A figure's name and value.
pub type Fact = (&'static str, f64);

/// A page allocator as the benchmark sees it. A block is known by its first page, as 32 bits: so
/// that all candidates have the same table of blocks beside them in the processor's caches.
pub trait Frames {
    /// An allocator for [`FRAMES`] pages, all free, with all its memory touched.
    fn new() -> Self;
    /// Takes a block; [`FAILED`] if there is none.
    fn take(&mut self, order: u8) -> u32;
    /// Gives a block back.
    fn give(&mut self, block: u32, order: u8);
    /// The candidate's own figures; it may merge what it keeps for speed.
    fn facts(&mut self) -> Vec<Fact> {
        Vec::new()
    }
}

/// In place of a block that could not be had.
pub const FAILED: u32 = u32::MAX;

/// A candidate of any type.
pub trait Candidate {
    fn name(&self) -> &'static str;
    /// Nanoseconds for each timed operation.
    fn time(&mut self, stream: &Stream) -> f64;
    /// The least latencies of the timed operations in several passes.
    fn latencies(&mut self, stream: &Stream, passes: usize) -> Latencies;
    /// What is counted, not timed: failures, free blocks of 2 MiB at the end, and the candidate's own facts.
    fn facts(&mut self, stream: &Stream) -> Vec<Fact>;
}

/// Replays streams with one candidate.
pub struct Runner<F> {
    name: &'static str,
    /// The block in each slot of the stream.
    blocks: Vec<u32>,
    marker: core::marker::PhantomData<F>,
}

impl<F: Frames> Runner<F> {
    pub fn new(name: &'static str) -> Self {
        Runner { name, blocks: vec![1; FRAMES as usize], marker: core::marker::PhantomData }
    }

    /// Returns the number of blocks that could not be had.
    fn replay(&mut self, frames: &mut F, ops: &[Op]) -> u64 {
        let mut failed = 0;
        for op in ops {
            failed += u64::from(!step(frames, &mut self.blocks, op));
        }
        failed
    }
}

/// One operation; false if it failed.
#[inline(always)]
fn step<F: Frames>(frames: &mut F, blocks: &mut [u32], op: &Op) -> bool {
    let block = &mut blocks[op.slot as usize];
    if op.take {
        *block = frames.take(op.order);
        return *block != FAILED;
    }
    if *block != FAILED {
        frames.give(*block, op.order);
    }
    true
}

impl<F: Frames> Candidate for Runner<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn time(&mut self, stream: &Stream) -> f64 {
        let (prefill, timed) = stream.ops.split_at(stream.prefill);
        let mut frames = F::new();
        self.replay(&mut frames, prefill);
        let start = thread_ns();
        core::hint::black_box(self.replay(&mut frames, timed));
        (thread_ns() - start) as f64 / timed.len() as f64
    }

    fn latencies(&mut self, stream: &Stream, passes: usize) -> Latencies {
        let (prefill, timed) = stream.ops.split_at(stream.prefill);
        let mut latencies = Latencies::new(timed.len());
        for _ in 0..passes {
            let mut frames = F::new();
            self.replay(&mut frames, prefill);
            for (number, op) in timed.iter().enumerate() {
                let start = ticks();
                step(&mut frames, &mut self.blocks, op);
                latencies.enter(number, ticks() - start);
            }
        }
        latencies
    }

    fn facts(&mut self, stream: &Stream) -> Vec<Fact> {
        let mut frames = F::new();
        let failed = self.replay(&mut frames, &stream.ops);
        let mut facts = vec![("failed", failed as f64)];
        facts.extend(frames.facts());
        let order9 = core::iter::from_fn(|| Some(frames.take(9)).filter(|block| *block != FAILED)).count();
        facts.push(("free_order9_blocks", order9 as f64));
        facts
    }
}
