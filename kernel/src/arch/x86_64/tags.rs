//! Which TLB entries may be kept when the address space changes: process-context identifiers (SDM vol. 3, 4.10).
//!
//! The tag of an address space is its ASID; the kernel's own page tables have tag 0 and no user pages. What is unmapped
//! in the address space in use is forgotten at once. For any other one only a bit is set: the processor drops what it
//! knows under that tag when the address space is used next. So a change to a foreign address space costs no TLB
//! operation, however many pages it is about. Pure logic; [`super::tlb`] does what it says.
#![forbid(unsafe_code)]

use core::cell::Cell;

use crate::addr::PhysAddr;

/// Bits of CR3 that hold the tag.
const TAG_MASK: u64 = 0xfff;
/// CR3 bit 63: what the TLB knows under the new tag stays.
const KEEP: u64 = 1 << 63;
const TAGS: usize = TAG_MASK as usize + 1;

/// A root table and the number of the address space, 0 for the kernel's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressSpace {
    /// The PML4.
    pub root: PhysAddr,
    /// Its ASID, 1..4096, or 0.
    pub asid: u16,
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
    /// CR3 without the bit that keeps entries.
    loaded: Cell<u64>,
    /// Number of the address space in use.
    asid: Cell<u16>,
    enabled: Cell<bool>,
    stale: [Cell<u64>; TAGS / 64],
}

impl Tags {
    /// Nothing is loaded.
    pub const fn new() -> Self {
        Tags {
            loaded: Cell::new(0),
            asid: Cell::new(0),
            enabled: Cell::new(false),
            stale: [const { Cell::new(0) }; TAGS / 64],
        }
    }

    /// From now on CR3 holds tags; it holds tag 0 now.
    pub fn enable(&self) {
        self.enabled.set(true);
    }

    /// The value to write to CR3 to use this address space; None if it is in use.
    #[inline]
    pub fn switch(&self, space: AddressSpace) -> Option<u64> {
        let tag = if self.enabled.get() { u64::from(space.asid) & TAG_MASK } else { 0 };
        let value = space.root.0 | tag;
        self.asid.set(space.asid);
        if self.loaded.replace(value) == value {
            return None;
        }
        let keep = self.enabled.get() && !self.take_stale(tag);
        Some(if keep { value | KEEP } else { value })
    }

    /// The number of the address space in use.
    #[inline]
    pub fn asid(&self) -> u16 {
        self.asid.get()
    }

    /// The value of CR3 that drops everything known of the address space in use.
    pub fn reload(&self) -> u64 {
        self.loaded.get()
    }

    /// Something was unmapped in the address space of this number.
    #[inline]
    pub fn changed(&self, asid: u16) -> Invalidation {
        let tag = u64::from(asid) & TAG_MASK;
        if !self.enabled.get() || self.loaded.get() & TAG_MASK == tag {
            return Invalidation::Now;
        }
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
