//! What the physical allocator reports about itself.

use core::fmt;

use super::captree::Calls;

/// One more than the largest log2 of a block size that is counted.
pub const SIZES: usize = 37;

/// A snapshot; bytes unless said otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// RAM taken over, loose pieces included.
    pub total: u64,
    /// RAM free.
    pub free: u64,
    /// Of `free`: in groups that are kept cut into pages and would be merged by [`super::Phys::trim`].
    pub cached: u64,
    /// Free blocks by log2 of their size.
    pub free_blocks: [u32; SIZES],
    /// log2 of the largest free block; 0 when nothing is free.
    pub largest_bits: u8,
    /// Device memory known.
    pub device_total: u64,
    /// Device memory handed out.
    pub device_used: u64,
    /// Kernel calls made.
    pub calls: Calls,
    /// Blocks handed out so far.
    pub allocations: u64,
}

impl Stats {
    /// 0: all free memory is one block; 1000: it is in infinitely small pieces.
    pub fn fragmentation_permille(&self) -> u32 {
        if self.free == 0 {
            return 0;
        }
        let largest = u128::from(1u64 << self.largest_bits);
        1000 - (largest * 1000 / u128::from(self.free)).min(1000) as u32
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let kib = |bytes: u64| bytes >> 10;
        writeln!(
            out,
            "RAM {} KiB, free {} KiB, cached {} KiB, largest block 2^{}, fragmentation {} permille",
            kib(self.total),
            kib(self.free),
            kib(self.cached),
            self.largest_bits,
            self.fragmentation_permille()
        )?;
        write!(out, "free blocks")?;
        for (bits, count) in self.free_blocks.iter().enumerate().filter(|(_, count)| **count != 0) {
            write!(out, " 2^{bits}:{count}")?;
        }
        writeln!(out)?;
        write!(
            out,
            "{} blocks handed out with {} retypes and {} revokes; device memory {} of {} KiB in use",
            self.allocations,
            self.calls.retypes,
            self.calls.revokes,
            kib(self.device_used),
            kib(self.device_total)
        )
    }
}
