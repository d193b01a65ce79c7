//! Caches of threads, in front of a heap that several share.
//!
//! A thread keeps some of the blocks that it freed, by chunk size, and gives them out again without taking the heap's lock.
//! An empty class is filled with a few blocks under one taking of the lock, a full one gives half of what it holds back.
//! A block may be freed by another thread than the one that allocated it: it goes to the cache of the one that frees it.
//!
//! For the heap, a block in here is one that the program uses: its tag is not changed, as the flag for its neighbour in the
//! same word belongs to whoever has the lock. That the block is free stands in its own bytes instead, behind the link to the next one:
//! a secret word, mixed with the address. So a double free is found whichever thread's cache has the block; a tag is
//! compared when a block comes in and when it goes out.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::Heap;
use super::alloc::{chunk_of, chunk_size_in_use};
use super::cache::CACHED_MAX;
use super::chunk::{Chunk, GRANULE, IN_USE, Link, Mask, PREVIOUS_IN_USE, TAG_BYTES, chunk_bytes};
use super::source::{Corruption, CorruptionKind, Source, damaged_tag};

/// The number of size classes, with unused ones below the smallest chunk.
const CLASSES: usize = CACHED_MAX / GRANULE + 1;
/// What a class holds at most, in bytes, within the limits on the count.
const MOST_BYTES: usize = 4096;
const LEAST_COUNT: usize = 4;
const MOST_COUNT: usize = 32;

/// A heap that threads share behind a lock.
pub trait Shared<S: Source> {
    /// Runs `f` on the heap while no other thread is at it.
    fn with<R>(&self, f: impl FnOnce(&mut Heap<S>) -> R) -> R;
}

/// The blocks of one chunk size.
#[derive(Clone, Copy)]
struct Class {
    head: Option<Chunk>,
    /// How many more it may hold.
    room: u16,
    /// How many it holds.
    count: u16,
}

/// What a class of chunks of `bytes` may hold.
const fn limit(bytes: usize) -> usize {
    match MOST_BYTES.checked_div(bytes) {
        None | Some(MOST_COUNT..) => MOST_COUNT,
        Some(..LEAST_COUNT) => LEAST_COUNT,
        Some(fitting) => fitting,
    }
}

/// One thread's cache. It is to be emptied by [`ThreadCache::flush`] before it is dropped, else the heap keeps its blocks as
/// used ones.
pub struct ThreadCache {
    /// For links and marks; the classes have no room before it is known. Until then no word looks like a mark.
    mask: Mask,
    is_ready: bool,
    classes: [Class; CLASSES],
}

impl Default for ThreadCache {
    fn default() -> Self {
        Self::new()
    }
}

impl ThreadCache {
    /// An empty one.
    pub const fn new() -> Self {
        let classes = [Class { head: None, room: 0, count: 0 }; CLASSES];
        ThreadCache { mask: Mask::new(usize::MAX), is_ready: false, classes }
    }

    /// A block of `layout`, or `None` when out of memory; other threads' caches may hold some then.
    #[inline]
    pub fn alloc<S: Source>(&mut self, heap: &impl Shared<S>, layout: Layout) -> Option<NonNull<u8>> {
        let bytes = chunk_bytes(layout.size());
        if bytes > CACHED_MAX || layout.align() > GRANULE {
            return self.alloc_uncached(heap, layout);
        }
        match self.take::<S>(bytes) {
            Some(chunk) => Some(chunk.payload()),
            None => self.refill(heap, bytes),
        }
    }

    /// Frees a block.
    ///
    /// # Safety
    /// `block` was allocated with `layout` (or resized to it) from this heap, through whichever cache, and nobody uses it
    /// any more.
    #[inline]
    pub unsafe fn dealloc<S: Source>(&mut self, heap: &impl Shared<S>, block: NonNull<u8>, layout: Layout) {
        let chunk = chunk_of::<S>(block);
        let tag = chunk.tag();
        match chunk_size_in_use(tag, layout) {
            Some(bytes) if bytes <= CACHED_MAX => {
                self.refuse_free::<S>(chunk, tag);
                if !self.put(chunk, bytes) {
                    self.put_after_overflow(heap, chunk, bytes);
                }
            }
            // SAFETY: the caller's promise. The heap reports what is no block of its own.
            _ => heap.with(|heap| unsafe { heap.dealloc(block, layout) }),
        }
    }

