//! The Selkie microkernel: capabilities, threads, messages, address spaces and processor time, and nothing else.
//!
//! The user interface is that of seL4 16.0.0 (x86_64, MCS), see `libsel/abi`. What the kernel is made of:
//!
//! * **No heap.** Every kernel object lives in memory that a user retyped from an untyped capability ([`object`]).
//!   The kernel itself allocates nothing after boot.
//! * **Capabilities are the only authority.** Two words in a four-word slot ([`cap`]); the other two words link all
//!   slots into the derivation tree, from which deletion and revocation follow.
//! * **One kernel entry, one decision.** A thread enters by a system call, a fault or an interrupt ([`syscall`]);
//!   its registers are saved straight into its TCB. The handler checks everything, then changes everything, and the
//!   scheduler names the thread to leave to ([`sched`]). No thread has a kernel stack.
//! * **Interrupts are off in the kernel.** Long operations ask at preemption points whether to stop; a stopped system
//!   call is executed again and continues where its partial work left off.
//! * **Nothing that a user passes can panic.** Decoding returns errors; the kernel's own invariants are assertions
//!   that are reported loudly.
//!
//! The library also builds for the host, with [`arch`]'s stub port and an arena in place of physical memory, where its
//! tests run.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod addr;
pub mod arch;
pub mod boot;
pub mod cap;
#[cfg(target_os = "none")]
pub mod debug;
pub mod dump;
#[cfg(target_os = "none")]
pub mod entry;
pub mod error;
pub mod fault;
pub mod invoke;
pub mod ipc;
pub mod latency;
pub mod object;
pub mod other_calls;
pub mod print;
pub mod queue;
pub mod sched;
pub mod screen;
pub mod state;
pub mod syscall;
pub mod trace;

#[cfg(test)]
mod tests;
