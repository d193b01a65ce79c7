//! The machine: the names that every port defines. `x86_64` on the machine, `host` where the tests run.

/// The saved registers of a thread; the same on both ports.
#[path = "x86_64/context.rs"]
pub mod context;
/// Paging entries; the same on both ports.
#[path = "x86_64/pte.rs"]
pub mod pte;
/// Conversion between clocks; tested on the host.
#[cfg(any(target_os = "none", test))]
#[path = "x86_64/ratio.rs"]
mod ratio;

/// Which performance counters users may have; tested on the host.
#[cfg(any(target_os = "none", test))]
#[path = "x86_64/counters.rs"]
mod counters;

/// Tags of the TLB; tested on the host.
#[path = "x86_64/tags.rs"]
pub mod tags;

pub use context::Context;
pub use tags::AddressSpace;

#[cfg(target_os = "none")]
mod x86_64;
#[cfg(target_os = "none")]
pub use self::x86_64::*;

#[cfg(not(target_os = "none"))]
mod host;
#[cfg(not(target_os = "none"))]
pub use host::*;

/// CPU vector of the kernel's timer (abi.md 9.11).
pub const TIMER_VECTOR: u8 = 157;
