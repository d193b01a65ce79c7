//! Long operations let interrupts and other threads in, and come to their end all the same (abi.md 9.5).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CPtr, CapRights, ObjectType, Word};
use libsel::bootinfo::initial;
use libsel::cap::{CNode, Endpoint, Untyped};
use libsel::invoke::RetypeTarget;
use libsel::rt::ticks as now;
use libsel::{Cap, sys};

use super::fixture::{Fixture, at, shared, tag};
use super::harness::{Outcome, Test, equal, test, within};
use super::thread::{Options, Thread};

/// The ticker wakes this often.
const PERIOD_US: Word = 200;
/// So many wake-ups within one operation prove that it lets others in: one each may fall before and behind it.
const PROOF: u64 = 3;
/// The host may stop the whole machine meanwhile: so many chances.
const ATTEMPTS: usize = 30;

/// Counts its wake-ups in shared word 2.
extern "C" fn tick(_: Word) {
    loop {
        sys::yield_();
        shared(2).fetch_add(1, Relaxed);
    }
}

/// Lets the worker that `prepare` makes do something long below a ticker of higher priority; the ticker has to run
/// meanwhile, and the worker has to succeed.
#[track_caller]
fn lets_others_in(
    t: &mut Fixture<'_>,
    mut prepare: impl FnMut(&mut Fixture<'_>) -> libsel::Result<Thread>,
) -> Outcome {
    let ticker = Options { priority: 200, ..Options::with_budget(PERIOD_US / 2, PERIOD_US) };
    let ticker = t.spawn(ticker, tick, 0)?;
    let mut longest_us = 0;
    for _ in 0..ATTEMPTS {
        let worker = prepare(t)?;
        shared(2).store(0, Relaxed);
        shared(3).store(0, Relaxed);
        let before = now();
        worker.tcb.resume()?;
        worker.join();
        let us = (now() - before) / t.machine.ticks_per_us;
        // The next worker may get its stack.
        worker.tcb.suspend()?;
        t.threads -= 1;
        equal(shared(3).load(Relaxed), 1)?;
        if shared(2).load(Relaxed) >= PROOF {
            return Ok(ticker.tcb.suspend()?);
        }
        longest_us = longest_us.max(us);
    }
    ticker.tcb.suspend()?;
    // On a machine on which the operation takes a few periods only, it proves nothing.
    within(longest_us, 0..=PERIOD_US * (PROOF + 1), "microseconds without letting others in")
}

/// Memory whose next Retype has to clear 4 MiB first.
fn used_memory(t: &mut Fixture<'_>) -> libsel::Result<Cap<Untyped>> {
    let memory = t.memory(22)?;
    let target = RetypeTarget::slots_of(initial::CNODE, t.slot());
    memory.retype(ObjectType::Untyped, 22, target, 1)?;
    at(memory).revoke()?;
    Ok(memory)
}

/// log2 of the slots of a CNode that takes long to empty.
const RADIX: Word = 11;

/// Fills a CNode of 2^[`RADIX`] slots with copies of an endpoint.
fn fill(node: Cap<CNode>, endpoint: Cap<Endpoint>) -> libsel::Result<()> {
    (0..1 << RADIX).try_for_each(|index| node.slot(index, RADIX).copy(at(endpoint), CapRights::ALL))
}

extern "C" fn revoke(slot: Word) {
    let result = initial::CNODE.at(slot).revoke();
    shared(3).store(u64::from(result.is_ok()), Relaxed);
}

extern "C" fn delete(slot: Word) {
    let result = initial::CNODE.at(slot).delete();
    shared(3).store(u64::from(result.is_ok()), Relaxed);
}

/// Makes an untyped of 4 MiB of the memory in `slot`; the destination is shared word 4. The message has six words and a
/// capability: the words from the fifth on and the root are in the buffer of the thread.
extern "C" fn clear(slot: Word) {
    let info = libsel::abi::MessageInfo::new(libsel::abi::Label::UntypedRetype.raw(), 0, 1, 6);
    let answer = sys::call(slot, info, [ObjectType::Untyped.raw(), 22, 0, 0]);
    shared(3).store(u64::from(answer.info.label() == 0), Relaxed);
}

/// A thread that clears used memory and makes one object of it in the slot `dest`.
fn clearing(
    t: &mut Fixture<'_>,
    options: Options,
    memory: Cap<Untyped>,
    dest: CPtr,
) -> libsel::Result<Thread> {
    at(memory).revoke()?;
    let worker = t.prepare(options, clear, memory.cptr())?;
    worker.set_word(4, dest);
    worker.set_word(5, 1);
    worker.offer(0, initial::CNODE.cptr());
    Ok(worker)
}

/// Preemption.
pub const TESTS: &[Test] = &[
    test("PREEMPT0001", "clearing memory lets other threads run", |t| {
        let (memory, dest) = (used_memory(t)?, t.slot());
        lets_others_in(t, |t| clearing(t, Options::default(), memory, dest))?;
        equal(tag(dest), 2)
    }),
    test("PREEMPT0002", "revoking 2048 copies lets other threads run", |t| {
        let node = t.cnode(RADIX)?;
        let endpoint = t.endpoint()?;
        lets_others_in(t, |t| {
            fill(node, endpoint)?;
            t.prepare(Options::default(), revoke, endpoint.cptr())
        })?;
        equal(tag(endpoint.cptr()), 4)?;
        // The last slot is empty again.
        node.slot((1 << RADIX) - 1, RADIX).copy(at(endpoint), CapRights::ALL).map_err(Into::into)
    }),
    test("PREEMPT0003", "deleting a full CNode lets other threads run", |t| {
        let (memory, node) = (t.memory(17)?, t.slot());
        let endpoint = t.endpoint()?;
        lets_others_in(t, |t| {
            let node = memory.retype_one::<CNode>(RADIX, initial::CNODE, node)?;
            fill(node, endpoint)?;
            t.prepare(Options::default(), delete, node.cptr())
        })?;
        equal(tag(node), 0)
    }),
    test("PREEMPT0004", "an operation on a small budget comes to its end", |t| {
        let (memory, dest) = (used_memory(t)?, t.slot());
        let worker = clearing(t, Options::with_budget(500, 1000), memory, dest)?;
        worker.tcb.resume()?;
        worker.join();
        equal(shared(3).load(Relaxed), 1)
    }),
    test("PREEMPT0005", "a CNode half deleted is deleted to the end by another thread", |t| {
        let (node, endpoint) = (t.cnode(RADIX)?, t.endpoint()?);
        fill(node, endpoint)?;
        let worker = t.spawn(Options::with_budget(50, 100_000), delete, node.cptr())?;
        t.settle()?;
        // Perhaps it was finished within its budget; perhaps a zombie is left.
        worker.tcb.suspend()?;
        at(node).delete()?;
        equal(tag(node.cptr()), 0)
    }),
    test("PREEMPT0006", "everything is taken back from threads that work on it", |t| {
        let memory = t.memory(20)?;
        let whole = t.untyped;
        t.untyped = memory;
        for _ in 0..4 {
            t.echo_server()?;
        }
        t.untyped = whole;
        at(memory).revoke()?;
        t.threads = 0;
        let target = RetypeTarget::slots_of(initial::CNODE, t.slot());
        Ok(memory.retype(ObjectType::Untyped, 20, target, 1)?)
    }),
];
