//! Invariants of queues, threads, scheduling contexts and reply objects.
use std::collections::HashSet;

use super::check::Found;
use super::machine::Machine;
use crate::addr::KernelPtr;
use crate::ipc;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::{Queued, TcbPtr, ThreadState};
use crate::sched::Action;

pub fn check(m: &Machine, found: &Found) {
    check_wait_queues(found);
    check_scheduler(m, found);
    check_contexts(m, found);
    check_replies(found);
    for thread in &found.threads {
        check_thread(found, *thread);
    }
}

/// Who waits is in the queue of what it waits for, and nobody else is.
fn check_wait_queues(found: &Found) {
    let mut waiting = HashSet::new();
    for endpoint in &found.endpoints {
        endpoint.queue.check(ipc::goes_before);
        let mut receivers = 0;
        let mut count = 0;
        for thread in endpoint.queue.iter() {
            let here = match thread.state.get() {
                ThreadState::BlockedOnReceive { endpoint, .. } => {
                    receivers += 1;
                    endpoint
                }
                ThreadState::BlockedOnSend { endpoint, .. } => endpoint,
                state => panic!("{state:?} in the queue of an endpoint"),
            };
            assert_eq!(here, *endpoint, "in the wrong queue");
            waiting.insert(thread.addr());
            count += 1;
        }
        assert!(receivers == 0 || receivers == count, "senders and receivers in one queue");
    }
    for notification in &found.notifications {
        notification.queue.check(ipc::goes_before);
        assert!(!notification.is_active() || notification.queue.is_empty(), "active, but somebody waits");
        for thread in notification.queue.iter() {
            let expected = ThreadState::BlockedOnNotification { notification: *notification };
            assert_eq!(thread.state.get(), expected);
            waiting.insert(thread.addr());
        }
    }
    for thread in &found.threads {
        let waits = match thread.state.get() {
            ThreadState::BlockedOnReceive { endpoint, .. } | ThreadState::BlockedOnSend { endpoint, .. } => {
                assert!(found.endpoints.contains(&endpoint), "waits on an endpoint that is gone");
                true
            }
            ThreadState::BlockedOnNotification { notification } => {
                assert!(found.notifications.contains(&notification), "waits on a notification that is gone");
                true
            }
            _ => false,
        };
        assert_eq!(waits, waiting.contains(&thread.addr()), "{:?}", thread.state.get());
    }
}

/// Who can run is ready, waits for budget, or is current; and nobody else is.
fn check_scheduler(m: &Machine, found: &Found) {
    let k = &m.k;
    assert_eq!(k.action, Action::Continue);
    let mut ready = HashSet::new();
    for domain in 0..sel_abi::MAX_DOMAINS as u8 {
        for thread in k.sched.ready.check(domain) {
            assert!(thread.is_schedulable(), "ready, but not schedulable: {:?}", thread.state.get());
            assert!(ready.insert(thread.addr()), "ready twice");
        }
    }
    let time = |thread: TcbPtr| thread.sched_context.get().map(|context| context.refills().head().time);
    k.sched.release.check(|a, b| time(a) < time(b));
    let mut release = HashSet::new();
    for thread in k.sched.release.iter() {
        assert_eq!(thread.queued.get(), Queued::Release);
        assert!(time(thread).is_some(), "waits for budget without a scheduling context");
        assert!(thread.is_runnable(), "waits for budget, but does not run: {:?}", thread.state.get());
        release.insert(thread.addr());
    }
    let current = m.current();
    assert_eq!(current.state.get(), ThreadState::Running);
    assert!(current.is_schedulable() && current.queued.get() == Queued::No);
    assert_eq!(current.domain.get(), k.sched.domain());
    assert_eq!(k.current_context, current.sched_context.get());
    let highest = k.sched.ready.highest(k.sched.domain());
    assert!(highest <= Some(current.priority.get()), "a ready thread of higher priority waits");
    for thread in &found.threads {
        let at = thread.addr();
        assert_eq!(thread.queued.get() == Queued::Ready, ready.contains(&at));
        assert_eq!(thread.queued.get() == Queued::Release, release.contains(&at));
        let runs = thread.is_runnable() && thread.sched_context.get().is_some_and(|c| c.is_active());
        let known = ready.contains(&at) || release.contains(&at) || *thread == current;
        assert_eq!(runs, known, "a lost thread: {:?}", thread.state.get());
    }
    assert!(k.fpu_owner.is_none_or(|owner| found.threads.contains(&owner)));
}

