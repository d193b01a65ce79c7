//! Boundary tags: how a chunk describes itself and its neighbours.
//!
//! ```text
//!            in use                          free
//!  chunk ─►  size | flags                    size | PREVIOUS_IN_USE
//!            the program's bytes             link to the next free chunk of the bin   (masked)
//!            …                               link to the previous one                 (masked)
//!            …                               …
//!            the program's last word         size
//!  next  ─►  size | flags                    size | IN_USE
//! ```
//! A chunk starts 8 bytes below a multiple of 16, so that the program's bytes are 16-byte aligned. The last word is a
//! copy of the size only while the chunk is free: an in-use chunk costs one word.

use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The bytes of one word.
pub const WORD_BYTES: usize = size_of::<usize>();
/// Chunk sizes are multiples of this, and every block is aligned to it.
pub const GRANULE: usize = 16;
/// The smallest chunk: tag, two links, size.
pub const MIN_CHUNK: usize = 32;
/// What a chunk in use needs beyond the program's bytes.
pub const TAG_BYTES: usize = WORD_BYTES;

const _: () = assert!(MIN_CHUNK == 4 * WORD_BYTES && MIN_CHUNK.is_multiple_of(GRANULE));

/// Tag flag: the chunk directly before is in use (so its last word is the program's).
pub const PREVIOUS_IN_USE: usize = 1;
/// Tag flag: the chunk is in use, by the program or by a cache.
pub const IN_USE: usize = 2;
/// Tag flag: the chunk is cached: in use for its neighbours, free for the program.
pub const CACHED: usize = 4;
/// Tag flag: the block is a mapping of its own.
pub const MAPPED: usize = 8;
/// The bits of a tag that are not size.
pub const FLAGS: usize = GRANULE - 1;

/// The chunk size that `bytes` of the program need. `bytes` is a `Layout`'s size, so the sum cannot overflow.
#[inline]
pub const fn chunk_bytes(bytes: usize) -> usize {
    let needed = (bytes + TAG_BYTES + GRANULE - 1) & !(GRANULE - 1);
    if needed < MIN_CHUNK { MIN_CHUNK } else { needed }
}

/// A chunk, by the address of its tag.
///
/// Invariant of every value: the address is a tag's, and the words from the one before it to the end of the chunk lie
/// in memory that the heap owns. It is set up by [`Chunk::at`]; the other methods rely on it, and on tags whose damage
/// is found by the callers' checks before a size is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk(NonZeroUsize);

impl Chunk {
    /// The chunk whose tag is at `address`.
    ///
    /// # Safety
    /// `address` is that of a tag (or of a place where one is about to be written) in memory that the heap owns.
    #[inline]
    pub unsafe fn at(address: usize) -> Self {
        // SAFETY: memory that the heap owns does not begin at address zero.
        Self(unsafe { NonZeroUsize::new_unchecked(address) })
    }

