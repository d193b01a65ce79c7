//! Domains (abi.md 7.6).

use crate::abi::{Label, Word};
use crate::cap::{Cap, Domain, Tcb};
use crate::error::Result;

impl Cap<Domain> {
    /// DomainSet_Set: moves a thread into a domain.
    ///
    /// Errors: `InvalidArgument(0)` no such domain, `InvalidArgument(1)` no TCB.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// initial::DOMAIN.set(1, tcb)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(self, domain: Word, thread: Cap<Tcb>) -> Result<()> {
        self.perform(Label::DomainSetSet, &[domain], &[thread.cptr()])
    }

    /// DomainSet_ScheduleConfigure: entry `index` of the domain schedule; `duration` in TSC ticks, 0 with domain 0 is
    /// an end marker.
    ///
    /// Errors: `RangeError` index or domain, `InvalidArgument(1)` or `(2)` duration.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// // Domains 0 and 1 take turns of a million ticks.
    /// initial::DOMAIN.schedule_configure(0, 0, 1_000_000)?;
    /// initial::DOMAIN.schedule_configure(1, 1, 1_000_000)?;
    /// initial::DOMAIN.schedule_configure(2, 0, 0)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn schedule_configure(self, index: Word, domain: Word, duration: Word) -> Result<()> {
        self.perform(Label::DomainScheduleConfigure, &[index, domain, duration], &[])
    }

    /// DomainSet_ScheduleSetStart: continues with entry `index` at once, and starts there in every round.
    ///
    /// Errors: `RangeError` index, `InvalidArgument(0)` the entry is an end marker.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example() -> libsel::Result<()> {
    /// initial::DOMAIN.schedule_set_start(1)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn schedule_set_start(self, index: Word) -> Result<()> {
        self.perform(Label::DomainScheduleSetStart, &[index], &[])
    }
}
