//! The most that one kernel entry can be asked to do without a preemption point. The kernel measures how long
//! interrupts were off (a debug build's DebugDumpScheduler shows it at the end); here each operation only has to work.

use libsel::Cap;
use libsel::abi::{CPtr, ObjectType, Word};
use libsel::bootinfo::initial;
use libsel::cap::{AsidPool, IoPort, VSpace};
use libsel::invoke::RetypeTarget;

use super::fixture::{Fixture, at, tag};
use super::harness::{Outcome, Test, equal, test};
use super::peer;

/// Objects of one Retype (abi.md 3.1).
const FAN_OUT: Word = 256;

/// Makes as many objects as one Retype can; the first slot.
fn many(t: &mut Fixture<'_>, object: ObjectType, size_bits: Word) -> libsel::Result<CPtr> {
    let bytes_bits = object.object_bits(size_bits) + FAN_OUT.ilog2() as Word;
    let memory = t.memory(bytes_bits)?;
    let first = t.slots(FAN_OUT);
    memory.retype(object, size_bits, RetypeTarget::slots_of(initial::CNODE, first), FAN_OUT)?;
    Ok(first)
}

/// All slots from `first` have to hold this kind of capability.
#[track_caller]
fn all_are(first: CPtr, kind: u64) -> Outcome {
    (first..first + FAN_OUT).try_for_each(|slot| equal(tag(slot), kind))
}

/// Operations without preemption points at their largest.
pub const TESTS: &[Test] = &[
    test("WORST0001", "256 threads in one call", |t| all_are(many(t, ObjectType::Tcb, 0)?, 12)),
    test("WORST0002", "256 address spaces in one call", |t| all_are(many(t, ObjectType::Pml4, 0)?, 9)),
    test("WORST0003", "256 scheduling contexts in one call", |t| {
        all_are(many(t, ObjectType::SchedContext, 7)?, 22)
    }),
    test("WORST0004", "256 pages in one call", |t| all_are(many(t, ObjectType::Page, 0)?, 1)),
    test("WORST0005", "a pool of 256 address spaces is deleted", |t| {
        let (memory, place) = (t.memory(12)?, t.place());
        initial::ASID_CONTROL.make_pool(memory, place)?;
        let pool = Cap::<AsidPool>::new(place.index);
        let first = many(t, ObjectType::Pml4, 0)?;
        (first..first + FAN_OUT).try_for_each(|slot| pool.assign(Cap::<VSpace>::new(slot)))?;
        place.delete()?;
        // The pool's memory can be a pool again.
        at(memory).revoke()?;
        Ok(initial::ASID_CONTROL.make_pool(memory, place)?)
    }),
    test("WORST0006", "all ports are issued and given back", |t| {
        for _ in 0..2 {
            let place = t.place();
            initial::IO_PORT_CONTROL.issue(0x0500, 0xfff0, place)?;
            equal(tag(place.index), 19)?;
            at(Cap::<IoPort>::new(place.index)).delete()?;
        }
        Ok(())
    }),
    test("WORST0007", "a full message with capabilities", |t| {
        let (peers, _) = t.echo_server()?;
        let offered = t.endpoint()?.cptr();
        let answer = peers.endpoint.call(0, &[7; 120], &[offered, offered, offered]);
        equal((answer.label(), answer.length(), answer.word(119)), (peer::ECHO, 120, 7))
    }),
];
