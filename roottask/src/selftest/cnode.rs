//! CNode operations: errors, and what each does to its slots (abi.md 7.4, A.1).

use libsel::abi::{CPtr, CapRights, Label, Word};
use libsel::bootinfo::initial;
use libsel::invoke::{self, Pivot};
use libsel::{AbsoluteSlot, Error, LookupFailure};

use super::fixture::{Fixture, at, tag};
use super::harness::{Test, equal, fails, lookup, missing, range, source_lookup, test};

const ALL: CapRights = CapRights::ALL;

/// A CNode operation on the root CNode with words as they are.
fn operation(label: Label, words: &[Word], roots: &[CPtr]) -> libsel::Result<()> {
    invoke::raw(initial::CNODE.cptr(), label.raw(), words, roots).result().map(|_| ())
}

/// An absolute slot of the root CNode with another depth.
fn with_depth(slot: AbsoluteSlot, depth: Word) -> AbsoluteSlot {
    AbsoluteSlot { depth, ..slot }
}

/// A pivot without data.
fn pivot(slot: AbsoluteSlot) -> Pivot {
    Pivot { slot, dest_data: 0, pivot_data: 0 }
}

/// Slots with two endpoints and a free slot between them.
fn rotation(t: &mut Fixture<'_>) -> libsel::Result<[AbsoluteSlot; 3]> {
    Ok([t.place(), at(t.endpoint()?), at(t.notification()?)])
}

