//! Random operations against a model: contents, overlap, alignment, and all invariants along the way.

use super::std::collections::BTreeMap;
use super::std::vec::Vec;

use core::alloc::Layout;
use core::cell::RefCell;
use core::ptr::NonNull;

use proptest::prelude::*;

use super::check::{Walk, check};
use super::source::{Arena, Placement};
use super::{TestHeap, layout};
use crate::heap::{Heap, Shared, Stats, ThreadCache};

#[derive(Clone, Debug)]
enum Op {
    Alloc { size: usize, align_log2: u32 },
    Free { pick: usize },
    Realloc { pick: usize, size: usize },
    Trim,
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..128usize, 6 => 0..1200usize, 4 => 0..10_000usize, 1 => 0..300_000usize]
}

fn op() -> impl Strategy<Value = Op> {
    let align = prop_oneof![8 => Just(3u32), 2 => 0..=12u32];
    prop_oneof![
        50 => (size(), align).prop_map(|(size, align_log2)| Op::Alloc { size, align_log2 }),
        40 => any::<usize>().prop_map(|pick| Op::Free { pick }),
        20 => (any::<usize>(), size()).prop_map(|(pick, size)| Op::Realloc { pick, size }),
        1 => Just(Op::Trim),
    ]
}

/// What the operations go to: the heap, or the caches of threads in front of it.
trait Front {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;
    unsafe fn dealloc(&mut self, start: NonNull<u8>, layout: Layout);
    unsafe fn realloc(&mut self, start: NonNull<u8>, layout: Layout, size: usize) -> Option<NonNull<u8>>;
    fn trim(&mut self);
    /// Checks all invariants; the heap as it was found, without the blocks in caches of threads.
    fn check(&mut self) -> Walk;
    fn stats(&mut self) -> Stats;
}

impl Front for TestHeap {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.alloc(layout)
    }
    unsafe fn dealloc(&mut self, start: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.dealloc(start, layout) }
    }
    unsafe fn realloc(&mut self, start: NonNull<u8>, layout: Layout, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's promise.
        unsafe { self.realloc(start, layout, size) }
    }
    fn trim(&mut self) {
        self.trim();
    }
    fn check(&mut self) -> Walk {
        check(self)
    }
    fn stats(&mut self) -> Stats {
        Heap::stats(self)
    }
}

/// Three threads that take turns: a block is often freed by another one than it was allocated by.
struct Threads {
    heap: Own,
    caches: [ThreadCache; 3],
    turn: usize,
}

/// A heap without a lock: there is one thread.
struct Own(RefCell<TestHeap>);

impl Shared<Arena> for Own {
    fn with<R>(&self, f: impl FnOnce(&mut TestHeap) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }
}

impl Threads {
    fn new(heap: TestHeap) -> Self {
        Threads { heap: Own(RefCell::new(heap)), caches: [const { ThreadCache::new() }; 3], turn: 0 }
    }

    fn next(&mut self) -> (&mut ThreadCache, &Own) {
        self.turn += 1;
        // Runs of four operations by one thread.
        (&mut self.caches[self.turn / 4 % 3], &self.heap)
    }
}

impl Front for Threads {
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let (cache, heap) = self.next();
        cache.alloc(heap, layout)
    }
    unsafe fn dealloc(&mut self, start: NonNull<u8>, layout: Layout) {
        let (cache, heap) = self.next();
        // SAFETY: the caller's promise.
        unsafe { cache.dealloc(heap, start, layout) }
    }
    unsafe fn realloc(&mut self, start: NonNull<u8>, layout: Layout, size: usize) -> Option<NonNull<u8>> {
        let (cache, heap) = self.next();
        // SAFETY: the caller's promise.
        unsafe { cache.realloc(heap, start, layout, size) }
    }
    fn trim(&mut self) {
        self.caches.iter_mut().for_each(|cache| cache.flush(&self.heap));
        self.heap.with(Heap::trim);
    }
    fn check(&mut self) -> Walk {
        let mut walk = self.heap.with(|heap| check(heap));
        walk.live -= self.caches.iter().map(|cache| cache.held().0).sum::<usize>();
        walk
    }
    fn stats(&mut self) -> Stats {
        self.heap.with(|heap| heap.stats())
    }
}

