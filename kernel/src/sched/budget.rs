//! Processor time: reading the clock, charging budgets, ending slices, setting the timer (abi.md 9.7).
use crate::addr::KernelPtr;
use crate::arch;
use crate::fault;
use crate::object::sched_context::SchedContext;
use crate::object::tcb::{TcbPtr, ThreadState};
use crate::state::Kernel;

use super::release_time;

impl Kernel {
    /// Reads the clock: what passed since the last look is pending until it is charged.
    #[inline]
    pub fn update_time(&mut self) {
        // Time does not run backwards, whatever a hypervisor does.
        let now = arch::now().max(self.now);
        if self.config.domains > 1 {
            self.domain_schedule.pass(now - self.now);
        }
        self.now = now;
    }

    /// Reads the clock; true if the current thread has budget, and no thread's replenishment has come.
    #[inline(always)]
    pub fn reads_clock_in_time(&mut self) -> bool {
        let now = arch::now();
        if now >= self.now && now < self.quiet_until {
            self.now = now;
            return true;
        }
        self.looks_at_time()
    }

    #[inline(never)]
    fn looks_at_time(&mut self) -> bool {
        self.update_time();
        self.budget_left() && !self.has_to_awaken()
    }

    /// Ticks that were used and not charged yet.
    #[inline(always)]
    pub fn consumed(&self) -> u64 {
        self.now.wrapping_sub(self.charged)
    }

    /// The current scheduling context has at least the least budget left, and so has the domain.
    #[inline(always)]
    pub fn budget_left(&self) -> bool {
        let enough = self.current_context.is_none_or(|context| context.is_sufficient(self, self.consumed()));
        enough && !self.domain_used_up()
    }

    /// Other domains wait, and this one's turn is over.
    #[inline(always)]
    pub fn domain_used_up(&self) -> bool {
        self.config.domains > 1 && self.domain_schedule.used_up(self.time.min_budget)
    }

    pub(super) fn next_domain(&mut self) {
        let domain = self.domain_schedule.advance();
        self.sched.set_domain(domain);
        self.reprogram = true;
    }

    /// Checks the budget at the start of a kernel entry. False: the thread's slice has ended, what it asked for is not
    /// done now and will be asked for again.
    #[inline(always)]
    #[must_use]
    pub fn check_budget_or_restart(&mut self) -> bool {
        self.budget_left() || self.end_slice_and_restart()
    }

    #[cold]
    #[inline(never)]
    fn end_slice_and_restart(&mut self) -> bool {
        if self.check_budget() {
            return true;
        }
        if let Some(current) = self.current
            && current.state.get() == ThreadState::Running
        {
            current.state.set(ThreadState::Restart);
        }
        false
    }

    /// Checks the budget; charges it and ends the slice if it is used up.
    fn check_budget(&mut self) -> bool {
        if self.current.is_none() {
            return true;
        }
        let Some(context) = self.current_context else { return true };
        if context.is_sufficient(self, self.consumed()) {
            if self.domain_used_up() {
                self.commit_time();
                self.reschedule();
                return false;
            }
            return true;
        }
        let consumed = self.consumed();
        self.charge_budget(consumed, true);
        false
    }

    /// Charges `ticks` to the current scheduling context and ends the slice of the current thread.
    pub fn charge_budget(&mut self, ticks: u64, timeout_allowed: bool) {
        let Some(context) = self.current_context else { return };
        if context.is_round_robin() {
            context.refills().round_robin_exhaust();
        } else {
            context.refills().charge(ticks, context.period.get(), self.time.min_budget);
        }
        context.consumed.set(context.consumed.get().wrapping_add(ticks));
        self.charged = self.now;
        self.quiet_until = 0;
        if let Some(thread) = self.current
            && thread.is_runnable()
            && thread.sched_context.get() == Some(context)
        {
            self.end_slice(thread, context, timeout_allowed);
            self.reschedule();
            self.reprogram = true;
        }
    }

    fn end_slice(&mut self, thread: TcbPtr, context: KernelPtr<SchedContext>, timeout_allowed: bool) {
        if timeout_allowed && !context.is_round_robin() && fault::has_timeout_handler(thread) {
            fault::raise_timeout(self, thread);
        } else if context.has_time(self, 0) {
            self.enqueue_tail(thread);
        } else {
            self.postpone(context);
        }
    }

    /// Charges the pending time without ending the slice.
    #[inline]
    pub fn commit_time(&mut self) {
        if let Some(context) = self.current_context
            && self.consumed() > 0
        {
            let ticks = self.consumed();
            if context.is_round_robin() {
                context.refills().round_robin_commit(ticks);
            } else {
                self.charge(context, ticks);
            }
            context.consumed.set(context.consumed.get().wrapping_add(ticks));
        }
        self.charged = self.now;
        self.quiet_until = 0;
    }

    #[inline(never)]
    fn charge(&self, context: KernelPtr<SchedContext>, ticks: u64) {
        context.refills().charge(ticks, context.period.get(), self.time.min_budget);
    }

    /// Makes the current thread's scheduling context the one that pays, and sets the timer where that changed.
    #[inline(always)]
    pub(super) fn switch_context(&mut self) {
        let next = self.current.and_then(|thread| thread.sched_context.get());
        if next != self.current_context {
            self.reprogram = true;
            if let Some(next) = next {
                next.turn_begins(self.now);
            }
        }
        if self.reprogram {
            self.commit_time();
            self.current_context = next;
            self.reprogram = false;
            self.set_timer();
        }
    }

    /// Sets the timer to the next thing that happens by itself. All time that was used is charged.
    pub(super) fn set_timer(&mut self) {
        let mut ticks = u64::MAX;
        if let Some(context) = self.current_context {
            ticks = context.refills().head().amount;
        }
        let mut quiet_until = self.now.saturating_add(ticks).saturating_sub(self.time.min_budget);
        if let Some(thread) = self.sched.release.first() {
            let time = release_time(thread);
            quiet_until = quiet_until.min(time);
            ticks = ticks.min(time.saturating_sub(self.now));
        }
        if self.config.domains > 1 {
            quiet_until = 0;
            ticks = ticks.min(self.domain_schedule.remaining());
        }
        self.quiet_until = quiet_until;
        arch::set_timer(self.now, ticks.saturating_sub(self.time.ticks_per_us));
    }

    /// When something happens by itself though no thread runs; `u64::MAX` if nothing does. In TSC ticks.
    pub fn next_event(&self) -> u64 {
        let release = self.sched.release.first().map_or(u64::MAX, release_time);
        if self.config.domains > 1 {
            return release.min(self.now.saturating_add(self.domain_schedule.remaining()));
        }
        release
    }

    /// Yield: gives up what is left of the head refill (abi.md 9.7).
    pub fn yield_now(&mut self) {
        let Some(context) = self.current_context else { return };
        let used = self.consumed();
        let amount = context.refills().head().amount;
        self.charge_budget(amount, false);
        // The report is of the time really used.
        context.consumed.set(context.consumed.get().wrapping_sub(amount).wrapping_add(used));
        self.reschedule();
    }
}
