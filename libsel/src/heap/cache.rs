//! Class caches: freed blocks of one chunk size each, last in, first out, not merged with their neighbours.
//!
//! A cached chunk stays "in use" for its neighbours, so they are freed and merged around it; merging it is deferred
//! until its class has no room. Its tag says CACHED, so a second free is noticed. Taking and putting touch nothing but the
//! chunk and its class.
//!
//! How much a class may hold follows the program: a class starts with little room, and gets more when it runs empty and
//! overflows in turn, as long as all rooms together stay within a share of the area. A class that is idle loses its
//! room to others, a few blocks at a time.

use super::chunk::{CACHED, Chunk, GRANULE, IN_USE, Link, Mask, PREVIOUS_IN_USE};
use super::source::{Source, damaged_tag};

/// The largest chunk that is cached by class.
pub const CACHED_MAX: usize = 1024;
/// The number of size classes, with unused ones below the smallest chunk.
const CLASSES: usize = CACHED_MAX / GRANULE + 1;
/// What a class may hold at first, in bytes, within the limits on the count.
const FIRST_BYTES: usize = 2048;
const FIRST_MIN: usize = 4;
const FIRST_MAX: usize = 64;
/// The most by which the room of a class grows at once.
const RAISED_AT_ONCE: u16 = 16;
/// After how many times that a class had no room one class is looked at for idleness.
const AGE_EVERY: usize = 8;
/// What all classes may hold beyond their first limits: so much, and a share of the area: one in so many.
const LEAST_BUDGET_BYTES: usize = 16 * 1024;
const SHARE: usize = 16;
/// How many chunks a class without room hands over at once, and how many an idle one.
pub const FLUSH_BATCH: usize = 8;
const IDLE_BATCH: u16 = 2;
/// The most chunks that are cut in advance, and the most bytes in them.
pub const REFILL_MAX: usize = 32;
const REFILL_BYTES: usize = 2048;

/// The cached chunks of one size.
#[derive(Clone, Copy)]
struct Class {
    head: Option<Chunk>,
    /// How many more chunks may be put.
    room: u16,
    /// How many it holds when there is no room.
    limit: u16,
    /// How many chunks to cut when it is empty.
    refill: u8,
    /// How many chunks were cut for it that it could have held, had it had more room before.
    missed: u16,
}

/// All classes of one heap, or of one thread.
pub struct Cache {
    classes: [Class; CLASSES],
    /// Bytes that all limits together allow beyond the first ones, and what that may grow to.
    raised_bytes: usize,
    budget_bytes: usize,
    /// The class that is looked at next for idleness.
    hand: usize,
    /// How often a class without room handed chunks over.
    overflows: usize,
}

const fn first_limit(class: usize) -> u16 {
    let limit = FIRST_BYTES / (class * GRANULE);
    let limit = if limit < FIRST_MIN { FIRST_MIN } else { limit };
    (if limit > FIRST_MAX { FIRST_MAX } else { limit }) as u16
}

impl Cache {
    /// An empty cache.
    pub const fn new() -> Self {
        let empty = Class { head: None, room: 0, limit: 0, refill: 1, missed: 0 };
        let mut classes = [empty; CLASSES];
        let mut class = 1;
        while class < CLASSES {
            classes[class].room = first_limit(class);
            classes[class].limit = first_limit(class);
            class += 1;
        }
        Self { classes, raised_bytes: 0, budget_bytes: 0, hand: 0, overflows: 0 }
    }

    /// Takes the chunk of `bytes` that was put last. `bytes` is a chunk size of at most [`CACHED_MAX`].
    #[inline]
    pub fn take<S: Source>(&mut self, bytes: usize, mask: Mask) -> Option<Chunk> {
        let class = &mut self.classes[bytes / GRANULE];
        let chunk = class.head?;
        uncache::<S>(chunk, bytes);
        class.head = chunk.link(Link::Next, mask);
        class.room += 1;
        Some(chunk)
    }

    /// Puts a chunk in use of `bytes` whose tag is `tag`; false if its class has no room.
    #[inline]
    #[must_use]
    pub fn put(&mut self, chunk: Chunk, bytes: usize, tag: usize, mask: Mask) -> bool {
        let class = &mut self.classes[bytes / GRANULE];
        let Some(room) = class.room.checked_sub(1) else { return false };
        class.room = room;
        chunk.set_tag(tag | CACHED);
        chunk.set_link(Link::Next, mask, class.head);
        class.head = Some(chunk);
        true
    }

