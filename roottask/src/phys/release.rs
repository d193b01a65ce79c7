//! Release: into the caches, and from there into groups and the buddy system.

use super::cache::{Cache, FLUSH_BATCH};
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
    #[inline]
    pub fn free_empty_at(&mut self, paddr: u64, size_bits: u8) -> Result<(), Error> {
        let class = usize::from(size_bits.wrapping_sub(PAGE_BITS));
        let page = page_at(paddr);
        if let Some(record) = self.groups.get_mut((page / 64) as usize)
            && let Some(cache) = self.caches.get_mut(class)
            && record.has_in_use(size_bits, page as u32)
            && cache.push(page as u32)
        {
            record.used ^= 1 << (page % 64);
            return Ok(());
        }
        self.free_uncached(paddr, size_bits)
    }

    /// The same without a place in the cache.
    #[inline(never)]
    fn free_uncached(&mut self, paddr: u64, size_bits: u8) -> Result<(), Error> {
        let page = page_at(paddr);
        let record = match self.groups.get_mut((page / 64) as usize) {
            Some(record) if record.has_in_use(size_bits, page as u32) => record,
            _ => return self.free_apart(paddr, size_bits),
        };
        record.used ^= 1 << (page % 64);
        let (class, page) = (usize::from(size_bits - PAGE_BITS), page as u32);
        if self.caches.get(class).is_none_or(Cache::is_off) {
            self.merge_in_groups(page, size_bits);
        } else {
            self.flush(class, FLUSH_BATCH);
            self.caches[class].push(page);
        }
        Ok(())
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

    /// The capability of a block that is handed out; an error if it is not, exactly so.
    fn check_used(&self, block: &Block) -> Result<(), Error> {
        let page = page_at(block.paddr);
        let slot = match self.groups.get((page / 64) as usize) {
            Some(record) if record.has_in_use(block.size_bits, page as u32) => {
                Some(record.slot(page as u32, usize::from(block.size_bits - PAGE_BITS)))
            }
            _ => self.find_apart(block.paddr, block.size_bits).map(|block| block.slot),
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

    /// Merges the oldest blocks of a cache, up to `count`. Whether there was any.
    #[inline(never)]
    pub(super) fn flush(&mut self, class: usize, count: usize) -> bool {
        let before = self.caches[class].count();
        for _ in 0..count {
            let Some(page) = self.caches[class].pop_oldest() else { break };
            self.merge_in_groups(page, PAGE_BITS + class as u8);
        }
        before != 0
    }
}