struct Block {
    start: NonNull<u8>,
    layout: Layout,
    seed: u8,
}

impl Block {
    /// Some blocks are never written: all that stands in them is what the heap left there.
    fn is_written(&self) -> bool {
        !self.seed.is_multiple_of(4)
    }

    fn fill(&self) {
        if !self.is_written() {
            return;
        }
        for index in (0..self.layout.size()).step_by(STRIDE) {
            // SAFETY: inside the block.
            unsafe { self.start.add(index).write(self.byte(index)) };
        }
    }

    fn byte(&self, index: usize) -> u8 {
        self.seed.wrapping_add((index % 251) as u8)
    }

    fn verify(&self, bytes: usize) {
        if !self.is_written() {
            return;
        }
        for index in (0..bytes).step_by(STRIDE) {
            // SAFETY: inside the block.
            let found = unsafe { self.start.add(index).read() };
            assert_eq!(found, self.byte(index), "byte {index} of {:?}", self.layout);
        }
    }
}

#[derive(Default)]
struct Model {
    blocks: Vec<Block>,
    /// Start and end of each block, to find overlaps. Empty blocks count as one byte.
    ranges: BTreeMap<usize, usize>,
    next_seed: u8,
}

impl Model {
    fn claim(&mut self, start: NonNull<u8>, layout: Layout) {
        let address = start.addr().get();
        assert!(address.is_multiple_of(layout.align()));
        let end = address + layout.size().max(1);
        if let Some((_, &before)) = self.ranges.range(..end).next_back() {
            assert!(before <= address, "blocks overlap");
        }
        self.ranges.insert(address, end);
        self.next_seed = self.next_seed.wrapping_add(41);
        let block = Block { start, layout, seed: self.next_seed };
        block.fill();
        self.blocks.push(block);
    }

    fn take(&mut self, pick: usize) -> Option<Block> {
        if self.blocks.is_empty() {
            return None;
        }
        let block = self.blocks.swap_remove(pick % self.blocks.len());
        block.verify(block.layout.size());
        self.ranges.remove(&block.start.addr().get());
        Some(block)
    }

    /// Does one operation; whether there was a block for it, and memory.
    fn apply(&mut self, heap: &mut impl Front, op: &Op) -> bool {
        match *op {
            Op::Alloc { size, align_log2 } => {
                let layout = layout(size, 1 << align_log2);
                let start = heap.alloc(layout);
                if let Some(start) = start {
                    self.claim(start, layout);
                }
                start.is_some()
            }
            Op::Free { pick } => {
                let block = self.take(pick);
                if let Some(block) = &block {
                    // SAFETY: a live block of this layout.
                    unsafe { heap.dealloc(block.start, block.layout) };
                }
                block.is_some()
            }
            Op::Realloc { pick, size } => self.realloc(heap, pick, size),
            Op::Trim => {
                heap.trim();
                true
            }
        }
    }

    fn realloc(&mut self, heap: &mut impl Front, pick: usize, size: usize) -> bool {
        let Some(mut block) = self.take(pick) else { return false };
        // SAFETY: a live block of this layout.
        match unsafe { heap.realloc(block.start, block.layout, size) } {
            Some(start) => {
                block.start = start;
                block.verify(size.min(block.layout.size()));
                self.claim(start, layout(size, block.layout.align()));
                true
            }
            None => {
                // It was not touched.
                block.verify(block.layout.size());
                self.claim(block.start, block.layout);
                false
            }
        }
    }
}

/// Does all operations, with a look at everything after so many of them; how many succeeded.
fn run(ops: &[Op], area_bytes: usize, placement: Placement, check_every: usize) -> u64 {
    run_on(&mut TestHeap::new(Arena::new(area_bytes, placement)), ops, check_every)
}

/// The same through the caches of threads.
fn run_threads(ops: &[Op], area_bytes: usize, check_every: usize) -> u64 {
    let heap = TestHeap::new(Arena::new(area_bytes, Placement::Contiguous));
    run_on(&mut Threads::new(heap), ops, check_every)
}

