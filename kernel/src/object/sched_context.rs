//! Scheduling contexts: processor time as an object (abi.md 7.7, 9.7).
use core::cell::Cell;

use sel_abi::{Label, MIN_REFILLS, max_extra_refills};

use super::notification::Notification;
use super::reply::Reply;
use super::tcb::TcbPtr;
use crate::addr::{self, KernelPtr};
use crate::cap::{Cap, SchedContextCap};
use crate::error::{Stop, SyscallError};
use crate::invoke::{Done, Invocation};
use crate::ipc;
use crate::sched::refill::{Refill, Refills};
use crate::state::Kernel;

/// Header of a scheduling context: retyped, zeroed memory of 2^n bytes; the refills follow.
#[repr(C)]
pub struct SchedContext {
    /// Ticks between replenishments; 0 = round robin.
    pub period: Cell<u64>,
    /// Ticks used since the last report.
    pub consumed: Cell<u64>,
    /// The thread that runs on it.
    pub thread: Cell<Option<TcbPtr>>,
    /// The newest reply object of the calls that it was lent through.
    pub reply: Cell<Option<KernelPtr<Reply>>>,
    /// The notification that lends it to who takes a signal.
    pub notification: Cell<Option<KernelPtr<Notification>>>,
    /// Identifies it in timeout messages.
    pub badge: Cell<u64>,
    /// The thread that yielded to this one's thread and waits to be told the time it used.
    pub yield_from: Cell<Option<TcbPtr>>,
    /// Index of the first refill.
    head: Cell<u64>,
    /// Refills in use.
    count: Cell<u64>,
    /// Refills at most; 0 = not configured.
    max_refills: Cell<u64>,
    /// Core in bits 0..32, [`SPORADIC`].
    flags: Cell<u64>,
    /// Its thread was interrupted while it could go on, and stands in a ready queue since.
    pub interrupted: Cell<bool>,
}

const SPORADIC: u64 = 1 << 32;

const _: () = assert!(
    size_of::<SchedContext>() as u64 + MIN_REFILLS * sel_abi::REFILL_BYTES
        == sel_abi::CORE_SCHED_CONTEXT_BYTES
);

impl SchedContext {
    /// It was configured.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.max_refills.get() != 0
    }

    /// Budget equals period: it is shared in turns and never runs out.
    #[inline]
    pub fn is_round_robin(&self) -> bool {
        self.period.get() == 0
    }

    /// A sporadic server, not a constant-bandwidth one.
    #[inline]
    pub fn is_sporadic(&self) -> bool {
        self.flags.get() & SPORADIC != 0
    }
}

impl KernelPtr<SchedContext> {
    /// The refills; only of a configured scheduling context.
    #[inline]
    pub fn refills(&self) -> Refills<'_> {
        let this = self.get();
        let count = this.max_refills.get() as usize;
        // SAFETY: the object is header and refills, as many as ConfigureFlags found room for; zeroed memory is valid.
        let ring = unsafe { addr::cells::<Refill>(self.element(1).phys(), count) };
        Refills { ring, head: &this.head, count: &this.count }
    }

    /// The head refill may be used.
    #[inline]
    pub fn is_ready(&self, now: u64) -> bool {
        self.is_active() && self.refills().ready(now)
    }

    /// After `used` ticks at least the least budget is left in the head refill.
    #[inline]
    pub fn is_sufficient(&self, k: &Kernel, used: u64) -> bool {
        self.refills().sufficient(k.time.min_budget, used)
    }

    /// The head refill may be used now, and after `used` ticks enough of it is left to run.
    #[inline]
    pub fn has_time(&self, k: &Kernel, used: u64) -> bool {
        self.is_ready(k.now) && self.is_sufficient(k, used)
    }

    /// It becomes the one that pays: a constant bandwidth server's budget starts now, but not where its thread was only
    /// interrupted. What was used before the interruption and what is used after it then come back together, as one
    /// activation; that holds until the first of it comes back.
    #[inline(always)]
    pub fn turn_begins(&self, now: u64) {
        if self.is_round_robin() {
            return;
        }
        let goes_on = self.interrupted.replace(false) && self.refills().tail().time > now;
        if !goes_on && !self.is_sporadic() {
            self.refills().unblock_check(now);
        }
    }

    /// Its thread was woken: a sporadic server's budget starts now.
    #[inline(always)]
    pub fn woken(&self, k: &Kernel) {
        if self.is_sporadic()
            && self.is_active()
            && !self.is_round_robin()
            && k.current_context != Some(*self)
        {
            self.refills().unblock_check(k.now);
        }
    }
}

