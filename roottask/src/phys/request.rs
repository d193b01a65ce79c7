//! Allocation and release: the choice between page classes, groups, loose pieces and device memory.

use super::buddy::ORDERS;
use super::cache::{Entry, FLUSH_BATCH};
use super::group::{CLASSES, GROUP_BITS, Group, Kind, PAGE_BITS};
use super::kernel::{Slot, UntypedKernel};
use super::small::SMALL_MIN_BITS;
use super::{Block, Error, Phys, is_aligned, number};

/// Where a request goes by its size.
enum Size {
    /// Below a page.
    Small,
    Class(usize),
    Order(usize),
}

fn size(size_bits: u8) -> Result<Size, Error> {
    match size_bits {
        SMALL_MIN_BITS..PAGE_BITS => Ok(Size::Small),
        PAGE_BITS..GROUP_BITS => Ok(Size::Class(usize::from(size_bits - PAGE_BITS))),
        GROUP_BITS.. if usize::from(size_bits - GROUP_BITS) < ORDERS => {
            Ok(Size::Order(usize::from(size_bits - GROUP_BITS)))
        }
        _ => Err(Error::BadBlock),
    }
}

/// A block in whole words. A [`Block`] that is returned through memory would be read there in other widths than it was
/// written, for which the processor waits until all that is older is done; this way the quick path stays in registers.
struct Words {
    paddr: u64,
    slot: u64,
    size_bits: u64,
}

impl Words {
    fn new(block: Block) -> Self {
        Words { paddr: block.paddr, slot: block.slot.into(), size_bits: block.size_bits.into() }
    }

    #[inline(always)]
    fn block(self) -> Block {
        Block { paddr: self.paddr, slot: self.slot as Slot, size_bits: self.size_bits as u8 }
    }
}

