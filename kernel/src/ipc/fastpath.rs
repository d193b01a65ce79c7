//! The short way of the two system calls that a client and its server live on: a Call that a waiting server without time
//! of its own can take at once, and the ReplyRecv that answers it.
//!
//! Each function first looks whether everything is as it usually is, and changes nothing until it is sure; then it leaves
//! exactly the state that the long way would have left. What it does not do is read the clock: time is charged at the
//! next kernel entry that does (abi.md 2.3, 9.7). The scheduling context travels with the message, so that there is
//! nothing to decide about time.
#![deny(unsafe_code)]

use sel_abi::registers::{CAP_REGISTER, INFO_REGISTER, MESSAGE_REGISTERS, REPLY_REGISTER};
use sel_abi::{CapRights, FAST_MESSAGE_REGISTERS, MessageInfo};

use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::Slot;
use crate::fault::Fault;
use crate::object::asid;
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

/// Call on an endpoint with a passive server that waits with a reply object. False: nothing was done.
#[inline]
pub fn call(k: &mut Kernel, sender: TcbPtr) -> bool {
    try_call(k, sender).is_some()
}

#[inline(always)]
fn try_call(k: &mut Kernel, sender: TcbPtr) -> Option<()> {
    let length = short_length(&sender)?;
    let cap = slot(&sender, sender.context.get(CAP_REGISTER))?.endpoint()?;
    let mode = SendMode::of(&cap, true);
    if !cap.rights.contains(CapRights::WRITE) || !(mode.can_grant || mode.can_grant_reply) {
        return None;
    }
    let receiver = cap.object.queue.first()?;
    let ThreadState::BlockedOnReceive { reply: Some(reply), .. } = receiver.state.get() else { return None };
    let context = sender.sched_context.get()?;
    if receiver.sched_context.get().is_some()
        || k.current_context != Some(context)
        || !k.runs_next(&receiver, &sender)
    {
        return None;
    }

    cap.object.queue.remove(receiver);
    copy_registers(&sender, &receiver, length, cap.badge);
    receiver.state.set(ThreadState::Running);
    sender.state.set(ThreadState::BlockedOnReply { reply });
    reply.push_lent(sender, context, receiver);
    k.hand_over(sender, receiver);
    Some(())
}

/// ReplyRecv of a server that runs on its client's time: answers, gives the time back and waits on an endpoint that
/// nobody else waits for. False: nothing was done.
#[inline]
pub fn reply_recv(k: &mut Kernel, server: TcbPtr) -> bool {
    try_reply_recv(k, server).is_some()
}

#[inline(always)]
fn try_reply_recv(k: &mut Kernel, server: TcbPtr) -> Option<()> {
    let length = short_length(&server)?;
    let endpoint = slot(&server, server.context.get(CAP_REGISTER))?.endpoint()?;
    let reply = slot(&server, server.context.get(REPLY_REGISTER))?.reply()?.object;
    let caller = reply.thread.get()?;
    let context = server.sched_context.get()?;
    let bound = server.bound_notification.get();
    if !endpoint.rights.contains(CapRights::READ)
        || !endpoint.object.queue.is_empty()
        || !matches!(caller.state.get(), ThreadState::BlockedOnReply { .. })
        || caller.fault.get() != Fault::None
        || caller.sched_context.get().is_some()
        || reply.sched_context.get() != Some(context)
        || k.current_context != Some(context)
        || bound.is_some_and(|bound| bound.is_active() || bound.sched_context.get().is_some())
        || !k.runs_next(&caller, &server)
    {
        return None;
    }

    copy_registers(&server, &caller, length, 0);
    reply.pop_lent(context, server, caller);
    caller.state.set(ThreadState::Running);
    server.state.set(ThreadState::BlockedOnReceive { endpoint: endpoint.object, reply: Some(reply) });
    reply.thread.set(Some(server));
    endpoint.object.queue.insert(server, super::goes_before);
    k.hand_over(server, caller);
    Some(())
}
