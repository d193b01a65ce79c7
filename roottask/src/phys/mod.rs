//! Physical memory: a buddy allocator over untyped capabilities.
//!
//! The kernel gives an untyped's memory back only when *every* capability made from it is gone (abi.md 7.2), so a
//! block that is to be reused alone needs an untyped capability of its own, and each capability costs a slot and a
//! kernel call of hundreds of instructions, where a bitmap step costs a few. Hence two layers:
//!
//! * **Bitmaps decide.** [`buddy`] splits and merges blocks of 256 KiB ("groups") and up; [`pages`] serves 4 KiB to
//!   128 KiB out of groups that are cut into blocks of one size, one bitmap word per group.
//! * **Capabilities follow.** A block's capability is made when the block is first handed out and kept when it is
//!   freed. A group is cut into all its pages by one retype (up to 64 capabilities); larger blocks by halving
//!   ([`captree`]). What was made in finer pieces is taken down by one revoke when a larger block is wanted there.
//!   So a page costs 1/64 to 1/32 of a retype, a larger block at most one, amortised; reuse in the same size costs none.
//!
//! In front of them are places for whole blocks that were just freed ([`front`]). These caches save time and kernel
//! calls, but merge late and place blocks where the last ones were instead of closing ranks: at 90 % use about a seventh
//! fewer free blocks of 2 MiB are left than without them ([`Phys::set_caching`]). Below a page there are slabs ([`small`]): the blocks of small
//! kernel objects, each with a capability of its own.
//!
//! Consequences to know: blocks below 256 KiB of different sizes never share a group, so under memory pressure a
//! request may get a larger block than asked for (its `size_bits` says so), and a small block can be out of reach
//! while smaller ones are free. All other metadata lives in memory given by the caller: 32 bytes and about 8 bits
//! per 256 KiB, 0.013 % of the memory.
//!
//! Apart from it: [`loose`] pieces smaller than a group, handed out whole, and [`device`] memory, by address only.

#![forbid(unsafe_code)]

pub mod bitset;
pub mod buddy;
pub mod captree;
pub mod device;
pub mod front;
pub mod group;
pub mod kernel;
pub mod loose;
mod objects;
mod pages;
mod release;
mod request;
pub mod small;
pub mod stats;
#[cfg(test)]
mod tests;

use self::bitset::BitSet;
use self::buddy::{Buddy, ORDERS};
use self::captree::{CUT, Calls, CapTree};
use self::device::{DeviceNode, Devices};
use self::front::{FRONTS, Front, Hand, RING};
use self::group::{Back, CLASSES, GROUP_BITS, Group, Kind, PAGE_BITS};
use self::kernel::{KernelError, Slot, UntypedKernel};
use self::loose::{LOOSE_MIN_BITS, Loose};
use self::small::{SMALL_MIN_BITS, Slab, Small};
use self::stats::Stats;

/// A block of physical memory and the untyped capability of exactly that block. The capability stays the
/// allocator's: the holder retypes from it, but neither deletes nor moves it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// Physical address, a multiple of the size.
    pub paddr: u64,
    /// Slot of the untyped capability.
    pub slot: Slot,
    /// log2 of the size in bytes.
    pub size_bits: u8,
}

impl Block {
    /// Bytes.
    pub const fn bytes(&self) -> u64 {
        1 << self.size_bits
    }

    /// The address after the block.
    pub const fn end(&self) -> u64 {
        self.paddr + self.bytes()
    }

    /// Whether all of `other` lies in this block.
    pub const fn contains(&self, other: &Block) -> bool {
        self.paddr <= other.paddr && other.end() <= self.end()
    }

    /// Whether they share a byte.
    pub const fn overlaps(&self, other: &Block) -> bool {
        self.paddr < other.end() && other.paddr < self.end()
    }

    /// The page that it begins with. Only for blocks within the tables.
    const fn page(&self) -> u32 {
        (self.paddr >> PAGE_BITS) as u32
    }

    /// Whether size and address are those of an untyped (abi.md 8.5).
    const fn is_valid(&self) -> bool {
        self.size_bits >= LOOSE_MIN_BITS
            && self.size_bits <= MAX_SIZE_BITS
            && self.paddr.is_multiple_of(1 << self.size_bits)
            && self.paddr <= PADDR_END - (1 << self.size_bits)
    }
}

/// The page that begins at `paddr`; beyond all pages if none does.
#[inline(always)]
const fn page_at(paddr: u64) -> u64 {
    paddr.rotate_right(PAGE_BITS as u32)
}

/// Which part of the memory the ring of one block size may hold.
const CACHE_SHARE: u64 = 256;
/// log2 of the largest untyped (abi.md 3.1).
pub const MAX_SIZE_BITS: u8 = 47;
/// End of the physical addresses that untypeds can have.
const PADDR_END: u64 = 1 << 48;

