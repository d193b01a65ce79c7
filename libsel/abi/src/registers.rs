//! A thread's registers in the order of TCB_ReadRegisters and TCB_WriteRegisters (abi.md 7.3).
use crate::numbered;

numbered! {
    /// Index of a register in the user context.
    pub enum Register: usize {
        /// Instruction pointer; reads as the restart address.
        Rip = 0,
        /// Stack pointer.
        Rsp = 1,
        /// Flags; sanitised on write.
        Rflags = 2,
        /// rax.
        Rax = 3,
        /// rbx.
        Rbx = 4,
        /// rcx.
        Rcx = 5,
        /// rdx.
        Rdx = 6,
        /// rsi.
        Rsi = 7,
        /// rdi.
        Rdi = 8,
        /// rbp.
        Rbp = 9,
        /// r8.
        R8 = 10,
        /// r9.
        R9 = 11,
        /// r10.
        R10 = 12,
        /// r11.
        R11 = 13,
        /// r12.
        R12 = 14,
        /// r13.
        R13 = 15,
        /// r14.
        R14 = 16,
        /// r15.
        R15 = 17,
        /// FS base: the TLS pointer.
        FsBase = 18,
        /// GS base.
        GsBase = 19,
    }
}

/// Number of words of the user context.
pub const REGISTER_COUNT: usize = 20;
/// Of these, the first 18 are CopyRegisters' "frame" registers.
pub const FRAME_REGISTER_COUNT: usize = 18;

/// Where MR0..MR3 travel in a system call.
pub const MESSAGE_REGISTERS: [Register; crate::FAST_MESSAGE_REGISTERS] =
    [Register::R10, Register::R8, Register::R9, Register::R15];
/// Capability pointer in, badge out.
pub const CAP_REGISTER: Register = Register::Rdi;
/// Message info, in and out.
pub const INFO_REGISTER: Register = Register::Rsi;
/// System call number.
pub const SYSCALL_REGISTER: Register = Register::Rdx;
/// Reply object, or the send target of a first phase.
pub const REPLY_REGISTER: Register = Register::R12;
/// Send target of NBSendRecv.
pub const NB_SEND_RECV_REGISTER: Register = Register::R13;
