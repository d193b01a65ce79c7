//! The memory map, which is also the allocator: taking memory changes the kind of a region.
//!
//! Regions are sorted, do not overlap and never touch a neighbour of the same kind. Usable regions, and what is taken
//! from them, begin and end on page boundaries.
use crate::bytes::{round_down, round_up};

/// Size of a page in bytes.
pub const PAGE_BYTES: u64 = 4096;
/// The greatest number of regions; QEMU's map has around ten.
pub const MAX_REGIONS: usize = 128;
/// Memory is taken from here on: below lie the firmware's data and what other loaders hold.
const ALLOCATION_FLOOR: u64 = 0x10_0000;
/// Memory is taken below this: directboot's own page tables map the first 4 GiB.
const ALLOCATION_CEILING: u64 = 1 << 32;

/// What a region holds. The Limine type numbers are given by [`Kind::limine_type`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Free RAM.
    Usable,
    /// Not to be touched.
    Reserved,
    /// ACPI tables; free once they were read.
    AcpiReclaimable,
    /// The firmware's own storage.
    AcpiNvs,
    /// Faulty RAM.
    Bad,
    /// directboot's image, page tables, responses and the boot stack.
    BootloaderReclaimable,
    /// The loaded kernel, its file and the modules.
    ExecutableAndModules,
    /// Reserved, but holds ACPI tables (base revision 4 and later).
    ReservedMapped,
    /// RAM that directboot still reads from, such as the archive; usable in the end.
    Held,
}

impl Kind {
    /// The kind for a `type` of the PVH memory map (the E820 types, ACPI specification chapter 15).
    pub fn from_e820(e820_type: u32) -> Self {
        match e820_type {
            1 => Self::Usable,
            3 => Self::AcpiReclaimable,
            4 => Self::AcpiNvs,
            5 => Self::Bad,
            _ => Self::Reserved,
        }
    }

    /// The `LIMINE_MEMMAP_…` number.
    pub fn limine_type(self) -> u64 {
        match self {
            Self::Usable | Self::Held => 0,
            Self::Reserved => 1,
            Self::AcpiReclaimable => 2,
            Self::AcpiNvs => 3,
            Self::Bad => 4,
            Self::BootloaderReclaimable => 5,
            Self::ExecutableAndModules => 6,
            Self::ReservedMapped => 8,
        }
    }
}

/// A range of physical addresses of one kind; `end` is the first address after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// First address after the region.
    pub end: u64,
    /// What it holds.
    pub kind: Kind,
}

/// The map would need more than [`MAX_REGIONS`] regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Why memory could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// No usable region below 4 GiB is large enough.
    NoMemory,
    /// See [`Full`].
    Full,
}

/// All regions of physical memory that are known.
#[derive(Clone)]
pub struct MemoryMap {
    regions: [Region; MAX_REGIONS],
    count: usize,
}

impl MemoryMap {
    const fn empty() -> Self {
        Self { regions: [Region { start: 0, end: 0, kind: Kind::Reserved }; MAX_REGIONS], count: 0 }
    }

    /// Builds the map from the firmware's entries, which may overlap and come in any order: RAM loses to every other
    /// kind, and is cut to whole pages. The first page is never usable.
    pub fn from_firmware(entries: impl Iterator<Item = Region> + Clone) -> Result<Self, Full> {
        let mut map = Self::empty();
        for entry in entries.clone().filter(|entry| entry.kind != Kind::Usable) {
            map.fill_gaps(entry)?;
        }
        for entry in entries.filter(|entry| entry.kind == Kind::Usable) {
            map.fill_gaps(entry)?;
        }
        let mut aligned = Self::empty();
        for &region in map.regions() {
            let Region { start, end, kind } = region;
            if kind == Kind::Usable {
                let start = round_up(start, PAGE_BYTES).unwrap_or(end).max(PAGE_BYTES);
                aligned.push(start, round_down(end, PAGE_BYTES), kind)?;
            } else {
                aligned.push(start, end, kind)?;
            }
        }
        Ok(aligned)
    }

    /// The regions by rising address.
    pub fn regions(&self) -> &[Region] {
        self.regions.get(..self.count).unwrap_or_default()
    }

