//! Invocations on their short way leave what the long way leaves, successes and failures alike. The comparison is made by
//! the machine, see [`super::both_ways`].
use sel_abi::Error::{DeleteFirst, FailedLookup, IllegalOperation, NotEnoughMemory, TruncatedMessage};
use sel_abi::{CapRights, Label, LookupFailureKind, ObjectType};

use super::both_ways::Taken;
use super::machine::Machine;
use super::objects::{ROOT, VSPACE};
use crate::cap::{Cap, RawCap};

/// An address with no tables near it.
const AT: u64 = 0x100_0000_0000;
const ALL: u64 = CapRights::ALL.bits();

/// Runs `act` and expects that this many of its system calls were invocations that went the short way, and this many
/// could not.
#[track_caller]
fn takes(m: &mut Machine, invocations: usize, refused: usize, act: impl FnOnce(&mut Machine)) {
    m.compared = Some(Taken::default());
    act(m);
    let taken = m.compared.take().unwrap_or_default();
    assert_eq!((taken.invocations, taken.refused), (invocations, refused));
}

#[test]
fn frames() {
    let mut m = Machine::new();
    for (object, label) in [
        (ObjectType::Pdpt, Label::X86PdptMap),
        (ObjectType::PageDirectory, Label::X86PageDirectoryMap),
        (ObjectType::PageTable, Label::X86PageTableMap),
    ] {
        let table = m.object(object);
        m.ok(table, label, &[AT, 0], &[VSPACE]);
    }
    let (frame, other) = (m.object(ObjectType::Page), m.object(ObjectType::Page));
    takes(&mut m, 8, 0, |m| {
        m.ok(frame, Label::X86PageMap, &[AT, 3, 0x107], &[VSPACE]);
        m.ok(frame, Label::X86PageMap, &[AT, 2, 0], &[VSPACE]);
        m.ok(other, Label::X86PageMap, &[AT, 1, 0], &[VSPACE]);
        m.ok(frame, Label::X86PageUnmap, &[], &[]);
        m.ok(other, Label::X86PageGetAddress, &[], &[]);
        m.fails(frame, Label::X86PageMap, &[AT, 3], &[VSPACE], TruncatedMessage, &[]);
        let missing = LookupFailureKind::MissingCapability.raw();
        m.fails(frame, Label::X86PageMap, &[2 * AT, 3, 0], &[VSPACE], FailedLookup, &[0, missing, 39]);
        m.fails(frame, Label::UntypedRetype, &[], &[], IllegalOperation, &[]);
    });
}

#[test]
fn retype_into_used_and_fresh_memory() {
    let mut m = Machine::new();
    let untyped = m.sized(ObjectType::Untyped, 14);
    let first = m.free_slots(8);
    let retype = |object: ObjectType, offset, count| [object.raw(), 0, 0, 0, offset, count];
    takes(&mut m, 6, 0, |m| {
        m.ok(untyped, Label::UntypedRetype, &retype(ObjectType::Page, first, 2), &[ROOT]);
        m.ok(untyped, Label::UntypedRetype, &retype(ObjectType::Endpoint, first + 2, 3), &[ROOT]);
        m.ok(untyped, Label::UntypedRetype, &retype(ObjectType::Tcb, first + 5, 2), &[ROOT]);
        let words = retype(ObjectType::Page, first + 1, 1);
        m.fails(untyped, Label::UntypedRetype, &words, &[ROOT], DeleteFirst, &[]);
        let words = retype(ObjectType::Page, first + 7, 1);
        m.fails(untyped, Label::UntypedRetype, &words[..5], &[ROOT], TruncatedMessage, &[]);
        let words = retype(ObjectType::LargePage, first + 7, 1);
        // Two frames, three endpoints, and two threads aligned to their size.
        let left = (1 << 14) - (2 << 12) - (3 << 11);
        m.fails(untyped, Label::UntypedRetype, &words, &[ROOT], NotEnoughMemory, &[left]);
    });
    m.revoke(untyped);
    // It has to be cleared first.
    takes(&mut m, 0, 1, |m| {
        m.ok(untyped, Label::UntypedRetype, &retype(ObjectType::Page, first, 1), &[ROOT]);
    });
}

#[test]
fn capabilities_copied_moved_and_deleted() {
    let mut m = Machine::new();
    let endpoint = m.endpoint();
    let frame = m.object(ObjectType::Page);
    let to = m.free_slots(5);
    takes(&mut m, 5, 0, |m| {
        m.ok(ROOT, Label::CNodeCopy, &[to, 64, endpoint, 64, ALL], &[ROOT]);
        m.ok(ROOT, Label::CNodeMint, &[to + 1, 64, endpoint, 64, ALL, 7], &[ROOT]);
        m.ok(ROOT, Label::CNodeMove, &[to + 2, 64, to, 64], &[ROOT]);
        m.ok(ROOT, Label::CNodeMutate, &[to + 3, 64, frame, 64, 0], &[ROOT]);
        m.ok(ROOT, Label::CNodeCopy, &[to + 4, 64, to + 3, 64, CapRights::READ.bits()], &[ROOT]);
    });
    takes(&mut m, 5, 0, |m| {
        m.fails(ROOT, Label::CNodeMove, &[to + 1, 64, endpoint, 64], &[ROOT], DeleteFirst, &[]);
        m.ok(ROOT, Label::CNodeDelete, &[to + 1, 64], &[]);
        m.ok(ROOT, Label::CNodeDelete, &[to + 2, 64], &[]);
        m.ok(ROOT, Label::CNodeDelete, &[to + 4, 64], &[]);
        m.ok(ROOT, Label::CNodeDelete, &[to + 3, 64], &[]);
    });
    // The last one to the endpoint.
    takes(&mut m, 0, 1, |m| {
        m.ok(ROOT, Label::CNodeDelete, &[endpoint, 64], &[]);
    });
}

/// Two objects of each kind, and a copy of the first: only copies are to the same object.
#[test]
fn only_copies_are_to_the_same_object() {
    let mut m = Machine::new();
    let kinds = [
        ObjectType::Endpoint,
        ObjectType::Notification,
        ObjectType::Reply,
        ObjectType::Tcb,
        ObjectType::Page,
    ];
    let caps: Vec<u64> = kinds.iter().flat_map(|kind| [m.object(*kind), m.object(*kind)]).collect();
    let sized = [(ObjectType::CapTable, 3), (ObjectType::SchedContext, 8)];
    let sized: Vec<u64> =
        sized.iter().flat_map(|(kind, bits)| [m.sized(*kind, *bits), m.sized(*kind, *bits)]).collect();
    let caps = [caps, sized].concat();
    let copies: Vec<u64> = caps.iter().map(|cap| m.copy_with(*cap, CapRights::READ)).collect();
    let raw = |cap: u64| RawCap::from(m.cap(cap));
    for (index, a) in caps.iter().enumerate() {
        for (other, b) in caps.iter().enumerate() {
            assert_eq!(raw(*a).same_object(raw(*b)), index == other);
            assert_eq!(raw(*a).same_object(raw(copies[other])), index == other);
        }
    }
    let untyped = RawCap::from(m.cap(m.pool));
    assert!(!untyped.same_object(untyped), "untypeds are never the same");
    assert!(!RawCap::default().same_object(RawCap::default()), "nothing is no object");
    for (a, b) in [(Cap::IrqHandler { irq: 3 }, Cap::IrqHandler { irq: 4 }), (Cap::Domain, Cap::AsidControl)]
    {
        let (a, b) = (RawCap::from(a), RawCap::from(b));
        assert!(a.same_object(a) && !a.same_object(b));
    }
}
