//! The end of a kernel entry.
#![deny(unsafe_code)]

use super::traps;
use crate::arch;
use crate::latency::Cause;
use crate::object::tcb::ThreadState;
use crate::sched::Action;
use crate::state::Kernel;
use crate::trace;

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
            trace::idle();
            arch::wait_for_interrupt(self.next_event());
            trace::awake();
            self.latency.begin(Cause::Interrupt);
            self.update_time();
            while let Some(vector) = arch::take_interrupt() {
                traps::deliver_interrupt(self, vector);
            }
            self.schedule();
        }
    }
}
