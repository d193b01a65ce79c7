//! Page tables and address space numbers.
use sel_abi::bootinfo::slot;
use sel_abi::{Label, ObjectType};

use super::{Scene, complaints, word};
use crate::addr::KernelPtr;
use crate::arch;
use crate::arch::pte::PageTable;
use crate::cap::{AsidPoolCap, Cap, FrameCap, Mapping, Pml4Cap, TableCap};
use crate::object::asid::Asid;
use crate::tests::objects::VSPACE;

/// Present, writable, for users.
const RIGHTS: u64 = 7;

complaints! {
    a_page_of_free_memory: "that no frame capability mapped", |s| {
        let [.., table] = tables(s);
        word(table, 9).set(s.nowhere::<u64>().phys().0 | RIGHTS);
    };
    a_page_elsewhere: "that no frame capability mapped", |s| {
        let [.., table] = tables(s);
        word(table, 9).set(word(table, 1).get());
    };
    a_page_with_more_rights: "with more rights than its capability", |s| {
        let page = s.m.next_slot;
        let [.., table] = tables(s);
        let at = (page..s.m.next_slot).find(|cptr| matches!(s.m.cap(*cptr), Cap::Frame(_))).expect("the page");
        let Cap::Frame(frame) = s.m.cap(at) else { panic!("no frame") };
        s.slot(at).set_cap(Cap::Frame(FrameCap { rights: sel_abi::CapRights::READ, ..frame }));
        assert_eq!(word(table, 1).get() & RIGHTS, RIGHTS);
    };
    a_table_without_a_capability: "a table at 0x8000000000 that no capability mapped", |s| {
        let [root, ..] = tables(s);
        word(root, 1).set(s.nowhere::<PageTable>().phys().0 | RIGHTS);
    };
    a_table_mapped_twice: "a table at 0x8000000000 that no capability mapped", |s| {
        let [root, ..] = tables(s);
        word(root, 1).set(word(root, 0).get());
    };
    a_broken_entry: "neither present nor empty", |s| {
        let [root, ..] = tables(s);
        word(root, 7).set(1 << 63);
    };
    a_table_that_was_not_cleared: "a table that is not mapped is not empty", |s| {
        let table = s.m.object(ObjectType::PageTable);
        let Cap::Table(TableCap { object, .. }) = s.m.cap(table) else { panic!("no table") };
        word(object, 5).set(RIGHTS);
    };
    a_space_without_a_number: "an address space without a number is not empty", |s| {
        let space = s.m.object(ObjectType::Pml4);
        let Cap::Pml4(Pml4Cap { object, .. }) = s.m.cap(space) else { panic!("no address space") };
        word(object, 5).set(RIGHTS);
    };
    an_unmapped_page: "that no frame capability mapped", |s| {
        let first = s.m.next_slot;
        tables(s);
        let at = (first..s.m.next_slot).find(|cptr| matches!(s.m.cap(*cptr), Cap::Frame(_))).expect("the page");
        let Cap::Frame(frame) = s.m.cap(at) else { panic!("no frame") };
        s.slot(at).set_cap(Cap::Frame(FrameCap { mapping: None, ..frame }));
    };
    a_page_of_another_space: "that no frame capability mapped", |s| {
        let first = s.m.next_slot;
        tables(s);
        let at = (first..s.m.next_slot).find(|cptr| matches!(s.m.cap(*cptr), Cap::Frame(_))).expect("the page");
        let Cap::Frame(frame) = s.m.cap(at) else { panic!("no frame") };
        let mapping = frame.mapping.map(|at| Mapping { asid: Asid(at.asid.0 + 1), ..at });
        s.slot(at).set_cap(Cap::Frame(FrameCap { mapping, ..frame }));
    };
    an_address_space_that_is_gone: "the processor uses an address space that is gone", |s| {
        arch::set_address_space(arch::AddressSpace::new(s.nowhere::<PageTable>().phys(), 9));
    };
    a_number_of_nobody: "belongs to an address space that is gone", |s| {
        first_pool(s).object.get().spaces()[77].set(Some(s.nowhere()));
    };
    number_zero: "number 0 was given to an address space", |s| {
        first_pool(s).object.get().spaces()[0].set(Some(s.nowhere()));
    };
    a_number_with_another_owner: "belongs to an address space that is gone", |s| {
        let Cap::Pml4(space) = s.m.cap(VSPACE) else { panic!("no address space") };
        first_pool(s).object.get().spaces()[78].set(Some(space.object));
    };
    a_pool_that_is_gone: "ASID pool 0 is gone", |s| {
        s.m.k.asids.set_first_pool(s.nowhere());
    };
    a_pool_that_is_not_registered: "an ASID pool that is not registered", |s| {
        let untyped = s.m.sized(ObjectType::Untyped, 12);
        let to = s.m.free_slot();
        let root = crate::tests::objects::ROOT;
        s.m.ok(slot::ASID_CONTROL, Label::X86AsidControlMakePool, &[to, 64], &[untyped, root]);
        let copy = s.m.copy(to);
        let Cap::AsidPool(pool) = s.m.cap(to) else { panic!("no pool") };
        // One copy still names the pool that is registered; the other a pool that is not.
        s.slot(copy).set_cap(Cap::AsidPool(AsidPoolCap { index: 5, ..pool }));
    };
}

fn first_pool(s: &Scene) -> AsidPoolCap {
    let Cap::AsidPool(pool) = s.m.cap(slot::INIT_THREAD_ASID_POOL) else { panic!("no pool") };
    pool
}

/// An address space with a page at 0x1000: its tables from the root down.
fn tables(s: &mut Scene) -> [KernelPtr<PageTable>; 4] {
    let m = &mut s.m;
    let root = m.object(ObjectType::Pml4);
    m.ok(slot::INIT_THREAD_ASID_POOL, Label::X86AsidPoolAssign, &[], &[root]);
    let Cap::Pml4(space) = m.cap(root) else { panic!("no address space") };
    let levels = [
        (ObjectType::Pdpt, Label::X86PdptMap),
        (ObjectType::PageDirectory, Label::X86PageDirectoryMap),
        (ObjectType::PageTable, Label::X86PageTableMap),
    ];
    let tables = levels.map(|(object, label)| {
        let table = m.object(object);
        m.ok(table, label, &[0, 0], &[root]);
        let Cap::Table(table) = m.cap(table) else { panic!("no table") };
        table.object
    });
    let page = m.object(ObjectType::Page);
    m.ok(page, Label::X86PageMap, &[0x1000, 3, 0], &[root]);
    [space.object, tables[0], tables[1], tables[2]]
}
