//! Threads that share a heap, each with a cache of its own.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::check::check;
use super::source::{Arena, Placement};
use super::std::sync::Mutex;
use super::std::sync::mpsc::{Receiver, Sender, channel};
use super::std::thread;
use super::std::vec::Vec;
use super::{TestHeap, layout};
use crate::heap::chunk::{Chunk, Link};
use crate::heap::{Shared, ThreadCache};

/// A heap behind the host's lock.
struct Locked(Mutex<TestHeap>);

// SAFETY: the arena is memory of the process, and the lock lets one thread at a time reach it.
unsafe impl Sync for Locked {}

impl Shared<Arena> for Locked {
    fn with<R>(&self, f: impl FnOnce(&mut TestHeap) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }
}

fn shared(bytes: usize) -> Locked {
    Locked(Mutex::new(TestHeap::new(Arena::new(bytes, Placement::Contiguous))))
}

/// A block that a thread has, filled with its own byte.
struct Block {
    start: NonNull<u8>,
    layout: Layout,
    fill: u8,
}

// SAFETY: whoever has the value has the block.
unsafe impl Send for Block {}

/// A cache of the heap's, with blocks that are checked.
struct Thread<'a> {
    cache: ThreadCache,
    heap: &'a Locked,
    random: u64,
}

impl<'a> Thread<'a> {
    fn new(heap: &'a Locked, seed: u64) -> Self {
        Thread { cache: ThreadCache::new(), heap, random: seed }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % end
    }

    /// Mostly small sizes.
    fn size(&mut self) -> usize {
        let most = [64, 300, 1200, 5000][self.below(4)];
        self.below(most)
    }

    fn alloc(&mut self) -> Option<Block> {
        let layout = layout(self.size(), [1, 8, 16, 64][self.below(4)]);
        let start = self.cache.alloc(self.heap, layout)?;
        assert!(start.addr().get().is_multiple_of(layout.align()));
        let fill = self.below(256) as u8;
        // SAFETY: the block is this long.
        unsafe { start.write_bytes(fill, layout.size()) };
        Some(Block { start, layout, fill })
    }

    fn check(block: &Block) {
        // SAFETY: the block is this long, and was filled.
        let bytes = unsafe { NonNull::slice_from_raw_parts(block.start, block.layout.size()).as_ref() };
        assert!(bytes.iter().all(|byte| *byte == block.fill), "somebody else wrote into the block");
    }

    fn free(&mut self, block: Block) {
        Self::check(&block);
        // SAFETY: the block is of this heap, and the value that stood for it is gone.
        unsafe { self.cache.dealloc(self.heap, block.start, block.layout) }
    }

    fn resize(&mut self, block: Block) -> Block {
        let size = self.size();
        // SAFETY: as in `free`.
        let Some(start) = (unsafe { self.cache.realloc(self.heap, block.start, block.layout, size) }) else {
            return block;
        };
        let common = Layout::from_size_align(size.min(block.layout.size()), 1).unwrap();
        Self::check(&Block { start, layout: common, fill: block.fill });
        // SAFETY: the block is this long.
        unsafe { start.write_bytes(block.fill, size) };
        Block { start, layout: layout(size, block.layout.align()), fill: block.fill }
    }

    /// Allocates, frees, resizes; gives blocks away and takes what others gave.
    fn live(&mut self, steps: usize, give: &Sender<Block>, take: &Receiver<Block>) {
        let mut own: Vec<Block> = Vec::new();
        for _ in 0..steps {
            match self.below(8) {
                0..4 => own.extend(self.alloc()),
                4 if !own.is_empty() => {
                    let block = own.swap_remove(self.below(own.len()));
                    own.push(self.resize(block));
                }
                5 if !own.is_empty() => drop(give.send(own.swap_remove(self.below(own.len())))),
                6 => own.extend(take.try_recv()),
                _ if !own.is_empty() => {
                    let block = own.swap_remove(self.below(own.len()));
                    self.free(block);
                }
                _ => {}
            }
        }
        for block in own {
            self.free(block);
        }
    }
}

/// Four threads in a ring, each of which gives blocks to the next one.
#[test]
fn threads_share_a_heap() {
    let steps = if cfg!(miri) { 150 } else { 20_000 };
    let heap = shared(16 << 20);
    let (mut senders, mut receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| channel()).unzip();
    senders.rotate_left(1);
    thread::scope(|scope| {
        for (seed, (give, take)) in senders.drain(..).zip(receivers.drain(..)).enumerate() {
            let heap = &heap;
            scope.spawn(move || {
                let mut thread = Thread::new(heap, seed as u64 + 1);
                thread.live(steps, &give, &take);
                drop(give);
                // What comes until the one before is done.
                for block in take {
                    thread.free(block);
                }
                thread.cache.flush(heap);
                assert_eq!(thread.cache.held(), (0, 0));
            });
        }
    });
    let walk = check(&heap.0.lock().unwrap());
    assert_eq!((walk.live, walk.live_bytes), (0, 0), "everything came back");
}