fn check_contexts(m: &Machine, found: &Found) {
    for context in &found.contexts {
        if let Some(thread) = context.thread.get() {
            assert!(found.threads.contains(&thread));
            assert_eq!(thread.sched_context.get(), Some(*context));
        }
        if let Some(notification) = context.notification.get() {
            assert!(found.notifications.contains(&notification));
            assert_eq!(notification.sched_context.get(), Some(*context));
        }
        if let Some(thread) = context.yield_from.get() {
            assert!(found.threads.contains(&thread));
            assert_eq!(thread.yield_to.get(), Some(*context));
        }
        if context.is_active() {
            check_refills(m, *context);
        }
        check_stack(found, *context);
    }
}

fn check_refills(m: &Machine, context: KernelPtr<SchedContext>) {
    let refills = context.refills();
    let (length, count) = (refills.ring.len() as u64, refills.count.get());
    assert!((1..=length).contains(&count) && refills.head.get() < length);
    let entry = |place: u64| refills.ring[((refills.head.get() + place) % length) as usize].get();
    let sum: u64 = (0..count).map(|place| entry(place).amount).sum();
    if let Some(&budget) = m.budgets.get(&context.phys().0) {
        assert_eq!(sum, budget, "the refills are the budget");
    }
    if context.is_round_robin() {
        assert_eq!(count, 2);
        return;
    }
    assert!(entry(0).amount >= m.k.time.min_budget, "a head that cannot be used");
    for place in 1..count {
        let before = entry(place - 1);
        assert!(before.time + before.amount <= entry(place).time, "refills overlap");
    }
}

/// The stack of calls of a scheduling context: linked both ways, each with a waiting caller.
fn check_stack(found: &Found, context: KernelPtr<SchedContext>) {
    let mut newer = None;
    let mut next = context.reply.get();
    if let Some(reply) = next {
        assert_eq!(reply.sched_context.get(), Some(context));
    }
    let mut length = 0;
    while let Some(reply) = next {
        assert!(found.replies.contains(&reply));
        let (older, above) = reply.neighbours();
        assert_eq!(above, newer, "link up the stack");
        assert!(newer.is_none() || reply.sched_context.get().is_none());
        let caller = reply.thread.get().expect("a caller in the stack");
        assert_eq!(caller.state.get(), ThreadState::BlockedOnReply { reply });
        newer = Some(reply);
        next = older;
        length += 1;
        assert!(length <= found.replies.len(), "a stack without end");
    }
}

fn check_replies(found: &Found) {
    for reply in &found.replies {
        if let Some(context) = reply.sched_context.get() {
            assert_eq!(context.reply.get(), Some(*reply));
        }
        let (older, newer) = reply.neighbours();
        if let Some(older) = older {
            assert_eq!(older.neighbours().1, Some(*reply), "link up from the older reply object");
        }
        if let Some(newer) = newer {
            assert_eq!(newer.neighbours().0, Some(*reply), "link down from the newer reply object");
        }
        let Some(thread) = reply.thread.get() else {
            let linked = older.is_some() || newer.is_some() || reply.sched_context.get().is_some();
            assert!(!linked, "in a stack without a caller");
            continue;
        };
        assert!(found.threads.contains(&thread));
        match thread.state.get() {
            ThreadState::BlockedOnReply { reply: held } => assert_eq!(held, *reply),
            ThreadState::BlockedOnReceive { reply: held, .. } => assert_eq!(held, Some(*reply)),
            state => panic!("a reply object names a thread that is {state:?}"),
        }
    }
}

fn check_thread(found: &Found, thread: TcbPtr) {
    if let Some(context) = thread.sched_context.get() {
        assert!(found.contexts.contains(&context), "a scheduling context that is gone");
        assert_eq!(context.thread.get(), Some(thread));
    }
    if let Some(context) = thread.yield_to.get() {
        assert_eq!(context.yield_from.get(), Some(thread));
    }
    if let Some(notification) = thread.bound_notification.get() {
        assert!(found.notifications.contains(&notification));
        assert_eq!(notification.bound_thread.get(), Some(thread));
    }
    match thread.state.get() {
        ThreadState::BlockedOnReply { reply } | ThreadState::BlockedOnReceive { reply: Some(reply), .. } => {
            assert!(found.replies.contains(&reply), "a reply object that is gone");
            assert_eq!(reply.thread.get(), Some(thread));
        }
        _ => {}
    }
    for notification in &found.notifications {
        if notification.bound_thread.get() == Some(thread) {
            assert_eq!(thread.bound_notification.get(), Some(*notification));
        }
    }
    let holds_fault = thread.fault.get() != crate::fault::Fault::None;
    let waits_for_handler =
        matches!(thread.state.get(), ThreadState::BlockedOnSend { .. } | ThreadState::BlockedOnReply { .. });
    assert!(!holds_fault || waits_for_handler || !thread.is_runnable(), "a fault of a thread that goes on");
}
