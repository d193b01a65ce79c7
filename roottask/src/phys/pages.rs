//! Blocks below a group: each class has groups cut into blocks of its size, with one word of free bits per group.
//!
//! `current` is the group that blocks come from; the other groups with free blocks are in `partial`; full groups are
//! nowhere. A group whose last block comes back is merged into the buddy system, except the current one, which is
//! kept so that a single page going back and forth costs nothing. Capabilities are not touched here but for the cut.

use super::bitset::BitSet;
use super::cache::{CACHE_DEPTH, CACHED_SIZES};
use super::group::{Back, CLASSES, Kind, NO_GROUP, all_free, blocks_per_group};
use super::kernel::UntypedKernel;
use super::{Error, Phys};

/// One block size.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) current: u32,
    pub(super) partial: BitSet,
    /// Free blocks in all groups of the class.
    free: u32,
}

impl Class {
    pub fn new(first_word: usize, groups: usize) -> Self {
        Self { current: NO_GROUP, partial: BitSet::new(first_word, groups), free: 0 }
    }

    pub fn free_blocks(&self) -> u32 {
        self.free
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
    /// Takes a block of `class`: group and number in the group. None: every group of the class is full.
    #[inline]
    pub(super) fn take_page(&mut self, class: usize) -> Option<(u32, u32)> {
        let state = &mut self.classes[class];
        if !state.has_current(self.backs) {
            let group = state.partial.last(self.words)?;
            state.partial.remove(self.words, group);
            state.current = group;
        }
        let group = state.current;
        state.free -= 1;
        let back = &mut self.backs[group as usize];
        let number = back.free.trailing_zeros();
        back.free &= back.free - 1;
        self.groups[group as usize].idle &= !(1 << number);
        Some((group, number))
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
        record.idle = all_free(class as u8);
        self.backs[group as usize].free = record.idle;
        let state = &mut self.classes[class];
        state.free += u32::from(blocks_per_group(class as u8));
        state.partial.insert(self.words, group);
        Ok(())
    }

    /// Takes block `number` out of a group of `class`; false if it is in use.
    pub(super) fn take_page_at(&mut self, class: usize, group: u32, number: u32) -> bool {
        let back = &mut self.backs[group as usize];
        if back.free >> number & 1 == 0 {
            return false;
        }
        back.free &= !(1 << number);
        self.groups[group as usize].idle &= !(1 << number);
        let state = &mut self.classes[class];
        state.free -= 1;
        if back.free == 0 && group != state.current {
            state.partial.remove(self.words, group);
        }
        true
    }

    /// Puts back block `number`, which is in use, of a group of `class`.
    #[inline]
    pub(super) fn give_page(&mut self, class: usize, group: u32, number: u32) {
        self.groups[group as usize].idle |= 1 << number;
        let back = &mut self.backs[group as usize];
        let before = back.free;
        back.free |= 1 << number;
        let after = back.free;
        let state = &mut self.classes[class];
        state.free += 1;
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
            self.close_group(class, group);
        }
    }

    fn close_group(&mut self, class: usize, group: u32) {
        self.classes[class].free -= u32::from(blocks_per_group(class as u8));
        self.groups[group as usize].set_kind(Kind::Idle);
        self.buddy.give(self.words, self.groups, 0, group);
    }

    /// Merges what is kept for speed: cached blocks, and groups that are wholly free. Whether there was any.
    pub fn trim(&mut self) -> bool {
        let mut any = self.trim_slabs();
        for class in 0..CACHED_SIZES {
            any |= self.flush(class, CACHE_DEPTH);
        }
        for class in 0..CLASSES {
            if self.classes[class].spare(self.backs, class as u8) {
                let group = core::mem::replace(&mut self.classes[class].current, NO_GROUP);
                self.close_group(class, group);
                any = true;
            }
        }
        any
    }
}
