//! The short way of the two system calls that a client and its server live on: a Call that a waiting server without time
//! of its own can take at once, and the ReplyRecv that answers it.
//!
//! For each there is a function that looks whether everything is as it usually is, and one that performs it then and leaves
//! exactly the state that the long way would have left. What it does not do is read the clock: time is charged at the
//! next kernel entry that does (abi.md 2.3, 9.7). The scheduling context travels with the message, so that there is
//! nothing to decide about time.
#![deny(unsafe_code)]

use sel_abi::MessageInfo;
use sel_abi::registers::{CAP_REGISTER, INFO_REGISTER, REPLY_REGISTER};

use super::transfer;
use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::EndpointCap;
use crate::fault::{self, Fault};
use crate::object::asid;
use crate::object::endpoint::Endpoint;
use crate::object::reply::Reply;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::{Tcb, TcbPtr, ThreadState};
use crate::sched::Action;
use crate::state::Kernel;
use crate::trace;

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
        trace::switch(Some(from), Some(to));
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
    /// A message in buffers, others that wait at the endpoint, a fault that is answered: see [`Width::Wide`].
    Wide,
    /// Anything else.
    Other,
}

/// How much the short way does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// Messages in registers, and one thread at the endpoint. It does not read the clock.
    Narrow,
    /// Messages of any length without capabilities, and several threads at the endpoint. The clock was read, the current
    /// thread has budget, and no thread's replenishment has come.
    Wide,
}

impl Width {
    /// Whether a message can go this way.
    #[inline(always)]
    fn takes(self, info: MessageInfo) -> Result<(), Refusal> {
        match self {
            Width::Narrow if transfer::is_short(info) => Ok(()),
            Width::Wide if info.extra_caps() == 0 => Ok(()),
            Width::Narrow => Err(Refusal::Wide),
            Width::Wide => Err(Refusal::Other),
        }
    }
}

/// A Call that can go the short way, or a fault, which is one to its handler.
#[derive(Clone, Copy)]
pub struct ShortCall {
    sender: TcbPtr,
    cap: EndpointCap,
    receiver: TcbPtr,
    reply: KernelPtr<Reply>,
    context: KernelPtr<SchedContext>,
}

/// Looks whether the Call of the current thread goes to an endpoint at which a passive server waits with a reply object,
/// and whether that server runs next.
///
/// # Errors
/// It does not, or not this way.
#[inline(always)]
pub fn short_call(
    k: &Kernel,
    sender: TcbPtr,
    cptr: u64,
    info: MessageInfo,
    width: Width,
) -> Result<ShortCall, Refusal> {
    width.takes(info)?;
    let slot = sender.cspace().flat_slot(cptr).ok_or(Refusal::Other)?;
    to_waiting_server(k, sender, slot.callable_endpoint().ok_or(Refusal::Other)?, width)
}

/// The same for a fault of the current thread. Its handler's capability is one through which it can be told, and answered
/// (abi.md 5.4).
#[inline(always)]
pub fn short_fault(k: &Kernel, faulter: TcbPtr) -> Result<ShortCall, Refusal> {
    let handler = faulter.fault_handler().callable_endpoint().ok_or(Refusal::Other)?;
    to_waiting_server(k, faulter, handler, Width::Wide)
}

#[inline(always)]
fn to_waiting_server(
    k: &Kernel,
    sender: TcbPtr,
    cap: EndpointCap,
    width: Width,
) -> Result<ShortCall, Refusal> {
    let queue = &cap.object.queue;
    let receiver = match width {
        Width::Narrow => queue.only().ok_or(Refusal::Wide)?,
        Width::Wide => queue.first().ok_or(Refusal::Other)?,
    };
    let ThreadState::BlockedOnReceive { reply: Some(reply), .. } = receiver.state.get() else {
        return Err(Refusal::Other);
    };
    let context = sender.sched_context.get().ok_or(Refusal::Other)?;
    debug_assert!(k.current_context == Some(context), "the current thread pays");
    if receiver.sched_context.get().is_some() || !k.runs_next(&receiver, &sender) {
        return Err(Refusal::Other);
    }
    Ok(ShortCall { sender, cap, receiver, reply, context })
}

