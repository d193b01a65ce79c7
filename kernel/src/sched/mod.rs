//! Scheduling: who runs next, on whose time, and when the timer must fire (abi.md 9.7).
//!
//! The current thread is in no queue while it runs. Whatever a kernel entry does is collected in [`Action`]; the
//! decision is made once, in [`Kernel::schedule`], before the kernel is left. That the current thread can run no longer
//! is seen there.

mod budget;
mod direct;
pub mod ready;
pub mod refill;

use crate::addr::KernelPtr;
use crate::arch;
use crate::object::asid;
use crate::object::sched_context::{self, SchedContext};
use crate::object::tcb::{Queued, TcbPtr, ThreadState};
use crate::queue::Queue;
use crate::state::Kernel;
use crate::trace;
use ready::ReadyQueues;

/// Threads of the release queue that one kernel entry wakes: what it may cost is bounded.
const WOKEN_AT_ONCE: usize = 32;

/// What the scheduler has to do at the end of this kernel entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The current thread goes on.
    Continue,
    /// One thread was woken and may take over.
    SwitchTo(TcbPtr),
    /// Choose among all.
    Choose,
}

/// The queues.
pub struct Scheduler {
    /// Threads that can run.
    pub ready: ReadyQueues,
    /// Threads whose budget comes back later, earliest first.
    pub release: Queue<TcbPtr>,
    /// Domain whose threads run now.
    current_domain: u8,
}

impl Scheduler {
    /// Nothing to run.
    pub const fn new() -> Self {
        Scheduler { ready: ReadyQueues::new(), release: Queue::new(), current_domain: 0 }
    }

    /// The domain whose threads run now.
    #[inline]
    pub fn domain(&self) -> u8 {
        self.current_domain
    }

    /// Lets the threads of another domain run.
    pub fn set_domain(&mut self, domain: u8) {
        self.current_domain = domain;
    }
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

/// Release order: earlier replenishment first.
fn released_before(a: TcbPtr, b: TcbPtr) -> bool {
    release_time(a) < release_time(b)
}

fn release_time(thread: TcbPtr) -> u64 {
    thread.sched_context.get().map_or(0, |context| context.refills().head().time)
}

impl Kernel {
    // ---- queues ----

    /// Makes a thread ready, before the others of its priority.
    #[inline]
    pub fn enqueue_head(&mut self, thread: TcbPtr) {
        if thread.queued.get() == Queued::No {
            self.sched.ready.push_front(thread);
        }
    }

    /// Makes a thread ready, behind the others of its priority.
    #[inline]
    pub fn enqueue_tail(&mut self, thread: TcbPtr) {
        if thread.queued.get() == Queued::No {
            self.sched.ready.push_back(thread);
        }
    }

    /// Puts the current thread, which can go on, before the others of its priority, for another one.
    #[inline(always)]
    fn set_aside(&mut self, current: TcbPtr) {
        self.sched.ready.push_front(current);
        if let Some(context) = self.current_context
            && !context.is_round_robin()
        {
            context.interrupted.set(current.sched_context.get() == Some(context));
        }
    }

    /// Sets the current thread aside, unless its slice has ended: it stands in a queue then.
    #[inline(always)]
    fn interrupt(&mut self, current: TcbPtr) {
        if current.queued.get() == Queued::No {
            self.set_aside(current);
        }
    }

    /// Takes a thread out of the ready or release queue, if it is in one.
    #[inline(always)]
    pub fn dequeue(&mut self, thread: TcbPtr) {
        if thread.queued.get() != Queued::No {
            self.take_out(thread);
        }
    }

    #[inline(never)]
    fn take_out(&mut self, thread: TcbPtr) {
        match thread.queued.get() {
            Queued::No => {}
            Queued::Ready => {
                if let Some(context) = thread.sched_context.get() {
                    context.interrupted.set(false);
                }
                self.sched.ready.remove(thread);
            }
            Queued::Release => {
                if self.sched.release.first() == Some(thread) {
                    self.reprogram = true;
                }
                self.sched.release.remove(thread);
                thread.queued.set(Queued::No);
            }
        }
    }

    /// Puts the thread of a scheduling context off until its next replenishment.
    pub fn postpone(&mut self, context: KernelPtr<SchedContext>) {
        let Some(thread) = context.thread.get() else { return };
        self.dequeue(thread);
        self.sched.release.insert(thread, released_before);
        thread.queued.set(Queued::Release);
        self.reprogram = true;
    }

    /// Wakes threads whose replenishment has come. Where there are very many, the timer fires again at once for the rest.
    #[inline(always)]
    fn awaken(&mut self) {
        if self.has_to_awaken() {
            self.awaken_some();
        }
    }

    /// The replenishment of a thread has come.
    #[inline(always)]
    pub fn has_to_awaken(&self) -> bool {
        self.sched.release.first().is_some_and(|first| release_time(first) <= self.now)
    }

