//! The heap: allocation and freeing, and the order in which its parts are asked.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::area::Area;
use super::cache::{CACHED_MAX, Cache, FLUSH_BATCH};
use super::chunk::{CACHED, Chunk, GRANULE, IN_USE, PREVIOUS_IN_USE, chunk_bytes};
use super::large::Large;
use super::source::{Corruption, CorruptionKind, Source};

/// The first limit of the top chunk.
const FIRST_TRIM_ABOVE: usize = 1024 * 1024;
/// The last limit of the top chunk.
const LAST_TRIM_ABOVE: usize = 16 * 1024 * 1024;

/// A binned heap over the address space that `S` provides.
///
/// It needs no destructor: memory that is not given back by [`Heap::trim`] belongs to the source.
pub struct Heap<S: Source> {
    pub(super) area: Area<S>,
    pub(super) cache: Cache,
    pub(super) large: Large,
    /// The size above which the top chunk is trimmed without being asked.
    trim_above: usize,
}

impl<S: Source> Heap<S> {
    /// A heap without memory; the source is first asked by the first allocation.
    pub const fn new(source: S) -> Self {
        Self {
            area: Area::new(source),
            cache: Cache::new(),
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
        // SAFETY: the caller's promise: a tag lies before the block.
        let chunk = unsafe { Chunk::of_payload(block.addr().get()) };
        let tag = chunk.unchecked_tag();
        match chunk_size_in_use(tag, layout) {
            Some(bytes) if bytes <= CACHED_MAX => {
                if self.cache.put(chunk, bytes, tag, self.area.mask) {
                    self.flush_class(bytes);
                }
            }
            Some(_) => self.release(chunk, tag),
            None => self.unmap(chunk, tag, layout),
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

    /// Allocates a block whose class is empty.
    #[inline(never)]
    fn alloc_missed(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        match self.area.allocate(bytes) {
            Some(chunk) => Some(chunk.payload()),
            None => self.alloc_after_flush(bytes, GRANULE),
        }
    }

    /// Allocates a block that no class holds.
    #[inline(never)]
    fn alloc_uncached(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        if self.large.wants(layout) {
            self.area.calls.map += 1;
            let block = self.large.map(&mut self.area.source, layout);
            if block.is_some() {
                return block;
            }
        }
        let bytes = chunk_bytes(layout.size());
        match self.cut(bytes, layout.align()) {
            Some(chunk) => Some(chunk.payload()),
            None => self.alloc_after_flush(bytes, layout.align()),
        }
    }

    /// The last resort when the source has no more memory: cached blocks, merged, may leave room.
    #[cold]
    #[inline(never)]
    fn alloc_after_flush(&mut self, bytes: usize, align: usize) -> Option<NonNull<u8>> {
        self.cache.first_held()?;
        self.flush_all();
        self.cut(bytes, align).map(Chunk::payload)
    }

    #[inline]
    fn cut(&mut self, bytes: usize, align: usize) -> Option<Chunk> {
        if align <= GRANULE { self.area.allocate(bytes) } else { self.area.allocate_aligned(bytes, align) }
    }

    #[inline(never)]
    fn release(&mut self, chunk: Chunk, tag: usize) {
        self.area.release(chunk, tag);
        self.trim_large_top();
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

    /// Merges a few chunks of a class that holds too many. The number bounds the time of one call.
    #[cold]
    #[inline(never)]
    fn flush_class(&mut self, bytes: usize) {
        for _ in 0..FLUSH_BATCH {
            let Some(chunk) = self.cache.take::<S>(bytes, self.area.mask) else { break };
            self.area.release(chunk, chunk.tag());
        }
        self.trim_large_top();
    }

    fn flush_all(&mut self) {
        while let Some(bytes) = self.cache.first_held() {
            while let Some(chunk) = self.cache.take::<S>(bytes, self.area.mask) {
                self.area.release(chunk, chunk.tag());
            }
        }
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

/// The size of the chunk that `tag` belongs to, if it is that of an uncached block of `layout` in the area. It may
/// be one granule more than needed, where the rest was too small to be a chunk.
///
/// One comparison that fails for a free or cached chunk, for a mapped one, for a damaged tag, for the wrong size and
/// for nearly everything that is not a tag.
#[inline]
pub fn chunk_size_in_use(tag: usize, layout: Layout) -> Option<usize> {
    let bytes = chunk_bytes(layout.size());
    let spare = (tag & !PREVIOUS_IN_USE).wrapping_sub(bytes | IN_USE);
    (spare & !GRANULE == 0).then(|| bytes + spare)
}

/// Reports a pointer that was freed or resized and that no block of its layout starts at.
#[cold]
#[inline(never)]
pub fn not_a_block<S: Source>(chunk: Chunk, tag: usize) -> ! {
    let address = chunk.payload_address();
    let aligned = address.is_multiple_of(GRANULE);
    let kind = if aligned && (tag & CACHED != 0 || tag & IN_USE == 0) {
        CorruptionKind::DoubleFree
    } else {
        CorruptionKind::WildPointer
    };
    S::corrupted(Corruption { kind, address, found: tag })
}