/// Memory that one thread freed is there for another one once the first has flushed its cache.
#[test]
fn a_full_heap_works_again() {
    let heap = shared(if cfg!(miri) { 32 << 10 } else { 256 << 10 });
    let (mut first, mut second) = (Thread::new(&heap, 1), Thread::new(&heap, 2));
    let small = layout(200, 8);
    let fill = |thread: &mut Thread<'_>| -> Vec<_> {
        core::iter::from_fn(|| thread.cache.alloc(&heap, small)).collect()
    };
    let blocks = fill(&mut first);
    assert!(blocks.len() > 100);
    assert!(second.cache.alloc(&heap, small).is_none(), "no memory is an answer");
    for block in blocks.iter().copied() {
        // SAFETY: allocated above.
        unsafe { first.cache.dealloc(&heap, block, small) };
    }
    first.cache.flush(&heap);
    let again = fill(&mut second);
    assert!(again.len() + 8 >= blocks.len(), "{} of {}", again.len(), blocks.len());
    for block in again {
        // SAFETY: allocated above.
        unsafe { second.cache.dealloc(&heap, block, small) };
    }
    second.cache.flush(&heap);
    assert_eq!(check(&heap.0.lock().unwrap()).live, 0);
}

/// Most blocks come and go without the lock.
#[test]
fn a_warm_cache_takes_no_lock() {
    let heap = shared(1 << 20);
    let mut cache = ThreadCache::new();
    let small = layout(48, 8);
    let block = cache.alloc(&heap, small).unwrap();
    let guard = heap.0.lock().unwrap();
    // SAFETY: allocated above, and in turn below; the lock is held, so anything that took it would hang.
    unsafe { cache.dealloc(&heap, block, small) };
    let again = cache.alloc(&heap, small).unwrap();
    assert_eq!(again, block, "last in, first out");
    let other = cache.alloc(&heap, small).unwrap();
    drop(guard);
    // SAFETY: allocated above.
    unsafe {
        cache.dealloc(&heap, again, small);
        cache.dealloc(&heap, other, small);
    }
    cache.flush(&heap);
    assert_eq!(check(&heap.0.lock().unwrap()).live, 0);
}

/// Damages a heap through two caches, the second of which did not see what the first did.
fn damage(harm: impl FnOnce(&Locked, &mut ThreadCache, &mut ThreadCache, NonNull<u8>)) {
    let heap = shared(1 << 20);
    let (mut first, mut second) = (ThreadCache::new(), ThreadCache::new());
    let warm = second.alloc(&heap, layout(48, 8)).unwrap();
    // SAFETY: allocated just now.
    unsafe { second.dealloc(&heap, warm, layout(48, 8)) };
    let block = first.alloc(&heap, layout(48, 8)).unwrap();
    harm(&heap, &mut first, &mut second, block);
}

#[test]
#[should_panic(expected = "heap: double free of 0x")]
fn double_free_by_one_thread() {
    damage(|heap, first, _, block| {
        // SAFETY: the second one is what is to be found out.
        unsafe {
            first.dealloc(heap, block, layout(48, 8));
            first.dealloc(heap, block, layout(48, 8));
        }
    });
}

#[test]
#[should_panic(expected = "heap: double free of 0x")]
fn double_free_by_two_threads() {
    damage(|heap, first, second, block| {
        // SAFETY: as above.
        unsafe {
            first.dealloc(heap, block, layout(48, 8));
            second.dealloc(heap, block, layout(48, 8));
        }
    });
}

#[test]
#[should_panic(expected = "heap: double free of 0x")]
fn double_free_by_a_thread_that_has_allocated_nothing() {
    damage(|heap, first, _, block| {
        // SAFETY: as above.
        unsafe {
            first.dealloc(heap, block, layout(48, 8));
            ThreadCache::new().dealloc(heap, block, layout(48, 8));
        }
    });
}

#[test]
#[should_panic(expected = "heap: double free of 0x")]
fn resizing_a_freed_block() {
    damage(|heap, first, second, block| {
        // SAFETY: as above.
        unsafe {
            first.dealloc(heap, block, layout(48, 8));
            let _ = second.realloc(heap, block, layout(48, 8), 100);
        }
    });
}

#[test]
#[should_panic(expected = "heap: free of a pointer that is no block of this size: 0x")]
fn a_pointer_into_a_block() {
    damage(|heap, first, _, block| {
        // SAFETY: as above; it stays inside of the block.
        unsafe {
            block.write_bytes(0x5a, 48);
            first.dealloc(heap, block.add(16), layout(16, 8));
        }
    });
}

#[test]
#[should_panic(expected = "heap: overwritten boundary tag of the block at 0x")]
fn a_tag_that_was_overwritten_while_the_block_was_cached() {
    damage(|heap, first, _, block| {
        // SAFETY: as above; the word before the block is the heap's.
        unsafe {
            first.dealloc(heap, block, layout(48, 8));
            block.cast::<usize>().sub(1).write(0x1234_5671);
        }
        let _ = first.alloc(heap, layout(48, 8));
    });
}

#[test]
#[should_panic(expected = "heap: write to freed memory at 0x")]
fn a_freed_block_that_was_written() {
    damage(|heap, first, _, block| {
        // SAFETY: as above.
        unsafe {
            first.dealloc(heap, block, layout(48, 8));
            block.write_bytes(0x5a, 32);
        }
        let _ = first.alloc(heap, layout(48, 8));
    });
}

/// What a bin left in a block may be the link to that very block, after a block was moved to where its neighbour had been.
#[test]
fn a_link_that_is_left_in_a_block_is_no_mark() {
    damage(|heap, first, second, block| {
        let mask = heap.0.lock().unwrap().area.mask;
        // SAFETY: the block is live, and long enough for both links.
        unsafe {
            let chunk = Chunk::of_payload(block.addr().get());
            chunk.set_link(Link::Previous, mask, Some(chunk));
            first.dealloc(heap, block, layout(48, 8));
            let block = second.alloc(heap, layout(48, 8)).unwrap();
            let block = second.realloc(heap, block, layout(48, 8), 2000).unwrap();
            second.dealloc(heap, block, layout(2000, 8));
        }
    });
}
