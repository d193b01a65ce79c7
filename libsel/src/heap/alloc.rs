//! The heap: allocation and freeing, and the order in which its parts are asked.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::area::Area;
use super::cache::{CACHED_MAX, Cache, FLUSH_BATCH};
use super::chunk::{CACHED, Chunk, FLAGS, GRANULE, IN_USE, PREVIOUS_IN_USE, chunk_bytes};
use super::large::Large;
use super::recent::Recent;
use super::source::{Corruption, CorruptionKind, Source};

/// The first limit of the top chunk.
const FIRST_TRIM_ABOVE: usize = 1024 * 1024;
/// The last limit of the top chunk.
const LAST_TRIM_ABOVE: usize = 16 * 1024 * 1024;
/// What a chunk for an aligned block needs at most beyond size and alignment.
const MAX_EXTRA: usize = 4 * GRANULE;
/// The share of the area that recent sizes may hold: one in so many.
const RECENT_SHARE: usize = 96;

/// A binned heap over the address space that `S` provides.
///
/// It needs no destructor: memory that is not given back by [`Heap::trim`] belongs to the source.
pub struct Heap<S: Source> {
    pub(super) cache: Cache,
    pub(super) recent: Recent,
    pub(super) area: Area<S>,
    pub(super) large: Large,
    /// The size above which the top chunk is trimmed without being asked.
    trim_above: usize,
}

impl<S: Source> Heap<S> {
    /// A heap without memory; the source is first asked by the first allocation.
    pub const fn new(source: S) -> Self {
        Self {
            cache: Cache::new(),
            recent: Recent::new(),
            area: Area::new(source),
            large: Large::new(),
            trim_above: FIRST_TRIM_ABOVE,
        }
    }

    /// Where the heap gets its memory from.
    pub fn source(&self) -> &S {
        &self.area.source
    }

