//! Blocks below a group: each class has groups cut into blocks of its size, with one word of free bits per group.
//!
//! Blocks come from the current group, whose free ones are open in the [`front`](super::front); the other groups with
//! free blocks are in `partial`; full groups are nowhere. When the current group has no free block, the next full one
//! that gets one back takes its place. A group whose last block comes back is merged into the buddy system, except the
//! current one, which is kept so that a single page going back and forth costs nothing. Capabilities are not touched here but
//! for the cut.

use super::front::{FRONTS, RING};
use super::group::{CLASSES, Kind, NO_GROUP, all_free};
use super::kernel::UntypedKernel;
use super::{Error, Phys};

impl<K: UntypedKernel> Phys<'_, K> {
    /// Takes a block of `class`: the page that it begins with. None: every group of the class is full.
    #[inline]
    pub(super) fn take_page(&mut self, class: usize) -> Option<u32> {
        let front = &mut self.fronts[class];
        if front.open == 0 {
            let group = self.partial[class].pop_last(self.words)?;
            front.current = group;
            front.open = core::mem::take(&mut self.backs[group as usize].free);
            self.groups[group as usize].used |= front.open;
        }
        front.take_open()
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
        let (all, front) = (all_free(class), &mut self.fronts[class]);
        let back = &mut self.backs[group as usize];
        if front.open == 0 {
            (front.current, front.open) = (group, all);
            (record.used, back.free) = (all, 0);
        } else {
            (record.used, back.free) = (0, all);
            self.partial[class].insert(self.words, group);
        }
        Ok(())
    }

    /// Takes the block that begins with `page` out of a group of `class`; false if it is in use.
    pub(super) fn take_page_at(&mut self, class: usize, page: u32) -> bool {
        let (group, bit) = (page / 64, 1 << (page % 64));
        let front = &mut self.fronts[class];
        if front.has_open(page) {
            front.open ^= bit;
            return true;
        }
        let back = &mut self.backs[group as usize];
        if back.free & bit == 0 {
            return false;
        }
        back.free ^= bit;
        self.groups[group as usize].used |= bit;
        if back.free == 0 {
            self.partial[class].remove(self.words, group);
        }
        true
    }

    /// The lowest free block of a group of `class` that has one.
    pub(super) fn first_free(&self, class: usize, group: u32) -> u32 {
        let front = &self.fronts[class];
        let free = if group == front.current { front.open } else { self.backs[group as usize].free };
        group * 64 + free.trailing_zeros()
    }

    /// Puts back the block of `class` that begins with `page`, which is not handed out any more.
    #[inline]
    pub(super) fn give_page(&mut self, class: usize, page: u32) {
        let (group, bit) = (page / 64, 1 << (page % 64));
        let front = &mut self.fronts[class];
        let back = &mut self.backs[group as usize];
        if group == front.current || (back.free == 0 && front.open == 0) {
            front.current = group;
            front.open |= bit;
            self.groups[group as usize].used |= bit;
            return;
        }
        let before = back.free;
        back.free |= bit;
        if before == 0 {
            self.partial[class].insert(self.words, group);
        } else if back.free == all_free(class) {
            self.partial[class].remove(self.words, group);
            self.close_group(group);
        }
    }

    fn close_group(&mut self, group: u32) {
        self.groups[group as usize].set_kind(Kind::Idle);
        self.buddy.give(self.words, self.groups, 0, group);
    }

    /// Merges what is kept for speed: cached blocks, slabs and groups that are wholly free. Whether there was any.
    pub fn trim(&mut self) -> bool {
        // The longest blocks first.
        let any = (0..FRONTS).rev().filter(|class| self.flush(*class, RING)).count() != 0;
        self.trim_rest() || any
    }

    /// The same for what is in no ring.
    pub(super) fn trim_rest(&mut self) -> bool {
        let mut any = self.empty_hand();
        any |= self.trim_slabs();
        for class in 0..CLASSES {
            let front = &mut self.fronts[class];
            if front.has_spare(class) {
                let group = core::mem::replace(&mut front.current, NO_GROUP);
                front.open = 0;
                self.groups[group as usize].used = 0;
                self.close_group(group);
                any = true;
            }
        }
        any
    }
}
