//! ASID control and pools (abi.md 7.9, A.1, A.2).

use libsel::abi::{CPtr, Label, ObjectType, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{AsidPool, Endpoint, Pdpt, Untyped, VSpace};
use libsel::invoke::RetypeTarget;
use libsel::{Cap, Error, LookupFailure, invoke};

use super::fixture::{MAP_AREA, at, tag};
use super::harness::{Outcome, Test, check, equal, fails, lookup, test};
use super::refusals::refuses_bad_slots;

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
    test("ASID0006", "making a pool needs two words and two capabilities", |t| {
        let (control, label) = (initial::ASID_CONTROL.cptr(), Label::X86AsidControlMakePool);
        let (words, caps) = ([t.slot(), 64], [t.memory(12)?.cptr(), initial::CNODE.cptr()]);
        truncated(control, label, &words[..1], &caps)?;
        truncated(control, label, &words, &caps[..1])
    }),
    test("ASID0007", "a pool is made of untyped memory of exactly 4 KiB that is no device", |t| {
        let mut devices = t.machine.bootinfo.untypeds().filter(|(_, desc)| desc.is_device != 0);
        let Some((device, _)) = devices.find(|(_, desc)| desc.size_bits >= 13) else {
            return check(false, "a device untyped of 8 KiB");
        };
        let page = device.retype_one::<Untyped>(12, initial::CNODE, t.slot())?;
        for memory in [t.memory(11)?, t.memory(13)?, page, t.frame()?.cast(), Cap::NULL] {
            let made = initial::ASID_CONTROL.make_pool(memory, t.place());
            fails(made, Error::InvalidCapability(1))?;
        }
        Ok(())
    }),
    test("ASID0008", "slots of pools are found, or the error says why not", |t| {
        let memory = t.memory(12)?;
        refuses_bad_slots(t, |slot| initial::ASID_CONTROL.make_pool(memory, slot))?;
        let full = at(t.endpoint()?);
        fails(initial::ASID_CONTROL.make_pool(memory, full), Error::DeleteFirst)?;
        Ok(initial::ASID_CONTROL.make_pool(memory, t.place())?)
    }),
    test("ASID0009", "a pool is checked in order: memory, children, slot", |t| {
        let (used, full) = (t.memory(12)?, at(t.endpoint()?));
        used.retype_one::<Endpoint>(0, initial::CNODE, t.slot())?;
        let larger = t.memory(13)?;
        larger.retype_one::<Endpoint>(0, initial::CNODE, t.slot())?;
        fails(initial::ASID_CONTROL.make_pool(larger, full), Error::InvalidCapability(1))?;
        fails(initial::ASID_CONTROL.make_pool(used, full), Error::RevokeFirst)
    }),
    test("ASID0010", "a pool has 512 numbers", |t| {
        let (memory, place) = (t.memory(12)?, t.place());
        initial::ASID_CONTROL.make_pool(memory, place)?;
        let pool = Cap::<AsidPool>::new(place.index);
        let many = t.memory(21)?;
        let node = t.cnode(9)?;
        let target = RetypeTarget::slots_of(node, 0);
        many.retype(ObjectType::Pml4, 0, target, 256)?;
        many.retype(ObjectType::Pml4, 0, RetypeTarget { node_offset: 256, ..target }, 256)?;
        let vspace = t.place();
        for index in 0..512 {
            vspace.move_from(node.slot(index, 9))?;
            pool.assign(Cap::new(vspace.index))?;
            node.slot(index, 9).move_from(vspace)?;
        }
        let one_more = t.make::<VSpace>(0)?;
        fails(pool.assign(one_more), Error::DeleteFirst)?;
        node.slot(77, 9).delete()?;
        Ok(pool.assign(one_more)?)
    }),
    test("ASID0011", "assigning needs a PML4 without a number", |t| {
        truncated(initial::ASID_POOL.cptr(), Label::X86AsidPoolAssign, &[], &[])?;
        for other in [initial::VSPACE, t.frame()?.cast(), t.make::<Pdpt>(0)?.cast(), Cap::NULL] {
            fails(initial::ASID_POOL.assign(other), Error::InvalidCapability(1))?;
        }
        Ok(())
    }),
];
