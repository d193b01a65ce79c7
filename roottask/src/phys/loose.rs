//! RAM untypeds smaller than a group, down to 16 bytes: the crumbs around images in the boot list.
//!
//! They are few, so they are neither split nor merged; each is handed out whole. A word of free entries per size
//! makes the choice one bit operation.

use super::{Block, Error};

/// Most loose pieces kept.
pub const LOOSE_PIECES: usize = 128;
/// log2 of the smallest piece (abi.md 3.1: the smallest untyped).
pub const LOOSE_MIN_BITS: u8 = 4;
const SIZES: usize = (super::group::GROUP_BITS - LOOSE_MIN_BITS) as usize;

/// The table of small untypeds.
#[derive(Debug)]
pub struct Loose {
    pieces: [Block; LOOSE_PIECES],
    len: usize,
    /// By size_bits - 4: bit n = piece n has that size and is free.
    free: [u128; SIZES],
}

impl Loose {
    /// No pieces.
    pub const fn new() -> Self {
        Self { pieces: [Block { paddr: 0, slot: 0, size_bits: 0 }; LOOSE_PIECES], len: 0, free: [0; SIZES] }
    }

    /// Adds a free piece of less than a group.
    ///
    /// # Errors
    /// [`Error::TableFull`] or [`Error::Overlap`].
    pub fn add(&mut self, piece: Block) -> Result<(), Error> {
        if self.pieces[..self.len].iter().any(|old| old.overlaps(&piece)) {
            return Err(Error::Overlap);
        }
        *self.pieces.get_mut(self.len).ok_or(Error::TableFull)? = piece;
        self.free[size_index(piece.size_bits)] |= 1 << self.len;
        self.len += 1;
        Ok(())
    }

    /// Whether a piece shares memory with `block`.
    pub fn overlaps(&self, block: &Block) -> bool {
        self.pieces[..self.len].iter().any(|old| old.overlaps(block))
    }

    /// Takes a piece of exactly 2^`size_bits` bytes that ends at or below `end`.
    pub fn take(&mut self, size_bits: u8, end: u64) -> Option<Block> {
        let mut free = self.free[size_index(size_bits)];
        while free != 0 {
            let entry = free.trailing_zeros() as usize;
            let piece = self.pieces[entry];
            if piece.end() <= end {
                self.free[size_index(size_bits)] &= !(1 << entry);
                return Some(piece);
            }
            free &= free - 1;
        }
        None
    }

    /// Takes the piece at exactly this address and size.
    pub fn take_at(&mut self, paddr: u64, size_bits: u8) -> Option<Block> {
        let entry = self.find(paddr, size_bits)?;
        let free = &mut self.free[size_index(size_bits)];
        if *free >> entry & 1 == 0 {
            return None;
        }
        *free &= !(1 << entry);
        Some(self.pieces[entry])
    }

    /// The piece in use at an address and of a size.
    pub fn find_used(&self, paddr: u64, size_bits: u8) -> Option<Block> {
        let entry = self.find(paddr, size_bits)?;
        (self.free[size_index(size_bits)] >> entry & 1 == 0).then(|| self.pieces[entry])
    }

    /// Puts a piece in use back.
    pub fn give(&mut self, block: &Block) {
        if let Some(entry) = self.find(block.paddr, block.size_bits) {
            self.free[size_index(block.size_bits)] |= 1 << entry;
        }
    }

    /// Free pieces of 2^`size_bits` bytes.
    pub fn count(&self, size_bits: u8) -> u32 {
        self.free[size_index(size_bits)].count_ones()
    }

    fn find(&self, paddr: u64, size_bits: u8) -> Option<usize> {
        self.pieces[..self.len].iter().position(|piece| piece.paddr == paddr && piece.size_bits == size_bits)
    }
}

impl Default for Loose {
    fn default() -> Self {
        Self::new()
    }
}

const fn size_index(size_bits: u8) -> usize {
    (size_bits - LOOSE_MIN_BITS) as usize
}