impl<K: UntypedKernel> Phys<'_, K> {
    /// A free block of 2^`size_bits` bytes of RAM, 4 and up.
    ///
    /// A block of less than 256 KiB may be larger than asked for when memory is short: see [`Block::size_bits`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::BadBlock`], [`Error::Kernel`].
    #[inline]
    pub fn alloc(&mut self, size_bits: u8) -> Result<Block, Error> {
        let class = usize::from(size_bits.wrapping_sub(PAGE_BITS));
        if let Some(block) = self.take_cached(class) {
            return Ok(block);
        }
        if class < CLASSES
            && let Some((group, number)) = self.take_page(class)
        {
            return Ok(self.page(class, group, number));
        }
        self.alloc_slow(size_bits).map(Words::block)
    }

    #[inline(never)]
    fn alloc_slow(&mut self, size_bits: u8) -> Result<Words, Error> {
        self.alloc_uncached(size_bits).map(Words::new)
    }

    fn alloc_uncached(&mut self, size_bits: u8) -> Result<Block, Error> {
        match self.alloc_exact(size_bits) {
            Err(Error::OutOfMemory) if self.trim() => match self.alloc_exact(size_bits) {
                Err(Error::OutOfMemory) => self.alloc_larger(size_bits),
                result => result,
            },
            Err(Error::OutOfMemory) => self.alloc_larger(size_bits),
            result => result,
        }
    }

    /// A block of exactly the size, without giving up what is cached.
    fn alloc_exact(&mut self, size_bits: u8) -> Result<Block, Error> {
        match size(size_bits)? {
            Size::Small => self.alloc_small(size_bits),
            Size::Class(class) => self.alloc_class(class),
            Size::Order(order) => {
                let index = self.buddy.take(self.words, order).ok_or(Error::OutOfMemory)?;
                self.hand_out(order, index)
            }
        }
    }

    /// A loose piece, or a block out of a group.
    pub(super) fn alloc_class(&mut self, class: usize) -> Result<Block, Error> {
        if let Some((group, number)) = self.take_page(class) {
            return Ok(self.page(class, group, number));
        }
        if let Ok(piece) = self.alloc_loose(PAGE_BITS + class as u8, u64::MAX) {
            return Ok(piece);
        }
        let group = self.buddy.take(self.words, 0).ok_or(Error::OutOfMemory)?;
        self.open_group(class, group)?;
        let (group, number) = self.take_page(class).ok_or(Error::OutOfMemory)?;
        Ok(self.page(class, group, number))
    }

    /// A block of less than a group out of a group that is cut into larger ones, or a larger loose piece.
    fn alloc_larger(&mut self, size_bits: u8) -> Result<Block, Error> {
        let Size::Class(class) = size(size_bits)? else { return Err(Error::OutOfMemory) };
        for class in class + 1..CLASSES {
            if let Some((group, number)) = self.take_page(class) {
                return Ok(self.page(class, group, number));
            }
        }
        (size_bits + 1..GROUP_BITS)
            .find_map(|bits| self.alloc_loose(bits, u64::MAX).ok())
            .ok_or(Error::OutOfMemory)
    }

    /// As [`alloc`](Self::alloc), for a block that ends at or below the physical address `limit`; of exactly the size. Below
    /// a page only what the boot list had in such sizes.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn alloc_below(&mut self, limit: u64, size_bits: u8) -> Result<Block, Error> {
        match self.try_below(limit, size_bits) {
            Err(Error::OutOfMemory) if self.trim() => self.try_below(limit, size_bits),
            result => result,
        }
    }

    fn try_below(&mut self, limit: u64, size_bits: u8) -> Result<Block, Error> {
        let end = limit >> GROUP_BITS;
        match size(size_bits)? {
            Size::Small => self.alloc_loose(size_bits, limit),
            Size::Class(class) => {
                let state = &self.classes[class];
                let group = match state.partial.first(self.words) {
                    Some(group) if u64::from(group) < end => group,
                    _ if u64::from(state.current) < end && state.has_current(self.backs) => state.current,
                    _ => {
                        if let Ok(piece) = self.alloc_loose(size_bits, limit) {
                            return Ok(piece);
                        }
                        let group = self.buddy.take_below(self.words, 0, end).ok_or(Error::OutOfMemory)?;
                        self.open_group(class, group)?;
                        group
                    }
                };
                let number = self.backs[group as usize].free.trailing_zeros();
                self.take_page_at(class, group, number);
                Ok(self.page(class, group, number))
            }
            Size::Order(order) => {
                let index = self.buddy.take_below(self.words, order, end).ok_or(Error::OutOfMemory)?;
                self.hand_out(order, index)
            }
        }
    }

    /// The block at a fixed physical address, RAM or device memory.
    ///
    /// # Errors
    /// [`Error::BadBlock`]: size or alignment. [`Error::OutOfRange`]: no untyped holds it. [`Error::Busy`]: part of
    /// it is in use, or (below 256 KiB) its surroundings are cut into blocks of another size. [`Error::TableFull`],
    /// [`Error::Kernel`].
    pub fn alloc_at(&mut self, paddr: u64, size_bits: u8) -> Result<Block, Error> {
        match self.try_at(paddr, size_bits) {
            Err(Error::Busy) if self.trim() => self.try_at(paddr, size_bits),
            result => result,
        }
    }

    fn try_at(&mut self, paddr: u64, size_bits: u8) -> Result<Block, Error> {
        let wanted = Block { paddr, slot: 0, size_bits };
        if !wanted.is_valid() {
            return Err(Error::BadBlock);
        }
        if self.devices.overlaps(&wanted) {
            let block = self.devices.alloc_at(&mut self.kernel, &mut self.calls, paddr, size_bits)?;
            self.allocations += 1;
            return Ok(block);
        }
        let first = paddr >> GROUP_BITS;
        let Some(record) = self.groups.get(first as usize).filter(|group| group.kind() != Kind::Absent)
        else {
            return self.take_loose_at(&wanted);
        };
        let (kind, root) = (record.kind(), usize::from(record.root));
        let group = first as u32;
        match size(size_bits)? {
            Size::Small => Err(Error::BadBlock),
            Size::Class(class) => {
                if kind != Kind::Pages(class as u8) {
                    if !self.buddy.take_at(self.words, 0, group, root) {
                        return Err(Error::Busy);
                    }
                    self.open_group(class, group)?;
                }
                let number = wanted.number();
                if !self.take_page_at(class, group, number) {
                    return Err(Error::Busy);
                }
                Ok(self.page(class, group, number))
            }
            Size::Order(order) if order > root => Err(Error::OutOfRange),
            Size::Order(order) => {
                let index = group >> order;
                if !self.buddy.take_at(self.words, order, index, root) {
                    return Err(Error::Busy);
                }
                self.hand_out(order, index)
            }
        }
    }

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
        let (page, number) = ((paddr >> PAGE_BITS) as u32, number(paddr, size_bits));
        let record = match self.groups.get_mut((paddr >> GROUP_BITS) as usize) {
            Some(record) if record.has_in_use(size_bits, number) && is_aligned(paddr, size_bits) => record,
            _ => return self.free_apart(paddr, size_bits),
        };
        let entry = Entry { page, slot: record.first + number };
        let Some(cache) = self.caches.get_mut(class).filter(|cache| !cache.is_off()) else {
            self.merge_in_groups(page / 64, number, size_bits);
            return Ok(());
        };
        record.idle |= 1 << number;
        if !cache.push(entry) {
            self.flush(class, FLUSH_BATCH);
            self.caches[class].push(entry);
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
        let (number, size_bits) = (block.number(), block.size_bits);
        let slot = match self.groups.get((block.paddr >> GROUP_BITS) as usize) {
            Some(record) if record.has_in_use(size_bits, number) && is_aligned(block.paddr, size_bits) => {
                Some(record.first + number)
            }
            _ => self.find_apart(block.paddr, size_bits).map(|block| block.slot),
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
            Kind::Pages(_) | Kind::Block(_) => self.merge_in_groups(group, block.number(), block.size_bits),
            Kind::Absent | Kind::Idle if self.devices.overlaps(block) => {
                // That it is in use was checked.
                let _ = self.devices.free(&mut self.kernel, &mut self.calls, block);
            }
            Kind::Absent | Kind::Idle => self.loose.give(block),
        }
    }

    /// The same for a block that is known to come out of a group, or to consist of groups.
    #[inline]
    fn merge_in_groups(&mut self, group: u32, number: u32, size_bits: u8) {
        if size_bits < GROUP_BITS {
            return self.give_page(usize::from(size_bits - PAGE_BITS), group, number);
        }
        self.groups[group as usize].set_kind(Kind::Idle);
        let order = usize::from(size_bits - GROUP_BITS);
        self.buddy.give(self.words, self.groups, order, group >> order);
    }

    /// The block of this class that was freed last.
    #[inline(always)]
    pub(super) fn take_cached(&mut self, class: usize) -> Option<Block> {
        let entry = self.caches.get_mut(class)?.pop()?;
        self.allocations += 1;
        let block = entry.block(PAGE_BITS + class as u8);
        self.groups[(block.paddr >> GROUP_BITS) as usize].idle &= !(1 << block.number());
        Some(block)
    }

    /// Merges the oldest blocks of a cache, up to `count`. Whether there was any.
    #[inline(never)]
    pub(super) fn flush(&mut self, class: usize, count: usize) -> bool {
        let before = self.caches[class].count();
        for _ in 0..count {
            let Some(entry) = self.caches[class].pop_oldest() else { break };
            let size_bits = PAGE_BITS + class as u8;
            let number = number(u64::from(entry.page) << PAGE_BITS, size_bits);
            self.merge_in_groups(entry.page / 64, number, size_bits);
        }
        before != 0
    }

    #[inline]
    fn page(&mut self, class: usize, group: u32, number: u32) -> Block {
        self.allocations += 1;
        let size_bits = PAGE_BITS + class as u8;
        let paddr = (u64::from(group) << GROUP_BITS) + (u64::from(number) << size_bits);
        Block { paddr, slot: self.groups[group as usize].first + number, size_bits }
    }

    pub(super) fn alloc_loose(&mut self, size_bits: u8, limit: u64) -> Result<Block, Error> {
        let piece = self.loose.take(size_bits, limit).ok_or(Error::OutOfMemory)?;
        self.allocations += 1;
        Ok(piece)
    }

    fn take_loose_at(&mut self, wanted: &Block) -> Result<Block, Error> {
        if !self.loose.overlaps(wanted) {
            return Err(Error::OutOfRange);
        }
        if wanted.size_bits >= GROUP_BITS {
            return Err(Error::OutOfRange);
        }
        let piece = self.loose.take_at(wanted.paddr, wanted.size_bits).ok_or(Error::Busy)?;
        self.allocations += 1;
        Ok(piece)
    }

    /// Gives the capability to a block taken from the buddy system, or gives the block back.
    #[inline]
    fn hand_out(&mut self, order: usize, index: u32) -> Result<Block, Error> {
        match self.tree().claim(order, index) {
            Ok(slot) => {
                let record = &mut self.groups[(index as usize) << order];
                record.set_kind(Kind::Block(order as u8));
                record.idle = 0;
                record.first = slot;
                self.allocations += 1;
                let size_bits = GROUP_BITS + order as u8;
                Ok(Block { paddr: u64::from(index) << size_bits, slot, size_bits })
            }
            Err(error) => {
                self.buddy.give(self.words, self.groups, order, index);
                Err(Error::Kernel(error))
            }
        }
    }
}
