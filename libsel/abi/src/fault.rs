//! Fault messages (abi.md 5): the label is the [`FaultType`], the words are listed by the constants of each module.
use crate::numbered;

numbered! {
    /// The label of a fault message.
    pub enum FaultType: u64 {
        /// An ordinary message.
        NullFault = 0,
        /// A capability could not be found.
        CapFault = 1,
        /// No such system call.
        UnknownSyscall = 2,
        /// A processor exception.
        UserException = 3,
        /// A breakpoint or single step (hardware debug builds).
        DebugException = 4,
        /// The budget of the scheduling context is used up.
        Timeout = 5,
        /// An access that the address space does not allow.
        VmFault = 6,
    }
}

/// Words of a CapFault message (length 4 to 7).
pub mod cap_fault {
    /// Address of the instruction.
    pub const IP: usize = 0;
    /// The capability pointer.
    pub const ADDRESS: usize = 1;
    /// 1 if the receive phase failed.
    pub const IN_RECV_PHASE: usize = 2;
    /// [`crate::LookupFailureKind`]; its words follow.
    pub const LOOKUP_FAILURE: usize = 3;
}

/// Words of an UnknownSyscall message.
pub mod unknown_syscall {
    use crate::Register;
    /// Registers in message order; MR15 is the address of the `syscall` instruction.
    pub const REGISTERS: [Register; 18] = [
        Register::Rax,
        Register::Rbx,
        Register::Rcx,
        Register::Rdx,
        Register::Rsi,
        Register::Rdi,
        Register::Rbp,
        Register::R8,
        Register::R9,
        Register::R10,
        Register::R11,
        Register::R12,
        Register::R13,
        Register::R14,
        Register::R15,
        Register::Rip,
        Register::Rsp,
        Register::Rflags,
    ];
    /// The system call number.
    pub const NUMBER: usize = 18;
    /// Message length.
    pub const LENGTH: usize = 19;
}

/// Words of a UserException message.
pub mod user_exception {
    /// Address of the instruction.
    pub const IP: usize = 0;
    /// Stack pointer.
    pub const SP: usize = 1;
    /// RFLAGS.
    pub const FLAGS: usize = 2;
    /// Vector (32-bit field).
    pub const NUMBER: usize = 3;
    /// Error code (28-bit field).
    pub const CODE: usize = 4;
    /// Message length.
    pub const LENGTH: usize = 5;
}

numbered! {
    /// Second word of a DebugException message; the first is the address of the instruction.
    pub enum DebugReason: u64 {
        /// A data breakpoint. There are none here.
        DataBreakpoint = 0,
        /// An instruction breakpoint. There are none here.
        InstructionBreakpoint = 1,
        /// One instruction was executed with RFLAGS.TF set.
        SingleStep = 2,
        /// INT3.
        BreakRequest = 3,
    }
}

/// Words of a VMFault message.
pub mod vm_fault {
    /// Address of the instruction.
    pub const IP: usize = 0;
    /// The address that was accessed.
    pub const ADDRESS: usize = 1;
    /// 1 for an instruction fetch.
    pub const PREFETCH_FAULT: usize = 2;
    /// Low 5 bits of the page-fault error code.
    pub const FSR: usize = 3;
    /// Message length.
    pub const LENGTH: usize = 4;
}

/// Words of a Timeout message.
pub mod timeout {
    use crate::Register;
    /// Badge of the scheduling context.
    pub const DATA: usize = 0;
    /// Time consumed since the last report, in microseconds.
    pub const CONSUMED: usize = 1;
    /// Message length.
    pub const LENGTH: usize = 2;
    /// Registers that a reply sets, in message order (abi.md 5.3).
    pub const REPLY_REGISTERS: [Register; 19] = [
        Register::Rip,
        Register::Rsp,
        Register::Rflags,
        Register::Rax,
        Register::Rbx,
        Register::Rcx,
        Register::Rdx,
        Register::Rsi,
        Register::Rdi,
        Register::Rbp,
        Register::R8,
        Register::R9,
        Register::R10,
        Register::R11,
        Register::R12,
        Register::R13,
        Register::R14,
        Register::R15,
        Register::FsBase,
    ];
}
