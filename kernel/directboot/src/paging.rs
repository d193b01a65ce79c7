//! Builds 4-level page tables (SDM volume 3, chapter 4.5).

/// One page table of any level.
pub type Table = [u64; 512];

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
/// In a table of level 2 or 3: the entry maps a large page.
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Where page tables come from and how they are reached.
pub trait TableMemory {
    /// A fresh page; its content does not matter. `None`: out of memory.
    fn allocate_table(&mut self) -> Option<u64>;
    /// The table at the physical address `address`, which came from [`TableMemory::allocate_table`].
    fn table(&mut self, address: u64) -> &mut Table;
}

/// What may be done with mapped memory; reading is always allowed, user mode never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Writing is allowed.
    pub write: bool,
    /// Execution is allowed.
    pub execute: bool,
}

/// What the processor can do beyond the base architecture.
#[derive(Clone, Copy, Debug, Default)]
pub struct PagingFeatures {
    /// Pages of 1 GiB (CPUID 8000_0001h, EDX bit 26).
    pub gigabyte_pages: bool,
    /// The no-execute bit (CPUID 8000_0001h, EDX bit 20).
    pub no_execute: bool,
}

/// Why a range could not be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No memory for a page table.
    NoMemory,
    /// Part of the range lies in a large page that is mapped already, or the range is not page aligned, or leaves the
    /// address space.
    BadRange,
}

/// An address space under construction.
pub struct AddressSpace<M> {
    root: u64,
    memory: M,
    features: PagingFeatures,
}

impl<M: TableMemory> AddressSpace<M> {
    /// An empty address space. `None`: out of memory.
    pub fn new(mut memory: M, features: PagingFeatures) -> Option<Self> {
        let root = fresh_table(&mut memory)?;
        Some(Self { root, memory, features })
    }

    /// The physical address of the top-level table, for CR3.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Maps `bytes` at `virtual_start` to physical memory from `physical_start` on, with the largest pages that fit.
    /// All three are multiples of 4 KiB.
    pub fn map(
        &mut self,
        virtual_start: u64,
        physical_start: u64,
        bytes: u64,
        rights: Rights,
    ) -> Result<(), MapError> {
        if (virtual_start | physical_start | bytes) & 0xfff != 0 {
            return Err(MapError::BadRange);
        }
        let mut done = 0;
        while done < bytes {
            let at = |start: u64| start.checked_add(done).ok_or(MapError::BadRange);
            let (virtual_page, physical_page) = (at(virtual_start)?, at(physical_start)?);
            let level = self.largest_level(virtual_page | physical_page, bytes - done);
            self.map_page(virtual_page, physical_page, level, rights)?;
            done += page_bytes(level);
        }
        Ok(())
    }

    /// The level of the largest page that is aligned at `addresses` (both, or-ed together) and not beyond `bytes`.
    fn largest_level(&self, addresses: u64, bytes: u64) -> u32 {
        let largest = if self.features.gigabyte_pages { 3 } else { 2 };
        let fits = |level: u32| addresses.is_multiple_of(page_bytes(level)) && page_bytes(level) <= bytes;
        (2..=largest).rev().find(|&level| fits(level)).unwrap_or(1)
    }

    fn map_page(
        &mut self,
        virtual_page: u64,
        physical_page: u64,
        level: u32,
        rights: Rights,
    ) -> Result<(), MapError> {
        let mut table = self.root;
        for upper_level in (level + 1..=4).rev() {
            table = self.next_table(table, slot(virtual_page, upper_level))?;
        }
        let mut entry = physical_page & ADDRESS | PRESENT;
        if level > 1 {
            entry |= LARGE;
        }
        if rights.write {
            entry |= WRITABLE;
        }
        if !rights.execute && self.features.no_execute {
            entry |= NO_EXECUTE;
        }
        self.write(table, slot(virtual_page, level), entry);
        Ok(())
    }

    fn next_table(&mut self, table: u64, slot: usize) -> Result<u64, MapError> {
        let entry = self.memory.table(table).get(slot).copied().unwrap_or(0);
        if entry & PRESENT == 0 {
            let fresh = fresh_table(&mut self.memory).ok_or(MapError::NoMemory)?;
            self.write(table, slot, fresh | PRESENT | WRITABLE);
            Ok(fresh)
        } else if entry & LARGE != 0 {
            Err(MapError::BadRange)
        } else {
            Ok(entry & ADDRESS)
        }
    }

    fn write(&mut self, table: u64, slot: usize, entry: u64) {
        if let Some(place) = self.memory.table(table).get_mut(slot) {
            *place = entry;
        }
    }
}

fn fresh_table(memory: &mut impl TableMemory) -> Option<u64> {
    let address = memory.allocate_table()?;
    memory.table(address).fill(0);
    Some(address)
}

/// Bytes of a page that an entry at `level` (1 to 3) maps.
fn page_bytes(level: u32) -> u64 {
    1 << (12 + 9 * (level - 1))
}

/// The index of `address` in a table of `level` (1 to 4).
fn slot(address: u64, level: u32) -> usize {
    (address >> (12 + 9 * (level - 1)) & 0x1ff) as usize
}

#[cfg(test)]
#[path = "paging_tests.rs"]
pub(crate) mod tests;
