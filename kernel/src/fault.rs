//! Faults: what a thread did that it cannot go on from, told to its handler as a message (abi.md 5).
use core::fmt;

use sel_abi::fault::{DebugReason, timeout, unknown_syscall};
use sel_abi::{CapRights, FAST_MESSAGE_REGISTERS, FaultType, MessageInfo, Register, Syscall};

use crate::cap::{Cap, EndpointCap, Slot};
use crate::dump::{MissingRight, NAME_BYTES, Path};
use crate::error::LookupFailure;
use crate::ipc::message;
use crate::object::endpoint;
use crate::object::sched_context;
use crate::object::tcb::{SendMode, TcbPtr, ThreadState};
use crate::print;
use crate::state::Kernel;
use crate::trace;

/// Why a thread stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It did not.
    None,
    /// A capability could not be found.
    Cap {
        /// The capability pointer.
        address: u64,
        /// In the receive phase.
        receiving: bool,
        /// Why.
        failure: LookupFailure,
    },
    /// No such system call.
    UnknownSyscall {
        /// Its number.
        number: u64,
    },
    /// A processor exception.
    Exception {
        /// Vector.
        vector: u32,
        /// Error code, 0 where the processor gives none.
        code: u32,
    },
    /// A debug or breakpoint exception, where the root task's headers have the hardware debug interface.
    Debug {
        /// What it was.
        reason: DebugReason,
    },
    /// A page fault.
    Vm {
        /// The address accessed (CR2).
        address: u64,
        /// Low five bits of the error code.
        code: u64,
    },
    /// The budget is used up.
    Timeout {
        /// Badge of the scheduling context.
        badge: u64,
        /// Microseconds used since the last report.
        consumed_us: u64,
    },
}

/// Bit 4 of a page fault's error code: an instruction fetch.
const FETCH: u64 = 1 << 4;

impl Fault {
    /// The label of the message.
    pub fn kind(&self) -> FaultType {
        match self {
            Fault::None => FaultType::NullFault,
            Fault::Cap { .. } => FaultType::CapFault,
            Fault::UnknownSyscall { .. } => FaultType::UnknownSyscall,
            Fault::Exception { .. } => FaultType::UserException,
            Fault::Debug { .. } => FaultType::DebugException,
            Fault::Vm { .. } => FaultType::VmFault,
            Fault::Timeout { .. } => FaultType::Timeout,
        }
    }
}

impl Fault {
    /// Whether a thread with this fault, or none, goes on when it is answered with this message (abi.md 5.3).
    #[inline]
    pub fn goes_on_after(&self, info: MessageInfo) -> bool {
        matches!(self, Fault::None | Fault::Cap { .. } | Fault::Vm { .. }) || info.label() == 0
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Fault::None => write!(f, "no fault"),
            Fault::Cap { address, receiving, failure } => {
                let phase = if receiving { "receiving from" } else { "sending to" };
                write!(f, "{phase} capability pointer {address:#x}: {failure:?}")
            }
            Fault::UnknownSyscall { number } => write!(f, "unknown system call {number:#x}"),
            Fault::Exception { vector, code } => {
                write!(f, "processor exception {vector}, error code {code:#x}")
            }
            Fault::Debug { reason } => write!(f, "debug exception: {reason:?}"),
            Fault::Vm { address, code } => {
                let access = match code & 0x12 {
                    0x10 | 0x12 => "executing",
                    2 => "writing",
                    _ => "reading",
                };
                write!(f, "{access} address {address:#x}, which it may not")
            }
            Fault::Timeout { badge, consumed_us } => {
                write!(f, "scheduling context {badge:#x} used up its budget ({consumed_us} us)")
            }
        }
    }
}

/// The endpoint that a handler slot names.
fn handler(slot: &Slot) -> Option<EndpointCap> {
    match slot.cap() {
        Cap::Endpoint(endpoint) => Some(endpoint),
        _ => None,
    }
}

/// True if a capability may be a fault or timeout handler: null, or an endpoint with Write and Grant or GrantReply
/// (abi.md 5.4).
pub fn is_valid_handler(cap: &Cap) -> bool {
    match cap {
        Cap::Null => true,
        Cap::Endpoint(endpoint) => {
            endpoint.rights.contains(CapRights::WRITE)
                && endpoint.rights.intersects(CapRights::GRANT | CapRights::GRANT_REPLY)
        }
        _ => false,
    }
}

/// The thread has a timeout handler.
pub fn has_timeout_handler(thread: TcbPtr) -> bool {
    handler(thread.timeout_handler()).is_some()
}

/// Stops a thread because of a fault and tells its handler; without one it stays stopped.
pub fn raise(k: &mut Kernel, thread: TcbPtr, fault: Fault) {
    trace::fault(thread, &fault);
    let Some(endpoint) = handler(thread.fault_handler()) else {
        report_unhandled(thread, &fault);
        thread.state.set(ThreadState::Inactive);
        return;
    };
    let may_donate = thread.sched_context.get().is_some();
    send(k, thread, fault, endpoint, may_donate);
}

