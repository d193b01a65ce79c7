//! Invocations of threads (abi.md 7.3).
use sel_abi::registers::REGISTER_COUNT;
use sel_abi::{CapRights, IPC_BUFFER_BITS, Label, Register};

use super::tcb::{self, TcbPtr, TcbSlot};
use super::{asid, notification, sched_context};
use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::{Cap, Slot, delete, derive};
use crate::error::{Preempted, Stop, SyscallError};
use crate::fault;
use crate::invoke::{Done, Invocation};
use crate::state::Kernel;

type SlotPtr = KernelPtr<Slot>;
type Outcome = Result<Done, Stop>;

/// Decodes an invocation of a TCB capability.
pub fn invoke(k: &mut Kernel, thread: TcbPtr, call: &Invocation) -> Outcome {
    match call.label() {
        Some(Label::TcbReadRegisters) => read_registers(k, thread, call),
        Some(Label::TcbWriteRegisters) => write_registers(k, thread, call),
        Some(Label::TcbCopyRegisters) => copy_registers(k, thread, call),
        Some(Label::TcbConfigure) => configure(k, thread, call),
        Some(Label::TcbSetPriority) => {
            let priority = authorised_priority(call, 0)?;
            tcb::set_priority(k, thread, priority);
            Ok(Done::Nothing)
        }
        Some(Label::TcbSetMcPriority) => {
            thread.mcp.set(authorised_priority(call, 0)?);
            Ok(Done::Nothing)
        }
        Some(Label::TcbSetSchedParams) => set_sched_params(k, thread, call),
        Some(Label::TcbSetTimeoutEndpoint) => {
            let handler = handler_cap(call.extra_slot(0)?, 1)?;
            install_handler(k, thread, TcbSlot::TimeoutHandler, handler)?;
            Ok(Done::Nothing)
        }
        Some(Label::TcbSetIpcBuffer) => {
            call.need_words(1)?;
            let buffer = buffer_frame(call.extra_slot(0)?, call.word(0))?;
            install_buffer(k, thread, buffer, call.word(0));
            Ok(Done::Nothing)
        }
        Some(Label::TcbSetSpace) => set_space(k, thread, call),
        Some(Label::TcbSuspend) => {
            tcb::suspend(k, thread);
            Ok(Done::Nothing)
        }
        Some(Label::TcbResume) => {
            tcb::resume(k, thread);
            Ok(Done::Nothing)
        }
        Some(Label::TcbBindNotification) => bind_notification(thread, call),
        Some(Label::TcbUnbindNotification) => {
            if thread.bound_notification.get().is_none() {
                return Err(SyscallError::IllegalOperation.into());
            }
            notification::unbind_thread(thread);
            Ok(Done::Nothing)
        }
        Some(Label::TcbSetTlsBase) => {
            call.need_words(1)?;
            set_base(k, thread, Register::FsBase, call.word(0));
            Ok(Done::Nothing)
        }
        Some(Label::TcbSetFlags) => set_flags(k, thread, call),
        _ => Err(SyscallError::IllegalOperation.into()),
    }
}

// ---- registers ----

fn is_caller(k: &Kernel, thread: TcbPtr) -> bool {
    k.current == Some(thread)
}

fn read_registers(k: &mut Kernel, thread: TcbPtr, call: &Invocation) -> Outcome {
    call.need_words(2)?;
    let count = call.word(1);
    if !(1..=REGISTER_COUNT as u64).contains(&count) {
        return Err(SyscallError::RangeError { min: 1, max: REGISTER_COUNT as u64 }.into());
    }
    if is_caller(k, thread) {
        return Err(SyscallError::IllegalOperation.into());
    }
    if call.word(0) & 1 != 0 {
        tcb::suspend(k, thread);
    }
    Ok(Done::Registers { thread, count: count as usize })
}

fn write_registers(k: &mut Kernel, thread: TcbPtr, call: &Invocation) -> Outcome {
    call.need_words(2)?;
    let count = call.word(1);
    if (call.length() as u64 - 2) < count {
        return Err(SyscallError::TruncatedMessage.into());
    }
    if is_caller(k, thread) {
        return Err(SyscallError::IllegalOperation.into());
    }
    for (index, &register) in Register::ALL.iter().enumerate().take(count as usize) {
        thread.context.replace(register, call.word(2 + index));
    }
    if call.word(0) & 1 != 0 {
        tcb::resume(k, thread);
    }
    Ok(Done::Nothing)
}

