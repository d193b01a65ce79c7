//! Untyped_Retype: errors and placement (abi.md 7.2, A.1, A.2, A.5).
use sel_abi::Error::*;
use sel_abi::{CapTag, Label, ObjectType};

use super::machine::{Machine, page_words};
use super::objects::{OWN_TCB, ROOT};
use super::rows::run;
use crate::cap::Cap;

const UNTYPED: u64 = ObjectType::Untyped as u64;
const ENDPOINT: u64 = ObjectType::Endpoint as u64;
const NODE: u64 = ObjectType::CapTable as u64;
const CONTEXT: u64 = ObjectType::SchedContext as u64;
const PAGE: u64 = ObjectType::Page as u64;
const RETYPE: Label = Label::UntypedRetype;

#[test]
#[rustfmt::skip]
fn errors() {
    let mut m = Machine::new();
    let ut = m.pool;
    let endpoint = m.endpoint();
    let fresh = m.untyped(22);
    let empty = m.free_slots(4);
    run(&mut m, &[
        ("NULL0001", "null capability", 0, Label::InvalidInvocation, &[], &[], InvalidCapability, &[0]),
        ("RETYPE0001", "other label", ut, Label::TcbReadRegisters, &[], &[], IllegalOperation, &[]),
        ("RETYPE0002", "length 3", ut, RETYPE, &[ENDPOINT, 0, 0], &[ROOT], TruncatedMessage, &[]),
        ("RETYPE0003", "no capability", ut, RETYPE, &[ENDPOINT, 0, 0, 0, empty, 1], &[], TruncatedMessage, &[]),
        ("RETYPE0004", "type 99", ut, RETYPE, &[99, 0, 0, 0, empty, 1], &[ROOT], InvalidArgument, &[0]),
        ("RETYPE0005", "type 14", ut, RETYPE, &[14, 0, 0, 0, empty, 1], &[ROOT], InvalidArgument, &[0]),
        ("RETYPE0006", "type all ones", ut, RETYPE, &[!0, 0, 0, 0, empty, 1], &[ROOT], InvalidArgument, &[0]),
        ("RETYPE0007", "CNode of 2^0", ut, RETYPE, &[NODE, 0, 0, 0, empty, 1], &[ROOT], InvalidArgument, &[1]),
        ("RETYPE0008", "untyped of 2^3", ut, RETYPE, &[UNTYPED, 3, 0, 0, empty, 1], &[ROOT], InvalidArgument, &[1]),
        ("RETYPE0009", "context of 2^6", ut, RETYPE, &[CONTEXT, 6, 0, 0, empty, 1], &[ROOT], InvalidArgument, &[1]),
        ("RETYPE0010", "untyped of 2^48", ut, RETYPE, &[UNTYPED, 48, 0, 0, empty, 1], &[ROOT], RangeError, &[0, 47]),
        ("RETYPE0011", "size 64", ut, RETYPE, &[ENDPOINT, 64, 0, 0, empty, 1], &[ROOT], RangeError, &[0, 47]),
        ("RETYPE0012", "size all ones", ut, RETYPE, &[NODE, !0, 0, 0, empty, 1], &[ROOT], RangeError, &[0, 47]),
        ("RETYPE0013", "CNode of 2^43", ut, RETYPE, &[NODE, 43, 0, 0, empty, 1], &[ROOT], RangeError, &[0, 47]),
        ("RETYPE0014", "offset 4096", ut, RETYPE, &[ENDPOINT, 0, 0, 0, 4096, 1], &[ROOT], RangeError, &[0, 4095]),
        ("RETYPE0015", "offset all ones", ut, RETYPE, &[ENDPOINT, 0, 0, 0, !0, 1], &[ROOT], RangeError, &[0, 4095]),
        ("RETYPE0016", "no objects", ut, RETYPE, &[ENDPOINT, 0, 0, 0, empty, 0], &[ROOT], RangeError, &[1, 256]),
        ("RETYPE0017", "257 objects", ut, RETYPE, &[ENDPOINT, 0, 0, 0, empty, 257], &[ROOT], RangeError, &[1, 256]),
        ("RETYPE0018", "all ones objects", ut, RETYPE, &[ENDPOINT, 0, 0, 0, empty, !0], &[ROOT], RangeError, &[1, 256]),
        ("RETYPE0019", "too few slots", ut, RETYPE, &[ENDPOINT, 0, 0, 0, 4094, 3], &[ROOT], RangeError, &[1, 2]),
        ("RETYPE0020", "slot in use", ut, RETYPE, &[ENDPOINT, 0, 0, 0, endpoint, 1], &[ROOT], DeleteFirst, &[]),
        ("RETYPE0021", "last slot in use", ut, RETYPE, &[ENDPOINT, 0, 0, 0, endpoint - 2, 3], &[ROOT], DeleteFirst, &[]),
        ("RETYPE0022", "two halves too big", fresh, RETYPE, &[UNTYPED, 22, 0, 0, empty, 2], &[ROOT], NotEnoughMemory, &[1 << 22]),
        ("RETYPE0023", "depth 65", ut, RETYPE, &[ENDPOINT, 0, ROOT, 65, empty, 1], &[ROOT], RangeError, &[1, 64]),
        ("RETYPE0024", "node is a TCB", ut, RETYPE, &[ENDPOINT, 0, OWN_TCB, 64, empty, 1], &[ROOT], FailedLookup, &[0, 2, 64]),
        ("RETYPE0025", "node is empty", ut, RETYPE, &[ENDPOINT, 0, empty, 64, empty, 1], &[ROOT], FailedLookup, &[0, 2, 64]),
        ("RETYPE0026", "root a TCB, depth 0", ut, RETYPE, &[ENDPOINT, 0, 0, 0, empty, 1], &[OWN_TCB], FailedLookup, &[0, 2, 0]),
        ("RETYPE0027", "root a TCB, depth 64", ut, RETYPE, &[ENDPOINT, 0, 0, 64, empty, 1], &[OWN_TCB], FailedLookup, &[0, 1]),
        ("RETYPE0028", "node by index", ut, RETYPE, &[ENDPOINT, 0, ROOT, 64, empty, 1], &[ROOT], NoError, &[]),
        ("RETYPE0029", "256 objects", ut, RETYPE, &[ENDPOINT, 0, 0, 0, 3000, 256], &[ROOT], NoError, &[]),
    ]);
}

