//! Scheduling contexts (abi.md 7.7).

use crate::abi::{Label, Word};
use crate::cap::{Cap, Notification, SchedContext, SchedControl, Tcb};
use crate::error::Result;

impl Cap<SchedControl> {
    /// SchedControl_ConfigureFlags: gives `sched_context` `budget_us` in every `period_us` on this capability's core.
    /// Equal values mean round robin. `badge` names it in timeout faults; `flags`: [`crate::abi::SCHED_CONTEXT_SPORADIC`].
    ///
    /// Errors: `RangeError` budget, period or refills; `InvalidCapability(1)` no scheduling context.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(control: Cap<SchedControl>, context: Cap<SchedContext>) -> libsel::Result<()> {
    /// // 2 of every 10 milliseconds.
    /// control.configure_flags(context, 2_000, 10_000, 0, 0, 0)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure_flags(
        self,
        sched_context: Cap<SchedContext>,
        budget_us: Word,
        period_us: Word,
        extra_refills: Word,
        badge: Word,
        flags: Word,
    ) -> Result<()> {
        self.perform(
            Label::SchedControlConfigureFlags,
            &[budget_us, period_us, extra_refills, badge, flags],
            &[sched_context.cptr()],
        )
    }
}

impl Cap<SchedContext> {
    /// SchedContext_Bind to a thread.
    ///
    /// Error: `IllegalOperation` either is bound already, or the thread is blocked and the context not ready.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(context: Cap<SchedContext>, tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// context.bind(tcb)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(self, thread: Cap<Tcb>) -> Result<()> {
        self.perform(Label::SchedContextBind, &[], &[thread.cptr()])
    }

    /// SchedContext_Bind to a notification, which lends it to the thread that it wakes. Errors as for [`Cap::bind`].
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(context: Cap<SchedContext>, notification: Cap<Notification>) -> libsel::Result<()> {
    /// context.bind_notification(notification)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind_notification(self, notification: Cap<Notification>) -> Result<()> {
        self.perform(Label::SchedContextBind, &[], &[notification.cptr()])
    }

    /// SchedContext_Unbind from everything. Error: `IllegalOperation` it is the caller's own.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(context: Cap<SchedContext>) -> libsel::Result<()> {
    /// context.unbind()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind(self) -> Result<()> {
        self.perform(Label::SchedContextUnbind, &[], &[])
    }

    /// SchedContext_UnbindObject from a thread.
    ///
    /// Error: `IllegalOperation` another one is bound, or it is the caller.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(context: Cap<SchedContext>, tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// context.unbind_thread(tcb)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_thread(self, thread: Cap<Tcb>) -> Result<()> {
        self.perform(Label::SchedContextUnbindObject, &[], &[thread.cptr()])
    }

    /// SchedContext_UnbindObject from a notification. Error: `IllegalOperation` another one is bound.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(context: Cap<SchedContext>, notification: Cap<Notification>) -> libsel::Result<()> {
    /// context.unbind_notification(notification)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_notification(self, notification: Cap<Notification>) -> Result<()> {
        self.perform(Label::SchedContextUnbindObject, &[], &[notification.cptr()])
    }

    /// SchedContext_Consumed: microseconds charged since the last report.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(context: Cap<SchedContext>) -> libsel::Result<()> {
    /// println!("{} us since the last time", context.consumed()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn consumed(self) -> Result<Word> {
        self.invoke(Label::SchedContextConsumed, &[], &[]).map(|reply| reply.word(0))
    }

    /// SchedContext_YieldTo: runs the bound thread next; returns what it consumed, in microseconds.
    ///
    /// Error: `IllegalOperation` no thread is bound, it is the caller, or its priority is above the caller's MCP.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(context: Cap<SchedContext>) -> libsel::Result<()> {
    /// let microseconds = context.yield_to()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn yield_to(self) -> Result<Word> {
        self.invoke(Label::SchedContextYieldTo, &[], &[]).map(|reply| reply.word(0))
    }
}
