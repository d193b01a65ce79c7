//! The way from one thread to the next in a kernel entry that knows both, and why the scheduler would choose just that
//! one: [`Kernel::schedule`] without the questions.
//!
//! Each function here is called at most once in a kernel entry, as the last thing. The clock was read, the current thread
//! had budget, no thread's replenishment had come (see [`Kernel::reads_clock_in_time`]), and nothing was left for the
//! scheduler to decide. They prepare the return to user mode.
#![deny(unsafe_code)]

use crate::addr::KernelPtr;
use crate::arch;
use crate::object::asid;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::TcbPtr;
use crate::sched::Action;
use crate::state::Kernel;
use crate::trace;

impl Kernel {
    /// Leaves the current thread, which can go on, for `next`, which is in no queue and comes before it.
    #[inline(always)]
    pub fn give_way(&mut self, current: TcbPtr, next: TcbPtr) {
        self.set_aside(current);
        self.charge_pending();
        self.go_over(current, next);
    }

    /// Leaves the current thread, which blocked, for the first of those that can run.
    #[inline(always)]
    pub fn leave_to_first(&mut self, current: TcbPtr) {
        match self.sched.ready.pop_first(self.sched.domain()) {
            Some(next) => {
                self.charge_pending();
                self.go_over(current, next);
            }
            None => self.leave_to_nobody(),
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_to_nobody(&mut self) {
        self.switch_to(None);
        self.switch_context();
        self.idle();
        self.activate();
    }

    /// Yield of a round robin thread: its slice ends, and the next one comes when the others of its priority had theirs.
    /// False for any other thread: nothing was done.
    #[inline(always)]
    pub fn yield_slice(&mut self, current: TcbPtr) -> bool {
        let Some(context) = self.current_context else { return false };
        if !context.is_round_robin() || !context.refills().renew_slice(self.now) {
            return false;
        }
        context.consumed.set(context.consumed.get().wrapping_add(self.consumed()));
        self.charged = self.now;
        match self.sched.ready.rotate(current) {
            Some(next) => self.go_over(current, next),
            // Nobody else is as important.
            None => self.start_slice(context),
        }
        true
    }

    /// Charges the pending time to the current scheduling context, whose head refill has that much.
    #[inline(always)]
    fn charge_pending(&mut self) {
        let used = self.consumed();
        if let Some(context) = self.current_context {
            if context.is_round_robin() {
                context.refills().use_of_slice(used);
            } else {
                self.charge_refills(context, used);
            }
            context.consumed.set(context.consumed.get().wrapping_add(used));
        }
        self.charged = self.now;
    }

    #[inline(never)]
    fn charge_refills(&self, context: KernelPtr<SchedContext>, used: u64) {
        if used > 0 {
            context.refills().charge(used, context.period.get(), self.time.min_budget);
        }
    }

    /// Makes `next`, a ready thread that was taken out of its queue, the current one. What was used is charged.
    #[inline(always)]
    fn go_over(&mut self, from: TcbPtr, next: TcbPtr) {
        debug_assert!(self.action == Action::Continue && !self.reprogram, "nothing is left to decide");
        debug_assert!(self.charged == self.now && from != next, "another thread pays from now on");
        trace::switch(Some(from), Some(next));
        arch::switch_bases(&from.context, &next.context);
        self.current = Some(next);
        asid::enter_space_of(self, next);
        arch::set_current_context(&next.get().context);
        if let Some(context) = next.sched_context.get() {
            self.start_slice(context);
        }
        self.activate();
    }

    /// From now on this scheduling context pays, until the timer says otherwise.
    #[inline(always)]
    fn start_slice(&mut self, context: KernelPtr<SchedContext>) {
        self.current_context = Some(context);
        if !context.is_round_robin() || self.config.domains > 1 || self.sched.release.first().is_some() {
            return self.start_turn(context);
        }
        let left = context.refills().slice_left();
        self.quiet_until = (self.now + left).saturating_sub(self.time.min_budget);
        arch::set_timer(self.now, left.saturating_sub(self.time.ticks_per_us));
    }

    /// Where there is more to think of than the end of a slice.
    #[inline(never)]
    fn start_turn(&mut self, context: KernelPtr<SchedContext>) {
        context.turn_begins(self.now);
        self.set_timer();
    }
}
