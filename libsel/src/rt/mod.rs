//! What makes a file with a `main` a program: entry and stack, `println!`, panics, slots for received capabilities, the
//! heap, and locks for its threads.
//!
//! A server says `#[libsel::main]`, a root task `#[libsel::root_task]`. Both attributes accept `stack = BYTES` (64 KiB
//! otherwise). The stack is part of the program's zeroed data; there is no guard page below it, so a program that
//! recurses deeply has to ask for enough.

pub mod alloc;
pub(crate) mod block;
mod bounded;
mod clock;
pub mod console;
pub mod entry;
mod exclusive;
pub(crate) mod lock;
mod outcome;
#[cfg(target_os = "none")]
mod panic;
pub mod print;
#[cfg(any(target_os = "none", test))]
mod protect;
mod random;
pub mod slots;
mod start;

#[cfg(test)]
pub(crate) mod tests;

pub use bounded::Bounded;
pub use clock::ticks;
pub use exclusive::Exclusive;
pub use lock::Lock;
pub use outcome::Outcome;
pub use random::{random, secret};
pub use start::{exit, start_info};

/// Bytes of the stack where the program does not say.
pub const DEFAULT_STACK_BYTES: usize = 64 * 1024;
