//! Guards, rights and the derivation tree: what copies are, and what Revoke and Delete take with them (abi.md 6).

use libsel::abi::{CNodeCapData, CapRights};
use libsel::bootinfo::initial;
use libsel::cap::{CNode, Endpoint};
use libsel::{Cap, Error, LookupFailure};

use super::fixture::{Fixture, at, tag};
use super::harness::{Test, equal, fails, source_lookup, test};

const ALL: CapRights = CapRights::ALL;

/// A CNode of 16 slots with an endpoint in slot 3, as a capability with guard 5 of 8 bits.
fn guarded(t: &mut Fixture<'_>) -> libsel::Result<Cap<CNode>> {
    let node = t.cnode(4)?;
    node.slot(3, 4).copy(at(t.endpoint()?), ALL)?;
    let slot = t.place();
    slot.mint_guarded(at(node), CNodeCapData::new(5, 8))?;
    Ok(Cap::new(slot.index))
}

/// An endpoint, a copy of it, a badged one, and a copy of that.
fn family(t: &mut Fixture<'_>) -> libsel::Result<[Cap<Endpoint>; 4]> {
    let original = t.endpoint()?;
    let copy = t.copy(original, ALL)?;
    let badged = t.mint(original, ALL, 7)?;
    let badged_copy = t.copy(badged, ALL)?;
    Ok([original, copy, badged, badged_copy])
}

/// The tags of all four.
fn tags(caps: [Cap<Endpoint>; 4]) -> [u64; 4] {
    caps.map(|cap| tag(cap.cptr()))
}

/// Capability derivation.
pub const TESTS: &[Test] = &[
    test("DERIVE0001", "a guard is resolved before the index", |t| {
        let node = guarded(t)?;
        let place = t.place();
        place.copy(node.slot(0x53, 12), ALL)?;
        equal(tag(place.index), 4)
    }),
    test("DERIVE0002", "a wrong guard is a mismatch that says guard and size", |t| {
        let node = guarded(t)?;
        let expected = LookupFailure::GuardMismatch { bits_left: 12, guard: 5, guard_bits: 8 };
        fails(t.place().copy(node.slot(0x63, 12), ALL), source_lookup(expected))
    }),
    test("DERIVE0003", "a depth below guard and index is a guard mismatch when the guard differs", |t| {
        let node = guarded(t)?;
        let expected = LookupFailure::GuardMismatch { bits_left: 11, guard: 5, guard_bits: 8 };
        fails(t.place().copy(node.slot(0x53, 11), ALL), source_lookup(expected))
    }),
    test("DERIVE0004", "bits left behind a slot are a depth mismatch", |t| {
        let node = guarded(t)?;
        let expected = LookupFailure::DepthMismatch { bits_left: 4, bits_found: 0 };
        fails(t.place().copy(node.slot(0x530, 16), ALL), source_lookup(expected))
    }),
    test("DERIVE0005", "guard and index have at most 64 bits", |t| {
        let node = t.cnode(4)?;
        fails(t.place().mint_guarded(at(node), CNodeCapData::new(0, 61)), Error::IllegalOperation)?;
        Ok(t.place().mint_guarded(at(node), CNodeCapData::new(0, 60))?)
    }),
    test("DERIVE0006", "mutate changes a guard on the way", |t| {
        let node = t.cnode(4)?;
        let place = t.place();
        place.mutate(at(node), CNodeCapData::new(1, 2).0)?;
        let node = Cap::<CNode>::new(place.index);
        node.slot(0x1f, 6).copy(at(t.endpoint()?), ALL)?;
        Ok(node.slot(0x1f, 6).delete()?)
    }),
    test("DERIVE0007", "an address is resolved through two CNodes", |t| {
        let outer = t.cnode(4)?;
        let inner = t.cnode(4)?;
        let endpoint = at(t.endpoint()?);
        outer.slot(2, 4).copy(at(inner), ALL)?;
        outer.slot(0x29, 8).copy(endpoint, ALL)?;
        let place = t.place();
        place.move_from(inner.slot(9, 4))?;
        equal(tag(place.index), 4)
    }),
    test("DERIVE0008", "revoking the original removes all copies, badged or not", |t| {
        let caps = family(t)?;
        at(caps[0]).revoke()?;
        equal(tags(caps), [4, 0, 0, 0])
    }),
    test("DERIVE0009", "revoking a plain copy removes nothing", |t| {
        let caps = family(t)?;
        at(caps[1]).revoke()?;
        equal(tags(caps), [4, 4, 4, 4])
    }),
    test("DERIVE0010", "revoking a badged capability removes the copies with its badge", |t| {
        let caps = family(t)?;
        at(caps[2]).revoke()?;
        equal(tags(caps), [4, 4, 4, 0])
    }),
    test("DERIVE0011", "deleting an original keeps its copies alive", |t| {
        let caps = family(t)?;
        at(caps[0]).delete()?;
        equal(tags(caps), [0, 4, 4, 4])?;
        at(caps[2]).revoke()?;
        equal(tags(caps), [0, 4, 4, 0])
    }),
    test("DERIVE0012", "a moved original still revokes its copies", |t| {
        let caps = family(t)?;
        let place = t.place();
        place.move_from(at(caps[0]))?;
        place.revoke()?;
        equal((tags(caps), tag(place.index)), ([0, 0, 0, 0], 4))
    }),
    test("DERIVE0013", "copies of a TCB go when the original is revoked", |t| {
        let tcb = t.tcb()?;
        let copy = t.copy(tcb, ALL)?;
        at(copy).revoke()?;
        equal(tag(copy.cptr()), 12)?;
        at(tcb).revoke()?;
        equal((tag(tcb.cptr()), tag(copy.cptr())), (12, 0))
    }),
    test("DERIVE0014", "an endpoint without Write cannot be called", |t| {
        let endpoint = t.endpoint()?;
        let read_only = t.copy(endpoint, CapRights::READ)?;
        fails(read_only.call(0, &[], &[]).result(), Error::InvalidCapability(0))
    }),
    test("DERIVE0015", "a notification without Write cannot be called", |t| {
        let notification = t.notification()?;
        let read_only = t.copy(notification, CapRights::READ)?;
        let reply = libsel::invoke::raw(read_only.cptr(), 0, &[], &[]);
        fails(reply.result(), Error::InvalidCapability(0))
    }),
    test("DERIVE0016", "rights do not come back in a copy of a copy", |t| {
        let endpoint = t.endpoint()?;
        let read_only = t.copy(endpoint, CapRights::READ)?;
        let again = t.copy(read_only, ALL)?;
        fails(again.call(0, &[], &[]).result(), Error::InvalidCapability(0))
    }),
    test("DERIVE0017", "a badged notification carries its badge in a copy", |t| {
        let notification = t.notification()?;
        let badged = t.mint(notification, ALL, 0x30)?;
        t.copy(badged, CapRights::WRITE)?.signal();
        equal(notification.poll(), 0x30)
    }),
    test("DERIVE0018", "a pointer beyond the root CNode identifies as nothing", |t| {
        let slots = t.machine.root_slots();
        equal(tag(slots | initial::TCB.cptr()), 0)
    }),
];