    #[inline(never)]
    fn awaken_some(&mut self) {
        if !self.current_goes_on() {
            // They come before whoever stands in the ready queues, the last one first.
            self.reschedule();
        }
        for _ in 0..WOKEN_AT_ONCE {
            let Some(thread) = self.sched.release.first() else { break };
            if release_time(thread) > self.now {
                break;
            }
            self.sched.release.remove(thread);
            thread.queued.set(Queued::No);
            self.reprogram = true;
            if thread.is_runnable() {
                self.possible_switch_to(thread);
            }
        }
    }

    // ---- decisions ----

    /// A thread was woken: it may take over at the end of this kernel entry.
    #[inline]
    pub fn possible_switch_to(&mut self, thread: TcbPtr) {
        let active = thread.sched_context.get().is_some_and(|context| context.is_active());
        if !active || thread.queued.get() == Queued::Release {
            return;
        }
        if self.current == Some(thread) {
            return;
        }
        if self.action == Action::Continue && thread.domain.get() == self.sched.domain() {
            self.dequeue(thread);
            self.action = Action::SwitchTo(thread);
        } else {
            self.enqueue_woken(thread);
        }
    }

    #[inline(never)]
    fn enqueue_woken(&mut self, thread: TcbPtr) {
        self.enqueue_head(thread);
        if thread.domain.get() == self.sched.domain() {
            self.reschedule();
        }
    }

    /// All threads are looked at before the kernel is left.
    pub fn reschedule(&mut self) {
        if let Action::SwitchTo(candidate) = self.action
            && candidate.is_schedulable()
        {
            self.enqueue_head(candidate);
        }
        self.action = Action::Choose;
    }

    /// The current thread is still one that can run.
    #[inline(always)]
    fn current_goes_on(&self) -> bool {
        self.current.is_some_and(|current| current.is_schedulable())
    }

    /// Chooses the thread to leave to and sets the timer. Called once, at the end of every kernel entry.
    #[inline(always)]
    pub fn schedule(&mut self) {
        self.awaken();
        if self.domain_used_up() {
            self.reschedule();
        }
        match self.action {
            Action::Continue if self.current_goes_on() => {}
            Action::SwitchTo(candidate) if candidate.is_schedulable() => self.weigh(candidate),
            _ => self.choose_first(),
        }
        self.switch_context();
    }

    /// Leaves to `candidate`, unless the current thread or another one comes first.
    #[inline(always)]
    fn weigh(&mut self, candidate: TcbPtr) {
        let priority = candidate.priority.get();
        let Some(current) = self.current else {
            if self.is_highest(priority) {
                return self.take(candidate);
            }
            self.enqueue_head(candidate);
            return self.choose();
        };
        let present = current.priority.get();
        if current.is_schedulable() {
            if priority > present {
                self.interrupt(current);
                return self.take(candidate);
            }
            if priority == present {
                self.enqueue_tail(candidate);
            } else {
                self.enqueue_head(candidate);
            }
            if self.is_highest(present) {
                // It stands before all others of its priority.
                self.action = Action::Continue;
                return;
            }
        } else {
            if priority >= present || self.is_highest(priority) {
                return self.take(candidate);
            }
            self.enqueue_head(candidate);
        }
        self.choose();
    }

    /// The thread, which is in no queue, runs next.
    #[inline(always)]
    fn take(&mut self, next: TcbPtr) {
        self.dequeue(next);
        self.action = Action::Continue;
        self.switch_to(Some(next));
    }

    #[inline(never)]
    fn choose(&mut self) {
        self.choose_first();
    }

    /// Leaves to the first of all threads, the current one among them.
    #[inline(always)]
    fn choose_first(&mut self) {
        if let Some(current) = self.current
            && current.is_schedulable()
        {
            self.interrupt(current);
        }
        if self.domain_used_up() {
            self.next_domain();
        }
        let next = self.sched.ready.pop_first(self.sched.domain());
        self.action = Action::Continue;
        if next != self.current {
            self.switch_to(next);
        } else if let Some(context) = self.current_context {
            context.interrupted.set(false);
        }
    }

    /// No thread of a higher priority is ready.
    #[inline(always)]
    pub fn is_highest(&self, priority: u8) -> bool {
        self.sched.ready.is_highest(self.sched.domain(), priority)
    }

    /// Makes `next`, another thread, the current one.
    #[inline(always)]
    fn switch_to(&mut self, next: Option<TcbPtr>) {
        let previous = self.current;
        trace::switch(previous, next);
        self.current = next;
        match (previous, next) {
            (Some(previous), Some(next)) => arch::switch_bases(&previous.context, &next.context),
            (Some(previous), None) => arch::save_bases(&previous.context),
            (None, Some(next)) => arch::load_bases(&next.context),
            (None, None) => {}
        }
        match next {
            Some(next) => {
                asid::enter_space_of(self, next);
                arch::set_current_context(&next.get().context);
            }
            None => arch::set_address_space(arch::kernel_space()),
        }
    }

    /// Prepares the current thread for its return to user mode.
    #[inline(always)]
    pub fn activate(&mut self) {
        let Some(thread) = self.current else { return };
        if matches!(thread.state.get(), ThreadState::Restart) {
            thread.context.restart();
            thread.state.set(ThreadState::Running);
        }
        if thread.yield_to.get().is_some() {
            sched_context::complete_yield_to_of(self, thread);
        }
        self.switch_fpu(thread);
    }
}