/// Says in words what a thread without a fault handler did.
fn report_unhandled(thread: TcbPtr, fault: &Fault) {
    let mut buffer = [0; NAME_BYTES];
    let name = thread.name.text(&mut buffer);
    let ip = thread.context.restart_ip();
    print::line(format_args!("thread {name:?} stopped at {ip:#x}, no fault handler: {fault}"));
    match *fault {
        Fault::Cap { address: cptr, receiving, .. } => {
            let path = Path { thread: &thread, cptr };
            let missing = MissingRight { thread: &thread, cptr, receiving };
            print::line(format_args!("  {cptr:#x} is {path}{missing}"));
        }
        Fault::Vm { address, code } => {
            let what = if code & 1 == 0 { "nothing is mapped there" } else { "the page's rights forbid it" };
            print::line(format_args!("  {address:#x}: {what}"));
        }
        Fault::UnknownSyscall { number } => match Syscall::from_raw(number as i64) {
            Some(Syscall::SetTlsBase) => {
                print::line(format_args!("  fsgsbase=msr on the kernel's command line offers it"))
            }
            Some(Syscall::X86DangerousRdmsr | Syscall::X86DangerousWrmsr) => {
                print::line(format_args!("  pmc=on on the kernel's command line offers it"));
            }
            _ => {}
        },
        _ => {}
    }
}

/// Tells the timeout handler that a thread's budget is used up. The thread has one.
pub fn raise_timeout(k: &mut Kernel, thread: TcbPtr) {
    let Some(endpoint) = handler(thread.timeout_handler()) else { return };
    let Some(context) = thread.sched_context.get() else { return };
    let fault = Fault::Timeout {
        badge: context.badge.get(),
        consumed_us: sched_context::report_consumed(k, context),
    };
    trace::fault(thread, &fault);
    send(k, thread, fault, endpoint, false);
}

fn send(k: &mut Kernel, thread: TcbPtr, fault: Fault, handler: EndpointCap, may_donate: bool) {
    thread.fault.set(fault);
    endpoint::send_fault(k, thread, handler.object, SendMode::of(&handler, true), may_donate);
}

/// Writes a fault message to the receiver; returns its message info.
pub fn write_message(fault: &Fault, faulter: TcbPtr, to: TcbPtr) -> MessageInfo {
    let context = &faulter.context;
    let ip = context.restart_ip();
    let read = |register: Register| context.read(register);
    let length = match *fault {
        Fault::None => 0,
        Fault::Cap { address, receiving, failure } => {
            let (words, count) = failure.words();
            let mut message = [ip, address, u64::from(receiving), 0, 0, 0, 0];
            for (to, from) in message.iter_mut().skip(3).zip(words) {
                *to = from;
            }
            let length = 3 + count;
            message::write_words(to, message.into_iter().take(length))
        }
        Fault::UnknownSyscall { number } => {
            let mut message = [number; unknown_syscall::LENGTH];
            for (word, register) in message.iter_mut().zip(unknown_syscall::REGISTERS) {
                *word = read(register);
            }
            message::write_words(to, message.into_iter())
        }
        Fault::Exception { vector, code } => {
            let message =
                [ip, read(Register::Rsp), read(Register::Rflags), u64::from(vector), u64::from(code)];
            message::write_words(to, message.into_iter())
        }
        Fault::Debug { reason } => message::write_words(to, [ip, reason.raw()].into_iter()),
        Fault::Vm { address, code } => {
            let fetch = u64::from(code & FETCH != 0);
            message::write_words(to, [ip, address, fetch, code].into_iter())
        }
        Fault::Timeout { badge, consumed_us } => message::write_words(to, [badge, consumed_us].into_iter()),
    };
    MessageInfo::new(fault.kind().raw(), 0, 0, length)
}

/// Applies the reply of a handler to the thread that faulted; true if it goes on (abi.md 5.3).
pub fn apply_reply(handler: TcbPtr, faulter: TcbPtr, fault: &Fault) -> bool {
    const EXCEPTION_REGISTERS: &[Register] = &[Register::Rip, Register::Rsp, Register::Rflags];
    let registers: &[Register] = match fault {
        Fault::None | Fault::Cap { .. } | Fault::Vm { .. } => return true,
        Fault::UnknownSyscall { .. } => &unknown_syscall::REGISTERS,
        Fault::Exception { .. } => EXCEPTION_REGISTERS,
        Fault::Debug { .. } => &[],
        Fault::Timeout { .. } => &timeout::REPLY_REGISTERS,
    };
    let info = message::info(&handler);
    let mut length = info.length();
    let buffer = if length > FAST_MESSAGE_REGISTERS { handler.ipc_buffer(false) } else { None };
    if buffer.is_none() {
        length = length.min(FAST_MESSAGE_REGISTERS);
    }
    for (index, &register) in registers.iter().take(length).enumerate() {
        faulter.context.replace(register, message::word(&handler, buffer, index));
    }
    info.label() == 0
}
