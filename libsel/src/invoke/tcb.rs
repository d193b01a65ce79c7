//! Threads (abi.md 7.3).

use crate::abi::registers::REGISTER_COUNT;
use crate::abi::{Label, Register, Word};
use crate::cap::{CNode, Cap, Endpoint, Frame, FrameSize, Notification, SchedContext, Tcb, VSpace};
use crate::error::Result;

/// A thread's registers in the order of [`Register`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserContext(pub [Word; REGISTER_COUNT]);

impl UserContext {
    /// The value of a register.
    #[inline]
    pub fn get(&self, register: Register) -> Word {
        self.0[register as usize]
    }

    /// Sets a register.
    #[inline]
    pub fn set(&mut self, register: Register, value: Word) -> &mut Self {
        self.0[register as usize] = value;
        self
    }
}

/// What TCB_CopyRegisters does beside copying.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CopyFlags {
    /// Suspend the source first.
    pub suspend_source: bool,
    /// Resume the target.
    pub resume_target: bool,
    /// Copy the first 18 registers.
    pub transfer_frame: bool,
    /// Copy FS and GS base.
    pub transfer_integer: bool,
}

impl Cap<Tcb> {
    /// TCB_ReadRegisters: the first `count` (1..=20) registers; the others are 0. Suspends the thread first if asked.
    ///
    /// Errors: `RangeError` count, `IllegalOperation` the caller itself.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// // Stops the thread, so that what is read belongs together.
    /// let registers = tcb.read_registers(true, 20)?;
    /// println!("it stands at {:#x}", registers.get(Register::Rip));
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_registers(self, suspend_source: bool, count: usize) -> Result<UserContext> {
        let words = [Word::from(suspend_source), count as Word];
        let reply = self.invoke(Label::TcbReadRegisters, &words, &[])?;
        let mut context = UserContext::default();
        reply.copy_words(&mut context.0);
        Ok(context)
    }

