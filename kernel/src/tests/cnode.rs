//! CNode operations: errors, badges, rights, guards (abi.md 6, 7.4, A.1, A.5).
use sel_abi::Error::*;
use sel_abi::bootinfo::slot;
use sel_abi::{CNodeCapData, CapRights, Label, ObjectType};

use super::machine::Machine;
use super::objects::{OWN_TCB, ROOT};
use super::rows::run;
use crate::cap::Cap;

const COPY: Label = Label::CNodeCopy;
const MINT: Label = Label::CNodeMint;
const MOVE: Label = Label::CNodeMove;
const MUTATE: Label = Label::CNodeMutate;
const ROTATE: Label = Label::CNodeRotate;
const CANCEL: Label = Label::CNodeCancelBadgedSends;
const BADGE: u64 = 0xabcd_ef01_2345_6789;

#[test]
#[rustfmt::skip]
fn errors_of_copies() {
    let mut m = Machine::new();
    let (ep, to) = (m.endpoint(), m.free_slots(3));
    let (used, empty, pool) = (m.pool, to + 1, m.pool);
    let r: &[u64] = &[ROOT];
    run(&mut m, &[
        ("CNODEOP0001", "empty source", ROOT, COPY, &[to, 64, empty, 64, 15], r, FailedLookup, &[1, 2, 64]),
        ("CNODEOP0002", "occupied", ROOT, COPY, &[ep, 64, ep, 64, 15], r, DeleteFirst, &[]),
        ("CNODEOP0003", "dest_depth 0", ROOT, COPY, &[to, 0, ep, 64, 15], r, RangeError, &[1, 64]),
        ("CNODEOP0004", "dest_depth 65", ROOT, COPY, &[to, 65, ep, 64, 15], r, RangeError, &[1, 64]),
        ("CNODEOP0005", "dest_depth all ones", ROOT, COPY, &[to, !0, ep, 64, 15], r, RangeError, &[1, 64]),
        ("CNODEOP0006", "dest_depth 63", ROOT, COPY, &[to, 63, ep, 64, 15], r, FailedLookup, &[0, 3, 63, 64]),
        ("CNODEOP0007", "src_depth 10", ROOT, COPY, &[to, 64, ep, 10, 15], r, FailedLookup, &[1, 4, 10, 0, 52]),
        ("CNODEOP0008", "bit 40", ROOT, COPY, &[to | 1 << 40, 64, ep, 64, 15], r, FailedLookup, &[0, 4, 64, 0, 52]),
        ("CNODEOP0009", "on a TCB", OWN_TCB, COPY, &[to, 64, ep, 64, 15], r, IllegalOperation, &[]),
        ("CNODEOP0010", "src_root a TCB", ROOT, COPY, &[to, 64, ep, 64, 15], &[OWN_TCB], FailedLookup, &[1, 1]),
        ("CNODEOP0011", "IRQControl", ROOT, COPY, &[to, 64, slot::IRQ_CONTROL, 64, 15], r, IllegalOperation, &[]),
        ("CNODEOP0012", "IOPortControl", ROOT, COPY, &[to, 64, slot::IO_PORT_CONTROL, 64, 15], r, IllegalOperation, &[]),
        ("CNODEOP0013", "untyped with children", ROOT, COPY, &[to, 64, used, 64, 15], r, RevokeFirst, &[]),
        ("CNODEOP0014", "length 1", ROOT, COPY, &[to], r, TruncatedMessage, &[]),
        ("CNODEOP0015", "length 3", ROOT, COPY, &[to, 64, ep], r, TruncatedMessage, &[]),
        ("CNODEOP0016", "length 4", ROOT, COPY, &[to, 64, ep, 64], r, TruncatedMessage, &[]),
        ("CNODEOP0017", "no capability", ROOT, COPY, &[to, 64, ep, 64, 15], &[], TruncatedMessage, &[]),
        ("CNODEOP0018", "length 4, dest used", ROOT, COPY, &[ep, 64, ep, 64], r, DeleteFirst, &[]),
        ("CNODEOP0019", "Mint length 5", ROOT, MINT, &[to, 64, ep, 64, 15], r, TruncatedMessage, &[]),
        ("CNODEOP0020", "Mutate length 4", ROOT, MUTATE, &[to, 64, ep, 64], r, TruncatedMessage, &[]),
        ("CNODEOP0021", "Move length 3", ROOT, MOVE, &[to, 64, ep], r, TruncatedMessage, &[]),
        ("CNODEOP0022", "Move empty", ROOT, MOVE, &[to, 64, empty, 64], r, FailedLookup, &[1, 2, 64]),
        ("CNODEOP0023", "Mutate endpoint", ROOT, MUTATE, &[to, 64, ep, 64, 7], r, IllegalOperation, &[]),
        ("CNODEOP0024", "Mint with children", ROOT, MINT, &[to, 64, pool, 64, 15, 0], r, RevokeFirst, &[]),
        ("CNODEOP0025", "TCBSuspend", ROOT, Label::TcbSuspend, &[], &[], IllegalOperation, &[]),
        ("CNODEOP0026", "own label 0", ROOT, Label::InvalidInvocation, &[], &[], IllegalOperation, &[]),
        ("CNODEOP0027", "Retype on a CNode", ROOT, Label::UntypedRetype, &[], &[], IllegalOperation, &[]),
        ("CNODEOP0028", "Mint a badge", ROOT, MINT, &[to, 64, ep, 64, 15, BADGE], r, NoError, &[]),
        ("CNODEOP0029", "a second badge", ROOT, MINT, &[empty, 64, to, 64, 15, 5], r, IllegalOperation, &[]),
        ("CNODEOP0030", "badge 0 on a badge", ROOT, MINT, &[empty, 64, to, 64, 15, 0], r, IllegalOperation, &[]),
        ("CNODEOP0031", "Copy keeps it", ROOT, COPY, &[empty, 64, to, 64, 15], r, NoError, &[]),
    ]);
    for slot in [to, empty] {
        assert!(matches!(m.cap(slot), Cap::Endpoint(endpoint) if endpoint.badge == BADGE));
    }
}

