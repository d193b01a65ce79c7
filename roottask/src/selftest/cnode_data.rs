//! Badges, guards and rights that CNode operations give to capabilities (abi.md 6.1 to 6.3).

use libsel::abi::{CapRights, Word};
use libsel::bootinfo::initial;
use libsel::cap::CNode;
use libsel::invoke::Pivot;
use libsel::{Cap, Error, LookupFailure};

use super::fixture::{at, tag};
use super::harness::{Test, equal, fails, lookup, test};

const ALL: CapRights = CapRights::ALL;

/// What CNode operations give.
pub const TESTS: &[Test] = &[
    test("CNDATA0001", "more bits of an index than its depth do not count", |t| {
        let node = t.cnode(4)?;
        let endpoint = at(t.endpoint()?);
        node.slot(0xffff_fff3, 4).copy(endpoint, ALL)?;
        let place = t.place();
        place.move_from(node.slot(3, 4))?;
        equal(tag(place.index), 4)
    }),
    test("CNDATA0002", "a copy of a frame is a frame at the same place, whatever its rights", |t| {
        let frame = t.frame()?;
        for rights in [ALL, CapRights::READ, CapRights::WRITE, CapRights::empty()] {
            let copy = t.copy(frame, rights)?;
            equal((tag(copy.cptr()), copy.get_address()?), (1, frame.get_address()?))?;
        }
        Ok(())
    }),
    test("CNDATA0003", "every kind that can be derived is copied", |t| {
        let (handler, ports) = (t.place(), t.place());
        initial::IRQ_CONTROL.get_msi(handler, 0, 0, 0, 0, 96)?;
        initial::IO_PORT_CONTROL.issue(0x3f8, 0x3ff, ports)?;
        let empty = t.memory(12)?;
        let made = [
            (empty.cptr(), 2),
            (t.endpoint()?.cptr(), 4),
            (t.notification()?.cptr(), 6),
            (t.reply()?.cptr(), 8),
            (t.tcb()?.cptr(), 12),
            (t.cnode(1)?.cptr(), 10),
            (t.sched_context(1000, 1000)?.cptr(), 22),
            (t.frame()?.cptr(), 1),
            (handler.index, 16),
            (ports.index, 19),
            (t.machine.sched_control.cptr(), 24),
            (initial::DOMAIN.cptr(), 20),
            (initial::ASID_CONTROL.cptr(), 11),
            (initial::ASID_POOL.cptr(), 13),
            (initial::VSPACE.cptr(), 9),
        ];
        for (source, kind) in made {
            let place = t.place();
            place.copy(initial::CNODE.at(source), ALL)?;
            equal((source, tag(place.index)), (source, kind))?;
        }
        Ok(())
    }),
    test("CNDATA0004", "data of kinds that have none are ignored", |t| {
        let (tcb, frame, context) = (t.tcb()?.cptr(), t.frame()?.cptr(), t.sched_context(1000, 1000)?.cptr());
        for source in [tcb, frame, context, t.reply()?.cptr()] {
            let slot = initial::CNODE.at(source);
            let (minted, mutated, rotated) = (t.place(), t.place(), t.place());
            minted.mint(slot, ALL, Word::MAX)?;
            mutated.mutate(slot, Word::MAX)?;
            let pivot = Pivot { slot: minted, dest_data: Word::MAX, pivot_data: Word::MAX };
            rotated.rotate(pivot, mutated)?;
            let kind = tag(rotated.index);
            equal((kind != 0, tag(minted.index), tag(mutated.index), tag(source)), (true, kind, 0, 0))?;
        }
        Ok(())
    }),
    test("CNDATA0005", "a guard is cut to its size", |t| {
        let node = at(t.cnode(4)?);
        let place = t.place();
        // Guard 0x35 of 4 bits: 5.
        place.mint(node, ALL, 0x35 << 6 | 4)?;
        let guarded = Cap::<CNode>::new(place.index);
        guarded.slot(0x5f, 8).copy(at(t.endpoint()?), ALL)?;
        let expected = LookupFailure::GuardMismatch { bits_left: 8, guard: 5, guard_bits: 4 };
        fails(guarded.slot(0x3f, 8).delete(), lookup(expected))
    }),
    test("CNDATA0006", "mint masks each right of an endpoint", |t| {
        let endpoint = t.endpoint()?;
        for missing in [CapRights::WRITE, CapRights::READ, CapRights::GRANT, CapRights::GRANT_REPLY] {
            let less = t.mint(endpoint, ALL.difference(missing), 3)?;
            // Rights do not come back.
            let again = t.copy(less, ALL)?;
            fails(at(again).cancel_badged_sends(), Error::IllegalOperation)?;
        }
        let all = t.mint(endpoint, CapRights::from_bits_retain(0xf0 | ALL.bits()), 3)?;
        Ok(at(all).cancel_badged_sends()?)
    }),
];
