//! Blocks below a page, for small kernel objects: slabs of one page, or of a part of one, cut into blocks of one size.
//!
//! A slab is cut by one retype into at most 64 blocks, so that one word says which are free; 64 blocks of 16 or 32
//! bytes are a quarter or a half of a page, which itself comes out of a slab of such pieces. Each block has a
//! capability of its own, so it is used again as soon as it is free, while its neighbours are in use. A slab that is
//! wholly free is given back, unless it is the only one of its size with a free block.

use super::Block;
use super::group::PAGE_BITS;
use super::kernel::Slot;

/// log2 of the smallest block (abi.md 3.1: the smallest untyped).
pub const SMALL_MIN_BITS: u8 = 4;
/// Sizes below a page.
pub const SMALL_SIZES: usize = (PAGE_BITS - SMALL_MIN_BITS) as usize;
/// log2 of the most blocks of a slab.
const MOST_BITS: u8 = 6;
/// Slabs that are ever used.
pub const MAX_SLABS: usize = 512;
const WORDS: usize = MAX_SLABS / 64;

/// One slab.
#[derive(Clone, Copy, Debug)]
pub struct Slab {
    /// Bit n: block n is free. 0 in a record that is not used.
    free: u64,
    /// The memory that was cut.
    whole: Block,
    /// Slot of the first block.
    first: Slot,
    /// log2 of the bytes of a block; 0: the record is not used.
    size_bits: u8,
    /// Not of this slab: entry of the list of all slabs by address and size.
    sorted: u16,
}

impl Slab {
    /// Initial value of a table.
    pub const EMPTY: Slab =
        Slab { free: 0, whole: Block { paddr: 0, slot: 0, size_bits: 0 }, first: 0, size_bits: 0, sorted: 0 };

    fn all_free(&self) -> u64 {
        u64::MAX >> (64 - (1u32 << (self.whole.size_bits - self.size_bits)))
    }

    fn key(&self) -> (u64, u8) {
        (self.whole.paddr, self.size_bits)
    }

    fn block(&self, number: u32) -> Block {
        let paddr = self.whole.paddr + (u64::from(number) << self.size_bits);
        Block { paddr, slot: self.first + number, size_bits: self.size_bits }
    }
}

/// What was left of a slab that is closed: what to revoke, and the slots that this empties.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// The memory that was cut.
    pub whole: Block,
    /// log2 of the bytes of a block.
    pub size_bits: u8,
    /// The first slot of the blocks.
    pub first: Slot,
}

/// All slabs.
#[derive(Debug)]
pub struct Small<'m> {
    slabs: &'m mut [Slab],
    count: usize,
    /// By size: bit n = slab n has a free block.
    partial: [[u64; WORDS]; SMALL_SIZES],
}

/// log2 of the bytes of a slab with blocks of 2^`size_bits` bytes.
pub const fn slab_bits(size_bits: u8) -> u8 {
    if size_bits + MOST_BITS < PAGE_BITS { size_bits + MOST_BITS } else { PAGE_BITS }
}

const fn size_index(size_bits: u8) -> usize {
    (size_bits - SMALL_MIN_BITS) as usize
}

impl<'m> Small<'m> {
    /// No slab; there can be as many as records, and [`MAX_SLABS`] at most.
    pub fn new(slabs: &'m mut [Slab]) -> Self {
        let usable = slabs.len().min(MAX_SLABS);
        Self { slabs: &mut slabs[..usable], count: 0, partial: [[0; WORDS]; SMALL_SIZES] }
    }

    /// Whether another slab can be added.
    pub fn has_place(&self) -> bool {
        self.count < self.slabs.len()
    }

    fn mark(&mut self, slab: usize) {
        let Slab { free, size_bits, .. } = self.slabs[slab];
        let word = &mut self.partial[size_index(size_bits)][slab / 64];
        match free {
            0 => *word &= !(1 << (slab % 64)),
            _ => *word |= 1 << (slab % 64),
        }
    }

    /// Slabs of a size with a free block, the first of them.
    fn first_partial(&self, size_bits: u8) -> Option<usize> {
        let words = &self.partial[size_index(size_bits)];
        let word = words.iter().position(|word| *word != 0)?;
        Some(word * 64 + words[word].trailing_zeros() as usize)
    }