#[test]
#[rustfmt::skip]
fn errors_of_delete_and_rotate() {
    let mut m = Machine::new();
    let (ep, to) = (m.endpoint(), m.free_slots(4));
    let badged = m.mint(ep, CapRights::ALL, BADGE);
    let weak = m.mint(ep, CapRights::READ_WRITE, BADGE);
    let rr: &[u64] = &[ROOT, ROOT];
    let (other, node) = (m.notification(), m.sized(ObjectType::CapTable, 4));
    run(&mut m, &[
        ("CNODEOP0040", "cancel, badge, all rights", ROOT, CANCEL, &[badged, 64], &[], NoError, &[]),
        ("CNODEOP0041", "cancel, no badge", ROOT, CANCEL, &[ep, 64], &[], NoError, &[]),
        ("CNODEOP0042", "cancel, fewer rights", ROOT, CANCEL, &[weak, 64], &[], IllegalOperation, &[]),
        ("CNODEOP0043", "cancel on a TCB", ROOT, CANCEL, &[OWN_TCB, 64], &[], IllegalOperation, &[]),
        ("CNODEOP0044", "cancel on nothing", ROOT, CANCEL, &[to, 64], &[], IllegalOperation, &[]),
        ("CNODEOP0045", "delete", ROOT, Label::CNodeDelete, &[weak, 64], &[], NoError, &[]),
        ("CNODEOP0046", "delete empty", ROOT, Label::CNodeDelete, &[weak, 64], &[], NoError, &[]),
        ("CNODEOP0047", "revoke empty", ROOT, Label::CNodeRevoke, &[weak, 64], &[], NoError, &[]),
        ("CNODEOP0048", "delete length 1", ROOT, Label::CNodeDelete, &[ep], &[], TruncatedMessage, &[]),
        ("CNODEOP0049", "delete depth 0", ROOT, Label::CNodeDelete, &[ep, 0], &[], RangeError, &[1, 64]),
        ("CNODEOP0050", "rotate length 7", ROOT, ROTATE, &[to, 64, 0, other, 64, 0, ep], rr, TruncatedMessage, &[]),
        ("CNODEOP0051", "rotate one root", ROOT, ROTATE, &[to, 64, 0, other, 64, 0, ep, 64], &[ROOT], TruncatedMessage, &[]),
        ("CNODEOP0052", "pivot = dest", ROOT, ROTATE, &[to, 64, 0, to, 64, 0, ep, 64], rr, IllegalOperation, &[]),
        ("CNODEOP0053", "pivot = source", ROOT, ROTATE, &[to, 64, 0, ep, 64, 0, ep, 64], rr, IllegalOperation, &[]),
        ("CNODEOP0054", "dest used", ROOT, ROTATE, &[node, 64, 0, other, 64, 0, ep, 64], rr, DeleteFirst, &[]),
        ("CNODEOP0055", "source empty", ROOT, ROTATE, &[to, 64, 0, other, 64, 0, to + 1, 64], rr, FailedLookup, &[1, 2, 64]),
        ("CNODEOP0056", "pivot empty", ROOT, ROTATE, &[to, 64, 0, to + 1, 64, 0, ep, 64], rr, FailedLookup, &[0, 2, 64]),
        ("CNODEOP0057", "source root", ROOT, ROTATE, &[to, 64, 0, other, 64, 0, ep, 64], &[ROOT, ep], FailedLookup, &[1, 1]),
        ("CNODEOP0058", "pivot root", ROOT, ROTATE, &[to, 64, 0, other, 64, 0, ep, 64], &[ep, ROOT], FailedLookup, &[1, 1]),
        ("CNODEOP0059", "badge on an endpoint", ROOT, ROTATE, &[to, 64, 0, other, 64, 3, ep, 64], rr, IllegalOperation, &[]),
        ("CNODEOP0060", "badge on the pivot", ROOT, ROTATE, &[to, 64, 3, other, 64, 0, ep, 64], rr, IllegalOperation, &[]),
        ("CNODEOP0061", "bad guard", ROOT, ROTATE, &[to, 64, 61, node, 64, 0, ep, 64], rr, IllegalOperation, &[]),
        ("CNODEOP0062", "rotate", ROOT, ROTATE, &[to, 64, 0, other, 64, 0, ep, 64], rr, NoError, &[]),
    ]);
    assert!(m.cap(ep).is_null());
    assert!(matches!(m.cap(other), Cap::Endpoint(endpoint) if endpoint.badge == 0));
    assert!(matches!(m.cap(to), Cap::Notification(_)));
    // Source and destination the same: the two change places; the original is an original still.
    m.ok(ROOT, ROTATE, &[other, 64, 0, to, 64, 0, other, 64], &[ROOT, ROOT]);
    assert!(matches!((m.cap(to), m.cap(other)), (Cap::Endpoint(_), Cap::Notification(_))));
    m.revoke(to);
    assert!(m.cap(badged).is_null());
}

