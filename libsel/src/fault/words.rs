//! Faults in plain words: what was done, where, and why it could not be.

use core::fmt;

use super::{Fault, page_fault_code};
use crate::abi::Register;

/// Addresses below this are taken for a null pointer with an offset.
const NULL_PAGE_END: u64 = 4096;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::Cap { ip, cptr, receiving, failure } => {
                let phase = if receiving { "receive" } else { "send" };
                write!(f, "capability fault at {ip:#x}: {phase} phase, capability {cptr:#x}: {failure}")
            }
            Fault::UnknownSyscall { number, ref registers } => {
                let ip = registers.get(Register::Rip);
                write!(f, "unknown system call {} at {ip:#x}", number.cast_signed())
            }
            Fault::UserException { ip, sp, number, code, .. } => {
                write!(f, "{} at {ip:#x}, stack {sp:#x}", exception_name(number))?;
                if code != 0 { write!(f, ", error code {code:#x}") } else { Ok(()) }
            }
            Fault::Timeout { badge, consumed_us } => {
                write!(
                    f,
                    "budget used up: scheduling context with badge {badge:#x}, {consumed_us} us consumed"
                )
            }
            Fault::Vm { ip, address, fetch, code } => {
                let access = match () {
                    () if fetch => "jump to",
                    () if code & page_fault_code::WRITE != 0 => "write to",
                    () => "read of",
                };
                let reason = match () {
                    () if code & page_fault_code::RESERVED != 0 => "a reserved bit is set in its page table",
                    () if code & page_fault_code::PRESENT != 0 => "the page does not allow it",
                    () if address < NULL_PAGE_END => "a null pointer",
                    () => "nothing is mapped there",
                };
                write!(f, "{access} {address:#x} at {ip:#x}: {reason}")
            }
        }
    }
}

/// What the processor calls an exception (SDM vol 3 §6.3.1).
fn exception_name(vector: u64) -> &'static str {
    match vector {
        0 => "division by zero (#DE)",
        1 => "debug exception (#DB)",
        2 => "non-maskable interrupt",
        3 => "breakpoint (#BP)",
        4 => "overflow (#OF)",
        5 => "bound range exceeded (#BR)",
        6 => "illegal instruction (#UD)",
        7 => "use of the disabled FPU (#NM)",
        10 => "invalid TSS (#TS)",
        11 => "segment not present (#NP)",
        12 => "stack fault (#SS)",
        13 => "general protection fault (#GP)",
        16 => "x87 floating-point error (#MF)",
        17 => "alignment check (#AC)",
        18 => "machine check (#MC)",
        19 => "SIMD floating-point error (#XM)",
        20 => "virtualization exception (#VE)",
        21 => "control protection exception (#CP)",
        _ => "unknown exception",
    }
}
