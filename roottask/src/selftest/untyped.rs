//! Untyped_Retype: every error in its order, watermark, reset, nesting (abi.md 7.2, A.1, A.5).

use libsel::abi::{CPtr, CapRights, Label, ObjectType, VmAttributes, Word};
use libsel::bootinfo::initial;
use libsel::cap::{AnyFrame, CNode, Untyped};
use libsel::invoke::{self, RetypeTarget};
use libsel::{Cap, Error, LookupFailure};

use super::fixture::{Fixture, MAP_AREA, at, peek, poke, tag};
use super::harness::{Outcome, Test, check, equal, fails, lookup, missing, range, test};

/// A Retype with words as they are.
fn retype(t: &Fixture<'_>, words: &[Word], root: CPtr) -> libsel::Result<()> {
    invoke::raw(t.untyped.cptr(), Label::UntypedRetype.raw(), words, &[root]).result().map(|_| ())
}

const ROOT: CPtr = initial::CNODE.cptr();
const ENDPOINT: Word = ObjectType::Endpoint.raw();

/// Retype of one object of a type with a size into a free slot has to fail.
#[track_caller]
fn size_fails(t: &mut Fixture<'_>, object_type: Word, size_bits: Word, error: Error) -> Outcome {
    let slot = t.slot();
    fails(retype(t, &[object_type, size_bits, 0, 0, slot, 1], ROOT), error)
}

/// Retype of endpoints with destination words has to fail.
#[track_caller]
fn place_fails(t: &mut Fixture<'_>, place: [Word; 4], root: CPtr, error: Error) -> Outcome {
    let [index, depth, offset, count] = place;
    fails(retype(t, &[ENDPOINT, 0, index, depth, offset, count], root), error)
}

/// A piece of device memory of at least a page.
fn device_untyped(t: &Fixture<'_>) -> Option<Cap<Untyped>> {
    let mut untypeds = t.machine.bootinfo.untypeds();
    untypeds.find(|(_, desc)| desc.is_device != 0 && desc.size_bits >= 12).map(|(cap, _)| cap)
}

/// Puts a page of `memory` into a new slot and says where in `memory`, which starts at `base`, it lies.
fn page_offset(t: &mut Fixture<'_>, memory: Cap<Untyped>, base: Word) -> libsel::Result<Word> {
    let slot = t.slot();
    memory.retype(ObjectType::Page, 0, RetypeTarget::slots_of(initial::CNODE, slot), 1)?;
    Ok(Cap::<AnyFrame>::new(slot).get_address()? - base)
}

