//! Allocation and release: the choice between page classes, groups, loose pieces and device memory.

use super::buddy::ORDERS;
use super::group::{CLASSES, GROUP_BITS, Kind, PAGE_BITS};
use super::kernel::UntypedKernel;
use super::loose::LOOSE_MIN_BITS;
use super::{Block, Error, Phys};

/// Where a request goes by its size.
enum Size {
    Loose,
    Class(usize),
    Order(usize),
}

fn size(size_bits: u8) -> Result<Size, Error> {
    match size_bits {
        LOOSE_MIN_BITS..PAGE_BITS => Ok(Size::Loose),
        PAGE_BITS..GROUP_BITS => Ok(Size::Class(usize::from(size_bits - PAGE_BITS))),
        GROUP_BITS.. if usize::from(size_bits - GROUP_BITS) < ORDERS => {
            Ok(Size::Order(usize::from(size_bits - GROUP_BITS)))
        }
        _ => Err(Error::BadBlock),
    }
}

impl<K: UntypedKernel> Phys<'_, K> {
    /// A free block of 2^`size_bits` bytes of RAM. 12 and up; below that only what the boot list had in such sizes.
    ///
    /// A block of less than 256 KiB may be larger than asked for when memory is short: see [`Block::size_bits`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::BadBlock`], [`Error::Kernel`].
    #[inline]
    pub fn alloc(&mut self, size_bits: u8) -> Result<Block, Error> {
        let class = usize::from(size_bits.wrapping_sub(PAGE_BITS));
        if class < CLASSES
            && let Some((group, number)) = self.take_page(class)
        {
            return Ok(self.page(class, group, number));
        }
        self.alloc_slow(size_bits)
    }

    fn alloc_slow(&mut self, size_bits: u8) -> Result<Block, Error> {
        match size(size_bits)? {
            Size::Loose => self.alloc_loose(size_bits, u64::MAX),
            Size::Class(class) => {
                if let Ok(piece) = self.alloc_loose(size_bits, u64::MAX) {
                    return Ok(piece);
                }
                if let Some(group) = self.take_groups(0) {
                    self.open_group(class, group)?;
                }
                for class in class..CLASSES {
                    if let Some((group, number)) = self.take_page(class) {
                        return Ok(self.page(class, group, number));
                    }
                }
                (size_bits..GROUP_BITS)
                    .find_map(|bits| self.alloc_loose(bits, u64::MAX).ok())
                    .ok_or(Error::OutOfMemory)
            }
            Size::Order(order) => {
                let index = self.take_groups(order).ok_or(Error::OutOfMemory)?;
                self.hand_out(order, index)
            }
        }
    }

    /// As [`alloc`](Self::alloc), for a block that ends at or below the physical address `limit`; of exactly the size.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn alloc_below(&mut self, limit: u64, size_bits: u8) -> Result<Block, Error> {
        let end = limit >> GROUP_BITS;
        match size(size_bits)? {
            Size::Loose => self.alloc_loose(size_bits, limit),
            Size::Class(class) => {
                let state = &self.classes[class];
                let group = match state.partial.first(self.words) {
                    Some(group) if u64::from(group) < end => group,
                    _ if u64::from(state.current) < end && state.has_current(self.groups) => state.current,
                    _ => {
                        if let Ok(piece) = self.alloc_loose(size_bits, limit) {
                            return Ok(piece);
                        }
                        let group = self.take_below(0, end).ok_or(Error::OutOfMemory)?;
                        self.open_group(class, group)?;
                        group
                    }
                };
                let number = self.groups[group as usize].free.trailing_zeros();
                self.take_page_at(class, group, number);
                Ok(self.page(class, group, number))
            }
            Size::Order(order) => {
                let index = self.take_below(order, end).ok_or(Error::OutOfMemory)?;
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
        let Some(record) = self.groups.get(first as usize).filter(|group| group.kind != Kind::Absent) else {
            return self.take_loose_at(&wanted);
        };
        let (kind, root) = (record.kind, usize::from(record.root));
        let group = first as u32;
        match size(size_bits)? {
            Size::Loose => Err(Error::BadBlock),
            Size::Class(class) => {
                if kind != Kind::Pages(class as u8) {
                    if !self.take_groups_at(0, group, root) {
                        return Err(Error::Busy);
                    }
                    self.open_group(class, group)?;
                }
                let number = ((paddr >> size_bits) & (63 >> class)) as u32;
                if !self.take_page_at(class, group, number) {
                    return Err(Error::Busy);
                }
                Ok(self.page(class, group, number))
            }
            Size::Order(order) if order > root => Err(Error::OutOfRange),
            Size::Order(order) => {
                let index = group >> order;
                if !self.take_groups_at(order, index, root) {
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
    #[inline]
    pub fn free_empty(&mut self, block: Block) -> Result<(), Error> {
        self.check_used(&block)?;
        let group = (block.paddr >> GROUP_BITS) as u32;
        match self.groups.get(group as usize).map_or(Kind::Absent, |record| record.kind) {
            Kind::Pages(class) => {
                let number = (block.paddr >> block.size_bits) as u32 & (63 >> class);
                self.give_page(usize::from(class), group, number);
            }
            Kind::Block(order) => {
                self.groups[group as usize].kind = Kind::Idle;
                let order = usize::from(order);
                self.buddy.give(self.words, self.groups, order, group >> order);
            }
            Kind::Absent | Kind::Idle if self.devices.overlaps(&block) => {
                self.devices.free(&mut self.kernel, &mut self.calls, &block)?;
            }
            Kind::Absent | Kind::Idle => self.loose.give(&block),
        }
        Ok(())
    }

    /// Whether `block` is handed out, exactly so.
    #[inline]
    fn check_used(&self, block: &Block) -> Result<(), Error> {
        let bits = block.size_bits;
        let group = block.paddr >> GROUP_BITS;
        let used = match self.groups.get(group as usize).map(|record| (record.kind, record)) {
            Some((Kind::Pages(class), record)) => {
                let number = (block.paddr >> (PAGE_BITS + class)) as u32 & (63 >> class);
                bits == PAGE_BITS + class
                    && block.paddr.is_multiple_of(1 << bits)
                    && block.slot == record.kids + number
                    && record.free >> number & 1 == 0
            }
            Some((Kind::Block(order), _)) => {
                bits == GROUP_BITS + order
                    && block.paddr.is_multiple_of(1 << bits)
                    && block.slot == self.slot_of(order, group)
            }
            _ if !block.is_valid() => false,
            _ => self.loose_or_device_used(block),
        };
        if used { Ok(()) } else { Err(Error::NotAllocated) }
    }

    fn slot_of(&self, order: u8, group: u64) -> super::Slot {
        super::captree::slot(self.groups, usize::from(order), (group >> order) as u32)
    }

    fn loose_or_device_used(&self, block: &Block) -> bool {
        self.devices.find_used(block).is_ok() || block.size_bits < GROUP_BITS && self.loose.is_used(block)
    }

    #[inline]
    fn page(&mut self, class: usize, group: u32, number: u32) -> Block {
        self.allocations += 1;
        let size_bits = PAGE_BITS + class as u8;
        let paddr = (u64::from(group) << GROUP_BITS) + (u64::from(number) << size_bits);
        Block { paddr, slot: self.groups[group as usize].kids + number, size_bits }
    }

    fn alloc_loose(&mut self, size_bits: u8, limit: u64) -> Result<Block, Error> {
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

    /// Takes groups from the buddy system, giving it the spare groups of the page classes if it has none.
    #[inline]
    fn take_groups(&mut self, order: usize) -> Option<u32> {
        if let Some(index) = self.buddy.take(self.words, order) {
            return Some(index);
        }
        if self.trim() { self.buddy.take(self.words, order) } else { None }
    }

    fn take_below(&mut self, order: usize, end: u64) -> Option<u32> {
        if let Some(index) = self.buddy.take_below(self.words, order, end) {
            return Some(index);
        }
        if self.trim() { self.buddy.take_below(self.words, order, end) } else { None }
    }

    fn take_groups_at(&mut self, order: usize, index: u32, root: usize) -> bool {
        self.buddy.take_at(self.words, order, index, root)
            || self.trim() && self.buddy.take_at(self.words, order, index, root)
    }

    /// Gives the capability to a block taken from the buddy system, or gives the block back.
    #[inline]
    fn hand_out(&mut self, order: usize, index: u32) -> Result<Block, Error> {
        match self.tree().claim(order, index) {
            Ok(slot) => {
                self.groups[(index as usize) << order].kind = Kind::Block(order as u8);
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