    /// Notes that a class is empty, and says how many chunks to cut: more each time, never more than there is room for
    /// besides the one that is wanted. `area_bytes` is the size of the area, which the room of all classes is a share of.
    pub fn miss(&mut self, bytes: usize, area_bytes: usize) -> usize {
        self.budget_bytes = LEAST_BUDGET_BYTES + area_bytes / SHARE;
        let class = &mut self.classes[bytes / GRANULE];
        let wanted = class.refill as usize;
        if 2 * wanted * bytes <= REFILL_BYTES && wanted < REFILL_MAX {
            class.refill = 2 * wanted as u8;
        }
        class.missed = class.missed.saturating_add(wanted as u16);
        wanted.min(class.room as usize + 1)
    }

    /// Fills an empty class with `count` chunks of `bytes` that follow each other from `first` on, in use but without tags.
    /// They are taken in the order of addresses.
    pub fn fill(&mut self, first: Chunk, bytes: usize, count: usize, mask: Mask) {
        let class = &mut self.classes[bytes / GRANULE];
        class.room -= count as u16;
        let mut next = class.head;
        for index in (0..count).rev() {
            let chunk = first.after(index * bytes);
            chunk.set_tag(bytes | IN_USE | PREVIOUS_IN_USE | CACHED);
            chunk.set_link(Link::Next, mask, next);
            next = Some(chunk);
        }
        class.head = next;
    }

    /// Whether a full class should get more room: it ran empty before, and all classes are within their budget.
    #[inline]
    pub fn wants_room(&self, bytes: usize) -> bool {
        self.raised_bytes < self.budget_bytes && self.classes[bytes / GRANULE].missed != 0
    }

    /// Gives a class more room.
    pub fn raise(&mut self, bytes: usize) {
        let class = &mut self.classes[bytes / GRANULE];
        let more = class.missed.min(RAISED_AT_ONCE).min(u16::MAX - class.limit);
        class.missed -= more;
        class.room += more;
        class.limit += more;
        self.raised_bytes += usize::from(more) * bytes;
    }

    /// Counts a class that handed chunks over; true now and then, when it is time to [`age`](Self::age) a class.
    #[inline]
    pub fn overflow(&mut self) -> bool {
        self.overflows = self.overflows.wrapping_add(1);
        self.overflows.is_multiple_of(AGE_EVERY)
    }

    /// Looks at the next class: one that was not wanted since the last time loses half of its room, and hands chunks over
    /// that it has no room for any more, up to two at once.
    #[cold]
    #[inline(never)]
    pub fn age<S: Source>(&mut self, mask: Mask, mut release: impl FnMut(Chunk)) {
        self.hand = self.hand % (CLASSES - 1) + 1;
        let (bytes, first) = (self.hand * GRANULE, first_limit(self.hand));
        let class = &mut self.classes[self.hand];
        if core::mem::take(&mut class.missed) != 0 {
            return;
        }
        class.refill = (class.refill / 2).max(1);
        if class.limit == first {
            return;
        }
        let held = class.limit - class.room;
        let wanted = (class.limit / 2).max(first);
        let limit = wanted.max(held.saturating_sub(IDLE_BATCH));
        let flushed = held.saturating_sub(limit);
        self.raised_bytes -= usize::from(class.limit - limit) * bytes;
        class.room = limit - (held - flushed);
        class.limit = limit;
        for _ in 0..flushed {
            if let Some(chunk) = self.take::<S>(bytes, mask) {
                self.classes[self.hand].room -= 1;
                release(chunk);
            }
        }
    }

    /// Hands all chunks over, and forgets how much room the classes had gained.
    pub fn flush<S: Source>(&mut self, mask: Mask, mut release: impl FnMut(Chunk)) {
        for class in 1..CLASSES {
            let bytes = class * GRANULE;
            while let Some(chunk) = self.take::<S>(bytes, mask) {
                release(chunk);
            }
        }
        *self = Self::new();
    }

    /// Every class that holds chunks, as (chunk size, number of chunks).
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        let counted = |(class, held): (usize, &Class)| (class * GRANULE, usize::from(held.limit - held.room));
        self.classes.iter().enumerate().map(counted).filter(|&(_, count)| count != 0)
    }
}

/// Makes a chunk that comes out of a cache one in use, after checking that its tag is as it was put.
#[inline]
pub fn uncache<S: Source>(chunk: Chunk, bytes: usize) {
    let tag = chunk.tag();
    if (tag ^ bytes) & !PREVIOUS_IN_USE != IN_USE | CACHED {
        damaged_tag::<S>(chunk, tag);
    }
    chunk.set_tag(tag ^ CACHED);
}
