//! Faults of other threads, as their handler receives them (abi.md 5): decoded, and in plain words.

#[cfg(test)]
mod tests;
mod words;

use crate::abi::fault::{FaultType, cap_fault, timeout, unknown_syscall, user_exception, vm_fault};
use crate::abi::registers::REGISTER_COUNT;
use crate::abi::{Register, Word};
use crate::error::LookupFailure;
use crate::invoke::UserContext;
use crate::ipc::Message;

/// Bits of the page-fault error code that a [`Fault::Vm`] reports (SDM vol 3 §4.7).
pub mod page_fault_code {
    /// The page is there, and the access is not allowed.
    pub const PRESENT: u64 = 1;
    /// A write.
    pub const WRITE: u64 = 2;
    /// From user mode.
    pub const USER: u64 = 4;
    /// A reserved bit is set in a paging structure.
    pub const RESERVED: u64 = 8;
    /// An instruction fetch.
    pub const FETCH: u64 = 16;
}

/// Why a thread stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A capability that a system call needs was not found.
    Cap {
        /// Address of the `syscall` instruction.
        ip: Word,
        /// The capability pointer.
        cptr: Word,
        /// In the receive phase; otherwise in the send phase.
        receiving: bool,
        /// Why it was not found.
        failure: LookupFailure,
    },
    /// There is no such system call.
    UnknownSyscall {
        /// The number.
        number: Word,
        /// The registers, FS and GS base excepted.
        registers: UserContext,
    },
    /// A processor exception other than a page fault.
    UserException {
        /// Address of the instruction; for a breakpoint of the next one.
        ip: Word,
        /// Stack pointer.
        sp: Word,
        /// RFLAGS.
        flags: Word,
        /// Vector.
        number: Word,
        /// Error code; 0 where the processor has none.
        code: Word,
    },
    /// The budget is used up.
    Timeout {
        /// Badge of the scheduling context.
        badge: Word,
        /// Microseconds consumed since the last report.
        consumed_us: Word,
    },
    /// An access that the address space does not allow.
    Vm {
        /// Address of the instruction.
        ip: Word,
        /// The address accessed.
        address: Word,
        /// An instruction fetch.
        fetch: bool,
        /// [`page_fault_code`] bits.
        code: Word,
    },
}

impl Fault {
    /// Decodes a received message; `None` if its label or its length is not that of a fault.
    ///
    /// Whether a message *is* a fault, its badge tells: anyone who can send can choose a label.
    pub fn decode(message: &Message) -> Option<Fault> {
        Fault::from_words(message.label(), message.length(), |index| message.word(index))
    }

    /// Decodes a fault from its label, its length and access to its words.
    pub fn from_words(label: Word, length: usize, word: impl Fn(usize) -> Word) -> Option<Fault> {
        let (fault, least) = match FaultType::from_raw(label)? {
            FaultType::NullFault | FaultType::DebugException => return None,
            FaultType::CapFault => {
                let failure = LookupFailure::from_words(|index| word(cap_fault::LOOKUP_FAILURE + index));
                let cap = Fault::Cap {
                    ip: word(cap_fault::IP),
                    cptr: word(cap_fault::ADDRESS),
                    receiving: word(cap_fault::IN_RECV_PHASE) != 0,
                    failure,
                };
                (cap, cap_fault::LOOKUP_FAILURE + 1)
            }
            FaultType::UnknownSyscall => {
                let mut registers = UserContext([0; REGISTER_COUNT]);
                for (index, register) in unknown_syscall::REGISTERS.into_iter().enumerate() {
                    registers.set(register, word(index));
                }
                let unknown = Fault::UnknownSyscall { number: word(unknown_syscall::NUMBER), registers };
                (unknown, unknown_syscall::LENGTH)
            }
            FaultType::UserException => {
                let exception = Fault::UserException {
                    ip: word(user_exception::IP),
                    sp: word(user_exception::SP),
                    flags: word(user_exception::FLAGS),
                    number: word(user_exception::NUMBER),
                    code: word(user_exception::CODE),
                };
                (exception, user_exception::LENGTH)
            }
            FaultType::Timeout => {
                let timeout =
                    Fault::Timeout { badge: word(timeout::DATA), consumed_us: word(timeout::CONSUMED) };
                (timeout, timeout::LENGTH)
            }
            FaultType::VmFault => {
                let vm = Fault::Vm {
                    ip: word(vm_fault::IP),
                    address: word(vm_fault::ADDRESS),
                    fetch: word(vm_fault::PREFETCH_FAULT) != 0,
                    code: word(vm_fault::FSR),
                };
                (vm, vm_fault::LENGTH)
            }
        };
        (length >= least).then_some(fault)
    }

    /// Address of the faulting instruction, where the message tells it.
    pub fn ip(&self) -> Option<Word> {
        match self {
            Fault::Cap { ip, .. } | Fault::UserException { ip, .. } | Fault::Vm { ip, .. } => Some(*ip),
            Fault::UnknownSyscall { registers, .. } => Some(registers.get(Register::Rip)),
            Fault::Timeout { .. } => None,
        }
    }
}
