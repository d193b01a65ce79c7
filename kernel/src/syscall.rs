//! Kernel entries: system calls, exceptions, interrupts (abi.md 2.1 to 2.4).
use sel_abi::registers::{CAP_REGISTER, NB_SEND_RECV_REGISTER, REPLY_REGISTER};
use sel_abi::{CapRights, MessageInfo, Register, Syscall};

use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::{Cap, lookup};
use crate::dump::NAME_BYTES;
use crate::error::{LookupFailure, Preempted, Stop};
use crate::fault::{self, Fault};
use crate::invoke::{self, Invocation};
use crate::ipc::fastpath::{self, Refusal};
use crate::ipc::{message, transfer};
use crate::latency::Cause;
use crate::object::reply::Reply;
use crate::object::tcb::{SendMode, TcbPtr, ThreadState};
use crate::object::{endpoint, irq, notification, reply, tcb_invoke};
use crate::print;
use crate::state::Kernel;

/// How the send phase of a system call goes.
#[derive(Clone, Copy)]
struct SendPhase {
    is_call: bool,
    blocking: bool,
    may_donate: bool,
    /// First of two phases: failures are not reported.
    first_of_two: bool,
}

const CALL: SendPhase = SendPhase { is_call: true, blocking: true, may_donate: true, first_of_two: false };
const SEND: SendPhase = SendPhase { is_call: false, blocking: true, may_donate: false, first_of_two: false };
const NB_SEND: SendPhase =
    SendPhase { is_call: false, blocking: false, may_donate: false, first_of_two: false };
const FIRST_PHASE: SendPhase =
    SendPhase { is_call: false, blocking: false, may_donate: true, first_of_two: true };

/// A Call of the current thread; it passed `cptr` and `info`.
#[inline(always)]
pub fn call(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    match fastpath::short_call(k, thread, cptr, info, false) {
        Ok(call) => {
            call.perform(k, false);
            k.latency.end_of_stretch();
        }
        Err(Refusal::Crowd) => call_in_crowd(k, thread, cptr, info),
        Err(Refusal::Other) => slow(k, thread, Syscall::Call.raw()),
    }
}

/// A ReplyRecv of the current thread.
#[inline(always)]
pub fn reply_recv(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    match fastpath::short_reply_recv(k, thread, cptr, info, false) {
        Ok(call) => {
            call.perform(k, false);
            k.latency.end_of_stretch();
        }
        Err(Refusal::Crowd) => reply_recv_in_crowd(k, thread, cptr, info),
        Err(Refusal::Other) => slow(k, thread, Syscall::ReplyRecv.raw()),
    }
}

/// Any other system call of the current thread.
#[inline(always)]
pub fn other(k: &mut Kernel, thread: TcbPtr, number: i64) {
    if let Some(call) = Syscall::from_raw(number)
        && (benchmark_call(thread, call) || debug_call(k, thread, call))
    {
        // They are not charged, and nothing is decided (abi.md 2.4).
        k.latency.end_of_stretch();
    } else {
        slow(k, thread, number);
    }
}

/// A Call to an endpoint at which several threads wait, or none.
#[inline(never)]
fn call_in_crowd(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    match fastpath::short_call(k, thread, cptr, info, true) {
        Ok(call) => {
            call.perform(k, true);
            k.latency.end_of_stretch();
        }
        Err(_) => slow(k, thread, Syscall::Call.raw()),
    }
}

/// A ReplyRecv from an endpoint at which others wait.
#[inline(never)]
fn reply_recv_in_crowd(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo) {
    match fastpath::short_reply_recv(k, thread, cptr, info, true) {
        Ok(call) => {
            call.perform(k, true);
            k.latency.end_of_stretch();
        }
        Err(_) => slow(k, thread, Syscall::ReplyRecv.raw()),
    }
}