fn copy_registers(k: &mut Kernel, thread: TcbPtr, call: &Invocation) -> Outcome {
    const SUSPEND_SOURCE: u64 = 1;
    const RESUME_TARGET: u64 = 2;
    const TRANSFER_FRAME: u64 = 4;
    const TRANSFER_INTEGER: u64 = 8;
    call.need_words(1)?;
    let flags = call.word(0);
    let Cap::Tcb(source) = call.extra_cap(0)? else {
        return Err(SyscallError::InvalidCapability(1).into());
    };
    if flags & SUSPEND_SOURCE != 0 {
        tcb::suspend(k, source);
    }
    if flags & RESUME_TARGET != 0 {
        tcb::resume(k, thread);
    }
    if is_caller(k, source) {
        arch::save_bases(&source.context);
    }
    for &register in Register::ALL {
        let wanted = if arch::Context::is_frame_register(register) {
            flags & TRANSFER_FRAME != 0
        } else {
            flags & TRANSFER_INTEGER != 0
        };
        if wanted {
            thread.context.replace(register, source.context.read(register));
        }
    }
    if is_caller(k, thread) {
        arch::load_bases(&thread.context);
    }
    Ok(Done::Nothing)
}

/// Sets the FS or GS base; effective at once if the thread is the caller.
pub fn set_base(k: &Kernel, thread: TcbPtr, register: Register, base: u64) {
    if is_caller(k, thread) {
        arch::save_bases(&thread.context);
    }
    thread.context.set(register, arch::context::canonical_or_zero(base));
    if is_caller(k, thread) {
        arch::load_bases(&thread.context);
    }
}

fn set_flags(k: &mut Kernel, thread: TcbPtr, call: &Invocation) -> Outcome {
    call.need_words(2)?;
    let set = call.word(1) & sel_abi::TCB_FLAG_FPU_DISABLED;
    let flags = (thread.flags.get() & !call.word(0)) | set;
    thread.flags.set(flags);
    if flags & sel_abi::TCB_FLAG_FPU_DISABLED != 0 {
        k.fpu_release(thread);
    }
    if is_caller(k, thread) {
        k.switch_fpu(thread);
    }
    Ok(Done::Word(flags))
}

// ---- spaces and buffer ----

/// A capability to be installed: itself, and the slot that it is derived from.
#[derive(Clone, Copy)]
struct Derived {
    cap: Cap,
    slot: SlotPtr,
}

/// Check (a) of Configure: the IPC buffer frame; None for address 0.
fn buffer_frame(slot: SlotPtr, address: u64) -> Result<Option<Derived>, SyscallError> {
    if address == 0 {
        return Ok(None);
    }
    let cap = derive::derive(slot, slot.cap())?;
    let Cap::Frame(frame) = cap else { return Err(SyscallError::IllegalOperation) };
    if frame.device {
        return Err(SyscallError::IllegalOperation);
    }
    if address & ((1 << IPC_BUFFER_BITS) - 1) != 0 {
        return Err(SyscallError::AlignmentError);
    }
    Ok(Some(Derived { cap, slot }))
}

/// Checks (b) to (d) of Configure: the CSpace and VSpace roots.
fn space_roots(
    thread: TcbPtr,
    (cspace, cspace_data): (SlotPtr, u64),
    vspace: SlotPtr,
) -> Result<(Derived, Derived), SyscallError> {
    if [TcbSlot::CSpace, TcbSlot::VSpace].iter().any(|&slot| delete::is_long(thread.slot_ptr(slot))) {
        return Err(SyscallError::IllegalOperation);
    }
    let mut root = cspace.cap();
    if cspace_data != 0 {
        root = derive::apply_data(root, cspace_data, false);
    }
    let root = derive::derive(cspace, root)?;
    if !matches!(root, Cap::CNode(_)) {
        return Err(SyscallError::IllegalOperation);
    }
    let space = derive::derive(vspace, vspace.cap())?;
    if !matches!(space, Cap::Pml4(pml4) if pml4.asid.is_some()) {
        return Err(SyscallError::IllegalOperation);
    }
    Ok((Derived { cap: root, slot: cspace }, Derived { cap: space, slot: vspace }))
}

fn install_spaces(k: &mut Kernel, thread: TcbPtr, (cspace, vspace): (Derived, Derived)) {
    tcb::install(k, thread, TcbSlot::CSpace, cspace.cap, cspace.slot);
    tcb::install(k, thread, TcbSlot::VSpace, vspace.cap, vspace.slot);
    if is_caller(k, thread) {
        arch::set_address_space(asid::space_of(k, thread));
    }
}

fn install_buffer(k: &mut Kernel, thread: TcbPtr, buffer: Option<Derived>, address: u64) {
    delete::delete_short(k, thread.slot_ptr(TcbSlot::Buffer));
    thread.ipc_buffer_address.set(address);
    if let Some(buffer) = buffer {
        tcb::install(k, thread, TcbSlot::Buffer, buffer.cap, buffer.slot);
    }
}

