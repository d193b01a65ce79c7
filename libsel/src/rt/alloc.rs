//! A server's global allocator: [`crate::heap`] over memory that the root task maps.
//!
//! `#[libsel::main]` makes [`ServerHeap`] the program's `#[global_allocator]`; a server that never allocates pays
//! nothing for it, and a root task does not have it.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Lock, block, start_info, ticks};
use crate::abi::Word;
use crate::heap::{Growth, Heap, Shared, Source, Stats, ThreadCache};
use crate::proto::root::{Map, MapFlags, Protection, RootService};
use crate::proto::start::{HEAP_START, slot};

/// Requests to the root task so far.
static REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// Memory from the root task.
struct RootMemory {
    /// Where the heap's area ends, and so where it should grow.
    area_end: Word,
}

impl RootMemory {
    fn map(address: Word, bytes: usize) -> Option<NonNull<u8>> {
        let (bytes, protection) = (bytes as Word, Protection::READ_WRITE);
        let request = Map { address, bytes, align: 0, protection, flags: MapFlags::NONE };
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        let address = RootService(slot::ROOT).map(request).ok()?;
        NonNull::new(ptr::with_exposed_provenance_mut(address as usize))
    }

    /// A range that cannot be unmapped stays mapped: memory is lost, nothing worse.
    fn unmap(start: NonNull<u8>, bytes: usize) {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        let _ = RootService(slot::ROOT).unmap(start.addr().get() as Word, bytes as Word);
    }
}

// SAFETY: the root task maps fresh pages, readable and writable, into this address space alone, and in whole pages;
// addresses become pointers with exposed provenance, which the machine does not tell apart.
unsafe impl Source for RootMemory {
    fn grow(&mut self, bytes: usize) -> Option<Growth> {
        let start = Self::map(self.area_end, bytes).or_else(|| Self::map(0, bytes))?;
        self.area_end = start.addr().get() as Word + bytes as Word;
        Some(Growth { start, bytes })
    }

    unsafe fn shrink(&mut self, start: NonNull<u8>, bytes: usize) {
        Self::unmap(start, bytes);
        let address = start.addr().get() as Word;
        if address + bytes as Word == self.area_end {
            self.area_end = address;
        }
    }

    fn map(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        RootMemory::map(0, bytes)
    }

    unsafe fn unmap(&mut self, start: NonNull<u8>, bytes: usize) {
        RootMemory::unmap(start, bytes);
    }

    fn secret(&mut self) -> usize {
        let secret = start_info().map_or(0, |info| info.secret);
        (secret ^ ticks().wrapping_mul(0x9e37_79b9_7f4a_7c15)) as usize
    }
}

static HEAP: Lock<Heap<RootMemory>> = Lock::new(Heap::new(RootMemory { area_end: HEAP_START }));

/// The program's heap, as a `#[global_allocator]`. A program with several threads has a [`ThreadCache`] in front of it for
/// each of them.
pub struct ServerHeap;

impl ServerHeap {
    fn with<R>(f: impl FnOnce(&mut Heap<RootMemory>) -> R) -> R {
        or_fault(HEAP.with(f))
    }

    /// The calling thread's cache, where the heap is shared; the heap itself where it is not.
    #[inline(always)]
    fn choose<R>(
        shared: impl FnOnce(&mut ThreadCache) -> R,
        alone: impl FnOnce(&mut Heap<RootMemory>) -> R,
    ) -> R {
        let (block, is_only) = block::current_or_only();
        if is_only {
            or_fault(HEAP.with_alone(block, alone))
        } else {
            // SAFETY: the block is the calling thread's own: a program with this allocator has all its threads by `spawn`.
            or_fault(unsafe { block.cache.try_with_own(shared) })
        }
    }
}

/// Only the heap's own code runs where a heap is in use, and the one thing that it calls out to is the panic handler.
#[inline(always)]
fn or_fault<R>(result: Option<R>) -> R {
    match result {
        Some(result) => result,
        None => super::entry::fault(),
    }
}

impl Shared<RootMemory> for ServerHeap {
    fn with<R>(&self, f: impl FnOnce(&mut Heap<RootMemory>) -> R) -> R {
        Self::with(f)
    }
}

// SAFETY: the heap gives out blocks of the layout asked for that do not overlap, and keeps them in place until they are
// freed or resized; it is reached through `Lock` only, and a cache by its thread only.
unsafe impl GlobalAlloc for ServerHeap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let block = Self::choose(|cache| cache.alloc(self, layout), |heap| heap.alloc(layout));
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller's promise is the condition of both.
            Self::choose(
                |cache| unsafe { cache.dealloc(self, block, layout) },
                |heap| unsafe { heap.dealloc(block, layout) },
            );
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let resized = NonNull::new(block).and_then(|block| {
            // SAFETY: the caller's promise is the condition of both.
            Self::choose(
                |cache| unsafe { cache.realloc(self, block, layout, new_size) },
                |heap| unsafe { heap.realloc(block, layout, new_size) },
            )
        });
        resized.map_or(ptr::null_mut(), NonNull::as_ptr)
    }
}

/// Gives the heap back what the calling thread's cache holds.
pub fn flush_cache() {
    or_fault(block::current().cache.try_with(|cache| cache.flush(&ServerHeap)));
}

/// The heap's figures. What the caches of threads hold counts as used.
pub fn stats() -> Stats {
    ServerHeap::with(|heap| heap.stats())
}

/// How often the heap asked the root task for memory, or gave it back.
pub fn requests() -> usize {
    REQUESTS.load(Ordering::Relaxed)
}

/// Gives the root task back what the heap holds and no block needs; other threads keep what is in their caches.
pub fn trim() {
    flush_cache();
    ServerHeap::with(Heap::trim);
}
