//! Invocations of scheduling contexts and domains (abi.md 7.6, 7.7).

use libsel::abi::{Label, Word};

use super::super::classes::Class;
use super::Generator;
use super::message::Request;

impl Generator<'_> {
    pub(super) fn sched(&mut self, label: Label) -> Request {
        match label {
            Label::SchedControlConfigureFlags => {
                let words = self.budget();
                let (target, context) = (self.pick(Class::SchedControl), self.pick(Class::SchedContext));
                Request::new(target, &words, &[context])
            }
            Label::SchedContextBind | Label::SchedContextUnbindObject => {
                let class = if self.random.one_in(4) { Class::Notification } else { Class::Tcb };
                // Scheduling contexts and threads of the same number often belong together.
                let slot = self.slot(Class::SchedContext);
                let thread = slot - Class::SchedContext.slots().start + Class::Tcb.slots().start;
                let object = if self.random.one_in(2) { self.cptr(thread) } else { self.pick(class) };
                Request::new(self.cptr(slot), &[], &[object]).invokes(slot)
            }
            Label::SchedContextUnbind => {
                let slot = self.victim(Class::SchedContext);
                Request::new(self.cptr(slot), &[], &[]).invokes(slot)
            }
            // Hostile threads have no capability to domains: these fail here, and the supervisor makes them.
            Label::DomainSetSet | Label::DomainScheduleConfigure | Label::DomainScheduleSetStart => {
                let words = [self.random.below(5), self.random.below(5), self.random.edge()];
                let (target, tcb) = (self.pick(Class::Untyped), self.pick(Class::Tcb));
                Request::new(target, &words, &[tcb])
            }
            _ => {
                let slot = self.slot(Class::SchedContext);
                Request::new(self.cptr(slot), &[], &[]).invokes(slot)
            }
        }
    }

    /// Budget, period, refills, badge, flags.
    fn budget(&mut self) -> [Word; 5] {
        let period_us = match self.random.below(16) {
            0 => self.random.edge(),
            1 => 20 + self.random.below(50),
            // As long as the kernel allows, or nearly so.
            2 => (self.max_us >> self.random.below(4)) - self.random.below(2),
            _ => 100 + self.random.below(3000),
        };
        let budget_us = match self.random.below(8) {
            0 => self.random.edge(),
            1..4 => period_us,
            4 => 20 + self.random.below(20),
            _ => 20 + self.random.below(period_us),
        };
        let refills = if self.random.one_in(16) { self.random.edge() } else { self.random.below(9) };
        [budget_us, period_us, refills, self.random.word(), self.random.word()]
    }
}