/// Why a request failed. Nothing was changed then, except that capabilities made on the way are kept for later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// No free block of this size (below this limit).
    OutOfMemory,
    /// No block can have this size or this address: too small, too large or not aligned to the size.
    BadBlock,
    /// The address range belongs to no untyped that was added, or lies beyond what the metadata covers.
    OutOfRange,
    /// The memory at the fixed address is in use, at least in part.
    Busy,
    /// The block given back is not one that is handed out: freed twice, or never allocated.
    NotAllocated,
    /// The untyped overlaps one that was added before.
    Overlap,
    /// A fixed table (loose pieces, device nodes) is full.
    TableFull,
    /// The kernel refused a call; the number is its error.
    Kernel(KernelError),
}

/// Memory for the allocator's tables, given once at start.
#[derive(Debug)]
pub struct Metadata<'m> {
    /// One record per 256 KiB of physical addresses from 0 up, all [`Group::ABSENT`].
    pub groups: &'m mut [Group],
    /// As many, all [`Back::EMPTY`].
    pub backs: &'m mut [Back],
    /// [`bitmap_words`]`(groups.len())` words of zero.
    pub words: &'m mut [u64],
    /// Nodes for device memory: one per boot device untyped plus about 40 per page wanted.
    pub devices: &'m mut [DeviceNode],
    /// Records of slabs, all [`Slab::EMPTY`]: one for each page or part of a page cut into small blocks; up to
    /// [`small::MAX_SLABS`] are used.
    pub slabs: &'m mut [Slab],
}

/// Records needed to manage RAM that ends at `ram_end`, at most 64 GiB.
pub const fn group_records(ram_end: u64) -> usize {
    let groups = ram_end.div_ceil(1 << GROUP_BITS) as usize;
    if groups < BitSet::MAX_CAPACITY { groups } else { BitSet::MAX_CAPACITY - 1 }
}

/// Words of bitmap needed for `groups` records.
pub const fn bitmap_words(groups: usize) -> usize {
    Buddy::words(groups) + CLASSES * BitSet::words(groups)
}

/// Bytes of metadata, device nodes apart, for RAM that ends at `ram_end`.
pub const fn metadata_bytes(ram_end: u64) -> usize {
    let groups = group_records(ram_end);
    groups * (size_of::<Group>() + size_of::<Back>()) + bitmap_words(groups) * size_of::<u64>()
}

/// The allocator.
#[derive(Debug)]
pub struct Phys<'m, K> {
    groups: &'m mut [Group],
    backs: &'m mut [Back],
    words: &'m mut [u64],
    buddy: Buddy,
    /// By size, so that the size is no separate question; only that of single pages is ever in use.
    hands: [Hand; FRONTS],
    fronts: [Front; FRONTS],
    /// By page class: groups with free blocks, the current ones apart.
    partial: [BitSet; CLASSES],
    caching: bool,
    loose: Loose,
    small: Small<'m>,
    devices: Devices<'m>,
    kernel: K,
    calls: Calls,
    total_bytes: u64,
    allocations: u64,
}

impl<'m, K: UntypedKernel> Phys<'m, K> {
    /// An allocator without memory.
    ///
    /// # Errors
    /// [`Error::TableFull`] if `words` is too short for `groups`, or if there are more groups than a [`BitSet`] holds.
    pub fn new(metadata: Metadata<'m>, kernel: K) -> Result<Self, Error> {
        let Metadata { groups, backs, words, devices, slabs } = metadata;
        let count = groups.len();
        if count >= BitSet::MAX_CAPACITY || words.len() < bitmap_words(count) || backs.len() != count {
            return Err(Error::TableFull);
        }
        let first = Buddy::words(count);
        Ok(Self {
            buddy: Buddy::new(0, count),
            hands: [Hand::OFF; FRONTS],
            fronts: [Front::NEW; FRONTS],
            partial: core::array::from_fn(|class| BitSet::new(first + class * BitSet::words(count), count)),
            caching: true,
            loose: Loose::new(),
            small: Small::new(slabs),
            devices: Devices::new(devices),
            groups,
            backs,
            words,
            kernel,
            calls: Calls::default(),
            total_bytes: 0,
            allocations: 0,
        })
    }

