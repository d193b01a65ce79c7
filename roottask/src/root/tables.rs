//! The tables of the physical allocator, sized by the machine's memory and made of the first of it.
//!
//! The allocator cannot allocate its own tables. So before it exists, the smallest boot untyped that is large enough
//! is halved down to the tables' size; the halves left over are handed to the allocator like boot untypeds.
use core::mem::size_of;

use libsel::abi::{CapRights, ObjectType, VmAttributes};
use libsel::bootinfo::{BootInfoView, initial};
use libsel::cap::{Cap, Frame, KnownFrameSize, PageDirectory, PageTable, Pdpt, Retypable, Size2M, Size4K};
use libsel::invoke::{PagingStructure, RetypeTarget};
use roottask::phys::group::{Back, GROUP_BITS, Group};
use roottask::phys::{self, Block};
use roottask::slots::Slots;

use super::memory::untyped;
use super::window::OWN_END;

/// Where the tables are mapped: behind the addresses that the root task manages.
const TABLES_START: u64 = OWN_END;
/// Tables of more bytes than this are made of large pages, which take fewer slots.
const SMALL_TABLES: u64 = 1 << 20;
/// Pages kept for paging structures: one of each level, and one more of the lowest.
const PAGING_BYTES: u64 = 4 << 12;
/// Objects made by one call.
const BATCH: u64 = 64;
/// Halvings at most: from the largest untyped to a page.
const MAX_HALVES: usize = 36;

/// Bytes of each table for RAM that ends at an address, one after the other.
struct Layout {
    records: usize,
    words: usize,
}

impl Layout {
    fn of(ram_end: u64) -> Self {
        let records = phys::group_records(ram_end);
        Layout { records, words: phys::bitmap_words(records) }
    }

    fn bytes(&self) -> u64 {
        let records = self.records * (size_of::<Group>() + size_of::<Back>());
        (records + self.words * size_of::<u64>()) as u64
    }
}

/// What the tables were made of, and the tables.
pub struct Tables {
    /// A record for each group, all absent.
    pub groups: &'static mut [Group],
    /// As many.
    pub backs: &'static mut [Back],
    /// The bitmaps.
    pub words: &'static mut [u64],
    /// Slot of the boot untyped that was used.
    pub used: u32,
    /// What is left of it.
    halves: [Option<Block>; MAX_HALVES],
}

impl Tables {
    /// The blocks that are left of the boot untyped, each with a capability of its own.
    pub fn halves(&self) -> impl Iterator<Item = Block> + use<> {
        self.halves.into_iter().flatten()
    }
}

/// Makes the tables. Without them there is nothing to run: every failure here is a panic.
pub fn carve(bootinfo: &BootInfoView<'_>, slots: &mut Slots) -> Tables {
    let ram = || bootinfo.untypeds().filter(|(_, desc)| desc.is_device == 0);
    let ends = ram()
        .filter(|(_, desc)| desc.size_bits >= GROUP_BITS)
        .map(|(_, desc)| desc.paddr + (1 << desc.size_bits));
    let layout = Layout::of(ends.max().unwrap_or(0));
    let bytes = layout.bytes();
    let page_bits = if bytes > SMALL_TABLES { Size2M::BITS } else { Size4K::BITS };
    let bytes = bytes.next_multiple_of(1 << page_bits);
    let wanted_bits = (bytes + PAGING_BYTES).next_power_of_two().ilog2() as u8;
    let fitting = ram().filter(|(_, desc)| desc.size_bits >= wanted_bits);
    let (cap, desc) =
        fitting.min_by_key(|(_, desc)| desc.size_bits).expect("memory for the tables of the memory");
    let used = cap.cptr() as u32;
    let mut halves = [None; MAX_HALVES];
    let mut block = Block { paddr: desc.paddr, slot: used, size_bits: desc.size_bits };
    for half in halves.iter_mut().take(usize::from(desc.size_bits - wanted_bits)) {
        let slot = slots.take(2).expect("slots for halves");
        let size_bits = block.size_bits - 1;
        make(block.slot, ObjectType::Untyped, u64::from(size_bits), slot, 2);
        *half = Some(Block { paddr: block.paddr + (1 << size_bits), slot: slot + 1, size_bits });
        block = Block { slot, size_bits, ..block };
    }
    if page_bits == Size4K::BITS {
        map_all::<Size4K>(slots, block.slot, bytes);
    } else {
        map_all::<Size2M>(slots, block.slot, bytes);
    }
    let start = core::ptr::with_exposed_provenance_mut::<u8>(TABLES_START as usize);
    let Layout { records, words } = layout;
    // SAFETY: `bytes` zeroed bytes were just mapped there, readable and writable, for nobody else and for ever; they
    // hold the three tables, each of which begins at a multiple of its alignment, and zeros are valid records.
    unsafe {
        let groups = start.cast::<Group>();
        let backs = groups.add(records).cast::<Back>();
        let bits = backs.add(records).cast::<u64>();
        Tables {
            groups: core::slice::from_raw_parts_mut(groups, records),
            backs: core::slice::from_raw_parts_mut(backs, records),
            words: core::slice::from_raw_parts_mut(bits, words),
            used,
            halves,
        }
    }
}

fn make(from: u32, object: ObjectType, size_bits: u64, slot: u32, count: u64) {
    let target = RetypeTarget::slots_of(initial::CNODE, slot.into());
    untyped(from).retype(object, size_bits, target, count).expect("objects for the tables");
}

/// Makes and maps the frames of the tables.
fn map_all<S: KnownFrameSize>(slots: &mut Slots, from: u32, bytes: u64) {
    let pages = bytes >> S::BITS;
    let mut done = 0;
    while done < pages {
        let count = (pages - done).min(BATCH);
        let first = slots.take(count as u32).expect("slots for the tables");
        make(from, S::OBJECT_TYPE, 0, first, count);
        for slot in first..first + count as u32 {
            map::<S>(slots, from, Cap::new(slot.into()), TABLES_START + (done << S::BITS));
            done += 1;
        }
    }
}

/// Maps one frame, with the paging structures that are missing.
fn map<S: KnownFrameSize>(slots: &mut Slots, from: u32, frame: Cap<Frame<S>>, vaddr: u64) {
    let rights = CapRights::READ_WRITE;
    while let Err(error) = frame.map(initial::VSPACE, vaddr, rights, VmAttributes::EXECUTE_NEVER) {
        match error.missing_paging_level() {
            Some(Pdpt::SPAN_BITS) => add_table::<Pdpt>(slots, from, vaddr),
            Some(PageDirectory::SPAN_BITS) => add_table::<PageDirectory>(slots, from, vaddr),
            Some(PageTable::SPAN_BITS) => add_table::<PageTable>(slots, from, vaddr),
            _ => panic!("cannot map the tables of the memory at {vaddr:#x}: {error}"),
        }
    }
}

fn add_table<T: PagingStructure + Retypable>(slots: &mut Slots, from: u32, vaddr: u64) {
    let slot = slots.take(1).expect("a slot for a paging structure");
    make(from, T::OBJECT_TYPE, 0, slot, 1);
    let table: Cap<T> = Cap::new(slot.into());
    table
        .map_table(initial::VSPACE, vaddr, VmAttributes::WRITE_BACK)
        .expect("a paging structure for the tables");
}
