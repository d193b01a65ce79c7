//! Allocation: the choice between page classes, groups, loose pieces and device memory.

use core::hint::cold_path;

use super::buddy::ORDERS;
use super::front::{FRONTS, Hand};
use super::group::{CLASSES, GROUP_BITS, Kind, PAGE_BITS};
use super::kernel::{Slot, UntypedKernel};
use super::small::SMALL_MIN_BITS;
use super::{Block, Error, Phys};

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
    #[inline(always)]
    pub fn alloc(&mut self, size_bits: u8) -> Result<Block, Error> {
        let class = usize::from(size_bits.wrapping_sub(PAGE_BITS));
        // The hints keep the shortest way in one piece; the others are not rare.
        if let Some(hand) = self.hands.get_mut(class)
            && let Some(page) = hand.page()
        {
            *hand = Hand::READY;
            return Ok(self.hand_out_page(class, page));
        }
        cold_path();
        if let Some(block) = self.take_front(class) {
            return Ok(block);
        }
        cold_path();
        self.alloc_slow(size_bits).map(Words::block)
    }

    #[inline(never)]
    fn alloc_slow(&mut self, size_bits: u8) -> Result<Words, Error> {
        let block = match size(size_bits)? {
            Size::Order(order) => match self.take_groups(order) {
                Some(index) => self.hand_out(order, index),
                None => Err(Error::OutOfMemory),
            },
            Size::Class(class) => match self.alloc_class(class) {
                Err(Error::OutOfMemory) => self.alloc_larger(class),
                result => result,
            },
            Size::Small => self.alloc_small(size_bits),
        };
        block.map(Words::new)
    }

    /// A block of 2^`order` groups out of the buddy system.
    fn take_groups(&mut self, order: usize) -> Option<u32> {
        match self.buddy.take(self.words, order) {
            None if self.merge_for(order) => self.buddy.take(self.words, order),
            taken => taken,
        }
    }

    /// Merges what is cached until there is a free block of 2^`order` groups, and no more: that bounds what a request takes.
    #[inline(never)]
    fn merge_for(&mut self, order: usize) -> bool {
        // The shortest of those that suffice, then what may become one together with its neighbours.
        let enough = (order + CLASSES).min(FRONTS);
        for class in (enough..FRONTS).chain((0..enough).rev()) {
            while self.flush(class, 1) {
                if self.buddy.has(order) {
                    return true;
                }
            }
        }
        self.trim_rest() && self.buddy.has(order)
    }

    /// A block out of a group, or a loose piece.
    pub(super) fn alloc_class(&mut self, class: usize) -> Result<Block, Error> {
        self.wake_hand();
        if let Some(page) = self.take_page(class) {
            return Ok(self.hand_out_page(class, page));
        }
        if let Ok(piece) = self.alloc_loose(PAGE_BITS + class as u8, u64::MAX) {
            return Ok(piece);
        }
        if let Some(group) = self.take_groups(0) {
            self.open_group(class, group)?;
        }
        let page = self.take_page(class).ok_or(Error::OutOfMemory)?;
        Ok(self.hand_out_page(class, page))
    }

    /// A block of less than a group out of a group that is cut into larger ones, or a larger loose piece.
    fn alloc_larger(&mut self, class: usize) -> Result<Block, Error> {
        for class in class + 1..CLASSES {
            if let Some(page) = self.take_page(class) {
                return Ok(self.hand_out_page(class, page));
            }
        }
        (PAGE_BITS + class as u8 + 1..GROUP_BITS)
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
                let front = &self.fronts[class];
                let group = match self.partial[class].first(self.words) {
                    Some(group) if u64::from(group) < end => group,
                    _ if u64::from(front.current) < end && front.open != 0 => front.current,
                    _ => {
                        if let Ok(piece) = self.alloc_loose(size_bits, limit) {
                            return Ok(piece);
                        }
                        let group = self.buddy.take_below(self.words, 0, end).ok_or(Error::OutOfMemory)?;
                        self.open_group(class, group)?;
                        group
                    }
                };
                let page = self.first_free(class, group);
                self.take_page_at(class, page);
                Ok(self.hand_out_page(class, page))
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
                if !self.take_page_at(class, wanted.page()) {
                    return Err(Error::Busy);
                }
                Ok(self.hand_out_page(class, wanted.page()))
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

    /// The block of this class that was freed last, or an open one.
    #[inline(always)]
    pub(super) fn take_front(&mut self, class: usize) -> Option<Block> {
        let front = self.fronts.get_mut(class)?;
        if let Some(page) = front.pop() {
            self.groups[(page / 64) as usize].used |= 1 << (page % 64);
            return Some(self.hand_out_page(class, page));
        }
        let page = front.take_open()?;
        self.wake_hand();
        Some(self.hand_out_page(class, page))
    }

    /// Lets the hand be used again once the ring is empty.
    #[inline(always)]
    fn wake_hand(&mut self) {
        if self.hands[0] == Hand::RESTING && self.fronts[0].count() == 0 {
            self.hands[0] = Hand::READY;
        }
    }

    /// The block of 2^(12 + `class`) bytes that begins with `page` and was marked as handed out. Its capability is there.
    #[inline(always)]
    fn hand_out_page(&mut self, class: usize, page: u32) -> Block {
        self.allocations += 1;
        let slot = self.groups.get((page / 64) as usize).map_or(0, |record| record.slot(page, class));
        Block { paddr: u64::from(page) << PAGE_BITS, slot, size_bits: PAGE_BITS + class as u8 }
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
                record.used = 1;
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
