//! The short way of the two system calls that a client and its server live on: a Call that a waiting server without time
//! of its own can take at once, and the ReplyRecv that answers it; and of signals that wake nobody.
//!
//! For each of the two there is a function that looks whether everything is as it usually is, and one that performs it then and leaves
//! exactly the state that the long way would have left. What it does not do is read the clock: time is charged at the
//! next kernel entry that does (abi.md 2.3, 9.7). The scheduling context travels with the message, so that there is
//! nothing to decide about time.
#![deny(unsafe_code)]

use sel_abi::MessageInfo;
use sel_abi::registers::{CAP_REGISTER, REPLY_REGISTER};

use super::transfer;
use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::{EndpointCap, Slot};
use crate::fault::Fault;
use crate::object::asid;
use crate::object::endpoint::Endpoint;
use crate::object::reply::Reply;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::{Tcb, TcbPtr, ThreadState};
use crate::sched::Action;
use crate::state::Kernel;

impl Kernel {
    /// A woken thread that takes over from one that stops waiting would run next.
    #[inline(always)]
    fn runs_next(&self, next: &Tcb, stops: &Tcb) -> bool {
        debug_assert!(self.action == Action::Continue, "nothing is decided yet");
        next.domain.get() == self.sched.domain()
            && (next.priority.get() >= stops.priority.get() || self.is_highest(next.priority.get()))
    }

    /// Leaves `from` for `to`, which is in state Running and pays with the same scheduling context.
    #[inline(always)]
    fn hand_over(&mut self, from: TcbPtr, to: TcbPtr) {
        debug_assert!(to.yield_to.get().is_none(), "a thread that yields does not wait");
        arch::switch_bases(&from.context, &to.context);
        self.current = Some(to);
        asid::enter_space_of(self, to);
        arch::set_current_context(&to.get().context);
        self.switch_fpu(to);
    }
}

/// What a system call cannot go the short way for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Others wait at the endpoint, too: the short way takes a few steps more.
    Crowd,
    /// Anything else.
    Other,
}

/// A Call that can go the short way.
#[derive(Clone, Copy)]
pub struct ShortCall {
    sender: TcbPtr,
    info: MessageInfo,
    cap: EndpointCap,
    receiver: TcbPtr,
    reply: KernelPtr<Reply>,
    context: KernelPtr<SchedContext>,
}

/// Looks whether the Call of the current thread goes to an endpoint at which a passive server waits with a reply object,
/// and whether that server runs next.
///
/// # Errors
/// It does not, or (without `crowd`) it is not the only one that waits.
#[inline(always)]
pub fn short_call(
    k: &Kernel,
    sender: TcbPtr,
    cptr: u64,
    info: MessageInfo,
    crowd: bool,
) -> Result<ShortCall, Refusal> {
    if !transfer::is_short(info) {
        return Err(Refusal::Other);
    }
    let slot = sender.cspace().flat_slot(cptr).ok_or(Refusal::Other)?;
    let cap = slot.callable_endpoint().ok_or(Refusal::Other)?;
    let queue = &cap.object.queue;
    let receiver = if crowd { queue.first() } else { queue.only() }.ok_or(Refusal::Crowd)?;
    let ThreadState::BlockedOnReceive { reply: Some(reply), .. } = receiver.state.get() else {
        return Err(Refusal::Other);
    };
    let context = sender.sched_context.get().ok_or(Refusal::Other)?;
    debug_assert!(k.current_context == Some(context), "the current thread pays");
    if receiver.sched_context.get().is_some() || !k.runs_next(&receiver, &sender) {
        return Err(Refusal::Other);
    }
    Ok(ShortCall { sender, info, cap, receiver, reply, context })
}

impl ShortCall {
    /// Performs it; `crowd` as it was asked for.
    #[inline(always)]
    pub fn perform(self, k: &mut Kernel, crowd: bool) {
        let ShortCall { sender, info, cap, receiver, reply, context } = self;
        if crowd {
            cap.object.queue.remove(receiver);
        } else {
            cap.object.queue.remove_only(receiver);
        }
        transfer::short(&sender, &receiver, info, cap.badge);
        receiver.state.set(ThreadState::Running);
        sender.state.set(ThreadState::BlockedOnReply { reply });
        reply.push_lent(sender, context, receiver);
        k.hand_over(sender, receiver);
    }
}

