//! ASID control and pools (abi.md 7.9, A.1, A.2).

use libsel::abi::{CPtr, Label, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{AsidPool, Endpoint, Pdpt, Untyped, VSpace};
use libsel::{Cap, Error, LookupFailure, invoke};

use super::fixture::{MAP_AREA, at, tag};
use super::harness::{Outcome, Test, equal, fails, lookup, test};

#[track_caller]
fn truncated(cptr: CPtr, label: Label, words: &[Word], caps: &[CPtr]) -> Outcome {
    fails(invoke::raw(cptr, label.raw(), words, caps).result(), Error::TruncatedMessage)
}

/// ASIDs.
pub const TESTS: &[Test] = &[
    test("ASID0001", "an address space gets one ASID", |t| {
        let vspace = t.vspace()?;
        fails(initial::ASID_POOL.assign(vspace), Error::InvalidCapability(1))?;
        fails(initial::ASID_POOL.assign(initial::VSPACE), Error::InvalidCapability(1))
    }),
    test("ASID0002", "only address spaces get ASIDs", |t| {
        let frame = t.frame()?;
        fails(initial::ASID_POOL.assign(frame.cast()), Error::InvalidCapability(1))?;
        truncated(initial::ASID_POOL.cptr(), Label::X86AsidPoolAssign, &[], &[])?;
        let wrong = invoke::raw(initial::ASID_POOL.cptr(), Label::X86PageMap.raw(), &[], &[]);
        fails(wrong.result(), Error::IllegalOperation)
    }),
    test("ASID0003", "seven pools can be made after boot, and again when they are gone", |t| {
        for _ in 0..2 {
            let mut made = [Cap::<Untyped>::NULL; 7];
            for memory in &mut made {
                *memory = t.memory(12)?;
                let place = t.place();
                initial::ASID_CONTROL.make_pool(*memory, place)?;
                equal(tag(place.index), 13)?;
            }
            let (exact, larger) = (t.memory(12)?, t.memory(13)?);
            fails(initial::ASID_CONTROL.make_pool(exact, t.place()), Error::DeleteFirst)?;
            fails(initial::ASID_CONTROL.make_pool(larger, t.place()), Error::DeleteFirst)?;
            made.iter().try_for_each(|memory| at(*memory).revoke())?;
        }
        Ok(())
    }),
    test("ASID0004", "a pool is made of 4 KiB of free RAM", |t| {
        let (larger, used) = (t.memory(13)?, t.memory(12)?);
        let make = |memory, place| initial::ASID_CONTROL.make_pool(memory, place);
        fails(make(larger, t.place()), Error::InvalidCapability(1))?;
        fails(make(t.endpoint()?.cast(), t.place()), Error::InvalidCapability(1))?;
        used.retype_one::<Endpoint>(0, initial::CNODE, t.slot())?;
        fails(make(used, t.place()), Error::RevokeFirst)?;
        let (free, full) = (t.memory(12)?, at(t.endpoint()?));
        fails(make(free, full), Error::DeleteFirst)?;
        let caps = [free.cptr(), initial::CNODE.cptr()];
        truncated(initial::ASID_CONTROL.cptr(), Label::X86AsidControlMakePool, &[1], &caps)?;
        truncated(initial::ASID_CONTROL.cptr(), Label::X86AsidControlMakePool, &[1, 64], &caps[..1])
    }),
    test("ASID0005", "an address space of a deleted pool is no longer one", |t| {
        let (memory, place) = (t.memory(12)?, t.place());
        initial::ASID_CONTROL.make_pool(memory, place)?;
        let vspace: Cap<VSpace> = t.make(0)?;
        Cap::<AsidPool>::new(place.index).assign(vspace)?;
        let pdpt = t.make::<Pdpt>(0)?;
        place.delete()?;
        let gone = lookup(LookupFailure::InvalidRoot);
        fails(pdpt.map_table(vspace, MAP_AREA, VmAttributes::WRITE_BACK), gone)
    }),
];
