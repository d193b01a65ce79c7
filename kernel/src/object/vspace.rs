//! Address spaces: walking and changing the four levels of tables (abi.md 7.8).
use core::cell::Cell;

use super::asid::Asid;
use crate::addr::{KernelPtr, PhysAddr, VirtAddr};
use crate::arch::{self, pte::Entry, pte::PageTable, pte::TABLE_ENTRIES};
use crate::cap::{FrameCap, FrameSize, Mapping, TableCap};
use crate::error::LookupFailure;
use crate::state::Kernel;

/// A pointer to one paging entry.
pub type EntryRef = &'static Cell<Entry>;

/// Why the entry for a page or table could not be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MissingTable {
    /// log2 of the span of the table that is missing: 39, 30 or 21.
    pub span_bits: u64,
}

impl From<MissingTable> for LookupFailure {
    fn from(missing: MissingTable) -> Self {
        LookupFailure::MissingCapability { bits_left: missing.span_bits }
    }
}

/// The entry of `table` that covers `vaddr` with 2^`bits` bytes an entry.
#[inline(always)]
fn entry(table: KernelPtr<PageTable>, vaddr: VirtAddr, bits: u64) -> EntryRef {
    &table.get().entries[(vaddr.0 >> bits) as usize & 511]
}

/// The table that the entry of `table` for `vaddr` leads to; 2^`bits` are the bytes of an entry.
#[inline(always)]
fn below(
    table: KernelPtr<PageTable>,
    vaddr: VirtAddr,
    bits: u64,
) -> Result<KernelPtr<PageTable>, MissingTable> {
    let next = entry(table, vaddr, bits).get();
    if !next.is_table() {
        return Err(MissingTable { span_bits: bits });
    }
    // SAFETY: present entries without the large bit were made by mapping a table, whose capability removes the entry
    // before its memory is reused.
    Ok(unsafe { KernelPtr::from_phys(next.address()) })
}

/// The entry that maps 2^`bits` bytes at `vaddr`: 12, 21 and 30 for pages, or 21, 30 and 39 for tables.
pub fn find_entry(root: KernelPtr<PageTable>, vaddr: VirtAddr, bits: u64) -> Result<EntryRef, MissingTable> {
    let mut table = root;
    let mut level = 39;
    while level > bits {
        table = below(table, vaddr, level)?;
        level -= 9;
    }
    Ok(entry(table, vaddr, level))
}

/// [`find_entry`] for a page of the smallest size, which is asked for most.
#[inline(always)]
fn find_small(root: KernelPtr<PageTable>, vaddr: VirtAddr) -> Result<EntryRef, MissingTable> {
    let directory = below(below(root, vaddr, 39)?, vaddr, 30)?;
    Ok(entry(below(directory, vaddr, 21)?, vaddr, 12))
}

/// The entry that maps a frame of this size at `vaddr`.
#[inline(always)]
pub fn find_page(
    root: KernelPtr<PageTable>,
    vaddr: VirtAddr,
    size: FrameSize,
) -> Result<EntryRef, MissingTable> {
    match size {
        FrameSize::Small => find_small(root, vaddr),
        larger => find_entry(root, vaddr, larger.bits()),
    }
}

#[inline(always)]
fn root(k: &Kernel, asid: Asid) -> Option<KernelPtr<PageTable>> {
    k.asids.find(asid)
}

/// True if the entry maps this frame.
#[inline(always)]
fn maps_frame(entry: Entry, frame: &FrameCap) -> bool {
    entry.is_present()
        && entry.page_address(frame.size.bits()) == frame.base
        && (frame.size == FrameSize::Small || entry.is_large())
}

/// Removes the mapping that a frame capability made, if it is still there.
#[inline(always)]
pub fn forget_frame(k: &Kernel, frame: &FrameCap) {
    let Some(Mapping { asid, vaddr }) = frame.mapping else { return };
    let Some(root) = root(k, asid) else { return };
    if let Ok(entry) = find_page(root, vaddr, frame.size)
        && maps_frame(entry.get(), frame)
    {
        entry.set(Entry::EMPTY);
        arch::flush_page(asid.0, vaddr.0);
    }
}

/// Removes the entry that leads to a table, if it is still there.
pub fn unmap_table(k: &Kernel, table: &TableCap) {
    let Some(Mapping { asid, vaddr }) = table.mapping else { return };
    let Some(root) = root(k, asid) else { return };
    let bits = table.level.span_bits();
    if let Ok(entry) = find_entry(root, vaddr, bits) {
        let held = entry.get();
        let large = bits < 39 && held.is_large();
        if held.is_present() && !large && held.address() == table.object.phys() {
            entry.set(Entry::EMPTY);
            arch::flush_all(asid.0);
        }
    }
}

/// Empties a table, so that the levels below are forgotten.
pub fn clear_table(table: KernelPtr<PageTable>) {
    for entry in &table.get().entries {
        entry.set(Entry::EMPTY);
    }
}

/// Calls `each` for every page of user memory that the tables below `root` map: address, frame, log2 of the size,
/// rights as `rwx` letters.
pub fn for_each_page(
    root: KernelPtr<PageTable>,
    mut each: impl FnMut(VirtAddr, PhysAddr, u64, &'static str),
) {
    const USER_ENTRIES: usize = 256;
    let mut levels = [(root, 0usize); 4];
    let mut depth = 0;
    while let Some((table, index)) = levels.get_mut(depth) {
        let bits = 39 - 9 * depth as u64;
        let end = if depth == 0 { USER_ENTRIES } else { TABLE_ENTRIES };
        if *index == end {
            let Some(above) = depth.checked_sub(1) else { return };
            depth = above;
            continue;
        }
        let entry = table.get().entries[*index].get();
        *index += 1;
        if !entry.is_present() {
            continue;
        }
        if bits == 12 || (bits < 39 && entry.is_large()) {
            let vaddr = levels
                .iter()
                .take(depth + 1)
                .enumerate()
                .fold(0, |sum, (level, (_, index))| sum | (*index as u64 - 1) << (39 - 9 * level as u64));
            each(VirtAddr(vaddr), entry.page_address(bits), bits, entry.rights_text());
        } else {
            depth += 1;
            if let Some(below) = levels.get_mut(depth) {
                // SAFETY: as in `find_entry`.
                *below = (unsafe { KernelPtr::from_phys(entry.address()) }, 0);
            }
        }
    }
}
