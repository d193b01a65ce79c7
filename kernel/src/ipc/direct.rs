//! Signals, sends and waits as they usually are: the scheduler's decision follows from the two threads at hand.
//!
//! Each function here looks whether everything is as usual and then leaves exactly the state that the general way would
//! have left (see [`crate::syscall`]); false means that nothing was done. The caller has read the clock, the current thread
//! has budget, and no thread's replenishment has come.
#![deny(unsafe_code)]

use sel_abi::registers::CAP_REGISTER;
use sel_abi::{CapRights, MessageInfo};

use super::transfer;
use crate::addr::KernelPtr;
use crate::cap::Slot;
use crate::object::notification::Notification;
use crate::object::tcb::{Queued, Tcb, TcbPtr, ThreadState};
use crate::sched::Action;
use crate::state::Kernel;
use crate::trace;

/// A blocked thread that can run as soon as it is woken, in the domain that runs now, with a budget of its own.
#[inline(always)]
fn can_be_woken(k: &Kernel, thread: &Tcb) -> bool {
    debug_assert!(k.action == Action::Continue, "nothing is decided yet");
    let context = thread.sched_context.get();
    context.is_some_and(|context| context.is_active() && !context.is_sporadic())
        && thread.domain.get() == k.sched.domain()
        && thread.queued.get() == Queued::No
}

/// Decides between the current thread and one that was woken, which is in no queue.
#[inline(always)]
fn decide(k: &mut Kernel, current: TcbPtr, woken: TcbPtr) {
    let (present, priority) = (current.priority.get(), woken.priority.get());
    if priority > present {
        k.give_way(current, woken);
    } else if priority == present {
        k.enqueue_tail(woken);
    } else {
        k.enqueue_head(woken);
    }
}

/// A signal.
#[inline(always)]
pub fn signal(k: &mut Kernel, current: TcbPtr, notification: KernelPtr<Notification>, badge: u64) -> bool {
    let Some(waiter) = notification.queue.only() else {
        let nobody = notification.queue.is_empty() && notification.bound_thread.get().is_none();
        if nobody {
            trace::signal(k, notification, badge);
            notification.keep(badge);
        }
        return nobody;
    };
    if !can_be_woken(k, &waiter) {
        return false;
    }
    trace::signal(k, notification, badge);
    notification.queue.remove_only(waiter);
    waiter.context.set(CAP_REGISTER, badge);
    waiter.state.set(ThreadState::Running);
    decide(k, current, waiter);
    true
}

/// Send and NBSend through the capability in `slot`: a signal, or a message to a thread that waits for one.
#[inline(always)]
pub fn send(k: &mut Kernel, current: TcbPtr, slot: KernelPtr<Slot>, info: MessageInfo) -> bool {
    // Capabilities of the message are looked up, although nobody may get them.
    if info.extra_caps() > 0 {
        return false;
    }
    if let Some(to) = slot.notification() {
        return to.rights.contains(CapRights::WRITE) && signal(k, current, to.object, to.badge);
    }
    let Some(to) = slot.endpoint() else { return false };
    let Some(receiver) = to.object.queue.only() else { return false };
    let ThreadState::BlockedOnReceive { reply, .. } = receiver.state.get() else { return false };
    if !to.rights.contains(CapRights::WRITE) || !transfer::is_short(info) || !can_be_woken(k, &receiver) {
        return false;
    }
    to.object.queue.remove_only(receiver);
    trace::message(current, receiver, Some(to.object), to.badge, info);
    transfer::short(&current, &receiver, info, to.badge);
    if let Some(reply) = reply {
        reply.thread.set(None);
    }
    receiver.state.set(ThreadState::Running);
    decide(k, current, receiver);
    true
}

/// Wait, and NBWait if not `blocking`, through the capability in `slot`, to a notification.
#[inline(always)]
pub fn wait(k: &mut Kernel, current: TcbPtr, slot: KernelPtr<Slot>, blocking: bool) -> bool {
    let Some(from) = slot.readable_notification() else { return false };
    let notification = from.object;
    if notification.bound_thread.get().is_some_and(|bound| bound != current) {
        return false;
    }
    if notification.is_active() {
        // The thread runs, and so it needs no scheduling context.
        current.context.set(CAP_REGISTER, notification.take());
        return true;
    }
    if !blocking {
        current.context.set(CAP_REGISTER, 0);
        return true;
    }
    // A thread that runs on the notification's time gives it back.
    if !notification.queue.is_empty() || notification.sched_context.get().is_some() {
        return false;
    }
    current.state.set(ThreadState::BlockedOnNotification { notification });
    notification.queue.insert_only(current);
    k.leave_to_first(current);
    true
}
