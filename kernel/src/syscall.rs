//! Kernel entries: system calls, exceptions, interrupts (abi.md 2.1 to 2.4).
use bitflags::bitflags;
use sel_abi::fault::DebugReason;
use sel_abi::registers::{CAP_REGISTER, NB_SEND_RECV_REGISTER, REPLY_REGISTER};
use sel_abi::{CapRights, MessageInfo, Register, Syscall};

use crate::addr::KernelPtr;
use crate::arch;
use crate::cap::{Slot, lookup};
use crate::error::{LookupFailure, Preempted, Stop};
use crate::fault::{self, Fault};
use crate::invoke::{self, Invocation, Parcel};
use crate::ipc::fastpath::{self, Refusal, Width};
use crate::ipc::{direct, message, transfer};
use crate::latency::Cause;
use crate::object::reply::Reply;
use crate::object::tcb::{SendMode, TcbPtr, ThreadState};
use crate::object::{endpoint, irq, notification, reply, tcb_invoke};
use crate::other_calls;
use crate::sched::Action;
use crate::state::Kernel;

bitflags! {
    /// What a system call does: at most two phases, each in one of a few ways (abi.md 2.2, 2.3).
    #[derive(Clone, Copy)]
    struct Plan: u16 {
        /// There is a send phase.
        const SEND = 1 << 0;
        /// The sender wants an answer.
        const ANSWERED = 1 << 1;
        /// The sender waits for a receiver, and failures are reported.
        const SEND_BLOCKS = 1 << 2;
        /// The receiver may get the sender's scheduling context.
        const DONATES = 1 << 3;
        /// The send phase is the first of two.
        const FIRST = 1 << 4;
        /// The first phase is for the capability that NBSendRecv names apart.
        const SEND_APART = 1 << 5;
        /// There is a receive phase.
        const RECEIVE = 1 << 6;
        /// The receiver waits for a message.
        const RECEIVE_BLOCKS = 1 << 7;
        /// The receiver brings a reply object along.
        const WITH_REPLY = 1 << 8;
        /// Yield.
        const YIELD = 1 << 9;
    }
}

impl Plan {
    const CALL: Plan = Plan::SEND.union(Plan::ANSWERED).union(Plan::SEND_BLOCKS).union(Plan::DONATES);
    const FIRST_PHASE: Plan = Plan::SEND.union(Plan::DONATES).union(Plan::FIRST);
    const WAIT: Plan = Plan::RECEIVE.union(Plan::RECEIVE_BLOCKS);
    const RECV: Plan = Plan::WAIT.union(Plan::WITH_REPLY);

    /// The plan of a system call that has one.
    const fn of(call: Syscall) -> Option<Plan> {
        Some(match call {
            Syscall::Call => Plan::CALL,
            Syscall::ReplyRecv => Plan::FIRST_PHASE.union(Plan::RECV),
            Syscall::NbSendRecv => Plan::FIRST_PHASE.union(Plan::SEND_APART).union(Plan::RECV),
            Syscall::NbSendWait => Plan::FIRST_PHASE.union(Plan::WAIT),
            Syscall::Send => Plan::SEND.union(Plan::SEND_BLOCKS),
            Syscall::NbSend => Plan::SEND,
            Syscall::Recv => Plan::RECV,
            Syscall::NbRecv => Plan::RECEIVE.union(Plan::WITH_REPLY),
            Syscall::Wait => Plan::WAIT,
            Syscall::NbWait => Plan::RECEIVE,
            Syscall::Yield => Plan::YIELD,
            _ => return None,
        })
    }
}

/// The plans by number: the first one is that of system call -1.
const PLANS: [Plan; 11] = {
    let mut plans = [Plan::empty(); 11];
    let mut index = 0;
    while index < plans.len() {
        if let Some(call) = Syscall::from_raw(-1 - index as i64)
            && let Some(plan) = Plan::of(call)
        {
            plans[index] = plan;
        }
        index += 1;
    }
    plans
};

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

