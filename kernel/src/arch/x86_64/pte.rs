//! Entries of the four levels of page tables (SDM vol. 3, 4.5).
use core::cell::Cell;

use sel_abi::VmAttributes;

use crate::addr::PhysAddr;

/// Entries of one table.
pub const TABLE_ENTRIES: usize = 512;

/// One table of any level.
#[repr(C, align(4096))]
pub struct PageTable {
    /// The entries, by index.
    pub entries: [Cell<Entry>; TABLE_ENTRIES],
}

bitflags::bitflags! {
    /// Bits of an entry.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct EntryFlags: u64 {
        /// The entry is valid.
        const PRESENT = 1 << 0;
        /// Writes are allowed.
        const WRITABLE = 1 << 1;
        /// User mode may use it.
        const USER = 1 << 2;
        /// Bit 0 of the PAT index.
        const PWT = 1 << 3;
        /// Bit 1 of the PAT index.
        const PCD = 1 << 4;
        /// A 2 MiB or 1 GiB page.
        const LARGE = 1 << 7;
        /// Bit 2 of the PAT index of a 4 KiB page (bit 7).
        const PAT_SMALL = 1 << 7;
        /// The mapping is the same in every address space.
        const GLOBAL = 1 << 8;
        /// Bit 2 of the PAT index of a large page.
        const PAT_LARGE = 1 << 12;
        /// No instruction fetches.
        const NO_EXECUTE = 1 << 63;
    }
}

/// A paging entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Entry(pub u64);

const ADDRESS_MASK: u64 = 0x000f_ffff_ffff_f000;

impl Entry {
    /// Nothing is mapped.
    pub const EMPTY: Entry = Entry(0);

    /// An entry for a frame or table at `paddr`.
    #[inline]
    pub fn new(paddr: PhysAddr, flags: EntryFlags) -> Self {
        Entry((paddr.0 & ADDRESS_MASK) | flags.bits())
    }

    /// True if the processor uses the entry.
    #[inline]
    pub fn is_present(self) -> bool {
        self.0 & EntryFlags::PRESENT.bits() != 0
    }

    /// The entry, which is above the lowest level, leads to a table. No PML4 entry is a page.
    #[inline(always)]
    pub fn is_table(self) -> bool {
        let looked_at = EntryFlags::PRESENT.bits() | EntryFlags::LARGE.bits();
        self.0 & looked_at == EntryFlags::PRESENT.bits()
    }

    /// True for a page of 2 MiB or 1 GiB (only asked of tables above the lowest level).
    #[inline]
    pub fn is_large(self) -> bool {
        self.0 & EntryFlags::LARGE.bits() != 0
    }

    /// The table below, or a 4 KiB frame.
    #[inline]
    pub fn address(self) -> PhysAddr {
        PhysAddr(self.0 & ADDRESS_MASK)
    }

    /// What a user may do with the page, as letters.
    pub fn rights_text(self) -> &'static str {
        let has = |flag: EntryFlags| self.0 & flag.bits() != 0;
        match (has(EntryFlags::USER), has(EntryFlags::WRITABLE), has(EntryFlags::NO_EXECUTE)) {
            (false, ..) => "---",
            (true, false, false) => "r-x",
            (true, true, false) => "rwx",
            (true, false, true) => "r--",
            (true, true, true) => "rw-",
        }
    }

    /// The address of a page of 2^`bits` bytes.
    #[inline]
    pub fn page_address(self, bits: u64) -> PhysAddr {
        PhysAddr(self.0 & ADDRESS_MASK & !((1 << bits) - 1))
    }
}

/// Cache and execution bits of an attribute word for a page of 2^`bits` bytes (abi.md 7.8).
#[inline(always)]
pub fn page_flags(attributes: VmAttributes, bits: u64) -> EntryFlags {
    let pat = match bits {
        12 => moved(attributes, VmAttributes::PAT, EntryFlags::PAT_SMALL),
        21 => moved(attributes, VmAttributes::PAT, EntryFlags::PAT_LARGE),
        _ => EntryFlags::empty(),
    };
    let large = if bits > 12 { EntryFlags::LARGE } else { EntryFlags::empty() };
    let never = moved(attributes, VmAttributes::EXECUTE_NEVER, EntryFlags::NO_EXECUTE);
    table_flags(attributes) | pat | large | never
}

/// Cache bits of an attribute word for a table; only bits 0 and 1 matter (abi.md 7.8).
#[inline(always)]
pub fn table_flags(attributes: VmAttributes) -> EntryFlags {
    moved(attributes, VmAttributes::PWT, EntryFlags::PWT)
        | moved(attributes, VmAttributes::PCD, EntryFlags::PCD)
}

/// The flag `to`, a single bit, if the attributes have `from`, a single bit further down: without a branch.
#[inline(always)]
fn moved(attributes: VmAttributes, from: VmAttributes, to: EntryFlags) -> EntryFlags {
    let distance = to.bits().trailing_zeros() - from.bits().trailing_zeros();
    EntryFlags::from_bits_retain((attributes.bits() & from.bits()) << distance)
}