    /// TCB_WriteRegisters: the first `count` registers of `context`, then resumes the thread if asked. The kernel
    /// sanitises flags and addresses.
    ///
    /// Errors: `IllegalOperation` the caller itself, `TruncatedMessage` `count` above 20.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// let mut registers = UserContext::default();
    /// registers.set(Register::Rip, 0x40_0000).set(Register::Rsp, 0x7fff_0000);
    /// // Starts it.
    /// tcb.write_registers(true, 20, &registers)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_registers(self, resume_target: bool, count: usize, context: &UserContext) -> Result<()> {
        let mut words = [0; 2 + REGISTER_COUNT];
        words[0] = Word::from(resume_target);
        words[1] = count as Word;
        words[2..].copy_from_slice(&context.0);
        self.perform(Label::TcbWriteRegisters, &words[..2 + count.min(REGISTER_COUNT)], &[])
    }

    /// TCB_CopyRegisters: from `source` to this thread.
    ///
    /// Error: `InvalidCapability(1)` the source is no TCB.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>, other: Cap<Tcb>) -> libsel::Result<()> {
    /// let all = CopyFlags { transfer_frame: true, transfer_integer: true, ..CopyFlags::default() };
    /// tcb.copy_registers(other, all)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn copy_registers(self, source: Cap<Tcb>, flags: CopyFlags) -> Result<()> {
        let bits = Word::from(flags.suspend_source)
            | Word::from(flags.resume_target) << 1
            | Word::from(flags.transfer_frame) << 2
            | Word::from(flags.transfer_integer) << 3;
        self.perform(Label::TcbCopyRegisters, &[bits], &[source.cptr()])
    }

    /// TCB_Configure: CSpace root (with a [`crate::abi::CNodeCapData`] word, 0 = guard unchanged), address space, IPC
    /// buffer (address 0 = none; the frame is then ignored).
    ///
    /// Errors: `IllegalOperation` a capability is of the wrong kind, `AlignmentError` the buffer is not 1024-aligned.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>, cnode: Cap<CNode>, frame: Cap<Page>) -> libsel::Result<()> {
    /// tcb.configure(cnode, 0, initial::VSPACE, 0x50_0000, frame)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure<S: FrameSize>(
        self,
        cspace_root: Cap<CNode>,
        cspace_root_data: Word,
        vspace_root: Cap<VSpace>,
        buffer_address: Word,
        buffer_frame: Cap<Frame<S>>,
    ) -> Result<()> {
        self.perform(
            Label::TcbConfigure,
            &[cspace_root_data, 0, buffer_address],
            &[cspace_root.cptr(), vspace_root.cptr(), buffer_frame.cptr()],
        )
    }

    /// TCB_SetPriority, limited by the MCP of `authority`.
    ///
    /// Errors: `InvalidCapability(1)` authority, `RangeError` above its MCP.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// // The caller's own TCB is the authority.
    /// tcb.set_priority(initial::TCB, 100)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_priority(self, authority: Cap<Tcb>, priority: Word) -> Result<()> {
        self.perform(Label::TcbSetPriority, &[priority], &[authority.cptr()])
    }

    /// TCB_SetMCPriority, limited by the MCP of `authority`. Errors as for [`Cap::set_priority`].
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// tcb.set_mc_priority(initial::TCB, 100)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_mc_priority(self, authority: Cap<Tcb>, mcp: Word) -> Result<()> {
        self.perform(Label::TcbSetMcPriority, &[mcp], &[authority.cptr()])
    }

    /// TCB_SetSchedParams: MCP, priority, scheduling context (null: none) and fault handler (null: none) at once.
    ///
    /// Errors: `InvalidCapability(1)` authority, `(2)` scheduling context, `(3)` handler without Write and Grant or
    /// GrantReply; `RangeError` above the authority's MCP; `IllegalOperation` thread or context is bound already, or
    /// the caller would lose its own.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>, context: Cap<SchedContext>, supervisor: Cap<Endpoint>) -> libsel::Result<()> {
    /// tcb.set_sched_params(initial::TCB, 0, 100, context, supervisor)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_sched_params(
        self,
        authority: Cap<Tcb>,
        mcp: Word,
        priority: Word,
        sched_context: Cap<SchedContext>,
        fault_endpoint: Cap<Endpoint>,
    ) -> Result<()> {
        self.perform(
            Label::TcbSetSchedParams,
            &[mcp, priority],
            &[authority.cptr(), sched_context.cptr(), fault_endpoint.cptr()],
        )
    }

    /// TCB_SetTimeoutEndpoint; null removes it.
    ///
    /// Error: `InvalidCapability(1)` no valid handler.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>, supervisor: Cap<Endpoint>) -> libsel::Result<()> {
    /// tcb.set_timeout_endpoint(supervisor)?;
    /// // And none again.
    /// tcb.set_timeout_endpoint(Cap::NULL)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_timeout_endpoint(self, timeout_endpoint: Cap<Endpoint>) -> Result<()> {
        self.perform(Label::TcbSetTimeoutEndpoint, &[], &[timeout_endpoint.cptr()])
    }

    /// TCB_SetIPCBuffer; address 0 removes it. Errors as for [`Cap::configure`].
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>, frame: Cap<Page>) -> libsel::Result<()> {
    /// tcb.set_ipc_buffer(0x50_0000, frame)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_ipc_buffer<S: FrameSize>(self, address: Word, frame: Cap<Frame<S>>) -> Result<()> {
        self.perform(Label::TcbSetIpcBuffer, &[address], &[frame.cptr()])
    }

    /// TCB_SetSpace: fault handler (null: none), CSpace root with data, address space.
    ///
    /// Errors: as for [`Cap::configure`]; `InvalidCapability(1)` no valid handler.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>, supervisor: Cap<Endpoint>, cnode: Cap<CNode>, vspace: Cap<VSpace>) -> libsel::Result<()> {
    /// let guard = CNodeCapData::new(0, 56);
    /// tcb.set_space(supervisor, cnode, guard.0, vspace)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_space(
        self,
        fault_endpoint: Cap<Endpoint>,
        cspace_root: Cap<CNode>,
        cspace_root_data: Word,
        vspace_root: Cap<VSpace>,
    ) -> Result<()> {
        self.perform(
            Label::TcbSetSpace,
            &[cspace_root_data, 0],
            &[fault_endpoint.cptr(), cspace_root.cptr(), vspace_root.cptr()],
        )
    }

    /// TCB_Suspend: the thread stops, whatever it waits for is cancelled. On the caller's own TCB it does not return; a
    /// thread that is resumed then repeats the call (abi.md 9.2).
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// tcb.suspend()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn suspend(self) -> Result<()> {
        self.perform(Label::TcbSuspend, &[], &[])
    }

    /// TCB_Resume.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// tcb.resume()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(self) -> Result<()> {
        self.perform(Label::TcbResume, &[], &[])
    }

    /// TCB_BindNotification.
    ///
    /// Error: `IllegalOperation` one is bound already, it is in use, or the Read right is missing.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>, notification: Cap<Notification>) -> libsel::Result<()> {
    /// // From now on the thread's Recv on any endpoint takes this notification's signals as well.
    /// tcb.bind_notification(notification)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind_notification(self, notification: Cap<Notification>) -> Result<()> {
        self.perform(Label::TcbBindNotification, &[], &[notification.cptr()])
    }

    /// TCB_UnbindNotification. Error: `IllegalOperation` none is bound.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// tcb.unbind_notification()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbind_notification(self) -> Result<()> {
        self.perform(Label::TcbUnbindNotification, &[], &[])
    }

    /// TCB_SetTLSBase: the thread's FS base.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// tcb.set_tls_base(0x60_0000)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_tls_base(self, tls_base: Word) -> Result<()> {
        self.perform(Label::TcbSetTlsBase, &[tls_base], &[])
    }

    /// TCB_SetFlags: clears, then sets, bits such as [`crate::abi::TCB_FLAG_FPU_DISABLED`]; returns the flags that
    /// result.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(tcb: Cap<Tcb>) -> libsel::Result<()> {
    /// // This thread never uses the FPU: switching to it costs less.
    /// let flags = tcb.set_flags(0, TCB_FLAG_FPU_DISABLED)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_flags(self, clear: Word, set: Word) -> Result<Word> {
        self.invoke(Label::TcbSetFlags, &[clear, set], &[]).map(|reply| reply.word(0))
    }
}