fn configure(k: &mut Kernel, thread: TcbPtr, call: &Invocation) -> Outcome {
    call.need_words(3)?;
    call.need_caps(3)?;
    let buffer = buffer_frame(call.extra_slot(2)?, call.word(2))?;
    let spaces = space_roots(thread, (call.extra_slot(0)?, call.word(0)), call.extra_slot(1)?)?;
    install_spaces(k, thread, spaces);
    install_buffer(k, thread, buffer, call.word(2));
    Ok(Done::Nothing)
}

fn set_space(k: &mut Kernel, thread: TcbPtr, call: &Invocation) -> Outcome {
    call.need_words(2)?;
    call.need_caps(3)?;
    let spaces = space_roots(thread, (call.extra_slot(1)?, call.word(0)), call.extra_slot(2)?)?;
    let handler = handler_cap(call.extra_slot(0)?, 1)?;
    install_handler(k, thread, TcbSlot::FaultHandler, handler)?;
    install_spaces(k, thread, spaces);
    Ok(Done::Nothing)
}

/// A capability that may be a fault or timeout handler; else InvalidCapability(`number`).
fn handler_cap(slot: SlotPtr, number: u64) -> Result<Derived, SyscallError> {
    let cap = slot.cap();
    if fault::is_valid_handler(&cap) {
        Ok(Derived { cap, slot })
    } else {
        Err(SyscallError::InvalidCapability(number))
    }
}

/// Installs a handler. Nothing else has been changed before this, so that the call can be made again after a preemption.
fn install_handler(
    k: &mut Kernel,
    thread: TcbPtr,
    which: TcbSlot,
    handler: Derived,
) -> Result<(), Preempted> {
    tcb::make_room(k, thread, which)?;
    tcb::install(k, thread, which, handler.cap, handler.slot);
    Ok(())
}

// ---- scheduling ----

/// A priority from message word `index` that the authority in extra capability 0 may give.
fn authorised_priority(call: &Invocation, index: usize) -> Result<u8, SyscallError> {
    call.need_words(index + 1)?;
    let Cap::Tcb(authority) = call.extra_cap(0)? else {
        return Err(SyscallError::InvalidCapability(1));
    };
    let max = authority.mcp.get();
    match u8::try_from(call.word(index)) {
        Ok(priority) if priority <= max => Ok(priority),
        _ => Err(SyscallError::RangeError { min: 0, max: u64::from(max) }),
    }
}

fn set_sched_params(k: &mut Kernel, thread: TcbPtr, call: &Invocation) -> Outcome {
    call.need_words(2)?;
    call.need_caps(3)?;
    let mcp = authorised_priority(call, 0)?;
    let priority = authorised_priority(call, 1)?;
    let context = match call.extra_cap(1)? {
        Cap::SchedContext(context) => {
            let context = context.object;
            if thread.sched_context.get() != Some(context) {
                let refused = thread.sched_context.get().is_some()
                    || context.thread.get().is_some()
                    || (thread.is_blocked() && !context.is_ready(k.now));
                if refused {
                    return Err(SyscallError::IllegalOperation.into());
                }
            }
            Some(context)
        }
        Cap::Null if is_caller(k, thread) => return Err(SyscallError::IllegalOperation.into()),
        Cap::Null => None,
        _ => return Err(SyscallError::InvalidCapability(2).into()),
    };
    let handler = handler_cap(call.extra_slot(2)?, 3)?;
    install_handler(k, thread, TcbSlot::FaultHandler, handler)?;
    thread.mcp.set(mcp);
    tcb::set_priority(k, thread, priority);
    match (context, thread.sched_context.get()) {
        (Some(context), None) => sched_context::bind_thread(k, context, thread),
        (None, Some(held)) => sched_context::unbind_thread(k, held),
        _ => {}
    }
    Ok(Done::Nothing)
}

fn bind_notification(thread: TcbPtr, call: &Invocation) -> Outcome {
    let cap = call.extra_cap(0)?;
    if thread.bound_notification.get().is_some() {
        return Err(SyscallError::IllegalOperation.into());
    }
    match cap {
        Cap::Notification(notification)
            if notification.rights.contains(CapRights::READ)
                && notification.object.queue.is_empty()
                && notification.object.bound_thread.get().is_none() =>
        {
            notification::bind(notification.object, thread);
            Ok(Done::Nothing)
        }
        _ => Err(SyscallError::IllegalOperation.into()),
    }
}