/// A thread was woken, see [`KernelPtr::woken`]; nothing happens if it has no scheduling context.
#[inline(always)]
pub fn thread_woken(k: &Kernel, thread: TcbPtr) {
    if let Some(context) = thread.sched_context.get() {
        context.woken(k);
    }
}

// ---- decode ----

/// Decodes an invocation of a scheduling context capability.
pub fn invoke(k: &mut Kernel, cap: SchedContextCap, call: &Invocation) -> Result<Done, Stop> {
    let context = cap.object;
    match call.label() {
        Some(Label::SchedContextBind) => bind(k, context, call),
        Some(Label::SchedContextUnbind) => {
            if k.current.is_some() && context.thread.get() == k.current {
                return Err(SyscallError::IllegalOperation.into());
            }
            unbind_all(k, context);
            Ok(Done::Nothing)
        }
        Some(Label::SchedContextUnbindObject) => unbind_object(k, context, call),
        Some(Label::SchedContextConsumed) => Ok(Done::Word(report_consumed(k, context))),
        Some(Label::SchedContextYieldTo) => yield_to(k, context),
        _ => Err(SyscallError::IllegalOperation.into()),
    }
}

fn bind(k: &mut Kernel, context: KernelPtr<SchedContext>, call: &Invocation) -> Result<Done, Stop> {
    match call.extra_cap(0)? {
        Cap::Tcb(thread) => {
            if context.thread.get().is_some() || thread.sched_context.get().is_some() {
                return Err(SyscallError::IllegalOperation.into());
            }
            if thread.is_blocked() && !context.is_ready(k.now) {
                return Err(SyscallError::IllegalOperation.into());
            }
            bind_thread(k, context, thread);
            Ok(Done::Nothing)
        }
        Cap::Notification(notification) => {
            if context.notification.get().is_some() || notification.object.sched_context.get().is_some() {
                return Err(SyscallError::IllegalOperation.into());
            }
            context.notification.set(Some(notification.object));
            notification.object.sched_context.set(Some(context));
            Ok(Done::Nothing)
        }
        _ => Err(SyscallError::InvalidCapability(1).into()),
    }
}

fn unbind_object(k: &mut Kernel, context: KernelPtr<SchedContext>, call: &Invocation) -> Result<Done, Stop> {
    match call.extra_cap(0)? {
        Cap::Tcb(thread) => {
            if context.thread.get() != Some(thread) || k.current == Some(thread) {
                return Err(SyscallError::IllegalOperation.into());
            }
            unbind_thread(k, context);
            Ok(Done::Nothing)
        }
        Cap::Notification(notification) => {
            if context.notification.get() != Some(notification.object) {
                return Err(SyscallError::IllegalOperation.into());
            }
            unbind_notification(context);
            Ok(Done::Nothing)
        }
        _ => Err(SyscallError::InvalidCapability(1).into()),
    }
}

fn yield_to(k: &mut Kernel, context: KernelPtr<SchedContext>) -> Result<Done, Stop> {
    let (Some(caller), Some(target)) = (k.current, context.thread.get()) else {
        return Err(SyscallError::IllegalOperation.into());
    };
    if target == caller || target.priority.get() > caller.mcp.get() {
        return Err(SyscallError::IllegalOperation.into());
    }
    complete_yield_from(k, context);
    if context.is_active() {
        let ready = context.has_time(k, 0);
        if target.is_runnable() && !ready {
            k.postpone(context);
        }
    }
    if !target.is_schedulable() {
        return Ok(Done::Word(report_consumed(k, context)));
    }
    k.dequeue(target);
    if target.domain.get() != k.sched.domain() || target.priority.get() < caller.priority.get() {
        k.enqueue_head(target);
        return Ok(Done::Word(report_consumed(k, context)));
    }
    // The caller is told the time when it runs again.
    caller.yield_to.set(Some(context));
    context.yield_from.set(Some(caller));
    k.enqueue_head(caller);
    k.enqueue_head(target);
    k.reschedule();
    Ok(Done::Later)
}

// ---- perform ----

/// Parameters of ConfigureFlags in ticks.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Ticks per period.
    pub budget: u64,
    /// Ticks; equal to the budget for round robin.
    pub period: u64,
    /// Refills beyond the two that every scheduling context has.
    pub extra_refills: u64,
    /// Identifies it in timeout messages.
    pub badge: u64,
    /// Sporadic server.
    pub sporadic: bool,
}