/// Neighbours in the derivation list change places.
#[test]
fn rotate_swaps_neighbours() {
    let mut m = Machine::new();
    let ep = m.endpoint();
    let copy = m.copy(ep);
    m.ok(ROOT, ROTATE, &[ep, 64, 0, copy, 64, 0, ep, 64], &[ROOT, ROOT]);
    m.revoke(ep);
    assert!(!m.cap(copy).is_null(), "the copy moved to the first slot, where a revoke does nothing");
    m.revoke(copy);
    assert!(m.cap(ep).is_null() && !m.cap(copy).is_null());
}

#[test]
fn rights_are_masked() {
    let mut m = Machine::new();
    let (ep, ntfn, reply, frame) = (m.endpoint(), m.notification(), m.reply(), m.object(ObjectType::Page));
    for bits in 0..16 {
        let rights = CapRights::from_bits_truncate(bits);
        let copies = [ep, ntfn, reply, frame].map(|cap| m.copy_with(cap, rights));
        let [Cap::Endpoint(e), Cap::Notification(n), Cap::Reply(r), Cap::Frame(f)] =
            copies.map(|cap| m.cap(cap))
        else {
            panic!()
        };
        assert_eq!(e.rights, rights);
        assert_eq!(n.rights, rights & CapRights::READ_WRITE);
        assert_eq!(r.can_grant, rights.contains(CapRights::GRANT));
        let readable = rights.contains(CapRights::READ);
        assert_eq!(f.rights, if readable { rights & CapRights::READ_WRITE } else { CapRights::empty() });
        copies.iter().for_each(|copy| m.delete(*copy));
    }
    // High bits are ignored.
    let to = m.free_slot();
    m.ok(ROOT, COPY, &[to, 64, ep, 64, 0xff0f], &[ROOT]);
    assert!(matches!(m.cap(to), Cap::Endpoint(e) if e.rights == CapRights::ALL));
}

/// What Revoke removes (abi.md 6.4).
#[test]
fn revoke_follows_badges() {
    let mut m = Machine::new();
    let ep = m.endpoint();
    let plain = m.copy(ep);
    let badged = m.mint(ep, CapRights::ALL, 5);
    let same = m.mint(plain, CapRights::ALL, 5);
    let below = m.copy(badged);
    let further = m.copy(below);
    m.revoke(plain);
    m.revoke(below);
    for cap in [badged, same, below, further] {
        assert!(!m.cap(cap).is_null());
    }
    m.revoke(badged);
    assert!(m.cap(below).is_null() && m.cap(further).is_null());
    assert!(!m.cap(same).is_null(), "another badge capability of the same number");
    m.revoke(ep);
    assert!([plain, badged, same].iter().all(|cap| m.cap(*cap).is_null()));
    assert!(!m.cap(ep).is_null());
}