    /// The chunk whose bytes for the program begin at `address`.
    ///
    /// # Safety
    /// As for [`Chunk::at`], for the word before `address`.
    #[inline]
    pub unsafe fn of_payload(address: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::at(address.wrapping_sub(TAG_BYTES)) }
    }

    /// The address of the tag.
    #[inline]
    pub fn address(self) -> usize {
        self.0.get()
    }

    /// The address of the first byte for the program.
    #[inline]
    pub fn payload_address(self) -> usize {
        self.0.get() + TAG_BYTES
    }

    /// The first byte for the program.
    #[inline]
    pub fn payload(self) -> NonNull<u8> {
        // SAFETY: a chunk's address is not zero and does not wrap.
        unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(self.payload_address())) }
    }

    #[inline]
    fn word(self, offset: isize) -> *mut usize {
        ptr::with_exposed_provenance_mut(self.0.get().wrapping_add_signed(offset * WORD_BYTES as isize))
    }

    /// The tag's word. A thread looks at the tag of its block while another one, which frees the chunk before it, may
    /// change a flag there: the same instructions as for a plain word, but no race.
    #[inline]
    fn tag_word(&self) -> &AtomicUsize {
        // SAFETY: the type's invariant: the tag lies in the heap's memory, 8-byte aligned; it is reached through here only.
        unsafe { AtomicUsize::from_ptr(self.word(0)) }
    }

    /// The boundary tag: size and flags.
    #[inline]
    pub fn tag(self) -> usize {
        self.tag_word().load(Relaxed)
    }

    /// Replaces the boundary tag.
    #[inline]
    pub fn set_tag(self, tag: usize) {
        self.tag_word().store(tag, Relaxed);
    }

    /// Has the processor fetch the tag, which is wanted soon.
    #[inline]
    pub fn prefetch(self) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: a hint: it reads nothing as far as the program can tell, and does not fault.
        unsafe {
            core::arch::asm!("prefetcht0 [{}]", in(reg) self.address(), options(nostack, preserves_flags, readonly));
        }
    }

    /// Size according to the tag, in bytes.
    #[inline]
    pub fn size(self) -> usize {
        self.tag() & !FLAGS
    }

    /// The chunk `bytes` further on; `bytes` is this chunk's size, or the size that it is about to get.
    #[inline]
    pub fn after(self, bytes: usize) -> Chunk {
        // SAFETY: chunks follow each other without gaps; behind the last lies the top chunk or the closing tag.
        unsafe { Chunk::at(self.0.get() + bytes) }
    }

    /// The chunk `bytes` further back.
    ///
    /// # Safety
    /// That address is in memory that the heap owns.
    #[inline]
    pub unsafe fn before(self, bytes: usize) -> Chunk {
        // SAFETY: the caller's promise.
        unsafe { Chunk::at(self.0.get() - bytes) }
    }

    /// The last word of the chunk before: its size, if it is free.
    #[inline]
    pub fn size_before(self) -> usize {
        // SAFETY: the type's invariant covers the word before the tag.
        unsafe { *self.word(-1) }
    }

    /// Replaces the last word of the chunk before, which the heap must own.
    #[inline]
    pub fn set_size_before(self, bytes: usize) {
        // SAFETY: as in `size_before`.
        unsafe { *self.word(-1) = bytes }
    }

    /// Writes tag and last word of a free chunk of `bytes`. The chunk before a free chunk is always in use.
    #[inline]
    pub fn set_free(self, bytes: usize) {
        self.set_tag(bytes | PREVIOUS_IN_USE);
        self.after(bytes).set_size_before(bytes);
    }

    /// Reads one of the two links of a free or cached chunk.
    #[inline]
    pub fn link(self, which: Link, mask: Mask) -> Option<Chunk> {
        // SAFETY: the type's invariant: a chunk is at least four words long.
        let word = unsafe { *self.word(which as isize) };
        NonZeroUsize::new(word ^ mask.0).map(Chunk)
    }

    /// Writes one of the two links of a free or cached chunk.
    #[inline]
    pub fn set_link(self, which: Link, mask: Mask, to: Option<Chunk>) {
        // SAFETY: as in `link`.
        unsafe { *self.word(which as isize) = to.map_or(0, Chunk::address) ^ mask.0 }
    }

    /// What stands in the second link's word of a chunk in a thread's cache. A link never has this form, as chunks lie at
    /// even addresses: what is left of one in a block, or was copied to another, is no mark.
    #[inline]
    fn mark(self, mask: Mask) -> usize {
        (self.address() | 1) ^ mask.0
    }

    /// Whether [`Chunk::set_mark`] was called for it, and nobody wrote there since.
    #[inline]
    pub fn is_marked(self, mask: Mask) -> bool {
        // SAFETY: as in `link`.
        unsafe { *self.word(Link::Previous as isize) == self.mark(mask) }
    }

    /// Marks a chunk in a thread's cache, in place of its second link.
    #[inline]
    pub fn set_mark(self, mask: Mask) {
        // SAFETY: as in `link`.
        unsafe { *self.word(Link::Previous as isize) = self.mark(mask) }
    }

    /// Takes the mark away.
    #[inline]
    pub fn clear_mark(self) {
        // SAFETY: as in `link`.
        unsafe { *self.word(Link::Previous as isize) = 0 }
    }
}

/// The two links of a free chunk, by their word.
#[derive(Clone, Copy)]
pub enum Link {
    /// To the next chunk of the list.
    Next = 1,
    /// To the previous chunk of the list.
    Previous = 2,
}

/// The secret word that links in freed memory are masked with.
#[derive(Clone, Copy)]
pub struct Mask(usize);

impl Mask {
    /// A mask made of `secret`.
    pub const fn new(secret: usize) -> Self {
        Self(secret)
    }
}
