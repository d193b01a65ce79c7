//! Reply objects: who waits for an answer, and the stack of calls that a scheduling context went through (abi.md 9.4).
use core::cell::Cell;

use super::sched_context::{self, SchedContext};
use super::tcb::{TcbPtr, ThreadState};
use crate::addr::KernelPtr;
use crate::cap::ReplyCap;
use crate::fault::{self, Fault};
use crate::ipc::{self, transfer};
use crate::state::Kernel;

/// Retyped, zeroed memory of 32 bytes.
///
/// `thread` is the caller that waits for a reply, or the receiver that brought the object along and still waits for a
/// message. A reply object through which a scheduling context was lent stands in that context's stack of calls: the
/// newest one has `sched_context`; `older` leads down the stack, `newer` up.
#[repr(C)]
pub struct Reply {
    /// Caller or receiver.
    pub thread: Cell<Option<TcbPtr>>,
    older: Cell<Option<KernelPtr<Reply>>>,
    newer: Cell<Option<KernelPtr<Reply>>>,
    /// Set in the newest of the stack.
    pub sched_context: Cell<Option<KernelPtr<SchedContext>>>,
}

const _: () = assert!(size_of::<Reply>() == 32);

impl Reply {
    /// The elements below and above in the stack of calls.
    #[cfg(test)]
    pub fn neighbours(&self) -> (Option<KernelPtr<Reply>>, Option<KernelPtr<Reply>>) {
        (self.older.get(), self.newer.get())
    }
}

impl KernelPtr<Reply> {
    /// Puts the reply object on top of the stack of `context`, which goes from `caller` to `callee`: the first runs on
    /// it, the second has none.
    #[inline]
    pub fn push_lent(self, caller: TcbPtr, context: KernelPtr<SchedContext>, callee: TcbPtr) {
        self.thread.set(Some(caller));
        let below = context.reply.replace(Some(self));
        self.older.set(below);
        if let Some(below) = below {
            below.newer.set(Some(self));
            below.sched_context.set(None);
        }
        self.sched_context.set(Some(context));
        lend(context, caller, callee);
    }

    /// Takes the reply object, which is on top of the stack of `context`, off it; the context goes back from `callee`
    /// to `caller`.
    #[inline]
    pub fn pop_lent(self, context: KernelPtr<SchedContext>, callee: TcbPtr, caller: TcbPtr) {
        self.sched_context.set(None);
        let below = self.older.take();
        if let Some(below) = below {
            below.newer.set(None);
            below.sched_context.set(Some(context));
        }
        context.reply.set(below);
        lend(context, callee, caller);
    }
}

#[inline]
fn lend(context: KernelPtr<SchedContext>, from: TcbPtr, to: TcbPtr) {
    from.sched_context.set(None);
    context.thread.set(Some(to));
    to.sched_context.set(Some(context));
}

/// Makes `caller` wait for a reply through `reply`, and lends its scheduling context to `callee` if that has none.
#[inline(always)]
pub fn push(k: &mut Kernel, caller: TcbPtr, callee: TcbPtr, reply: KernelPtr<Reply>, donate: bool) {
    reply.thread.set(Some(caller));
    caller.state.set(ThreadState::BlockedOnReply { reply });
    if donate
        && callee.sched_context.get().is_none()
        && let Some(context) = caller.sched_context.get()
    {
        let below = context.reply.get();
        reply.older.set(below);
        if let Some(below) = below {
            below.newer.set(Some(reply));
            below.sched_context.set(None);
        }
        reply.sched_context.set(Some(context));
        context.reply.set(Some(reply));
        sched_context::donate(k, context, callee);
    }
}

/// Takes the newest reply object off the stack; the scheduling context goes back to the caller if that has none.
#[inline(always)]
fn pop(k: &mut Kernel, reply: KernelPtr<Reply>, caller: TcbPtr) {
    let Some(context) = reply.sched_context.take() else { return };
    let below = reply.older.take();
    if let Some(below) = below {
        below.newer.set(None);
        below.sched_context.set(Some(context));
    }
    context.reply.set(below);
    if caller.sched_context.get().is_none() {
        sched_context::donate(k, context, caller);
    }
}

/// Takes a reply object out of the middle of a stack: the stack is cut there, in both directions.
fn cut(reply: KernelPtr<Reply>) {
    if let Some(newer) = reply.newer.take() {
        newer.older.set(None);
    }
    if let Some(older) = reply.older.take() {
        older.newer.set(None);
    }
}

/// Undoes the connection of a reply object and its caller; the caller's state is the caller's business. The scheduling
/// context goes back if `reply` is the newest of its stack.
#[inline(always)]
fn release(k: &mut Kernel, reply: KernelPtr<Reply>, caller: TcbPtr) {
    reply.thread.set(None);
    if reply.sched_context.get().is_some() {
        pop(k, reply, caller);
    } else {
        cut(reply);
    }
}

/// A caller stops waiting for its reply: suspended, deleted, or its IPC cancelled. The scheduling context stays with
/// the callee.
pub fn forget_caller(reply: KernelPtr<Reply>) {
    reply.thread.set(None);
    if let Some(context) = reply.sched_context.take() {
        context.reply.set(None);
    }
    cut(reply);
}

/// Answers the caller that waits on the reply object, with the message of `replier` (abi.md 9.4). Nothing happens if
/// nobody waits.
#[inline(always)]
pub fn send(k: &mut Kernel, replier: TcbPtr, cap: &ReplyCap) {
    let Some(caller) = cap.object.thread.get() else { return };
    if !matches!(caller.state.get(), ThreadState::BlockedOnReply { .. }) {
        return;
    }
    release(k, cap.object, caller);
    let answered = caller.fault.get();
    if answered == Fault::None {
        transfer::message(replier, None, 0, cap.can_grant, caller);
        caller.state.set(ThreadState::Running);
    } else {
        let goes_on = fault::apply_reply(replier, caller, &answered);
        caller.fault.set(Fault::None);
        let state = if goes_on { ThreadState::Restart } else { ThreadState::Inactive };
        caller.state.set(state);
    }
    if !caller.is_runnable() {
        return;
    }
    let Some(context) = caller.sched_context.get() else { return };
    context.woken(k);
    if !context.is_active() {
        return;
    }
    let used = if k.current_context == Some(context) { k.consumed() } else { 0 };
    if context.has_time(k, used) {
        k.possible_switch_to(caller);
    } else if fault::has_timeout_handler(caller) && !matches!(answered, Fault::Timeout { .. }) {
        fault::raise_timeout(k, caller);
    } else {
        if k.current_context == Some(context) {
            k.commit_time();
        }
        k.postpone(context);
    }
}

/// Destroys a reply object: a caller gets its scheduling context back and stops; a receiver's wait is cancelled.
pub fn destroy(k: &mut Kernel, reply: KernelPtr<Reply>) {
    let Some(thread) = reply.thread.get() else { return };
    match thread.state.get() {
        ThreadState::BlockedOnReply { .. } => {
            release(k, reply, thread);
            thread.fault.set(Fault::None);
            thread.state.set(ThreadState::Inactive);
        }
        _ => {
            ipc::cancel(k, thread);
            thread.state.set(ThreadState::Inactive);
        }
    }
}