    /// A block of `layout`, or `None` when out of memory. A size of zero gives a block as well.
    #[inline]
    pub fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let bytes = chunk_bytes(layout.size());
        if bytes > CACHED_MAX || layout.align() > GRANULE {
            return self.alloc_uncached(layout);
        }
        match self.cache.take::<S>(bytes, self.area.mask) {
            Some(chunk) => Some(chunk.payload()),
            None => self.alloc_missed(bytes),
        }
    }

    /// Frees a block.
    ///
    /// # Safety
    /// `block` was allocated by this heap with `layout` (or resized to it), and nobody uses it any more.
    #[inline]
    pub unsafe fn dealloc(&mut self, block: NonNull<u8>, layout: Layout) {
        let chunk = chunk_of::<S>(block);
        let tag = chunk.tag();
        let Some(bytes) = chunk_size_in_use(tag, layout) else { return self.unmap(chunk, tag, layout) };
        if bytes > CACHED_MAX {
            self.release_uncached(chunk, bytes);
        } else if !self.cache.put(chunk, bytes, tag, self.area.mask) {
            self.release_overflow(chunk, bytes);
        }
    }

    /// Gives all memory that holds no block back to the source, as far as the order of blocks allows: cached blocks
    /// are merged, then the end of the area and empty segments are returned.
    pub fn trim(&mut self) {
        self.flush_all();
        self.area.trim_segments();
        self.area.trim_top(0);
        self.trim_above = FIRST_TRIM_ABOVE;
    }

    /// Allocates a block whose class is empty, and a few more for the class.
    #[inline(never)]
    fn alloc_missed(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        let wanted = self.cache.miss(bytes, self.area.area_bytes);
        match self.area.allocate_run(bytes, wanted) {
            Some((chunk, 1)) => Some(chunk.payload()),
            Some((chunk, count)) => {
                self.cache.fill(chunk.after(bytes), bytes, count - 1, self.area.mask);
                Some(chunk.payload())
            }
            None => self.alloc_after_flush(bytes, GRANULE),
        }
    }

    /// Allocates a block that no class holds.
    #[inline(never)]
    fn alloc_uncached(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if self.large.wants(layout) && !self.area.has(layout.size() + layout.align() + MAX_EXTRA) {
            self.area.calls.map += 1;
            let block = self.large.map(&mut self.area.source, layout);
            if block.is_some() {
                return block;
            }
        }
        let bytes = chunk_bytes(layout.size());
        if layout.align() <= GRANULE
            && let Some(chunk) = self.recent.take::<S>(bytes, self.area.mask)
        {
            return Some(chunk.payload());
        }
        match self.cut(bytes, layout.align()) {
            Some(chunk) => Some(chunk.payload()),
            None => self.alloc_after_flush(bytes, layout.align()),
        }
    }

    /// The last resort when the source has no more memory: cached blocks, merged, may leave room.
    #[cold]
    #[inline(never)]
    fn alloc_after_flush(&mut self, bytes: usize, align: usize) -> Option<NonNull<u8>> {
        self.flush_all();
        self.cut(bytes, align).map(Chunk::payload)
    }

    #[inline]
    fn cut(&mut self, bytes: usize, align: usize) -> Option<Chunk> {
        if align <= GRANULE { self.area.allocate(bytes) } else { self.area.allocate_aligned(bytes, align) }
    }

    /// Frees a block above the size classes.
    #[inline(never)]
    fn release_uncached(&mut self, chunk: Chunk, bytes: usize) {
        let Self { area, recent, .. } = self;
        let (mask, budget) = (area.mask, area.area_bytes / RECENT_SHARE);
        let kept = recent.put::<S>(chunk, bytes, mask, budget, |chunk| _ = area.release(chunk, chunk.tag()));
        if !kept && area.release(chunk, chunk.tag()) {
            self.trim_large_top();
        }
    }

    /// Frees a block whose class has no room: the class gets more, or a few of its blocks are merged. Those are the ones
    /// put last: they are in the processor's cache, and what is behind them is fetched for all of them at once. Their
    /// number bounds the time of a call.
    #[inline(never)]
    fn release_overflow(&mut self, chunk: Chunk, bytes: usize) {
        let Self { area, cache, .. } = self;
        let mask = area.mask;
        let mut top_grew = false;
        if cache.wants_room(bytes) {
            cache.raise(bytes);
        } else {
            let mut batch = [chunk; FLUSH_BATCH];
            let mut count = 0;
            for place in &mut batch {
                let Some(other) = cache.take::<S>(bytes, mask) else { break };
                other.after(bytes).prefetch();
                *place = other;
                count += 1;
            }
            for &other in batch.iter().take(count) {
                top_grew |= area.release_inline(other, other.tag());
            }
        }
        // Its tag is read only now: the chunk before may just have become free.
        if !cache.put(chunk, bytes, chunk.tag(), mask) {
            top_grew |= area.release(chunk, chunk.tag());
        }
        if cache.overflow() {
            cache.age::<S>(mask, |chunk| _ = area.release(chunk, chunk.tag()));
        }
        if top_grew {
            self.trim_large_top();
        }
    }

    /// Trims a top chunk that has become large without being asked.
    ///
    /// Half of it stays, and the next time it has to be twice as large: a program whose demand swings costs the source
    /// a few calls, not one per swing. The limit is above the mapping threshold as well; else a block that has become
    /// too small to be mapped would be allocated from and given back to the source through the top chunk instead.
    #[inline]
    pub(super) fn trim_large_top(&mut self) {
        if self.area.top_bytes() > self.trim_above {
            let limit = self.trim_above.max(2 * self.large.threshold());
            if self.area.top_bytes() > limit {
                self.area.trim_top(limit / 2);
                self.trim_above = (2 * limit).min(LAST_TRIM_ABOVE);
            }
        }
    }

    fn flush_all(&mut self) {
        let Self { area, cache, recent, .. } = self;
        let mask = area.mask;
        cache.flush::<S>(mask, |chunk| _ = area.release(chunk, chunk.tag()));
        recent.flush::<S>(mask, |chunk| _ = area.release(chunk, chunk.tag()));
    }

    #[cold]
    #[inline(never)]
    fn unmap(&mut self, chunk: Chunk, tag: usize, layout: Layout) {
        if !Large::is_mapped(chunk, tag, layout.size()) {
            not_a_block::<S>(chunk, tag);
        }
        self.area.calls.unmap += 1;
        self.large.unmap(&mut self.area.source, chunk);
    }
}

/// The chunk of a block; a pointer that no block starts at for its alignment is reported.
#[inline]
pub fn chunk_of<S: Source>(block: NonNull<u8>) -> Chunk {
    let address = block.addr().get();
    if !address.is_multiple_of(GRANULE) {
        misaligned::<S>(address);
    }
    // SAFETY: the promise of the heap's caller: a tag lies before the block.
    unsafe { Chunk::of_payload(address) }
}

/// The size of the chunk that `tag` belongs to, if it is that of a block of `layout` in the area. It may be one granule
/// more than needed, where the rest was too small to be a chunk.
///
/// One comparison that fails for a free or cached chunk, for a mapped one, for a damaged tag, for the wrong size and for nearly
/// everything that is not a tag.
#[inline]
pub fn chunk_size_in_use(tag: usize, layout: Layout) -> Option<usize> {
    let difference = tag.wrapping_sub(chunk_bytes(layout.size()));
    (difference & !(PREVIOUS_IN_USE | GRANULE) == IN_USE).then_some(tag & !FLAGS)
}

#[cold]
#[inline(never)]
fn misaligned<S: Source>(address: usize) -> ! {
    S::corrupted(Corruption { kind: CorruptionKind::WildPointer, address, found: 0 })
}

/// Reports a pointer that was freed or resized and that no block of its layout starts at.
#[cold]
#[inline(never)]
pub fn not_a_block<S: Source>(chunk: Chunk, tag: usize) -> ! {
    let freed = tag & CACHED != 0 || tag & IN_USE == 0;
    let kind = if freed { CorruptionKind::DoubleFree } else { CorruptionKind::WildPointer };
    S::corrupted(Corruption { kind, address: chunk.payload_address(), found: tag })
}