/// One of the other system calls that every build has.
#[inline(always)]
pub fn other_call(k: &mut Kernel, thread: TcbPtr, cptr: u64, info: MessageInfo, number: i64) {
    const SEND: i64 = Syscall::Send.raw();
    const NB_SEND: i64 = Syscall::NbSend.raw();
    const WAIT: i64 = Syscall::Wait.raw();
    const NB_WAIT: i64 = Syscall::NbWait.raw();
    const YIELD: i64 = Syscall::Yield.raw();
    if !k.reads_clock_in_time() {
        return slow(k, thread, number);
    }
    if number == YIELD && k.yield_slice(thread) {
        return k.latency.end_of_stretch();
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
        Some(plan) => follow(k, thread, *plan, slot),
        None => unplanned(k, thread, number),
    }
    k.finish();
}

#[inline(always)]
fn follow(k: &mut Kernel, thread: TcbPtr, plan: Plan, mut slot: Option<KernelPtr<Slot>>) {
    if plan.contains(Plan::SEND) {
        let mut register = CAP_REGISTER;
        if plan.contains(Plan::FIRST) {
            slot = None;
            register = if plan.contains(Plan::SEND_APART) { NB_SEND_RECV_REGISTER } else { REPLY_REGISTER };
        }
        if send(k, thread, register, slot, plan) == Err(Preempted) {
            return preempted(k);
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

/// A system call of a preempted thread is executed again.
#[cold]
#[inline(never)]
fn preempted(k: &mut Kernel) {
    while let Some(vector) = arch::take_interrupt() {
        deliver_interrupt(k, vector);
    }
    // The budget may be what ran out.
    let _ = k.check_budget_or_restart();
    k.reschedule();
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

/// An exception of the current thread. `address` is CR2.
pub fn exception(k: &mut Kernel, vector: u64, code: u64, address: u64) {
    const DEBUG: u64 = 1;
    const BREAKPOINT: u64 = 3;
    const PAGE_FAULT: u64 = 14;
    k.update_time();
    if let Some(thread) = k.current
        && k.check_budget_or_restart()
    {
        let fault = match vector {
            PAGE_FAULT => Fault::Vm { address, code: code & 0x1f },
            DEBUG if k.config.labels.hardware_debug => Fault::Debug { reason: DebugReason::SingleStep },
            BREAKPOINT if k.config.labels.hardware_debug => {
                Fault::Debug { reason: DebugReason::BreakRequest }
            }
            _ => Fault::Exception { vector: vector as u32, code: code as u32 & 0x0fff_ffff },
        };
        if !k.has_to_awaken()
            && let Ok(call) = fastpath::short_fault(k, thread)
        {
            call.tell(k, fault);
            return k.latency.end_of_stretch();
        }
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
    if vector != arch::TIMER_VECTOR
        && k.reads_clock_in_time()
        && let Some(current) = k.current
    {
        let raised = irq::raised(k, vector);
        arch::end_of_interrupt();
        if let Some(to) = raised
            && !direct::signal(k, current, to.object, to.badge)
        {
            notification::signal(k, to.object, to.badge);
            k.finish();
        } else {
            k.latency.end_of_stretch();
        }
        return;
    }
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
    #[inline(always)]
    pub fn finish(&mut self) {
        if self.nothing_changed() {
            return self.latency.end_of_stretch();
        }
        self.leave_changed();
    }

    /// The current thread goes on as if it had not entered the kernel.
    #[inline(always)]
    fn nothing_changed(&self) -> bool {
        let Some(current) = self.current else { return false };
        self.action == Action::Continue
            && !self.reprogram
            && current.state.get() == ThreadState::Running
            && current.sched_context.get() == self.current_context
            && self.current_context.is_some()
            && !self.has_to_awaken()
            && !self.domain_used_up()
    }

    #[inline(always)]
    fn leave_changed(&mut self) {
        self.schedule();
        if self.current.is_none() {
            self.idle();
        }
        self.activate();
        self.latency.end_of_stretch();
    }

    /// Waits until a thread can run.
    #[cold]
    #[inline(never)]
    pub fn idle(&mut self) {
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
    }
}