/// CNodes.
pub const TESTS: &[Test] = &[
    test("CNODE0001", "copy from an empty slot fails", |t| {
        fails(t.place().copy(t.place(), ALL), source_lookup(missing(64)))
    }),
    test("CNODE0002", "copy onto a full slot fails", |t| {
        let (source, dest) = (t.endpoint()?, t.endpoint()?);
        fails(at(dest).copy(at(source), ALL), Error::DeleteFirst)
    }),
    test("CNODE0003", "destination depths 0 and 65 are out of range", |t| {
        let (source, dest) = (at(t.endpoint()?), t.place());
        fails(with_depth(dest, 0).copy(source, ALL), range(1, 64))?;
        fails(with_depth(dest, 65).copy(source, ALL), range(1, 64))
    }),
    test("CNODE0004", "destination depth 63 does not fit the root", |t| {
        let (source, dest) = (at(t.endpoint()?), t.place());
        let expected = LookupFailure::DepthMismatch { bits_left: 63, bits_found: 64 };
        fails(with_depth(dest, 63).copy(source, ALL), lookup(expected))
    }),
    test("CNODE0005", "source depth 10 ends within the guard", |t| {
        let (source, dest) = (at(t.endpoint()?), t.place());
        let guard_bits = t.machine.root_guard_bits();
        let expected = LookupFailure::GuardMismatch { bits_left: 10, guard: 0, guard_bits };
        fails(dest.copy(with_depth(source, 10), ALL), source_lookup(expected))
    }),
    test("CNODE0006", "bit 40 of the destination does not match the guard", |t| {
        let (source, dest) = (at(t.endpoint()?), t.place());
        let guard_bits = t.machine.root_guard_bits();
        let expected = LookupFailure::GuardMismatch { bits_left: 64, guard: 0, guard_bits };
        let far = AbsoluteSlot { index: dest.index | 1 << 40, ..dest };
        fails(far.copy(source, ALL), lookup(expected))
    }),
    test("CNODE0007", "copy invoked on a TCB is illegal", |t| {
        let (source, dest) = (at(t.endpoint()?), t.place());
        let dest = AbsoluteSlot { root: initial::TCB.cast(), ..dest };
        fails(dest.copy(source, ALL), Error::IllegalOperation)
    }),
    test("CNODE0008", "copy with a TCB as source root finds an invalid root", |t| {
        let (source, dest) = (at(t.endpoint()?), t.place());
        let source = AbsoluteSlot { root: initial::TCB.cast(), ..source };
        fails(dest.copy(source, ALL), source_lookup(LookupFailure::InvalidRoot))
    }),
    test("CNODE0009", "IRQ control and port control cannot be copied", |t| {
        fails(t.place().copy(at(initial::IRQ_CONTROL), ALL), Error::IllegalOperation)?;
        fails(t.place().copy(at(initial::IO_PORT_CONTROL), ALL), Error::IllegalOperation)
    }),
    test("CNODE0010", "untyped memory with children cannot be copied", |t| {
        t.endpoint()?;
        fails(t.place().copy(at(t.untyped), ALL), Error::RevokeFirst)
    }),
    test("CNODE0011", "a badge has 64 bits", |t| {
        let endpoint = t.endpoint()?;
        t.mint(endpoint, ALL, 0xabcd_ef01_2345_6789)?;
        Ok(())
    }),
    test("CNODE0012", "a badged endpoint cannot be minted again, even with badge 0", |t| {
        let endpoint = t.endpoint()?;
        let badged = t.mint(endpoint, ALL, 0xabcd_ef01_2345_6789)?;
        fails(t.mint(badged, ALL, 5), Error::IllegalOperation)?;
        fails(t.mint(badged, ALL, 0), Error::IllegalOperation)?;
        t.copy(badged, ALL)?;
        Ok(())
    }),
    test("CNODE0013", "an endpoint cannot be mutated", |t| {
        let endpoint = t.endpoint()?;
        fails(t.place().mutate(at(endpoint), 7), Error::IllegalOperation)?;
        equal(tag(endpoint.cptr()), 4)
    }),
    test("CNODE0014", "cancelling badged sends needs an endpoint with all rights", |t| {
        let endpoint = t.endpoint()?;
        let badged = t.mint(endpoint, ALL, 9)?;
        at(badged).cancel_badged_sends()?;
        let less = t.mint(endpoint, CapRights::READ_WRITE, 9)?;
        fails(at(less).cancel_badged_sends(), Error::IllegalOperation)?;
        fails(at(initial::TCB).cancel_badged_sends(), Error::IllegalOperation)?;
        fails(t.place().cancel_badged_sends(), Error::IllegalOperation)
    }),
    test("CNODE0015", "delete empties a slot, and an empty slot stays empty", |t| {
        let endpoint = t.endpoint()?;
        at(endpoint).delete()?;
        equal(tag(endpoint.cptr()), 0)?;
        Ok(at(endpoint).delete()?)
    }),
    test("CNODE0016", "an empty slot can be revoked", |t| Ok(t.place().revoke()?)),
    test("CNODE0017", "the pivot of a rotation is neither source nor destination", |t| {
        let [free, one, two] = rotation(t)?;
        fails(free.rotate(pivot(free), one), Error::IllegalOperation)?;
        fails(free.rotate(pivot(two), two), Error::IllegalOperation)
    }),
    test("CNODE0018", "a rotation moves source to pivot and pivot to destination", |t| {
        let [free, one, two] = rotation(t)?;
        free.rotate(pivot(one), two)?;
        equal((tag(free.index), tag(one.index), tag(two.index)), (4, 6, 0))
    }),
    test("CNODE0019", "a rotation with source = destination swaps", |t| {
        let [_, one, two] = rotation(t)?;
        one.rotate(pivot(two), one)?;
        equal((tag(one.index), tag(two.index)), (6, 4))
    }),
    test("CNODE0020", "a rotation needs an empty destination, a source and a pivot", |t| {
        let [free, one, two] = rotation(t)?;
        let (other, free2) = (at(t.endpoint()?), t.place());
        fails(other.rotate(pivot(one), two), Error::DeleteFirst)?;
        fails(free.rotate(pivot(one), free2), source_lookup(missing(64)))?;
        fails(free.rotate(pivot(free2), one), lookup(missing(64)))
    }),
    test("CNODE0021", "a rotation with data for an endpoint is illegal", |t| {
        let [free, one, two] = rotation(t)?;
        let with_dest = Pivot { dest_data: 7, ..pivot(one) };
        fails(free.rotate(with_dest, two), Error::IllegalOperation)?;
        let with_pivot = Pivot { pivot_data: 7, ..pivot(one) };
        fails(free.rotate(with_pivot, two), Error::IllegalOperation)
    }),
    test("CNODE0022", "a TCB label on a CNode is illegal", |_| {
        fails(operation(Label::TcbSuspend, &[], &[]), Error::IllegalOperation)
    }),
    test("CNODE0023", "each operation needs its words", |t| {
        let (source, dest) = (t.endpoint()?.cptr(), t.slot());
        let roots = [initial::CNODE.cptr(); 2];
        let truncated =
            |label, words: &[Word]| fails(operation(label, words, &roots), Error::TruncatedMessage);
        truncated(Label::CNodeCopy, &[dest])?;
        truncated(Label::CNodeDelete, &[dest])?;
        truncated(Label::CNodeRevoke, &[dest])?;
        truncated(Label::CNodeCancelBadgedSends, &[source])?;
        truncated(Label::CNodeMove, &[dest, 64, source])?;
        truncated(Label::CNodeCopy, &[dest, 64, source, 64])?;
        truncated(Label::CNodeMint, &[dest, 64, source, 64, 0xf])?;
        truncated(Label::CNodeMutate, &[dest, 64, source, 64])?;
        truncated(Label::CNodeRotate, &[dest, 64, 0, source, 64, 0, source])
    }),
    test("CNODE0024", "an operation with a source needs a root for it", |t| {
        let words = [t.slot(), 64, t.endpoint()?.cptr(), 64, 0xf];
        fails(operation(Label::CNodeCopy, &words, &[]), Error::TruncatedMessage)
    }),
    test("CNODE0025", "move leaves the source empty", |t| {
        let (source, dest) = (at(t.endpoint()?), t.place());
        dest.move_from(source)?;
        equal((tag(source.index), tag(dest.index)), (0, 4))?;
        fails(t.place().move_from(source), source_lookup(missing(64)))
    }),
    test("CNODE0026", "control capabilities can be moved", |t| {
        let place = t.place();
        place.move_from(at(initial::IRQ_CONTROL))?;
        let moved = tag(place.index);
        at(initial::IRQ_CONTROL).move_from(place)?;
        equal((moved, tag(initial::IRQ_CONTROL.cptr())), (14, 14))
    }),
    test("CNODE0027", "the destination is looked up before the source", |t| {
        let full = at(t.endpoint()?);
        fails(full.copy(t.place(), ALL), Error::DeleteFirst)?;
        let source = with_depth(t.place(), 0);
        fails(with_depth(t.place(), 65).copy(source, ALL), range(1, 64))?;
        fails(t.place().copy(source, ALL), range(1, 64))
    }),
    test("CNODE0028", "a call of an empty slot is an invalid capability", |t| {
        let slot = t.slot();
        fails(invoke::raw(slot, 0, &[], &[]).result(), Error::InvalidCapability(0))?;
        fails(invoke::raw(0, 0, &[], &[]).result(), Error::InvalidCapability(0))
    }),
    test("CNODE0029", "deleting a CNode destroys what lies in it", |t| {
        let node = t.cnode(4)?;
        let thread_slot = at(t.tcb()?);
        node.slot(3, 4).move_from(thread_slot)?;
        node.slot(4, 4).copy(at(t.endpoint()?), ALL)?;
        at(node).delete()?;
        equal(tag(node.cptr()), 0)
    }),
    test("CNODE0030", "a CNode that holds its only capability can be revoked away", |t| {
        let node = t.cnode(2)?;
        node.slot(1, 2).copy(at(node), ALL)?;
        at(node).delete()?;
        Ok(())
    }),
    test("CNODE0031", "two CNodes that hold each other are deleted", |t| {
        let (one, two) = (t.cnode(2)?, t.cnode(2)?);
        one.slot(0, 2).copy(at(two), ALL)?;
        two.slot(0, 2).copy(at(one), ALL)?;
        at(one).delete()?;
        at(two).delete()?;
        equal((tag(one.cptr()), tag(two.cptr())), (0, 0))
    }),
];