    /// Resizes a block, as [`Heap::realloc`] does.
    ///
    /// # Safety
    /// As for [`ThreadCache::dealloc`], and what [`Heap::realloc`] says about `new_size`.
    pub unsafe fn realloc<S: Source>(
        &mut self,
        heap: &impl Shared<S>,
        block: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Option<NonNull<u8>> {
        let chunk = chunk_of::<S>(block);
        let tag = chunk.tag();
        if chunk_size_in_use(tag, layout).is_some_and(|bytes| bytes <= CACHED_MAX) {
            self.refuse_free::<S>(chunk, tag);
        }
        // SAFETY: the caller's promise.
        if let Some(resized) = heap.with(|heap| unsafe { heap.realloc(block, layout, new_size) }) {
            return Some(resized);
        }
        self.flush(heap);
        // SAFETY: the caller's promise; the block is as it was.
        heap.with(|heap| unsafe { heap.realloc(block, layout, new_size) })
    }

    /// Gives every block back to the heap.
    pub fn flush<S: Source>(&mut self, heap: &impl Shared<S>) {
        heap.with(|heap| {
            for class in 1..CLASSES {
                self.give_back(heap, class * GRANULE, usize::MAX);
            }
        });
    }

    /// How many blocks it holds, and how many bytes they have.
    pub fn held(&self) -> (usize, usize) {
        let counts = self.classes.iter().map(|class| usize::from(class.count)).enumerate();
        counts
            .fold((0, 0), |(blocks, bytes), (class, count)| (blocks + count, bytes + count * class * GRANULE))
    }

    /// Reports a block that is in some thread's cache.
    #[inline]
    fn refuse_free<S: Source>(&self, chunk: Chunk, tag: usize) {
        if chunk.is_marked(self.mask) {
            twice::<S>(chunk, tag);
        }
    }

    #[inline]
    fn take<S: Source>(&mut self, bytes: usize) -> Option<Chunk> {
        let (chunk, mask) = (self.classes.get(bytes / GRANULE)?.head?, self.mask);
        let tag = chunk.tag();
        if (tag ^ bytes) & !PREVIOUS_IN_USE != IN_USE {
            damaged_tag::<S>(chunk, tag);
        }
        if !chunk.is_marked(mask) {
            overwritten::<S>(chunk);
        }
        // The mark goes: the program may never write there, and free the block as it is.
        chunk.clear_mark();
        let class = self.classes.get_mut(bytes / GRANULE)?;
        class.head = chunk.link(Link::Next, mask);
        class.room += 1;
        class.count -= 1;
        Some(chunk)
    }

    #[inline]
    fn put(&mut self, chunk: Chunk, bytes: usize) -> bool {
        let mask = self.mask;
        match self.classes.get_mut(bytes / GRANULE) {
            Some(class) if class.room != 0 => {
                chunk.set_link(Link::Next, mask, class.head);
                chunk.set_mark(mask);
                class.head = Some(chunk);
                class.room -= 1;
                class.count += 1;
                true
            }
            _ => false,
        }
    }

    /// Learns the secret, before the first block comes in.
    fn make_ready<S: Source>(&mut self, heap: &Heap<S>) {
        if !self.is_ready {
            self.is_ready = true;
            self.mask = heap.area.mask;
            for (number, class) in self.classes.iter_mut().enumerate() {
                class.room = limit(number * GRANULE) as u16;
            }
        }
    }

    #[inline(never)]
    fn alloc_uncached<S: Source>(&mut self, heap: &impl Shared<S>, layout: Layout) -> Option<NonNull<u8>> {
        heap.with(|heap| heap.alloc(layout)).or_else(|| {
            self.flush(heap);
            heap.with(|heap| heap.alloc(layout))
        })
    }

    /// Allocates a block whose class is empty, and a few more for the class.
    #[inline(never)]
    fn refill<S: Source>(&mut self, heap: &impl Shared<S>, bytes: usize) -> Option<NonNull<u8>> {
        let layout = layout_of(bytes);
        let block = heap.with(|heap| {
            let block = heap.alloc(layout)?;
            self.make_ready(heap);
            for _ in 1..limit(bytes) / 2 {
                let Some(more) = heap.alloc(layout) else { break };
                let chunk = chunk_of::<S>(more);
                // It may have got a granule more.
                if chunk.size() != bytes || !self.put(chunk, bytes) {
                    // SAFETY: it was allocated just now.
                    unsafe { heap.dealloc(more, layout) };
                    break;
                }
            }
            Some(block)
        });
        block.or_else(|| {
            self.flush(heap);
            heap.with(|heap| heap.alloc(layout))
        })
    }

    /// Takes in a block whose class has no room: half of what it holds goes back.
    #[inline(never)]
    fn put_after_overflow<S: Source>(&mut self, heap: &impl Shared<S>, chunk: Chunk, bytes: usize) {
        heap.with(|heap| {
            self.make_ready(heap);
            self.refuse_free::<S>(chunk, chunk.tag());
            if self.classes.get(bytes / GRANULE).is_some_and(|class| class.room == 0) {
                self.give_back(heap, bytes, limit(bytes) / 2);
            }
            self.put(chunk, bytes);
        });
    }

    /// Gives back so many blocks of a class.
    fn give_back<S: Source>(&mut self, heap: &mut Heap<S>, bytes: usize, most: usize) {
        for _ in 0..most {
            let Some(chunk) = self.take::<S>(bytes) else { break };
            // SAFETY: the program freed it, and it is in this cache no more.
            unsafe { heap.dealloc(chunk.payload(), layout_of(bytes)) };
        }
    }
}

/// The largest request that a chunk of `bytes` satisfies.
fn layout_of(bytes: usize) -> Layout {
    let size = bytes.saturating_sub(TAG_BYTES);
    Layout::from_size_align(size, size_of::<usize>()).unwrap_or(Layout::new::<usize>())
}

#[cold]
#[inline(never)]
fn twice<S: Source>(chunk: Chunk, found: usize) -> ! {
    S::corrupted(Corruption { kind: CorruptionKind::DoubleFree, address: chunk.payload_address(), found })
}

#[cold]
#[inline(never)]
fn overwritten<S: Source>(chunk: Chunk) -> ! {
    let (address, found) = (chunk.payload_address(), chunk.tag());
    S::corrupted(Corruption { kind: CorruptionKind::OverwrittenLink, address, found })
}