fn run_on(heap: &mut impl Front, ops: &[Op], check_every: usize) -> u64 {
    let mut succeeded = 0;
    let mut model = Model::default();
    for (index, op) in ops.iter().enumerate() {
        succeeded += u64::from(model.apply(heap, op));
        if index % check_every == 0 {
            heap.check();
        }
    }
    let walk = heap.check();
    assert_eq!(walk.live + heap.stats().mapped_blocks, model.blocks.len());
    while let Some(block) = model.take(0) {
        // SAFETY: a live block of this layout.
        unsafe { heap.dealloc(block.start, block.layout) };
    }
    heap.trim();
    assert_eq!(heap.check(), Walk::default());
    assert!(heap.stats().area_bytes <= 4096);
    assert_eq!(heap.stats().mapped_bytes, 0);
    succeeded
}

/// One process of `cargo xtask fuzz --target heap`: a case in memory of each kind.
#[test]
#[ignore = "run by cargo xtask fuzz"]
fn long_run() {
    crate::fuzzing::work(op(), 1200, |ops| {
        let plenty = run(&ops, 32 << 20, Placement::Contiguous, 1);
        run(&ops, 32 << 20, Placement::Scattered, 1);
        run(&ops, 256 << 10, Placement::Contiguous, 1);
        run_threads(&ops, 32 << 20, 1);
        run_threads(&ops, 256 << 10, 1);
        plenty
    });
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: if cfg!(miri) { 2 } else { 64 }, failure_persistence: None, ..Default::default() }
}

/// Which bytes of a block are written and compared: under Miri each one takes long.
const STRIDE: usize = if cfg!(miri) { 61 } else { 1 };
/// Operations between two looks at everything.
const CHECK_EVERY: usize = 8;
const STEPS: usize = if cfg!(miri) { 60 } else { 600 };

proptest! {
    #![proptest_config(config())]

    #[test]
    fn contiguous(ops in prop::collection::vec(op(), 1..STEPS)) {
        run(&ops, 32 << 20, Placement::Contiguous, CHECK_EVERY);
    }

    #[test]
    fn through_the_caches_of_threads(ops in prop::collection::vec(op(), 1..STEPS)) {
        run_threads(&ops, 32 << 20, CHECK_EVERY);
        run_threads(&ops, 256 << 10, CHECK_EVERY);
    }

    #[test]
    fn scattered(ops in prop::collection::vec(op(), 1..STEPS)) {
        run(&ops, 32 << 20, Placement::Scattered, CHECK_EVERY);
    }

    #[test]
    fn short_of_memory(ops in prop::collection::vec(op(), 1..STEPS)) {
        run(&ops, 256 << 10, Placement::Contiguous, CHECK_EVERY);
    }
}

/// A long life: phases in which a program allocates more than it frees, or less, of sizes that change.
fn live(placement: Placement, seed: u64) {
    let mut state = seed;
    let mut random = move |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % end
    };
    let (phases, steps) = if cfg!(miri) { (4, 60) } else { (60, 600) };
    let mut heap = TestHeap::new(Arena::new(24 << 20, placement));
    let mut model = Model::default();
    for phase in 0..phases {
        let most = [64, 700, 3_000, 40_000][random(4)];
        let allocs = if phase % 2 == 0 { 65 } else { 25 };
        for _ in 0..steps {
            let op = match random(100) {
                chance if chance < allocs => Op::Alloc { size: random(most), align_log2: 3 },
                chance if chance > 96 => Op::Realloc { pick: random(1 << 20), size: random(most) },
                _ => Op::Free { pick: random(1 << 20) },
            };
            model.apply(&mut heap, &op);
        }
        let walk = check(&heap);
        assert_eq!(walk.live + heap.stats().mapped_blocks, model.blocks.len());
        if phase % 16 == 15 {
            heap.trim();
        }
    }
    while let Some(block) = model.take(0) {
        // SAFETY: a live block of this layout.
        unsafe { heap.dealloc(block.start, block.layout) };
    }
    heap.trim();
    assert_eq!(check(&heap), Default::default());
    assert!(heap.stats().area_bytes <= 4096);
}

#[test]
fn a_long_life() {
    live(Placement::Contiguous, 0x1234_5678_9abc_def1);
    live(Placement::Contiguous, 0xfedc_ba98_7654_3211);
}

#[test]
fn a_long_life_in_scattered_memory() {
    live(Placement::Scattered, 0x0f1e_2d3c_4b5a_6979);
}
