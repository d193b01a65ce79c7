//! Objects: retype, and threads made and destroyed.

use libsel::abi::{CPtr, ObjectType, Register, Word};
use libsel::bootinfo::initial;
use libsel::cap::{SchedContext, Tcb};
use libsel::invoke::{RetypeTarget, UserContext};
use libsel::{Cap, Result};

use super::clock::ticks;
use super::row::{Bench, Row, row};
use crate::bare::failure::Outcome;
use crate::bare::fixture::Fixture;

/// The most objects that one Retype makes (abi.md 7.2).
const MOST_OBJECTS: u64 = 256;
/// log2 of the bytes of a scheduling context.
const SCHED_CONTEXT_BITS: Word = 8;

/// `count` new objects in consecutive slots; the first slot.
pub fn make_many(f: &mut Fixture<'_>, kind: ObjectType, size_bits: Word, count: u64) -> Result<CPtr> {
    let first = f.slots(count);
    for done in (0..count).step_by(MOST_OBJECTS as usize) {
        let target = RetypeTarget::slots_of(initial::CNODE, first + done);
        f.untyped.retype(kind, size_bits, target, MOST_OBJECTS.min(count - done))?;
    }
    Ok(first)
}

/// `count` retypes of one object each into new slots.
fn retype_each(f: &mut Fixture<'_>, kind: ObjectType, count: u64) -> Outcome<u64> {
    let first = f.slots(count);
    let untyped = f.untyped;
    let retype = |slot| untyped.retype(kind, 0, RetypeTarget::slots_of(initial::CNODE, slot), 1);
    let (ticks, result) = ticks(|| (first..first + count).try_for_each(retype));
    result?;
    Ok(ticks)
}

/// One retype of several objects into new slots.
fn retype_together(b: &mut Bench<'_>, kind: ObjectType, count: u64) -> Outcome {
    b.rounds(|f| {
        let (first, untyped) = (f.slots(count), f.untyped);
        let target = RetypeTarget::slots_of(initial::CNODE, first);
        let (ticks, result) = ticks(|| untyped.retype(kind, 0, target, count));
        result?;
        Ok(ticks)
    })
}

/// A thread with a scheduling context, ready to be resumed: what a program does to have one more thread.
fn create(f: &mut Fixture<'_>, slot: Word) -> Result<()> {
    let machine = f.machine;
    let tcb: Cap<Tcb> = f.untyped.retype_one(0, initial::CNODE, slot)?;
    let sched_context: Cap<SchedContext> =
        f.untyped.retype_one(SCHED_CONTEXT_BITS, initial::CNODE, slot + 1)?;
    machine.sched_control.configure_flags(sched_context, 10_000, 10_000, 0, 0, 0)?;
    let buffer = machine.bootinfo.raw().ipc_buffer;
    tcb.configure(initial::CNODE, 0, initial::VSPACE, buffer, initial::IPC_BUFFER)?;
    tcb.set_sched_params(initial::TCB, 0, 100, sched_context, Cap::NULL)?;
    let mut context = UserContext::default();
    context.set(Register::Rip, machine.image_start());
    tcb.write_registers(false, context.0.len(), &context)
}

fn destroy(slot: Word) -> Result<()> {
    initial::CNODE.at(slot).delete()?;
    initial::CNODE.at(slot + 1).delete()
}

/// Objects.
pub const ROWS: &[Row] = &[
    row("retype/frames/1", |b| b.rounds(|f| retype_each(f, ObjectType::Page, 1))),
    row("retype/frames/256", |b| retype_together(b, ObjectType::Page, MOST_OBJECTS)),
    row("retype/each/512", |b| b.long_rounds(|f| retype_each(f, ObjectType::Page, 512))),
    row("retype/tcb", |b| b.rounds(|f| retype_each(f, ObjectType::Tcb, 1))),
    row("thread/create", |b| {
        b.rounds(|f| {
            let slot = f.slots(2);
            let (ticks, result) = ticks(|| create(f, slot));
            result?;
            Ok(ticks)
        })
    }),
    row("thread/destroy", |b| {
        b.rounds(|f| {
            let slot = f.slots(2);
            create(f, slot)?;
            let (ticks, result) = ticks(|| destroy(slot));
            result?;
            Ok(ticks)
        })
    }),
];
