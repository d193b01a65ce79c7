//! System calls (abi.md 2). Instruction: `syscall`; `rcx` and `r11` are lost to it.
//!
//! | register | in | out |
//! |---|---|---|
//! | `rdx` | number | preserved |
//! | `rdi` | capability pointer | badge |
//! | `rsi` | message info | message info |
//! | `r10 r8 r9 r15` | MR0..MR3 | MR0..MR3 |
//! | `r12` | reply object (Recv, NBRecv, ReplyRecv, NBSendRecv), send target of ReplyRecv's and NBSendWait's first phase | preserved |
//! | `r13` | send target of NBSendRecv's first phase | preserved |
use crate::numbered;

numbered! {
    /// System call numbers, as found in `rdx` (abi.md 2.3, 2.4).
    pub enum Syscall: i64 {
        /// Send, then wait for the reply.
        Call = -1,
        /// Reply through `r12`, then receive on `rdi`.
        ReplyRecv = -2,
        /// Non-blocking send to `r13`, then receive on `rdi` with reply object `r12`.
        NbSendRecv = -3,
        /// Non-blocking send to `r12`, then wait on `rdi` without a reply object.
        NbSendWait = -4,
        /// Blocking send.
        Send = -5,
        /// Send that is dropped when nobody receives.
        NbSend = -6,
        /// Blocking receive with a reply object.
        Recv = -7,
        /// Polling receive with a reply object.
        NbRecv = -8,
        /// Blocking receive without a reply object.
        Wait = -9,
        /// Polling receive without a reply object.
        NbWait = -10,
        /// Give up the rest of the budget.
        Yield = -11,
        /// Prints the character in `rdi`.
        DebugPutChar = -12,
        /// Prints every thread with its state.
        DebugDumpScheduler = -13,
        /// Stops the machine.
        DebugHalt = -14,
        /// `rdi` = capability pointer, returns its [`crate::CapTag`] in `rdi`.
        DebugCapIdentify = -15,
        /// Prints every capability of the system.
        DebugSnapshot = -16,
        /// Names the thread whose TCB capability is in `rdi`; the name is at `msg[0]` of the caller's IPC buffer.
        DebugNameThread = -17,
        /// Several cores only; on x86 not supported.
        DebugSendIpi = -18,
        /// Several cores only: core of the TCB in `rdi`.
        DebugGetThreadAffinity = -19,
        /// Not offered: runs user code in kernel mode.
        DebugRun = -20,
        /// Benchmark builds: writes back and invalidates the caches.
        BenchmarkFlushCaches = -21,
        /// Benchmark builds.
        BenchmarkResetLog = -22,
        /// Benchmark builds.
        BenchmarkFinalizeLog = -23,
        /// Benchmark builds with a kernel log.
        BenchmarkSetLogBuffer = -24,
        /// Benchmark builds: does nothing.
        BenchmarkNullSyscall = -25,
        /// Benchmark builds that track utilisation.
        BenchmarkGetThreadUtilisation = -26,
        /// Benchmark builds that track utilisation.
        BenchmarkResetThreadUtilisation = -27,
        /// Benchmark builds that track utilisation.
        BenchmarkDumpAllThreadsUtilisation = -28,
        /// Benchmark builds that track utilisation.
        BenchmarkResetAllThreadsUtilisation = -29,
        /// `pmc=on`: writes a register of a performance counter (seL4: any register).
        X86DangerousWrmsr = -30,
        /// `pmc=on`: reads a register of a performance counter (seL4: any register).
        X86DangerousRdmsr = -31,
        /// VT-x only.
        VmEnter = -32,
        /// Sets the caller's FS base, where the FSGSBASE instructions are off.
        SetTlsBase = -33,
    }
}

/// First vector that `int N` accepts as an unknown system call on one core; 160 on several (abi.md 2.1).
pub const SOFTWARE_INTERRUPT_FIRST: u8 = 158;
/// Last vector that `int N` accepts as an unknown system call (abi.md 2.1).
pub const SOFTWARE_INTERRUPT_LAST: u8 = 254;
