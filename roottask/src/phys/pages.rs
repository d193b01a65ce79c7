//! Blocks below a group: each class has groups cut into blocks of its size, with one word of free bits per group.
//!
//! `current` is the group that blocks come from; the other groups with free blocks are in `partial`; full groups are
//! nowhere. A group whose last block comes back is merged into the buddy system, except the current one, which is
//! kept so that a single page going back and forth costs nothing. Capabilities are not touched here but for the cut.

use super::bitset::BitSet;
use super::group::{CLASSES, Group, Kind, NO_GROUP, all_free, blocks_per_group};
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
    pub fn has_current(&self, groups: &[Group]) -> bool {
        groups.get(self.current as usize).is_some_and(|group| group.free != 0)
    }

    /// Whether the current group is wholly free.
    pub fn spare(&self, groups: &[Group], class: u8) -> bool {
        groups.get(self.current as usize).is_some_and(|group| group.free == all_free(class))
    }
}

impl<K: UntypedKernel> Phys<'_, K> {
    /// Takes a block of `class`: group and number in the group. None: every group of the class is full.
    #[inline]
    pub(super) fn take_page(&mut self, class: usize) -> Option<(u32, u32)> {
        let state = &mut self.classes[class];
        if let Some(record) = self.groups.get_mut(state.current as usize)
            && record.free != 0
        {
            let number = record.free.trailing_zeros();
            record.free &= record.free - 1;
            state.free -= 1;
            return Some((state.current, number));
        }
        let group = state.partial.last(self.words)?;
        state.partial.remove(self.words, group);
        state.current = group;
        let record = &mut self.groups[group as usize];
        let number = record.free.trailing_zeros();
        record.free &= record.free - 1;
        state.free -= 1;
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
        record.kind = Kind::Pages(class as u8);
        record.free = all_free(class as u8);
        let state = &mut self.classes[class];
        state.free += u32::from(blocks_per_group(class as u8));
        state.partial.insert(self.words, group);
        Ok(())
    }

    /// Takes block `number` out of a group of `class`; false if it is in use.
    pub(super) fn take_page_at(&mut self, class: usize, group: u32, number: u32) -> bool {
        let record = &mut self.groups[group as usize];
        if record.free >> number & 1 == 0 {
            return false;
        }
        record.free &= !(1 << number);
        let state = &mut self.classes[class];
        state.free -= 1;
        if record.free == 0 && group != state.current {
            state.partial.remove(self.words, group);
        }
        true
    }

    /// Puts back block `number`, which is in use, of a group of `class`.
    #[inline]
    pub(super) fn give_page(&mut self, class: usize, group: u32, number: u32) {
        let record = &mut self.groups[group as usize];
        let before = record.free;
        record.free |= 1 << number;
        let after = record.free;
        let state = &mut self.classes[class];
        state.free += 1;
        if group == state.current {
            return;
        }
        if before == 0 {
            if state.has_current(self.groups) {
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
        self.groups[group as usize].kind = Kind::Idle;
        self.buddy.give(self.words, self.groups, 0, group);
    }

    /// Merges the wholly free groups that are kept for speed. Whether there was any.
    pub fn trim(&mut self) -> bool {
        let mut any = false;
        for class in 0..CLASSES {
            if self.classes[class].spare(self.groups, class as u8) {
                let group = core::mem::replace(&mut self.classes[class].current, NO_GROUP);
                self.close_group(class, group);
                any = true;
            }
        }
        any
    }
}
