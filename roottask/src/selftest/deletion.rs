//! Deleting and revoking while others work: CNodes that contain themselves, zombies that others meet, threads that delete
//! themselves (abi.md 9.5).

use core::sync::atomic::Ordering::Relaxed;

use libsel::abi::{CapRights, Label, MessageInfo, ObjectType, Syscall, Word};
use libsel::bootinfo::initial;
use libsel::cap::{CNode, Tcb};
use libsel::invoke::RetypeTarget;
use libsel::{Cap, Error, sys};

use super::crowd::{Deed, roll_length};
use super::fixture::{Fixture, at, log, log_is, shared, tag};
use super::harness::{Failure, Outcome, Test, check, equal, fails, test};
use super::peer;
use super::thread::{Options, Thread};

const ALL: CapRights = CapRights::ALL;
/// log2 of the slots of a CNode that cannot be deleted on a small budget.
const RADIX: Word = 11;
/// Tag of a zombie.
const ZOMBIE: u64 = 18;

/// All of `memory`, 2^`size_bits` bytes, has to be free.
#[track_caller]
fn is_free(t: &mut Fixture<'_>, memory: Cap<libsel::cap::Untyped>, size_bits: Word) -> Outcome {
    let target = RetypeTarget::slots_of(initial::CNODE, t.slot());
    Ok(memory.retype(ObjectType::Untyped, size_bits, target, 1)?)
}

/// A CNode of 2^`radix` slots from `memory`.
fn node_of(
    t: &mut Fixture<'_>,
    memory: Cap<libsel::cap::Untyped>,
    radix: Word,
) -> libsel::Result<Cap<CNode>> {
    memory.retype_one(radix, initial::CNODE, t.slot())
}

extern "C" fn delete(slot: Word) {
    let result = initial::CNODE.at(slot).delete();
    shared(3).store(1 + u64::from(result.is_err()), Relaxed);
}

/// A large CNode, full of copies, and a thread whose deletion of it has got stuck in the middle for lack of time.
struct Stuck {
    memory: Cap<libsel::cap::Untyped>,
    node: Cap<CNode>,
    worker: Thread,
}

fn stuck(t: &mut Fixture<'_>) -> Outcome<Stuck> {
    let (memory, endpoint) = (t.memory(17)?, t.endpoint()?);
    let node = node_of(t, memory, RADIX)?;
    for index in 0..1 << RADIX {
        node.slot(index, RADIX).copy(at(endpoint), ALL)?;
    }
    let worker = t.spawn(Options::with_budget(50, 1_000_000), delete, node.cptr())?;
    t.settle()?;
    if tag(node.cptr()) != ZOMBIE {
        return Err(Failure::new(format_args!("expected a zombie, seen tag {}", tag(node.cptr()))));
    }
    Ok(Stuck { memory, node, worker })
}

