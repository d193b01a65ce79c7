//! Scheduling contexts, reply objects and notifications.
use sel_abi::Label;

use super::{Scene, complaints, no_thread, word};
use crate::addr::KernelPtr;
use crate::object::reply::Reply;
use crate::object::tcb::ThreadState;
use crate::sched::refill::Refill;
use crate::tests::machine::msg;

/// Words of a scheduling context.
const MAX_REFILLS: usize = 9;
/// Words of a reply object.
const OLDER: usize = 1;
const NEWER: usize = 2;

complaints! {
    of_no_thread: "a scheduling context of a thread that is gone", |s| {
        s.context_of(s.free_context).thread.set(Some(no_thread(s)));
    };
    of_a_thread_that_does_not_know: "a thread that does not know its scheduling context", |s| {
        s.context_of(s.free_context).thread.set(Some(s.bare.tcb));
    };
    of_no_notification: "a scheduling context of a notification that is gone", |s| {
        s.context_of(s.free_context).notification.set(Some(s.nowhere()));
    };
    of_a_notification_that_does_not_know: "a notification that does not know its scheduling context", |s| {
        s.context_of(s.free_context).notification.set(Some(s.notification_of(s.free_notification)));
    };
    yielded_from_nobody: "a thread that yielded is gone", |s| {
        s.context_of(s.free_context).yield_from.set(Some(no_thread(s)));
    };
    yielded_one_way: "a thread that does not know whom it yielded to", |s| {
        s.context_of(s.free_context).yield_from.set(Some(s.bare.tcb));
    };
    too_many_refills: "more refills than the object has room for", |s| {
        word(s.context_of(s.free_context), MAX_REFILLS).set(11);
    };
    no_refill: "refills outside of the ring", |s| s.context_of(s.free_context).refills().count.set(0);
    a_head_outside: "refills outside of the ring", |s| s.context_of(s.free_context).refills().head.set(2);
    a_budget_that_grows: "the refills are the budget", |s| change(s, s.late.context, 0, |it| it.amount += 1);
    half_a_round: "refills of a round robin thread", |s| {
        let context = s.context_of(s.free_context);
        context.refills().count.set(1);
        s.m.budgets.remove(&context.phys().0);
    };
    a_short_head: "a head that cannot be used", |s| {
        s.m.budgets.remove(&s.context_of(s.late.context).phys().0);
        change(s, s.late.context, 0, |it| it.amount = 1);
    };
    refills_that_overlap: "refills overlap", |s| {
        let context = s.context_of(s.late.context);
        let refills = context.refills();
        let head = refills.head();
        let next = (refills.head.get() + 1) % refills.ring.len() as u64;
        refills.ring[next as usize].set(Refill { time: head.time + 1, amount: 0 });
        refills.count.set(2);
    };
    an_interrupted_round: "an interrupted round robin thread is marked", |s| {
        s.context_of(s.free_context).interrupted.set(true);
    };
    an_interrupted_thread_that_waits: "an interrupted thread that is not ready", |s| {
        s.context_of(s.late.context).interrupted.set(true);
    };
    a_stack_through_nothing: "a stack of calls through a reply object that is gone", |s| {
        s.context_of(s.free_context).reply.set(Some(s.nowhere()));
    };
    a_stack_link_up: "link up the stack of calls", |s| {
        let [_, newest] = stack(s);
        word(newest, NEWER).set(newest.addr());
    };
    a_second_newest: "the newest call, and no other, names the scheduling context", |s| {
        let [oldest, newest] = stack(s);
        oldest.sched_context.set(newest.sched_context.get());
    };
    a_call_without_a_caller: "a call in the stack without a caller", |s| {
        let [oldest, _] = stack(s);
        oldest.thread.set(None);
        s.m.root.state.set(ThreadState::Inactive);
    };
    a_caller_that_goes_on: "a caller in the stack does not wait", |s| {
        let [oldest, _] = stack(s);
        oldest.thread.set(Some(s.bare.tcb));
        s.m.root.state.set(ThreadState::Inactive);
    };
    a_stack_without_end: "link up the stack of calls", |s| {
        let [oldest, newest] = stack(s);
        word(oldest, OLDER).set(newest.addr());
    };
    bound_to_no_thread: "a notification bound to a thread that is gone", |s| {
        s.notification_of(s.free_notification).bound_thread.set(Some(no_thread(s)));
    };
    bound_one_way: "a thread that does not know its notification", |s| {
        s.notification_of(s.free_notification).bound_thread.set(Some(s.bare.tcb));
    };
    a_notification_without_its_context: "a notification with a scheduling context that is gone", |s| {
        s.notification_of(s.free_notification).sched_context.set(Some(s.nowhere()));
    };
    a_notification_with_a_foreign_context: "a scheduling context that does not know its notification", |s| {
        s.notification_of(s.free_notification).sched_context.set(Some(s.context_of(s.free_context)));
    };
    a_reply_with_no_context: "a reply object with a scheduling context that is gone", |s| {
        s.reply_of(s.free_reply).sched_context.set(Some(s.nowhere()));
    };
    a_reply_with_a_foreign_context: "a scheduling context that does not know its newest call", |s| {
        s.reply_of(s.free_reply).sched_context.set(Some(s.context_of(s.free_context)));
    };
    an_older_reply_that_is_gone: "an older reply object that is gone", |s| {
        word(s.reply_of(s.free_reply), OLDER).set(s.nowhere::<Reply>().addr());
    };
    an_older_reply_that_does_not_know: "link up from the older reply object", |s| {
        word(s.reply_of(s.free_reply), OLDER).set(s.reply_of(s.reply).addr());
    };
    a_newer_reply_that_is_gone: "a newer reply object that is gone", |s| {
        word(s.reply_of(s.free_reply), NEWER).set(s.nowhere::<Reply>().addr());
    };
    a_newer_reply_that_does_not_know: "link down from the newer reply object", |s| {
        word(s.reply_of(s.free_reply), NEWER).set(s.reply_of(s.reply).addr());
    };
    a_stack_of_nobody: "a reply object in a stack without a caller", |s| {
        let (a, b) = (s.reply_of(s.free_reply), s.reply_of(s.reply));
        s.server.tcb.state.set(match s.server.tcb.state.get() {
            ThreadState::BlockedOnReceive { endpoint, .. } => ThreadState::BlockedOnReceive { endpoint, reply: None },
            state => state,
        });
        b.thread.set(None);
        word(a, OLDER).set(b.addr());
        word(b, NEWER).set(a.addr());
    };
    a_reply_of_nobody: "a reply object of a thread that is gone", |s| {
        s.reply_of(s.free_reply).thread.set(Some(no_thread(s)));
    };
    a_reply_of_a_runner: "a reply object names a thread that is Inactive", |s| {
        s.reply_of(s.free_reply).thread.set(Some(s.bare.tcb));
    };
    a_reply_of_anothers_waiter: "a reply object names a thread that waits on another", |s| {
        s.reply_of(s.free_reply).thread.set(Some(s.server.tcb));
    };
}

fn change(s: &Scene, context: u64, place: u64, change: fn(&mut Refill)) {
    let context = s.context_of(context);
    let refills = context.refills();
    let cell = &refills.ring[((refills.head.get() + place) % refills.ring.len() as u64) as usize];
    let mut refill = cell.get();
    change(&mut refill);
    cell.set(refill);
}

/// The root task calls a passive server, which calls the next: the reply objects, oldest first.
fn stack(s: &mut Scene) -> [KernelPtr<Reply>; 2] {
    let m = &mut s.m;
    m.ok(s.ready.cap, Label::TcbSuspend, &[], &[]);
    let pairs = [0; 2].map(|_| (m.endpoint(), m.reply()));
    for (endpoint, reply) in pairs {
        m.passive_server(255, endpoint, reply);
    }
    for (endpoint, _) in pairs {
        m.call_ipc(endpoint, msg(0, &[]));
    }
    let replies = pairs.map(|(_, reply)| s.reply_of(reply));
    assert!(replies[1].sched_context.get().is_some() && replies[1].neighbours().0 == Some(replies[0]));
    replies
}
