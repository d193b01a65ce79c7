//! The checks of mapping and unmapping, one after the other, for tables of all levels and frames of all sizes (abi.md
//! 7.8).

use libsel::abi::{CPtr, CapRights, Label, ObjectType, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{AnyFrame, AsidPool, HugePage, LargePage, Page, PageDirectory, PageTable, Pdpt, VSpace};
use libsel::invoke::{self, RetypeTarget};
use libsel::ipc::Message;
use libsel::{Cap, Error, LookupFailure};

use super::fixture::{Fixture, MAP_AREA, at};
use super::harness::{Outcome, Test, check, excuse, fails, lookup, missing, test};

const RW: CapRights = CapRights::READ_WRITE;
const PLAIN: VmAttributes = VmAttributes::WRITE_BACK;
/// The first address behind user addresses.
const USER_END: Word = 0x8000_0000_0000;

/// The tables from the top: map and unmap label, log2 of the span, type.
const TABLES: [(Label, Label, Word, ObjectType); 3] = [
    (Label::X86PdptMap, Label::X86PdptUnmap, 39, ObjectType::Pdpt),
    (Label::X86PageDirectoryMap, Label::X86PageDirectoryUnmap, 30, ObjectType::PageDirectory),
    (Label::X86PageTableMap, Label::X86PageTableUnmap, 21, ObjectType::PageTable),
];

fn send(cptr: CPtr, label: Label, words: &[Word], caps: &[CPtr]) -> libsel::Result<Message> {
    invoke::raw(cptr, label.raw(), words, caps).result()
}

/// A new table of level `level`, 0 = PDPT.
fn table(t: &mut Fixture<'_>, level: usize) -> libsel::Result<CPtr> {
    let slot = t.slot();
    t.untyped.retype(TABLES[level].3, 0, RetypeTarget::slots_of(initial::CNODE, slot), 1)?;
    Ok(slot)
}

fn map_table(level: usize, table: CPtr, vspace: Cap<VSpace>, address: Word) -> libsel::Result<Message> {
    send(table, TABLES[level].0, &[address, 0], &[vspace.cptr()])
}

fn unmap_table(level: usize, table: CPtr) -> libsel::Result<Message> {
    send(table, TABLES[level].1, &[], &[])
}

/// Maps new tables for [`MAP_AREA`] above level `level`.
fn tables_above(t: &mut Fixture<'_>, level: usize, vspace: Cap<VSpace>) -> libsel::Result<()> {
    for above in 0..level {
        let table = table(t, above)?;
        map_table(above, table, vspace, MAP_AREA)?;
    }
    Ok(())
}

/// A pool of its own with an address space of it: its slot, and the space.
fn own_pool(t: &mut Fixture<'_>) -> libsel::Result<(Cap<AsidPool>, Cap<VSpace>)> {
    let (memory, place) = (t.memory(12)?, t.place());
    initial::ASID_CONTROL.make_pool(memory, place)?;
    let pool = Cap::<AsidPool>::new(place.index);
    let vspace = t.make(0)?;
    pool.assign(vspace)?;
    Ok((pool, vspace))
}

/// An address space whose number now belongs to another one.
fn stale_space(t: &mut Fixture<'_>) -> libsel::Result<Cap<VSpace>> {
    let (pool, stale) = own_pool(t)?;
    at(pool).delete()?;
    // The next pool takes the same place, and its first space the same number.
    own_pool(t)?;
    Ok(stale)
}

/// Frames of 4 KiB, 2 MiB and 1 GiB, the last of device memory.
fn frames(t: &mut Fixture<'_>) -> libsel::Result<[CPtr; 3]> {
    let devices = t.machine.bootinfo.untypeds().filter(|(_, desc)| desc.is_device != 0);
    let huge = devices.filter(|(_, desc)| desc.size_bits >= 30).min_by_key(|(_, desc)| desc.size_bits);
    let huge = match huge {
        Some((memory, _)) => memory.retype_one::<HugePage>(0, initial::CNODE, t.slot())?.cptr(),
        None => t.make::<LargePage>(0)?.cptr(),
    };
    Ok([t.frame()?.cptr(), t.make::<LargePage>(0)?.cptr(), huge])
}

fn map_frame(frame: CPtr, vspace: Cap<VSpace>, address: Word) -> libsel::Result<()> {
    Cap::<AnyFrame>::new(frame).map(vspace, address, RW, PLAIN)
}

/// Frames of all sizes have to be refused at an address.
#[track_caller]
fn frames_fail(frames: [CPtr; 3], vspace: Cap<VSpace>, address: Word, error: Error) -> Outcome {
    frames.into_iter().try_for_each(|frame| fails(map_frame(frame, vspace, address), error))
}

/// Tables of all levels have to be refused; those above them are there.
#[track_caller]
fn tables_fail(t: &mut Fixture<'_>, vspace: Cap<VSpace>, address: Word, error: Error) -> Outcome {
    for level in 0..TABLES.len() {
        let table = table(t, level)?;
        fails(map_table(level, table, vspace, address), error)?;
    }
    Ok(())
}

/// Checks of address spaces.
pub const TESTS: &[Test] = &[
    test("MAPCHECK0001", "mapping a table needs two words and a capability", |t| {
        for (level, (map, ..)) in TABLES.iter().enumerate() {
            let table = table(t, level)?;
            let truncated = Error::TruncatedMessage;
            fails(send(table, *map, &[MAP_AREA], &[initial::VSPACE.cptr()]), truncated)?;
            fails(send(table, *map, &[MAP_AREA, 0], &[]), truncated)?;
        }
        Ok(())
    }),
    test("MAPCHECK0002", "a mapped table is not mapped again, wherever", |t| {
        let vspace = t.vspace()?;
        for level in 0..TABLES.len() {
            let table = table(t, level)?;
            map_table(level, table, vspace, MAP_AREA)?;
            fails(map_table(level, table, vspace, MAP_AREA), Error::InvalidCapability(0))?;
            // Before the address space is looked at.
            fails(map_table(level, table, Cap::NULL, USER_END), Error::InvalidCapability(0))?;
        }
        Ok(())
    }),
    test("MAPCHECK0003", "tables are mapped into address spaces with an ASID", |t| {
        let without_asid = t.make::<VSpace>(0)?;
        for vspace in [without_asid, initial::CNODE.cast(), Cap::NULL] {
            // Before the address is looked at.
            tables_fail(t, vspace, USER_END, Error::InvalidCapability(1))?;
        }
        Ok(())
    }),
    test("MAPCHECK0004", "tables are for user addresses", |t| {
        let (pool, unassigned) = own_pool(t)?;
        at(pool).delete()?;
        for address in [USER_END, 0xffff_8000_0000_0000, Word::MAX] {
            // Before the ASID is looked up.
            tables_fail(t, unassigned, address, Error::InvalidArgument(0))?;
        }
        Ok(())
    }),
    test("MAPCHECK0005", "an address space whose ASID is no longer assigned takes no table", |t| {
        let (pool, unassigned) = own_pool(t)?;
        at(pool).delete()?;
        tables_fail(t, unassigned, MAP_AREA, lookup(LookupFailure::InvalidRoot))
    }),
    test("MAPCHECK0006", "an address space whose ASID is another's takes no table", |t| {
        let stale = stale_space(t)?;
        tables_fail(t, stale, MAP_AREA, Error::InvalidCapability(1))
    }),
    test("MAPCHECK0007", "the table above has to be there, and the missing level is told", |t| {
        let vspace = t.vspace()?;
        let (directory, page_table) = (table(t, 1)?, table(t, 2)?);
        fails(map_table(1, directory, vspace, MAP_AREA), lookup(missing(39)))?;
        fails(map_table(2, page_table, vspace, MAP_AREA), lookup(missing(39)))?;
        tables_above(t, 1, vspace)?;
        fails(map_table(2, page_table, vspace, MAP_AREA), lookup(missing(30)))?;
        map_table(1, directory, vspace, MAP_AREA)?;
        map_table(2, page_table, vspace, MAP_AREA)?;
        Ok(())
    }),
    test("MAPCHECK0008", "a huge page in the way is as good as no directory", |t| {
        let vspace = t.vspace()?;
        tables_above(t, 1, vspace)?;
        let [small, large, huge] = frames(t)?;
        if map_frame(huge, vspace, MAP_AREA).is_err() {
            excuse("no device memory of 1 GiB");
            return Ok(());
        }
        let (directory, page_table) = (table(t, 1)?, table(t, 2)?);
        fails(map_table(1, directory, vspace, MAP_AREA), Error::DeleteFirst)?;
        fails(map_table(2, page_table, vspace, MAP_AREA), lookup(missing(30)))?;
        fails(map_frame(small, vspace, MAP_AREA), lookup(missing(30)))?;
        fails(map_frame(large, vspace, MAP_AREA), lookup(missing(30)))
    }),
    test("MAPCHECK0009", "a table does not replace a table", |t| {
        let vspace = t.vspace()?;
        tables_above(t, 3, vspace)?;
        tables_fail(t, vspace, MAP_AREA, Error::DeleteFirst)
    }),
    test("MAPCHECK0010", "a page table does not replace a large page", |t| {
        let vspace = t.vspace()?;
        tables_above(t, 2, vspace)?;
        let large = t.make::<LargePage>(0)?;
        large.map(vspace, MAP_AREA, RW, PLAIN)?;
        let page_table = table(t, 2)?;
        fails(map_table(2, page_table, vspace, MAP_AREA), Error::DeleteFirst)?;
        large.unmap()?;
        map_table(2, page_table, vspace, MAP_AREA)?;
        Ok(())
    }),
    test("MAPCHECK0011", "a table with a copy is not unmapped", |t| {
        let vspace = t.vspace()?;
        for level in 0..TABLES.len() {
            let table = table(t, level)?;
            map_table(level, table, vspace, MAP_AREA)?;
            let copy = t.copy(Cap::<PageTable>::new(table), CapRights::ALL)?;
            fails(unmap_table(level, table), Error::RevokeFirst)?;
            fails(unmap_table(level, copy.cptr()), Error::RevokeFirst)?;
            at(copy).delete()?;
        }
        Ok(())
    }),
    test("MAPCHECK0012", "a table is unmapped, also when it is not mapped", |t| {
        let vspace = t.vspace()?;
        for level in 0..TABLES.len() {
            let table = table(t, level)?;
            unmap_table(level, table)?;
            map_table(level, table, vspace, MAP_AREA)?;
            unmap_table(level, table)?;
            unmap_table(level, table)?;
            map_table(level, table, vspace, MAP_AREA)?;
        }
        Ok(())
    }),
    test("MAPCHECK0013", "mapping a frame needs three words and a capability", |t| {
        let (frame, map) = (t.frame()?.cptr(), Label::X86PageMap);
        fails(send(frame, map, &[MAP_AREA, 3], &[initial::VSPACE.cptr()]), Error::TruncatedMessage)?;
        fails(send(frame, map, &[MAP_AREA, 3, 0], &[]), Error::TruncatedMessage)
    }),
    test("MAPCHECK0014", "frames are mapped into address spaces with an ASID", |t| {
        let (without_asid, frames) = (t.make::<VSpace>(0)?, frames(t)?);
        for vspace in [without_asid, initial::CNODE.cast(), Cap::NULL] {
            // Before the address is looked at.
            frames_fail(frames, vspace, USER_END, Error::InvalidCapability(1))?;
        }
        Ok(())
    }),
    test("MAPCHECK0015", "a mapped frame stays in its address space", |t| {
        let (one, two) = (t.vspace()?, t.vspace()?);
        t.tables(one, MAP_AREA)?;
        t.tables(two, MAP_AREA)?;
        let frame = t.frame()?.cptr();
        map_frame(frame, one, MAP_AREA)?;
        fails(map_frame(frame, two, MAP_AREA), Error::InvalidCapability(1))?;
        // Before the address is looked at.
        fails(map_frame(frame, two, MAP_AREA + 0x1000), Error::InvalidCapability(1))?;
        map_frame(frame, one, MAP_AREA)?;
        Cap::<Page>::new(frame).unmap()?;
        Ok(map_frame(frame, two, MAP_AREA)?)
    }),
    test("MAPCHECK0016", "a mapped frame stays at its address", |t| {
        let vspace = t.vspace()?;
        t.tables(vspace, MAP_AREA)?;
        let frame = t.frame()?.cptr();
        map_frame(frame, vspace, MAP_AREA)?;
        for address in [MAP_AREA + 0x1000, MAP_AREA + 1, USER_END] {
            fails(map_frame(frame, vspace, address), Error::InvalidArgument(0))?;
        }
        Ok(map_frame(frame, vspace, MAP_AREA)?)
    }),
    test("MAPCHECK0017", "frames are for user addresses, and end below 2^47", |t| {
        let (pool, unassigned) = own_pool(t)?;
        at(pool).delete()?;
        let frames = frames(t)?;
        for address in [USER_END, USER_END - 0x1000, 0xffff_8000_0000_0000] {
            // Before the ASID is looked up.
            frames_fail(frames, unassigned, address, Error::InvalidArgument(0))?;
        }
        let [_, large, huge] = frames;
        fails(map_frame(large, unassigned, USER_END - (1 << 21)), Error::InvalidArgument(0))?;
        fails(map_frame(huge, unassigned, USER_END - (1 << 21)), Error::InvalidArgument(0))
    }),
    test("MAPCHECK0018", "an address space whose ASID is no longer assigned takes no frame", |t| {
        let (pool, unassigned) = own_pool(t)?;
        at(pool).delete()?;
        // Before the alignment is looked at.
        frames_fail(frames(t)?, unassigned, MAP_AREA + 1, lookup(LookupFailure::InvalidRoot))
    }),
    test("MAPCHECK0019", "an address space whose ASID is another's takes no frame", |t| {
        let stale = stale_space(t)?;
        frames_fail(frames(t)?, stale, MAP_AREA + 1, Error::InvalidCapability(1))
    }),
    test("MAPCHECK0020", "the address of a frame is aligned to its size", |t| {
        let vspace = t.vspace()?;
        let [small, large, huge] = frames(t)?;
        // Before tables are looked at.
        for (frame, address) in [(small, 0x800), (large, 0x1000), (huge, 0x10_0000)] {
            fails(map_frame(frame, vspace, MAP_AREA + address), Error::AlignmentError)?;
        }
        Ok(())
    }),
    test("MAPCHECK0021", "the tables above a frame have to be there, and the missing level is told", |t| {
        let vspace = t.vspace()?;
        let [small, large, huge] = frames(t)?;
        for frame in [small, large, huge] {
            fails(map_frame(frame, vspace, MAP_AREA), lookup(missing(39)))?;
        }
        tables_above(t, 1, vspace)?;
        let directory = table(t, 1)?;
        for frame in [small, large] {
            fails(map_frame(frame, vspace, MAP_AREA), lookup(missing(30)))?;
        }
        map_table(1, directory, vspace, MAP_AREA)?;
        fails(map_frame(small, vspace, MAP_AREA), lookup(missing(21)))?;
        Ok(map_frame(large, vspace, MAP_AREA)?)
    }),
    test("MAPCHECK0022", "a frame covered by a larger one misses its table", |t| {
        let vspace = t.vspace()?;
        tables_above(t, 2, vspace)?;
        let [small, large, _] = frames(t)?;
        map_frame(large, vspace, MAP_AREA)?;
        fails(map_frame(small, vspace, MAP_AREA + 0x1000), lookup(missing(21)))
    }),
    test("MAPCHECK0023", "a large or huge frame does not replace a table", |t| {
        let vspace = t.vspace()?;
        tables_above(t, 3, vspace)?;
        let [_, large, huge] = frames(t)?;
        fails(map_frame(large, vspace, MAP_AREA), Error::DeleteFirst)?;
        fails(map_frame(huge, vspace, MAP_AREA), Error::DeleteFirst)
    }),
    test("MAPCHECK0024", "the last pages of user space can be mapped", |t| {
        let vspace = t.vspace()?;
        let last = USER_END - 0x2000;
        t.tables(vspace, last)?;
        let frame = t.frame()?.cptr();
        map_frame(frame, vspace, last)?;
        let copy = t.copy(Cap::<Page>::new(frame), CapRights::ALL)?;
        let result = map_frame(copy.cptr(), vspace, last + 0x1000);
        check(result == Err(Error::InvalidArgument(0)), "the page behind it is refused")
    }),
    test("MAPCHECK0025", "unmapping succeeds when the address space is gone", |t| {
        let (pool, vspace) = own_pool(t)?;
        t.tables(vspace, MAP_AREA)?;
        let frame = t.frame()?;
        map_frame(frame.cptr(), vspace, MAP_AREA)?;
        at(pool).delete()?;
        frame.unmap()?;
        let other = t.vspace()?;
        t.tables(other, MAP_AREA)?;
        Ok(map_frame(frame.cptr(), other, MAP_AREA)?)
    }),
    test("MAPCHECK0026", "tables of a space that is gone can be used in another", |t| {
        let (pool, vspace) = own_pool(t)?;
        let (pdpt, directory): (Cap<Pdpt>, Cap<PageDirectory>) = (t.make(0)?, t.make(0)?);
        pdpt.map_table(vspace, MAP_AREA, PLAIN)?;
        directory.map_table(vspace, MAP_AREA, PLAIN)?;
        at(pool).delete()?;
        directory.unmap_table()?;
        pdpt.unmap_table()?;
        let other = t.vspace()?;
        pdpt.map_table(other, MAP_AREA, PLAIN)?;
        Ok(directory.map_table(other, MAP_AREA, PLAIN)?)
    }),
];