/// A ReplyRecv that can go the short way.
#[derive(Clone, Copy)]
pub struct ShortReplyRecv {
    server: TcbPtr,
    info: MessageInfo,
    endpoint: KernelPtr<Endpoint>,
    reply: KernelPtr<Reply>,
    caller: TcbPtr,
    context: KernelPtr<SchedContext>,
}

/// Looks whether the ReplyRecv of the current thread answers the client on whose time it runs, whether that client runs
/// next, and whether the thread will wait at the endpoint.
///
/// # Errors
/// It is not so, or (without `crowd`) others wait at the endpoint.
#[inline(always)]
pub fn short_reply_recv(
    k: &Kernel,
    server: TcbPtr,
    cptr: u64,
    info: MessageInfo,
    crowd: bool,
) -> Result<ShortReplyRecv, Refusal> {
    if !transfer::is_short(info) {
        return Err(Refusal::Other);
    }
    let cspace = server.cspace();
    let slot = cspace.flat_slot(cptr).ok_or(Refusal::Other)?;
    let endpoint = slot.readable_endpoint().ok_or(Refusal::Other)?;
    let slot = cspace.flat_slot(server.context.get(REPLY_REGISTER)).ok_or(Refusal::Other)?;
    let reply = slot.reply().ok_or(Refusal::Other)?.object;
    let caller = reply.thread.get().ok_or(Refusal::Other)?;
    let context = server.sched_context.get().ok_or(Refusal::Other)?;
    debug_assert!(k.current_context == Some(context), "the current thread pays");
    let bound = server.bound_notification.get();
    let fits = matches!(caller.state.get(), ThreadState::BlockedOnReply { .. })
        && caller.fault.get() == Fault::None
        && caller.sched_context.get().is_none()
        && reply.sched_context.get() == Some(context)
        && bound.is_none_or(|bound| !bound.is_active() && bound.sched_context.get().is_none())
        && k.runs_next(&caller, &server);
    if !fits {
        return Err(Refusal::Other);
    }
    if let Some(first) = endpoint.object.queue.first() {
        if !crowd {
            return Err(Refusal::Crowd);
        }
        if !matches!(first.state.get(), ThreadState::BlockedOnReceive { .. }) {
            return Err(Refusal::Other);
        }
    }
    Ok(ShortReplyRecv { server, info, endpoint: endpoint.object, reply, caller, context })
}

impl ShortReplyRecv {
    /// Performs it; `crowd` as it was asked for.
    #[inline(always)]
    pub fn perform(self, k: &mut Kernel, crowd: bool) {
        let ShortReplyRecv { server, info, endpoint, reply, caller, context } = self;
        transfer::short(&server, &caller, info, 0);
        reply.pop_lent(context, server, caller);
        caller.state.set(ThreadState::Running);
        server.state.set(ThreadState::BlockedOnReceive { endpoint, reply: Some(reply) });
        reply.thread.set(Some(server));
        if crowd {
            endpoint.queue.insert(server, super::goes_before);
        } else {
            endpoint.queue.insert_only(server);
        }
        k.hand_over(server, caller);
    }
}

/// Does the signal, if `slot` holds a capability to send to a notification for which nobody waits.
#[inline(always)]
pub fn signal_nobody(slot: KernelPtr<Slot>, info: MessageInfo) -> bool {
    let Some(to) = slot.writable_notification() else { return false };
    let waited_for = !to.object.queue.is_empty() || to.object.bound_thread.get().is_some();
    // Capabilities of the message are looked up, although nobody gets them.
    if waited_for || info.extra_caps() > 0 {
        return false;
    }
    to.object.keep(to.badge);
    true
}

/// Takes the signals of a notification that the current thread waits for, if there are any.
#[inline(always)]
pub fn take_signal(slot: KernelPtr<Slot>, thread: TcbPtr) -> bool {
    let Some(from) = slot.readable_notification() else { return false };
    let others = from.object.bound_thread.get().is_some_and(|bound| bound != thread);
    if others || !from.object.is_active() {
        return false;
    }
    // The thread runs, and so it needs no scheduling context.
    thread.context.set(CAP_REGISTER, from.object.take());
    true
}
