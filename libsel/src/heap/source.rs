//! Where a heap gets its address space from, and where it reports corruption.

use core::fmt;
use core::ptr::NonNull;

use super::chunk::Chunk;

/// The unit in which a heap takes memory from its source and gives it back.
pub const PAGE_BYTES: usize = 4096;

/// Memory added to a heap's area by [`Source::grow`].
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// The first byte added, page aligned.
    pub start: NonNull<u8>,
    /// How many bytes were added, a multiple of [`PAGE_BYTES`].
    pub bytes: usize,
}

/// Where a heap gets its address space from.
///
/// # Safety
/// An implementation promises, for all memory that it hands out:
/// 1. it is readable, writable and used by nothing else until the heap gives it back;
/// 2. `start` and every byte count are multiples of [`PAGE_BYTES`] and no range wraps around the address space;
/// 3. pointers carry provenance for the whole range, and ranges that follow each other directly either belong to one
///    allocated object or are treated as one by the machine (as pages mapped in a process are).
pub unsafe trait Source {
    /// Extends the area by at least `bytes` (a multiple of [`PAGE_BYTES`]), or returns `None` when out of memory.
    ///
    /// The new memory should begin where the area ends: only then does it merge with the top chunk, and blocks grow
    /// in place across it. Memory elsewhere is legal; it opens a new segment.
    fn grow(&mut self, bytes: usize) -> Option<Growth>;

    /// Takes back `bytes` bytes from `start` on: the end of the area, or the whole of an earlier segment.
    ///
    /// # Safety
    /// The range came from [`Source::grow`], is page aligned, and the caller uses it no more.
    unsafe fn shrink(&mut self, start: NonNull<u8>, bytes: usize);

    /// Provides a block of its own of `bytes` bytes (a multiple of [`PAGE_BYTES`]), page aligned and outside the
    /// area, or `None` when out of memory.
    fn map(&mut self, bytes: usize) -> Option<NonNull<u8>>;

    /// Takes back a block, or the end of a block, that came from [`Source::map`].
    ///
    /// # Safety
    /// The range is page aligned, lies in one block that `map` returned, and the caller uses it no more.
    unsafe fn unmap(&mut self, start: NonNull<u8>, bytes: usize);

    /// A word that the program's users cannot guess: it masks the links kept in freed memory. Asked for once.
    fn secret(&mut self) -> usize;

    /// Reports a damaged heap; the process cannot go on. Must not allocate from the heap.
    fn corrupted(what: Corruption) -> ! {
        panic!("{what}")
    }
}

/// What a heap found damaged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CorruptionKind {
    /// A block was freed or resized that is free already.
    DoubleFree,
    /// A pointer was freed or resized that no block starts at, or with a size that the block does not have.
    WildPointer,
    /// A boundary tag was overwritten, by a write past the end of the block before it or to freed memory.
    OverwrittenTag,
    /// The links of a free block were overwritten by a write to freed memory.
    OverwrittenLink,
}

/// A damaged heap: what, where, and the word that was found there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corruption {
    /// What was found.
    pub kind: CorruptionKind,
    /// The address of the block (first byte that a program may use) at which it was found.
    pub address: usize,
    /// The boundary tag or link found.
    pub found: usize,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Corruption { kind, address, found } = *self;
        let what = match kind {
            CorruptionKind::DoubleFree => "double free of",
            CorruptionKind::WildPointer => "free of a pointer that is no block of this size:",
            CorruptionKind::OverwrittenTag => "overwritten boundary tag of the block at",
            CorruptionKind::OverwrittenLink => "write to freed memory at",
        };
        write!(f, "heap: {what} {address:#x} (found {found:#x})")
    }
}

/// Reports a boundary tag that does not fit its neighbours or the list that the chunk is in.
#[cold]
#[inline(never)]
pub fn damaged_tag<S: Source>(chunk: Chunk, found: usize) -> ! {
    let address = chunk.payload_address();
    S::corrupted(Corruption { kind: CorruptionKind::OverwrittenTag, address, found })
}
