//! Release: into the front, and from there into groups and the buddy system.

use core::hint::cold_path;

use super::front::Hand;
use super::group::{GROUP_BITS, Group, Kind, PAGE_BITS};
use super::kernel::UntypedKernel;
use super::{Block, Error, Phys, page_at};

impl<K: UntypedKernel> Phys<'_, K> {
    /// Takes back a block and revokes its capability: everything made from it, and every copy, is gone.
    ///
    /// # Errors
    /// [`Error::NotAllocated`], [`Error::Kernel`] (the block stays allocated).
    pub fn free(&mut self, block: Block) -> Result<(), Error> {
        self.check_used(&block)?;
        self.tree().revoke(block.slot).map_err(Error::Kernel)?;
        self.free_empty(block)
    }

    /// As [`free`](Self::free), but the caller has already deleted everything made from the block: no kernel call.
    ///
    /// # Errors
    /// [`Error::NotAllocated`].
    pub fn free_empty(&mut self, block: Block) -> Result<(), Error> {
        self.check_used(&block)?;
        self.free_empty_at(block.paddr, block.size_bits)
    }

    /// As [`free_empty`](Self::free_empty), for a caller that only knows where the block is and how large.
    ///
    /// # Errors
    /// [`Error::NotAllocated`].
    #[inline(always)]
    pub fn free_empty_at(&mut self, paddr: u64, size_bits: u8) -> Result<(), Error> {
        let page = page_at(paddr);
        let class = usize::from(size_bits.wrapping_sub(PAGE_BITS));
        if let Some(hand) = self.hands.get(class) {
            // Only the hand of single pages is ever one of these.
            let done = match *hand {
                Hand::READY => self.free_into_hand(page),
                Hand::OPENING => self.free_as_open(page),
                _ => false,
            };
            if done {
                return Ok(());
            }
            cold_path();
            if let Some(record) = self.groups.get_mut((page / 64) as usize)
                && record.has_marked(size_bits, page as u32)
                && !self.hands[class].is_full()
                && let Some(front) = self.fronts.get_mut(class)
                && !front.has_open(page as u32)
                && front.push(page as u32)
            {
                record.used ^= 1 << (page % 64);
                return Ok(());
            }
        }
        cold_path();
        self.free_behind(paddr, size_bits)
    }

    /// Takes a single page back into the hand, if nothing is to be written for it.
    #[inline(always)]
    fn free_into_hand(&mut self, page: u64) -> bool {
        let taken = self.is_in_full(page) && (page / 64) as u32 != self.fronts[0].current;
        if taken {
            self.hands[0] = Hand::of(page as u32);
        }
        taken
    }

    /// Takes a single page back as the only open one, if nothing else is to be written for it.
    #[inline(always)]
    fn free_as_open(&mut self, page: u64) -> bool {
        let taken = self.fronts[0].open == 0 && self.is_in_full(page);
        if taken {
            self.fronts[0].reopen(page as u32);
        }
        taken
    }

    /// Whether a page begins there that belongs to a group in which all are marked as handed out: so no other ones are free
    /// than those in the front.
    #[inline(always)]
    fn is_in_full(&self, page: u64) -> bool {
        // Only a group of single pages can have all marks.
        self.groups.get((page / 64) as usize).is_some_and(|record| record.used == u64::MAX)
    }

    /// Takes a block back for which the front has no place, or which is none of its blocks.
    #[inline(never)]
    fn free_behind(&mut self, paddr: u64, size_bits: u8) -> Result<(), Error> {
        let page = page_at(paddr);
        if size_bits >= GROUP_BITS
            && let Some(record) = self.groups.get_mut((page / 64) as usize)
            && record.has_marked(size_bits, page as u32)
        {
            record.used = 0;
            self.merge_in_groups(page as u32, size_bits);
            return Ok(());
        }
        if !self.has_in_use(page, size_bits) {
            return self.free_apart(paddr, size_bits);
        }
        if let Some(page) = self.hands[0].page() {
            self.hands[0] = Hand::RESTING;
            self.put_in_ring(page, PAGE_BITS);
        }
        self.put_in_ring(page as u32, size_bits);
        Ok(())
    }

    /// Puts a block of a page class that is marked as handed out into the ring, or where it goes without.
    fn put_in_ring(&mut self, page: u32, size_bits: u8) {
        self.groups[(page / 64) as usize].used ^= 1 << (page % 64);
        let class = usize::from(size_bits - PAGE_BITS);
        // Its record is at hand, those of the blocks in a full ring are not.
        if !self.fronts[class].push(page) {
            self.give_page(class, page);
        }
    }

    /// Takes back a block below a page, a loose piece or device memory.
    #[cold]
    fn free_apart(&mut self, paddr: u64, size_bits: u8) -> Result<(), Error> {
        let block = self.find_apart(paddr, size_bits).ok_or(Error::NotAllocated)?;
        self.merge(&block);
        Ok(())
    }

    /// The block below a page, loose piece or device memory that is handed out there.
    fn find_apart(&self, paddr: u64, size_bits: u8) -> Option<Block> {
        if let Some(block) = self.small.find_used(paddr, size_bits) {
            return Some(block);
        }
        let place = Block { paddr, slot: 0, size_bits };
        let record = self.groups.get((paddr >> GROUP_BITS) as usize);
        if !place.is_valid() || record.is_some_and(|record| record.kind() != Kind::Absent) {
            return None;
        }
        self.devices.find_used(&place).or_else(|| self.loose.find_used(paddr, size_bits))
    }

    /// Whether a block of 2^`size_bits` bytes that begins with `page` is handed out. Only for blocks out of groups.
    fn has_in_use(&self, page: u64, size_bits: u8) -> bool {
        let record = self.groups.get((page / 64) as usize);
        let class = usize::from(size_bits.wrapping_sub(PAGE_BITS));
        record.is_some_and(|record| record.has_marked(size_bits, page as u32))
            && self.fronts.get(class).is_none_or(|front| !front.has_open(page as u32))
            && self.hands[0].page() != Some(page as u32)
    }

    /// The capability of a block that is handed out; an error if it is not, exactly so.
    fn check_used(&self, block: &Block) -> Result<(), Error> {
        let page = page_at(block.paddr);
        let slot = if self.has_in_use(page, block.size_bits) {
            let record = &self.groups[(page / 64) as usize];
            Some(record.slot(page as u32, usize::from(block.size_bits - PAGE_BITS)))
        } else {
            self.find_apart(block.paddr, block.size_bits).map(|block| block.slot)
        };
        if slot == Some(block.slot) { Ok(()) } else { Err(Error::NotAllocated) }
    }

    /// Makes a block that was in use free memory.
    pub(super) fn merge(&mut self, block: &Block) {
        if block.size_bits < PAGE_BITS && self.small.find_used(block.paddr, block.size_bits).is_some() {
            if let Some(closed) = self.small.give(block) {
                // If the kernel refuses, the slab stays as one that is free.
                self.close_slab(closed);
            }
            return;
        }
        let group = (block.paddr >> GROUP_BITS) as u32;
        match self.groups.get(group as usize).map_or(Kind::Absent, Group::kind) {
            Kind::Pages(_) | Kind::Block(_) => {
                self.groups[group as usize].used &= !(1 << (block.page() % 64));
                self.merge_in_groups(block.page(), block.size_bits);
            }
            Kind::Absent | Kind::Idle if self.devices.overlaps(block) => {
                // That it is in use was checked.
                let _ = self.devices.free(&mut self.kernel, &mut self.calls, block);
            }
            Kind::Absent | Kind::Idle => self.loose.give(block),
        }
    }

    /// The same for a block that is known to come out of a group, or to consist of groups, and counts as not handed out.
    #[inline]
    fn merge_in_groups(&mut self, page: u32, size_bits: u8) {
        if size_bits < GROUP_BITS {
            return self.give_page(usize::from(size_bits - PAGE_BITS), page);
        }
        let group = page / 64;
        self.groups[group as usize].set_kind(Kind::Idle);
        let order = usize::from(size_bits - GROUP_BITS);
        self.buddy.give(self.words, self.groups, order, group >> order);
    }

    /// Merges the oldest blocks of a ring, up to `count`. Whether there was any.
    #[inline(never)]
    pub(super) fn flush(&mut self, class: usize, count: usize) -> bool {
        let before = self.fronts[class].count();
        for _ in 0..count {
            let Some(page) = self.fronts[class].pop_oldest() else { break };
            self.merge_in_groups(page, PAGE_BITS + class as u8);
        }
        before != 0
    }

    /// Merges the page in the hand. Whether there was one.
    pub(super) fn empty_hand(&mut self) -> bool {
        let Some(page) = self.hands[0].page() else { return false };
        self.hands[0] = Hand::READY;
        self.groups[(page / 64) as usize].used ^= 1 << (page % 64);
        self.merge_in_groups(page, PAGE_BITS);
        true
    }
}
