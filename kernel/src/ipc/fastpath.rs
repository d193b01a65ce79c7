//! The short way of the two system calls that a client and its server live on: a Call that a waiting server without time
//! of its own can take at once, and the ReplyRecv that answers it.
//!
//! For each there is a function that looks whether everything is as it usually is, and one that performs it then and leaves
//! exactly the state that the long way would have left. What it does not do is read the clock: time is charged at the
//! next kernel entry that does (abi.md 2.3, 9.7). The scheduling context travels with the message, so that there is
//! nothing to decide about time.
#![deny(unsafe_code)]

use sel_abi::registers::{CAP_REGISTER, INFO_REGISTER, MESSAGE_REGISTERS, REPLY_REGISTER};
use sel_abi::{CapRights, FAST_MESSAGE_REGISTERS, MessageInfo};

use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::{EndpointCap, Slot};
use crate::fault::Fault;
use crate::object::asid;
use crate::object::endpoint::Endpoint;
use crate::object::reply::Reply;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::{SendMode, Tcb, TcbPtr, ThreadState};
use crate::sched::Action;
use crate::state::Kernel;

/// Length and number of capabilities of a message info word.
const SIZE_BITS: u64 = 0x1ff;

/// The number of words of a message that travels in registers, without capabilities; None for any other.
#[inline(always)]
fn short_length(thread: &Tcb) -> Option<usize> {
    let size = thread.context.get(INFO_REGISTER) & SIZE_BITS;
    (size <= FAST_MESSAGE_REGISTERS as u64).then_some(size as usize)
}

/// The slot that a capability pointer names in a CSpace of one level whose CNode resolves all bits.
#[inline(always)]
fn slot(thread: &Tcb, cptr: u64) -> Option<KernelPtr<Slot>> {
    let root = thread.cspace().cnode()?;
    let radix = u32::from(root.radix);
    if u32::from(root.guard_bits) + radix != 64 || cptr.checked_shr(radix)? != root.guard {
        return None;
    }
    root.slot(cptr & (root.slot_count() - 1))
}

/// Copies a message that fits into registers.
#[inline(always)]
fn copy_registers(from: &Tcb, to: &Tcb, length: usize, badge: u64) {
    // All four are copied: moving them costs less than asking how many there are, but only those of the message may
    // change.
    for (index, register) in MESSAGE_REGISTERS.into_iter().enumerate() {
        if index < length {
            to.context.set(register, from.context.get(register));
        }
    }
    let label = MessageInfo(from.context.get(INFO_REGISTER)).label();
    to.context.set(INFO_REGISTER, MessageInfo::new(label, 0, 0, length).0);
    to.context.set(CAP_REGISTER, badge);
}

impl Kernel {
    /// A woken thread that takes over from one that stops waiting would run next.
    #[inline(always)]
    fn runs_next(&self, next: &Tcb, stops: &Tcb) -> bool {
        next.domain.get() == self.sched.domain()
            && (next.priority.get() >= stops.priority.get() || {
                let highest = self.sched.ready.highest(self.sched.domain());
                highest.is_none_or(|highest| next.priority.get() >= highest)
            })
            && self.action == Action::Continue
    }

    /// Leaves `from` for `to`, which is in state Running and pays with the same scheduling context.
    #[inline(always)]
    fn hand_over(&mut self, from: TcbPtr, to: TcbPtr) {
        debug_assert!(to.yield_to.get().is_none(), "a thread that yields does not wait");
        arch::save_bases(&from.context);
        self.current = Some(to);
        arch::load_bases(&to.context);
        arch::set_address_space(asid::space_of(self, to));
        arch::set_current_context(&to.get().context);
        self.switch_fpu(to);
    }
}

/// A Call that can go the short way.
#[derive(Clone, Copy)]
pub struct ShortCall {
    sender: TcbPtr,
    length: usize,
    cap: EndpointCap,
    receiver: TcbPtr,
    reply: KernelPtr<Reply>,
    context: KernelPtr<SchedContext>,
}

/// Looks whether the Call of the current thread goes to an endpoint at which a passive server waits with a reply object,
/// and whether that server runs next.
#[inline(always)]
pub fn short_call(k: &Kernel, sender: TcbPtr) -> Option<ShortCall> {
    let length = short_length(&sender)?;
    let cap = slot(&sender, sender.context.get(CAP_REGISTER))?.endpoint()?;
    let mode = SendMode::of(&cap, true);
    if !cap.rights.contains(CapRights::WRITE) || !(mode.can_grant || mode.can_grant_reply) {
        return None;
    }
    let receiver = cap.object.queue.first()?;
    let ThreadState::BlockedOnReceive { reply: Some(reply), .. } = receiver.state.get() else { return None };
    let context = sender.sched_context.get()?;
    let fits = receiver.sched_context.get().is_none()
        && k.current_context == Some(context)
        && k.runs_next(&receiver, &sender);
    fits.then_some(ShortCall { sender, length, cap, receiver, reply, context })
}

impl ShortCall {
    /// Performs it.
    #[inline(always)]
    pub fn perform(self, k: &mut Kernel) {
        let ShortCall { sender, length, cap, receiver, reply, context } = self;
        cap.object.queue.remove(receiver);
        copy_registers(&sender, &receiver, length, cap.badge);
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
    length: usize,
    endpoint: KernelPtr<Endpoint>,
    reply: KernelPtr<Reply>,
    caller: TcbPtr,
    context: KernelPtr<SchedContext>,
}

/// Looks whether the ReplyRecv of the current thread answers the client on whose time it runs, whether that client runs
/// next, and whether nobody else waits at the endpoint.
#[inline(always)]
pub fn short_reply_recv(k: &Kernel, server: TcbPtr) -> Option<ShortReplyRecv> {
    let length = short_length(&server)?;
    let endpoint = slot(&server, server.context.get(CAP_REGISTER))?.endpoint()?;
    let reply = slot(&server, server.context.get(REPLY_REGISTER))?.reply()?.object;
    let caller = reply.thread.get()?;
    let context = server.sched_context.get()?;
    let bound = server.bound_notification.get();
    let fits = endpoint.rights.contains(CapRights::READ)
        && endpoint.object.queue.is_empty()
        && matches!(caller.state.get(), ThreadState::BlockedOnReply { .. })
        && caller.fault.get() == Fault::None
        && caller.sched_context.get().is_none()
        && reply.sched_context.get() == Some(context)
        && k.current_context == Some(context)
        && bound.is_none_or(|bound| !bound.is_active() && bound.sched_context.get().is_none())
        && k.runs_next(&caller, &server);
    fits.then_some(ShortReplyRecv { server, length, endpoint: endpoint.object, reply, caller, context })
}

impl ShortReplyRecv {
    /// Performs it.
    #[inline(always)]
    pub fn perform(self, k: &mut Kernel) {
        let ShortReplyRecv { server, length, endpoint, reply, caller, context } = self;
        copy_registers(&server, &caller, length, 0);
        reply.pop_lent(context, server, caller);
        caller.state.set(ThreadState::Running);
        server.state.set(ThreadState::BlockedOnReceive { endpoint, reply: Some(reply) });
        reply.thread.set(Some(server));
        endpoint.queue.insert(server, super::goes_before);
        k.hand_over(server, caller);
    }
}
