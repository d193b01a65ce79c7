//! Fault messages (abi.md 5.2).

use libsel::abi::FaultType;
use libsel::abi::LookupFailureKind::{DepthMismatch, GuardMismatch, InvalidRoot, MissingCapability};

use super::outcome::*;
use super::{Section, rows};

/// An exception with this vector.
const fn vector(number: u64) -> Outcome {
    Outcome::Fault(FaultType::UserException, number)
}

/// A page fault with this error code.
const fn page(code: u64) -> Outcome {
    Outcome::Fault(FaultType::VmFault, code)
}

/// Fault messages.
pub const SECTION: Section = Section {
    title: "Fault messages",
    intro: "What the handler receives. The code of a page fault: 1 the page is there, 2 write, 4 user mode, 16 instruction \
            fetch.",
    rows: rows! { Fault of FaultType {
        CapFault {
            Outcome::CapFault(0, InvalidRoot), "4 words: the thread has no CSpace", "FAULT0023";
            Outcome::CapFault(1, MissingCapability), "5 words: nothing is there that can be received from", "FAULT0017";
            Outcome::CapFault(0, DepthMismatch), "6 words: a CNode needs more bits than are left", "PHASE0005";
            Outcome::CapFault(0, GuardMismatch), "7 words: the pointer does not match a guard", "FAULT0016";
        }
        UnknownSyscall {
            Outcome::Fault(FaultType::UnknownSyscall, ANY), "19 words: no system call has the number in rdx", "FAULT0011";
            Outcome::Fault(FaultType::UnknownSyscall, ANY), "19 words: int 158 to 254", "FAULT0012";
        }
        UserException {
            vector(0), "a division by zero", "FAULT0006";
            vector(3), "int3; the address behind it is told", "FAULT0005";
            vector(6), "an illegal instruction", "FAULT0004";
            vector(7), "an SSE instruction, and the thread's FPU is off", "FPU0003";
            vector(7), "an x87 instruction, and the thread's FPU is off", "FPU0004";
            vector(13), "a privileged instruction", "FAULT0007";
            vector(13), "a port instruction", "FAULT0008";
            vector(13), "int 0x80, or another that is no system call", "FAULT0009";
            vector(13), "an address that is not canonical", "ACCESS0012";
        }
        Timeout {
            Outcome::Fault(FaultType::Timeout, ANY), "2 words: badge of the scheduling context, microseconds", "TIMEOUT0001";
        }
        VmFault {
            page(4), "a read where nothing is mapped", "FAULT0001";
            page(6), "a write where nothing is mapped", "FAULT0002";
            page(0x14), "a jump to where nothing is mapped", "FAULT0003";
            page(5), "a read of a page that is mapped without rights", "ACCESS0003";
            page(7), "a write to a page that is mapped read-only", "ACCESS0001";
            page(0x15), "a jump to a page that is mapped with the execute-never attribute", "ACCESS0008";
        }
    } },
};
