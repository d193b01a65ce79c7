//! Raw system calls (abi.md 2): one stub per shape, named as in the seL4 manual.
//!
//! | shape | calls | goes in | comes out |
//! |---|---|---|---|
//! | send only | `send` `nb_send` | capability, info, MR0..3 | nothing |
//! | call | `call` | capability, info, MR0..3 | badge, info, MR0..3 |
//! | receive with reply object | `recv` `nb_recv` | capability, reply object | badge, info, MR0..3 |
//! | receive without | `wait` `nb_wait` | capability | badge, info, MR0..3 |
//! | combined | `reply_recv` `nb_send_recv` `nb_send_wait` | two capabilities, info, MR0..3 | badge, info, MR0..3 |
//! | one register | `yield_`, debug calls, `set_tls_base` | `rdi` | `rdi` |
//!
//! Message words from MR4 on, extra capabilities and the receive slot are in the IPC buffer; see [`crate::ipc`].
//!
//! The stubs leave nothing else of the caller's state changed: the kernel preserves all registers but those listed,
//! `rcx` and `r11`. seL4 returns with `rsp` = 0 on its fast path, so the stubs keep it in `r14` meanwhile; programs built
//! with libsel run on both kernels.
//!
//! # Why these functions are safe
//! A system call can change memory in two ways. The kernel writes the message to the thread's IPC buffer, which only
//! [`crate::ipc`] reads, through raw pointers. And an invocation can unmap or share a page of the caller's own
//! address space; like writing to `/proc/self/mem` on Linux that is outside what the language can speak of, and a
//! program that is handed capabilities to its own pages has to know what it does with them. The one exception is
//! [`set_tls_base`].

use crate::abi::{CPtr, MessageInfo, Register, Syscall, Word, registers};

#[cfg(target_os = "none")]
mod x86_64;
#[cfg(target_os = "none")]
use x86_64 as shape;

#[cfg(not(target_os = "none"))]
pub mod host;
#[cfg(not(target_os = "none"))]
use host as shape;

/// MR0 to MR3.
pub type MessageRegisters = [Word; crate::abi::FAST_MESSAGE_REGISTERS];

// The stubs name these registers in assembly; they have to be the interface's.
const _: () = {
    assert!(matches!(
        registers::MESSAGE_REGISTERS,
        [Register::R10, Register::R8, Register::R9, Register::R15]
    ));
    assert!(matches!(registers::CAP_REGISTER, Register::Rdi));
    assert!(matches!(registers::INFO_REGISTER, Register::Rsi));
    assert!(matches!(registers::SYSCALL_REGISTER, Register::Rdx));
    assert!(matches!(registers::REPLY_REGISTER, Register::R12));
    assert!(matches!(registers::NB_SEND_RECV_REGISTER, Register::R13));
};

/// What a receiving system call leaves in the registers.
///
/// After a signal, and when a polling call found nothing, `info` and `mrs` are zero: the kernel does not write them
/// then, and the stubs pass zeros (a combined call or [`call`] leaves what was sent).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Registers {
    /// Badge of the sender's capability; 0 for replies.
    pub badge: Word,
    /// Label, length, capabilities.
    pub info: MessageInfo,
    /// MR0 to MR3.
    pub mrs: MessageRegisters,
}

/// Sends a message and waits until it is received. On other than endpoints, notifications and reply objects: invokes
/// without an answer.
#[inline(always)]
pub fn send(dest: CPtr, info: MessageInfo, mrs: MessageRegisters) {
    shape::send_only::<{ Syscall::Send.raw() }>(dest, info, mrs);
}

/// Sends a message if somebody waits for it, and drops it otherwise.
#[inline(always)]
pub fn nb_send(dest: CPtr, info: MessageInfo, mrs: MessageRegisters) {
    shape::send_only::<{ Syscall::NbSend.raw() }>(dest, info, mrs);
}

/// Sends a message and waits for the reply; invokes a kernel object and takes its answer.
#[inline(always)]
pub fn call(dest: CPtr, info: MessageInfo, mrs: MessageRegisters) -> Registers {
    shape::call::<{ Syscall::Call.raw() }>(dest, info, mrs)
}

/// Waits for a message; a caller's reply will go through the reply object `reply`.
#[inline(always)]
pub fn recv(src: CPtr, reply: CPtr) -> Registers {
    shape::receive_with_reply::<{ Syscall::Recv.raw() }>(src, reply)
}

/// Takes a message if one is waiting; all zero otherwise.
#[inline(always)]
pub fn nb_recv(src: CPtr, reply: CPtr) -> Registers {
    shape::receive_with_reply::<{ Syscall::NbRecv.raw() }>(src, reply)
}

