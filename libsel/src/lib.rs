//! The library that Selkie's user programs are written against.
//!
//! Three layers, each usable alone:
//!
//! 1. [`sys`]: one stub per shape of system call. Registers in, registers out; nothing is interpreted.
//! 2. [`cap`], [`invoke`], [`ipc`], [`fault`], [`bootinfo`]: typed capabilities. A [`Cap<Tcb>`](Cap) has the methods of
//!    the seL4 manual's TCB chapter, arguments in the manual's order, and errors come back as an [`Error`] that carries
//!    the words the kernel sent and says in plain words what they mean.
//!    [`trace`] reads the ring of events of a kernel that traces.
//! 3. [`proto`], [`heap`], [`rt`]: what makes a file with a `main` a server. Typed protocols that client and server
//!    share, a `malloc`, an entry point with a stack, `println!`, and panics that a supervisor can report.
//!
//! A server is this much, and gets its heap, its console and its services without further ado:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! extern crate alloc;
//!
//! #[libsel::main]
//! fn main() {
//!     let squares: alloc::vec::Vec<u64> = (1..=10).map(|n| n * n).collect();
//!     libsel::println!("{squares:?}");
//! }
//! ```
//!
//! # Principles
//! * Every number comes from [`abi`], the crate that the kernel reads as well.
//! * Nothing here allocates but a program that asks for memory. The root task has no heap and uses layers 1 and 2.
//! * A capability is a number: copying a [`Cap`] copies no authority, and a `Cap<Frame>` in which no frame lies gives an
//!   error, not undefined behaviour. System calls are therefore safe functions; see [`sys`] for the argument.
//! * What comes in a message is hostile until decoded. Decoding returns a result and never panics.
//! * The code builds for the host too. There, system calls reach a recorder under `cargo test`, so that what each method
//!   sends is tested word for word, and panic elsewhere.
//!
//! # Threads
//! A server starts further threads with [`thread::spawn`]. They share the heap and all capabilities; each has its own IPC
//! buffer ([`ipc::buffer`]), line to be printed and connection to the console. What they share besides goes into a
//! [`sync::Mutex`]. The library does not know of threads that a program makes by itself, as root tasks do.
#![no_std]

#[cfg(test)]
extern crate std;

pub use sel_abi as abi;

pub mod bootinfo;
pub mod cap;
pub mod error;
pub mod fault;
#[cfg(test)]
mod fuzzing;
pub mod heap;
pub mod invoke;
pub mod ipc;
pub mod proto;
pub mod rt;
pub mod sync;
pub mod sys;
pub mod thread;
pub mod trace;

pub use cap::{AbsoluteSlot, Cap};
pub use error::{Error, LookupFailure, Result};
pub use libsel_macros::{main, root_task};
