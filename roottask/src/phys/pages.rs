//! Blocks below a group: each class has groups cut into blocks of its size, with one word of free bits per group.
//!
//! `current` is the group that blocks come from; the other groups with free blocks are in `partial`; full groups are
//! nowhere. A group whose last block comes back is merged into the buddy system, except the current one, which is
//! kept so that a single page going back and forth costs nothing. Capabilities are not touched here but for the cut.

use super::bitset::BitSet;
use super::cache::{CACHE_DEPTH, CACHED_SIZES};
use super::group::{Back, CLASSES, Kind, NO_GROUP, all_free};
use super::kernel::UntypedKernel;
use super::{Error, Phys};

/// Steps of [`Phys::trim`].
pub(super) const TRIM_STEPS: usize = CACHED_SIZES + 1;

/// One block size.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) current: u32,
    pub(super) partial: BitSet,
}

impl Class {
    pub fn new(first_word: usize, groups: usize) -> Self {
        Self { current: NO_GROUP, partial: BitSet::new(first_word, groups) }
    }

    /// Whether the current group has a free block.
    pub fn has_current(&self, backs: &[Back]) -> bool {
        backs.get(self.current as usize).is_some_and(|back| back.free != 0)
    }

    /// Whether the current group is wholly free.
    pub fn spare(&self, backs: &[Back], class: u8) -> bool {
        backs.get(self.current as usize).is_some_and(|back| back.free == all_free(class))
    }
}

impl<K: UntypedKernel> Phys<'_, K> {
    /// Takes a block of `class`: the page that it begins with. None: every group of the class is full.
    #[inline]
    pub(super) fn take_page(&mut self, class: usize) -> Option<u32> {
        let state = &mut self.classes[class];
        if !state.has_current(self.backs) {
            state.current = state.partial.pop_last(self.words)?;
        }
        let group = state.current;
        let back = &mut self.backs[group as usize];
        let page = back.free.trailing_zeros();
        back.free &= back.free - 1;
        Some(group * 64 + page)
    }

    /// Cuts a group that was taken from the buddy system into blocks of `class`. On error it is given back.
    ///
    /// # Errors
    /// [`Error::Kernel`].
    pub(super) fn open_group(&mut self, class: usize, group: u32) -> Result<(), Error> {
        if let Err(error) = self.tree().claim_pages(group, class as u8) {
            self.buddy.give(self.words, self.groups, 0, group);
            return Err(Error::Kernel(error));
        }
        let record = &mut self.groups[group as usize];
        record.set_kind(Kind::Pages(class as u8));
        record.used = 0;
        self.backs[group as usize].free = all_free(class as u8);
        self.classes[class].partial.insert(self.words, group);
        Ok(())
    }

    /// Takes the block that begins with `page` out of a group of `class`; false if it is in use.
    pub(super) fn take_page_at(&mut self, class: usize, page: u32) -> bool {
        let group = page / 64;
        let back = &mut self.backs[group as usize];
        if back.free >> (page % 64) & 1 == 0 {
            return false;
        }
        back.free &= !(1 << (page % 64));
        let state = &mut self.classes[class];
        if back.free == 0 && group != state.current {
            state.partial.remove(self.words, group);
        }
        true
    }

    /// Puts back the block of `class` that begins with `page`, which is not handed out any more.
    #[inline]
    pub(super) fn give_page(&mut self, class: usize, page: u32) {
        let group = page / 64;
        let back = &mut self.backs[group as usize];
        let before = back.free;
        back.free |= 1 << (page % 64);
        let after = back.free;
        let state = &mut self.classes[class];
        if group == state.current {
            return;
        }
        if before == 0 {
            if state.has_current(self.backs) {
                state.partial.insert(self.words, group);
            } else {
                state.current = group;
            }
        } else if after == all_free(class as u8) {
            state.partial.remove(self.words, group);
            self.close_group(group);
        }
    }

    fn close_group(&mut self, group: u32) {
        self.groups[group as usize].set_kind(Kind::Idle);
        self.buddy.give(self.words, self.groups, 0, group);
    }

    /// Merges what is kept for speed: cached blocks, slabs and groups that are wholly free. Whether there was any.
    pub fn trim(&mut self) -> bool {
        (0..TRIM_STEPS).filter(|step| self.trim_step(*step)).count() != 0
    }

    /// One step of it, of [`TRIM_STEPS`]: the longest blocks first.
    pub(super) fn trim_step(&mut self, step: usize) -> bool {
        if step < CACHED_SIZES {
            return self.flush(CACHED_SIZES - 1 - step, CACHE_DEPTH);
        }
        let mut any = self.trim_slabs();
        for class in 0..CLASSES {
            if self.classes[class].spare(self.backs, class as u8) {
                let group = core::mem::replace(&mut self.classes[class].current, NO_GROUP);
                self.close_group(group);
                any = true;
            }
        }
        any
    }
}
