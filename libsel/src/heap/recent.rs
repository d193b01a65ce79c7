//! Recent sizes: freed blocks above the size classes, kept by exact size.
//!
//! Programs ask for the same few large sizes again and again. A table with one entry for each of [`ENTRIES`] hashed sizes
//! keeps a few chunks of one size each, as the class caches do; another size that wants the same entry gets it when it
//! was turned away often enough.

use super::cache::uncache;
use super::chunk::{CACHED, Chunk, GRANULE, Link, Mask};
use super::source::Source;

/// The largest chunk that is kept.
pub const RECENT_MAX: usize = 32 * 1024;
/// Sizes that are kept at once.
pub const ENTRIES: usize = 64;
/// The most chunks of one size.
pub const MOST_CHUNKS: u32 = 8;
/// The most bytes of one size, if those are two chunks or more.
const MOST_BYTES: usize = 16 * 1024;
/// How often a size is turned away before it takes the place of another.
const PATIENCE: u32 = 4;

/// The chunks of one size.
#[derive(Clone, Copy)]
struct Entry {
    bytes: usize,
    head: Option<Chunk>,
    count: u32,
    /// How often another size was turned away since this one was last put.
    turned_away: u32,
}

impl Entry {
    const EMPTY: Self = Self { bytes: 0, head: None, count: 0, turned_away: 0 };
}

/// The table.
pub struct Recent {
    entries: [Entry; ENTRIES],
    held_bytes: usize,
}

impl Recent {
    /// Nothing kept.
    pub const fn new() -> Self {
        Self { entries: [Entry::EMPTY; ENTRIES], held_bytes: 0 }
    }

    /// The entry for a size. Sizes that differ by little, and powers of two, get different ones.
    #[inline]
    fn index(bytes: usize) -> usize {
        let granules = bytes / GRANULE;
        (granules ^ (granules >> 6)) % ENTRIES
    }

    /// Takes a chunk of `bytes`.
    #[inline]
    pub fn take<S: Source>(&mut self, bytes: usize, mask: Mask) -> Option<Chunk> {
        let entry = &mut self.entries[Self::index(bytes)];
        if entry.bytes != bytes {
            return None;
        }
        let chunk = entry.head?;
        uncache::<S>(chunk, bytes);
        entry.head = chunk.link(Link::Next, mask);
        entry.count -= 1;
        self.held_bytes -= bytes;
        Some(chunk)
    }

    /// Keeps a chunk of `bytes`, in use, if there is room for it and everything stays within `budget` bytes;
    /// false if not. Chunks whose place it takes are handed over, at most [`MOST_CHUNKS`].
    #[inline]
    pub fn put<S: Source>(
        &mut self,
        chunk: Chunk,
        bytes: usize,
        mask: Mask,
        budget: usize,
        mut release: impl FnMut(Chunk),
    ) -> bool {
        if bytes > RECENT_MAX || self.held_bytes + bytes > budget {
            return false;
        }
        let entry = &mut self.entries[Self::index(bytes)];
        if entry.bytes != bytes {
            entry.turned_away += 1;
            if entry.head.is_some() && entry.turned_away < PATIENCE {
                return false;
            }
            let other = entry.bytes;
            while let Some(chunk) = self.take::<S>(other, mask) {
                release(chunk);
            }
        }
        let entry = &mut self.entries[Self::index(bytes)];
        if entry.count >= MOST_CHUNKS || (entry.count >= 2 && entry.count as usize * bytes >= MOST_BYTES) {
            return false;
        }
        chunk.set_link(Link::Next, mask, entry.head);
        chunk.set_tag(chunk.tag() | CACHED);
        *entry = Entry { bytes, head: Some(chunk), count: entry.count + 1, turned_away: 0 };
        self.held_bytes += bytes;
        true
    }

    /// Hands all chunks over.
    pub fn flush<S: Source>(&mut self, mask: Mask, mut release: impl FnMut(Chunk)) {
        for index in 0..ENTRIES {
            let bytes = self.entries[index].bytes;
            while let Some(chunk) = self.take::<S>(bytes, mask) {
                release(chunk);
            }
        }
    }

    /// Every size that is kept, as (chunk size, number of chunks).
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.entries.iter().map(|entry| (entry.bytes, entry.count as usize)).filter(|&(_, count)| count != 0)
    }
}
