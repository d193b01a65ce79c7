//! Tests of the kernel on the host: the kernel boots a root task in an arena, and the tests play user space.
//!
//! [`machine`] is the stage: it enters the kernel as the entry code does, and looks at registers and IPC buffers.
//! [`check`] walks everything after each kernel entry and asserts what must always hold. Expectations are those of
//! abi.md; the tables of errors carry the names of the rows of its appendix.

#[cfg(feature = "benchmark")]
mod benchmark;
mod boot_env;
mod bootinfo;
mod both_ways;
mod check;
mod cnode;
mod contexts;
mod debug;
mod deletion;
mod devices;
mod fast_path;
mod faults;
mod fuzz;
mod ipc;
mod machine;
mod messages;
mod objects;
mod replies;
mod retype;
mod rows;
mod scheduling;
mod short_invocations;
mod smoke;
mod syscalls;
mod tcb;
#[cfg(feature = "trace")]
mod trace;
mod waiters;
