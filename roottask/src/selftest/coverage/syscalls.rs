//! System calls (abi.md 2.3, 2.4).

use libsel::abi::FaultType;

use super::outcome::*;
use super::{Section, rows};

const RETURNED: Outcome = Outcome::Returned;
/// An unknown-syscall fault.
const UNKNOWN: Outcome = Outcome::Fault(FaultType::UnknownSyscall, ANY);

/// System calls.
pub const SECTION: Section = Section {
    title: "System calls",
    intro: "The tests compare all registers before and after. DebugHalt stops the machine, so no test shows it. Numbers \
            of other configurations are UnknownSyscall faults.",
    rows: rows! { Call of Syscall {
        Call {
            RETURNED, "a failed invocation changes rdi, rsi and the words of the error", "REGS0001";
            RETURNED, "a successful invocation changes rdi, rsi and the words of the result", "REGS0002";
            RETURNED, "an answer changes rdi, rsi and its words", "REGS0003";
        }
        ReplyRecv { RETURNED, "a signal received changes rdi", "REGS0011"; }
        NbSendRecv { RETURNED, "a signal received changes rdi", "REGS0011"; }
        NbSendWait { RETURNED, "a signal received changes rdi", "REGS0011"; }
        Send {
            RETURNED, "a message changes nothing", "REGS0004";
            RETURNED, "a signal changes nothing", "REGS0005";
            RETURNED, "a failed invocation changes nothing", "REGS0006";
        }
        NbSend {
            RETURNED, "without a receiver: dropped, nothing changes", "REGS0007";
            RETURNED, "the capability is not found: ignored, nothing changes", "REGS0007";
        }
        Recv {
            RETURNED, "a message changes rdi, rsi and as many words as it has", "REGS0008";
            RETURNED, "a signal changes rdi", "REGS0010";
        }
        NbRecv {
            RETURNED, "nothing there: rdi becomes 0", "REGS0009";
            RETURNED, "a signal changes rdi", "REGS0010";
        }
        Wait { RETURNED, "a signal changes rdi", "REGS0010"; }
        NbWait {
            RETURNED, "nothing there: rdi becomes 0", "REGS0009";
            RETURNED, "a signal changes rdi", "REGS0010";
        }
        Yield { RETURNED, "nothing changes", "REGS0012"; }
        DebugPutChar { RETURNED, "the character is on the console", "SYSCALL0008"; }
        DebugDumpScheduler { RETURNED, "threads are listed on the console", "SYSCALL0006"; }
        DebugCapIdentify {
            RETURNED, "rdi becomes the kind of the capability, nothing else changes", "REGS0013";
            RETURNED, "an empty slot is kind 0", "SYSCALL0002";
            RETURNED, "a pointer that leads nowhere is kind 0", "SYSCALL0003";
        }
        DebugSnapshot { RETURNED, "capabilities are listed on the console", "SYSCALL0007"; }
        DebugNameThread { RETURNED, "the name ends within 960 bytes", "SYSCALL0005"; }
        DebugSendIpi { UNKNOWN, "one core only", "SYSCALL0001"; }
        DebugGetThreadAffinity { UNKNOWN, "one core only", "SYSCALL0001"; }
        DebugRun { UNKNOWN, "never offered", "SYSCALL0001"; }
        BenchmarkFlushCaches { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        BenchmarkResetLog { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        BenchmarkFinalizeLog { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        BenchmarkSetLogBuffer { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        BenchmarkNullSyscall { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        BenchmarkGetThreadUtilisation { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        BenchmarkResetThreadUtilisation { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        BenchmarkDumpAllThreadsUtilisation { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        BenchmarkResetAllThreadsUtilisation { UNKNOWN, "no benchmark build", "SYSCALL0001"; }
        X86DangerousWrmsr { UNKNOWN, "without pmc=on", "SYSCALL0009"; }
        X86DangerousRdmsr { UNKNOWN, "without pmc=on", "SYSCALL0009"; }
        VmEnter { UNKNOWN, "no VT-x", "SYSCALL0001"; }
        SetTlsBase { UNKNOWN, "threads set their FS base by instruction", "SYSCALL0001"; }
    } },
};
