//! Objects that very many threads wait for: they are woken one at a time, and every step can be preempted.
use sel_abi::{CapRights, CapTag, Label, ObjectType, Syscall};

use super::machine::{Machine, Msg, msg};
use super::objects::{OWN_TCB, ROOT, Thread, VSPACE};

const IRQ_CONTROL: u64 = sel_abi::bootinfo::slot::IRQ_CONTROL;
const NULL: u64 = 0;
use crate::cap::Cap;
use crate::object::tcb::ThreadState;

const WAITERS: u64 = 40;

/// A machine with memory for many threads.
fn machine() -> Machine {
    let mut m = Machine::new();
    m.pool = m.untyped(22);
    m
}

/// Threads of the same priority that block one after the other by doing `act`.
fn blocked(m: &mut Machine, count: u64, act: impl Fn(&mut Machine, u64)) -> Vec<Thread> {
    let mut threads: Vec<Thread> = (0..count).map(|_| m.started(100)).collect();
    // The one that was started last runs first.
    threads.reverse();
    m.root_priority(0);
    for (index, thread) in (0..).zip(&threads) {
        assert_eq!(m.current(), thread.tcb);
        act(m, index);
    }
    assert_eq!(m.current(), m.root);
    m.root_priority(255);
    threads
}

fn restarted(threads: &[Thread]) -> usize {
    threads.iter().filter(|thread| thread.tcb.state.get() == ThreadState::Restart).count()
}

#[test]
fn a_deleted_endpoint_restarts_its_senders_one_by_one() {
    for every in [0, 1, 3, 7] {
        let mut m = machine();
        let endpoint = m.endpoint();
        let threads = blocked(&mut m, WAITERS, |m, index| m.send(endpoint, msg(index, &[])));
        m.preempt_every = every;
        m.delete(endpoint);
        assert_eq!(restarted(&threads), WAITERS as usize);
        assert_eq!(m.restarts, WAITERS.checked_div(every.into()).unwrap_or(0) as usize);
        assert!(m.cap(endpoint).is_null());
    }
}

#[test]
fn what_is_left_of_a_preempted_deletion_is_a_zombie() {
    let mut m = machine();
    let (endpoint, free) = (m.endpoint(), m.free_slot());
    let threads = blocked(&mut m, 5, |m, _| m.send(endpoint, msg(1, &[])));
    m.preempt_every = 1;
    m.preempted = true;
    m.call_ipc(ROOT, Msg { label: Label::CNodeDelete.raw(), words: &[endpoint, 64], caps: &[] });
    m.preempt_every = 0;
    assert!(m.must_repeat(m.root), "it was preempted");
    assert_eq!(restarted(&threads), 1);
    assert_eq!(m.cap(endpoint).tag(), CapTag::Zombie);
    m.fails(endpoint, Label::InvalidInvocation, &[], &[], sel_abi::Error::InvalidCapability, &[0]);
    let copy = [free, 64, endpoint, 64, CapRights::ALL.bits()];
    m.fails(ROOT, Label::CNodeCopy, &copy, &[ROOT], sel_abi::Error::IllegalOperation, &[]);
    // A waiting thread can still be stopped, and the deletion goes on with the others.
    m.ok(threads[3].cap, Label::TcbSuspend, &[], &[]);
    m.delete(endpoint);
    m.preempted = false;
    assert_eq!(restarted(&threads), 4);
}

#[test]
fn memory_of_a_preempted_deletion_is_not_free() {
    let mut m = machine();
    let small = m.sized(ObjectType::Untyped, 12);
    let endpoint = m.retype(small, ObjectType::Endpoint, 0, 1);
    let threads = blocked(&mut m, 5, |m, _| m.send(endpoint, msg(1, &[])));
    m.preempt_every = 1;
    m.preempted = true;
    m.call_ipc(ROOT, Msg { label: Label::CNodeDelete.raw(), words: &[endpoint, 64], caps: &[] });
    m.preempt_every = 0;
    let place = m.free_slot();
    let whole = [ObjectType::Untyped.raw(), 12, 0, 0, place, 1];
    m.fails(small, Label::UntypedRetype, &whole, &[ROOT], sel_abi::Error::NotEnoughMemory, &[4096 - 16]);
    m.revoke(small);
    m.preempted = false;
    assert_eq!(restarted(&threads), 5);
    m.retype(small, ObjectType::Untyped, 12, 1);
}

#[test]
fn a_deleted_notification_restarts_its_waiters() {
    for every in [0, 1, 6] {
        let mut m = machine();
        let notification = m.notification();
        let threads = blocked(&mut m, WAITERS, |m, _| m.wait(notification));
        m.preempt_every = every;
        m.delete(notification);
        assert_eq!(restarted(&threads), WAITERS as usize);
    }
}

/// The capability in the interrupt's handler is the last one to the notification.
#[test]
fn an_interrupt_handler_takes_its_notification_along() {
    for every in [0, 1, 2] {
        let mut m = machine();
        let (notification, handler) = (m.notification(), m.free_slot());
        let words = [handler, 64, 0, 4, 0, 0, 20];
        m.ok(IRQ_CONTROL, Label::X86IrqIssueIrqHandlerIoApic, &words, &[ROOT]);
        m.ok(handler, Label::IrqSetIrqHandler, &[], &[notification]);
        let threads = blocked(&mut m, 9, |m, _| m.wait(notification));
        m.delete(notification);
        assert_eq!(restarted(&threads), 0);
        m.preempt_every = every;
        m.revoke(IRQ_CONTROL);
        assert!(m.cap(handler).is_null());
        assert_eq!(restarted(&threads), 9);
    }
}

