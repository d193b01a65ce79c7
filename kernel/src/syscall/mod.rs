//! Kernel entries: system calls, exceptions, interrupts (abi.md 2.1 to 2.4).
//!
//! Here each system call looks for its short way, and takes the general one if there is none: a plan (`plan.rs`) of up to
//! two phases (`phases.rs`). Exceptions and interrupts are the other ways in (`traps.rs`); all share the end (`finish.rs`).
#![deny(unsafe_code)]

mod finish;
mod phases;
mod plan;
mod traps;

use sel_abi::registers::CAP_REGISTER;
use sel_abi::{MessageInfo, Register, Syscall};

use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::Slot;
use crate::fault::{self, Fault};
use crate::invoke;
use crate::ipc::direct;
use crate::ipc::fastpath::{self, Refusal, Width};
use crate::object::tcb::TcbPtr;
use crate::object::tcb_invoke;
use crate::other_calls;
use crate::state::Kernel;
use plan::PLANS;
pub use traps::{exception, interrupt, software_interrupt};

/// A Call of the current thread; it passed `cptr` and `info`.
#[inline(always)]
pub fn call(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    match fastpath::short_call(k, thread, cptr, info, Width::Narrow) {
        Ok(call) => {
            call.perform(k, info, Width::Narrow);
            k.latency.end_of_stretch();
        }
        Err(Refusal::Wide) => wide_call(k, thread, cptr, info),
        Err(Refusal::Other) => call_object(k, thread, cptr, info),
    }
}

#[inline(never)]
fn wide_call(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    if !k.reads_clock_in_time() {
        return slow(k, thread, Syscall::Call.raw());
    }
    let slot = thread.cspace().flat_slot(cptr);
    if let Some(slot) = slot
        && slot.endpoint().is_none()
        && invoke::short(k, thread, slot, info)
    {
        return k.latency.end_of_stretch();
    }
    if let Ok(call) = fastpath::short_call(k, thread, cptr, info, Width::Wide) {
        call.perform(k, info, Width::Wide);
        return k.latency.end_of_stretch();
    }
    follow_plan(k, thread, Syscall::Call.raw(), slot);
}

/// A short Call that goes to no waiting server: most often to a capability of the kernel itself.
#[inline(never)]
fn call_object(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    if !k.reads_clock_in_time() {
        return slow(k, thread, Syscall::Call.raw());
    }
    let slot = thread.cspace().flat_slot(cptr);
    if let Some(slot) = slot
        && invoke::short(k, thread, slot, info)
    {
        return k.latency.end_of_stretch();
    }
    follow_plan(k, thread, Syscall::Call.raw(), slot);
}

/// A ReplyRecv of the current thread.
#[inline(always)]
pub fn reply_recv(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    match fastpath::short_reply_recv(k, thread, cptr, info, Width::Narrow) {
        Ok(call) => {
            call.perform(k, info, Width::Narrow);
            k.latency.end_of_stretch();
        }
        Err(Refusal::Wide) => wide_reply_recv(k, thread, cptr, info),
        Err(Refusal::Other) => slow(k, thread, Syscall::ReplyRecv.raw()),
    }
}

#[inline(never)]
fn wide_reply_recv(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    if k.reads_clock_in_time() {
        if let Ok(call) = fastpath::short_reply_recv(k, thread, cptr, info, Width::Wide) {
            call.perform(k, info, Width::Wide);
            return k.latency.end_of_stretch();
        }
        return follow_plan(k, thread, Syscall::ReplyRecv.raw(), None);
    }
    slow(k, thread, Syscall::ReplyRecv.raw());
}

/// A Yield of the current thread.
#[inline(always)]
pub fn yield_now(k: &mut Kernel, thread: TcbPtr) {
    const YIELD: i64 = Syscall::Yield.raw();
    if !k.reads_clock_in_time() {
        return slow(k, thread, YIELD);
    }
    if !k.yield_slice(thread) {
        return follow_plan(k, thread, YIELD, None);
    }
    k.latency.end_of_stretch();
}

/// One of the other system calls that every build has.
#[inline(always)]
pub fn other_call(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo, number: i64) {
    const SEND: i64 = Syscall::Send.raw();
    const NB_SEND: i64 = Syscall::NbSend.raw();
    const WAIT: i64 = Syscall::Wait.raw();
    const NB_WAIT: i64 = Syscall::NbWait.raw();
    if !k.reads_clock_in_time() {
        return slow(k, thread, number);
    }
    let slot = thread.cspace().flat_slot(cptr);
    if let Some(slot) = slot
        && match number {
            SEND | NB_SEND => direct::send(k, thread, slot, info),
            WAIT | NB_WAIT => direct::wait(k, thread, slot, number == WAIT),
            _ => false,
        }
    {
        return k.latency.end_of_stretch();
    }
    follow_plan(k, thread, number, slot);
}

/// Any other system call of the current thread.
#[inline(always)]
pub fn unusual(k: &mut Kernel, thread: TcbPtr, number: i64) {
    // They are not charged, and nothing is decided (abi.md 2.4).
    if other_calls::nothing(number) {
        return;
    }
    perform_unusual(k, thread, number);
}

#[inline(never)]
fn perform_unusual(k: &mut Kernel, thread: TcbPtr, number: i64) {
    match Syscall::from_raw(number) {
        Some(call) if other_calls::perform(k, thread, call) => k.latency.end_of_stretch(),
        _ => slow(k, thread, number),
    }
}

/// A system call that no fast path takes.
#[inline(never)]
pub fn slow(k: &mut Kernel, thread: TcbPtr, number: i64) {
    k.update_time();
    if k.check_budget_or_restart() {
        follow_plan(k, thread, number, None);
    } else {
        k.finish();
    }
}

/// A system call of a thread with time. `slot` is the slot of its capability pointer, if it was looked up.
#[inline(never)]
fn follow_plan(k: &mut Kernel, thread: TcbPtr, number: i64, slot: Option<KernelPtr<Slot>>) {
    // -1 is the first.
    match PLANS.get(!number as usize) {
        Some(plan) => phases::follow(k, thread, *plan, slot),
        None => unplanned(k, thread, number),
    }
    k.finish();
}

/// A number that is no system call, or the one that depends on the configuration.
#[cold]
#[inline(never)]
fn unplanned(k: &mut Kernel, thread: TcbPtr, number: i64) {
    if k.config.set_tls_base && Syscall::from_raw(number) == Some(Syscall::SetTlsBase) {
        let base = thread.context.get(CAP_REGISTER);
        // A non-canonical base is ignored.
        if arch::context::canonical_or_zero(base) == base {
            tcb_invoke::set_base(k, thread, Register::FsBase, base);
        }
        return;
    }
    fault::raise(k, thread, Fault::UnknownSyscall { number: number.cast_unsigned() });
}