#[test]
#[rustfmt::skip]
fn errors_of_device_memory() {
    let mut m = Machine::new();
    let device = m.device_untyped();
    let slot = m.free_slots(2);
    let frame = [PAGE, 0, 0, 0, slot, 1];
    run(&mut m, &[
        ("RETYPE0030", "endpoint", device, RETYPE, &[ENDPOINT, 0, 0, 0, slot, 1], &[ROOT], InvalidArgument, &[1]),
        ("RETYPE0031", "frame", device, RETYPE, &frame, &[ROOT], NoError, &[]),
    ]);
    let Cap::Frame(frame) = m.cap(slot) else { panic!() };
    assert!(frame.device);
}

/// Each type is made once, has its tag, and takes the bytes that abi.md 3.2 says.
#[test]
fn every_type_has_its_size() {
    use ObjectType::*;
    let expected = [
        (Untyped, 5, 5, CapTag::Untyped),
        (Tcb, 0, 11, CapTag::Tcb),
        (Endpoint, 0, 4, CapTag::Endpoint),
        (Notification, 0, 6, CapTag::Notification),
        (CapTable, 3, 8, CapTag::CNode),
        (SchedContext, 9, 9, CapTag::SchedContext),
        (Reply, 0, 5, CapTag::Reply),
        (Pdpt, 0, 12, CapTag::Pdpt),
        (Pml4, 0, 12, CapTag::Pml4),
        (Page, 0, 12, CapTag::Frame),
        (LargePage, 0, 21, CapTag::Frame),
        (PageTable, 0, 12, CapTag::PageTable),
        (PageDirectory, 0, 12, CapTag::PageDirectory),
    ];
    let mut m = Machine::new();
    m.checking = false;
    let untyped = m.untyped(22);
    for (object, bits, log2, tag) in expected {
        let first = m.free_slots(2);
        m.ok(untyped, RETYPE, &[object.raw(), bits, 0, 0, first, 2], &[ROOT]);
        let bases = [first, first + 1].map(|slot| m.cap(slot).memory().expect("an object").0.0);
        assert_eq!(bases[1] - bases[0], 1 << log2, "{object:?}");
        assert_eq!(m.cap(first).tag(), tag);
        let Cap::Untyped(parent) = m.cap(untyped) else { panic!() };
        assert_eq!((bases[0], parent.watermark), (parent.base.0, 2 << log2), "{object:?}");
        m.revoke(untyped);
        assert!(m.cap(first).is_null() && m.cap(first + 1).is_null());
    }
    super::check::check(&m);
}