    /// Takes `bytes` (rounded up to pages, at least one) of usable memory, aligned to `alignment` (a power of two, at
    /// least a page), and returns the address. The lowest fitting place is taken.
    pub fn allocate(&mut self, bytes: u64, alignment: u64, kind: Kind) -> Result<u64, Shortage> {
        let bytes = round_up(bytes.max(1), PAGE_BYTES).ok_or(Shortage::NoMemory)?;
        let place = |region: &Region| {
            let start = round_up(region.start.max(ALLOCATION_FLOOR), alignment.max(PAGE_BYTES))?;
            let end = start.checked_add(bytes)?;
            (end <= region.end.min(ALLOCATION_CEILING)).then_some((start, end))
        };
        let usable = self.regions().iter().filter(|region| region.kind == Kind::Usable);
        let (start, end) = usable.filter_map(place).next().ok_or(Shortage::NoMemory)?;
        self.retype(start, end, Kind::Usable, kind).map_err(|Full| Shortage::Full)?;
        Ok(start)
    }

    /// Takes the usable memory that lies in `start..end`, rounded out to pages, for `kind`.
    pub fn claim(&mut self, start: u64, end: u64, kind: Kind) -> Result<(), Full> {
        let end = round_up(end, PAGE_BYTES).unwrap_or(end);
        self.retype(round_down(start, PAGE_BYTES), end, Kind::Usable, kind)
    }

    /// Makes all held memory usable.
    pub fn release_held(&mut self) -> Result<(), Full> {
        self.retype(0, u64::MAX, Kind::Held, Kind::Usable)
    }

    /// Marks the whole reserved region that contains `address`, if there is one, as reserved and mapped.
    pub fn mark_mapped(&mut self, address: u64) -> Result<(), Full> {
        let mut reserved = self.regions().iter().filter(|region| region.kind == Kind::Reserved);
        match reserved.find(|region| (region.start..region.end).contains(&address)).copied() {
            Some(found) => self.retype(found.start, found.end, Kind::Reserved, Kind::ReservedMapped),
            None => Ok(()),
        }
    }

    /// True if `start..end` lies in one region that the firmware keeps, where directboot never writes.
    pub fn is_firmware(&self, start: u64, end: u64) -> bool {
        let firmware = |kind| {
            matches!(kind, Kind::Reserved | Kind::AcpiReclaimable | Kind::AcpiNvs | Kind::ReservedMapped)
        };
        self.regions()
            .iter()
            .any(|region| firmware(region.kind) && region.start <= start && end <= region.end)
    }

    /// Gives `entry`'s kind to the parts of its range that no region covers yet.
    fn fill_gaps(&mut self, entry: Region) -> Result<(), Full> {
        let mut filled = Self::empty();
        let mut cursor = entry.start;
        for &region in self.regions() {
            filled.push(cursor, region.start.min(entry.end), entry.kind)?;
            filled.push(region.start, region.end, region.kind)?;
            cursor = cursor.max(region.end);
        }
        filled.push(cursor, entry.end, entry.kind)?;
        *self = filled;
        Ok(())
    }

    /// Changes the kind of the parts of `start..end` that are of kind `from`.
    fn retype(&mut self, start: u64, end: u64, from: Kind, to: Kind) -> Result<(), Full> {
        let mut changed = Self::empty();
        for &region in self.regions() {
            let (inner_start, inner_end) = (region.start.max(start), region.end.min(end));
            if region.kind == from && inner_start < inner_end {
                changed.push(region.start, inner_start, from)?;
                changed.push(inner_start, inner_end, to)?;
                changed.push(inner_end, region.end, from)?;
            } else {
                changed.push(region.start, region.end, region.kind)?;
            }
        }
        *self = changed;
        Ok(())
    }

    /// Appends a region (none if it is empty), joined to the last one if it continues it.
    fn push(&mut self, start: u64, end: u64, kind: Kind) -> Result<(), Full> {
        if start >= end {
            return Ok(());
        }
        let last = self.count.checked_sub(1).and_then(|last| self.regions.get_mut(last));
        if let Some(last) = last.filter(|last| last.end == start && last.kind == kind) {
            last.end = end;
            return Ok(());
        }
        *self.regions.get_mut(self.count).ok_or(Full)? = Region { start, end, kind };
        self.count += 1;
        Ok(())
    }
}

#[cfg(test)]
#[path = "memory_map_tests.rs"]
mod tests;