/// A system call that no fast path takes.
#[inline(never)]
pub fn slow(k: &mut Kernel, thread: TcbPtr, number: i64) {
    let call = Syscall::from_raw(number);
    let number = number.cast_unsigned();
    k.update_time();
    if k.check_budget_or_restart() {
        match call {
            Some(call) => api_call(k, thread, call, number),
            None => fault::raise(k, thread, Fault::UnknownSyscall { number }),
        }
    }
    k.finish();
}

fn api_call(k: &mut Kernel, thread: TcbPtr, call: Syscall, number: u64) {
    let argument = |register: Register| thread.context.get(register);
    let target = argument(CAP_REGISTER);
    let outcome = match call {
        Syscall::Call => send(k, thread, target, CALL),
        Syscall::Send => send(k, thread, target, SEND),
        Syscall::NbSend => send(k, thread, target, NB_SEND),
        Syscall::Recv => receive(k, thread, target, true, true),
        Syscall::NbRecv => receive(k, thread, target, false, true),
        Syscall::Wait => receive(k, thread, target, true, false),
        Syscall::NbWait => receive(k, thread, target, false, false),
        Syscall::ReplyRecv => {
            let to = argument(REPLY_REGISTER);
            send(k, thread, to, FIRST_PHASE).and_then(|()| receive(k, thread, target, true, true))
        }
        Syscall::NbSendRecv => {
            let to = argument(NB_SEND_RECV_REGISTER);
            send(k, thread, to, FIRST_PHASE).and_then(|()| receive(k, thread, target, true, true))
        }
        Syscall::NbSendWait => {
            let to = argument(REPLY_REGISTER);
            send(k, thread, to, FIRST_PHASE).and_then(|()| receive(k, thread, target, true, false))
        }
        Syscall::Yield => {
            k.yield_now();
            k.reschedule();
            Ok(())
        }
        Syscall::SetTlsBase if k.config.set_tls_base => {
            // A non-canonical base is ignored.
            if arch::context::canonical_or_zero(target) == target {
                tcb_invoke::set_base(k, thread, Register::FsBase, target);
            }
            Ok(())
        }
        _ => {
            fault::raise(k, thread, Fault::UnknownSyscall { number });
            Ok(())
        }
    };
    if outcome == Err(Preempted) {
        while let Some(vector) = arch::take_interrupt() {
            deliver_interrupt(k, vector);
        }
        // The budget may be what ran out.
        let _ = k.check_budget_or_restart();
        k.reschedule();
    }
}