impl ShortCall {
    /// Performs a Call with this message; `width` as it was looked for.
    #[inline(always)]
    pub fn perform(self, k: &mut Kernel, info: MessageInfo, width: Width) {
        let ShortCall { sender, cap, receiver, .. } = self;
        match width {
            Width::Narrow => {
                cap.object.queue.remove_only(receiver);
                trace::message(sender, receiver, Some(cap.object), cap.badge, info);
                transfer::short(&sender, &receiver, info, cap.badge);
            }
            Width::Wide => {
                cap.object.queue.remove(receiver);
                transfer::message(sender, Some(cap.object), cap.badge, false, receiver);
            }
        }
        self.hand_over(k);
    }

    /// Tells the handler of a fault.
    #[inline(always)]
    pub fn tell(self, k: &mut Kernel, fault: Fault) {
        let ShortCall { sender, cap, receiver, .. } = self;
        cap.object.queue.remove(receiver);
        sender.fault.set(fault);
        trace::fault(sender, &fault);
        let info = fault::write_message(&fault, sender, receiver);
        trace::message(sender, receiver, Some(cap.object), cap.badge, info);
        receiver.context.set(INFO_REGISTER, info.0);
        receiver.context.set(CAP_REGISTER, cap.badge);
        self.hand_over(k);
    }

    #[inline(always)]
    fn hand_over(self, k: &mut Kernel) {
        let ShortCall { sender, receiver, reply, context, .. } = self;
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
    endpoint: KernelPtr<Endpoint>,
    reply: KernelPtr<Reply>,
    caller: TcbPtr,
    context: KernelPtr<SchedContext>,
}

/// Looks whether the ReplyRecv of the current thread answers the client on whose time it runs, whether that client runs
/// next, and whether the thread will wait at the endpoint.
///
/// # Errors
/// It is not so, or not this way.
#[inline(always)]
pub fn short_reply_recv(
    k: &Kernel,
    server: TcbPtr,
    cptr: u64,
    info: MessageInfo,
    width: Width,
) -> Result<ShortReplyRecv, Refusal> {
    width.takes(info)?;
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
        && caller.sched_context.get().is_none()
        && reply.sched_context.get() == Some(context)
        && bound.is_none_or(|bound| !bound.is_active() && bound.sched_context.get().is_none())
        && k.runs_next(&caller, &server);
    if !fits {
        return Err(Refusal::Other);
    }
    let fault = caller.fault.get();
    let first = endpoint.object.queue.first();
    match width {
        Width::Narrow if fault != Fault::None || first.is_some() => return Err(Refusal::Wide),
        Width::Wide if first.is_some_and(|first| !first.is_receiving()) || !fault.goes_on_after(info) => {
            return Err(Refusal::Other);
        }
        Width::Narrow | Width::Wide => {}
    }
    Ok(ShortReplyRecv { server, endpoint: endpoint.object, reply, caller, context })
}

impl ShortReplyRecv {
    /// Performs it with this message; `width` as it was looked for.
    #[inline(always)]
    pub fn perform(self, k: &mut Kernel, info: MessageInfo, width: Width) {
        let ShortReplyRecv { server, endpoint, reply, caller, context } = self;
        match width {
            Width::Narrow => {
                trace::message(server, caller, None, 0, info);
                transfer::short(&server, &caller, info, 0);
                caller.state.set(ThreadState::Running);
            }
            Width::Wide => answer(server, caller),
        }
        reply.pop_lent(context, server, caller);
        server.state.set(ThreadState::BlockedOnReceive { endpoint, reply: Some(reply) });
        reply.thread.set(Some(server));
        match width {
            Width::Narrow => endpoint.queue.insert_only(server),
            Width::Wide => endpoint.queue.insert(server, super::goes_before),
        }
        k.hand_over(server, caller);
    }
}

/// Gives the caller its answer: a message, or what becomes of its fault. It goes on.
fn answer(server: TcbPtr, caller: TcbPtr) {
    let fault = caller.fault.get();
    if fault == Fault::None {
        transfer::message(server, None, 0, false, caller);
    } else {
        fault::apply_reply(server, caller, &fault);
        caller.fault.set(Fault::None);
        // It executes the instruction at its restart address again.
        caller.context.restart();
    }
    caller.state.set(ThreadState::Running);
}