/// The worked example of abi.md A.5.
#[test]
#[rustfmt::skip]
fn objects_are_placed_at_the_watermark() {
    let mut m = Machine::new();
    let pool = m.pool;
    let small = m.retype(pool, ObjectType::Untyped, 16, 1);
    let Cap::Untyped(untyped) = m.cap(small) else { panic!() };
    let mut pages = Vec::new();
    for object in [ObjectType::Endpoint, ObjectType::Page, ObjectType::Page, ObjectType::Endpoint, ObjectType::Page] {
        let slot = m.retype(small, object, 0, 1);
        if let Cap::Frame(frame) = m.cap(slot) {
            pages.push(frame.base.0 - untyped.base.0);
        }
    }
    assert_eq!(pages, [0x1000, 0x2000, 0x4000]);
    let slots = m.free_slots(16);
    run(&mut m, &[
        ("RETYPE0032", "16 frames", small, RETYPE, &[PAGE, 0, 0, 0, slots, 16], &[ROOT], NotEnoughMemory, &[0xb000]),
        ("RETYPE0033", "11 frames", small, RETYPE, &[PAGE, 0, 0, 0, slots, 11], &[ROOT], NoError, &[]),
        ("RETYPE0034", "full", small, RETYPE, &[ENDPOINT, 0, 0, 0, slots + 11, 1], &[ROOT], NotEnoughMemory, &[0]),
        ("RETYPE0035", "revoke", ROOT, Label::CNodeRevoke, &[small, 64], &[], NoError, &[]),
        ("RETYPE0036", "16 frames", small, RETYPE, &[PAGE, 0, 0, 0, slots, 16], &[ROOT], NoError, &[]),
    ]);
    let Cap::Frame(frame) = m.cap(slots) else { panic!() };
    assert_eq!(frame.base, untyped.base);
}

#[test]
fn memory_is_cleared_when_it_is_used_again() {
    let mut m = Machine::new();
    let pool = m.pool;
    let small = m.retype(pool, ObjectType::Untyped, 14, 1);
    let slots = m.retype(small, ObjectType::Page, 0, 4);
    for slot in slots..slots + 4 {
        let Cap::Frame(frame) = m.cap(slot) else { panic!() };
        page_words(frame.base).iter().for_each(|word| word.set(!0));
    }
    m.revoke(small);
    let again = m.retype(small, ObjectType::Page, 0, 4);
    for slot in again..again + 4 {
        let Cap::Frame(frame) = m.cap(slot) else { panic!() };
        assert!(page_words(frame.base).iter().all(|word| word.get() == 0));
    }
}

/// Deleting a child frees nothing; when all are gone, allocation starts at the beginning.
#[test]
fn the_watermark_moves_back_only_when_all_children_are_gone() {
    let mut m = Machine::new();
    let pool = m.pool;
    let small = m.retype(pool, ObjectType::Untyped, 13, 1);
    let first = m.retype(small, ObjectType::Page, 0, 1);
    let second = m.retype(small, ObjectType::Page, 0, 1);
    m.delete(second);
    let slot = m.free_slot();
    m.fails(small, RETYPE, &[PAGE, 0, 0, 0, slot, 1], &[ROOT], NotEnoughMemory, &[0]);
    m.delete(first);
    m.ok(small, RETYPE, &[PAGE, 0, 0, 0, slot, 1], &[ROOT]);
    let (Cap::Untyped(untyped), Cap::Frame(frame)) = (m.cap(small), m.cap(slot)) else { panic!() };
    assert_eq!(frame.base, untyped.base);
}

/// A copy of an untyped is its child and owns all of the memory.
#[test]
#[rustfmt::skip]
fn a_copied_untyped_is_used_up() {
    let mut m = Machine::new();
    let pool = m.pool;
    let small = m.retype(pool, ObjectType::Untyped, 12, 1);
    let copy = m.copy(small);
    let slot = m.free_slot();
    run(&mut m, &[
        ("RETYPE0037", "original", small, RETYPE, &[ENDPOINT, 0, 0, 0, slot, 1], &[ROOT], NotEnoughMemory, &[0]),
        ("RETYPE0038", "copy", copy, RETYPE, &[ENDPOINT, 0, 0, 0, slot, 1], &[ROOT], NoError, &[]),
        ("RETYPE0039", "revoke", ROOT, Label::CNodeRevoke, &[small, 64], &[], NoError, &[]),
    ]);
    assert!(m.cap(copy).is_null() && m.cap(slot).is_null());
    m.ok(small, RETYPE, &[ENDPOINT, 0, 0, 0, slot, 1], &[ROOT]);
}

/// What a fresh TCB looks like (abi.md 7.2, A.2).
#[test]
fn a_fresh_thread() {
    let mut m = Machine::new();
    let tcb = m.object(ObjectType::Tcb);
    let registers = m.ok(tcb, Label::TcbReadRegisters, &[0, 20], &[]);
    let mut expected = vec![0; 20];
    expected[2] = 0x202;
    assert_eq!(registers, expected);
    let Cap::Tcb(thread) = m.cap(tcb) else { panic!() };
    assert_eq!((thread.priority.get(), thread.mcp.get(), thread.domain.get()), (0, 0, 0));
    let mut name = [0; crate::dump::NAME_BYTES];
    assert_eq!(thread.name.text(&mut name), "child of: 'rootserver'");
    assert!(thread.sched_context.get().is_none());
}