/// Configures a scheduling context (abi.md 7.7).
pub fn configure(k: &mut Kernel, context: KernelPtr<SchedContext>, budget: &Budget) {
    let round_robin = budget.budget == budget.period;
    let period = if round_robin { 0 } else { budget.period };
    context.badge.set(budget.badge);
    context.interrupted.set(false);
    if k.current_context == Some(context) {
        k.commit_time();
        k.reprogram = true;
    }
    let thread = context.thread.get();
    if let Some(thread) = thread
        && k.current != Some(thread)
        && thread.queued.get() == super::tcb::Queued::Release
    {
        // Its time changes below; it is put off again if need be.
        k.dequeue(thread);
    }
    let carries_over =
        context.is_active() && !round_robin && thread.is_some_and(|thread| thread.is_runnable());
    context.flags.set(if budget.sporadic { SPORADIC } else { 0 });
    let max_refills = budget.extra_refills + MIN_REFILLS;
    if carries_over {
        context.refills().update(k.now, period, budget.budget);
        context.max_refills.set(max_refills);
    } else {
        context.max_refills.set(max_refills);
        context.head.set(0);
        context.count.set(1);
        context.refills().new_budget(k.now, budget.budget, round_robin);
    }
    context.period.set(period);
    if let Some(thread) = thread
        && thread.is_runnable()
    {
        // The current thread goes on until its budget is checked.
        if k.current != Some(thread) || context.has_time(k, 0) {
            ipc::wake(k, thread);
        }
    }
}

/// Binds a thread that has no scheduling context to one that has no thread.
pub fn bind_thread(k: &mut Kernel, context: KernelPtr<SchedContext>, thread: TcbPtr) {
    context.thread.set(Some(thread));
    thread.sched_context.set(Some(context));
    context.woken(k);
    if thread.is_runnable() {
        ipc::wake(k, thread);
    }
}

/// Takes the scheduling context from its thread, which can no longer be scheduled.
#[inline(always)]
pub fn unbind_thread(k: &mut Kernel, context: KernelPtr<SchedContext>) {
    let Some(thread) = context.thread.get() else { return };
    k.dequeue(thread);
    thread.sched_context.set(None);
    context.thread.set(None);
}

/// Takes the scheduling context from its notification.
pub fn unbind_notification(context: KernelPtr<SchedContext>) {
    if let Some(notification) = context.notification.take() {
        notification.sched_context.set(None);
    }
}

fn unbind_all(k: &mut Kernel, context: KernelPtr<SchedContext>) {
    unbind_thread(k, context);
    unbind_notification(context);
    if let Some(reply) = context.reply.take() {
        // The chain below keeps its order, but leads to no scheduling context any more.
        reply.sched_context.set(None);
    }
}

/// Moves a scheduling context to a thread that has none.
#[inline(always)]
pub fn donate(k: &mut Kernel, context: KernelPtr<SchedContext>, to: TcbPtr) {
    unbind_thread(k, context);
    context.thread.set(Some(to));
    to.sched_context.set(Some(context));
}

/// Microseconds charged since the last report; starts a new count.
pub fn report_consumed(k: &Kernel, context: KernelPtr<SchedContext>) -> u64 {
    let consumed = context.consumed.get();
    context.consumed.set(0);
    k.time.us(consumed)
}

/// Forgets that a thread waits in YieldTo: it is told nothing, and the time used stays to be reported (abi.md 9.2).
pub fn cancel_yield_to_of(thread: TcbPtr) {
    if let Some(context) = thread.yield_to.take() {
        context.yield_from.set(None);
    }
}

/// Answers the thread that yielded to this scheduling context, if there is one.
pub fn complete_yield_from(k: &mut Kernel, context: KernelPtr<SchedContext>) {
    if let Some(thread) = context.yield_from.get() {
        complete_yield_to_of(k, thread);
    }
}

/// Answers a thread that waits in YieldTo: it is told the time used.
pub fn complete_yield_to_of(k: &mut Kernel, thread: TcbPtr) {
    let Some(context) = thread.yield_to.take() else { return };
    context.yield_from.set(None);
    let consumed = report_consumed(k, context);
    crate::invoke::reply_with_word(thread, consumed);
}

// ---- destroy ----

/// Destroys a scheduling context: threads, notification and callers lose it (abi.md 9.5).
pub fn destroy(k: &mut Kernel, context: KernelPtr<SchedContext>) {
    complete_yield_from(k, context);
    unbind_all(k, context);
    if k.current_context == Some(context) {
        // Nobody is left to pay for the pending time.
        k.current_context = None;
        k.charged = k.now;
        k.reschedule();
        k.reprogram = true;
    }
}

/// Greatest number of extra refills of a scheduling context of this size.
pub fn max_extra(cap: &SchedContextCap) -> u64 {
    max_extra_refills(u64::from(cap.size_bits))
}