/// Untyped objects.
pub const TESTS: &[Test] = &[
    test("UNTYPED0001", "a label of another object is an illegal operation", |t| {
        let reply = invoke::raw(t.untyped.cptr(), Label::TcbReadRegisters.raw(), &[], &[]);
        fails(reply.result(), Error::IllegalOperation)
    }),
    test("UNTYPED0002", "three words are too few", |t| {
        fails(retype(t, &[ENDPOINT, 0, 0], ROOT), Error::TruncatedMessage)
    }),
    test("UNTYPED0003", "a missing capability is a truncated message", |t| {
        let words = [ENDPOINT, 0, 0, 0, t.slot(), 1];
        let reply = invoke::raw(t.untyped.cptr(), Label::UntypedRetype.raw(), &words, &[]);
        fails(reply.result(), Error::TruncatedMessage)
    }),
    test("UNTYPED0004", "unknown object types are argument 0", |t| {
        size_fails(t, 99, 0, Error::InvalidArgument(0))?;
        size_fails(t, ObjectType::ALL.len() as Word, 0, Error::InvalidArgument(0))
    }),
    test("UNTYPED0005", "a CNode of one slot is refused", |t| {
        size_fails(t, ObjectType::CapTable.raw(), 0, Error::InvalidArgument(1))
    }),
    test("UNTYPED0006", "an untyped of 8 bytes is refused", |t| {
        size_fails(t, ObjectType::Untyped.raw(), 3, Error::InvalidArgument(1))
    }),
    test("UNTYPED0007", "a scheduling context of 64 bytes is refused", |t| {
        size_fails(t, ObjectType::SchedContext.raw(), 6, Error::InvalidArgument(1))
    }),
    test("UNTYPED0008", "objects above 2^47 bytes are out of range", |t| {
        size_fails(t, ObjectType::Untyped.raw(), 48, range(0, 47))?;
        size_fails(t, ObjectType::CapTable.raw(), 43, range(0, 47))
    }),
    test("UNTYPED0009", "size_bits 64 is out of range for any type", |t| {
        size_fails(t, ENDPOINT, 64, range(0, 47))?;
        size_fails(t, ENDPOINT, u64::MAX, range(0, 47))
    }),
    test("UNTYPED0010", "an offset behind the CNode is out of range", |t| {
        let slots = t.machine.root_slots();
        place_fails(t, [0, 0, slots, 1], ROOT, range(0, slots - 1))
    }),
    test("UNTYPED0011", "no object and 257 objects are out of range", |t| {
        let slot = t.slot();
        place_fails(t, [0, 0, slot, 0], ROOT, range(1, 256))?;
        place_fails(t, [0, 0, slot, 257], ROOT, range(1, 256))
    }),
    test("UNTYPED0012", "more objects than slots are out of range", |t| {
        let slots = t.machine.root_slots();
        place_fails(t, [0, 0, slots - 2, 3], ROOT, range(1, 2))
    }),
    test("UNTYPED0013", "a full slot in the window stops all", |t| {
        let first = t.slots(3);
        t.untyped.retype(ObjectType::Endpoint, 0, RetypeTarget::slots_of(initial::CNODE, first + 2), 1)?;
        place_fails(t, [0, 0, first, 3], ROOT, Error::DeleteFirst)?;
        equal((tag(first), tag(first + 1)), (0, 0))
    }),
    test("UNTYPED0014", "two objects of the whole size do not fit", |t| {
        let memory = t.memory(16)?;
        let target = RetypeTarget::slots_of(initial::CNODE, t.slots(2));
        fails(memory.retype(ObjectType::Untyped, 16, target, 2), Error::NotEnoughMemory(1 << 16))
    }),
    test("UNTYPED0015", "depth 65 is out of range", |t| {
        let slot = t.slot();
        place_fails(t, [ROOT, 65, slot, 1], ROOT, range(1, 64))
    }),
    test("UNTYPED0016", "a node that is a TCB is missing", |t| {
        let place = [initial::TCB.cptr(), 64, 0, 1];
        place_fails(t, place, ROOT, lookup(missing(64)))
    }),
    test("UNTYPED0017", "a node that is an empty slot is missing", |t| {
        let place = [t.slot(), 64, 0, 1];
        place_fails(t, place, ROOT, lookup(missing(64)))
    }),
    test("UNTYPED0018", "a TCB as root with depth 0 is missing", |t| {
        place_fails(t, [0, 0, 0, 1], initial::TCB.cptr(), lookup(missing(0)))
    }),
    test("UNTYPED0019", "a TCB as root with depth 64 is an invalid root", |t| {
        place_fails(t, [0, 64, 0, 1], initial::TCB.cptr(), lookup(LookupFailure::InvalidRoot))
    }),
    test("UNTYPED0020", "device memory does not become an endpoint", |t| {
        let Some(device) = device_untyped(t) else { return check(false, "a device untyped of a page") };
        let target = RetypeTarget::slots_of(initial::CNODE, t.slot());
        fails(device.retype(ObjectType::Endpoint, 0, target, 1), Error::InvalidArgument(1))
    }),
    test("UNTYPED0021", "device memory becomes a frame, and a device frame is no IPC buffer", |t| {
        let Some(device) = device_untyped(t) else { return check(false, "a device untyped of a page") };
        let slot = t.slot();
        device.retype(ObjectType::Page, 0, RetypeTarget::slots_of(initial::CNODE, slot), 1)?;
        let tcb = t.tcb()?;
        fails(tcb.set_ipc_buffer(0x100_0000, Cap::<AnyFrame>::new(slot)), Error::IllegalOperation)
    }),
    test("UNTYPED0022", "objects lie at the next multiple of their size", |t| {
        let memory = t.memory(16)?;
        let slot = t.slot();
        memory.retype(ObjectType::Page, 0, RetypeTarget::slots_of(initial::CNODE, slot), 1)?;
        let base = Cap::<AnyFrame>::new(slot).get_address()?;
        equal(base % (1 << 16), 0)?;
        initial::CNODE.at(slot).delete()?;
        t.untyped = memory;
        t.endpoint()?;
        equal(page_offset(t, memory, base)?, 0x1000)?;
        equal(page_offset(t, memory, base)?, 0x2000)?;
        t.endpoint()?;
        equal(page_offset(t, memory, base)?, 0x4000)?;
        let first = t.slots(16);
        let target = RetypeTarget::slots_of(initial::CNODE, first);
        fails(memory.retype(ObjectType::Page, 0, target, 16), Error::NotEnoughMemory(0xb000))?;
        memory.retype(ObjectType::Page, 0, target, 11)?;
        fails(t.endpoint(), Error::NotEnoughMemory(0))?;
        at(memory).revoke()?;
        memory.retype(ObjectType::Page, 0, target, 16)?;
        equal(Cap::<AnyFrame>::new(first).get_address()?, base)?;
        t.untyped = t.machine.fresh;
        Ok(())
    }),
    test("UNTYPED0023", "memory is zero when it is used again", |t| {
        let memory = t.memory(12)?;
        t.tables(initial::VSPACE, MAP_AREA)?;
        for _ in 0..2 {
            let frame = memory.retype_one::<libsel::cap::Page>(0, initial::CNODE, t.slot())?;
            frame.map(initial::VSPACE, MAP_AREA, CapRights::READ_WRITE, VmAttributes::WRITE_BACK)?;
            for offset in (0..4096).step_by(8) {
                equal(peek(MAP_AREA + offset), 0)?;
                poke(MAP_AREA + offset, u64::MAX);
            }
            at(memory).revoke()?;
        }
        Ok(())
    }),
    test("UNTYPED0024", "every type can be made and says what it is", |t| {
        const TAGS: [(ObjectType, Word, Word); 13] = [
            (ObjectType::Untyped, 4, 2),
            (ObjectType::Tcb, 0, 12),
            (ObjectType::Endpoint, 0, 4),
            (ObjectType::Notification, 0, 6),
            (ObjectType::CapTable, 1, 10),
            (ObjectType::SchedContext, 7, 22),
            (ObjectType::Reply, 0, 8),
            (ObjectType::Pdpt, 0, 7),
            (ObjectType::Pml4, 0, 9),
            (ObjectType::Page, 0, 1),
            (ObjectType::LargePage, 0, 1),
            (ObjectType::PageTable, 0, 3),
            (ObjectType::PageDirectory, 0, 5),
        ];
        for (object_type, size_bits, expected) in TAGS {
            let slot = t.slot();
            t.untyped.retype(object_type, size_bits, RetypeTarget::slots_of(initial::CNODE, slot), 1)?;
            equal((object_type, tag(slot)), (object_type, expected))?;
        }
        Ok(())
    }),
    test("UNTYPED0025", "revoking memory destroys what lies two levels below", |t| {
        let (outer, inner, endpoint) = (t.memory(14)?, t.slot(), t.slot());
        let inner = outer.retype_one::<Untyped>(13, initial::CNODE, inner)?;
        inner.retype(ObjectType::Endpoint, 0, RetypeTarget::slots_of(initial::CNODE, endpoint), 1)?;
        at(outer).revoke()?;
        equal((tag(outer.cptr()), tag(inner.cptr()), tag(endpoint)), (2, 0, 0))
    }),
    test("UNTYPED0026", "memory is free again only when the last child is gone", |t| {
        let memory = t.memory(13)?;
        let first = t.slots(2);
        let target = RetypeTarget::slots_of(initial::CNODE, first);
        memory.retype(ObjectType::Untyped, 12, target, 2)?;
        initial::CNODE.at(first).delete()?;
        fails(memory.retype(ObjectType::Untyped, 12, target, 1), Error::NotEnoughMemory(0))?;
        initial::CNODE.at(first + 1).delete()?;
        Ok(memory.retype(ObjectType::Untyped, 12, target, 2)?)
    }),
    test("UNTYPED0027", "256 objects in one call", |t| {
        let first = t.slots(256);
        t.untyped.retype(ObjectType::Endpoint, 0, RetypeTarget::slots_of(initial::CNODE, first), 256)?;
        for slot in first..first + 256 {
            equal(tag(slot), 4)?;
        }
        Ok(())
    }),
    test("UNTYPED0028", "objects go to a CNode below the root", |t| {
        let node = t.cnode(4)?;
        let target =
            RetypeTarget { root: initial::CNODE, node_index: node.cptr(), node_depth: 64, node_offset: 15 };
        t.untyped.retype(ObjectType::Endpoint, 0, target, 1)?;
        let place = t.place();
        place.move_from(node.slot(15, 4))?;
        equal(tag(place.index), 4)?;
        fails(t.untyped.retype(ObjectType::Endpoint, 0, target, 2), range(1, 1))
    }),
    test("UNTYPED0029", "checks come in order: type, size, node, offset, count", |t| {
        let tcb = initial::TCB.cptr();
        fails(retype(t, &[99, 99, 0, 65, u64::MAX, 0], tcb), Error::InvalidArgument(0))?;
        fails(retype(t, &[ENDPOINT, 99, 0, 65, u64::MAX, 0], tcb), range(0, 47))?;
        fails(retype(t, &[ENDPOINT, 0, 0, 65, u64::MAX, 0], ROOT), range(1, 64))?;
        let last = t.machine.root_slots() - 1;
        fails(retype(t, &[ENDPOINT, 0, 0, 0, u64::MAX, 0], ROOT), range(0, last))?;
        fails(retype(t, &[ENDPOINT, 0, 0, 0, 0, 0], ROOT), range(1, 256))
    }),
    test("UNTYPED0030", "a copy owns the memory until it is gone", |t| {
        let memory = t.memory(12)?;
        let copy = t.copy(memory, CapRights::ALL)?;
        let target = RetypeTarget::slots_of(initial::CNODE, t.slot());
        fails(memory.retype(ObjectType::Untyped, 12, target, 1), Error::NotEnoughMemory(0))?;
        copy.retype(ObjectType::Untyped, 12, target, 1)?;
        fails(t.copy(copy, CapRights::ALL), Error::RevokeFirst)?;
        at(memory).revoke()?;
        equal(tag(copy.cptr()), 0)?;
        Ok(memory.retype(ObjectType::Untyped, 12, target, 1)?)
    }),
    test("UNTYPED0031", "all memory can be used as one object", |t| {
        let slot = t.slot();
        let bits = super::machine::FRESH_BITS;
        t.untyped.retype(ObjectType::Untyped, bits, RetypeTarget::slots_of(initial::CNODE, slot), 1)?;
        Ok(at(Cap::<CNode>::new(slot)).delete()?)
    }),
];