    /// Takes over an untyped of the boot list; nothing may have been made from it.
    ///
    /// # Errors
    /// [`Error::BadBlock`], [`Error::Overlap`], [`Error::OutOfRange`] (RAM beyond the metadata: it stays unused),
    /// [`Error::TableFull`] (more small pieces or device untypeds than places: it stays unused).
    pub fn add_untyped(&mut self, slot: Slot, paddr: u64, size_bits: u8, device: bool) -> Result<(), Error> {
        let block = Block { paddr, slot, size_bits };
        if !(1..CUT).contains(&slot) || !block.is_valid() {
            return Err(Error::BadBlock);
        }
        if device {
            return if self.overlaps_ram(&block) { Err(Error::Overlap) } else { self.devices.add(block) };
        }
        if self.devices.overlaps(&block) || self.overlaps_ram(&block) {
            return Err(Error::Overlap);
        }
        if size_bits < GROUP_BITS {
            self.loose.add(block)?;
        } else {
            self.add_groups(&block)?;
        }
        self.total_bytes += block.bytes();
        self.set_cache_limits();
        Ok(())
    }

    /// Whether RAM that was added shares memory with `block`.
    fn overlaps_ram(&self, block: &Block) -> bool {
        let len = self.groups.len() as u64;
        let first = (block.paddr >> GROUP_BITS).min(len);
        let end = (((block.end() - 1) >> GROUP_BITS) + 1).min(len);
        self.groups[first as usize..end as usize].iter().any(|group| group.kind() != Kind::Absent)
            || self.loose.overlaps(block)
    }

    fn add_groups(&mut self, block: &Block) -> Result<(), Error> {
        let order = usize::from(block.size_bits - GROUP_BITS);
        let (first, end) = (block.paddr >> GROUP_BITS, block.end() >> GROUP_BITS);
        if end > self.groups.len() as u64 || order >= ORDERS {
            return Err(Error::OutOfRange);
        }
        for group in &mut self.groups[first as usize..end as usize] {
            *group = Group::idle(order as u8);
        }
        let index = (first >> order) as u32;
        self.tree().plant(order, index, block.slot);
        self.buddy.give(self.words, self.groups, order, index);
        Ok(())
    }

    /// The kernel interface, for its owner's other uses.
    pub fn kernel(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// Turns the caches of blocks just freed on, as they are at the start, or off.
    pub fn set_caching(&mut self, on: bool) {
        self.trim();
        self.caching = on;
        self.set_cache_limits();
    }

    /// Most blocks in each ring: as many as are a [`CACHE_SHARE`]th of the memory, but one at least.
    fn set_cache_limits(&mut self) {
        self.trim();
        self.hands[0] = if self.caching { Hand::READY } else { Hand::OPENING };
        for (size_bits, front) in (PAGE_BITS..).zip(&mut self.fronts) {
            let share = ((self.total_bytes / CACHE_SHARE) >> size_bits) as usize;
            front.set_limit(if self.caching { share.clamp(1, RING) } else { 0 });
        }
    }

    fn tree(&mut self) -> CapTree<'_, K> {
        CapTree { groups: self.groups, backs: self.backs, kernel: &mut self.kernel, calls: &mut self.calls }
    }

    /// Numbers for reports and tests.
    pub fn stats(&self) -> Stats {
        let mut free_blocks = [0; stats::SIZES];
        for bits in LOOSE_MIN_BITS..GROUP_BITS {
            free_blocks[usize::from(bits)] = self.loose.count(bits);
        }
        let mut cached = self.small.spare_bytes();
        for bits in SMALL_MIN_BITS..PAGE_BITS {
            free_blocks[usize::from(bits)] += self.small.count(bits);
        }
        for (group, back) in self.groups.iter().zip(self.backs.iter()) {
            if let Kind::Pages(class) = group.kind() {
                free_blocks[usize::from(class + PAGE_BITS)] += back.free.count_ones();
            }
        }
        for (class, front) in self.fronts.iter().enumerate() {
            free_blocks[class + usize::from(PAGE_BITS)] += front.open.count_ones() + front.count();
            cached += u64::from(front.count()) << class << PAGE_BITS;
            if class < CLASSES && front.has_spare(class) {
                cached += 1 << GROUP_BITS;
            }
        }
        free_blocks[usize::from(PAGE_BITS)] += u32::from(self.hands[0].is_full());
        cached += u64::from(self.hands[0].is_full()) << PAGE_BITS;
        for order in 0..ORDERS {
            free_blocks[order + usize::from(GROUP_BITS)] += self.buddy.count(self.words, order);
        }
        let free = free_blocks.iter().enumerate().map(|(bits, count)| u64::from(*count) << bits).sum();
        let largest = free_blocks.iter().rposition(|count| *count != 0).unwrap_or(0);
        let (device_total, device_used) = self.devices.bytes();
        Stats {
            total: self.total_bytes,
            free,
            cached,
            free_blocks,
            largest_bits: largest as u8,
            device_total,
            device_used,
            calls: self.calls,
            allocations: self.allocations,
        }
    }
}
