use super::*;
use std::vec::Vec;

/// Page tables in a vector; the address of the first is 0x1000.
pub(crate) struct Arena {
    tables: Vec<Table>,
    limit: usize,
}

impl TableMemory for Arena {
    fn allocate_table(&mut self) -> Option<u64> {
        (self.tables.len() < self.limit).then(|| {
            self.tables.push([u64::MAX; 512]);
            (self.tables.len() as u64) << 12
        })
    }
    fn table(&mut self, address: u64) -> &mut Table {
        &mut self.tables[(address >> 12) as usize - 1]
    }
}

const ALL: Rights = Rights { write: true, execute: true };
pub(crate) const FEATURES: PagingFeatures = PagingFeatures { gigabyte_pages: false, no_execute: true };

/// An address space of at most `limit` tables.
pub(crate) fn space(limit: usize, features: PagingFeatures) -> AddressSpace<Arena> {
    AddressSpace::new(Arena { tables: Vec::new(), limit }, features).unwrap()
}

/// Walks the tables as the processor does: the physical address and the last entry.
pub(crate) fn walk(space: &mut AddressSpace<Arena>, address: u64) -> Option<(u64, u64)> {
    let mut table = space.root;
    for level in (1..=4).rev() {
        let entry = space.memory.table(table)[slot(address, level)];
        if entry & PRESENT == 0 {
            return None;
        }
        if level == 1 || (level < 4 && entry & LARGE != 0) {
            let offset = address & (page_bytes(level) - 1);
            return Some(((entry & ADDRESS) + offset, entry));
        }
        table = entry & ADDRESS;
    }
    None
}

#[test]
fn maps_with_rights() {
    let mut space = space(16, FEATURES);
    let base = 0xffff_ffff_8000_0000;
    space.map(base, 0x20_0000, 0x2000, Rights { write: false, execute: true }).unwrap();
    space.map(base + 0x2000, 0x20_2000, 0x1000, Rights { write: true, execute: false }).unwrap();
    let (address, entry) = walk(&mut space, base + 0x1234).unwrap();
    assert_eq!((address, entry & (WRITABLE | NO_EXECUTE)), (0x20_1234, 0));
    let (address, entry) = walk(&mut space, base + 0x2fff).unwrap();
    assert_eq!((address, entry & (WRITABLE | NO_EXECUTE)), (0x20_2fff, WRITABLE | NO_EXECUTE));
    assert_eq!(walk(&mut space, base + 0x3000), None);
}

#[test]
fn picks_the_largest_pages() {
    let mut small = space(16, FEATURES);
    small.map(0x1000, 0x1000, 0x40_0000 - 0x1000, ALL).unwrap();
    assert_eq!(walk(&mut small, 0x1f_f000).unwrap().1 & LARGE, 0);
    assert_ne!(walk(&mut small, 0x20_0000).unwrap().1 & LARGE, 0);
    assert_eq!(walk(&mut small, 0), None);

    let mut large = space(16, PagingFeatures { gigabyte_pages: true, no_execute: true });
    large.map(0xffff_8000_0000_0000, 0, 4 << 30, ALL).unwrap();
    assert_eq!(large.memory.tables.len(), 2, "four entries of 1 GiB need a root and one table");
    assert_eq!(walk(&mut large, 0xffff_8000_c012_3456).unwrap().0, 0xc012_3456);
}

#[test]
fn without_the_nx_bit_it_stays_clear() {
    let mut space = space(16, PagingFeatures::default());
    space.map(0, 0, 0x1000, Rights { write: false, execute: false }).unwrap();
    assert_eq!(walk(&mut space, 0).unwrap().1 & NO_EXECUTE, 0);
}

#[test]
fn faults() {
    let mut tight = space(2, FEATURES);
    assert_eq!(tight.map(0, 0, 0x1000, ALL), Err(MapError::NoMemory));
    let mut space = space(16, FEATURES);
    assert_eq!(space.map(0x800, 0, 0x1000, ALL), Err(MapError::BadRange));
    assert_eq!(space.map(0xffff_ffff_ffff_f000, 0, 0x2000, ALL), Err(MapError::BadRange));
    space.map(0, 0, 0x20_0000, ALL).unwrap();
    assert_eq!(space.map(0x1000, 0, 0x1000, ALL), Err(MapError::BadRange));
}
