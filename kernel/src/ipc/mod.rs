//! Messages between threads: who waits where, and how words and capabilities travel.

pub mod direct;
pub mod fastpath;
pub mod message;
pub mod transfer;

use crate::fault::Fault;
use crate::object::reply;
use crate::object::tcb::{TcbPtr, ThreadState};
use crate::state::Kernel;

/// Order of the wait queues: higher priority first, first come first served among equals (abi.md 9.3).
#[inline]
pub fn goes_before(a: TcbPtr, b: TcbPtr) -> bool {
    a.priority.get() > b.priority.get()
}

/// Takes a thread off whatever it waits for. Its state still says what that was; the caller sets a new one.
pub fn cancel(k: &mut Kernel, thread: TcbPtr) {
    match thread.state.get() {
        ThreadState::BlockedOnReceive { endpoint, reply } => {
            endpoint.queue.remove(thread);
            if let Some(reply) = reply {
                reply.thread.set(None);
            }
        }
        ThreadState::BlockedOnSend { endpoint, .. } => endpoint.queue.remove(thread),
        ThreadState::BlockedOnNotification { notification } => notification.queue.remove(thread),
        ThreadState::BlockedOnReply { reply } => reply::forget_caller(reply),
        ThreadState::Inactive | ThreadState::Running | ThreadState::Restart => {}
    }
    // Whatever made the thread wait is over; nothing else may read the state before it is set.
    if thread.is_blocked() {
        thread.fault.set(Fault::None);
        thread.state.set(ThreadState::Inactive);
    }
    debug_assert!(k.current != Some(thread) || !thread.is_blocked());
}

/// Makes a thread ready whose wait was cut short: at the head of its queue, and all are looked at (abi.md 9.7).
pub fn wake(k: &mut Kernel, thread: TcbPtr) {
    let Some(context) = thread.sched_context.get() else { return };
    if !context.is_active() {
        return;
    }
    if context.has_time(k, 0) {
        if k.current != Some(thread) {
            k.enqueue_head(thread);
        }
        k.reschedule();
    } else {
        k.postpone(context);
    }
}