/// Copies of other objects hang under the original; a deleted original leaves them.
#[test]
fn revoke_of_other_objects() {
    let mut m = Machine::new();
    for object in [ObjectType::Tcb, ObjectType::Reply, ObjectType::SchedContext, ObjectType::Page] {
        let original = m.sized(object, 8);
        let (copy, second) = (m.copy(original), m.copy(original));
        m.revoke(copy);
        assert!(!m.cap(second).is_null() && !m.cap(original).is_null());
        let third = m.copy(copy);
        m.revoke(original);
        assert!([copy, second, third].iter().all(|cap| m.cap(*cap).is_null()), "{object:?}");
        let copy = m.copy(original);
        m.delete(original);
        assert!(!m.cap(copy).is_null());
    }
    let pool = m.pool;
    m.revoke(pool);
}

/// The guard vectors of abi.md A.5.
#[test]
#[rustfmt::skip]
fn guards() {
    let mut m = Machine::new();
    let node = m.sized(ObjectType::CapTable, 4);
    let guarded = m.free_slot();
    let data = CNodeCapData::new(5, 8).0;
    let ep = m.endpoint();
    let spare = m.free_slot();
    let r: &[u64] = &[ROOT];
    run(&mut m, &[
        ("GUARD0001", "mint a guard", ROOT, MINT, &[guarded, 64, node, 64, 15, data], r, NoError, &[]),
        ("GUARD0002", "right guard", guarded, COPY, &[0x053, 12, ep, 64, 15], r, NoError, &[]),
        ("GUARD0003", "wrong guard", guarded, COPY, &[0x063, 12, ep, 64, 15], r, FailedLookup, &[0, 4, 12, 5, 8]),
        ("GUARD0004", "depth 11", guarded, COPY, &[0x053, 11, ep, 64, 15], r, FailedLookup, &[0, 4, 11, 5, 8]),
        ("GUARD0005", "depth 7", guarded, COPY, &[0x053, 7, ep, 64, 15], r, FailedLookup, &[0, 4, 7, 5, 8]),
        ("GUARD0006", "depth 9", guarded, COPY, &[5 << 1, 9, ep, 64, 15], r, FailedLookup, &[0, 3, 9, 12]),
        ("GUARD0007", "high bits are ignored", guarded, COPY, &[0xffff_f054, 12, ep, 64, 15], r, NoError, &[]),
        ("GUARD0008", "61 + 4 bits", ROOT, MINT, &[spare, 64, node, 64, 15, 61], r, IllegalOperation, &[]),
        ("GUARD0009", "60 + 4 bits", ROOT, MINT, &[spare, 64, node, 64, 15, 60], r, NoError, &[]),
        ("GUARD0010", "mutate", ROOT, MUTATE, &[spare + 1, 64, spare, 64, data], r, NoError, &[]),
    ]);
    let Cap::CNode(first) = m.cap(node) else { panic!() };
    for index in [3, 4] {
        let slot = first.slot(index).expect("a slot");
        assert!(matches!(slot.cap(), Cap::Endpoint(_)));
    }
    assert!(matches!(m.cap(spare + 1), Cap::CNode(cnode) if (cnode.guard, cnode.guard_bits) == (5, 8)));
}

/// Through two levels: bits left over behind a capability that is no CNode.
#[test]
#[rustfmt::skip]
fn lookups_through_two_levels() {
    let mut m = Machine::new();
    let top = m.sized(ObjectType::CapTable, 4);
    let inner = m.sized(ObjectType::CapTable, 4);
    let ep = m.endpoint();
    m.ok(top, MOVE, &[2, 4, inner, 64], &[ROOT]);
    let r: &[u64] = &[ROOT];
    run(&mut m, &[
        ("CSPACE0001", "inner slot", top, COPY, &[0x27, 8, ep, 64, 15], r, NoError, &[]),
        ("CSPACE0002", "the CNode's own slot", top, COPY, &[0x2, 4, ep, 64, 15], r, DeleteFirst, &[]),
        ("CSPACE0003", "bits behind an endpoint", top, COPY, &[0x277, 12, ep, 64, 15], r, FailedLookup, &[0, 3, 4, 0]),
        ("CSPACE0004", "bits behind nothing", top, COPY, &[0x377, 12, ep, 64, 15], r, FailedLookup, &[0, 3, 8, 0]),
        ("CSPACE0005", "too few bits inside", top, COPY, &[0x11, 6, ep, 64, 15], r, FailedLookup, &[0, 3, 2, 0]),
        ("CSPACE0006", "too few bits in inner", top, COPY, &[0x8, 6, ep, 64, 15], r, FailedLookup, &[0, 3, 2, 4]),
    ]);
}