    /// Takes a block of 2^`size_bits` bytes, which is below a page.
    pub fn take(&mut self, size_bits: u8) -> Option<Block> {
        let at = self.first_partial(size_bits)?;
        let slab = &mut self.slabs[at];
        let number = slab.free.trailing_zeros();
        slab.free &= slab.free - 1;
        let block = slab.block(number);
        self.mark(at);
        Some(block)
    }

    /// Place of a slab in the sorted list, or where it would be.
    fn search(&self, key: (u64, u8)) -> Result<usize, usize> {
        let listed = &self.slabs[..self.count];
        listed.binary_search_by_key(&key, |entry| self.slabs[usize::from(entry.sorted)].key())
    }

    /// Adds a slab made of `whole`; its blocks are in slots from `first` on. There must be a place.
    pub fn add(&mut self, whole: Block, size_bits: u8, first: Slot) {
        let Err(place) = self.search((whole.paddr, size_bits)) else { return };
        let Some(at) = self.slabs.iter().position(|slab| slab.size_bits == 0) else { return };
        for entry in (place..self.count).rev() {
            self.slabs[entry + 1].sorted = self.slabs[entry].sorted;
        }
        self.slabs[place].sorted = at as u16;
        let slab = &mut self.slabs[at];
        (slab.whole, slab.first, slab.size_bits) = (whole, first, size_bits);
        slab.free = slab.all_free();
        self.count += 1;
        self.mark(at);
    }

    /// Slab and number of a block that is in use.
    fn find(&self, paddr: u64, size_bits: u8) -> Option<(usize, u32)> {
        if !(SMALL_MIN_BITS..PAGE_BITS).contains(&size_bits) || !paddr.is_multiple_of(1 << size_bits) {
            return None;
        }
        let slab_bytes = 1u64 << slab_bits(size_bits);
        let place = self.search((paddr & !(slab_bytes - 1), size_bits)).ok()?;
        let at = usize::from(self.slabs[place].sorted);
        let number = ((paddr & (slab_bytes - 1)) >> size_bits) as u32;
        (self.slabs[at].free >> number & 1 == 0).then_some((at, number))
    }

    /// The block in use at an address and of a size.
    pub fn find_used(&self, paddr: u64, size_bits: u8) -> Option<Block> {
        self.find(paddr, size_bits).map(|(slab, number)| self.slabs[slab].block(number))
    }

    /// Puts a block in use back. If its slab is wholly free now and not the only one with free blocks of this size,
    /// the slab is to be closed: it is taken out and returned.
    pub fn give(&mut self, block: &Block) -> Option<Closed> {
        let (at, number) = self.find(block.paddr, block.size_bits)?;
        let slab = &mut self.slabs[at];
        slab.free |= 1 << number;
        let whole = slab.free == slab.all_free();
        self.mark(at);
        let others =
            self.partial[size_index(block.size_bits)].iter().map(|word| word.count_ones()).sum::<u32>();
        if whole && others > 1 { self.close(at) } else { None }
    }

    /// Takes out a slab of a size that is wholly free, if there is one.
    pub fn take_spare(&mut self, size_bits: u8) -> Option<Closed> {
        let spare = |slab: &Slab| slab.size_bits == size_bits && slab.free == slab.all_free();
        self.close(self.slabs.iter().position(spare)?)
    }

    fn close(&mut self, at: usize) -> Option<Closed> {
        let slab = self.slabs[at];
        let place = self.search(slab.key()).ok()?;
        self.slabs[at].free = 0;
        self.mark(at);
        for entry in place + 1..self.count {
            self.slabs[entry - 1].sorted = self.slabs[entry].sorted;
        }
        self.count -= 1;
        self.slabs[at].size_bits = 0;
        Some(Closed { whole: slab.whole, size_bits: slab.size_bits, first: slab.first })
    }

    /// Free blocks of a size below a page.
    pub fn count(&self, size_bits: u8) -> u32 {
        let of_size = self.slabs.iter().filter(|slab| slab.size_bits == size_bits);
        of_size.map(|slab| slab.free.count_ones()).sum()
    }

    /// Bytes of slabs that are wholly free.
    pub fn spare_bytes(&self) -> u64 {
        let spare = self.slabs.iter().filter(|slab| slab.size_bits != 0 && slab.free == slab.all_free());
        spare.map(|slab| slab.whole.bytes()).sum()
    }
}
