//! Invariants of scheduling contexts, reply objects and notifications.
use super::super::machine::Machine;
use super::Found;
use crate::addr::KernelPtr;
use crate::cap::SchedContextCap;
use crate::object::sched_context::{self, SchedContext};
use crate::object::tcb::{Queued, ThreadState};

pub fn check(m: &Machine, found: &Found) {
    for (context, size_bits) in &found.contexts {
        check_relations(found, *context);
        check_interrupted(*context);
        if context.is_active() {
            check_refills(m, *context, *size_bits);
        }
        check_stack(found, *context);
    }
    check_notifications(found);
    check_replies(found);
}

/// Who was interrupted while he could go on stands in a ready queue until he goes on.
fn check_interrupted(context: KernelPtr<SchedContext>) {
    if context.interrupted.get() {
        assert!(!context.is_round_robin(), "an interrupted round robin thread is marked");
        let waits = context.thread.get().is_some_and(|thread| thread.queued.get() == Queued::Ready);
        assert!(waits, "an interrupted thread that is not ready");
    }
}

/// What a scheduling context names exists and names it.
fn check_relations(found: &Found, context: KernelPtr<SchedContext>) {
    if let Some(thread) = context.thread.get() {
        assert!(found.threads.contains(&thread), "a scheduling context of a thread that is gone");
        assert!(
            thread.sched_context.get() == Some(context),
            "a thread that does not know its scheduling context"
        );
    }
    if let Some(notification) = context.notification.get() {
        assert!(
            found.notifications.contains(&notification),
            "a scheduling context of a notification that is gone"
        );
        let known = notification.sched_context.get() == Some(context);
        assert!(known, "a notification that does not know its scheduling context");
    }
    if let Some(thread) = context.yield_from.get() {
        assert!(found.threads.contains(&thread), "a thread that yielded is gone");
        assert!(thread.yield_to.get() == Some(context), "a thread that does not know whom it yielded to");
    }
}

/// Refills are within the object, ordered, and add up to the budget.
fn check_refills(m: &Machine, context: KernelPtr<SchedContext>, size_bits: u8) {
    let refills = context.refills();
    let (length, count) = (refills.ring.len() as u64, refills.count.get());
    let max =
        sched_context::max_extra(&SchedContextCap { object: context, size_bits }) + sel_abi::MIN_REFILLS;
    assert!(length <= max, "more refills than the object has room for");
    assert!((1..=length).contains(&count) && refills.head.get() < length, "refills outside of the ring");
    let entry = |place: u64| refills.ring[((refills.head.get() + place) % length) as usize].get();
    let sum: u64 = (0..count).map(|place| entry(place).amount).sum();
    if let Some(&budget) = m.budgets.get(&context.phys().0) {
        assert!(sum == budget, "the refills are the budget: {sum}, {budget}");
    }
    if context.is_round_robin() {
        assert_eq!(count, 2, "refills of a round robin thread");
        return;
    }
    assert!(entry(0).amount >= m.k.time.min_budget, "a head that cannot be used");
    for place in 1..count {
        let before = entry(place - 1);
        // Times saturate: the greatest one never comes.
        let end = before.time.saturating_add(before.amount);
        assert!(end <= entry(place).time, "refills overlap");
    }
}

/// The stack of calls of a scheduling context: linked both ways, each with a waiting caller.
fn check_stack(found: &Found, context: KernelPtr<SchedContext>) {
    let mut newer = None;
    let mut next = context.reply.get();
    let mut length = 0;
    while let Some(reply) = next {
        assert!(found.replies.contains(&reply), "a stack of calls through a reply object that is gone");
        let (older, above) = reply.neighbours();
        assert!(above == newer, "link up the stack of calls");
        let top = if newer.is_none() { Some(context) } else { None };
        assert!(
            reply.sched_context.get() == top,
            "the newest call, and no other, names the scheduling context"
        );
        let caller = reply.thread.get().expect("a call in the stack without a caller");
        assert!(
            caller.state.get() == ThreadState::BlockedOnReply { reply },
            "a caller in the stack does not wait"
        );
        newer = Some(reply);
        next = older;
        length += 1;
        assert!(length <= found.replies.len(), "a stack of calls without end");
    }
}

fn check_notifications(found: &Found) {
    for notification in &found.notifications {
        if let Some(thread) = notification.bound_thread.get() {
            assert!(found.threads.contains(&thread), "a notification bound to a thread that is gone");
            let known = thread.bound_notification.get() == Some(*notification);
            assert!(known, "a thread that does not know its notification");
        }
        if let Some(context) = notification.sched_context.get() {
            assert!(found.has_context(context), "a notification with a scheduling context that is gone");
            let known = context.notification.get() == Some(*notification);
            assert!(known, "a scheduling context that does not know its notification");
        }
    }
}

fn check_replies(found: &Found) {
    for reply in &found.replies {
        if let Some(context) = reply.sched_context.get() {
            assert!(found.has_context(context), "a reply object with a scheduling context that is gone");
            assert!(
                context.reply.get() == Some(*reply),
                "a scheduling context that does not know its newest call"
            );
        }
        let (older, newer) = reply.neighbours();
        if let Some(older) = older {
            assert!(found.replies.contains(&older), "an older reply object that is gone");
            assert!(older.neighbours().1 == Some(*reply), "link up from the older reply object");
        }
        if let Some(newer) = newer {
            assert!(found.replies.contains(&newer), "a newer reply object that is gone");
            assert!(newer.neighbours().0 == Some(*reply), "link down from the newer reply object");
        }
        let Some(thread) = reply.thread.get() else {
            let linked = older.is_some() || newer.is_some() || reply.sched_context.get().is_some();
            assert!(!linked, "a reply object in a stack without a caller");
            continue;
        };
        assert!(found.threads.contains(&thread), "a reply object of a thread that is gone");
        let held = match thread.state.get() {
            ThreadState::BlockedOnReply { reply } => Some(reply),
            ThreadState::BlockedOnReceive { reply, .. } => reply,
            state => panic!("a reply object names a thread that is {state:?}"),
        };
        assert!(held == Some(*reply), "a reply object names a thread that waits on another");
    }
}
