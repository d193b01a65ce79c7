//! The two phases of a system call on its general way (abi.md 2.2, 2.3).
#![deny(unsafe_code)]

use sel_abi::registers::{CAP_REGISTER, NB_SEND_RECV_REGISTER, REPLY_REGISTER};
use sel_abi::{CapRights, Register};

use super::plan::Plan;
use super::traps;
use crate::addr::KernelPtr;
use crate::cap::{Slot, lookup};
use crate::error::{LookupFailure, Preempted, Stop};
use crate::fault::{self, Fault};
use crate::invoke::{self, Invocation, Parcel};
use crate::ipc::{message, transfer};
use crate::object::reply::Reply;
use crate::object::tcb::{SendMode, TcbPtr, ThreadState};
use crate::object::{endpoint, notification, reply};
use crate::state::Kernel;

/// Performs the phases of a system call. `slot` is the slot of its capability pointer, if it was looked up.
#[inline(always)]
pub(super) fn follow(k: &mut Kernel, thread: TcbPtr, plan: Plan, mut slot: Option<KernelPtr<Slot>>) {
    if plan.contains(Plan::SEND) {
        let mut register = CAP_REGISTER;
        if plan.contains(Plan::FIRST) {
            slot = None;
            register = if plan.contains(Plan::SEND_APART) { NB_SEND_RECV_REGISTER } else { REPLY_REGISTER };
        }
        if send(k, thread, register, slot, plan) == Err(Preempted) {
            return traps::preempted(k);
        }
    }
    if plan.contains(Plan::RECEIVE) {
        // The first phase may have stopped the thread.
        if thread.is_runnable()
            && let Err((address, failure)) = receive(k, thread, slot, plan)
        {
            fault::raise(k, thread, Fault::Cap { address, receiving: true, failure });
        }
    } else if plan.contains(Plan::YIELD) {
        k.yield_now();
    }
}

/// The send phase. Preempted: the thread's state is Restart, and the whole call is executed again.
#[inline(always)]
fn send(
    k: &mut Kernel,
    thread: TcbPtr,
    register: Register,
    slot: Option<KernelPtr<Slot>>,
    plan: Plan,
) -> Result<(), Preempted> {
    let slot = match slot_in(thread, register, slot) {
        Ok(slot) => slot,
        Err(failed) => {
            send_failed(k, thread, plan, failed);
            return Ok(());
        }
    };
    let mut parcel = Parcel::EMPTY;
    let offered = message::info(&thread).extra_caps();
    if offered > 0
        && let Some(buffer) = thread.ipc_buffer(false)
    {
        match transfer::extra_caps(thread, buffer, offered) {
            Ok(extra) => parcel = Parcel { buffer: Some(buffer), extra },
            Err(failed) => {
                send_failed(k, thread, plan, failed);
                return Ok(());
            }
        }
    }
    if let Some(to) = slot.endpoint()
        && to.rights.contains(CapRights::WRITE)
    {
        let mode = SendMode::of(&to, plan.contains(Plan::ANSWERED));
        let (blocking, donates) = (plan.contains(Plan::SEND_BLOCKS), plan.contains(Plan::DONATES));
        endpoint::send_message(k, thread, to.object, mode, blocking, donates);
        Ok(())
    } else if let Some(to) = slot.notification()
        && to.rights.contains(CapRights::WRITE)
    {
        notification::signal(k, to.object, to.badge);
        answer_empty(thread, plan);
        Ok(())
    } else if let Some(to) = slot.reply() {
        reply::send(k, thread, &to);
        answer_empty(thread, plan);
        Ok(())
    } else {
        invoke_object(k, thread, slot, parcel, plan)
    }
}

/// The slot that a capability pointer in a register names, unless it is known.
#[inline(always)]
fn slot_in(
    thread: TcbPtr,
    register: Register,
    known: Option<KernelPtr<Slot>>,
) -> Result<KernelPtr<Slot>, (u64, LookupFailure)> {
    if let Some(slot) = known {
        return Ok(slot);
    }
    let cptr = thread.context.get(register);
    lookup::thread_slot(&thread, cptr).map_err(|failure| (cptr, failure))
}

/// A capability of the send phase cannot be found.
#[cold]
#[inline(never)]
fn send_failed(k: &mut Kernel, thread: TcbPtr, plan: Plan, (address, failure): (u64, LookupFailure)) {
    if plan.contains(Plan::SEND_BLOCKS) {
        fault::raise(k, thread, Fault::Cap { address, receiving: false, failure });
    }
}

/// The send phase of a capability of the kernel itself.
#[inline(never)]
fn invoke_object(
    k: &mut Kernel,
    thread: TcbPtr,
    slot: KernelPtr<Slot>,
    parcel: Parcel,
    plan: Plan,
) -> Result<(), Preempted> {
    // While an invocation is performed the thread would execute it again if it were stopped.
    thread.state.set(ThreadState::Restart);
    let call = Invocation::new(k, thread, slot, message::info(&thread), parcel);
    let answered = plan.contains(Plan::ANSWERED);
    let outcome = invoke::invoke(k, &call, plan.contains(Plan::FIRST));
    match outcome {
        Err(Stop::Preempted) => return Err(Preempted),
        Err(Stop::Error(error)) if answered => invoke::reply_error(thread, error),
        Err(Stop::Error(_)) => {}
        Ok(done) => {
            if thread.state.get() != ThreadState::Restart {
                return Ok(());
            }
            if answered {
                invoke::reply(thread, done);
            }
        }
    }
    // Nothing but the thread's own suspension changes the state meanwhile.
    if thread.state.get() == ThreadState::Restart {
        thread.state.set(ThreadState::Running);
    }
    Ok(())
}

/// A Call that nobody will answer, of a notification or reply object, is done: an empty success (abi.md 9.1).
#[inline(always)]
fn answer_empty(thread: TcbPtr, plan: Plan) {
    if plan.contains(Plan::ANSWERED) && thread.is_runnable() {
        invoke::reply(thread, invoke::Done::Nothing);
    }
}

/// The receive phase (abi.md 2.3).
#[inline(always)]
fn receive(
    k: &mut Kernel,
    thread: TcbPtr,
    slot: Option<KernelPtr<Slot>>,
    plan: Plan,
) -> Result<(), (u64, LookupFailure)> {
    const MISSING: LookupFailure = LookupFailure::MissingCapability { bits_left: 0 };
    let blocking = plan.contains(Plan::RECEIVE_BLOCKS);
    let slot = slot_in(thread, CAP_REGISTER, slot)?;
    if let Some(from) = slot.readable_endpoint() {
        let reply = if plan.contains(Plan::WITH_REPLY) { Some(find_reply(thread)?) } else { None };
        endpoint::receive(k, thread, from.object, reply, blocking);
        Ok(())
    } else if let Some(from) = slot.notification()
        && from.rights.contains(CapRights::READ)
        && from.object.bound_thread.get().is_none_or(|bound| bound == thread)
    {
        notification::wait(k, thread, from.object, blocking);
        Ok(())
    } else {
        Err((thread.context.get(CAP_REGISTER), MISSING))
    }
}

#[inline(always)]
fn find_reply(thread: TcbPtr) -> Result<KernelPtr<Reply>, (u64, LookupFailure)> {
    const MISSING: LookupFailure = LookupFailure::MissingCapability { bits_left: 0 };
    let slot = slot_in(thread, REPLY_REGISTER, None)?;
    let reply = slot.reply().ok_or_else(|| (thread.context.get(REPLY_REGISTER), MISSING))?;
    Ok(reply.object)
}