/// A thread's handler is the last capability to an endpoint; a new handler takes its place.
#[test]
fn a_replaced_handler_restarts_who_waits_for_it() {
    for every in [0, 1, 4] {
        let mut m = machine();
        let (old, new, thread) = (m.endpoint(), m.endpoint(), m.object(ObjectType::Tcb));
        m.ok(thread, Label::TcbSetSpace, &[0, 0], &[old, ROOT, VSPACE]);
        let threads = blocked(&mut m, WAITERS, |m, _| m.send(old, msg(1, &[])));
        m.delete(old);
        assert_eq!(restarted(&threads), 0);
        m.preempt_every = every;
        m.ok(thread, Label::TcbSetSchedParams, &[0, 7], &[OWN_TCB, NULL, new]);
        assert_eq!(restarted(&threads), WAITERS as usize);
        let Cap::Tcb(tcb) = m.cap(thread) else { panic!() };
        assert_eq!(tcb.priority.get(), 7);
        assert!(matches!(tcb.fault_handler().cap(), Cap::Endpoint(_)));
    }
}

/// Senders with two badges by turns: one is cancelled, whatever interrupts.
#[test]
fn cancelling_goes_on_where_it_was_preempted() {
    for every in [0, 1, 3, 7, 100] {
        let mut m = machine();
        let endpoint = m.endpoint();
        let badged = [1, 2].map(|badge| m.mint(endpoint, CapRights::ALL, badge));
        let threads = blocked(&mut m, WAITERS, |m, index| m.send(badged[index as usize % 2], msg(1, &[])));
        m.preempt_every = every;
        m.ok(ROOT, Label::CNodeCancelBadgedSends, &[badged[1], 64], &[]);
        for (index, thread) in threads.iter().enumerate() {
            assert_eq!(thread.tcb.state.get() == ThreadState::Restart, index % 2 == 1);
        }
        // Each sender is looked at once, preempted or not.
        assert_eq!(m.restarts, WAITERS.checked_div(every.into()).unwrap_or(0) as usize);
    }
}

/// While a cancellation is preempted, a sender with the badge comes and stands before the place that was reached.
#[test]
fn cancelling_overlooks_nobody_who_comes_meanwhile() {
    let mut m = machine();
    let endpoint = m.endpoint();
    let badged = m.mint(endpoint, CapRights::ALL, 3);
    let threads = blocked(&mut m, 6, |m, _| m.send(endpoint, msg(1, &[])));
    let late = m.started(200);
    m.preempt_every = 2;
    m.call_ipc(ROOT, Msg { label: Label::CNodeCancelBadgedSends.raw(), words: &[badged, 64], caps: &[] });
    m.preempt_every = 0;
    assert!(m.must_repeat(m.root));
    m.run_until(late.tcb, |m| m.send(badged, msg(1, &[])));
    assert!(matches!(late.tcb.state.get(), ThreadState::BlockedOnSend { .. }));
    m.ok(ROOT, Label::CNodeCancelBadgedSends, &[badged, 64], &[]);
    assert_eq!(late.tcb.state.get(), ThreadState::Restart);
    assert_eq!(restarted(&threads), 0);
}

/// The endpoint of a preempted cancellation is deleted and its memory used for another one.
#[test]
fn a_cancellation_does_not_outlive_its_endpoint() {
    let mut m = machine();
    let small = m.sized(ObjectType::Untyped, 12);
    let endpoint = m.retype(small, ObjectType::Endpoint, 0, 1);
    let badged = m.mint(endpoint, CapRights::ALL, 3);
    let first = blocked(&mut m, 6, |m, _| m.send(endpoint, msg(1, &[])));
    m.preempt_every = 5;
    m.call_ipc(ROOT, Msg { label: Label::CNodeCancelBadgedSends.raw(), words: &[badged, 64], caps: &[] });
    m.preempt_every = 0;
    assert!(m.k.cancellation.is_some());
    m.revoke(small);
    assert!(m.k.cancellation.is_none());
    for thread in first {
        m.ok(thread.cap, Label::TcbSuspend, &[], &[]);
    }
    let again = m.retype(small, ObjectType::Endpoint, 0, 1);
    let badged = m.mint(again, CapRights::ALL, 3);
    let waiting = blocked(&mut m, 2, |m, _| m.send(badged, msg(1, &[])));
    m.ok(ROOT, Label::CNodeCancelBadgedSends, &[badged, 64], &[]);
    assert_eq!(restarted(&waiting), 2);
}

/// Very many contexts come due at once: each is served, a few by one kernel entry.
#[test]
fn releases_are_spread_over_kernel_entries() {
    const MANY: usize = 100;
    let mut m = machine();
    let threads: Vec<Thread> = (0..MANY).map(|_| m.thread(10)).collect();
    for thread in &threads {
        m.configure_context(thread.context, 40, 100_000);
        m.ok_switching(thread.cap, Label::TcbResume, &[], &[]);
    }
    m.root_priority(0);
    // Each spends its budget.
    for _ in 0..MANY {
        m.tick(50_000);
    }
    assert_eq!(m.k.sched.release.iter().count(), MANY);
    m.root_priority(255);
    crate::arch::advance(200_000_000);
    m.sys(Syscall::Yield, 0, 0, 0, msg(0, &[]));
    let left = m.k.sched.release.iter().count();
    assert!(left > 0 && left < MANY, "{left} are left");
    for _ in 0..4 {
        m.interrupt(crate::arch::TIMER_VECTOR);
    }
    assert_eq!(m.k.sched.release.iter().count(), 0);
}
