//! Which TLB entries may be kept when the address space changes: process-context identifiers (SDM vol. 3, 4.10).
//!
//! The tag of an address space is its ASID; the kernel's own page tables have tag 0 and no user pages. What is unmapped
//! in the address space in use is forgotten at once. For any other one only a bit is set: the processor drops what it
//! knows under that tag when the address space is used next. So a change to a foreign address space costs no TLB
//! operation, however many pages it is about. Pure logic; [`super::tlb`] does what it says.
#![forbid(unsafe_code)]

use core::cell::Cell;

use crate::addr::{PhysAddr, phys_offset};

/// Bits of CR3 that hold the tag.
const TAG_MASK: u64 = 0xfff;
/// CR3 bit 63: what the TLB knows under the new tag stays.
const KEEP: u64 = 1 << 63;
const TAGS: usize = TAG_MASK as usize + 1;

/// The kernel address of a root table, a page, with the number of the address space in its low bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressSpace(pub u64);

impl AddressSpace {
    /// No table at all: the value before any are loaded.
    pub const NONE: AddressSpace = AddressSpace(0);

    /// The PML4 at `root`, a page, and its ASID, 1..4096, or 0 for the kernel's own tables.
    #[inline]
    pub fn new(root: PhysAddr, asid: u16) -> Self {
        AddressSpace(root.to_virt() & !TAG_MASK | u64::from(asid) & TAG_MASK)
    }

    /// The kernel address of the PML4.
    #[inline(always)]
    pub fn table(self) -> u64 {
        self.0 & !TAG_MASK
    }

    /// The PML4.
    #[inline]
    pub fn root(self) -> PhysAddr {
        PhysAddr(self.table().wrapping_sub(phys_offset()))
    }

    /// As CR3 takes it, with its number as tag.
    #[inline]
    fn tagged(self) -> u64 {
        self.0.wrapping_sub(phys_offset())
    }

    /// The ASID, or 0.
    #[inline]
    pub fn asid(self) -> u16 {
        (self.0 & TAG_MASK) as u16
    }
}

/// How a change in an address space is made known to the processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Invalidation {
    /// Now: the address space is in use.
    Now,
    /// Not at all yet.
    Later,
}

/// What one core's TLB may hold.
pub struct Tags {
    /// The address space in use.
    loaded: Cell<AddressSpace>,
    enabled: Cell<bool>,
    stale: [Cell<u64>; TAGS / 64],
}

impl Tags {
    /// Nothing is loaded.
    pub const fn new() -> Self {
        Tags {
            loaded: Cell::new(AddressSpace::NONE),
            enabled: Cell::new(false),
            stale: [const { Cell::new(0) }; TAGS / 64],
        }
    }

    /// From now on CR3 holds tags; it holds tag 0 now.
    pub fn enable(&self) {
        self.enabled.set(true);
    }

    /// The address space in use.
    #[inline]
    pub fn loaded(&self) -> AddressSpace {
        self.loaded.get()
    }

    /// The value to write to CR3 to use this address space, which is not in use.
    #[inline]
    pub fn switch(&self, space: AddressSpace) -> u64 {
        self.loaded.set(space);
        if !self.enabled.get() {
            return space.root().0;
        }
        if self.take_stale(u64::from(space.asid())) { space.tagged() } else { space.tagged() | KEEP }
    }

    /// The value of CR3 that drops everything known of the address space in use.
    pub fn reload(&self) -> u64 {
        let space = self.loaded.get();
        if self.enabled.get() { space.tagged() } else { space.root().0 }
    }

    /// Something was unmapped in the address space of this number. Where it is not in use that costs nothing now.
    #[inline]
    pub fn changed(&self, asid: u16) -> Invalidation {
        if self.loaded.get().asid() == asid {
            return Invalidation::Now;
        }
        let tag = u64::from(asid) & TAG_MASK;
        // Without tags nothing of it was kept when it was left, and the bits mean nothing.
        if let Some(word) = self.stale.get(tag as usize / 64) {
            word.set(word.get() | 1 << (tag % 64));
        }
        Invalidation::Later
    }

    /// The address spaces of 512 numbers from `first` on, a multiple of 512, are gone; none of them is in use.
    pub fn forget_pool(&self, first: u16) {
        for word in self.stale.iter().skip(usize::from(first) / 64).take(512 / 64) {
            word.set(u64::MAX);
        }
    }

    fn take_stale(&self, tag: u64) -> bool {
        let Some(word) = self.stale.get(tag as usize / 64) else { return true };
        let bit = 1 << (tag % 64);
        let old = word.get();
        word.set(old & !bit);
        old & bit != 0
    }
}

impl Default for Tags {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "tags_tests.rs"]
mod tests;