/// The send phase. Preempted: the thread's state is Restart, and the whole call is executed again.
fn send(k: &mut Kernel, thread: TcbPtr, cptr: u64, phase: SendPhase) -> Result<(), Preempted> {
    let slot = match lookup::thread_slot(&thread, cptr) {
        Ok(slot) => slot,
        Err(failure) => {
            if phase.blocking {
                fault::raise(k, thread, Fault::Cap { address: cptr, receiving: false, failure });
            }
            return Ok(());
        }
    };
    let mut extra = [None; sel_abi::MSG_MAX_EXTRA_CAPS];
    let offered = message::info(&thread).extra_caps();
    if offered > 0
        && let Some(buffer) = thread.ipc_buffer(false)
    {
        match transfer::extra_caps(thread, buffer, offered) {
            Ok(slots) => extra = slots,
            Err((address, failure)) => {
                if phase.blocking {
                    fault::raise(k, thread, Fault::Cap { address, receiving: false, failure });
                }
                return Ok(());
            }
        }
    }
    let cap = slot.cap();
    match cap {
        Cap::Endpoint(to) if to.rights.contains(CapRights::WRITE) => {
            let mode = SendMode::of(&to, phase.is_call);
            endpoint::send(k, thread, to.object, mode, phase.blocking, phase.may_donate);
            return Ok(());
        }
        Cap::Notification(to) if to.rights.contains(CapRights::WRITE) => {
            notification::signal(k, to.object, to.badge);
            answer_empty(thread, phase);
            return Ok(());
        }
        Cap::Reply(to) => {
            reply::send(k, thread, &to);
            answer_empty(thread, phase);
            return Ok(());
        }
        _ => {}
    }
    // While an invocation is performed the thread would execute it again if it were stopped.
    thread.state.set(ThreadState::Restart);
    let call = Invocation::new(k, thread, slot, extra);
    let outcome = invoke::invoke(k, cap, &call, phase.first_of_two);
    match outcome {
        Err(Stop::Preempted) => return Err(Preempted),
        Err(Stop::Error(error)) if phase.is_call => invoke::reply_error(thread, error),
        Err(Stop::Error(_)) => {}
        Ok(done) => {
            if thread.state.get() != ThreadState::Restart {
                return Ok(());
            }
            if phase.is_call {
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
fn answer_empty(thread: TcbPtr, phase: SendPhase) {
    if phase.is_call && thread.is_runnable() {
        invoke::reply(thread, invoke::Done::Nothing);
    }
}

/// The receive phase (abi.md 2.3).
fn receive(
    k: &mut Kernel,
    thread: TcbPtr,
    cptr: u64,
    blocking: bool,
    with_reply: bool,
) -> Result<(), Preempted> {
    if !thread.is_runnable() {
        // The first phase stopped the thread.
        return Ok(());
    }
    if let Err((address, failure)) = try_receive(k, thread, cptr, blocking, with_reply) {
        fault::raise(k, thread, Fault::Cap { address, receiving: true, failure });
    }
    Ok(())
}

fn try_receive(
    k: &mut Kernel,
    thread: TcbPtr,
    cptr: u64,
    blocking: bool,
    with_reply: bool,
) -> Result<(), (u64, LookupFailure)> {
    const MISSING: LookupFailure = LookupFailure::MissingCapability { bits_left: 0 };
    let slot = lookup::thread_slot(&thread, cptr).map_err(|failure| (cptr, failure))?;
    match slot.cap() {
        Cap::Endpoint(from) if from.rights.contains(CapRights::READ) => {
            let reply = if with_reply { Some(find_reply(thread)?) } else { None };
            endpoint::receive(k, thread, from.object, reply, blocking);
            Ok(())
        }
        Cap::Notification(from) if from.rights.contains(CapRights::READ) => {
            let bound = from.object.bound_thread.get();
            if bound.is_some_and(|bound| bound != thread) {
                return Err((cptr, MISSING));
            }
            notification::wait(k, thread, from.object, blocking);
            Ok(())
        }
        _ => Err((cptr, MISSING)),
    }
}

fn find_reply(thread: TcbPtr) -> Result<KernelPtr<Reply>, (u64, LookupFailure)> {
    let cptr = thread.context.get(REPLY_REGISTER);
    let slot = lookup::thread_slot(&thread, cptr).map_err(|failure| (cptr, failure))?;
    match slot.cap() {
        Cap::Reply(reply) => Ok(reply.object),
        _ => Err((cptr, LookupFailure::MissingCapability { bits_left: 0 })),
    }
}

/// Debug calls; true if the call was one that exists.
#[inline(never)]
fn debug_call(k: &mut Kernel, thread: TcbPtr, call: Syscall) -> bool {
    if !cfg!(feature = "debug") {
        return false;
    }
    let argument = thread.context.get(CAP_REGISTER);
    match call {
        Syscall::DebugPutChar => print::put_char(argument as u8),
        Syscall::DebugHalt => {
            let mut buffer = [0; NAME_BYTES];
            print::line(format_args!("halted by a debug call of thread {:?}", thread.name.text(&mut buffer)));
            arch::halt(0)
        }
        Syscall::DebugCapIdentify => {
            let tag = lookup::thread_slot(&thread, argument).map_or(0, |slot| slot.cap().tag().raw());
            thread.context.set(CAP_REGISTER, tag);
        }
        Syscall::DebugNameThread => name_thread(thread, argument),
        Syscall::DebugDumpScheduler => k.dump(),
        Syscall::DebugSnapshot => k.snapshot(),
        _ => return false,
    }
    true
}

/// Benchmark calls of a build without a kernel log; true if the call was one that exists.
#[inline(always)]
fn benchmark_call(thread: TcbPtr, call: Syscall) -> bool {
    if !cfg!(feature = "benchmark") {
        return false;
    }
    match call {
        Syscall::BenchmarkNullSyscall | Syscall::BenchmarkFinalizeLog => {}
        Syscall::BenchmarkFlushCaches => arch::flush_caches(),
        Syscall::BenchmarkResetLog => thread.context.set(CAP_REGISTER, sel_abi::Error::NoError.raw()),
        _ => return false,
    }
    true
}

/// DebugNameThread: the name stands at the start of the caller's message, NUL-terminated.
fn name_thread(caller: TcbPtr, cptr: u64) {
    let target = lookup::thread_slot(&caller, cptr).map(|slot| slot.cap());
    let (Ok(Cap::Tcb(target)), Some(buffer)) = (target, caller.ipc_buffer(false)) else {
        print::line(format_args!("DebugNameThread: not a TCB, or no IPC buffer"));
        arch::halt(1);
    };
    let bytes = buffer
        .iter()
        .skip(sel_abi::message::IPC_BUFFER_MSG_WORD)
        .take(sel_abi::MSG_MAX_LENGTH)
        .flat_map(|word| word.get().to_le_bytes());
    let mut name = [0; NAME_BYTES];
    let mut terminated = false;
    for (index, byte) in bytes.enumerate() {
        if byte == 0 {
            terminated = true;
            break;
        }
        if let Some(to) = name.get_mut(index) {
            *to = byte;
        }
    }
    if !terminated {
        print::line(format_args!("DebugNameThread: the name is too long"));
        arch::halt(1);
    }
    target.name.set(&name);
}

/// An exception of the current thread. `address` is CR2.
pub fn exception(k: &mut Kernel, vector: u64, code: u64, address: u64) {
    const PAGE_FAULT: u64 = 14;
    k.update_time();
    if let Some(thread) = k.current
        && k.check_budget_or_restart()
    {
        let fault = if vector == PAGE_FAULT {
            Fault::Vm { address, code: code & 0x1f }
        } else {
            Fault::Exception { vector: vector as u32, code: code as u32 & 0x0fff_ffff }
        };
        fault::raise(k, thread, fault);
    }
    k.finish();
}

/// `int N` of the current thread: an unknown system call (abi.md 2.1).
pub fn software_interrupt(k: &mut Kernel, vector: u64) {
    k.update_time();
    if let Some(thread) = k.current {
        // The instruction is two bytes long.
        let ip = thread.context.get(Register::Rip).wrapping_sub(2);
        thread.context.interrupted_at(ip);
        if k.check_budget_or_restart() {
            let eax = thread.context.get(Register::Rax) & 0x00ff_ffff;
            let number = ((vector << 24 | eax) as u32).cast_signed();
            fault::raise(k, thread, Fault::UnknownSyscall { number: i64::from(number).cast_unsigned() });
        }
    }
    k.finish();
}

/// An interrupt while the current thread ran.
pub fn interrupt(k: &mut Kernel, vector: u8) {
    k.update_time();
    let _ = k.check_budget_or_restart();
    deliver_interrupt(k, vector);
    k.finish();
}

fn deliver_interrupt(k: &mut Kernel, vector: u8) {
    if vector == arch::TIMER_VECTOR {
        k.reprogram = true;
    } else {
        irq::deliver(k, vector);
    }
    arch::end_of_interrupt();
}

impl Kernel {
    /// Ends a kernel entry: decides who runs, idles while nobody can, and prepares the return to user mode.
    pub fn finish(&mut self) {
        self.schedule();
        while self.current.is_none() {
            self.latency.end_of_stretch();
            arch::wait_for_interrupt();
            self.latency.begin(Cause::Interrupt);
            self.update_time();
            while let Some(vector) = arch::take_interrupt() {
                deliver_interrupt(self, vector);
            }
            self.schedule();
        }
        self.activate();
        self.latency.end_of_stretch();
    }
}
