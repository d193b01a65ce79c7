//! Invariants of page tables and of address space numbers.
use super::super::machine::Machine;
use super::Found;
use crate::addr::KernelPtr;
use crate::arch;
use crate::arch::pte::{Entry, EntryFlags, PageTable};
use crate::cap::{AsidPoolCap, Cap, FrameCap, Mapping, Pml4Cap, TableCap};
use crate::object::asid::Asid;

type TablePtr = KernelPtr<PageTable>;

/// What tables may lead to.
#[derive(Default)]
struct Owned {
    tables: Vec<TableCap>,
    frames: Vec<(FrameCap, Mapping)>,
    roots: Vec<Pml4Cap>,
    pools: Vec<AsidPoolCap>,
}

pub fn check(m: &Machine, found: &Found) {
    let mut owned = Owned::default();
    for cap in found.caps() {
        match *cap {
            Cap::Table(table) => owned.tables.push(table),
            Cap::Frame(frame) => owned.frames.extend(frame.mapping.map(|at| (frame, at))),
            Cap::Pml4(root) => owned.roots.push(root),
            Cap::AsidPool(pool) => owned.pools.push(pool),
            _ => {}
        }
    }
    check_numbers(m, &owned);
    let mut last = None;
    for root in &owned.roots {
        if last.replace(root.object) == Some(root.object) {
            // A copy: copies have the same number.
            continue;
        }
        match root.asid {
            None => assert!(is_empty(root.object), "an address space without a number is not empty"),
            Some(asid) if m.k.asids.find(asid) == Some(root.object) => {
                check_table(root.object, 39, 0, asid, &owned);
            }
            // Its pool is gone: nobody can run on it.
            Some(_) => {}
        }
    }
    for table in &owned.tables {
        assert!(table.mapping.is_some() || is_empty(table.object), "a table that is not mapped is not empty");
    }
    let loaded = arch::root();
    let alive = owned.roots.iter().any(|root| {
        root.object.phys() == loaded
            && root.asid.is_some_and(|asid| m.k.asids.find(asid) == Some(root.object))
    });
    assert!(
        loaded == arch::kernel_space().root() || alive,
        "the processor uses an address space that is gone"
    );
}

/// Pools are registered as long as they exist, and their entries name address spaces that know their number.
fn check_numbers(m: &Machine, owned: &Owned) {
    for (index, pool) in m.k.asids.pools().iter().enumerate() {
        let Some(pool) = pool else { continue };
        let known = owned.pools.iter().any(|cap| cap.object == *pool && usize::from(cap.index) == index);
        assert!(known, "ASID pool {index} is gone");
    }
    let mut last = None;
    for pool in &owned.pools {
        if last.replace(pool.index) == Some(pool.index) {
            continue;
        }
        let registered = m.k.asids.pools()[usize::from(pool.index)];
        assert!(registered == Some(pool.object), "an ASID pool that is not registered");
        for (low, space) in pool.object.get().spaces().iter().enumerate() {
            let Some(space) = space.get() else { continue };
            let asid = Asid(u16::from(pool.index) << sel_abi::ASID_POOL_INDEX_BITS | low as u16);
            assert!(asid.0 != 0, "number 0 was given to an address space");
            let known = owned.roots.iter().any(|root| root.object == space && root.asid == Some(asid));
            assert!(known, "{asid:?} belongs to an address space that is gone");
        }
    }
}

/// Entries of a root that users own; those of the upper half are the kernel's.
fn user_entries(bits: u64) -> usize {
    if bits == 39 { 256 } else { 512 }
}

fn is_empty(table: TablePtr) -> bool {
    table.get().entries.iter().fold(0, |sum, entry| sum | entry.get().0) == 0
}

/// Every entry that is present leads to an object whose capability says so.
fn check_table(table: TablePtr, bits: u64, base: u64, asid: Asid, owned: &Owned) {
    for (index, entry) in table.get().entries.iter().take(user_entries(bits)).enumerate() {
        let entry = entry.get();
        if entry == Entry::EMPTY {
            continue;
        }
        let vaddr = base + ((index as u64) << bits);
        assert!(entry.is_present(), "an entry at {vaddr:#x} that is neither present nor empty");
        if bits == 12 || (bits < 39 && entry.is_large()) {
            check_page(entry, bits, vaddr, asid, owned);
        } else {
            let is_mapped = |table: &&TableCap| {
                table.object.phys() == entry.address()
                    && table.level.span_bits() == bits
                    && table.mapping.is_some_and(|at| at.asid == asid && at.vaddr.0 == vaddr)
            };
            let next = owned.tables.iter().find(is_mapped);
            let next = next.unwrap_or_else(|| panic!("a table at {vaddr:#x} that no capability mapped"));
            check_table(next.object, bits - 9, vaddr, asid, owned);
        }
    }
}

/// A page is of a frame that a capability mapped here, with no more than that capability's rights.
fn check_page(entry: Entry, bits: u64, vaddr: u64, asid: Asid, owned: &Owned) {
    let mut mapped = owned.frames.iter().filter(|(frame, at)| {
        frame.base == entry.page_address(bits)
            && frame.size.bits() == bits
            && at.asid == asid
            && at.vaddr.0 == vaddr
    });
    let has = |flag: EntryFlags| entry.0 & flag.bits() != 0;
    let (user, writable) = (has(EntryFlags::USER), has(EntryFlags::WRITABLE));
    let first = mapped.next();
    assert!(first.is_some(), "a page at {vaddr:#x} that no frame capability mapped");
    let allowed = first.into_iter().chain(mapped).any(|(frame, _)| {
        let rights = frame.rights;
        (!user || rights.contains(sel_abi::CapRights::READ))
            && (!writable || rights.contains(sel_abi::CapRights::WRITE))
    });
    assert!(allowed, "a page at {vaddr:#x} with more rights than its capability");
}