/// Deletion.
pub const TESTS: &[Test] = &[
    test("DELETE0001", "a CNode that holds itself is deleted with its last outside capability", |t| {
        let memory = t.memory(12)?;
        let node = node_of(t, memory, 4)?;
        node.slot(3, 4).move_from(at(node))?;
        // Nobody can name it any more; its memory still can.
        at(memory).revoke()?;
        is_free(t, memory, 12)
    }),
    test("DELETE0002", "a CNode with a copy of itself is deleted", |t| {
        let memory = t.memory(12)?;
        let node = node_of(t, memory, 4)?;
        for index in [0, 7, 15] {
            node.slot(index, 4).copy(at(node), ALL)?;
        }
        at(node).delete()?;
        // The copies inside keep it alive; the memory's revocation does not.
        equal(tag(node.cptr()), 0)?;
        at(memory).revoke()?;
        is_free(t, memory, 12)
    }),
    test("DELETE0003", "CNodes that hold each other, three deep and in a ring, are revoked", |t| {
        let memory = t.memory(14)?;
        let nodes = [node_of(t, memory, 4)?, node_of(t, memory, 4)?, node_of(t, memory, 4)?];
        for (index, node) in nodes.into_iter().enumerate() {
            let (next, last) = (nodes[(index + 1) % 3], nodes[(index + 2) % 3]);
            node.slot(0, 4).copy(at(next), ALL)?;
            node.slot(15, 4).copy(at(last), ALL)?;
            node.slot(8, 4).copy(at(node), ALL)?;
        }
        nodes.into_iter().try_for_each(|node| at(node).delete())?;
        at(memory).revoke()?;
        is_free(t, memory, 14)
    }),
    test("DELETE0004", "a ring whose originals lie in each other is revoked", |t| {
        let memory = t.memory(14)?;
        let nodes = [node_of(t, memory, 4)?, node_of(t, memory, 4)?, node_of(t, memory, 4)?];
        nodes[0].slot(5, 4).move_from(at(nodes[1]))?;
        nodes[0].slot(0x59, 8).move_from(at(nodes[2]))?;
        // Slot 1 of the innermost one gets the outermost: nothing outside is left.
        nodes[0].slot(0x591, 12).move_from(at(nodes[0]))?;
        at(memory).revoke()?;
        is_free(t, memory, 14)
    }),
    test("DELETE0005", "a chain of 40 CNodes, each the only holder of the next, is deleted", |t| {
        let memory = t.memory(13)?;
        let mut outer = node_of(t, memory, 1)?;
        for _ in 0..40 {
            let next = node_of(t, memory, 1)?;
            next.slot(1, 1).move_from(at(outer))?;
            outer = next;
        }
        at(outer).delete()?;
        is_free(t, memory, 13)
    }),
    test("DELETE0006", "a thread whose CSpace is the CNode that holds its last capability is deleted", |t| {
        let memory = t.memory(14)?;
        let node = node_of(t, memory, 4)?;
        let tcb = memory.retype_one::<Tcb>(0, initial::CNODE, t.slot())?;
        tcb.set_space(Cap::NULL, node, 0, initial::VSPACE)?;
        node.slot(2, 4).move_from(at(tcb))?;
        at(node).delete()?;
        at(memory).revoke()?;
        is_free(t, memory, 14)
    }),
    test("DELETE0007", "a CNode is revoked through a capability inside itself", |t| {
        let memory = t.memory(12)?;
        let node = node_of(t, memory, 4)?;
        node.slot(1, 4).move_from(at(memory))?;
        let copy = t.place();
        copy.copy(at(node), ALL)?;
        // The untyped lies in the CNode that is made of it: its revocation deletes the CNode and itself.
        node.slot(1, 4).revoke()?;
        equal((tag(node.cptr()), tag(copy.index)), (0, 0))
    }),
    test("DELETE0008", "a deletion without time leaves a zombie that cannot be used", |t| {
        let stuck = stuck(t)?;
        let node = stuck.node;
        fails(node.slot(0, RADIX).delete(), Error::InvalidCapability(0))?;
        fails(t.place().copy(at(node), ALL), Error::IllegalOperation)?;
        fails(t.place().mint(at(node), ALL, 0), Error::IllegalOperation)?;
        at(node).delete()?;
        equal(tag(node.cptr()), 0)?;
        is_free(t, stuck.memory, 17)
    }),
    test("DELETE0009", "the first deleter comes to its end when another has finished its work", |t| {
        let stuck = stuck(t)?;
        at(stuck.node).delete()?;
        let control = t.machine.sched_control;
        control.configure_flags(stuck.worker.sched_context, 1000, 1000, 0, 0, 0)?;
        stuck.worker.join();
        equal(shared(3).load(Relaxed), 1)
    }),
    test("DELETE0010", "a zombie can be moved, and deleted where it is then", |t| {
        let stuck = stuck(t)?;
        let place = t.place();
        place.move_from(at(stuck.node))?;
        equal(tag(place.index), ZOMBIE)?;
        // The first deleter finds an empty slot when it goes on.
        let control = t.machine.sched_control;
        control.configure_flags(stuck.worker.sched_context, 1000, 1000, 0, 0, 0)?;
        stuck.worker.join();
        equal((shared(3).load(Relaxed), tag(place.index)), (1, ZOMBIE))?;
        place.delete()?;
        is_free(t, stuck.memory, 17)
    }),
    test("DELETE0011", "a zombie goes with the memory of its object", |t| {
        let stuck = stuck(t)?;
        at(stuck.memory).revoke()?;
        equal(tag(stuck.node.cptr()), 0)?;
        is_free(t, stuck.memory, 17)
    }),
    test("DELETE0012", "a zombie goes with the CNode that holds it", |t| {
        let stuck = stuck(t)?;
        let holder = t.cnode(2)?;
        holder.slot(1, 2).move_from(at(stuck.node))?;
        at(holder).delete()?;
        is_free(t, stuck.memory, 17)
    }),
    test("DELETE0013", "the CNode that a deleter works in can be deleted below it", |t| {
        extern "C" fn delete_inside(holder: Word) {
            // Not by libsel's method: what is invoked changes its nature meanwhile.
            let info = MessageInfo::new(Label::CNodeDelete.raw(), 0, 0, 2);
            let answer = sys::call(holder, info, [1, 2, 0, 0]);
            shared(3).store(1 + answer.info.label(), Relaxed);
        }
        let (memory, endpoint, holder) = (t.memory(17)?, t.endpoint()?, t.cnode(2)?);
        let node = node_of(t, memory, RADIX)?;
        for index in 0..1 << RADIX {
            node.slot(index, RADIX).copy(at(endpoint), ALL)?;
        }
        holder.slot(1, 2).move_from(at(node))?;
        let worker = t.spawn(Options::with_budget(50, 1_000_000), delete_inside, holder.cptr())?;
        t.settle()?;
        equal(shared(3).load(Relaxed), 0)?;
        at(holder).delete()?;
        is_free(t, memory, 17)?;
        // Its CNode is gone: an invocation of an empty slot, InvalidCapability.
        t.machine.sched_control.configure_flags(worker.sched_context, 1000, 1000, 0, 0, 0)?;
        worker.join();
        equal(shared(3).load(Relaxed), 3)
    }),
    test("DELETE0014", "two threads that revoke the same capability both come to their end", |t| {
        extern "C" fn revoke(slot: Word) {
            let result = initial::CNODE.at(slot).revoke();
            log(1 + u64::from(result.is_err()));
        }
        let (node, endpoint) = (t.cnode(RADIX)?, t.endpoint()?);
        for index in 0..1 << RADIX {
            node.slot(index, RADIX).copy(at(endpoint), ALL)?;
        }
        for _ in 0..2 {
            t.spawn(Options::with_budget(60, 60), revoke, endpoint.cptr())?;
        }
        t.settle()?;
        log_is(&[1, 1])?;
        let place = t.place();
        place.move_from(at(endpoint))?;
        node.slot(77, RADIX).copy(place, ALL).map_err(Into::into)
    }),
    test("DELETE0015", "a thread that deletes itself lets its queued callers and its time go", |t| {
        extern "C" fn delete_self(tcb: Word) {
            peer::receive(0);
            let _ = initial::CNODE.at(tcb).delete();
            log(99);
        }
        let peers = t.peers()?;
        let thread = t.prepare(Options::at_priority(110), delete_self, 0)?;
        let mut context = thread.tcb.read_registers(false, 20)?;
        context.set(libsel::abi::Register::Rdi, thread.tcb.cptr());
        thread.tcb.write_registers(true, 20, &context)?;
        let crowd = t.crowd(10)?;
        for index in 0..10 {
            crowd.start(index, 50, Deed::with_label(Syscall::Call, peers.endpoint.cptr(), 9))?;
        }
        crowd.settle();
        equal((tag(thread.tcb.cptr()), roll_length()), (0, 0))?;
        log_is(&[])?;
        // One call was received, nine wait.
        let waiting = (0..20).filter(|_| peers.endpoint.nb_wait().label() == 9).count();
        equal(waiting, 9)?;
        peers.reply.reply(0, &[], &[]);
        crowd.settle();
        equal(roll_length(), 1)?;
        let other = t.tcb()?;
        Ok(thread.sched_context.bind(other)?)
    }),
    test(
        "DELETE0016",
        "revoking memory takes peers of the running thread in the middle of their calls",
        |t| {
            let memory = t.memory(20)?;
            let whole = core::mem::replace(&mut t.untyped, memory);
            let (peers, crowd) = (t.peers()?, t.crowd(12)?);
            for index in 0..12 {
                crowd.start(index, 50, Deed::with_label(Syscall::Call, peers.endpoint.cptr(), 9))?;
            }
            crowd.settle();
            // Three calls are held by reply objects of that memory, nine are queued.
            for _ in 0..3 {
                let reply = t.reply()?;
                equal(peers.endpoint.recv(reply).label(), 9)?;
            }
            t.untyped = whole;
            at(memory).revoke()?;
            t.settle()?;
            check(roll_length() == 0, "nobody went on")?;
            is_free(t, memory, 20)
        },
    ),
    test("DELETE0017", "a thread that revokes the memory of its own CSpace copy and time stops", |t| {
        extern "C" fn revoke(slot: Word) {
            log(1);
            let _ = initial::CNODE.at(slot).revoke();
            log(2);
        }
        let memory = t.memory(15)?;
        let whole = core::mem::replace(&mut t.untyped, memory);
        t.spawn(Options::default(), revoke, memory.cptr())?;
        t.untyped = whole;
        t.settle()?;
        // Its TCB, time and notification were in that memory.
        log_is(&[1])?;
        is_free(t, memory, 15)
    }),
    test(
        "DELETE0018",
        "deleting the last reply capability of a queued receiver and its endpoint in any order",
        |t| {
            for first in [true, false] {
                let (endpoint, reply, crowd) = (t.endpoint()?, t.reply()?, t.crowd(1)?);
                crowd.start(
                    0,
                    50,
                    Deed { reply: reply.cptr(), ..Deed::new(Syscall::Recv, endpoint.cptr()) },
                )?;
                crowd.settle();
                if first {
                    at(reply).delete()?;
                    at(endpoint).delete()?;
                } else {
                    let copy = t.copy(reply, ALL)?;
                    at(reply).delete()?;
                    // The copy keeps the object.
                    endpoint.nb_send(1, &[], &[]);
                    crowd.settle();
                    equal(roll_length(), 1)?;
                    at(copy).delete()?;
                }
                crowd.settle();
                equal(roll_length(), usize::from(!first))?;
                t.threads = 0;
            }
            Ok(())
        },
    ),
];
