//! Address spaces: errors of mapping and unmapping, tables, large pages (abi.md 7.8, A.1, A.2).

use libsel::abi::{CPtr, CapRights, Label, ObjectType, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{LargePage, Page, PageDirectory, PageTable, Pdpt, VSpace};
use libsel::invoke::{self, PagingStructure};
use libsel::{Cap, Error};

use super::fixture::{Fixture, MAP_AREA, at, peek, poke};
use super::harness::{Outcome, Test, equal, fails, lookup, missing, test};

const ALL: CapRights = CapRights::ALL;
const RW: CapRights = CapRights::READ_WRITE;
const PLAIN: VmAttributes = VmAttributes::WRITE_BACK;

/// Maps a frame in the self-test's own space.
fn map(frame: Cap<Page>, address: Word) -> libsel::Result<()> {
    frame.map(initial::VSPACE, address, RW, PLAIN)
}

/// A new table, mapped into `vspace`.
fn table<T>(t: &mut Fixture<'_>, vspace: Cap<VSpace>, address: Word) -> libsel::Result<Cap<T>>
where
    T: PagingStructure + libsel::cap::Retypable,
{
    let table = t.make::<T>(0)?;
    table.map_table(vspace, address, PLAIN)?;
    Ok(table)
}

/// A new address space with all tables for `address`, and the page table.
fn space_with_tables(t: &mut Fixture<'_>, address: Word) -> libsel::Result<(Cap<VSpace>, Cap<PageTable>)> {
    let vspace = t.vspace()?;
    table::<Pdpt>(t, vspace, address)?;
    table::<PageDirectory>(t, vspace, address)?;
    let page_table = table::<PageTable>(t, vspace, address)?;
    Ok((vspace, page_table))
}

#[track_caller]
fn truncated(cptr: CPtr, label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    fails(invoke::raw(cptr, label.raw(), words, caps).result(), Error::TruncatedMessage)
}

/// Address spaces.
pub const TESTS: &[Test] = &[
    test("VSPACE0001", "without a PDPT nothing can be mapped", |t| {
        let (vspace, frame) = (t.vspace()?, t.frame()?);
        fails(frame.map(vspace, MAP_AREA, RW, PLAIN), lookup(missing(39)))?;
        fails(t.make::<PageTable>(0)?.map_table(vspace, MAP_AREA, PLAIN), lookup(missing(39)))?;
        fails(t.make::<PageDirectory>(0)?.map_table(vspace, MAP_AREA, PLAIN), lookup(missing(39)))?;
        fails(t.make::<LargePage>(0)?.map(vspace, MAP_AREA, RW, PLAIN), lookup(missing(39)))
    }),
    test("VSPACE0002", "the missing level is named", |t| {
        let (vspace, frame) = (t.vspace()?, t.frame()?);
        table::<Pdpt>(t, vspace, MAP_AREA)?;
        fails(frame.map(vspace, MAP_AREA, RW, PLAIN), lookup(missing(30)))?;
        fails(t.make::<PageTable>(0)?.map_table(vspace, MAP_AREA, PLAIN), lookup(missing(30)))?;
        table::<PageDirectory>(t, vspace, MAP_AREA)?;
        fails(frame.map(vspace, MAP_AREA, RW, PLAIN), lookup(missing(21)))?;
        table::<PageTable>(t, vspace, MAP_AREA)?;
        Ok(frame.map(vspace, MAP_AREA, RW, PLAIN)?)
    }),
    test("VSPACE0003", "a table's address is rounded down", |t| {
        let vspace = t.vspace()?;
        let pdpt = t.make::<Pdpt>(0)?;
        pdpt.map_table(vspace, MAP_AREA + 0x123, PLAIN)?;
        fails(pdpt.map_table(vspace, MAP_AREA, PLAIN), Error::InvalidCapability(0))?;
        fails(t.make::<Pdpt>(0)?.map_table(vspace, MAP_AREA, PLAIN), Error::DeleteFirst)
    }),
    test("VSPACE0004", "tables are not mapped over tables", |t| {
        let (vspace, _) = space_with_tables(t, MAP_AREA)?;
        fails(t.make::<PageDirectory>(0)?.map_table(vspace, MAP_AREA, PLAIN), Error::DeleteFirst)?;
        fails(t.make::<PageTable>(0)?.map_table(vspace, MAP_AREA, PLAIN), Error::DeleteFirst)
    }),
    test("VSPACE0005", "tables belong to user addresses and address spaces", |t| {
        let vspace = t.vspace()?;
        let kernel = 0xffff_8000_0000_0000;
        let pdpt = t.make::<Pdpt>(0)?;
        fails(pdpt.map_table(vspace, kernel, PLAIN), Error::InvalidArgument(0))?;
        fails(pdpt.map_table(initial::CNODE.cast(), MAP_AREA, PLAIN), Error::InvalidCapability(1))?;
        let without_asid = t.make(0)?;
        fails(pdpt.map_table(without_asid, MAP_AREA, PLAIN), Error::InvalidCapability(1))
    }),
    test("VSPACE0006", "mapping needs its words and capabilities", |t| {
        let (frame, pdpt) = (t.frame()?.cptr(), t.make::<Pdpt>(0)?.cptr());
        let vspace = [initial::VSPACE.cptr()];
        truncated(frame, Label::X86PageMap, &[MAP_AREA, 3], &vspace)?;
        truncated(frame, Label::X86PageMap, &[MAP_AREA, 3, 0], &[])?;
        truncated(pdpt, Label::X86PdptMap, &[MAP_AREA], &vspace)?;
        truncated(pdpt, Label::X86PdptMap, &[MAP_AREA, 0], &[])
    }),
    test("VSPACE0007", "a frame's address is aligned", |t| {
        t.tables(initial::VSPACE, MAP_AREA)?;
        fails(map(t.frame()?, MAP_AREA + 1), Error::AlignmentError)
    }),
    test("VSPACE0008", "a mapped frame is mapped again only where it is", |t| {
        let frame = t.mapped_frame(MAP_AREA)?;
        frame.map(initial::VSPACE, MAP_AREA, CapRights::READ, PLAIN)?;
        fails(map(frame, MAP_AREA + 0x1000), Error::InvalidArgument(0))?;
        let (other, _) = space_with_tables(t, MAP_AREA)?;
        fails(frame.map(other, MAP_AREA, RW, PLAIN), Error::InvalidCapability(1))?;
        frame.unmap()?;
        map(frame, MAP_AREA + 0x1000)?;
        frame.unmap()?;
        Ok(frame.unmap()?)
    }),
    test("VSPACE0009", "another frame replaces a mapped one, whose unmapping then changes nothing", |t| {
        let (first, second) = (t.mapped_frame(MAP_AREA)?, t.frame()?);
        poke(MAP_AREA, 1);
        map(second, MAP_AREA)?;
        equal(peek(MAP_AREA), 0)?;
        poke(MAP_AREA, 2);
        first.unmap()?;
        equal(peek(MAP_AREA), 2)
    }),
    test("VSPACE0010", "frames are mapped into address spaces with an ASID", |t| {
        let frame = t.frame()?;
        let without_asid = t.make(0)?;
        fails(frame.map(initial::CNODE.cast(), MAP_AREA, RW, PLAIN), Error::InvalidCapability(1))?;
        fails(frame.map(without_asid, MAP_AREA, RW, PLAIN), Error::InvalidCapability(1))
    }),
    test("VSPACE0011", "the last page below 2^47 and kernel addresses are refused", |t| {
        let (frame, vspace) = (t.frame()?, t.vspace()?);
        let map = |address| frame.map(vspace, address, RW, PLAIN);
        fails(map(0x7fff_ffff_f000), Error::InvalidArgument(0))?;
        fails(map(0x7fff_ffff_e000), lookup(missing(39)))?;
        fails(map(0xffff_8000_0000_0000), Error::InvalidArgument(0))?;
        fails(map(0x8000_0000_0000), Error::InvalidArgument(0))
    }),
    test("VSPACE0012", "a large frame does not replace a page table", |t| {
        let (vspace, _) = space_with_tables(t, MAP_AREA)?;
        fails(t.make::<LargePage>(0)?.map(vspace, MAP_AREA, RW, PLAIN), Error::DeleteFirst)
    }),
    test("VSPACE0013", "a frame of 2 MiB is memory at its address", |t| {
        t.tables_for_large(initial::VSPACE, MAP_AREA)?;
        let large = t.make::<LargePage>(0)?;
        fails(large.map(initial::VSPACE, MAP_AREA + 0x1000, RW, PLAIN), Error::AlignmentError)?;
        large.map(initial::VSPACE, MAP_AREA, RW, PLAIN)?;
        for offset in [0, 0x1000, 0x10_0000, 0x1f_fff8] {
            poke(MAP_AREA + offset, offset + 1);
        }
        for offset in [0, 0x1000, 0x10_0000, 0x1f_fff8] {
            equal(peek(MAP_AREA + offset), offset + 1)?;
        }
        equal(large.get_address()? % (1 << 21), 0)
    }),
    test("VSPACE0014", "a large frame is in the way of tables and small frames", |t| {
        let vspace = t.vspace()?;
        t.tables_for_large(vspace, MAP_AREA)?;
        t.make::<LargePage>(0)?.map(vspace, MAP_AREA, RW, PLAIN)?;
        fails(t.make::<PageTable>(0)?.map_table(vspace, MAP_AREA, PLAIN), Error::DeleteFirst)?;
        fails(t.frame()?.map(vspace, MAP_AREA, RW, PLAIN), lookup(missing(21)))
    }),
    test("VSPACE0015", "only mapped tables can be copied", |t| {
        let unmapped = t.make::<PageTable>(0)?;
        fails(t.copy(unmapped, ALL), Error::IllegalOperation)?;
        let (_, mapped) = space_with_tables(t, MAP_AREA)?;
        t.copy(mapped, ALL)?;
        Ok(())
    }),
    test("VSPACE0016", "a table with copies is not unmapped", |t| {
        let (_, page_table) = space_with_tables(t, MAP_AREA)?;
        let copy = t.copy(page_table, ALL)?;
        fails(page_table.unmap_table(), Error::RevokeFirst)?;
        at(copy).delete()?;
        page_table.unmap_table()?;
        Ok(page_table.unmap_table()?)
    }),
    test("VSPACE0017", "unmapping a table forgets its entries", |t| {
        let (vspace, page_table) = space_with_tables(t, MAP_AREA)?;
        let frame = t.frame()?;
        frame.map(vspace, MAP_AREA, RW, PLAIN)?;
        page_table.unmap_table()?;
        frame.unmap()?;
        fails(frame.map(vspace, MAP_AREA, RW, PLAIN), lookup(missing(21)))?;
        page_table.map_table(vspace, MAP_AREA, PLAIN)?;
        Ok(frame.map(vspace, MAP_AREA, RW, PLAIN)?)
    }),
    test("VSPACE0018", "a PML4 without ASID cannot be copied", |t| {
        let pml4: Cap<VSpace> = t.make(0)?;
        fails(t.copy(pml4, ALL), Error::IllegalOperation)?;
        initial::ASID_POOL.assign(pml4)?;
        t.copy(pml4, ALL)?;
        Ok(())
    }),
    test("VSPACE0019", "an address space has no invocations", |t| {
        let vspace = t.vspace()?.cptr();
        for label in [Label::X86PdptMap, Label::X86PageMap, Label::InvalidInvocation] {
            fails(invoke::raw(vspace, label.raw(), &[0; 4], &[]).result(), Error::IllegalOperation)?;
        }
        Ok(())
    }),
    test("VSPACE0020", "frames and tables refuse each other's labels", |t| {
        let (frame, page_table) = (t.frame()?.cptr(), t.make::<PageTable>(0)?.cptr());
        fails(invoke::raw(frame, Label::X86PageTableMap.raw(), &[], &[]).result(), Error::IllegalOperation)?;
        fails(invoke::raw(page_table, Label::X86PageMap.raw(), &[], &[]).result(), Error::IllegalOperation)?;
        fails(invoke::raw(page_table, Label::X86PdptMap.raw(), &[], &[]).result(), Error::IllegalOperation)
    }),
    test("VSPACE0021", "the address of a frame is one word", |t| {
        let frame = t.frame()?;
        let reply = invoke::raw(frame.cptr(), Label::X86PageGetAddress.raw(), &[], &[]);
        equal((reply.label(), reply.length(), reply.word(0) % 4096), (0, 1, 0))
    }),
    test("VSPACE0022", "a copy of a mapped frame is unmapped and maps the same memory", |t| {
        let frame = t.mapped_frame(MAP_AREA)?;
        let copy = t.copy(frame, ALL)?;
        map(copy, MAP_AREA + 0x1000)?;
        poke(MAP_AREA, 0x1234);
        equal(peek(MAP_AREA + 0x1000), 0x1234)?;
        at(frame).delete()?;
        equal(peek(MAP_AREA + 0x1000), 0x1234)
    }),
    test("VSPACE0023", "a frame of 1 GiB needs that much memory", |t| {
        let slot = t.slot();
        let target = invoke::RetypeTarget::slots_of(initial::CNODE, slot);
        let free = 1 << super::machine::FRESH_BITS;
        fails(t.untyped.retype(ObjectType::HugePage, 0, target, 1), Error::NotEnoughMemory(free))
    }),
];
