//! Class caches: freed blocks of one chunk size each, last in, first out, not merged with their neighbours.
//!
//! A cached chunk keeps its IN_USE flag, so its neighbours are freed and merged around it; its tag says CACHED, so a
//! second free is noticed. Taking and putting touch nothing but the chunk and its class.

use super::chunk::{CACHED, Chunk, GRANULE, IN_USE, Link, Mask, PREVIOUS_IN_USE};
use super::source::{Corruption, CorruptionKind, Source};

/// The largest chunk that is cached.
pub const CACHED_MAX: usize = 1024;
/// The number of size classes, with unused ones below the smallest chunk.
const CLASSES: usize = CACHED_MAX / GRANULE + 1;
/// What one class may hold, in bytes, within the limits on the count.
const CLASS_BYTES: usize = 4 * 1024;
const MIN_LIMIT: usize = 4;
const MAX_LIMIT: usize = 64;
/// How many chunks an overflowing class hands to the bins at once.
pub const FLUSH_BATCH: usize = 8;

/// The cached chunks of one size.
#[derive(Clone, Copy)]
struct Class {
    head: Option<Chunk>,
    count: u32,
    limit: u32,
}

/// All classes of one heap.
pub struct Cache {
    classes: [Class; CLASSES],
}

impl Cache {
    /// An empty cache.
    pub const fn new() -> Self {
        let mut classes = [Class { head: None, count: 0, limit: 0 }; CLASSES];
        let mut class = 1;
        while class < CLASSES {
            let limit = CLASS_BYTES / (class * GRANULE);
            let limit = if limit < MIN_LIMIT { MIN_LIMIT } else { limit };
            classes[class].limit = if limit > MAX_LIMIT { MAX_LIMIT } else { limit } as u32;
            class += 1;
        }
        Self { classes }
    }

    /// Takes the chunk of `bytes` that was put last. `bytes` is a chunk size of at most [`CACHED_MAX`].
    #[inline]
    pub fn take<S: Source>(&mut self, bytes: usize, mask: Mask) -> Option<Chunk> {
        let class = &mut self.classes[bytes / GRANULE];
        let chunk = class.head?;
        let tag = chunk.tag();
        if tag & !PREVIOUS_IN_USE != bytes | IN_USE | CACHED {
            overwritten::<S>(chunk, tag);
        }
        class.head = chunk.link(Link::Next, mask);
        class.count -= 1;
        chunk.set_tag(tag ^ CACHED);
        Some(chunk)
    }

    /// Puts a chunk of `bytes` whose tag is `tag`; true if the class holds more than its limit then.
    #[inline]
    #[must_use]
    pub fn put(&mut self, chunk: Chunk, bytes: usize, tag: usize, mask: Mask) -> bool {
        let class = &mut self.classes[bytes / GRANULE];
        chunk.set_tag(tag | CACHED);
        chunk.set_link(Link::Next, mask, class.head);
        class.head = Some(chunk);
        class.count += 1;
        class.count > class.limit
    }

    /// The smallest chunk size that is cached now.
    pub fn first_held(&self) -> Option<usize> {
        self.iter().next().map(|(bytes, _)| bytes)
    }

    /// Every class that holds chunks, as (chunk size, number of chunks).
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        let counted = |(class, held): (usize, &Class)| (class * GRANULE, held.count as usize);
        self.classes.iter().enumerate().map(counted).filter(|&(_, count)| count != 0)
    }
}

#[cold]
#[inline(never)]
fn overwritten<S: Source>(chunk: Chunk, tag: usize) -> ! {
    let address = chunk.payload_address();
    S::corrupted(Corruption { kind: CorruptionKind::OverwrittenTag, address, found: tag })
}
