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
    pub fn set_priority(self, authority: Cap<Tcb>, priority: Word) -> Result<()> {
        self.perform(Label::TcbSetPriority, &[priority], &[authority.cptr()])
    }

    /// TCB_SetMCPriority, limited by the MCP of `authority`. Errors as for [`Cap::set_priority`].
    pub fn set_mc_priority(self, authority: Cap<Tcb>, mcp: Word) -> Result<()> {
        self.perform(Label::TcbSetMcPriority, &[mcp], &[authority.cptr()])
    }

    /// TCB_SetSchedParams: MCP, priority, scheduling context (null: none) and fault handler (null: none) at once.
    ///
    /// Errors: `InvalidCapability(1)` authority, `(2)` scheduling context, `(3)` handler without Write and Grant or
    /// GrantReply; `RangeError` above the authority's MCP; `IllegalOperation` thread or context is bound already, or
    /// the caller would lose its own.
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
    pub fn set_timeout_endpoint(self, timeout_endpoint: Cap<Endpoint>) -> Result<()> {
        self.perform(Label::TcbSetTimeoutEndpoint, &[], &[timeout_endpoint.cptr()])
    }

    /// TCB_SetIPCBuffer; address 0 removes it. Errors as for [`Cap::configure`].
    pub fn set_ipc_buffer<S: FrameSize>(self, address: Word, frame: Cap<Frame<S>>) -> Result<()> {
        self.perform(Label::TcbSetIpcBuffer, &[address], &[frame.cptr()])
    }

    /// TCB_SetSpace: fault handler (null: none), CSpace root with data, address space.
    ///
    /// Errors: as for [`Cap::configure`]; `InvalidCapability(1)` no valid handler.
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
    pub fn suspend(self) -> Result<()> {
        self.perform(Label::TcbSuspend, &[], &[])
    }

    /// TCB_Resume.
    pub fn resume(self) -> Result<()> {
        self.perform(Label::TcbResume, &[], &[])
    }

    /// TCB_BindNotification.
    ///
    /// Error: `IllegalOperation` one is bound already, it is in use, or the Read right is missing.
    pub fn bind_notification(self, notification: Cap<Notification>) -> Result<()> {
        self.perform(Label::TcbBindNotification, &[], &[notification.cptr()])
    }

    /// TCB_UnbindNotification. Error: `IllegalOperation` none is bound.
    pub fn unbind_notification(self) -> Result<()> {
        self.perform(Label::TcbUnbindNotification, &[], &[])
    }

    /// TCB_SetTLSBase: the thread's FS base.
    pub fn set_tls_base(self, tls_base: Word) -> Result<()> {
        self.perform(Label::TcbSetTlsBase, &[tls_base], &[])
    }

    /// TCB_SetFlags: clears, then sets, bits such as [`crate::abi::TCB_FLAG_FPU_DISABLED`]; returns the flags that
    /// result.
    pub fn set_flags(self, clear: Word, set: Word) -> Result<Word> {
        self.invoke(Label::TcbSetFlags, &[clear, set], &[]).map(|reply| reply.word(0))
    }
}