/// Waits for a message or a signal, without a reply object.
#[inline(always)]
pub fn wait(src: CPtr) -> Registers {
    shape::receive::<{ Syscall::Wait.raw() }>(src)
}

/// Takes a message or a signal if there is one; all zero otherwise.
#[inline(always)]
pub fn nb_wait(src: CPtr) -> Registers {
    shape::receive::<{ Syscall::NbWait.raw() }>(src)
}

/// Replies through the reply object, then waits for the next message with the same one.
#[inline(always)]
pub fn reply_recv(src: CPtr, info: MessageInfo, mrs: MessageRegisters, reply: CPtr) -> Registers {
    shape::combined::<{ Syscall::ReplyRecv.raw() }>(src, info, mrs, reply, 0)
}

/// Sends to `dest` if somebody waits, then receives from `src` with a reply object.
#[inline(always)]
pub fn nb_send_recv(
    dest: CPtr,
    info: MessageInfo,
    mrs: MessageRegisters,
    src: CPtr,
    reply: CPtr,
) -> Registers {
    shape::combined::<{ Syscall::NbSendRecv.raw() }>(src, info, mrs, reply, dest)
}

/// Sends to `dest` if somebody waits, then waits on `src` without a reply object.
#[inline(always)]
pub fn nb_send_wait(dest: CPtr, info: MessageInfo, mrs: MessageRegisters, src: CPtr) -> Registers {
    shape::combined::<{ Syscall::NbSendWait.raw() }>(src, info, mrs, dest, 0)
}

/// Gives up the rest of this period's budget.
#[inline(always)]
pub fn yield_() {
    one_register(Syscall::Yield.raw(), 0);
}

/// Prints one character on the kernel's console.
#[inline(always)]
pub fn debug_put_char(character: u8) {
    one_register(Syscall::DebugPutChar.raw(), Word::from(character));
}

/// Makes the kernel print every thread with its state.
#[inline(always)]
pub fn debug_dump_scheduler() {
    one_register(Syscall::DebugDumpScheduler.raw(), 0);
}

/// Stops the machine.
#[inline(always)]
pub fn debug_halt() {
    one_register(Syscall::DebugHalt.raw(), 0);
}

/// The type of a capability as a [`crate::abi::CapTag`] number; 0 for an empty or missing slot.
#[inline(always)]
pub fn debug_cap_identify(cptr: CPtr) -> Word {
    one_register(Syscall::DebugCapIdentify.raw(), cptr)
}

/// Makes the kernel print every capability.
#[inline(always)]
pub fn debug_snapshot() {
    one_register(Syscall::DebugSnapshot.raw(), 0);
}

/// Names a thread in the kernel's debug output.
///
/// The name is cut to what fits the message registers of the IPC buffer with its NUL; bytes from a NUL on are not part
/// of it. `tcb` has to be a TCB capability: seL4 halts the machine otherwise (abi.md 2.4), and so does this call when
/// the thread has no IPC buffer, so nothing is done then.
pub fn debug_name_thread(tcb: CPtr, name: &str) {
    let Some(buffer) = crate::ipc::buffer() else { return };
    let most = crate::abi::MSG_MAX_LENGTH * 8 - 1;
    let name = name.as_bytes();
    let name = name.get(..most).unwrap_or(name);
    // One chunk more than full words: the last word written always ends in a NUL.
    for index in 0..=name.len() / 8 {
        let mut word = [0; 8];
        let rest = name.get(index * 8..).unwrap_or_default();
        for (to, from) in word.iter_mut().zip(rest) {
            *to = *from;
        }
        buffer.set_word(index, Word::from_le_bytes(word));
    }
    one_register(Syscall::DebugNameThread.raw(), tcb);
}

/// Does nothing and returns: the price of entering the kernel. Only in kernels built for benchmarks.
#[inline(always)]
pub fn benchmark_null_syscall() {
    one_register(Syscall::BenchmarkNullSyscall.raw(), 0);
}

/// Sets the caller's FS base by system call, for kernels that keep the FSGSBASE instructions off (abi.md 2.4).
///
/// # Safety
/// No thread-local variable is reached through the old base any more, and `base` is what the program's thread-local
/// accesses expect.
#[inline(always)]
pub unsafe fn set_tls_base(base: Word) {
    one_register(Syscall::SetTlsBase.raw(), base);
}

/// Any system call that takes and gives at most `rdi`; with a number that is none, an unknown-syscall fault.
#[inline(always)]
pub fn one_register(number: i64, argument: Word) -> Word {
    shape::one_register(number, argument)
}
